/* A hash table, so that a Txn of many steps stays linear. Open addressing; never more than half
 * full. */
#include "eval/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

struct eval_overlay {
    struct overlay_entry *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots;     /* index + 1; 0: empty */
    uint32_t slot_count; /* a power of two */
};

void overlay_begin(struct eval_overlay **out, uint32_t most)
{
    struct eval_overlay *overlay = *out;
    if (overlay == NULL) {
        overlay = *out = memory_zeroed(1, sizeof *overlay);
        ASSERT(overlay != NULL);
    }
    if (overlay->capacity < most) {
        uint32_t slot_count = 16;
        while (slot_count < 2 * most)
            slot_count *= 2;
        overlay->entries = memory_resize(overlay->entries, most, sizeof *overlay->entries);
        overlay->slots = memory_resize(overlay->slots, slot_count, sizeof *overlay->slots);
        overlay->capacity = most;
        overlay->slot_count = slot_count;
    }
    overlay->count = 0;
    if (overlay->slot_count > 0)
        memset(overlay->slots, 0, overlay->slot_count * sizeof *overlay->slots);
}

void overlay_free(struct eval_overlay *overlay)
{
    if (overlay == NULL)
        return;
    free(overlay->entries);
    free(overlay->slots);
    free(overlay);
}

static uint32_t hash_of(struct slice key) /* FNV-1a */
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ key.bytes[i]) * 16777619u;
    return hash;
}

/* Where the key stands, or would. */
static uint32_t *slot_of(const struct eval_overlay *overlay, struct slice key)
{
    uint32_t mask = overlay->slot_count - 1;
    for (uint32_t i = hash_of(key) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &overlay->slots[i];
        if (*slot == 0 || slice_equal(overlay->entries[*slot - 1].key, key))
            return slot;
    }
}

const struct overlay_entry *overlay_find(const struct eval_overlay *overlay, struct slice key)
{
    if (overlay->count == 0)
        return NULL;
    uint32_t at = *slot_of(overlay, key);
    return at == 0 ? NULL : &overlay->entries[at - 1];
}

void overlay_set(struct eval_overlay *overlay, const struct overlay_entry *entry)
{
    uint32_t *slot = slot_of(overlay, entry->key);
    if (*slot == 0) {
        ASSERT_U64(overlay->count, <, overlay->capacity);
        *slot = ++overlay->count;
    }
    overlay->entries[*slot - 1] = *entry;
}
