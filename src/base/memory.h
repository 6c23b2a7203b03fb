/* Memory without which there is no going on: an event that was promised, a queue's place.
 *
 * Lack of it is a passing shortage and no broken invariant. These functions give memory or end the
 * process with one log line, which says who wanted how much, and NODE_EXIT_SHORTAGE: never by
 * abort(), whose core file and SIGABRT say "a bug", and never as damage. What can refuse the
 * request instead calls malloc() and refuses.
 *
 * Not for libcandor: a library does not end its caller's process. Any thread. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Not cleared. Released with free(), as all of these. */
#define memory_alloc(bytes) memory_alloc_for(__func__, bytes)
/* `count` things of `each` bytes, cleared. */
#define memory_zeroed(count, each) memory_zeroed_for(__func__, count, each)
/* As realloc(): `old` may be NULL, and is no longer valid. */
#define memory_resize(old, count, each) memory_resize_for(__func__, old, count, each)
/* Room for `wanted` things in an array that grows: `list` and `capacity` (of an unsigned type) are
 * the caller's variables, NULL and 0 at first. The capacity doubles, so that one more costs little
 * however many there are. What is new is not cleared. */
#define memory_grow(list, capacity, wanted)                                                        \
    do {                                                                                           \
        if ((wanted) > (capacity)) {                                                               \
            size_t grown_ = memory_grown(__func__, capacity, wanted, (__typeof__(capacity))-1);    \
            (list) = memory_resize(list, grown_, sizeof *(list));                                  \
            (capacity) = (__typeof__(capacity))grown_;                                             \
        }                                                                                          \
    } while (0)
/* What a library has allocated, or NULL when it could not. Gives it back. */
#define memory_given(pointer) memory_given_for(__func__, pointer)

__attribute__((malloc, returns_nonnull)) void *memory_alloc_for(const char *who, size_t bytes);
__attribute__((malloc, returns_nonnull)) void *memory_zeroed_for(const char *who, size_t count,
                                                                 size_t each);
__attribute__((returns_nonnull)) void *memory_resize_for(const char *who, void *old, size_t count,
                                                         size_t each);
__attribute__((returns_nonnull)) void *memory_given_for(const char *who, void *pointer);

/* The next capacity, at least `wanted`. More than `most` ends the process, too. */
size_t memory_grown(const char *who, size_t capacity, size_t wanted, size_t most);

/* Ends the process. `bytes`: 0 when not known. */
_Noreturn void memory_exhausted(const char *who, size_t bytes);

#endif
