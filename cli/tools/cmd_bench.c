/* kvctl bench: N callers, each with one request in flight; a caller's next request is sent by the
 * closure of its last one, so there is no thread a caller. A caller that failed waits for the main
 * thread, which lets it go on a little later: a failing node is not asked in a tight loop. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <candor/channel.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/rng.h"
#include "candor/v1/kv.pb-c.h"
#include "cli/frame/node_call.h"

#define SUB_BUCKETS 32 /* of each power of two: 3% */
#define BUCKETS ((size_t)64 * SUB_BUCKETS)
#define TICK_NS (10 * NS_PER_MS)
#define ASK_DEADLINE_MS 1000
#define CODES 17

typedef unsigned long long number;

struct bench;

struct caller {
    struct bench *bench;
    struct rng rng;
    uint64_t sent_ns;
    char key[48];
    /* Written by one thread at a time: that of the closure. Read when the call is over. */
    uint64_t ops;
    uint64_t stale;
    uint64_t missing;
    uint64_t max_ns;
    uint64_t errors[CODES];
    uint32_t buckets[BUCKETS];
    atomic_bool waiting; /* for the main thread to send */
};

struct bench {
    struct command_context *ctx;
    struct node_target target;
    bool put;
    Candor__V1__ReadLevel level;
    uint64_t callers;
    uint64_t keys;
    uint64_t value_bytes;
    uint64_t seconds;
    uint32_t deadline_ms;
    uint8_t *value;
    struct candor_channel *channel;
    atomic_bool stopping;
    atomic_uint_fast64_t busy; /* callers with a request in flight */
    struct caller *list;
};

/* ---- Latencies ---- */

static size_t bucket_of(uint64_t ns)
{
    if (ns < SUB_BUCKETS)
        return (size_t)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(ns);
    unsigned shift = power - 5; /* SUB_BUCKETS = 2^5 */
    return (size_t)(shift + 1) * SUB_BUCKETS + (size_t)((ns >> shift) - SUB_BUCKETS);
}

/* The largest value of a bucket: a latency is never told shorter than it was. */
static uint64_t bucket_top(size_t bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = (unsigned)(bucket / SUB_BUCKETS) - 1;
    uint64_t base = (uint64_t)(bucket % SUB_BUCKETS) + SUB_BUCKETS;
    return ((base + 1) << shift) - 1;
}

/* ---- Callers ---- */

static void send_next(struct caller *caller);

static void finish(struct caller *caller, const struct candor_result *result, bool good)
{
    struct bench *bench = caller->bench;
    uint64_t took = clock_boot_ns() - caller->sent_ns;
    if (good) {
        caller->ops++;
        caller->buckets[bucket_of(took)]++;
        caller->max_ns = took > caller->max_ns ? took : caller->max_ns;
        caller->stale += result->has_freshness && result->freshness.stale;
    } else {
        unsigned code = (unsigned)result->error.code;
        caller->errors[code < CODES ? code : CANDOR_UNKNOWN]++;
    }
    if (good && !atomic_load(&bench->stopping)) {
        send_next(caller);
        return;
    }
    atomic_store(&caller->waiting, true);
    atomic_fetch_sub(&bench->busy, 1);
}

static void *unpack(const ProtobufCMessageDescriptor *type, const struct candor_answer *answer)
{
    if (answer->result.error.code != CANDOR_OK)
        return NULL;
    return bounded_unpack(type, slice_of(answer->response.data, answer->response.length), NULL);
}

static void on_get(void *closure, const struct candor_answer *answer)
{
    struct caller *caller = closure;
    Candor__V1__GetResponse *response = unpack(&candor__v1__get_response__descriptor, answer);
    caller->missing += response != NULL && response->item != NULL && !response->item->found;
    finish(caller, &answer->result, response != NULL);
    if (response != NULL)
        candor__v1__get_response__free_unpacked(response, NULL);
}

static void on_put(void *closure, const struct candor_answer *answer)
{
    Candor__V1__PutResponse *response = unpack(&candor__v1__put_response__descriptor, answer);
    finish(closure, &answer->result, response != NULL);
    if (response != NULL)
        candor__v1__put_response__free_unpacked(response, NULL);
}

