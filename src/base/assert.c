/* What a broken assertion prints before the process ends. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/logging.h"

void assert_failed(const char *file, int line, const char *function, const char *what)
{
    char text[1024];
    snprintf(text, sizeof text, "%s:%d: %s: broken invariant: %s", file, line, function, what);
    logging_last_words(text);
    abort();
}

void assert_failed_u64(const char *file, int line, const char *function, const char *what,
                       uint64_t left, uint64_t right)
{
    char text[1024];
    snprintf(text, sizeof text, "%s:%d: %s: broken invariant: %s (%" PRIu64 " against %" PRIu64 ")",
             file, line, function, what, left, right);
    logging_last_words(text);
    abort();
}
