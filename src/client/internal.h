/* The inside of the client. client.c: connections and the session; engine.c: an operation, over all
 * its attempts; judge.c: what an attempt's end means; wait.c: the host of a caller that waits;
 * promise.c: what nodes promised; fork.c: a child's clients; convert.c: wire messages to and from
 * the public structs; operations.c, transactions.c: the calls; arguments.c: what programs
 * pass to them; counts.c: how often what was done; channel.c: one node, without all that. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <candor/async.h>

#include "base/rng.h"
#include "base/types.h"
#include "candor/v1/kv.pb-c.h"
#include "candor/v1/rpc.pb-c.h"
#include "client/arguments.h"
#include "client/convert.h"
#include "client/route.h"
#include "rpc/rpc.h"

/* Addresses known at a time: endpoints, and nodes that redirects have named. At it, the one that
 * was used longest ago makes room; a redirect is not followed only while calls are under way at all
 * others. */
#define CONNECTIONS_MAX ROUTE_ADDRESSES

#define BACKOFF_FIRST_MS 10
#define BACKOFF_MOST_MS 500
/* Envelope around a request's body: method, ids, hops. */
#define ENVELOPE_BYTES 1024

struct connection {
    char address[LIMIT_ADDRESS_BYTES];
    struct rpc_client *rpc; /* NULL: not used yet */
    uint32_t users;         /* calls that ask it, or will next: it keeps its place */
    uint64_t used;          /* when it was taken last, by client->uses */
    /* Submitted operations: those it was asked for, and those that wait for their turn. */
    uint32_t asked;
    struct submitted *line_first;
    struct submitted *line_last;
    uint64_t told_ns; /* when a node named it as a member's address; 0: never */
};

/* What one node has shown so far. Times are this process's CLOCK_BOOTTIME. */
struct promise {
    struct candor_node_id node;
    struct candor_epoch epoch;
    uint64_t epoch_since_ns; /* when a reply first showed `epoch` */
    bool has_horizon;
    uint64_t horizon_ns;    /* every write acknowledged before this was in the node's data */
    uint64_t horizon_at_ns; /* when the reply that proved it came */
};

/* Numbers in flight under one id: half of what the nodes remember of it (R46), so that no write
 * falls out of that, however long it takes and however many others go on meanwhile. */
#define LANE_WINDOW (LIMIT_REQUESTS_PER_CLIENT / 2)

/* Request ids with one client id. Callers at once share a identity; one that is held up by a slow
 * write is passed by in another. A write whose outcome stayed unknown ends its identity, so that
 * its id can still be asked for. */
struct identity {
    uint8_t id[CANDOR_CLIENT_ID_BYTES];
    uint64_t newest; /* number drawn last */
    uint64_t oldest; /* lowest in flight; newest + 1: none is */
    bool ended[LANE_WINDOW];
    bool retired; /* draws no more; goes when none is in flight */
    struct identity *next;
};

/* candor_counters; those that threads count without the client's lock. */
struct counts {
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t ended;
    atomic_uint_fast64_t failed;
    atomic_uint_fast64_t attempts;
    atomic_uint_fast64_t retries;
    atomic_uint_fast64_t redirects;
};

struct connection_counts {
    uint64_t messages;
    uint64_t connections;
    uint64_t reconnects;
};

struct candor_client {
    struct counts counts;
    /* Fixed after open. */
    size_t endpoint_count; /* the first connections */
    bool no_redirect;
    bool no_coalesce;
    uint32_t clock_drift_ppm;
    uint32_t deadline_ms;
    size_t message_bytes;
    uint32_t operations; /* that may be submitted at a time */
    struct account *account;
    void (*violation)(void *closure, const char *text);
    void *closure;
    atomic_bool routes; /* a read was routed: what answers show is noted */
    enum candor_route route;
    char zone[CANDOR_NODE_ID_BYTES];
    struct candor_client *next; /* in the list of fork.c, under its lock */

    atomic_bool closing;     /* set under `lock` */
    pthread_mutex_t opening; /* held while a connection is opened; before `lock` */

    pthread_mutex_t lock; /* of all below; never held during a call or a callback; NNG's threads
                           * take it, so whoever holds it does not wait in NNG */
    size_t connection_count;
    uint64_t uses; /* of connections, counted up */
    struct connection connections[CONNECTIONS_MAX];
    struct route_seen seen[CONNECTIONS_MAX]; /* of each of them, of a client that routes */
    size_t nearest;                          /* endpoint that reads begin with */
    size_t primary;              /* connection that writes begin with; CONNECTIONS_MAX: unknown */
    struct identity *identities; /* those that draw come before those that were drawn later */
    uint64_t ids_drawn;
    struct rng rng;
    struct candor_token token;

