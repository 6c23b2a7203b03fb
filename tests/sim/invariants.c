/* The invariants of docs/protocol.md §12. */
#include <stdarg.h>

#include "sim.h"

/* docs/protocol.md §12, and the rules that can be seen from outside a core, judged with what no
 * node can know: all disks, all acknowledgements, global time. */

void violate(struct world *world, const char *invariant, const char *format, ...)
{
    int used = snprintf(world->violation, sizeof world->violation, "%s at %.6f s: ", invariant,
                        (double)world->now_ns / 1e9);
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation + used, sizeof world->violation - (size_t)used, format, args);
    va_end(args);
    TRACE(world, NULL, "VIOLATION %s", world->violation);
    siglongjmp(world->escape, 1);
}

/* What was acknowledged may be gone: a disk forgot it, as its operator chose (durability: os). */
static bool may_lose(const struct world *world)
{
    return world->lost_tail;
}

/* ---- Commit (I3, I4, R16, R17) --------------------------------------------------------------- */

static struct committed *committed_of(struct world *world, uint64_t generation)
{
    for (uint32_t i = 0; i < world->committed_count; i++)
        if (world->committed[i].generation == generation)
            return &world->committed[i];
    ASSERT_U64(world->committed_count, <, SIM_GENERATIONS);
    struct committed *made = &world->committed[world->committed_count++];
    *made = (struct committed){.generation = generation};
    return made;
}

static void note_committed(struct world *world, const struct disk *disk, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        const struct registered *what = record_what(disk, seq);
        registry_committed(disk->records[seq - 1].epoch, seq, disk_pos(disk, to).epoch);
        if (what->type != RECORD_WRITE)
            world->committed_members = *what->members;
    }
}

static bool voter_holds(const struct node *node, const struct member *member, struct candor_pos pos)
{
    /* it may have held it, and its acknowledgement may still be on its way */
    if (node->disk.wipes > 0)
        return true;
    return node->disk.store_id == member->store_id && disk_holds(&node->disk, node->disk.last, pos);
}

static uint32_t voters_that_hold(struct world *world, const struct members *members,
                                 struct candor_pos pos)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        count += member->voter && voter_holds(find_node(world, member->id), member, pos);
    }
    return count;
}

/* R8, R16: what a majority told this primary, each by its present life. */
static bool has_acknowledged(const struct node *node, const struct member *member, uint32_t voter,
                             uint64_t seq)
{
    for (uint32_t i = 0; i < SIM_DISKS; i++) {
        const struct heard *heard = &node->heard[voter][i];
        if (heard->store_id == member->store_id && heard->match >= seq &&
            epoch_equal(heard->epoch, node->view.epoch))
            return true;
    }
    return voter == node->index;
}

static uint32_t voters_that_acknowledged(struct world *world, const struct node *node,
                                         const struct members *members, uint64_t seq)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];
        uint32_t voter = find_node(world, member->id)->index;
        count += member->voter && has_acknowledged(node, member, voter, seq);
    }
    return count;
}

static void check_majority(struct world *world, struct node *node, uint64_t seq)
{
    struct candor_pos pos = disk_pos(&node->disk, seq);
    char text[POS_TEXT_BYTES];
    if (!epoch_equal(pos.epoch, node->view.epoch))
        violate(world, "R16", "primary %s commits %s, below its EPOCH_START", node->id.text,
                pos_text(pos, text));
    const struct members *members = disk_members(&node->disk, node->view.durable);
    uint32_t voters = members_voters(members);
    uint32_t told = voters_that_acknowledged(world, node, members, seq);
    if (told < voters / 2 + 1)
        violate(world, "R8", "primary %s commits %s, which %u of %u voters acknowledged to it",
                node->id.text, pos_text(pos, text), told, voters);
    /* who acknowledged it may have had to discard it since */
    if (world->overruled || may_lose(world))
        return;
    uint32_t holders = voters_that_hold(world, members, pos);
    if (holders < voters / 2 + 1)
        violate(world, "R17", "primary %s commits %s, which is on the disks of %u of %u voters",
                node->id.text, pos_text(pos, text), holders, voters);
}

