/* The calls: each packs its request once and says how to take the answer. */
#include "client/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "candor/v1/cluster.pb-c.h"
#include "candor/v1/kv.pb-c.h"

/* Packing only reads; protobuf-c lacks the const. */
ProtobufCBinaryData operation_binary(struct candor_bytes bytes)
{
    union {
        const void *in;
        uint8_t *out;
    } cast = {.in = bytes.data};
    return (ProtobufCBinaryData){.len = bytes.length, .data = bytes.length == 0 ? NULL : cast.out};
}

static struct candor_bytes bytes_of(ProtobufCBinaryData binary)
{
    return (struct candor_bytes){binary.data, binary.len};
}

/* ---- Memory ---- */

void *operation_zeroed(size_t count, size_t size, struct candor_result *result)
{
    void *memory = operation_array(count, size);
    result->no_memory = result->no_memory || memory == NULL;
    return memory;
}

void *operation_array(size_t count, size_t size)
{
    return calloc(count == 0 ? 1 : count, size);
}

enum candor_code operation_out_of_memory(struct candor_error *error)
{
    return candor_error_set(error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE, "out of memory");
}

void *operation_unpack(const ProtobufCMessageDescriptor *type, struct slice body,
                       struct candor_result *result)
{
    result->memory = bounded_unpack(type, body, &result->no_memory);
    return result->memory;
}

/* ---- Requests ---- */

bool operation_pack(struct call *call, const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(length + 1);
    if (packed == NULL)
        return false;
    protobuf_c_message_pack(message, packed);
    free(call->packed);
    call->packed = packed;
    call->body = slice_of(packed, length);
    call->type = message->descriptor;
    return true;
}

/* Every write has `options` of one type. */
static Candor__V1__WriteOptions *write_options_of(ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "options");
    ASSERT(field != NULL && field->descriptor == &candor__v1__write_options__descriptor);
    Candor__V1__WriteOptions **options = (void *)((uint8_t *)message + field->offset);
    return *options;
}

bool operation_pack_token(struct call *call, const struct candor_token *token)
{
    struct token_message wire;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(call->type, NULL, call->body.length, call->body.bytes);
    if (message == NULL)
        return false;
    Candor__V1__WriteOptions *options = write_options_of(message);
    Candor__V1__SessionToken *former = options->token;
    options->token = convert_token(token, &wire);
    bool packed = operation_pack(call, message);
    options->token = former; /* freed with the message */
    protobuf_c_message_free_unpacked(message, NULL);
    return packed;
}

/* Not begun. */
static void discard(struct call *call)
{
    free(call->packed);
    free(call->memory);
}

enum candor_code operation_refuse(const struct arguments *wrong, const struct outlet *outlet)
{
    struct candor_error *err = outlet->err;
    if (outlet->result != NULL) {
        memset(outlet->result, 0, sizeof *outlet->result);
        err = &outlet->result->error;
    }
    (void)arguments_good(wrong, err);
    return CANDOR_INVALID_ARGUMENT;
}

enum candor_code operation_fail(const struct outlet *outlet)
{
    if (outlet->result == NULL)
        return operation_out_of_memory(outlet->err);
    memset(outlet->result, 0, sizeof *outlet->result);
    return operation_out_of_memory(&outlet->result->error);
}

enum candor_code operation_call(struct candor_client *client, struct call *call,
                                const ProtobufCMessage *message, const struct outlet *outlet)
{
    if (message != NULL && !operation_pack(call, message)) {
        discard(call);
        return operation_fail(outlet);
    }
    if (outlet->result == NULL)
        return client_submit(client, call, outlet->sink, outlet->err);
    return client_call(client, call, outlet->result);
}

/* ---- Reads ---- */

struct read_message {
    Candor__V1__ReadOptions options;
    struct token_message token;
    struct ladder_message ladder;
};

static enum rpc_class class_of_read(const struct call *call)
{
    if (call->rungs != NULL)
        return ladder_class(call);
    switch (call->level) {
    case CANDOR_READ_LINEARIZABLE:
        return RPC_CONFIRMED;
    case CANDOR_READ_SESSION:
        return RPC_SESSION;
    default:
        return RPC_AT_ONCE;
    }
}

