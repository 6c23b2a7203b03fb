/* links: client */
/* What a client tells of itself: its counters, and the lines of the library's log. */
#include "scripted_nodes.h"

#include <sched.h>
#include <stdatomic.h>

#include <candor/async.h>
#include <candor/log.h>

static struct candor_counters counters_of(struct candor_client *client)
{
    struct candor_counters counters;
    memset(&counters, 0xa5, sizeof counters);
    candor_client_counters(client, &counters);
    for (size_t i = 0; i < sizeof counters.reserved / sizeof counters.reserved[0]; i++)
        assert_int_equal(counters.reserved[i], 0);
    return counters;
}

/* NNG may tell of a connection after the first answer over it. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t end_ns = clock_boot_ns() + 60 * NS_PER_S;                                         \
        while (!(condition) && clock_boot_ns() < end_ns)                                           \
            sched_yield();                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

/* ---- Counters -------------------------------------------------------------------------------- */

static void a_call_that_is_answered_at_once_counts_once(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 9});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_counters before = counters_of(client);
    EXPECT(get(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    struct candor_counters after = counters_of(client);
    assert_int_equal(after.calls - before.calls, 1);
    assert_int_equal(after.attempts - before.attempts, 1);
    assert_int_equal(after.messages - before.messages, 1);
    assert_int_equal(after.in_flight, 0);
    assert_int_equal(after.failed, before.failed);
    UNTIL(counters_of(client).connections == 1);
    assert_int_equal(counters_of(client).reconnects, 0);
}

static void redirects_and_retries_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY},
           {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY},
           {.code = CANDOR_FAILED_PRECONDITION,
            .reason = CANDOR_REASON_NOT_PRIMARY,
            .redirect = &f->nodes[1]});
    SCRIPT(&f->nodes[1], {.seq = 9});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_counters before = counters_of(client);
    EXPECT(put(client, &result), CANDOR_OK, result);
    struct candor_counters after = counters_of(client);
    assert_int_equal(after.calls - before.calls, 1);
    assert_int_equal(after.attempts - before.attempts, result.attempts);
    assert_int_equal(after.redirects - before.redirects, result.redirects);
    /* each attempt but the first is the one or the other */
    assert_int_equal(after.retries - before.retries, result.attempts - result.redirects - 1);
    assert_true(after.retries - before.retries >= 2);
    candor_result_free(&result);
    UNTIL(counters_of(client).connections >= 2);
}

static void a_node_that_comes_back_is_a_reconnect(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 9});
    struct candor_client *client = open_client(f, 1, false);
    UNTIL(counters_of(client).connections == 1);
    close_node(&f->nodes[0]);
    open_node(f, &f->nodes[0], "a");
    SCRIPT(&f->nodes[0], {.seq = 9});
    EXPECT(get(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    UNTIL(counters_of(client).reconnects >= 1);
    struct candor_counters counters = counters_of(client);
    assert_int_equal(counters.connections, counters.reconnects + 1);
}

static void a_call_that_is_refused_is_a_failure(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_NOT_FOUND});
    struct candor_client *client = open_client(f, 1, false);
    uint64_t failed = counters_of(client).failed;
    EXPECT(get(client, &result), CANDOR_NOT_FOUND, result);
    candor_result_free(&result);
    assert_int_equal(counters_of(client).failed, failed + 1);
}

static void what_nobody_answers_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct candor_queue *queue;
    struct candor_completion completion;
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    struct candor_client *client = open_client(f, 1, false);
    assert_int_equal(candor_queue_open(&queue, NULL), CANDOR_OK);
    struct candor_sink sink = {.queue = queue};
    uint64_t ended = counters_of(client).calls;
    for (int i = 0; i < 3; i++)
        assert_int_equal(candor_submit_get(client, candor_text("k"), NULL, &sink, NULL), CANDOR_OK);
    assert_int_equal(counters_of(client).in_flight, 3);
    assert_int_equal(counters_of(client).calls, ended + 3);
    candor_client_close(client);
    f->client = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(candor_queue_wait(queue, &completion, 1, -1), 1);
        candor_result_free(&completion.result);
    }
    candor_queue_close(queue);
}

/* ---- The log --------------------------------------------------------------------------------- */

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[1 << 16];
static atomic_int least_seen;

static void take_line(void *closure, enum candor_log_level level, const char *text)
{
    assert_string_equal(closure, "closure");
    pthread_mutex_lock(&seen_lock);
    size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%s\n", text);
    if ((int)level < atomic_load(&least_seen))
        atomic_store(&least_seen, (int)level);
    pthread_mutex_unlock(&seen_lock);
}

static bool was_said(const char *text)
{
    pthread_mutex_lock(&seen_lock);
    bool found = strstr(seen, text) != NULL;
    pthread_mutex_unlock(&seen_lock);
    return found;
}

static void listen_to(enum candor_log_level least)
{
    seen[0] = '\0';
    atomic_store(&least_seen, CANDOR_LOG_ERROR + 1);
    candor_log_to(take_line, (void *)(uintptr_t) "closure", least);
}

static void retry_and_redirect(struct fixture *f)
{
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY},
           {.code = CANDOR_FAILED_PRECONDITION,
            .reason = CANDOR_REASON_NOT_PRIMARY,
            .redirect = &f->nodes[1]});
    SCRIPT(&f->nodes[1], {.seq = 9});
    struct candor_client *client = open_client(f, 1, false);
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
}

static void the_host_hears_what_happens(void **state)
{
    struct fixture *f = *state;
    listen_to(CANDOR_LOG_DEBUG);
    retry_and_redirect(f);
    UNTIL(was_said("connected address=ipc://"));
    assert_true(was_said("retried method=/candor.v1.KV/Put code=UNAVAILABLE reason=NO_PRIMARY"));
    assert_true(was_said("redirected method=/candor.v1.KV/Put by=a to="));
    candor_log_to(NULL, NULL, CANDOR_LOG_INFO);
}

static void nothing_below_the_least_level_is_told(void **state)
{
    struct fixture *f = *state;
    listen_to(CANDOR_LOG_WARN);
    retry_and_redirect(f);
    candor_log_to(NULL, NULL, CANDOR_LOG_INFO);
    assert_true(atomic_load(&least_seen) >= CANDOR_LOG_WARN);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_that_is_answered_at_once_counts_once),
        TEST(redirects_and_retries_are_told_apart),
        TEST(a_node_that_comes_back_is_a_reconnect),
        TEST(a_call_that_is_refused_is_a_failure),
        TEST(what_nobody_answers_is_in_flight),
        TEST(the_host_hears_what_happens),
        TEST(nothing_below_the_least_level_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
