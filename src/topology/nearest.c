/* What a misspelt key may have meant. */
#include "base/nearest.h"
#include "topology/internal.h"

const struct key *nearest_key(enum section section, const char *name)
{
    const struct key *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (topology_keys[i].section != section)
            continue;
        size_t errors = word_nearness(name, topology_keys[i].name);
        if (errors < best) {
            best = errors;
            nearest = &topology_keys[i];
        }
    }
    return nearest;
}
