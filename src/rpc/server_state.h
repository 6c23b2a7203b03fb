/* What the files of the RPC server share:
 *
 *   connection.c    who is connected, what each holds, who is gone
 *   context.c       the life of an NNG context: it receives, and sends its reply
 *   bundle_reply.c  many calls in one message: their memory, and the reply of all
 *   call.c          what handlers ask of a call, and how they finish it
 *   request.c       from the bytes of a request to its handler
 *   bundle.c        many calls in one message: begun one after another
 *   arrival.c       what NNG says of a context: a request has come, a reply is sent
 *   tend.c          what takes time to notice: idle connections, memory to give back
 *   server.c        opening, closing, what a server tells about itself
 *
 * Each calls those above it.
 *
 * A message takes one NNG context from its arrival until its reply is handed to the connection.
 * LIMIT_RPC_RECEIVERS contexts wait for requests at all times; one that is taken by a call that
 * waits is replaced by a further one, so a call that waits costs its own record and nothing that
 * another call needs.
 *
 * Threads: everything below runs on NNG's threads, and on those that finish calls. rpc_server.lock
 * guards what says so; no thread enters NNG, nor a handler, while it holds it. */
#ifndef RPC_SERVER_STATE_H
#define RPC_SERVER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "base/arena.h"
#include "base/budget.h"
#include "rpc/rpc.h"

#define CONNECTION_BUCKETS 1024

/* A context goes round: RECEIVING, RUNNING, SENDING, and RECEIVING again, or IDLE while enough
 * others receive. */
enum context_state { CONTEXT_IDLE, CONTEXT_RECEIVING, CONTEXT_RUNNING, CONTEXT_SENDING };

/* Whether a call is told that its caller is gone. Under the lock. */
enum gone_state { GONE_UNWATCHED, GONE_WATCHED, GONE_TELLING, GONE_TOLD };

struct connection {
    struct connection *next; /* in its bucket */
    struct connection *newer;
    struct connection *older;
    uint32_t pipe;
    uint64_t used_ns;
    /* Of the peer; all loopback addresses are one, and so is all that is not TCP. */
    uint8_t address[16];
    /* Set once, before the connection leaves the table. */
    atomic_bool gone;
    /* It did not read its replies: counted once, however many of them. */
    atomic_bool unread;
    /* It is being closed to make room. */
    bool leaving;
    /* Calls that point here, and one until it is gone. */
    uint32_t references;
    /* Of this connection: running, waiting, or with a reply that is not sent yet. */
    uint32_t calls;
    /* Those that are to be told when it is gone. */
    struct rpc_call *first;
};

/* A call as its handler knows it. */
struct rpc_call {
    struct rpc_server *server;
    struct rpc_bundle *bundle; /* it is one of its calls; NULL: it is that of a context */
    struct connection *connection;
    struct rpc_call *next; /* in connection->first */
    struct rpc_call *previous;
    bool listed;
    bool watched; /* it is to be told; set before it is handed over */
    enum gone_state gone_state;
    void (*gone)(struct rpc_call *call, void *closure);
    void *gone_closure;

    uint64_t arrived_ns;
    uint64_t deadline_ns;
    /* The envelope until one decodes; of a bundle's calls, with what they left out. */
    Candor__V1__RpcRequest own;
    const Candor__V1__RpcRequest *envelope;
    /* NULL before it is found. */
    const ProtobufCMethodDescriptor *method;
    Candor__V1__RpcReply reply;
};

/* An NNG context, and the call that came in its message. */
struct rpc_context {
    struct rpc_call call; /* first: rpc_context_of() */
    uint32_t weight;      /* as how many calls it counts: those of its bundle */
    struct arena arena;
    atomic_int state;
    nng_ctx context;
    nng_aio *aio;
    /* Threads that are inside NNG for it. It is not freed before they have left. */
    atomic_uint inside;
    struct rpc_context *next_of_all;
    struct rpc_context *previous_of_all;
    struct rpc_context *next_idle;
};

struct rpc_server {
    struct rpc_server_options options;
    /* NNG's, of a context: arrival.c */
    void (*event)(void *closure);
    nng_socket socket;
    bool socket_open;
    /* The caller's, then the server's own. */
    ProtobufCService **services;
    size_t service_count;
    /* Connections that did not read their replies, and when that was logged last. */
    atomic_uint_fast64_t unread_count;
    atomic_uint_fast64_t unread_logged_ns;
    /* Of arenas, and of the messages that NNG holds. */
    struct budget *budget;

    /* Of all below. Before any lock of NNG. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a context is idle, or a call has been told */
    bool closing;
    struct rpc_context *all;
    struct rpc_context *idle;
    uint32_t all_count;
    uint32_t idle_count;
    uint32_t receiving;
    /* The sum of connection.calls. */
    uint32_t calls;
    struct connection *buckets[CONNECTION_BUCKETS];
    /* By the time of their last request. */
    struct connection *oldest;
    struct connection *newest;
    uint32_t connection_count;
    /* The fewest idle contexts since they were last freed. */
    uint32_t idle_least;
    /* Idle connections that may still be closed for new ones before the next look. */
    uint32_t evictions;

    /* tend.c */
    pthread_t tender;
    bool tended;
    pthread_mutex_t tend_lock;
    pthread_cond_t tend_end;
    bool tend_ending;
    size_t peak_bytes;
};

#endif
