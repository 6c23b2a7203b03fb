/* Watched threads, what is judged of them, and the thread that does it. */
#include "base/watchdog.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_status.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/stacks.h"
#include "base/tasks.h"

/* Turns in the time after which a thread is hung. */
enum { TURNS = 40 };

/* What the watchdog says may wait for what the hung thread holds: then it goes without saying. */
enum { LAST_RESORT_S = 5 };

struct watched {
    /* Under the lock. */
    bool taken;
    const char *name;
    enum watch_kind kind;
    pid_t task;
    clockid_t cpu_clock;
    struct watch_account account;
    /* The watched thread's. */
    _Atomic uint64_t steps;
    const _Atomic pid_t *_Atomic holder;
};

static struct {
    pthread_mutex_t lock;
    uint64_t limit_ns;
    struct watched list[LIMIT_WATCHED_THREADS];
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- What is watched ---- */

struct watched *watchdog_enter(const char *name, enum watch_kind kind)
{
    struct watched *found = NULL;
    pthread_mutex_lock(&watchdog.lock);
    for (uint32_t i = 0; i < LIMIT_WATCHED_THREADS && found == NULL; i++)
        if (!watchdog.list[i].taken)
            found = &watchdog.list[i];
    if (found != NULL) {
        found->taken = true;
        found->name = name;
        found->kind = kind;
        found->task = gettid();
        found->account = (struct watch_account){0};
        atomic_store(&found->steps, 1);
        atomic_store(&found->holder, NULL);
        pthread_getcpuclockid(pthread_self(), &found->cpu_clock);
    }
    pthread_mutex_unlock(&watchdog.lock);
    return found;
}

void watchdog_leave(struct watched *watched)
{
    if (watched == NULL)
        return;
    pthread_mutex_lock(&watchdog.lock);
    watched->taken = false;
    pthread_mutex_unlock(&watchdog.lock);
}

void watchdog_step(struct watched *watched)
{
    if (watched != NULL)
        atomic_fetch_add_explicit(&watched->steps, 1, memory_order_relaxed);
}

void watchdog_expect_wait(struct watched *watched, const _Atomic pid_t *holder)
{
    if (watched != NULL)
        atomic_store(&watched->holder, holder);
}

/* ---- Judging ---- */

static uint64_t charge(enum watch_kind kind, const struct watch_sample *sample, uint64_t turn_ns,
                       uint64_t used_ns)
{
    bool disk = kind == WATCH_DISK;
    switch (sample->state) {
    case 'S':
        return !disk || (sample->waits_for_lock && !sample->lock_is_the_disks) ? turn_ns : 0;
    case 'R':
        used_ns = used_ns < turn_ns ? used_ns : turn_ns;
        return disk ? used_ns / 10 : used_ns;
    default:
        return 0;
    }
}

enum watch_verdict watch_judge(struct watch_account *account, enum watch_kind kind,
                               const struct watch_sample *sample, uint64_t turn_ns,
                               uint64_t limit_ns)
{
    if (sample->steps != account->steps) {
        *account = (struct watch_account){
            .steps = sample->steps, .cpu_ns = sample->cpu_ns, .report_at_ns = limit_ns};
        return WATCH_FINE;
    }
    account->charged_ns += charge(kind, sample, turn_ns, sample->cpu_ns - account->cpu_ns);
    account->cpu_ns = sample->cpu_ns;
    account->silent_ns += turn_ns;
    if (account->charged_ns >= limit_ns)
        return WATCH_HUNG;
    if (account->silent_ns < account->report_at_ns)
        return WATCH_FINE;
    /* Ever more seldom. */
    account->report_at_ns *= 2;
    return WATCH_REPORT;
}

/* ---- The thread ---- */

static bool another_waits_for_disk(pid_t task)
{
    pid_t tasks[LIMIT_STACKS];
    uint32_t count = tasks_list(tasks, LIMIT_STACKS);
    for (uint32_t i = 0; i < count; i++)
        if (tasks[i] != task && task_state(tasks[i]) == 'D')
            return true;
    return false;
}

/* Asleep over a lock it may be waiting for the very thread that waits for it. */
static bool holder_works(const struct watched *watched)
{
    const _Atomic pid_t *holder = atomic_load(&watched->holder);
    pid_t task = holder == NULL ? 0 : atomic_load(holder);
    return task != 0 && (task_state(task) != 'S' || !task_waits_for_lock(task));
}

/* The files of /proc are read only for a thread that has not moved. */
static struct watch_sample look(struct watched *watched)
{
    struct watch_sample sample = {.steps = atomic_load(&watched->steps)};
    struct timespec cpu = {0};
    (void)clock_gettime(watched->cpu_clock, &cpu);
    sample.cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
    if (sample.steps != watched->account.steps)
        return sample;
    sample.state = task_state(watched->task);
    if (watched->kind != WATCH_DISK || sample.state != 'S')
        return sample;
    sample.waits_for_lock = task_waits_for_lock(watched->task);
    sample.lock_is_the_disks = holder_works(watched) || another_waits_for_disk(watched->task);
    return sample;
}

static void last_resort(int number)
{
    (void)number;
    _exit(NODE_EXIT_HUNG);
}

static _Noreturn void end_process(const struct watched *watched)
{
    signal(SIGALRM, last_resort);
    alarm(LAST_RESORT_S);
    log_error("hung",
              "thread=%s for_ms=%" PRIu64
              " way_out=\"start it again, and report the stacks that follow\" exit=%d",
              watched->name, watched->account.silent_ns / NS_PER_MS, NODE_EXIT_HUNG);
    stacks_log(LOG_LEVEL_ERROR, watched->task);
    logging_exit(NODE_EXIT_HUNG);
}

static void report(const struct watched *watched)
{
    log_warn("no_progress",
             "thread=%s for_ms=%" PRIu64 " why=\"it waits for the disk, or gets no processor\"",
             watched->name, watched->account.silent_ns / NS_PER_MS);
    stacks_log(LOG_LEVEL_WARN, watched->task);
}

static void look_at(struct watched *watched)
{
    const struct watch_sample sample = look(watched);
    uint64_t turn_ns = watchdog.limit_ns / TURNS;
    switch (watch_judge(&watched->account, watched->kind, &sample, turn_ns, watchdog.limit_ns)) {
    case WATCH_HUNG:
        end_process(watched);
    case WATCH_REPORT:
        report(watched);
        break;
    case WATCH_FINE:
        break;
    }
}

static void *watch(void *unused)
{
    uint64_t turn_ns = watchdog.limit_ns / TURNS;
    const struct timespec turn = {(time_t)(turn_ns / NS_PER_S), (long)(turn_ns % NS_PER_S)};
    for (;;) {
        nanosleep(&turn, NULL);
        pthread_mutex_lock(&watchdog.lock);
        for (uint32_t i = 0; i < LIMIT_WATCHED_THREADS; i++)
            if (watchdog.list[i].taken)
                look_at(&watchdog.list[i]);
        pthread_mutex_unlock(&watchdog.lock);
    }
    return unused;
}

bool watchdog_start(uint64_t limit_ms)
{
    pthread_t thread;
    watchdog.limit_ns = limit_ms * NS_PER_MS;
    if (pthread_create(&thread, NULL, watch, NULL) != 0)
        return false;
    pthread_setname_np(thread, "watchdog");
    pthread_detach(thread);
    return true;
}
