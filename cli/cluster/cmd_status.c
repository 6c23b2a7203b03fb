/* kvctl status, watch-status, health. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/cluster/drift.h"
#include "cli/frame/node_call.h"

#define STATUS_DEADLINE_MS 1000
#define NONE "-"

/* ---- As JSON ---- */

static void set_id(json_t *object, const char *name, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    json_object_set_new(object, name, json_string(text));
}

static void set_status(json_t *object, const struct candor_status *status)
{
    json_object_set_new(object, "pid", json_u64(status->pid));
    json_object_set_new(object, "version", json_string(status->version));
    json_object_set_new(object, "uptime_ms", json_u64(status->uptime_ms));
    json_object_set_new(object, "boot", json_u64(status->boot));
    json_object_set_new(object, "lag", json_u64(status->lag));
    json_object_set_new(object, "last_seq", json_u64(status->last.seq));
    json_object_set_new(object, "durable_seq", json_u64(status->durable_seq));
    json_object_set_new(object, "match_seq", json_u64(status->match_seq));
    json_object_set_new(object, "log_first_seq", json_u64(status->log_first_seq));
    json_object_set_new(object, "log_bytes", json_u64(status->log_bytes));
    json_object_set_new(object, "state_bytes", json_u64(status->state_bytes));
    json_object_set_new(object, "keys", json_u64(status->keys));
    json_object_set_new(object, "at_risk", json_u64(status->at_risk));
    json_object_set_new(object, "no_room", json_boolean(status->no_room));
    json_object_set_new(object, "rollbacks", json_u64(status->rollback_count));
    json_object_set_new(object, "digest", json_string(status->digest));
    json_object_set_new(object, "equal_seq", json_u64(status->equal_seq));
    json_object_set_new(object, "differs_seq", json_u64(status->differs_seq));
    json_object_set_new(object, "scrubbed_age_ms",
                        status->has_scrubbed_age ? json_u64(status->scrubbed_age_ms) : json_null());
    json_object_set_new(object, "scrub_findings", json_u64(status->scrub_findings));
    json_object_set_new(object, "scrub_finding",
                        status->scrub_finding[0] != '\0' ? json_string(status->scrub_finding)
                                                         : json_null());
    json_object_set_new(object, "admitted", json_boolean(status->admitted));
    json_object_set_new(object, "primary",
                        status->primary[0] != '\0' ? json_string(status->primary) : json_null());
    set_id(object, "cluster_id", status->cluster_id);
    set_id(object, "store_id", status->store_id);
}

static json_t *json_row(const struct node_row *row)
{
    static const char *const unknown[] = {"role",
                                          "epoch",
                                          "pid",
                                          "version",
                                          "heartbeat_age_ms",
                                          "staleness_bound_ms",
                                          "applied_seq",
                                          "primary_seq",
                                          "commit_seq",
                                          "lag",
                                          "admitted",
                                          NULL};
    json_t *out = json_object();
    json_object_set_new(out, "node",
                        row->target.id[0] != '\0' ? json_string(row->target.id) : json_null());
    if (row->result.error.code != CANDOR_OK || !row->result.has_freshness) {
        json_object_set_new(out, "state", json_string("UNREACHABLE"));
        for (size_t i = 0; unknown[i] != NULL; i++)
            json_object_set_new(out, unknown[i], json_null());
        json_object_set_new(out, "stale", json_null());
        json_set_bytes(out, "error", row->result.error.message, strlen(row->result.error.message));
    } else {
        json_t *freshness = json_freshness(&row->result.freshness);
        json_object_update(out, freshness); /* node, role, state, epoch ... in this order */
        json_decref(freshness);
        set_status(out, &row->status);
    }
    json_object_set_new(out, "address", json_string(row->target.address));
    return out;
}

static json_t *json_rows(const struct node_row *rows, size_t count, const struct drift *drift)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_row(&rows[i]);
        json_object_set_new(row, "unknown_to", drift_json(drift, rows, count, i));
        json_array_append_new(nodes, row);
    }
    json_t *out = json_object();
    json_object_set_new(out, "nodes", nodes);
    return out;
}

/* ---- As a table ---- */

static bool reached(const struct node_row *row)
{
    return row->result.error.code == CANDOR_OK && row->result.has_freshness;
}

static enum table_colour state_colour(enum candor_state state)
{
    switch (state) {
    case CANDOR_STATE_FRESH:
        return TABLE_GOOD;
    case CANDOR_STATE_STALE:
    case CANDOR_STATE_SYNCING:
        return TABLE_WARN;
    default:
        return TABLE_BAD;
    }
}

