/* links: client */
/* What programs pass: a wrong argument is refused by a code, whatever it is, and so is a field of a
 * later version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include <candor/async.h>
#include <candor/channel.h>
#include <candor/watch.h>

/* Nobody listens there. */
#define NOWHERE "ipc:///nonexistent/candor"

static const struct candor_bytes good = {"k", 1};
static const struct candor_bytes no_bytes = {NULL, 3};
static const struct candor_bytes endless = {"k", SIZE_MAX};

static int open_client(void **state)
{
    const char *endpoint = NOWHERE;
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .deadline_ms = 20};
    struct candor_client *client = NULL;
    assert_int_equal(candor_client_open(&options, &client, NULL), CANDOR_OK);
    *state = client;
    return 0;
}

static int close_client(void **state)
{
    candor_client_close(*state);
    return 0;
}

/* ---- Calls that are refused ------------------------------------------------------------------ */

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        struct candor_result result;                                                               \
        memset(&result, 0xa5, sizeof result);                                                      \
        assert_int_equal(call, CANDOR_INVALID_ARGUMENT);                                           \
        assert_int_equal(result.error.code, CANDOR_INVALID_ARGUMENT);                              \
        assert_true(result.error.message[0] != '\0');                                              \
        assert_null(result.items);                                                                 \
        candor_result_free(&result);                                                               \
    } while (0)

static void reads_refuse_what_cannot_be_followed(void **state)
{
    struct candor_client *client = *state;
    struct candor_range range = {.after = no_bytes};
    struct candor_token token;
    struct candor_read_options session = {.level = CANDOR_READ_SESSION, .token = &token};
    memset(&token, 'x', sizeof token);
    REFUSED(candor_get(NULL, good, NULL, &result));
    REFUSED(candor_get(client, no_bytes, NULL, &result));
    REFUSED(candor_get(client, endless, NULL, &result));
    REFUSED(candor_get(client, good, &session, &result));
    REFUSED(candor_mget(client, NULL, 2, NULL, &result));
    REFUSED(candor_mget(client, &no_bytes, 1, NULL, &result));
    REFUSED(candor_scan(client, NULL, NULL, &result));
    REFUSED(candor_scan(client, &range, NULL, &result));
    REFUSED(candor_status(client, NULL, 0, NULL, &result));
    assert_int_equal(candor_get(client, good, NULL, NULL), CANDOR_INVALID_ARGUMENT);
}

static void ladders_are_refused_by_the_rung_at_fault(void **state)
{
    static const struct candor_rung rungs[CANDOR_RUNGS_MAX + 1] = {
        {.level = CANDOR_READ_EVENTUAL}, {.level = CANDOR_READ_LINEARIZABLE}};
    static const struct {
        struct candor_read_options options;
        const char *says;
    } cases[] = {
        {{.ladder = rungs}, "options.ladder: it has no rung"},
        {{.rung_count = 1}, "options.ladder: NULL"},
        {{.ladder = rungs, .rung_count = 2}, "options.ladder[1]: promises no less"},
        {{.ladder = rungs, .rung_count = CANDOR_RUNGS_MAX + 1}, "more rungs than CANDOR_RUNGS_MAX"},
        {{.ladder = rungs, .rung_count = SIZE_MAX}, "more rungs than CANDOR_RUNGS_MAX"},
        {{.ladder = rungs, .rung_count = 1, .level = CANDOR_READ_SESSION}, "excludes level"},
        {{.ladder = rungs, .rung_count = 1, .max_staleness_ms = 1}, "excludes level"},
    };
    struct candor_client *client = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct candor_result result;
        assert_int_equal(candor_get(client, good, &cases[i].options, &result),
                         CANDOR_INVALID_ARGUMENT);
        if (strstr(result.error.message, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, result.error.message);
        candor_result_free(&result);
    }
}

