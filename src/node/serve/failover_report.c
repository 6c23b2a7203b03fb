/* FailoverReport: what this node saw of failovers, as operators see it. */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "node/serve/cluster.h"
#include "node/serve/failovers.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "wire/wire.h"

struct failover_message {
    Candor__V1__Failover failover;
    Candor__V1__Epoch epoch;
    Candor__V1__Epoch previous;
    Candor__V1__ClientCounts clients;
};

static Candor__V1__FailoverCause cause_of(enum core_failover_cause cause)
{
    switch (cause) {
    case CORE_FAILOVER_FOUNDING:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FOUNDING;
    case CORE_FAILOVER_ELECTION:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_ELECTION;
    case CORE_FAILOVER_PROMOTION:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_PROMOTION;
    case CORE_FAILOVER_TRANSFER:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_TRANSFER;
    case CORE_FAILOVER_FORCED:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FORCED;
    case CORE_FAILOVER_RESUMED:
        return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_RESUMED;
    case CORE_FAILOVER_SEEN:
        break;
    }
    return CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_UNKNOWN;
}

static void fill_counts(const struct answers_given *before, const struct answers_given *after,
                        Candor__V1__ClientCounts *out)
{
    candor__v1__client_counts__init(out);
    out->not_primary = after->not_primary - before->not_primary;
    out->no_primary = after->no_primary - before->no_primary;
    out->outcome_unknown = after->outcome_unknown - before->outcome_unknown;
    out->redirects = after->redirects - before->redirects;
}

static void fill_failover(const struct failover *from, const struct answers_given *after,
                          struct failover_message *out)
{
    const struct core_failover *seen = &from->seen;
    candor__v1__failover__init(&out->failover);
    wire_epoch(&seen->epoch, &out->epoch);
    out->failover.epoch = &out->epoch;
    if (!epoch_none(seen->previous)) {
        wire_epoch(&seen->previous, &out->previous);
        out->failover.previous = &out->previous;
    }
    out->failover.opened_here = seen->cause != CORE_FAILOVER_SEEN;
    out->failover.cause = cause_of(seen->cause);
    out->failover.wall_ms = from->wall_ms;
    if (seen->has_gap) {
        out->failover.gap_case = CANDOR__V1__FAILOVER__GAP_GAP_MS;
        out->failover.gap_ms = ns_to_ms_up(seen->gap_ns);
    }
    fill_counts(&from->before, after, &out->clients);
    out->failover.clients = &out->clients;
}

void cluster_failover_report(Candor__V1__Cluster_Service *service,
                             const Candor__V1__FailoverReportRequest *request,
                             Candor__V1__FailoverReportResponse_Closure closure, void *closure_data)
{
    (void)request;
    struct node *node = node_of(service);
    struct failovers *failovers = node->failovers;
    struct failover list[LIMIT_FAILOVERS];
    struct failover_message messages[LIMIT_FAILOVERS];
    Candor__V1__Failover *pointers[LIMIT_FAILOVERS];
    pthread_mutex_lock(&failovers->lock);
    uint32_t count = failovers->count;
    memcpy(list, failovers->list, count * sizeof list[0]);
    pthread_mutex_unlock(&failovers->lock);
    struct answers_given now = failovers_answers(failovers);
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
    reply_freshness(closure_data, &view, view.applied, &(struct candor_pos){0}, &room);
    closure(&response, closure_data);
}
