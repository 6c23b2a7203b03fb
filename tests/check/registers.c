/* I7, key by key: turns operations into those of check/linearizable.h. A key is judged when it is
 * read LINEARIZABLE, swapped or incremented; blind writes alone are linearizable in any order. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/count.h"
#include "check/counters.h"
#include "check/judge.h"
#include "check/linearizable.h"
#include "check/writes.h"

#define CONTEXT_LINES 6 /* shown around an operation that finds no place */

/* One key's operations that count, and their lines. */
struct key {
    const struct history_op **lines;
    struct check_op *ops;
    size_t count;
};

static int by_key(const void *a, const void *b)
{
    const struct history_op *left = *(const struct history_op *const *)a;
    const struct history_op *right = *(const struct history_op *const *)b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    if (left->invoke_ns != right->invoke_ns)
        return left->invoke_ns < right->invoke_ns ? -1 : 1;
    return (left > right) - (left < right);
}

/* ---- Which keys, and whether they can be judged ---- */

static bool is_judged(const struct history_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i]->level == HISTORY_LINEARIZABLE ||
            (ops[i]->ack >= CANDOR_ACK_MAJORITY &&
             (ops[i]->kind == HISTORY_CAS || ops[i]->kind == HISTORY_INCREMENT)))
            return true;
    return false;
}

/* A LOCAL write may be rolled back: its key is no register that could be linearizable. */
static enum candor_code check_mixture(const struct history *history,
                                      const struct history_op *const *ops, size_t count,
                                      struct candor_error *err)
{
    const struct history_op *incremented = NULL;
    const struct history_op *written = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct history_op *op = ops[i];
        if (op->ack == CANDOR_ACK_LOCAL && op->outcome != HISTORY_FAIL)
            return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                    "%s:%zu: a LOCAL write to '%.64s', which other lines use as a "
                                    "linearizable register",
                                    history->files[op->file], op->line,
                                    strings_text(&history->strings, op->key));
        if (op->kind == HISTORY_INCREMENT)
            incremented = op;
        else if (op->kind != HISTORY_GET)
            written = op;
    }
    if (incremented != NULL && written != NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "%s:%zu: increments a key that line %zu writes otherwise",
                                history->files[incremented->file], incremented->line,
                                written->line);
    return CANDOR_OK;
}

/* ---- Registers ---- */

/* The earliest end of an operation that saw `op`'s value; CHECK_NEVER: nobody did. */
static uint64_t seen_before_ns(const struct history_op *const *ops, size_t count,
                               const struct history_op *op)
{
    uint64_t end_ns = CHECK_NEVER;
    for (size_t i = 0; i < count; i++) {
        const struct history_op *other = ops[i];
        bool saw =
            other->outcome == HISTORY_OK &&
            ((other->level == HISTORY_LINEARIZABLE && other->value == op->value) ||
             (other->kind == HISTORY_CAS && other->swapped && other->expected == op->value) ||
             (other->tells_found && other->found == op->value));
        if (saw)
            end_ns = min_u64(end_ns, other->complete_ns);
    }
    return end_ns;
}

/* Whether a swap may have needed `op`'s value to be there: it expected it, or it failed and does
 * not say upon what. */
static bool may_matter_to_swap(const struct history_op *const *ops, size_t count,
                               const struct history_op *op)
{
    for (size_t i = 0; i < count; i++) {
        const struct history_op *other = ops[i];
        if (other->kind != HISTORY_CAS || other->outcome == HISTORY_FAIL)
            continue;
        bool silent = other->outcome == HISTORY_OK && !other->swapped && !other->tells_found;
        if (other->expected == op->value || silent)
            return true;
    }
    return false;
}

/* An operation of unknown outcome. When its value is its alone, it was there before the first that
 * saw the value; and when nobody did, leaving it out changes nothing. Both spare the search the
 * doubt. False: left out. */
static bool settle(const struct writes *writes, const struct history_op *const *ops, size_t count,
                   const struct history_op *op, struct check_op *out)
{
    size_t writers;
    (void)writes_of(writes, op->key, op->value, &writers);
    out->complete_ns = CHECK_NEVER;
    if (op->value == HISTORY_ABSENT || writers != 1)
        return true;
    uint64_t seen_ns = seen_before_ns(ops, count, op);
    if (seen_ns == CHECK_NEVER)
        return may_matter_to_swap(ops, count, op);
    out->complete_ns = max_u64(seen_ns, op->invoke_ns); /* never before it was asked for */
    return true;
}

