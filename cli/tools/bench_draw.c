/* What the callers of kvctl bench do next, when, and how it is counted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cli/tools/bench.h"

#define THETA 0.99
#define SUMMED 1000000 /* terms of zeta that are added one by one; the integral gives the rest */

/* ---- Keys ---- */

static double zeta(uint64_t n)
{
    uint64_t summed = n < SUMMED ? n : SUMMED;
    double sum = 0;
    for (uint64_t i = 1; i <= summed; i++)
        sum += pow((double)i, -THETA);
    if (n == summed)
        return sum;
    double from = (double)summed;
    double to = (double)n;
    double integral = (pow(to, 1 - THETA) - pow(from, 1 - THETA)) / (1 - THETA);
    return sum + integral + (pow(to, -THETA) - pow(from, -THETA)) / 2;
}

/* Gray et al., "Quickly generating billion-record synthetic databases", as YCSB does it. */
void bench_zipf_init(struct bench_zipf *zipf, uint64_t keys)
{
    double n = (double)keys;
    zipf->zeta = zeta(keys);
    zipf->alpha = 1 / (1 - THETA);
    zipf->eta = (1 - pow(2 / n, 1 - THETA)) / (1 - zeta(2) / zipf->zeta);
}

static uint64_t zipf_rank(const struct bench_zipf *zipf, struct rng *rng, uint64_t keys)
{
    double share = (double)(rng_next(rng) >> 11) * 0x1p-53;
    double u = share * zipf->zeta;
    if (u < 1)
        return 0;
    if (u < 1 + pow(0.5, THETA))
        return keys > 1 ? 1 : 0;
    double rank = (double)keys * pow(zipf->eta * share - zipf->eta + 1, zipf->alpha);
    return rank < (double)keys ? (uint64_t)rank : keys - 1;
}

/* Frequent keys are not neighbours. */
static uint64_t strew(uint64_t rank, uint64_t keys)
{
    struct rng rng;
    rng_seed(&rng, rank);
    return rng_below(&rng, keys);
}

void bench_key(const struct bench_work *work, uint64_t n, char *out)
{
    int digits = (int)(work->key_bytes - strlen(BENCH_PREFIX));
    snprintf(out, work->key_bytes + 1, BENCH_PREFIX "%0*" PRIu64, digits, n);
}

static void draw_keys(struct bench_draw *draw, const struct bench *bench, size_t count)
{
    const struct bench_work *work = &bench->work;
    draw->count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = work->zipf ? strew(zipf_rank(&bench->zipf, &draw->rng, work->keys), work->keys)
                                : rng_below(&draw->rng, work->keys);
        char *key = (char *)draw->room + i * (work->key_bytes + 1);
        bench_key(work, n, key);
        draw->keys[i] = (struct candor_bytes){key, work->key_bytes};
    }
}

void bench_draw_init(struct bench_draw *draw, const struct bench *bench, uint64_t caller)
{
    const struct bench_work *work = &bench->work;
    size_t room = work->batch < 2 ? 2 : work->batch;
    rng_seed(&draw->rng, bench->seed * BENCH_CALLERS_MAX + caller + 1);
    draw->keys = calloc(room, sizeof *draw->keys);
    draw->room = malloc(room * (work->key_bytes + 1));
    draw->ops = calloc(room, sizeof *draw->ops);
    ASSERT(draw->keys != NULL && draw->room != NULL && draw->ops != NULL);
}

void bench_draw_free(struct bench_draw *draw)
{
    free(draw->keys);
    free(draw->ops);
    free(draw->room);
}

void bench_draw_next(struct bench_draw *draw, const struct bench *bench)
{
    const struct bench_work *work = &bench->work;
    switch (work->op) {
    case BENCH_PUT:
        draw->is_write = true;
        break;
    case BENCH_TXN:
        draw->is_write = true;
        draw_keys(draw, bench, 2);
        return;
    case BENCH_MIXED:
        draw->is_write = rng_below(&draw->rng, 100) >= work->reads_percent;
        break;
    case BENCH_SCAN:
    case BENCH_LAG:
        draw->is_write = false;
        draw_keys(draw, bench, 1);
        return;
    default:
        draw->is_write = false;
    }
    draw_keys(draw, bench, work->batch);
}

/* ---- When ---- */

static uint64_t due_at(const struct bench *bench, uint64_t n)
{
    return bench->begun_ns + (uint64_t)((double)n * 1e9 / (double)bench->work.rate);
}

