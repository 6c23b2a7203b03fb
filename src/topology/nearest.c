/* What a misspelt word may have meant, by edit distance. */
#include <string.h>

#include "base/nearest.h"
#include "topology/internal.h"

/* SIZE_MAX unless `known` is what a person may have meant by `word`: a third of it wrong, or its beginning. */
static size_t nearness(const char *word, const char *known)
{
    size_t length = strlen(word);
    if (length == 0 || length > LIMIT_WORD_BYTES)
        return SIZE_MAX;
    if (length >= 3 && strncmp(word, known, length) == 0)
        return 1;
    size_t errors = word_distance(word, known);
    return errors <= 1 + strlen(known) / 4 && errors < length ? errors : SIZE_MAX;
}

const struct key *nearest_key(enum section section, const char *name)
{
    const struct key *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (topology_keys[i].section != section)
            continue;
        size_t errors = nearness(name, topology_keys[i].name);
        if (errors < best) {
            best = errors;
            nearest = &topology_keys[i];
        }
    }
    return nearest;
}

const char *nearest_choice(const char *const *choices, const char *text)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (; *choices != NULL; choices++) {
        size_t errors = nearness(text, *choices);
        if (errors < best) {
            best = errors;
            nearest = *choices;
        }
    }
    return nearest;
}