static void add_unreachable(struct table *table, const struct node_row *row)
{
    table_cell(table, TABLE_PLAIN, "%s", row->target.id[0] != '\0' ? row->target.id : NONE);
    table_cell(table, TABLE_DIM, NONE);
    table_cell(table, TABLE_BAD, "UNREACHABLE");
    for (int i = 0; i < 7; i++)
        table_cell(table, TABLE_DIM, NONE);
    table_cell(table, TABLE_PLAIN, "%s", row->target.address);
}

static void add_row(struct table *table, const struct node_row *row)
{
    const struct candor_freshness *f = &row->result.freshness;
    char age[AGE_TEXT_BYTES];
    if (!reached(row)) {
        add_unreachable(table, row);
        return;
    }
    bool primary = f->role == CANDOR_ROLE_PRIMARY;
    table_cell(table, TABLE_PLAIN, "%s", f->node);
    table_cell(table, primary ? TABLE_GOOD : TABLE_PLAIN, "%s", candor_role_name(f->role));
    table_cell(table, state_colour(f->state), "%s", candor_state_name(f->state));
    table_cell(table, TABLE_PLAIN, "%" PRIu64, f->epoch.term);
    table_cell(table, TABLE_PLAIN, "%s",
               f->has_heartbeat_age ? age_text(f->heartbeat_age_ms, age) : NONE);
    table_cell(table, f->has_staleness_bound ? TABLE_PLAIN : TABLE_DIM, "%s",
               f->has_staleness_bound ? age_text(f->staleness_bound_ms, age) : NONE);
    table_cell(table, TABLE_PLAIN, "%" PRIu64, f->applied_seq);
    if (f->primary_seq > 0)
        table_cell(table, TABLE_PLAIN, "%" PRIu64, f->primary_seq);
    else
        table_cell(table, TABLE_DIM, NONE); /* it has announced nothing yet */
    table_cell(table, TABLE_PLAIN, "%" PRIu64, f->commit_seq);
    table_cell(table, row->status.lag > 0 ? TABLE_WARN : TABLE_PLAIN, "%" PRIu64, row->status.lag);
    table_cell(table, TABLE_PLAIN, "%s", row->target.address);
}

/* What the columns do not show. */
static void print_remarks(const struct node_row *rows, size_t count)
{
    const struct node_row *primary = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct node_row *row = &rows[i];
        if (!reached(row)) {
            output_line(stdout, "%s: %s",
                        row->target.id[0] != '\0' ? row->target.id : row->target.address,
                        row->result.error.message);
            continue;
        }
        if (row->status.differs_seq > 0)
            output_line(
                stdout,
                "%s: its data differ from the others' since a record after %" PRIu64 ", at %" PRIu64
                " at the latest: it serves nothing; see \"Data that differ\" in docs/operations.md",
                row->target.id, row->status.equal_seq, row->status.differs_seq);
        if (row->status.scrub_finding[0] != '\0')
            output_line(stdout, "%s: has found rot in its %s", row->target.id,
                        row->status.scrub_finding);
        if (!row->status.admitted)
            output_line(stdout,
                        "%s: not admitted yet: its disk is new, or another node's. It waits for a "
                        "majority to admit it, and does not count as a voter until then",
                        row->target.id);
        if (row->status.rollback_count > 0)
            output_line(stdout, "%s: holds %" PRIu64 " rollback archive%s: see `kvctl rollback ls`",
                        row->target.id, row->status.rollback_count,
                        row->status.rollback_count == 1 ? "" : "s");
        if (row->status.no_room)
            output_line(stdout, "%s: its disk is full: make room%s", row->target.id,
                        row->result.freshness.role == CANDOR_ROLE_PRIMARY
                            ? ", or hand over with `kvctl transfer`"
                            : "");
        if (row->status.at_risk > 0)
            output_line(stdout,
                        "%s: at risk: %" PRIu64
                        " acknowledged LOCAL %s not committed; a failover may "
                        "roll %s back",
                        row->target.id, row->status.at_risk,
                        row->status.at_risk == 1 ? "write is" : "writes are",
                        row->status.at_risk == 1 ? "it" : "them");
        if (row->result.freshness.role != CANDOR_ROLE_PRIMARY)
            continue;
        if (primary != NULL) {
            bool newer = candor_epoch_compare(&row->result.freshness.epoch,
                                              &primary->result.freshness.epoch) > 0;
            output_line(
                stdout,
                "%s and %s both say that they are primary; the epoch of %s is the newer one",
                primary->target.id, row->target.id, newer ? row->target.id : primary->target.id);
        }
        primary = row;
    }
}

