/* links: state record */
#include "state_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static void puts_count_versions_and_deletes_end_them(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "v1", 0);
    apply_put(f, 1, "k", "v2", 1);
    struct state_view *view = state_view_begin(f->state);
    struct state_item item;
    assert_true(state_get(view, slice_of("k", 1), &item));
    assert_int_equal(item.version, 2);
    assert_int_equal(item.mod_seq, 2);
    assert_int_equal(state_view_applied(view).seq, 2);
    state_view_end(view);

    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    add_delete(&w, "k");
    add_delete(&w, "k");
    add_put(&w, "k", "again");
    batch_end(&w);
    assert_int_equal(state_apply(f->state, buffer_slice(&bytes), 2, NULL), CANDOR_OK);
    buffer_free(&bytes);
    view = state_view_begin(f->state);
    assert_true(state_get(view, slice_of("k", 1), &item));
    assert_int_equal(item.version, 1);
    state_view_end(view);
    struct state_position position;
    state_position(f->state, &position);
    assert_int_equal(position.keys, 1);
}

struct seen {
    char keys[64];
    int limit;
};

static bool note_key(const struct state_item *item, void *closure)
{
    struct seen *seen = closure;
    strncat(seen->keys, (const char *)item->key.bytes, item->key.length);
    return --seen->limit > 0;
}

static void scans_respect_bounds_and_direction(void **state)
{
    struct fixture *f = *state;
    for (const char *c = "adbec"; *c != '\0'; c++)
        apply_put(f, 1, (char[]){*c, '\0'}, "v", 0);
    static const struct {
        const char *start, *end, *after;
        bool reverse;
        int limit;
        const char *keys;
    } cases[] = {{"", "", "", false, 9, "abcde"}, {"b", "d", "", false, 9, "bc"},
                 {"", "", "b", false, 9, "cde"},  {"", "", "", true, 9, "edcba"},
                 {"b", "d", "", true, 9, "cb"},   {"", "", "c", true, 9, "ba"},
                 {"bb", "", "", false, 2, "cd"},  {"", "zz", "", true, 2, "ed"},
                 {"d", "b", "", false, 9, ""},    {"c", "", "b", false, 9, "cde"},
                 {"", "c", "d", true, 9, "ba"},   {"x", "", "", false, 9, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct state_view *view = state_view_begin(f->state);
        struct seen seen = {.limit = cases[i].limit};
        struct state_scan scan = {.start = slice_of(cases[i].start, strlen(cases[i].start)),
                                  .end = slice_of(cases[i].end, strlen(cases[i].end)),
                                  .after = slice_of(cases[i].after, strlen(cases[i].after)),
                                  .reverse = cases[i].reverse};
        state_scan(view, &scan, note_key, &seen);
        state_view_end(view);
        if (strcmp(seen.keys, cases[i].keys) != 0)
            fail_msg("case %zu: '%s' instead of '%s'", i, seen.keys, cases[i].keys);
    }
}

static void reopened_state_is_where_it_was(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 2);
    apply_put(f, 1, "k", "v", 0);
    uint64_t digest = digest_now(f->state);
    state_close(f->state);
    fixture_open(f);
    assert_int_equal(digest_now(f->state), digest);
    struct state_position position;
    struct epoch_history history;
    epoch_history_init(&history);
    assert_int_equal(state_position_and_history(f->state, &position, &history, NULL), CANDOR_OK);
    assert_int_equal(position.applied.seq, 2);
    assert_int_equal(position.members.count, 2);
    assert_int_equal(position.cluster_id, 1001);
    assert_int_equal(history.count, 1);
    assert_int_equal(history.starts[0].first_seq, 1);
    epoch_history_free(&history);
}

/* A put or a delete, of one of three clients or of none; now and then the next operation of a
 * Batch. */
static void add_random(struct batch_writer *w, struct rng *rng, const char *key)
{
    struct record_op ops[2] = {
        {.kind = RECORD_PUT, .key = slice_of(key, strlen(key)), .value = slice_of(key, 2)},
        {.kind = RECORD_DELETE, .key = slice_of("k1", 2)}};
    struct record_write write = {.ack = CANDOR_ACK_LOCAL, .wall_ms = 7};
    write.request.client[0] = (uint8_t)rng_below(rng, 3);
    write.request.number = rng_below(rng, 2) * (1 + rng_below(rng, 600));
    write.part = (uint16_t)(rng_below(rng, 3) == 0 ? rng_below(rng, 3) : 0);
    write.result = slice_of(key, rng_below(rng, 3));
    uint64_t first = rng_below(rng, 2);
    batch_add_write(w, &write, ops + first, 1 + (uint32_t)rng_below(rng, 2 - first));
}

