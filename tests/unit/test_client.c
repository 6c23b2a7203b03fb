/* links: client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <candor/client.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "candor/v1/kv.pb-c.h"
#include "longer_deadlines.h"
#include "rpc/rpc.h"
#include "scripted_nodes.h"

/* Asks until a refusal came back before the deadline. */
static enum candor_code get_refused(struct candor_client *client, struct candor_result *result)
{
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_read_options options = {
            .level = CANDOR_READ_BOUNDED, .max_staleness_ms = 10, .deadline_ms = ms};
        code = candor_get(client, candor_text("k"), &options, result);
        if (result->has_freshness)
            break;
        candor_result_free(result);
    }
    return code;
}

/* ---- Finding the primary --------------------------------------------------------------------- */

static void redirect_is_followed_and_names_its_hops(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_NOT_PRIMARY,
                          .redirect = &f->nodes[1]});
    SCRIPT(&f->nodes[1], {.seq = 9});
    /* b is known from the redirect alone */
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    EXPECT(put(client, &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_int_equal(result.last.seq, 9);
    size_t asked = f->nodes[0].calls; /* more than once where connecting to b takes too long */
    assert_int_equal(result.redirects, asked);
    assert_int_equal(f->nodes[1].hops, 1);
    assert_string_equal(f->nodes[1].first_hop, "a");
    assert_int_equal(f->nodes[0].numbers[0], f->nodes[1].numbers[0]); /* R46 */
    candor_result_free(&result);

    SCRIPT(&f->nodes[1], {.seq = 9}, {.seq = 10});
    EXPECT(put(client, &result), CANDOR_OK, result); /* the primary is remembered */
    candor_result_free(&result);
    assert_int_equal(f->nodes[0].calls, asked);
    assert_int_equal(f->nodes[1].numbers[1], f->nodes[1].numbers[0] + 1);
}

static void redirect_loop_ends_with_max_hops_and_the_trail(void **state)
{
    struct fixture *f = *state;
    struct reply to_b = {.code = CANDOR_FAILED_PRECONDITION,
                         .reason = CANDOR_REASON_NOT_PRIMARY,
                         .redirect = &f->nodes[1]};
    struct reply to_a = to_b;
    to_a.redirect = &f->nodes[0];
    script(&f->nodes[0], 1, &to_b);
    script(&f->nodes[1], 1, &to_a);
    struct candor_result result;
    EXPECT(put(open_client(f, 2, false), &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_MAX_HOPS); /* R45 */
    assert_non_null(strstr(result.error.message, "a -> b -> a -> b"));
    assert_int_equal(f->nodes[0].calls + f->nodes[1].calls, LIMIT_HOPS + 1);
    candor_result_free(&result);
}

/* Each time under another name of one node's socket. */
static void addresses_of_redirects_are_forgotten_in_time(void **state)
{
    struct fixture *f = *state;
    struct node alias = f->nodes[1];
    struct candor_client *client = open_client(f, 1, false);
    for (int i = 0; i < 5 * LIMIT_NODES; i++) {
        struct candor_result result;
        char path[sizeof alias.address];
        snprintf(path, sizeof path, "%s/b%d", f->dir, i);
        snprintf(alias.address, sizeof alias.address, "ipc://%s/b%d", f->dir, i);
        assert_int_equal(symlink(f->nodes[1].address + strlen("ipc://"), path), 0);
        SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                              .reason = CANDOR_REASON_SYNCING,
                              .redirect = &alias});
        EXPECT(get(client, &result), CANDOR_OK, result);
        assert_string_equal(result.freshness.node, "b");
        candor_result_free(&result);
        unlink(path);
    }
}

/* Nobody is there: what counts is that each may be asked. */
static void a_status_keeps_no_place_among_the_addresses(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    for (int i = 0; i < 3 * LIMIT_NODES; i++) {
        char address[64];
        struct candor_status status;
        struct candor_result result;
        snprintf(address, sizeof address, "ipc://%s/nobody%d", f->dir, i);
        EXPECT(candor_status(client, address, 1, &status, &result), CANDOR_UNAVAILABLE, result);
        candor_result_free(&result);
    }
}

static void no_redirect_reports_where_the_primary_is(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_SYNCING,
                          .redirect = &f->nodes[1]});
    struct candor_result result;
    EXPECT(get(open_client(f, 1, true), &result), CANDOR_FAILED_PRECONDITION, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SYNCING);
    assert_string_equal(result.primary, "b");
    assert_string_equal(result.endpoint, f->nodes[1].address);
    assert_true(result.has_freshness);
    assert_int_equal(f->nodes[1].calls, 0);
    candor_result_free(&result);
}