static ProtobufCBinaryData key_of(struct caller *caller)
{
    uint64_t n = rng_below(&caller->rng, caller->bench->keys);
    int length = snprintf(caller->key, sizeof caller->key, "bench:%010llu", (number)n);
    return (ProtobufCBinaryData){.data = (uint8_t *)caller->key, .len = (size_t)length};
}

static void send(struct caller *caller, const char *method, const ProtobufCMessage *request,
                 void (*done)(void *closure, const struct candor_answer *answer))
{
    struct bench *bench = caller->bench;
    struct candor_channel_options options = {.deadline_ms = bench->deadline_ms};
    uint8_t *packed = malloc(protobuf_c_message_get_packed_size(request) + 1);
    ASSERT(packed != NULL);
    struct candor_bytes body = {packed, protobuf_c_message_pack(request, packed)};
    caller->sent_ns = clock_boot_ns();
    struct candor_result refused = {0};
    if (candor_channel_send(bench->channel, method, body, &options, done, caller, &refused.error) !=
        CANDOR_OK)
        finish(caller, &refused, false);
    free(packed);
}

/* The caller counts as busy. */
static void send_next(struct caller *caller)
{
    struct bench *bench = caller->bench;
    if (bench->put) {
        Candor__V1__PutRequest request = CANDOR__V1__PUT_REQUEST__INIT;
        request.key = key_of(caller);
        request.value = (ProtobufCBinaryData){.data = bench->value, .len = bench->value_bytes};
        send(caller, "/candor.v1.KV/Put", &request.base, on_put);
    } else {
        Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
        Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
        options.level = bench->level;
        request.key = key_of(caller);
        request.options = &options;
        send(caller, "/candor.v1.KV/Get", &request.base, on_get);
    }
}

/* Lets those who wait send (again). */
static void release(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->callers; i++) {
        struct caller *caller = &bench->list[i];
        if (!atomic_exchange(&caller->waiting, false))
            continue;
        atomic_fetch_add(&bench->busy, 1);
        send_next(caller);
    }
}

static void pause_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&left, NULL);
}

/* Returns how long it took, until the last answer that was counted. */
static uint64_t drive(struct bench *bench)
{
    uint64_t begun = clock_boot_ns();
    uint64_t end = begun + bench->seconds * NS_PER_S;
    interrupt_begin();
    while (clock_boot_ns() < end && !interrupt_seen()) {
        release(bench);
        pause_ns(TICK_NS);
    }
    interrupt_end();
    atomic_store(&bench->stopping, true);
    uint64_t took = clock_boot_ns() - begun;
    /* each ends by its deadline */
    while (atomic_load(&bench->busy) > 0)
        pause_ns(NS_PER_MS);
    return took;
}

/* ---- Results ---- */

struct totals {
    uint64_t ops;
    uint64_t stale;
    uint64_t missing;
    uint64_t max_ns;
    uint64_t failed;
    uint64_t errors[CODES];
    uint64_t buckets[BUCKETS];
};

static void add_up(const struct bench *bench, struct totals *totals)
{
    memset(totals, 0, sizeof *totals);
    for (uint64_t i = 0; i < bench->callers; i++) {
        const struct caller *caller = &bench->list[i];
        totals->ops += caller->ops;
        totals->stale += caller->stale;
        totals->missing += caller->missing;
        totals->max_ns = caller->max_ns > totals->max_ns ? caller->max_ns : totals->max_ns;
        for (size_t j = 0; j < BUCKETS; j++)
            totals->buckets[j] += caller->buckets[j];
        for (size_t j = 0; j < CODES; j++) {
            totals->errors[j] += caller->errors[j];
            totals->failed += caller->errors[j];
        }
    }
}

static double percentile_us(const struct totals *totals, double share)
{
    uint64_t rank = (uint64_t)(share * (double)totals->ops);
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += totals->buckets[i];
        if (seen > rank)
            return (double)(bucket_top(i) < totals->max_ns ? bucket_top(i) : totals->max_ns) / 1e3;
    }
    return (double)totals->max_ns / 1e3;
}

static const struct {
    const char *name;
    const char *member;
    double share;
} percentiles[] = {
    {"p50", "p50", 0.5}, {"p95", "p95", 0.95}, {"p99", "p99", 0.99}, {"p99.9", "p99_9", 0.999}};

#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

