/* kvctl failover last, ls: what changes of primary have cost, put together from what every node
 * saw. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/cluster/archives.h"
#include "cli/frame/message.h"
#include "cli/frame/node_call.h"

#define FAILOVER_DEADLINE_MS 1000
#define NONE "-"

/* ---- Gathering ------------------------------------------------------------------------------- */

/* What one node saw of one failover. */
struct sighting {
    const char *node;
    const Candor__V1__Failover *seen;
};

/* An archive that a node superseded by it. */
struct discarded {
    const char *node;
    const Candor__V1__RollbackArchive *archive;
};

/* One failover. */
struct incident {
    struct candor_epoch epoch;
    struct candor_epoch previous;  /* term 0: nobody knows */
    const struct sighting *opener; /* NULL: it does not answer, or was restarted since */
    size_t sighting_count;
    struct sighting sightings[LIMIT_NODES];
    size_t discarded_count;
    struct discarded discarded[LIMIT_NODES];
    uint64_t local;  /* of all archives */
    uint64_t writes; /* likewise */
};

struct report {
    size_t node_count;
    struct node_answer failovers[LIMIT_NODES];
    struct node_answer archives[LIMIT_NODES];
    size_t count;
    struct incident *incidents; /* oldest first */
};

static struct incident *incident_of(struct report *report, const struct candor_epoch *epoch)
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

static void add_sighting(struct report *report, const char *node, const Candor__V1__Failover *seen)
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

static void add_archive(struct report *report, const char *node,
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

static void compose(struct report *report)
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

/* False after a report: no node answers, or there is none to ask. */
static bool gather(struct command_context *ctx, struct report *report, int *status)
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

static void report_free(struct report *report)
{
    node_answers_free(report->failovers, report->node_count);
    node_answers_free(report->archives, report->node_count);
    free(report->incidents);
}

/* ---- What can be said ------------------------------------------------------------------------ */

static const char *cause_text(const struct incident *incident)
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

/* A founded cluster had no primary to fail. */
static bool is_failover(const struct incident *incident)
{
    return strcmp(cause_text(incident), "founding") != 0;
}

static bool has_gap(const struct sighting *sighting)
{
    return sighting != NULL && sighting->seen->gap_case == CANDOR__V1__FAILOVER__GAP_GAP_MS;
}

/* The wall clock of the new primary; of whoever saw it first where that one is silent. */
static const struct sighting *dated_by(const struct incident *incident)
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

/* The old primary is elsewhere and has not said that it follows: what it holds alone may still be
 * discarded. */
static bool old_primary_is_out(const struct incident *incident)
{
    return incident->previous.term != 0 &&
           strcmp(incident->previous.owner.text, incident->epoch.owner.text) != 0 &&
           seen_by(incident, incident->previous.owner.text) == NULL;
}

/* ---- As JSON --------------------------------------------------------------------------------- */

static void set_epoch(json_t *object, const struct candor_epoch *epoch)
{
    json_object_set_new(object, "epoch", json_u64(epoch->term));
    json_object_set_new(object, "generation", json_u64(epoch->generation));
    json_object_set_new(object, "owner", json_string(epoch->owner.text));
}

static json_t *json_previous(const struct candor_epoch *epoch)
{
    if (epoch->term == 0)
        return json_null();
    json_t *out = json_object();
    set_epoch(out, epoch);
    return out;
}

static json_t *json_gap(const struct sighting *sighting)
{
    return has_gap(sighting) ? json_u64(sighting->seen->gap_ms) : json_null();
}

static json_t *json_sighting(const struct sighting *sighting)
{
    static const Candor__V1__ClientCounts none = CANDOR__V1__CLIENT_COUNTS__INIT;
    const Candor__V1__ClientCounts *clients =
        sighting->seen->clients != NULL ? sighting->seen->clients : &none;
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(sighting->node));
    json_object_set_new(out, "opened_here", json_boolean(sighting->seen->opened_here));
    json_object_set_new(out, "wall_ms", json_u64(sighting->seen->wall_ms));
    json_object_set_new(out, "gap_ms", json_gap(sighting));
    json_object_set_new(out, "refused_not_primary", json_u64(clients->not_primary));
    json_object_set_new(out, "refused_no_primary", json_u64(clients->no_primary));
    json_object_set_new(out, "outcome_unknown", json_u64(clients->outcome_unknown));
    json_object_set_new(out, "redirects", json_u64(clients->redirects));
    return out;
}

