/* kvd's signals. A thread of its own takes them from the first moment on, whatever the others are
 * busy with.
 *
 *   SIGTERM, SIGINT   during the start: the process ends at once, with NODE_EXIT_CLEAN. Nothing
 *                     was promised in this life, and what was before is on the disk: it is a
 *                     kill -9 with a log line.
 *                     Later: the node is to stop. When it has not within the stated time, the
 *                     process ends with NODE_EXIT_STOP_FORCED. Time in which the whole process is
 *                     stopped does not count.
 *   SIGHUP            opens the log file anew; the loss of the terminal is nothing else to a node
 *   SIGUSR1           logs the stacks of all threads
 *   SIGUSR2           nothing
 *   SIGPIPE, SIGXFSZ  nothing: the call that meets them says so
 *
 * One of these a process. From main()'s thread. */
#ifndef CLI_KVD_SIGNALS_H
#define CLI_KVD_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* Before any other thread is started: they inherit the mask. False: there is no thread to be
 * had. */
bool kvd_signals_start(uint64_t stop_timeout_ms);
/* The start is over: from here on the node stops in order. */
void kvd_signals_serve(void);
/* Waits for a signal that ends the node. */
void kvd_signals_wait(void);
/* Whether such a signal came. Any thread, never waits for one. */
bool kvd_signals_stopped(void);
/* The node stops, by a signal or for a reason of its own: its time runs from here, if it does not
 * yet. */
void kvd_signals_stopping(void);

#endif
