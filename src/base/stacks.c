/* The stack of each thread, taken in a signal handler, logged. */
#include "base/stacks.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/tasks.h"

enum { FRAMES = 40, ANSWER_MS = 200 };

/* The C library keeps the first two real-time signals for itself. */
#define STACK_SIGNAL (SIGRTMIN + 2)

/* The thread that is asked, then its negative while it answers, then 0. */
static _Atomic pid_t asked;
static void *frames[FRAMES];
static int frame_count;

/* A signal that comes when nobody asks any more, or from outside, changes nothing. */
static void answer(int number)
{
    (void)number;
    int before = errno;
    pid_t self = gettid();
    pid_t expected = self;
    if (atomic_compare_exchange_strong(&asked, &expected, -self)) {
        frame_count = backtrace(frames, FRAMES);
        atomic_store(&asked, 0);
    }
    errno = before;
}

void stacks_prepare(void)
{
    /* The first call loads the unwinder, which no handler may do. */
    frame_count = backtrace(frames, FRAMES);
    struct sigaction action = {.sa_handler = answer, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(STACK_SIGNAL, &action, NULL);
}

static bool ask(pid_t task)
{
    const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
    atomic_store(&asked, task);
    if (tgkill(getpid(), task, STACK_SIGNAL) == 0)
        for (int i = 0; i < ANSWER_MS && atomic_load(&asked) != 0; i++)
            nanosleep(&pause, NULL);
    /* Taken back, unless the answer is under way. */
    pid_t expected = task;
    if (atomic_compare_exchange_strong(&asked, &expected, 0))
        return false;
    while (atomic_load(&asked) != 0)
        nanosleep(&pause, NULL);
    return true;
}

static int print_frame(char *out, size_t room, void *frame)
{
    Dl_info where;
    if (dladdr(frame, &where) == 0 || where.dli_fname == NULL)
        return snprintf(out, room, " %p", frame);
    const char *slash = strrchr(where.dli_fname, '/');
    return snprintf(
        out, room, " %s+%#" PRIxPTR "%s%s%s", slash != NULL ? slash + 1 : where.dli_fname,
        (uintptr_t)frame - (uintptr_t)where.dli_fbase, where.dli_sname != NULL ? "(" : "",
        where.dli_sname != NULL ? where.dli_sname : "", where.dli_sname != NULL ? ")" : "");
}

static void log_one(enum log_level level, pid_t task)
{
    char text[LIMIT_LOG_LINE_BYTES];
    char name[TASK_NAME_BYTES];
    char state = task_state(task);
    size_t used = 0;
    text[0] = '\0';
    if (ask(task))
        /* The first frames are the handler and what the kernel put in front of it. */
        for (int i = 2; i < frame_count && used < sizeof text; i++) {
            int printed = print_frame(text + used, sizeof text - used, frames[i]);
            used += printed > 0 ? (size_t)printed : 0;
        }
    logging_write(level, "stack", "thread=%s tid=%d state=%c frames=\"%s\"", task_name(task, name),
                  (int)task, state, text[0] != '\0' ? text + 1 : "it does not answer");
}

void stacks_log(enum log_level level, pid_t first)
{
    pid_t tasks[LIMIT_STACKS];
    uint32_t count = tasks_list(tasks, LIMIT_STACKS);
    if (first != 0)
        log_one(level, first);
    for (uint32_t i = 0; i < count; i++)
        if (tasks[i] != first && tasks[i] != gettid())
            log_one(level, tasks[i]);
}
