/* kvctl watch: what happens in a range of keys, a line an event. */
#include <candor/watch.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/keys/reading.h"
#include "cli/keys/watch_cursor.h"
#include "cli/keys/watch_event.h"
#include "cli/keys/watch_exec.h"

/* How long one look waits: ^C is noticed between two. */
enum { LOOK_MS = 1000 };

static const struct option_spec watch_options[] = {
    {"key", 0, "KEY", false, "Watch this key alone"},
    {"start", 0, "KEY", false, "Watch the keys from this one on"},
    {"end", 0, "KEY", false, "The first key not watched"},
    {"since", 0, "SEQ", false, "Begin with the record of this seq; default: with what comes"},
    {"state", 0, NULL, false, "Show what is there first"},
    {"cursor", 0, "FILE", false,
     "Go on where the last watch with FILE ended; it is made if missing"},
    {"uncommitted", 0, NULL, false,
     "Show at once what is not committed yet, and what is taken back"},
    {"no-puts", 0, NULL, false, "Leave puts out"},
    {"no-deletes", 0, NULL, false, "Leave deletes out"},
    {"count", 'c', "COUNT", false,
     "Stop after this many events; what one operation did is shown whole"},
    {"progress", 0, NULL, false, "Say how far the watch has seen when nothing happens"},
    {"exec", 'x', "COMMAND", false,
     "Run COMMAND by the shell for each event, with its JSON as standard input"},
    {0},
};

/* A watch that goes on. */
struct watching {
    struct command_context *ctx;
    struct candor_watch *watch;
    const char *cursor_file;   /* NULL: none */
    const char *command;       /* of --exec; NULL: none */
    uint64_t left;             /* events to show */
    uint64_t until_ns;         /* --deadline; UINT64_MAX: none */
    bool stale;                /* as it was told last */
    bool silent;               /* no node answers, and it was told */
    struct candor_error error; /* why, then */
};

/* ---- Events ---------------------------------------------------------------------------------- */

/* The status of --exec's command where it fails. */
static int show_event(const struct watching *watching, const struct candor_event *event)
{
    if (watching->command == NULL && !context_json(watching->ctx)) {
        watch_print(event);
        return EXIT_DONE;
    }
    json_t *json = watch_json(event);
    if (watching->command == NULL) {
        output_json(watching->ctx, json);
        return EXIT_DONE;
    }
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    int status = watch_exec(watching->ctx, watching->command, text);
    free(text);
    return status;
}

/* On the way to stale, and back; and with --progress each time. */
static void show_progress(struct watching *watching, const struct candor_changes *changes)
{
    const struct candor_freshness *fresh = &changes->freshness;
    bool asked = option_given(watching->ctx, "progress") && changes->count == 0;
    if (context_json(watching->ctx) && asked && watching->command == NULL) {
        json_t *out = json_object();
        json_object_set_new(out, "type", json_string("progress"));
        json_object_set_new(out, "seq", json_u64(changes->seen_seq));
        json_object_set_new(out, "freshness", json_freshness(fresh));
        output_json(watching->ctx, out);
        return;
    }
    char age[AGE_TEXT_BYTES];
    char bound[64] = "nothing proves how old that is";
    if (fresh->has_staleness_bound)
        snprintf(bound, sizeof bound, "at most %s old", age_text(fresh->staleness_bound_ms, age));
    if (asked || fresh->stale != watching->stale)
        output_note(watching->ctx, "%s, seen up to seq %" PRIu64 " at node %s: %s",
                    fresh->stale ? "STALE" : "fresh", changes->seen_seq, fresh->node, bound);
    watching->stale = fresh->stale;
}

static int show(struct watching *watching, const struct candor_changes *changes)
{
    size_t shown = 0;
    /* What one operation did is shown as a whole. */
    bool more = false;
    for (; shown < changes->count && (watching->left > 0 || more); shown++) {
        int status = show_event(watching, &changes->events[shown]);
        if (status != EXIT_DONE)
            return status;
        more = changes->events[shown].more;
        if (watching->left > 0 && changes->events[shown].type != CANDOR_EVENT_STATE_END)
            watching->left--;
    }
    fflush(stdout);
    show_progress(watching, changes);
    /* What was shown in part is shown again. */
    return shown == changes->count
               ? watch_cursor_keep(watching->ctx, watching->watch, watching->cursor_file)
               : EXIT_DONE;
}

/* ---- Going on -------------------------------------------------------------------------------- */

static bool is_passing(const struct candor_error *error)
{
    return error->code == CANDOR_UNAVAILABLE || error->code == CANDOR_DEADLINE_EXCEEDED ||
           error->reason == CANDOR_REASON_OVERLOADED;
}

/* False: it is over, with the status. */
static bool look(struct watching *watching, int *status)
{
    struct candor_changes changes;
    uint64_t now_ns = clock_boot_ns();
    if (watching->left == 0 || interrupt_seen() || now_ns >= watching->until_ns)
        return false;
    uint64_t left_ms = (watching->until_ns - now_ns) / NS_PER_MS + 1;
    uint32_t wait_ms = left_ms < LOOK_MS ? (uint32_t)left_ms : LOOK_MS;
    if (candor_watch_next(watching->watch, wait_ms, &changes, &watching->error) == CANDOR_OK) {
        watching->silent = false;
        *status = show(watching, &changes);
        return *status == EXIT_DONE;
    }
    if (!is_passing(&watching->error)) {
        *status = report_error(watching->ctx, &watching->error, NULL);
        return false;
    }
    if (!watching->silent)
        output_note(watching->ctx, "%s; the watch goes on when a node answers",
                    watching->error.message);
    watching->silent = true;
    return true;
}

