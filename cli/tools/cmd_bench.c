/* kvctl bench: writes keys, measures, and deletes the keys again. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/tools/bench.h"
#include "topology/topology.h"

#define ASK_DEADLINE_MS 1000
#define SECONDS_MAX 86400
#define SLICE_MS_MAX 60000

/* ---- Options ---- */

static const struct {
    const char *name;
    enum bench_op op;
} ops[] = {{"get", BENCH_GET}, {"put", BENCH_PUT}, {"mixed", BENCH_MIXED}, {"scan", BENCH_SCAN},
           {"txn", BENCH_TXN}, {"lag", BENCH_LAG}, {"load", BENCH_LOAD},   {"clean", BENCH_CLEAN}};

#define OPS (sizeof ops / sizeof ops[0])

static bool take_op(struct command_context *ctx, const char *word, struct bench_work *work)
{
    const char *names[OPS + 1] = {0};
    for (size_t i = 0; i < OPS; i++) {
        names[i] = ops[i].name;
        if (strcmp(word, ops[i].name) == 0) {
            work->op = ops[i].op;
            work->name = ops[i].name;
            return true;
        }
    }
    char hint[64];
    const char *near = nearest_word(word, names);
    snprintf(hint, sizeof hint, near != NULL ? "did you mean '%s'?" : "as in `kvctl bench %s`",
             near != NULL ? near : "get");
    report_usage(ctx, hint, "it measures get, put, mixed, scan, txn or lag, not '%s'", word);
    return false;
}

/* What option goes with which operations. */
static const struct {
    const char *option;
    unsigned ops; /* bits */
    const char *text;
} belongs[] = {
    {"level", 1u << BENCH_GET | 1u << BENCH_SCAN | 1u << BENCH_MIXED, "get, scan and mixed"},
    {"ack", 1u << BENCH_PUT | 1u << BENCH_TXN | 1u << BENCH_MIXED | 1u << BENCH_LAG,
     "put, txn, mixed and lag"},
    {"reads", 1u << BENCH_MIXED, "mixed"},
    {"batch", 1u << BENCH_GET | 1u << BENCH_PUT | 1u << BENCH_SCAN | 1u << BENCH_MIXED,
     "get, put, scan and mixed"},
};

static bool options_belong(struct command_context *ctx, const struct bench_work *work)
{
    for (size_t i = 0; i < sizeof belongs / sizeof belongs[0]; i++) {
        if (!option_given(ctx, belongs[i].option) || (belongs[i].ops >> work->op & 1) != 0)
            continue;
        report_usage(ctx, NULL, "--%s goes with %s, not with %s", belongs[i].option,
                     belongs[i].text, work->name);
        return false;
    }
    return true;
}

static bool take_level(struct command_context *ctx, struct bench_work *work)
{
    static const char *const names[] = {"eventual", "bounded", "session", "linearizable"};
    const char *level = option_text(ctx, "level");
    work->level = CANDOR_READ_EVENTUAL;
    for (unsigned i = 0; level != NULL && i < 4; i++) {
        if (strcmp(level, names[i]) == 0)
            work->level = (enum candor_read_level)(CANDOR_READ_EVENTUAL + i);
    }
    if (!option_duration_ms(ctx, "max-staleness", &work->max_staleness_ms))
        return false;
    if (option_given(ctx, "max-staleness") == (work->level == CANDOR_READ_BOUNDED))
        return true;
    report_usage(ctx, "as in --level bounded --max-staleness 500ms",
                 "--level bounded and --max-staleness go together");
    return false;
}

static bool take_ack(struct command_context *ctx, struct bench_work *work)
{
    const char *ack = option_text(ctx, "ack");
    work->ack = CANDOR_ACK_LOCAL;
    if (ack != NULL && strcmp(ack, "majority") == 0)
        work->ack = CANDOR_ACK_MAJORITY;
    if (ack != NULL && strcmp(ack, "all") == 0)
        work->ack = CANDOR_ACK_ALL;
    return true;
}

static bool take_seconds(struct command_context *ctx, struct bench_work *work)
{
    const char *text = option_text(ctx, "seconds");
    if (text == NULL)
        return true;
    char *end = NULL;
    double seconds = strtod(text, &end);
    bool digits = text[0] != '\0' && strspn(text, "0123456789.") == strlen(text);
    if (!digits || *end != '\0' || !(seconds >= 0.01) || seconds > SECONDS_MAX) {
        report_usage(ctx, "write it like 5 or 0.5",
                     "--seconds takes a number from 0.01 to %d, not '%s'", SECONDS_MAX, text);
        return false;
    }
    work->duration_ns = (uint64_t)(seconds * 1e9);
    return true;
}

static int digits_of(uint64_t value)
{
    int digits = 1;
    for (; value >= 10; value /= 10)
        digits++;
    return digits;
}

