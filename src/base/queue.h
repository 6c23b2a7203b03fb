/* A bounded queue of pointers between threads: many producers, one consumer.
 * Ownership of what a pointer points to moves with it. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t capacity); /* base/memory.h */
void queue_free(struct queue *queue);     /* must be empty */

/* False when full or closed: the caller keeps `item`. Any thread; never blocks for room. */
bool queue_push(struct queue *queue, void *item);
/* As queue_push, for what can wait: it wakes nobody, but is popped with the next item that does, or
 * when the consumer wakes by itself, unless that has asked for all. */
bool queue_push_quiet(struct queue *queue, void *item);
/* Whether quiet items wake the consumer like others, from the next one on. At first they do.
 * Consumer only. */
void queue_ask_for_all(struct queue *queue, bool all);
/* As queue_push, but may exceed the capacity: for completions, whose number their requests bound.
 * False when closed. */
bool queue_push_always(struct queue *queue, void *item);
/* All or none, in order, as queue_push_always: one lock and one wake-up for many. False when
 * closed. */
bool queue_push_all(struct queue *queue, void *const *items, size_t count);
/* All or none, in order, as queue_push; the last may exceed the capacity. */
bool queue_push_many(struct queue *queue, void *const *items, size_t count);
/* Moves up to `most` items into `out`, oldest first; waits until there is one, the queue is closed,
 * or CLOCK_BOOTTIME reaches `until_ns` (UINT64_MAX: for ever; 0: does not wait). Returns how many.
 * Consumer only. */
size_t queue_pop(struct queue *queue, void **out, size_t most, uint64_t until_ns);
/* Nothing more gets in; what is in can still be popped. Any thread. */
void queue_close(struct queue *queue);
bool queue_closed(struct queue *queue);

#endif
