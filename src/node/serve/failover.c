/* What this node saw of changes of reign, and what it told clients meanwhile: one node's part of a failover report. */
#include "node/internal.h"

#include <string.h>

/* ---- Taking notes ------------------------------------------------------------------------------------- */

static struct told told_now(const struct failovers *failovers)
{
    return (struct told){
        .not_primary = atomic_load_explicit(&failovers->told.not_primary, memory_order_relaxed),
        .no_primary = atomic_load_explicit(&failovers->told.no_primary, memory_order_relaxed),
        .outcome_unknown =
            atomic_load_explicit(&failovers->told.outcome_unknown, memory_order_relaxed),
        .redirects = atomic_load_explicit(&failovers->told.redirects, memory_order_relaxed),
    };
}

static void count_one(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void failovers_tell(struct node *node, enum candor_reason reason, bool redirect)
{
    struct failovers *failovers = &node->failovers;
    if (reason == CANDOR_REASON_NOT_PRIMARY)
        count_one(&failovers->told.not_primary);
    else if (reason == CANDOR_REASON_NO_PRIMARY)
        count_one(&failovers->told.no_primary);
    else if (reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        count_one(&failovers->told.outcome_unknown);
    if (redirect)
        count_one(&failovers->told.redirects);
}

/* A primary that takes writes, or a heartbeat: what is told later may belong to the next failover. */
void failovers_see(struct node *node, const struct core_view *view)
{
    struct failovers *failovers = &node->failovers;
    failovers->leads = view->role == CANDOR_ROLE_PRIMARY && view->accepts_writes;
    bool calm = view->role == CANDOR_ROLE_PRIMARY ? view->accepts_writes : view->heard;
    if (!calm || view->heartbeat_ns == failovers->calm_ns)
        return;
    failovers->calm_ns = view->heartbeat_ns;
    failovers->calm = told_now(failovers);
}

/* What a primary has told since its view was published belongs to the time in which it led, also
 * when the events that are taken now end its epoch. */
void failovers_before_events(struct node *node)
{
    if (node->failovers.leads)
        node->failovers.calm = told_now(&node->failovers);
}

void failovers_note(struct node *node, const struct core_reign *reign)
{
    struct failovers *failovers = &node->failovers;
    struct failover failover = {
        .reign = *reign, .wall_ms = clock_wall_ms(), .before = failovers->calm};
    pthread_mutex_lock(&failovers->lock);
    if (failovers->count == LIMIT_FAILOVERS) {
        failovers->count--;
        memmove(failovers->list, failovers->list + 1, failovers->count * sizeof failovers->list[0]);
    }
    failovers->list[failovers->count++] = failover;
    pthread_mutex_unlock(&failovers->lock);
}

/* ---- FailoverReport ----------------------------------------------------------------------------------- */

struct failover_message {
    Candor__V1__Failover failover;
    Candor__V1__Epoch epoch;
    Candor__V1__Epoch previous;
    Candor__V1__ClientCounts clients;
};

static Candor__V1__FailoverCause cause_of(enum core_reign_cause cause)
{
    switch (cause) {
    case CORE_REIGN_FOUNDING:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FOUNDING;
    case CORE_REIGN_ELECTION:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_ELECTION;
    case CORE_REIGN_PROMOTION:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_PROMOTION;
    case CORE_REIGN_TRANSFER:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_TRANSFER;
    case CORE_REIGN_FORCED:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FORCED;
    case CORE_REIGN_RESUMED:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_RESUMED;
    case CORE_REIGN_OF_ANOTHER:
        break;
    }
    return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_UNKNOWN;
}

static void fill_counts(const struct told *before, const struct told *after,
                        Candor__V1__ClientCounts *out)
{
    candor__v1__client_counts__init(out);
    out->not_primary = after->not_primary - before->not_primary;
    out->no_primary = after->no_primary - before->no_primary;
    out->outcome_unknown = after->outcome_unknown - before->outcome_unknown;
    out->redirects = after->redirects - before->redirects;
}

static void fill_failover(const struct failover *from, const struct told *after,
                          struct failover_message *out)
{
    const struct core_reign *reign = &from->reign;
    candor__v1__failover__init(&out->failover);
    wire_epoch(&reign->epoch, &out->epoch);
    out->failover.epoch = &out->epoch;
    if (!epoch_none(reign->previous)) {
        wire_epoch(&reign->previous, &out->previous);
        out->failover.previous = &out->previous;
    }
    out->failover.opened_here = reign->cause != CORE_REIGN_OF_ANOTHER;
    out->failover.cause = cause_of(reign->cause);
    out->failover.wall_ms = from->wall_ms;
    if (reign->has_gap) {
        out->failover.gap_case = CANDOR__V1__FAILOVER__GAP_GAP_MS;
        out->failover.gap_ms = ns_to_ms_up(reign->gap_ns);
    }
    fill_counts(&from->before, after, &out->clients);
    out->failover.clients = &out->clients;
}

void cluster_failover_report(Candor__V1__Cluster_Service *service,
                             const Candor__V1__FailoverReportRequest *request,
                             Candor__V1__FailoverReportResponse_Closure closure, void *closure_data)
{
    (void)request;
    struct node *node = ((struct cluster_service *)service)->node;
    struct failovers *failovers = &node->failovers;
    struct failover list[LIMIT_FAILOVERS];
    struct failover_message messages[LIMIT_FAILOVERS];
    Candor__V1__Failover *pointers[LIMIT_FAILOVERS];
    pthread_mutex_lock(&failovers->lock);
    uint32_t count = failovers->count;
    memcpy(list, failovers->list, count * sizeof list[0]);
    pthread_mutex_unlock(&failovers->lock);
    struct told now = told_now(failovers);
    for (uint32_t i = 0; i < count; i++) {
        fill_failover(&list[i], i + 1 < count ? &list[i + 1].before : &now, &messages[i]);
        pointers[i] = &messages[i].failover;
    }
    struct core_view view;
    struct reply_room room;
    view_read_without_peers(&node->view, &view);
    Candor__V1__FailoverReportResponse response = CANDOR__V1__FAILOVER_REPORT_RESPONSE__INIT;
    response.n_failovers = count;
    response.failovers = pointers;
    reply_freshness(closure_data, &view, view.applied, &(struct pos){0}, &room);
    closure(&response, closure_data);
}
