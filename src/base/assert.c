#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *function, const char *what)
{
    fprintf(stderr, "%s:%d: %s: broken invariant: %s\n", file, line, function, what);
    abort();
}

void assert_failed_u64(const char *file, int line, const char *function, const char *what,
                       uint64_t left, uint64_t right)
{
    fprintf(stderr, "%s:%d: %s: broken invariant: %s (%" PRIu64 " against %" PRIu64 ")\n", file,
            line, function, what, left, right);
    abort();
}
