/* A state in a temporary directory, and batches to apply. For the tests of src/state. */
#ifndef STATE_FIXTURE_H
#define STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/rng.h"
#include "record/batch.h"
#include "state/archive.h"
#include "state/state.h"

struct fixture {
    char dir[64];
    char archives[96];
    struct state *state;
    uint64_t map_bytes;
};

static inline void fixture_open(struct fixture *f)
{
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    struct candor_error err = {0};
    if (state_open(&options, &f->state, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/candor-state-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->archives, sizeof f->archives, "%s/archives", f->dir);
    f->map_bytes = 256u << 20;
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    free(f);
    return rc;
}

static inline struct candor_epoch epoch_of(uint64_t term)
{
    return (struct candor_epoch){1, term, node_id_of("a")};
}

static inline void add_put(struct batch_writer *w, const char *key, const char *value)
{
    struct record_op op = {.kind = RECORD_PUT,
                           .key = slice_of(key, strlen(key)),
                           .value = slice_of(value, strlen(value))};
    batch_add_write(w, &(struct record_write){.ack = CANDOR_ACK_LOCAL, .wall_ms = 7}, &op, 1);
}

static inline void add_delete(struct batch_writer *w, const char *key)
{
    struct record_op op = {.kind = RECORD_DELETE, .key = slice_of(key, strlen(key))};
    batch_add_write(w, &(struct record_write){.ack = CANDOR_ACK_LOCAL, .wall_ms = 7}, &op, 1);
}

static inline uint64_t next_seq(struct fixture *f)
{
    struct state_position position;
    state_position(f->state, &position);
    return position.applied.seq + 1;
}

/* Behind what is applied. */
static inline struct batch_writer batch_next_of(struct fixture *f, struct buffer *out,
                                                enum record_type type, struct candor_epoch epoch)
{
    struct state_position position;
    state_position(f->state, &position);
    return batch_begin(out, type, epoch, position.applied.seq + 1, position.chain);
}

/* The chain at the end of encoded batches; `before` where there are none. */
static inline struct chain chain_of(struct slice batches, struct chain before)
{
    struct batch batch;
    while (batches.length > 0) {
        assert_int_equal(batch_decode(&batches, &batch, NULL), CANDOR_OK);
        before = batch_chain(&batch, batch_last_seq(&batch));
    }
    return before;
}

static inline void apply_bytes(struct fixture *f, struct slice bytes, uint64_t commit)
{
    struct candor_error err = {0};
    if (state_apply(f->state, bytes, commit, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static inline void apply_put(struct fixture *f, uint64_t term, const char *key, const char *value,
                             uint64_t commit)
{
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(term));
    add_put(&w, key, value);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), commit);
    buffer_free(&bytes);
}

static inline void apply_epoch_start(struct fixture *f, uint64_t term, uint32_t member_count)
{
    struct members members = {.count = member_count};
    for (uint32_t i = 0; i < member_count; i++)
        members.list[i] = (struct member){node_id_of(i == 0 ? "a" : "b"), 100 + i, true};
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_EPOCH_START, epoch_of(term));
    batch_add_members(&w, 7, 1000 + term, &members);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    buffer_free(&bytes);
}

static inline void undo_to(struct fixture *f, uint64_t seq)
{
    struct candor_error err = {0};
    for (bool done = false; !done;)
        if (state_undo(f->state, seq, 3, &done, &err) != CANDOR_OK)
            fail_msg("%s", err.message);
}

/* As a number to compare; what was kept change by change is what all entries make. */
static inline uint64_t digest_now(struct state *state)
{
    struct state_digest digest;
    struct candor_error err = {0};
    struct state_view *view = state_view_begin(state);
    if (state_view_digest(view, &digest, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    state_view_end(view);
    return digest.high ^ digest.low;
}

static inline void assert_value(struct fixture *f, const char *key, const char *value)
{
    struct state_view *view = state_view_begin(f->state);
    struct state_item item;
    bool found = state_get(view, slice_of(key, strlen(key)), &item);
    assert_int_equal(found, value != NULL);
    if (found && value != NULL) {
        assert_int_equal(item.value.length, strlen(value));
        assert_memory_equal(item.value.bytes, value, strlen(value));
    }
    state_view_end(view);
}

#endif
