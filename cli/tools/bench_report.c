/* What kvctl bench has measured, as text and as JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/tools/bench.h"

static const struct {
    const char *name;
    const char *member;
    double share;
} percentiles[] = {{"p50", "p50", 0.5},  {"p90", "p90", 0.9},       {"p95", "p95", 0.95},
                   {"p99", "p99", 0.99}, {"p99.9", "p99_9", 0.999}, {"p99.99", "p99_99", 0.9999}};

#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

static const char *const levels[] = {"eventual", "eventual", "bounded", "session", "linearizable"};
static const char *const acks[] = {"local", "local", "majority", "all"};

uint64_t bench_failed(const struct bench_tally *tally)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < BENCH_CODES; i++)
        failed += atomic_load(&tally->errors[i]);
    return failed;
}

static double seconds_of(const struct bench_tally *tally)
{
    return tally->took_ns == 0 ? 1e-9 : (double)tally->took_ns / 1e9;
}

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static struct histogram *all_latencies(const struct bench_tally *tally)
{
    struct histogram *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    histogram_merge(all, &tally->reads);
    histogram_merge(all, &tally->writes);
    return all;
}

/* ---- JSON ---- */

static json_t *latency_json(const struct histogram *histogram)
{
    json_t *out = json_object();
    for (size_t i = 0; i < PERCENTILES; i++)
        json_object_set_new(
            out, percentiles[i].member,
            json_real(us(histogram_percentile_ns(histogram, percentiles[i].share))));
    json_object_set_new(out, "max", json_real(us(atomic_load(&histogram->max_ns))));
    json_object_set_new(out, "mean", json_real(us(histogram_mean_ns(histogram))));
    return out;
}

static void set_latencies(json_t *out, const struct bench *bench)
{
    struct histogram *all = all_latencies(bench->tally);
    json_object_set_new(out, "latency_us", latency_json(all));
    free(all);
    if (bench->work.op != BENCH_MIXED)
        return;
    json_object_set_new(out, "reads_latency_us", latency_json(&bench->tally->reads));
    json_object_set_new(out, "writes_latency_us", latency_json(&bench->tally->writes));
}

static void set_work(json_t *out, const struct bench *bench)
{
    const struct bench_work *work = &bench->work;
    json_object_set_new(out, "op", json_string(work->name));
    json_object_set_new(out, "node", json_string(bench->place.target.id));
    json_object_set_new(out, "address", json_string(bench->place.target.address));
    json_object_set_new(out, "level", json_string(levels[work->level]));
    json_object_set_new(out, "ack", json_string(acks[work->ack]));
    json_object_set_new(out, "blocking", json_boolean(work->blocking));
    json_object_set_new(out, "callers", json_u64(work->callers));
    json_object_set_new(out, "processes", json_u64(work->processes));
    json_object_set_new(out, "keys", json_u64(work->keys));
    json_object_set_new(out, "zipf", json_boolean(work->zipf));
    json_object_set_new(out, "key_bytes", json_u64(work->key_bytes));
    json_object_set_new(out, "value_bytes", json_u64(work->value_bytes));
    json_object_set_new(out, "batch", json_u64(work->batch));
    json_object_set_new(out, "rate",
                        work->rate == 0 ? json_null() : json_u64(work->rate * work->processes));
}

static json_t *slices_json(const atomic_uint_least32_t *slices, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(out, json_u64(atomic_load(&slices[i])));
    return out;
}

static void set_timeline(json_t *out, const struct bench *bench)
{
    const struct bench_tally *tally = bench->tally;
    size_t count = (size_t)(tally->took_ns / bench->work.slice_ns);
    count = count < BENCH_SLICES_MAX ? count : BENCH_SLICES_MAX;
    json_t *timeline = json_object();
    json_object_set_new(timeline, "begun_wall_ms", json_u64(tally->begun_wall_ms));
    json_object_set_new(timeline, "slice_ms", json_u64(bench->work.slice_ns / NS_PER_MS));
    json_object_set_new(timeline, "done", slices_json(tally->done, count));
    json_object_set_new(timeline, "failed", slices_json(tally->failed, count));
    json_object_set_new(out, "timeline", timeline);
}

