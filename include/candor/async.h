/* The calls of candor/client.h for who does not want to wait: one thread keeps thousands of
 * operations in flight.
 *
 *     struct candor_queue *queue;
 *     if (candor_queue_open(&queue, &error) != CANDOR_OK)
 *         die(error.message);
 *     struct candor_sink sink = {.queue = queue, .closure = my_request};
 *     if (candor_submit_get(client, candor_text("greeting"), NULL, &sink, &error) != CANDOR_OK)
 *         ... nothing was submitted: error.reason OVERLOADED means later ...
 *
 *     struct candor_completion ready[64];
 *     size_t count = candor_queue_wait(queue, ready, 64, -1);
 *     for (size_t i = 0; i < count; i++) {
 *         ... ready[i].closure is my_request, ready[i].result what candor_get() would give ...
 *         candor_result_free(&ready[i].result);
 *     }
 *
 * An operation is submitted, and completes once: its result comes to a queue, from which the
 * program takes it, or to a callback. In between it does all that a blocking call does (redirects,
 * retries, the session, one request id, promises), up to its deadline. Operations are independent:
 * they may be executed and may complete in any order, those of one key too. What has to follow
 * another is submitted when that has completed. A write brings the session's position as it was
 * when it was submitted.
 *
 * Ownership: keys, values, options and all else that a candor_submit function is given are copied
 * before it returns, except where `out` says otherwise.
 *
 * Threads: any thread may submit at any time, callbacks included, except while the client is being
 * closed. A queue may be used by many threads.
 *
 * Limits: a client has so many operations in flight, and their requests and results so many bytes
 * together (candor_client_options.operations, .operation_bytes). In flight is what was submitted
 * and whose callback has not returned, or whose result was not taken from its queue yet: what
 * nobody takes is not followed by more. At one node some 1,000 are asked at a time; the others wait
 * for their turn inside the library, no longer than their deadline allows.
 *
 * candor_client_close() ends what is in flight with CANCELLED (reason OUTCOME_UNKNOWN: a write that
 * may have been executed) and returns when all callbacks have returned and all results are in their
 * queues. Callbacks may run meanwhile, and what they submit is refused with CANCELLED. From a
 * callback of the client it does nothing but to log that: it would wait for itself.
 *
 * fork(): as candor/client.h says. What is in flight is the parent's: in a child it does not
 * complete, and candor_client_close() there forgets it. */
#ifndef CANDOR_ASYNC_H
#define CANDOR_ASYNC_H

#include <candor/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Where results go ------------------------------------------------------------------------ */

struct candor_queue;

/* Exactly one of `queue` and `done`. Copied. */
struct candor_sink {
    struct candor_queue *queue;
    /* Runs once, on a thread of the library. It must not block: no blocking call (those give
     * FAILED_PRECONDITION there), no waiting for other operations. It may submit. The result is
     * gone when it returns, unless it has taken it: it copies the struct, sets *result to zeros,
     * and the copy is to be freed with candor_result_free(). */
    void (*done)(void *closure, struct candor_result *result);
    void *closure; /* comes with the result */
    uint64_t reserved[4];
};

struct candor_completion {
    void *closure;
    struct candor_result result; /* the taker's: candor_result_free() */
};

/* A queue belongs to no client: operations of several may complete in it. RESOURCE_EXHAUSTED: there
 * is no memory, or no descriptor. */
enum candor_code candor_queue_open(struct candor_queue **out, struct candor_error *err);
/* Frees what was not taken. What is still in flight goes on; its result is dropped when it comes.
 * No thread may be in a call with the queue, nor come with one later. NULL is fine. */
void candor_queue_close(struct candor_queue *queue);

/* A descriptor (an eventfd) that is readable while there is something to take, for poll() and
 * epoll. The queue's: it is not to be read, written or closed. In a child of fork() it is the
 * parent's, too: the child opens a queue of its own; there this one gives nothing. */
int candor_queue_fd(struct candor_queue *queue);

/* Takes up to `room` completions, oldest first, without waiting. Returns how many. */
size_t candor_queue_take(struct candor_queue *queue, struct candor_completion *out, size_t room);
/* Likewise, and waits for the first one, at most `timeout_ms` (0: not at all; -1: as long as it
 * takes, for ever when nothing is in flight). 0: none came. */
size_t candor_queue_wait(struct candor_queue *queue, struct candor_completion *out, size_t room,
                         int timeout_ms);

/* ---- Submitting ------------------------------------------------------------------------------ */

/* Each does not wait. OK: the operation is in flight, and its result comes to `sink` once: what the
 * function of candor/client.h with the same arguments would give. Any other code: nothing was sent,
 * and no result comes.
 *
 *   RESOURCE_EXHAUSTED, OVERLOADED   a limit of the client is reached: again when something was
 *                                    completed and taken
 *   RESOURCE_EXHAUSTED, TOO_LARGE    the request is larger than one message
 *   RESOURCE_EXHAUSTED, NONE         there is no memory
 *   INVALID_ARGUMENT                 `sink` names nobody, or two
 *   FAILED_PRECONDITION              a child of fork()
 *   CANCELLED                        the client is being closed */

enum candor_code candor_submit_get(struct candor_client *client, struct candor_bytes key,
                                   const struct candor_read_options *options,
                                   const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_mget(struct candor_client *client, const struct candor_bytes *keys,
                                    size_t count, const struct candor_read_options *options,
                                    const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_scan(struct candor_client *client, const struct candor_range *range,
                                    const struct candor_read_options *options,
                                    const struct candor_sink *sink, struct candor_error *err);

enum candor_code candor_submit_put(struct candor_client *client, struct candor_bytes key,
                                   struct candor_bytes value,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_delete(struct candor_client *client, struct candor_bytes key,
                                      const struct candor_write_options *options,
                                      const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_batch(struct candor_client *client, const struct candor_op *ops,
                                     size_t count, const struct candor_write_options *options,
                                     const struct candor_sink *sink, struct candor_error *err);

enum candor_code candor_submit_cas(struct candor_client *client, struct candor_bytes key,
                                   const struct candor_expect *expect, struct candor_bytes value,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_expire(struct candor_client *client, struct candor_bytes key,
                                      uint64_t ttl_ms, uint64_t expect_mod_seq,
                                      const struct candor_write_options *options,
                                      const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_increment(struct candor_client *client, struct candor_bytes key,
                                         int64_t delta, const struct candor_bounds *bounds,
                                         const struct candor_write_options *options,
                                         const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_txn(struct candor_client *client, const struct candor_txn *txn,
                                   const struct candor_write_options *options,
                                   const struct candor_sink *sink, struct candor_error *err);

/* `out` is filled before the result comes, and must stay until then. */
enum candor_code candor_submit_txn_status(struct candor_client *client,
                                          const struct candor_request_id *request,
                                          const struct candor_pos *pos, uint32_t deadline_ms,
                                          enum candor_txn_state *out,
                                          const struct candor_sink *sink, struct candor_error *err);
enum candor_code
candor_submit_await_commit(struct candor_client *client, const struct candor_token *token,
                           const struct candor_pos *pos, const struct candor_await_options *options,
                           const struct candor_sink *sink, struct candor_error *err);
enum candor_code candor_submit_status(struct candor_client *client, const char *endpoint,
                                      uint32_t deadline_ms, struct candor_status *out,
                                      const struct candor_sink *sink, struct candor_error *err);

#ifdef __cplusplus
}
#endif
#endif
