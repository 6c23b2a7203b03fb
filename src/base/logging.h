/* Structured log lines on stderr: `2026-11-24T19:30:01.123Z INFO a epoch_adopted term=3 owner=b`.
 *
 * Before logging_start() a line is written by who says it, with one write(2), so that lines never
 * mix. After it, no thread waits for whoever reads the log: lines go into a ring of
 * LIMIT_LOG_RING_BYTES, and a thread of its own writes them. A full pipe or a frozen terminal
 * blocks that thread alone. Lines that find no room are dropped and counted: `log_lines_dropped
 * count=N` stands where they are missing, once it flows again.
 *
 * One log a process. Threads: any, unless said. */
#ifndef BASE_LOGGING_H
#define BASE_LOGGING_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Any time. */
void logging_set_level(enum log_level level);
/* Lines go there instead, without time and node: `text` is the event and its pairs, without '\n'.
 * On any thread, several at a time. NULL: to stderr, as at first. Any time. */
void logging_set_sink(void (*sink)(enum log_level level, const char *text));
/* Before other threads start. `node` stands in each line; it is copied. */
void logging_set_node(const char *node);

/* From here on lines are appended to the file, and so is all else that is written to stderr. False:
 * it cannot be opened, errno says why. `path` is kept. Before other threads start. */
bool logging_to_file(const char *path);

/* Starts the thread. False: there is none to be had. */
bool logging_start(void);
/* Opens the file anew, for what turns log files over; without a file: nothing. The thread does it,
 * in its time. */
void logging_reopen(void);
/* Waits until all lines are written, at most so long. False: they are not. */
bool logging_flush(uint64_t most_ms);
/* Flushes; when that succeeds the thread ends, and lines are written at once again. From one
 * thread. */
void logging_stop(uint64_t most_ms);

/* A line for stdout, without time and level: what scripts wait for. As with the log nobody waits
 * for its reader: one that does not read for LIMIT_LOG_PRINT_MS does not get it. Longer ones are
 * cut. */
__attribute__((format(printf, 1, 2))) void logging_print(const char *format, ...);

/* A plain line, the last one of a process that is about to end; waits until it is written. */
void logging_last_words(const char *text);
/* Ends the process at once, by _exit(), when its last lines are written. Both wait
 * LIMIT_LOG_FLUSH_MS at most. */
_Noreturn void logging_exit(int status);

/* From here on a crash (SIGSEGV, SIGABRT and their like) waits for the last lines, too,
 * LIMIT_LOG_FLUSH_MS at most. Before others take those signals; not where a sanitizer does. */
void logging_flush_on_crash(void);

/* `event` is one word of [a-z_]; `format` gives `key=value` pairs; values with blanks are quoted by
 * the caller. */
__attribute__((format(printf, 3, 4))) void logging_write(enum log_level level, const char *event,
                                                         const char *format, ...);

#define log_debug(event, ...) logging_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) logging_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) logging_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) logging_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
