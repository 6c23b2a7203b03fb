/* RPC over NNG REQ/REP, gRPC-style: services are protobuf-c service descriptors
 * (docs/architecture.md).
 *
 * A request is one message whose body is a candor.v1.RpcRequest, a reply one RpcReply. The server
 * finds the method by name in the descriptors it was given, unpacks the request into the call's
 * arena, and invokes the generated service; the client is a ProtobufCService whose invoke() sends,
 * so callers use the generated stubs. */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <candor/status.h>
#include <protobuf-c/protobuf-c.h>

#include "base/types.h"
#include "candor/v1/rpc.pb-c.h"

/* ---- Server ---------------------------------------------------------------------------------- */

struct rpc_server;
struct rpc_call;   /* one request being answered */
struct rpc_bundle; /* many that came in one message */

struct rpc_server_options {
    /* NNG address to listen on. */
    const char *address;
    /* Larger requests are dropped with their connection, larger replies become TOO_LARGE. */
    size_t message_bytes;
    /* Requests without a checksum are refused: of peers, which all count one. */
    bool checksums;
    /* Calls under way at once, those that wait included; 0: LIMIT_RPC_CALLS. Beyond: OVERLOADED. */
    uint32_t calls;
    /* Connections, two thirds of them from one address; 0: LIMIT_RPC_CONNECTIONS. Beyond: the one
     * that has been idle for longest is closed, or the new one. */
    uint32_t connections;
    /* A connection without a call for so long is closed; 0: LIMIT_RPC_IDLE_MS. */
    uint32_t idle_ms;
    /* Memory of requests and replies together, those half received or not sent yet included; 0: the
     * larger of LIMIT_RPC_MEMORY_BYTES and LIMIT_RPC_MEMORY_MESSAGES messages. Beyond: OVERLOADED,
     * or the connection of a message that is half received is closed; small messages pass. */
    size_t memory_bytes;
    /* Generated services; a method's last argument is a struct rpc_call *. */
    ProtobufCService **services;
    size_t service_count;
    /* Fills freshness into a reply that its handler did not fill (malformed envelope, unknown
     * method, errors), just before it is packed (R38), on the finishing thread. NULL: replies may
     * go without. */
    void (*freshness)(void *closure, struct rpc_call *call);
    /* Has a bundle run, on a thread that may read the state: calls rpc_bundle_run() there, or
     * rpc_bundle_refuse(). NULL: bundles are not served. */
    void (*bundle)(void *closure, struct rpc_bundle *bundle);
    void *closure;
};

/* Binds and serves. UNAVAILABLE with the address in the message when it is in use or malformed. The
 * reflection service, and that for bundles, are served without being listed (rpc.proto). */
enum candor_code rpc_server_open(const struct rpc_server_options *options, struct rpc_server **out,
                                 struct candor_error *err);
struct rpc_server_stats {
    /* Under way: running, waiting, or with a reply that is not sent yet. */
    uint32_t calls;
    uint32_t connections;
    /* NNG contexts, those at rest included. */
    uint32_t contexts;
    /* Of requests and replies, in arenas and messages. */
    size_t memory_bytes;
    size_t memory_limit_bytes;
};

/* What the server holds now. Any thread. */
void rpc_server_stats(struct rpc_server *server, struct rpc_server_stats *out);
/* Stops taking requests; then waits until every call has been finished by its handler; then frees.
 * Not from a handler. What waits only for its caller to be gone is to be finished, too: behind a
 * request that is not taken any more, nobody sees who leaves. */
void rpc_server_close(struct rpc_server *server);

/* A handler is the generated method `void f(Service *, const Request *, Closure closure, void
 * *closure_data)`. It runs on an NNG thread and must not block on anything but a short read of the
 * state; a call that has to wait is handed to another thread, and costs its record until then (2.2
 * KiB), nothing that other calls need. closure_data is the struct rpc_call *; the request lives
 * until the call is finished. Every call is finished exactly once, by any thread: closure(response,
 * closure_data), which packs the response before it returns (so it may point to foreign memory), or
 * rpc_call_fail(), rpc_call_overloaded(). */
/* The error is copied; its message is made printable UTF-8, so it may quote the request. */
void rpc_call_fail(struct rpc_call *call, const struct candor_error *error);
/* RESOURCE_EXHAUSTED, OVERLOADED, with a time to come back (LIMIT_RPC_RETRY_AFTER_MS). Only for
 * what had no effect. */
void rpc_call_overloaded(struct rpc_call *call, const char *why);

