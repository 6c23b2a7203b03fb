/* The view of a core; freshness and the read contract, computed from it. */
#include "core/state.h"

#include "core/risk.h"
#include "core/view.h"
#include "core/who.h"

static enum candor_role role_of(const struct core *core)
{
    if (core->phase == PHASE_PRIMARY)
        return CANDOR_ROLE_PRIMARY;
    return who_is_voter(core) ? CANDOR_ROLE_REPLICA : CANDOR_ROLE_READER;
}

static void view_primary(const struct core *core, struct core_view *view)
{
    if (core->phase == PHASE_PRIMARY) {
        view->primary = core->config.self;
        memcpy(view->primary_rpc, core->config.rpc, sizeof view->primary_rpc);
    } else if (!epoch_none(core->epoch) && !node_id_equal(core->epoch.owner, core->config.self)) {
        view->primary = core->epoch.owner;
        memcpy(view->primary_rpc, core->follow.primary_rpc, sizeof view->primary_rpc);
    }
}

static void view_freshness(const struct core *core, struct core_view *view)
{
    bool leads = core->phase == PHASE_PRIMARY;
    /* R39 */
    uint64_t lag = mutated(core, LAG_WRAPS)
                       ? core->follow.announced - core->log.durable
                       : saturating_sub(core->follow.announced, core->log.durable);
    view->attached = leads || core->follow.attach == ATTACH_DONE;
    view->catching_up = !leads && (core->follow.attach == ATTACH_TRUNCATING ||
                                   core->follow.attach == ATTACH_DOWNLOADING ||
                                   core->follow.attach == ATTACH_INSTALLING || who_is_blank(core) ||
                                   (core->config.max_lag > 0 && lag > core->config.max_lag));
    view->behind =
        !leads && core->proof.pending_count > 0 && core->proof.pending[0].last > core->log.durable;
    view->contacted = leads || core->hearing.contacted;
    view->contact_ns = leads ? core->now_ns : core->hearing.contact_ns;
    view->heard = leads || core->follow.heard;
    view->heartbeat_ns = leads ? core->now_ns : core->hearing.heartbeat_ns;
    view->proven = leads ? core->lead.confirmed_ns != 0 : core->proof.proven;
    view->evidence_ns = leads ? core->lead.confirmed_ns : core->proof.evidence.ts_ns; /* R37 */
    view->evidence_seq = leads ? core->lead.confirmed_last : core->proof.evidence.last;
}

static void view_ways(const struct core *core, struct core_view *view)
{
    bool leads = core->phase == PHASE_PRIMARY;
    if (core->follow.relayed_ns != 0)
        view->relay = core->follow.relay;
    if (core->follow.direct_hb != 0)
        view->direct_ns = core->follow.direct_ns;
    view->alone = core->peer_count == 0;
    view->way_ns =
        leads ? max_u64(core->lead.confirmed_ns, core->lead.opened_ns) : core->follow.proven_ns;
    uint64_t beat_ns = core->config.heartbeat_interval_ns;
    view->lately_ns =
        max_u64(saturating_sub(core->config.stale_after_ns, beat_ns), beat_ns * 3 / 2);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (peer->heard && !peer->misses_me)
            view->hears_ns = max_u64(view->hears_ns, peer->heard_ns);
        if (peer->heard && peer->hearing != CORE_HEARING_LOST)
            view->others_ns = max_u64(view->others_ns, peer->heard_ns);
    }
}

static void view_peers(const struct core *core, struct core_view *view)
{
    view->peer_count = core->peer_count;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        view->peers[i] = (struct core_peer_view){
            .node = peer->id,
            .heard = peer->heard,
            .heard_ns = peer->heard_ns,
            .match = core->phase == PHASE_PRIMARY ? peer->match : 0,
            .state = peer->state,
            .voter = who_peer_votes(core, peer),
            .differs_seq = peer->differs_seq,
        };
    }
}