/* NULL: there is no memory. */
static Candor__V1__ReadOptions *read_options(struct candor_client *client,
                                             const struct candor_read_options *options,
                                             struct call *call, struct read_message *message)
{
    candor__v1__read_options__init(&message->options);
    if (options == NULL)
        return &message->options;
    call->level = options->level;
    call->max_staleness_ms = options->max_staleness_ms;
    call->deadline_ms = options->deadline_ms;
    call->route = options->route;
    message->options.level = (Candor__V1__ReadLevel)options->level;
    message->options.max_staleness_ms = options->max_staleness_ms;
    message->options.allow_syncing = options->allow_syncing;
    if (options->ladder != NULL && !ladder_ask(options, call, &message->ladder, &message->options))
        return NULL;
    if (ladder_has(call, CANDOR_READ_SESSION)) {
        if (options->token != NULL)
            call->asked = *options->token;
        else
            candor_client_token(client, &call->asked);
        message->options.token = convert_token(&call->asked, &message->token);
    }
    return &message->options;
}

static enum candor_code read_call(struct candor_client *client, struct call *call,
                                  const ProtobufCMessage *message, const struct outlet *outlet)
{
    scout_enlist(client, call, outlet->result != NULL);
    return operation_call(client, call, message, outlet);
}

struct candor_item operation_item(const Candor__V1__KeyValue *from)
{
    return (struct candor_item){.key = bytes_of(from->key),
                                .value = bytes_of(from->value),
                                .found = from->found,
                                .has_ttl = from->end_case == CANDOR__V1__KEY_VALUE__END_TTL_MS,
                                .mod_seq = from->mod_seq,
                                .version = from->version,
                                .ttl_ms = from->ttl_ms};
}

static bool take_items(Candor__V1__KeyValue *const *items, size_t count,
                       struct candor_result *result)
{
    result->items = operation_zeroed(count, sizeof *result->items, result);
    if (result->items == NULL)
        return false;
    result->item_count = count;
    for (size_t i = 0; i < count; i++)
        result->items[i] = operation_item(items[i]);
    return true;
}

static bool take_get(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__GetResponse *response =
        operation_unpack(&candor__v1__get_response__descriptor, body, result);
    if (response == NULL || response->item == NULL)
        return false;
    return take_items(&response->item, 1, result);
}

static bool take_mget(const struct call *call, struct slice body, struct candor_result *result)
{
    const Candor__V1__MultiGetResponse *response =
        operation_unpack(&candor__v1__multi_get_response__descriptor, body, result);
    if (response == NULL || response->n_items != call->wanted)
        return false;
    return take_items(response->items, response->n_items, result);
}

static bool take_scan(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__ScanResponse *response =
        operation_unpack(&candor__v1__scan_response__descriptor, body, result);
    /* a page without an item could never be resumed */
    if (response == NULL || (response->more && response->n_items == 0))
        return false;
    result->more = response->more;
    return take_items(response->items, response->n_items, result);
}

