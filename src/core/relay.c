/* What nodes pass on for each other when a single link is lost (R72-R74).
 *
 * A replica whose way to the primary or back is lost names another one in its status: that one
 * passes the primary's heartbeats on to it, and the time stamps of its statuses to the primary. A
 * time stamp comes back with the delay of all that carried it inside, so that evidence needs no
 * other rule than without a relay (R36). What was passed on is never passed on again. */
#include "core/relay.h"

#include "core/act.h"
#include "core/who.h"

/* ---- The own way to the primary -------------------------------------------------------------- */

void relay_begins(struct core *core)
{
    core->follow.direct_ns = core->follow.echoed_ns = core->follow.proven_ns = core->now_ns;
}

/* Heartbeats come every interval; a time stamp is back two round trips after the next one. */
static uint64_t direct_due_ns(const struct core *core)
{
    return core->follow.direct_ns + core->config.heartbeat_interval_ns * 3 / 2;
}

static uint64_t echo_due_ns(const struct core *core)
{
    return core->follow.echoed_ns + core->config.heartbeat_interval_ns * 5 / 2;
}

static bool way_is_lost(const struct core *core)
{
    return core->now_ns > direct_due_ns(core) || core->now_ns > echo_due_ns(core);
}

static bool follows(const struct core *core)
{
    return core->phase < PHASE_OPENING && !epoch_none(core->epoch) &&
           !node_id_equal(core->epoch.owner, core->config.self) &&
           epoch_equal(core->epoch, who_shown_epoch(core));
}

enum core_hearing relay_hearing(const struct core *core)
{
    if (core->phase >= PHASE_OPENING)
        return CORE_HEARING_UNSAID;
    bool direct = follows(core) && core->follow.direct_hb != 0 && !way_is_lost(core);
    direct = direct && core->follow.attach == ATTACH_DONE; /* what it hears is of its own log */
    return direct ? CORE_HEARING_DIRECT : CORE_HEARING_LOST;
}

/* ---- Who is asked ---------------------------------------------------------------------------- */

static bool may_relay(const struct core *core, const struct peer *peer)
{
    return peer->hearing == CORE_HEARING_DIRECT && epoch_equal(peer->epoch, core->epoch) &&
           !node_id_equal(peer->id, core->epoch.owner) && who_speaks(core, peer);
}

/* Who is asked and passes nothing on does not hear this node, or is not heard. */
static uint64_t patience_ns(const struct core *core)
{
    return core->config.heartbeat_interval_ns * 5 / 2;
}

static bool relay_serves_well(struct core *core)
{
    const struct peer *peer = who_peer(core, core->follow.relay);
    return peer != NULL && may_relay(core, peer) &&
           core->now_ns - core->follow.relay_ns <= patience_ns(core);
}

/* The next one of those that may, behind the present one; "": nobody may. */
static struct candor_node_id next_relay(const struct core *core)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (node_id_equal(core->peers[i].id, core->follow.relay))
            present = i + 1;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[(present + i) % core->peer_count];
        if (may_relay(core, peer))
            return peer->id;
    }
    return (struct candor_node_id){0};
}

/* Calls that are under way on the way that was left may take long to fail. */
static void turn_to(struct core *core, struct candor_node_id relay)
{
    if (core->follow.relay_logged)
        act_log(core, LOG_LEVEL_INFO, "relay_left node=%s", core->follow.relay.text);
    core->follow.relay = relay;
    core->follow.relay_ns = core->now_ns;
    core->follow.relayed_ns = 0;
    core->follow.relay_logged = false;
    core->follow.fetch_nonce = 0;
    core->hearing.fetch_retry_ns = core->now_ns;
    if (core->follow.attach == ATTACH_ASKED)
        core->follow.attach = ATTACH_NONE;
    if (core->follow.attach == ATTACH_NONE)
        core->follow.attach_retry_ns = core->now_ns;
    core->hearing.status_owed = true; /* it is how who is meant learns of it */
}

void relay_choose(struct core *core)
{
    struct candor_node_id chosen = core->follow.relay;
    if (!follows(core) || !way_is_lost(core))
        chosen = (struct candor_node_id){0};
    else if (!relay_serves_well(core))
        chosen = next_relay(core);
    if (!node_id_equal(chosen, core->follow.relay))
        turn_to(core, chosen);
}

