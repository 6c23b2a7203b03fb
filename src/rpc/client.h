/* The inside of the RPC client, for its own files only:
 *
 *   client.c      opening, closing, stubs
 *   slot.c        one message in flight: sent, answered, or given up
 *   coalesce.c    calls that wait for a message in flight, and travel together in the next
 *
 * Threads: callers', and NNG's. rpc_client.lock is a leaf: NNG is not called under it, and no
 * closure. */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "base/arena.h"
#include "net/dialed.h"
#include "rpc/envelope.h"
#include "rpc/rpc.h"

enum slot_phase { SLOT_FREE, SLOT_SENDING, SLOT_RECEIVING };

/* Of a bundle that waits, or is in flight. */
struct bundled {
    struct rpc_exchange *exchange;
    uint32_t at; /* its request, packed, in outgoing.bytes */
    uint32_t length;
};

/* Calls that travel together. */
struct outgoing {
    struct outgoing *next;
    uint64_t since_ns;          /* of the first */
    uint64_t deadline_ns;       /* the earliest of all */
    uint64_t first_deadline_ns; /* of the first */
    uint32_t count;
    size_t length;
    struct bundled calls[LIMIT_BUNDLE_CALLS];
    uint8_t bytes[LIMIT_BUNDLE_REQUEST_BYTES]; /* BundleRequest.calls */
};

/* One context: a message in flight, or free. */
struct slot {
    struct rpc_client *client;
    struct slot *next_free;
    nng_ctx context;
    nng_aio *aio;
    pthread_mutex_t posting; /* held while the aio is given to NNG, which does not wait there */
    struct arena arena;      /* of the reply */
    enum slot_phase phase;
    enum rpc_class class;
    /* One of the two. */
    struct rpc_exchange *exchange;
    struct outgoing *outgoing;
    uint64_t begun_ns;
    uint64_t deadline_ns;
};

struct client_service {
    ProtobufCService base; /* first: invoke() gets a pointer to it */
    struct rpc_client *client;
    struct client_service *next;
};

/* Of one class. */
struct coalescer {
    uint32_t in_flight; /* messages */
    struct outgoing *first;
    struct outgoing *newest;
};

struct rpc_client {
    nng_socket socket;
    struct dialed dialed;
    size_t message_bytes;
    atomic_uint_fast32_t doubted_pipe; /* the next call drops it */
    /* begin of the first call since the newest reply; 0: none */
    atomic_uint_fast64_t unanswered_ns;
    atomic_bool closing;
    atomic_bool no_bundles; /* the node knows none */
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t idle;
    uint32_t busy_count; /* slots that are not in free_slots, and threads in coalesce() */
    uint32_t slot_count;
    struct slot *free_slots;
    struct slot *slots[LIMIT_RPC_CLIENT_CALLS];
    struct client_service *services;
    struct coalescer coalescers[RPC_CLASSES];
    uint32_t waiting_count; /* calls in outgoing ones that are not sent yet */
    struct outgoing *spare; /* empty, to be used again */
    uint32_t spare_count;
    nng_aio *linger; /* until those that wait are sent whatever is in flight */
    bool lingering;
};

/* ---- slot.c ---------------------------------------------------------------------------------- */

/* A free one, counted as busy. NULL: the error is set. */
struct slot *slot_take(struct rpc_client *client, struct candor_error *error);
/* Without a call, or when all its calls are ended. The caller touches it no more. */
void slot_release(struct slot *slot);
/* With its exchange or outgoing, and the deadline, set. */
void slot_send(struct slot *slot, nng_msg *message);
/* Ends its calls with the error, and releases it. */
void slot_fail(struct slot *slot, const struct candor_error *error);
/* Ends a call without an answer: its error is set. */
void exchange_fail(struct rpc_exchange *exchange);
/* Ends it with its reply, which lives as long as the slot's arena. */
void exchange_end(struct slot *slot, struct rpc_exchange *exchange, Candor__V1__RpcReply *reply);

/* ---- coalesce.c ------------------------------------------------------------------------------ */

/* True: the call waits for a message in flight, or was ended. False: it is to be sent alone, and is
 * counted as a message of its class in flight. */
bool coalesce(struct rpc_client *client, const char *method, struct slice body,
              struct rpc_exchange *exchange);
/* A message of the class is in flight no longer: the next one goes. */
void coalesce_next(struct rpc_client *client, enum rpc_class class);
/* Ends the calls of a bundle as its reply says; false: it does not decode. */
bool coalesce_take(struct slot *slot, const Candor__V1__RpcReply *reply);
void coalesce_fail(struct outgoing *outgoing, const struct candor_error *error);
/* Gives an outgoing one back, whose calls are ended. */
void coalesce_recycle(struct rpc_client *client, struct outgoing *outgoing);
/* The client closes: ends what waits. */
void coalesce_cancel(struct rpc_client *client);
/* False: there is no memory. */
bool coalesce_init(struct rpc_client *client);
void coalesce_free(struct rpc_client *client);

/* ---- client.c -------------------------------------------------------------------------------- */

/* A request of its own; NULL: exchange->error is set. */
nng_msg *client_pack(struct rpc_client *client, const char *method, struct envelope_body body,
                     struct rpc_exchange *exchange);
/* One that was counted in busy_count is done. */
void client_idle(struct rpc_client *client);
uint64_t exchange_deadline_ms(const struct rpc_exchange *exchange);

#endif