static void writes_refuse_what_cannot_be_followed(void **state)
{
    struct candor_client *client = *state;
    struct candor_op op = {.key = good, .value = no_bytes};
    struct candor_expect expect = {.kind = CANDOR_EXPECT_VALUE, .value = no_bytes};
    struct candor_txn_op put = {.kind = CANDOR_TXN_PUT, .key = good, .value = endless};
    struct candor_compare compare = {.key = no_bytes, .target = CANDOR_COMPARE_EXISTS};
    REFUSED(candor_put(client, good, no_bytes, NULL, &result));
    REFUSED(candor_delete(client, no_bytes, NULL, &result));
    REFUSED(candor_batch(client, NULL, 1, NULL, &result));
    REFUSED(candor_batch(client, &op, 1, NULL, &result));
    REFUSED(candor_cas(client, good, NULL, good, NULL, &result));
    REFUSED(candor_cas(client, good, &expect, good, NULL, &result));
    REFUSED(candor_increment(client, endless, 1, NULL, NULL, &result));
    REFUSED(candor_txn(client, NULL, NULL, &result));
    REFUSED(candor_txn(client, &(struct candor_txn){.then_count = 1}, NULL, &result));
    REFUSED(
        candor_txn(client, &(struct candor_txn){.then_ops = &put, .then_count = 1}, NULL, &result));
    REFUSED(candor_txn(client, &(struct candor_txn){.compares = &compare, .compare_count = 1}, NULL,
                       &result));
    REFUSED(candor_txn_status(client, NULL, NULL, 0, &(enum candor_txn_state){0}, &result));
}

static void awaiting_refuses_what_is_no_position(void **state)
{
    struct candor_client *client = *state;
    struct candor_token token = {.cluster_id = 7, .pos.seq = 1};
    struct candor_pos pos = {.seq = 1};
    memset(&token.pos.epoch.owner, 'x', sizeof token.pos.epoch.owner);
    pos.epoch = token.pos.epoch;
    REFUSED(candor_await_commit(NULL, NULL, &pos, NULL, &result));
    REFUSED(candor_await_commit(client, NULL, NULL, NULL, &result)); /* its session is empty */
    REFUSED(candor_await_commit(client, &(struct candor_token){0}, NULL, NULL, &result));
    REFUSED(candor_await_commit(client, &token, NULL, NULL, &result));
    REFUSED(candor_await_commit(client, NULL, &pos, NULL, &result));
}

