/* links: node client rpc topology log core state record */
/* Watches of libcandor: over restarts, failovers, and a log that was trimmed. */
#include "node_fixture.h"

#include <candor/watch.h>

/* A client of all nodes. */
static struct candor_client *client_of_all(struct cluster *cluster)
{
    const char *endpoints[LIMIT_NODES];
    for (uint32_t i = 0; i < cluster->topology.node_count; i++)
        endpoints[i] = cluster->topology.nodes[i].rpc;
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = cluster->topology.node_count,
                                            .deadline_ms = 20000};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    return client;
}

static struct candor_watch *watch_of(struct candor_client *client,
                                     const struct candor_watch_options *options)
{
    struct candor_watch *watch;
    struct candor_error err;
    assert_int_equal(candor_watch_open(client, options, &watch, &err), CANDOR_OK);
    return watch;
}

/* What it was told, one word an event. */
static char story[65536];

static void tell(const struct candor_event *event)
{
    static const char *const marks[] = {[CANDOR_EVENT_PUT] = "=",
                                        [CANDOR_EVENT_DELETE] = "-",
                                        [CANDOR_EVENT_STATE] = ":",
                                        [CANDOR_EVENT_STATE_END] = "END",
                                        [CANDOR_EVENT_ROLLED_BACK] = "BACK",
                                        [CANDOR_EVENT_COMPACTED] = "COMPACTED"};
    size_t used = strlen(story);
    snprintf(story + used, sizeof story - used, "%s%.*s%s%.*s%s", event->taken_back ? "!" : "",
             (int)event->key.length, event->key.length > 0 ? (const char *)event->key.data : "",
             marks[event->type], (int)event->value.length,
             event->value.length > 0 ? (const char *)event->value.data : "",
             event->more ? "+" : " ");
}

static void next(struct candor_watch *watch, uint32_t timeout_ms)
{
    struct candor_changes changes;
    struct candor_error err;
    enum candor_code code = candor_watch_next(watch, timeout_ms, &changes, &err);
    if (code != CANDOR_OK)
        fail_msg("%s %s: %s", candor_code_name(code), candor_reason_name(err.reason), err.message);
    for (size_t i = 0; i < changes.count; i++)
        tell(&changes.events[i]);
}

static void expect(struct candor_watch *watch, const char *text)
{
    while (strlen(story) < strlen(text))
        next(watch, 5000);
    assert_string_equal(story, text);
    story[0] = '\0';
}

static void from_the_present_state_on(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of_all(cluster);
    EVENTUALLY(put(client, "a1", "x") == CANDOR_OK);
    must_put(client, "a2", "y");
    must_put(client, "b", "z");
    struct candor_watch_options options = {.prefix = candor_text("a"), .with_state = true};
    struct candor_watch *watch = watch_of(client, &options);
    uint8_t cursor[CANDOR_CURSOR_BYTES_MAX];
    assert_int_equal(candor_watch_cursor(watch, cursor), 0);
    expect(watch, "a1:x a2:y END ");
    must_put(client, "b", "1");
    must_put(client, "a3", "1");
    expect(watch, "a3=1 ");
    /* Another one goes on from there. */
    size_t length = candor_watch_cursor(watch, cursor);
    candor_watch_close(watch);
    must_put(client, "a4", "1");
    options = (struct candor_watch_options){.prefix = candor_text("a"), .cursor = {cursor, length}};
    watch = watch_of(client, &options);
    expect(watch, "a4=1 ");
    candor_watch_close(watch);
    candor_client_close(client);
    cluster_free(cluster);
}

static void over_restarts_and_failovers(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of_all(cluster);
    struct candor_client *nodes[3];
    for (uint32_t i = 0; i < 3; i++)
        nodes[i] = client_of(cluster, i);
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY, .deadline_ms = 60000};
    struct candor_result result;
    assert_int_equal(candor_put(client, candor_text("k"), candor_text("0"), &majority, &result),
                     CANDOR_OK);
    candor_result_free(&result);
    struct candor_watch_options options = {.since_seq = 1};
    struct candor_watch *watch = watch_of(client, &options);
    expect(watch, "k=0 ");
    for (uint32_t round = 1; round <= 6; round++) {
        uint32_t leads = (round - 1) % 3;
        uint32_t next_one = round % 3;
        for (uint32_t i = 0; i < 3; i++)
            EVENTUALLY(state_of(nodes[i]) == CANDOR_STATE_FRESH);
        stop(cluster, leads);
        EVENTUALLY(promote(cluster, next_one) == CANDOR_OK);
        char value[8];
        char told[16];
        snprintf(value, sizeof value, "%u", round);
        snprintf(told, sizeof told, "k=%s ", value);
        assert_int_equal(
            candor_put(client, candor_text("k"), candor_text(value), &majority, &result),
            CANDOR_OK);
        candor_result_free(&result);
        expect(watch, told);
        start(cluster, leads);
    }
    candor_watch_close(watch);
    for (uint32_t i = 0; i < 3; i++)
        candor_client_close(nodes[i]);
    candor_client_close(client);
    cluster_free(cluster);
}

/* The log is trimmed behind a checkpoint: what a watch has missed there it is told as COMPACTED,
 * and then what is there. */
static void a_log_that_no_longer_reaches_back_is_told(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "retention: {log: 1MiB}\n");
    cluster->options.segment_bytes = 256 << 10;
    start_all(cluster);
    struct candor_client *client = client_of_all(cluster);
    EVENTUALLY(put(client, "k", "first") == CANDOR_OK);
    struct candor_watch_options options = {.key = candor_text("k"), .since_seq = 1};
    struct candor_watch *watch = watch_of(client, &options);
    expect(watch, "k=first ");
    static char large[64 << 10];
    memset(large, 'x', sizeof large - 1);
    EVENTUALLY((must_put(client, "other", large), log_first(cluster->nodes[0]->log) > 3));
    must_put(client, "k", "last");
    expect(watch, "COMPACTED k:last END ");
    must_put(client, "k", "on");
    expect(watch, "k=on ");
    candor_watch_close(watch);
    candor_client_close(client);
    cluster_free(cluster);
}

