/* What the primary sends by itself: heartbeats, and with them and with records the evidence of
 * freshness (R9, R36). */
#include "core/heartbeat.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/doubt.h"
#include "core/log_time.h"
#include "core/relay.h"
#include "core/transfer.h"
#include "core/who.h"

/* ---- What replicas said, and when ------------------------------------------------------------ */

static uint64_t sent_ns(const struct core *core, uint64_t heartbeat)
{
    return core->lead.hb_sent[heartbeat % LIMIT_HEARTBEATS_IN_FLIGHT].ns;
}

/* The newest time stamp of the life whose samples are kept, and who brought it. */
static struct sample newest_of(const struct peer *peer)
{
    if (peer->sample_count > 0)
        return peer->samples[peer->sample_count - 1];
    return (struct sample){.ts_ns = peer->echo_ts_ns, .relayed = peer->echo_relayed};
}

/* s_conf is always the moment of a heartbeat, so of all that arrives between two of them the newest
 * will do. When there is no room for more the oldest stay: s_conf reaches them first. */
static void add_sample(struct core *core, struct peer *peer, struct sample sample)
{
    if (peer->sample_count > 0) {
        struct sample *newest = &peer->samples[peer->sample_count - 1];
        if (newest->arrival_ns > sent_ns(core, core->lead.hb_id)) {
            newest->relayed =
                sample.ts_ns > newest->ts_ns ? sample.relayed : newest->relayed && sample.relayed;
            newest->ts_ns = max_u64(newest->ts_ns, sample.ts_ns);
            newest->arrival_ns = core->now_ns;
            return;
        }
    }
    if (peer->sample_count < SAMPLES)
        peer->samples[peer->sample_count++] = sample;
}

static bool is_voice(const struct peer *peer, uint64_t store_id, uint64_t boot)
{
    return peer->voice.store_id == store_id && peer->voice.boot == boot;
}

static void begin_voice(struct peer *peer, uint64_t store_id, uint64_t boot)
{
    peer->voice.store_id = store_id;
    peer->voice.boot = boot;
    peer->sample_count = 0;
    peer->has_echo = peer->echo_relayed = false;
    peer->echo_ts_ns = peer->announced_ts_ns = peer->recorded_ts_ns = 0;
}

void heartbeat_seen(const struct core *core, struct peer *peer, uint64_t hb_id)
{
    if (hb_id <= core->lead.hb_id) /* what was never sent nobody can have heard: hostile */
        peer->seen_hb = max_u64(peer->seen_hb, hb_id);
}

void heartbeat_sample(struct core *core, struct peer *peer, uint64_t ts_ns)
{
    /* What was heard of another life is on another clock (R35). And what the peer says itself is no
     * older than what a relay has told of it, unless the relay has lied. */
    struct sample newest = newest_of(peer);
    if (!is_voice(peer, peer->store_id, peer->boot) || (newest.relayed && newest.ts_ns > ts_ns))
        begin_voice(peer, peer->store_id, peer->boot);
    add_sample(core, peer, (struct sample){.ts_ns = ts_ns, .arrival_ns = core->now_ns});
}

/* R73. While the peer is heard itself nobody speaks for it. Else it may have begun another life
 * since. */
static bool may_be_relayed(const struct core *core, const struct peer *peer,
                           const struct core_msg *msg)
{
    bool silent =
        !peer->heard || core->now_ns - peer->heard_ns > core->config.heartbeat_interval_ns;
    bool former = peer->voice.store_id == msg->relayed_status.store_id &&
                  msg->relayed_status.boot < peer->voice.boot;
    return silent && !former;
}

void heartbeat_sample_relayed(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    uint64_t store_id = msg->relayed_status.store_id;
    uint64_t ts_ns = msg->relayed_status.ts_ns;
    if (!may_be_relayed(core, peer, msg))
        return;
    if (!is_voice(peer, store_id, msg->relayed_status.boot))
        begin_voice(peer, store_id, msg->relayed_status.boot);
    peer->relayed_ns = core->now_ns;
    heartbeat_seen(core, peer, msg->relayed_status.seen_hb);
    if (ts_ns <= newest_of(peer).ts_ns)
        return; /* late */
    add_sample(core, peer, (struct sample){ts_ns, core->now_ns, true});
    if (mutated(core, RELAYED_UNCONFIRMED)) {
        peer->has_echo = peer->echo_relayed = true;
        peer->echo_ts_ns = ts_ns;
    }
}

/* The newest sample that arrived at or before s_conf; older ones are done with. */
static void choose_echo(struct core *core, struct peer *peer)
{
    uint32_t used = 0;
    bool unconfirmed = mutated(core, ECHO_UNCONFIRMED);
    while (used < peer->sample_count &&
           (unconfirmed || peer->samples[used].arrival_ns <= core->lead.confirmed_ns)) {
        const struct sample *sample = &peer->samples[used];
        if (!peer->has_echo || sample->ts_ns >= peer->echo_ts_ns)
            peer->echo_relayed = sample->relayed;
        peer->has_echo = true;
        peer->echo_ts_ns = max_u64(peer->echo_ts_ns, sample->ts_ns);
        used++;
    }
    memmove(peer->samples, peer->samples + used,
            (peer->sample_count - used) * sizeof peer->samples[0]);
    peer->sample_count -= used;
}

static bool has_news(struct core *core)
{
    bool news = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        choose_echo(core, &core->peers[i]);
        news = news || peer->echo_ts_ns > peer->announced_ts_ns;
    }
    return news;
}

static void add_echo(const struct peer *peer, struct core_echoes *out)
{
    out->list[out->count++] = (struct core_echo){peer->id, peer->voice.boot, peer->echo_ts_ns,
                                                 peer->voice.store_id, peer->echo_relayed};
}

