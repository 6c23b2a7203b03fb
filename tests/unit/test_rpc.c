/* links: rpc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "candor/v1/kv.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "nng_attack.h"
#include "rpc/text.h"

#define MESSAGE_BYTES ((size_t)1 << 16)
#define HELD_MOST LIMIT_RPC_CLIENT_CALLS

/* ---- A server whose handlers do what the key says -------------------------------------------- */

struct fixture {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    char address[64];
    int port;
    struct rpc_server *server;
    struct rpc_client *client;
    atomic_uint_fast64_t handled;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    size_t held_count;
    struct {
        Candor__V1__GetResponse_Closure closure;
        void *closure_data;
    } held[HELD_MOST];
};

static bool key_begins(ProtobufCBinaryData key, const char *prefix)
{
    return key.len >= strlen(prefix) && memcmp(key.data, prefix, strlen(prefix)) == 0;
}

static void answer(Candor__V1__GetResponse_Closure closure, void *closure_data, const void *bytes,
                   size_t length)
{
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    uint8_t *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    item.value = (ProtobufCBinaryData){.data = copy, .len = length};
    item.found = true;
    response.item = &item;
    closure(&response, closure_data);
    free(copy); /* packed before the closure returned */
}

static void hold(struct fixture *f, Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    pthread_mutex_lock(&f->lock);
    f->held[f->held_count].closure = closure;
    f->held[f->held_count].closure_data = closure_data;
    f->held_count++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* "echo...": the key; "fail...": an error that quotes it; "hold": later; "large N": N bytes; "ask":
 * the envelope. */
static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct fixture *f = (struct fixture *)service;
    struct rpc_call *call = closure_data;
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)request->key.len, (const char *)request->key.data);
    atomic_fetch_add(&f->handled, 1);
    if (key_begins(request->key, "hold")) {
        hold(f, closure, closure_data);
    } else if (key_begins(request->key, "fail")) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_DISK_FULL, "no key \"%s\"", text);
        rpc_call_fail(call, &error);
    } else if (key_begins(request->key, "large ")) {
        size_t length = strtoul(text + 6, NULL, 10);
        uint8_t *bytes = calloc(1, length);
        answer(closure, closure_data, bytes, length);
        free(bytes);
    } else if (key_begins(request->key, "ask")) {
        const Candor__V1__RpcRequest *envelope = rpc_call_envelope(call);
        uint64_t left_ms = saturating_sub(rpc_call_deadline_ns(call), clock_boot_ns()) / NS_PER_MS;
        snprintf(text, sizeof text, "%s %zu %s %" PRIu64 " %s", envelope->method, envelope->n_hops,
                 envelope->n_hops > 0 ? envelope->hops[0] : "-",
                 envelope->request_id != NULL ? envelope->request_id->number : 0,
                 left_ms > 1500 && left_ms <= 2000 ? "2s" : "?");
        answer(closure, closure_data, text, strlen(text));
    } else {
        answer(closure, closure_data, request->key.data, request->key.len);
    }
}

static void fill_freshness(void *closure, struct rpc_call *call)
{
    (void)closure;
    Candor__V1__Freshness *freshness = rpc_call_alloc(call, sizeof *freshness);
    ASSERT(freshness != NULL);
    candor__v1__freshness__init(freshness);
    freshness->node = rpc_call_string(call, "a");
    rpc_call_reply(call)->freshness = freshness;
}

