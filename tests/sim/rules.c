/* Rules that can be seen from outside, beside the invariants. */
#include "sim.h"

/* Rules that the invariants of docs/protocol.md §12 do not speak of, but that can be seen from
 * outside a core. */

/* ---- Writes (R20, R21, R25, R26) ------------------------------------------------------------- */

void rules_write_taken(struct world *world, const struct node *node, const struct core_view *before,
                       const struct ticket *ticket)
{
    uint32_t parts = ticket->request->parts;
    uint64_t uncommitted = before->durable - before->commit;
    if (uncommitted + parts > world->plan.max_uncommitted)
        violate(world, "R20", "primary %s takes %u records beside %" PRIu64 " uncommitted ones",
                node->id.text, parts, uncommitted);
    if (before->role == CANDOR_ROLE_PRIMARY && !before->accepts_writes)
        violate(world, "R26", "primary %s takes a write while it hands over", node->id.text);
}

/* Whoever is told that a write was not executed may do it again, or not: it must never come up. */
void rules_write_refused(struct world *world, const struct node *node, const struct ticket *ticket)
{
    for (uint32_t i = 0; i < ticket->request->parts; i++) {
        struct write *write = &world->writes[ticket->first_number + i];
        write->refused = true;
        rules_write_stored(world, node, write);
    }
}

void rules_write_stored(struct world *world, const struct node *node, struct write *write)
{
    if (write->refused && write->stored)
        violate(world, "R21",
                "request %" PRIu64 " of client %u was refused and executed, at node %s",
                write->request->number, write->request->client, node->id.text);
}

/* A key is there for as long as was asked for, by true time, but for what the clocks gain (R69):
 * the time begins when the put is sent, at the earliest. */
void rules_expired(struct world *world, const struct node *node, const struct entry *entry)
{
    const struct write *write = &world->writes[entry->value];
    uint64_t asked_ns = write->request->ops[write->part].ttl_ms * NS_PER_MS;
    uint64_t was_ns = world->now_ns - write->issued_ns;
    uint64_t gained_ns = world->jumped_ns + was_ns / 1000 * world->plan.rate_ppm / 1000 + 2000;
    if (was_ns + gained_ns < asked_ns)
        violate(world, "R69",
                "node %s ends a key after %" PRIu64 " us that was to be there for %" PRIu64 " us",
                node->id.text, was_ns / 1000, asked_ns / 1000);
}

/* What its client may ask for later is where the write stands, and no other record (R21). */
void rules_write_unknown(struct world *world, const struct node *node, const struct ticket *ticket,
                         struct candor_pos pos)
{
    const struct registered *what = registry_at(registry_epoch(world, pos.epoch), pos.seq);
    bool there = registry_holds(registry_epoch(world, pos.epoch), pos);
    char text[POS_TEXT_BYTES];
    if (!there || what == NULL || what->request != ticket->request)
        violate(world, "R21",
                "node %s does not know what becomes of request %" PRIu64
                " of client %u at %s, where it does not stand",
                node->id.text, ticket->request->number, ticket->request->client,
                pos_text(pos, text));
}

/* A majority of the voters, the primary among them, was heard since then. */
static bool heard_since(struct world *world, const struct node *node, uint64_t since_ns)
{
    const struct members *members = disk_members(&node->disk, node->view.durable);
    uint32_t heard = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node *voter = find_node(world, members->list[i].id);
        heard += members->list[i].voter &&
                 (voter == node || node->heard_at_ns[voter->index] >= since_ns);
    }
    return heard >= members_voters(members) / 2 + 1;
}

/* A paused node may answer one write before it looks at the clock; a majority may have been another
 * before a change of it. */
void rules_acknowledged(struct world *world, const struct node *node)
{
    uint64_t slack_ns = 2 * world->plan.beat_ns + world->plan.election_ns / 10;
    uint64_t allowed_ns = world->plan.election_ns + slack_ns;
    uint64_t since_ns = saturating_sub(world->now_ns, allowed_ns);
    bool paused = node->sleeps_until_ns + slack_ns > world->now_ns;
    if (!world->plan.automatic || paused || node->leads_since_ns > since_ns ||
        members_changed_since(node, since_ns) || heard_since(world, node, since_ns))
        return;
    violate(world, "R25", "primary %s acknowledges a write, no majority was heard for %.3f s",
            node->id.text, (double)allowed_ns / 1e9);
}

