/* The threads of this process, as the kernel sees them. Allocates nothing and takes no lock, so
 * that it works where a thread hangs with one. Any thread. */
#ifndef BASE_TASKS_H
#define BASE_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TASK_NAME_BYTES 16

/* The ids of the first `most` threads; how many there are. */
uint32_t tasks_list(pid_t *out, uint32_t most);
/* "?" when it is gone. Returns `out`. */
char *task_name(pid_t task, char out[TASK_NAME_BYTES]);
/* As in /proc/PID/stat: R runs or would like to, S sleeps, D waits for the disk, T and t are
 * stopped. '?': gone. */
char task_state(pid_t task);
/* It waits for a lock or a condition. False as well where the kernel does not tell. */
bool task_waits_for_lock(pid_t task);

#endif
