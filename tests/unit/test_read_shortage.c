/* links: node client */
/* A reader of the node that finds no memory for an answer refuses that call; the node goes on.
 * malloc() and realloc() are wrapped by the linker and fail on readers' threads, for blocks of one
 * size, as often as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node_fixture.h"

/* ---- Failing allocators ---------------------------------------------------------------------- */

static atomic_size_t failing_bytes;
static atomic_int failures_left;
static atomic_int failures;

void *__real_malloc(size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static bool fails(size_t bytes)
{
    char name[16] = "";
    if (bytes == 0 || bytes != atomic_load(&failing_bytes))
        return false;
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strncmp(name, "reader", 6) != 0 || atomic_load(&failures_left) == 0)
        return false;
    atomic_fetch_sub(&failures_left, 1);
    atomic_fetch_add(&failures, 1);
    return true;
}

void *__wrap_malloc(size_t bytes)
{
    return fails(bytes) ? NULL : __real_malloc(bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return fails(bytes) ? NULL : __real_realloc(old, bytes);
}

static void fail_once(size_t bytes)
{
    atomic_store(&failures, 0);
    atomic_store(&failures_left, 1);
    atomic_store(&failing_bytes, bytes);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

enum { KEYS = 150, ITEM = sizeof(Candor__V1__KeyValue) };

struct fixture {
    struct cluster *cluster;
    struct candor_client *client;
    char names[KEYS][8];
    struct candor_bytes keys[KEYS];
};

static void set_up(struct fixture *f)
{
    f->cluster = cluster_new(1, 0, "");
    start_all(f->cluster);
    f->client = client_of(f->cluster, 0);
    EVENTUALLY(is_primary(f->client));
    for (int i = 0; i < KEYS; i++) {
        snprintf(f->names[i], sizeof f->names[i], "k%03d", i);
        f->keys[i] = candor_text(f->names[i]);
        must_put(f->client, f->names[i], "v");
    }
}

static void tear_down(struct fixture *f)
{
    candor_client_close(f->client);
    cluster_free(f->cluster);
}

/* The client was told to come again, and did. */
static void assert_refused_once(enum candor_code code, struct candor_result *result)
{
    if (code != CANDOR_OK)
        fail_msg("%s: %s", candor_code_name(code), result->error.message);
    assert_int_equal(atomic_load(&failures), 1);
    assert_int_equal(result->item_count, KEYS);
    assert_true(result->attempts > 1);
    candor_result_free(result);
}

static void a_read_without_memory_is_refused_and_the_node_goes_on(void **state)
{
    (void)state;
    /* MultiGet's items and list; a scan's items, grown once and once more, and its list. */
    static const size_t multi_get[] = {(KEYS + 1) * ITEM, (KEYS + 1) * sizeof(void *)};
    static const size_t scan[] = {64 * ITEM, 128 * ITEM, (KEYS + 1) * sizeof(void *)};
    struct fixture f;
    struct candor_result result;
    set_up(&f);
    for (size_t i = 0; i < sizeof multi_get / sizeof multi_get[0]; i++) {
        fail_once(multi_get[i]);
        enum candor_code code = candor_mget(f.client, f.keys, KEYS, NULL, &result);
        assert_refused_once(code, &result);
    }
    for (size_t i = 0; i < sizeof scan / sizeof scan[0]; i++) {
        struct candor_range range = {.prefix = candor_text("k")};
        fail_once(scan[i]);
        enum candor_code code = candor_scan(f.client, &range, NULL, &result);
        assert_refused_once(code, &result);
    }
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_without_memory_is_refused_and_the_node_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
