/* Deadlines that a test needs to pass, on machines of any speed. */
#ifndef LONGER_DEADLINES_H
#define LONGER_DEADLINES_H

/* One after the other: a machine that is too slow for one gets the next. */
#define LONGER_DEADLINES(ms) for (uint32_t ms = 500; (ms) <= 64000; (ms) *= 2)

#endif
