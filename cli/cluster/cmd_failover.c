/* kvctl failover last, ls: what changes of primary have cost. */
#include <inttypes.h>
#include <string.h>

#include "cli/cluster/archives.h"
#include "cli/cluster/failover.h"
#include "cli/frame/command.h"

#define NONE "-"
#define REMEMBERED                                                                                 \
    "Each node remembers the newest 16 changes of primary that it saw since it was started, and "  \
    "this asks all of them. "

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
        if (strcmp(sentences[i].cause, failover_cause(incident)) == 0)
            return sentences[i].sentence;
    return "; it does not answer, or was restarted since: how it came to be is not known";
}

static void print_head(const struct incident *incident)
{
    char wall[WALL_TEXT_BYTES];
    const struct sighting *dated = failover_dated_by(incident);
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
    if (failover_has_gap(incident->opener))
        output_line(stdout, "  no writes   at %s for %s: from %s to its first record on disk",
                    incident->opener->node, age_text(incident->opener->seen->gap_ms, age),
                    led_on ? "its first refusal"
                           : "the last heartbeat of the old primary that it heard");
    else
        output_line(stdout, "  no writes   at %s for a time that was not measured",
                    incident->epoch.owner.text);
    for (size_t i = 0; i < incident->sighting_count; i++)
        if (&incident->sightings[i] != incident->opener &&
            failover_has_gap(&incident->sightings[i]))
            print_gap(incident, &incident->sightings[i]);
}

static void print_discarded(const struct failover_report *report, const struct incident *incident)
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
    if (failover_old_primary_is_out(incident))
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

static const struct incident *newest_failover(const struct failover_report *report)
{
    for (size_t i = report->count; i-- > 0;)
        if (failover_had_primary(&report->incidents[i]))
            return &report->incidents[i];
    return NULL;
}

static int run_last(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_DONE;
    struct failover_report report;
    if (failover_gather(ctx, &report, &status)) {
        const struct incident *incident = newest_failover(&report);
        if (context_json(ctx)) {
            json_t *out = json_object();
            json_object_set_new(out, "failover",
                                incident != NULL ? failover_json(&report, incident) : json_null());
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
    failover_report_free(&report);
    return status;
}

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
    table_cell(table, TABLE_PLAIN, "%s",
               wall_text(failover_dated_by(incident)->seen->wall_ms, wall));
    table_cell(table, TABLE_PLAIN, "%s", failover_cause(incident));
    table_cell(table, TABLE_PLAIN, "%s",
               incident->previous.term != 0 ? incident->previous.owner.text : NONE);
    table_cell(table, TABLE_PLAIN, "%s", incident->epoch.owner.text);
    table_cell(table, TABLE_PLAIN, "%s",
               failover_has_gap(incident->opener) ? age_text(incident->opener->seen->gap_ms, age)
                                                  : NONE);
    table_cell(table, incident->local > 0 ? TABLE_WARN : TABLE_PLAIN, "%" PRIu64, incident->local);
}

static void print_all(const struct failover_report *report)
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
    struct failover_report report;
    if (failover_gather(ctx, &report, &status)) {
        json_t *incidents = json_array();
        for (size_t i = 0; i < report.count; i++)
            json_array_append_new(incidents, failover_json(&report, &report.incidents[i]));
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
    failover_report_free(&report);
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
