/* links: client */
/* fork() around a client. The node that answers is a process of its own: NNG in this one would keep
 * children from using it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <candor/async.h>

#include "base/clock.h"
#include "candor/v1/kv.pb-c.h"
#include "rpc/rpc.h"

enum { NOTED_MAX = 16 };

/* Shared with the node's process. */
struct notes {
    atomic_int ready;
    atomic_uint count; /* puts */
    uint8_t client_ids[NOTED_MAX][CANDOR_CLIENT_ID_BYTES];
    uint64_t numbers[NOTED_MAX];
};

static struct notes *notes;

struct fixture {
    char dir[40];
    char address[64];
    pid_t node;
};

/* of all tests: a node is forked before this process makes a call, or never */
static struct fixture fixture;

/* ---- The node -------------------------------------------------------------------------------- */

static void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
                   Candor__V1__PutResponse_Closure closure, void *closure_data)
{
    Candor__V1__PutResponse response = CANDOR__V1__PUT_RESPONSE__INIT;
    Candor__V1__Pos pos = CANDOR__V1__POS__INIT;
    const Candor__V1__RequestId *id = rpc_call_envelope(closure_data)->request_id;
    (void)service;
    (void)request;
    unsigned n = atomic_fetch_add(&notes->count, 1);
    memcpy(notes->client_ids[n % NOTED_MAX], id->client_id.data, CANDOR_CLIENT_ID_BYTES);
    notes->numbers[n % NOTED_MAX] = id->number;
    response.pos = &pos;
    closure(&response, closure_data);
}

static void run_node(const char *address)
{
    Candor__V1__KV_Service kv;
    ProtobufCService *services[] = {&kv.base};
    candor__v1__kv__init(&kv, NULL);
    kv.put = kv_put;
    struct rpc_server_options options = {.address = address,
                                         .message_bytes = 1u << 16,
                                         .calls = 16,
                                         .services = services,
                                         .service_count = 1};
    struct rpc_server *server;
    struct candor_error err;
    bool good = rpc_server_open(&options, &server, &err) == CANDOR_OK;
    atomic_store(&notes->ready, good ? 1 : -1);
    for (;;)
        pause();
}

static int setup(void **state)
{
    struct fixture *f = &fixture;
    *state = f;
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-fork-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->address, sizeof f->address, "ipc://%.39s/a", f->dir);
    notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(notes != MAP_FAILED);
    f->node = fork();
    if (f->node == 0)
        run_node(f->address);
    while (atomic_load(&notes->ready) == 0)
        usleep(1000);
    assert_int_equal(atomic_load(&notes->ready), 1);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = &fixture;
    (void)state;
    kill(f->node, SIGKILL);
    waitpid(f->node, NULL, 0);
    munmap(notes, sizeof *notes);
    unlink(f->address + strlen("ipc://"));
    rmdir(f->dir);
    return 0;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static struct candor_client *open_client(const struct fixture *f)
{
    const char *endpoint = f->address;
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .deadline_ms = 60000};
    struct candor_client *client;
    struct candor_error err;
    return candor_client_open(&options, &client, &err) == CANDOR_OK ? client : NULL;
}

static enum candor_code put(struct candor_client *client)
{
    struct candor_result result;
    enum candor_code code = candor_put(client, candor_text("k"), candor_text("v"), NULL, &result);
    candor_result_free(&result);
    return code;
}

