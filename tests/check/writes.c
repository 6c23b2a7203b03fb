/* Writes of a history, found by what a read saw and by position. */
#include "check/writes.h"

#include <stdlib.h>

#include "base/assert.h"

static int by_value(const void *a, const void *b)
{
    const struct history_op *left = *(const struct history_op *const *)a;
    const struct history_op *right = *(const struct history_op *const *)b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    if (left->value != right->value)
        return left->value < right->value ? -1 : 1;
    return (left > right) - (left < right);
}

/* What an increment of unknown outcome left is not known: it stands nowhere. */
static bool may_have_written(const struct history_op *op)
{
    if (op->kind == HISTORY_GET || op->kind == HISTORY_INCREMENT)
        return false;
    return op->outcome == HISTORY_UNKNOWN || history_wrote(op);
}

/* `history->rolled_back` is sorted; several nodes may have archived one position. */
static bool any_unclaimed(const struct history *history)
{
    size_t distinct = 0;
    size_t claimed = 0;
    for (size_t i = 0; i < history->rolled_back_count; i++)
        distinct +=
            i == 0 || pos_compare(history->rolled_back[i], history->rolled_back[i - 1]) != 0;
    for (size_t i = 0; i < history->count; i++)
        claimed += history->ops[i].rolled_back;
    return distinct > claimed;
}

void writes_index(struct writes *writes, const struct history *history)
{
    *writes = (struct writes){.history = history, .unclaimed_rollback = any_unclaimed(history)};
    writes->by_value = calloc(history->count + 1, sizeof(struct history_op *));
    writes->counters = calloc(history->strings.count + 1, sizeof *writes->counters);
    ASSERT(writes->by_value != NULL && writes->counters != NULL);
    for (size_t i = 0; i < history->count; i++)
        if (history->ops[i].kind == HISTORY_INCREMENT)
            writes->counters[history->ops[i].key] = true;
    for (size_t i = 0; i < history->count; i++)
        if (may_have_written(&history->ops[i]))
            writes->by_value[writes->count++] = &history->ops[i];
    qsort(writes->by_value, writes->count, sizeof(struct history_op *), by_value);
}

void writes_free(struct writes *writes)
{
    free(writes->by_value);
    free(writes->counters);
    *writes = (struct writes){0};
}

/* The first entry not below (key, value). */
static size_t lower_bound(const struct writes *writes, uint32_t key, uint32_t value)
{
    size_t low = 0;
    size_t high = writes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct history_op *op = writes->by_value[middle];
        if (op->key < key || (op->key == key && op->value < value))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct history_op *const *writes_of(const struct writes *writes, uint32_t key, uint32_t value,
                                          size_t *count)
{
    size_t first = lower_bound(writes, key, value);
    size_t end = first;
    while (end < writes->count && writes->by_value[end]->key == key &&
           writes->by_value[end]->value == value)
        end++;
    *count = end - first;
    return writes->by_value + first;
}

const struct history_op *writes_seen(const struct writes *writes, const struct history_op *read)
{
    size_t count;
    const struct history_op *const *found = writes_of(writes, read->key, read->value, &count);
    return count == 1 && read->value != HISTORY_ABSENT ? found[0] : NULL;
}

static bool rolled_back_at_seq(const struct history *history, uint64_t seq)
{
    for (size_t i = 0; i < history->rolled_back_count; i++)
        if (history->rolled_back[i].seq == seq)
            return true;
    return false;
}

bool writes_seen_elsewhere(const struct writes *writes, const struct history_op *read,
                           const struct history_op *write)
{
    if (read->mod_seq != 0) /* the seq of what it saw */
        return read->mod_seq != write->pos.seq &&
               rolled_back_at_seq(writes->history, read->mod_seq);
    if (write->rolled_back)
        return true;
    bool behind = read->has_pos && pos_compare(read->pos, write->pos) >= 0;
    return writes->unclaimed_rollback && !behind;
}

/* Whether one of `candidates` may be what a read saw that had `write` as well. */
static bool may_stand_behind(const struct writes *writes, const struct history_op *read,
                             const struct history_op *write)
{
    size_t count;
    const struct history_op *const *candidates = writes_of(writes, read->key, read->value, &count);
    for (size_t i = 0; i < count; i++) {
        const struct history_op *op = candidates[i];
        if (op == write)
            return true;
        if (op->invoke_ns > read->complete_ns)
            continue;
        if (!op->has_pos || pos_compare(op->pos, write->pos) > 0 ||
            writes_seen_elsewhere(writes, read, op))
            return true;
    }
    return false;
}

bool writes_missed(const struct writes *writes, const struct history_op *read,
                   const struct history_op *write)
{
    ASSERT(write->has_pos && write->key == read->key);
    if (writes->counters[read->key])
        return false;
    if (read->freshness.given && read->freshness.applied_seq < write->pos.seq)
        return true;
    if (read->mod_seq != 0 && read->mod_seq < write->pos.seq)
        return true;
    return !may_stand_behind(writes, read, write);
}