static void read_goes_elsewhere_when_a_node_does_not_answer(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    struct candor_result result;
    EXPECT(get(open_client(f, 2, false), &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_memory_equal(result.items[0].value.data, "b", 1);
    candor_result_free(&result);
}

static void silent_node_does_not_use_up_a_reads_deadline(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    struct candor_client *client = open_client(f, 2, false);
    struct candor_result result;
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_read_options options = {.deadline_ms = ms};
        code = candor_get(client, candor_text("k"), &options, &result);
        if (code == CANDOR_OK)
            break;
        candor_result_free(&result);
    }
    EXPECT(code, CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_true(calls_of(&f->nodes[0]) > 0);
    candor_result_free(&result);
}

static void call_ends_at_its_deadline_when_nobody_is_there(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    close_node(&f->nodes[1]);
    struct candor_read_options options = {.deadline_ms = 300};
    struct candor_result result;
    uint64_t begun = clock_boot_ns();
    EXPECT(candor_get(open_client(f, 2, false), candor_text("k"), &options, &result),
           CANDOR_UNAVAILABLE, result);
    uint64_t took_ms = (clock_boot_ns() - begun) / NS_PER_MS;
    assert_in_range(took_ms, 0, CLIENT_DEADLINE_MS - 1);
    assert_int_equal(result.has_freshness, false);
    assert_non_null(strstr(result.error.message, "gave up"));
    candor_result_free(&result);
}

static void giving_up_early_tells_the_time_that_passed_and_why(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE,
                          .reason = CANDOR_REASON_NO_PRIMARY,
                          .retry_after_ms = 3600000});
    struct candor_result result;
    uint64_t begun = clock_boot_ns();
    EXPECT(put(open_client(f, 1, false), &result), CANDOR_UNAVAILABLE, result);
    uint64_t took_ms = ns_to_ms_up(clock_boot_ns() - begun);
    const char *told = strstr(result.error.message, "gave up after ");
    assert_non_null(told);
    assert_in_range(strtoull(told + strlen("gave up after "), NULL, 10), 0, took_ms);
    assert_non_null(strstr(told, " ms and 1 attempt: the node asks to wait 3600000 ms"));
    candor_result_free(&result);
}

static void refusal_is_told_when_the_node_it_names_is_gone(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_TOO_STALE,
                          .redirect = &f->nodes[1]});
    close_node(&f->nodes[1]);
    struct candor_result result;
    /* The deadline comes while the client asks b, or while it has turned to a once more. */
    enum candor_code code = get_refused(open_client(f, 1, false), &result);
    if (code != CANDOR_DEADLINE_EXCEEDED)
        EXPECT(code, CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_TOO_STALE);
    assert_string_equal(result.freshness.node, "a");
    assert_string_equal(result.primary, "b");
    assert_non_null(strstr(result.error.message, "a: as the script says; "));
    const struct node *silent = &f->nodes[code == CANDOR_UNAVAILABLE ? 1 : 0];
    assert_non_null(strstr(result.error.message, silent->address));
    candor_result_free(&result);
}

/* ---- Writes ---------------------------------------------------------------------------------- */

static void refused_write_is_repeated_with_its_request_id(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY},
           {.code = CANDOR_RESOURCE_EXHAUSTED, .reason = CANDOR_REASON_OVERLOADED}, {.seq = 3});
    struct candor_result result;
    EXPECT(put(open_client(f, 1, false), &result), CANDOR_OK, result);
    assert_int_equal(f->nodes[0].calls, 3);
    assert_int_equal(result.attempts, 3);
    assert_int_equal(f->nodes[0].numbers[1], f->nodes[0].numbers[0]); /* R46 */
    assert_int_equal(f->nodes[0].numbers[2], f->nodes[0].numbers[0]);
    candor_result_free(&result);
}

/* R46: the nodes execute an id once, so a write whose outcome is unknown is asked for again. */
static void write_that_may_have_been_executed_is_repeated_with_its_request_id(void **state)
{
    struct fixture *f = *state;
    static const struct reply lost[] = {
        {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN},
        {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN},
        {.code = CANDOR_DEADLINE_EXCEEDED, .reason = CANDOR_REASON_OUTCOME_UNKNOWN}};
    SCRIPT(&f->nodes[1], {.seq = 5, .replayed = true});
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        struct candor_client *client = open_client(f, 2, false);
        struct candor_result result;
        script(&f->nodes[0], 1, &lost[i]);
        f->nodes[0].calls = f->nodes[1].calls = 0;
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_true(result.replayed);
        assert_int_equal(result.attempts, 2);
        assert_int_equal(f->nodes[1].numbers[0], f->nodes[0].numbers[0]);
        assert_int_equal(result.request.number, f->nodes[0].numbers[0]);
        assert_memory_equal(f->nodes[1].client_ids[0], f->nodes[0].client_ids[0],
                            CANDOR_CLIENT_ID_BYTES);
        assert_memory_equal(result.request.client_id, f->nodes[0].client_ids[0],
                            CANDOR_CLIENT_ID_BYTES);
        candor_result_free(&result);
        candor_client_close(client);
        f->client = NULL;
    }
}

