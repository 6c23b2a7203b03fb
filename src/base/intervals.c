/* Ranges of keys, and which of them hold a key. */
#include "base/intervals.h"

/* Of equal beginnings, whichever lies lower in memory comes first: each has one place. */
static bool before(const struct interval *a, const struct interval *b)
{
    int order = slice_compare(a->start, b->start);
    return order != 0 ? order < 0 : (uintptr_t)a < (uintptr_t)b;
}

static struct slice further(struct slice a, struct slice b)
{
    bool no_end = a.length == 0 || b.length == 0;
    if (no_end)
        return a.length == 0 ? a : b;
    return slice_compare(a, b) >= 0 ? a : b;
}

/* Its children know theirs. */
static void note_furthest(struct interval *tree)
{
    tree->furthest = tree->end;
    if (tree->low != NULL)
        tree->furthest = further(tree->furthest, tree->low->furthest);
    if (tree->high != NULL)
        tree->furthest = further(tree->furthest, tree->high->furthest);
}

/* Those before `at`, and the rest. */
static void split(struct interval *tree, const struct interval *at, struct interval **low,
                  struct interval **high)
{
    if (tree == NULL) {
        *low = *high = NULL;
        return;
    }
    if (before(tree, at)) {
        split(tree->high, at, &tree->high, high);
        *low = tree;
    } else {
        split(tree->low, at, low, &tree->low);
        *high = tree;
    }
    note_furthest(tree);
}

static struct interval *put(struct interval *tree, struct interval *interval)
{
    if (tree == NULL || interval->priority > tree->priority) {
        split(tree, interval, &interval->low, &interval->high);
        note_furthest(interval);
        return interval;
    }
    if (before(interval, tree))
        tree->low = put(tree->low, interval);
    else
        tree->high = put(tree->high, interval);
    note_furthest(tree);
    return tree;
}

void intervals_put(struct intervals *set, struct interval *interval)
{
    interval->priority = rng_next(&set->rng);
    set->root = put(set->root, interval);
    set->count++;
}

/* All of `low` stand before all of `high`. */
static struct interval *join(struct interval *low, struct interval *high)
{
    if (low == NULL || high == NULL)
        return low == NULL ? high : low;
    struct interval *root = low->priority > high->priority ? low : high;
    if (root == low)
        low->high = join(low->high, high);
    else
        high->low = join(low, high->low);
    note_furthest(root);
    return root;
}

static struct interval *without(struct interval *tree, const struct interval *interval)
{
    if (tree == interval)
        return join(tree->low, tree->high);
    if (before(interval, tree))
        tree->low = without(tree->low, interval);
    else
        tree->high = without(tree->high, interval);
    note_furthest(tree);
    return tree;
}

void intervals_remove(struct intervals *set, struct interval *interval)
{
    set->root = without(set->root, interval);
    set->count--;
}

static void find(struct interval *tree, struct slice key,
                 void (*each)(struct interval *interval, void *closure), void *closure)
{
    bool all_end_before =
        tree == NULL || (tree->furthest.length > 0 && slice_compare(tree->furthest, key) <= 0);
    if (all_end_before)
        return;
    find(tree->low, key, each, closure);
    if (slice_compare(tree->start, key) > 0)
        return;
    if (interval_holds(tree, key))
        each(tree, closure);
    find(tree->high, key, each, closure);
}

void intervals_find(const struct intervals *set, struct slice key,
                    void (*each)(struct interval *interval, void *closure), void *closure)
{
    find(set->root, key, each, closure);
}

struct interval *intervals_any(const struct intervals *set)
{
    return set->root;
}
