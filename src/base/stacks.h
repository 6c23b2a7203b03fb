/* Where the threads of this process are, as log lines: for a process that hangs, and for who
 * wonders whether it does.
 *
 * A thread tells its own stack in a signal handler. One that sleeps in the kernel for the disk does
 * not get to it, and its line says so. Frames are `kvd+0x3f2a1(rpc_server_close)`; `addr2line -fe
 * kvd 0x3f2a1` says the line. */
#ifndef BASE_STACKS_H
#define BASE_STACKS_H

#include <sys/types.h>

#include "base/logging.h"

/* Once, before other threads start. */
void stacks_prepare(void);
/* One line a thread, that of `first` before the others; 0: in any order. Not the caller's. From one
 * thread at a time. */
void stacks_log(enum log_level level, pid_t first);

#endif
