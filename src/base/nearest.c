/* By edit distance. */
#include "base/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t word_distance(const char *a, const char *b)
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

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 1; /* a third of it may be wrong */
    for (; *words != NULL; words++) {
        size_t d = word_distance(word, *words);
        bool begins = strlen(word) >= 3 && strncmp(word, *words, strlen(word)) == 0;
        if (begins && d > 1)
            d = 1;
        if (d < best || (d == best && nearest == NULL && d < strlen(word))) {
            best = d;
            nearest = *words;
        }
    }
    return nearest;
}
