/* One operation of kvctl bench as a call of libcandor: waited for, or submitted. */
#include "base/assert.h"
#include "cli/tools/bench.h"

static enum bench_call_kind kind_of(const struct bench_draw *draw, const struct bench_work *work)
{
    if (work->op == BENCH_TXN)
        return BENCH_CALL_TXN;
    if (work->op == BENCH_SCAN)
        return BENCH_CALL_SCAN;
    if (draw->is_write)
        return draw->count > 1 ? BENCH_CALL_BATCH : BENCH_CALL_PUT;
    return draw->count > 1 ? BENCH_CALL_MGET : BENCH_CALL_GET;
}

/* If the first key exists: reads it, and writes the second one. */
static void make_txn(struct bench_call *call)
{
    const struct bench_draw *draw = call->draw;
    call->there = (struct candor_compare){
        .key = draw->keys[0], .target = CANDOR_COMPARE_EXISTS, .exists = true};
    call->txn_ops[0] = (struct candor_txn_op){.kind = CANDOR_TXN_GET, .key = draw->keys[0]};
    call->txn_ops[1] =
        (struct candor_txn_op){.kind = CANDOR_TXN_PUT, .key = draw->keys[1], .value = call->value};
    call->txn = (struct candor_txn){
        .compares = &call->there, .compare_count = 1, .then_ops = call->txn_ops, .then_count = 2};
}

void bench_call_make(struct bench_call *call, const struct bench_draw *draw,
                     const struct bench *bench)
{
    const struct bench_work *work = &bench->work;
    call->draw = draw;
    call->kind = kind_of(draw, work);
    call->value = (struct candor_bytes){bench->value, work->value_bytes};
    call->read = (struct candor_read_options){.level = work->level,
                                              .max_staleness_ms = work->max_staleness_ms};
    call->write = (struct candor_write_options){.ack = work->ack};
    call->range = (struct candor_range){.start = draw->keys[0], .limit = (uint32_t)work->batch};
    if (call->kind == BENCH_CALL_TXN)
        make_txn(call);
    for (size_t i = 0; i < draw->count && call->kind == BENCH_CALL_BATCH; i++)
        draw->ops[i] = (struct candor_op){.key = draw->keys[i], .value = call->value};
}

void bench_call_wait(const struct bench_call *call, struct candor_client *client,
                     struct candor_result *result)
{
    const struct bench_draw *draw = call->draw;
    switch (call->kind) {
    case BENCH_CALL_GET:
        candor_get(client, draw->keys[0], &call->read, result);
        return;
    case BENCH_CALL_MGET:
        candor_mget(client, draw->keys, draw->count, &call->read, result);
        return;
    case BENCH_CALL_SCAN:
        candor_scan(client, &call->range, &call->read, result);
        return;
    case BENCH_CALL_PUT:
        candor_put(client, draw->keys[0], call->value, &call->write, result);
        return;
    case BENCH_CALL_BATCH:
        candor_batch(client, draw->ops, draw->count, &call->write, result);
        return;
    case BENCH_CALL_TXN:
        candor_txn(client, &call->txn, &call->write, result);
        return;
    }
    ASSERT(false);
}

enum candor_code bench_call_submit(const struct bench_call *call, struct candor_client *client,
                                   const struct candor_sink *sink, struct candor_error *err)
{
    const struct bench_draw *draw = call->draw;
    switch (call->kind) {
    case BENCH_CALL_GET:
        return candor_submit_get(client, draw->keys[0], &call->read, sink, err);
    case BENCH_CALL_MGET:
        return candor_submit_mget(client, draw->keys, draw->count, &call->read, sink, err);
    case BENCH_CALL_SCAN:
        return candor_submit_scan(client, &call->range, &call->read, sink, err);
    case BENCH_CALL_PUT:
        return candor_submit_put(client, draw->keys[0], call->value, &call->write, sink, err);
    case BENCH_CALL_BATCH:
        return candor_submit_batch(client, draw->ops, draw->count, &call->write, sink, err);
    case BENCH_CALL_TXN:
        return candor_submit_txn(client, &call->txn, &call->write, sink, err);
    }
    ASSERT(false);
}

bool bench_open_client(struct bench *bench, struct candor_client **out)
{
    const char *endpoints[LIMIT_NODES];
    for (size_t i = 0; i < bench->place.endpoint_count; i++)
        endpoints[i] = bench->place.endpoints[i];
    /* An operation is in flight until its callback has returned, when the next may be, too. */
    uint32_t operations = (uint32_t)bench->work.callers * 2 + 64;
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = bench->place.endpoint_count,
                                            .deadline_ms = bench->work.deadline_ms,
                                            .operations = operations};
    return candor_client_open(&options, out, &bench->tally->error) == CANDOR_OK;
}