/* Tells once when the call's connection is gone: nobody reads the answer, so what waits may end.
 * `gone` runs on an NNG thread, and hands over only; at once, on this thread, when the connection
 * is gone already. It never runs after the call was finished: finishing waits until it has
 * returned, so it must take no lock under which calls are finished. It may finish the call itself;
 * the reply goes nowhere then. At most once a call. */
void rpc_call_when_gone(struct rpc_call *call, void (*gone)(struct rpc_call *call, void *closure),
                        void *closure);
/* Not after the call was finished. */
bool rpc_call_gone(const struct rpc_call *call);

/* Room that lives as long as the call; NULL beyond LIMIT_RPC_CALL_ROOM_BYTES. */
void *rpc_call_alloc(struct rpc_call *call, size_t bytes);
char *rpc_call_string(struct rpc_call *call, const char *text);
/* CLOCK_BOOTTIME at which the caller stops waiting, counted from the request's arrival. A call
 * whose deadline has passed before its handler would run is answered DEADLINE_EXCEEDED without
 * it. */
uint64_t rpc_call_deadline_ns(const struct rpc_call *call);
/* As the request gave it: request_id (NULL when absent; else its client_id has 16 bytes), hops
 * (printable, each shorter than LIMIT_NODE_ID_BYTES), credentials (printable). */
const Candor__V1__RpcRequest *rpc_call_envelope(const struct rpc_call *call);
/* The reply's envelope, initialised; the handler sets freshness and retry (memory from
 * rpc_call_alloc or longer-lived). */
Candor__V1__RpcReply *rpc_call_reply(struct rpc_call *call);

/* Of a call in a bundle: the bundle's token (BundleRequest.token), NULL: none. */
const Candor__V1__SessionToken *rpc_call_token(const struct rpc_call *call);
/* The reply's freshness is that of the bundle, which `fill` puts into the reply of `call` when all
 * are finished, for the first `closure` that is given. False: the call came alone, or the bundle
 * has another freshness already: the handler sets the call's own. */
bool rpc_call_share_freshness(struct rpc_call *call,
                              void (*fill)(void *closure, struct rpc_call *call), void *closure);

/* Begins the calls of a bundle, in their order, until CLOCK_BOOTTIME reaches `until_ns`; at least
 * one. True: all were begun, and the bundle is no longer the caller's; false: to be called again,
 * by any one thread. */
bool rpc_bundle_run(struct rpc_bundle *bundle, uint64_t until_ns);
/* Whether all its calls are of one of these methods, full names, NULL behind the last. */
bool rpc_bundle_is_of(const struct rpc_bundle *bundle, const char *const *methods);
/* OVERLOADED. Only before it was run. */
void rpc_bundle_refuse(struct rpc_bundle *bundle);
/* As rpc_call_alloc(), until the bundle is answered. */
void *rpc_bundle_alloc(struct rpc_bundle *bundle, size_t bytes);

/* ---- Client ---------------------------------------------------------------------------------- */

/* one connection's worth: a REQ socket with one dialer, many contexts; any thread */
struct rpc_client;

/* Returns at once; connects and re-connects in the background. INVALID_ARGUMENT for a malformed
 * address (and for ws://, which only listens). Replies over `message_bytes` cost the connection;
 * requests over it are not sent. */
enum candor_code rpc_client_open(const char *address, size_t message_bytes, struct rpc_client **out,
                                 struct candor_error *err);
/* Ends calls in flight with CANCELLED, and from then on every further one at once. Does not wait
 * for their closures: rpc_client_close() does. */
void rpc_client_cancel(struct rpc_client *client);
/* Ends calls in flight with CANCELLED, waits for their closures, frees. Not from a closure. */
void rpc_client_close(struct rpc_client *client);
const char *rpc_client_address(const struct rpc_client *client);
/* How many messages it has sent, and how often it was connected. Any thread. */
void rpc_client_counts(const struct rpc_client *client, uint64_t *messages, uint64_t *connections);
/* There is no connection, and waiting does not help: its name does not resolve, or another kind of
 * socket answers there. `why` says which. */
bool rpc_client_hopeless(struct rpc_client *client, char *why, size_t size);

