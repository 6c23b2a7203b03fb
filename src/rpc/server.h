/* The inside of the RPC server, for its own files only:
 *
 *   server.c      opening, closing, what a server tells about itself
 *   call.c        the life of one call: receive, run, reply
 *   request.c     from the bytes of a request to its handler
 *   connection.c  who is connected, what each holds, who is gone
 *   tend.c        what takes time to notice: idle connections, memory to give back
 *
 * A call takes one NNG context from its arrival until its reply is handed to the connection.
 * LIMIT_RPC_RECEIVERS contexts wait for requests at all times; one that is taken by a call that
 * waits is replaced by a further one, so a call that waits costs its own record and nothing that
 * another call needs.
 *
 * Threads: everything below runs on NNG's threads, and on those that finish calls. rpc_server.lock
 * guards what says so; no thread enters NNG, nor a handler, while it holds it. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "base/arena.h"
#include "base/budget.h"
#include "rpc/rpc.h"

#define CONNECTION_BUCKETS 1024

/* A call goes round: RECEIVING, RUNNING, SENDING, and RECEIVING again, or IDLE while enough others
 * receive. */
enum call_state { CALL_IDLE, CALL_RECEIVING, CALL_RUNNING, CALL_SENDING };

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
    /* Contexts that calls of this connection take: running, waiting, or with a reply that is not
     * sent yet. */
    uint32_t calls;
    /* Those not finished yet that have not been told that it is gone. */
    struct rpc_call *first;
};

struct rpc_call {
    struct rpc_server *server;
    atomic_int state;
    nng_ctx context;
    nng_aio *aio;
    /* Threads that are inside NNG for this call. It is not freed before they have left. */
    atomic_uint inside;
    struct rpc_call *next_of_all;
    struct rpc_call *previous_of_all;
    struct rpc_call *next_idle;

    struct connection *connection;
    bool listed; /* in connection->first */
    struct rpc_call *next;
    struct rpc_call *previous;
    enum gone_state gone_state;
    void (*gone)(struct rpc_call *call, void *closure);
    void *gone_closure;

    struct arena arena;
    uint64_t arrived_ns;
    uint64_t deadline_ns;
    /* The envelope until one decodes. */
    Candor__V1__RpcRequest blank;
    const Candor__V1__RpcRequest *envelope;
    /* NULL before it is found. */
    const ProtobufCMethodDescriptor *method;
    Candor__V1__RpcReply reply;
};

struct rpc_server {
    struct rpc_server_options options;
    nng_socket socket;
    bool socket_open;
    /* The caller's, then reflection. */
    ProtobufCService **services;
    size_t service_count;
    /* Connections that did not read their replies, and when that was logged last. */
    atomic_uint_fast64_t unread_count;
    atomic_uint_fast64_t unread_logged_ns;
    /* Of arenas, and of the messages that NNG holds. */
    struct budget *budget;

    /* Of all below. Before any lock of NNG. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a call is idle, or has been told */
    bool closing;
    struct rpc_call *all;
    struct rpc_call *idle;
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
    /* The fewest idle calls since they were last freed. */
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

/* ---- call.c ---------------------------------------------------------------------------------- */

/* A call at rest, counted as idle; NULL: no memory. */
struct rpc_call *call_new(struct rpc_server *server);
/* Waits for the threads inside. The aio goes first: freeing it waits until NNG's timer thread has
 * left its cancel function, which uses the context and the socket. */
void call_free(struct rpc_call *call);
/* Takes a call that rests out of the list of all. Under the lock. */
void call_forget(struct rpc_call *call);
/* Lets calls receive until LIMIT_RPC_RECEIVERS do. */
void calls_receive(struct rpc_server *server);
void call_finish(struct rpc_call *call, const ProtobufCMessage *response);

/* ---- request.c ------------------------------------------------------------------------------- */

/* Unpacks the request, which it frees, and runs its handler, or fails the call. */
void request_run(struct rpc_call *call, nng_msg *message);

/* ---- connection.c ---------------------------------------------------------------------------- */

enum admission {
    ADMISSION_RUN,
    ADMISSION_REFUSE, /* over a limit: OVERLOADED */
    ADMISSION_GONE,   /* the connection is gone: nobody waits for an answer */
    ADMISSION_CLOSE,  /* it does not even read refusals: close it */
};

/* Watches the server's connections come and go. */
int connections_watch(struct rpc_server *server);
void connections_free(struct rpc_server *server);
/* Counts a call that has arrived. Unless GONE, connection_left() must follow. Under the lock. */
enum admission connection_arrived(struct rpc_call *call, uint32_t pipe);
/* Connections without a call that have been idle for options.idle_ms, and the `most` longest idle
 * ones of the others. Returns how many, at most `room`. */
size_t connections_idle(struct rpc_server *server, uint64_t now_ns, size_t most, uint32_t *out,
                        size_t room);
/* No longer told that its caller is gone, once this returns. True: it is gone. */
bool connection_finished(struct rpc_call *call);
/* The call has left its context. Under the lock. */
void connection_left(struct rpc_call *call);

/* ---- tend.c ---------------------------------------------------------------------------------- */

/* A thread that looks every LIMIT_RPC_TEND_MS after what nobody else notices: idle and silent
 * connections, messages that do not get on, contexts and memory that are no longer needed. False:
 * no thread is to be had. */
bool tend_begin(struct rpc_server *server);
void tend_end(struct rpc_server *server);

#endif