static uint64_t newest_number(struct node *node)
{
    size_t calls = calls_of(node);
    assert_in_range(calls, 1, NOTED_MAX);
    return node->numbers[calls - 1];
}

static void silent_node_does_not_use_up_a_writes_deadline(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    SCRIPT(&f->nodes[1], {.seq = 5});
    struct candor_client *client = open_client(f, 2, false);
    struct candor_result result;
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_write_options options = {.deadline_ms = ms};
        code = candor_put(client, candor_text("k"), candor_text("v"), &options, &result);
        if (code == CANDOR_OK)
            break;
        candor_result_free(&result);
    }
    EXPECT(code, CANDOR_OK, result);
    assert_int_equal(newest_number(&f->nodes[0]), result.request.number);
    assert_int_equal(newest_number(&f->nodes[1]), result.request.number);
    candor_result_free(&result);
}

/* The client gives up at such a refusal, not at its deadline: nothing depends on the machine's
 * speed. */
#define COME_BACK_LATER                                                                            \
    {                                                                                              \
        .code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY, .retry_after_ms = 3600000  \
    }

/* Writes until one has come to the node, which stays silent, before the deadline. */
static enum candor_code put_unanswered(struct candor_client *client, struct node *node,
                                       struct candor_result *result)
{
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        struct candor_write_options options = {.deadline_ms = ms};
        size_t before = calls_of(node);
        code = candor_put(client, candor_text("k"), candor_text("v"), &options, result);
        if (calls_of(node) > before)
            break;
        candor_result_free(result);
    }
    return code;
}

static void outcome_stays_unknown_when_later_attempts_are_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN},
           COME_BACK_LATER);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_int_equal(result.attempts, 2);
    candor_result_free(&result);

    SCRIPT(&f->nodes[0], COME_BACK_LATER);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_NO_PRIMARY); /* surely not executed */
    candor_result_free(&result);

    SCRIPT(&f->nodes[0], {.stay_silent = true});
    EXPECT(put_unanswered(client, &f->nodes[0], &result), CANDOR_DEADLINE_EXCEEDED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    candor_result_free(&result);
}

/* Its epoch was over, or it does not serve this: of the attempt before it knows nothing. */
static void outcome_stays_unknown_when_a_later_refusal_is_final(void **state)
{
    struct fixture *f = *state;
    static const struct reply final[] = {
        {.code = CANDOR_ABORTED},
        {.code = CANDOR_INTERNAL},
        {.code = CANDOR_INVALID_ARGUMENT, .reason = CANDOR_REASON_FOREIGN_CLUSTER},
        {.code = CANDOR_UNIMPLEMENTED, .reason = CANDOR_REASON_UNKNOWN_METHOD}};
    SCRIPT(&f->nodes[0], {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN});
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        struct candor_client *client = open_client(f, 2, false);
        struct candor_result result;
        script(&f->nodes[1], 1, &final[i]);
        f->nodes[0].calls = f->nodes[1].calls = 0;
        EXPECT(put(client, &result), final[i].code, result);
        assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
        assert_int_equal(result.attempts, 2);
        candor_result_free(&result);
        candor_client_close(client);
        f->client = NULL;
    }
}

static bool same_client(const struct node *node, size_t a, size_t b)
{
    return memcmp(node->client_ids[a], node->client_ids[b], CANDOR_CLIENT_ID_BYTES) == 0;
}

/* The node loses the call that it has not answered. */
static void let_go(struct node *node)
{
    struct candor_error error = {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN};
    pthread_mutex_lock(&node->lock);
    assert_int_equal(node->silent_count, 1);
    node->silent_count = 0;
    pthread_mutex_unlock(&node->lock);
    rpc_call_fail(node->silent[0], &error);
}

/* Returns NULL when it went well. */
static void *put_slowly(void *client)
{
    struct candor_result result;
    struct candor_write_options options = {.deadline_ms = 60000};
    enum candor_code code =
        candor_put(client, candor_text("k"), candor_text("v"), &options, &result);
    candor_result_free(&result);
    return code == CANDOR_OK ? NULL : client;
}

