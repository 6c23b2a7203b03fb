/* Ends a process one of whose threads hangs, so that a supervisor can start it again: a node that
 * hangs holds its data directory, its addresses and its vote, and helps nobody.
 *
 * A watched thread says watchdog_step() each time round its loop, at least every
 * LIMIT_WATCHDOG_WAKE_MS when it has nothing to do. One that has not for the stated time is hung:
 * `hung`, the stacks of all threads, NODE_EXIT_HUNG.
 *
 * What counts as that time is what the thread could have used:
 * - The watchdog counts its own turns, each as one, however long it slept: in a process that was
 *   stopped, in a machine that was suspended or starved, they are few.
 * - A thread that sleeps is charged the turn. One that runs, or waits for a processor, is charged
 *   what it used of it.
 * - One that the kernel holds in the disk (paging, too), or a debugger, is charged nothing.
 * - A thread of the disk (the writer) is charged for waits on locks alone, and not while another
 *   thread waits for the disk: a disk that hangs is R6's affair, and the node can still be read.
 *   Running without end counts a tenth. Where it says whose work on the disk it may wait for, it is
 *   not charged while that thread has the lock and is at work: runs, or waits for anything but a
 *   lock of its own. A thread that is silent for long and not charged is reported: `no_progress`,
 *   with its stack.
 *
 * One of these a process, as with the log; without watchdog_start() steps are only counted.
 * Threads: as said. */
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum watch_kind {
    /* Never waits for the disk. */
    WATCH_TIMER,
    /* Waits for the disk as its work demands. */
    WATCH_DISK,
};

struct watched;

/* False: no thread is to be had. Once. */
bool watchdog_start(uint64_t limit_ms);

/* The calling thread, from here on. NULL when LIMIT_WATCHED_THREADS are: it is not watched. `name`
 * is kept. */
struct watched *watchdog_enter(const char *name, enum watch_kind kind);
void watchdog_leave(struct watched *watched);
void watchdog_step(struct watched *watched);
/* From here on, until NULL: a lock that is waited for may be held for long by the task that
 * `holder` names; 0: nobody has it. */
void watchdog_expect_wait(struct watched *watched, const _Atomic pid_t *holder);

/* ---- How it judges, for tests ---- */

struct watch_sample {
    uint64_t steps;
    /* As task_state() gives it. */
    char state;
    bool waits_for_lock;
    /* Another thread waits for the disk, or who is known to hold the lock for long is at work. */
    bool lock_is_the_disks;
    uint64_t cpu_ns;
};

struct watch_account {
    uint64_t steps;
    uint64_t cpu_ns;
    uint64_t charged_ns;
    uint64_t silent_ns;
    /* Of silence, at which it is told the next time. */
    uint64_t report_at_ns;
};

enum watch_verdict { WATCH_FINE, WATCH_REPORT, WATCH_HUNG };

/* One turn of the watchdog, which is to take `turn_ns`. */
enum watch_verdict watch_judge(struct watch_account *account, enum watch_kind kind,
                               const struct watch_sample *sample, uint64_t turn_ns,
                               uint64_t limit_ns);

#endif
