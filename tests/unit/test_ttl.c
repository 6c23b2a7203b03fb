/* links: node client rpc topology log core state record */
/* Keys that end, at whole nodes (R69). */
#include "node_fixture.h"

#include <candor/watch.h>

static enum candor_code put_for(struct candor_client *client, const char *key, const char *value,
                                uint64_t ttl_ms)
{
    struct candor_write_options options = {.ttl_ms = ttl_ms};
    struct candor_result result;
    enum candor_code code =
        candor_put(client, candor_text(key), candor_text(value), &options, &result);
    candor_result_free(&result);
    return code;
}

/* What a LINEARIZABLE read finds. */
static struct candor_item look(struct candor_client *client, const char *key)
{
    struct candor_read_options options = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result result;
    if (candor_get(client, candor_text(key), &options, &result) != CANDOR_OK)
        fail_msg("get %s: %s", key, result.error.message);
    struct candor_item item = result.items[0];
    candor_result_free(&result);
    return item;
}

static bool there(struct candor_client *client, const char *key)
{
    return look(client, key).found;
}

static bool expire(struct candor_client *client, const char *key, uint64_t ttl_ms,
                   uint64_t expect_mod_seq)
{
    struct candor_result result;
    enum candor_code code =
        candor_expire(client, candor_text(key), ttl_ms, expect_mod_seq, NULL, &result);
    bool succeeded = code == CANDOR_OK && result.succeeded;
    candor_result_free(&result);
    return succeeded;
}

/* CAS that wants the key to be absent: its version says whether it was made anew. */
static bool take(struct candor_client *client, const char *key, uint64_t ttl_ms)
{
    struct candor_expect expect = {.kind = CANDOR_EXPECT_ABSENT};
    struct candor_write_options options = {.ttl_ms = ttl_ms};
    struct candor_result result;
    enum candor_code code =
        candor_cas(client, candor_text(key), &expect, candor_text("taken"), &options, &result);
    bool succeeded = code == CANDOR_OK && result.succeeded;
    candor_result_free(&result);
    return succeeded;
}

static void it_is_there_for_its_time_and_goes_then(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(put_for(a, "known", "x", 0) == CANDOR_OK);
    uint64_t began_ns = clock_boot_ns();
    assert_int_equal(put_for(a, "k", "v", 400), CANDOR_OK);
    struct candor_item item = look(a, "k");
    assert_true(!item.found || (item.has_ttl && item.ttl_ms <= 400));
    assert_false(look(a, "known").has_ttl);
    while (there(a, "k"))
        ;
    assert_true(clock_boot_ns() - began_ns >= 400 * NS_PER_MS);
    assert_false(there(a, "k")); /* it does not come back */
    assert_true(there(a, "known"));
    EVENTUALLY(has(b, "k", NULL)); /* a record says so, as any delete */
    EVENTUALLY(has(b, "known", "x"));
    assert_int_equal(status_of(a).keys, 1);
    candor_client_close(b);
    candor_client_close(a);
    cluster_free(cluster);
}

static void no_condition_sees_what_has_ended(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(take(a, "lock", 50));
    for (int i = 0; i < 20; i++) {
        while (!take(a, "lock", 30))
            ;
        struct candor_item item = look(a, "lock");
        assert_true(!item.found || item.version == 1); /* made anew each time */
    }
    candor_client_close(a);
    cluster_free(cluster);
}

static void expire_and_a_put_change_the_end(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put_for(a, "k", "v", 3600000) == CANDOR_OK);
    uint64_t mod_seq = look(a, "k").mod_seq;
    assert_true(expire(a, "k", 0, 0)); /* persist */
    assert_false(look(a, "k").has_ttl);
    assert_false(expire(a, "k", 1, mod_seq + 1));
    assert_false(look(a, "k").has_ttl);
    assert_true(expire(a, "k", 7200000, mod_seq));
    assert_true(look(a, "k").ttl_ms > 3600000);
    assert_int_equal(look(a, "k").mod_seq, mod_seq);
    assert_int_equal(look(a, "k").version, 1);
    assert_int_equal(put_for(a, "k", "w", 0), CANDOR_OK);
    assert_false(look(a, "k").has_ttl);
    assert_false(expire(a, "nobody", 1, 0));
    assert_true(expire(a, "k", 1, 0));
    while (there(a, "k"))
        ;
    assert_int_equal(status_of(a).keys, 0);
    candor_client_close(a);
    cluster_free(cluster);
}

static void it_survives_a_restart_and_another_primary(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(put_for(a, "long", "x", 3600000) == CANDOR_OK);
    uint64_t began_ns = clock_boot_ns();
    assert_int_equal(put_for(a, "short", "x", 300), CANDOR_OK);
    EVENTUALLY(has(b, "long", "x") && all_committed(a));
    stop(cluster, 0);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK || is_primary(b));
    EVENTUALLY(is_primary(b));
    EVENTUALLY(put_for(b, "known", "x", 0) == CANDOR_OK);
    while (there(b, "short"))
        ;
    assert_true(clock_boot_ns() - began_ns >= 300 * NS_PER_MS);
    struct candor_item item = look(b, "long");
    assert_true(item.has_ttl && item.ttl_ms <= 3600000 && item.ttl_ms > 0);
    start(cluster, 0);
    EVENTUALLY(has(a, "known", "x") && has(a, "short", NULL));
    stop(cluster, 1);
    start(cluster, 1); /* a new life; in manual mode it leads again */
    EVENTUALLY(is_primary(b));
    item = look(b, "long");
    assert_true(item.has_ttl && item.ttl_ms <= 3600000);
    assert_true(expire(b, "long", 1, 0));
    while (there(b, "long"))
        ;
    candor_client_close(b);
    candor_client_close(a);
    cluster_free(cluster);
}

