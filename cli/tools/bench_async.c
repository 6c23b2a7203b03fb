/* Callers of kvctl bench without a thread each: a caller submits its next operation when its last
 * one completes. A caller that failed waits for the main thread, which lets it go on a little
 * later: a failing cluster is not asked in a tight loop. In the open loop a caller waits there,
 * too, when nothing is due. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/tools/bench.h"

#define TICK_NS (10 * NS_PER_MS)

struct engine;

struct caller {
    struct engine *engine;
    struct bench_draw draw;
    uint64_t due_ns;
};

struct engine {
    struct bench *bench;
    struct candor_client *client;
    struct caller *callers;
    pthread_mutex_t lock;
    struct caller **idle; /* under lock */
    size_t idle_count;    /* under lock */
};

static void wait_idle(struct caller *caller)
{
    struct engine *engine = caller->engine;
    pthread_mutex_lock(&engine->lock);
    engine->idle[engine->idle_count++] = caller;
    pthread_mutex_unlock(&engine->lock);
}

static void submit_next(struct caller *caller);

/* A thread of the library. */
static void on_result(void *closure, struct candor_result *result)
{
    struct caller *caller = closure;
    struct bench *bench = caller->engine->bench;
    bench_count(bench, &caller->draw, caller->due_ns, result);
    if (result->error.code == CANDOR_OK && bench_claim(bench, clock_boot_ns(), &caller->due_ns))
        submit_next(caller);
    else
        wait_idle(caller);
}

static void submit_next(struct caller *caller)
{
    struct engine *engine = caller->engine;
    struct candor_sink sink = {.done = on_result, .closure = caller};
    struct candor_result refused = {0};
    struct bench_call call;
    bench_draw_next(&caller->draw, engine->bench);
    bench_call_make(&call, &caller->draw, engine->bench);
    if (bench_call_submit(&call, engine->client, &sink, &refused.error) == CANDOR_OK)
        return;
    bench_count(engine->bench, &caller->draw, caller->due_ns, &refused);
    wait_idle(caller);
}

/* ---- The main thread ---- */

static struct caller *take_idle(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    struct caller *caller = engine->idle_count > 0 ? engine->idle[--engine->idle_count] : NULL;
    pthread_mutex_unlock(&engine->lock);
    return caller;
}

static size_t idle_count(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    size_t count = engine->idle_count;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

/* Lets those who wait send (again), as far as something is due: each once. */
static void release(struct engine *engine)
{
    for (size_t left = idle_count(engine); left > 0; left--) {
        struct caller *caller = take_idle(engine);
        if (caller == NULL)
            return;
        if (!bench_claim(engine->bench, clock_boot_ns(), &caller->due_ns)) {
            wait_idle(caller);
            return;
        }
        submit_next(caller);
    }
}

static uint64_t pause_ns(struct engine *engine)
{
    uint64_t now = clock_boot_ns();
    uint64_t wake = now + TICK_NS;
    if (engine->bench->work.rate > 0 && idle_count(engine) > 0) {
        uint64_t due = bench_next_due_ns(engine->bench);
        wake = due < wake ? due : wake;
    }
    uint64_t end = engine->bench->begun_ns + engine->bench->work.duration_ns;
    if (now < end)
        wake = wake < end ? wake : end;
    return wake > now ? wake - now : 0;
}

static void drive(struct engine *engine)
{
    struct bench *bench = engine->bench;
    prctl(PR_SET_TIMERSLACK, 1); /* a sleep that is too long is a latency of the open loop */
    while (bench_goes_on(bench)) {
        release(engine);
        bench_pause_ns(pause_ns(engine));
    }
    prctl(PR_SET_TIMERSLACK, 0);
    bench_end(bench);
    while (idle_count(engine) < bench->work.callers) /* each ends by its deadline */
        bench_pause_ns(NS_PER_MS);
}

static void callers_init(struct engine *engine)
{
    struct bench *bench = engine->bench;
    engine->callers = calloc(bench->work.callers, sizeof *engine->callers);
    engine->idle = calloc(bench->work.callers, sizeof(struct caller *));
    ASSERT(engine->callers != NULL && engine->idle != NULL);
    for (uint64_t i = 0; i < bench->work.callers; i++) {
        struct caller *caller = &engine->callers[i];
        caller->engine = engine;
        bench_draw_init(&caller->draw, bench, i);
        wait_idle(caller);
    }
}

static void callers_free(struct engine *engine)
{
    for (uint64_t i = 0; i < engine->bench->work.callers; i++)
        bench_draw_free(&engine->callers[i].draw);
    free(engine->callers);
    free(engine->idle);
}

void bench_run_async(struct bench *bench)
{
    struct engine engine = {.bench = bench, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (!bench_open_client(bench, &engine.client))
        return;
    callers_init(&engine);
    bench_begin(bench);
    drive(&engine);
    candor_client_close(engine.client);
    callers_free(&engine);
}
