/* The keys of kvctl bench: written before, deleted afterwards. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "candor/v1/kv.pb-c.h"
#include "cli/tools/bench.h"

#define BATCH_BYTES ((size_t)1 << 20)
#define OVERHEAD_BYTES 32 /* of one operation in a message, at most */
#define AWAIT_MS 10000

/* ---- One batch after the other ---- */

struct writer {
    struct candor_client *client;
    struct candor_op *ops; /* room for CANDOR_BATCH_OPS_MAX */
    char *room;
    size_t count;
    size_t key_bytes;
};

static bool writer_init(struct writer *writer, struct command_context *ctx, size_t key_bytes,
                        int *status)
{
    memset(writer, 0, sizeof *writer);
    writer->client = context_client(ctx, status);
    if (writer->client == NULL)
        return false;
    writer->key_bytes = key_bytes;
    writer->ops = calloc(CANDOR_BATCH_OPS_MAX, sizeof *writer->ops);
    writer->room = malloc(CANDOR_BATCH_OPS_MAX * (key_bytes + 1));
    ASSERT(writer->ops != NULL && writer->room != NULL);
    return true;
}

static void writer_free(struct writer *writer)
{
    free(writer->ops);
    free(writer->room);
}

/* The next operation's key: key_bytes + 1. */
static char *writer_key(struct writer *writer)
{
    return writer->room + writer->count * (writer->key_bytes + 1);
}

static void writer_add(struct writer *writer, size_t key_length, struct candor_bytes value,
                       bool is_delete)
{
    writer->ops[writer->count] = (struct candor_op){
        .is_delete = is_delete, .key = {writer_key(writer), key_length}, .value = value};
    writer->count++;
}

static bool writer_flush(struct writer *writer, struct command_context *ctx, int *status)
{
    struct candor_result result = {0};
    if (writer->count == 0)
        return true;
    bool good =
        candor_batch(writer->client, writer->ops, writer->count, NULL, &result) == CANDOR_OK;
    writer->count = 0;
    if (!good)
        *status = report_result(ctx, &result.error, &result, NULL);
    candor_result_free(&result);
    return good;
}

static size_t batch_ops(const struct bench_work *work, bool is_delete)
{
    size_t bytes = work->key_bytes + OVERHEAD_BYTES + (is_delete ? 0 : work->value_bytes);
    size_t fit = BATCH_BYTES / bytes;
    return fit == 0 ? 1 : fit < CANDOR_BATCH_OPS_MAX ? fit : CANDOR_BATCH_OPS_MAX;
}

/* Writes or deletes the keys below `end`. *reached: those that may have been. */
static bool write_keys(struct command_context *ctx, const struct bench *bench, bool is_delete,
                       uint64_t end, uint64_t *reached, int *status)
{
    struct writer writer;
    const struct bench_work *work = &bench->work;
    struct candor_bytes value = {bench->value, is_delete ? 0 : work->value_bytes};
    if (!writer_init(&writer, ctx, work->key_bytes, status))
        return false;
    size_t most = batch_ops(work, is_delete);
    bool good = true;
    for (uint64_t n = 0; n < end && good && (is_delete || !interrupt_seen());) {
        for (; writer.count < most && n < end; n++) {
            bench_key(work, n, writer_key(&writer));
            writer_add(&writer, work->key_bytes, value, is_delete);
        }
        *reached = n;
        good = writer_flush(&writer, ctx, status);
    }
    writer_free(&writer);
    return good;
}

/* ---- Before and after a run ---- */

static bool scan_page(struct command_context *ctx, struct candor_range *range,
                      struct candor_result *result, int *status)
{
    struct candor_client *client = context_client(ctx, status);
    struct candor_read_options newest = {.level = CANDOR_READ_LINEARIZABLE};
    if (client == NULL)
        return false;
    if (candor_scan(client, range, &newest, result) == CANDOR_OK)
        return true;
    *status = report_result(ctx, &result->error, result, NULL);
    return false;
}

