/* One call of any method: JSON in, the reply and its envelope as JSON out. */
#include "cli/tools/method_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/rng.h"
#include "candor/v1/rpc.pb-c.h"

/* ---- The request ---- */

/* The operand, or all of stdin for "-". */
static json_t *read_request(struct command_context *ctx, const char *operand, int *status)
{
    json_error_t why;
    size_t length = operand != NULL ? strlen(operand) : 2;
    uint8_t *owned = NULL;
    const char *text = operand != NULL ? operand : "{}";
    if (strcmp(text, "-") == 0) {
        owned = read_whole_file(ctx, "-", (size_t)2 * LIMIT_MESSAGE_BYTES_MAX, &length, status);
        if (owned == NULL)
            return NULL;
        text = (const char *)owned;
    }
    json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    free(owned);
    if (request == NULL)
        *status = report_usage(ctx, "write it like '{\"key\":\"a2V5\"}', in single quotes",
                               "the request is not JSON: line %d, column %d: %s", why.line,
                               why.column, why.text);
    return request;
}

/* ---- The answer ---- */

static struct slice slice_from(struct candor_bytes bytes)
{
    return slice_of(bytes.data, bytes.length);
}

/* A part of the envelope, as the node's own schema shows it; null when it is absent. */
static json_t *part_json(const struct method_peer *peer, const char *name,
                         const ProtobufCMessage *part)
{
    const struct dynamic_message *message = dynamic_message_find(peer->schema, name);
    json_t *out = NULL;
    if (part == NULL || message == NULL)
        return json_null();
    size_t size = protobuf_c_message_get_packed_size(part);
    uint8_t *bytes = malloc(size + 1);
    ASSERT(bytes != NULL);
    protobuf_c_message_pack(part, bytes);
    if (dynamic_decode(message, slice_of(bytes, size), &out, NULL) != CANDOR_OK)
        out = json_null();
    free(bytes);
    return out;
}

static json_t *reply_json(const struct method_peer *peer, const struct candor_error *error,
                          const Candor__V1__RpcReply *reply)
{
    json_t *out = json_object();
    json_object_set_new(out, "code", json_string(candor_code_name(error->code)));
    json_object_set_new(out, "reason", json_string(candor_reason_name(error->reason)));
    json_set_bytes(out, "message", error->message, strlen(error->message));
    json_object_set_new(out, "freshness",
                        part_json(peer, "candor.v1.Freshness",
                                  reply->freshness != NULL ? &reply->freshness->base : NULL));
    json_object_set_new(
        out, "retry",
        part_json(peer, "candor.v1.RetryHint", reply->retry != NULL ? &reply->retry->base : NULL));
    return out;
}

static void print_reply(struct command_context *ctx, json_t *out)
{
    if (context_json(ctx)) {
        output_json(ctx, out);
        return;
    }
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
}

/* An answer of a node, errors too, is what was asked for: it goes to stdout. */
static int print_answer(struct command_context *ctx, const struct method_peer *peer,
                        const struct dynamic_method *method, const struct candor_error *error,
                        const Candor__V1__RpcReply *reply, struct slice body)
{
    json_t *response = json_null();
    struct candor_error unreadable = {0};
    if (error->code == CANDOR_OK &&
        dynamic_decode(method->output, body, &response, &unreadable) != CANDOR_OK)
        return report_error(ctx, &unreadable, NULL);
    json_t *out = reply_json(peer, error, reply);
    json_object_set_new(out, "response", response);
    print_reply(ctx, out);
    return status_of(error);
}

static int print_envelope(struct command_context *ctx, const struct method_peer *peer,
                          const struct dynamic_method *method, const struct candor_answer *answer)
{
    Candor__V1__RpcReply *reply =
        bounded_unpack(&candor__v1__rpc_reply__descriptor, slice_from(answer->envelope), NULL);
    ASSERT(reply != NULL); /* libcandor has packed it */
    int status =
        print_answer(ctx, peer, method, &answer->result.error, reply, slice_from(answer->response));
    candor__v1__rpc_reply__free_unpacked(reply, NULL);
    return status;
}

/* ---- The call ---- */

static int call(struct command_context *ctx, const struct method_peer *peer,
                const struct dynamic_method *method, const struct buffer *body)
{
    struct candor_request_id id = {.number = 1};
    random_bytes(id.client_id, sizeof id.client_id);
    struct candor_channel_options options = {.deadline_ms = peer->deadline_ms, .request = &id};
    struct candor_answer answer;
    candor_channel_call(peer->channel, method->path,
                        (struct candor_bytes){body->bytes, body->length}, &options, &answer);
    int status = answer.envelope.data == NULL ? report_error(ctx, &answer.result.error, NULL)
                                              : print_envelope(ctx, peer, method, &answer);
    candor_answer_free(&answer);
    return status;
}

int method_call(struct command_context *ctx, const struct method_peer *peer,
                const struct dynamic_method *method, const char *operand)
{
    int status = EXIT_DONE;
    struct candor_error error;
    struct buffer body = {0};
    if (method->streaming)
        return report_usage(ctx, NULL, "%s streams: it cannot be called", method->path);
    json_t *request = read_request(ctx, operand, &status);
    if (request == NULL)
        return status;
    if (dynamic_encode(method->input, request, &body, &error) != CANDOR_OK) {
        char hint[320];
        snprintf(hint, sizeof hint, "`kvctl rpc --describe %s` shows what it takes", method->path);
        status = report_usage(ctx, hint, "%s", error.message);
    } else {
        status = call(ctx, peer, method, &body);
    }
    buffer_free(&body);
    json_decref(request);
    return status;
}