void core_view(const struct core *core, struct core_view *view)
{
    bool leads = core->phase == PHASE_PRIMARY;
    memset(view, 0, sizeof *view);
    view->self = core->config.self;
    view->role = role_of(core);
    view->epoch = core->epoch;
    view->shown_epoch = who_shown_epoch(core);
    view_primary(core, view);
    view->cluster_id = core->cluster_id;
    view->store_id = core->store_id;
    view->boot = core->boot;
    view->accepts_writes = leads && core->transfer.ticket == 0;
    view->admitted = who_is_admitted(core);
    view->forked = core->fork.forked;
    view->doubtful = core->doubt.doubtful && !mutated(core, DOUBTFUL_SERVES);
    view->outvoted = core->doubt.outvoted;
    view->equal_seq = core->doubt.equal_seq;
    view->differs_seq = core->doubt.differs_seq;
    view_freshness(core, view);
    view_ways(core, view);
    view->last = core->log.last;
    view->durable = core->log.durable;
    view->match = leads ? core->log.durable : core->follow.match;
    view->published = leads ? who_published(core) : min_u64(core->follow.match, core->log.durable);
    view->applied = core->log.durable;
    view->commit = core->log.commit;
    view->watch_seq = mutated(core, WATCH_UNCOMMITTED) ? core->log.durable : core->log.commit;
    view->applied_epoch = epoch_history_at(&core->log.history, core->log.durable);
    for (uint32_t i = core->log.history.count; i-- > 0;)
        if (core->log.history.starts[i].first_seq <= core->log.durable) {
            view->applied_epoch_first = core->log.history.starts[i].first_seq;
            view->applied_origin = core->log.history.starts[i].chain.low;
            break;
        }
    view->primary_seq = leads ? core->log.durable : core->follow.announced;
    view->at_risk = leads ? risk_count(core) : 0;
    view->no_room = core->room.lacking;
    view->log_first = core->log.first;
    view->watch_first = mutated(core, WATCH_SKIPS) ? 0 : core->log.first;
    view->rewinds = core->log.rewinds;
    view->log_ms = core->log_time.ms;
    view->log_at_ns = core->log_time.at_ns;
    view->stale_after_ns = core->config.stale_after_ns;
    view->reject_after_ns = core->config.reject_after_ns;
    view->drift_ppm = core->config.drift_ppm;
    if (mutated(core, CUT_OFF_UNTOLD))
        view->alone = true;
    if (mutated(core, NEVER_STALE))
        view->stale_after_ns = UINT64_MAX / 4;
    if (mutated(core, REDIRECT_TO_SELF)) {
        view->primary = view->self;
        view->self = (struct candor_node_id){0};
    }
    view->rungs_overstated = mutated(core, LADDER_OVERSTATED);
    view_peers(core, view);
}

void core_history(const struct core *core, struct epoch_history *out)
{
    epoch_history_copy(out, &core->log.history);
}

uint64_t core_view_log_ms(const struct core_view *view, uint64_t now_ns)
{
    return view->log_ms + saturating_sub(now_ns, view->log_at_ns) / NS_PER_MS;
}

/* ---- Freshness ------------------------------------------------------------------------------- */

/* R36: an age on this clock, made long enough for what the clock may have lost, and one tick. */
static uint64_t bound_ns(const struct core_view *view, uint64_t now_ns)
{
    uint64_t age_ns = saturating_sub(now_ns, view->evidence_ns);
    return age_ns + drift_ns(age_ns, view->drift_ppm) + NS_PER_MS;
}

