/* A set of seqs: a ring of bits. */
#include "base/seq_bits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum { FIRST_CAPACITY = 512 };

static bool has(const struct seq_bits *bits, uint64_t seq)
{
    uint64_t at = seq % bits->capacity;
    return bits->words[at / 64] >> at % 64 & 1;
}

static void flip(struct seq_bits *bits, uint64_t seq)
{
    uint64_t at = seq % bits->capacity;
    bits->words[at / 64] ^= UINT64_C(1) << at % 64;
}

void seq_bits_free(struct seq_bits *bits)
{
    free(bits->words);
    *bits = (struct seq_bits){0};
}

/* Room for every seq from floor + 1 to `seq`. */
static void make_room(struct seq_bits *bits, uint64_t seq)
{
    uint64_t capacity = bits->capacity == 0 ? FIRST_CAPACITY : bits->capacity;
    while (capacity < seq - bits->floor)
        capacity *= 2;
    if (capacity == bits->capacity)
        return;
    struct seq_bits larger = {.capacity = capacity, .floor = bits->floor, .top = bits->top};
    larger.words = memory_zeroed(capacity / 64, sizeof *larger.words);
    larger.count = bits->count;
    for (uint64_t member = bits->floor + 1; bits->capacity > 0 && member <= bits->top; member++)
        if (has(bits, member))
            flip(&larger, member);
    free(bits->words);
    *bits = larger;
}

void seq_bits_copy(struct seq_bits *out, const struct seq_bits *from)
{
    seq_bits_free(out);
    *out = *from;
    if (from->words == NULL)
        return;
    out->words = memory_zeroed(from->capacity / 64, sizeof *out->words);
    memcpy(out->words, from->words, from->capacity / 64 * sizeof *out->words);
}

void seq_bits_add(struct seq_bits *bits, uint64_t seq)
{
    if (seq <= bits->floor)
        return;
    make_room(bits, seq);
    if (seq > bits->top)
        bits->top = seq;
    else if (has(bits, seq))
        return;
    flip(bits, seq);
    bits->count++;
}

static void drop(struct seq_bits *bits, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last && bits->count > 0; seq++) {
        if (!has(bits, seq))
            continue;
        flip(bits, seq);
        bits->count--;
    }
}

void seq_bits_raise_floor(struct seq_bits *bits, uint64_t floor)
{
    if (floor <= bits->floor)
        return;
    drop(bits, bits->floor + 1, floor < bits->top ? floor : bits->top);
    bits->floor = floor;
    if (bits->top < floor)
        bits->top = floor;
}

void seq_bits_drop_above(struct seq_bits *bits, uint64_t seq)
{
    if (seq < bits->floor)
        seq = bits->floor;
    if (seq >= bits->top)
        return;
    drop(bits, seq + 1, bits->top);
    bits->top = seq;
}

void seq_bits_clear(struct seq_bits *bits, uint64_t floor)
{
    seq_bits_drop_above(bits, bits->floor);
    ASSERT_U64(bits->count, ==, 0);
    bits->floor = bits->top = floor;
}

uint64_t seq_bits_count_upto(const struct seq_bits *bits, uint64_t seq)
{
    uint64_t count = bits->count;
    for (uint64_t above = bits->top; above > seq && above > bits->floor && count > 0; above--)
        count -= has(bits, above);
    return count;
}
