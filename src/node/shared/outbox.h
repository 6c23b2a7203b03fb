/* Pointers on their way to another thread, handed over together: one lock and one wake-up for
 * many. */
#ifndef NODE_OUTBOX_H
#define NODE_OUTBOX_H

#include "base/memory.h"

struct outbox {
    void **items;
    size_t count;
    size_t capacity;
};

static inline void outbox_add(struct outbox *outbox, void *item)
{
    memory_grow(outbox->items, outbox->capacity, outbox->count + 1);
    outbox->items[outbox->count++] = item;
}

#endif
