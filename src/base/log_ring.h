/* Log lines on their way to the thread that writes them: a ring of bytes that holds whole lines
 * only, and counts those that found no room. Not locked: its owner does that. */
#ifndef BASE_LOG_RING_H
#define BASE_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct log_ring {
    char bytes[LIMIT_LOG_RING_BYTES];
    /* Counted from the beginning of time; their difference is what is in the ring. */
    uint64_t put_bytes;
    uint64_t taken_bytes;
    /* Lines without room since this was last taken, and where in the stream the first of them is
     * missing. */
    uint64_t dropped;
    uint64_t dropped_at;
};

/* `line` ends with its only '\n'. False: no room, and it is counted. */
bool log_ring_put(struct log_ring *ring, const char *line, size_t length);
/* Moves as many whole lines into `out` as fit in, but none from behind a gap. 0: there are none
 * before it. */
size_t log_ring_take(struct log_ring *ring, char *out, size_t room);
/* How many lines are missing right here; the next call gives 0. */
uint64_t log_ring_take_dropped(struct log_ring *ring);
/* Lines that were taken and could not be written are missing as well. */
void log_ring_lost(struct log_ring *ring, uint64_t lines);

#endif
