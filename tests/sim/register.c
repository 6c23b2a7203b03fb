/* One key's history, judged as those of real clusters are. */
#include <stdlib.h>

#include "check/linearizable.h"
#include "sim.h"

/* I7 once more, by the checker that judges real histories (Wing-Gong-Lowe): one key as a register,
 * in the histories that clients saw. Every write is in it that was not refused; one that was not
 * acknowledged by a majority may have happened at any time, or never. */

enum { REGISTER_KEY = 0, REGISTER_BUDGET = 20000 };

static struct check_op *add(struct world *world)
{
    struct history *history = &world->history;
    memory_grow(history->ops, history->capacity, history->count + 1);
    struct check_op *op = &history->ops[history->count++];
    *op = (struct check_op){.complete_ns = CHECK_NEVER};
    return op;
}

/* What the key held in the log that ends with `epoch` at `seq`. */
static uint64_t value_at(struct epoch_log *epoch, uint64_t seq)
{
    for (; seq > 0; seq--) {
        const struct registered *what = registry_at(epoch, seq);
        ASSERT(what != NULL);
        if (what->type == RECORD_WRITE && what->key == REGISTER_KEY)
            return what->deletes ? CHECK_ABSENT : what->number;
    }
    return CHECK_ABSENT;
}

void register_read(struct world *world, const struct read *read)
{
    struct check_op *op = add(world);
    op->type = CHECK_READ;
    op->value = value_at(read->epoch, read->applied);
    op->invoke_ns = read->began_ns;
    op->complete_ns = world->now_ns;
}

static bool was_seen(const struct check_op *reads, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (reads[i].value == value)
            return true;
    return false;
}

/* Of what may never have happened only what somebody saw: the rest explains nothing. */
static void add_writes(struct world *world)
{
    size_t reads = world->history.count;
    for (uint64_t number = 1; number <= world->write_count; number++) {
        const struct write *write = &world->writes[number];
        bool deletes = write->request->ops[write->part].deletes;
        bool of_key = write->request->ops[write->part].key == REGISTER_KEY;
        uint64_t value = deletes ? CHECK_ABSENT : number;
        bool certain = write->ack >= CANDOR_ACK_MAJORITY;
        if (!of_key || write->refused || !write->stored ||
            !(certain || was_seen(world->history.ops, reads, value)))
            continue;
        struct check_op *op = add(world);
        op->type = CHECK_WRITE;
        op->value = value;
        op->invoke_ns = write->issued_ns;
        op->complete_ns = certain ? write->ack_ns : CHECK_NEVER;
    }
}

void register_check(struct world *world)
{
    struct history *history = &world->history;
    size_t stuck = 0;
    bool promised =
        !world->overruled && !world->lost_tail && !(world->plan.leases && world->plan.beyond_drift);
    if (!promised || history->count == 0)
        return;
    add_writes(world);
    enum check_verdict verdict =
        check_linearizable(history->ops, history->count, REGISTER_BUDGET, &stuck);
    if (verdict == CHECK_VIOLATION)
        violate(
            world, "I7",
            "no order of %zu operations on one key explains the one that saw %" PRIu64 " at %.6f s",
            history->count, history->ops[stuck].value, (double)history->ops[stuck].invoke_ns / 1e9);
    world->undecided += verdict == CHECK_TOO_HARD;
}

void register_free(struct world *world)
{
    free(world->history.ops);
    world->history = (struct history){0};
}
