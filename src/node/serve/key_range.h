/* Where ranges of keys end. */
#ifndef NODE_KEY_RANGE_H
#define NODE_KEY_RANGE_H

#include "base/limits.h"
#include "base/types.h"

struct key_bound {
    uint8_t bytes[LIMIT_KEY_BYTES + 1];
    size_t length;
};

static inline struct slice key_bound_slice(const struct key_bound *bound)
{
    return slice_of(bound->bytes, bound->length);
}

/* The first bytes that every key with this prefix is below; false: there are none, it is all
 * 0xff. */
bool key_after_prefix(struct slice prefix, struct key_bound *out);
/* The first possible key beyond `key`; false: there is none. */
bool key_after(struct slice key, struct key_bound *out);

#endif