/* ---- Records (R13) --------------------------------------------------------------------------- */

void rules_append(struct world *world, const struct node *node, struct slice batches)
{
    struct batch batch;
    struct candor_error err;
    uint64_t next = node->last_before + 1;
    while (batches.length > 0) {
        enum candor_code code = batch_decode(&batches, &batch, &err);
        ASSERT(code == CANDOR_OK);
        if (batch.first_seq != next)
            violate(world, "R13", "node %s takes seq %" PRIu64 ", it has all before %" PRIu64,
                    node->id.text, batch.first_seq, next);
        next = batch_last_seq(&batch) + 1;
    }
}

/* ---- What a view says (R39, R42) ------------------------------------------------------------- */

/* Counted in the log itself: what came with a snapshot is not in it. */
static void check_at_risk(struct world *world, const struct node *node)
{
    const struct core_view *view = &node->view;
    uint64_t local = 0;
    for (uint64_t seq = max_u64(view->commit + 1, node->disk.first); seq <= view->durable; seq++) {
        const struct registered *what = record_what(&node->disk, seq);
        local += what->type == RECORD_WRITE && what->request->ack == CANDOR_ACK_LOCAL;
    }
    if (view->at_risk != local)
        violate(world, "R42", "primary %s counts %" PRIu64 " records at risk, there are %" PRIu64,
                node->id.text, view->at_risk, local);
}

void rules_view(struct world *world, const struct node *node)
{
    if (node->view.role == CANDOR_ROLE_PRIMARY)
        check_at_risk(world, node);
    const struct core_view *view = &node->view;
    bool has_all = view->attached && view->applied > 0 && view->applied >= view->primary_seq;
    if (has_all && view->catching_up)
        violate(world, "R39", "node %s is catching up from %" PRIu64 " to %" PRIu64, node->id.text,
                view->applied, view->primary_seq);
}

/* ---- Votes (R23) ----------------------------------------------------------------------------- */

/* After each event: what is taken together with others may be forgotten at the end of it. */
void rules_hears(struct world *world, struct node *node)
{
    bool leads = node->view.role == CANDOR_ROLE_PRIMARY;
    struct candor_epoch follows = leads ? (struct candor_epoch){0} : node->view.epoch;
    if (node->follows_ns == 0 || !epoch_equal(follows, node->follows))
        node->follows_ns = local_ns(world, node);
    node->follows = follows;
    if (node->view.role == CANDOR_ROLE_PRIMARY) {
        node->live_ns = 0;
    } else if (node->view.heard && node->view.heartbeat_ns >= node->live_ns) {
        node->live_ns = node->view.heartbeat_ns;
        node->live_owner = node->view.epoch.owner;
    }
}

/* Another primary's heartbeat came within T, and no closed connection has been told of since; nor
 * has the candidate won meanwhile, and said so. */
bool rules_against_live(struct world *world, const struct node *node, const struct core_msg *vote)
{
    uint64_t now_ns = local_ns(world, node);
    if (node->beat.ns >= node->live_ns && epoch_equal(node->beat.epoch, vote->vote.epoch))
        return false;
    bool hears = node->live_ns != 0 && now_ns - node->live_ns < world->plan.election_ns &&
                 node->hinted_ns < node->live_ns;
    const struct node *candidate = find_node(world, vote->vote.epoch.owner);
    bool handed_over = vote->vote.transfer && candidate != NULL && candidate->asked_to_lead;
    return hears && !handed_over && !node_id_equal(node->live_owner, vote->vote.epoch.owner);
}

void rules_voted(struct world *world, const struct node *node, const struct ticket *asked)
{
    char epoch[EPOCH_TEXT_BYTES];
    if (asked->against_live)
        violate(world, "R23",
                "node %s votes for %s; when it was asked it had heard the primary %s %.3f ms "
                "before or less",
                node->id.text, epoch_text(asked->epoch, epoch), node->live_owner.text,
                (double)world->plan.election_ns / 1e6);
}

