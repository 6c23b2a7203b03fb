/* links: cli */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/local/process.h"

#define DEADLINE_NS (UINT64_C(20000) * NS_PER_MS)

/* ---- The child: this very program, with an argument ---- */

static void *wait_for_the_end(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void leave_a_thread_behind(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_the_end, NULL) == 0)
        pthread_exit(NULL);
}

/* ---- The tests ---- */

static int state_of(pid_t pid)
{
    char path[64];
    char text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return 0;
    size_t got = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[got] = '\0';
    const char *at = strrchr(text, ')');
    return at != NULL ? (unsigned char)at[2] : 0;
}

/* kill -9 makes the first thread a zombie while others still run and hold the data directory's
 * lock. */
static void a_process_has_not_ended_before_its_last_thread(void **state)
{
    (void)state;
    char program[] = "/proc/self/exe";
    char how[] = "leave-a-thread-behind";
    char *argv[] = {program, how, NULL};
    struct process process;
    struct candor_error err;
    assert_int_equal(process_start(argv, "/dev/null", &process, &err), CANDOR_OK);
    uint64_t until_ns = clock_boot_ns() + DEADLINE_NS;
    while (state_of(process.pid) != 'Z' && clock_boot_ns() < until_ns)
        poll(NULL, 0, 1);
    assert_int_equal(state_of(process.pid), 'Z');
    assert_int_equal(process_look(&process), PROCESS_RUNNING);

    assert_true(process_signal(&process, SIGKILL, &err));
    assert_true(process_wait_end(&process, until_ns));
    assert_int_equal(process_look(&process), PROCESS_ENDED);
    char text[PROCESS_EXIT_TEXT_BYTES];
    assert_string_equal(process_exit_text(&process, text), "killed by signal 9 (Killed)");
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        leave_a_thread_behind();
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_has_not_ended_before_its_last_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