void check_commit(struct world *world, struct node *node, uint64_t seq)
{
    const struct disk *disk = &node->disk;
    if (seq > disk->last)
        violate(world, "I4", "node %s commits seq %" PRIu64 ", its disk ends at %" PRIu64,
                node->id.text, seq, disk->last);
    if (node->view.role == CANDOR_ROLE_PRIMARY)
        check_majority(world, node, seq);
    uint64_t generation = node->view.epoch.generation;
    struct committed *committed = committed_of(world, generation);
    uint64_t shared = min_u64(seq, committed->seq);
    /* what an older one committed */
    bool carried = disk_pos(disk, seq).epoch.generation < generation;
    if (shared > 0 && !may_lose(world) && !committed->tainted && !carried &&
        registry_at(committed->epoch, shared) != record_what(disk, shared)) {
        char pos[POS_TEXT_BYTES];
        char epoch[EPOCH_TEXT_BYTES];
        violate(world, "I3",
                "node %s commits %s; the log that ends with epoch %s is committed up to %" PRIu64,
                node->id.text, pos_text(disk_pos(disk, shared), pos),
                epoch_text(committed->epoch->epoch, epoch), committed->seq);
    }
    /* Its own, even if it stepped down in the same step. */
    bool made_here = epoch_equal(disk_pos(disk, seq).epoch, node->view.epoch) &&
                     node_id_equal(node->view.epoch.owner, node->id);
    if (!made_here || (seq <= committed->seq && !may_lose(world)))
        return;
    note_committed(world, disk, min_u64(committed->seq, seq) + 1, seq);
    committed->epoch = disk->records[seq - 1].epoch;
    committed->seq = seq;
}

static void check_commit_grows(struct world *world, struct node *node)
{
    uint64_t generation = node->view.epoch.generation;
    bool may_fall = generation != node->commit_generation || world->overruled || may_lose(world);
    if (node->view.commit < node->commit && !may_fall)
        violate(world, "I4", "the commit of node %s fell from %" PRIu64 " to %" PRIu64,
                node->id.text, node->commit, node->view.commit);
    node->commit = node->view.commit;
    node->commit_generation = generation;
}

/* A forced promotion opens its generation without votes. Two that do not know of each other open
 * the same one, and what either commits the other may discard: only FORKED is left to keep them
 * apart (R12, R28). */
static void note_forced(const struct node *node, struct committed *committed)
{
    const struct disk *disk = &node->disk;
    uint64_t generation = node->view.epoch.generation;
    uint64_t seq = disk->last;
    while (seq > 1 && disk->records[seq - 2].epoch->epoch.generation == generation)
        seq--;
    /* the first generation is founded, not forced */
    if (seq < 2)
        return;
    /* Whoever goes on behind an opening that its owner did not live to tell of is of that
     * opening. */
    struct candor_epoch opening = disk->records[seq - 1].epoch->epoch;
    bool first = epoch_none(committed->opening);
    committed->tainted |= first ? committed->seq > 0 : !epoch_equal(opening, committed->opening);
    committed->opening = opening;
}

/* I3: a new primary has every record that its generation has committed. */
static void check_new_primary(struct world *world, struct node *node)
{
    struct committed *committed = committed_of(world, node->view.epoch.generation);
    note_forced(node, committed);
    if (committed->tainted)
        return;
    char epoch[EPOCH_TEXT_BYTES];
    char pos[POS_TEXT_BYTES];
    /* I3 speaks of later epochs */
    if (committed->seq == 0 || may_lose(world) ||
        epoch_compare(node->view.epoch, committed->epoch->epoch) < 0)
        return;
    struct epoch_log *there = registry_branch(committed->epoch, committed->seq);
    struct candor_pos head = {there->epoch, committed->seq};
    if (!disk_holds(&node->disk, node->disk.last, head))
        violate(world, "I3", "node %s is primary of %s without the committed %s", node->id.text,
                epoch_text(node->view.epoch, epoch), pos_text(head, pos));
}

/* R53: no number of messages of a run moves a term so far, by steps that elections could have
 * made. */
static void check_epoch(struct world *world, const struct node *node)
{
    uint64_t far = UINT64_C(1) << 30;
    char epoch[EPOCH_TEXT_BYTES];
    if (node->view.epoch.term > far || node->view.epoch.generation > far)
        violate(world, "R53", "node %s is in epoch %s", node->id.text,
                epoch_text(node->view.epoch, epoch));
}

void check_step(struct world *world, struct node *node)
{
    check_epoch(world, node);
    rules_view(world, node);
    rules_room(world, node);
    check_commit_grows(world, node);
    bool is_primary = node->view.role == CANDOR_ROLE_PRIMARY;
    if (is_primary && !node->was_primary) {
        node->leads_since_ns = world->now_ns;
        check_new_primary(world, node);
    }
    node->was_primary = is_primary;
    rules_doubt(world, node);
    rules_log(world, node);
    if (node->view.forked && !world->overruled && !may_lose(world))
        violate(world, "R12", "node %s is FORKED, but nobody forced a promotion", node->id.text);
}

