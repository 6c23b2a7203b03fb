/* Open addressing with linear probing; at most half full, so that a search is short. */
#include "base/serials.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

enum { FIRST_SIZE = 64 };

void serials_free(struct serials *serials)
{
    free(serials->table);
    *serials = (struct serials){0};
}

/* Serial numbers come in a row; Fibonacci hashing spreads rows, and anything else well enough. */
static uint32_t home_of(const struct serials *serials, uint64_t serial)
{
    return (uint32_t)((serial * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (serials->size - 1);
}

/* Where it is, or the free place where it would go. */
static uint32_t place_of(const struct serials *serials, uint64_t serial)
{
    uint32_t at = home_of(serials, serial);
    while (serials->table[at].serial != 0 && serials->table[at].serial != serial)
        at = (at + 1) & (serials->size - 1);
    return at;
}

static void grow(struct serials *serials)
{
    struct serials larger = {.size = serials->size == 0 ? FIRST_SIZE : serials->size * 2};
    larger.table = memory_zeroed(larger.size, sizeof *larger.table);
    for (uint32_t i = 0; i < serials->size; i++)
        if (serials->table[i].serial != 0)
            larger.table[place_of(&larger, serials->table[i].serial)] = serials->table[i];
    larger.count = serials->count;
    free(serials->table);
    *serials = larger;
}

void serials_put(struct serials *serials, uint64_t serial, uint64_t value)
{
    ASSERT(serial != 0);
    if (2 * (serials->count + 1) > serials->size)
        grow(serials);
    uint32_t at = place_of(serials, serial);
    ASSERT_U64(serials->table[at].serial, ==, 0);
    serials->table[at] = (struct serial_entry){serial, value};
    serials->count++;
}

bool serials_find(const struct serials *serials, uint64_t serial, uint64_t *value)
{
    if (serials->count == 0 || serial == 0)
        return false;
    const struct serial_entry *entry = &serials->table[place_of(serials, serial)];
    if (entry->serial != serial)
        return false;
    if (value != NULL)
        *value = entry->value;
    return true;
}

/* The places behind a hole move up, or a search would end in it. */
static void close_hole(struct serials *serials, uint32_t hole)
{
    uint32_t mask = serials->size - 1;
    for (uint32_t at = (hole + 1) & mask; serials->table[at].serial != 0; at = (at + 1) & mask) {
        uint32_t home = home_of(serials, serials->table[at].serial);
        bool stays = ((at - home) & mask) < ((at - hole) & mask);
        if (stays)
            continue;
        serials->table[hole] = serials->table[at];
        hole = at;
    }
    serials->table[hole] = (struct serial_entry){0};
}

bool serials_take(struct serials *serials, uint64_t serial, uint64_t *value)
{
    if (!serials_find(serials, serial, value))
        return false;
    close_hole(serials, place_of(serials, serial));
    serials->count--;
    return true;
}