static void print_json(const struct bench *bench, const struct totals *totals, double seconds)
{
    json_t *latency = json_object();
    for (size_t i = 0; i < PERCENTILES; i++)
        json_object_set_new(latency, percentiles[i].member,
                            json_real(percentile_us(totals, percentiles[i].share)));
    json_object_set_new(latency, "max", json_real((double)totals->max_ns / 1e3));
    json_t *errors = json_object();
    for (int i = 0; i < CODES; i++) {
        if (totals->errors[i] > 0)
            json_object_set_new(errors, candor_code_name((enum candor_code)i),
                                json_u64(totals->errors[i]));
    }
    json_t *out = json_object();
    json_object_set_new(out, "op", json_string(bench->put ? "put" : "get"));
    json_object_set_new(out, "node", json_string(bench->target.id));
    json_object_set_new(out, "address", json_string(bench->target.address));
    json_object_set_new(out, "callers", json_u64(bench->callers));
    json_object_set_new(out, "keys", json_u64(bench->keys));
    json_object_set_new(out, "value_bytes", json_u64(bench->value_bytes));
    json_object_set_new(out, "seconds", json_real(seconds));
    json_object_set_new(out, "ops", json_u64(totals->ops));
    json_object_set_new(out, "ops_per_second", json_real((double)totals->ops / seconds));
    json_object_set_new(out, "latency_us", latency);
    json_object_set_new(out, "not_found", json_u64(totals->missing));
    json_object_set_new(out, "stale", json_u64(totals->stale));
    json_object_set_new(out, "errors", errors);
    output_json(bench->ctx, out);
}

static void print_text(const struct bench *bench, const struct totals *totals, double seconds)
{
    printf("%s at %s (%s), %llu callers, %llu keys", bench->put ? "put" : "get",
           bench->target.id[0] != '\0' ? bench->target.id : "-", bench->target.address,
           (number)bench->callers, (number)bench->keys);
    if (bench->put)
        printf(", values of %llu bytes", (number)bench->value_bytes);
    printf("\n%.0f operations/s over %.1f s\n", (double)totals->ops / seconds, seconds);
    for (size_t i = 0; i < PERCENTILES; i++)
        printf("%-6s %10.1f us\n", percentiles[i].name,
               percentile_us(totals, percentiles[i].share));
    printf("%-6s %10.1f us\n", "max", (double)totals->max_ns / 1e3);
    if (totals->missing > 0)
        printf("%llu keys were not there (kvctl bench put writes them)\n", (number)totals->missing);
    if (totals->stale > 0)
        printf("%llu answers were flagged stale\n", (number)totals->stale);
    for (int i = 0; i < CODES; i++) {
        if (totals->errors[i] > 0)
            printf("%llu failed: %s\n", (number)totals->errors[i],
                   candor_code_name((enum candor_code)i));
    }
}

/* ---- The command ---- */

/* Numbers of a node that does not answer would say nothing. False after a report. */
static bool is_there(struct bench *bench, int *status)
{
    struct node_row row;
    node_rows(&bench->target, 1, ASK_DEADLINE_MS, &row);
    if (row.result.error.code == CANDOR_OK)
        return true;
    *status = report_error(bench->ctx, &row.result.error, NULL);
    return false;
}

/* put goes to the primary, get to the first node, unless --node or --endpoint say otherwise. */
static bool choose_target(struct bench *bench, int *status)
{
    struct node_target targets[LIMIT_NODES];
    struct node_row *rows = NULL;
    size_t count = node_targets(bench->ctx, targets, status);
    if (count == 0)
        return false;
    bench->target = targets[0];
    if (count == 1 || !bench->put)
        return is_there(bench, status);
    rows = calloc(count, sizeof *rows);
    ASSERT(rows != NULL);
    node_rows(targets, count, ASK_DEADLINE_MS, rows);
    const struct node_row *primary = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct candor_freshness *f = &rows[i].result.freshness;
        if (rows[i].result.has_freshness && f->role == CANDOR_ROLE_PRIMARY &&
            (primary == NULL ||
             candor_epoch_compare(&f->epoch, &primary->result.freshness.epoch) > 0))
            primary = &rows[i];
    }
    if (primary != NULL) {
        bench->target = primary->target;
    } else {
        struct candor_error error;
        candor_error_set(&error, CANDOR_UNAVAILABLE, CANDOR_REASON_NO_PRIMARY,
                         "no node says that it is the primary");
        *status = report_error(bench->ctx, &error, NULL);
    }
    free(rows);
    return primary != NULL;
}

