/* What requests of KV have in common is checked here. */
#include "node/serve/kv_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "node/serve/reply.h"
#include "node/shared/node_state.h"
#include "topology/topology.h"

bool kv_fail(struct node *node, struct rpc_call *call, const struct candor_error *err)
{
    reply_fail_now(node, call, err->code, err->reason, err->message);
    return false;
}

bool kv_check_key(struct node *node, struct rpc_call *call, const char *field,
                  ProtobufCBinaryData key)
{
    if (key.len >= 1 && key.len <= LIMIT_KEY_BYTES)
        return true;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(text, sizeof text, "%s: %zu bytes; a key has 1 to %d", field, key.len,
             LIMIT_KEY_BYTES);
    if (key.len == 0)
        reply_fail_now(node, call, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, text);
    else
        reply_fail_now(node, call, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE, text);
    return false;
}

bool kv_read_request_id(struct node *node, struct rpc_call *call, const Candor__V1__RequestId *id,
                        struct request_id *out)
{
    *out = (struct request_id){0};
    if (id == NULL)
        return true;
    if (id->client_id.len != sizeof out->client || id->number == 0) {
        struct candor_error err;
        candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                         "request_id: a client_id of %zu bytes and a number from 1 on",
                         sizeof out->client);
        return kv_fail(node, call, &err);
    }
    memcpy(out->client, id->client_id.data, sizeof out->client);
    out->number = id->number;
    return true;
}

bool kv_check_value(struct node *node, struct rpc_call *call, const char *field,
                    ProtobufCBinaryData value)
{
    uint64_t most = node->topology->limit_value_bytes;
    if (value.len <= most)
        return true;
    struct candor_error err;
    char limit[UNIT_TEXT_BYTES];
    candor_error_set(&err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                     "%s: it has %zu bytes; the limit is %s (limits.value)", field, value.len,
                     size_text(most, limit));
    return kv_fail(node, call, &err);
}

bool kv_check_ttl(struct node *node, struct rpc_call *call, const char *field, uint64_t ttl_ms)
{
    if (ttl_ms <= LIMIT_TTL_MS)
        return true;
    struct candor_error err;
    candor_error_set(&err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                     "%s: %" PRIu64 "; at most %" PRIu64 ", a hundred years", field, ttl_ms,
                     LIMIT_TTL_MS);
    return kv_fail(node, call, &err);
}
