/* Callers of kvctl bench without a thread each: a caller's next request is sent by the closure of
 * its last one. A caller that failed waits for the main thread, which lets it go on a little later:
 * a failing node is not asked in a tight loop. In the open loop a caller waits there, too, when
 * nothing is due. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <candor/channel.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "candor/v1/kv.pb-c.h"
#include "cli/tools/bench.h"

#define TICK_NS (10 * NS_PER_MS)

struct engine;

struct caller {
    struct engine *engine;
    struct bench_draw draw;
    struct candor_token token; /* SESSION: of its newest answer */
    ProtobufCBinaryData *keys; /* as draw.keys */
    uint64_t due_ns;
};

struct engine {
    struct bench *bench;
    struct candor_channel *channel;
    struct caller *callers;
    pthread_mutex_t lock;
    struct caller **idle; /* under lock */
    size_t idle_count;    /* under lock */
};

/* ---- Requests ---- */

struct message {
    const char *method;
    uint8_t *packed;
    size_t length;
};

static struct message pack(const char *method, const ProtobufCMessage *request)
{
    struct message message = {.method = method};
    message.packed = malloc(protobuf_c_message_get_packed_size(request) + 1);
    ASSERT(message.packed != NULL);
    message.length = protobuf_c_message_pack(request, message.packed);
    return message;
}

static ProtobufCBinaryData value_of(const struct bench *bench)
{
    return (ProtobufCBinaryData){.data = bench->value, .len = bench->work.value_bytes};
}

static struct message pack_read(const struct caller *caller, Candor__V1__ReadOptions *options)
{
    const struct bench_work *work = &caller->engine->bench->work;
    if (work->op == BENCH_SCAN) {
        Candor__V1__ScanRequest request = CANDOR__V1__SCAN_REQUEST__INIT;
        request.start = caller->keys[0];
        request.limit = (uint32_t)work->batch;
        request.options = options;
        return pack("/candor.v1.KV/Scan", &request.base);
    }
    if (caller->draw.count > 1) {
        Candor__V1__MultiGetRequest request = CANDOR__V1__MULTI_GET_REQUEST__INIT;
        request.keys = caller->keys;
        request.n_keys = caller->draw.count;
        request.options = options;
        return pack("/candor.v1.KV/MultiGet", &request.base);
    }
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    request.key = caller->keys[0];
    request.options = options;
    return pack("/candor.v1.KV/Get", &request.base);
}

static struct message request_read(const struct caller *caller)
{
    const struct bench_work *work = &caller->engine->bench->work;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = (Candor__V1__ReadLevel)work->level;
    options.max_staleness_ms = work->max_staleness_ms;
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    if (work->level == CANDOR_READ_SESSION) {
        size_t length = candor_token_export(&caller->token, bytes);
        options.token = candor__v1__session_token__unpack(NULL, length, bytes);
    }
    struct message message = pack_read(caller, &options);
    if (options.token != NULL)
        candor__v1__session_token__free_unpacked(options.token, NULL);
    return message;
}

static struct message pack_batch(const struct caller *caller, Candor__V1__WriteOptions *options)
{
    size_t count = caller->draw.count;
    Candor__V1__PutRequest *puts = calloc(count, sizeof *puts);
    Candor__V1__BatchOp *ops = calloc(count, sizeof *ops);
    Candor__V1__BatchOp **list = calloc(count, sizeof(Candor__V1__BatchOp *));
    ASSERT(puts != NULL && ops != NULL && list != NULL);
    for (size_t i = 0; i < count; i++) {
        candor__v1__put_request__init(&puts[i]);
        puts[i].key = caller->keys[i];
        puts[i].value = value_of(caller->engine->bench);
        candor__v1__batch_op__init(&ops[i]);
        ops[i].op_case = CANDOR__V1__BATCH_OP__OP_PUT;
        ops[i].put = &puts[i];
        list[i] = &ops[i];
    }
    Candor__V1__BatchRequest request = CANDOR__V1__BATCH_REQUEST__INIT;
    request.ops = list;
    request.n_ops = count;
    request.options = options;
    struct message message = pack("/candor.v1.KV/Batch", &request.base);
    free(list);
    free(ops);
    free(puts);
    return message;
}