static json_t *json_discarded(const struct discarded *discarded)
{
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(discarded->node));
    json_set_bytes(out, "id", discarded->archive->id, strlen(discarded->archive->id));
    json_object_set_new(out, "records", json_u64(discarded->archive->records));
    json_object_set_new(out, "writes", json_u64(discarded->archive->writes));
    json_object_set_new(out, "local", json_u64(discarded->archive->local));
    return out;
}

static json_t *json_silent(const struct report *report)
{
    json_t *out = json_array();
    for (size_t i = 0; i < report->node_count; i++)
        if (report->failovers[i].message == NULL || report->archives[i].message == NULL)
            json_array_append_new(out, json_string(report->failovers[i].target.id));
    return out;
}

static json_t *json_incident(const struct report *report, const struct incident *incident)
{
    const struct sighting *dated = dated_by(incident);
    json_t *out = json_object();
    json_t *nodes = json_array();
    json_t *archives = json_array();
    for (size_t i = 0; i < incident->sighting_count; i++)
        json_array_append_new(nodes, json_sighting(&incident->sightings[i]));
    for (size_t i = 0; i < incident->discarded_count; i++)
        json_array_append_new(archives, json_discarded(&incident->discarded[i]));
    set_epoch(out, &incident->epoch);
    json_object_set_new(out, "previous", json_previous(&incident->previous));
    json_object_set_new(out, "cause", json_string(cause_text(incident)));
    json_object_set_new(out, "wall_ms", json_u64(dated->seen->wall_ms));
    json_object_set_new(out, "wall_clock_of", json_string(dated->node));
    json_object_set_new(out, "unavailable_ms", json_gap(incident->opener));
    json_object_set_new(out, "nodes", nodes);
    json_t *discarded = json_object();
    json_object_set_new(discarded, "local", json_u64(incident->local));
    json_object_set_new(discarded, "writes", json_u64(incident->writes));
    json_object_set_new(discarded, "archives", archives);
    json_object_set_new(out, "discarded", discarded);
    json_object_set_new(out, "old_primary_is_out", json_boolean(old_primary_is_out(incident)));
    json_object_set_new(out, "unreachable", json_silent(report));
    return out;
}

/* ---- last ------------------------------------------------------------------------------------ */

/* How it came about, as the end of a sentence. */
static const char *cause_sentence(const struct incident *incident)
{
    static const struct {
        const char *cause;
        const char *sentence;
    } sentences[] = {
        {"founding", ": it founded the cluster"},
        {"election", ", elected when the old primary was not heard"},
        {"promotion", ", elected when an operator asked"},
        {"transfer", ": the old primary handed over"},
        {"forced", ", made so without votes by an operator"},
        {"resumed", ", elected again after a restart, or after it had stepped down"},
    };
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
        if (strcmp(sentences[i].cause, cause_text(incident)) == 0)
            return sentences[i].sentence;
    return "; it does not answer, or was restarted since: how it came to be is not known";
}

static void print_head(const struct incident *incident)
{
    char wall[WALL_TEXT_BYTES];
    const struct sighting *dated = dated_by(incident);
    output_line(stdout, "%s is the primary of epoch %" PRIu64 " (generation %" PRIu64 ")%s",
                incident->epoch.owner.text, incident->epoch.term, incident->epoch.generation,
                cause_sentence(incident));
    output_line(stdout, "  when        %s, by the clock of %s",
                wall_text(dated->seen->wall_ms, wall), dated->node);
    if (incident->previous.term != 0)
        output_line(stdout, "  before      %s, epoch %" PRIu64 " (generation %" PRIu64 ")",
                    incident->previous.owner.text, incident->previous.term,
                    incident->previous.generation);
}

