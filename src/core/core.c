#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

/* ---- Actions ---------------------------------------------------------------------------------------- */

struct core_action *act(struct core *core, enum core_action_type type)
{
    struct core_actions *actions = core->actions;
    memory_grow(actions->list, actions->capacity, actions->count + 1);
    struct core_action *action = &actions->list[actions->count++];
    memset(action, 0, offsetof(struct core_action, text));
    action->text[0] = '\0';
    action->type = type;
    return action;
}

void core_actions_free(struct core_actions *actions)
{
    free(actions->list);
    *actions = (struct core_actions){0};
}

struct core_msg *message_new(struct core *core, enum core_msg_type type)
{
    uint32_t made = core->out.capacity;
    memory_grow(core->out.messages, core->out.capacity, core->out.count + 1);
    for (; made < core->out.capacity; made++)
        core->out.messages[made] = memory_alloc(sizeof(struct core_msg));
    struct core_msg *msg = core->out.messages[core->out.count++];
    memset(msg, 0, sizeof *msg);
    msg->type = type;
    msg->header = (struct core_header){
        .cluster_id = core->cluster_id,
        .config_hash = core->config.config_hash,
        .node = core->config.self,
        .store_id = core->store_id,
        .boot = core->boot,
        .epoch = shown_epoch(core),
    };
    return msg;
}

void publish(struct core *core, struct core_msg *msg)
{
    act(core, CORE_ACTION_PUBLISH)->msg = msg;
}

uint64_t call(struct core *core, struct node_id peer, struct core_msg *msg)
{
    struct core_action *action = act(core, CORE_ACTION_CALL);
    action->peer = peer;
    action->nonce = core->next_nonce++;
    action->msg = msg;
    return action->nonce;
}

void answer(struct core *core, uint64_t ticket, struct core_msg *msg)
{
    struct core_action *action = act(core, CORE_ACTION_ANSWER);
    action->ticket = ticket;
    action->msg = msg;
}

void finish(struct core *core, uint64_t ticket, enum candor_code code, enum candor_reason reason,
            struct pos pos, enum ack_level ack)
{
    ASSERT(ticket != 0);
    struct core_action *action = act(core, CORE_ACTION_FINISH);
    action->ticket = ticket;
    action->code = code;
    action->reason = reason;
    action->pos = pos;
    action->ack = ack;
}

void finish_text(struct core *core, uint64_t ticket, enum candor_code code,
                 enum candor_reason reason, struct pos pos, const char *format, ...)
{
    finish(core, ticket, code, reason, pos, ACK_NONE);
    char *text = core->actions->list[core->actions->count - 1].text;
    va_list args;
    va_start(args, format);
    vsnprintf(text, CORE_TEXT_BYTES, format, args);
    va_end(args);
}

void log_line(struct core *core, enum log_level level, const char *format, ...)
{
    struct core_action *action = act(core, CORE_ACTION_LOG);
    action->seq = (uint64_t)level;
    va_list args;
    va_start(args, format);
    vsnprintf(action->text, sizeof action->text, format, args);
    va_end(args);
}

static bool is_append(enum core_action_type type)
{
    return type == CORE_ACTION_APPEND || type == CORE_ACTION_WRITE ||
           type == CORE_ACTION_EPOCH_START || type == CORE_ACTION_MEMBERS;
}

struct core_action *give_work(struct core *core, enum core_action_type type)
{
    if (core->writer.owed.count == 0)
        core->writer.since_ns = core->now_ns;
    *(enum core_action_type *)ring_push(&core->writer.owed) = type;
    core->writer.appends += is_append(type);
    return act(core, type);
}

/* The writer answers in order: what it answers is the oldest of what it was given. */
static enum core_action_type work_answered(struct core *core)
{
    enum core_action_type type;
    ring_pop(&core->writer.owed, &type);
    core->writer.appends -= is_append(type);
    core->writer.append_broken = core->writer.append_broken && core->writer.appends > 0;
    core->writer.since_ns = core->now_ns;
    return type;
}

/* ---- Hard state (R2) -------------------------------------------------------------------------------- */

void save_hard_state(struct core *core)
{
    core->hard.version++;
    struct core_action *action = give_work(core, CORE_ACTION_SAVE);
    action->cluster_id = core->cluster_id;
    action->epoch = core->epoch;
    action->seq = core->log.commit;
}

