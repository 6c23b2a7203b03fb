/* Two histories in one epoch: other records at equal positions (R56, R57). */
#include "base/crc32c.h"
#include "sim.h"

/* Logs that hold other records at the positions of the primary's (R55-R57): as two primaries of one
 * epoch make them, from two copies of one disk. Content and positions tell nobody; the chain
 * does. */

static struct chain another(struct world *world)
{
    return (struct chain){between(world, 1, UINT64_MAX), between(world, 1, UINT64_MAX)};
}

/* ---- At the primary's own address, in its name ----------------------------------------------- */

static void hear(struct world *world, struct node *node, const struct node *primary,
                 const struct core_msg *msg)
{
    trace_message(world, node, "got from its copy", msg);
    node_step(world, node,
              &(struct core_event){.type = CORE_EVENT_STREAM, .peer = primary->id, .msg = msg});
}

/* It stands where the other log ends, too, and must see that it is another. */
static void hear_heartbeat(struct world *world, struct node *node, const struct node *primary)
{
    static struct core_msg msg; /* large */
    memset(&msg, 0, sizeof msg);
    msg.type = CORE_MSG_HEARTBEAT;
    msg.header = node_header(primary, node->view.epoch);
    msg.heartbeat.hb_id = primary->sent.id + 1;
    msg.heartbeat.last = node->disk.last;
    msg.heartbeat.chain = another(world);
    msg.heartbeat.first = 1;
    check_heard(world, node, &msg);
    hear(world, node, primary, &msg);
    bool taken = node->view.heard && node->view.heartbeat_ns == local_ns(world, node);
    if (taken && node->view.attached) /* else it was of a former life, or of another disk */
        violate(world, "R57", "node %s follows a log that is not its own at seq %" PRIu64,
                node->id.text, node->disk.last);
}

/* The primary's next records, behind others than this node holds. */
static void hear_records(struct world *world, struct node *node, struct node *primary)
{
    uint64_t from = node->disk.last + 1;
    if (primary->disk.last < from || primary->disk.first > from)
        return;
    struct buffer batch = {0};
    disk_read(world, primary, from, primary->disk.last, 1, &batch);
    struct chain before = another(world);
    put_u64(batch.bytes + BATCH_HEADER_BYTES - 16, before.high);
    put_u64(batch.bytes + BATCH_HEADER_BYTES - 8, before.low);
    put_u32(batch.bytes + 4, crc32c(0, batch.bytes + 8, batch.length - 8));
    static struct core_msg msg; /* large */
    memset(&msg, 0, sizeof msg);
    msg.type = CORE_MSG_RECORDS;
    msg.header = node_header(primary, node->view.epoch);
    msg.records.batches = slice_of(world_copy(world, batch.bytes, batch.length), batch.length);
    buffer_free(&batch);
    hear(world, node, primary, &msg);
}

void forks_speak(struct world *world, struct node *node)
{
    struct node *primary = find_node(world, node->view.epoch.owner);
    bool awake = node->up && node->paused_until_ns <= world->now_ns;
    bool follows = awake && node->view.attached && primary != NULL && primary != node &&
                   epoch_equal(primary->sent.epoch, node->view.epoch) && node->disk.last > 0 &&
                   node->view.last == node->disk.last && node->writer.unanswered == 0;
    if (!follows)
        return;
    if (chance(world, 500000))
        hear_heartbeat(world, node, primary);
    else
        hear_records(world, node, primary);
}

/* ---- On a disk ------------------------------------------------------------------------------- */

static bool is_reader(const struct world *world, const struct node *node)
{
    const struct member *member = members_find(&world->committed_members, node->id);
    bool stays = world->plan.weight[FAULT_SET_VOTER] == 0 && world->plan.weight[FAULT_FORCE] == 0;
    return member != NULL && !member->voter && stays;
}

/* The newest records of a reader are other ones: a voter's would have been counted. What it knows
 * as committed stays, or it would be FORKED until an operator comes (R12; test_core). */
void forks_strike(struct world *world, struct node *node)
{
    struct disk *disk = &node->disk;
    if (!node->up || !is_reader(world, node) || world->differed)
        return;
    node_crash(world, node, false);
    uint64_t commit = min_u64(max_u64(disk->hard_commit, disk->undo_floor), disk->last);
    if (commit < disk->last) {
        uint64_t from = between(world, commit + 1, disk->last);
        bool before = disk->others_from != 0 && disk->others_from < from; /* it has some already */
        disk->others_from = before ? disk->others_from : from;
        disk->went_back = true;
        for (uint64_t seq = from; seq <= disk->last; seq++)
            disk->records[seq - 1].chain = another(world);
        TRACE(world, node, "holds other records from seq=%" PRIu64, from);
    }
    faults_restart(world, node, between(world, 0, world->plan.beat_ns));
}

/* ---- The rule -------------------------------------------------------------------------------- */

/* Who is attached holds the primary's records, not others at their positions. */
void rules_log(struct world *world, const struct node *node)
{
    const struct node *primary = find_node(world, node->view.epoch.owner);
    uint64_t last = node->disk.last;
    bool compared = node->view.attached && primary != NULL && primary != node && primary->up &&
                    primary->view.role == CANDOR_ROLE_PRIMARY &&
                    epoch_equal(primary->view.epoch, node->view.epoch) && last > 0 &&
                    last <= primary->disk.last;
    if (compared && !chain_equal(disk_chain(&node->disk, last), disk_chain(&primary->disk, last)))
        violate(world, "R56",
                "node %s is attached, and holds other records than %s at seq %" PRIu64,
                node->id.text, primary->id.text, last);
}
