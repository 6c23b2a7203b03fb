/* Lines of the log about what an operator watches for: that this node's state changes (FRESH, STALE
 * ...), and with it that its primary is lost or found, and that nodes do not know each other. Few
 * lines, whatever happens: a node that flaps says so in one of them, with how often. */
#include <stdio.h>

#include "core/notice.h"

#include "core/act.h"
#include "core/view.h"
#include "core/who.h"

enum {
    NOTICES_AT_ONCE = 6, /* lines that may follow each other at once */
    NOTICE_PAUSE_S = 10, /* later ones are so far apart */
    UNKNOWN_PAUSE_S = 60,
};

static bool may_speak(struct core *core)
{
    uint64_t pause_ns = NOTICE_PAUSE_S * NS_PER_S;
    uint64_t earned = (core->now_ns - core->notice.earned_ns) / pause_ns;
    core->notice.earned_ns += earned * pause_ns;
    core->notice.spent -= min_u64(core->notice.spent, earned);
    if (core->notice.spent == NOTICES_AT_ONCE)
        return false;
    core->notice.spent++;
    return true;
}

static enum log_level level_of(enum candor_state state)
{
    return state == CANDOR_STATE_FRESH || state == CANDOR_STATE_SYNCING ? LOG_LEVEL_INFO
                                                                        : LOG_LEVEL_WARN;
}

static void tell_state(struct core *core, const struct core_view *view,
                       const struct core_freshness *fresh)
{
    char age[32] = "none";
    char bound[32] = "none";
    if (fresh->has_heartbeat_age)
        snprintf(age, sizeof age, "%" PRIu64, fresh->heartbeat_age_ms);
    if (fresh->has_bound)
        snprintf(bound, sizeof bound, "%" PRIu64, fresh->bound_ms);
    act_log(core, level_of(fresh->state),
            "state_changed from=%s to=%s role=%s primary=%s heartbeat_age_ms=%s bound_ms=%s "
            "cut_off=%s applied=%" PRIu64 " changes=%" PRIu64,
            candor_state_name(core->notice.logged), candor_state_name(fresh->state),
            candor_role_name(fresh->role),
            node_id_empty(view->primary) ? "none" : view->primary.text, age, bound,
            candor_cut_off_name(fresh->cut_off), view->applied, core->notice.changes);
    core->notice.logged = fresh->state;
    core->notice.changes = 0;
}

void notice_tick(struct core *core)
{
    /* a view is not for every step */
    if (core->now_ns - core->notice.looked_ns < core->config.heartbeat_interval_ns / 2)
        return;
    core->notice.looked_ns = core->now_ns;
    struct core_view view;
    struct core_freshness fresh;
    core_view(core, &view);
    core_view_freshness(&view, core->log.durable, core->now_ns, &fresh);
    if (fresh.state != core->notice.seen)
        core->notice.changes++;
    core->notice.seen = fresh.state;
    if (fresh.state != core->notice.logged && may_speak(core))
        tell_state(core, &view, &fresh);
}

/* A node that this one's topology does not name asks for something: the files differ. */
void notice_unknown(struct core *core, const struct core_header *header)
{
    bool lately = core->notice.unknown_ns != 0 &&
                  core->now_ns - core->notice.unknown_ns < UNKNOWN_PAUSE_S * NS_PER_S;
    if (lately || who_peer(core, header->node) != NULL ||
        header->config_hash != core->config.config_hash)
        return;
    core->notice.unknown_ns = core->now_ns;
    act_log(core, LOG_LEVEL_WARN,
            "unknown_node node=%s way_out=\"name it in this node's topology file, too, and restart "
            "this node\"",
            header->node.text);
}

/* The primary has refused to be followed several times in a row: perhaps for that reason. */
void notice_not_attached(struct core *core)
{
    enum { TRIES = 5 };
    if (core->follow.attach_failures != TRIES)
        return;
    act_log(core, LOG_LEVEL_WARN,
            "not_attached primary=%s tries=%d way_out=\"kvctl status; does the topology file of %s "
            "name this node, %s?\"",
            core->epoch.owner.text, TRIES, core->epoch.owner.text, core->config.self.text);
}