bool hard_state_durable(const struct core *core)
{
    return core->hard.saved == core->hard.version;
}

/* R7: an epoch that is still on its way to the disk could be gone after a crash. */
struct epoch shown_epoch(const struct core *core)
{
    return mutated(core, EPOCH_BEFORE_STORED) ? core->epoch : core->hard.stored_epoch;
}

bool settled(const struct core *core)
{
    return core->writer.appends == 0;
}

/* ---- Who is who ------------------------------------------------------------------------------------- */

struct peer *find_peer(struct core *core, struct node_id id)
{
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (node_id_equal(core->peers[i].id, id))
            return &core->peers[i];
    return NULL;
}

struct pos durable_pos(const struct core *core)
{
    return (struct pos){epoch_history_at(&core->log.history, core->log.durable), core->log.durable};
}

bool is_blank(const struct core *core)
{
    return core->log.last == 0 && core->log.commit == 0 && core->log.members.count == 0;
}

bool is_admitted(const struct core *core)
{
    const struct member *me = members_find(&core->log.members, core->config.self);
    return me != NULL && me->store_id == core->store_id;
}

/* As the log says; before there is one, as the topology says. */
static bool votes(const struct core *core, struct node_id id)
{
    const struct members *members =
        core->log.members.count > 0 ? &core->log.members : &core->config.configured;
    const struct member *member = members_find(members, id);
    return member != NULL && member->voter;
}

bool is_voter(const struct core *core)
{
    return votes(core, core->config.self);
}

bool peer_is_voter(const struct core *core, const struct peer *peer)
{
    return votes(core, peer->id);
}

bool peer_is_member(const struct core *core, const struct peer *peer)
{
    const struct member *member = members_find(&core->log.members, peer->id);
    return member != NULL && member->store_id != 0 && member->store_id == peer->store_id;
}

uint64_t jitter(struct core *core, uint64_t base_ns)
{
    return base_ns / 2 + rng_below(&core->rng, base_ns + 1);
}

/* ---- Epochs ----------------------------------------------------------------------------------------- */

/* R7: a higher epoch is adopted durably before anything of it counts. */
void adopt_epoch(struct core *core, struct epoch epoch)
{
    ASSERT(epoch_compare(epoch, core->epoch) > 0);
    char text[EPOCH_TEXT_BYTES];
    log_line(core, LOG_LEVEL_INFO, "epoch_adopted epoch=%s", epoch_text(epoch, text));
    primary_deposed(core, epoch);
    if (core->phase >= PHASE_OPENING)
        primary_step_down(core, "a higher epoch was seen");
    campaign_cancel(core);
    core->epoch = epoch;
    if (!node_id_equal(epoch.owner, core->config.self))
        core->stand.resuming = false;
    replica_reset(core);
    save_hard_state(core);
    core->hearing.status_owed = true;
    plan_campaign(core);
}

static bool same_cluster(const struct core *core, const struct core_header *header)
{
    if (header->config_hash != core->config.config_hash)
        return false;
    /* The blank belong to nobody yet, on either side. */
    return header->cluster_id == core->cluster_id || header->cluster_id == 0 || is_blank(core);
}

static void note_foreign(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (peer->foreign_logged)
        return;
    peer->foreign_logged = true;
    log_line(core, LOG_LEVEL_WARN,
             "foreign_peer node=%s its_cluster=%016" PRIx64 " our_cluster=%016" PRIx64
             " same_topology_name=%s",
             peer->id.text, header->cluster_id, core->cluster_id,
             header->config_hash == core->config.config_hash ? "yes" : "no");
}

/* A peer that was not heard for too long has a dead connection, or a partition has healed behind it. */
uint64_t silence_ns(const struct core *core)
{
    return max_u64(core->config.stale_after_ns, 5 * core->config.heartbeat_interval_ns);
}

static bool is_lost_disk(const struct peer *peer, const struct core_header *header)
{
    for (uint32_t i = 0; i < LOST_DISKS; i++)
        if (peer->lost[i].store_id == header->store_id && header->boot <= peer->lost[i].boot)
            return true;
    return false;
}

