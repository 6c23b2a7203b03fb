/* One life: open, do things, die. */
#include <stdlib.h>
#include <unistd.h>

#include "base/logging.h"
#include "node/node.h"
#include "node/store/open.h"
#include "storage.h"

/* One life of the node's disk: a process that opens it, works, and dies. */

/* ---- Opening --------------------------------------------------------------------------------- */

_Noreturn void end_with_integrity(const struct candor_error *err)
{
    snprintf(world->integrity, sizeof world->integrity, "%s", err->message);
    _exit(EXIT_INTEGRITY);
}

static void on_fatal(void *closure, const struct candor_error *err)
{
    (void)closure;
    end_with_integrity(err);
}

static void make_topology(struct topology *out)
{
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "cluster: test\nnodes:\n"
                          "  - {id: a, rpc: ipc:///nobody/a, stream: ipc:///nobody/as, data: a}\n"
                          "  - {id: b, rpc: ipc:///nobody/b, stream: ipc:///nobody/bs, data: b}\n"
                          "  - {id: c, rpc: ipc:///nobody/c, stream: ipc:///nobody/cs, data: c}\n");
    struct topology_problems problems = {0};
    struct candor_error err = {0};
    enum candor_code code = topology_parse(text, (size_t)length, world->dir, out, &problems, &err);
    if (code != CANDOR_OK)
        violate("topology", "%s", err.message);
    topology_problems_free(&problems);
    out->state_bytes = 64 << 20;
    out->retention_log_bytes = world->retention_bytes;
}

static struct node *open_node(void)
{
    static struct topology topology;
    make_topology(&topology);
    struct node_options options = {
        .data = world->data, .segment_bytes = world->segment_bytes, .fatal = on_fatal};
    struct node *node;
    struct candor_error err = {0};
    logging_set_level(world->options.trace ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR + 1);
    enum candor_code code = node_open(&topology, node_id_of("a"), &options, &node, &err);
    if (code == CANDOR_DATA_LOSS)
        end_with_integrity(&err);
    if (code != CANDOR_OK)
        violate("open", "%s: %s", candor_code_name(code), err.message);
    return node;
}

/* ---- What a crash may have left -------------------------------------------------------------- */

static void adopt_records(struct node *node, uint64_t last)
{
    struct buffer batches = {0};
    struct candor_error err = {0};
    uint64_t first = world->log.last + 1;
    if (last < first)
        return;
    if (log_read(node->log, first, last, SIZE_MAX, &batches, &err) != CANDOR_OK)
        violate("log", "%s", err.message);
    struct slice rest = buffer_slice(&batches);
    struct batch batch;
    while (rest.length > 0 && batch_decode(&rest, &batch, &err) == CANDOR_OK) {
        struct record record;
        size_t cursor = 0;
        while (batch_next(&batch, &cursor, &record))
            model_append(&world->log, &record, first);
    }
    TRACE("  found %" PRIu64 "..%" PRIu64 "\n", first, last);
    buffer_free(&batches);
}

/* A truncate has happened, or not. Below the log's first record, where a snapshot brought what is
 * taken back, it may also have come as far as the log's own records. */
static bool was_truncated(uint64_t last)
{
    return world->pending == PENDING_TRUNCATE && last < world->log.last &&
           (last == world->pending_seq ||
            (last > world->pending_seq && last == world->log_first - 1));
}

static void adopt(struct node *node, const struct state_position *position)
{
    uint64_t last = position->applied.seq;
    bool installed = world->pending == PENDING_INSTALL &&
                     epoch_equal(position->applied.epoch, tail_epoch(&world->other));
    if (world->pending == PENDING_RECORDS) {
        adopt_records(node, last);
    } else if (was_truncated(last)) {
        check_archived(node, &world->log, last, world->log_first, world->undo_floor);
        world->log.last = last;
    } else if (installed) {
        check_archived(node, &world->log, world->pending_seq, world->log_first, world->undo_floor);
        memcpy(&world->log, &world->other, sizeof world->log);
    }
    world->pending = PENDING_NONE;
}

static void check_opened(struct node *node)
{
    struct state_position position;
    state_position(node->state, &position);
    if (log_last(node->log) != position.applied.seq)
        violate("I4", "the log ends at %" PRIu64 ", the state stands at %" PRIu64,
                log_last(node->log), position.applied.seq);
    adopt(node, &position);
    if (node->writer->commit < min_u64(world->floor, world->log.last))
        violate("I4", "commit %" PRIu64 " was saved, %" PRIu64 " is known", world->floor,
                node->writer->commit);
    check_log(node);
    check_state(node);
}

/* ---- Living ---------------------------------------------------------------------------------- */

static void step(struct node *node)
{
    static void (*const things[])(struct node *) = {
        work_writes, work_writes,   work_writes, work_writes,   work_follow,
        work_follow, work_truncate, work_commit, work_truncate, work_commit,
    };
    world->steps++;
    if (world->log.last + 40 > RECORDS) {
        work_truncate(node);
        return;
    }
    if (!leads("a") && chance(30))
        work_lead(node);
    else if (chance(3))
        work_install(node);
    else if (chance(4))
        work_checkpoint(node);
    else if (chance(5))
        work_expire(node);
    else if (chance(4))
        work_members(node);
    else
        things[between(0, 9)](node);
    if (chance(10))
        check_state(node);
}

static _Noreturn void say_goodbye(struct node *node, bool clean)
{
    world->crash_in = world->fail_in = 0;
    check_log(node);
    check_state(node);
    if (clean)
        node_close_disk(node, true);
    world->clean = clean;
    _exit(EXIT_LIVED); /* else as a kill */
}

void live(bool last)
{
    world->clean = false;
    TRACE("-- life %" PRIu64 "\n", world->lives);
    struct node *node = open_node();
    crash_forget_unsynced(); /* log_open has synced what it found */
    check_opened(node);
    /* R5 */
    if (leads("a"))
        world->term++;
    for (uint64_t i = between(3, 30); i > 0; i--)
        step(node);
    if (last || chance(20))
        check_replayed(node);
    say_goodbye(node, last || chance(30));
}

/* A byte was flipped. The integrity error is right, and so are the data; anything else is not
 * (R3). */
void live_with_rot(void)
{
    struct node *node = open_node();
    struct candor_error err = {0};
    struct state_position position;
    if (log_verify(node->log, &err) == CANDOR_DATA_LOSS)
        end_with_integrity(&err);
    state_position(node->state, &position);
    if (position.applied.seq < world->sound_to || position.applied.seq > world->log.last)
        violate("R3", "a byte was flipped, and records %" PRIu64 "..%" PRIu64 " are gone unsaid",
                position.applied.seq + 1, world->sound_to);
    world->log.last = position.applied.seq;
    check_log(node);
    check_state(node);
    _exit(EXIT_LIVED);
}
