/* What a misspelt word may have meant. Any thread. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; SIZE_MAX when one of them is longer than
 * any word that people misspell (LIMIT_WORD_BYTES). */
size_t word_distance(const char *a, const char *b);
/* The one of `words` (ends with NULL) that `word` was probably meant to be; NULL: none is near. */
const char *nearest_word(const char *word, const char *const *words);

#endif