uint64_t relay_wake_ns(const struct core *core)
{
    if (!follows(core))
        return UINT64_MAX;
    uint64_t wake_ns = UINT64_MAX;
    const uint64_t due[] = {direct_due_ns(core), echo_due_ns(core),
                            core->follow.relay_ns + patience_ns(core)};
    for (uint32_t i = 0; i < sizeof due / sizeof due[0]; i++)
        if (due[i] >= core->now_ns)
            wake_ns = min_u64(wake_ns, due[i] + 1);
    return wake_ns;
}

bool relay_is_used(const struct core *core)
{
    return !node_id_empty(core->follow.relay);
}

struct candor_node_id relay_source(const struct core *core)
{
    return relay_is_used(core) ? core->follow.relay : core->epoch.owner;
}

/* A late heartbeat or two are nothing to tell of. */
static void note_relay(struct core *core)
{
    if (core->follow.relayed_ns == 0)
        core->follow.relayed_ns = core->now_ns;
    if (core->follow.relay_logged || core->now_ns - core->follow.relayed_ns < who_silence_ns(core))
        return;
    core->follow.relay_logged = true;
    act_log(core, LOG_LEVEL_INFO, "relayed primary=%s through=%s", core->epoch.owner.text,
            core->follow.relay.text);
}

void relay_passed(struct core *core)
{
    core->follow.relay_ns = core->now_ns;
    note_relay(core);
}

/* ---- What is passed on ----------------------------------------------------------------------- */

static bool asks_me(const struct core *core, const struct peer *peer)
{
    return node_id_equal(peer->relay, core->config.self) && epoch_equal(peer->epoch, core->epoch) &&
           who_speaks(core, peer);
}

bool relay_serves(const struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (asks_me(core, &core->peers[i]))
            return true;
    return false;
}

void relay_heartbeat(struct core *core, const struct core_msg *msg)
{
    /* a late one proves nothing that a newer one does not */
    bool newest = msg->heartbeat.hb_id == core->follow.direct_hb;
    bool looped = msg->type == CORE_MSG_RELAYED_HEARTBEAT; /* RELAY_LOOPS */
    bool passes = follows(core) && core->follow.attach == ATTACH_DONE && newest;
    if (!looped && (!passes || !relay_serves(core)))
        return;
    struct core_msg *passed = act_message(core, CORE_MSG_RELAYED_HEARTBEAT);
    passed->heartbeat = msg->heartbeat;
    act_publish(core, passed);
}

/* Under load statuses answer every batch of records: one for each heartbeat is enough, and now and
 * then one before the first. */
static void pass_status_on(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    uint64_t pause_ns = core->config.heartbeat_interval_ns / 2;
    bool news =
        msg->status.seen_hb != peer->passed_hb || core->now_ns - peer->passed_ns >= pause_ns;
    if (!news || !asks_me(core, peer) || !follows(core))
        return;
    peer->passed_hb = msg->status.seen_hb;
    peer->passed_ns = core->now_ns;
    struct core_msg *passed = act_message(core, CORE_MSG_RELAYED_STATUS);
    passed->relayed_status.node = peer->id;
    passed->relayed_status.store_id = peer->store_id;
    passed->relayed_status.boot = peer->boot;
    passed->relayed_status.ts_ns = msg->status.ts_ns;
    passed->relayed_status.seen_hb = msg->status.seen_hb;
    act_publish(core, passed);
}

void relay_status(struct core *core, struct peer *peer, const struct core_msg *msg)
{
    peer->hearing = msg->status.hearing;
    peer->relay = msg->status.relay;
    pass_status_on(core, peer, msg);
}

/* ---- Who hears whom (R74) -------------------------------------------------------------------- */

void relay_missed(const struct core *core, struct core_missed *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < core->peer_count; i++)
        if (!who_speaks(core, &core->peers[i]))
            out->list[out->count++] = core->peers[i].id;
}

void relay_hears(const struct core *core, struct peer *peer, const struct core_missed *missed)
{
    peer->misses_me = false;
    for (uint32_t i = 0; i < missed->count; i++)
        if (node_id_equal(missed->list[i], core->config.self))
            peer->misses_me = true;
}
