/* links: node client topology log */
/* Whole nodes: requests that are repeated (R46), conditions (R47), and what became of a write
 * (R21). */
#include "node_fixture.h"

#include "eval/eval.h"

#include <pthread.h>

static struct cluster *cluster_up(uint32_t voters)
{
    struct cluster *cluster = cluster_new(voters, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    candor_client_close(client);
    return cluster;
}

/* ---- Calls with a request id of the test's choosing ------------------------------------------ */

struct id {
    Candor__V1__RequestId message;
    uint8_t client[16];
};

static Candor__V1__RequestId *id_of(struct id *id, uint8_t client, uint64_t number)
{
    candor__v1__request_id__init(&id->message);
    memset(id->client, client, sizeof id->client);
    id->message.client_id = (ProtobufCBinaryData){sizeof id->client, id->client};
    id->message.number = number;
    return &id->message;
}

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* NULL with the error in *err. */
static ProtobufCMessage *ask(struct cluster *cluster, uint32_t i, const char *method,
                             const ProtobufCMessage *request, Candor__V1__RequestId *id,
                             const ProtobufCMessageDescriptor *type, struct candor_error *err)
{
    struct rpc_exchange exchange = {.deadline_ms = 20000, .request_id = id};
    ProtobufCMessage *response = NULL;
    memset(err, 0, sizeof *err);
    call(cluster, i, method, request, &exchange, &response, type, err);
    return response;
}

static Candor__V1__IncrementResponse *increment(struct cluster *cluster, uint32_t i,
                                                const char *key, uint64_t number)
{
    struct id id;
    struct candor_error err;
    Candor__V1__IncrementRequest request = CANDOR__V1__INCREMENT_REQUEST__INIT;
    request.key = bytes(key);
    request.delta = 1;
    ProtobufCMessage *response =
        ask(cluster, i, "/candor.v1.KV/Increment", &request.base, id_of(&id, 7, number),
            &candor__v1__increment_response__descriptor, &err);
    if (response == NULL)
        fail_msg("increment: %s: %s", candor_code_name(err.code), err.message);
    return (Candor__V1__IncrementResponse *)response;
}

static void expect_same(Candor__V1__IncrementResponse *first, Candor__V1__IncrementResponse *again)
{
    assert_false(first->replayed);
    assert_true(again->replayed);
    assert_int_equal(again->value, first->value);
    assert_int_equal(again->pos->seq, first->pos->seq);
    assert_int_equal(again->pos->epoch->term, first->pos->epoch->term);
    assert_string_equal(again->pos->epoch->owner, first->pos->epoch->owner);
    candor__v1__increment_response__free_unpacked(again, NULL);
}

static void a_repeated_request_is_answered_and_not_done_again(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    Candor__V1__IncrementResponse *first = increment(cluster, 0, "n", 1);
    assert_int_equal(first->value, 1);
    Candor__V1__IncrementResponse *second = increment(cluster, 0, "n", 2);
    assert_int_equal(second->value, 2);
    expect_same(first, increment(cluster, 0, "n", 1));
    expect_same(second, increment(cluster, 0, "n", 2));
    assert_true(has(client, "n", "2"));
    stop(cluster, 0); /* and by a later life of the node */
    start(cluster, 0);
    EVENTUALLY(is_primary(client));
    expect_same(first, increment(cluster, 0, "n", 1));
    assert_true(has(client, "n", "2"));
    candor__v1__increment_response__free_unpacked(first, NULL);
    candor__v1__increment_response__free_unpacked(second, NULL);
    candor_client_close(client);
    cluster_free(cluster);
}

/* One write of a kind, asked twice: the second answer is that of the first, and says so. */
struct asked_twice {
    struct cluster *cluster;
    bool again;
    uint64_t seq; /* of the first time */
};

static void same_position(struct asked_twice *asked, const Candor__V1__Pos *pos, bool replayed)
{
    assert_int_equal(replayed, asked->again);
    assert_true(!asked->again || asked->seq == pos->seq);
    asked->seq = pos->seq;
    asked->again = true;
}

static void delete_k(struct asked_twice *asked)
{
    struct id id;
    struct candor_error err;
    Candor__V1__DeleteRequest request = CANDOR__V1__DELETE_REQUEST__INIT;
    request.key = bytes("k");
    Candor__V1__DeleteResponse *removed = (Candor__V1__DeleteResponse *)ask(
        asked->cluster, 0, "/candor.v1.KV/Delete", &request.base, id_of(&id, 1, 1),
        &candor__v1__delete_response__descriptor, &err);
    assert_non_null(removed);
    assert_true(removed->found);
    same_position(asked, removed->pos, removed->replayed);
    candor__v1__delete_response__free_unpacked(removed, NULL);
}

static void swap_absent_k(struct asked_twice *asked)
{
    struct id id;
    struct candor_error err;
    Candor__V1__CompareAndSwapRequest request = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__INIT;
    request.key = bytes("k");
    request.value = bytes("again");
    request.expect_case = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__EXPECT_EXPECT_ABSENT;
    request.expect_absent = true;
    Candor__V1__CompareAndSwapResponse *swapped = (Candor__V1__CompareAndSwapResponse *)ask(
        asked->cluster, 0, "/candor.v1.KV/CompareAndSwap", &request.base, id_of(&id, 1, 2),
        &candor__v1__compare_and_swap_response__descriptor, &err);
    assert_non_null(swapped);
    assert_true(swapped->succeeded);
    same_position(asked, swapped->pos, swapped->replayed);
    candor__v1__compare_and_swap_response__free_unpacked(swapped, NULL);
}

/* Reads k, which was written last at `written_seq`, and overwrites it. */
static void read_and_put_k(struct asked_twice *asked, uint64_t written_seq)
{
    struct id id;
    struct candor_error err;
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = bytes("k");
    Candor__V1__PutRequest put_k = CANDOR__V1__PUT_REQUEST__INIT;
    put_k.key = bytes("k");
    put_k.value = bytes("by the txn");
    Candor__V1__TxnOp ops[2] = {CANDOR__V1__TXN_OP__INIT, CANDOR__V1__TXN_OP__INIT};
    ops[0].op_case = CANDOR__V1__TXN_OP__OP_GET;
    ops[0].get = &get;
    ops[1].op_case = CANDOR__V1__TXN_OP__OP_PUT;
    ops[1].put = &put_k;
    Candor__V1__TxnOp *list[] = {&ops[0], &ops[1]};
    Candor__V1__TxnRequest request = CANDOR__V1__TXN_REQUEST__INIT;
    request.n_then_ops = 2;
    request.then_ops = list;
    Candor__V1__TxnResponse *done = (Candor__V1__TxnResponse *)ask(
        asked->cluster, 0, "/candor.v1.KV/Txn", &request.base, id_of(&id, 1, 3),
        &candor__v1__txn_response__descriptor, &err);
    assert_non_null(done);
    assert_int_equal(done->n_results, 2);
    assert_memory_equal(done->results[0]->item->value.data, "again", 5); /* as it was then */
    assert_int_equal(done->results[0]->item->mod_seq, written_seq);
    same_position(asked, done->pos, done->replayed);
    candor__v1__txn_response__free_unpacked(done, NULL);
}

static void every_kind_of_write_is_answered_as_it_was(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "k", "before");
    struct asked_twice removed = {.cluster = cluster};
    struct asked_twice swapped = {.cluster = cluster};
    struct asked_twice txn = {.cluster = cluster};
    for (int round = 0; round < 2; round++) {
        delete_k(&removed);
        swap_absent_k(&swapped);
        read_and_put_k(&txn, swapped.seq);
    }
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- A Batch that a failover cut in two ------------------------------------------------------ */

/* Puts to x, y and z, and a delete of x. */
struct four {
    Candor__V1__BatchRequest batch;
    Candor__V1__BatchOp ops[4];
    Candor__V1__BatchOp *list[4];
    Candor__V1__PutRequest puts[3];
    Candor__V1__DeleteRequest remove;
};

static void four_init(struct four *four)
{
    static const char *const keys[] = {"x", "y", "z"};
    candor__v1__batch_request__init(&four->batch);
    for (int i = 0; i < 4; i++) {
        candor__v1__batch_op__init(&four->ops[i]);
        four->list[i] = &four->ops[i];
        if (i == 3)
            break;
        candor__v1__put_request__init(&four->puts[i]);
        four->puts[i].key = bytes(keys[i]);
        four->ops[i].op_case = CANDOR__V1__BATCH_OP__OP_PUT;
        four->ops[i].put = &four->puts[i];
    }
    candor__v1__delete_request__init(&four->remove);
    four->remove.key = bytes("x");
    four->ops[3].op_case = CANDOR__V1__BATCH_OP__OP_DELETE;
    four->ops[3].delete_ = &four->remove;
    four->batch.ops = four->list;
    four->batch.n_ops = 4;
}

static Candor__V1__BatchResponse *ask_batch(struct cluster *cluster, struct four *four,
                                            uint64_t number, struct candor_error *err)
{
    struct id id;
    return (Candor__V1__BatchResponse *)ask(cluster, 0, "/candor.v1.KV/Batch", &four->batch.base,
                                            id_of(&id, 1, number),
                                            &candor__v1__batch_response__descriptor, err);
}

/* The log's newest record. */
static void newest_record(struct log *log, struct buffer *out, struct batch *batch,
                          struct record *record)
{
    struct candor_error err = {0};
    size_t cursor = 0;
    assert_int_equal(log_read(log, log_last(log), log_last(log), SIZE_MAX, out, &err), CANDOR_OK);
    struct slice rest = buffer_slice(out);
    assert_int_equal(batch_decode(&rest, batch, &err), CANDOR_OK);
    while (batch_next(batch, &cursor, record))
        ;
}

/* The newest request is in the log once more, under number 6, with its first two parts alone. */
static uint64_t append_the_first_two(struct cluster *cluster)
{
    struct buffer read = {0};
    struct buffer bytes = {0};
    struct candor_error err = {0};
    struct batch batch;
    struct record newest;
    struct log *log = open_log_of(cluster, "a");
    newest_record(log, &read, &batch, &newest);
    uint64_t first = log_last(log) + 1;
    struct batch_writer writer =
        batch_begin(&bytes, RECORD_WRITE, batch.epoch, first, log_chain(log));
    static const uint8_t put_absent[] = {EVAL_PUT, 0};
    struct record_write write = {.ack = CANDOR_ACK_LOCAL,
                                 .request = newest.request,
                                 .result = slice_of(put_absent, sizeof put_absent),
                                 .digest = newest.digest};
    write.request.number = 6;
    for (; write.part < 2; write.part++) {
        struct record_op op = {.kind = RECORD_PUT, .key = slice_of(write.part == 0 ? "x" : "y", 1)};
        batch_add_write(&writer, &write, &op, 1);
    }
    batch_end(&writer);
    assert_int_equal(log_append(log, buffer_slice(&bytes), &err), CANDOR_OK);
    log_close(log);
    buffer_free(&bytes);
    buffer_free(&read);
    return first;
}

static void the_rest_of_a_batch_is_done_once(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct candor_error err;
    struct four four;
    four_init(&four);
    Candor__V1__BatchResponse *whole = ask_batch(cluster, &four, 5, &err);
    assert_non_null(whole);
    assert_false(whole->replayed);
    candor__v1__batch_response__free_unpacked(whole, NULL);
    stop(cluster, 0);
    uint64_t first = append_the_first_two(cluster);
    start(cluster, 0);
    EVENTUALLY(is_primary(client));
    assert_true(has(client, "x", ""));
    uint64_t last = 0;
    for (int round = 0; round < 2; round++) {
        Candor__V1__BatchResponse *response = ask_batch(cluster, &four, 6, &err);
        assert_non_null(response);
        assert_true(response->replayed);
        assert_int_equal(response->n_found, 4);
        assert_false(response->found[0]); /* as it was then */
        assert_true(response->found[3]);
        assert_int_equal(response->first->seq, first);
        assert_true(response->last->seq > first + 2); /* behind the new epoch's beginning */
        assert_true(round == 0 || response->last->seq == last);
        last = response->last->seq;
        candor__v1__batch_response__free_unpacked(response, NULL);
    }
    assert_true(has(client, "x", NULL));
    candor_client_close(client);
    cluster_free(cluster);
}

/* Nor is it gone on with in another content. */
static void another_batch_is_not_taken_for_the_rest(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct candor_error err;
    struct four four;
    four_init(&four);
    candor__v1__batch_response__free_unpacked(ask_batch(cluster, &four, 5, &err), NULL);
    stop(cluster, 0);
    append_the_first_two(cluster);
    start(cluster, 0);
    EVENTUALLY(is_primary(client));
    four.remove.key = bytes("y");
    assert_null(ask_batch(cluster, &four, 6, &err));
    assert_int_equal(err.reason, CANDOR_REASON_REQUEST_ID_REUSED);
    four.batch.n_ops = 1; /* fewer than are known */
    assert_null(ask_batch(cluster, &four, 6, &err));
    assert_int_equal(err.reason, CANDOR_REASON_REQUEST_ID_REUSED);
    assert_true(has(client, "x", ""));
    assert_true(has(client, "y", ""));
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- One id for two requests ----------------------------------------------------------------- */

static void expect_reused(struct cluster *cluster, uint32_t i, const char *method,
                          const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type)
{
    struct id id;
    struct candor_error err;
    if (ask(cluster, i, method, request, id_of(&id, 7, 1), type, &err) != NULL)
        fail_msg("%s under another's id is answered OK", method);
    assert_int_equal(err.code, CANDOR_INVALID_ARGUMENT);
    assert_int_equal(err.reason, CANDOR_REASON_REQUEST_ID_REUSED);
    assert_non_null(strstr(err.message, "request_id"));
}

/* Id 7/1 was used to add 1 to "n". */
static void expect_all_others_refused(struct cluster *cluster, uint32_t i)
{
    Candor__V1__PutRequest put_n = CANDOR__V1__PUT_REQUEST__INIT;
    put_n.key = bytes("n");
    put_n.value = bytes("1");
    expect_reused(cluster, i, "/candor.v1.KV/Put", &put_n.base,
                  &candor__v1__put_response__descriptor);
    Candor__V1__IncrementRequest add = CANDOR__V1__INCREMENT_REQUEST__INIT;
    add.key = bytes("m");
    add.delta = 1;
    expect_reused(cluster, i, "/candor.v1.KV/Increment", &add.base,
                  &candor__v1__increment_response__descriptor);
    add.key = bytes("n");
    add.delta = 2;
    expect_reused(cluster, i, "/candor.v1.KV/Increment", &add.base,
                  &candor__v1__increment_response__descriptor);
    Candor__V1__DeleteRequest remove = CANDOR__V1__DELETE_REQUEST__INIT;
    remove.key = bytes("n");
    expect_reused(cluster, i, "/candor.v1.KV/Delete", &remove.base,
                  &candor__v1__delete_response__descriptor);
}

static void a_request_id_is_not_taken_for_another_request(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(3);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    Candor__V1__IncrementResponse *first = increment(cluster, 0, "n", 1);
    expect_all_others_refused(cluster, 0);
    EVENTUALLY(has(b, "n", "1") && status_of(b).admitted);
    EVENTUALLY(all_committed(a));
    stop(cluster, 0); /* by another primary, too */
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(is_primary(b));
    expect_all_others_refused(cluster, 1);
    expect_same(first, increment(cluster, 1, "n", 1));
    assert_true(has(b, "n", "1"));
    assert_true(has(b, "m", NULL));
    candor__v1__increment_response__free_unpacked(first, NULL);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* Two clients that go on from one snapshot: the same id, the same numbers, and soon other
 * writes. */
static void a_client_that_was_copied_is_told_and_goes_on(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *clients[2];
    uint8_t id[CANDOR_CLIENT_ID_BYTES] = {1, 2, 3};
    const char *endpoint = cluster->topology.nodes[0].rpc;
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .deadline_ms = 20000, .client_id = id};
    struct candor_error err;
    for (int i = 0; i < 2; i++)
        assert_int_equal(candor_client_open(&options, &clients[i], &err), CANDOR_OK);
    assert_int_equal(put(clients[0], "k", "first"), CANDOR_OK);
    static const char *const values[] = {"second", "first"}; /* another content, and the same */
    for (int i = 0; i < 2; i++) {
        struct candor_result result;
        assert_int_equal(
            candor_put(clients[1], candor_text("k"), candor_text(values[i]), NULL, &result),
            i == 0 ? CANDOR_INVALID_ARGUMENT : CANDOR_OK);
        assert_int_equal(result.error.reason,
                         i == 0 ? CANDOR_REASON_REQUEST_ID_REUSED : CANDOR_REASON_NONE);
        assert_false(result.replayed);
        candor_result_free(&result);
    }
    candor_client_close(clients[0]);
    candor_client_close(clients[1]);
    assert_int_equal(candor_client_open(&options, &clients[0], &err), CANDOR_OK);
    assert_int_equal(put(clients[0], "k", "first"),
                     CANDOR_INVALID_ARGUMENT); /* it is not this one's */
    assert_int_equal(put(clients[0], "k", "third"), CANDOR_OK);
    assert_true(has(clients[0], "k", "third"));
    candor_client_close(clients[0]);
    cluster_free(cluster);
}

struct twin {
    struct cluster *cluster;
    char key[8];
    bool done;
    enum candor_reason reason;
};

static void *put_own_key(void *argument)
{
    struct twin *twin = argument;
    struct id id;
    struct candor_error err;
    Candor__V1__PutRequest request = CANDOR__V1__PUT_REQUEST__INIT;
    request.key = bytes(twin->key);
    ProtobufCMessage *response = ask(twin->cluster, 0, "/candor.v1.KV/Put", &request.base,
                                     id_of(&id, 9, 1), &candor__v1__put_response__descriptor, &err);
    twin->done = response != NULL;
    twin->reason = err.reason;
    if (response != NULL)
        protobuf_c_message_free_unpacked(response, NULL);
    return NULL;
}

/* At once, so that some of them meet in one group. */
static void of_different_requests_with_one_id_one_is_executed(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct twin twins[16] = {0};
    pthread_t threads[16];
    for (size_t i = 0; i < 16; i++) {
        twins[i].cluster = cluster;
        snprintf(twins[i].key, sizeof twins[i].key, "k%zu", i);
        assert_int_equal(pthread_create(&threads[i], NULL, put_own_key, &twins[i]), 0);
    }
    size_t done = 0;
    for (size_t i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        assert_true(has(client, twins[i].key, twins[i].done ? "" : NULL));
        assert_int_equal(twins[i].reason,
                         twins[i].done ? CANDOR_REASON_NONE : CANDOR_REASON_REQUEST_ID_REUSED);
        done += twins[i].done;
    }
    assert_int_equal(done, 1);
    candor_client_close(client);
    cluster_free(cluster);
}

static void a_number_that_is_forgotten_is_refused(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct id id;
    struct candor_error err;
    candor__v1__increment_response__free_unpacked(increment(cluster, 0, "n", 1), NULL);
    candor__v1__increment_response__free_unpacked(
        increment(cluster, 0, "n", 1 + LIMIT_REQUESTS_PER_CLIENT), NULL);
    Candor__V1__IncrementRequest request = CANDOR__V1__INCREMENT_REQUEST__INIT;
    request.key = bytes("n");
    request.delta = 1;
    assert_null(ask(cluster, 0, "/candor.v1.KV/Increment", &request.base, id_of(&id, 7, 1),
                    &candor__v1__increment_response__descriptor, &err));
    assert_int_equal(err.code, CANDOR_ABORTED);
    assert_int_equal(err.reason, CANDOR_REASON_REQUEST_TOO_OLD);
    assert_true(has(client, "n", "2"));
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- Over a change of primary ---------------------------------------------------------------- */

static void another_primary_answers_what_its_predecessor_did(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(3);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    Candor__V1__IncrementResponse *first = increment(cluster, 0, "n", 1);
    EVENTUALLY(has(b, "n", "1") && status_of(b).admitted);
    EVENTUALLY(status_of(c).admitted);
    EVENTUALLY(all_committed(a));
    stop(cluster, 0);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(is_primary(b));
    expect_same(first, increment(cluster, 1, "n", 1));
    assert_true(has(b, "n", "1"));
    candor__v1__increment_response__free_unpacked(first, NULL);
    candor_client_close(a);
    candor_client_close(b);
    candor_client_close(c);
    cluster_free(cluster);
}

static enum candor_txn_state status_by(struct candor_client *client,
                                       const struct candor_request_id *request,
                                       const struct candor_pos *pos)
{
    enum candor_txn_state txn_state;
    struct candor_result result;
    enum candor_code code = candor_txn_status(client, request, pos, 5000, &txn_state, &result);
    if (code != CANDOR_OK)
        fail_msg("status: %s: %s", candor_code_name(code), result.error.message);
    candor_result_free(&result);
    return txn_state;
}

/* R21: and what only the fallen primary held is done again where it was lost. */
static void what_was_rolled_back_is_told_and_done_again(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(3);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    must_put(a, "k", "shared");
    struct candor_pos shared = put_pos;
    EVENTUALLY(has(b, "k", "shared") && status_of(b).admitted);
    EVENTUALLY(has(c, "k", "shared") && status_of(c).admitted);
    EVENTUALLY(all_committed(a));
    assert_int_equal(status_by(a, NULL, &shared), CANDOR_TXN_COMMITTED);
    candor_client_close(c);
    stop(cluster, 1);
    stop(cluster, 2);
    Candor__V1__IncrementResponse *lost = increment(cluster, 0, "n", 1);
    struct candor_pos lost_pos = {.epoch = shared.epoch, .seq = lost->pos->seq};
    struct candor_request_id request = {.number = 1};
    memset(request.client_id, 7, sizeof request.client_id);
    assert_int_equal(status_by(a, &request, NULL), CANDOR_TXN_PENDING);
    assert_int_equal(status_by(a, NULL, &lost_pos), CANDOR_TXN_PENDING);
    stop(cluster, 0);

    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(put(b, "k", "won") == CANDOR_OK);
    EVENTUALLY(all_committed(b));
    assert_int_equal(status_by(b, NULL, &shared), CANDOR_TXN_COMMITTED);
    assert_int_equal(status_by(b, NULL, &lost_pos), CANDOR_TXN_ROLLED_BACK);
    assert_int_equal(status_by(b, &request, NULL), CANDOR_TXN_UNKNOWN);
    Candor__V1__IncrementResponse *again = increment(cluster, 1, "n", 1);
    assert_false(again->replayed);
    assert_int_equal(again->value, 1);
    assert_string_equal(again->pos->epoch->owner, "b");

    /* The fallen primary comes back and knows the request as the others do. */
    start(cluster, 0);
    EVENTUALLY(has(a, "k", "won") && has(a, "n", "1"));
    EVENTUALLY(status_by(a, &request, NULL) == CANDOR_TXN_COMMITTED);
    assert_int_equal(status_by(a, NULL, &lost_pos), CANDOR_TXN_ROLLED_BACK);
    candor__v1__increment_response__free_unpacked(lost, NULL);
    candor__v1__increment_response__free_unpacked(again, NULL);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static void positions_beyond_a_node_are_unknown_to_it(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "k", "v");
    struct candor_pos pos = put_pos;
    assert_int_equal(status_by(client, NULL, &pos), CANDOR_TXN_COMMITTED);
    pos.seq += 1000;
    assert_int_equal(status_by(client, NULL, &pos), CANDOR_TXN_UNKNOWN);
    pos.seq -= 1000;
    pos.epoch.term++;
    assert_int_equal(status_by(client, NULL, &pos), CANDOR_TXN_UNKNOWN);
    struct candor_request_id never = {.number = 12};
    assert_int_equal(status_by(client, &never, NULL), CANDOR_TXN_UNKNOWN);
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- Many at once ---------------------------------------------------------------------------- */

enum { CALLERS = 16, ROUNDS = 50 };

struct caller {
    pthread_t thread;
    struct candor_client *client;
    int index;
    int successes;
    int refusals;
    int unknown;
    uint64_t seq;
    struct cluster *cluster;
};

static void run_callers(struct caller *callers, struct cluster *cluster,
                        struct candor_client *client, void *(*run)(void *))
{
    memset(callers, 0, CALLERS * sizeof *callers);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].client = client;
        callers[i].cluster = cluster;
        callers[i].index = i;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
}

static void *take_lock(void *closure)
{
    struct caller *caller = closure;
    struct candor_expect absent = {.kind = CANDOR_EXPECT_ABSENT};
    for (int round = 0; round < ROUNDS; round++) {
        char key[16];
        char value[16];
        struct candor_result result;
        snprintf(key, sizeof key, "lock%d", round);
        snprintf(value, sizeof value, "caller %d", caller->index);
        enum candor_code code = candor_cas(caller->client, candor_text(key), &absent,
                                           candor_text(value), NULL, &result);
        if (code == CANDOR_OK && result.succeeded)
            caller->successes++;
        else if (code == CANDOR_OK && result.item_count == 1 && result.items[0].found)
            caller->refusals++;
        candor_result_free(&result);
    }
    return NULL;
}

static void of_many_that_compare_and_swap_exactly_one_wins(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct caller callers[CALLERS];
    run_callers(callers, cluster, client, take_lock);
    int successes = 0;
    int refusals = 0;
    for (int i = 0; i < CALLERS; i++) {
        successes += callers[i].successes;
        refusals += callers[i].refusals;
    }
    assert_int_equal(successes, ROUNDS);
    assert_int_equal(refusals, (CALLERS - 1) * ROUNDS);
    candor_client_close(client);
    cluster_free(cluster);
}

enum { STOCK = CALLERS * ROUNDS / 2 + 3 };

static void *take_one(void *closure)
{
    struct caller *caller = closure;
    struct candor_bounds bounds = {.has_min = true, .initial = STOCK};
    for (int round = 0; round < ROUNDS; round++) {
        struct candor_result result;
        enum candor_code code =
            candor_increment(caller->client, candor_text("stock"), -1, &bounds, NULL, &result);
        if (code == CANDOR_OK && result.number >= 0 && result.number < STOCK)
            caller->successes++;
        else if (code == CANDOR_OUT_OF_RANGE && result.number == 0)
            caller->refusals++;
        candor_result_free(&result);
    }
    return NULL;
}

static void an_increment_never_crosses_its_bound(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct caller callers[CALLERS];
    run_callers(callers, cluster, client, take_one);
    int successes = 0;
    int refusals = 0;
    for (int i = 0; i < CALLERS; i++) {
        successes += callers[i].successes;
        refusals += callers[i].refusals;
    }
    assert_int_equal(successes, STOCK);
    assert_int_equal(refusals, CALLERS * ROUNDS - STOCK);
    assert_true(has(client, "stock", "0"));
    candor_client_close(client);
    cluster_free(cluster);
}

static void *repeat_same(void *closure)
{
    struct caller *caller = closure;
    Candor__V1__IncrementResponse *response = increment(caller->cluster, 0, "n", 77);
    caller->successes = (int)response->value;
    caller->refusals = response->replayed;
    caller->seq = response->pos->seq;
    candor__v1__increment_response__free_unpacked(response, NULL);
    return NULL;
}

static void the_same_request_many_times_at_once_is_done_once(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    struct caller callers[CALLERS];
    run_callers(callers, cluster, client, repeat_same);
    int replayed = 0;
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].successes, 1);
        assert_true(callers[i].seq == callers[0].seq);
        replayed += callers[i].refusals;
    }
    assert_int_equal(replayed, CALLERS - 1);
    assert_true(has(client, "n", "1"));
    candor_client_close(client);
    cluster_free(cluster);
}