bool bench_claim(struct bench *bench, uint64_t now_ns, uint64_t *due_ns)
{
    if (atomic_load(&bench->stopping))
        return false;
    *due_ns = now_ns;
    if (bench->work.rate == 0)
        return true;
    uint_fast64_t next = atomic_load(&bench->issued);
    do {
        *due_ns = due_at(bench, next);
        if (*due_ns > now_ns || *due_ns >= bench->begun_ns + bench->work.duration_ns)
            return false;
    } while (!atomic_compare_exchange_weak(&bench->issued, &next, next + 1));
    return true;
}

bool bench_take(struct bench *bench, uint64_t *due_ns)
{
    *due_ns = due_at(bench, atomic_fetch_add(&bench->issued, 1));
    return *due_ns < bench->begun_ns + bench->work.duration_ns;
}

uint64_t bench_next_due_ns(struct bench *bench)
{
    uint64_t due = due_at(bench, atomic_load(&bench->issued));
    return due < bench->begun_ns + bench->work.duration_ns ? due : UINT64_MAX;
}

void bench_pause_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&left, NULL);
}

void bench_begin(struct bench *bench)
{
    bench->begun_ns = clock_boot_ns();
    bench->tally->begun_wall_ms = clock_wall_ms();
}

bool bench_goes_on(const struct bench *bench)
{
    uint64_t took = clock_boot_ns() - bench->begun_ns;
    if (interrupt_seen())
        return false;
    if (took < bench->work.duration_ns)
        return true;
    return atomic_load(&bench->tally->ops) == 0 && bench_failed(bench->tally) == 0 &&
           took - bench->work.duration_ns < bench->work.deadline_ms * NS_PER_MS;
}

void bench_end(struct bench *bench)
{
    uint64_t now = clock_boot_ns();
    atomic_store(&bench->stopping, true);
    bench->tally->took_ns = now - bench->begun_ns;
    if (bench->work.rate == 0)
        return;
    uint64_t until = bench->tally->took_ns < bench->work.duration_ns ? bench->tally->took_ns
                                                                     : bench->work.duration_ns;
    uint64_t due = (uint64_t)((double)until * (double)bench->work.rate / 1e9);
    uint64_t issued = atomic_load(&bench->issued);
    atomic_store(&bench->tally->unsent, due > issued ? due - issued : 0);
}

/* ---- What came of it ---- */

static void count_slice(const struct bench *bench, atomic_uint_least32_t *slices, uint64_t now_ns)
{
    if (bench->work.slice_ns == 0)
        return;
    uint64_t slice = (now_ns - bench->begun_ns) / bench->work.slice_ns;
    atomic_fetch_add(&slices[slice < BENCH_SLICES_MAX ? slice : BENCH_SLICES_MAX - 1], 1);
}

static void count_answer(const struct bench *bench, const struct bench_draw *draw,
                         const struct candor_result *result)
{
    struct bench_tally *tally = bench->tally;
    const char *target = bench->place.target.id;
    for (size_t i = 0; i < result->item_count && !draw->is_write; i++)
        atomic_fetch_add(&tally->missing, !result->items[i].found);
    if (!result->has_freshness)
        return;
    atomic_fetch_add(&tally->stale, result->freshness.stale);
    if (target[0] != '\0' && strcmp(target, result->freshness.node) != 0)
        atomic_fetch_add(&tally->elsewhere, 1);
}

void bench_count(struct bench *bench, const struct bench_draw *draw, uint64_t due_ns,
                 const struct candor_result *result)
{
    struct bench_tally *tally = bench->tally;
    uint64_t now = clock_boot_ns();
    unsigned code = (unsigned)result->error.code;
    if (code != CANDOR_OK) {
        atomic_fetch_add(&tally->errors[code < BENCH_CODES ? code : CANDOR_UNKNOWN], 1);
        count_slice(bench, tally->failed, now);
        return;
    }
    /* In the closed loop an answer behind the end belongs to no second that was measured. */
    if (bench->work.rate == 0 && atomic_load(&bench->stopping))
        return;
    histogram_add(draw->is_write ? &tally->writes : &tally->reads, now - due_ns);
    atomic_fetch_add(&tally->ops, bench->work.op == BENCH_TXN ? 1 : draw->count);
    count_answer(bench, draw, result);
    count_slice(bench, tally->done, now);
}