/* ---- Messages (I5, R1, R6, R15) -------------------------------------------------------------- */

static void check_status(struct world *world, struct node *node, const struct core_msg *msg)
{
    uint64_t match = msg->status.match;
    if (match == 0)
        return;
    char epoch[EPOCH_TEXT_BYTES];
    char pos[POS_TEXT_BYTES];
    if (match > node->disk.last)
        violate(world, "R1", "node %s acknowledges seq %" PRIu64 ", its disk ends at %" PRIu64,
                node->id.text, match, node->disk.last);
    struct candor_pos held = disk_pos(&node->disk, match);
    if (!registry_holds(registry_epoch(world, msg->header.epoch), held))
        violate(world, "R15", "node %s acknowledges %s, which the log of epoch %s does not hold",
                node->id.text, pos_text(held, pos), epoch_text(msg->header.epoch, epoch));
}

static void check_heartbeat(struct world *world, struct node *node, const struct core_msg *msg)
{
    const struct writer *writer = &node->writer;
    uint64_t owes_ns = local_ns(world, node) - writer->owes_since_ns;
    if (writer->unanswered > 0 && owes_ns > world->plan.stall_ns + NS_PER_MS)
        violate(world, "R6", "primary %s sends a heartbeat, its writer stalls since %.3f s",
                node->id.text, (double)owes_ns / 1e9);
    if (msg->heartbeat.last > node->disk.last)
        violate(world, "R1", "primary %s announces seq %" PRIu64 ", its disk ends at %" PRIu64,
                node->id.text, msg->heartbeat.last, node->disk.last);
}

/* R7: what a node calls its epoch, to peers or clients, is on its disk, so that no restart takes it
 * back. */
void check_shown(struct world *world, struct node *node, struct candor_epoch shown)
{
    char epoch[EPOCH_TEXT_BYTES];
    char stored[EPOCH_TEXT_BYTES];
    if (epoch_compare(shown, node->disk.epoch) > 0)
        violate(world, "R7", "node %s says that it is in epoch %s, its disk knows %s",
                node->id.text, epoch_text(shown, epoch), epoch_text(node->disk.epoch, stored));
    if (epoch_compare(shown, node->disk.shown) > 0)
        node->disk.shown = shown;
}

void check_published(struct world *world, struct node *node, const struct core_msg *msg)
{
    check_shown(world, node, msg->header.epoch);
    if (msg->type == CORE_MSG_RELAYED_HEARTBEAT || msg->type == CORE_MSG_RELAYED_STATUS) {
        rules_passed_on(world, node, msg);
        return;
    }
    if (msg->type == CORE_MSG_STATUS) {
        rules_shown(world, node, &msg->status.digest);
        rules_answers(world, node, msg);
    }
    char epoch[EPOCH_TEXT_BYTES];
    char promised[EPOCH_TEXT_BYTES];
    if (msg->type != CORE_MSG_STATUS)
        copies_must_keep_still(world, node, "leads");
    if (!node->disk.older && epoch_compare(msg->header.epoch, node->disk.promised) < 0)
        violate(world, "I5", "node %s acts in epoch %s, it voted for %s", node->id.text,
                epoch_text(msg->header.epoch, epoch), epoch_text(node->disk.promised, promised));
    if (msg->type == CORE_MSG_STATUS)
        check_status(world, node, msg);
    else if (msg->type == CORE_MSG_HEARTBEAT) {
        check_heartbeat(world, node, msg);
        rules_beat(world, node, msg);
    }
}

void check_answer(struct world *world, struct node *node, const struct core_msg *msg,
                  uint64_t ticket)
{
    check_shown(world, node, msg->header.epoch);
    const struct ticket *asked = ticket_find(node, ticket);
    if (asked != NULL && msg->type == CORE_MSG_VOTE_ANSWER)
        rules_hands_over(world, node, asked, msg);
    if (asked == NULL || !asked->votes || msg->type != CORE_MSG_VOTE_ANSWER ||
        !msg->vote_answer.granted)
        return;
    char vote[EPOCH_TEXT_BYTES];
    char other[EPOCH_TEXT_BYTES];
    copies_must_keep_still(world, node, "votes");
    if (epoch_compare(node->disk.epoch, asked->epoch) < 0)
        violate(world, "R1", "node %s votes for %s, its disk knows %s", node->id.text,
                epoch_text(asked->epoch, vote), epoch_text(node->disk.epoch, other));
    if (epoch_compare(asked->epoch, node->disk.promised) < 0)
        violate(world, "I5", "node %s votes for %s, it has voted for %s", node->id.text,
                epoch_text(asked->epoch, vote), epoch_text(node->disk.promised, other));
    node->disk.promised = asked->epoch;
    rules_voted(world, node, asked);
}

