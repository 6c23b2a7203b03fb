/* The thread that writes log lines, so that no other waits for their reader (logging.h is what
 * others use). */
#ifndef BASE_LOG_WRITER_H
#define BASE_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/logging.h"

/* A whole line with its '\n' into `out`; returns its length. */
__attribute__((format(printf, 4, 5))) size_t logging_format(char out[LIMIT_LOG_LINE_BYTES],
                                                            enum log_level level, const char *event,
                                                            const char *format, ...);

bool log_writer_start(void);
bool log_writer_runs(void);
/* A line with its '\n'; never waits for a reader. For stdout: the newest counts, as there is but
 * one. */
void log_writer_put(const char *line, size_t length);
void log_writer_print(const char *line, size_t length);
/* For signal handlers: nothing waits to be written. */
bool log_writer_idle(void);
bool log_writer_flush(uint64_t most_ms);
void log_writer_stop(uint64_t most_ms);
/* The thread opens the file and puts it in stderr's place. */
void log_writer_reopen(const char *path);

/* Opens `path` to append to and puts it in stderr's place. */
bool log_file_open(const char *path);
/* All of it; waits for room even where the descriptor does not block. False: it cannot be
 * written. */
bool log_write_all(int fd, const char *bytes, size_t length);

#endif
