/* I6, I9, I10 and the values themselves. */
#include <stdlib.h>

#include "base/assert.h"
#include "check/count.h"
#include "check/judge.h"
#include "check/writes.h"

/* ---- Values ---- */

static bool was_written(const struct writes *writes, const struct history_op *read)
{
    size_t count;
    const struct history_op *const *by = writes_of(writes, read->key, read->value, &count);
    for (size_t i = 0; i < count; i++)
        if (by[i]->invoke_ns <= read->complete_ns)
            return true;
    return false;
}

size_t judge_values(const struct history *history, FILE *out)
{
    struct writes writes;
    writes_index(&writes, history);
    size_t checked = 0;
    size_t violations = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *op = &history->ops[i];
        if (op->kind != HISTORY_GET || op->outcome != HISTORY_OK || op->value == HISTORY_ABSENT ||
            writes.counters[op->key])
            continue;
        checked++;
        if (was_written(&writes, op))
            continue;
        violations++;
        fprintf(out, "violation: a read saw what nobody had written\n  ");
        history_print(history, op, out);
        fputc('\n', out);
    }
    print_count(out, checked);
    fprintf(out, " values read: %s\n", violations == 0 ? "written before" : "NOT all written");
    writes_free(&writes);
    return violations;
}

/* ---- Bounds (I9) ---- */

/* An acknowledged write that outlived everything, and the newest position of its key acknowledged
 * up to then. */
struct acknowledged {
    const struct history_op *op;
    const struct history_op *newest;
};

static int by_key_and_time(const void *a, const void *b)
{
    const struct history_op *left = ((const struct acknowledged *)a)->op;
    const struct history_op *right = ((const struct acknowledged *)b)->op;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    if (left->complete_ns != right->complete_ns)
        return left->complete_ns < right->complete_ns ? -1 : 1;
    return (left > right) - (left < right);
}

/* By key and time of acknowledgement. */
static struct acknowledged *acknowledged_of(const struct history *history, size_t *count)
{
    struct acknowledged *list = calloc(history->count + 1, sizeof *list);
    ASSERT(list != NULL);
    size_t n = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *op = &history->ops[i];
        if (history_wrote(op) && op->has_pos && !op->rolled_back)
            list[n++].op = op;
    }
    qsort(list, n, sizeof *list, by_key_and_time);
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || list[i - 1].op->key != list[i].op->key;
        const struct history_op *before = first ? NULL : list[i - 1].newest;
        bool newer = before == NULL || pos_compare(list[i].op->pos, before->pos) > 0;
        list[i].newest = newer ? list[i].op : before;
    }
    *count = n;
    return list;
}

/* The newest position of `key` acknowledged before `time_ns`; NULL: none. */
static const struct history_op *newest_before(const struct acknowledged *list, size_t count,
                                              uint32_t key, uint64_t time_ns)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct history_op *op = list[middle].op;
        if (op->key < key || (op->key == key && op->complete_ns < time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && list[low - 1].op->key == key ? list[low - 1].newest : NULL;
}

/* The node computed the bound between invoke and complete, and acknowledged a write before its
 * client heard of it: what was heard of before invoke - bound was certainly acknowledged more than
 * the bound before the answer. */
static uint64_t covered_before_ns(const struct history_op *read)
{
    if (read->freshness.bound_ms > read->invoke_ns / 1000000)
        return 0;
    return read->invoke_ns - read->freshness.bound_ms * 1000000;
}

size_t judge_bounds(const struct history *history, FILE *out)
{
    struct writes writes;
    writes_index(&writes, history);
    size_t count;
    struct acknowledged *list = acknowledged_of(history, &count);
    size_t checked = 0;
    size_t violations = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *read = &history->ops[i];
        if (read->kind != HISTORY_GET || read->outcome != HISTORY_OK ||
            !read->freshness.has_bound || writes.counters[read->key])
            continue;
        checked++;
        const struct history_op *due =
            newest_before(list, count, read->key, covered_before_ns(read));
        if (due == NULL || !writes_missed(&writes, read, due))
            continue;
        violations++;
        fprintf(out, "violation: a staleness bound was not true: the read\n  ");
        history_print(history, read, out);
        fprintf(out, "\nmissed what had been acknowledged %.3f ms before it began\n  ",
                (double)(read->invoke_ns - due->complete_ns) / 1e6);
        history_print(history, due, out);
        fputc('\n', out);
    }
    print_count(out, checked);
    fprintf(out, " staleness bounds: %s\n", violations == 0 ? "true" : "NOT all true");
    free(list);
    writes_free(&writes);
    return violations;
}

/* ---- Flags (I10) ---- */

/* The client has added what passed since it sent the request: the node's own bound was so much
 * smaller at most. */
static uint64_t added_ms(const struct history_op *op)
{
    const uint64_t ns_per_ms = 1000000;
    if (!op->freshness.bound_counts_call)
        return 0;
    return (op->complete_ns - op->invoke_ns + ns_per_ms - 1) / ns_per_ms;
}

static const char *wrongly_fresh(const struct history *history, const struct history_op *op)
{
    const struct history_freshness *fresh = &op->freshness;
    if (!fresh->has_heartbeat_age)
        return "it never heard its primary";
    if (fresh->heartbeat_age_ms > history->stale_after_ms)
        return "its heartbeat is older than stale_after";
    if (!fresh->has_bound)
        return "nothing is proven";
    if (fresh->bound_ms > history->stale_after_ms + added_ms(op))
        return "its bound is above stale_after";
    return NULL;
}

size_t judge_flags(const struct history *history, FILE *out)
{
    size_t checked = 0;
    size_t violations = 0;
    for (size_t i = 0; i < history->count && history->stale_after_ms > 0; i++) {
        const struct history_op *op = &history->ops[i];
        if (!op->freshness.given || op->freshness.stale)
            continue;
        checked++;
        const char *why = wrongly_fresh(history, op);
        if (why == NULL)
            continue;
        violations++;
        fprintf(out, "violation: an answer says stale = false, but %s (age ", why);
        if (op->freshness.has_heartbeat_age)
            fprintf(out, "%" PRIu64 " ms", op->freshness.heartbeat_age_ms);
        else
            fputs("absent", out);
        fputs(")\n  ", out);
        history_print(history, op, out);
        fputc('\n', out);
    }
    if (history->stale_after_ms == 0) {
        fputs("no history states stale_after_ms: flags not checked\n", out);
        return 0;
    }
    print_count(out, checked);
    fprintf(out, " answers that say stale = false: %s\n",
            violations == 0 ? "heard and proven within stale_after" : "NOT all true");
    return violations;
}

/* ---- Durability (I6) ---- */

size_t judge_durability(const struct history *history, FILE *out)
{
    size_t checked = 0;
    size_t violations = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_op *op = &history->ops[i];
        if (!history_wrote(op) || op->ack < CANDOR_ACK_MAJORITY)
            continue;
        checked++;
        if (!op->rolled_back)
            continue;
        violations++;
        fprintf(out, "violation: acknowledged %s, and rolled back\n  ", ack_level_name(op->ack));
        history_print(history, op, out);
        fputc('\n', out);
    }
    print_count(out, checked);
    fprintf(out, " writes acknowledged MAJORITY or ALL, ");
    print_count(out, history->rolled_back_count);
    fprintf(out, " positions rolled back: %s\n", violations == 0 ? "disjoint" : "NOT disjoint");
    return violations;
}
