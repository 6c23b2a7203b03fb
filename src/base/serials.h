/* From a serial number to what bears it. Serial numbers are given once and never again, so one that
 * comes late finds nothing: unlike a pointer, which may belong to something else by then.
 *
 * Threads: the caller's. Ends the process when out of memory (base/memory.h). */
#ifndef BASE_SERIALS_H
#define BASE_SERIALS_H

#include <stdbool.h>
#include <stdint.h>

struct serial_entry {
    /* 0: nobody's */
    uint64_t serial;
    uint64_t value;
};

/* All zeros: empty. */
struct serials {
    struct serial_entry *table;
    /* 0, or a power of 2 */
    uint32_t size;
    uint32_t count;
};

void serials_free(struct serials *serials);
/* `serial` is not 0, and not in it. */
void serials_put(struct serials *serials, uint64_t serial, uint64_t value);
/* False: nobody bears it (any more). `value` may be NULL. */
bool serials_find(const struct serials *serials, uint64_t serial, uint64_t *value);
/* As serials_find, and takes it out. */
bool serials_take(struct serials *serials, uint64_t serial, uint64_t *value);

#endif