void check_boot(struct world *world, struct node *node)
{
    check_state(world, node);
    if (node->disk.older)
        return;
    if (epoch_compare(node->disk.epoch, node->disk.promised) < 0)
        violate(world, "I5", "node %s has forgotten its vote", node->id.text);
    if (epoch_compare(node->disk.epoch, node->disk.shown) < 0)
        violate(world, "R7", "node %s comes back with an older epoch than it has shown",
                node->id.text);
    if (node->disk.boot <= node->disk.born) /* R8: its messages are taken for older than they are */
        violate(world, "R2", "node %s begins boot %" PRIu64 ", it has had %" PRIu64, node->id.text,
                node->disk.boot, node->disk.born);
    node->disk.born = node->disk.boot;
}

/* The disk's entry, or the one of the disk that was not heard of for the longest time. */
static struct heard *heard_of(struct heard *disks, uint64_t store_id)
{
    uint32_t i = 0;
    while (i < SIM_DISKS - 1 && disks[i].store_id != store_id)
        i++;
    struct heard found = disks[i];
    if (found.store_id != store_id)
        found = (struct heard){.store_id = store_id};
    memmove(disks + 1, disks, i * sizeof *disks);
    disks[0] = found;
    return disks;
}

/* False: it is of a former life, and counts for nothing (R8). */
static bool note_heard(struct node *node, uint32_t from, const struct core_msg *msg)
{
    const struct core_header *header = &msg->header;
    struct heard *heard = heard_of(node->heard[from], header->store_id);
    if (header->boot < heard->boot)
        return false;
    bool of_this_epoch = epoch_equal(header->epoch, node->view.epoch);
    if (header->boot > heard->boot || (of_this_epoch && !epoch_equal(heard->epoch, header->epoch)))
        *heard = (struct heard){header->store_id, header->boot, header->epoch, 0};
    if (msg->type == CORE_MSG_STATUS && of_this_epoch)
        heard->match = max_u64(heard->match, min_u64(msg->status.match, msg->status.durable));
    return true;
}

/* Records that name a newer heartbeat than came by itself count as it. */
static void note_heartbeat(struct world *world, struct node *node, const struct core_msg *msg)
{
    bool beats = msg->type == CORE_MSG_HEARTBEAT || msg->type == CORE_MSG_RELAYED_HEARTBEAT;
    int order = epoch_compare(msg->header.epoch, node->beat.epoch);
    bool names = msg->type == CORE_MSG_RECORDS && order == 0 && msg->records.hb_id > node->beat.id;
    if (!(beats && order >= 0) && !names)
        return;
    node->beat_before = node->beat;
    uint64_t before = order == 0 ? node->beat.id : 0;
    node->beat.id = max_u64(before, beats ? msg->heartbeat.hb_id : msg->records.hb_id);
    node->beat.epoch = msg->header.epoch;
    node->beat.ns = local_ns(world, node);
}

void check_heard(struct world *world, struct node *node, const struct core_msg *msg)
{
    const struct node *from = find_node(world, msg->header.node);
    if (!note_heard(node, from->index, msg))
        return;
    if (msg->type == CORE_MSG_STATUS) {
        node->status_ns[from->index] = local_ns(world, node);
        node->heard_at_ns[from->index] = world->now_ns;
    }
    note_heartbeat(world, node, msg);
    rules_heard_directly(world, node, msg);
}

/* A heartbeat of a higher epoch that the node must drop does not count: somebody at its sender's
 * address had named a life that has not come yet (R8). */
void check_dropped(struct node *node, const struct core_msg *msg)
{
    bool beats = msg->type == CORE_MSG_HEARTBEAT || msg->type == CORE_MSG_RELAYED_HEARTBEAT;
    if (beats && epoch_equal(node->beat.epoch, msg->header.epoch) &&
        epoch_compare(msg->header.epoch, node->view.epoch) > 0)
        node->beat = node->beat_before;
}

/* ---- Going back (I6, R12, R14) --------------------------------------------------------------- */

void check_truncate(struct world *world, struct node *node, uint64_t to)
{
    if (to < node->view.commit)
        violate(world, "R12", "node %s truncates to %" PRIu64 ", its known commit is %" PRIu64,
                node->id.text, to, node->view.commit);
}

