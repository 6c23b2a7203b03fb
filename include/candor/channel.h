/* One node, any method: for tools and operators, who mean that very node. For keys there is
 * candor/client.h.
 *
 *     struct candor_channel *channel;
 *     if (candor_channel_open("tcp://127.0.0.1:7000", &channel, &error) != CANDOR_OK)
 *         die(error.message);
 *     struct candor_answer answer;
 *     if (candor_channel_call(channel, "/candor.v1.Cluster/Status", request, NULL, &answer) ==
 *     CANDOR_OK)
 *         ... unpack answer.response ...
 *     candor_answer_free(&answer);
 *     candor_channel_close(channel);
 *
 * Requests and responses are packed messages of proto/candor/v1. What was asked is sent once: there
 * is no retry, no redirect and no session. UNAVAILABLE and RESOURCE_EXHAUSTED without a reason of
 * OUTCOME_UNKNOWN mean that it had no effect.
 *
 * Threads: any thread may use a channel at any time, except while it is being closed.
 * fork(): as candor/client.h says; a channel counts as having made a call as soon as it is open. */
#ifndef CANDOR_CHANNEL_H
#define CANDOR_CHANNEL_H

#include <candor/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct candor_channel;

/* Returns at once; connects, and connects again, in the background. INVALID_ARGUMENT for a
 * malformed address. */
enum candor_code candor_channel_open(const char *address, struct candor_channel **out,
                                     struct candor_error *err);
/* Ends calls under way with CANCELLED and waits for their callbacks; not from one of them. NULL is
 * fine. */
void candor_channel_close(struct candor_channel *channel);

struct candor_channel_options {
    uint32_t deadline_ms; /* 0: 5 s */
    /* Of a write: the nodes execute it once under this id. NULL: none. */
    const struct candor_request_id *request;
    uint64_t reserved[8];
};

struct candor_answer {
    /* Error, freshness, redirect; nothing of keys. The staleness bound is as the node told it. */
    struct candor_result result;
    /* Of OK, and of the few methods that answer beside an error. */
    struct candor_bytes response;
    /* candor.v1.RpcReply without its body, packed, for who shows all of it; empty when the node did
     * not reply. Of candor_channel_call() alone. */
    struct candor_bytes envelope;

    void *memory[2]; /* private */
    uint64_t reserved[4];
};

/* Waits for the answer. `options` may be NULL. Returns the code in answer->result.error;
 * candor_answer_free() in any case. */
enum candor_code candor_channel_call(struct candor_channel *channel, const char *method,
                                     struct candor_bytes request,
                                     const struct candor_channel_options *options,
                                     struct candor_answer *answer);
void candor_answer_free(struct candor_answer *answer); /* may be called again */

/* Does not wait. OK: `done` runs once, on a thread of the library. It must not wait nor close the
 * channel, and may send again; `answer` is gone with its return. Any other code: nothing was sent,
 * and `done` does not run: RESOURCE_EXHAUSTED with OVERLOADED while 1,024 calls of the channel are
 * under way (send again once one of them is done), with TOO_LARGE, or for want of memory. */
enum candor_code
candor_channel_send(struct candor_channel *channel, const char *method, struct candor_bytes request,
                    const struct candor_channel_options *options,
                    void (*done)(void *closure, const struct candor_answer *answer), void *closure,
                    struct candor_error *err);

#ifdef __cplusplus
}
#endif
#endif
