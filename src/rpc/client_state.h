/* What the files of the RPC client share:
 *
 *   exchange.c    one call: its request packed, its end
 *   slot.c        one message in flight: sent, answered, or given up
 *   outgoing.c    calls that wait to travel together
 *   coalesce.c    when they travel, and what becomes of them
 *   client.c      opening, closing, stubs
 *
 * Each calls those above it.
 *
 * Threads: callers', and NNG's. rpc_client.lock is a leaf: NNG is not called under it, and no
 * closure. */
#ifndef RPC_CLIENT_STATE_H
#define RPC_CLIENT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "base/arena.h"
#include "net/dialed.h"
#include "rpc/rpc.h"

struct slot;

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

/* What a message carries: told once how it ended, before the slot is released. */
struct cargo {
    /* It is in flight no longer: before callers are told, which takes time. NULL: no matter. */
    void (*left)(struct slot *slot);
    /* Ends its calls by its reply, or because there will be none. */
    void (*answered)(struct slot *slot, Candor__V1__RpcReply *reply);
    void (*failed)(struct slot *slot, const struct candor_error *error);
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
    const struct cargo *cargo;
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
    atomic_uint_fast64_t messages; /* sent */
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

#endif