/* What the function gives in a child that is not asked for more. */
static int in_a_child(int (*function)(const struct fixture *, struct candor_client *),
                      const struct fixture *f, struct candor_client *client)
{
    pid_t child = fork();
    if (child == 0)
        _exit(function(f, client));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int put_and_close(const struct fixture *f, struct candor_client *client)
{
    (void)f;
    enum candor_code code = put(client);
    candor_client_close(client);
    return code;
}

static void a_child_draws_a_client_id_of_its_own(void **state)
{
    struct fixture *f = &fixture;
    (void)state;
    struct candor_client *client = open_client(f);
    atomic_store(&notes->count, 0);
    assert_int_equal(in_a_child(put_and_close, f, client), CANDOR_OK);
    assert_int_equal(in_a_child(put_and_close, f, client), CANDOR_OK);
    assert_int_equal(put(client), CANDOR_OK);
    assert_int_equal(put(client), CANDOR_OK);
    assert_int_equal(atomic_load(&notes->count), 4);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(notes->client_ids[i], notes->client_ids[j],
                                    CANDOR_CLIENT_ID_BYTES);
    assert_memory_equal(notes->client_ids[2], notes->client_ids[3], CANDOR_CLIENT_ID_BYTES);
    assert_int_equal(notes->numbers[3], notes->numbers[2] + 1); /* the parent keeps its own */
    candor_client_close(client);
}

/* ---- Submitted operations -------------------------------------------------------------------- */

static struct candor_queue *inherited; /* of the parent */

static enum candor_code submit(struct candor_client *client, struct candor_queue *queue)
{
    struct candor_sink sink = {.queue = queue};
    return candor_submit_put(client, candor_text("k"), candor_text("v"), NULL, &sink, NULL);
}

static bool completes(struct candor_queue *queue)
{
    struct candor_completion done;
    if (candor_queue_wait(queue, &done, 1, -1) != 1)
        return false;
    bool good = done.result.error.code == CANDOR_OK;
    candor_result_free(&done.result);
    return good;
}

static int submits_to_its_own_queue(const struct fixture *f, struct candor_client *client)
{
    struct candor_queue *queue = NULL;
    (void)f;
    bool good = submit(client, inherited) == CANDOR_FAILED_PRECONDITION &&
                candor_queue_open(&queue, NULL) == CANDOR_OK &&
                submit(client, queue) == CANDOR_OK && completes(queue);
    candor_queue_close(inherited);
    candor_client_close(client);
    candor_queue_close(queue);
    return good ? 0 : 1;
}

static void a_child_submits_to_a_queue_of_its_own(void **state)
{
    struct fixture *f = &fixture;
    (void)state;
    struct candor_client *client = open_client(f);
    assert_int_equal(candor_queue_open(&inherited, NULL), CANDOR_OK);
    assert_int_equal(in_a_child(submits_to_its_own_queue, f, client), 0);
    candor_client_close(client);
    candor_queue_close(inherited);
}

static int takes_nothing(const struct fixture *f, struct candor_client *client)
{
    struct candor_completion done;
    (void)f;
    bool good = candor_queue_take(inherited, &done, 1) == 0 &&
                candor_queue_wait(inherited, &done, 1, -1) == 0 &&
                submit(client, inherited) == CANDOR_FAILED_PRECONDITION;
    candor_client_close(client);
    candor_queue_close(inherited);
    return good ? 0 : 1;
}

static void what_is_in_flight_is_the_parents(void **state)
{
    struct fixture *f = &fixture;
    (void)state;
    enum { COUNT = 100 };
    struct candor_client *client = open_client(f);
    assert_int_equal(candor_queue_open(&inherited, NULL), CANDOR_OK);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(submit(client, inherited), CANDOR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(in_a_child(takes_nothing, f, client), 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(completes(inherited));
    candor_client_close(client);
    candor_queue_close(inherited);
}

/* ---- A process that has made calls ----------------------------------------------------------- */

/* At once, though the deadline is a minute. */
static int refuses_all(const struct fixture *f, struct candor_client *client)
{
    uint64_t begun = clock_boot_ns();
    struct candor_client *other = open_client(f);
    enum candor_code code = put(client);
    candor_client_close(client);
    bool at_once = clock_boot_ns() - begun < 20 * NS_PER_S;
    return other == NULL && code == CANDOR_FAILED_PRECONDITION && at_once ? 0 : 1;
}

static void a_child_of_a_process_that_made_calls_is_told(void **state)
{
    struct fixture *f = &fixture;
    (void)state;
    struct candor_client *client = open_client(f);
    atomic_store(&notes->count, 0);
    assert_int_equal(put(client), CANDOR_OK);
    assert_int_equal(in_a_child(refuses_all, f, client), 0);
    assert_int_equal(put(client), CANDOR_OK); /* the parent goes on */
    assert_int_equal(atomic_load(&notes->count), 2);
    assert_memory_equal(notes->client_ids[0], notes->client_ids[1], CANDOR_CLIENT_ID_BYTES);
    candor_client_close(client);
}

/* In this order: once this process has made a call, its children cannot. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_submits_to_a_queue_of_its_own),
        cmocka_unit_test(a_child_draws_a_client_id_of_its_own),
        cmocka_unit_test(a_child_of_a_process_that_made_calls_is_told),
        cmocka_unit_test(what_is_in_flight_is_the_parents),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