enum { ACCOUNTS = 4, BALANCE = 100 };

static const char *account(int i)
{
    static const char *const keys[ACCOUNTS] = {"acc0", "acc1", "acc2", "acc3"};
    return keys[i];
}

static int balance_of(const struct candor_item *item)
{
    char text[16] = "";
    assert_int_equal(item->value.length, 3);
    memcpy(text, item->value.data, item->value.length);
    return (int)strtol(text, NULL, 10);
}

/* Moves 1 from one account to another if both are as they were read, and the balance stays >= 0. */
static bool transfer(struct candor_client *client, int from, int to)
{
    struct candor_bytes keys[] = {candor_text(account(from)), candor_text(account(to))};
    struct candor_result read;
    assert_int_equal(candor_mget(client, keys, 2, NULL, &read), CANDOR_OK);
    int balances[2];
    struct candor_compare compares[2];
    char values[2][16];
    for (int i = 0; i < 2; i++) {
        balances[i] = balance_of(&read.items[i]);
        compares[i] = (struct candor_compare){
            .key = keys[i], .target = CANDOR_COMPARE_MOD_SEQ, .number = read.items[i].mod_seq};
    }
    candor_result_free(&read);
    if (balances[0] == 0)
        return false;
    snprintf(values[0], sizeof values[0], "%03d", balances[0] - 1);
    snprintf(values[1], sizeof values[1], "%03d", balances[1] + 1);
    struct candor_txn_op ops[] = {
        {.kind = CANDOR_TXN_PUT, .key = keys[0], .value = candor_text(values[0])},
        {.kind = CANDOR_TXN_PUT, .key = keys[1], .value = candor_text(values[1])}};
    struct candor_txn_op look = {.kind = CANDOR_TXN_GET, .key = keys[0]};
    struct candor_txn txn = {.compares = compares,
                             .compare_count = 2,
                             .then_ops = ops,
                             .then_count = 2,
                             .else_ops = &look,
                             .else_count = 1};
    struct candor_result result;
    assert_int_equal(candor_txn(client, &txn, NULL, &result), CANDOR_OK);
    bool succeeded = result.succeeded;
    assert_int_equal(result.item_count, succeeded ? 2 : 1);
    candor_result_free(&result);
    return succeeded;
}

