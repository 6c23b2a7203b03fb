/* links: node client */
/* What one request costs a node: allocations, and hand-overs from thread to thread. Counted, not
 * timed, so that what was saved once does not come back. The client is another process. */
#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>

#include "base/assert.h"
#include "node_fixture.h"
#include "stream/stream.h"

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
struct nni_task;
void __real_nni_task_dispatch(struct nni_task *task);
void __wrap_nni_task_dispatch(struct nni_task *task);
void __real_stream_publish(struct stream *stream, enum stream_channel channel, struct slice bytes);
void __wrap_stream_publish(struct stream *stream, enum stream_channel channel, struct slice bytes);
struct pool;
struct job;
bool __real_pool_push(struct pool *pool, struct job *job);
bool __wrap_pool_push(struct pool *pool, struct job *job);
bool __real_pool_push_always(struct pool *pool, struct job *job);
bool __wrap_pool_push_always(struct pool *pool, struct job *job);
struct queue;
bool __real_queue_push(struct queue *queue, void *item);
bool __wrap_queue_push(struct queue *queue, void *item);
bool __real_queue_push_quiet(struct queue *queue, void *item);
bool __wrap_queue_push_quiet(struct queue *queue, void *item);
bool __real_queue_push_always(struct queue *queue, void *item);
bool __wrap_queue_push_always(struct queue *queue, void *item);
bool __real_queue_push_all(struct queue *queue, void *const *items, size_t count);
bool __wrap_queue_push_all(struct queue *queue, void *const *items, size_t count);
bool __real_queue_push_many(struct queue *queue, void *const *items, size_t count);
bool __wrap_queue_push_many(struct queue *queue, void *const *items, size_t count);

struct fixture {
    struct cluster *cluster;
    pid_t pid;
    int to;
    int from;
};

/* One node, and three. */
static struct fixture clusters[2];

static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t bytes_allocated;
static atomic_uint_fast64_t tasks;  /* NNG's */
static atomic_uint_fast64_t handed; /* ours */
static atomic_uint_fast64_t published;

static void count_allocation(size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes_allocated, bytes, memory_order_relaxed);
}

void *__wrap_malloc(size_t bytes)
{
    count_allocation(bytes);
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    count_allocation(count * bytes);
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    count_allocation(bytes);
    return __real_realloc(memory, bytes);
}

void __wrap_nni_task_dispatch(struct nni_task *task)
{
    atomic_fetch_add(&tasks, 1);
    __real_nni_task_dispatch(task);
}

void __wrap_stream_publish(struct stream *stream, enum stream_channel channel, struct slice bytes)
{
    atomic_fetch_add(&published, 1);
    __real_stream_publish(stream, channel, bytes);
}

static void count_handed(void)
{
    atomic_fetch_add(&handed, 1);
}

bool __wrap_pool_push(struct pool *pool, struct job *job)
{
    count_handed();
    return __real_pool_push(pool, job);
}

bool __wrap_pool_push_always(struct pool *pool, struct job *job)
{
    count_handed();
    return __real_pool_push_always(pool, job);
}

bool __wrap_queue_push(struct queue *queue, void *item)
{
    count_handed();
    return __real_queue_push(queue, item);
}

/* For the primary, which asks for all: replicas are not woken. */
bool __wrap_queue_push_quiet(struct queue *queue, void *item)
{
    for (int i = 0; i < 2; i++)
        if (clusters[i].cluster->nodes[0] != NULL && queue == clusters[i].cluster->nodes[0]->events)
            count_handed();
    return __real_queue_push_quiet(queue, item);
}

bool __wrap_queue_push_always(struct queue *queue, void *item)
{
    count_handed();
    return __real_queue_push_always(queue, item);
}

bool __wrap_queue_push_all(struct queue *queue, void *const *items, size_t count)
{
    count_handed();
    return __real_queue_push_all(queue, items, count);
}

bool __wrap_queue_push_many(struct queue *queue, void *const *items, size_t count)
{
    count_handed();
    return __real_queue_push_many(queue, items, count);
}

