/* What the earlier steps of a Txn have made of the keys that they touched. Inside src/eval. */
#ifndef EVAL_OVERLAY_H
#define EVAL_OVERLAY_H

#include "eval/eval.h"

struct overlay_entry {
    struct slice key;
    bool exists;
    uint64_t version;
    struct slice value;
};

/* Forgets all and makes room for `most` keys. */
void overlay_begin(struct eval_overlay **overlay, uint32_t most);
void overlay_free(struct eval_overlay *overlay);
/* NULL: no step has touched the key. */
const struct overlay_entry *overlay_find(const struct eval_overlay *overlay, struct slice key);
void overlay_set(struct eval_overlay *overlay, const struct overlay_entry *entry);

#endif