/* R46: it must not fall out of the numbers that nodes remember of a client. */
static void slow_write_is_passed_by_under_another_client_id(void **state)
{
    struct fixture *f = *state;
    struct node *node = &f->nodes[0];
    struct candor_client *client = open_client(f, 1, false);
    enum { WRITES = LIMIT_REQUESTS_PER_CLIENT + 20 };
    SCRIPT(node, {.stay_silent = true}, {.seq = 1});
    pthread_t slow;
    void *wrong;
    assert_int_equal(pthread_create(&slow, NULL, put_slowly, client), 0);
    while (calls_of(node) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int i = 0; i < WRITES; i++)
        put_once(client);
    let_go(node);
    pthread_join(slow, &wrong);
    assert_null(wrong);
    size_t with_slow = 1;
    while (with_slow < WRITES && same_client(node, 0, with_slow))
        with_slow++;
    assert_in_range(with_slow, 2, LIMIT_REQUESTS_PER_CLIENT - 1);
    /* and all of them under one */
    for (size_t i = with_slow; i <= WRITES; i++)
        assert_true(same_client(node, with_slow, i));
    assert_true(same_client(node, 0, WRITES + 1)); /* the slow one again */
    assert_int_equal(node->numbers[WRITES + 1], node->numbers[0]);
}

/* So that what is asked for later is not forgotten meanwhile. */
static void unknown_outcome_ends_its_client_id(void **state)
{
    struct fixture *f = *state;
    struct node *node = &f->nodes[0];
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(node, {.seq = 1}, {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN},
           COME_BACK_LATER);
    put_once(client);
    EXPECT(put(client, &result), CANDOR_UNAVAILABLE, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    candor_result_free(&result);
    size_t next = calls_of(node);
    SCRIPT(node, {.seq = 3});
    put_once(client);
    assert_true(same_client(node, 0, 1));
    assert_int_equal(node->numbers[1], 2);
    assert_false(same_client(node, 0, next));
    assert_int_equal(node->numbers[next], 1);
}

/* REQUEST_ID_REUSED, or an answer to what no attempt of the call has done: the process was copied,
 * with its ids. */
static void id_that_somebody_else_uses_is_told_and_given_up(void **state)
{
    struct fixture *f = *state;
    static const struct reply reused[] = {
        {.code = CANDOR_INVALID_ARGUMENT, .reason = CANDOR_REASON_REQUEST_ID_REUSED},
        {.seq = 3, .replayed = true},
    };
    for (size_t i = 0; i < 2; i++) {
        struct node *node = &f->nodes[0];
        struct candor_result result;
        node->calls = 0;
        SCRIPT(node, {.seq = 1}, reused[i], {.seq = 4});
        struct candor_client *client = open_client(f, 1, false);
        EXPECT(put(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        EXPECT(put(client, &result), CANDOR_INVALID_ARGUMENT, result);
        assert_int_equal(result.error.reason, CANDOR_REASON_REQUEST_ID_REUSED);
        assert_int_equal(result.attempts, 1); /* it is for the caller to write again */
        assert_false(result.wrote);
        assert_string_equal(result.violation, "");
        candor_result_free(&result);
        EXPECT(put(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        assert_memory_equal(node->client_ids[0], node->client_ids[1], CANDOR_CLIENT_ID_BYTES);
        assert_memory_not_equal(node->client_ids[1], node->client_ids[2], CANDOR_CLIENT_ID_BYTES);
        candor_client_close(client);
        f->client = NULL;
    }
}

static void write_that_was_never_sent_goes_to_another_node(void **state)
{
    struct fixture *f = *state;
    close_node(&f->nodes[0]);
    SCRIPT(&f->nodes[1], {.seq = 4});
    struct candor_result result;
    EXPECT(put(open_client(f, 2, false), &result), CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    candor_result_free(&result);
}

static void request_beyond_a_message_is_refused_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[1u << 16];
    struct candor_result result;
    EXPECT(candor_put(open_client(f, 1, false), candor_text("k"),
                      (struct candor_bytes){large, sizeof large}, NULL, &result),
           CANDOR_RESOURCE_EXHAUSTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_TOO_LARGE);
    assert_int_equal(f->nodes[0].calls, 0);
    candor_result_free(&result);
}

static void answer_that_does_not_decode_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_bytes keys[] = {candor_text("k"), candor_text("l")};
    struct candor_result result;
    EXPECT(candor_mget(client, keys, 2, NULL, &result), CANDOR_INTERNAL, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_MALFORMED);
    candor_result_free(&result);
    SCRIPT(&f->nodes[0], {.no_items = true});
    EXPECT(get(client, &result), CANDOR_INTERNAL, result);
    assert_int_equal(result.item_count, 0);
    candor_result_free(&result);
}

/* Two bytes on the wire are some hundred in memory: a node that is none could fill that of its
 * clients. */
static void answer_unfolds_to_a_bounded_size(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 30000 };
    static const struct {
        size_t count;
        enum candor_code code;
    } cases[] = {{KEYS / 3, CANDOR_OK}, {KEYS, CANDOR_INTERNAL}};
    struct candor_bytes *keys = calloc(KEYS, sizeof *keys);
    assert_non_null(keys);
    struct candor_client *client = open_client(f, 1, false);
    for (size_t i = 0; i < 2; i++) {
        struct candor_result result;
        SCRIPT(&f->nodes[0], {.empty_items = cases[i].count});
        EXPECT(candor_mget(client, keys, cases[i].count, NULL, &result), cases[i].code, result);
        candor_result_free(&result);
    }
    free(keys);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void session_token_never_goes_back(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.seq = 5}, {.seq = 11});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    static const uint64_t wanted[] = {10, 10, 11};
    for (size_t i = 0; i < 3; i++) {
        struct candor_token token;
        EXPECT(get(client, &result), CANDOR_OK, result);
        candor_result_free(&result);
        candor_client_token(client, &token);
        assert_int_equal(token.pos.seq, wanted[i]);
        assert_int_equal(token.cluster_id, CLUSTER);
    }
}

static void session_read_sends_the_token_and_refusals_leave_it_alone(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.seq = 10},
           {.code = CANDOR_FAILED_PRECONDITION,
            .reason = CANDOR_REASON_SESSION_LOST,
            .term = 2,
            .seq = 8});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    struct candor_result result;
    struct candor_token token;
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(candor_get(client, candor_text("k"), &session, &result), CANDOR_OK, result);
    candor_result_free(&result);
    assert_int_equal(f->nodes[0].asked_seq, 10);

    EXPECT(candor_get(client, candor_text("k"), &session, &result), CANDOR_FAILED_PRECONDITION,
           result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_LOST); /* R44 */
    candor_client_token(client, &token);
    assert_int_equal(token.pos.seq, 10);
    candor_client_restart_session(client, &result.token); /* the caller has understood */
    candor_client_token(client, &token);
    assert_int_equal(token.pos.seq, 8);
    candor_result_free(&result);
}