void check_install(struct world *world, struct node *node, uint64_t to)
{
    const struct snapshot *snapshot = node->ready;
    char cut[POS_TEXT_BYTES];
    char epoch[EPOCH_TEXT_BYTES];
    if (snapshot == NULL)
        violate(world, "R14", "node %s installs a snapshot that it does not have", node->id.text);
    if (!epoch_equal(snapshot->pos.epoch, node->view.epoch))
        violate(world, "R14", "node %s installs a snapshot cut at %s in epoch %s", node->id.text,
                pos_text(snapshot->pos, cut), epoch_text(node->view.epoch, epoch));
    if (to > snapshot->pos.seq)
        violate(world, "R14", "node %s keeps records above its snapshot", node->id.text);
}

/* Who follows an older epoch than the one that committed a record may still give its own copy up:
 * no majority counted it, and the newer epoch's primary brings it back (I3 speaks of later
 * epochs). */
void check_discarded(struct world *world, struct node *node, uint64_t seq, struct candor_epoch by)
{
    const struct registered *what = record_what(&node->disk, seq);
    if (node->disk.others_from != 0) /* where they begin no primary knows: it fetches them again */
        return;
    if (epoch_compare(by, what->committed_in) < 0)
        return;
    struct candor_pos pos = disk_pos(&node->disk, seq);
    char text[POS_TEXT_BYTES];
    if (may_lose(world))
        return;
    struct committed *committed = committed_of(world, by.generation);
    if (committed->tainted)
        return;
    if (seq <= committed->seq && registry_holds(committed->epoch, pos))
        violate(world, "I3", "node %s discards the committed %s", node->id.text,
                pos_text(pos, text));
    if (what->type != RECORD_WRITE || by.generation > pos.epoch.generation)
        return;
    if (world->writes[what->number].ack >= CANDOR_ACK_MAJORITY)
        violate(world, "I6", "node %s discards %s, acknowledged %s", node->id.text,
                pos_text(pos, text), ack_level_name(world->writes[what->number].ack));
}

/* ---- Acknowledgements (R1, R19) -------------------------------------------------------------- */

static void note_acknowledged(struct world *world, uint64_t number, enum candor_ack ack,
                              struct epoch_log *epoch, uint64_t seq)
{
    struct write *write = &world->writes[number];
    bool again = write->ack != CANDOR_ACK_NONE; /* a retry was answered as its first attempt was */
    write->ack = (enum candor_ack)max_u64(write->ack, ack);
    if (again)
        return;
    write->ack_ns = world->now_ns;
    write->epoch = epoch;
    write->seq = seq;
    memory_grow(world->acked, world->acked_capacity, world->acked_count + 1);
    world->acked[world->acked_count++] = number;
}

/* By the epoch that acknowledges it, or by one of an older generation: a retry's record may be as
 * old as that. */
static bool was_committed(const struct world *world, struct candor_pos pos,
                          uint64_t newest_generation)
{
    for (uint32_t i = 0; i < world->committed_count; i++) {
        const struct committed *committed = &world->committed[i];
        if (committed->generation < pos.epoch.generation ||
            committed->generation > newest_generation)
            continue;
        if (committed->tainted ||
            (pos.seq <= committed->seq && registry_holds(committed->epoch, pos)))
            return true;
    }
    return false;
}

void check_level(struct world *world, struct node *node, const struct core_action_finish *finish)
{
    char pos[POS_TEXT_BYTES];
    if (finish->ack >= CANDOR_ACK_MAJORITY && !may_lose(world) &&
        !was_committed(world, finish->pos, node->view.epoch.generation))
        violate(world, "I6", "node %s acknowledges %s, which is not committed, as %s",
                node->id.text, pos_text(finish->pos, pos), ack_level_name(finish->ack));
    const struct members *members = disk_members(&node->disk, node->view.durable);
    if (finish->ack == CANDOR_ACK_ALL && !world->overruled && !may_lose(world) &&
        voters_that_hold(world, members, finish->pos) < members_voters(members))
        violate(world, "I6", "primary %s acknowledges %s as ALL, but not all hold it",
                node->id.text, pos_text(finish->pos, pos));
}

/* The record of the request's part at or below `seq`; 0: there is none. */
static uint64_t find_part(const struct disk *disk, uint64_t seq, const struct request *request,
                          uint32_t part)
{
    while (seq > 0) {
        const struct registered *what = record_what(disk, seq);
        if (what->request == request && what->part == part)
            break;
        seq--;
    }
    return seq;
}

