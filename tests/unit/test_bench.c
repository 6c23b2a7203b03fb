/* links: cli */
/* The arithmetic of kvctl bench: percentiles, how keys are drawn, and when operations are due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/tools/bench.h"

static void percentiles_are_told_at_most_a_little_too_long(void **state)
{
    (void)state;
    static struct histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    for (uint64_t i = 1; i <= 1000000; i++)
        histogram_add(&histogram, i * 1000);
    static const double shares[] = {0, 0.000001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double exact = shares[i] < 0.000001 ? 1000 : shares[i] * 1e9;
        double told = (double)histogram_percentile_ns(&histogram, shares[i]);
        assert_true(told >= exact && told <= exact * 1.008);
    }
    assert_int_equal(histogram_percentile_ns(&histogram, 1), 1000000000);
    assert_int_equal(histogram_mean_ns(&histogram), 500000500);
}

static void any_latency_has_a_bucket(void **state)
{
    (void)state;
    static struct histogram one;
    static struct histogram both;
    memset(&both, 0, sizeof both);
    assert_int_equal(histogram_percentile_ns(&both, 0.5), 0);
    static const uint64_t values[] = {0, 1, 127, 128, 129, 255, 256, 257, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        memset(&one, 0, sizeof one);
        histogram_add(&one, values[i]);
        assert_true(histogram_percentile_ns(&one, 0.5) == values[i]);
        histogram_merge(&both, &one);
    }
    assert_int_equal(atomic_load(&both.total), sizeof values / sizeof values[0]);
    assert_true(histogram_percentile_ns(&both, 1) == UINT64_MAX);
    assert_int_equal(histogram_percentile_ns(&both, 0.5), 129);
}

static struct bench bench_of(uint64_t keys, bool zipf)
{
    struct bench bench = {
        .work = {.op = BENCH_GET, .keys = keys, .key_bytes = 16, .batch = 1, .zipf = zipf}};
    if (zipf)
        bench_zipf_init(&bench.zipf, keys);
    return bench;
}

/* How often the most frequent one of `keys` keys is drawn. */
static double greatest_share(uint64_t keys, bool zipf)
{
    enum { DRAWS = 200000 };
    struct bench bench = bench_of(keys, zipf);
    struct bench_draw draw;
    bench_draw_init(&draw, &bench, 0);
    uint64_t *seen = calloc(keys, sizeof *seen);
    assert_non_null(seen);
    uint64_t most = 0;
    for (int i = 0; i < DRAWS; i++) {
        bench_draw_next(&draw, &bench);
        assert_int_equal(draw.count, 1);
        assert_int_equal(draw.keys[0].length, 16);
        uint64_t n = strtoull((const char *)draw.keys[0].data + strlen(BENCH_PREFIX), NULL, 10);
        assert_true(n < keys);
        seen[n]++;
        most = seen[n] > most ? seen[n] : most;
    }
    free(seen);
    bench_draw_free(&draw);
    return (double)most / DRAWS;
}

static void keys_are_drawn_as_asked(void **state)
{
    (void)state;
    assert_true(greatest_share(1000, false) < 0.002);
    /* 1 / zeta(1000, 0.99) = 0.128 */
    double share = greatest_share(1000, true);
    assert_true(share > 0.12 && share < 0.14);
    assert_true(greatest_share(1, true) > 0.99);
    assert_true(greatest_share(2, true) > 0.5);
}

/* YCSB's constant for ten thousand million items. */
static void zeta_is_that_of_ycsb(void **state)
{
    (void)state;
    struct bench_zipf zipf;
    bench_zipf_init(&zipf, UINT64_C(10000000000));
    assert_true(zipf.zeta > 26.469028201 && zipf.zeta < 26.469028203);
}

static void the_open_loop_is_due_whatever_became_of_the_ones_before(void **state)
{
    (void)state;
    struct bench bench = bench_of(10, false);
    bench.work.rate = 1000;
    bench.work.duration_ns = 10 * NS_PER_MS;
    bench.begun_ns = NS_PER_S;
    uint64_t due;
    assert_true(bench_claim(&bench, NS_PER_S, &due));
    assert_int_equal(due, NS_PER_S);
    assert_false(bench_claim(&bench, NS_PER_S, &due)); /* the next one in a millisecond */
    assert_int_equal(bench_next_due_ns(&bench), NS_PER_S + NS_PER_MS);
    for (uint64_t i = 1; i < 10; i++) { /* all of them late: each counts from when it was due */
        assert_true(bench_claim(&bench, 2 * NS_PER_S, &due));
        assert_int_equal(due, NS_PER_S + i * NS_PER_MS);
    }
    assert_false(bench_claim(&bench, 2 * NS_PER_S, &due)); /* the run is over */
    assert_true(bench_next_due_ns(&bench) == UINT64_MAX);
    assert_false(bench_take(&bench, &due));
}

static void set_address(char *out, const char *address)
{
    snprintf(out, CANDOR_ADDRESS_BYTES, "%s", address);
}

/* It came when the parent had looked for it, and had not begun to wait yet. */
static void an_interrupt_just_before_the_wait_ends_the_processes(void **state)
{
    (void)state;
    static struct bench_tally tally;
    uint8_t value[1] = {0};
    struct bench bench = bench_of(10, false);
    bench.work.callers = 1;
    bench.work.processes = 2;
    bench.work.duration_ns = 3600 * NS_PER_S;
    bench.work.deadline_ms = 100;
    bench.tally = &tally;
    bench.value = value;
    bench.place.endpoint_count = 1;
    set_address(bench.place.target.address, "tcp://127.0.0.1:1"); /* nobody listens */
    set_address(bench.place.endpoints[0], "tcp://127.0.0.1:1");
    struct bench_processes *processes = bench_processes_fork(&bench);
    interrupt_begin();
    raise(SIGTERM);
    bench_processes_run(processes, &bench);
    assert_true(interrupt_seen());
    interrupt_end();
    bench_processes_free(processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_told_at_most_a_little_too_long),
        cmocka_unit_test(any_latency_has_a_bucket),
        cmocka_unit_test(keys_are_drawn_as_asked),
        cmocka_unit_test(zeta_is_that_of_ycsb),
        cmocka_unit_test(the_open_loop_is_due_whatever_became_of_the_ones_before),
        cmocka_unit_test(an_interrupt_just_before_the_wait_ends_the_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
