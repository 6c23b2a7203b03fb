/* By edit distance. */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > LIMIT_WORD_BYTES || b_length > LIMIT_WORD_BYTES)
        return SIZE_MAX;
    size_t rows[LIMIT_WORD_BYTES + 1][LIMIT_WORD_BYTES + 1];
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

size_t word_nearness(const char *word, const char *known)
{
    size_t length = strlen(word);
    if (length >= 3 && length <= LIMIT_WORD_BYTES && strncmp(word, known, length) == 0)
        return 1;
    size_t errors = distance(word, known);
    return errors <= 1 + strlen(known) / 4 && errors < length ? errors : SIZE_MAX;
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (; *words != NULL; words++) {
        size_t errors = word_nearness(word, *words);
        if (errors < best) {
            best = errors;
            nearest = *words;
        }
    }
    return nearest;
}
