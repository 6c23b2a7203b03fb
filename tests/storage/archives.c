/* Archives against the model (I15). */
#include <stdlib.h>

#include "storage.h"

/* I15: an archive, replayed onto the state at its base, gives the discarded state; each old value
 * is what it overwrote. */

struct reading {
    const struct branch *log;
    struct model_state *state; /* as it was before the op that comes next */
    uint64_t undo_floor;
    uint64_t next_seq; /* of the WRITE that comes next */
};

static void check_old(const struct reading *reading, uint64_t seq, const struct archive_op *op)
{
    const struct model_item *item = &reading->state->items[key_index(op->op.key)];
    /* committed: its undo is gone */
    if (op->old == ARCHIVE_OLD_UNKNOWN && seq <= reading->undo_floor)
        return;
    bool right = item->there
                     ? op->old == ARCHIVE_OLD_VALUE && slice_equal(op->old_value, item->value)
                     : op->old == ARCHIVE_OLD_ABSENT;
    if (!right)
        violate("I15", "the archive tells another old value of key %.*s before seq %" PRIu64,
                (int)op->op.key.length, (const char *)op->op.key.bytes, seq);
}

static bool check_op(const struct record *record, uint32_t op_index, const struct archive_op *op,
                     void *closure)
{
    struct reading *reading = closure;
    uint64_t seq = record->seq;
    if (op_index == 0)
        while (reading->next_seq < seq &&
               reading->log->records[reading->next_seq - 1].record.type != RECORD_WRITE)
            reading->next_seq++;
    if (op_index == 0 && reading->next_seq++ != seq)
        violate("I15", "the archive skips to seq %" PRIu64, seq);
    if (record_hash(record) != reading->log->records[seq - 1].hash)
        violate("I15", "the archive holds another record at seq %" PRIu64 " than was discarded",
                seq);
    check_old(reading, seq, op);
    struct record_op copy = op->op;
    copy.value = arena_copy(op->op.value);
    model_apply_op(&reading->state->items[key_index(copy.key)], &copy, seq, op_index);
    return true;
}

static void check_contents(struct node *node, const char *id, const struct branch *log,
                           uint64_t from, uint64_t undo_floor)
{
    static struct model_state state;
    static struct model_state discarded;
    struct reading reading = {log, &state, undo_floor, from};
    struct candor_error err = {0};
    struct archive_summary summary;
    model_replay(log, from - 1, &state);
    model_replay(log, log->last, &discarded);
    if (archive_read(node->archive_dir, id, 0, &summary, check_op, &reading, &err) != CANDOR_OK)
        violate("I15", "%s", err.message);
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct model_item *is = &state.items[i];
        const struct model_item *was = &discarded.items[i];
        if (is->there != was->there || is->until_ms != was->until_ms ||
            is->mod_seq != was->mod_seq || is->version != was->version ||
            !slice_equal(is->value, was->value))
            violate("I15", "the archive does not give key %u of the discarded state", i);
    }
}

void check_archived(struct node *node, const struct branch *log, uint64_t to, uint64_t first,
                    uint64_t undo_floor)
{
    uint64_t from = max_u64(to + 1, first); /* what was trimmed was committed */
    if (from > log->last)
        return;
    struct archive_summary *list;
    size_t count;
    struct candor_error err = {0};
    if (archive_list(node->archive_dir, &list, &count, &err) != CANDOR_OK)
        violate("R40", "%s", err.message);
    struct candor_pos newest = {tail_epoch(log), log->last};
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (list[i].from.seq != from || !pos_equal(list[i].to, newest))
            continue;
        found = true;
        check_contents(node, list[i].id, log, from, undo_floor);
    }
    free(list);
    if (!found)
        violate("R40", "records %" PRIu64 "..%" PRIu64 " are cut, and no archive has them", from,
                log->last);
}
