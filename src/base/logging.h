/* Structured log lines on stderr: `2026-11-24T19:30:01.123Z INFO a epoch_adopted term=3 owner=b`.
 * One write(2) a line, so that lines of threads never mix. Any thread. */
#ifndef BASE_LOGGING_H
#define BASE_LOGGING_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Both before other threads start. `node` stands in each line; it is copied. */
void logging_set_level(enum log_level level);
void logging_set_node(const char *node);

/* `event` is one word of [a-z_]; `format` gives `key=value` pairs; values with blanks are quoted by the caller. */
__attribute__((format(printf, 3, 4))) void logging_write(enum log_level level, const char *event,
                                                         const char *format, ...);

#define log_debug(event, ...) logging_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) logging_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) logging_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) logging_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
