/* Texts of a history as small numbers: equal texts have equal ids. Ids count from 1; 0 is none.
 *
 * Threads: no shared state. Out of memory stops the process. */
#ifndef CHECK_STRINGS_H
#define CHECK_STRINGS_H

#include <stddef.h>
#include <stdint.h>

struct strings {
    char **texts; /* by id - 1 */
    size_t count;
    size_t capacity;
    uint32_t *table; /* open addressing over ids */
    size_t table_size;
};

void strings_free(struct strings *strings); /* leaves it empty and usable */
uint32_t strings_add(struct strings *strings, const char *text);
/* "" for id 0; owned by `strings`. */
const char *strings_text(const struct strings *strings, uint32_t id);

#endif