static bool take_options(struct bench *bench, const char *op)
{
    struct command_context *ctx = bench->ctx;
    const char *level = option_text(ctx, "level");
    bench->put = strcmp(op, "put") == 0;
    if (!bench->put && strcmp(op, "get") != 0) {
        report_usage(ctx, "as in `kvctl bench get`", "it measures get or put, not '%s'", op);
        return false;
    }
    if (bench->put && level != NULL) {
        report_usage(ctx, NULL, "--level goes with get");
        return false;
    }
    bench->level = level != NULL && strcmp(level, "linearizable") == 0
                       ? CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE
                       : CANDOR__V1__READ_LEVEL__READ_LEVEL_EVENTUAL;
    bench->deadline_ms = (uint32_t)context_deadline_ms(ctx, LIMIT_RPC_DEADLINE_MS_DEFAULT);
    return option_number(ctx, "callers", 1, LIMIT_RPC_CLIENT_CALLS, &bench->callers) &&
           option_number(ctx, "keys", 1, UINT32_MAX, &bench->keys) &&
           option_number(ctx, "seconds", 1, 86400, &bench->seconds) &&
           option_size_bytes(ctx, "value-size", &bench->value_bytes);
}

static int run_against(struct bench *bench)
{
    struct candor_error error = {0};
    if (candor_channel_open(bench->target.address, &bench->channel, &error) != CANDOR_OK)
        return report_error(bench->ctx, &error, NULL);
    for (uint64_t i = 0; i < bench->callers; i++) {
        bench->list[i].bench = bench;
        rng_seed(&bench->list[i].rng, i + 1);
        atomic_store(&bench->list[i].waiting, true);
    }
    double seconds = (double)drive(bench) / 1e9;
    candor_channel_close(bench->channel);

    struct totals *totals = malloc(sizeof *totals);
    ASSERT(totals != NULL);
    add_up(bench, totals);
    if (context_json(bench->ctx))
        print_json(bench, totals, seconds);
    else
        print_text(bench, totals, seconds);
    int status = totals->ops == 0 ? EXIT_UNAVAILABLE : totals->failed > 0 ? EXIT_OTHER : EXIT_DONE;
    free(totals);
    return status;
}

static int run_bench(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status = EXIT_USAGE;
    struct bench bench = {
        .ctx = ctx, .callers = 64, .keys = 10000, .value_bytes = 128, .seconds = 5};
    if (!take_options(&bench, argv[0]))
        return EXIT_USAGE;
    if (bench.value_bytes > LIMIT_MESSAGE_BYTES_DEFAULT / 2)
        return report_usage(ctx, "give at most 2MiB", "--value-size is more than 2 MiB");
    if (!choose_target(&bench, &status))
        return status;
    bench.value = malloc(bench.value_bytes + 1);
    bench.list = calloc(bench.callers, sizeof *bench.list);
    ASSERT(bench.value != NULL && bench.list != NULL);
    memset(bench.value, 'v', bench.value_bytes);
    status = run_against(&bench);
    free(bench.list);
    free(bench.value);
    return status;
}

static const struct option_spec bench_options[] = {
    {"callers", 0, "COUNT", false, "Requests in flight; default: 64"},
    {"keys", 0, "COUNT", false, "Keys bench:0 to bench:COUNT-1, drawn evenly; default: 10000"},
    {"value-size", 'v', "SIZE", false, "put: bytes of a value; default: 128B"},
    {"seconds", 0, "COUNT", false, "How long; default: 5"},
    {"level", 'l', "eventual|linearizable", false,
     "get: what the read asks for; default: eventual"},
    {0},
};

const struct command command_bench = {
    .name = "bench",
    .group = GROUP_TOOLS,
    .args = "get|put",
    .summary = "Measure operations a second and latencies at one node",
    .description =
        "Sends requests to one node: get to --node or the first node, put to "
        "the primary. Each caller has one request in flight and draws keys evenly; nothing is "
        "retried. bench put "
        "overwrites the keys bench:*.\n\nExit status 1: some requests failed; 5: all of them.",
    .examples = "kvctl bench put --keys 10000 --value-size 128B\n"
                "kvctl bench get --node b --callers 256 --seconds 10\n"
                "kvctl bench get -o json | jq .latency_us.p99\n",
    .options = bench_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_bench,
};
