/* Errors: what is wrong, what to do, and an exit status. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 1024

static void print_error(struct command_context *ctx, const char *what, const char *hint)
{
    /* the JSON line says it all */
    if (ctx->json)
        return;
    fflush(stdout);
    bool question = what[0] != '\0' && what[strlen(what) - 1] == '?';
    output_line(stderr, "kvctl: %s%s%s%s%s", ctx->command != NULL ? ctx->command->name : "",
                ctx->command != NULL ? ": " : "", what,
                hint == NULL ? ""
                : question   ? " "
                             : "; ",
                hint != NULL ? hint : "");
}

static void add_json(struct command_context *ctx, const struct candor_error *error,
                     const struct candor_result *result, const char *hint)
{
    json_t *inner = json_object();
    json_object_set_new(inner, "command",
                        ctx->command != NULL ? json_string(ctx->command->name) : json_null());
    json_object_set_new(inner, "code", json_string(candor_code_name(error->code)));
    json_object_set_new(inner, "reason", json_string(candor_reason_name(error->reason)));
    json_set_bytes(inner, "message", error->message, strlen(error->message));
    if (hint != NULL)
        json_set_bytes(inner, "hint", hint, strlen(hint));
    else
        json_object_set_new(inner, "hint", json_null());
    bool primary = result != NULL && result->primary[0] != '\0';
    bool endpoint = result != NULL && result->endpoint[0] != '\0';
    json_object_set_new(inner, "primary", primary ? json_string(result->primary) : json_null());
    json_object_set_new(inner, "endpoint", endpoint ? json_string(result->endpoint) : json_null());
    json_object_set_new(inner, "freshness",
                        result != NULL && result->has_freshness ? json_freshness(&result->freshness)
                                                                : json_null());
    if (result != NULL && result->lost_archive[0] != '\0')
        json_set_bytes(inner, "lost_archive", result->lost_archive, strlen(result->lost_archive));
    if (result != NULL && result->missed_count > 0)
        json_object_set_new(inner, "missed", json_missed(result));
    if (ctx->errors == NULL)
        ctx->errors = json_array();
    json_array_append_new(ctx->errors, inner);
}

