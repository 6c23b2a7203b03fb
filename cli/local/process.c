/* Processes by pid and start time: looked at, signalled, waited for, started. */
#include "cli/local/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/types.h"
#include "cli/frame/command.h"

#define LOOK_MS 10       /* how often a state that has no descriptor is looked at */
#define EXITS_KEPT 64    /* ends of own children that are remembered; the oldest go first */
#define THREADS_FIELD 20 /* of /proc/PID/stat; the state is field 3 */
#define START_FIELD 22

/* ---- Looking ---- */

/* False: there is no such process, or it has ended and waits to be reaped. A first thread that is a
 * zombie beside others is no end: those still hold the files, and the lock of the data
 * directory. */
static bool read_stat(pid_t pid, char *state, uint64_t *start_ticks)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || at[1] != ' ')
        return false;
    *state = at[2];
    at += 2;
    uint64_t threads = 0;
    for (int field = 4; field <= START_FIELD; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL)
            return false;
        if (field == THREADS_FIELD)
            threads = strtoull(at + 1, NULL, 10);
    }
    *start_ticks = strtoull(at + 1, NULL, 10);
    return (*state != 'Z' && *state != 'X') || threads > 1;
}

/* Own children that have ended are reaped at once: a shell runs for long. */
static struct exited {
    struct process process;
    int wait_status;
} exits[EXITS_KEPT];
static size_t exit_count;

static void reap(const struct process *process)
{
    int wait_status;
    if (waitpid(process->pid, &wait_status, WNOHANG) == process->pid)
        exits[exit_count++ % EXITS_KEPT] = (struct exited){*process, wait_status};
}

enum process_state process_look(const struct process *process)
{
    char state;
    uint64_t start_ticks;
    if (process->pid <= 0)
        return PROCESS_ENDED;
    if (!read_stat(process->pid, &state, &start_ticks)) {
        reap(process);
        return PROCESS_ENDED;
    }
    if (start_ticks != process->start_ticks)
        return PROCESS_ENDED;
    return state == 'T' ? PROCESS_PAUSED : PROCESS_RUNNING;
}

bool process_exit(const struct process *process, int *wait_status)
{
    for (size_t i = 0; i < EXITS_KEPT; i++) {
        const struct process *other = &exits[i].process;
        if (process->pid == 0 || other->pid != process->pid ||
            other->start_ticks != process->start_ticks)
            continue;
        *wait_status = exits[i].wait_status;
        return true;
    }
    return false;
}

char *process_exit_text(const struct process *process, char out[PROCESS_EXIT_TEXT_BYTES])
{
    int status;
    out[0] = '\0';
    if (!process_exit(process, &status))
        return out;
    if (WIFSIGNALED(status))
        snprintf(out, PROCESS_EXIT_TEXT_BYTES, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, PROCESS_EXIT_TEXT_BYTES, "exit status %d", WEXITSTATUS(status));
    return out;
}

/* ---- Signals and waiting ---- */

/* -1: it has ended. */
static int open_process(const struct process *process)
{
    int fd = process->pid > 0 ? pidfd_open(process->pid, 0) : -1;
    if (fd >= 0 && process_look(process) == PROCESS_ENDED) {
        close(fd);
        return -1;
    }
    return fd;
}

bool process_signal(const struct process *process, int number, struct candor_error *err)
{
    *err = (struct candor_error){.code = CANDOR_OK};
    int fd = open_process(process);
    if (fd < 0)
        return false;
    bool sent = pidfd_send_signal(fd, number, NULL, 0) == 0;
    int why = errno;
    close(fd);
    if (!sent && why != ESRCH)
        candor_error_set(err, CANDOR_PERMISSION_DENIED, CANDOR_REASON_NONE, "pid %d: %s",
                         (int)process->pid, strerror(why));
    return sent || why != ESRCH;
}

bool process_wait_end(const struct process *process, uint64_t until_ns)
{
    int fd = open_process(process);
    if (fd < 0)
        return true;
    bool ended = interrupt_wait(fd, until_ns);
    close(fd);
    if (ended)
        reap(process);
    return ended;
}

bool process_wait_state(const struct process *process, enum process_state state, uint64_t until_ns)
{
    while (process_look(process) != state) {
        if (interrupt_seen() || clock_boot_ns() >= until_ns)
            return false;
        interrupt_wait(-1, min_u64(until_ns, clock_boot_ns() + LOOK_MS * NS_PER_MS));
    }
    return true;
}

/* ---- Starting ---- */

/* In the child: only calls that are safe after a fork. The parent reads errno, or the end of the
 * file. */
_Noreturn static void become(char *const argv[], int log, int failure)
{
    int nothing = open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    if (setsid() >= 0 && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        execv(argv[0], argv);
    int why = errno;
    ssize_t ignored = write(failure, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

static enum candor_code fork_and_execute(char *const argv[], int log, struct process *out,
                                         struct candor_error *err)
{
    int failure[2];
    char state;
    if (pipe2(failure, O_CLOEXEC) != 0)
        return candor_error_set(err, CANDOR_UNKNOWN, CANDOR_REASON_NONE, "pipe: %s",
                                strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become(argv, log, failure[1]);
    int why = errno;
    close(failure[1]);
    bool failed = pid < 0;
    if (pid > 0) {
        ssize_t got;
        do
            got = read(failure[0], &why, sizeof why);
        while (got < 0 && errno == EINTR);
        failed = got > 0;
    }
    close(failure[0]);
    if (failed) {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        return candor_error_set(err, why == ENOENT ? CANDOR_NOT_FOUND : CANDOR_PERMISSION_DENIED,
                                CANDOR_REASON_NONE, "%s: %s", argv[0], strerror(why));
    }
    *out = (struct process){.pid = pid};
    /* it has ended already; it keeps no number that another could have */
    if (!read_stat(pid, &state, &out->start_ticks) && out->start_ticks == 0)
        reap(out);
    return CANDOR_OK;
}

enum candor_code process_start(char *const argv[], const char *log_path, struct process *out,
                               struct candor_error *err)
{
    *out = (struct process){0};
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return candor_error_set(err, CANDOR_PERMISSION_DENIED, CANDOR_REASON_NONE, "%s: %s",
                                log_path, strerror(errno));
    enum candor_code code = fork_and_execute(argv, log, out, err);
    close(log);
    return code;
}
