/* links: node client topology log */
/* A client that routes its reads, and whole nodes that come, go and move. */
#include "node_fixture.h"

#include "client/internal.h"

/* Knows `known` of the nodes, from the first on. */
static struct candor_client *router(struct cluster *cluster, size_t known, enum candor_route route)
{
    const char *endpoints[LIMIT_NODES];
    for (size_t i = 0; i < known; i++)
        endpoints[i] = cluster->topology.nodes[i].rpc;
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = known,
                                            .route = route,
                                            .zone = "east",
                                            .deadline_ms = 20000};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    return client;
}

/* Who answers; the read must succeed. */
static char asked(struct candor_client *client)
{
    struct candor_result result;
    if (candor_get(client, candor_text("k"), NULL, &result) != CANDOR_OK)
        fail_msg("%s", result.error.message);
    assert_string_equal(result.violation, "");
    char node = result.freshness.node[0];
    candor_result_free(&result);
    return node;
}

static struct cluster *three_with_a_key(const char *zones)
{
    struct cluster *cluster = cluster_new(3, 0, "");
    for (uint32_t i = 0; i < 3; i++)
        snprintf(cluster->topology.nodes[i].zone, CANDOR_NODE_ID_BYTES, "%s",
                 zones[i] == 'e' ? "east" : "west");
    start_all(cluster);
    for (uint32_t i = 0; i < 3; i++) {
        struct candor_client *client = client_of(cluster, i);
        if (i == 0)
            EVENTUALLY(put(client, "k", "v") == CANDOR_OK);
        EVENTUALLY(has(client, "k", "v") && state_of(client) == CANDOR_STATE_FRESH);
        candor_client_close(client);
    }
    return cluster;
}

static void members_are_learnt_from_the_one_that_is_known(void **state)
{
    (void)state;
    struct cluster *cluster = three_with_a_key("www");
    struct candor_client *client = router(cluster, 1, CANDOR_ROUTE_ANY);
    EVENTUALLY(asked(client) == 'c');
    EVENTUALLY(asked(client) == 'b');
    EVENTUALLY(asked(client) == 'a');
    stop(cluster, 0); /* the one that was known */
    for (int i = 0; i < 20; i++)
        assert_true(asked(client) != 'a');
    start(cluster, 0);
    EVENTUALLY(asked(client) == 'a');
    candor_client_close(client);
    cluster_free(cluster);
}

static void a_read_goes_to_the_primary_or_home(void **state)
{
    (void)state;
    struct cluster *cluster = three_with_a_key("wwe");
    struct candor_client *to_primary = router(cluster, 3, CANDOR_ROUTE_PRIMARY);
    struct candor_client *home = router(cluster, 3, CANDOR_ROUTE_ZONE);
    struct candor_client *plain = router(cluster, 3, CANDOR_ROUTE_DEFAULT);
    EVENTUALLY(asked(to_primary) == 'a');
    EVENTUALLY(asked(home) == 'c');
    /* one read may say otherwise */
    struct candor_read_options options = {.route = CANDOR_ROUTE_ZONE};
    struct candor_result result;
    assert_int_equal(candor_get(plain, candor_text("k"), &options, &result), CANDOR_OK);
    candor_result_free(&result);
    assert_int_equal(asked(plain), 'a');
    struct candor_client *at_c = client_of(cluster, 2);
    stop(cluster, 0);
    EVENTUALLY(promote(cluster, 2) == CANDOR_OK);
    EVENTUALLY(is_primary(at_c));
    EVENTUALLY(asked(to_primary) == 'c');
    assert_string_equal(status_of(at_c).zone, "east");
    candor_client_close(at_c);
    stop(cluster, 2);
    assert_int_equal(asked(home), 'b'); /* nobody is at home */
    candor_client_close(plain);
    candor_client_close(home);
    candor_client_close(to_primary);
    cluster_free(cluster);
}

/* The address that a node had before it moved; NULL: it is not among the connections. */
static bool is_dropped(struct candor_client *client, const char *address)
{
    bool dropped = true;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->connection_count; i++)
        if (strcmp(client->connections[i].address, address) == 0)
            dropped = client->connections[i].rpc == NULL && !client->seen[i].known;
    pthread_mutex_unlock(&client->lock);
    return dropped;
}

static void a_node_that_moves_is_found_and_its_old_address_dropped(void **state)
{
    (void)state;
    struct cluster *cluster = three_with_a_key("www");
    struct candor_client *client = router(cluster, 2, CANDOR_ROUTE_ANY);
    char before[LIMIT_ADDRESS_BYTES];
    struct topology_node *c = &cluster->topology.nodes[2];
    EVENTUALLY(asked(client) == 'c');
    strcpy(before, c->rpc);
    assert_false(is_dropped(client, before));
    for (uint32_t i = 0; i < 3; i++)
        stop(cluster, i);
    snprintf(c->rpc, sizeof c->rpc, "ipc://%s/moved.rpc", cluster->dir);
    start_all(cluster);
    EVENTUALLY(asked(client) == 'c');
    EVENTUALLY(is_dropped(client, before));
    candor_client_close(client);
    cluster_free(cluster);
}

/* A ladder is tried where its highest rung is most likely met, whoever comes first in the list. */
static void a_ladder_begins_at_the_primary(void **state)
{
    (void)state;
    static const struct candor_rung rungs[] = {
        {.level = CANDOR_READ_LINEARIZABLE, .within_ms = 10000}, {.level = CANDOR_READ_EVENTUAL}};
    struct cluster *cluster = three_with_a_key("www");
    const char *endpoints[] = {cluster->topology.nodes[2].rpc, cluster->topology.nodes[0].rpc};
    struct candor_client_options options = {
        .endpoints = endpoints, .endpoint_count = 2, .deadline_ms = 20000};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    struct candor_read_options climb = {.ladder = rungs, .rung_count = 2};
    struct candor_result result = {0};
    bool at_primary = false;
    uint64_t give_up_ns = clock_boot_ns() + DEADLINE_NS;
    while (!at_primary && clock_boot_ns() < give_up_ns) {
        assert_int_equal(candor_get(client, candor_text("k"), &climb, &result), CANDOR_OK);
        at_primary = result.rung == 1 && strcmp(result.freshness.node, "a") == 0;
        candor_result_free(&result);
    }
    assert_true(at_primary);
    candor_client_close(client);
    cluster_free(cluster);
}

/* Closed before the first sight, with probes under way; and never used. */
static void it_may_be_closed_at_once(void **state)
{
    (void)state;
    const char *endpoints[] = {"tcp://127.0.0.1:1", "ipc:///nonexistent/candor"};
    for (int i = 0; i < 20; i++) {
        struct candor_client_options options = {.endpoints = endpoints,
                                                .endpoint_count = 2,
                                                .route = CANDOR_ROUTE_NEAREST,
                                                .deadline_ms = (uint32_t)(1 + i)};
        struct candor_client *client;
        struct candor_result result;
        assert_int_equal(candor_client_open(&options, &client, NULL), CANDOR_OK);
        if (i % 4 != 3) {
            assert_true(candor_get(client, candor_text("k"), NULL, &result) != CANDOR_OK);
            candor_result_free(&result);
        }
        candor_client_close(client);
    }
}

int main(void)
{
    logging_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_learnt_from_the_one_that_is_known),
        cmocka_unit_test(a_read_goes_to_the_primary_or_home),
        cmocka_unit_test(a_node_that_moves_is_found_and_its_old_address_dropped),
        cmocka_unit_test(a_ladder_begins_at_the_primary),
        cmocka_unit_test(it_may_be_closed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