static enum candor_code get(struct candor_client *client, struct candor_bytes key,
                            const struct candor_read_options *options, const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    arguments_read(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Get", .take = take_get};
    struct read_message read;
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    request.key = operation_binary(key);
    request.options = read_options(client, options, &call, &read);
    if (request.options == NULL)
        return operation_fail(outlet);
    call.class = class_of_read(&call);
    return read_call(client, &call, &request.base, outlet);
}

enum candor_code candor_get(struct candor_client *client, struct candor_bytes key,
                            const struct candor_read_options *options, struct candor_result *result)
{
    return get(client, key, options, WAITING(result));
}

enum candor_code candor_submit_get(struct candor_client *client, struct candor_bytes key,
                                   const struct candor_read_options *options,
                                   const struct candor_sink *sink, struct candor_error *err)
{
    return get(client, key, options, SUBMITTING(sink, err));
}

static enum candor_code mget(struct candor_client *client, const struct candor_bytes *keys,
                             size_t count, const struct candor_read_options *options,
                             const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_need_list(&arguments, "keys", keys, count);
    for (size_t i = 0; keys != NULL && i < count; i++)
        arguments_bytes(&arguments, "keys", keys[i]);
    arguments_read(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/MultiGet", .take = take_mget, .wanted = count};
    struct read_message read;
    Candor__V1__MultiGetRequest request = CANDOR__V1__MULTI_GET_REQUEST__INIT;
    request.keys = operation_array(count, sizeof *request.keys);
    if (request.keys == NULL)
        return operation_fail(outlet);
    request.n_keys = count;
    for (size_t i = 0; i < count; i++)
        request.keys[i] = operation_binary(keys[i]);
    request.options = read_options(client, options, &call, &read);
    enum candor_code code = request.options == NULL
                                ? operation_fail(outlet)
                                : read_call(client, &call, &request.base, outlet);
    free(request.keys);
    return code;
}

enum candor_code candor_mget(struct candor_client *client, const struct candor_bytes *keys,
                             size_t count, const struct candor_read_options *options,
                             struct candor_result *result)
{
    return mget(client, keys, count, options, WAITING(result));
}

enum candor_code candor_submit_mget(struct candor_client *client, const struct candor_bytes *keys,
                                    size_t count, const struct candor_read_options *options,
                                    const struct candor_sink *sink, struct candor_error *err)
{
    return mget(client, keys, count, options, SUBMITTING(sink, err));
}

static enum candor_code scan(struct candor_client *client, const struct candor_range *range,
                             const struct candor_read_options *options, const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_range(&arguments, range);
    arguments_read(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Scan", .take = take_scan};
    struct read_message read;
    Candor__V1__ScanRequest request = CANDOR__V1__SCAN_REQUEST__INIT;
    request.prefix = operation_binary(range->prefix);
    request.start = operation_binary(range->start);
    request.end = operation_binary(range->end);
    request.after = operation_binary(range->after);
    request.limit = range->limit;
    request.reverse = range->reverse;
    request.keys_only = range->keys_only;
    request.options = read_options(client, options, &call, &read);
    if (request.options == NULL)
        return operation_fail(outlet);
    return read_call(client, &call, &request.base, outlet);
}

enum candor_code candor_scan(struct candor_client *client, const struct candor_range *range,
                             const struct candor_read_options *options,
                             struct candor_result *result)
{
    return scan(client, range, options, WAITING(result));
}

enum candor_code candor_submit_scan(struct candor_client *client, const struct candor_range *range,
                                    const struct candor_read_options *options,
                                    const struct candor_sink *sink, struct candor_error *err)
{
    return scan(client, range, options, SUBMITTING(sink, err));
}

/* ---- Writes ---- */

Candor__V1__WriteOptions *operation_write_options(struct candor_client *client,
                                                  const struct candor_write_options *options,
                                                  struct call *call, struct write_message *message)
{
    candor__v1__write_options__init(&message->options);
    call->write = true;
    call->class = options != NULL && options->ack > CANDOR_ACK_LOCAL ? RPC_REPLICATED : RPC_LOCAL;
    candor_client_token(client, &call->asked);
    message->options.token = convert_token(&call->asked, &message->token); /* writes follow reads */
    if (options == NULL)
        return &message->options;
    call->deadline_ms = options->deadline_ms;
    message->options.ack = (Candor__V1__AckLevel)options->ack;
    return &message->options;
}

bool operation_take_written(const Candor__V1__Pos *first, const Candor__V1__Pos *last,
                            Candor__V1__AckLevel ack, struct candor_result *result)
{
    if (first == NULL || last == NULL || !convert_pos(first, &result->first) ||
        !convert_pos(last, &result->last))
        return false;
    int level = (int)ack;
    result->wrote = true;
    result->ack = level >= CANDOR_ACK_DEFAULT && level <= CANDOR_ACK_ALL ? (enum candor_ack)level
                                                                         : CANDOR_ACK_DEFAULT;
    return true;
}

static bool take_found(const protobuf_c_boolean *found, size_t count, struct candor_result *result)
{
    result->found = operation_zeroed(count, sizeof *result->found, result);
    if (result->found == NULL)
        return false;
    result->found_count = count;
    for (size_t i = 0; i < count; i++)
        result->found[i] = found[i];
    return true;
}

static bool take_put(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__PutResponse *response =
        operation_unpack(&candor__v1__put_response__descriptor, body, result);
    if (response == NULL ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    result->replayed = response->replayed;
    return true;
}

static bool take_delete(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__DeleteResponse *response =
        operation_unpack(&candor__v1__delete_response__descriptor, body, result);
    if (response == NULL ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    result->replayed = response->replayed;
    return take_found(&response->found, 1, result);
}

static bool take_batch(const struct call *call, struct slice body, struct candor_result *result)
{
    const Candor__V1__BatchResponse *response =
        operation_unpack(&candor__v1__batch_response__descriptor, body, result);
    if (response == NULL || response->n_found != call->wanted ||
        !operation_take_written(response->first, response->last, response->ack, result))
        return false;
    result->replayed = response->replayed;
    return take_found(response->found, response->n_found, result);
}

static enum candor_code put(struct candor_client *client, struct candor_bytes key,
                            struct candor_bytes value, const struct candor_write_options *options,
                            const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    arguments_bytes(&arguments, "value", value);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Put", .take = take_put};
    struct write_message write;
    Candor__V1__PutRequest request = CANDOR__V1__PUT_REQUEST__INIT;
    request.key = operation_binary(key);
    request.value = operation_binary(value);
    request.ttl_ms = options != NULL ? options->ttl_ms : 0;
    request.options = operation_write_options(client, options, &call, &write);
    return operation_call(client, &call, &request.base, outlet);
}

enum candor_code candor_put(struct candor_client *client, struct candor_bytes key,
                            struct candor_bytes value, const struct candor_write_options *options,
                            struct candor_result *result)
{
    return put(client, key, value, options, WAITING(result));
}

enum candor_code candor_submit_put(struct candor_client *client, struct candor_bytes key,
                                   struct candor_bytes value,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err)
{
    return put(client, key, value, options, SUBMITTING(sink, err));
}

static enum candor_code delete_key(struct candor_client *client, struct candor_bytes key,
                                   const struct candor_write_options *options,
                                   const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Delete", .take = take_delete};
    struct write_message write;
    Candor__V1__DeleteRequest request = CANDOR__V1__DELETE_REQUEST__INIT;
    request.key = operation_binary(key);
    request.options = operation_write_options(client, options, &call, &write);
    return operation_call(client, &call, &request.base, outlet);
}

enum candor_code candor_delete(struct candor_client *client, struct candor_bytes key,
                               const struct candor_write_options *options,
                               struct candor_result *result)
{
    return delete_key(client, key, options, WAITING(result));
}

enum candor_code candor_submit_delete(struct candor_client *client, struct candor_bytes key,
                                      const struct candor_write_options *options,
                                      const struct candor_sink *sink, struct candor_error *err)
{
    return delete_key(client, key, options, SUBMITTING(sink, err));
}

/* One operation's messages, so that a batch of many takes two allocations. */
struct op_message {
    Candor__V1__BatchOp op;
    union {
        Candor__V1__PutRequest put;
        Candor__V1__DeleteRequest remove;
    };
};

static Candor__V1__BatchOp *op_message(const struct candor_op *op, struct op_message *message)
{
    candor__v1__batch_op__init(&message->op);
    if (op->is_delete) {
        candor__v1__delete_request__init(&message->remove);
        message->remove.key = operation_binary(op->key);
        message->op.op_case = CANDOR__V1__BATCH_OP__OP_DELETE;
        message->op.delete_ = &message->remove;
    } else {
        candor__v1__put_request__init(&message->put);
        message->put.key = operation_binary(op->key);
        message->put.value = operation_binary(op->value);
        message->put.ttl_ms = op->ttl_ms;
        message->op.op_case = CANDOR__V1__BATCH_OP__OP_PUT;
        message->op.put = &message->put;
    }
    return &message->op;
}

static enum candor_code batch(struct candor_client *client, const struct candor_op *ops,
                              size_t count, const struct candor_write_options *options,
                              const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_ops(&arguments, ops, count);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Batch", .take = take_batch, .wanted = count};
    struct write_message write;
    Candor__V1__BatchRequest request = CANDOR__V1__BATCH_REQUEST__INIT;
    struct op_message *messages = operation_array(count, sizeof *messages);
    request.ops = operation_array(count, sizeof(void *)); /* pointers */
    request.n_ops = count;
    enum candor_code code;
    if (messages == NULL || request.ops == NULL) {
        code = operation_fail(outlet);
    } else {
        for (size_t i = 0; i < count; i++)
            request.ops[i] = op_message(&ops[i], &messages[i]);
        request.options = operation_write_options(client, options, &call, &write);
        code = operation_call(client, &call, &request.base, outlet);
    }
    free(request.ops);
    free(messages);
    return code;
}

enum candor_code candor_batch(struct candor_client *client, const struct candor_op *ops,
                              size_t count, const struct candor_write_options *options,
                              struct candor_result *result)
{
    return batch(client, ops, count, options, WAITING(result));
}

enum candor_code candor_submit_batch(struct candor_client *client, const struct candor_op *ops,
                                     size_t count, const struct candor_write_options *options,
                                     const struct candor_sink *sink, struct candor_error *err)
{
    return batch(client, ops, count, options, SUBMITTING(sink, err));
}

/* ---- Status ---- */

static bool take_status(const struct call *call, struct slice body, struct candor_result *result)
{
    struct candor_status *out = call->out;
    const Candor__V1__StatusResponse *response =
        operation_unpack(&candor__v1__status_response__descriptor, body, result);
    if (response == NULL || !convert_pos(response->last, &out->last))
        return false;
    text_copy(out->node, sizeof out->node, response->node);
    text_copy(out->version, sizeof out->version, response->version);
    text_copy(out->primary, sizeof out->primary, response->primary);
    text_copy(out->relay, sizeof out->relay, response->relay);
    text_copy(out->rpc, sizeof out->rpc, response->rpc);
    text_copy(out->zone, sizeof out->zone, response->zone);
    out->pid = response->pid;
    out->uptime_ms = response->uptime_ms;
    out->cluster_id = response->cluster_id;
    out->store_id = response->store_id;
    out->boot = response->boot;
    out->durable_seq = response->durable_seq;
    out->match_seq = response->match_seq;
    out->lag = response->lag;
    out->log_first_seq = response->log_first_seq;
    out->log_bytes = response->log_bytes;
    out->state_bytes = response->state_bytes;
    out->at_risk = response->at_risk;
    out->no_room = response->no_room;
    snprintf(out->digest, sizeof out->digest, "%016" PRIx64 "%016" PRIx64, response->digest_high,
             response->digest_low);
    out->has_scrubbed_age =
        response->scrubbed_case == CANDOR__V1__STATUS_RESPONSE__SCRUBBED_SCRUBBED_AGE_MS;
    out->scrubbed_age_ms = out->has_scrubbed_age ? response->scrubbed_age_ms : 0;
    out->scrub_findings = response->scrub_findings;
    text_copy(out->scrub_finding, sizeof out->scrub_finding, response->scrub_finding);
    out->equal_seq = response->equal_seq;
    out->differs_seq = response->differs_seq;
    out->rollback_count = response->rollback_count;
    out->keys = response->keys;
    out->admitted = response->admitted;
    return true;
}

static enum candor_code status(struct candor_client *client, const char *endpoint,
                               uint32_t deadline_ms, struct candor_status *out,
                               const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_need(&arguments, "out", out);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.Cluster/Status",
                        .single = true,
                        .deadline_ms = deadline_ms,
                        .take = take_status,
                        .out = out};
    memset(out, 0, sizeof *out);
    if (endpoint != NULL) {
        call.endpoint = call.memory = strdup(endpoint);
        if (call.memory == NULL)
            return operation_fail(outlet);
    }
    return operation_call(client, &call, NULL, outlet);
}

enum candor_code candor_status(struct candor_client *client, const char *endpoint,
                               uint32_t deadline_ms, struct candor_status *out,
                               struct candor_result *result)
{
    return status(client, endpoint, deadline_ms, out, WAITING(result));
}

enum candor_code candor_submit_status(struct candor_client *client, const char *endpoint,
                                      uint32_t deadline_ms, struct candor_status *out,
                                      const struct candor_sink *sink, struct candor_error *err)
{
    return status(client, endpoint, deadline_ms, out, SUBMITTING(sink, err));
}
