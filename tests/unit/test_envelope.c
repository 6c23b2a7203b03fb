/* links: rpc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "candor/v1/rpc.pb-c.h"
#include "rpc/envelope.h"

static nng_msg *packed(void)
{
    Candor__V1__RpcRequest envelope = CANDOR__V1__RPC_REQUEST__INIT;
    char method[] = "/candor.v1.KV/Put";
    nng_msg *message;
    envelope.method = method;
    envelope.deadline_ms = 5000;
    struct envelope_body body = {.packed = slice_of("what is to be executed", 22)};
    envelope_pack(&envelope.base, ENVELOPE_REQUEST_BODY, body, 1000, NULL, &message);
    assert_non_null(message);
    return message;
}

static struct slice bytes_of(nng_msg *message)
{
    return slice_of(nng_msg_body(message), nng_msg_len(message));
}

static bool says_the_same(const Candor__V1__RpcRequest *request)
{
    return strcmp(request->method, "/candor.v1.KV/Put") == 0 && request->deadline_ms == 5000 &&
           request->body.len == 22 && memcmp(request->body.data, "what is to be executed", 22) == 0;
}

static void a_message_is_sound_as_it_was_sent(void **state)
{
    (void)state;
    nng_msg *message = packed();
    struct slice bytes = bytes_of(message);
    Candor__V1__RpcRequest *request =
        candor__v1__rpc_request__unpack(NULL, bytes.length, bytes.bytes);
    assert_non_null(request);
    assert_true(says_the_same(request));
    assert_true(request->checksum != 0);
    assert_true(envelope_is_sound(bytes, request->checksum));
    assert_false(envelope_is_sound(bytes, 0));
    assert_false(envelope_is_sound(slice_of(bytes.bytes, 4), request->checksum));
    candor__v1__rpc_request__free_unpacked(request, NULL);
    nng_msg_free(message);
}

/* One flipped bit: it does not decode, or is found, or says the same (the checksum's own tag may be
 * what was hit). */
static void a_flipped_bit_is_never_executed(void **state)
{
    (void)state;
    nng_msg *message = packed();
    struct slice bytes = bytes_of(message);
    uint8_t *body = nng_msg_body(message);
    uint32_t found = 0;
    for (size_t bit = 0; bit < 8 * bytes.length; bit++) {
        body[bit / 8] ^= (uint8_t)(1u << bit % 8);
        Candor__V1__RpcRequest *request =
            candor__v1__rpc_request__unpack(NULL, bytes.length, bytes.bytes);
        bool sound = request != NULL && envelope_is_sound(bytes, request->checksum);
        assert_true(!sound || says_the_same(request));
        found += request != NULL && !sound;
        candor__v1__rpc_request__free_unpacked(request, NULL);
        body[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(found > 100);
    nng_msg_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_sound_as_it_was_sent),
        cmocka_unit_test(a_flipped_bit_is_never_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
