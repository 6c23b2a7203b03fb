/* Processes that outlive the command that started them.
 *
 * A pid alone may be somebody else's by now. A process is its pid and its start time since boot,
 * and signals go through a pidfd that was opened before both were compared: a reused pid is never
 * signalled. Threads: any; process_start() forks and must not be called while another thread
 * changes the environment. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <candor/status.h>

struct process {
    pid_t pid;            /* 0: none */
    uint64_t start_ticks; /* since boot, of /proc/PID/stat */
};

enum process_state { PROCESS_ENDED, PROCESS_RUNNING, PROCESS_PAUSED };

/* Starts argv[0], a path, in a session of its own; stdin is empty, stdout and stderr are appended
 * to `log_path`. NOT_FOUND, PERMISSION_DENIED or UNKNOWN, with the system's words, when it cannot
 * be executed. */
enum candor_code process_start(char *const argv[], const char *log_path, struct process *out,
                               struct candor_error *err);

enum process_state process_look(const struct process *process);
/* False: it has ended already. Any other failure (not permitted) is in *err, which is CANDOR_OK
 * otherwise. */
bool process_signal(const struct process *process, int number, struct candor_error *err);
/* Waits for its end until CLOCK_BOOTTIME reaches `until_ns`, or ^C between interrupt_begin and
 * interrupt_end. False: it runs on. */
bool process_wait_end(const struct process *process, uint64_t until_ns);
/* Waits until process_look() says `state`; likewise. */
bool process_wait_state(const struct process *process, enum process_state state, uint64_t until_ns);

/* How a process that this process started has ended, as by waitpid(2). False: not known, or it
 * runs. */
bool process_exit(const struct process *process, int *wait_status);
/* "exit status 4", "killed by signal 9 (Killed)"; "" when not known. Returns `out`. */
#define PROCESS_EXIT_TEXT_BYTES 64
char *process_exit_text(const struct process *process, char out[PROCESS_EXIT_TEXT_BYTES]);

#endif