static void only_a_judged_answer_of_another_epoch_moves_the_session(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 10}, {.term = 2, .seq = 20}, {.term = 2, .seq = 21},
           {.term = 2, .seq = 22});
    struct candor_client *client = open_client(f, 1, false);
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    const struct candor_read_options *levels[] = {NULL, NULL, &session, NULL};
    static const uint64_t wanted[] = {10, 10, 21, 22};
    for (size_t i = 0; i < 4; i++) {
        struct candor_result result;
        struct candor_token token;
        EXPECT(candor_get(client, candor_text("k"), levels[i], &result), CANDOR_OK, result);
        candor_result_free(&result);
        candor_client_token(client, &token);
        assert_int_equal(token.pos.seq, wanted[i]);
    }
}

static void a_write_tells_what_its_session_lost_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8},
           {.term = 2, .seq = 9}, {.term = 2, .seq = 10});
    static const bool lost[] = {false, true, false};
    static const uint64_t asked[] = {0, 8, 9};
    for (size_t i = 0; i < 3; i++) {
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_int_equal(result.session_lost, lost[i]);
        assert_int_equal(f->nodes[0].asked_seq, asked[i]);
        candor_result_free(&result);
    }
    assert_int_equal(f->nodes[0].calls, 4);
    assert_int_equal(f->nodes[0].numbers[1], f->nodes[0].numbers[2]);
}

static void a_write_that_loses_its_session_twice_fails(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8});
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(put(client, &result), CANDOR_ABORTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_LOST);
    assert_int_equal(f->nodes[0].calls, 3);
    candor_result_free(&result);
}

/* The first attempt was executed perhaps, in an epoch that another node may yet continue. */
static void a_write_that_loses_its_session_after_an_attempt_may_have_happened(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_UNKNOWN, .reason = CANDOR_REASON_OUTCOME_UNKNOWN},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8});
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(put(client, &result), CANDOR_ABORTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_true(result.session_lost);
    assert_int_equal(f->nodes[0].calls, 4);
    candor_result_free(&result);
}

