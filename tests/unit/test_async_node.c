/* links: node client */
/* Every operation that can be submitted, at a whole node. */
#include "node_fixture.h"

#include <candor/async.h>

struct fixture {
    struct cluster *cluster;
    struct candor_client *client;
    struct candor_queue *queue;
    struct candor_sink sink;
    struct candor_result result; /* of the newest operation */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct candor_error err;
    f->cluster = cluster_new(1, 0, "");
    start_all(f->cluster);
    f->client = client_of(f->cluster, 0);
    while (!is_primary(f->client))
        usleep(1000);
    assert_int_equal(candor_queue_open(&f->queue, &err), CANDOR_OK);
    f->sink.queue = f->queue;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    candor_result_free(&f->result);
    candor_queue_close(f->queue);
    candor_client_close(f->client);
    cluster_free(f->cluster);
    free(f);
    return 0;
}

/* Submitted with `code`: its result. */
static const struct candor_result *done(struct fixture *f, enum candor_code code)
{
    struct candor_completion completion;
    assert_int_equal(code, CANDOR_OK);
    assert_int_equal(candor_queue_wait(f->queue, &completion, 1, -1), 1);
    candor_result_free(&f->result);
    f->result = completion.result;
    if (f->result.error.code != CANDOR_OK)
        fail_msg("%s: %s", candor_code_name(f->result.error.code), f->result.error.message);
    assert_true(f->result.has_freshness);
    return &f->result;
}

/* Keys and values that are gone once they were submitted. */
static struct candor_bytes text_in(char room[16], const char *text)
{
    snprintf(room, 16, "%s", text);
    return candor_text(room);
}

static void must_have(struct fixture *f, const char *key, const char *value)
{
    char room[16];
    enum candor_code code = candor_submit_get(f->client, text_in(room, key), NULL, &f->sink, NULL);
    memset(room, '#', sizeof room);
    const struct candor_result *result = done(f, code);
    assert_int_equal(result->item_count, 1);
    assert_int_equal(result->items[0].found, value != NULL);
    if (value != NULL)
        assert_memory_equal(result->items[0].value.data, value, strlen(value));
}

static void writes_are_done_and_read(void **state)
{
    struct fixture *f = *state;
    char key[16];
    char value[16];
    enum candor_code code = candor_submit_put(f->client, text_in(key, "a"), text_in(value, "one"),
                                              NULL, &f->sink, NULL);
    memset(key, '#', sizeof key);
    memset(value, '#', sizeof value);
    const struct candor_result *result = done(f, code);
    assert_true(result->wrote);
    assert_int_equal(result->ack, CANDOR_ACK_LOCAL);
    assert_int_not_equal(result->request.number, 0);
    must_have(f, "a", "one");

    const struct candor_op ops[] = {{.key = candor_text("b"), .value = candor_text("two")},
                                    {.key = candor_text("c"), .value = candor_text("three")},
                                    {.is_delete = true, .key = candor_text("none")}};
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY};
    result = done(f, candor_submit_batch(f->client, ops, 3, &majority, &f->sink, NULL));
    assert_int_equal(result->found_count, 3);
    assert_int_equal(result->ack, CANDOR_ACK_MAJORITY);
    assert_int_equal(result->last.seq, result->first.seq + 2);
    must_have(f, "c", "three");

    result = done(f, candor_submit_delete(f->client, candor_text("c"), NULL, &f->sink, NULL));
    assert_int_equal(result->found_count, 1);
    assert_true(result->found[0]);
    must_have(f, "c", NULL);
}

static void many_keys_are_read_at_once(void **state)
{
    struct fixture *f = *state;
    must_put(f->client, "a", "one");
    must_put(f->client, "b", "two");
    const struct candor_bytes keys[] = {candor_text("b"), candor_text("none"), candor_text("a")};
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    const struct candor_result *result =
        done(f, candor_submit_mget(f->client, keys, 3, &session, &f->sink, NULL));
    assert_int_equal(result->item_count, 3);
    assert_memory_equal(result->items[0].value.data, "two", 3);
    assert_false(result->items[1].found);
    assert_memory_equal(result->items[2].value.data, "one", 3);

    struct candor_read_options newest = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_range range = {.limit = 1};
    result = done(f, candor_submit_scan(f->client, &range, &newest, &f->sink, NULL));
    assert_int_equal(result->item_count, 1);
    assert_true(result->more);
    assert_memory_equal(result->items[0].key.data, "a", 1);
}

static void conditions_are_compared(void **state)
{
    struct fixture *f = *state;
    struct candor_expect absent = {.kind = CANDOR_EXPECT_ABSENT};
    for (int i = 0; i < 2; i++) {
        const struct candor_result *result =
            done(f, candor_submit_cas(f->client, candor_text("a"), &absent, candor_text("one"),
                                      NULL, &f->sink, NULL));
        assert_int_equal(result->succeeded, i == 0);
        assert_int_equal(result->item_count, i);
    }
    struct candor_bounds bounds = {.initial = 40};
    const struct candor_result *result = done(
        f, candor_submit_increment(f->client, candor_text("n"), 2, &bounds, NULL, &f->sink, NULL));
    assert_int_equal(result->number, 42);
}

