/* links: client */
/* Very many operations keep no memory. CANDOR_SOAK_OPERATIONS=10000000 for a long run. */
#define SCRIPTED_CALLS 4096 /* one connection may hold a quarter */
#include "scripted_nodes.h"

#include <malloc.h>

#include <candor/async.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OPERATIONS 20000
#else
#define OPERATIONS 200000
#endif
#define IN_FLIGHT 900
#define KEPT_BYTES (1u << 20) /* what allocators and threads may still grow by */

static enum candor_code submit_some(struct candor_client *client, struct candor_queue *queue,
                                    uint64_t n)
{
    char key[32];
    struct candor_sink sink = {.queue = queue};
    snprintf(key, sizeof key, "key-%llu", (unsigned long long)n);
    if (n % 3 == 0)
        return candor_submit_put(client, candor_text(key), candor_text("a value"), NULL, &sink,
                                 NULL);
    return candor_submit_get(client, candor_text(key), NULL, &sink, NULL);
}

static void take_some(struct candor_queue *queue, uint64_t *in_flight)
{
    static struct candor_completion done[64];
    size_t count = candor_queue_wait(queue, done, 64, -1);
    for (size_t i = 0; i < count; i++) {
        EXPECT(done[i].result.error.code, CANDOR_OK, done[i].result);
        candor_result_free(&done[i].result);
    }
    *in_flight -= count;
}

static void pass(struct candor_client *client, struct candor_queue *queue, uint64_t operations)
{
    uint64_t in_flight = 0;
    for (uint64_t n = 0; n < operations; n++) {
        while (in_flight >= IN_FLIGHT)
            take_some(queue, &in_flight);
        assert_int_equal(submit_some(client, queue, n), CANDOR_OK);
        in_flight++;
    }
    while (in_flight > 0)
        take_some(queue, &in_flight);
}

static void many_operations_keep_no_memory(void **state)
{
    struct fixture *f = *state;
    const char *wanted = getenv("CANDOR_SOAK_OPERATIONS");
    uint64_t operations = wanted != NULL ? strtoull(wanted, NULL, 10) : OPERATIONS;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue;
    assert_int_equal(candor_queue_open(&queue, NULL), CANDOR_OK);
    pass(client, queue, operations / 10 + IN_FLIGHT);
    size_t before = mallinfo2().uordblks;
    pass(client, queue, operations);
    size_t after = mallinfo2().uordblks;
    if (after > before + KEPT_BYTES)
        fail_msg("%zu bytes before %llu operations, %zu after", before,
                 (unsigned long long)operations, after);
    candor_queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_operations_keep_no_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
