/* A broken invariant stops the process, in release builds too (docs/consistency.md: integrity in
 * doubt). */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <inttypes.h>

_Noreturn void assert_failed(const char *file, int line, const char *function, const char *what);
_Noreturn void assert_failed_u64(const char *file, int line, const char *function, const char *what,
                                 uint64_t left, uint64_t right);

#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #condition))

/* Shows both values: ASSERT_U64(applied, <=, last). */
#define ASSERT_U64(left, op, right)                                                                \
    (((uint64_t)(left)op(uint64_t)(right))                                                         \
         ? (void)0                                                                                 \
         : assert_failed_u64(__FILE__, __LINE__, __func__, #left " " #op " " #right,               \
                             (uint64_t)(left), (uint64_t)(right)))

#endif