static enum candor_state state_of(const struct core_view *view, bool has_bound, uint64_t bound,
                                  uint64_t now_ns)
{
    bool fresh_bound = has_bound && bound <= view->stale_after_ns;
    if (view->forked)
        return CANDOR_STATE_FORKED;
    if (view->doubtful)
        return CANDOR_STATE_DOUBTFUL;
    if (view->role == CANDOR_ROLE_PRIMARY)
        return fresh_bound ? CANDOR_STATE_FRESH : CANDOR_STATE_STALE;
    if (view->reject_after_ns != 0 &&
        (!view->contacted || saturating_sub(now_ns, view->contact_ns) > view->reject_after_ns))
        return CANDOR_STATE_EXPIRED;
    /* blank: there is nothing to answer with */
    if (view->applied == 0)
        return CANDOR_STATE_SYNCING;
    if (!view->heard || saturating_sub(now_ns, view->heartbeat_ns) > view->stale_after_ns)
        return CANDOR_STATE_STALE;
    if (!view->attached || view->catching_up)
        return CANDOR_STATE_SYNCING;
    if (fresh_bound)
        return CANDOR_STATE_FRESH;
    return view->behind ? CANDOR_STATE_SYNCING : CANDOR_STATE_STALE;
}

static bool heard_lately(const struct core_view *view, uint64_t heard_ns, uint64_t now_ns)
{
    return heard_ns != 0 && saturating_sub(now_ns, heard_ns) < view->lately_ns;
}

/* R74. While heartbeats and the own time stamps come, by whichever way, nobody is cut off; what
 * else is known is what the others say. */
static enum candor_cut_off cut_off_of(const struct core_view *view, uint64_t now_ns)
{
    bool leads = view->role == CANDOR_ROLE_PRIMARY;
    uint64_t open_ns =
        leads || !view->heard ? view->way_ns : min_u64(view->way_ns, view->heartbeat_ns);
    if (view->alone || saturating_sub(now_ns, open_ns) <= view->stale_after_ns)
        return CANDOR_CUT_OFF_NO;
    if (!heard_lately(view, view->hears_ns, now_ns))
        return CANDOR_CUT_OFF_ME;
    bool others = leads || heard_lately(view, view->others_ns, now_ns);
    return others ? CANDOR_CUT_OFF_UNKNOWN : CANDOR_CUT_OFF_PRIMARY;
}

void core_view_freshness(const struct core_view *view, uint64_t applied, uint64_t now_ns,
                         struct core_freshness *out)
{
    memset(out, 0, sizeof *out);
    out->node = view->self;
    out->role = view->role;
    out->epoch = view->shown_epoch;
    out->has_heartbeat_age = view->heard;
    /* R38 */
    if (view->role != CANDOR_ROLE_PRIMARY && view->heard)
        out->heartbeat_age_ms = ns_to_ms_up(saturating_sub(now_ns, view->heartbeat_ns));
    /* Who hears it through a relay alone cannot call it. A relay is asked when a heartbeat is late,
     * long before the way is given up. */
    out->hears_primary = view->heard && view->direct_ns != 0 &&
                         saturating_sub(now_ns, view->direct_ns) <= view->stale_after_ns;
    /* Evidence speaks of data that hold evidence_seq: older data are not covered by it. */
    out->has_bound = view->proven && applied >= view->evidence_seq;
    uint64_t bound = out->has_bound ? bound_ns(view, now_ns) : 0;
    out->bound_ms = ns_to_ms_up(bound);
    out->state = state_of(view, out->has_bound, bound, now_ns);
    out->stale = out->state != CANDOR_STATE_FRESH;
    out->applied_seq = applied;
    out->primary_seq = view->primary_seq;
    out->commit_seq = view->commit;
    out->cut_off = cut_off_of(view, now_ns);
}

/* ---- The read contract (docs/consistency.md) ------------------------------------------------- */

static struct core_read_decision serve(void)
{
    return (struct core_read_decision){CORE_SERVE, CANDOR_OK, CANDOR_REASON_NONE};
}

static struct core_read_decision refuse(enum candor_code code, enum candor_reason reason)
{
    return (struct core_read_decision){CORE_REFUSE, code, reason};
}

/* R45: never to itself, and never to nobody. */
static struct core_read_decision redirect(const struct core_view *view, enum candor_reason reason)
{
    if (node_id_empty(view->primary) || node_id_equal(view->primary, view->self))
        return refuse(CANDOR_UNAVAILABLE, reason);
    return (struct core_read_decision){CORE_REDIRECT, CANDOR_FAILED_PRECONDITION, reason};
}