static bool take_sizes(struct command_context *ctx, struct bench_work *work)
{
    if (!option_number(ctx, "keys", 1, UINT32_MAX, &work->keys) ||
        !option_size_bytes(ctx, "key-size", &work->key_bytes) ||
        !option_size_bytes(ctx, "value-size", &work->value_bytes) ||
        !option_number(ctx, "batch", 1, BENCH_BATCH_MAX, &work->batch))
        return false;
    size_t least = strlen(BENCH_PREFIX) + (size_t)digits_of(work->keys - 1);
    if (work->key_bytes < least || work->key_bytes > CANDOR_KEY_BYTES_MAX) {
        report_usage(ctx, NULL,
                     "--key-size is %zu to %d bytes for " BENCH_PREFIX "0 to %" PRIu64
                     ", not %" PRIu64,
                     least, CANDOR_KEY_BYTES_MAX, work->keys - 1, work->key_bytes);
        return false;
    }
    uint64_t most = LIMIT_MESSAGE_BYTES_DEFAULT / 2;
    if (work->value_bytes <= most && work->batch * (work->value_bytes + work->key_bytes) <= most)
        return true;
    report_usage(ctx, "give at most 2MiB", "the keys and values of a message are more than 2 MiB");
    return false;
}

static bool take_load(struct command_context *ctx, struct bench_work *work)
{
    uint64_t slice_ms = 0;
    work->blocking = option_given(ctx, "blocking") || work->op == BENCH_LAG;
    const char *draw = option_text(ctx, "draw");
    work->zipf = draw != NULL && strcmp(draw, "zipf") == 0;
    if (work->op == BENCH_LAG)
        work->callers = 1;
    if (!option_number(ctx, "callers", 1, BENCH_CALLERS_MAX, &work->callers) ||
        !option_number(ctx, "processes", 1, BENCH_PROCESSES_MAX, &work->processes) ||
        !option_number(ctx, "reads", 0, 100, &work->reads_percent) ||
        !option_number(ctx, "rate", 1, 100000000, &work->rate) ||
        !option_duration_ms(ctx, "timeline", &slice_ms))
        return false;
    if (option_given(ctx, "timeline") && (slice_ms == 0 || slice_ms > SLICE_MS_MAX)) {
        report_usage(ctx, "as in --timeline 50ms", "--timeline takes 1ms to 1m");
        return false;
    }
    work->slice_ns = slice_ms * NS_PER_MS;
    if (work->rate % work->processes != 0) {
        report_usage(ctx, "give a multiple of --processes",
                     "--rate %" PRIu64 " cannot be divided among %" PRIu64 " processes", work->rate,
                     work->processes);
        return false;
    }
    work->rate /= work->processes;
    return true;
}

static bool take_options(struct command_context *ctx, struct bench_work *work)
{
    work->deadline_ms = (uint32_t)context_deadline_ms(ctx, LIMIT_RPC_DEADLINE_MS_DEFAULT);
    return take_level(ctx, work) && take_ack(ctx, work) && take_seconds(ctx, work) &&
           take_sizes(ctx, work) && take_load(ctx, work) && options_belong(ctx, work);
}

/* ---- Where to ---- */

/* Numbers of a node that does not answer would say nothing. False after a report. */
static bool is_there(struct command_context *ctx, const struct node_target *target, int *status)
{
    struct node_row row;
    node_rows(target, 1, ASK_DEADLINE_MS, &row);
    if (row.result.error.code == CANDOR_OK)
        return true;
    *status = report_error(ctx, &row.result.error, NULL);
    return false;
}

static const struct node_row *newest_primary(const struct node_row *rows, size_t count)
{
    const struct node_row *primary = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct candor_freshness *f = &rows[i].result.freshness;
        if (rows[i].result.has_freshness && f->role == CANDOR_ROLE_PRIMARY &&
            (primary == NULL ||
             candor_epoch_compare(&f->epoch, &primary->result.freshness.epoch) > 0))
            primary = &rows[i];
    }
    return primary;
}

/* What writes goes to the primary; the lag is that of the first node which is not. */
static bool ask_for_target(struct command_context *ctx, const struct node_target *targets,
                           size_t count, bool want_primary, struct node_target *out, int *status)
{
    struct candor_error error;
    struct node_row *rows = calloc(count, sizeof *rows);
    ASSERT(rows != NULL);
    node_rows(targets, count, ASK_DEADLINE_MS, rows);
    const struct node_row *primary = newest_primary(rows, count);
    const struct node_row *chosen = want_primary ? primary : NULL;
    for (size_t i = 0; i < count && !want_primary && primary != NULL && chosen == NULL; i++) {
        if (&rows[i] != primary && rows[i].result.error.code == CANDOR_OK)
            chosen = &rows[i];
    }
    if (chosen != NULL) {
        *out = chosen->target;
    } else {
        candor_error_set(&error, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY,
                         primary == NULL ? "no node says that it is the primary"
                                         : "no node but the primary answers");
        *status = report_error(ctx, &error, NULL);
    }
    free(rows);
    return chosen != NULL;
}

