/* The search for an order that a single register could have given. */
#include "check/linearizable.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* The history as a list of calls and returns in order of time. */
struct entry {
    size_t op;
    bool is_call;
    struct entry *previous;
    struct entry *next;
    struct entry *match; /* of a call: its return */
    uint64_t at_ns;
};

/* A configuration: which operations are placed, and what the register then holds. */
struct visited {
    uint64_t hash;
    uint64_t state;
    uint64_t *placed;
};

struct search {
    const struct check_op *ops;
    size_t count;
    size_t words; /* of a set of operations */
    uint64_t *placed;
    uint64_t state;
    struct visited *table; /* open addressing */
    size_t table_size;
    size_t table_count;
    struct {
        struct entry *call;
        uint64_t state;
    } * stack;
    size_t depth;
    size_t deepest;
    size_t stuck;
};

/* ---- The register ---------------------------------------------------------------------------- */

static bool apply(const struct check_op *op, uint64_t *state)
{
    switch (op->type) {
    case CHECK_READ:
        return op->complete_ns == CHECK_NEVER || *state == op->value;
    case CHECK_WRITE:
        *state = op->value;
        return true;
    case CHECK_CAS:
    case CHECK_INCREMENT:
        if (*state != op->expected)
            return false;
        *state = op->value;
        return true;
    case CHECK_CAS_FAILED:
        return *state != op->expected && *state == op->value;
    case CHECK_CAS_DIFFERED:
        return *state != op->expected;
    }
    return false;
}

/* ---- Configurations seen --------------------------------------------------------------------- */

static uint64_t hash_of(const struct search *search)
{
    uint64_t hash = search->state * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < search->words; i++) {
        hash ^= search->placed[i];
        hash *= 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash | 1; /* 0 marks a free slot */
}

static void insert(struct visited *table, size_t size, struct visited item)
{
    size_t at = item.hash & (size - 1);
    while (table[at].hash != 0)
        at = (at + 1) & (size - 1);
    table[at] = item;
}

static void grow(struct search *search)
{
    size_t size = search->table_size == 0 ? 1024 : search->table_size * 2;
    struct visited *table = calloc(size, sizeof *table);
    ASSERT(table != NULL);
    for (size_t i = 0; i < search->table_size; i++)
        if (search->table[i].hash != 0)
            insert(table, size, search->table[i]);
    free(search->table);
    search->table = table;
    search->table_size = size;
}

/* False when this configuration was seen before. */
static bool remember(struct search *search)
{
    if (search->table_count * 2 >= search->table_size)
        grow(search);
    uint64_t hash = hash_of(search);
    size_t bytes = search->words * sizeof *search->placed;
    for (size_t at = hash & (search->table_size - 1); search->table[at].hash != 0;
         at = (at + 1) & (search->table_size - 1)) {
        const struct visited *seen = &search->table[at];
        if (seen->hash == hash && seen->state == search->state &&
            memcmp(seen->placed, search->placed, bytes) == 0)
            return false;
    }
    struct visited item = {.hash = hash, .state = search->state, .placed = malloc(bytes)};
    ASSERT(item.placed != NULL);
    memcpy(item.placed, search->placed, bytes);
    insert(search->table, search->table_size, item);
    search->table_count++;
    return true;
}

/* ---- The list -------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    if (left->at_ns != right->at_ns)
        return left->at_ns < right->at_ns ? -1 : 1;
    /* At the same instant nobody was first: calls stand before returns. */
    if (left->is_call != right->is_call)
        return left->is_call ? -1 : 1;
    return (left->op > right->op) - (left->op < right->op);
}

static void link_entries(struct entry *entries, size_t count, struct entry *head,
                         struct entry **call_of)
{
    struct entry *last = head;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        entry->previous = last;
        last->next = entry;
        last = entry;
        if (entry->is_call)
            call_of[entry->op] = entry;
        else
            call_of[entry->op]->match = entry;
    }
    last->next = NULL;
}

static void lift(struct entry *call)
{
    call->previous->next = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    struct entry *back = call->match;
    back->previous->next = back->next;
    if (back->next != NULL)
        back->next->previous = back->previous;
}

