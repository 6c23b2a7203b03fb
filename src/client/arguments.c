/* What programs pass, looked at. */
#include "client/arguments.h"

#include "base/limits.h"
#include "base/rungs.h"

void arguments_wrong(struct arguments *arguments, const char *what, const char *why)
{
    if (arguments->what != NULL)
        return;
    arguments->what = what;
    arguments->why = why;
}

void arguments_need(struct arguments *arguments, const char *what, const void *pointer)
{
    if (pointer == NULL)
        arguments_wrong(arguments, what, "NULL");
}

void arguments_need_list(struct arguments *arguments, const char *what, const void *list,
                         size_t count)
{
    if (list == NULL && count > 0)
        arguments_wrong(arguments, what, "NULL, and its count is not 0");
}

void arguments_bytes(struct arguments *arguments, const char *what, struct candor_bytes bytes)
{
    if (bytes.data == NULL && bytes.length > 0)
        arguments_wrong(arguments, what, "its data are NULL, and its length is not 0");
    else if (bytes.length > PTRDIFF_MAX)
        arguments_wrong(arguments, what, "its length is no length");
}

void arguments_known(struct arguments *arguments, const char *what, const uint64_t *reserved,
                     size_t count)
{
    for (size_t i = 0; reserved != NULL && i < count; i++)
        if (reserved[i] != 0)
            arguments_wrong(arguments, what,
                            "a field is set that libcandor " CANDOR_VERSION
                            " does not know: the program was "
                            "built for a later one, or did not begin with zeros");
}

void arguments_epoch(struct arguments *arguments, const char *what,
                     const struct candor_epoch *epoch)
{
    if (epoch != NULL && memchr(epoch->owner.text, '\0', sizeof epoch->owner.text) == NULL)
        arguments_wrong(arguments, what, "the owner of its epoch is not terminated");
}

static void arguments_route(struct arguments *arguments, const char *what, enum candor_route route)
{
    if ((unsigned)route > CANDOR_ROUTE_FRESHEST)
        arguments_wrong(arguments, what, "unknown value");
}

static void read_ladder(struct arguments *arguments, const struct candor_read_options *options)
{
    static const char *const names[LIMIT_READ_RUNGS] = {
        "options.ladder[0]", "options.ladder[1]", "options.ladder[2]", "options.ladder[3]",
        "options.ladder[4]", "options.ladder[5]", "options.ladder[6]", "options.ladder[7]"};
    arguments_need_list(arguments, "options.ladder", options->ladder, options->rung_count);
    if (options->ladder == NULL)
        return;
    if (options->rung_count == 0)
        arguments_wrong(arguments, "options.ladder", "it has no rung");
    if (options->rung_count > LIMIT_READ_RUNGS)
        arguments_wrong(arguments, "options.ladder", "it has more rungs than CANDOR_RUNGS_MAX");
    if (options->level != CANDOR_READ_DEFAULT || options->max_staleness_ms != 0 ||
        options->allow_syncing)
        arguments_wrong(arguments, "options.ladder",
                        "excludes level, max_staleness_ms and allow_syncing, which its rungs have");
    if (arguments->what != NULL)
        return;
    for (size_t i = 0; i < options->rung_count; i++)
        ARGUMENTS_KNOWN(arguments, names[i], &options->ladder[i]);
    size_t at;
    const char *why = rungs_problem(options->ladder, options->rung_count, &at);
    if (why != NULL)
        arguments_wrong(arguments, names[at], why);
}

void arguments_read(struct arguments *arguments, const struct candor_read_options *options)
{
    ARGUMENTS_KNOWN(arguments, "options", options);
    if (options != NULL && options->token != NULL)
        arguments_epoch(arguments, "options.token", &options->token->pos.epoch);
    if (options == NULL)
        return;
    read_ladder(arguments, options);
    arguments_route(arguments, "options.route", options->route);
}

void arguments_write(struct arguments *arguments, const struct candor_write_options *options)
{
    ARGUMENTS_KNOWN(arguments, "options", options);
}