/* R26: nobody stands at once because somebody asked in the primary's name. */
void rules_hands_over(struct world *world, const struct node *node, const struct ticket *asked,
                      const struct core_msg *answer)
{
    if (asked->hands_over && answer->vote_answer.granted && !node->asked_to_lead)
        violate(world, "R26", "node %s stands at once, and nobody has wanted a transfer to it",
                node->id.text);
}

/* ---- Relays (R72-R74) ------------------------------------------------------------------------ */

void rules_heard_directly(struct world *world, struct node *node, const struct core_msg *msg)
{
    bool beats = msg->type == CORE_MSG_HEARTBEAT;
    if (!beats && msg->type != CORE_MSG_RECORDS)
        return;
    uint64_t id = beats ? msg->heartbeat.hb_id : msg->records.hb_id;
    int order = epoch_compare(msg->header.epoch, node->direct.epoch);
    if (order > 0) {
        node->direct_before = node->direct; /* the node may have to drop this one (R8) */
        node->direct = (struct beat){.epoch = msg->header.epoch};
    }
    if (order >= 0)
        node->direct.id = max_u64(node->direct.id, id);
    if (beats)
        node->came = (struct beat){msg->header.epoch, id, world->now_ns};
}

/* One hop, and at once: what is old cannot look new. */
void rules_passed_on(struct world *world, const struct node *node, const struct core_msg *msg)
{
    if (msg->type == CORE_MSG_RELAYED_HEARTBEAT) {
        bool now = node->came.ns == world->now_ns && node->came.id == msg->heartbeat.hb_id &&
                   epoch_equal(node->came.epoch, msg->header.epoch);
        if (!now)
            violate(world, "R72",
                    "node %s passes heartbeat %" PRIu64
                    " on, which has not just come from its primary",
                    node->id.text, msg->heartbeat.hb_id);
        return;
    }
    const struct node *of = find_node(world, msg->relayed_status.node);
    if (of == NULL || node->heard_at_ns[of->index] != world->now_ns)
        violate(world, "R72", "node %s passes a status of %s on, which has not just come from it",
                node->id.text, msg->relayed_status.node.text);
}

void rules_answers(struct world *world, const struct node *node, const struct core_msg *status)
{
    bool before = epoch_equal(node->direct_before.epoch, status->header.epoch);
    const struct beat *direct = before ? &node->direct_before : &node->direct;
    bool came =
        epoch_equal(direct->epoch, status->header.epoch) && status->status.hb_id <= direct->id;
    if (status->status.hb_id != 0 && !came)
        violate(world, "R73",
                "node %s answers heartbeat %" PRIu64 ", which its primary has not told it itself",
                node->id.text, status->status.hb_id);
}

/* Who hears no heartbeat, by whichever way, says so (I10), and who says that it is cut off is not
 * FRESH. */
void rules_cut_off(struct world *world, const struct node *node, const struct core_freshness *fresh)
{
    /* its own epoch may begin anew, and end before it led */
    bool own = node_id_equal(node->view.epoch.owner, node->id);
    bool noted = node->follows_ns != 0; /* a client may ask before the node's first step */
    if (fresh->role == CANDOR_ROLE_PRIMARY || own || world->node_count == 1 || !noted)
        return;
    uint64_t heard_ns = max_u64(node->beat.ns, node->follows_ns);
    uint64_t silent_ns = saturating_sub(local_ns(world, node), heard_ns);
    if (fresh->cut_off == CANDOR_CUT_OFF_NO && silent_ns > world->plan.stale_after_ns)
        violate(world, "R74", "node %s has heard no heartbeat for %.3f s, and is not cut off",
                node->id.text, (double)silent_ns / 1e9);
    if (fresh->cut_off != CANDOR_CUT_OFF_NO && !fresh->stale)
        violate(world, "R74", "node %s is FRESH and cut off (%s)", node->id.text,
                candor_cut_off_name(fresh->cut_off));
}

/* ---- A full disk (R52) ----------------------------------------------------------------------- */

/* It has said so lately, has all records, its disk takes more, and nothing says that its data are
 * other ones (R59). */