static struct core_read_decision decide_session(const struct core_view *view,
                                                const struct core_freshness *fresh,
                                                const struct core_read *read)
{
    const struct candor_token *token = &read->token;
    /* R44 */
    if (token->cluster_id != 0 && token->cluster_id != view->cluster_id)
        return refuse(CANDOR_INVALID_ARGUMENT, CANDOR_REASON_FOREIGN_CLUSTER);
    if (token->pos.seq == 0)
        return serve();
    /* The common case without asking the core: a position of the newest epoch here. */
    bool here = epoch_equal(token->pos.epoch, view->applied_epoch) &&
                (token->origin == 0 || token->origin == view->applied_origin) &&
                token->pos.seq >= view->applied_epoch_first &&
                token->pos.seq <= min_u64(fresh->applied_seq, view->applied);
    if (here)
        return serve();
    return (struct core_read_decision){CORE_WAIT, CANDOR_OK, CANDOR_REASON_NONE};
}

struct core_read_decision core_decide_read(const struct core_view *view,
                                           const struct core_freshness *fresh,
                                           const struct core_read *read)
{
    if (fresh->state == CANDOR_STATE_FORKED)
        return refuse(CANDOR_UNAVAILABLE, CANDOR_REASON_FORKED);
    if (fresh->state == CANDOR_STATE_DOUBTFUL)
        return redirect(view, CANDOR_REASON_DOUBTFUL);
    if (fresh->state == CANDOR_STATE_EXPIRED)
        return refuse(CANDOR_UNAVAILABLE, CANDOR_REASON_EXPIRED);
    bool may_sync = read->level == CANDOR_READ_EVENTUAL && read->allow_syncing;
    if (fresh->state == CANDOR_STATE_SYNCING && !may_sync)
        return redirect(view, CANDOR_REASON_SYNCING);
    switch (read->level) {
    case CANDOR_READ_DEFAULT:
    case CANDOR_READ_EVENTUAL:
        return serve();
    case CANDOR_READ_BOUNDED:
        if (fresh->has_bound && fresh->bound_ms <= read->max_staleness_ms)
            return serve();
        return redirect(view, CANDOR_REASON_TOO_STALE);
    case CANDOR_READ_SESSION:
        return decide_session(view, fresh, read);
    case CANDOR_READ_LINEARIZABLE:
        /* A replica that hears nobody cannot ask for the read index; its caller may reach the
         * primary. One that hears it asks, whatever is proven of its own data. */
        if (view->role != CANDOR_ROLE_PRIMARY && !fresh->hears_primary)
            return redirect(view, CANDOR_REASON_NO_PRIMARY);
        return (struct core_read_decision){CORE_WAIT, CANDOR_OK, CANDOR_REASON_NONE};
    }
    return refuse(CANDOR_INVALID_ARGUMENT, CANDOR_REASON_LEVEL_UNAVAILABLE);
}

uint64_t core_view_watch_upto(const struct core_view *view, uint64_t applied, bool uncommitted)
{
    uint64_t held = min_u64(applied, view->applied);
    return uncommitted ? held : min_u64(held, view->watch_seq);
}

enum core_watch_step core_decide_watch(const struct core_view *view, uint64_t applied,
                                       uint64_t seen, bool uncommitted, uint64_t *upto)
{
    *upto = core_view_watch_upto(view, applied, uncommitted);
    if (seen + 1 < view->watch_first)
        return CORE_WATCH_COMPACTED;
    return seen < *upto ? CORE_WATCH_READ : CORE_WATCH_WAIT;
}

bool core_view_may_fetch(const struct core_view *view, const struct core_header *from,
                         uint64_t *upto_seq)
{
    *upto_seq = 0;
    if (from->cluster_id != view->cluster_id || !epoch_equal(from->epoch, view->epoch) ||
        !view->attached || node_id_equal(from->node, view->self))
        return false;
    *upto_seq = view->published;
    return true;
}