static void print_gap(const struct incident *incident, const struct sighting *sighting)
{
    char age[AGE_TEXT_BYTES];
    age_text(sighting->seen->gap_ms, age);
    if (strcmp(sighting->node, incident->previous.owner.text) == 0)
        output_line(
            stdout,
            "              %s, the old primary, refused writes for %s before it heard the new "
            "one; until then it took them",
            sighting->node, age);
    else
        output_line(stdout, "              %s heard no primary for %s", sighting->node, age);
}

/* Who measured what: no two clocks are compared. */
static void print_gaps(const struct incident *incident)
{
    char age[AGE_TEXT_BYTES];
    bool led_on = strcmp(incident->previous.owner.text, incident->epoch.owner.text) == 0;
    if (has_gap(incident->opener))
        output_line(stdout, "  no writes   at %s for %s: from %s to its first record on disk",
                    incident->opener->node, age_text(incident->opener->seen->gap_ms, age),
                    led_on ? "its first refusal"
                           : "the last heartbeat of the old primary that it heard");
    else
        output_line(stdout, "  no writes   at %s for a time that was not measured",
                    incident->epoch.owner.text);
    for (size_t i = 0; i < incident->sighting_count; i++)
        if (&incident->sightings[i] != incident->opener && has_gap(&incident->sightings[i]))
            print_gap(incident, &incident->sightings[i]);
}

static void print_discarded(const struct report *report, const struct incident *incident)
{
    output_line(stdout, "  discarded   %" PRIu64 " acknowledged LOCAL write%s", incident->local,
                incident->local == 1 ? "" : "s");
    for (size_t i = 0; i < incident->discarded_count; i++) {
        const struct discarded *discarded = &incident->discarded[i];
        output_line(stdout,
                    "              archive %s of %s: %" PRIu64 " LOCAL of %" PRIu64
                    " writes; `kvctl rollback show`",
                    discarded->archive->id, discarded->node, discarded->archive->local,
                    discarded->archive->writes);
    }
    if (old_primary_is_out(incident))
        output_line(stdout,
                    "              %s has not come back to this epoch, as far as is known: what it "
                    "acknowledged alone is not known",
                    incident->previous.owner.text);
    for (size_t i = 0; i < report->node_count; i++)
        if (report->archives[i].message == NULL)
            output_line(stdout, "              %s does not answer: what it archived is not known",
                        report->archives[i].target.id);
}

static void print_clients(const struct incident *incident)
{
    static const char *const headers[] = {"NODE", "NOT PRIMARY", "NO PRIMARY", "UNKNOWN",
                                          "REDIRECTS"};
    struct table *table = table_new();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        table_column(table, headers[i], i > 0 ? TABLE_RIGHT : TABLE_LEFT);
    for (size_t i = 0; i < incident->sighting_count; i++) {
        const Candor__V1__ClientCounts *clients = incident->sightings[i].seen->clients;
        if (clients == NULL)
            continue;
        table_cell(table, TABLE_PLAIN, "%s", incident->sightings[i].node);
        table_cell(table, TABLE_PLAIN, "%" PRIu64, clients->not_primary);
        table_cell(table, TABLE_PLAIN, "%" PRIu64, clients->no_primary);
        table_cell(table, TABLE_PLAIN, "%" PRIu64, clients->outcome_unknown);
        table_cell(table, TABLE_PLAIN, "%" PRIu64, clients->redirects);
    }
    output_line(stdout,
                "  clients     since it began, of each node: writes refused, writes with unknown "
                "outcome, redirects");
    table_print(table, stdout);
    table_free(table);
}

static const struct incident *newest_failover(const struct report *report)
{
    for (size_t i = report->count; i-- > 0;)
        if (is_failover(&report->incidents[i]))
            return &report->incidents[i];
    return NULL;
}

static int run_last(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_DONE;
    struct report report;
    if (gather(ctx, &report, &status)) {
        const struct incident *incident = newest_failover(&report);
        if (context_json(ctx)) {
            json_t *out = json_object();
            json_object_set_new(out, "failover",
                                incident != NULL ? json_incident(&report, incident) : json_null());
            output_json(ctx, out);
        } else if (incident != NULL) {
            print_head(incident);
            print_gaps(incident);
            print_discarded(&report, incident);
            print_clients(incident);
        } else {
            output_note(ctx, "failover last: no node remembers one since it was started");
        }
    }
    report_free(&report);
    return status;
}