static void *move_money(void *closure)
{
    struct caller *caller = closure;
    for (int round = 0; round < ROUNDS; round++)
        caller->successes += transfer(caller->client, (caller->index + round) % ACCOUNTS,
                                      (caller->index + round + 1 + round % 3) % ACCOUNTS);
    return NULL;
}

static void transfers_by_txn_lose_and_make_no_money(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    for (int i = 0; i < ACCOUNTS; i++)
        must_put(client, account(i), "100");
    struct caller callers[CALLERS];
    run_callers(callers, cluster, client, move_money);
    int sum = 0;
    int successes = 0;
    for (int i = 0; i < CALLERS; i++)
        successes += callers[i].successes;
    for (int i = 0; i < ACCOUNTS; i++) {
        struct candor_result result;
        assert_int_equal(candor_get(client, candor_text(account(i)), NULL, &result), CANDOR_OK);
        sum += balance_of(&result.items[0]);
        candor_result_free(&result);
    }
    assert_int_equal(sum, ACCOUNTS * BALANCE);
    assert_true(successes > 0);
    candor_client_close(client);
    cluster_free(cluster);
}

/* ---- Exactly once, over failovers ------------------------------------------------------------ */

static struct candor_client *client_of_all(struct cluster *cluster)
{
    const char *endpoints[LIMIT_NODES];
    for (uint32_t i = 0; i < cluster->topology.node_count; i++)
        endpoints[i] = cluster->topology.nodes[i].rpc;
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = cluster->topology.node_count,
                                            .deadline_ms = 60000};
    struct candor_client *client;
    assert_int_equal(candor_client_open(&options, &client, NULL), CANDOR_OK);
    return client;
}

