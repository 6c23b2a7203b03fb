/* Whether this node's disk is the newest of its kind (R62-R64). A directory that is put back from a
 * backup, or copied, knows less than this node has promised: its vote would be a second one, and
 * what it acknowledged would be gone. Only the others can tell: they remember of each node the
 * newest life that they have heard for a while, and how far it had come. So who starts asks them,
 * and keeps still until they have answered. */
#include <stdio.h>

#include "core/lives.h"

#include "core/act.h"
#include "core/view.h"
#include "core/who.h"

/* ---- What this node knows of the others ------------------------------------------------------ */

static struct core_life present_life(const struct peer *peer)
{
    return (struct core_life){.node = peer->id, .store_id = peer->store_id, .boot = peer->boot};
}

static bool same_life(const struct core_life *a, const struct core_life *b)
{
    return a->store_id == b->store_id && a->boot == b->boot;
}

/* Who spoke for an election timeout is no forged number that came once (R8). */
static bool lasts(const struct core *core, const struct peer *peer)
{
    return peer->heard && core->now_ns - peer->life_since_ns >= core->config.election_timeout_ns;
}

static void keep_lives(struct core *core)
{
    act_new(core, CORE_ACTION_KEEP_LIVES);
}

/* What it holds for the cluster: the primary what it has declared committed, others what they have
 * acknowledged. */
static struct candor_pos position_of(const struct core_msg *msg)
{
    struct candor_pos pos = {.epoch = msg->header.epoch};
    if (msg->type == CORE_MSG_HEARTBEAT)
        pos.seq = msg->heartbeat.commit;
    else if (msg->type == CORE_MSG_STATUS)
        pos.seq = min_u64(msg->status.match, msg->status.durable);
    return pos.seq == 0 ? (struct candor_pos){0} : pos;
}

void lives_heard(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    struct core_life now = present_life(peer);
    bool new_life = !same_life(&peer->life, &now);
    if (new_life && !lasts(core, peer))
        return;
    struct candor_epoch before = peer->life.held.epoch;
    if (new_life)
        peer->life = now;
    struct candor_pos held = position_of(msg);
    if (pos_compare(held, peer->life.held) > 0)
        peer->life.held = held;
    /* Each position would cost a write; the epoch tells most of it. */
    if (new_life || !epoch_equal(before, peer->life.held.epoch))
        keep_lives(core);
}

/* A life below one that lasted never counts again, unlike one below a number that was heard once
 * (R8). */
bool lives_is_over(const struct core *core, const struct peer *peer,
                   const struct core_header *header)
{
    return peer->life.store_id == header->store_id && header->boot < peer->life.boot &&
           !mutated(core, OLDER_COPY_TAKEN);
}

