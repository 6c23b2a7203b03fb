/* links: base */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log_ring.h"
#include "base/logging.h"
#include "base/standard_streams.h"

#define DEADLINE_MS 20000
#define ROOM (1 << 20)

/* ---- The ring ---- */

static struct log_ring ring;

static bool put(const char *line)
{
    return log_ring_put(&ring, line, strlen(line));
}

static void lines_leave_the_ring_whole_and_in_order(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof ring);
    char out[16];
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 0);
    put("one\n");
    put("two two\n");
    put("three three\n");
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 12);
    assert_memory_equal(out, "one\ntwo two\n", 12);
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 12);
    assert_memory_equal(out, "three three\n", 12);
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 0);
}

static void what_finds_no_room_is_counted_where_it_is_missing(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof ring);
    uint64_t kept = 0;
    while (put("0123456789\n"))
        kept++;
    assert_int_equal(kept, LIMIT_LOG_RING_BYTES / 11);
    assert_false(put("0123456789\n"));
    char out[LIMIT_LOG_LINE_BYTES];
    uint64_t taken = log_ring_take(&ring, out, sizeof out) / 11;
    /* Behind the gap. */
    assert_true(put("after\n"));
    assert_int_equal(log_ring_take_dropped(&ring), 0);
    size_t bytes;
    while ((bytes = log_ring_take(&ring, out, sizeof out)) > 0)
        taken += bytes / 11;
    assert_int_equal(taken, kept);
    assert_int_equal(log_ring_take_dropped(&ring), 2);
    assert_int_equal(log_ring_take_dropped(&ring), 0);
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 6);
}

static void a_line_that_could_not_be_written_is_missing_too(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof ring);
    char out[16];
    put("one\n");
    log_ring_take(&ring, out, sizeof out);
    log_ring_lost(&ring, 1);
    put("two\n");
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 0);
    assert_int_equal(log_ring_take_dropped(&ring), 1);
    assert_int_equal(log_ring_take(&ring, out, sizeof out), 4);
}

/* ---- The thread, with a pipe for stderr ---- */

struct reading {
    int from;
    int old_stderr;
    size_t length;
    char *text;
};

static struct reading begin(int pipe_bytes)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    if (pipe_bytes > 0)
        assert_true(fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes) >= 0);
    struct reading reading = {.from = ends[0], .old_stderr = dup(STDERR_FILENO)};
    reading.text = malloc(ROOM);
    assert_non_null(reading.text);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_true(logging_start());
    return reading;
}

/* Nothing, when nothing comes for a moment. */
static void read_some(struct reading *reading)
{
    struct pollfd in = {.fd = reading->from, .events = POLLIN};
    if (poll(&in, 1, 10) == 0)
        return;
    assert_true(reading->length < ROOM - 1);
    ssize_t got = read(reading->from, reading->text + reading->length, ROOM - 1 - reading->length);
    assert_true(got >= 0);
    reading->length += (size_t)got;
    reading->text[reading->length] = '\0';
}

static void end(struct reading *reading)
{
    logging_stop(DEADLINE_MS);
    dup2(reading->old_stderr, STDERR_FILENO);
    close(reading->old_stderr);
    if (reading->from >= 0)
        close(reading->from);
    free(reading->text);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

static uint64_t count_lines(const char *text, const char *event)
{
    uint64_t count = 0;
    for (const char *at = text; (at = strstr(at, event)) != NULL; at++)
        count++;
    return count;
}

/* Were a line written by who says it, the test would wait here until ctest ends it. */
static void a_log_that_nobody_reads_blocks_nobody_and_tells_what_it_dropped(void **state)
{
    (void)state;
    const uint64_t said = 20000;
    struct reading reading = begin(4096);
    for (uint64_t i = 0; i < said; i++)
        log_info("spoken", "number=%d", (int)i);
    assert_false(logging_flush(20));
    while (!logging_flush(0))
        read_some(&reading);
    log_info("spoken", "last");
    while (strstr(reading.text, "spoken last") == NULL)
        read_some(&reading);
    const char *notice = strstr(reading.text, "WARN - log_lines_dropped count=");
    assert_non_null(notice);
    uint64_t dropped = strtoull(strchr(notice, '=') + 1, NULL, 10);
    assert_int_equal(count_lines(reading.text, " spoken "), said - dropped + 1);
    assert_int_equal(count_lines(reading.text, "log_lines_dropped"), 1);
    assert_true(strstr(reading.text, "spoken last") > notice);
    end(&reading);
}

static void *say_much(void *unused)
{
    for (int i = 0; i < 5000; i++)
        log_info("spoken", "number=%05d end", i);
    return unused;
}

static void lines_of_threads_never_mix(void **state)
{
    (void)state;
    struct reading reading = begin(0);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, say_much, NULL), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    while (!logging_flush(0))
        read_some(&reading);
    read_some(&reading);
    assert_true(reading.length > LIMIT_LOG_RING_BYTES / 2);
    for (char *at = reading.text, *next; (next = strchr(at, '\n')) != NULL; at = next + 1) {
        *next = '\0';
        bool whole = strncmp(at, "20", 2) == 0 &&
                     (strstr(at, " end") != NULL || strstr(at, "count=") != NULL);
        if (!whole)
            fail_msg("a line is not whole: '%s'", at);
    }
    end(&reading);
}