static bool long_silent(const struct core *core, const struct peer *peer)
{
    uint64_t long_ns = LIMIT_FORMER_LIFE_BEATS * core->config.heartbeat_interval_ns;
    return core->now_ns - peer->heard_ns > long_ns && !mutated(core, LIFE_FOR_EVER);
}

/* A late message of an earlier life, or of a disk that another has replaced. Which of two disks is the newer no message can
 * tell: the one that speaks all the time is the present one. The same holds for a boot number, once no message can be on its way any
 * more: somebody who sat at the peer's address may have invented it. */
static bool of_former_life(const struct core *core, const struct peer *peer,
                           const struct core_header *header)
{
    if (lives_is_over(core, peer, header))
        return true;
    if (peer->store_id == header->store_id)
        return header->boot < peer->boot && !long_silent(core, peer);
    bool present_speaks = core->now_ns - peer->heard_ns < silence_ns(core);
    return is_lost_disk(peer, header) && present_speaks;
}

/* A new life or a new disk of a peer: what its former self said no longer counts (R4, R8). */
static void peer_reborn(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (peer->store_id != 0 && peer->store_id != header->store_id) {
        uint32_t i = peer->lost_count++ % LOST_DISKS;
        peer->lost[i].store_id = peer->store_id;
        peer->lost[i].boot = peer->boot;
    }
    peer->store_id = header->store_id;
    peer->boot = header->boot;
    peer->life_since_ns = core->now_ns;
    peer->older_logged = false;
    peer->epoch = (struct epoch){0};
    peer->match = 0;
    peer->answered_hb = 0;
    peer->promise_ns = 0;
    peer->no_room = false;
    peer->shown = (struct digest_at){0};
    peer->equal_seq = peer->differs_seq = 0;
    peer->sample_count = 0;
    peer->has_echo = false;
    peer->echo_ts_ns = peer->told_ts_ns = peer->recorded_ts_ns = 0;
}

static void note_impostor(struct core *core, struct peer *at, const struct core_header *header)
{
    if (at->impostor_logged)
        return;
    at->impostor_logged = true;
    log_line(core, LOG_LEVEL_WARN,
             "wrong_sender at_address_of=%s says_it_is=%s way_out=\"compare the addresses in both "
             "topology files; else somebody sits at that address\"",
             at->id.text, header->node.text);
}

/* R49: who speaks is who was dialled, and says so itself; what it says of who it is settles nothing. NULL drops the message. */
static struct peer *known_sender(struct core *core, struct node_id dialled,
                                 const struct core_header *header)
{
    struct peer *peer = find_peer(core, dialled);
    if (mutated(core, SENDER_UNCHECKED))
        peer = find_peer(core, header->node);
    if (peer == NULL || header->store_id == 0)
        return NULL;
    if (!node_id_equal(peer->id, header->node)) {
        note_impostor(core, peer, header);
        return NULL;
    }
    if (!same_cluster(core, header)) {
        note_foreign(core, peer, header);
        return NULL;
    }
    bool old_life = of_former_life(core, peer, header);
    if (old_life && !mutated(core, OLD_BOOT_ACCEPTED))
        return NULL;
    if (!old_life && (peer->store_id != header->store_id || peer->boot != header->boot))
        peer_reborn(core, peer, header);
    if (!peer->heard || core->now_ns - peer->heard_ns >= silence_ns(core))
        peer->life_since_ns = core->now_ns; /* it lasts while it is heard all the time (R62) */
    peer->heard = true;
    peer->heard_ns = core->now_ns;
    return peer;
}

/* Whom the header of a request names. Nobody knows who sent it, so nothing that it says is noted (R50): what is true of it the
 * node's own stream says, too. NULL: it is refused. */
static struct peer *named_sender(struct core *core, const struct core_header *header)
{
    if (mutated(core, REQUEST_TEACHES))
        return known_sender(core, header->node, header);
    struct peer *peer = find_peer(core, header->node);
    bool ours = peer != NULL && header->store_id != 0 && same_cluster(core, header);
    return ours ? peer : NULL;
}

