/* A walk over the pages of a range. */
#include "cli/keys/walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

/* ---- The range ---- */

bool range_is_given(const struct command_context *ctx)
{
    return option_given(ctx, "prefix") || option_given(ctx, "start") || option_given(ctx, "end");
}

static bool read_bound(struct command_context *ctx, const char *name, struct candor_bytes *out,
                       uint8_t **owned)
{
    const char *text = option_text(ctx, name);
    *owned = NULL;
    *out = text != NULL ? candor_text(text) : (struct candor_bytes){0};
    if (out->length > 0 && option_given(ctx, "key-b64")) {
        *owned = base64_decode(text, &out->length);
        out->data = *owned;
        if (*owned == NULL) {
            report_usage(ctx, NULL, "--%s: '%s' is not base64, which --key-b64 asks for", name,
                         text);
            return false;
        }
    }
    if (out->length <= CANDOR_KEY_BYTES_MAX)
        return true;
    report_usage(ctx, NULL, "--%s: a key has 1 to %d bytes, not %zu", name, CANDOR_KEY_BYTES_MAX,
                 out->length);
    return false;
}

bool range_read(struct command_context *ctx, struct range_given *out, int *status)
{
    *out = (struct range_given){0};
    *status = EXIT_USAGE;
    if (option_given(ctx, "prefix") && (option_given(ctx, "start") || option_given(ctx, "end"))) {
        report_usage(ctx, NULL, "--prefix excludes --start and --end");
        return false;
    }
    if (!read_bound(ctx, "prefix", &out->range.prefix, &out->owned[0]) ||
        !read_bound(ctx, "start", &out->range.start, &out->owned[1]) ||
        !read_bound(ctx, "end", &out->range.end, &out->owned[2]))
        return false;
    *status = EXIT_DONE;
    return true;
}

void range_free(struct range_given *given)
{
    for (size_t i = 0; i < sizeof given->owned / sizeof given->owned[0]; i++)
        free(given->owned[i]);
}

static void print_bound(FILE *to, const char *before, struct candor_bytes key)
{
    if (key.length == 0)
        return;
    fprintf(to, "%s'", before);
    print_escaped(key, to);
    fputc('\'', to);
}

char *range_said(const struct range_given *given)
{
    const struct candor_range *range = &given->range;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    ASSERT(to != NULL);
    if (range->prefix.length + range->start.length + range->end.length == 0)
        fputs("in the whole cluster", to);
    print_bound(to, "with the prefix ", range->prefix);
    print_bound(to, "from ", range->start);
    print_bound(to, range->start.length > 0 ? " to before " : "before ", range->end);
    fclose(to);
    return text;
}

/* ---- The walk ---- */

/* Remembers where the page ended: its memory goes. */
static bool next_page(struct walk *walk)
{
    const struct candor_result *result = &walk->result;
    if (!result->more || walk->items >= walk->limit)
        return false;
    struct candor_bytes key = result->items[result->item_count - 1].key;
    size_t length = key.length < sizeof walk->last_key ? key.length : sizeof walk->last_key;
    memcpy(walk->last_key, key.data, length);
    walk->range.after = (struct candor_bytes){walk->last_key, length};
    return true;
}

bool walk_page(struct walk *walk, int *status)
{
    uint64_t left = walk->limit - walk->items;
    *status = EXIT_DONE;
    walk->range.limit = left < LIMIT_SCAN_ITEMS ? (uint32_t)left : 0;
    if (walk->page != 0 && (walk->range.limit == 0 || walk->range.limit > walk->page))
        walk->range.limit = walk->page;
    candor_result_free(&walk->result);
    if (candor_scan(walk->client, &walk->range, &walk->options, &walk->result) != CANDOR_OK) {
        *status = report_read(walk->ctx, &walk->result);
        return false;
    }
    walk->pages++;
    walk->lowest_rung =
        walk->result.rung > walk->lowest_rung ? walk->result.rung : walk->lowest_rung;
    walk->applied_last = walk->result.freshness.applied_seq;
    if (walk->pages == 1)
        walk->applied_first = walk->applied_last;
    for (size_t i = 0; i < walk->result.item_count && walk->items < walk->limit; i++) {
        if (walk->take != NULL)
            walk->take(walk, &walk->result.items[i]);
        walk->items++;
    }
    return next_page(walk);
}

int walk_run(struct walk *walk)
{
    int status;
    struct session session;
    if (!read_options(walk->ctx, &walk->options, &walk->ladder, &status))
        return status;
    walk->client = context_client(walk->ctx, &status);
    if (walk->client == NULL || !session_begin(walk->ctx, walk->client, &session, &status))
        return status;
    while (walk_page(walk, &status))
        ;
    return session_end(walk->ctx, walk->client, &session, status);
}

void walk_note(const struct walk *walk)
{
    note_freshness(walk->ctx, &walk->result);
    if (walk->lowest_rung != walk->result.rung)
        output_note(walk->ctx, "a page before met rung %u only", walk->lowest_rung);
    if (walk->applied_first != walk->applied_last)
        output_note(walk->ctx,
                    "%" PRIu64 " pages, read at positions %" PRIu64 " to %" PRIu64
                    ": writes in between are seen in part",
                    walk->pages, walk->applied_first, walk->applied_last);
}
