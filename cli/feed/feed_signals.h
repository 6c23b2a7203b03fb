/* SIGTERM and SIGINT ask for the end; a second one ends at once. Threads: any. */
#ifndef CLI_FEED_SIGNALS_H
#define CLI_FEED_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

void feed_signals_start(void);
bool feed_signals_ended(void);
/* Waits so long, or until the end is asked for. */
void feed_signals_pause(uint64_t ms);

#endif