static enum candor_code serve_fixture(struct fixture *f, struct candor_error *err)
{
    struct rpc_server_options options = {
        .address = f->address,
        .message_bytes = MESSAGE_BYTES,
        .services = f->services,
        .service_count = 1,
        .freshness = fill_freshness,
        .closure = f,
    };
    return rpc_server_open(&options, &f->server, err);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    candor__v1__kv__init(&f->kv, NULL);
    f->kv.get = kv_get;
    f->services[0] = &f->kv.base;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->port = free_port();
    snprintf(f->address, sizeof f->address, "tcp://127.0.0.1:%d", f->port);
    struct candor_error err;
    if (serve_fixture(f, &err) != CANDOR_OK ||
        rpc_client_open(f->address, MESSAGE_BYTES, &f->client, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rpc_client_close(f->client);
    rpc_server_close(f->server);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* Waits until that many calls are held. */
static void await_held(struct fixture *f, size_t count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    int late = 0;
    pthread_mutex_lock(&f->lock);
    while (f->held_count < count && late == 0)
        late = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    size_t held = f->held_count;
    pthread_mutex_unlock(&f->lock);
    assert_in_range(held, count, HELD_MOST);
}

static void answer_held(struct fixture *f)
{
    for (;;) {
        pthread_mutex_lock(&f->lock);
        if (f->held_count == 0)
            break;
        f->held_count--;
        Candor__V1__GetResponse_Closure closure = f->held[f->held_count].closure;
        void *closure_data = f->held[f->held_count].closure_data;
        pthread_mutex_unlock(&f->lock);
        answer(closure, closure_data, "held", 4);
    }
    pthread_mutex_unlock(&f->lock);
}

/* ---- Calls that wait ------------------------------------------------------------------------- */

struct outcome {
    enum candor_code code;
    struct candor_error error;
    char value[256];
    char node[LIMIT_NODE_ID_BYTES]; /* of freshness; "" when no reply came */
    uint64_t took_ms;
};

static size_t pack_get(const char *key, uint8_t *out)
{
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", key);
    request.key = (ProtobufCBinaryData){.data = (uint8_t *)copy, .len = strlen(copy)};
    return candor__v1__get_request__pack(&request, out);
}

static struct outcome call(struct rpc_client *client, const char *key, struct rpc_exchange exchange)
{
    uint8_t packed[512];
    size_t length = pack_get(key, packed);
    struct outcome outcome = {.code = CANDOR_OK};
    uint8_t *bytes = NULL;
    size_t bytes_length = 0;
    Candor__V1__RpcReply *reply = NULL;
    uint64_t begun_ns = clock_boot_ns();
    outcome.code = rpc_client_call_wait(client, "/candor.v1.KV/Get", slice_of(packed, length),
                                        &exchange, &bytes, &bytes_length, &reply, &outcome.error);
    outcome.took_ms = (clock_boot_ns() - begun_ns) / NS_PER_MS;
    if (reply != NULL && reply->freshness != NULL)
        snprintf(outcome.node, sizeof outcome.node, "%s", reply->freshness->node);
    if (outcome.code == CANDOR_OK) {
        Candor__V1__GetResponse *response =
            candor__v1__get_response__unpack(NULL, bytes_length, bytes);
        ASSERT(response != NULL && response->item != NULL);
        snprintf(outcome.value, sizeof outcome.value, "%.*s", (int)response->item->value.len,
                 (const char *)response->item->value.data);
        candor__v1__get_response__free_unpacked(response, NULL);
    }
    if (reply != NULL)
        candor__v1__rpc_reply__free_unpacked(reply, NULL);
    free(bytes);
    return outcome;
}

static struct outcome call_within(struct rpc_client *client, const char *key, uint32_t deadline_ms)
{
    return call(client, key, (struct rpc_exchange){.deadline_ms = deadline_ms});
}

/* Many calls under way at once; counts how they end. */
struct crowd {
    atomic_uint ok;
    atomic_uint cancelled;
    atomic_uint other;
    struct rpc_exchange exchanges[LIMIT_RPC_CLIENT_CALLS];
};

static void crowd_ended(struct slice response, struct rpc_exchange *exchange)
{
    (void)response;
    struct crowd *crowd = exchange->closure_data;
    if (exchange->error.code == CANDOR_OK)
        atomic_fetch_add(&crowd->ok, 1);
    else if (exchange->error.code == CANDOR_CANCELLED)
        atomic_fetch_add(&crowd->cancelled, 1);
    else
        atomic_fetch_add(&crowd->other, 1);
}

static void crowd_start(struct crowd *crowd, struct rpc_client *client, const char *key,
                        uint32_t count)
{
    uint8_t packed[512];
    size_t length = pack_get(key, packed);
    for (uint32_t i = 0; i < count; i++) {
        crowd->exchanges[i] = (struct rpc_exchange){.deadline_ms = 30000, .closure_data = crowd};
        rpc_client_call(client, "/candor.v1.KV/Get", slice_of(packed, length), crowd_ended,
                        &crowd->exchanges[i]);
    }
}

static void await_count(atomic_uint *count, unsigned wanted)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (atomic_load(count) < wanted && clock_boot_ns() < until_ns)
        pause_ms(1);
    assert_int_equal(atomic_load(count), wanted);
}

/* ---- Answers --------------------------------------------------------------------------------- */

struct stub_wait {
    atomic_uint ended;
    char value[64];
};

static void stub_ended(const Candor__V1__GetResponse *response, void *closure_data)
{
    struct rpc_exchange *exchange = closure_data;
    struct stub_wait *wait = exchange->closure_data;
    if (response != NULL && exchange->error.code == CANDOR_OK)
        snprintf(wait->value, sizeof wait->value, "%.*s from %s", (int)response->item->value.len,
                 (const char *)response->item->value.data, exchange->reply->freshness->node);
    atomic_fetch_add(&wait->ended, 1);
}

static void a_generated_stub_gets_its_answer_with_freshness(void **state)
{
    struct fixture *f = *state;
    struct stub_wait wait = {0};
    struct rpc_exchange exchange = {.closure_data = &wait};
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    uint8_t key[] = "echo";
    request.key = (ProtobufCBinaryData){.data = key, .len = 4};
    ProtobufCService *kv = rpc_client_service(f->client, &candor__v1__kv__descriptor);
    assert_ptr_equal(kv, rpc_client_service(f->client, &candor__v1__kv__descriptor));
    candor__v1__kv__get(kv, &request, stub_ended, &exchange);
    memset(key, 0, sizeof key); /* the stub has taken it */
    await_count(&wait.ended, 1);
    assert_string_equal(wait.value, "echo from a");
}

static void the_envelope_reaches_the_handler(void **state)
{
    struct fixture *f = *state;
    uint8_t client_id[16] = {1};
    Candor__V1__RequestId request_id = CANDOR__V1__REQUEST_ID__INIT;
    request_id.client_id = (ProtobufCBinaryData){.data = client_id, .len = sizeof client_id};
    request_id.number = 77;
    char hop[] = "node-b";
    char *hops[] = {hop};
    struct outcome outcome =
        call(f->client, "ask",
             (struct rpc_exchange){
                 .deadline_ms = 2000, .request_id = &request_id, .hops = hops, .hop_count = 1});
    assert_string_equal(outcome.value, "/candor.v1.KV/Get 1 node-b 77 2s");
}

static void a_failure_carries_code_reason_and_a_clean_message(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome = call_within(f->client, "fail\xff\x01.", 2000);
    assert_int_equal(outcome.code, CANDOR_NOT_FOUND);
    assert_int_equal(outcome.error.reason, CANDOR_REASON_DISK_FULL);
    assert_string_equal(outcome.error.message, "no key \"fail??.\"");
    assert_string_equal(outcome.node, "a");
    assert_string_equal(outcome.value, "");
}

static void reflection_describes_every_service(void **state)
{
    struct fixture *f = *state;
    struct rpc_exchange exchange = {0};
    uint8_t *bytes;
    size_t length;
    struct rpc_client *client; /* the set is larger than this fixture's messages */
    struct rpc_server *server;
    struct candor_error err;
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", free_port());
    struct rpc_server_options options = {.address = address,
                                         .message_bytes = LIMIT_MESSAGE_BYTES_DEFAULT};
    (void)f;
    assert_int_equal(rpc_server_open(&options, &server, &err), CANDOR_OK);
    assert_int_equal(rpc_client_open(address, LIMIT_MESSAGE_BYTES_DEFAULT, &client, &err),
                     CANDOR_OK);
    assert_int_equal(rpc_client_call_wait(client, "/candor.v1.Reflection/Descriptors",
                                          (struct slice){0}, &exchange, &bytes, &length, NULL,
                                          &err),
                     CANDOR_OK);
    Candor__V1__DescriptorsResponse *response =
        candor__v1__descriptors_response__unpack(NULL, length, bytes);
    assert_non_null(response);
    Google__Protobuf__FileDescriptorSet *set = google__protobuf__file_descriptor_set__unpack(
        NULL, response->file_descriptor_set.len, response->file_descriptor_set.data);
    assert_non_null(set);
    bool found = false;
    for (size_t i = 0; i < set->n_file; i++)
        for (size_t j = 0; j < set->file[i]->n_service; j++)
            found = found || strcmp(set->file[i]->service[j]->name, "KV") == 0;
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    candor__v1__descriptors_response__free_unpacked(response, NULL);
    free(bytes);
    rpc_client_close(client);
    rpc_server_close(server);
    assert_true(found);
}

/* ---- What strangers send --------------------------------------------------------------------- */

static int stranger(int port)
{
    int fd = sp_connect(port);
    ASSERT(fd >= 0);
    uint8_t handshake[8];
    ASSERT(send_all(fd, HANDSHAKE_REQ, sizeof HANDSHAKE_REQ));
    ASSERT(receive_all(fd, handshake, sizeof handshake));
    return fd;
}

/* The reply to these bytes as a request; NULL: none came. */
static Candor__V1__RpcReply *ask_as_stranger(int fd, const void *bytes, size_t length)
{
    static uint8_t reply[1 << 17];
    uint32_t id;
    if (!sp_send(fd, 0x80000001, bytes, length))
        return NULL;
    long got = sp_receive(fd, &id, reply, sizeof reply);
    return got < 0 ? NULL : candor__v1__rpc_reply__unpack(NULL, (size_t)got, reply);
}

static void expect_refusal(int fd, const void *bytes, size_t length, int code, int reason,
                           const char *message)
{
    Candor__V1__RpcReply *reply = ask_as_stranger(fd, bytes, length);
    if (reply == NULL)
        fail_msg("no reply; expected \"%s\"", message);
    ASSERT(reply != NULL);
    assert_int_equal(reply->code, code);
    assert_int_equal(reply->reason, reason);
    if (strstr(reply->message, message) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", reply->message, message);
    assert_non_null(reply->freshness);
    assert_int_equal(reply->body.len, 0);
    candor__v1__rpc_reply__free_unpacked(reply, NULL);
}

static void what_cannot_be_taken_is_refused_with_its_name(void **state)
{
    struct fixture *f = *state;
#define METHOD "\x0a\x11/candor.v1.KV/Get"
    static const struct {
        const char *bytes;
        size_t length;
        int code;
        int reason;
        const char *message;
    } cases[] = {
#define CASE(text, code, reason, message) {text, sizeof(text) - 1, code, reason, message}
        CASE("\xff\xff\xff", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "RpcRequest"),
        CASE("\x0a\x20short", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "RpcRequest"),
        CASE("", CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD, "\"\""),
        CASE("\x0a\x05hello", CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD, "\"hello\""),
        CASE("\x0a\x12/candor.v1.KV/Nope", CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD,
             "/candor.v1.KV/Nope"),
        CASE("\x0a\x11/candor.v1.KX/Get", CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD,
             "/candor.v1.KX/Get"),
        CASE("\x0a\x11/candor.v1.KV\nGet", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
             "RpcRequest.method"),
        CASE("\x0a\x03/\xc0\x80", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
             "RpcRequest.method"),
        CASE(METHOD "\x1a\x02\xff\xff", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
             "RpcRequest.credentials"),
        CASE(METHOD "\x32\x02\x1b[", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
             "RpcRequest.hops"),
        CASE(METHOD "\x32\x20"
                    "0123456789012345678901234567890x",
             CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "RpcRequest.hops"),
        CASE(METHOD "\x22\x05\x0a\x03"
                    "abc",
             CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "request_id.client_id"),
        CASE(METHOD "\x2a\x03\x0a\x7fx", CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
             "candor.v1.GetRequest"),
    };
    int fd = stranger(f->port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refusal(fd, cases[i].bytes, cases[i].length, cases[i].code, cases[i].reason,
                       cases[i].message);
    close(fd);
    assert_int_equal(atomic_load(&f->handled), 0);
}

static void a_message_that_unfolds_without_measure_is_refused(void **state)
{
    struct fixture *f = *state;
    /* A Batch of empty operations: two bytes each, some sixty in memory. */
    static uint8_t bytes[60000];
    memcpy(bytes, "\x0a\x13/candor.v1.KV/Batch\x2a", 22);
    size_t at = 22;
    size_t ops = (sizeof bytes - at - 3) / 2;
    size_t body = 2 * ops;
    bytes[at++] = (uint8_t)(body | 0x80);
    bytes[at++] = (uint8_t)(body >> 7 | 0x80);
    bytes[at++] = (uint8_t)(body >> 14);
    for (size_t i = 0; i < ops; i++) {
        bytes[at++] = 0x0a;
        bytes[at++] = 0;
    }
    int fd = stranger(f->port);
    expect_refusal(fd, bytes, at, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                   "candor.v1.BatchRequest");
    close(fd);
}

static void too_large_a_request_costs_its_own_connection_only(void **state)
{
    struct fixture *f = *state;
    int hostile = stranger(f->port);
    int good = stranger(f->port);
    uint8_t head[8];
    frame_put(head, MESSAGE_BYTES + 5);
    assert_true(send_all(hostile, head, sizeof head));
    uint8_t byte;
    assert_int_equal(recv(hostile, &byte, 1, 0), 0); /* closed, not timed out */
    expect_refusal(good, "\x0a\x01x", 3, CANDOR_UNIMPLEMENTED, CANDOR_REASON_UNKNOWN_METHOD, "x");
    /* The largest request that is allowed is taken. */
    static uint8_t largest[MESSAGE_BYTES];
    memset(largest, 0xff, sizeof largest);
    expect_refusal(good, largest, sizeof largest, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                   "RpcRequest");
    close(hostile);
    close(good);
}

static void a_peer_that_reads_no_replies_loses_its_connection(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call_within(f->client, "echo", 5000).code, CANDOR_OK); /* connected */
    int fd = stranger(f->port);
    int before = descriptors_of(getpid());
    uint8_t request[64] = METHOD "\x2a\x0d\x0a\x0blarge 60000";
    size_t length = 19 + 2 + 13;
    /* Replies for more than sockets buffer (4 MiB). */
    for (int i = 0; i < 400; i++)
        assert_true(sp_send(fd, 0x80000000u + (uint32_t)i, request, length));
    assert_in_range(descriptors_at_most(getpid(), before - 1), 1, before - 1);
    assert_int_equal(call_within(f->client, "echo", 5000).code, CANDOR_OK);
    close(fd);
}

/* ---- Limits and deadlines -------------------------------------------------------------------- */

static void a_reply_over_the_limit_becomes_a_failure(void **state)
{
    struct fixture *f = *state;
    char key[64];
    snprintf(key, sizeof key, "large %zu", MESSAGE_BYTES - 200);
    assert_int_equal(call_within(f->client, key, 2000).code, CANDOR_OK);
    snprintf(key, sizeof key, "large %zu", MESSAGE_BYTES);
    struct outcome outcome = call_within(f->client, key, 2000);
    assert_int_equal(outcome.code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(outcome.error.reason, CANDOR_REASON_TOO_LARGE);
    assert_string_equal(outcome.node, "a");
    assert_int_equal(call_within(f->client, "echo", 2000).code, CANDOR_OK);
}

static void a_request_over_the_limit_is_not_sent(void **state)
{
    struct fixture *f = *state;
    static uint8_t body[MESSAGE_BYTES];
    struct rpc_exchange exchange = {0};
    uint8_t *bytes;
    size_t length;
    struct candor_error err;
    enum candor_code code =
        rpc_client_call_wait(f->client, "/candor.v1.KV/Get", slice_of(body, sizeof body), &exchange,
                             &bytes, &length, NULL, &err);
    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_TOO_LARGE);
    assert_null(bytes);
    assert_int_equal(call_within(f->client, "echo", 2000).code, CANDOR_OK);
    assert_int_equal(atomic_load(&f->handled), 1);
}

static void a_call_ends_at_its_deadline_and_its_late_reply_is_nobodys(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome = call_within(f->client, "hold", 200);
    assert_int_equal(outcome.code, CANDOR_DEADLINE_EXCEEDED);
    assert_int_equal(outcome.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_in_range(outcome.took_ms, 190, 2000);
    await_held(f, 1);
    answer_held(f);
    assert_string_equal(call_within(f->client, "echo", 2000).value, "echo");
}

static void calls_in_flight_are_bounded_and_closing_ends_them(void **state)
{
    struct fixture *f = *state;
    struct rpc_client *client;
    struct candor_error err;
    assert_int_equal(rpc_client_open(f->address, MESSAGE_BYTES, &client, &err), CANDOR_OK);
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    crowd_start(&crowd, client, "hold", LIMIT_RPC_CLIENT_CALLS);
    struct outcome outcome = call_within(client, "echo", 2000);
    assert_int_equal(outcome.code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(outcome.error.reason, CANDOR_REASON_OVERLOADED);
    await_held(f, LIMIT_RPC_CLIENT_CALLS);
    rpc_client_close(client);
    assert_int_equal(atomic_load(&crowd.cancelled), LIMIT_RPC_CLIENT_CALLS);
    answer_held(f); /* their caller is gone: for nobody */
    assert_int_equal(call_within(f->client, "echo", 5000).code, CANDOR_OK);
    answer_held(f);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void *answer_from_another_thread(void *closure)
{
    struct fixture *f = closure;
    await_held(f, 32);
    answer_held(f);
    return NULL;
}

static void calls_are_finished_by_any_thread(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    pthread_t thread;
    pthread_create(&thread, NULL, answer_from_another_thread, f);
    crowd_start(&crowd, f->client, "hold", 32);
    await_count(&crowd.ok, 32);
    pthread_join(thread, NULL);
}

struct concurrent {
    struct fixture *f;
    int number;
    int wrong;
};

static void *call_many(void *closure)
{
    struct concurrent *concurrent = closure;
    for (int i = 0; i < 50; i++) {
        char key[64];
        snprintf(key, sizeof key, "echo %d.%d", concurrent->number, i);
        struct outcome outcome = call_within(concurrent->f->client, key, 20000);
        if (outcome.code != CANDOR_OK || strcmp(outcome.value, key) != 0)
            concurrent->wrong++;
    }
    return NULL;
}

static void each_of_64_callers_gets_its_own_answers(void **state)
{
    struct concurrent callers[64];
    pthread_t threads[64];
    for (int i = 0; i < 64; i++) {
        callers[i] = (struct concurrent){.f = *state, .number = i};
        pthread_create(&threads[i], NULL, call_many, &callers[i]);
    }
    int wrong = 0;
    for (int i = 0; i < 64; i++) {
        pthread_join(threads[i], NULL);
        wrong += callers[i].wrong;
    }
    assert_int_equal(wrong, 0);
}

static void *close_server(void *closure)
{
    struct fixture *f = closure;
    rpc_server_close(f->server);
    f->server = NULL;
    pthread_mutex_lock(&f->lock);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void closing_the_server_waits_for_the_calls_it_has_taken(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    crowd_start(&crowd, f->client, "hold", 8);
    await_held(f, 8);
    pthread_t thread;
    pthread_create(&thread, NULL, close_server, f);
    answer_held(f);
    pthread_join(thread, NULL);
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (atomic_load(&crowd.ok) + atomic_load(&crowd.other) < 8 && clock_boot_ns() < until_ns)
        pause_ms(1);
    assert_int_equal(atomic_load(&crowd.ok) + atomic_load(&crowd.other), 8);
}

/* In a child, before this process uses NNG: an answer twice is a broken invariant. */
static void finish_twice(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                         Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    answer(closure, closure_data, "one", 3);
    answer(closure, closure_data, "two", 3);
}

static int answer_twice(int in, int out, void *closure)
{
    (void)in;
    (void)out;
    (void)closure;
    void *state = NULL;
    if (freopen("/dev/null", "w", stderr) == NULL || setup(&state) != 0)
        return 2;
    struct fixture *f = state;
    f->kv.get = finish_twice;
    for (int i = 0; i < 100; i++)
        call_within(f->client, "echo", 1000);
    return 0;
}

static void a_call_finished_twice_stops_the_process(void **state)
{
    (void)state;
    struct victim victim = victim_start(answer_twice, NULL);
    int status = 0;
    uint64_t until_ns = clock_boot_ns() + 2 * PATIENCE_NS;
    while (waitpid(victim.pid, &status, WNOHANG) == 0 && clock_boot_ns() < until_ns)
        pause_ms(5);
    kill(victim.pid, SIGKILL);
    close(victim.to);
    close(victim.from);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static void an_address_in_use_or_malformed_is_named(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    struct rpc_server *server;
    struct rpc_client *client;
    const char *bad[] = {f->address, "tcp://127.0.0.1:99999", "carrier-pigeon://x", ""};
    for (size_t i = 0; i < 4; i++) {
        struct rpc_server_options options = {
            .address = bad[i], .message_bytes = MESSAGE_BYTES, .calls = 1};
        assert_int_equal(rpc_server_open(&options, &server, &err), CANDOR_UNAVAILABLE);
        assert_non_null(strstr(err.message, bad[i]));
        assert_null(server);
    }
    char long_address[LIMIT_ADDRESS_BYTES + 20] = "tcp://127.0.0.1:";
    memset(long_address + 16, '1', sizeof long_address - 17);
    const char *undialable[] = {"carrier-pigeon://x", "", "ws://127.0.0.1:1/x", long_address};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rpc_client_open(undialable[i], MESSAGE_BYTES, &client, &err),
                         CANDOR_INVALID_ARGUMENT);
        assert_null(client);
    }
    const char *no_port[] = {"tcp://127.0.0.1",       "tcp://127.0.0.1:",  "tcp://127.0.0.1:0",
                             "tcp://127.0.0.1:99999", "tcp://[::1]",       "tcp://name:7x",
                             "tls+tcp://name:+7",     "tcp://[::1]:65536", "tcp://name:-1"};
    for (size_t i = 0; i < sizeof no_port / sizeof no_port[0]; i++) {
        assert_int_equal(rpc_client_open(no_port[i], MESSAGE_BYTES, &client, &err),
                         CANDOR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "a port from 1 to 65535"));
        assert_non_null(strstr(err.message, no_port[i]));
    }
}

/* ---- Connections that fail ------------------------------------------------------------------- */

/* A client of nobody yet: of a port where the test plays the server by hand. */
static struct rpc_client *client_of(int port)
{
    char address[64];
    struct rpc_client *client;
    struct candor_error err;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    assert_int_equal(rpc_client_open(address, MESSAGE_BYTES, &client, &err), CANDOR_OK);
    return client;
}

static int accept_client(int listener)
{
    static const uint8_t handshake_rep[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    uint8_t handshake[8];
    int fd = sp_accept(listener);
    assert_true(fd >= 0);
    assert_true(send_all(fd, handshake_rep, 8) && receive_all(fd, handshake, 8));
    return fd;
}

static void nobody_at_the_address_is_told_soon(void **state)
{
    (void)state;
    struct rpc_client *client = client_of(free_port());
    struct outcome outcome = call_within(client, "echo", 30000);
    assert_int_equal(outcome.code, CANDOR_UNAVAILABLE);
    assert_int_equal(outcome.error.reason, CANDOR_REASON_NONE);
    assert_non_null(strstr(outcome.error.message, rpc_client_address(client)));
    assert_in_range(outcome.took_ms, 0, 3000);
    outcome = call_within(client, "echo", 50);
    assert_int_equal(outcome.code, CANDOR_UNAVAILABLE);
    assert_in_range(outcome.took_ms, 40, 250);
    rpc_client_close(client);
}

struct one_call {
    atomic_uint ended;
    struct candor_error error;
    struct rpc_exchange exchange;
};

static void one_ended(struct slice response, struct rpc_exchange *exchange)
{
    (void)response;
    struct one_call *one = exchange->closure_data;
    one->error = exchange->error;
    atomic_fetch_add(&one->ended, 1);
}

static void one_start(struct one_call *one, struct rpc_client *client, const char *method,
                      uint32_t deadline_ms)
{
    *one = (struct one_call){.exchange = {.deadline_ms = deadline_ms, .closure_data = one}};
    rpc_client_call(client, method, (struct slice){0}, one_ended, &one->exchange);
}

/* Reads one request and tells its method. */
static void read_method(int fd, uint32_t *id, char method[LIMIT_RPC_METHOD_BYTES])
{
    static uint8_t bytes[1 << 16];
    long length = sp_receive(fd, id, bytes, sizeof bytes);
    assert_true(length >= 0);
    Candor__V1__RpcRequest *request = candor__v1__rpc_request__unpack(NULL, (size_t)length, bytes);
    assert_non_null(request);
    snprintf(method, LIMIT_RPC_METHOD_BYTES, "%s", request->method);
    candor__v1__rpc_request__free_unpacked(request, NULL);
}

static void a_lost_connection_ends_its_calls_at_once_and_repeats_none(void **state) /* R48 */
{
    (void)state;
    int port = free_port();
    int listener = sp_listen(port, 5);
    struct rpc_client *client = client_of(port);
    struct one_call first;
    one_start(&first, client, "/first", 30000);
    int fd = accept_client(listener);
    uint32_t id;
    char method[LIMIT_RPC_METHOD_BYTES];
    read_method(fd, &id, method);
    uint64_t lost_ns = clock_boot_ns();
    close(fd);
    await_count(&first.ended, 1);
    assert_true(clock_boot_ns() - lost_ns < 5 * NS_PER_S);
    assert_int_equal(first.error.code, CANDOR_UNAVAILABLE);
    assert_int_equal(first.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);

    struct one_call second;
    fd = accept_client(listener);
    one_start(&second, client, "/second", 30000);
    read_method(fd, &id, method);
    assert_string_equal(method, "/second");
    assert_true(sp_send(fd, id, "\xff garbage", 9));
    await_count(&second.ended, 1);
    assert_int_equal(second.error.code, CANDOR_INTERNAL);
    assert_int_equal(second.error.reason, CANDOR_REASON_MALFORMED);
    rpc_client_close(client);
    close(fd);
    close(listener);
}

/* Calls that a silent peer lets time out, until another connection comes; returns it. */
static int call_until_connected_anew(struct rpc_client *client, int listener, size_t body_bytes,
                                     uint32_t deadline_ms)
{
    static uint8_t body[60000];
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    struct pollfd coming = {.fd = listener, .events = POLLIN};
    do {
        uint8_t *response;
        size_t length;
        struct rpc_exchange exchange = {.deadline_ms = deadline_ms};
        enum candor_code code = rpc_client_call_wait(client, "/silent", slice_of(body, body_bytes),
                                                     &exchange, &response, &length, NULL, NULL);
        assert_true(code == CANDOR_DEADLINE_EXCEEDED || code == CANDOR_UNAVAILABLE);
    } while (poll(&coming, 1, 0) == 0 && clock_boot_ns() < until_ns);
    return accept_client(listener);
}

static void a_silent_connection_is_dropped(void **state)
{
    (void)state;
    static const struct {
        size_t body_bytes;
        uint32_t deadline_ms;
    } cases[] = {{10, 1200}, {10, 300}, {60000, 20}}; /* the last ones fill what sockets buffer */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int port = free_port();
        int listener = sp_listen(port, 5);
        struct rpc_client *client = client_of(port);
        int silent = accept_client(listener);
        uint64_t begun_ns = clock_boot_ns();
        int fd =
            call_until_connected_anew(client, listener, cases[i].body_bytes, cases[i].deadline_ms);
        assert_true(clock_boot_ns() - begun_ns >= NS_PER_S);
        struct one_call again;
        one_start(&again, client, "/again", 5000);
        uint32_t id = 0;
        char method[LIMIT_RPC_METHOD_BYTES] = "";
        while (strcmp(method, "/again") != 0) /* a call of before may have waited for this one */
            read_method(fd, &id, method);
        static const uint8_t nothing[] = {0x7d, 1, 0, 0, 0}; /* and its checksum */
        assert_true(sp_send(fd, id, nothing, sizeof nothing));
        await_count(&again.ended, 1);
        assert_int_equal(again.error.code, CANDOR_OK);
        rpc_client_close(client);
        close(fd);
        close(silent);
        close(listener);
    }
}

static void a_busy_connection_is_kept_although_calls_time_out(void **state)
{
    struct fixture *f = *state;
    struct one_call held;
    uint8_t packed[512];
    size_t length = pack_get("hold", packed);
    held = (struct one_call){.exchange = {.deadline_ms = 10000, .closure_data = &held}};
    rpc_client_call(f->client, "/candor.v1.KV/Get", slice_of(packed, length), one_ended,
                    &held.exchange);
    await_held(f, 1);
    uint64_t until_ns = clock_boot_ns() + 1500 * NS_PER_MS;
    while (clock_boot_ns() < until_ns) {
        assert_int_equal(call_within(f->client, "echo", 2000).code, CANDOR_OK);
        assert_int_equal(call_within(f->client, "hold", 200).code, CANDOR_DEADLINE_EXCEEDED);
    }
    answer_held(f);
    await_count(&held.ended, 1);
    assert_int_equal(held.error.code, CANDOR_OK); /* the connection was never lost */
}

static void a_connect_that_hangs_is_made_anew(void **state)
{
    struct fixture *f = *state;
    /* A full backlog: SYNs are dropped, as by a partition. */
    rpc_server_close(f->server);
    int listener = sp_listen(f->port, 0);
    int fillers[3];
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons((uint16_t)f->port)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    struct rpc_client *client = client_of(f->port);
    /* TCP tries again after 1, 2, 3, 4, 5, 7, 11 seconds, or 1, 3, 7, 15: now it would be silent
     * for three at least. */
    uint64_t until_ns = clock_boot_ns() + 7300 * NS_PER_MS;
    while (clock_boot_ns() < until_ns)
        assert_int_equal(call_within(client, "echo", 400).code, CANDOR_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        close(fillers[i]);
    close(listener);
    assert_int_equal(serve_fixture(f, NULL), CANDOR_OK);
    uint64_t healed_ns = clock_boot_ns();
    while (call_within(client, "echo", 400).code != CANDOR_OK)
        assert_true(clock_boot_ns() - healed_ns < 5 * NS_PER_S);
    assert_true(clock_boot_ns() - healed_ns < 2 * NS_PER_S);
    rpc_client_close(client);
}

static void a_client_outlives_restarts_of_its_server(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(call_within(f->client, "echo", 5000).code, CANDOR_OK);
        rpc_server_close(f->server);
        struct candor_error err;
        if (serve_fixture(f, &err) != CANDOR_OK)
            fail_msg("%s", err.message);
        uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
        while (call_within(f->client, "echo", 1000).code != CANDOR_OK)
            assert_true(clock_boot_ns() < until_ns);
    }
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void only_utf8_without_control_characters_is_printable(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *made; /* NULL: printable as it is */
    } cases[] = {
        {"", NULL},
        {"plain ~", NULL},
        {"gr\xc3\xbc\xc3\x9f", NULL},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", NULL},
        {"a\nb\x7f", "a?b?"},
        {"\xc0\x80", "??"},           /* overlong */
        {"\xe0\x80\x80", "???"},      /* overlong */
        {"\xed\xa0\x80", "???"},      /* surrogate */
        {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
        {"\xc2\x80", "??"},           /* C1 control */
        {"cut \xe2\x82", "cut ??"},
        {"\xff\xfe", "??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", cases[i].text);
        assert_int_equal(text_is_printable(text), cases[i].made == NULL);
        text_make_printable(text);
        assert_string_equal(text, cases[i].made == NULL ? cases[i].text : cases[i].made);
        assert_true(text_is_printable(text));
    }
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_finished_twice_stops_the_process), /* first: it forks */
        cmocka_unit_test(only_utf8_without_control_characters_is_printable),
        WITH_SERVER(a_generated_stub_gets_its_answer_with_freshness),
        WITH_SERVER(the_envelope_reaches_the_handler),
        WITH_SERVER(a_failure_carries_code_reason_and_a_clean_message),
        WITH_SERVER(reflection_describes_every_service),
        WITH_SERVER(what_cannot_be_taken_is_refused_with_its_name),
        WITH_SERVER(a_message_that_unfolds_without_measure_is_refused),
        WITH_SERVER(too_large_a_request_costs_its_own_connection_only),
        WITH_SERVER(a_peer_that_reads_no_replies_loses_its_connection),
        WITH_SERVER(a_reply_over_the_limit_becomes_a_failure),
        WITH_SERVER(a_request_over_the_limit_is_not_sent),
        WITH_SERVER(a_call_ends_at_its_deadline_and_its_late_reply_is_nobodys),
        WITH_SERVER(calls_in_flight_are_bounded_and_closing_ends_them),
        WITH_SERVER(calls_are_finished_by_any_thread),
        WITH_SERVER(each_of_64_callers_gets_its_own_answers),
        WITH_SERVER(closing_the_server_waits_for_the_calls_it_has_taken),
        WITH_SERVER(an_address_in_use_or_malformed_is_named),
        cmocka_unit_test(nobody_at_the_address_is_told_soon),
        cmocka_unit_test(a_lost_connection_ends_its_calls_at_once_and_repeats_none),
        cmocka_unit_test(a_silent_connection_is_dropped),
        WITH_SERVER(a_busy_connection_is_kept_although_calls_time_out),
        WITH_SERVER(a_connect_that_hangs_is_made_anew),
        WITH_SERVER(a_client_outlives_restarts_of_its_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