/* R46: whichever attempt it was that is in the log, its position is named. */
void check_acknowledged(struct world *world, struct node *node, const struct ticket *ticket,
                        const struct core_action_finish *finish)
{
    const struct disk *disk = &node->disk;
    const struct request *request = ticket->request;
    uint64_t seq = finish->pos.seq;
    char pos[POS_TEXT_BYTES];
    if (finish->ack < CANDOR_ACK_LOCAL || finish->ack < request->ack)
        violate(world, "ack", "primary %s reached %s, %s was asked for", node->id.text,
                ack_level_name(finish->ack), ack_level_name(request->ack));
    if (!disk_holds(disk, disk->last, finish->pos) ||
        find_part(disk, seq, request, request->parts - 1) != seq)
        violate(world, "R1",
                "primary %s acknowledges request %" PRIu64 " of client %u at %s, where its disk "
                "does not hold it",
                node->id.text, request->number, request->client, pos_text(finish->pos, pos));
    check_level(world, node, finish);
    for (uint32_t part = request->parts; part-- > 0;) {
        seq = find_part(disk, seq, request, part);
        if (seq == 0)
            violate(world, "R46",
                    "primary %s acknowledges request %" PRIu64 " of client %u at %s, "
                    "without its part %u",
                    node->id.text, request->number, request->client, pos_text(finish->pos, pos),
                    part);
        note_acknowledged(world, record_what(disk, seq)->number, finish->ack,
                          disk->records[seq - 1].epoch, seq);
    }
}

/* ---- Freshness (I9, I10, R37) ---------------------------------------------------------------- */

static bool data_hold(const struct disk *disk, uint64_t applied, const struct write *write)
{
    return write->seq <= applied && disk->records[write->seq - 1].epoch == write->epoch;
}

/* A missing write is excused when it was rolled back: when the log of the reply's epoch goes
 * without it. A later epoch of the same generation never is: the bound says that there was none by
 * then (R31). */
static bool is_excused(struct world *world, const struct write *write, struct epoch_log *epoch)
{
    if (committed_of(world, epoch->epoch.generation)->tainted)
        return true;
    int order = epoch_compare(write->epoch->epoch, epoch->epoch);
    bool same_generation = write->epoch->epoch.generation == epoch->epoch.generation;
    if (order >= 0 && same_generation)
        return false;
    /* of another generation: a forced promotion */
    if (order > 0)
        return true;
    return registry_branch(epoch, write->seq) != write->epoch;
}

static void check_bound(struct world *world, struct node *node, const struct core_freshness *fresh,
                        uint64_t applied)
{
    uint64_t bound_ns = fresh->bound_ms * NS_PER_MS;
    struct epoch_log *epoch = registry_epoch(world, fresh->epoch);
    if (fresh->role != CANDOR_ROLE_PRIMARY &&
        (node->beat.ns == 0 || epoch_compare(node->beat.epoch, fresh->epoch) < 0))
        violate(world, "R37", "node %s tells a bound without a heartbeat of its epoch",
                node->id.text);
    if (bound_ns >= world->now_ns)
        return;
    uint64_t promised_ns = world->now_ns - bound_ns;
    for (uint64_t i = 0; i < world->acked_count; i++) {
        const struct write *write = &world->writes[world->acked[i]];
        if (write->ack_ns >= promised_ns)
            break;
        if (data_hold(&node->disk, applied, write) || is_excused(world, write, epoch))
            continue;
        if (world->plan.beyond_drift) {
            world->false_bounds++;
            return;
        }
        char pos[POS_TEXT_BYTES];
        char text[EPOCH_TEXT_BYTES];
        violate(world, "I9",
                "node %s says in epoch %s at seq %" PRIu64 ": at most %" PRIu64
                " ms old; but write %" PRIu64 " at %s was acknowledged %.3f ms ago",
                node->id.text, epoch_text(fresh->epoch, text), applied, fresh->bound_ms,
                world->acked[i],
                pos_text((struct candor_pos){write->epoch->epoch, write->seq}, pos),
                (double)(world->now_ns - write->ack_ns) / 1e6);
    }
}

/* Those who were a majority before a change of the members confirmed the primary until then. */
bool members_changed_since(const struct node *node, uint64_t since_ns)
{
    uint64_t seq = newest_members(&node->disk);
    return seq == 0 || node->disk.records[seq - 1].stored_ns >= since_ns;
}

