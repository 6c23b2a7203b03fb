/* Log lines: formatted, and handed to who writes them. */
#include "base/logging.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log_writer.h"

static atomic_int threshold = LOG_LEVEL_INFO;
static void (*_Atomic line_sink)(enum log_level level, const char *text);
static char node_name[64] = "-";
static const char *file_path;

void logging_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void logging_set_sink(void (*to)(enum log_level level, const char *text))
{
    atomic_store(&line_sink, to);
}

void logging_set_node(const char *node)
{
    snprintf(node_name, sizeof node_name, "%s", node);
}

/* ---- Lines ---- */

/* Ends what was printed into a line's bytes, `wanted` of them, as one line; what is beyond is
 * cut. */
static size_t end_line(char line[LIMIT_LOG_LINE_BYTES], size_t wanted)
{
    size_t used = wanted < LIMIT_LOG_LINE_BYTES - 1 ? wanted : LIMIT_LOG_LINE_BYTES - 1;
    for (size_t i = 0; i < used; i++)
        if (line[i] == '\n' || line[i] == '\0')
            line[i] = ' ';
    line[used] = '\n';
    return used + 1;
}

__attribute__((format(printf, 4, 0))) static size_t format_line(char out[LIMIT_LOG_LINE_BYTES],
                                                                enum log_level level,
                                                                const char *event,
                                                                const char *format, va_list args)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct tm utc;
    gmtime_r(&t.tv_sec, &utc);
    size_t used = strftime(out, LIMIT_LOG_LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(out + used, LIMIT_LOG_LINE_BYTES - used, ".%03ldZ %s %s %s ",
                             t.tv_nsec / 1000000, names[level], node_name, event);
    int wanted = vsnprintf(out + used, LIMIT_LOG_LINE_BYTES - used, format, args);
    return end_line(out, used + (wanted > 0 ? (size_t)wanted : 0));
}

size_t logging_format(char out[LIMIT_LOG_LINE_BYTES], enum log_level level, const char *event,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_line(out, level, event, format, args);
    va_end(args);
    return length;
}

static void say(const char *line, size_t length)
{
    if (log_writer_runs())
        log_writer_put(line, length);
    else
        log_write_all(STDERR_FILENO, line, length);
}

__attribute__((format(printf, 4, 0))) static void
give(void (*to)(enum log_level level, const char *text), enum log_level level, const char *event,
     const char *format, va_list args)
{
    char line[LIMIT_LOG_LINE_BYTES];
    size_t used = (size_t)snprintf(line, sizeof line, "%s ", event);
    int wanted = used < sizeof line ? vsnprintf(line + used, sizeof line - used, format, args) : 0;
    size_t length = end_line(line, used + (wanted > 0 ? (size_t)wanted : 0));
    line[length - 1] = '\0';
    to(level, line);
}

void logging_write(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    void (*to)(enum log_level level, const char *text) = atomic_load(&line_sink);
    va_list args;
    va_start(args, format);
    if (to != NULL) {
        give(to, level, event, format, args);
    } else {
        char line[LIMIT_LOG_LINE_BYTES];
        size_t length = format_line(line, level, event, format, args);
        say(line, length);
    }
    va_end(args);
}

void logging_print(const char *format, ...)
{
    char line[LIMIT_LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t length = end_line(line, wanted > 0 ? (size_t)wanted : 0);
    if (log_writer_runs())
        log_writer_print(line, length);
    else
        log_write_all(STDOUT_FILENO, line, length);
}

void logging_last_words(const char *text)
{
    char line[LIMIT_LOG_LINE_BYTES];
    void (*to)(enum log_level level, const char *text) = atomic_load(&line_sink);
    if (to != NULL) {
        to(LOG_LEVEL_ERROR, text);
        return;
    }
    int wanted = snprintf(line, sizeof line, "%s", text);
    say(line, end_line(line, wanted > 0 ? (size_t)wanted : 0));
    log_writer_flush(LIMIT_LOG_FLUSH_MS);
}

void logging_exit(int status)
{
    log_writer_flush(LIMIT_LOG_FLUSH_MS);
    _exit(status);
}

/* Waits for the thread that writes, then lets the signal do what it does by default: it comes again
 * when this returns. */
static void crashed(int number)
{
    const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
    for (int i = 0; i < LIMIT_LOG_FLUSH_MS && !log_writer_idle(); i++)
        nanosleep(&pause, NULL);
    signal(number, SIG_DFL);
}

void logging_flush_on_crash(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = crashed};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
#else
    (void)crashed;
#endif
}

/* ---- Where they go ---- */

bool logging_to_file(const char *path)
{
    file_path = path;
    return log_file_open(path);
}

bool logging_start(void)
{
    return log_writer_start();
}

void logging_reopen(void)
{
    if (file_path != NULL)
        log_writer_reopen(file_path);
}

bool logging_flush(uint64_t most_ms)
{
    return log_writer_flush(most_ms);
}

void logging_stop(uint64_t most_ms)
{
    log_writer_stop(most_ms);
}