/* R12, R46, I13: whatever is taken back, what is left is byte for byte what was there. */
static void undo_restores_every_earlier_state(void **state)
{
    struct fixture *f = *state;
    enum { STEPS = 300 };
    static uint64_t digests[STEPS + 1];
    struct rng rng;
    rng_seed(&rng, 11);
    digests[0] = digest_now(f->state);
    uint64_t term = 0;
    for (int round = 0; round < 30; round++) {
        uint64_t seq = next_seq(f);
        uint64_t upto = seq + rng_below(&rng, STEPS - seq + 1);
        for (; seq <= upto && seq <= STEPS; seq++) {
            if (seq == 1 || rng_below(&rng, 20) == 0) {
                apply_epoch_start(f, ++term, 1 + (uint32_t)rng_below(&rng, 2));
            } else {
                char key[8];
                snprintf(key, sizeof key, "k%d", (int)rng_below(&rng, 20));
                struct buffer bytes = {0};
                struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(term));
                add_random(&w, &rng, key);
                batch_end(&w);
                apply_bytes(f, buffer_slice(&bytes), 0);
                buffer_free(&bytes);
            }
            digests[seq] = digest_now(f->state);
        }
        uint64_t back = rng_below(&rng, next_seq(f));
        undo_to(f, back);
        assert_int_equal(next_seq(f), back + 1);
        if (digest_now(f->state) != digests[back])
            fail_msg("round %d: the state at %d differs after the undo", round, (int)back);
    }
}

static void undo_takes_members_and_history_back(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_epoch_start(f, 2, 2);
    struct state_position position;
    struct epoch_history history;
    epoch_history_init(&history);
    assert_int_equal(state_position_and_history(f->state, &position, &history, NULL), CANDOR_OK);
    assert_int_equal(history.count, 2);
    undo_to(f, 1);
    assert_int_equal(state_position_and_history(f->state, &position, &history, NULL), CANDOR_OK);
    assert_int_equal(position.members.count, 1);
    assert_int_equal(position.cluster_id, 1001);
    assert_int_equal(history.count, 1);
    assert_true(epoch_equal(position.applied.epoch, epoch_of(1)));
    assert_int_equal(position.rewinds, 1);
    epoch_history_free(&history);
}

static void what_is_committed_cannot_be_undone(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        apply_put(f, 1, "k", "v", 0);
    assert_int_equal(state_commit(f->state, 3, NULL), CANDOR_OK);
    bool done;
    struct candor_error err;
    assert_int_equal(state_undo(f->state, 2, 10, &done, &err), CANDOR_FAILED_PRECONDITION);
    assert_int_equal(err.reason, CANDOR_REASON_FORKED);
    assert_int_equal(next_seq(f), 6);
    undo_to(f, 3);
    assert_int_equal(next_seq(f), 4);
}

static void full_map_refuses_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    f->map_bytes = 1u << 20;
    fixture_open(f);
    char *value = malloc(100001);
    memset(value, 'x', 100000);
    value[100000] = '\0';
    enum candor_code code = CANDOR_OK;
    uint64_t digest = 0;
    struct candor_error err;
    for (int i = 0; i < 1000 && code == CANDOR_OK; i++) { /* the reserve, too */
        digest = digest_now(f->state);
        struct buffer bytes = {0};
        struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        add_put(&w, key, value);
        batch_end(&w);
        code = state_apply(f->state, buffer_slice(&bytes), 0, &err);
        buffer_free(&bytes);
    }
    free(value);
    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "limits.state"));
    assert_int_equal(digest_now(f->state), digest);
}

/* ---- Checkpoints and snapshots --------------------------------------------------------------- */

static void copy_checkpoint_to_incoming(const struct state_checkpoint *checkpoint,
                                        struct state_incoming *incoming)
{
    FILE *file = fopen(checkpoint->path, "rb");
    assert_non_null(file);
    static uint8_t chunk[65536];
    uint64_t total = 0;
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0; total += got)
        assert_int_equal(state_incoming_write(incoming, slice_of(chunk, got), NULL), CANDOR_OK);
    fclose(file);
    assert_int_equal(total, checkpoint->bytes);
}

static void rebuild_begins_again_from_the_checkpoint(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_put(f, 1, "k", "before", 0);
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    if (state_checkpoint(f->state, &checkpoint, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    uint64_t digest = digest_now(f->state);
    apply_put(f, 1, "k", "after", 0);
    state_close(f->state);
    assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, NULL), CANDOR_OK);
    assert_int_equal(checkpoint.pos.seq, 2);
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    assert_int_equal(digest_now(f->state), digest);
    assert_value(f, "k", "before");
}

static void rebuild_without_a_checkpoint_begins_empty(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "v", 0);
    state_close(f->state);
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    assert_int_equal(next_seq(f), 1);
    assert_value(f, "k", NULL);
}

static void checkpoint_above_a_cut_is_replaced(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_put(f, 1, "k", "kept", 0);
    apply_put(f, 1, "k", "discarded", 0);
    struct state_checkpoint checkpoint;
    assert_int_equal(state_checkpoint(f->state, &checkpoint, NULL), CANDOR_OK);
    undo_to(f, 2);
    assert_int_equal(state_checkpoint_drop_above(f->state, 2, NULL), CANDOR_OK);
    assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, NULL), CANDOR_OK);
    assert_int_equal(checkpoint.pos.seq, 2);
}

