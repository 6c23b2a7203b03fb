/* What a misspelt word may have meant. Any thread. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* How far `word` is from `known`, in insertions, deletions, replacements and swaps of neighbours; 1
 * at most where it is the beginning of it. SIZE_MAX: so far that `known` was hardly meant, or one
 * of them is longer than any word that people misspell (LIMIT_WORD_BYTES). */
size_t word_nearness(const char *word, const char *known);
/* The one of `words` (ends with NULL) that `word` was probably meant to be; NULL: none is near. */
const char *nearest_word(const char *word, const char *const *words);

#endif
