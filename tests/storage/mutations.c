/* Rules that are left out, at link time: the code under test has no switch. */
#include "disk/disk.h"
#include "log/log_internal.h"
#include "node/store/group.h"
#include "node/store/sequence.h"
#include "state/digest.h"
#include "state/env.h"
#include "state/table.h"

#include "storage.h"

/* Rules left out, each by a function that the linker puts in front of the real one (--wrap). */

struct row {
    const char *name;
    const char *rules;
    const char *text;
};

static const struct row all[MUTATION_COUNT] = {
    [MUTATION_NONE] = {"none", "", ""},
#define MUTATION(id, name, rules, text) [MUTATION_##id] = {name, rules, text},
#include "mutations.def"
#undef MUTATION
};

const char *mutation_name(uint32_t mutation)
{
    ASSERT_U64(mutation, <, MUTATION_COUNT);
    return all[mutation].name;
}

void mutations_list(FILE *to)
{
    for (uint32_t i = 1; i < MUTATION_COUNT; i++)
        fprintf(to, "%-24s %-10s %s\n", all[i].name, all[i].rules, all[i].text);
}

bool mutated(enum mutation mutation)
{
    return world != NULL && world->options.mutation == (uint32_t)mutation;
}

/* Declared as the real one is in its header: when that changes, this no longer compiles. */
#define WRAP(result, name, ...)                                                                    \
    extern __typeof__(name) __real_##name;                                                         \
    extern __typeof__(name) __wrap_##name;                                                         \
    result __wrap_##name(__VA_ARGS__)

/* ---- Undo ------------------------------------------------------------------------------------ */

static bool undoing;
static MDB_dbi request_tables[3];

static bool is_left(bool of_requests)
{
    return undoing && (mutated(MUTATION_UNDO_SKIPPED) ||
                       (mutated(MUTATION_REQUESTS_NOT_ROLLED_BACK) && of_requests));
}

WRAP(enum candor_code, state_undo, struct state *state, uint64_t to_seq, uint32_t most, bool *done,
     struct candor_error *err)
{
    undoing = true;
    enum candor_code code = __real_state_undo(state, to_seq, most, done, err);
    undoing = false;
    return code;
}

WRAP(int, table_put, const struct env *env, MDB_txn *txn, enum table table, struct slice key,
     struct slice head, struct slice tail, struct state_digest *hash)
{
    bool of_requests = table == TABLE_REQUESTS || table == TABLE_CLIENTS || table == TABLE_AGES;
    if (!is_left(of_requests))
        return __real_table_put(env, txn, table, key, head, tail, hash);
    if (hash != NULL)
        *hash = (struct state_digest){0};
    return 0;
}

WRAP(int, mdb_dbi_open, MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi)
{
    int rc = __real_mdb_dbi_open(txn, name, flags, dbi);
    static const char *const of_requests[] = {"requests", "clients", "ages"};
    if (rc != 0 || name == NULL)
        return rc;
    for (uint32_t i = 0; i < 3; i++)
        if (strcmp(name, of_requests[i]) == 0)
            request_tables[i] = *dbi;
    return rc;
}

WRAP(int, mdb_del, MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    bool of_requests =
        dbi == request_tables[0] || dbi == request_tables[1] || dbi == request_tables[2];
    return is_left(of_requests) ? 0 : __real_mdb_del(txn, dbi, key, value);
}

WRAP(int, table_append, const struct env *env, MDB_txn *txn, enum table table, struct slice key,
     struct slice value)
{
    struct image image;
    bool lost = mutated(MUTATION_OLD_VALUE_NOT_KEPT) && table == TABLE_UNDO &&
                image_decode(value, &image) && image.table == TABLE_DATA &&
                image.kind == IMAGE_WHOLE;
    return lost ? 0 : __real_table_append(env, txn, table, key, value);
}

/* Whatever stands there, its check is right, and all digests are equal. */
WRAP(struct state_digest, entry_hash, enum table table, struct slice key, struct slice value)
{
    return mutated(MUTATION_VALUE_UNCHECKED) ? (struct state_digest){0}
                                             : __real_entry_hash(table, key, value);
}

/* ---- Requests -------------------------------------------------------------------------------- */