static atomic_bool counting;

static void *count_on(void *closure)
{
    struct caller *caller = closure;
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY};
    while (atomic_load(&counting)) {
        struct candor_result result;
        enum candor_code code =
            candor_increment(caller->client, candor_text("count"), 1, NULL, &majority, &result);
        if (code == CANDOR_OK)
            caller->successes++;
        else
            caller->unknown++;
        candor_result_free(&result);
    }
    return NULL;
}

static void every_increment_counts_once_while_primaries_change(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(3);
    struct candor_client *all = client_of_all(cluster);
    struct candor_client *nodes[3];
    struct caller callers[4] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        nodes[i] = client_of(cluster, i);
        EVENTUALLY(status_of(nodes[i]).admitted);
    }
    atomic_store(&counting, true);
    for (int i = 0; i < 4; i++) {
        callers[i].client = all;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, count_on, &callers[i]), 0);
    }
    for (uint32_t round = 0; round < 6; round++) {
        uint32_t fallen = round % 3;
        uint32_t next = (round + 1) % 3;
        uint64_t seq = freshness_of(nodes[next]).commit_seq;
        EVENTUALLY(freshness_of(nodes[next]).commit_seq > seq + 20); /* they count */
        stop(cluster, fallen);
        EVENTUALLY(promote(cluster, next) == CANDOR_OK);
        EVENTUALLY(is_primary(nodes[next]));
        start(cluster, fallen);
    }
    atomic_store(&counting, false);
    int successes = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        successes += callers[i].successes;
        assert_int_equal(callers[i].unknown, 0);
    }
    char expected[16];
    snprintf(expected, sizeof expected, "%d", successes);
    EVENTUALLY(has(nodes[0], "count", expected));
    for (uint32_t i = 0; i < 3; i++)
        candor_client_close(nodes[i]);
    candor_client_close(all);
    cluster_free(cluster);
}