/* The blank belong to whoever they hear of last, durably. */
void take_cluster(struct core *core, uint64_t cluster_id)
{
    if (!is_blank(core) || cluster_id == 0 || cluster_id == core->cluster_id)
        return;
    core->cluster_id = cluster_id;
    log_line(core, LOG_LEVEL_INFO, "joining cluster=%016" PRIx64, core->cluster_id);
    save_hard_state(core);
}

/* A heartbeat proves that the cluster is founded. */
static void give_up_founding(struct core *core)
{
    if (!core->stand.founding)
        return;
    core->stand.founding = false;
    campaign_cancel(core);
    plan_campaign(core);
}

/* R53. NULL: it may be adopted. */
static const char *why_not_adopt(struct core *core, const struct epoch *epoch)
{
    bool known =
        find_peer(core, epoch->owner) != NULL || node_id_equal(epoch->owner, core->config.self);
    if (mutated(core, STEP_UNBOUNDED))
        return NULL;
    if (!known)
        return "its owner is no node of this topology";
    if (epoch->term >= LIMIT_EPOCH_END || epoch->generation >= LIMIT_EPOCH_END)
        return "its counters are at their end";
    bool near = epoch->term <= core->epoch.term + LIMIT_EPOCH_STEP &&
                epoch->generation <= core->epoch.generation + LIMIT_EPOCH_STEP;
    return near || is_blank(core) ? NULL : "no elections can have got so far";
}

static void note_refused_epoch(struct core *core, struct peer *peer, const struct epoch *epoch,
                               const char *why)
{
    char theirs[EPOCH_TEXT_BYTES];
    char ours[EPOCH_TEXT_BYTES];
    if (peer->epoch_logged)
        return;
    peer->epoch_logged = true;
    log_line(core, LOG_LEVEL_WARN,
             "epoch_refused from=%s epoch=%s known=%s why=\"%s\" way_out=\"whose epochs are "
             "wrong? remove that node's data directory, it copies the others'\"",
             peer->id.text, epoch_text(*epoch, theirs), epoch_text(core->epoch, ours), why);
}

/* False: the message names an epoch that cannot be: nothing of it counts (R53). */
static bool learn_epoch(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (header->cluster_id == 0 || epoch_compare(header->epoch, core->epoch) <= 0)
        return true;
    const char *why = why_not_adopt(core, &header->epoch);
    if (why != NULL) {
        note_refused_epoch(core, peer, &header->epoch, why);
        return false;
    }
    take_cluster(core, header->cluster_id);
    adopt_epoch(core, header->epoch);
    return true;
}

/* ---- Dispatch --------------------------------------------------------------------------------------- */

static void on_stream(struct core *core, struct node_id dialled, const struct core_msg *msg)
{
    struct peer *peer = known_sender(core, dialled, &msg->header);
    if (peer == NULL)
        return;
    if (!learn_epoch(core, peer, &msg->header))
        return;
    lives_heard(core, peer, msg);
    if (msg->type == CORE_MSG_HEARTBEAT) {
        give_up_founding(core);
        take_cluster(core, msg->header.cluster_id);
    }
    peer->epoch = msg->header.epoch;
    bool old_epoch = epoch_compare(msg->header.epoch, core->epoch) < 0;
    if (old_epoch && !mutated(core, OLD_EPOCH_ACCEPTED)) {
        if (msg->type == CORE_MSG_STATUS)
            peer->state = msg->status.state;
        return; /* R7 */
    }
    bool from_owner = node_id_equal(msg->header.node, core->epoch.owner) ||
                      (old_epoch && node_id_equal(msg->header.node, msg->header.epoch.owner));
    switch (msg->type) {
    case CORE_MSG_HEARTBEAT:
        if (from_owner && core->phase < PHASE_OPENING)
            replica_heartbeat(core, msg);
        break;
    case CORE_MSG_RECORDS:
        if (from_owner && core->phase < PHASE_OPENING)
            replica_records(core, msg);
        break;
    case CORE_MSG_STATUS:
        peer->state = msg->status.state;
        if (core->phase == PHASE_PRIMARY)
            primary_status(core, peer, msg);
        else
            campaign_heard(core, peer);
        break;
    default:
        break; /* not a stream message: hostile */
    }
}

