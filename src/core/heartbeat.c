/* What the primary sends by itself: heartbeats, and with them and with records the evidence of
 * freshness (R9, R36). */
#include "core/heartbeat.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/doubt.h"
#include "core/log_time.h"
#include "core/transfer.h"
#include "core/who.h"

/* ---- What replicas said, and when ------------------------------------------------------------ */

static uint64_t sent_ns(const struct core *core, uint64_t heartbeat)
{
    return core->lead.hb_sent[heartbeat % LIMIT_HEARTBEATS_IN_FLIGHT].ns;
}

/* s_conf is always the moment of a heartbeat, so of all that arrives between two of them the newest
 * will do. When there is no room for more the oldest stay: s_conf reaches them first. */
void heartbeat_sample(struct core *core, struct peer *peer, uint64_t ts_ns)
{
    if (peer->sample_count > 0) {
        struct sample *newest = &peer->samples[peer->sample_count - 1];
        if (newest->arrival_ns > sent_ns(core, core->lead.hb_id)) {
            newest->ts_ns = max_u64(newest->ts_ns, ts_ns);
            newest->arrival_ns = core->now_ns;
            return;
        }
    }
    if (peer->sample_count < SAMPLES)
        peer->samples[peer->sample_count++] = (struct sample){ts_ns, core->now_ns};
}

/* The newest sample that arrived at or before s_conf; older ones are done with. */
static void choose_echo(struct core *core, struct peer *peer)
{
    uint32_t used = 0;
    bool unconfirmed = mutated(core, ECHO_UNCONFIRMED);
    while (used < peer->sample_count &&
           (unconfirmed || peer->samples[used].arrival_ns <= core->lead.confirmed_ns)) {
        peer->has_echo = true;
        peer->echo_ts_ns = max_u64(peer->echo_ts_ns, peer->samples[used].ts_ns);
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
    out->list[out->count++] =
        (struct core_echo){peer->id, peer->boot, peer->echo_ts_ns, peer->store_id};
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

static bool all_have_answered(const struct core *core, uint64_t heartbeat)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        bool speaks = peer->heard && core->now_ns - peer->heard_ns < who_silence_ns(core);
        if (speaks && peer->answered_hb < heartbeat)
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