static bool could_take_over(struct world *world, const struct node *node, const struct node *other)
{
    const struct member *member =
        members_find(disk_members(&node->disk, node->view.durable), other->id);
    bool hears = world->now_ns - node->heard_at_ns[other->index] < 2 * world->plan.beat_ns;
    return other != node && other->up && member != NULL && member->voter &&
           member->store_id == other->disk.store_id && hears && other->refused_ns == 0 &&
           other->view.attached && !other->view.doubtful &&
           epoch_equal(other->view.epoch, node->view.epoch) &&
           other->disk.last == node->disk.last && other->paused_until_ns <= world->now_ns &&
           other->sleeps_until_ns <= world->now_ns;
}

static bool somebody_could(struct world *world, const struct node *node)
{
    if (node->refused_ns == 0 || node->view.role != CANDOR_ROLE_PRIMARY || !world->plan.automatic ||
        node->view.durable != node->view.commit || node->sleeps_until_ns > world->now_ns)
        return false;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (could_take_over(world, node, &world->nodes[i]))
            return true;
    return false;
}

/* The stated pause is five election timeouts, from the beginning of its epoch and of its last
 * attempt, which may take one. */
void rules_room(struct world *world, struct node *node)
{
    uint64_t t_ns = world->plan.election_ns;
    if (!somebody_could(world, node))
        node->idle_room_ns = 0;
    else if (node->idle_room_ns == 0)
        node->idle_room_ns = world->now_ns;
    if (node->view.role == CANDOR_ROLE_PRIMARY && !node->view.accepts_writes)
        node->hands_over_ns = world->now_ns;
    if (node->idle_room_ns == 0)
        return;
    uint64_t tried_ns = max_u64(node->leads_since_ns, node->hands_over_ns);
    uint64_t due_ns = max_u64(node->idle_room_ns, tried_ns == 0 ? 0 : tried_ns + 5 * t_ns);
    uint64_t slack_ns = t_ns / 2 + 3 * world->plan.beat_ns;
    if (world->now_ns > due_ns + slack_ns)
        violate(world, "R52", "primary %s has had no room for %.3f s, although others have",
                node->id.text, (double)(world->now_ns - node->idle_room_ns) / 1e9);
}

/* ---- Handing over, and who counts (R26, R29) ------------------------------------------------- */

/* A primary without room wants the successor that its own stream names (R52), whoever then asks
 * that node to stand. */
void rules_beat(struct world *world, struct node *node, const struct core_msg *msg)
{
    node->sent = (struct beat){msg->header.epoch, msg->heartbeat.hb_id, world->now_ns};
    struct node *named = find_node(world, msg->heartbeat.successor);
    if (named != NULL && world->plan.automatic && node->was_full)
        named->asked_to_lead = true;
}

void rules_called(struct world *world, const struct node *node, const struct node *to,
                  const struct core_msg *msg)
{
    const struct disk *disk = &node->disk;
    if (msg->type == CORE_MSG_PRE_VOTE || msg->type == CORE_MSG_VOTE)
        copies_must_keep_still(world, node, "stands for election");
    if (msg->type != CORE_MSG_TRANSFER || world->lost_tail || to->disk.wipes > 0)
        return;
    /* it has moved on, and will not stand for this one */
    if (epoch_compare(to->disk.epoch, node->view.epoch) > 0)
        return;
    char pos[POS_TEXT_BYTES];
    struct candor_pos head = disk_pos(disk, disk->last);
    if (!disk_holds(&to->disk, to->disk.last, head))
        violate(world, "R26", "primary %s asks %s to stand, which does not hold %s", node->id.text,
                to->id.text, pos_text(head, pos));
    for (uint32_t i = 0; i < node->view.peer_count; i++)
        if (node_id_equal(node->view.peers[i].node, to->id) && node->view.peers[i].differs_seq != 0)
            violate(world, "R59", "primary %s asks %s to stand, whose data differ, as it knows",
                    node->id.text, to->id.text);
}

void rules_members(struct world *world, const struct node *node)
{
    uint64_t seq = newest_members(&node->disk);
    if (node->view.commit < seq)
        violate(world, "R29",
                "primary %s changes the members, the change at %" PRIu64 " is not committed",
                node->id.text, seq);
}

/* ---- Data that differ (R58, R59) ------------------------------------------------------------- */

/* How many intervals a node may go on as FRESH whose digests have shown for so long that its data
 * differ. Its statuses may be lost, and it may stop where the primary has not. */
enum { DIFFERENCE_BEATS = 60 };