static void tokens_survive_export_and_foreign_ones_are_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_token token = {.cluster_id = CLUSTER, .pos = {{2, 7, {"node-b"}}, 1042}};
    struct candor_token back;
    struct candor_error err;
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    size_t length = candor_token_export(&token, bytes);
    assert_in_range(length, 1, sizeof bytes);
    assert_int_equal(candor_token_import((struct candor_bytes){bytes, length}, &back, &err),
                     CANDOR_OK);
    assert_int_equal(candor_pos_compare(&back.pos, &token.pos), 0);
    assert_int_equal(back.cluster_id, CLUSTER);

    assert_int_equal(candor_client_join(client, &token, &err), CANDOR_OK);
    back.cluster_id = CLUSTER + 1;
    assert_int_equal(candor_client_join(client, &back, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(err.reason, CANDOR_REASON_FOREIGN_CLUSTER);
    for (size_t cut = 1; cut < length;
         cut++) { /* no prefix is taken for a token that crashes or lies about its cluster */
        if (candor_token_import((struct candor_bytes){bytes, cut}, &back, &err) == CANDOR_OK)
            assert_int_equal(back.cluster_id, CLUSTER);
    }
    assert_int_equal(candor_token_import((struct candor_bytes){"\xff\xff\xff", 3}, &back, &err),
                     CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_token_export(&(struct candor_token){0}, bytes), 0);
}

/* ---- Promises -------------------------------------------------------------------------------- */

static void bound_grows_by_the_time_since_the_request_was_sent(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.has_bound = true, .bound_ms = 30, .delay_ms = 60});
    struct candor_result result;
    EXPECT(get(open_client(f, 1, false), &result), CANDOR_OK, result);
    assert_true(result.freshness.has_staleness_bound);
    assert_in_range(result.freshness.staleness_bound_ms, 90, 5000);
    assert_string_equal(result.violation, "");
    candor_result_free(&result);
}

struct broken_promise {
    const char *what; /* in the violation; NULL: none is broken */
    struct candor_read_options read;
    bool write;
    struct reply first;
    struct reply second;
};

static const struct broken_promise promises[] = {
    {"went back from epoch", {0}, false, {.term = 3}, {.term = 2}},
    {NULL, {0}, false, {.term = 2}, {.term = 3}},
    {"now it proves only",
     {0},
     false,
     {.has_bound = true, .bound_ms = 10},
     {.has_bound = true, .bound_ms = 60000}},
    {NULL, {0}, false, {.has_bound = true, .bound_ms = 60000}, {.has_bound = true, .bound_ms = 10}},
    /* Evidence is dropped with the epoch (R37). */
    {NULL,
     {0},
     false,
     {.has_bound = true, .bound_ms = 10},
     {.term = 2, .has_bound = true, .bound_ms = 60000}},
    {NULL, {0}, false, {.has_bound = true, .bound_ms = 10}, {.has_bound = false}},
    {"without a bound",
     {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 100},
     false,
     {.has_bound = true},
     {.has_bound = false}},
    {"bounded by 100 ms",
     {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 100},
     false,
     {.has_bound = true, .bound_ms = 90},
     {.term = 2, .has_bound = true, .bound_ms = 60000}},
    {"before the session's", {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 9}},
    {"without a position", {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 0}},
    {NULL, {.level = CANDOR_READ_SESSION}, false, {.seq = 10}, {.seq = 10}},
    {"stale = true", {0}, false, {0}, {.contradict = true}},
    {"although the session has seen",
     {0},
     true,
     {.term = 2, .seq = 10},
     {.term = 2, .pos_term = 1, .seq = 30}},
    {"although the session has seen", {0}, true, {.seq = 10}, {.seq = 10}},
    {NULL, {0}, true, {.seq = 10}, {.seq = 11}},
};

static void told(void *closure, const char *text)
{
    snprintf(closure, 256, "%s", text);
}

static void node_that_goes_back_on_its_word_is_reported(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        const struct broken_promise *p = &promises[i];
        const char *endpoint = f->nodes[0].address;
        char seen[256] = "";
        struct candor_client_options options = {
            .endpoints = &endpoint, .endpoint_count = 1, .violation = told, .closure = seen};
        struct candor_error err;
        struct candor_client *client;
        struct candor_result result;
        f->nodes[0].calls = 0;
        SCRIPT(&f->nodes[0], p->first, p->second);
        assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
        for (int n = 0; n < 2; n++) {
            EXPECT(p->write ? put(client, &result)
                            : candor_get(client, candor_text("k"), &p->read, &result),
                   CANDOR_OK, result);
            if (n == 0 && result.violation[0] != '\0')
                fail_msg("case %zu: the first answer: %s", i, result.violation);
            if (n == 1 && p->what == NULL && result.violation[0] != '\0')
                fail_msg("case %zu: nothing is broken: %s", i, result.violation);
            if (n == 1 && p->what != NULL && strstr(result.violation, p->what) == NULL)
                fail_msg("case %zu: wanted \"%s\", got \"%s\"", i, p->what, result.violation);
            if (n == 1)
                assert_string_equal(seen, result.violation);
            candor_result_free(&result);
        }
        assert_int_equal(candor_client_violations(client), p->what != NULL);
        candor_client_close(client);
    }
}

