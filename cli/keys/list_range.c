/* The keys of a range, listed or counted. */
#include "cli/keys/list_range.h"

#include <inttypes.h>

static void take_line(struct walk *walk, const struct candor_item *item)
{
    print_escaped(item->key, stdout);
    if (!walk->range.keys_only) {
        putchar('\t');
        print_escaped(item->value, stdout);
    }
    putchar('\n');
}

static void take_json(struct walk *walk, const struct candor_item *item)
{
    json_array_append_new(walk->list, json_item(item, walk->range.keys_only));
}

static void tell_json(struct walk *walk)
{
    json_t *out = json_object();
    if (walk->list != NULL)
        json_object_set(out, "items", walk->list);
    else
        json_object_set_new(out, "count", json_u64(walk->items));
    json_object_set_new(out, "more", json_boolean(walk->result.more));
    json_set_answer(out, &walk->result);
    ladder_json(walk->ctx, out, &walk->result);
    if (walk->lowest_rung > 0)
        json_object_set_new(out, "lowest_rung", json_u64(walk->lowest_rung));
    output_json(walk->ctx, out);
}

static void tell(struct walk *walk)
{
    if (context_json(walk->ctx)) {
        tell_json(walk);
        return;
    }
    if (walk->take == NULL)
        printf("%" PRIu64 "\n", walk->items);
    walk_note(walk);
}

int list_range(struct command_context *ctx)
{
    struct walk walk = {.ctx = ctx, .limit = UINT64_MAX};
    struct range_given given;
    bool counts = option_given(ctx, "count-only");
    int status;
    if (!option_number(ctx, "limit", 1, UINT64_MAX - 1, &walk.limit))
        return EXIT_USAGE;
    if (range_read(ctx, &given, &status)) {
        walk.range = given.range;
        walk.range.reverse = option_given(ctx, "reverse");
        walk.range.keys_only = counts || option_given(ctx, "keys-only");
        if (!counts)
            walk.take = context_json(ctx) ? take_json : take_line;
        if (!counts && context_json(ctx))
            walk.list = json_array();
        status = walk_run(&walk);
        if (status == EXIT_DONE)
            tell(&walk);
        json_decref(walk.list);
        candor_result_free(&walk.result);
    }
    range_free(&given);
    return status;
}