static void print_rows(const struct node_row *rows, size_t count, const struct drift *drift)
{
    static const char *const headers[] = {"NODE",   "ROLE",    "STATE",   "EPOCH",
                                          "HEARD",  "MAX AGE", "APPLIED", "PRIMARY",
                                          "COMMIT", "LAG",     "ADDRESS"};
    struct table *table = table_new();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        table_column(table, headers[i], i >= 3 && i <= 9 ? TABLE_RIGHT : TABLE_LEFT);
    for (size_t i = 0; i < count; i++)
        add_row(table, &rows[i]);
    table_print(table, stdout);
    table_free(table);
    print_remarks(rows, count);
    drift_print(drift, rows, count);
    fflush(stdout);
}

static int any_reached(const struct node_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (reached(&rows[i]))
            return EXIT_DONE;
    }
    return EXIT_UNAVAILABLE;
}

/* Rows of the targets, malloc'd; NULL after a report. */
static struct node_row *ask_rows(struct command_context *ctx, size_t *count, struct drift *drift,
                                 int *status)
{
    struct node_target targets[LIMIT_NODES];
    *count = node_targets(ctx, targets, status);
    if (*count == 0)
        return NULL;
    struct node_row *rows = calloc(*count, sizeof *rows);
    if (rows == NULL)
        return NULL;
    uint32_t deadline_ms = (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS);
    node_rows(targets, *count, deadline_ms, rows);
    drift_find(rows, *count, deadline_ms, drift);
    return rows;
}

static int run_status(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_OTHER;
    size_t count;
    struct drift drift;
    struct node_row *rows = ask_rows(ctx, &count, &drift, &status);
    if (rows == NULL)
        return status;
    if (context_json(ctx))
        output_json(ctx, json_rows(rows, count, &drift));
    else
        print_rows(rows, count, &drift);
    status = any_reached(rows, count);
    free(rows);
    return status;
}

#define COLUMNS                                                                                    \
    "HEARD: how long ago the node heard its primary. MAX AGE: its data are no older, which is "    \
    "proven (a dash: nothing proves an age). APPLIED, PRIMARY and COMMIT are positions: what the " \
    "node has, what the primary has announced, what no election can take back. LAG: how many "     \
    "records it is behind."

const struct command command_status = {
    .name = "status",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "Who is primary, who lags, who is cut off",
    .description =
        "Asks every node of the topology at the same time, for at most --deadline (1s), and "
        "prints a row for each, unreachable ones too.\n\n" COLUMNS
        "\n\nExit status 5: no node answered.",
    .examples = "kvctl status\n"
                "kvctl status --node b\n"
                "kvctl status -o json | jq '.nodes[] | select(.stale)'\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_status,
};

/* ---- watch-status ---- */

static const struct option_spec watch_options[] = {
    {"interval", 'i', "DURATION", false, "Time between two looks; default: 1s"},
    {"count", 'c', "COUNT", false, "Stop after this many looks"},
    {0},
};

static void sleep_until(uint64_t until_ns)
{
    while (!interrupt_seen()) {
        uint64_t now = clock_boot_ns();
        if (now >= until_ns)
            return;
        struct timespec left = {.tv_sec = (time_t)((until_ns - now) / NS_PER_S),
                                .tv_nsec = (long)((until_ns - now) % NS_PER_S)};
        nanosleep(&left, NULL); /* an interrupt ends it */
    }
}

static void wall_text(char out[32])
{
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &parts);
}

static void show_tick(struct command_context *ctx, const struct node_row *rows, size_t count,
                      const struct drift *drift)
{
    char at[32];
    wall_text(at);
    if (context_json(ctx)) {
        json_t *out = json_rows(rows, count, drift);
        json_object_set_new(out, "wall_ms", json_u64(clock_wall_ms()));
        output_json(ctx, out);
        return;
    }
    bool screen = isatty(STDOUT_FILENO);
    printf("%s%s\n", screen ? "\033[H\033[J" : "", at);
    print_rows(rows, count, drift);
    if (!screen)
        putchar('\n');
    fflush(stdout);
}