void core_lives(const struct core *core, struct core_lives *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (core->peers[i].life.store_id != 0)
            out->list[out->count++] = core->peers[i].life;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void note_older(struct core *core, struct peer *peer, const struct core_header *asks,
                       const struct core_life *known)
{
    bool older = known->store_id == asks->store_id && known->boot != asks->boot &&
                 boot_count(known->boot) >= boot_count(asks->boot);
    if (!older || peer->older_logged)
        return;
    peer->older_logged = true;
    act_log(core, LOG_LEVEL_WARN,
            "older_copy node=%s asks_as_boot=%" PRIu64 " known_boot=%" PRIu64
            " why=\"its data directory is an older copy, or two processes run as this node\"",
            peer->id.text, boot_count(asks->boot), boot_count(known->boot));
}

/* A number that came once is forgotten in time, as in R8. */
static bool remembers(const struct core *core, const struct peer *peer)
{
    uint64_t long_ns = LIMIT_FORMER_LIFE_BEATS * core->config.heartbeat_interval_ns;
    return peer->heard && core->now_ns - peer->heard_ns <= long_ns;
}

/* Anybody may ask: it is no secret, and nothing is learnt from the question (R50). */
void lives_request(struct core *core, struct peer *peer, uint64_t ticket,
                   const struct core_msg *msg)
{
    struct core_msg *reply = act_message(core, CORE_MSG_LIFE_ANSWER);
    if (peer != NULL) {
        struct core_life_answer *answer = &reply->life_answer;
        answer->ok = true;
        if (peer->life.store_id == msg->header.store_id)
            answer->lasted = peer->life;
        if (remembers(core, peer))
            answer->newest = present_life(peer);
        answer->speaks = who_speaks(core, peer);
        note_older(core, peer, &msg->header, &answer->lasted);
    }
    act_answer(core, ticket, reply);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static void ask(struct core *core, struct peer *peer)
{
    uint64_t again_ns = LIMIT_LIFE_CHECK_BEATS * core->config.heartbeat_interval_ns;
    peer->life_nonce = act_call(core, peer->id, act_message(core, CORE_MSG_LIFE));
    peer->life_due_ns = core->now_ns + who_jitter_ns(core, again_ns);
}

static void ask_again_soon(struct core *core, struct peer *peer)
{
    peer->life_due_ns = core->now_ns + who_jitter_ns(core, 2 * core->config.heartbeat_interval_ns);
}

bool lives_call_failed(struct core *core, uint64_t nonce)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (nonce == 0 || peer->life_nonce != nonce)
            continue;
        peer->life_nonce = 0;
        ask_again_soon(core, peer);
        return true;
    }
    return false;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static bool is_this_life(const struct core *core, const struct core_life *life)
{
    return life->store_id == core->store_id && life->boot == core->boot;
}

/* What this life knew when it began, against what was heard of former ones: there was a later one,
 * or an earlier one that held more. */
static bool is_older_copy(const struct core *core, const struct core_life *known)
{
    const struct lives *lives = &core->lives;
    if (known->store_id != core->store_id || known->boot == core->boot)
        return false;
    if (boot_count(known->boot) >= boot_count(core->boot))
        return true;
    int order = epoch_compare(known->held.epoch, lives->born_epoch);
    bool shorter = order == 0 && known->held.seq > lives->born_last && !lives->tail_may_lack;
    return known->held.seq > 0 && (order > 0 || shorter);
}

/* Another life is heard, again and again, while this one runs: of the same directory, before a copy
 * was made of it or after; or of another disk. For long: what was on its way when this life began
 * has arrived. */
static bool another_speaks(const struct core *core, const struct core_msg *msg)
{
    uint64_t long_ns = LIMIT_FORMER_LIFE_BEATS * core->config.heartbeat_interval_ns;
    return msg->life_answer.speaks && !is_this_life(core, &msg->life_answer.newest) &&
           core->now_ns - core->born_ns >= long_ns;
}

/* Two processes call themselves this node, and the others hear the other one. */
static void stop(struct core *core, const struct peer *peer, const struct core_life *known)
{
    core->lives.over = true;
    struct core_action *action = act_new(core, CORE_ACTION_STOP);
    snprintf(action->end.text, sizeof action->end.text,
             "another process runs as this node: %s hears boot %" PRIu64 " of disk %016" PRIx64
             ", this one is boot %" PRIu64 " of disk %016" PRIx64,
             peer->id.text, boot_count(known->boot), known->store_id, boot_count(core->boot),
             core->store_id);
}

static void renew(struct core *core, const struct peer *peer, const struct core_life *known)
{
    char held[POS_TEXT_BYTES];
    core->lives.over = true;
    struct core_action *action = act_new(core, CORE_ACTION_RENEW);
    snprintf(action->end.text, sizeof action->end.text,
             "this data directory is an older copy: %s knows boot %" PRIu64
             " of this disk, which held %s; this is boot %" PRIu64 " and began with %" PRIu64,
             peer->id.text, boot_count(known->boot), pos_text(known->held, held),
             boot_count(core->boot), core->lives.born_last);
}

static void judge(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    const struct core_life_answer *answer = &msg->life_answer;
    bool older = is_older_copy(core, &answer->lasted);
    core->lives.known = core->lives.known || is_this_life(core, &answer->newest);
    peer->others_heard = another_speaks(core, msg) ? peer->others_heard + 1 : 0;
    /* A number that came once may be forged: this node keeps still until it is forgotten (R8). */
    peer->life_open = !older && is_older_copy(core, &answer->newest);
    peer->life_answered = !peer->life_open;
    bool overtaken =
        older && core->lives.known && boot_count(answer->lasted.boot) > boot_count(core->boot);
    if (peer->others_heard >= LIMIT_OTHER_LIFE_ANSWERS)
        stop(core, peer, &answer->newest);
    else if (overtaken) /* it began while this one ran */
        stop(core, peer, &answer->lasted);
    else if (older)
        renew(core, peer, &answer->lasted);
    else if (peer->life_open)
        ask_again_soon(core, peer);
    else if (peer->others_heard > 0)
        peer->life_due_ns = core->now_ns + who_silence_ns(core);
}

void lives_answer(struct core *core, struct peer *peer, uint64_t nonce, const struct core_msg *msg)
{
    /* R8: of another attempt */
    if (nonce == 0 || nonce != peer->life_nonce)
        return;
    peer->life_nonce = 0;
    /* it takes this node for another cluster's, which may pass */
    if (!msg->life_answer.ok)
        ask_again_soon(core, peer);
    else if (!core->lives.over && !mutated(core, OLDER_COPY_TAKEN))
        judge(core, peer, msg);
    else
        peer->life_answered = true;
}

/* ---- Keeping still (R63) --------------------------------------------------------------------- */

static uint64_t patience_end_ns(const struct core *core)
{
    return core->born_ns + core->config.election_timeout_ns;
}

/* Every voter has said what it knows; or so much time has passed that those who are silent are
 * down. */
bool lives_sure(const struct core *core)
{
    bool all_answered = true;
    if (core->lives.over)
        return false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (peer->life_open)
            return false;
        all_answered = all_answered && (peer->life_answered || !who_peer_votes(core, peer));
    }
    return all_answered || core->now_ns >= patience_end_ns(core) || mutated(core, STARTS_UNASKED);
}

void lives_tick(struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (core->now_ns >= peer->life_due_ns && peer->life_nonce == 0 && !core->lives.over)
            ask(core, peer);
    }
}

uint64_t lives_wake_ns(const struct core *core)
{
    uint64_t wake_ns = UINT64_MAX;
    if (core->lives.over)
        return wake_ns;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (core->peers[i].life_nonce == 0)
            wake_ns = min_u64(wake_ns, core->peers[i].life_due_ns);
    return core->now_ns < patience_end_ns(core) ? min_u64(wake_ns, patience_end_ns(core)) : wake_ns;
}

/* ---- Birth ----------------------------------------------------------------------------------- */

void lives_born(struct core *core, const struct core_boot *boot)
{
    core->lives.born_epoch = boot->epoch;
    core->lives.born_last = boot->last;
    core->lives.tail_may_lack = boot->tail_may_lack;
    for (uint32_t i = 0; boot->lives != NULL && i < boot->lives->count; i++) {
        struct peer *peer = who_peer(core, boot->lives->list[i].node);
        if (peer != NULL)
            peer->life = boot->lives->list[i];
    }
    for (uint32_t i = 0; i < core->peer_count; i++)
        core->peers[i].life_due_ns = core->now_ns;
}
