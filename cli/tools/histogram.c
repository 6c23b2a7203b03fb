/* Latencies, counted in buckets. */
#include "cli/tools/histogram.h"

#include <math.h>

static size_t bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_SUBS)
        return (size_t)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_SUBS + (size_t)((ns >> shift) - HISTOGRAM_SUBS);
}

/* The largest value of a bucket: a latency is never told shorter than it was. */
static uint64_t bucket_top(size_t bucket)
{
    if (bucket < HISTOGRAM_SUBS)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_SUBS) - 1;
    uint64_t next = (uint64_t)(bucket % HISTOGRAM_SUBS) + HISTOGRAM_SUBS + 1;
    return (next << shift) - 1; /* of the last bucket: 0 - 1, the largest number there is */
}

static void raise_max(struct histogram *histogram, uint64_t ns)
{
    uint_fast64_t max = atomic_load_explicit(&histogram->max_ns, memory_order_relaxed);
    while (ns > max &&
           !atomic_compare_exchange_weak_explicit(&histogram->max_ns, &max, ns,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static void add(atomic_uint_fast64_t *to, uint64_t number)
{
    atomic_fetch_add_explicit(to, number, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    add(&histogram->counts[bucket_of(ns)], 1);
    add(&histogram->total, 1);
    add(&histogram->sum_ns, ns);
    raise_max(histogram, ns);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        add(&into->counts[i], atomic_load(&from->counts[i]));
    add(&into->total, atomic_load(&from->total));
    add(&into->sum_ns, atomic_load(&from->sum_ns));
    raise_max(into, atomic_load(&from->max_ns));
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, double share)
{
    uint64_t max = atomic_load(&histogram->max_ns);
    double rank = ceil(share * (double)atomic_load(&histogram->total));
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = atomic_load(&histogram->counts[i]);
        seen += count;
        if (count > 0 && (double)seen >= rank)
            return bucket_top(i) < max ? bucket_top(i) : max;
    }
    return max;
}

uint64_t histogram_mean_ns(const struct histogram *histogram)
{
    uint64_t total = atomic_load(&histogram->total);
    return total == 0 ? 0 : atomic_load(&histogram->sum_ns) / total;
}