/* The target first, then the others: blocking callers follow redirects. */
static void list_endpoints(struct command_context *ctx, struct bench_place *place)
{
    const struct topology *topology =
        context_endpoint(ctx) == NULL ? context_topology(ctx, NULL) : NULL;
    memcpy(place->endpoints[0], place->target.address, CANDOR_ADDRESS_BYTES);
    place->endpoint_count = 1;
    for (uint32_t i = 0; topology != NULL && i < topology->node_count; i++) {
        if (strcmp(topology->nodes[i].rpc, place->target.address) != 0)
            snprintf(place->endpoints[place->endpoint_count++], CANDOR_ADDRESS_BYTES, "%s",
                     topology->nodes[i].rpc);
    }
}

static bool choose_target(struct command_context *ctx, struct bench *bench, int *status)
{
    struct node_target targets[LIMIT_NODES];
    bool reads = bench->work.op == BENCH_GET || bench->work.op == BENCH_SCAN;
    size_t count = node_targets(ctx, targets, status);
    if (count == 0)
        return false;
    bench->place.target = targets[0];
    bool good = count == 1 || reads
                    ? is_there(ctx, &targets[0], status)
                    : ask_for_target(ctx, targets, count, bench->work.op != BENCH_LAG,
                                     &bench->place.target, status);
    if (good)
        list_endpoints(ctx, &bench->place);
    return good;
}

/* ---- The command ---- */

static int tell(struct command_context *ctx, const struct bench *bench)
{
    const struct bench_tally *tally = bench->tally;
    if (tally->error.code != CANDOR_OK)
        return report_error(ctx, &tally->error, NULL);
    if (context_json(ctx))
        bench_report_json(ctx, bench);
    else
        bench_report_text(bench);
    uint64_t failed = bench_failed(tally);
    return atomic_load(&tally->ops) > 0 ? (failed > 0 ? EXIT_OTHER : EXIT_DONE) : EXIT_UNAVAILABLE;
}

static int measure(struct command_context *ctx, struct bench *bench,
                   struct bench_processes *processes)
{
    if (processes != NULL)
        bench_processes_run(processes, bench);
    else if (bench->work.blocking)
        bench_run_blocking(bench);
    else
        bench_run_async(bench);
    return tell(ctx, bench);
}

/* With its keys: written before, and deleted afterwards whatever happens. */
static int run_with_keys(struct command_context *ctx, struct bench *bench,
                         struct bench_processes *processes)
{
    int status = EXIT_OTHER;
    uint64_t made = 0;
    if (!bench_none_there(ctx, &status))
        return status;
    interrupt_begin();
    bool loaded = bench_load(ctx, bench, &made, &status);
    if (loaded && !interrupt_seen())
        bench_await_keys(ctx, bench);
    if (loaded && !interrupt_seen())
        status = measure(ctx, bench, processes);
    interrupt_end(); /* from here on ^C ends the process at once */
    int ignored;
    if (made > 0 && !bench_unload(ctx, bench, made, &ignored))
        status = status == EXIT_DONE ? EXIT_OTHER : status;
    return status;
}

static int run_loaded(struct command_context *ctx, struct bench *bench,
                      struct bench_processes *processes)
{
    interrupt_begin();
    int status = measure(ctx, bench, processes);
    interrupt_end();
    return status;
}

static void tell_keys(struct command_context *ctx, const char *verb, uint64_t keys)
{
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s, s:I}", "op", verb, "keys", (json_int_t)keys));
    else
        printf("%" PRIu64 " keys %s\n", keys, strcmp(verb, "load") == 0 ? "written" : "deleted");
}

/* load and clean. */
static int run_keys(struct command_context *ctx, const struct bench *bench)
{
    int status = EXIT_DONE;
    uint64_t keys = 0;
    if (bench->work.op == BENCH_CLEAN) {
        if (bench_clean(ctx, &keys, &status))
            tell_keys(ctx, "clean", keys);
        return status;
    }
    if (!bench_none_there(ctx, &status))
        return status;
    interrupt_begin();
    bool good = bench_load(ctx, bench, &keys, &status);
    bool whole = good && !interrupt_seen();
    interrupt_end();
    int ignored;
    if (whole)
        tell_keys(ctx, "load", keys);
    else
        bench_unload(ctx, bench, keys, &ignored);
    return whole ? EXIT_DONE : good ? EXIT_OTHER : status;
}

