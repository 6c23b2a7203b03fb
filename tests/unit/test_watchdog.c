/* links: base */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/exit_status.h"
#include "base/logging.h"
#include "base/stacks.h"
#include "base/tasks.h"
#include "base/watchdog.h"

/* ---- Judging ---- */

#define TURN_NS (250 * NS_PER_MS)
#define LIMIT_NS (10 * NS_PER_S)
#define NEVER 100000

/* After how many turns a thread is hung that takes no step and uses `used_ns` of the processor each
 * turn. */
static int turns_until_hung(enum watch_kind kind, struct watch_sample sample, uint64_t used_ns)
{
    struct watch_account account = {0};
    sample.steps = 1;
    assert_int_equal(watch_judge(&account, kind, &sample, TURN_NS, LIMIT_NS), WATCH_FINE);
    for (int turn = 1; turn < NEVER; turn++) {
        sample.cpu_ns += used_ns;
        if (watch_judge(&account, kind, &sample, TURN_NS, LIMIT_NS) == WATCH_HUNG)
            return turn;
    }
    return NEVER;
}

static void only_what_a_thread_could_have_used_is_charged(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum watch_kind kind;
        struct watch_sample sample;
        uint64_t used_ns;
        int turns;
    } cases[] = {
        {"a timer sleeps", WATCH_TIMER, {.state = 'S'}, 0, 40},
        {"a timer spins", WATCH_TIMER, {.state = 'R'}, TURN_NS, 40},
        {"a timer that gets a tenth of a processor",
         WATCH_TIMER,
         {.state = 'R'},
         TURN_NS / 10,
         400},
        {"more of a processor than there is", WATCH_TIMER, {.state = 'R'}, 9 * TURN_NS, 40},
        {"a timer that gets no processor", WATCH_TIMER, {.state = 'R'}, 0, NEVER},
        {"a timer is paged in", WATCH_TIMER, {.state = 'D'}, 0, NEVER},
        {"a timer is debugged", WATCH_TIMER, {.state = 't'}, 0, NEVER},
        {"a timer is stopped", WATCH_TIMER, {.state = 'T'}, 0, NEVER},
        {"the disk hangs", WATCH_DISK, {.state = 'D'}, 0, NEVER},
        {"a disk over the network hangs", WATCH_DISK, {.state = 'S'}, 0, NEVER},
        {"a lock", WATCH_DISK, {.state = 'S', .waits_for_lock = true}, 0, 40},
        {"a lock held over work on the disk",
         WATCH_DISK,
         {.state = 'S', .waits_for_lock = true, .lock_is_the_disks = true},
         0,
         NEVER},
        {"a writer that counts without end", WATCH_DISK, {.state = 'R'}, TURN_NS, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int turns = turns_until_hung(cases[i].kind, cases[i].sample, cases[i].used_ns);
        if (turns != cases[i].turns)
            fail_msg("%s: %d turns instead of %d", cases[i].what, turns, cases[i].turns);
    }
}

static void a_step_begins_the_time_anew(void **state)
{
    (void)state;
    struct watch_account account = {0};
    struct watch_sample sample = {.state = 'S', .steps = 1};
    for (int i = 0; i < 1000; i++) {
        sample.steps += i % 40 == 0;
        assert_int_equal(watch_judge(&account, WATCH_TIMER, &sample, TURN_NS, LIMIT_NS),
                         WATCH_FINE);
    }
}

static void silence_that_is_not_charged_is_told_ever_more_seldom(void **state)
{
    (void)state;
    struct watch_account account = {0};
    struct watch_sample sample = {.state = 'D', .steps = 1};
    int told[8] = {0};
    int count = 0;
    watch_judge(&account, WATCH_DISK, &sample, TURN_NS, LIMIT_NS);
    for (int turn = 1; turn <= 200; turn++)
        if (watch_judge(&account, WATCH_DISK, &sample, TURN_NS, LIMIT_NS) == WATCH_REPORT)
            told[count++] = turn;
    assert_int_equal(count, 3);
    assert_int_equal(told[0], 40);
    assert_int_equal(told[1], 80);
    assert_int_equal(told[2], 160);
}

/* ---- The real thing, in a child ---- */

static void step_for_ms(struct watched *watched, int ms)
{
    const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
    for (int i = 0; i < ms; i++) {
        watchdog_step(watched);
        nanosleep(&pause, NULL);
    }
}

static void *hang(void *unused)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_setname_np(pthread_self(), "hangs");
    struct watched *watched = watchdog_enter("hangs", WATCH_TIMER);
    step_for_ms(watched, 100);
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
    return unused;
}

static void *leave(void *unused)
{
    struct watched *watched = watchdog_enter("leaves", WATCH_TIMER);
    step_for_ms(watched, 10);
    watchdog_leave(watched);
    sleep(600);
    return unused;
}

static void *live(void *unused)
{
    step_for_ms(watchdog_enter("lives", WATCH_TIMER), 3000);
    _exit(0);
    return unused;
}

/* As a writer that gives back a part of its state, and a snapshot thread whose checkpoint takes its
 * place. */
static pthread_mutex_t checkpoint_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic pid_t checkpoint_holder;