/* A snapshot spreads what is wrong: where more voters hold it than speak for the right data, nobody
 * is told to be wrong. */
static bool most_are_sound(const struct world *world)
{
    const struct members *members = &world->committed_members;
    uint32_t sound = 0;
    uint32_t skewed = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        const struct member *member = members_find(members, node->id);
        bool leads_or_follows =
            node->up && (node->view.role == CANDOR_ROLE_PRIMARY || node->view.attached);
        if (member == NULL || !member->voter)
            continue;
        skewed += node->disk.skew != 0;
        sound += node->disk.skew == 0 && leads_or_follows;
    }
    return sound >= skewed;
}

/* The node it follows has sound data, and hears it: nobody has spoken in its name, so that it is
 * not heard for a while (R8). */
static bool is_compared(struct world *world, const struct node *node)
{
    const struct node *primary = find_node(world, node->view.epoch.owner);
    return node->view.role != CANDOR_ROLE_PRIMARY && node->view.attached && primary != NULL &&
           primary->view.role == CANDOR_ROLE_PRIMARY && primary->disk.skew == 0 &&
           most_are_sound(world) && world->plan.weight[FAULT_POSE] == 0 &&
           net_open(world, primary->index, node->index) &&
           net_open(world, node->index, primary->index) &&
           node->view.durable >= primary->noted_from;
}

void rules_shown(struct world *world, struct node *node, const struct digest_at *shown)
{
    struct disk sound = node->disk;
    sound.skew = 0;
    bool differs = shown->seq != 0 && node->disk.skew != 0 &&
                   !state_digest_equal(shown->digest, disk_digest(&sound, shown->seq));
    if (!differs)
        node->skew_shown_ns = 0;
    else if (node->skew_shown_ns == 0)
        node->skew_shown_ns = world->now_ns;
}

/* How many intervals a node may keep data that the majority, its primary among them, has declared
 * to differ: its statuses and a download take their time, and may be lost. */
enum { HEAL_BEATS = 150 };

/* R67: it takes the others' data without an operator; but not twice within a minute. */
static void rules_heal(struct world *world, struct node *node)
{
    bool outvoted = node->view.outvoted && is_compared(world, node);
    if (!outvoted || node->healed)
        node->outvoted_ns = 0;
    else if (node->outvoted_ns == 0)
        node->outvoted_ns = world->now_ns;
    node->healed = node->healed || (node->was_outvoted && !node->view.outvoted);
    node->was_outvoted = node->view.outvoted;
    if (node->outvoted_ns != 0 &&
        world->now_ns - node->outvoted_ns > HEAL_BEATS * world->plan.beat_ns)
        violate(world, "R67", "node %s has been outvoted for %.3f s, and keeps its data",
                node->id.text, (double)(world->now_ns - node->outvoted_ns) / 1e9);
}

void rules_doubt(struct world *world, struct node *node)
{
    rules_heal(world, node);
    if (node->view.outvoted && !node->view.doubtful)
        violate(world, "R59", "node %s knows that most hold other data, and serves its own",
                node->id.text);
    if (node->view.doubtful && !world->differed)
        violate(world, "R59", "node %s is DOUBTFUL, and no state differs", node->id.text);
    if (node->disk.skew == 0 || node->view.doubtful || !is_compared(world, node))
        node->skew_shown_ns = 0;
    if (node->skew_shown_ns != 0 &&
        world->now_ns - node->skew_shown_ns > DIFFERENCE_BEATS * world->plan.beat_ns)
        violate(world, "R58", "node %s has shown other data for %.3f s, and serves them",
                node->id.text, (double)(world->now_ns - node->skew_shown_ns) / 1e9);
}

/* R29: who votes is what the order asked for, where it is said to stand. */
void rules_order_done(struct world *world, struct node *node, const struct ticket *ticket,
                      struct candor_pos pos)
{
    if (node_id_empty(ticket->member))
        return;
    char text[POS_TEXT_BYTES];
    const struct member *member = members_find(disk_members(&node->disk, pos.seq), ticket->member);
    if (member == NULL || member->voter != ticket->voter)
        violate(world, "R29", "node %s says that %s %s since %s, which it does not", node->id.text,
                ticket->member.text, ticket->voter ? "votes" : "does not vote",
                pos_text(pos, text));
}