    struct agenda *agenda; /* NULL: nothing was submitted yet */
    struct scout *scout;   /* NULL: no read was routed yet */

    size_t promise_count;
    struct promise promises[LIMIT_NODES];
    uint64_t violations;
    struct connection_counts former; /* of connections that made room for others */
};

/* What is asked, and how its answer is taken. Nothing in it is the caller's memory. */
struct call {
    const char *method;
    const ProtobufCMessageDescriptor *type; /* of the request; NULL: an empty one */
    uint8_t *packed;                        /* the request, malloc'd; freed with the operation */
    struct slice body;                      /* of it */
    void *memory;                           /* of take, malloc'd; likewise */
    enum rpc_class class;                   /* of those it may travel with */
    bool write;
    bool at_primary;   /* begins with it, where it is known */
    bool apart;        /* its answer is nothing that the session has seen */
    bool names_client; /* to be told which of its writes were lost (R44, R70) */
    bool single;       /* asks connection `only` once */
    size_t only;
    const char *endpoint; /* of `single`, in `memory`: the address of `only`; NULL: known already */
    uint32_t deadline_ms;
    enum candor_read_level level; /* DEFAULT: EVENTUAL, or not a read of keys */
    uint64_t max_staleness_ms;
    /* Of a read with a ladder, in `memory`; `level` and `max_staleness_ms` are those of the first
     * rung. NULL: it has none. */
    const struct candor_rung *rungs;
    size_t rung_count;
    bool routed; /* its targets are chosen by `route` */
    enum candor_route route;
    uint32_t patience_ms; /* an attempt takes no longer, where there are other nodes; 0: no limit */
    struct candor_token asked; /* what the session had seen, as it was sent; empty: nothing was */
    size_t wanted;             /* items that the answer must have, where that is known */
    /* Takes the body of an OK reply into the result; false: it does not decode. */
    bool (*take)(const struct call *call, struct slice body, struct candor_result *result);
    void *out; /* of take: the caller's */
};

/* Where an operation stands. */
enum stage {
    STAGE_ASKED,   /* NNG's: its reply brings it back */
    STAGE_FAILED,  /* the attempt ended without a reply, on a thread that may be the program's */
    STAGE_LINED,   /* it waits for its turn at its target, until resume_ns at most (line.c) */
    STAGE_TELL,    /* the attempt's violation is to be told, then it is judged */
    STAGE_CONNECT, /* call.endpoint is to be asked */
    STAGE_ASK,     /* the same node is to be asked, once the connection is open */
    STAGE_FOLLOW,  /* the node that result->endpoint names is to be asked */
    STAGE_PAUSED,  /* another node is to be asked, at resume_ns */
    STAGE_ENDED,
};

/* One call of the user, over all its attempts. It is with one thread at a time: the one that began
 * it; NNG's, which brings a reply and judges it; the host's, for all that may wait in NNG (opening
 * and closing connections), and for the pauses. */
struct operation {
    struct call call;
    struct candor_client *client;
    struct candor_result *result; /* the caller's, or beside the operation */
    /* Takes the operation over, from any thread: it has ended, or is to be given to engine_resume()
     * at resume_ns. Must not block. */
    void (*host)(struct operation *operation);
    enum stage stage;
    uint64_t resume_ns; /* CLOCK_BOOTTIME; 0: now */
    /* It is a struct submitted's: waits in line where too many are asked, ends when the client
     * closes. */
    bool lined;
    size_t answer_bytes; /* of the newest attempt's answer */

    /* The rest is the engine's. */
    uint64_t begun_ns;
    uint64_t deadline_ns;
    uint64_t sent_ns;  /* of the newest attempt */
    bool has_target;   /* a place among the connections is taken */
    size_t target;     /* it */
    bool answered;     /* by a node, whatever it said: the newest attempt */
    uint32_t failures; /* since it began: the pause grows with them */
    size_t hop_count;  /* redirects in a row */
    char hops[LIMIT_HOPS + 1][LIMIT_NODE_ID_BYTES]; /* who gave them, oldest first (R45) */
    char *hop_list[LIMIT_HOPS + 1];
    struct identity *identity; /* of a write */
    bool has_request_id;
    bool one_of_many; /* of a session read: the client writes under other ids, too */
    uint8_t client_id[CANDOR_CLIENT_ID_BYTES]; /* likewise */
    Candor__V1__RequestId request_id;
    bool uncertain;                /* an attempt may have been executed without our hearing of it */
    struct candor_result *refusal; /* what a node said of itself when it refused; NULL: none has */
    struct rpc_exchange exchange;
};

/* engine.c */
/* Of an operation that has call, client, result and host, and is zero otherwise. The result is
 * filled, whatever it held. The host may have it, and may have freed it, before this returns. */