static int go_on(struct watching *watching)
{
    int status = EXIT_DONE;
    interrupt_begin();
    while (look(watching, &status))
        ;
    bool interrupted = interrupt_seen();
    interrupt_end();
    bool too_few = option_given(watching->ctx, "count") && watching->left > 0;
    if (status != EXIT_DONE || interrupted || !(too_few || watching->silent))
        return status;
    if (!watching->silent)
        candor_error_set(&watching->error, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NONE,
                         "%" PRIu64 " of the events did not come before the deadline",
                         watching->left);
    return report_error(watching->ctx, &watching->error, NULL);
}

static struct candor_bytes option_bytes(const struct command_context *ctx, const char *name)
{
    const char *text = option_text(ctx, name);
    return text == NULL ? (struct candor_bytes){0} : candor_text(text);
}

static int open_and_go_on(struct watching *watching, const struct candor_watch_options *options)
{
    struct command_context *ctx = watching->ctx;
    struct candor_error error;
    int status;
    struct candor_client *client = context_client(ctx, &status);
    if (client == NULL)
        return status;
    if (candor_watch_open(client, options, &watching->watch, &error) != CANDOR_OK)
        return report_usage(ctx, NULL, "%s", error.message);
    status = go_on(watching);
    candor_watch_close(watching->watch);
    return status;
}

static int run_watch(struct command_context *ctx, int argc, char **argv)
{
    struct watching watching = {.ctx = ctx,
                                .cursor_file = option_text(ctx, "cursor"),
                                .command = option_text(ctx, "exec"),
                                .left = UINT64_MAX,
                                .until_ns = UINT64_MAX};
    struct candor_watch_options options = {.prefix = argc > 0 ? candor_text(argv[0])
                                                              : (struct candor_bytes){0},
                                           .key = option_bytes(ctx, "key"),
                                           .start = option_bytes(ctx, "start"),
                                           .end = option_bytes(ctx, "end"),
                                           .with_state = option_given(ctx, "state"),
                                           .uncommitted = option_given(ctx, "uncommitted"),
                                           .no_puts = option_given(ctx, "no-puts"),
                                           .no_deletes = option_given(ctx, "no-deletes")};
    if (!option_number(ctx, "since", 1, UINT64_MAX, &options.since_seq) ||
        !option_number(ctx, "count", 1, UINT64_MAX, &watching.left))
        return EXIT_USAGE;
    if (option_given(ctx, "count") && watching.left < UINT32_MAX)
        options.limit = (uint32_t)watching.left;
    int ranges = (options.key.length > 0) + (options.prefix.length > 0) +
                 (options.start.length > 0 || options.end.length > 0);
    if (ranges > 1)
        return report_usage(ctx, NULL, "PREFIX, --key, and --start with --end exclude each other");
    uint64_t deadline_ms = context_deadline_ms(ctx, 0);
    if (deadline_ms > 0)
        watching.until_ns = clock_boot_ns() + deadline_ms * NS_PER_MS;
    int status = EXIT_USAGE;
    struct candor_bytes cursor;
    if (!watch_cursor_read(ctx, watching.cursor_file, &cursor, &status))
        return status;
    options.cursor = cursor;
    if (cursor.length > 0) { /* where it began is past */
        options.with_state = false;
        options.since_seq = 0;
    }
    status = open_and_go_on(&watching, &options);
    free((void *)(uintptr_t)cursor.data);
    return status;
}

const struct command command_watch = {
    .name = "watch",
    .group = GROUP_KEYS,
    .args = "[PREFIX]",
    .summary = "Show what happens to keys, as it happens",
    .description =
        "Prints a line `seq<TAB>PUT<TAB>key<TAB>value` or `seq<TAB>DELETE<TAB>key` for each change "
        "of the keys that begin with PREFIX (all, without it), in the order of the log, once it is "
        "committed, until ^C or --deadline. It goes on over restarts and failovers of nodes, at "
        "whichever answers: nothing is left out and nothing is shown twice, or a line says so "
        "(COMPACTED, ROLLED BACK). With --cursor it goes on over its own restarts, too. A note on "
        "stderr says when what is seen is STALE, and when it is fresh again.\n\n"
        "With -o json each event is one line. With --exec nothing is printed: COMMAND gets each "
        "event's JSON, one after the other; when it fails, the watch ends, and with --cursor the "
        "next one begins with the events of that answer.",
    .examples = "kvctl watch cart:\n"
                "kvctl watch cart: --state\twhat is there, then what happens\n"
                "kvctl watch --since 1 --count 10 -o json\n"
                "kvctl watch cart: --cursor carts.cursor --exec 'cat >> carts.jsonl'\n",
    .options = watch_options,
    .min_args = 0,
    .max_args = 1,
    .run = run_watch,
};