static void a_closed_pipe_does_not_make_the_thread_spin(void **state)
{
    (void)state;
    struct reading reading = begin(0);
    close(reading.from);
    reading.from = -1;
    for (int i = 0; i < 100; i++) {
        log_info("spoken", "to nobody");
        assert_true(logging_flush(DEADLINE_MS));
    }
    end(&reading);
}

static void a_descriptor_that_does_not_block_loses_nothing(void **state)
{
    (void)state;
    struct reading reading = begin(4096);
    fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 500; i++)
        log_info("spoken", "number=%d", i);
    while (!logging_flush(0))
        read_some(&reading);
    log_info("spoken", "last");
    while (strstr(reading.text, "spoken last") == NULL)
        read_some(&reading);
    assert_int_equal(count_lines(reading.text, " spoken "), 501);
    end(&reading);
}

static void long_lines_are_cut_and_stay_one_line(void **state)
{
    (void)state;
    struct reading reading = begin(0);
    char text[2 * LIMIT_LOG_LINE_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[10] = '\n';
    log_info("spoken", "%s", text);
    log_info("spoken", "last");
    assert_true(logging_flush(DEADLINE_MS));
    read_some(&reading);
    assert_int_equal(strchr(reading.text, '\n') - reading.text, LIMIT_LOG_LINE_BYTES - 1);
    assert_int_equal(count_lines(reading.text, "\n"), 2);
    end(&reading);
}

static void last_words_wait_for_a_reader_but_not_for_long(void **state)
{
    (void)state;
    struct reading reading = begin(4096);
    logging_last_words("heard at once");
    read_some(&reading);
    assert_string_equal(reading.text, "heard at once\n");
    for (int i = 0; i < 1000; i++)
        log_info("spoken", "number=%d", i);
    uint64_t began_ms = now_ms();
    logging_last_words("not heard");
    assert_in_range(now_ms() - began_ms, LIMIT_LOG_FLUSH_MS - 10, DEADLINE_MS);
    while (!logging_flush(0))
        read_some(&reading);
    end(&reading);
}

static void a_log_file_is_opened_anew_when_asked(void **state)
{
    (void)state;
    char directory[] = "/tmp/candor-logging-XXXXXX";
    char path[64];
    char moved[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
    snprintf(moved, sizeof moved, "%s/log.1", directory);
    struct reading reading = begin(0);
    assert_true(logging_to_file(path));
    log_info("spoken", "first");
    assert_true(logging_flush(DEADLINE_MS));
    assert_int_equal(rename(path, moved), 0);
    log_info("spoken", "second");
    assert_true(logging_flush(DEADLINE_MS));
    assert_int_not_equal(access(path, F_OK), 0);
    logging_reopen();
    log_info("spoken", "third");
    assert_true(logging_flush(DEADLINE_MS));
    end(&reading);
    char text[1024] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_null(strstr(text, "second"));
    assert_non_null(strstr(text, "third"));
    assert_false(logging_to_file("/nowhere/at/all"));
    assert_int_equal(errno, ENOENT);
    unlink(path);
    unlink(moved);
    rmdir(directory);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void a_crash_loses_no_line(void **state)
{
    (void)state;
    static const int signals[] = {SIGABRT, SIGSEGV, SIGILL};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct reading reading = begin(0);
        logging_stop(DEADLINE_MS);
        pid_t child = fork();
        if (child == 0) {
            logging_flush_on_crash();
            logging_start();
            for (int line = 0; line < 500; line++)
                log_info("spoken", "number=%d", line);
            raise(signals[i]);
            /* A fault comes again; a signal that is sent does so here. */
            raise(signals[i]);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        read_some(&reading);
        assert_int_equal(count_lines(reading.text, " spoken "), 500);
        end(&reading);
    }
}
#endif

/* ---- Standard streams ---- */

static void closed_standard_streams_are_opened_before_they_are_taken(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        close(0);
        close(1);
        close(2);
        standard_streams_open();
        int next = open("/dev/null", O_RDWR);
        bool same = true;
        for (int fd = 0; fd <= 2; fd++) {
            char path[64];
            char target[64] = {0};
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            same = same && readlink(path, target, sizeof target - 1) > 0 &&
                   strcmp(target, "/dev/null") == 0;
        }
        _exit(next > 2 && same ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_leave_the_ring_whole_and_in_order),
        cmocka_unit_test(what_finds_no_room_is_counted_where_it_is_missing),
        cmocka_unit_test(a_line_that_could_not_be_written_is_missing_too),
        cmocka_unit_test(a_log_that_nobody_reads_blocks_nobody_and_tells_what_it_dropped),
        cmocka_unit_test(lines_of_threads_never_mix),
        cmocka_unit_test(a_closed_pipe_does_not_make_the_thread_spin),
        cmocka_unit_test(a_descriptor_that_does_not_block_loses_nothing),
        cmocka_unit_test(long_lines_are_cut_and_stay_one_line),
        cmocka_unit_test(last_words_wait_for_a_reader_but_not_for_long),
        cmocka_unit_test(a_log_file_is_opened_anew_when_asked),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(a_crash_loses_no_line),
#endif
        cmocka_unit_test(closed_standard_streams_are_opened_before_they_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