static void on_request(struct core *core, uint64_t ticket, const struct core_msg *msg)
{
    struct peer *peer = named_sender(core, &msg->header);
    notice_unknown(core, &msg->header);
    if (peer != NULL && mutated(core, REQUEST_TEACHES))
        (void)learn_epoch(core, peer, &msg->header);
    switch (msg->type) {
    case CORE_MSG_PRE_VOTE:
    case CORE_MSG_VOTE:
        campaign_vote_request(core, peer, ticket, msg);
        return;
    case CORE_MSG_ATTACH:
        primary_attach(core, peer, ticket, msg);
        return;
    case CORE_MSG_TRANSFER:
        campaign_transfer_request(core, peer, ticket, msg);
        return;
    case CORE_MSG_READ_INDEX:
        wait_remote(core, peer, ticket, msg);
        return;
    case CORE_MSG_LIFE:
        lives_request(core, peer, ticket, msg);
        return;
    default:
        answer(core, ticket, message_new(core, CORE_MSG_ATTACH_ANSWER));
    }
}

static void call_failed(struct core *core, uint64_t nonce)
{
    if (!campaign_call_failed(core, nonce) && !wait_call_failed(core, nonce) &&
        !lives_call_failed(core, nonce) && !transfer_answer(core, nonce, NULL))
        replica_call_failed(core, nonce);
}

static void on_reply(struct core *core, struct node_id called, uint64_t nonce,
                     const struct core_msg *msg)
{
    struct peer *peer = known_sender(core, called, &msg->header);
    if (peer == NULL || !learn_epoch(core, peer, &msg->header)) {
        call_failed(core, nonce);
        return;
    }
    switch (msg->type) {
    case CORE_MSG_VOTE_ANSWER:
        if (!transfer_answer(core, nonce, msg))
            campaign_answer(core, peer, nonce, msg);
        break;
    case CORE_MSG_ATTACH_ANSWER:
        if (nonce == core->follow.attach_nonce || mutated(core, LATE_ANSWER_TAKEN)) /* R8 */
            replica_attach_answer(core, msg);
        break;
    case CORE_MSG_FETCH_ANSWER:
        if (nonce == core->follow.fetch_nonce)
            replica_fetch_answer(core, msg);
        break;
    case CORE_MSG_READ_INDEX_ANSWER:
        wait_index_answer(core, nonce, msg);
        break;
    case CORE_MSG_LIFE_ANSWER:
        lives_answer(core, peer, nonce, msg);
        break;
    default:
        break;
    }
}

static void on_saved(struct core *core)
{
    enum core_action_type work = work_answered(core);
    ASSERT(work == CORE_ACTION_SAVE);
    core->hard.saved++;
    ASSERT_U64(core->hard.saved, <=, core->hard.version);
    if (hard_state_durable(core))
        core->hard.stored_epoch = core->epoch;
    campaign_votes_saved(core);
    campaign_saved(core);
    replica_saved(core);
}

/* Stored members become the members when the log holds them (R29). */
static void members_stored(struct core *core)
{
    uint32_t i = 0;
    while (i < core->log.pending_member_count &&
           core->log.pending_members[i].seq <= core->log.durable)
        core->log.members = core->log.pending_members[i++].members;
    memmove(core->log.pending_members, core->log.pending_members + i,
            (core->log.pending_member_count - i) * sizeof core->log.pending_members[0]);
    core->log.pending_member_count -= i;
    if (i > 0 && core->stand.due_ns == UINT64_MAX)
        plan_campaign(core); /* whoever is admitted only now may stand from now on */
}

/* The own EPOCH_START and MEMBERS are in the log, whatever has become of the reign that wrote them. */
static void own_meta_stored(struct core *core, enum core_action_type work,
                            const struct core_event *event)
{
    if (work == CORE_ACTION_EPOCH_START) {
        ASSERT_U64(event->appended.end.seq, ==, event->appended.first_seq);
        epoch_history_append(&core->log.history,
                             &(struct epoch_start){event->appended.epoch, event->appended.first_seq,
                                                   event->appended.end.chain});
        core->stand.founding =
            false; /* it is founded, even if the reign ended before this was stored */
    }
    if (work == CORE_ACTION_EPOCH_START || work == CORE_ACTION_MEMBERS)
        core->log.members = core->members_proposed;
}