/* A primary that is FRESH has heard a majority within stale_after. */
static void check_fresh_primary(struct world *world, struct node *node)
{
    const struct members *members = disk_members(&node->disk, node->view.durable);
    uint64_t now_ns = local_ns(world, node);
    uint32_t heard = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node *voter = find_node(world, members->list[i].id);
        uint64_t status_ns = node->status_ns[voter->index];
        heard += members->list[i].voter &&
                 (voter == node ||
                  (status_ns != 0 && now_ns - status_ns <= world->plan.stale_after_ns + NS_PER_MS));
    }
    uint64_t since_ns = saturating_sub(world->now_ns, 2 * world->plan.stale_after_ns);
    if (heard < members_voters(members) / 2 + 1 && !members_changed_since(node, since_ns))
        violate(world, "I10", "primary %s says FRESH, it has heard %u of %u voters", node->id.text,
                heard, members_voters(members));
}

static void check_not_stale(struct world *world, struct node *node,
                            const struct core_freshness *fresh)
{
    if (fresh->role == CANDOR_ROLE_PRIMARY) {
        check_fresh_primary(world, node);
        return;
    }
    uint64_t now_ns = local_ns(world, node);
    uint64_t most_ms = ns_to_ms_up(world->plan.stale_after_ns);
    if (!fresh->has_heartbeat_age || fresh->heartbeat_age_ms > most_ms)
        violate(world, "I10", "node %s says FRESH, its heartbeat is %" PRIu64 " ms old",
                node->id.text, fresh->heartbeat_age_ms);
    if (node->beat.ns == 0 || now_ns - node->beat.ns > world->plan.stale_after_ns)
        violate(world, "I10", "node %s says FRESH, it was cut off %.3f s ago", node->id.text,
                (double)(now_ns - node->beat.ns) / 1e9);
}

void check_freshness(struct world *world, struct node *node, const struct core_freshness *fresh,
                     uint64_t applied)
{
    check_shown(world, node, fresh->epoch);
    if (fresh->has_bound)
        check_bound(world, node, fresh, applied);
    if (!fresh->stale)
        check_not_stale(world, node, fresh);
    rules_cut_off(world, node, fresh);
}

/* ---- Linearizable reads (I7, R32) ------------------------------------------------------------ */

static void note_served(struct world *world, uint64_t generation, uint64_t seq)
{
    memory_grow(world->served, world->served_capacity, world->served_count + 1);
    world->served[world->served_count++] = (struct served){world->now_ns, generation, seq};
}

static void check_sees_acknowledged(struct world *world, struct node *node, const struct read *read)
{
    struct epoch_log *confirmed = registry_epoch(world, read->confirmed_in);
    char pos[POS_TEXT_BYTES];
    for (uint64_t i = 0; i < world->acked_count; i++) {
        const struct write *write = &world->writes[world->acked[i]];
        if (write->ack_ns >= read->began_ns)
            break;
        bool held =
            write->seq <= read->applied && registry_branch(read->epoch, write->seq) == write->epoch;
        if (!held && !is_excused(world, write, confirmed))
            violate(world, "I7",
                    "node %s answers a linearizable read at seq %" PRIu64 " without write %" PRIu64
                    " at %s, acknowledged %.3f ms before it began",
                    node->id.text, read->applied, world->acked[i],
                    pos_text((struct candor_pos){write->epoch->epoch, write->seq}, pos),
                    (double)(read->began_ns - write->ack_ns) / 1e6);
    }
}

/* In any generation: a forced promotion may come between the promise and the answer. */
static bool is_committed(const struct world *world, struct candor_pos pos)
{
    for (uint32_t i = 0; i < world->committed_count; i++) {
        const struct committed *committed = &world->committed[i];
        if (committed->tainted ||
            (pos.seq <= committed->seq && registry_holds(committed->epoch, pos)))
            return true;
    }
    return false;
}

void check_linearizable_read(struct world *world, struct node *node, const struct read *read)
{
    uint64_t generation = read->confirmed_in.generation;
    if (may_lose(world) || committed_of(world, generation)->tainted)
        return;
    /* a lease is worth what the bound of the clocks' drift is worth (R30) */
    if (world->plan.leases && world->plan.beyond_drift)
        return;
    struct candor_pos pos = {read->epoch->epoch, read->applied};
    char text[POS_TEXT_BYTES];
    if (!is_committed(world, pos))
        violate(world, "I7", "node %s answers a linearizable read with %s, which is not committed",
                node->id.text, pos_text(pos, text));
    for (uint32_t i = 0; i < world->served_count; i++) {
        const struct served *served = &world->served[i];
        if (served->at_ns < read->began_ns && served->generation == generation &&
            served->seq > read->applied)
            violate(world, "I7",
                    "node %s answers a linearizable read at seq %" PRIu64
                    "; one before it was answered at %" PRIu64,
                    node->id.text, read->applied, served->seq);
    }
    check_sees_acknowledged(world, node, read);
    /* A forced promotion between its confirmation and its data: what it shows is of the new
     * generation. */
    note_served(world, max_u64(generation, pos.epoch.generation), read->applied);
}