void bench_report_json(struct command_context *ctx, const struct bench *bench)
{
    const struct bench_tally *tally = bench->tally;
    double seconds = seconds_of(tally);
    json_t *errors = json_object();
    for (int i = 0; i < BENCH_CODES; i++) {
        if (atomic_load(&tally->errors[i]) > 0)
            json_object_set_new(errors, candor_code_name((enum candor_code)i),
                                json_u64(atomic_load(&tally->errors[i])));
    }
    json_t *out = json_object();
    set_work(out, bench);
    json_object_set_new(out, "seconds", json_real(seconds));
    json_object_set_new(out, "ops", json_u64(atomic_load(&tally->ops)));
    json_object_set_new(out, "ops_per_second",
                        json_real((double)atomic_load(&tally->ops) / seconds));
    set_latencies(out, bench);
    json_object_set_new(out, "not_found", json_u64(atomic_load(&tally->missing)));
    json_object_set_new(out, "elsewhere", json_u64(atomic_load(&tally->elsewhere)));
    json_object_set_new(out, "stale", json_u64(atomic_load(&tally->stale)));
    json_object_set_new(out, "unsent", json_u64(atomic_load(&tally->unsent)));
    json_object_set_new(out, "errors", errors);
    if (bench->work.slice_ns > 0)
        set_timeline(out, bench);
    output_json(ctx, out);
}

/* ---- Text ---- */

static void print_latencies(const char *title, const struct histogram *histogram)
{
    printf("%s", title);
    for (size_t i = 0; i < PERCENTILES; i++)
        printf("%-6s %10.1f us\n", percentiles[i].name,
               us(histogram_percentile_ns(histogram, percentiles[i].share)));
    printf("%-6s %10.1f us\n", "max", us(atomic_load(&histogram->max_ns)));
}

static const char *caller_word(const struct bench_work *work)
{
    if (work->blocking)
        return work->callers == 1 ? "thread" : "threads";
    return work->callers == 1 ? "caller" : "callers";
}

static void print_work(const struct bench *bench)
{
    const struct bench_work *work = &bench->work;
    const struct node_target *target = &bench->place.target;
    bool reads = work->op != BENCH_PUT && work->op != BENCH_TXN;
    bool writes = work->op == BENCH_PUT || work->op == BENCH_TXN || work->op == BENCH_MIXED;
    printf("%s at %s (%s)", work->name, target->id[0] != '\0' ? target->id : "-", target->address);
    if (reads && work->op != BENCH_LAG)
        printf(", level %s", levels[work->level]);
    if (writes)
        printf(", ack %s", acks[work->ack]);
    if (work->processes > 1)
        printf(", %" PRIu64 " processes of", work->processes);
    else
        printf(",");
    printf(" %" PRIu64 " %s, %" PRIu64 " keys", work->callers, caller_word(work), work->keys);
    if (work->zipf)
        printf(" by Zipf");
    printf(", %" PRIu64 " + %" PRIu64 " bytes", work->key_bytes, work->value_bytes);
    if (work->batch > 1)
        printf(", %" PRIu64 " of them a message", work->batch);
    printf("\n");
}

static void print_troubles(const struct bench_tally *tally)
{
    if (atomic_load(&tally->unsent) > 0)
        printf("%" PRIu64 " operations were due and not sent: all callers waited for answers\n",
               atomic_load(&tally->unsent));
    if (atomic_load(&tally->missing) > 0)
        printf("%" PRIu64 " keys were not there (`kvctl bench load` writes them)\n",
               atomic_load(&tally->missing));
    if (atomic_load(&tally->elsewhere) > 0)
        printf("%" PRIu64 " were answered by another node\n", atomic_load(&tally->elsewhere));
    if (atomic_load(&tally->stale) > 0)
        printf("%" PRIu64 " answers were flagged stale\n", atomic_load(&tally->stale));
    for (int i = 0; i < BENCH_CODES; i++) {
        if (atomic_load(&tally->errors[i]) > 0)
            printf("%" PRIu64 " failed: %s\n", atomic_load(&tally->errors[i]),
                   candor_code_name((enum candor_code)i));
    }
}

void bench_report_text(const struct bench *bench)
{
    const struct bench_tally *tally = bench->tally;
    double seconds = seconds_of(tally);
    print_work(bench);
    printf("%.0f operations/s over %.1f s", (double)atomic_load(&tally->ops) / seconds, seconds);
    if (bench->work.rate > 0)
        printf(", %" PRIu64 " messages/s were asked for", bench->work.rate * bench->work.processes);
    printf("\n");
    struct histogram *all = all_latencies(tally);
    print_latencies("", all);
    free(all);
    if (bench->work.op == BENCH_MIXED) {
        print_latencies("reads:\n", &tally->reads);
        print_latencies("writes:\n", &tally->writes);
    }
    print_troubles(tally);
}