static void on_appended(struct core *core, const struct core_event *event)
{
    enum core_action_type work = work_answered(core);
    ASSERT(is_append(work));
    bool stored = event->appended.code == CANDOR_OK && event->appended.last_seq > core->log.durable;
    if (stored) {
        core->log.durable = event->appended.last_seq;
        core->log.last = max_u64(core->log.last, core->log.durable);
        if (work != CORE_ACTION_APPEND && event->appended.end.seq == core->log.durable)
            chain_note(core, core->log.durable, event->appended.end.chain);
        if (event->appended.digest.seq == core->log.durable)
            doubt_note(core, core->log.durable, event->appended.digest.digest);
        members_stored(core);
        own_meta_stored(core, work, event);
    }
    if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED &&
        event->appended.reason == CANDOR_REASON_DISK_FULL)
        room_note(core, true);
    else if (stored)
        room_note(core, false);
    bool opens = work == CORE_ACTION_EPOCH_START;
    if (opens && stored && epoch_equal(event->appended.epoch, core->epoch))
        core->hard.stored_epoch = core->epoch; /* a forced epoch comes with its EPOCH_START (R28) */
    bool reigns = core->phase >= PHASE_OPENING && epoch_equal(event->appended.epoch, core->epoch);
    if (work == CORE_ACTION_WRITE)
        writes_answered(core, event);
    else if (work == CORE_ACTION_APPEND)
        replica_appended(core, event);
    else if (reigns)
        primary_appended(core, event);
    if (opens && !stored && epoch_equal(event->appended.epoch, core->epoch))
        core->epoch = core->hard.stored_epoch; /* it is nowhere */
}

static void dispatch(struct core *core, const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_TICK:
        break;
    case CORE_EVENT_STREAM:
        on_stream(core, event->peer, event->msg);
        break;
    case CORE_EVENT_REQUEST:
        on_request(core, event->ticket, event->msg);
        break;
    case CORE_EVENT_REPLY:
        on_reply(core, event->peer, event->nonce, event->msg);
        break;
    case CORE_EVENT_CALL_FAILED:
        call_failed(core, event->nonce);
        break;
    case CORE_EVENT_PEER_LOST:
        campaign_peer_lost(core, event->peer);
        break;
    case CORE_EVENT_SAVED:
        on_saved(core);
        break;
    case CORE_EVENT_APPENDED:
        on_appended(core, event);
        break;
    case CORE_EVENT_TRUNCATED:
        (void)work_answered(core);
        replica_truncated(core, event);
        break;
    case CORE_EVENT_INSTALLED:
        (void)work_answered(core);
        replica_installed(core, event);
        break;
    case CORE_EVENT_SNAPSHOT_READY:
        replica_snapshot_ready(core, event);
        break;
    case CORE_EVENT_SNAPSHOT_FAILED:
        replica_snapshot_failed(core);
        break;
    case CORE_EVENT_WRITE:
        writes_take(core, event);
        break;
    case CORE_EVENT_WAIT:
        wait_read(core, event);
        break;
    case CORE_EVENT_PROMOTE:
        campaign_promote(core, event);
        break;
    case CORE_EVENT_ACCEPT_HISTORY:
        replica_accept_history(core, event->ticket);
        break;
    case CORE_EVENT_TRANSFER:
        transfer_begin(core, event);
        break;
    case CORE_EVENT_SET_VOTER:
        voters_set(core, event);
        break;
    case CORE_EVENT_CANCEL:
        waiter_cancel(core, event->ticket);
        break;
    case CORE_EVENT_TRIMMED:
        core->log.first = max_u64(core->log.first, event->trimmed.log_first);
        break;
    }
}

static void reset_silent_peers(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        uint64_t since_ns = max_u64(peer->heard_ns, peer->reset_ns);
        if (saturating_sub(core->now_ns, since_ns) < silence_ns(core))
            continue;
        peer->reset_ns = core->now_ns;
        act(core, CORE_ACTION_RESET_PEER)->peer = peer->id;
    }
}

void core_step(struct core *core, const struct core_event *event, uint64_t now_ns,
               struct core_actions *actions)
{
    ASSERT_U64(now_ns, >=, core->now_ns);
    core->now_ns = now_ns;
    core->actions = actions;
    actions->count = 0;
    core->out.count = 0;

