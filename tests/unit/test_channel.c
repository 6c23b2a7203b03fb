/* links: client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <candor/channel.h>

#include "base/address.h"
#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "candor/v1/kv.pb-c.h"
#include "longer_deadlines.h"
#include "rpc/rpc.h"
#include "sp_socket.h"

#define GET "/candor.v1.KV/Get"

/* ---- A node ---------------------------------------------------------------------------------- */

/* What it answers: by the key that is asked for. */
#define KEY_REDIRECT "elsewhere"
#define KEY_SILENT "silence"

struct node {
    Candor__V1__KV_Service kv; /* first: handlers get a pointer to it */
    ProtobufCService *services[1];
    char dir[40];
    char address[96];
    struct rpc_server *server;
    struct candor_channel *channel;
    struct rpc_call *_Atomic silent;
    atomic_uint calls;
    atomic_uint_fast64_t request_number;
    atomic_uchar client_id_byte;
};

static void fill_envelope(struct rpc_call *call, const char *primary)
{
    Candor__V1__Freshness *freshness = rpc_call_alloc(call, sizeof *freshness);
    candor__v1__freshness__init(freshness);
    freshness->node = rpc_call_string(call, "a");
    freshness->role = CANDOR__V1__ROLE__ROLE_REPLICA;
    freshness->state = CANDOR__V1__NODE_STATE__NODE_STATE_STALE;
    freshness->stale = true;
    freshness->applied_seq = 9;
    rpc_call_reply(call)->freshness = freshness;
    if (primary == NULL)
        return;
    Candor__V1__RetryHint *hint = rpc_call_alloc(call, sizeof *hint);
    candor__v1__retry_hint__init(hint);
    hint->primary = rpc_call_string(call, primary);
    hint->endpoint = rpc_call_string(call, "tcp://127.0.0.1:1");
    rpc_call_reply(call)->retry = hint;
}

static bool asks_for(const Candor__V1__GetRequest *request, const char *key)
{
    return request->key.len == strlen(key) && memcmp(request->key.data, key, strlen(key)) == 0;
}

static void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
                   Candor__V1__GetResponse_Closure closure, void *closure_data)
{
    struct node *node = (struct node *)service;
    const Candor__V1__RequestId *id = rpc_call_envelope(closure_data)->request_id;
    atomic_store(&node->request_number, id != NULL ? id->number : 0);
    atomic_store(&node->client_id_byte, id != NULL ? id->client_id.data[15] : 0);
    atomic_fetch_add(&node->calls, 1);
    if (asks_for(request, KEY_SILENT)) {
        atomic_store(&node->silent, closure_data);
        return;
    }
    fill_envelope(closure_data, asks_for(request, KEY_REDIRECT) ? "b" : NULL);
    if (asks_for(request, KEY_REDIRECT)) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_TOO_STALE, "ask b");
        rpc_call_fail(closure_data, &error);
        return;
    }
    Candor__V1__GetResponse response = CANDOR__V1__GET_RESPONSE__INIT;
    Candor__V1__KeyValue item = CANDOR__V1__KEY_VALUE__INIT;
    item.key = request->key;
    item.value = request->key;
    item.found = true;
    response.item = &item;
    closure(&response, closure_data);
}