void arguments_range(struct arguments *arguments, const struct candor_range *range)
{
    arguments_need(arguments, "range", range);
    if (range == NULL)
        return;
    ARGUMENTS_KNOWN(arguments, "range", range);
    arguments_bytes(arguments, "range.prefix", range->prefix);
    arguments_bytes(arguments, "range.start", range->start);
    arguments_bytes(arguments, "range.end", range->end);
    arguments_bytes(arguments, "range.after", range->after);
}

void arguments_ops(struct arguments *arguments, const struct candor_op *ops, size_t count)
{
    arguments_need_list(arguments, "ops", ops, count);
    for (size_t i = 0; ops != NULL && i < count; i++) {
        ARGUMENTS_KNOWN(arguments, "ops", &ops[i]);
        arguments_bytes(arguments, "ops: key", ops[i].key);
        if (!ops[i].is_delete)
            arguments_bytes(arguments, "ops: value", ops[i].value);
    }
}

static void txn_ops(struct arguments *arguments, const char *what, const struct candor_txn_op *ops,
                    size_t count)
{
    arguments_need_list(arguments, what, ops, count);
    for (size_t i = 0; ops != NULL && i < count; i++) {
        ARGUMENTS_KNOWN(arguments, what, &ops[i]);
        arguments_bytes(arguments, what, ops[i].key);
        if (ops[i].kind == CANDOR_TXN_PUT)
            arguments_bytes(arguments, what, ops[i].value);
    }
}

void arguments_txn(struct arguments *arguments, const struct candor_txn *txn)
{
    arguments_need(arguments, "txn", txn);
    if (txn == NULL)
        return;
    ARGUMENTS_KNOWN(arguments, "txn", txn);
    txn_ops(arguments, "txn.then_ops", txn->then_ops, txn->then_count);
    txn_ops(arguments, "txn.else_ops", txn->else_ops, txn->else_count);
    arguments_need_list(arguments, "txn.compares", txn->compares, txn->compare_count);
    for (size_t i = 0; txn->compares != NULL && i < txn->compare_count; i++) {
        ARGUMENTS_KNOWN(arguments, "txn.compares", &txn->compares[i]);
        arguments_bytes(arguments, "txn.compares: key", txn->compares[i].key);
        if (txn->compares[i].target == CANDOR_COMPARE_VALUE)
            arguments_bytes(arguments, "txn.compares: value", txn->compares[i].value);
    }
}

void arguments_watch(struct arguments *arguments, const struct candor_watch_options *options)
{
    arguments_need(arguments, "options", options);
    if (options == NULL)
        return;
    ARGUMENTS_KNOWN(arguments, "options", options);
    arguments_bytes(arguments, "options.key", options->key);
    arguments_bytes(arguments, "options.prefix", options->prefix);
    arguments_bytes(arguments, "options.start", options->start);
    arguments_bytes(arguments, "options.end", options->end);
    arguments_bytes(arguments, "options.cursor", options->cursor);
}

void arguments_client(struct arguments *arguments, const struct candor_client_options *options)
{
    arguments_need(arguments, "options", options);
    if (options == NULL)
        return;
    ARGUMENTS_KNOWN(arguments, "options", options);
    arguments_need_list(arguments, "options.endpoints", options->endpoints,
                        options->endpoint_count);
    /* More than are allowed are not followed: client.c refuses them. */
    size_t count = options->endpoint_count <= LIMIT_NODES ? options->endpoint_count : 0;
    for (size_t i = 0; options->endpoints != NULL && i < count; i++)
        arguments_need(arguments, "options.endpoints: one of them", options->endpoints[i]);
    arguments_route(arguments, "options.route", options->route);
    bool named = options->zone != NULL && options->zone[0] != '\0';
    if (named && strnlen(options->zone, CANDOR_NODE_ID_BYTES) == CANDOR_NODE_ID_BYTES)
        arguments_wrong(arguments, "options.zone", "longer than a topology's zones");
    if (!named && options->route == CANDOR_ROUTE_ZONE)
        arguments_wrong(arguments, "options.zone", "the route ZONE needs it");
}

bool arguments_good(const struct arguments *arguments, struct candor_error *err)
{
    if (arguments->what == NULL)
        return true;
    candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: %s", arguments->what,
                     arguments->why);
    return false;
}