/* More than go with one record, all at one time; and writes to them meanwhile. */
static void many_end_at_once(void **state)
{
    (void)state;
    enum { KEYS = 3 * LIMIT_EXPIRE_AT_ONCE };
    static char names[KEYS][16];
    static struct candor_op ops[KEYS];
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof names[i], "k%04d", i);
        ops[i] = (struct candor_op){
            .key = candor_text(names[i]), .value = candor_text("v"), .ttl_ms = 50};
    }
    struct candor_result result;
    EVENTUALLY(put_for(a, "known", "x", 0) == CANDOR_OK);
    assert_int_equal(candor_batch(a, ops, KEYS, NULL, &result), CANDOR_OK);
    candor_result_free(&result);
    while (!take(a, names[KEYS - 1], 0))
        ;
    assert_int_equal(look(a, names[KEYS - 1]).version, 1);
    EVENTUALLY(status_of(a).keys == 2);
    candor_client_close(a);
    cluster_free(cluster);
}

static void a_watch_tells_why_a_key_has_gone(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_watch *watch;
    struct candor_error err;
    struct candor_changes changes;
    EVENTUALLY(put_for(a, "k", "v", 30) == CANDOR_OK);
    assert_true(expire(a, "k", 40, 0) || !there(a, "k"));
    EVENTUALLY(!there(a, "k"));
    assert_int_equal(put_for(a, "k", "w", 0), CANDOR_OK);
    struct candor_watch_options options = {.key = candor_text("k"), .since_seq = 1};
    assert_int_equal(candor_watch_open(a, &options, &watch, &err), CANDOR_OK);
    assert_int_equal(candor_watch_next(watch, 20000, &changes, &err), CANDOR_OK);
    assert_int_equal(changes.count, 3); /* that its time was changed is not told */
    assert_int_equal(changes.events[0].type, CANDOR_EVENT_PUT);
    assert_int_equal(changes.events[0].ttl_ms, 30);
    assert_int_equal(changes.events[1].type, CANDOR_EVENT_DELETE);
    assert_true(changes.events[1].expired);
    assert_int_equal(changes.events[2].ttl_ms, 0);
    assert_false(changes.events[2].expired);
    candor_watch_close(watch);
    candor_client_close(a);
    cluster_free(cluster);
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(put_for(a, "k", "v", LIMIT_TTL_MS) == CANDOR_OK);
    Candor__V1__PutRequest put = CANDOR__V1__PUT_REQUEST__INIT;
    uint8_t name[] = "k";
    put.key = (ProtobufCBinaryData){1, name};
    put.ttl_ms = LIMIT_TTL_MS + 1;
    Candor__V1__ExpireRequest expire = CANDOR__V1__EXPIRE_REQUEST__INIT;
    expire.key = put.key;
    expire.ttl_ms = UINT64_MAX;
    Candor__V1__ExpireRequest nameless = CANDOR__V1__EXPIRE_REQUEST__INIT;
    Candor__V1__BatchOp op = CANDOR__V1__BATCH_OP__INIT;
    Candor__V1__BatchOp *ops[] = {&op};
    op.op_case = CANDOR__V1__BATCH_OP__OP_PUT;
    op.put = &put;
    Candor__V1__BatchRequest batch = CANDOR__V1__BATCH_REQUEST__INIT;
    batch.ops = ops;
    batch.n_ops = 1;
    const struct bad_request cases[] = {
        {"/candor.v1.KV/Put", &put.base, CANDOR_INVALID_ARGUMENT, "ttl_ms"},
        {"/candor.v1.KV/Expire", &expire.base, CANDOR_INVALID_ARGUMENT, "ttl_ms"},
        {"/candor.v1.KV/Expire", &nameless.base, CANDOR_INVALID_ARGUMENT, "key"},
        {"/candor.v1.KV/Batch", &batch.base, CANDOR_INVALID_ARGUMENT, "ops[0].put.ttl_ms"},
    };
    expect_refused(cluster, cases, sizeof cases / sizeof cases[0]);
    assert_true(look(a, "k").ttl_ms > LIMIT_TTL_MS - 3600000);
    candor_client_close(a);
    cluster_free(cluster);
}

int main(void)
{
    logging_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_there_for_its_time_and_goes_then),
        cmocka_unit_test(no_condition_sees_what_has_ended),
        cmocka_unit_test(expire_and_a_put_change_the_end),
        cmocka_unit_test(it_survives_a_restart_and_another_primary),
        cmocka_unit_test(many_end_at_once),
        cmocka_unit_test(a_watch_tells_why_a_key_has_gone),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