/* ---- A client in another process ------------------------------------------------------------- */

enum work {
    GET_EVENTUAL,
    GET_LINEARIZABLE,
    PUT_LOCAL,
    PUT_MAJORITY,
    BUNDLE_OF_GETS,
    BUNDLE_OF_LINEARIZABLE,
    BUNDLE_OF_PUTS
};

#define ROUNDS 400
#define TOGETHER 64 /* calls of a bundle */

struct caller {
    struct candor_client *client;
    struct rpc_client *rpc;
    sem_t answered;
    int code;
};

static void get(struct candor_client *client, enum candor_read_level level)
{
    struct candor_result result;
    struct candor_read_options options = {.level = level};
    ASSERT(candor_get(client, candor_text("key"), &options, &result) == CANDOR_OK);
    candor_result_free(&result);
}

static void put_acked(struct candor_client *client, enum candor_ack ack)
{
    struct candor_result result;
    struct candor_write_options options = {.ack = ack};
    ASSERT(candor_put(client, candor_text("key"), candor_text("value"), &options, &result) ==
           CANDOR_OK);
    candor_result_free(&result);
}

static void bundle_answered(struct slice body, struct rpc_exchange *exchange)
{
    struct caller *caller = exchange->closure_data;
    Candor__V1__BundleResponse *response =
        candor__v1__bundle_response__unpack(NULL, body.length, body.bytes);
    ASSERT(response != NULL && response->n_replies == TOGETHER);
    for (size_t i = 0; i < TOGETHER; i++)
        ASSERT(response->replies[i]->code == CANDOR__V1__CODE__CODE_OK);
    candor__v1__bundle_response__free_unpacked(response, NULL);
    sem_post(&caller->answered);
}

static void bundle(struct caller *caller, const char *name, ProtobufCBinaryData call)
{
    Candor__V1__RpcRequest request = CANDOR__V1__RPC_REQUEST__INIT;
    Candor__V1__RpcRequest *calls[TOGETHER];
    Candor__V1__BundleRequest message = CANDOR__V1__BUNDLE_REQUEST__INIT;
    uint8_t bytes[8192];
    char method[32];
    snprintf(method, sizeof method, "/candor.v1.KV/%s", name);
    request.body = call;
    for (size_t i = 0; i < TOGETHER; i++)
        calls[i] = &request;
    message.method = method;
    message.calls = calls;
    message.n_calls = TOGETHER;
    ASSERT(candor__v1__bundle_request__get_packed_size(&message) <= sizeof bytes);
    size_t length = candor__v1__bundle_request__pack(&message, bytes);
    struct rpc_exchange exchange = {.closure_data = caller};
    rpc_client_call(caller->rpc, "/candor.v1.Rpc/Bundle", slice_of(bytes, length), bundle_answered,
                    &exchange);
    while (sem_wait(&caller->answered) != 0)
        ;
}

static void bundle_of_gets(struct caller *caller, Candor__V1__ReadLevel level)
{
    Candor__V1__GetRequest message = CANDOR__V1__GET_REQUEST__INIT;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = level;
    message.options = &options;
    uint8_t bytes[64];
    uint8_t key[] = "key";
    message.key = (ProtobufCBinaryData){.data = key, .len = 3};
    bundle(caller, "Get",
           (ProtobufCBinaryData){.data = bytes,
                                 .len = candor__v1__get_request__pack(&message, bytes)});
}

static void bundle_of_puts(struct caller *caller)
{
    Candor__V1__PutRequest message = CANDOR__V1__PUT_REQUEST__INIT;
    uint8_t bytes[64];
    uint8_t key[] = "key";
    uint8_t value[] = "value";
    message.key = (ProtobufCBinaryData){.data = key, .len = 3};
    message.value = (ProtobufCBinaryData){.data = value, .len = 5};
    bundle(caller, "Put",
           (ProtobufCBinaryData){.data = bytes,
                                 .len = candor__v1__put_request__pack(&message, bytes)});
}

