/* Changes of primary: asks every node what it saw, and concludes what can be said. */
#include "cli/cluster/failover.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/frame/command.h"
#include "cli/frame/message.h"

#define FAILOVER_DEADLINE_MS 1000

/* ---- Gathering ------------------------------------------------------------------------------- */

static struct incident *incident_of(struct failover_report *report,
                                    const struct candor_epoch *epoch)
{
    for (size_t i = 0; i < report->count; i++)
        if (candor_epoch_compare(&report->incidents[i].epoch, epoch) == 0)
            return &report->incidents[i];
    report->incidents =
        memory_resize(report->incidents, report->count + 1, sizeof *report->incidents);
    struct incident *incident = &report->incidents[report->count++];
    memset(incident, 0, sizeof *incident);
    incident->epoch = *epoch;
    return incident;
}

static void add_sighting(struct failover_report *report, const char *node,
                         const Candor__V1__Failover *seen)
{
    struct candor_epoch epoch;
    if (!message_epoch(seen->epoch, &epoch) || epoch.term == 0)
        return;
    struct incident *incident = incident_of(report, &epoch);
    /* hostile: a node sees an epoch begin once */
    for (size_t i = 0; i < incident->sighting_count; i++)
        if (strcmp(incident->sightings[i].node, node) == 0)
            return;
    if (incident->sighting_count < LIMIT_NODES)
        incident->sightings[incident->sighting_count++] = (struct sighting){node, seen};
}

static int by_epoch(const void *a, const void *b)
{
    return candor_epoch_compare(&((const struct incident *)a)->epoch,
                                &((const struct incident *)b)->epoch);
}

static void add_archive(struct failover_report *report, const char *node,
                        const Candor__V1__RollbackArchive *archive)
{
    struct candor_epoch winner;
    message_epoch(archive->superseded_by, &winner);
    for (size_t i = 0; i < report->count; i++) {
        struct incident *incident = &report->incidents[i];
        if (candor_epoch_compare(&incident->epoch, &winner) != 0 ||
            incident->discarded_count == LIMIT_NODES)
            continue;
        incident->discarded[incident->discarded_count++] = (struct discarded){node, archive};
        incident->local += archive->local;
        incident->writes += archive->writes;
    }
}

static void conclude(struct incident *incident)
{
    for (size_t i = 0; i < incident->sighting_count; i++) {
        const struct sighting *sighting = &incident->sightings[i];
        if (sighting->seen->opened_here)
            incident->opener = sighting;
        if (incident->previous.term == 0 || sighting->seen->opened_here)
            message_epoch(sighting->seen->previous, &incident->previous);
    }
}

static void compose(struct failover_report *report)
{
    for (size_t i = 0; i < report->node_count; i++) {
        const struct node_answer *answer = &report->failovers[i];
        const Candor__V1__FailoverReportResponse *seen =
            (const Candor__V1__FailoverReportResponse *)answer->message;
        for (size_t j = 0; seen != NULL && j < seen->n_failovers; j++)
            add_sighting(report, answer->target.id, seen->failovers[j]);
    }
    if (report->count > 1)
        qsort(report->incidents, report->count, sizeof *report->incidents, by_epoch);
    for (size_t i = 0; i < report->node_count; i++) {
        const struct node_answer *answer = &report->archives[i];
        const Candor__V1__RollbackListResponse *list =
            (const Candor__V1__RollbackListResponse *)answer->message;
        for (size_t j = 0; list != NULL && j < list->n_archives; j++)
            add_archive(report, answer->target.id, list->archives[j]);
    }
    for (size_t i = 0; i < report->count; i++)
        conclude(&report->incidents[i]);
}

bool failover_gather(struct command_context *ctx, struct failover_report *report, int *status)
{
    struct node_target targets[LIMIT_NODES];
    Candor__V1__FailoverReportRequest seen = CANDOR__V1__FAILOVER_REPORT_REQUEST__INIT;
    Candor__V1__RollbackListRequest list = CANDOR__V1__ROLLBACK_LIST_REQUEST__INIT;
    uint32_t deadline_ms = (uint32_t)context_deadline_ms(ctx, FAILOVER_DEADLINE_MS);
    memset(report, 0, sizeof *report);
    report->node_count = node_targets(ctx, targets, status);
    if (report->node_count == 0)
        return false;
    node_call_all(targets, report->node_count, "/candor.v1.Cluster/FailoverReport", &seen.base,
                  &candor__v1__failover_report_response__descriptor, deadline_ms,
                  report->failovers);
    node_call_all(targets, report->node_count, "/candor.v1.Cluster/RollbackList", &list.base,
                  &candor__v1__rollback_list_response__descriptor, deadline_ms, report->archives);
    for (size_t i = 0; i < report->node_count; i++) {
        if (report->failovers[i].message == NULL)
            continue;
        compose(report);
        return true;
    }
    *status =
        report_result(ctx, &report->failovers[0].result.error, &report->failovers[0].result, NULL);
    return false;
}

void failover_report_free(struct failover_report *report)
{
    node_answers_free(report->failovers, report->node_count);
    node_answers_free(report->archives, report->node_count);
    free(report->incidents);
}

/* ---- What can be said ------------------------------------------------------------------------ */

const char *failover_cause(const struct incident *incident)
{
    if (incident->opener == NULL)
        return "unknown";
    switch (incident->opener->seen->cause) {
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FOUNDING:
        return "founding";
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_ELECTION:
        return "election";
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_PROMOTION:
        return "promotion";
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_TRANSFER:
        return "transfer";
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_FORCED:
        return "forced";
    case CANDOR__V1__FAILOVER_CAUSE__FAILOVER_CAUSE_RESUMED:
        return "resumed";
    default:
        return "unknown";
    }
}

bool failover_had_primary(const struct incident *incident)
{
    return strcmp(failover_cause(incident), "founding") != 0;
}

bool failover_has_gap(const struct sighting *sighting)
{
    return sighting != NULL && sighting->seen->gap_case == CANDOR__V1__FAILOVER__GAP_GAP_MS;
}

const struct sighting *failover_dated_by(const struct incident *incident)
{
    return incident->opener != NULL ? incident->opener : &incident->sightings[0];
}

static const struct sighting *seen_by(const struct incident *incident, const char *node)
{
    for (size_t i = 0; i < incident->sighting_count; i++)
        if (strcmp(incident->sightings[i].node, node) == 0)
            return &incident->sightings[i];
    return NULL;
}

bool failover_old_primary_is_out(const struct incident *incident)
{
    return incident->previous.term != 0 &&
           strcmp(incident->previous.owner.text, incident->epoch.owner.text) != 0 &&
           seen_by(incident, incident->previous.owner.text) == NULL;
}