/* If the first key exists: reads it, and writes the second one. */
static struct message pack_txn(const struct caller *caller, Candor__V1__WriteOptions *options)
{
    Candor__V1__Compare there = CANDOR__V1__COMPARE__INIT;
    there.key = caller->keys[0];
    there.target_case = CANDOR__V1__COMPARE__TARGET_EXISTS;
    there.exists = true;
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = caller->keys[0];
    Candor__V1__PutRequest put = CANDOR__V1__PUT_REQUEST__INIT;
    put.key = caller->keys[1];
    put.value = value_of(caller->engine->bench);
    Candor__V1__TxnOp ops[] = {CANDOR__V1__TXN_OP__INIT, CANDOR__V1__TXN_OP__INIT};
    ops[0].op_case = CANDOR__V1__TXN_OP__OP_GET;
    ops[0].get = &get;
    ops[1].op_case = CANDOR__V1__TXN_OP__OP_PUT;
    ops[1].put = &put;
    Candor__V1__TxnRequest request = CANDOR__V1__TXN_REQUEST__INIT;
    request.compare = (Candor__V1__Compare *[]){&there};
    request.n_compare = 1;
    request.then_ops = (Candor__V1__TxnOp *[]){&ops[0], &ops[1]};
    request.n_then_ops = 2;
    request.options = options;
    return pack("/candor.v1.KV/Txn", &request.base);
}

static struct message request_write(const struct caller *caller)
{
    const struct bench *bench = caller->engine->bench;
    Candor__V1__WriteOptions options = CANDOR__V1__WRITE_OPTIONS__INIT;
    options.ack = (Candor__V1__AckLevel)bench->work.ack;
    if (bench->work.op == BENCH_TXN)
        return pack_txn(caller, &options);
    if (caller->draw.count > 1)
        return pack_batch(caller, &options);
    Candor__V1__PutRequest request = CANDOR__V1__PUT_REQUEST__INIT;
    request.key = caller->keys[0];
    request.value = value_of(bench);
    request.options = &options;
    return pack("/candor.v1.KV/Put", &request.base);
}

/* ---- Answers ---- */

static void *unpack(const ProtobufCMessageDescriptor *type, const struct candor_answer *answer)
{
    return bounded_unpack(type, slice_of(answer->response.data, answer->response.length), NULL);
}

