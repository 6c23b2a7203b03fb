/* The table of waiting reads, their lists and heaps; and who bears which ticket. No rule is kept
 * here. */
#include <stdlib.h>

#include "core/waiting.h"

enum { FIRST_CAPACITY = 64, KIND_SHIFT = 62 };

/* ---- Tickets --------------------------------------------------------------------------------- */

void waiter_add(struct core *core, uint64_t ticket, enum waiter waiter, uint64_t number)
{
    ASSERT(number >> KIND_SHIFT == 0);
    serials_put(&core->waiters, ticket, (uint64_t)waiter << KIND_SHIFT | number);
}

void waiter_remove(struct core *core, uint64_t ticket)
{
    bool found = serials_take(&core->waiters, ticket, NULL);
    ASSERT(found);
}

bool waiter_find(const struct core *core, uint64_t ticket, enum waiter *waiter, uint64_t *number)
{
    uint64_t value;
    if (!serials_find(&core->waiters, ticket, &value))
        return false;
    *waiter = (enum waiter)(value >> KIND_SHIFT);
    *number = value & ((UINT64_C(1) << KIND_SHIFT) - 1);
    return true;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static void link_last(struct read_waits *reads, uint32_t slot, enum read_list list)
{
    uint32_t head = (uint32_t)list;
    uint32_t last = reads->slots[head].previous;
    reads->slots[slot].previous = last;
    reads->slots[slot].next = head;
    reads->slots[last].next = slot;
    reads->slots[head].previous = slot;
}

static void unlink_slot(struct read_waits *reads, uint32_t slot)
{
    const struct pending_read *read = &reads->slots[slot];
    reads->slots[read->previous].next = read->next;
    reads->slots[read->next].previous = read->previous;
}

static bool is_head(uint32_t slot)
{
    return slot < READ_LISTS;
}

uint32_t reads_next(const struct core *core, uint32_t slot)
{
    uint32_t next = core->reads.slots[slot].next;
    return is_head(next) ? NO_SLOT : next;
}

uint32_t reads_first(const struct core *core, enum read_list list)
{
    return reads_next(core, (uint32_t)list);
}

void reads_move(struct core *core, uint32_t slot, enum read_list list)
{
    unlink_slot(&core->reads, slot);
    link_last(&core->reads, slot, list);
}

void reads_move_all(struct core *core, enum read_list from, enum read_list to)
{
    struct pending_read *slots = core->reads.slots;
    uint32_t first = slots[from].next;
    uint32_t last = slots[from].previous;
    if (is_head(first))
        return;
    uint32_t before = slots[to].previous;
    slots[before].next = first;
    slots[first].previous = before;
    slots[last].next = (uint32_t)to;
    slots[to].previous = last;
    slots[from].next = slots[from].previous = (uint32_t)from;
}

/* ---- The table ------------------------------------------------------------------------------- */

void reads_init(struct core *core)
{
    struct read_waits *reads = &core->reads;
    reads->capacity = FIRST_CAPACITY;
    reads->slots = memory_zeroed(reads->capacity, sizeof *reads->slots);
    reads->free = NO_SLOT;
    reads->used = READ_LISTS;
    for (uint32_t list = 0; list < READ_LISTS; list++)
        reads->slots[list].next = reads->slots[list].previous = list;
}

void reads_free(struct core *core)
{
    struct read_waits *reads = &core->reads;
    free(reads->slots);
    heap_free(&reads->indexed);
    heap_free(&reads->sessions);
    heap_free(&reads->commits);
    heap_free(&reads->everywhere);
    heap_free(&reads->deadlines);
}

static uint32_t take_slot(struct read_waits *reads)
{
    uint32_t slot = reads->free;
    if (slot != NO_SLOT) {
        reads->free = reads->slots[slot].next;
        return slot;
    }
    memory_grow(reads->slots, reads->capacity, reads->used + 1);
    return reads->used++;
}

uint32_t reads_add(struct core *core, const struct pending_read *read, enum read_list list)
{
    struct read_waits *reads = &core->reads;
    if (reads->count == LIMIT_PENDING_READS)
        return NO_SLOT;
    uint32_t slot = take_slot(reads);
    reads->slots[slot] = *read;
    reads->count++;
    link_last(reads, slot, list);
    heap_put(&reads->deadlines, slot, read->deadline_ns);
    waiter_add(core, read->ticket, WAITER_READ, slot);
    return slot;
}

void reads_remove(struct core *core, uint32_t slot)
{
    struct read_waits *reads = &core->reads;
    ASSERT(!is_head(slot) && reads->count > 0);
    waiter_remove(core, reads->slots[slot].ticket);
    unlink_slot(reads, slot);
    heap_remove(&reads->indexed, slot);
    heap_remove(&reads->sessions, slot);
    heap_remove(&reads->commits, slot);
    heap_remove(&reads->everywhere, slot);
    heap_remove(&reads->deadlines, slot);
    reads->slots[slot].next = reads->free;
    reads->free = slot;
    reads->count--;
}