bool bench_none_there(struct command_context *ctx, int *status)
{
    struct candor_result result = {0};
    struct candor_range range = {
        .prefix = candor_text(BENCH_PREFIX), .limit = 1, .keys_only = true};
    bool asked = scan_page(ctx, &range, &result, status);
    bool none = asked && result.item_count == 0;
    candor_result_free(&result);
    if (asked && !none) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                         "keys " BENCH_PREFIX "* are there already: of `kvctl bench load`, of a "
                         "run that goes on, or of one that was killed");
        *status = report_error(ctx, &error,
                               "measure with them under --loaded, or delete them with "
                               "`kvctl bench clean`");
    }
    return none;
}

bool bench_load(struct command_context *ctx, const struct bench *bench, uint64_t *made, int *status)
{
    return write_keys(ctx, bench, false, bench->work.keys, made, status);
}

void bench_await_keys(struct command_context *ctx, const struct bench *bench)
{
    struct candor_token token;
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    char key[CANDOR_KEY_BYTES_MAX + 1];
    candor_client_token(context_client(ctx, NULL), &token);
    size_t length = candor_token_export(&token, bytes);
    bench_key(&bench->work, 0, key);
    Candor__V1__GetRequest request = CANDOR__V1__GET_REQUEST__INIT;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION;
    options.token = candor__v1__session_token__unpack(NULL, length, bytes);
    request.key = (ProtobufCBinaryData){.data = (uint8_t *)key, .len = bench->work.key_bytes};
    request.options = &options;
    struct candor_result result = {0};
    ProtobufCMessage *response =
        node_call(bench->place.target.address, "/candor.v1.KV/Get", &request.base,
                  &candor__v1__get_response__descriptor, AWAIT_MS, &result);
    if (response != NULL)
        protobuf_c_message_free_unpacked(response, NULL);
    candor_result_free(&result);
    candor__v1__session_token__free_unpacked(options.token, NULL);
}

bool bench_unload(struct command_context *ctx, const struct bench *bench, uint64_t made,
                  int *status)
{
    uint64_t reached = 0;
    return write_keys(ctx, bench, true, made, &reached, status);
}

/* ---- Of runs that were killed ---- */

static bool is_ours(struct candor_bytes key)
{
    const char *digits = (const char *)key.data + strlen(BENCH_PREFIX);
    size_t length = key.length - strlen(BENCH_PREFIX);
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    }
    return length > 0;
}

static bool clean_page(struct writer *writer, struct command_context *ctx,
                       const struct candor_result *page, uint64_t *deleted, int *status)
{
    for (size_t i = 0; i < page->item_count; i++) {
        struct candor_bytes key = page->items[i].key;
        if (!is_ours(key))
            continue;
        memcpy(writer_key(writer), key.data, key.length);
        writer_add(writer, key.length, (struct candor_bytes){NULL, 0}, true);
        if (writer->count == CANDOR_BATCH_OPS_MAX && !writer_flush(writer, ctx, status))
            return false;
        ++*deleted;
    }
    return writer_flush(writer, ctx, status);
}

bool bench_clean(struct command_context *ctx, uint64_t *deleted, int *status)
{
    struct writer writer;
    char last[CANDOR_KEY_BYTES_MAX];
    struct candor_range range = {.prefix = candor_text(BENCH_PREFIX), .keys_only = true};
    bool more = true;
    bool good = writer_init(&writer, ctx, CANDOR_KEY_BYTES_MAX, status);
    while (good && more) {
        struct candor_result page = {0};
        good = scan_page(ctx, &range, &page, status) &&
               clean_page(&writer, ctx, &page, deleted, status);
        more = good && page.more && page.item_count > 0;
        if (more) {
            struct candor_bytes key = page.items[page.item_count - 1].key;
            memcpy(last, key.data, key.length);
            range.after = (struct candor_bytes){last, key.length};
        }
        candor_result_free(&page);
    }
    writer_free(&writer);
    return good;
}
