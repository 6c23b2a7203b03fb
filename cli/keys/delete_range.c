/* Deleting a range of keys: counted, asked about, deleted page by page. */
#include "cli/keys/delete_range.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/keys/progress.h"
#include "cli/keys/walk.h"
#include "cli/keys/writing.h"

#define OVERHEAD_BYTES 32 /* of one operation in a message, at most */

struct deletion {
    struct command_context *ctx;
    struct candor_client *client;
    struct range_given given;
    struct candor_write_options options;
    size_t batch_bytes;
    struct progress progress;
    uint64_t deleted;
    struct candor_result result; /* of the newest batch */
    struct candor_op ops[CANDOR_BATCH_OPS_MAX];
};

/* Nothing that was acknowledged before is to be missed. */
static struct walk begin_walk(const struct deletion *deletion)
{
    struct walk walk = {.ctx = deletion->ctx,
                        .client = deletion->client,
                        .options = {.level = CANDOR_READ_LINEARIZABLE},
                        .range = deletion->given.range,
                        .page = CANDOR_BATCH_OPS_MAX,
                        .limit = UINT64_MAX};
    walk.range.keys_only = true;
    return walk;
}

static int report_interrupted(struct deletion *deletion)
{
    struct candor_error error;
    candor_error_set(&error, CANDOR_CANCELLED, CANDOR_REASON_NONE,
                     "interrupted: %" PRIu64 " keys were deleted before", deletion->deleted);
    return report_error(deletion->ctx, &error, "the same command goes on with the others");
}

/* ---- How many ---- */

/* False after a report, an interrupt too. */
static bool count_keys(struct deletion *deletion, uint64_t *out, int *status)
{
    struct walk walk = begin_walk(deletion);
    deletion->progress = progress_begin(deletion->ctx);
    while (walk_page(&walk, status) && !interrupt_seen())
        progress_show(&deletion->progress, walk.items, "keys counted");
    progress_end(&deletion->progress);
    candor_result_free(&walk.result);
    *out = walk.items;
    if (*status == EXIT_DONE && interrupt_seen())
        *status = report_interrupted(deletion);
    return *status == EXIT_DONE;
}

static int tell_count(struct command_context *ctx, uint64_t count)
{
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:o}", "count", json_u64(count)));
    else
        printf("%" PRIu64 "\n", count);
    return EXIT_DONE;
}

/* Whether to go on. */
static bool ask(struct deletion *deletion, int *status)
{
    struct command_context *ctx = deletion->ctx;
    uint64_t count;
    if (option_given(ctx, "yes"))
        return true;
    if (!isatty(STDIN_FILENO))
        return command_confirm(ctx, false, "", status); /* it says so */
    if (!count_keys(deletion, &count, status) || count == 0)
        return *status == EXIT_DONE;
    char *range = range_said(&deletion->given);
    char *question = NULL;
    ASSERT(asprintf(&question, "Delete %" PRIu64 " key%s %s?", count, count == 1 ? "" : "s",
                    range) > 0);
    bool yes = command_confirm(ctx, false, question, status);
    free(question);
    free(range);
    return yes;
}

/* ---- Deleting ---- */

static bool send_batch(struct deletion *deletion, size_t count, int *status)
{
    candor_result_free(&deletion->result);
    if (candor_batch(deletion->client, deletion->ops, count, &deletion->options,
                     &deletion->result) == CANDOR_OK) {
        for (size_t i = 0; i < deletion->result.found_count; i++)
            deletion->deleted += deletion->result.found[i];
        progress_show(&deletion->progress, deletion->deleted, "keys deleted");
        return true;
    }
    *status = report_result(deletion->ctx, &deletion->result.error, &deletion->result, NULL);
    return false;
}

/* The keys of one page, in batches that fit a message. */
static bool delete_page(struct deletion *deletion, const struct candor_result *page, int *status)
{
    size_t count = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < page->item_count; i++) {
        struct candor_bytes key = page->items[i].key;
        if (count > 0 && bytes + key.length + OVERHEAD_BYTES > deletion->batch_bytes) {
            if (!send_batch(deletion, count, status))
                return false;
            count = 0;
            bytes = 0;
        }
        deletion->ops[count++] = (struct candor_op){.is_delete = true, .key = key};
        bytes += key.length + OVERHEAD_BYTES;
    }
    return count == 0 || send_batch(deletion, count, status);
}

static int delete_pages(struct deletion *deletion)
{
    int status = EXIT_DONE;
    struct walk walk = begin_walk(deletion);
    deletion->progress = progress_begin(deletion->ctx);
    for (bool more = true; more && status == EXIT_DONE && !interrupt_seen();) {
        more = walk_page(&walk, &status);
        if (status == EXIT_DONE)
            delete_page(deletion, &walk.result, &status);
    }
    candor_result_free(&walk.result);
    return status;
}

/* ---- What became of it ---- */

static void tell_json(struct deletion *deletion)
{
    json_t *out = json_object();
    json_object_set_new(out, "deleted", json_u64(deletion->deleted));
    if (deletion->result.found_count > 0) {
        json_set_written(out, &deletion->result);
    } else { /* nothing was there */
        json_object_set_new(out, "pos", json_null());
        json_object_set_new(out, "ack", json_null());
        json_object_set_new(out, "replayed", json_false());
        json_object_set_new(out, "token", json_null());
        json_object_set_new(out, "freshness", json_null());
    }
    output_json(deletion->ctx, out);
}

static void tell(struct deletion *deletion, double seconds)
{
    if (context_json(deletion->ctx)) {
        tell_json(deletion);
        return;
    }
    printf("deleted %" PRIu64 " key%s", deletion->deleted, deletion->deleted == 1 ? "" : "s");
    if (deletion->deleted > 0) {
        printf(" in %.1f s, last ", seconds);
        print_position(&deletion->result);
    }
    putchar('\n');
    note_lost(deletion->ctx, &deletion->result);
}

static int delete_all(struct deletion *deletion)
{
    int status = EXIT_DONE;
    uint64_t count;
    if (option_given(deletion->ctx, "count-only"))
        return count_keys(deletion, &count, &status) ? tell_count(deletion->ctx, count) : status;
    if (!ask(deletion, &status))
        return status;
    status = delete_pages(deletion);
    double seconds = progress_end(&deletion->progress);
    if (status == EXIT_DONE && interrupt_seen())
        return report_interrupted(deletion);
    if (status == EXIT_DONE)
        tell(deletion, seconds);
    else
        output_note(deletion->ctx, "del: %" PRIu64 " keys were deleted before", deletion->deleted);
    return status;
}

int delete_range(struct command_context *ctx)
{
    int status;
    struct session session;
    struct deletion *deletion = calloc(1, sizeof *deletion);
    ASSERT(deletion != NULL);
    deletion->ctx = ctx;
    if (!range_read(ctx, &deletion->given, &status))
        goto cleanup;
    deletion->options = write_options(ctx);
    deletion->batch_bytes = write_batch_bytes(ctx);
    deletion->client = context_client(ctx, &status);
    if (deletion->client == NULL || !session_begin(ctx, deletion->client, &session, &status))
        goto cleanup;
    interrupt_begin();
    status = delete_all(deletion);
    interrupt_end();
    status = session_end(ctx, deletion->client, &session, status);
    candor_result_free(&deletion->result);
cleanup:
    range_free(&deletion->given);
    free(deletion);
    return status;
}