static void a_txn_gives_its_keys_back(void **state)
{
    struct fixture *f = *state;
    char key[16];
    must_put(f->client, "a", "one");
    const struct candor_compare compare = {
        .key = candor_text("a"), .target = CANDOR_COMPARE_EXISTS, .exists = true};
    const struct candor_txn_op then[] = {
        {.kind = CANDOR_TXN_PUT, .key = text_in(key, "b"), .value = candor_text("two")},
        {.kind = CANDOR_TXN_GET, .key = candor_text("a")}};
    const struct candor_txn_op otherwise = {.kind = CANDOR_TXN_DELETE, .key = candor_text("a")};
    struct candor_txn txn = {.compares = &compare,
                             .compare_count = 1,
                             .then_ops = then,
                             .then_count = 2,
                             .else_ops = &otherwise,
                             .else_count = 1};
    enum candor_code code = candor_submit_txn(f->client, &txn, NULL, &f->sink, NULL);
    memset(key, '#', sizeof key);
    const struct candor_result *result = done(f, code);
    assert_true(result->succeeded);
    assert_true(result->wrote);
    assert_int_equal(result->item_count, 2);
    assert_memory_equal(result->items[0].key.data, "b", 1);
    assert_memory_equal(result->items[1].value.data, "one", 3);
    must_have(f, "b", "two");
}

/* They share a message, and their answers do not fit into one: those that were left out are asked
 * for again, under the ids of writes that were executed. */
static void writes_whose_answers_did_not_fit_are_executed_once(void **state)
{
    enum { WRITES = 128, LARGE_BYTES = 30 << 10 };
    struct fixture *f = *state;
    struct candor_result put;
    char *large = calloc(1, LARGE_BYTES);
    assert_non_null(large);
    struct candor_bytes value = {large, LARGE_BYTES};
    assert_int_equal(candor_put(f->client, candor_text("large"), value, NULL, &put), CANDOR_OK);
    candor_result_free(&put);
    for (int i = 0; i < WRITES; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        const struct candor_txn_op ops[] = {
            {.kind = CANDOR_TXN_PUT, .key = candor_text(key), .value = candor_text("v")},
            {.kind = CANDOR_TXN_GET, .key = candor_text("large")}};
        struct candor_txn txn = {.then_ops = ops, .then_count = 2};
        assert_int_equal(candor_submit_txn(f->client, &txn, NULL, &f->sink, NULL), CANDOR_OK);
    }
    bool replayed = false;
    for (int i = 0; i < WRITES; i++) {
        const struct candor_result *result = done(f, CANDOR_OK);
        assert_true(result->wrote);
        assert_int_equal(result->items[1].value.length, LARGE_BYTES);
        replayed = replayed || result->replayed;
    }
    assert_true(replayed);
    free(large);
}

static void what_became_of_a_write_is_told(void **state)
{
    struct fixture *f = *state;
    enum candor_txn_state told = CANDOR_TXN_UNKNOWN;
    const struct candor_result *result =
        done(f, candor_submit_put(f->client, candor_text("a"), candor_text("one"), NULL, &f->sink,
                                  NULL));
    struct candor_request_id request = result->request;
    struct candor_pos last = result->last;
    while (told != CANDOR_TXN_COMMITTED)
        done(f, candor_submit_txn_status(f->client, &request, NULL, 0, &told, &f->sink, NULL));
    assert_int_equal(f->result.last.seq, last.seq);
    told = CANDOR_TXN_UNKNOWN;
    done(f, candor_submit_txn_status(f->client, NULL, &last, 0, &told, &f->sink, NULL));
    assert_int_equal(told, CANDOR_TXN_COMMITTED);
}

static void what_became_of_a_write_is_awaited(void **state)
{
    struct fixture *f = *state;
    const struct candor_result *result =
        done(f, candor_submit_put(f->client, candor_text("a"), candor_text("one"), NULL, &f->sink,
                                  NULL));
    struct candor_token token = result->token;
    struct candor_pos last = result->last;
    done(f, candor_submit_await_commit(f->client, &token, NULL, NULL, &f->sink, NULL));
    assert_true(f->result.ack >= CANDOR_ACK_MAJORITY);
    assert_int_equal(candor_pos_compare(&f->result.last, &last), 0);
    done(f, candor_submit_await_commit(f->client, NULL, &last, NULL, &f->sink, NULL));
    assert_int_equal(f->result.last.seq, last.seq);
    done(f, candor_submit_await_commit(f->client, NULL, NULL, NULL, &f->sink, NULL));
    assert_int_equal(f->result.last.seq, last.seq);
}

static void a_node_tells_its_status(void **state)
{
    struct fixture *f = *state;
    char address[CANDOR_ADDRESS_BYTES];
    snprintf(address, sizeof address, "%s", f->cluster->topology.nodes[0].rpc);
    const char *const endpoints[] = {NULL, address};
    for (size_t i = 0; i < 2; i++) {
        struct candor_status status;
        enum candor_code code =
            candor_submit_status(f->client, endpoints[i], 0, &status, &f->sink, NULL);
        memset(address, '#', sizeof address - 1);
        done(f, code);
        assert_string_equal(status.node, "a");
        snprintf(address, sizeof address, "%s", f->cluster->topology.nodes[0].rpc);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_are_done_and_read),
        TEST(many_keys_are_read_at_once),
        TEST(conditions_are_compared),
        TEST(a_txn_gives_its_keys_back),
        TEST(what_became_of_a_write_is_told),
        TEST(what_became_of_a_write_is_awaited),
        TEST(a_node_tells_its_status),
        TEST(writes_whose_answers_did_not_fit_are_executed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