/* ---- State (I13) ----------------------------------------------------------------------------- */

static void replay(const struct disk *disk, struct state *out)
{
    *out = (struct state){0};
    for (uint64_t seq = 1; seq <= disk->last; seq++) {
        const struct registered *what = record_what(disk, seq);
        if (what->type != RECORD_WRITE)
            continue;
        out->keys[what->key] =
            what->deletes ? (struct entry){0} : (struct entry){what->number, seq, what->until_ms};
        (void)requests_note(&out->requests, what->request, what->part, seq);
    }
}

void check_state(struct world *world, struct node *node)
{
    struct state expected;
    replay(&node->disk, &expected);
    if (memcmp(&expected, &node->disk.state, sizeof expected) != 0)
        violate(world, "I13", "the state of node %s is not its log's at seq %" PRIu64,
                node->id.text, node->disk.last);
}

/* ---- The end (I6, I8, I12) ------------------------------------------------------------------- */

static const char *not_settled(struct world *world, const struct node *node,
                               const struct node *primary)
{
    const struct core_view *view = &node->view;
    if (view->forked)
        return "is FORKED";
    if (!epoch_equal(view->epoch, primary->view.epoch))
        return "is of another epoch";
    if (node != primary && view->role == CANDOR_ROLE_PRIMARY)
        return "is primary, too";
    if (!view->attached)
        return "is not attached";
    if (!view->admitted)
        return "is not admitted";
    if (node->disk.last != primary->disk.last || view->last != node->disk.last)
        return "has another last seq";
    if (view->commit != view->last)
        return "has not committed all";
    if (memcmp(&node->disk.state, &primary->disk.state, sizeof node->disk.state) != 0)
        return "has another state";
    if (node->ticket_count > 0)
        return "has open tickets";
    struct core_freshness fresh;
    core_view_freshness(view, view->applied, local_ns(world, node), &fresh);
    bool steady = world->plan.stale_after_ns >= 5 * world->plan.beat_ns;
    if (steady && fresh.state != CANDOR_STATE_FRESH)
        return "is not FRESH";
    return NULL;
}

const char *check_converged(struct world *world)
{
    static char why[128];
    const struct node *primary = find_primary(world);
    if (primary == NULL)
        return "there is no primary";
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        const char *what = node->up ? not_settled(world, node, primary) : "is down";
        if (what == NULL)
            continue;
        snprintf(why, sizeof why, "node %s %s", node->id.text, what);
        return why;
    }
    return NULL;
}

static void check_kept(struct world *world, const struct disk *disk, uint64_t number)
{
    const struct write *write = &world->writes[number];
    if (data_hold(disk, disk->last, write))
        return;
    bool majority = write->ack >= CANDOR_ACK_MAJORITY && !world->overruled && !may_lose(world);
    if (!majority && (write->archived || write->excused))
        return;
    char pos[POS_TEXT_BYTES];
    violate(world, "I6", "write %" PRIu64 " at %s, acknowledged %s, is %s", number,
            pos_text((struct candor_pos){write->epoch->epoch, write->seq}, pos),
            ack_level_name(write->ack),
            majority ? "not in the log" : "neither in the state nor in an archive");
}

static void check_reported_lost(struct world *world, const struct disk *disk)
{
    char pos[POS_TEXT_BYTES];
    if (world->overruled || may_lose(world))
        return;
    for (uint32_t i = 0; i < world->loss_count; i++)
        if (disk_holds(disk, disk->last, world->losses[i].pos))
            violate(world, "I8", "somebody was told that %s is lost, but it is not",
                    pos_text(world->losses[i].pos, pos));
}

void check_end(struct world *world)
{
    const struct node *primary = find_primary(world);
    ASSERT(primary != NULL);
    for (uint32_t i = 0; i < world->node_count; i++)
        check_state(world, &world->nodes[i]);
    for (uint64_t i = 0; i < world->acked_count; i++)
        check_kept(world, &primary->disk, world->acked[i]);
    check_reported_lost(world, &primary->disk);
    register_check(world);
    check_log_once(world, primary);
}