/* What was acknowledged before an echoed status was sent was stored here before the status came,
 * and so before s_conf: the data that were announced then hold it (R36). */
static uint64_t echoes_last(const struct core *core)
{
    return mutated(core, ECHO_OF_ANY_DATA) ? 1 : core->lead.confirmed_last;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Records may get through where heartbeats do not: each echo is in one of them, too. */
void heartbeat_publish_records(struct core *core, struct slice batches)
{
    if (batches.length == 0)
        return;
    struct core_msg *msg = act_message(core, CORE_MSG_RECORDS);
    msg->records.batches = batches;
    msg->records.commit = core->log.commit;
    msg->records.hb_id = core->lead.hb_id;
    msg->records.echoes.last = echoes_last(core);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        choose_echo(core, peer);
        if (peer->echo_ts_ns > peer->recorded_ts_ns)
            add_echo(peer, &msg->records.echoes);
        peer->recorded_ts_ns = peer->echo_ts_ns;
    }
    act_publish(core, msg);
}

static void publish_heartbeat(struct core *core)
{
    struct core_msg *msg = act_message(core, CORE_MSG_HEARTBEAT);
    msg->heartbeat.hb_id = core->lead.hb_id;
    msg->heartbeat.last = core->lead.hb_sent[core->lead.hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].last;
    msg->heartbeat.chain = core->lead.hb_sent[core->lead.hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].chain;
    msg->heartbeat.first = core->log.first;
    msg->heartbeat.commit = core->log.commit;
    msg->heartbeat.log_ms = log_time_ms(core);
    msg->heartbeat.successor = transfer_successor(core);
    doubt_tell(core, &msg->heartbeat.verdicts);
    relay_missed(core, &msg->heartbeat.missed);
    memcpy(msg->heartbeat.rpc, core->config.rpc, sizeof msg->heartbeat.rpc);
    msg->heartbeat.echoes.last = echoes_last(core);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        choose_echo(core, peer);
        if (peer->has_echo)
            add_echo(peer, &msg->heartbeat.echoes);
        peer->announced_ts_ns = peer->echo_ts_ns;
    }
    act_publish(core, msg);
}

static void send_heartbeat(struct core *core)
{
    core->lead.hb_id++;
    core->lead.confirm_wanted = false;
    core->lead.follow_hb = 0;
    core->lead.hb_sent[core->lead.hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].ns = core->now_ns;
    core->lead.hb_sent[core->lead.hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].last = core->log.durable;
    core->lead.hb_sent[core->lead.hb_id % LIMIT_HEARTBEATS_IN_FLIGHT].chain = chain_announced(core);
    commit_confirm(core); /* a lone voter is its own majority */
    publish_heartbeat(core);
}

/* ---- Evidence without waiting for the next interval (R36) ------------------------------------ */

static bool may_answer(const struct core *core, const struct peer *peer)
{
    uint64_t relayed_for_ns = 2 * core->config.heartbeat_interval_ns;
    bool relayed = peer->relayed_ns != 0 && core->now_ns - peer->relayed_ns < relayed_for_ns;
    return relayed || who_speaks(core, peer);
}

/* Those who have seen it through a relay, too: it is to their evidence that it makes a difference
 * (R73). */
static bool all_have_answered(const struct core *core, uint64_t heartbeat)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (may_answer(core, peer) && max_u64(peer->answered_hb, peer->seen_hb) < heartbeat)
            return false;
    }
    return true;
}

/* Who answers late does not hold the others' evidence back for long. */
static uint64_t follow_by_ns(const struct core *core)
{
    return sent_ns(core, core->lead.follow_hb) + core->config.heartbeat_interval_ns / 4;
}

static bool may_follow(const struct core *core)
{
    return core->lead.follow_hb != 0 && core->lead.confirmed_hb >= core->lead.follow_hb;
}

/* A heartbeat that was answered is followed by a second one, which all those answers precede: once
 * a majority has answered that, too, they are evidence, and are told. So evidence is two round
 * trips old when it comes, not two intervals. At most one of each an interval. */
static void follow_up(struct core *core)
{
    uint64_t pause_ns = core->config.heartbeat_interval_ns / 2;
    if (may_follow(core) &&
        (all_have_answered(core, core->lead.follow_hb) || core->now_ns >= follow_by_ns(core))) {
        send_heartbeat(core);
    } else if (core->lead.follow_hb == 0 && core->lead.confirmed_hb == core->lead.hb_id &&
               core->now_ns - core->lead.echoes_sent_ns >= pause_ns && has_news(core)) {
        core->lead.echoes_sent_ns = core->now_ns;
        publish_heartbeat(core);
    }
}

/* ---- When ------------------------------------------------------------------------------------ */

void heartbeat_tick(struct core *core)
{
    /* One confirmation round serves all reads that wait; the next begins when it is over (R32). */
    bool confirm_now = core->lead.confirm_wanted && core->lead.confirmed_hb == core->lead.hb_id;
    bool due = core->now_ns >= core->lead.heartbeat_due_ns;
    if (due || confirm_now) {
        send_heartbeat(core);
        core->lead.heartbeat_due_ns = core->now_ns + core->config.heartbeat_interval_ns;
        core->lead.follow_hb = due ? core->lead.hb_id : 0;
    }
    follow_up(core);
}

uint64_t heartbeat_wake_ns(const struct core *core)
{
    return may_follow(core) ? min_u64(core->lead.heartbeat_due_ns, follow_by_ns(core))
                            : core->lead.heartbeat_due_ns;
}
