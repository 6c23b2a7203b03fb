/* links: node client rpc topology log core state record */
/* A thousand callers in one process, half of which wait for a majority that is gone: the other half
 * is not disturbed. Counted, not timed: all reads are answered while all others wait. */
#include <candor/async.h>
#include <pthread.h>

#include "node_fixture.h"

enum { WAITING = 500, READING = 500, READS = 10, QUIET_MS = 600000 };

static struct candor_bytes text(const char *of)
{
    return (struct candor_bytes){of, strlen(of)};
}

static void wait_ended(void *closure, struct candor_result *result)
{
    (void)result;
    atomic_fetch_add((atomic_uint *)closure, 1);
}

static void must_submit(struct candor_client *client, int i, atomic_uint *ended)
{
    struct candor_sink sink = {.done = wait_ended, .closure = ended};
    struct candor_read_options read = {.level = CANDOR_READ_LINEARIZABLE, .deadline_ms = QUIET_MS};
    struct candor_write_options write = {.ack = CANDOR_ACK_MAJORITY, .deadline_ms = QUIET_MS};
    struct candor_error err;
    enum candor_code code =
        i % 2 == 0 ? candor_submit_get(client, text("known"), &read, &sink, &err)
                   : candor_submit_put(client, text("waits"), text("v"), &write, &sink, &err);
    if (code != CANDOR_OK)
        fail_msg("%s", err.message);
}

static void *read_often(void *closure)
{
    struct candor_client *client = closure;
    struct candor_read_options eventual = {.level = CANDOR_READ_EVENTUAL, .deadline_ms = QUIET_MS};
    for (int i = 0; i < READS; i++) {
        struct candor_result result;
        enum candor_code code = candor_get(client, text("known"), &eventual, &result);
        bool found = code == CANDOR_OK && result.item_count == 1 && result.items[0].found;
        candor_result_free(&result);
        if (!found)
            return client; /* a failure in this thread could not end the test */
    }
    return NULL;
}

static void read_with_all(struct candor_client *client)
{
    static pthread_t threads[READING];
    for (int i = 0; i < READING; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, client), 0);
    for (int i = 0; i < READING; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void reads_are_answered_while_half_of_a_thousand_wait_for_a_majority(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "known", "value");
    stop(cluster, 1);
    stop(cluster, 2);

    atomic_uint ended = 0;
    for (int i = 0; i < WAITING; i++)
        must_submit(client, i, &ended);
    read_with_all(client);
    assert_int_equal(atomic_load(&ended), 0);
    candor_client_close(client);
    assert_int_equal(atomic_load(&ended), WAITING);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_while_half_of_a_thousand_wait_for_a_majority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
