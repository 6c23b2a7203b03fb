/* Memory without which there is no going on: an event that was promised, a queue's place.
 *
 * Lack of it is a passing shortage and no broken invariant. These functions give memory or end the process with one
 * log line, which says who wanted how much, and NODE_EXIT_SHORTAGE: never by abort(), whose core file and SIGABRT
 * say "a bug", and never as damage. What can refuse the request instead calls malloc() and refuses.
 *
 * Not for libcandor: a library does not end its caller's process. Any thread. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Not cleared. Released with free(), as all of these. */
#define memory_alloc(bytes) memory_alloc_for(__func__, bytes)
/* `count` things of `each` bytes, cleared. */
#define memory_zeroed(count, each) memory_zeroed_for(__func__, count, each)
/* As realloc(): `old` may be NULL, and is no longer valid. */
#define memory_resize(old, count, each) memory_resize_for(__func__, old, count, each)
/* What a library has allocated, or NULL when it could not. Gives it back. */
#define memory_given(pointer) memory_given_for(__func__, pointer)

__attribute__((malloc, returns_nonnull)) void *memory_alloc_for(const char *who, size_t bytes);
__attribute__((malloc, returns_nonnull)) void *memory_zeroed_for(const char *who, size_t count,
                                                                 size_t each);
__attribute__((returns_nonnull)) void *memory_resize_for(const char *who, void *old, size_t count,
                                                         size_t each);
__attribute__((returns_nonnull)) void *memory_given_for(const char *who, void *pointer);

/* Ends the process. `bytes`: 0 when not known. */
_Noreturn void memory_exhausted(const char *who, size_t bytes);

#endif
