/* Callers of kvctl bench as most programs are: threads of one process that share one client of
 * libcandor, each in a call that blocks. The client follows redirects and tries again. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/tools/bench.h"

#define STACK_BYTES ((size_t)256 << 10) /* 1,024 threads */
#define TICK_NS (10 * NS_PER_MS)

struct engine {
    struct bench *bench;
    struct candor_client *client;
};

struct caller {
    struct engine *engine;
    struct bench_draw draw;
    pthread_t thread;
};

static void read_once(struct caller *caller, struct candor_result *result)
{
    const struct bench_work *work = &caller->engine->bench->work;
    struct candor_client *client = caller->engine->client;
    struct candor_read_options options = {.level = work->level,
                                          .max_staleness_ms = work->max_staleness_ms};
    if (work->op == BENCH_SCAN) {
        struct candor_range range = {.start = caller->draw.keys[0], .limit = (uint32_t)work->batch};
        candor_scan(client, &range, &options, result);
        return;
    }
    if (caller->draw.count > 1)
        candor_mget(client, caller->draw.keys, caller->draw.count, &options, result);
    else
        candor_get(client, caller->draw.keys[0], &options, result);
    for (size_t i = 0; i < result->item_count; i++)
        atomic_fetch_add(&caller->engine->bench->tally->missing, !result->items[i].found);
}

/* If the first key exists: reads it, and writes the second one. */
static void txn_once(struct caller *caller, const struct candor_write_options *options,
                     struct candor_result *result)
{
    const struct bench *bench = caller->engine->bench;
    struct candor_compare there = {
        .key = caller->draw.keys[0], .target = CANDOR_COMPARE_EXISTS, .exists = true};
    struct candor_txn_op ops[] = {
        {.kind = CANDOR_TXN_GET, .key = caller->draw.keys[0]},
        {.kind = CANDOR_TXN_PUT,
         .key = caller->draw.keys[1],
         .value = {bench->value, bench->work.value_bytes}},
    };
    struct candor_txn txn = {
        .compares = &there, .compare_count = 1, .then_ops = ops, .then_count = 2};
    candor_txn(caller->engine->client, &txn, options, result);
}

static void write_once(struct caller *caller, struct candor_result *result)
{
    const struct bench *bench = caller->engine->bench;
    struct candor_client *client = caller->engine->client;
    struct candor_write_options options = {.ack = bench->work.ack};
    struct candor_bytes value = {bench->value, bench->work.value_bytes};
    if (bench->work.op == BENCH_TXN) {
        txn_once(caller, &options, result);
        return;
    }
    if (caller->draw.count == 1) {
        candor_put(client, caller->draw.keys[0], value, &options, result);
        return;
    }
    struct candor_op *ops = calloc(caller->draw.count, sizeof *ops);
    ASSERT(ops != NULL);
    for (size_t i = 0; i < caller->draw.count; i++)
        ops[i] = (struct candor_op){.key = caller->draw.keys[i], .value = value};
    candor_batch(client, ops, caller->draw.count, &options, result);
    free(ops);
}

/* From the acknowledgement of a write at the primary to an answer of the target that has it. */
static void lag_once(struct caller *caller, uint64_t *due_ns, struct candor_result *result)
{
    struct bench *bench = caller->engine->bench;
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    struct candor_write_options options = {.ack = bench->work.ack};
    struct candor_bytes value = {bench->value, bench->work.value_bytes};
    if (candor_put(caller->engine->client, caller->draw.keys[0], value, &options, result) !=
        CANDOR_OK)
        return;
    struct candor_token token = result->token;
    candor_result_free(result);
    session.token = &token;
    *due_ns = clock_boot_ns();
    candor_get(caller->engine->client, caller->draw.keys[0], &session, result);
}

static void call_once(struct caller *caller, uint64_t due_ns)
{
    struct bench *bench = caller->engine->bench;
    struct candor_result result = {0};
    bench_draw_next(&caller->draw, bench);
    if (bench->work.op == BENCH_LAG)
        lag_once(caller, &due_ns, &result);
    else if (caller->draw.is_write)
        write_once(caller, &result);
    else
        read_once(caller, &result);
    size_t ops = bench->work.op == BENCH_TXN ? 1 : caller->draw.count;
    bench_count(bench, caller->draw.is_write, due_ns, ops, &result);
    bool failed = result.error.code != CANDOR_OK;
    candor_result_free(&result);
    if (failed)
        bench_pause_ns(TICK_NS); /* a failing cluster is not asked in a tight loop */
}

/* Takes the next one, and waits until it is due; false: the end has come. Each thread waits for one
 * of its own: nobody wakes in vain. */
static bool take_next(struct bench *bench, uint64_t *due_ns)
{
    if (bench->work.rate == 0)
        return bench_claim(bench, clock_boot_ns(), due_ns);
    if (!bench_take(bench, due_ns))
        return false;
    for (uint64_t now = clock_boot_ns(); now < *due_ns; now = clock_boot_ns()) {
        if (atomic_load(&bench->stopping))
            return false;
        bench_pause_ns(*due_ns - now < TICK_NS ? *due_ns - now : TICK_NS);
    }
    return !atomic_load(&bench->stopping);
}

static void *run(void *closure)
{
    struct caller *caller = closure;
    uint64_t due_ns;
    prctl(PR_SET_TIMERSLACK, 1); /* a sleep that is too long is a latency of the open loop */
    while (take_next(caller->engine->bench, &due_ns))
        call_once(caller, due_ns);
    return NULL;
}

static uint64_t start_all(struct engine *engine, struct caller *callers)
{
    struct bench *bench = engine->bench;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    uint64_t started = 0;
    for (; started < bench->work.callers; started++) {
        struct caller *caller = &callers[started];
        caller->engine = engine;
        bench_draw_init(&caller->draw, bench, started);
        if (pthread_create(&caller->thread, &attributes, run, caller) == 0)
            continue;
        bench_draw_free(&caller->draw);
        candor_error_set(&bench->tally->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                         "no more than %llu threads can be started", (unsigned long long)started);
        break;
    }
    pthread_attr_destroy(&attributes);
    return started;
}

static bool open_client(struct engine *engine)
{
    struct bench *bench = engine->bench;
    const char *endpoints[LIMIT_NODES];
    for (size_t i = 0; i < bench->place.endpoint_count; i++)
        endpoints[i] = bench->place.endpoints[i];
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = bench->place.endpoint_count,
                                            .deadline_ms = bench->work.deadline_ms};
    return candor_client_open(&options, &engine->client, &bench->tally->error) == CANDOR_OK;
}

void bench_run_blocking(struct bench *bench)
{
    struct engine engine = {.bench = bench};
    if (!open_client(&engine))
        return;
    struct caller *callers = calloc(bench->work.callers, sizeof *callers);
    ASSERT(callers != NULL);
    bench_begin(bench);
    uint64_t started = start_all(&engine, callers);
    uint64_t end_ns = bench->begun_ns + bench->work.duration_ns;
    while (started == bench->work.callers && !interrupt_seen()) {
        uint64_t now = clock_boot_ns();
        if (now >= end_ns)
            break;
        bench_pause_ns(end_ns - now < TICK_NS ? end_ns - now : TICK_NS);
    }
    bench_end(bench);
    for (uint64_t i = 0; i < started; i++) {
        pthread_join(callers[i].thread, NULL);
        bench_draw_free(&callers[i].draw);
    }
    candor_client_close(engine.client);
    free(callers);
}