static int run_measured(struct command_context *ctx, struct bench *bench)
{
    int status = EXIT_OTHER;
    struct bench_processes *processes =
        bench->work.processes > 1 ? bench_processes_fork(bench) : NULL;
    if (choose_target(ctx, bench, &status))
        status = option_given(ctx, "loaded") ? run_loaded(ctx, bench, processes)
                                             : run_with_keys(ctx, bench, processes);
    bench_processes_free(processes);
    return status;
}

static int run_bench(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct bench bench = {.work = {.callers = 64,
                                   .processes = 1,
                                   .keys = 10000,
                                   .key_bytes = 16,
                                   .value_bytes = 128,
                                   .reads_percent = 50,
                                   .duration_ns = 5 * NS_PER_S}};
    if (!take_op(ctx, argv[0], &bench.work))
        return EXIT_USAGE;
    bench.work.batch = bench.work.op == BENCH_SCAN ? 100 : 1;
    if (!take_options(ctx, &bench.work))
        return EXIT_USAGE;
    bench.value = malloc(bench.work.value_bytes + 1);
    bench.tally = calloc(1, sizeof *bench.tally);
    ASSERT(bench.value != NULL && bench.tally != NULL);
    memset(bench.value, 'v', bench.work.value_bytes);
    if (bench.work.zipf)
        bench_zipf_init(&bench.zipf, bench.work.keys);
    int status = bench.work.op == BENCH_LOAD || bench.work.op == BENCH_CLEAN
                     ? run_keys(ctx, &bench)
                     : run_measured(ctx, &bench);
    free(bench.tally);
    free(bench.value);
    return status;
}

static const struct option_spec bench_options[] = {
    {"callers", 0, "COUNT", false, "Operations in flight in each process; default: 64"},
    {"processes", 0, "COUNT", false, "Processes that call; default: 1"},
    {"blocking", 0, NULL, false,
     "Each caller is a thread that blocks in a call; without it they submit operations "
     "(candor/async.h)"},
    {"level", 'l', "eventual|bounded|session|linearizable", false,
     "get, scan, mixed: what a read asks for; default: eventual"},
    {"max-staleness", 'm', "DURATION", false, "Of --level bounded"},
    {"ack", 'a', "local|majority|all", false,
     "put, txn, mixed, lag: how durable before it is acknowledged; default: local"},
    {"reads", 0, "PERCENT", false, "mixed: gets among its operations; default: 50"},
    {"batch", 'b', "COUNT", false,
     "get, put, mixed: keys of a message; scan: items of a page; default: 1, scan: 100"},
    {"keys", 0, "COUNT", false, "Keys bench:0 to bench:COUNT-1; default: 10000"},
    {"draw", 0, "uniform|zipf", false,
     "How often each is drawn: evenly, or a few very often, as YCSB does; default: uniform"},
    {"key-size", 0, "SIZE", false, "Bytes of a key, with leading zeros; default: 16B"},
    {"value-size", 'v', "SIZE", false, "Bytes of a value; default: 128B"},
    {"seconds", 0, "SECONDS", false, "How long, as in 0.5; default: 5"},
    {"rate", 0, "COUNT", false,
     "Messages a second of all processes, sent when they are due, however long answers take; "
     "latencies count from when they were due. Default: each caller sends when it has its answer"},
    {"timeline", 0, "DURATION", false, "JSON: operations done and failed in each such slice"},
    {"loaded", 0, NULL, false,
     "The keys are there (kvctl bench load): write none before, delete none afterwards"},
    {0},
};

const struct command command_bench = {
    .name = "bench",
    .group = GROUP_TOOLS,
    .args = "get|put|mixed|scan|txn|lag|load|clean",
    .summary = "Measure operations a second and latencies",
    .description =
        "Writes the keys, measures, and deletes the keys again, also after ^C (a second ^C ends it "
        "at once). It begins only where no key bench:* is there.\n\n"
        "get and scan ask --node or the first node; what writes goes to the primary. Each "
        "caller has one operation in flight, and libcandor does the rest: it follows redirects and "
        "tries again, up to --deadline. txn reads one key, which must exist, and writes another. "
        "lag writes at the "
        "primary and then reads in the same session at --node or the first replica: its latency "
        "is that of the read.\n\n"
        "load only writes the keys and leaves them for runs with --loaded; clean deletes them, "
        "and those of a run that was killed.\n\n"
        "Exit status 1: some requests failed; 5: all of them; 6: there are keys already.",
    .examples = "kvctl bench get\n"
                "kvctl bench put --ack majority --callers 256 --seconds 10\n"
                "kvctl bench mixed --reads 95 --draw zipf --value-size 1KiB --blocking\n"
                "kvctl bench get --rate 20000\tOpen loop\n"
                "kvctl bench get -o json | jq .latency_us.p99_9\n",
    .options = bench_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_bench,
};