static bool convert(const struct writes *writes, const struct history_op *const *ops, size_t count,
                    const struct history_op *op, struct check_op *out)
{
    *out = (struct check_op){.value = op->value,
                             .expected = op->expected,
                             .invoke_ns = op->invoke_ns,
                             .complete_ns = op->complete_ns,
                             .line = op->line};
    if (op->outcome == HISTORY_FAIL)
        return false;
    if (op->kind == HISTORY_GET) {
        out->type = CHECK_READ;
        return op->level == HISTORY_LINEARIZABLE;
    }
    out->type = op->kind == HISTORY_CAS ? CHECK_CAS : CHECK_WRITE;
    if (op->outcome == HISTORY_UNKNOWN)
        return settle(writes, ops, count, op, out);
    if (op->kind == HISTORY_CAS && !op->swapped) {
        out->type = op->tells_found ? CHECK_CAS_FAILED : CHECK_CAS_DIFFERED;
        out->value = op->found;
    }
    return true;
}

static void fill(const struct writes *writes, const struct history_op *const *ops, size_t count,
                 struct key *key)
{
    key->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!convert(writes, ops, count, ops[i], &key->ops[key->count]))
            continue;
        key->lines[key->count++] = ops[i];
    }
}

/* ---- The verdict ---- */

/* The operation that finds no place, and those before and around it. */
static void report(const struct history *history, const struct key *key, size_t stuck, FILE *out)
{
    fprintf(out, "violation: '%.64s' is not linearizable: no order has a place for\n  ",
            strings_text(&history->strings, key->lines[stuck]->key));
    history_print(history, key->lines[stuck], out);
    fputs("\nafter and among\n", out);
    size_t shown = 0;
    for (size_t i = key->count; i-- > 0 && shown < CONTEXT_LINES;) {
        if (i == stuck || key->ops[i].invoke_ns > key->ops[stuck].complete_ns)
            continue;
        shown++;
        fputs("  ", out);
        history_print(history, key->lines[i], out);
        fputc('\n', out);
    }
}

struct totals {
    size_t operations;
    size_t keys;
    size_t violations;
};

static enum candor_code judge_key(const struct history *history, const struct writes *writes,
                                  const struct history_op *const *ops, size_t count,
                                  uint64_t budget, FILE *out, struct totals *totals,
                                  struct candor_error *err)
{
    if (!is_judged(ops, count))
        return CANDOR_OK;
    enum candor_code code = check_mixture(history, ops, count, err);
    if (code != CANDOR_OK)
        return code;
    struct key key = {.lines = calloc(count, sizeof(struct history_op *)),
                      .ops = calloc(count, sizeof *key.ops)};
    ASSERT(key.lines != NULL && key.ops != NULL);
    if (writes->counters[ops[0]->key])
        code = counters_fill(history, ops, count, key.lines, key.ops, &key.count, err);
    else
        fill(writes, ops, count, &key);
    size_t stuck = 0;
    enum check_verdict verdict = CHECK_LINEARIZABLE;
    if (code == CANDOR_OK)
        verdict = check_linearizable(key.ops, key.count, budget, &stuck);
    totals->keys++;
    totals->operations += key.count;
    totals->violations += verdict != CHECK_LINEARIZABLE;
    if (verdict == CHECK_VIOLATION)
        report(history, &key, stuck, out);
    else if (verdict == CHECK_TOO_HARD)
        fprintf(out, "not proven: '%.64s' takes more than %" PRIu64 " steps; see --budget\n",
                strings_text(&history->strings, ops[0]->key), budget);
    free(key.lines);
    free(key.ops);
    return code;
}

enum candor_code judge_registers(const struct history *history, uint64_t budget, FILE *out,
                                 size_t *violations, struct candor_error *err)
{
    struct writes writes;
    writes_index(&writes, history);
    const struct history_op **ops = calloc(history->count + 1, sizeof(struct history_op *));
    ASSERT(ops != NULL);
    for (size_t i = 0; i < history->count; i++)
        ops[i] = &history->ops[i];
    qsort(ops, history->count, sizeof(struct history_op *), by_key);
    struct totals totals = {0};
    enum candor_code code = CANDOR_OK;
    for (size_t first = 0, end; code == CANDOR_OK && first < history->count; first = end) {
        end = first + 1;
        while (end < history->count && ops[end]->key == ops[first]->key)
            end++;
        code = judge_key(history, &writes, ops + first, end - first, budget, out, &totals, err);
    }
    if (code == CANDOR_OK) {
        print_count(out, totals.operations);
        fputs(" operations on ", out);
        print_count(out, totals.keys);
        fprintf(out, " keys: %s\n", totals.violations == 0 ? "linearizable" : "NOT linearizable");
    }
    *violations = totals.violations;
    free(ops);
    writes_free(&writes);
    return code;
}
