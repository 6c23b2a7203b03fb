/* Callers of kvctl bench as most programs are: threads of one process that share one client of
 * libcandor, each in a call that blocks. */
#include <inttypes.h>
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
    struct bench_call call;
    bench_draw_next(&caller->draw, bench);
    if (bench->work.op == BENCH_LAG) {
        lag_once(caller, &due_ns, &result);
    } else {
        bench_call_make(&call, &caller->draw, bench);
        bench_call_wait(&call, caller->engine->client, &result);
    }
    bench_count(bench, &caller->draw, due_ns, &result);
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
                         "no more than %" PRIu64 " threads can be started", started);
        break;
    }
    pthread_attr_destroy(&attributes);
    return started;
}

void bench_run_blocking(struct bench *bench)
{
    struct engine engine = {.bench = bench};
    if (!bench_open_client(bench, &engine.client))
        return;
    struct caller *callers = calloc(bench->work.callers, sizeof *callers);
    ASSERT(callers != NULL);
    bench_begin(bench);
    uint64_t started = start_all(&engine, callers);
    uint64_t end_ns = bench->begun_ns + bench->work.duration_ns;
    while (started == bench->work.callers && bench_goes_on(bench)) {
        uint64_t now = clock_boot_ns();
        bench_pause_ns(now < end_ns && end_ns - now < TICK_NS ? end_ns - now : TICK_NS);
    }
    bench_end(bench);
    for (uint64_t i = 0; i < started; i++) {
        pthread_join(callers[i].thread, NULL);
        bench_draw_free(&callers[i].draw);
    }
    candor_client_close(engine.client);
    free(callers);
}
