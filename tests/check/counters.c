/* Every increment adds the same delta, so the counter takes each multiple of it once. A value that
 * no acknowledged increment left, and that was passed, is the work of one of unknown outcome. Which
 * one does not matter: unknown ones may end at any time, so if any assignment works, the one by the
 * order of their beginnings does. */
#include "check/counters.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

struct counter {
    const struct history *history;
    const struct history_op **lines;
    struct check_op *out;
    size_t count;
    uint64_t delta;
    uint64_t highest; /* seen by anyone */
};

static enum candor_code refuse(const struct history *history, const struct history_op *op,
                               const char *why, struct candor_error *err)
{
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s:%zu: %s",
                            history->files[op->file], op->line, why);
}

static struct check_op *add(struct counter *counter, const struct history_op *op,
                            enum check_op_type type, uint64_t value)
{
    counter->lines[counter->count] = op;
    struct check_op *out = &counter->out[counter->count++];
    *out = (struct check_op){.type = type,
                             .value = value,
                             .expected = saturating_sub(value, counter->delta),
                             .invoke_ns = op->invoke_ns,
                             .complete_ns = op->complete_ns,
                             .line = op->line};
    counter->highest = max_u64(counter->highest, value);
    return out;
}

static bool number_of(const struct history *history, const struct history_op *op, uint64_t *out)
{
    *out = 0;
    if (op->value == HISTORY_ABSENT)
        return true;
    const char *text = strings_text(&history->strings, op->value);
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *out <= INT64_MAX;
}

static enum candor_code add_known(struct counter *counter, const struct history_op *op,
                                  struct candor_error *err)
{
    if (op->outcome != HISTORY_OK)
        return CANDOR_OK;
    if (op->kind == HISTORY_INCREMENT) {
        if (op->number <= 0 || (uint64_t)op->number % counter->delta != 0)
            return refuse(counter->history, op, "left what is no multiple of the delta", err);
        add(counter, op, CHECK_INCREMENT, (uint64_t)op->number);
        return CANDOR_OK;
    }
    uint64_t value;
    if (op->level != HISTORY_LINEARIZABLE)
        return CANDOR_OK;
    if (!number_of(counter->history, op, &value))
        return refuse(counter->history, op, "read a counter that is no number from 0", err);
    add(counter, op, CHECK_READ, value);
    return CANDOR_OK;
}

static int by_value(const void *a, const void *b)
{
    const struct check_op *left = *(const struct check_op *const *)a;
    const struct check_op *right = *(const struct check_op *const *)b;
    return (left->value > right->value) - (left->value < right->value);
}

/* Values that were passed and that no acknowledged increment left, given to those of unknown
 * outcome in turn. `known` is by value, and ends[i] the earliest end among known[i] and all above
 * it. */
static void fill_gaps(struct counter *counter, const struct history_op *const *ops, size_t count,
                      const struct check_op *const *known, const uint64_t *ends, size_t known_count)
{
    uint64_t value = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind != HISTORY_INCREMENT || ops[i]->outcome != HISTORY_UNKNOWN)
            continue;
        for (bool left = true; left;) { /* the next value that nobody left */
            value += counter->delta;
            left = false;
            while (at < known_count && known[at]->value <= value) {
                left |= known[at]->value == value && known[at]->type == CHECK_INCREMENT;
                at++;
            }
        }
        /* Reads of the very value bind it as well: they stand right before `at`. */
        size_t from = at;
        while (from > 0 && known[from - 1]->value == value)
            from--;
        /* nobody saw what it left: leave it out */
        if (value > counter->highest)
            return;
        struct check_op *op = add(counter, ops[i], CHECK_INCREMENT, value);
        op->complete_ns = max_u64(ends[from], op->invoke_ns);
    }
}

static void settle_unknown(struct counter *counter, const struct history_op *const *ops,
                           size_t count)
{
    size_t known_count = counter->count;
    const struct check_op **known = calloc(known_count + 1, sizeof(struct check_op *));
    uint64_t *ends = calloc(known_count + 1, sizeof *ends);
    ASSERT(known != NULL && ends != NULL);
    for (size_t i = 0; i < known_count; i++)
        known[i] = &counter->out[i];
    qsort(known, known_count, sizeof(struct check_op *), by_value);
    ends[known_count] = CHECK_NEVER;
    for (size_t i = known_count; i-- > 0;)
        ends[i] = min_u64(known[i]->complete_ns, ends[i + 1]);
    fill_gaps(counter, ops, count, known, ends, known_count);
    free(known);
    free(ends);
}

enum candor_code counters_fill(const struct history *history, const struct history_op *const *ops,
                               size_t count, const struct history_op **lines, struct check_op *out,
                               size_t *out_count, struct candor_error *err)
{
    struct counter counter = {.history = history, .lines = lines, .out = out};
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind != HISTORY_INCREMENT)
            continue;
        if (counter.delta == 0)
            counter.delta = (uint64_t)ops[i]->delta;
        if (counter.delta != (uint64_t)ops[i]->delta)
            return refuse(history, ops[i], "increments a key by another delta than lines before",
                          err);
    }
    enum candor_code code = CANDOR_OK;
    for (size_t i = 0; code == CANDOR_OK && i < count; i++)
        code = add_known(&counter, ops[i], err);
    if (code == CANDOR_OK)
        settle_unknown(&counter, ops, count);
    *out_count = counter.count;
    return code;
}