static void submitting_refuses_with_the_error(void **state)
{
    struct candor_client *client = *state;
    struct candor_error err;
    struct candor_queue *queue;
    assert_int_equal(candor_queue_open(&queue, NULL), CANDOR_OK);
    struct candor_sink sink = {.queue = queue};
    assert_int_equal(candor_submit_get(client, good, NULL, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_submit_get(client, no_bytes, NULL, &sink, NULL),
                     CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_submit_put(NULL, good, good, NULL, &sink, &err),
                     CANDOR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "client: NULL");
    assert_int_equal(candor_queue_take(queue, NULL, 1), 0);
    assert_int_equal(candor_queue_wait(queue, NULL, 1, 0), 0);
    candor_queue_close(queue);
}

static void what_is_opened_needs_its_arguments(void **state)
{
    static const char *const holes[] = {NOWHERE, NULL};
    struct candor_client_options two = {.endpoints = holes, .endpoint_count = 2};
    struct candor_client_options none = {.endpoint_count = 1};
    struct candor_watch_options everything = {.key = no_bytes};
    struct candor_client *client = *state;
    struct candor_watch *watch;
    struct candor_channel *channel;
    struct candor_error err;
    assert_int_equal(candor_client_open(NULL, &client, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_client_open(&two, &client, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_client_open(&none, &client, NULL), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_client_open(&two, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_watch_open(*state, NULL, &watch, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_watch_open(*state, &everything, &watch, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_watch_start(NULL, NULL, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_watch_next(NULL, 0, NULL, NULL), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_open(NULL, &channel, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_open(NOWHERE, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_queue_open(NULL, &err), CANDOR_INVALID_ARGUMENT);
}

static void what_returns_nothing_takes_null(void **state)
{
    struct candor_error err;
    (void)state;
    candor_client_close(NULL);
    candor_client_token(NULL, NULL);
    candor_client_restart_session(NULL, NULL);
    candor_watch_close(NULL);
    candor_channel_close(NULL);
    candor_queue_close(NULL);
    candor_result_free(NULL);
    candor_answer_free(NULL);
    assert_int_equal(candor_client_violations(NULL), 0);
    assert_int_equal(candor_queue_fd(NULL), -1);
    assert_int_equal(candor_client_join(NULL, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_token_export(NULL, NULL), 0);
    assert_int_equal(candor_token_import(good, NULL, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_text(NULL).length, 0);
}

static void a_channel_refuses_what_cannot_be_followed(void **state)
{
    struct candor_channel *channel;
    struct candor_answer answer;
    (void)state;
    assert_int_equal(candor_channel_open(NOWHERE, &channel, NULL), CANDOR_OK);
    assert_int_equal(candor_channel_call(channel, NULL, good, NULL, &answer),
                     CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_call(channel, "/m", no_bytes, NULL, &answer),
                     CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_call(NULL, "/m", good, NULL, &answer), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_call(channel, "/m", good, NULL, NULL), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_channel_send(channel, "/m", good, NULL, NULL, NULL, NULL),
                     CANDOR_INVALID_ARGUMENT);
    candor_channel_close(channel);
}

static atomic_int closed_within;

/* It cannot be closed there; the test closes it. */
static void close_within(void *closure, struct candor_result *result)
{
    (void)result;
    candor_client_close(closure);
    closed_within = 1;
}

static void a_callback_does_not_close_its_client(void **state)
{
    struct candor_sink sink = {.done = close_within, .closure = *state};
    assert_int_equal(candor_submit_get(*state, good, NULL, &sink, NULL), CANDOR_OK);
    candor_client_close(*state);
    *state = NULL;
    assert_int_equal(closed_within, 1);
}

/* ---- Fields of later versions ---------------------------------------------------------------- */

/* A program of a later version: its field is the first of what is reserved here. Of an older one it
 * is 0, and nothing is asked for. */
#define LATER(options, call)                                                                       \
    do {                                                                                           \
        (options)->reserved[0] = 1;                                                                \
        expect_refusal(call, __LINE__);                                                            \
        (options)->reserved[0] = 0;                                                                \
        (options)->reserved[sizeof(options)->reserved / sizeof(uint64_t) - 1] = 1;                 \
        expect_refusal(call, __LINE__);                                                            \
        (options)->reserved[sizeof(options)->reserved / sizeof(uint64_t) - 1] = 0;                 \
        assert_int_not_equal(call, CANDOR_INVALID_ARGUMENT);                                       \
    } while (0)

static struct candor_error later;

static void expect_refusal(enum candor_code code, int line)
{
    if (code != CANDOR_INVALID_ARGUMENT || strstr(later.message, "does not know") == NULL)
        fail_msg("line %d: %s: %s", line, candor_code_name(code), later.message);
}

static enum candor_code code_of(enum candor_code code, struct candor_result *result)
{
    later = result->error;
    candor_result_free(result);
    return code;
}

static void fields_of_later_versions_are_refused_in_reads(void **state)
{
    struct candor_client *client = *state;
    struct candor_result r;
    struct candor_read_options read = {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 5};
    struct candor_range range = {.prefix = good};
    struct candor_watch_options options = {.key = good};
    struct candor_watch *watch = NULL;
    LATER(&read, code_of(candor_get(client, good, &read, &r), &r));
    LATER(&read, code_of(candor_mget(client, &good, 1, &read, &r), &r));
    LATER(&read, code_of(candor_scan(client, &range, &read, &r), &r));
    LATER(&range, code_of(candor_scan(client, &range, NULL, &r), &r));
    LATER(&options, candor_watch_open(client, &options, &watch, &later));
    struct candor_pos pos = {.seq = 1};
    struct candor_await_options await = {.level = CANDOR_ACK_ALL};
    LATER(&await, code_of(candor_await_commit(client, NULL, &pos, &await, &r), &r));
    candor_watch_close(watch);
}

static void fields_of_later_versions_are_refused_in_writes(void **state)
{
    struct candor_client *client = *state;
    struct candor_result r;
    struct candor_write_options write = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_op ops[2] = {{.key = good}, {.key = good}};
    struct candor_expect expect = {.kind = CANDOR_EXPECT_ABSENT};
    struct candor_bounds bounds = {.has_min = true};
    struct candor_compare compare = {.key = good, .target = CANDOR_COMPARE_EXISTS};
    struct candor_txn_op op = {.kind = CANDOR_TXN_GET, .key = good};
    struct candor_txn txn = {.compares = &compare,
                             .compare_count = 1,
                             .then_ops = &op,
                             .then_count = 1,
                             .else_ops = &op,
                             .else_count = 1};
    LATER(&write, code_of(candor_put(client, good, good, &write, &r), &r));
    LATER(&write, code_of(candor_delete(client, good, &write, &r), &r));
    LATER(&write, code_of(candor_batch(client, ops, 2, &write, &r), &r));
    LATER(&ops[1], code_of(candor_batch(client, ops, 2, NULL, &r), &r));
    LATER(&write, code_of(candor_cas(client, good, &expect, good, &write, &r), &r));
    LATER(&expect, code_of(candor_cas(client, good, &expect, good, NULL, &r), &r));
    LATER(&write, code_of(candor_increment(client, good, 1, &bounds, &write, &r), &r));
    LATER(&bounds, code_of(candor_increment(client, good, 1, &bounds, NULL, &r), &r));
    LATER(&write, code_of(candor_txn(client, &txn, &write, &r), &r));
    LATER(&txn, code_of(candor_txn(client, &txn, NULL, &r), &r));
    LATER(&op, code_of(candor_txn(client, &txn, NULL, &r), &r));
    LATER(&compare, code_of(candor_txn(client, &txn, NULL, &r), &r));
}

static enum candor_code submit_once(struct candor_client *client, const struct candor_sink *sink)
{
    struct candor_completion completion;
    enum candor_code code = candor_submit_get(client, good, NULL, sink, &later);
    if (code == CANDOR_OK && candor_queue_wait(sink->queue, &completion, 1, -1) == 1)
        candor_result_free(&completion.result);
    return code;
}

static enum candor_code open_once(const struct candor_client_options *options)
{
    struct candor_client *client;
    enum candor_code code = candor_client_open(options, &client, &later);
    candor_client_close(client);
    return code;
}

static void fields_of_later_versions_are_refused_elsewhere(void **state)
{
    const char *endpoint = NOWHERE;
    struct candor_client_options options = {.endpoints = &endpoint, .endpoint_count = 1};
    struct candor_sink sink = {0};
    struct candor_channel_options channel_options = {.deadline_ms = 5};
    struct candor_channel *channel;
    struct candor_answer answer;
    assert_int_equal(candor_queue_open(&sink.queue, NULL), CANDOR_OK);
    LATER(&sink, submit_once(*state, &sink));
    candor_queue_close(sink.queue);
    LATER(&options, open_once(&options));
    assert_int_equal(candor_channel_open(NOWHERE, &channel, NULL), CANDOR_OK);
    LATER(&channel_options,
          code_of(candor_channel_call(channel, "/m", good, &channel_options, &answer),
                  &answer.result));
    candor_channel_close(channel);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_refuse_what_cannot_be_followed),
        TEST(ladders_are_refused_by_the_rung_at_fault),
        TEST(writes_refuse_what_cannot_be_followed),
        TEST(awaiting_refuses_what_is_no_position),
        TEST(submitting_refuses_with_the_error),
        TEST(what_is_opened_needs_its_arguments),
        TEST(what_returns_nothing_takes_null),
        TEST(a_channel_refuses_what_cannot_be_followed),
        TEST(a_callback_does_not_close_its_client),
        TEST(fields_of_later_versions_are_refused_in_reads),
        TEST(fields_of_later_versions_are_refused_in_writes),
        TEST(fields_of_later_versions_are_refused_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