void engine_begin(struct operation *operation);
/* At resume_ns, on a thread that may wait in NNG: never one of NNG's, except at STAGE_TELL. */
void engine_resume(struct operation *operation);
/* As rpc_client_cancel(); what was submitted ends on its host's thread. */
void engine_cancel(struct rpc_client *rpc);

/* line.c */
enum admission {
    ADMISSION_GO, /* it may be sent, and calls line_leave() when it was answered */
    ADMISSION_UNOPENED,
    ADMISSION_WAITS, /* another thread will send it, or go on with it at until_ns */
    ADMISSION_CLOSED,
};
enum admission line_enter(struct operation *operation, uint64_t until_ns, struct rpc_client **rpc);
/* Whose turn it is, to be sent to `*rpc` by the caller; NULL: nobody waits. */
struct operation *line_leave(struct operation *operation, struct rpc_client **rpc);

/* submit.c */
/* Does what `call` says, and does not wait. */
enum candor_code client_submit(struct candor_client *client, const struct call *call,
                               const struct candor_sink *sink, struct candor_error *err);
bool submit_within_callback(void);                              /* of any client, on this thread */
bool submit_is_callback_of(const struct candor_client *client); /* of this one */

/* wait.c */
/* Does what `call` says, and waits for its end. */
enum candor_code client_call(struct candor_client *client, const struct call *call,
                             struct candor_result *result);

/* judge.c: what the end of an attempt means for its operation. Changes the operation alone. */
enum next {
    NEXT_RETURN, /* it is answered, or cannot be */
    NEXT_FOLLOW, /* a redirect: ask result->endpoint at once */
    NEXT_RETRY,  /* ask elsewhere, after a pause */
    NEXT_AGAIN,  /* ask the same node at once */
};
enum next judge_attempt(struct operation *operation);
/* R45: the operation ends after LIMIT_HOPS redirects, with the trail. False: with this one. */
bool judge_hops(struct operation *operation);
/* How long to wait before the next attempt. False: the deadline comes first, or there is nobody to
 * ask; the error says so. */
bool judge_pause(struct operation *operation, uint64_t *pause_ns);
/* Keeps what a node said of itself when it refused: it tells more than the silence of the node it
 * named. */
void judge_keep_refusal(struct operation *operation);
/* A later refusal does not say what became of an attempt before it. */
void judge_keep_uncertainty(struct operation *operation);

/* operations.c */
ProtobufCBinaryData operation_binary(struct candor_bytes bytes);
/* Packs the request, which may go then. False: there is no memory. */
bool operation_pack(struct call *call, const ProtobufCMessage *message);
/* Packs it again, with `token` in its options. False: there is no memory. */
bool operation_pack_token(struct call *call, const struct candor_token *token);
/* malloc'd. NULL: there is no memory, which `result` remembers until the call ends
 * (operation_out_of_memory). */
void *operation_zeroed(size_t count, size_t size, struct candor_result *result);
enum candor_code operation_out_of_memory(struct candor_error *error);
/* The response that `body` holds, kept in result->memory; NULL: it does not decode, or there is no
 * memory. */
void *operation_unpack(const ProtobufCMessageDescriptor *type, struct slice body,
                       struct candor_result *result);
/* What becomes of the answer: the caller waits for `result`, or it comes to `sink`. */
struct outlet {
    struct candor_result *result;   /* NULL: nobody waits */
    const struct candor_sink *sink; /* as the program gave it */
    struct candor_error *err;       /* of submitting; may be NULL */
};
#define WAITING(result) (&(struct outlet){(result), NULL, NULL})
#define SUBMITTING(sink, err) (&(struct outlet){NULL, (sink), (err)})
enum candor_code operation_call(struct candor_client *client, struct call *call,
                                const ProtobufCMessage *message, const struct outlet *outlet);
/* The program passes what it may not. */
enum candor_code operation_refuse(const struct arguments *wrong, const struct outlet *outlet);
/* There is no memory for the request. */
enum candor_code operation_fail(const struct outlet *outlet);
void *operation_array(size_t count, size_t size); /* malloc'd zeros; NULL: there is no memory */
struct write_message {
    Candor__V1__WriteOptions options;
    struct token_message token;
};
Candor__V1__WriteOptions *operation_write_options(struct candor_client *client,
                                                  const struct candor_write_options *options,
                                                  struct call *call, struct write_message *message);
/* False: they do not decode. */
bool operation_take_written(const Candor__V1__Pos *first, const Candor__V1__Pos *last,
                            Candor__V1__AckLevel ack, struct candor_result *result);
struct candor_item operation_item(const Candor__V1__KeyValue *from);