static void *roll_back(void *unused)
{
    struct watched *watched = watchdog_enter("writer", WATCH_DISK);
    while (atomic_load(&checkpoint_holder) == 0)
        step_for_ms(watched, 1);
    watchdog_expect_wait(watched, &checkpoint_holder);
    pthread_mutex_lock(&checkpoint_lock);
    _exit(0);
    return unused;
}

/* A lock that nobody gives back, and none of the checkpoint's. */
static void *roll_back_twice(void *unused)
{
    static _Atomic pid_t nobody;
    struct watched *watched = watchdog_enter("writer", WATCH_DISK);
    watchdog_expect_wait(watched, &nobody);
    step_for_ms(watched, 10);
    pthread_mutex_lock(&checkpoint_lock);
    pthread_mutex_lock(&checkpoint_lock);
    return unused;
}

/* For several times as long as a thread may hang, as far as the watchdog has run. */
static void *adopt_for_long(void *unused)
{
    pthread_mutex_lock(&checkpoint_lock);
    atomic_store(&checkpoint_holder, gettid());
    struct timespec used = {0};
    while (used.tv_sec < 2)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    pthread_mutex_unlock(&checkpoint_lock);
    sleep(600);
    return unused;
}

static void *adopt_for_ever(void *unused)
{
    pthread_mutex_lock(&checkpoint_lock);
    atomic_store(&checkpoint_holder, gettid());
    pthread_mutex_lock(&checkpoint_lock);
    return unused;
}

static void *do_nothing(void *unused)
{
    return unused;
}

static _Noreturn void child(void *(*first)(void *), void *(*second)(void *))
{
    pthread_t threads[2];
    alarm(120);
    stacks_prepare();
    if (!logging_start() || !watchdog_start(300) ||
        pthread_create(&threads[0], NULL, first, NULL) != 0 ||
        pthread_create(&threads[1], NULL, second, NULL) != 0)
        _exit(100);
    pthread_detach(threads[0]); /* nobody waits for them */
    pthread_detach(threads[1]);
    for (;;)
        pause();
}

static int status_of(void *(*first)(void *), void *(*second)(void *), char *said, size_t room)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        child(first, second);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t more;
    while ((more = read(ends[0], said + got, room - 1 - got)) > 0)
        got += (size_t)more;
    said[got] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_thread_that_hangs_ends_the_process_and_its_stack_is_told(void **state)
{
    (void)state;
    char said[1 << 16];
    int status = status_of(hang, leave, said, sizeof said);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != NODE_EXIT_HUNG)
        fail_msg("wait status %#x, and it said: %s", (unsigned)status, said);
    assert_non_null(strstr(said, "ERROR - hung thread=hangs for_ms="));
    const char *stack = strstr(said, "ERROR - stack thread=hangs ");
    assert_non_null(stack);
    assert_non_null(strstr(stack, "test_watchdog+0x"));
}

static void threads_that_live_or_have_left_are_no_reason(void **state)
{
    (void)state;
    char said[1 << 16];
    int status = status_of(live, leave, said, sizeof said);
    if (status != 0)
        fail_msg("wait status %#x, and it said: %s", (unsigned)status, said);
}

static void a_writer_that_waits_for_a_checkpoint_hangs_only_when_that_does(void **state)
{
    (void)state;
    static const struct {
        void *(*writer)(void *);
        void *(*snapshot)(void *);
        int status;
    } cases[] = {
        {roll_back, adopt_for_long, 0},
        {roll_back, adopt_for_ever, NODE_EXIT_HUNG},
        {roll_back_twice, do_nothing, NODE_EXIT_HUNG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[1 << 16];
        int status = status_of(cases[i].writer, cases[i].snapshot, said, sizeof said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
            fail_msg("case %zu: wait status %#x, and it said: %s", i, (unsigned)status, said);
    }
}

/* ---- Tasks ---- */

static void *wait_for_lock(void *lock)
{
    pthread_setname_np(pthread_self(), "waits");
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static pid_t find(const char *name)
{
    pid_t tasks[64];
    char other[TASK_NAME_BYTES];
    uint32_t count = tasks_list(tasks, 64);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(task_name(tasks[i], other), name) == 0)
            return tasks[i];
    return 0;
}

static void a_thread_that_waits_for_a_lock_is_told_from_one_that_runs(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    pid_t task;
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &lock), 0);
    while ((task = find("waits")) == 0)
        sched_yield();
    while (task_state(task) != 'S')
        sched_yield();
    assert_true(task_waits_for_lock(task));
    assert_int_equal(task_state(gettid()), 'R');
    assert_false(task_waits_for_lock(gettid()));
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    while (task_state(task) != '?') /* the kernel buries it a little later */
        sched_yield();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_a_thread_could_have_used_is_charged),
        cmocka_unit_test(a_step_begins_the_time_anew),
        cmocka_unit_test(silence_that_is_not_charged_is_told_ever_more_seldom),
        cmocka_unit_test(a_thread_that_hangs_ends_the_process_and_its_stack_is_told),
        cmocka_unit_test(threads_that_live_or_have_left_are_no_reason),
        cmocka_unit_test(a_writer_that_waits_for_a_checkpoint_hangs_only_when_that_does),
        cmocka_unit_test(a_thread_that_waits_for_a_lock_is_told_from_one_that_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