static void unlift(struct entry *call)
{
    struct entry *back = call->match;
    back->previous->next = back;
    if (back->next != NULL)
        back->next->previous = back;
    call->previous->next = call;
    if (call->next != NULL)
        call->next->previous = call;
}

/* ---- The search ------------------------------------------------------------------------------ */

static void place(struct search *search, struct entry *call, uint64_t state_before)
{
    search->stack[search->depth].call = call;
    search->stack[search->depth].state = state_before;
    search->depth++;
    if (search->depth > search->deepest) {
        search->deepest = search->depth;
        search->stuck = call->op;
    }
    lift(call);
}

/* Takes the newest placement back; NULL when there is none. */
static struct entry *take_back(struct search *search)
{
    if (search->depth == 0)
        return NULL;
    search->depth--;
    struct entry *call = search->stack[search->depth].call;
    search->state = search->stack[search->depth].state;
    search->placed[call->op / 64] &= ~(UINT64_C(1) << (call->op % 64));
    unlift(call);
    return call->next;
}

/* Tries the call at `entry` next; true when it was placed. */
static bool try_call(struct search *search, struct entry *entry)
{
    uint64_t before = search->state;
    if (!apply(&search->ops[entry->op], &search->state)) {
        search->state = before;
        return false;
    }
    search->placed[entry->op / 64] |= UINT64_C(1) << (entry->op % 64);
    if (!remember(search)) {
        search->placed[entry->op / 64] &= ~(UINT64_C(1) << (entry->op % 64));
        search->state = before;
        return false;
    }
    place(search, entry, before);
    return true;
}

/* What is left are operations that may never have taken effect. */
static bool only_unknown_left(const struct search *search, const struct entry *head)
{
    for (const struct entry *entry = head->next; entry != NULL; entry = entry->next)
        if (search->ops[entry->op].complete_ns != CHECK_NEVER)
            return false;
    return true;
}

static enum check_verdict run(struct search *search, struct entry *head, uint64_t budget)
{
    struct entry *entry = head->next;
    while (!only_unknown_left(search, head)) {
        if (search->table_count > budget)
            return CHECK_TOO_HARD;
        if (entry != NULL && entry->is_call) {
            entry = try_call(search, entry) ? head->next : entry->next;
            continue;
        }
        /* A return whose call was not placed, or the end: something placed earlier was wrong. */
        if (entry != NULL)
            search->stuck = search->depth == search->deepest ? entry->op : search->stuck;
        entry = take_back(search);
        if (entry == NULL && search->depth == 0)
            return CHECK_VIOLATION;
    }
    return CHECK_LINEARIZABLE;
}

enum check_verdict check_linearizable(const struct check_op *ops, size_t count, uint64_t budget,
                                      size_t *stuck)
{
    *stuck = 0;
    if (count == 0)
        return CHECK_LINEARIZABLE;
    struct search search = {.ops = ops, .count = count, .words = (count + 63) / 64};
    struct entry *entries = calloc(2 * count, sizeof *entries);
    struct entry **call_of = calloc(count, sizeof(struct entry *));
    search.placed = calloc(search.words, sizeof *search.placed);
    search.stack = calloc(count, sizeof *search.stack);
    ASSERT(entries != NULL && call_of != NULL && search.placed != NULL && search.stack != NULL);
    for (size_t i = 0; i < count; i++) {
        entries[2 * i] = (struct entry){.op = i, .is_call = true, .at_ns = ops[i].invoke_ns};
        entries[2 * i + 1] = (struct entry){.op = i, .at_ns = ops[i].complete_ns};
    }
    qsort(entries, 2 * count, sizeof *entries, by_time);
    struct entry head = {0};
    link_entries(entries, 2 * count, &head, call_of);

    enum check_verdict verdict = run(&search, &head, budget);
    *stuck = search.stuck;
    for (size_t i = 0; i < search.table_size; i++)
        free(search.table[i].placed);
    free(search.table);
    free(search.stack);
    free(search.placed);
    free(call_of);
    free(entries);
    return verdict;
}