/* A bound of a minute that grows by 6% more than time: true where clocks may drift by 5%, for the
 * node's clock runs so much faster and the bound is stretched by as much. */
static void a_bound_may_grow_by_the_drift_that_the_topology_states(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t drift_ppm;
        uint64_t grown_ms;
        bool broken;
    } cases[] = {{0, 64000, true}, {50000, 64000, false}, {50000, 75000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *endpoint = f->nodes[0].address;
        struct candor_client_options options = {
            .endpoints = &endpoint, .endpoint_count = 1, .clock_drift_ppm = cases[i].drift_ppm};
        struct candor_client *client;
        struct candor_result result;
        f->nodes[0].calls = 0;
        SCRIPT(&f->nodes[0], {.has_bound = true, .bound_ms = 60000},
               {.has_bound = true, .bound_ms = cases[i].grown_ms});
        assert_int_equal(candor_client_open(&options, &client, NULL), CANDOR_OK);
        for (int n = 0; n < 2; n++) {
            EXPECT(get(client, &result), CANDOR_OK, result);
            candor_result_free(&result);
        }
        assert_int_equal(candor_client_violations(client), cases[i].broken);
        candor_client_close(client);
    }
}

/* What a session asks for once it has seen seq 10. */
static enum candor_code swap_absent(struct candor_client *client, struct candor_result *result)
{
    struct candor_expect expect = {.kind = CANDOR_EXPECT_ABSENT};
    return candor_cas(client, candor_text("k"), &expect, candor_text("v"), NULL, result);
}

/* Puts when its compares hold, else gets. */
static enum candor_code put_or_get(struct candor_client *client, struct candor_result *result)
{
    const struct candor_txn_op then = {
        .kind = CANDOR_TXN_PUT, .key = candor_text("k"), .value = candor_text("v")};
    const struct candor_txn_op otherwise = {.kind = CANDOR_TXN_GET, .key = candor_text("k")};
    struct candor_txn txn = {
        .then_ops = &then, .then_count = 1, .else_ops = &otherwise, .else_count = 1};
    return candor_txn(client, &txn, NULL, result);
}

/* Without effect, an answer has the position of what was read: that may be what the session has
 * seen, but nothing older. */
static void only_what_was_written_stands_behind_what_the_session_saw(void **state)
{
    struct fixture *f = *state;
    static enum candor_code (*const calls[])(struct candor_client *,
                                             struct candor_result *) = {swap_absent, put_or_get};
    static const struct {
        struct reply reply;
        bool broken;
    } cases[] = {
        {{.seq = 10}, false},
        {{.seq = 11}, false},
        {{.seq = 9}, true},
        {{.seq = 10, .succeeded = true}, true},
        {{.seq = 11, .succeeded = true}, false},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const struct reply reply = cases[i / 2].reply;
        struct candor_result result;
        f->nodes[0].calls = 0;
        SCRIPT(&f->nodes[0], {.seq = 10}, reply);
        struct candor_client *client = open_client(f, 1, false);
        EXPECT(put(client, &result), CANDOR_OK, result);
        assert_true(result.wrote);
        candor_result_free(&result);
        EXPECT(calls[i % 2](client, &result), CANDOR_OK, result);
        assert_int_equal(result.wrote, reply.succeeded);
        bool broken = strstr(result.violation, "although the session has seen") != NULL;
        if (broken != cases[i / 2].broken)
            fail_msg("case %zu: \"%s\"", i, result.violation);
        candor_result_free(&result);
        candor_client_close(client);
        f->client = NULL;
    }
}

/* ---- Threads, options ------------------------------------------------------------------------ */

/* Returns NULL when every call went well: a failure in this thread could not end the test. */
static void *many_calls(void *argument)
{
    struct candor_client *client = argument;
    bool wrong = false;
    for (int i = 0; i < 100; i++) {
        struct candor_result result;
        bool write = i % 4 == 0;
        enum candor_code code = write ? put(client, &result) : get(client, &result);
        /* the script's writes do not move on */
        bool broken = !write && result.violation[0] != '\0';
        wrong = wrong || code != CANDOR_OK || broken;
        candor_result_free(&result);
    }
    return wrong ? argument : NULL;
}

