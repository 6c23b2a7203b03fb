/* Several writes as one. */
#include "cli/keys/several.h"

#include "cli/keys/writing.h"

struct several {
    struct candor_txn txn;
    bool deletes;
};

static enum candor_code call_several(struct candor_client *client,
                                     const struct candor_write_options *options,
                                     struct candor_result *result, void *closure)
{
    const struct several *several = closure;
    return candor_txn(client, &several->txn, options, result);
}

static void tell_json(struct command_context *ctx, const struct several *several,
                      const struct candor_result *result)
{
    json_t *keys = json_array();
    json_int_t found = 0;
    for (size_t i = 0; i < result->item_count; i++) {
        json_t *one = json_object();
        json_set_bytes(one, "key", result->items[i].key.data, result->items[i].key.length);
        json_object_set_new(one, "found", json_boolean(result->items[i].found));
        json_array_append_new(keys, one);
        found += result->items[i].found;
    }
    json_t *out = json_object();
    json_object_set_new(out, "keys", keys);
    if (several->deletes)
        json_object_set_new(out, "deleted", json_integer(found));
    else
        json_object_set_new(out, "written", json_integer((json_int_t)result->item_count));
    json_set_written(out, result);
    output_json(ctx, out);
}

static int tell_several(struct command_context *ctx, const struct candor_result *result,
                        void *closure)
{
    const struct several *several = closure;
    if (context_json(ctx)) {
        tell_json(ctx, several, result);
        return EXIT_DONE;
    }
    for (size_t i = 0; several->deletes && i < result->item_count; i++) {
        print_escaped(result->items[i].key, stdout);
        printf("\t%s\n", result->items[i].found ? "deleted" : "there was no such key");
    }
    print_position(result);
    if (!several->deletes)
        printf(", %zu keys", result->item_count);
    putchar('\n');
    note_lost(ctx, result);
    return EXIT_DONE;
}

int several_write(struct command_context *ctx, const struct candor_txn_op *ops, size_t count)
{
    struct several several = {.txn = {.then_ops = ops, .then_count = count},
                              .deletes = ops[0].kind == CANDOR_TXN_DELETE};
    return write_run(ctx, &(struct writing){call_several, tell_several, .closure = &several});
}