    dispatch(core, event);
    lives_tick(core);
    campaign_tick(core);
    wait_progress(core); /* may want a heartbeat */
    primary_tick(core);
    replica_tick(core);
    wait_progress(core); /* which confirms at once where a majority is one */
    reset_silent_peers(core);
    notice_tick(core);
    core->actions = NULL;
}

uint64_t core_next_wake_ns(const struct core *core)
{
    uint64_t wake_ns = min_u64(min_u64(campaign_wake_ns(core), primary_wake_ns(core)),
                               min_u64(replica_wake_ns(core), wait_wake_ns(core)));
    wake_ns = min_u64(wake_ns, lives_wake_ns(core));
    for (uint32_t i = 0; i < core->peer_count; i++)
        wake_ns = min_u64(wake_ns, max_u64(core->peers[i].heard_ns, core->peers[i].reset_ns) +
                                       silence_ns(core));
    return wake_ns;
}

/* ---- Birth ------------------------------------------------------------------------------------------ */

static void add_peers(struct core *core, uint64_t now_ns)
{
    for (uint32_t i = 0; i < core->config.configured.count; i++) {
        struct node_id id = core->config.configured.list[i].id;
        if (!node_id_equal(id, core->config.self))
            core->peers[core->peer_count++] = (struct peer){.id = id, .reset_ns = now_ns};
    }
}

struct core *core_new(const struct core_config *config, const struct core_boot *boot,
                      uint64_t now_ns)
{
    ASSERT(config->configured.count > 0 && config->configured.count <= LIMIT_NODES);
    ASSERT(members_find(&config->configured, config->self) != NULL);
    ASSERT(boot->store_id != 0 && boot->boot != 0);
    ASSERT_U64(boot->commit, <=, boot->last);
    struct core *core = memory_zeroed(1, sizeof *core);
    core->config = *config;
    core->writer.owed.each = sizeof(enum core_action_type);
    writes_init(core);
    reads_init(core);
    rng_seed(&core->rng, config->seed);
    core->born_ns = core->now_ns = now_ns;
    core->notice.earned_ns = now_ns;
    core->cluster_id = boot->cluster_id;
    core->store_id = boot->store_id;
    core->boot = boot->boot;
    core->log.last = core->log.durable = boot->last;
    core->log.first = boot->log_first;
    core->log.commit = boot->commit;
    core->log.rewinds = boot->rewinds;
    epoch_history_init(&core->log.history);
    epoch_history_copy(&core->log.history, boot->history);
    ASSERT(epoch_compare(boot->epoch, epoch_history_at(&core->log.history, boot->last)) >= 0);
    core->epoch = core->hard.stored_epoch = boot->epoch;
    doubt_restart(core, boot->last, boot->digest);
    chain_note(core, boot->last, boot->chain);
    core->log.members = *boot->members;
    seq_bits_copy(&core->log.local, boot->local);
    risk_committed(core);
    core->next_nonce = rng_next(&core->rng) | 1; /* another life's answers do not match */
    add_peers(core, now_ns);
    lives_born(core, boot);

    core->stand.founding =
        is_blank(core) && node_id_equal(config->self, config->initial_primary) && is_voter(core);
    /* R5: a primary that restarts does not go on in its epoch; in manual mode it stands for a new one. */
    core->stand.resuming = !config->automatic_failover && is_admitted(core) &&
                           node_id_equal(core->epoch.owner, config->self);
    core->hearing.status_due_ns = now_ns;
    plan_campaign(core);
#ifdef CORE_MUTABLE
    if (mutated(core, RESUME_EPOCH) && core->stand.resuming &&
        epoch_equal(epoch_history_at(&core->log.history, core->log.last), core->epoch))
        primary_continue(core);
#endif
    return core;
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    epoch_history_free(&core->log.history);
    seq_bits_free(&core->log.local);
    buffer_free(&core->taking.append);
    buffer_free(&core->taking.tail);
    writes_free(core);
    reads_free(core);
    serials_free(&core->waiters);
    ring_free(&core->writer.owed);
    for (uint32_t i = 0; i < core->out.capacity; i++)
        free(core->out.messages[i]);
    free(core->out.messages);
    free(core);
}