static void threads_share_a_client(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 1, .has_bound = true, .bound_ms = 5});
    struct candor_client *client = open_client(f, 1, false);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_calls, client), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(f->nodes[0].calls, 400);
}

/* Together, or not where the client is told so. */
static size_t bundles_of_many_threads(struct fixture *f, bool no_coalesce)
{
    const char *const endpoints[] = {f->nodes[0].address};
    struct candor_client_options options = {
        .endpoints = endpoints, .endpoint_count = 1, .no_coalesce = no_coalesce};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    pthread_t threads[32];
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_calls, client), 0);
    for (size_t i = 0; i < 32; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    candor_client_close(client);
    return f->nodes[0].bundles;
}

static void concurrent_calls_share_messages_unless_told_not_to(void **state)
{
    struct fixture *f = *state;
    SCRIPT(&f->nodes[0], {.seq = 1, .has_bound = true, .bound_ms = 5});
    assert_int_equal(bundles_of_many_threads(f, true), 0);
    assert_int_equal(f->nodes[0].calls, 3200);
    size_t bundles = 0;
    for (int tries = 0; bundles == 0 && tries < 50; tries++)
        bundles = bundles_of_many_threads(f, false);
    assert_true(bundles > 0);
}

static void options_that_cannot_work_are_refused(void **state)
{
    (void)state;
    static const char *const malformed[] = {"not an address"};
    struct candor_client *client;
    struct candor_error err;
    struct candor_client_options options = {.endpoints = malformed};
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
    options.endpoint_count = 1;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
    assert_null(client);
    static const char *const good[] = {"ipc:///tmp/nobody"};
    options = (struct candor_client_options){.endpoints = good, .endpoint_count = 1};
    options.operations = LIMIT_CLIENT_OPERATIONS_MAX + 1;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
    options.endpoint_count = LIMIT_NODES + 1;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_INVALID_ARGUMENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(redirect_is_followed_and_names_its_hops),
        TEST(redirect_loop_ends_with_max_hops_and_the_trail),
        TEST(addresses_of_redirects_are_forgotten_in_time),
        TEST(a_status_keeps_no_place_among_the_addresses),
        TEST(no_redirect_reports_where_the_primary_is),
        TEST(read_goes_elsewhere_when_a_node_does_not_answer),
        TEST(silent_node_does_not_use_up_a_reads_deadline),
        TEST(call_ends_at_its_deadline_when_nobody_is_there),
        TEST(giving_up_early_tells_the_time_that_passed_and_why),
        TEST(refusal_is_told_when_the_node_it_names_is_gone),
        TEST(refused_write_is_repeated_with_its_request_id),
        TEST(write_that_may_have_been_executed_is_repeated_with_its_request_id),
        TEST(silent_node_does_not_use_up_a_writes_deadline),
        TEST(outcome_stays_unknown_when_later_attempts_are_refused),
        TEST(outcome_stays_unknown_when_a_later_refusal_is_final),
        TEST(slow_write_is_passed_by_under_another_client_id),
        TEST(unknown_outcome_ends_its_client_id),
        TEST(id_that_somebody_else_uses_is_told_and_given_up),
        TEST(write_that_was_never_sent_goes_to_another_node),
        TEST(request_beyond_a_message_is_refused_before_it_is_sent),
        TEST(answer_that_does_not_decode_is_an_error),
        TEST(answer_unfolds_to_a_bounded_size),
        TEST(session_token_never_goes_back),
        TEST(session_read_sends_the_token_and_refusals_leave_it_alone),
        TEST(only_a_judged_answer_of_another_epoch_moves_the_session),
        TEST(a_write_tells_what_its_session_lost_and_goes_on),
        TEST(a_write_that_loses_its_session_twice_fails),
        TEST(a_write_that_loses_its_session_after_an_attempt_may_have_happened),
        TEST(tokens_survive_export_and_foreign_ones_are_refused),
        TEST(bound_grows_by_the_time_since_the_request_was_sent),
        TEST(a_bound_may_grow_by_the_drift_that_the_topology_states),
        TEST(node_that_goes_back_on_its_word_is_reported),
        TEST(a_bound_may_grow_by_the_drift_that_the_topology_states),
        TEST(only_what_was_written_stands_behind_what_the_session_saw),
        TEST(threads_share_a_client),
        TEST(concurrent_calls_share_messages_unless_told_not_to),
        cmocka_unit_test(options_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