static int setup(void **state)
{
    struct node *node = calloc(1, sizeof *node);
    candor__v1__kv__init(&node->kv, NULL);
    node->kv.get = kv_get;
    node->services[0] = &node->kv.base;
    snprintf(node->dir, sizeof node->dir, "/tmp/candor-channel-XXXXXX");
    assert_non_null(mkdtemp(node->dir));
    snprintf(node->address, sizeof node->address, "ipc://%s/a", node->dir);
    struct rpc_server_options options = {.address = node->address,
                                         .message_bytes = 1u << 16,
                                         .services = node->services,
                                         .service_count = 1};
    struct candor_error error;
    if (rpc_server_open(&options, &node->server, &error) != CANDOR_OK ||
        candor_channel_open(node->address, &node->channel, &error) != CANDOR_OK)
        fail_msg("%s", error.message);
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    struct node *node = *state;
    candor_channel_close(node->channel);
    struct candor_error error = {.code = CANDOR_UNAVAILABLE};
    if (atomic_load(&node->silent) != NULL)
        rpc_call_fail(atomic_load(&node->silent), &error);
    rpc_server_close(node->server);
    unlink(node->address + strlen("ipc://"));
    rmdir(node->dir);
    free(node);
    return 0;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static struct candor_bytes get_request(const char *key, uint8_t room[64])
{
    uint8_t copy[32];
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    memcpy(copy, key, strlen(key));
    request.key = (ProtobufCBinaryData){.data = copy, .len = strlen(key)};
    return (struct candor_bytes){room, candor__v1__get_request__pack(&request, room)};
}

static void assert_response_is(struct candor_bytes bytes, const char *value)
{
    Candor__V1__GetResponse *response = bounded_unpack(&candor__v1__get_response__descriptor,
                                                       slice_of(bytes.data, bytes.length), NULL);
    assert_non_null(response);
    assert_int_equal(response->item->value.len, strlen(value));
    assert_memory_equal(response->item->value.data, value, strlen(value));
    candor__v1__get_response__free_unpacked(response, NULL);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void a_call_gives_response_freshness_and_the_envelope_without_its_body(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct candor_answer answer;
    candor_channel_call(node->channel, GET, get_request("k", room), NULL, &answer);
    assert_int_equal(answer.result.error.code, CANDOR_OK);
    assert_response_is(answer.response, "k");
    assert_true(answer.result.has_freshness);
    assert_string_equal(answer.result.freshness.node, "a");
    assert_true(answer.result.freshness.stale);
    assert_int_equal(answer.result.freshness.applied_seq, 9);
    Candor__V1__RpcReply *reply =
        bounded_unpack(&candor__v1__rpc_reply__descriptor,
                       slice_of(answer.envelope.data, answer.envelope.length), NULL);
    assert_non_null(reply);
    assert_int_equal(reply->freshness->applied_seq, 9);
    assert_int_equal(reply->body.len, 0);
    candor__v1__rpc_reply__free_unpacked(reply, NULL);
    candor_answer_free(&answer);
    candor_answer_free(&answer);
}

static void a_redirect_is_told_and_not_followed(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct candor_answer answer;
    candor_channel_call(node->channel, GET, get_request(KEY_REDIRECT, room), NULL, &answer);
    assert_int_equal(answer.result.error.code, CANDOR_FAILED_PRECONDITION);
    assert_int_equal(answer.result.error.reason, CANDOR_REASON_TOO_STALE);
    assert_string_equal(answer.result.error.message, "ask b");
    assert_string_equal(answer.result.primary, "b");
    assert_string_equal(answer.result.endpoint, "tcp://127.0.0.1:1");
    assert_int_equal(answer.response.length, 0);
    assert_true(answer.envelope.length > 0);
    assert_int_equal(atomic_load(&node->calls), 1);
    candor_answer_free(&answer);
}

static void a_request_id_reaches_the_node(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct candor_answer answer;
    struct candor_request_id id = {.client_id = {[15] = 77}, .number = 5};
    struct candor_channel_options options = {.request = &id};
    candor_channel_call(node->channel, GET, get_request("k", room), &options, &answer);
    assert_int_equal(answer.result.error.code, CANDOR_OK);
    assert_int_equal(atomic_load(&node->request_number), 5);
    assert_int_equal(atomic_load(&node->client_id_byte), 77);
    candor_answer_free(&answer);
}

static void silence_ends_at_the_deadline_with_an_unknown_outcome(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    LONGER_DEADLINES(ms)
    {
        struct candor_answer answer;
        struct candor_channel_options options = {.deadline_ms = ms};
        candor_channel_call(node->channel, GET, get_request(KEY_SILENT, room), &options, &answer);
        bool arrived = atomic_load(&node->calls) > 0;
        enum candor_code code = answer.result.error.code;
        enum candor_reason reason = answer.result.error.reason;
        assert_null(answer.envelope.data);
        candor_answer_free(&answer);
        if (!arrived)
            continue;
        assert_int_equal(code, CANDOR_DEADLINE_EXCEEDED);
        assert_int_equal(reason, CANDOR_REASON_OUTCOME_UNKNOWN);
        return;
    }
    fail_msg("no request arrived");
}

struct sent {
    atomic_uint done;
    atomic_uint good;
    atomic_int code; /* of the newest */
};

static void note(void *closure, const struct candor_answer *answer)
{
    struct sent *sent = closure;
    enum candor_code code = answer->result.error.code;
    atomic_store(&sent->code, (int)code);
    bool good = code == CANDOR_OK && answer->result.freshness.applied_seq == 9 &&
                answer->response.length > 0;
    atomic_fetch_add(&sent->good, good);
    atomic_fetch_add(&sent->done, 1);
}

static void await(atomic_uint *count, unsigned wanted)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (atomic_load(count) < wanted) {
        assert_true(clock_boot_ns() < until_ns);
        pause_ms(1);
    }
}

static void many_are_under_way_and_each_is_answered_once(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct sent sent = {0};
    enum { MANY = 200 };
    struct candor_channel_options options = {.deadline_ms = 60000};
    for (int i = 0; i < MANY; i++)
        assert_int_equal(candor_channel_send(node->channel, GET, get_request("k", room), &options,
                                             note, &sent, NULL),
                         CANDOR_OK);
    await(&sent.done, MANY);
    assert_int_equal(atomic_load(&sent.good), MANY);
    assert_int_equal(atomic_load(&node->calls), MANY);
}

static void closing_ends_what_is_under_way(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct sent sent = {0};
    struct candor_channel_options options = {.deadline_ms = 60000};
    assert_int_equal(candor_channel_send(node->channel, GET, get_request(KEY_SILENT, room),
                                         &options, note, &sent, NULL),
                     CANDOR_OK);
    await(&node->calls, 1);
    candor_channel_close(node->channel);
    node->channel = NULL;
    assert_int_equal(atomic_load(&sent.done), 1);
    assert_int_equal(atomic_load(&sent.code), CANDOR_CANCELLED);
}

struct eager {
    struct candor_channel *channel;
    atomic_uint sent;
    atomic_uint done;
    atomic_int refusal; /* the newest */
    atomic_int reason;
};

static void send_once_more(void *closure, const struct candor_answer *answer);

/* False: it was refused. */
static bool send_silent(struct eager *eager)
{
    uint8_t room[64];
    struct candor_error error;
    struct candor_channel_options options = {.deadline_ms = 60000};
    enum candor_code code = candor_channel_send(eager->channel, GET, get_request(KEY_SILENT, room),
                                                &options, send_once_more, eager, &error);
    if (code == CANDOR_OK) {
        atomic_fetch_add(&eager->sent, 1);
        return true;
    }
    assert_int_equal(code, error.code);
    atomic_store(&eager->refusal, (int)code);
    atomic_store(&eager->reason, (int)error.reason);
    return false;
}

static void send_once_more(void *closure, const struct candor_answer *answer)
{
    struct eager *eager = closure;
    (void)answer;
    while (send_silent(eager))
        ;
    atomic_fetch_add(&eager->done, 1);
}

/* Whoever sends on from its callback is told no by the code: a callback within a callback would
 * have no end. */
static void what_is_too_much_is_refused_without_a_callback(void **state)
{
    (void)state;
    struct eager eager = {0};
    char address[64];
    int port = free_port();
    int listener = sp_listen(port, 1);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    assert_int_equal(candor_channel_open(address, &eager.channel, NULL), CANDOR_OK);
    static const uint8_t rep[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    int peer = sp_accept(listener); /* it says who it is, and never another word */
    assert_true(peer >= 0 && send_all(peer, rep, sizeof rep));
    while (send_silent(&eager))
        ;
    assert_int_equal(atomic_load(&eager.sent), LIMIT_RPC_CLIENT_CALLS);
    assert_int_equal(atomic_load(&eager.refusal), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(atomic_load(&eager.reason), CANDOR_REASON_OVERLOADED);
    assert_int_equal(atomic_load(&eager.done), 0);
    candor_channel_close(eager.channel);
    assert_int_equal(atomic_load(&eager.done), LIMIT_RPC_CLIENT_CALLS);
    assert_int_equal(atomic_load(&eager.sent), LIMIT_RPC_CLIENT_CALLS);
    assert_int_equal(atomic_load(&eager.refusal), CANDOR_CANCELLED);
    close(peer);
    close(listener);
}

/* A client is given what a topology says, and the redirects of nodes that have it from there. */
static void an_address_that_no_node_may_have_is_refused_in_the_same_words(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "nowhere",         "http://h:1",   "abstract://a",     "inproc://a",  "ws://h:1",
        "tls+tcp://h:1",   "tcp://",       "tcp://h",          "tcp://h:",    "tcp://h:0",
        "tcp://h:65536",   "tcp://h:7x",   "tcp://h:1/x",      "tcp://:1",    "tcp://*:1",
        "tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://[::1:1",     "tcp://a b:1", "ipc://",
        "ipc:///tmp/a\nb", "tcp://-h:1",   "tcp://300.1.1.1:1"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct address_problem why;
        struct candor_channel *channel;
        struct candor_error error;
        char wanted[sizeof why.what + sizeof why.hint + 16];
        assert_false(address_check(refused[i], &why));
        if (candor_channel_open(refused[i], &channel, &error) != CANDOR_INVALID_ARGUMENT)
            fail_msg("%s is taken", refused[i]);
        snprintf(wanted, sizeof wanted, "endpoint: %s; %s", why.what, why.hint);
        assert_string_equal(error.message, wanted);
    }
}

static void an_address_is_as_long_as_that_of_a_node(void **state)
{
    (void)state;
    char address[CANDOR_ADDRESS_BYTES + 1] = "ipc://";
    struct candor_channel *channel;
    struct candor_error error;
    memset(address + strlen(address), 'a', sizeof address - 1 - strlen("ipc://"));
    assert_int_equal(candor_channel_open(address, &channel, &error), CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "is too long; an address has at most 127 bytes"));
}

static void a_malformed_address_is_refused_and_nobody_is_unavailable(void **state)
{
    (void)state;
    struct candor_channel *channel;
    struct candor_answer answer;
    struct candor_error error;
    char address[64];
    assert_int_equal(candor_channel_open("nowhere", &channel, &error), CANDOR_INVALID_ARGUMENT);
    assert_null(channel);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", free_port());
    assert_int_equal(candor_channel_open(address, &channel, NULL), CANDOR_OK);
    struct candor_channel_options options = {.deadline_ms = 500};
    candor_channel_call(channel, GET, candor_text(""), &options, &answer);
    assert_int_equal(answer.result.error.code, CANDOR_UNAVAILABLE);
    assert_int_equal(answer.result.error.reason, CANDOR_REASON_NONE);
    candor_answer_free(&answer);
    candor_channel_close(channel);
}

/* In a child: 0 when all is refused at once, and closing leaves the parent's connection alone. */
static int as_a_child(struct candor_channel *inherited, const char *address)
{
    struct candor_channel *channel;
    struct candor_answer answer;
    struct sent sent = {0};
    if (candor_channel_open(address, &channel, NULL) != CANDOR_FAILED_PRECONDITION)
        return 1;
    if (candor_channel_call(inherited, GET, candor_text(""), NULL, &answer) !=
        CANDOR_FAILED_PRECONDITION)
        return 2;
    if (candor_channel_send(inherited, GET, candor_text(""), NULL, note, &sent, NULL) !=
            CANDOR_FAILED_PRECONDITION ||
        atomic_load(&sent.done) != 0)
        return 3;
    candor_channel_close(inherited);
    return 0;
}

static void a_child_is_told_at_once_and_its_parent_goes_on(void **state)
{
    struct node *node = *state;
    uint8_t room[64];
    struct candor_answer answer;
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(as_a_child(node->channel, node->address));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    candor_channel_call(node->channel, GET, get_request("k", room), NULL, &answer);
    assert_int_equal(answer.result.error.code, CANDOR_OK);
    candor_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_call_gives_response_freshness_and_the_envelope_without_its_body, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redirect_is_told_and_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_id_reaches_the_node, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_ends_at_the_deadline_with_an_unknown_outcome, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_are_under_way_and_each_is_answered_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(closing_ends_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_refused_without_a_callback, setup,
                                        teardown),
        cmocka_unit_test(an_address_that_no_node_may_have_is_refused_in_the_same_words),
        cmocka_unit_test(an_address_is_as_long_as_that_of_a_node),
        cmocka_unit_test_setup_teardown(a_malformed_address_is_refused_and_nobody_is_unavailable,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_is_told_at_once_and_its_parent_goes_on, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
