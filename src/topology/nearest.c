/* What a misspelt word may have meant, by edit distance. */
#include <string.h>

#include "topology/internal.h"

#define WORD_BYTES 32 /* longer words are nobody's misspelling */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
static size_t distance(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    size_t rows[WORD_BYTES + 1][WORD_BYTES + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        rows[i][0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, least(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, rows[i - 2][j - 2] + 1);
            rows[i][j] = best;
        }
    }
    return rows[a_length][b_length];
}

/* SIZE_MAX unless `known` is what a person may have meant by `word`: a third of it wrong, or its beginning. */
static size_t nearness(const char *word, const char *known)
{
    size_t length = strlen(word);
    if (length == 0 || length > WORD_BYTES || strlen(known) > WORD_BYTES)
        return SIZE_MAX;
    if (length >= 3 && strncmp(word, known, length) == 0)
        return 1;
    size_t errors = distance(word, known);
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