static void call_once(struct caller *caller, enum work work)
{
    switch (work) {
    case GET_EVENTUAL:
        get(caller->client, CANDOR_READ_EVENTUAL);
        break;
    case GET_LINEARIZABLE:
        get(caller->client, CANDOR_READ_LINEARIZABLE);
        break;
    case PUT_LOCAL:
        put_acked(caller->client, CANDOR_ACK_LOCAL);
        break;
    case PUT_MAJORITY:
        put_acked(caller->client, CANDOR_ACK_MAJORITY);
        break;
    case BUNDLE_OF_GETS:
        bundle_of_gets(caller, CANDOR__V1__READ_LEVEL__READ_LEVEL_EVENTUAL);
        break;
    case BUNDLE_OF_LINEARIZABLE:
        bundle_of_gets(caller, CANDOR__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE);
        break;
    case BUNDLE_OF_PUTS:
        bundle_of_puts(caller);
        break;
    }
}

/* What the client's process says when a work was done ROUNDS times. */
struct done {
    enum work work;
    uint64_t tasks;
};

/* Takes works from `in`, and says on `out` when each was done. */
static void serve_works(int in, int out, struct cluster *cluster)
{
    struct caller caller = {.client = client_of(cluster, 0)};
    const char *address = cluster->topology.nodes[0].rpc;
    ASSERT(rpc_client_open(address, 1 << 20, &caller.rpc, NULL) == CANDOR_OK);
    sem_init(&caller.answered, 0, 0);
    enum work work;
    while (read(in, &work, sizeof work) == sizeof work) {
        uint64_t before = atomic_load(&tasks);
        for (int i = 0; i < ROUNDS; i++)
            call_once(&caller, work);
        struct done done = {work, atomic_load(&tasks) - before};
        ASSERT(write(out, &done, sizeof done) == sizeof done);
    }
    rpc_client_close(caller.rpc);
    candor_client_close(caller.client);
    _exit(0);
}

/* ---- The node -------------------------------------------------------------------------------- */

static void prepare(struct fixture *f, uint32_t voters, const char *settings)
{
    int to[2];
    int from[2];
    f->cluster = cluster_new(voters, 0, settings);
    assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        close(to[1]);
        close(from[0]);
        serve_works(to[0], from[1], f->cluster);
    }
    close(to[0]);
    close(from[1]);
    f->to = to[1];
    f->from = from[0];
}

/* The clients' processes first: NNG does not survive a fork. The one that comes second holds the
 * first one's pipe, too. Heartbeats are few, not to be counted. */
static int prepare_all(void **state)
{
    (void)state;
    prepare(&clusters[0], 1, "");
    prepare(&clusters[1], 3, "heartbeat_interval: 2s\nstale_after: 20s\nelection_timeout: 20s\n");
    return 0;
}

static void end(struct fixture *f)
{
    int status;
    close(f->to);
    close(f->from);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_int_equal(status, 0);
    cluster_free(f->cluster);
}

static int end_all(void **state)
{
    (void)state;
    end(&clusters[1]);
    end(&clusters[0]);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = *state;
    start_all(f->cluster);
    return 0;
}

struct cost {
    uint64_t allocations;
    uint64_t bytes;
    uint64_t tasks;
    uint64_t handed;
    uint64_t published;
    uint64_t clients; /* NNG's tasks in the client's process */
};

static struct cost count_now(void)
{
    return (struct cost){atomic_load(&allocations), atomic_load(&bytes_allocated),
                         atomic_load(&tasks),       atomic_load(&handed),
                         atomic_load(&published),   0};
}

static uint64_t do_work(struct fixture *f, enum work work)
{
    struct done done;
    assert_int_equal(write(f->to, &work, sizeof work), sizeof work);
    assert_int_equal(read(f->from, &done, sizeof done), sizeof done);
    assert_int_equal(done.work, work);
    return done.tasks;
}