#define REMEMBERED                                                                                 \
    "Each node remembers the newest 16 changes of primary that it saw since it was started, and "  \
    "this asks all of them. "

const struct command command_failover_last = {
    .name = "failover last",
    .group = GROUP_OPERATE,
    .args = "",
    .summary = "What the last failover has cost",
    .description = REMEMBERED
    "It shows who was primary and who is; for how long no writes were taken, and who measured it; "
    "which acknowledged LOCAL writes were discarded, and the archives that hold them; and what "
    "clients were answered meanwhile.\n\n"
    "It also says what cannot be known: a primary that has not come back may hold acknowledged "
    "writes that no other node has received, and a primary that was only cut off may have taken "
    "LOCAL writes all the time. Counters of a killed node are lost.",
    .examples = "kvctl failover last\n"
                "kvctl failover last -o json | jq '.failover.discarded'\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_last,
};

/* ---- ls -------------------------------------------------------------------------------------- */

static void add_row(struct table *table, const struct incident *incident)
{
    char wall[WALL_TEXT_BYTES];
    char age[AGE_TEXT_BYTES];
    table_cell(table, TABLE_PLAIN, "%" PRIu64, incident->epoch.term);
    table_cell(table, TABLE_PLAIN, "%" PRIu64, incident->epoch.generation);
    table_cell(table, TABLE_PLAIN, "%s", wall_text(dated_by(incident)->seen->wall_ms, wall));
    table_cell(table, TABLE_PLAIN, "%s", cause_text(incident));
    table_cell(table, TABLE_PLAIN, "%s",
               incident->previous.term != 0 ? incident->previous.owner.text : NONE);
    table_cell(table, TABLE_PLAIN, "%s", incident->epoch.owner.text);
    table_cell(table, TABLE_PLAIN, "%s",
               has_gap(incident->opener) ? age_text(incident->opener->seen->gap_ms, age) : NONE);
    table_cell(table, incident->local > 0 ? TABLE_WARN : TABLE_PLAIN, "%" PRIu64, incident->local);
}

static void print_all(const struct report *report)
{
    static const char *const headers[] = {"EPOCH", "GENERATION", "WHEN",      "CAUSE",
                                          "FROM",  "TO",         "NO WRITES", "DISCARDED"};
    struct table *table = table_new();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        table_column(table, headers[i], i < 2 || i > 5 ? TABLE_RIGHT : TABLE_LEFT);
    for (size_t i = 0; i < report->count; i++)
        add_row(table, &report->incidents[i]);
    table_print(table, stdout);
    table_free(table);
}

static int run_ls(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_DONE;
    struct report report;
    if (gather(ctx, &report, &status)) {
        json_t *incidents = json_array();
        for (size_t i = 0; i < report.count; i++)
            json_array_append_new(incidents, json_incident(&report, &report.incidents[i]));
        if (context_json(ctx)) {
            json_t *out = json_object();
            json_object_set(out, "failovers", incidents);
            output_json(ctx, out);
        } else if (report.count > 0) {
            print_all(&report);
        } else {
            output_note(ctx, "failover ls: no node remembers one since it was started");
        }
        json_decref(incidents);
    }
    report_free(&report);
    return status;
}

const struct command command_failover_ls = {
    .name = "failover ls",
    .group = GROUP_OPERATE,
    .args = "",
    .summary = "List the changes of primary that the nodes remember",
    .description =
        REMEMBERED "NO WRITES is what the new primary measured: from the last heartbeat of the old "
                   "one that it heard to its first record on disk. DISCARDED counts acknowledged "
                   "LOCAL writes in archives of nodes that answer. `kvctl failover last` shows "
                   "more.",
    .examples = "kvctl failover ls\nkvctl failover ls -o json | jq '.failovers[] | .cause'\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_ls,
};