void report_flush(struct command_context *ctx)
{
    char *violation = atomic_exchange(&ctx->violation, NULL);
    if (ctx->errors == NULL && violation == NULL)
        return;
    json_t *outer = json_object();
    if (ctx->errors != NULL) {
        json_object_set(outer, "error", json_array_get(ctx->errors, 0));
        json_array_remove(ctx->errors, 0);
        if (json_array_size(ctx->errors) > 0)
            json_object_set(outer, "more", ctx->errors);
    }
    if (violation != NULL)
        json_set_bytes(outer, "violation", violation, strlen(violation));
    free(violation);
    fflush(stdout);
    json_dumpf(outer, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(outer);
    json_decref(ctx->errors);
    ctx->errors = NULL;
}

int report_usage(struct command_context *ctx, const char *hint, const char *format, ...)
{
    struct candor_error error = {.code = CANDOR_INVALID_ARGUMENT};
    char help[96] = "see `kvctl --help`";
    va_list list;
    va_start(list, format);
    vsnprintf(error.message, sizeof error.message, format, list);
    va_end(list);
    if (hint == NULL && ctx->command != NULL)
        snprintf(help, sizeof help, "see `kvctl help %s`", ctx->command->name);
    hint = hint != NULL ? hint : help; /* whole, however long it is */
    print_error(ctx, error.message, hint);
    if (ctx->json)
        add_json(ctx, &error, NULL, hint);
    return EXIT_USAGE;
}

const char *topology_hint(enum candor_code code)
{
    return code == CANDOR_NOT_FOUND ? "name a topology's YAML file"
                                    : "`kvctl topology check FILE` shows every problem";
}

/* What usually helps. */
static const char *hint_for(const struct command_context *ctx, const struct candor_error *error)
{
    switch (error->reason) {
    case CANDOR_REASON_NO_PRIMARY:
        return "`kvctl status` shows the nodes; `kvctl promote NODE` makes one of them the primary";
    case CANDOR_REASON_NO_MAJORITY:
        return "`kvctl status` shows which nodes answer; `kvctl help promote` says what --force "
               "costs";
    case CANDOR_REASON_TOO_STALE:
        return "allow a larger --max-staleness, or ask the primary";
    case CANDOR_REASON_SESSION_BEHIND:
        return "allow a longer --deadline, or ask the primary";
    case CANDOR_REASON_SESSION_LOST:
        return "`kvctl rollback ls` shows what was rolled back; go on with --new-session";
    case CANDOR_REASON_SYNCING:
        return "ask the primary, or take what the node has with --allow-syncing";
    case CANDOR_REASON_EXPIRED:
        return "the topology's reject_after asks for this; `kvctl status` shows who is reachable";
    case CANDOR_REASON_FORKED:
        return "see `kvctl help accept-history`";
    case CANDOR_REASON_DOUBTFUL:
        return "ask another node; `kvctl status` shows since which record its data differ";
    case CANDOR_REASON_REQUEST_ID_REUSED:
        return "this write was not made: make it again, if it is still wanted";
    case CANDOR_REASON_OUTCOME_UNKNOWN:
        return "the write may have been done: read the key before you retry";
    case CANDOR_REASON_LEVEL_UNAVAILABLE:
        return "this version of kvd does not serve that level";
    case CANDOR_REASON_UNKNOWN_METHOD:
        return "check that a node's rpc address was meant, not its peer address; or its kvd is "
               "older than this kvctl";
    case CANDOR_REASON_MAX_HOPS:
        return "the nodes disagree on who is the primary; `kvctl status` shows what each believes";
    case CANDOR_REASON_FOREIGN_CLUSTER:
        return "the session or address is of another cluster";
    case CANDOR_REASON_DISK_FULL:
        return "make room on the node's disk";
    case CANDOR_REASON_STATE_FULL:
        return "delete keys, or raise limits.state in the topology and restart the nodes";
    case CANDOR_REASON_OVERLOADED:
        return "try again later, or with a longer --deadline";
    case CANDOR_REASON_TOO_LARGE:
        return "split it, or raise the limit in the topology and restart the nodes";
    default:
        break;
    }
    bool silent = error->code == CANDOR_UNAVAILABLE || error->code == CANDOR_DEADLINE_EXCEEDED;
    if (silent && context_endpoint(ctx) != NULL)
        return "check that a node's rpc address was meant and that the node runs";
    if (silent)
        return "`kvctl status` shows which nodes can be reached";
    return NULL;
}

#define ANY_REASON ((enum candor_reason) - 1)

/* The one table of exit statuses: the first line that fits counts. */
static const struct {
    enum candor_code code;
    enum candor_reason reason;
    enum command_status status;
} statuses[] = {
    {CANDOR_OK, ANY_REASON, EXIT_DONE},
    {CANDOR_NOT_FOUND, ANY_REASON, EXIT_NOT_FOUND},
    {CANDOR_INVALID_ARGUMENT, CANDOR_REASON_REQUEST_ID_REUSED, EXIT_CONFLICT},
    {CANDOR_INVALID_ARGUMENT, ANY_REASON, EXIT_USAGE},
    {CANDOR_UNIMPLEMENTED, ANY_REASON, EXIT_USAGE},
    {CANDOR_OUT_OF_RANGE, ANY_REASON, EXIT_CONFLICT},
    {CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE, EXIT_USAGE},
    {CANDOR_RESOURCE_EXHAUSTED, ANY_REASON, EXIT_UNAVAILABLE},
    {CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE, EXIT_CONFLICT},
    {CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_LOST, EXIT_CONFLICT},
    {CANDOR_FAILED_PRECONDITION, ANY_REASON, EXIT_REDIRECTED},
    {CANDOR_DATA_LOSS, ANY_REASON, EXIT_INTEGRITY},
    {CANDOR_CANCELLED, ANY_REASON, EXIT_UNAVAILABLE},
    {CANDOR_DEADLINE_EXCEEDED, ANY_REASON, EXIT_UNAVAILABLE},
    {CANDOR_UNAVAILABLE, ANY_REASON, EXIT_UNAVAILABLE},
    {CANDOR_ALREADY_EXISTS, ANY_REASON, EXIT_CONFLICT},
    {CANDOR_ABORTED, ANY_REASON, EXIT_CONFLICT},
};

int status_of(const struct candor_error *error)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].code == error->code &&
            (statuses[i].reason == ANY_REASON || statuses[i].reason == error->reason))
            return statuses[i].status;
    return EXIT_OTHER;
}

int report_error(struct command_context *ctx, const struct candor_error *error, const char *hint)
{
    return report_result(ctx, error, NULL, hint);
}

int report_result(struct command_context *ctx, const struct candor_error *error,
                  const struct candor_result *result, const char *hint)
{
    char what[MESSAGE_BYTES];
    char redirect[320];
    snprintf(what, sizeof what, "%s%s%s: %s", candor_code_name(error->code),
             error->reason != CANDOR_REASON_NONE ? "/" : "",
             error->reason != CANDOR_REASON_NONE ? candor_reason_name(error->reason) : "",
             error->message);
    int status = status_of(error);
    if (hint == NULL && status == EXIT_REDIRECTED && result != NULL &&
        result->endpoint[0] != '\0') {
        bool heard = error->reason != CANDOR_REASON_NO_PRIMARY;
        snprintf(redirect, sizeof redirect,
                 "the %sprimary %s %s at %s: ask it, or leave out --no-redirect",
                 heard ? "" : "last ", heard ? "is" : "that it knows was",
                 result->primary[0] != '\0' ? result->primary : "(unnamed)", result->endpoint);
        hint = redirect;
    }
    /* nobody to send the caller to */
    if (status == EXIT_REDIRECTED && (result == NULL || result->endpoint[0] == '\0'))
        status = EXIT_UNAVAILABLE;
    hint = hint != NULL ? hint : hint_for(ctx, error);
    print_error(ctx, what, hint);
    if (ctx->json)
        add_json(ctx, error, result, hint);
    return status;
}