static void what_was_rolled_back_is_told_and_the_watch_goes_on(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    EVENTUALLY(put(a, "k", "0") == CANDOR_OK);
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH && state_of(c) == CANDOR_STATE_FRESH);
    EVENTUALLY(all_committed(b) && all_committed(c));
    struct candor_watch_options options = {.key = candor_text("k"), .uncommitted = true};
    struct candor_watch *watch = watch_of(a, &options);
    next(watch, 1);
    stop(cluster, 1);
    stop(cluster, 2);
    EVENTUALLY(put(a, "k", "lost") == CANDOR_OK);
    expect(watch, "k=lost ");
    stop(cluster, 0);
    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(put(b, "k", "kept") == CANDOR_OK);
    start(cluster, 0);
    EVENTUALLY(state_of(a) == CANDOR_STATE_FRESH);
    expect(watch, "BACK !k=lost k=kept ");
    candor_watch_close(watch);
    candor_client_close(a);
    candor_client_close(b);
    candor_client_close(c);
    cluster_free(cluster);
}

/* What a watch that goes on by itself was told. */
struct listener {
    struct candor_watch *watch;
    atomic_uint events;
    atomic_uint calls;
    atomic_bool ended;
    unsigned close_at; /* from within; 0: not */
};

static void listen_to(void *closure, const struct candor_changes *changes,
                      const struct candor_error *error, bool ended)
{
    struct listener *listener = closure;
    assert_int_equal(ended, error->code == CANDOR_OUT_OF_RANGE);
    unsigned events =
        atomic_fetch_add(&listener->events, (unsigned)changes->count) + (unsigned)changes->count;
    if (listener->close_at != 0 && events >= listener->close_at)
        candor_watch_close(listener->watch);
    atomic_fetch_add(&listener->calls, 1);
    atomic_store(&listener->ended, ended);
}

static void by_itself_until_it_is_closed(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of_all(cluster);
    EVENTUALLY(put(client, "k", "0") == CANDOR_OK);
    struct candor_watch_options from_the_start = {.since_seq = 1};
    struct candor_watch_options beyond = {.since_seq = 1000};
    enum { WATCHES = 20 };
    static struct listener listeners[WATCHES];
    struct listener early = {.close_at = 2};
    struct listener wrong = {0};
    for (int i = 0; i < WATCHES; i++) {
        listeners[i] = (struct listener){.watch = watch_of(client, &from_the_start)};
        assert_int_equal(candor_watch_start(listeners[i].watch, listen_to, &listeners[i], NULL),
                         CANDOR_OK);
    }
    early.watch = watch_of(client, &from_the_start);
    wrong.watch = watch_of(client, &beyond);
    assert_int_equal(candor_watch_start(early.watch, listen_to, &early, NULL), CANDOR_OK);
    assert_int_equal(candor_watch_start(wrong.watch, listen_to, &wrong, NULL), CANDOR_OK);
    EVENTUALLY(atomic_load(&wrong.ended));
    candor_watch_close(wrong.watch);
    for (unsigned n = 1; n <= 10; n++) {
        must_put(client, "k", "more");
        for (int i = 0; i < WATCHES; i++)
            EVENTUALLY(atomic_load(&listeners[i].events) == n + 1);
    }
    assert_int_equal(atomic_load(&early.events), 2);
    /* Half of them before the client, which ends what is under way. */
    struct candor_changes changes;
    assert_int_equal(candor_watch_next(listeners[0].watch, 1, &changes, NULL),
                     CANDOR_FAILED_PRECONDITION);
    for (int i = 0; i < WATCHES; i += 2)
        candor_watch_close(listeners[i].watch);
    unsigned calls = atomic_load(&listeners[0].calls);
    must_put(client, "k", "unheard");
    EVENTUALLY(atomic_load(&listeners[1].events) == 12);
    assert_int_equal(atomic_load(&listeners[0].calls), calls);
    for (int i = 1; i < WATCHES; i += 2)
        candor_watch_close(listeners[i].watch);
    candor_client_close(client);
    cluster_free(cluster);
}

static void what_excludes_each_other_is_refused(void **state)
{
    (void)state;
    const char *endpoints[] = {"ipc:///tmp/candor-nobody"};
    struct candor_client_options client_options = {.endpoints = endpoints, .endpoint_count = 1};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&client_options, &client, &err), CANDOR_OK);
    const struct {
        struct candor_watch_options options;
        const char *names;
    } cases[] = {
        {{.key = candor_text("a"), .prefix = candor_text("b")}, "prefix"},
        {{.prefix = candor_text("a"), .end = candor_text("b")}, "prefix"},
        {{.with_state = true, .since_seq = 1}, "since_seq"},
        {{.no_puts = true, .no_deletes = true}, "no_puts"},
        {{.cursor = candor_text("no cursor")}, "cursor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct candor_watch *watch;
        assert_int_equal(candor_watch_open(client, &cases[i].options, &watch, &err),
                         CANDOR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, cases[i].names));
    }
    candor_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_present_state_on),
        cmocka_unit_test(over_restarts_and_failovers),
        cmocka_unit_test(a_log_that_no_longer_reaches_back_is_told),
        cmocka_unit_test(what_was_rolled_back_is_told_and_the_watch_goes_on),
        cmocka_unit_test(by_itself_until_it_is_closed),
        cmocka_unit_test(what_excludes_each_other_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