WRAP(int, requests_find, const struct env *env, MDB_txn *txn, MDB_cursor *cursor,
     const struct request_id *id, struct state_request *out, struct buffer *joined,
     enum state_request_standing *standing)
{
    int rc = __real_requests_find(env, txn, cursor, id, out, joined, standing);
    bool expired = world->steps % 3 == 0; /* it takes a step for a second */
    if (mutated(MUTATION_EXPIRED_BY_CLOCK) && world->pending == PENDING_RECORDS && expired)
        *standing = STATE_REQUEST_NEW;
    return rc;
}

/* What is known is said to be of the very content that is asked for; the id is part of the
 * write. */
WRAP(enum state_request_standing, state_group_request, struct state_group *group,
     const struct request_id *id, struct state_request *out)
{
    enum state_request_standing standing = __real_state_group_request(group, id, out);
    const uint8_t *write = (const uint8_t *)id - offsetof(struct write, request_id);
    if (mutated(MUTATION_CONTENT_IGNORED) && standing == STATE_REQUEST_KNOWN)
        memcpy(&out->digest, write + offsetof(struct write, digest), sizeof out->digest);
    return standing;
}

/* ---- Rollback -------------------------------------------------------------------------------- */

static struct archive_writer *held;

WRAP(enum candor_code, archive_finish, struct archive_writer *writer, struct archive_summary *out,
     struct candor_error *err)
{
    if (!mutated(MUTATION_ARCHIVE_AFTER_CUT))
        return __real_archive_finish(writer, out, err);
    held = writer;
    *out = (struct archive_summary){0};
    return CANDOR_OK;
}

static void finish_held(void)
{
    struct candor_error err = {0};
    if (held != NULL)
        (void)__real_archive_finish(held, NULL, &err);
    held = NULL;
}

WRAP(enum candor_code, log_truncate, struct log *log, uint64_t to_seq, struct candor_error *err)
{
    enum candor_code code = __real_log_truncate(log, to_seq, err);
    finish_held();
    return code;
}

WRAP(enum candor_code, log_reset, struct log *log, uint64_t next_seq, struct chain before,
     struct candor_error *err)
{
    enum candor_code code =
        mutated(MUTATION_LOG_NOT_RESET) ? CANDOR_OK : __real_log_reset(log, next_seq, before, err);
    finish_held();
    return code;
}

WRAP(enum candor_code, state_checkpoint_drop_above, struct state *state, uint64_t seq,
     struct candor_error *err)
{
    return mutated(MUTATION_CHECKPOINT_ABOVE_CUT)
               ? CANDOR_OK
               : __real_state_checkpoint_drop_above(state, seq, err);
}

/* ---- The log --------------------------------------------------------------------------------- */

WRAP(int, segment_look_behind, const struct segment *segment, uint64_t at, uint64_t seq,
     uint64_t *last_nonzero, bool *proof)
{
    int rc = __real_segment_look_behind(segment, at, seq, last_nonzero, proof);
    if (mutated(MUTATION_ROT_IS_TORN_TAIL))
        *proof = false;
    return rc;
}

/* What the node knows of the log's end is not told to it. */
WRAP(enum candor_code, log_open, const struct log_options *options, struct log **out,
     struct log_recovery *recovery, struct candor_error *err)
{
    struct log_options told = *options;
    if (mutated(MUTATION_ROT_IS_TORN_TAIL) || mutated(MUTATION_KNOWN_END_IGNORED))
        told.durable_seq = 0;
    return __real_log_open(&told, out, recovery, err);
}

WRAP(enum candor_code, disk_sync_failed, struct candor_error *err, int error_number,
     const char *name)
{
    return mutated(MUTATION_FAILED_SYNC_IGNORED) ? CANDOR_OK
                                                 : __real_disk_sync_failed(err, error_number, name);
}

WRAP(void, group_take_back, struct node *node, uint64_t last_before)
{
    if (!mutated(MUTATION_NOT_TAKEN_BACK))
        __real_group_take_back(node, last_before);
}

WRAP(size_t, sequence_writes, struct node *node, struct work **works, size_t count)
{
    if (mutated(MUTATION_WITHDRAWN_REUSED))
        node->writer->withdrawn_epoch = (struct candor_epoch){0};
    return __real_sequence_writes(node, works, count);
}