static int run_watch(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    uint64_t interval_ms = 1000;
    uint64_t looks = UINT64_MAX;
    int status = EXIT_DONE;
    if (!option_duration_ms(ctx, "interval", &interval_ms) ||
        !option_number(ctx, "count", 1, UINT64_MAX, &looks))
        return EXIT_USAGE;
    if (interval_ms == 0)
        return report_usage(ctx, NULL, "--interval is 0");
    interrupt_begin();
    uint64_t next = clock_boot_ns();
    for (uint64_t n = 0; n < looks && !interrupt_seen(); n++) {
        sleep_until(next);
        next = clock_boot_ns() + interval_ms * NS_PER_MS;
        size_t count;
        struct drift drift;
        struct node_row *rows = interrupt_seen() ? NULL : ask_rows(ctx, &count, &drift, &status);
        if (rows == NULL)
            break;
        show_tick(ctx, rows, count, &drift);
        status = any_reached(rows, count);
        free(rows);
    }
    status = interrupt_seen() ? EXIT_DONE : status;
    interrupt_end();
    return status;
}

const struct command command_watch_status = {
    .name = "watch-status",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "The status, again and again",
    .description = "Prints what `kvctl status` prints, every --interval until ^C; on a terminal it "
                   "is drawn in "
                   "place. With -o json each look is one line.",
    .examples = "kvctl watch-status\n"
                "kvctl watch-status --interval 200ms --count 50 -o json > outage.jsonl\n",
    .options = watch_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_watch,
};

/* ---- health ---- */

static const char *health_name(Candor__V1__HealthResponse__ServingStatus status)
{
    switch (status) {
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVING:
        return "SERVING";
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_NOT_SERVING:
        return "NOT_SERVING";
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN:
        return "SERVICE_UNKNOWN";
    default:
        return "UNKNOWN";
    }
}

/* Returns whether it serves; `answer` is its name for it, or UNREACHABLE. */
static bool ask_health(struct command_context *ctx, const struct node_target *target,
                       const char **answer, struct candor_result *result)
{
    Candor__V1__HealthRequest request = CANDOR__V1__HEALTH_REQUEST__INIT;
    ProtobufCMessage *message =
        node_call(target->address, "/candor.v1.Cluster/Health", &request.base,
                  &candor__v1__health_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS), result);
    *answer = "UNREACHABLE";
    if (message == NULL)
        return false;
    *answer = health_name(((Candor__V1__HealthResponse *)message)->status);
    protobuf_c_message_free_unpacked(message, NULL);
    return strcmp(*answer, "SERVING") == 0;
}

static int run_health(struct command_context *ctx, int argc, char **argv)
{
    struct node_target targets[LIMIT_NODES];
    int status = EXIT_DONE;
    size_t count = 0;
    if (argc == 1)
        count = node_target_named(ctx, argv[0], &targets[0], &status);
    else
        count = node_targets(ctx, targets, &status);
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *answer;
        struct candor_result result;
        if (!ask_health(ctx, &targets[i], &answer, &result))
            status = EXIT_UNAVAILABLE;
        const char *id = targets[i].id[0] != '\0' ? targets[i].id : result.freshness.node;
        json_t *node = json_object();
        json_object_set_new(node, "node", id[0] != '\0' ? json_string(id) : json_null());
        json_object_set_new(node, "status", json_string(answer));
        json_object_set_new(node, "state",
                            result.has_freshness
                                ? json_string(candor_state_name(result.freshness.state))
                                : json_null());
        json_array_append_new(nodes, node);
        if (!context_json(ctx))
            printf("%s\t%s%s%s\n", id[0] != '\0' ? id : targets[i].address, answer,
                   result.error.message[0] != '\0' ? "\t" : "", result.error.message);
    }
    if (count > 0 && context_json(ctx)) {
        json_t *out = json_object();
        json_object_set(out, "nodes", nodes);
        output_json(ctx, out);
    }
    json_decref(nodes);
    return status;
}

const struct command command_health = {
    .name = "health",
    .group = GROUP_CLUSTER,
    .args = "[NODE]",
    .summary = "Whether a node serves, for scripts and supervisors",
    .description =
        "Asks NODE (or every node) whether it serves reads. A node that is cut off serves: its "
        "answers "
        "are flagged. One that is catching up, expired or forked does not. Exit status 5: "
        "one of them does not serve, or cannot be reached.",
    .examples = "kvctl health b && echo b serves\n"
                "kvctl health --endpoint tcp://127.0.0.1:7000\n",
    .min_args = 0,
    .max_args = 1,
    .run = run_health,
};