/* Of one call, in hundredths, after a first time for what is made once. */
static struct cost cost_of(struct fixture *f, enum work work, const char *name)
{
    do_work(f, work);
    struct cost before = count_now();
    uint64_t clients = do_work(f, work);
    struct cost after = count_now();
    struct cost cost = {(after.allocations - before.allocations) * 100 / ROUNDS,
                        (after.bytes - before.bytes) / ROUNDS,
                        (after.tasks - before.tasks) * 100 / ROUNDS,
                        (after.handed - before.handed) * 100 / ROUNDS,
                        (after.published - before.published) * 100 / ROUNDS,
                        clients * 100 / ROUNDS};
    print_message("%s: %.2f allocations of %" PRIu64
                  " bytes, %.2f of NNG's tasks, %.2f hand-overs, %.2f messages published; "
                  "%.2f of NNG's tasks at the client\n",
                  name, (double)cost.allocations / 100, cost.bytes, (double)cost.tasks / 100,
                  (double)cost.handed / 100, (double)cost.published / 100,
                  (double)cost.clients / 100);
    return cost;
}

/* At most, of one call. A slow machine needs some more than a fast one: a known commit goes to the
 * writer alone when no write follows it soon, a bundle has more than one turn, and what happens
 * late is told apart. */
static void assert_cost(struct cost cost, uint64_t most_allocations, uint64_t most_tasks,
                        uint64_t most_handed, uint64_t most_published)
{
    assert_in_range(cost.allocations, 1, most_allocations * 100);
    assert_in_range(cost.tasks, 1, most_tasks * 100);
    assert_in_range(cost.handed, 0, most_handed * 100);
    assert_in_range(cost.published, 0, most_published * 100);
    assert_in_range(cost.clients, 1, 350); /* the reply's length, and the reply */
}

static void one_node_does_no_needless_work(void **state)
{
    struct fixture *f = *state;
    /* The thread that brings the request reads and answers. */
    assert_cost(cost_of(f, GET_EVENTUAL, "get EVENTUAL"), 6, 3, 1, 2);
    /* To the node thread, and to a reader. */
    assert_cost(cost_of(f, GET_LINEARIZABLE, "get LINEARIZABLE"), 6, 3, 4, 4);
    /* To the node thread, to the writer, and back. */
    assert_cost(cost_of(f, PUT_LOCAL, "put LOCAL"), 13, 3, 5, 6);
    assert_cost(cost_of(f, PUT_MAJORITY, "put MAJORITY"), 13, 3, 5, 6);
    /* All of a bundle as one; the rest to a reader where it takes long. */
    assert_cost(cost_of(f, BUNDLE_OF_GETS, "64 gets"), 20, 3, 12, 6);
    assert_cost(cost_of(f, BUNDLE_OF_LINEARIZABLE, "64 linearizable gets"), 20, 3, 16, 6);
    assert_cost(cost_of(f, BUNDLE_OF_PUTS, "64 puts"), 120, 3, 16, 8);
}

/* All three together. The primary tells both replicas in one message, and each of them everybody in
 * one, once a group: three messages for a write, however many calls are in it. On a slow machine
 * the commit, and what each replica made of it, are told apart from that. */
static void three_nodes_do_no_needless_work(void **state)
{
    struct fixture *f = *state;
    assert_cost(cost_of(f, PUT_LOCAL, "put LOCAL"), 100, 32, 24, 10);
    assert_cost(cost_of(f, PUT_MAJORITY, "put MAJORITY"), 100, 32, 24, 10);
    assert_cost(cost_of(f, GET_LINEARIZABLE, "get LINEARIZABLE"), 80, 32, 16, 9);
    assert_cost(cost_of(f, BUNDLE_OF_LINEARIZABLE, "64 linearizable gets"), 90, 32, 26, 9);
    assert_cost(cost_of(f, BUNDLE_OF_PUTS, "64 puts"), 200, 32, 34, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(one_node_does_no_needless_work, setup, NULL,
                                                 &clusters[0]),
        cmocka_unit_test_prestate_setup_teardown(three_nodes_do_no_needless_work, setup, NULL,
                                                 &clusters[1])};
    return cmocka_run_group_tests(tests, prepare_all, end_all);
}
