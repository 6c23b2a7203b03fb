/* How often each latency was seen, in buckets that grow with it: from 1 ns to centuries, each value
 * told at most 0.8 % too long and never too short.
 *
 * Threads: any may add; it is read when nobody adds any more. Zeroed memory is an empty one, also
 * memory that processes share. */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7 /* each power of two is cut into 2^7 buckets */
#define HISTOGRAM_SUBS ((size_t)1 << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUBS)

struct histogram {
    atomic_uint_fast64_t counts[HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t total;
    atomic_uint_fast64_t sum_ns;
    atomic_uint_fast64_t max_ns;
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The least latency that a share (0 to 1) of all does not exceed; 0: there are none. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, double share);
uint64_t histogram_mean_ns(const struct histogram *histogram);

#endif