/* What becomes of a call that gets no reply. Nothing is ever sent twice (R48): retries are the
 * caller's.
 *
 *   never sent: another node may be asked at once, the request had no effect
 *     UNAVAILABLE, NONE               no connection within min(deadline,
 *                                     LIMIT_RPC_CONNECT_GRACE_MS) of the call or of the loss of the
 *                                     last connection, whichever is later: "nothing answers at
 *                                     ..."; sooner when the name does not resolve, or another kind
 *                                     of socket answers: it says so
 *     DEADLINE_EXCEEDED, NONE         connected, but the peer took nothing more up to the deadline
 *     RESOURCE_EXHAUSTED, OVERLOADED  LIMIT_RPC_CLIENT_CALLS in flight; TOO_LARGE: the request is
 *     over message_bytes
 *   sent: it may have taken effect, or still will
 *     UNAVAILABLE, OUTCOME_UNKNOWN    the connection was lost; told at once, not at the deadline
 *     DEADLINE_EXCEEDED, OUTCOME_UNKNOWN
 *     INTERNAL, MALFORMED             a reply came that does not decode
 *   CANCELLED                         rpc_client_close(), sent or not
 *
 * When a call times out and the connection has answered nothing for a second since the first call
 * after its newest reply began, it is in doubt: the next call drops it and waits for a new one, so
 * that a healed partition is not waited for through TCP's doubling retries; what else was in flight
 * ends as OUTCOME_UNKNOWN. So is a connect that hangs. */

/* Calls to one node that wait for a message in flight travel together in the next one, by class: so
 * that none waits for what takes longer than its own. A call finds its way into such a message only
 * when LIMIT_BUNDLE_IN_FLIGHT of its class are in flight, and waits for no longer than
 * LIMIT_BUNDLE_LINGER_MS there. A call that has a class must bear to be sent again: it is, alone,
 * where its reply did not fit in beside the others'. */
enum rpc_class {
    RPC_ALONE,      /* always a message of its own */
    RPC_AT_ONCE,    /* the node answers from what it has */
    RPC_SESSION,    /* waits until the node has what a session has seen */
    RPC_CONFIRMED,  /* waits for confirmed leadership */
    RPC_LOCAL,      /* waits for the node's disk */
    RPC_REPLICATED, /* waits for other nodes' disks */
    RPC_CLASSES,
};

/* Of one call, in and out. Passed as closure_data to a generated stub; must live until the closure
 * has run. */
struct rpc_exchange {
    /* in */
    uint32_t deadline_ms;                    /* 0: LIMIT_RPC_DEADLINE_MS_DEFAULT */
    const Candor__V1__RequestId *request_id; /* NULL: none */
    char **hops;                             /* ids that redirected this call, oldest first */
    size_t hop_count;
    enum rpc_class class;
    void *closure_data; /* the caller's own */
    /* out, valid while the closure runs */
    /* code OK when the reply's is; else the reply's, or one of the above */
    struct candor_error error;
    Candor__V1__RpcReply *reply; /* the envelope; NULL when none came */
    /* Its answer did not fit into that of a message that it shared, and it was sent once more: it
     * may have been executed already, whatever the error says. */
    bool sent_again;
    /* the client's own: how the caller wants its answer */
    const ProtobufCMessageDescriptor *output; /* NULL: packed bytes */
    ProtobufCClosure typed;
    void (*packed)(struct slice response, struct rpc_exchange *exchange);
};

/* The client's side of a service, for the generated stubs:
 *     ProtobufCService *kv = rpc_client_service(client, &candor__v1__kv__descriptor);
 *     candor__v1__kv__get(kv, &request, closure, &exchange);
 * The closure runs once, on an NNG thread (or the caller's, when sending failed at once), with the
 * response or NULL; it must not block or close the client. The request may be freed when the stub
 * returns. The service lives as long as the client. */
ProtobufCService *rpc_client_service(struct rpc_client *client,
                                     const ProtobufCServiceDescriptor *descriptor);

/* Any method by name with packed bytes; the closure gets the packed response (empty on error). For
 * kvctl rpc and redirect-following callers. */
void rpc_client_call(struct rpc_client *client, const char *method, struct slice body,
                     void (*closure)(struct slice response, struct rpc_exchange *exchange),
                     struct rpc_exchange *exchange);
/* Waits for it. `response` is malloc'd (caller frees; NULL unless the code is OK, or the reply has
 * a body beside its error); `reply` too when not NULL (free with
 * candor__v1__rpc_reply__free_unpacked(reply, NULL)), without its body, NULL when no reply came.
 * Returns the code; `err` gets exchange->error. Not from a closure or a handler: they would wait
 * for themselves. */
enum candor_code rpc_client_call_wait(struct rpc_client *client, const char *method,
                                      struct slice body, struct rpc_exchange *exchange,
                                      uint8_t **response, size_t *response_bytes,
                                      Candor__V1__RpcReply **reply, struct candor_error *err);

#endif