static void installed_snapshot_replaces_the_state_under_open_views(void **state)
{
    struct fixture *f = *state;
    struct fixture *source;
    fixture_setup((void **)&source);
    apply_epoch_start(source, 2, 2);
    for (int i = 0; i < 500; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        apply_put(source, 2, key, "new", 400);
    }
    struct state_checkpoint checkpoint;
    assert_int_equal(state_checkpoint(source->state, &checkpoint, NULL), CANDOR_OK);

    apply_put(f, 1, "k1", "old", 0);
    struct state_view *before = state_view_begin(f->state);
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    struct candor_error err = {0};
    epoch_history_init(&history);
    assert_int_equal(state_incoming_begin(f->state, &incoming, NULL), CANDOR_OK);
    copy_checkpoint_to_incoming(&checkpoint, incoming);
    if (state_incoming_finish(incoming, &position, &history, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(position.applied.seq, 501);
    assert_int_equal(history.count, 1);
    if (state_install(f->state, incoming, &err) != CANDOR_OK)
        fail_msg("%s", err.message);

    struct state_item item;
    assert_true(state_get(before, slice_of("k1", 2), &item));
    assert_memory_equal(item.value.bytes, "old", 3);
    uint64_t rewinds = state_view_rewinds(before);
    state_view_end(before);
    assert_int_equal(digest_now(f->state), digest_now(source->state));
    state_position(f->state, &position);
    assert_true(position.rewinds > rewinds);
    /* What was not committed at the source can be taken back here, too. */
    undo_to(f, 450);
    assert_value(f, "k499", NULL);
    /* It is what a reboot starts from. */
    state_close(f->state);
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    assert_int_equal(digest_now(f->state), digest_now(source->state));
    epoch_history_free(&history);
    fixture_teardown((void **)&source);
}

static void garbage_is_no_snapshot(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "v", 0);
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    struct candor_error err;
    epoch_history_init(&history);
    assert_int_equal(state_incoming_begin(f->state, &incoming, NULL), CANDOR_OK);
    static const uint8_t garbage[20000] = {1, 2, 3};
    state_incoming_write(incoming, slice_of(garbage, sizeof garbage), NULL);
    assert_int_equal(state_incoming_finish(incoming, &position, &history, &err),
                     CANDOR_UNAVAILABLE);
    state_incoming_discard(incoming);
    assert_value(f, "k", "v");
    epoch_history_free(&history);
}

/* ---- Threads and crashes --------------------------------------------------------------------- */

struct reading {
    struct fixture *f;
    atomic_bool stop;
    atomic_int reads;
};

/* Every view is of one moment: key "k" holds the seq that the position names. */
static void *read_on(void *closure)
{
    struct reading *reading = closure;
    while (!atomic_load(&reading->stop)) {
        struct state_view *view = state_view_begin(reading->f->state);
        struct state_item item;
        if (state_get(view, slice_of("k", 1), &item)) {
            char text[24];
            snprintf(text, sizeof text, "%llu", (unsigned long long)state_view_applied(view).seq);
            assert_int_equal(item.value.length, strlen(text));
            assert_memory_equal(item.value.bytes, text, strlen(text));
        }
        state_view_end(view);
        atomic_fetch_add(&reading->reads, 1);
    }
    return NULL;
}

static void put_own_seq(struct fixture *f)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)next_seq(f));
    apply_put(f, 1, "k", text, 0);
}

static void readers_see_whole_transactions_while_the_writer_goes_on(void **state)
{
    struct fixture *f = *state;
    struct reading reading = {.f = f};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reading), 0);
    for (int i = 0; i < 2000 || atomic_load(&reading.reads) < 1000; i++)
        put_own_seq(f);
    atomic_store(&reading.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void killed_process_leaves_data_and_position_agreeing(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    f->state = NULL;
    uint64_t last = 0;
    for (int round = 0; round < 10; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            fixture_open(f);
            for (int i = 0;; i++) {
                put_own_seq(f);
                if (i == 5 + round * 7)
                    (void)!write(ready[1], "x", 1);
            }
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1); /* it has written some */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ready[0]);
        close(ready[1]);
        fixture_open(f);
        uint64_t seq = next_seq(f) - 1;
        assert_true(seq > last);
        last = seq;
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
        assert_value(f, "k", text);
        state_close(f->state);
        f->state = NULL;
    }
    fixture_open(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_count_versions_and_deletes_end_them),
        TEST(scans_respect_bounds_and_direction),
        TEST(reopened_state_is_where_it_was),
        TEST(undo_restores_every_earlier_state),
        TEST(undo_takes_members_and_history_back),
        TEST(what_is_committed_cannot_be_undone),
        TEST(full_map_refuses_and_changes_nothing),
        TEST(rebuild_begins_again_from_the_checkpoint),
        TEST(rebuild_without_a_checkpoint_begins_empty),
        TEST(checkpoint_above_a_cut_is_replaced),
        TEST(installed_snapshot_replaces_the_state_under_open_views),
        TEST(garbage_is_no_snapshot),
        TEST(readers_see_whole_transactions_while_the_writer_goes_on),
        TEST(killed_process_leaves_data_and_position_agreeing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
