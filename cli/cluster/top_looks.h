/* Looks that a thread of its own takes again and again: an unreachable node holds up no key. */
#ifndef CLI_TOP_LOOKS_H
#define CLI_TOP_LOOKS_H

#include "cli/cluster/status_look.h"

struct top_looks;

/* Begins with the first look. NULL: no thread, or no descriptors, were to be had. */
struct top_looks *top_looks_start(const struct node_target *targets, size_t count,
                                  uint32_t deadline_ms, uint64_t interval_ms);
/* Readable when a new look is there. */
int top_looks_fd(const struct top_looks *looks);
/* The newest one, if it was not taken yet: the caller's, with its rates. */
struct status_look *top_looks_take(struct top_looks *looks);
/* Looks now, not when the interval is over. */
void top_looks_hurry(struct top_looks *looks);
/* Waits for the look that is under way. */
void top_looks_end(struct top_looks *looks);

#endif