/* client.c */
/* Draws the next number of a identity that has room. NULL: there is no memory for a identity. */
struct identity *client_draw_number(struct candor_client *client, uint64_t *number);
/* The write has ended. OUTCOME_UNKNOWN: nobody could say how; REQUEST_ID_REUSED: its id was used by
 * somebody else. The identity may be gone afterwards. */
void client_end_number(struct candor_client *client, struct identity *identity, uint64_t number,
                       enum candor_reason reason);
/* The id that the next write would have, and whether there were others. False: there is no memory
 * for one. */
bool client_any_id(struct candor_client *client, uint8_t out[CANDOR_CLIENT_ID_BYTES], bool *others);
/* Under the lock: whoever has the ids drawn so far is not this client alone. The next write draws
 * another. */
void client_retire_ids(struct candor_client *client);
/* Takes the place of `address` among the connections, added if missing; client_release() gives it
 * back. False: too many in use, or a malformed address. On a thread that may wait in NNG. */
bool client_connect(struct candor_client *client, const char *address, size_t *index,
                    struct candor_error *err);
/* Whether a topology may have it: redirects, too, come from there. */
bool client_check_address(const char *address, struct candor_error *err);
/* Under the lock: takes a place; gives it back; gives the one at *index back for another one. */
void client_take(struct candor_client *client, size_t index);
void client_give(struct candor_client *client, size_t index);
void client_move(struct candor_client *client, size_t *index, size_t to);
void client_release(struct candor_client *client, size_t index);
/* The connection; NULL: it is not open. */
struct rpc_client *client_rpc(struct candor_client *client, size_t index);
/* Opens it, if need be; on a thread that may wait in NNG. NULL: NNG refuses the address. */
struct rpc_client *client_open_rpc(struct candor_client *client, size_t index,
                                   struct candor_error *err);
/* The session has seen `token` in the answer to a call that brought `asked`. */
void client_see_token(struct candor_client *client, const struct candor_token *asked,
                      const struct candor_token *token);
/* `lost` was rolled back and the user is told: the session goes on from `token`, unless it has
 * moved on already. */
void client_lose_token(struct candor_client *client, const struct candor_token *lost,
                       const struct candor_token *token);

/* counts.c */
void counts_add(atomic_uint_fast64_t *count);
/* Under the lock: what the connection has counted, before it is closed. */
void counts_keep(struct candor_client *client, const struct rpc_client *former);

/* fork.c */
/* Has the client looked after when the process forks. False: there is no memory for it. */
bool fork_watch(struct candor_client *client);
bool fork_register(void); /* likewise, for who is not in the list of clients */
void fork_unwatch(struct candor_client *client);
void fork_note_connected(void); /* before NNG is used, or a thread begun */
unsigned fork_generation(void); /* another one in each child */
/* True, with the error: this process is a child that cannot make calls. */
bool fork_stranded(struct candor_error *error);

/* scout.c: what a client that routes knows of the nodes. */
/* Whether the call's targets are chosen from what was seen; then nodes are looked at from now on.
 * Where the caller may wait, the first such call waits for the first sights, a moment. */
void scout_enlist(struct candor_client *client, struct call *call, bool may_wait);
/* Under the lock: the connection with which the call begins, or goes on when others have failed. */
size_t scout_choose(struct candor_client *client, const struct call *call);
/* The newest attempt has ended: what it shows of its target. */
void scout_note(struct operation *operation, uint64_t received_ns);
/* Nothing is looked at any more. Before the connections are closed. */
void scout_close(struct candor_client *client);
/* After that. Not `own`: this is a child, whose parent waits for what it has. */
void scout_free(struct candor_client *client, bool own);

/* ladder.c */
/* Puts the options' ladder into the call, and into `message`. False: there is no memory. */
struct ladder_message {
    Candor__V1__ReadRung rungs[LIMIT_READ_RUNGS];
    Candor__V1__ReadRung *list[LIMIT_READ_RUNGS];
};
bool ladder_ask(const struct candor_read_options *options, struct call *call,
                struct ladder_message *message, Candor__V1__ReadOptions *wire);
bool ladder_has(const struct call *call, enum candor_read_level level);
/* With whom it travels. */
enum rpc_class ladder_class(const struct call *call);
/* An answer must name the rung that it keeps; else the error says what is wrong with it. */
void ladder_check(const struct call *call, struct candor_result *result);
/* The call as the one level that was met has it: what the answer is to be held to. */
struct call ladder_met(const struct call *call, const struct candor_result *result);

/* promise.c */
/* Compares a reply with what the node and the call were promised, and remembers what it promises
 * now. The violation, if there is one, is counted, and told by the caller. */
void promise_check(struct candor_client *client, const struct call *call, uint64_t sent_ns,
                   uint64_t received_ns, struct candor_result *result);

#endif