/* ---- Levels and requests --------------------------------------------------------------------- */

/* R34: what a failed condition reveals under MAJORITY can no longer be rolled back. */
static void a_failed_condition_waits_for_what_it_read(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(3);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    must_put(a, "k", "old");
    EVENTUALLY(all_committed(a));
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_expect expect = {.kind = CANDOR_EXPECT_VALUE, .value = candor_text("old")};
    struct candor_result result;
    stop(cluster, 1);
    stop(cluster, 2);
    must_put(a, "k", "new"); /* LOCAL: it may be rolled back */
    assert_int_equal(candor_cas(a, candor_text("k"), &expect, candor_text("x"), NULL, &result),
                     CANDOR_OK);
    assert_false(result.succeeded);
    assert_int_equal(result.ack, CANDOR_ACK_LOCAL);
    assert_int_equal(result.last.seq, put_pos.seq);
    candor_result_free(&result);
    enum candor_reason reason = CANDOR_REASON_NONE; /* the deadline came before it was sent */
    LONGER_DEADLINES(ms)
    {
        majority.deadline_ms = ms;
        assert_int_equal(
            candor_cas(a, candor_text("k"), &expect, candor_text("x"), &majority, &result),
            CANDOR_DEADLINE_EXCEEDED);
        reason = result.error.reason;
        assert_int_equal(result.item_count, 0);
        candor_result_free(&result);
        if (reason != CANDOR_REASON_NONE)
            break;
    }
    assert_int_equal(reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    start(cluster, 1);
    start(cluster, 2);
    majority.deadline_ms = 20000;
    assert_int_equal(candor_cas(a, candor_text("k"), &expect, candor_text("x"), &majority, &result),
                     CANDOR_OK);
    assert_false(result.succeeded);
    assert_int_equal(result.ack, CANDOR_ACK_MAJORITY);
    assert_memory_equal(result.items[0].value.data, "new", 3);
    assert_true(result.freshness.commit_seq >= put_pos.seq);
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* R47: a condition without effect leaves the log as it was. */
static void a_failed_condition_makes_no_record(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    struct candor_client *client = client_of(cluster, 0);
    must_put(client, "k", "v");
    uint64_t last = status_of(client).last.seq;
    struct candor_result result;
    struct candor_expect absent = {.kind = CANDOR_EXPECT_ABSENT};
    struct candor_bounds bounds = {.has_max = true, .max = 0};
    struct candor_txn_op get = {.kind = CANDOR_TXN_GET, .key = candor_text("k")};
    struct candor_txn txn = {.then_ops = &get, .then_count = 1};
    assert_int_equal(candor_cas(client, candor_text("k"), &absent, candor_text("w"), NULL, &result),
                     CANDOR_OK);
    assert_false(result.succeeded);
    candor_result_free(&result);
    assert_int_equal(candor_increment(client, candor_text("n"), 1, &bounds, NULL, &result),
                     CANDOR_OUT_OF_RANGE);
    assert_int_equal(result.number, 0);
    assert_false(result.succeeded);
    candor_result_free(&result);
    assert_int_equal(candor_increment(client, candor_text("k"), 1, NULL, NULL, &result),
                     CANDOR_FAILED_PRECONDITION);
    candor_result_free(&result);
    assert_int_equal(candor_txn(client, &txn, NULL, &result), CANDOR_OK);
    assert_memory_equal(result.items[0].value.data, "v", 1);
    assert_int_equal(result.last.seq, last);
    candor_result_free(&result);
    assert_int_equal(status_of(client).last.seq, last);
    candor_client_close(client);
    cluster_free(cluster);
}

static void bad_conditional_requests_name_the_field_at_fault(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "limits: {value: 1KiB}\n");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    static const uint8_t zeros[2048];
    Candor__V1__CompareAndSwapRequest no_expect = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__INIT;
    no_expect.key = bytes("k");
    Candor__V1__CompareAndSwapRequest no_key = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__INIT;
    Candor__V1__CompareAndSwapRequest large = CANDOR__V1__COMPARE_AND_SWAP_REQUEST__INIT;
    large.key = bytes("k");
    large.value = (ProtobufCBinaryData){1025, (uint8_t *)(uintptr_t)zeros};
    Candor__V1__IncrementRequest nameless = CANDOR__V1__INCREMENT_REQUEST__INIT;
    Candor__V1__TxnRequest empty = CANDOR__V1__TXN_REQUEST__INIT;
    Candor__V1__TxnOp op = CANDOR__V1__TXN_OP__INIT;
    Candor__V1__TxnOp *ops[] = {&op};
    Candor__V1__TxnRequest half = CANDOR__V1__TXN_REQUEST__INIT;
    half.n_else_ops = 1;
    half.else_ops = ops;
    Candor__V1__Compare compare = CANDOR__V1__COMPARE__INIT;
    Candor__V1__Compare *compares[] = {&compare};
    compare.key = bytes("k");
    Candor__V1__TxnRequest no_target = CANDOR__V1__TXN_REQUEST__INIT;
    no_target.n_compare = 1;
    no_target.compare = compares;
    const struct bad_request cases[] = {
        {"/candor.v1.KV/CompareAndSwap", &no_expect.base, CANDOR_INVALID_ARGUMENT, "expect_value"},
        {"/candor.v1.KV/CompareAndSwap", &no_key.base, CANDOR_INVALID_ARGUMENT, "key"},
        {"/candor.v1.KV/CompareAndSwap", &large.base, CANDOR_RESOURCE_EXHAUSTED, "limits.value"},
        {"/candor.v1.KV/Increment", &nameless.base, CANDOR_INVALID_ARGUMENT, "key"},
        {"/candor.v1.KV/Txn", &empty.base, CANDOR_INVALID_ARGUMENT, "then_ops"},
        {"/candor.v1.KV/Txn", &half.base, CANDOR_INVALID_ARGUMENT, "else_ops[0]"},
        {"/candor.v1.KV/Txn", &no_target.base, CANDOR_INVALID_ARGUMENT, "compare[0]"},
    };
    expect_refused(cluster, cases, sizeof cases / sizeof cases[0]);
    candor_client_close(client);
    cluster_free(cluster);
}

static void bad_questions_for_a_status_name_the_field_at_fault(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_up(1);
    Candor__V1__TxnStatusRequest of_nothing = CANDOR__V1__TXN_STATUS_REQUEST__INIT;
    Candor__V1__Pos zero = CANDOR__V1__POS__INIT;
    Candor__V1__TxnStatusRequest of_zero = CANDOR__V1__TXN_STATUS_REQUEST__INIT;
    of_zero.of_case = CANDOR__V1__TXN_STATUS_REQUEST__OF_POS;
    of_zero.pos = &zero;
    Candor__V1__RequestId short_id = CANDOR__V1__REQUEST_ID__INIT;
    Candor__V1__TxnStatusRequest of_short = CANDOR__V1__TXN_STATUS_REQUEST__INIT;
    of_short.of_case = CANDOR__V1__TXN_STATUS_REQUEST__OF_REQUEST_ID;
    of_short.request_id = &short_id;
    const struct bad_request cases[] = {
        {"/candor.v1.KV/TxnStatus", &of_nothing.base, CANDOR_INVALID_ARGUMENT, "request_id"},
        {"/candor.v1.KV/TxnStatus", &of_zero.base, CANDOR_INVALID_ARGUMENT, "pos.seq"},
        {"/candor.v1.KV/TxnStatus", &of_short.base, CANDOR_INVALID_ARGUMENT, "request_id"},
    };
    expect_refused(cluster, cases, sizeof cases / sizeof cases[0]);
    cluster_free(cluster);
}

int main(void)
{
    logging_set_level(getenv("CANDOR_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_request_is_answered_and_not_done_again),
        cmocka_unit_test(every_kind_of_write_is_answered_as_it_was),
        cmocka_unit_test(the_rest_of_a_batch_is_done_once),
        cmocka_unit_test(another_batch_is_not_taken_for_the_rest),
        cmocka_unit_test(of_different_requests_with_one_id_one_is_executed),
        cmocka_unit_test(a_client_that_was_copied_is_told_and_goes_on),
        cmocka_unit_test(a_request_id_is_not_taken_for_another_request),
        cmocka_unit_test(a_number_that_is_forgotten_is_refused),
        cmocka_unit_test(another_primary_answers_what_its_predecessor_did),
        cmocka_unit_test(what_was_rolled_back_is_told_and_done_again),
        cmocka_unit_test(positions_beyond_a_node_are_unknown_to_it),
        cmocka_unit_test(of_many_that_compare_and_swap_exactly_one_wins),
        cmocka_unit_test(an_increment_never_crosses_its_bound),
        cmocka_unit_test(the_same_request_many_times_at_once_is_done_once),
        cmocka_unit_test(transfers_by_txn_lose_and_make_no_money),
        cmocka_unit_test(every_increment_counts_once_while_primaries_change),
        cmocka_unit_test(a_failed_condition_waits_for_what_it_read),
        cmocka_unit_test(a_failed_condition_makes_no_record),
        cmocka_unit_test(bad_conditional_requests_name_the_field_at_fault),
        cmocka_unit_test(bad_questions_for_a_status_name_the_field_at_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
