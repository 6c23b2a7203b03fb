/* A set of seqs above a floor: a ring of bits that grows with the distance between floor and
 * highest member. One thread. */
#ifndef BASE_SEQ_BITS_H
#define BASE_SEQ_BITS_H

#include <stdint.h>

struct seq_bits { /* zeroed: empty, floor 0 */
    uint64_t *words;
    uint64_t capacity; /* bits; a power of two */
    uint64_t floor;    /* all members are above it */
    uint64_t top;      /* none is above it */
    uint64_t count;
};

void seq_bits_free(struct seq_bits *bits);
void seq_bits_copy(struct seq_bits *out,
                   const struct seq_bits *from);        /* what `out` held is freed */
void seq_bits_add(struct seq_bits *bits, uint64_t seq); /* at or below the floor: ignored */
void seq_bits_raise_floor(struct seq_bits *bits, uint64_t floor); /* never lowers it */
void seq_bits_drop_above(struct seq_bits *bits, uint64_t seq);
void seq_bits_clear(struct seq_bits *bits, uint64_t floor); /* empty, with another floor */
uint64_t seq_bits_count_upto(const struct seq_bits *bits, uint64_t seq);

#endif
