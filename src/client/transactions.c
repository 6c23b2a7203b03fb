/* Conditional writes, and what became of a write. */
#include <stdlib.h>

#include "client/internal.h"

/* ---- CompareAndSwap ---- */

static bool take_condition(bool succeeded, const Candor__V1__KeyValue *item,
                           struct candor_result *result)
{
    result->succeeded = result->wrote = succeeded;
    if (succeeded)
        return true;
    result->items = operation_zeroed(1, sizeof *result->items, result);
    if (result->items == NULL)
        return false;
    result->items[0] = operation_item(item);
    result->item_count = 1;
    return true;
}

static bool take_cas(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__CompareAndSwapResponse *response =
        operation_unpack(&candor__v1__compare_and_swap_response__descriptor, body, result);
    if (response == NULL || response->succeeded == (response->item != NULL) ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    result->replayed = response->replayed;
    return take_condition(response->succeeded, response->item, result);
}

static void fill_expect(const struct candor_expect *expect,
                        Candor__V1__CompareAndSwapRequest *request)
{
    switch (expect->kind) {
    case CANDOR_EXPECT_VALUE:
        request->expect_case = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_VALUE;
        request->expect_value = operation_binary(expect->value);
        break;
    case CANDOR_EXPECT_ABSENT:
    case CANDOR_EXPECT_EXISTS:
        request->expect_case = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_ABSENT;
        request->expect_absent = expect->kind == CANDOR_EXPECT_ABSENT;
        break;
    case CANDOR_EXPECT_MOD_SEQ:
        request->expect_case = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_MOD_SEQ;
        request->expect_mod_seq = expect->mod_seq;
        break;
    }
}

static enum candor_code cas(struct candor_client *client, struct candor_bytes key,
                            const struct candor_expect *expect, struct candor_bytes value,
                            const struct candor_write_options *options, const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    arguments_bytes(&arguments, "value", value);
    arguments_need(&arguments, "expect", expect);
    ARGUMENTS_KNOWN(&arguments, "expect", expect);
    if (expect != NULL && expect->kind == CANDOR_EXPECT_VALUE)
        arguments_bytes(&arguments, "expect.value", expect->value);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/CompareAndSwap", .take = take_cas};
    struct write_message write;
    Candor__V1__CompareAndSwapRequest request = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__INIT;
    request.key = operation_binary(key);
    request.value = operation_binary(value);
    request.ttl_ms = options != NULL ? options->ttl_ms : 0;
    request.options = operation_write_options(client, options, &call, &write);
    fill_expect(expect, &request);
    return operation_call(client, &call, &request.base, outlet);
}

enum candor_code candor_cas(struct candor_client *client, struct candor_bytes key,
                            const struct candor_expect *expect, struct candor_bytes value,
                            const struct candor_write_options *options,
                            struct candor_result *result)
{
    return cas(client, key, expect, value, options, WAITING(result));
}

enum candor_code candor_submit_cas(struct candor_client *client, struct candor_bytes key,
                                   const struct candor_expect *expect, struct candor_bytes value,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err)
{
    return cas(client, key, expect, value, options, SUBMITTING(sink, err));
}

/* ---- Expire ---- */

static bool take_expire(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__ExpireResponse *response =
        operation_unpack(&candor__v1__expire_response__descriptor, body, result);
    if (response == NULL || response->succeeded == (response->item != NULL) ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    result->replayed = response->replayed;
    return take_condition(response->succeeded, response->item, result);
}

static enum candor_code expire(struct candor_client *client, struct candor_bytes key,
                               uint64_t ttl_ms, uint64_t expect_mod_seq,
                               const struct candor_write_options *options,
                               const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Expire", .take = take_expire};
    struct write_message write;
    Candor__V1__ExpireRequest request = CANDOR__V1__EXPIRE_REQUEST__INIT;
    request.key = operation_binary(key);
    request.ttl_ms = ttl_ms;
    request.options = operation_write_options(client, options, &call, &write);
    if (expect_mod_seq != 0) {
        request.expect_case = CANDOR__V1__EXPIRE_REQUEST__EXPECT_EXPECT_MOD_SEQ;
        request.expect_mod_seq = expect_mod_seq;
    }
    return operation_call(client, &call, &request.base, outlet);
}

enum candor_code candor_expire(struct candor_client *client, struct candor_bytes key,
                               uint64_t ttl_ms, uint64_t expect_mod_seq,
                               const struct candor_write_options *options,
                               struct candor_result *result)
{
    return expire(client, key, ttl_ms, expect_mod_seq, options, WAITING(result));
}

enum candor_code candor_submit_expire(struct candor_client *client, struct candor_bytes key,
                                      uint64_t ttl_ms, uint64_t expect_mod_seq,
                                      const struct candor_write_options *options,
                                      const struct candor_sink *sink, struct candor_error *err)
{
    return expire(client, key, ttl_ms, expect_mod_seq, options, SUBMITTING(sink, err));
}

/* ---- Increment ---- */

/* Also beside OUT_OF_RANGE. */
static bool take_increment(const struct call *call, struct slice body, struct candor_result *result)
{
    (void)call;
    const Candor__V1__IncrementResponse *response =
        operation_unpack(&candor__v1__increment_response__descriptor, body, result);
    if (response == NULL ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    result->succeeded = result->wrote = result->error.code == CANDOR_OK;
    result->number = response->value;
    result->replayed = response->replayed;
    return true;
}

static enum candor_code increment(struct candor_client *client, struct candor_bytes key,
                                  int64_t delta, const struct candor_bounds *bounds,
                                  const struct candor_write_options *options,
                                  const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_bytes(&arguments, "key", key);
    ARGUMENTS_KNOWN(&arguments, "bounds", bounds);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Increment", .take = take_increment};
    struct write_message write;
    Candor__V1__IncrementRequest request = CANDOR__V1__INCREMENT_REQUEST__INIT;
    request.key = operation_binary(key);
    request.delta = delta;
    request.options = operation_write_options(client, options, &call, &write);
    if (bounds != NULL && bounds->has_min) {
        request.lower_bound_case = CANDOR__V1__INCREMENT_REQUEST__LOWER_BOUND_MIN;
        request.min = bounds->min;
    }
    if (bounds != NULL && bounds->has_max) {
        request.upper_bound_case = CANDOR__V1__INCREMENT_REQUEST__UPPER_BOUND_MAX;
        request.max = bounds->max;
    }
    if (bounds != NULL)
        request.initial = bounds->initial;
    return operation_call(client, &call, &request.base, outlet);
}

enum candor_code candor_increment(struct candor_client *client, struct candor_bytes key,
                                  int64_t delta, const struct candor_bounds *bounds,
                                  const struct candor_write_options *options,
                                  struct candor_result *result)
{
    return increment(client, key, delta, bounds, options, WAITING(result));
}

enum candor_code candor_submit_increment(struct candor_client *client, struct candor_bytes key,
                                         int64_t delta, const struct candor_bounds *bounds,
                                         const struct candor_write_options *options,
                                         const struct candor_sink *sink, struct candor_error *err)
{
    return increment(client, key, delta, bounds, options, SUBMITTING(sink, err));
}

/* ---- Txn ---- */

struct op_message {
    Candor__V1__TxnOp op;
    union {
        Candor__V1__PutRequest put;
        Candor__V1__DeleteRequest remove;
        Candor__V1__GetRequest get;
    };
};

static Candor__V1__Compare *compare_message(const struct candor_compare *from,
                                            Candor__V1__Compare *to)
{
    candor__v1__compare__init(to);
    to->key = operation_binary(from->key);
    to->relation = (Candor__V1__Relation)from->relation;
    switch (from->target) {
    case CANDOR_COMPARE_EXISTS:
        to->target_case = CANDOR__V1__COMPARE__TARGET_EXISTS;
        to->exists = from->exists;
        break;
    case CANDOR_COMPARE_VALUE:
        to->target_case = CANDOR__V1__COMPARE__TARGET_VALUE;
        to->value = operation_binary(from->value);
        break;
    case CANDOR_COMPARE_MOD_SEQ:
        to->target_case = CANDOR__V1__COMPARE__TARGET_MOD_SEQ;
        to->mod_seq = from->number;
        break;
    case CANDOR_COMPARE_VERSION:
        to->target_case = CANDOR__V1__COMPARE__TARGET_VERSION;
        to->version = from->number;
        break;
    }
    return to;
}

static Candor__V1__TxnOp *op_message(const struct candor_txn_op *from, struct op_message *to)
{
    candor__v1__txn_op__init(&to->op);
    switch (from->kind) {
    case CANDOR_TXN_PUT:
        candor__v1__put_request__init(&to->put);
        to->put.key = operation_binary(from->key);
        to->put.value = operation_binary(from->value);
        to->put.ttl_ms = from->ttl_ms;
        to->op.op_case = CANDOR__V1__TXN_OP__OP_PUT;
        to->op.put = &to->put;
        break;
    case CANDOR_TXN_DELETE:
        candor__v1__delete_request__init(&to->remove);
        to->remove.key = operation_binary(from->key);
        to->op.op_case = CANDOR__V1__TXN_OP__OP_DELETE;
        to->op.delete_ = &to->remove;
        break;
    case CANDOR_TXN_GET:
        candor__v1__get_request__init(&to->get);
        to->get.key = operation_binary(from->key);
        to->op.op_case = CANDOR__V1__TXN_OP__OP_GET;
        to->op.get = &to->get;
        break;
    }
    return &to->op;
}

/* What the answer is compared with: kinds and keys, then_ops before else_ops. One block. */
struct shape {
    size_t then_count;
    size_t else_count;
    struct {
        enum candor_txn_op_kind kind;
        struct slice key; /* in the block */
    } ops[];
};

static size_t keys_bytes(const struct candor_txn_op *ops, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += ops[i].key.length;
    return bytes;
}

static uint8_t *add_ops(struct shape *shape, size_t at, const struct candor_txn_op *ops,
                        size_t count, uint8_t *room)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = ops[i].key.length;
        if (length > 0)
            memcpy(room, ops[i].key.data, length);
        shape->ops[at + i].kind = ops[i].kind;
        shape->ops[at + i].key = slice_of(room, length);
        room += length;
    }
    return room;
}

/* malloc'd; NULL: there is no memory. */
static struct shape *shape_of(const struct candor_txn *txn)
{
    size_t count = txn->then_count + txn->else_count;
    size_t bytes =
        keys_bytes(txn->then_ops, txn->then_count) + keys_bytes(txn->else_ops, txn->else_count);
    struct shape *shape = malloc(sizeof *shape + count * sizeof shape->ops[0] + bytes);
    if (shape == NULL)
        return NULL;
    shape->then_count = txn->then_count;
    shape->else_count = txn->else_count;
    uint8_t *room = (uint8_t *)&shape->ops[count];
    room = add_ops(shape, 0, txn->then_ops, txn->then_count, room);
    add_ops(shape, txn->then_count, txn->else_ops, txn->else_count, room);
    return shape;
}

/* With their keys behind them in the same block: the shape goes with the operation. */
static struct candor_item *items_of(const struct shape *shape, size_t first, size_t count,
                                    struct candor_result *result)
{
    size_t bytes = 0;
    for (size_t i = first; i < first + count; i++)
        bytes += shape->ops[i].key.length;
    struct candor_item *items = operation_zeroed(1, count * sizeof *items + bytes + 1, result);
    if (items == NULL)
        return NULL;
    uint8_t *room = (uint8_t *)(items + count);
    for (size_t i = 0; i < count; i++) {
        struct slice key = shape->ops[first + i].key;
        if (key.length > 0)
            memcpy(room, key.bytes, key.length);
        items[i].key = (struct candor_bytes){room, key.length};
        room += key.length;
    }
    return items;
}

static bool take_txn(const struct call *call, struct slice body, struct candor_result *result)
{
    const struct shape *shape = call->memory;
    const Candor__V1__TxnResponse *response =
        operation_unpack(&candor__v1__txn_response__descriptor, body, result);
    if (response == NULL ||
        !operation_take_written(response->pos, response->pos, response->ack, result))
        return false;
    size_t first = response->succeeded ? 0 : shape->then_count;
    size_t count = response->succeeded ? shape->then_count : shape->else_count;
    if (response->n_results != count)
        return false;
    result->succeeded = response->succeeded;
    result->replayed = response->replayed;
    result->items = items_of(shape, first, count, result);
    result->found = operation_zeroed(count, sizeof *result->found, result);
    if (result->no_memory)
        return false;
    result->item_count = result->found_count = count;
    result->wrote = false; /* gets alone make no record (R47) */
    for (size_t i = 0; i < count; i++) {
        bool get = shape->ops[first + i].kind == CANDOR_TXN_GET;
        const Candor__V1__TxnOpResult *from = response->results[i];
        result->wrote = result->wrote || !get;
        if (get && from->item == NULL)
            return false;
        result->found[i] = result->items[i].found = from->found;
        if (get)
            result->items[i] = operation_item(from->item);
    }
    return true;
}

static void fill_ops(const struct candor_txn_op *ops, size_t count, struct op_message *messages,
                     Candor__V1__TxnOp **list)
{
    for (size_t i = 0; i < count; i++)
        list[i] = op_message(&ops[i], &messages[i]);
}

/* A txn's messages; all NULL where there is no memory. */
struct txn_messages {
    Candor__V1__Compare *compares;
    Candor__V1__Compare **compare_list;
    struct op_message *ops;
    Candor__V1__TxnOp **op_list; /* then_ops, else_ops */
};

static bool messages_of(const struct candor_txn *txn, struct txn_messages *messages)
{
    size_t op_count = txn->then_count + txn->else_count;
    messages->compares = operation_array(txn->compare_count, sizeof *messages->compares);
    messages->compare_list = operation_array(txn->compare_count, sizeof(void *));
    messages->ops = operation_array(op_count, sizeof *messages->ops);
    messages->op_list = operation_array(op_count, sizeof(void *));
    if (messages->compares == NULL || messages->compare_list == NULL || messages->ops == NULL ||
        messages->op_list == NULL)
        return false;
    for (size_t i = 0; i < txn->compare_count; i++)
        messages->compare_list[i] = compare_message(&txn->compares[i], &messages->compares[i]);
    fill_ops(txn->then_ops, txn->then_count, messages->ops, messages->op_list);
    fill_ops(txn->else_ops, txn->else_count, messages->ops + txn->then_count,
             messages->op_list + txn->then_count);
    return true;
}

static void messages_free(struct txn_messages *messages)
{
    free(messages->op_list);
    free(messages->ops);
    free(messages->compare_list);
    free(messages->compares);
}

static enum candor_code txn_call(struct candor_client *client, const struct candor_txn *txn,
                                 const struct candor_write_options *options,
                                 const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_txn(&arguments, txn);
    arguments_write(&arguments, options);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/Txn", .take = take_txn};
    struct write_message write;
    Candor__V1__TxnRequest request = CANDOR__V1__TXN_REQUEST__INIT;
    struct txn_messages messages = {0};
    enum candor_code code;
    call.memory = shape_of(txn);
    if (call.memory != NULL && messages_of(txn, &messages)) {
        request.n_compare = txn->compare_count;
        request.compare = messages.compare_list;
        request.n_then_ops = txn->then_count;
        request.then_ops = messages.op_list;
        request.n_else_ops = txn->else_count;
        request.else_ops = messages.op_list + txn->then_count;
        request.options = operation_write_options(client, options, &call, &write);
        code = operation_call(client, &call, &request.base, outlet);
    } else {
        free(call.memory);
        code = operation_fail(outlet);
    }
    messages_free(&messages);
    return code;
}

enum candor_code candor_txn(struct candor_client *client, const struct candor_txn *txn,
                            const struct candor_write_options *options,
                            struct candor_result *result)
{
    return txn_call(client, txn, options, WAITING(result));
}

enum candor_code candor_submit_txn(struct candor_client *client, const struct candor_txn *txn,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err)
{
    return txn_call(client, txn, options, SUBMITTING(sink, err));
}

/* ---- TxnStatus ---- */

static bool take_txn_status(const struct call *call, struct slice body,
                            struct candor_result *result)
{
    enum candor_txn_state *out = call->out;
    const Candor__V1__TxnStatusResponse *response =
        operation_unpack(&candor__v1__txn_status_response__descriptor, body, result);
    if (response == NULL || !convert_pos(response->pos, &result->last))
        return false;
    if ((int)response->state >= CANDOR_TXN_UNKNOWN && (int)response->state <= CANDOR_TXN_PENDING)
        *out = (enum candor_txn_state)response->state;
    return true;
}

static enum candor_code txn_status(struct candor_client *client,
                                   const struct candor_request_id *request,
                                   const struct candor_pos *pos, uint32_t deadline_ms,
                                   enum candor_txn_state *out, const struct outlet *outlet)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "client", client);
    arguments_need(&arguments, "out", out);
    if (request == NULL)
        arguments_need(&arguments, "pos", pos);
    if (pos != NULL)
        arguments_epoch(&arguments, "pos", &pos->epoch);
    if (arguments.what != NULL)
        return operation_refuse(&arguments, outlet);
    struct call call = {.method = "/candor.v1.KV/TxnStatus",
                        .at_primary = true,
                        .deadline_ms = deadline_ms,
                        .take = take_txn_status,
                        .out = out};
    Candor__V1__TxnStatusRequest message = CANDOR__V1__TXN_STATUS_REQUEST__INIT;
    Candor__V1__RequestId id = CANDOR__V1__REQUEST_ID__INIT;
    Candor__V1__Pos at;
    Candor__V1__Epoch epoch;
    *out = CANDOR_TXN_UNKNOWN;
    if (request != NULL) {
        struct candor_bytes client_id = {request->client_id, sizeof request->client_id};
        id.client_id = operation_binary(client_id);
        id.number = request->number;
        message.of_case = CANDOR__V1__TXN_STATUS_REQUEST__OF_REQUEST_ID;
        message.request_id = &id;
    } else {
        message.of_case = CANDOR__V1__TXN_STATUS_REQUEST__OF_POS;
        message.pos = convert_to_pos(pos, &at, &epoch);
    }
    return operation_call(client, &call, &message.base, outlet);
}

enum candor_code candor_txn_status(struct candor_client *client,
                                   const struct candor_request_id *request,
                                   const struct candor_pos *pos, uint32_t deadline_ms,
                                   enum candor_txn_state *out, struct candor_result *result)
{
    return txn_status(client, request, pos, deadline_ms, out, WAITING(result));
}

enum candor_code candor_submit_txn_status(struct candor_client *client,
                                          const struct candor_request_id *request,
                                          const struct candor_pos *pos, uint32_t deadline_ms,
                                          enum candor_txn_state *out,
                                          const struct candor_sink *sink, struct candor_error *err)
{
    return txn_status(client, request, pos, deadline_ms, out, SUBMITTING(sink, err));
}