/* Of a read that returned OK: how many keys were missing. False: it cannot be read. */
static bool read_answer(const struct caller *caller, const struct candor_answer *answer,
                        uint64_t *missing)
{
    const ProtobufCMessageDescriptor *type = &candor__v1__get_response__descriptor;
    if (caller->engine->bench->work.op == BENCH_SCAN)
        type = &candor__v1__scan_response__descriptor;
    else if (caller->draw.count > 1)
        type = &candor__v1__multi_get_response__descriptor;
    ProtobufCMessage *message = unpack(type, answer);
    if (message == NULL)
        return false;
    if (type == &candor__v1__get_response__descriptor) {
        const Candor__V1__GetResponse *get = (const void *)message;
        *missing = get->item != NULL && !get->item->found;
    } else if (type == &candor__v1__multi_get_response__descriptor) {
        const Candor__V1__MultiGetResponse *got = (const void *)message;
        for (size_t i = 0; i < got->n_items; i++)
            *missing += !got->items[i]->found;
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return true;
}

static size_t ops_of(const struct caller *caller)
{
    return caller->engine->bench->work.op == BENCH_TXN ? 1 : caller->draw.count;
}

static void count(struct caller *caller, const struct candor_result *result)
{
    bench_count(caller->engine->bench, caller->draw.is_write, caller->due_ns, ops_of(caller),
                result);
}

static void wait_idle(struct caller *caller)
{
    struct engine *engine = caller->engine;
    pthread_mutex_lock(&engine->lock);
    engine->idle[engine->idle_count++] = caller;
    pthread_mutex_unlock(&engine->lock);
}

static void send_next(struct caller *caller);

/* A thread of the library. */
static void on_answer(void *closure, const struct candor_answer *answer)
{
    struct caller *caller = closure;
    struct bench *bench = caller->engine->bench;
    struct candor_result result = {.error = {.code = answer->result.error.code},
                                   .has_freshness = answer->result.has_freshness,
                                   .freshness = answer->result.freshness};
    bool good = result.error.code == CANDOR_OK;
    uint64_t missing = 0;
    if (good && !caller->draw.is_write && !read_answer(caller, answer, &missing)) {
        result.error.code = CANDOR_INTERNAL;
        good = false;
    }
    if (good && bench->work.level == CANDOR_READ_SESSION)
        caller->token = answer->result.token;
    atomic_fetch_add(&bench->tally->missing, missing);
    count(caller, &result);
    if (good && bench_claim(bench, clock_boot_ns(), &caller->due_ns))
        send_next(caller);
    else
        wait_idle(caller);
}

static void send_next(struct caller *caller)
{
    struct engine *engine = caller->engine;
    const struct bench *bench = engine->bench;
    bench_draw_next(&caller->draw, bench);
    for (size_t i = 0; i < caller->draw.count; i++)
        caller->keys[i] =
            (ProtobufCBinaryData){.data = caller->draw.room + i * (bench->work.key_bytes + 1),
                                  .len = bench->work.key_bytes};
    struct message message = caller->draw.is_write ? request_write(caller) : request_read(caller);
    struct candor_channel_options options = {.deadline_ms = bench->work.deadline_ms};
    struct candor_bytes body = {message.packed, message.length};
    struct candor_result refused = {0};
    if (candor_channel_send(engine->channel, message.method, body, &options, on_answer, caller,
                            &refused.error) != CANDOR_OK) {
        count(caller, &refused);
        wait_idle(caller);
    }
    free(message.packed);
}

/* ---- The main thread ---- */

static struct caller *take_idle(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    struct caller *caller = engine->idle_count > 0 ? engine->idle[--engine->idle_count] : NULL;
    pthread_mutex_unlock(&engine->lock);
    return caller;
}

static size_t idle_count(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    size_t count = engine->idle_count;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

/* Lets those who wait send (again), as far as something is due: each once. */
static void release(struct engine *engine)
{
    for (size_t left = idle_count(engine); left > 0; left--) {
        struct caller *caller = take_idle(engine);
        if (caller == NULL)
            return;
        if (!bench_claim(engine->bench, clock_boot_ns(), &caller->due_ns)) {
            wait_idle(caller);
            return;
        }
        send_next(caller);
    }
}

static uint64_t pause_ns(struct engine *engine, uint64_t end_ns)
{
    uint64_t now = clock_boot_ns();
    uint64_t wake = now + TICK_NS;
    if (engine->bench->work.rate > 0 && idle_count(engine) > 0) {
        uint64_t due = bench_next_due_ns(engine->bench);
        wake = due < wake ? due : wake;
    }
    wake = wake < end_ns ? wake : end_ns;
    return wake > now ? wake - now : 0;
}

static void drive(struct engine *engine)
{
    struct bench *bench = engine->bench;
    uint64_t end_ns = bench->begun_ns + bench->work.duration_ns;
    prctl(PR_SET_TIMERSLACK, 1); /* a sleep that is too long is a latency of the open loop */
    while (clock_boot_ns() < end_ns && !interrupt_seen()) {
        release(engine);
        bench_pause_ns(pause_ns(engine, end_ns));
    }
    prctl(PR_SET_TIMERSLACK, 0);
    bench_end(bench);
    while (idle_count(engine) < bench->work.callers) /* each ends by its deadline */
        bench_pause_ns(NS_PER_MS);
}

static void callers_init(struct engine *engine)
{
    struct bench *bench = engine->bench;
    engine->callers = calloc(bench->work.callers, sizeof *engine->callers);
    engine->idle = calloc(bench->work.callers, sizeof(struct caller *));
    ASSERT(engine->callers != NULL && engine->idle != NULL);
    for (uint64_t i = 0; i < bench->work.callers; i++) {
        struct caller *caller = &engine->callers[i];
        caller->engine = engine;
        bench_draw_init(&caller->draw, bench, i);
        caller->keys = calloc(bench->work.batch + 2, sizeof *caller->keys);
        ASSERT(caller->keys != NULL);
        wait_idle(caller);
    }
}

static void callers_free(struct engine *engine)
{
    for (uint64_t i = 0; i < engine->bench->work.callers; i++) {
        bench_draw_free(&engine->callers[i].draw);
        free(engine->callers[i].keys);
    }
    free(engine->callers);
    free(engine->idle);
}

void bench_run_async(struct bench *bench)
{
    struct engine engine = {.bench = bench, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (candor_channel_open(bench->place.target.address, &engine.channel, &bench->tally->error) !=
        CANDOR_OK)
        return;
    callers_init(&engine);
    bench_begin(bench);
    drive(&engine);
    candor_channel_close(engine.channel);
    callers_free(&engine);
}
