/* The Candor client.
 *
 *     const char *endpoints[] = {"tcp://127.0.0.1:7000", "tcp://127.0.0.1:7010"};
 *     struct candor_client_options options = {.endpoints = endpoints, .endpoint_count = 2};
 *     struct candor_client *client;
 *     struct candor_error error;
 *     if (candor_client_open(&options, &client, &error) != CANDOR_OK)
 *         die(error.message);
 *
 *     struct candor_result result;
 *     struct candor_read_options bounded = {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 500};
 *     if (candor_get(client, candor_text("greeting"), &bounded, &result) == CANDOR_OK &&
 *         result.items[0].found)
 *         printf("%.*s, from %s, at most %" PRIu64 " ms old\n", (int)result.items[0].value.length,
 *                (const char *)result.items[0].value.data, result.freshness.node,
 *                result.freshness.staleness_bound_ms);
 *     candor_result_free(&result);
 *     candor_client_close(client);
 *
 * What a client does by itself, in every call, until the call's deadline:
 * - it looks for the primary among its endpoints and follows redirects, at most 8 in a row
 *   (UNAVAILABLE/MAX_HOPS beyond, with the trail in the message);
 * - it backs off, with jitter, when nobody can answer now;
 * - it keeps the session token: the newest position that this client wrote or read;
 * - it adds to the staleness bound the time that has passed on its own clock since it sent the
 *   request;
 * - it checks that no node goes back on what it promised earlier, and reports it (`violation`).
 *
 * Retries. Reads and writes alike are repeated until the call's deadline, at whatever node may
 * answer. A write keeps its request id over its attempts, and the nodes execute an id once: when a
 * connection dies after a write was sent, or a primary falls, the next attempt either does it or is
 * answered with what it did (`replayed`). When the deadline comes before any node could say, the
 * call ends with reason OUTCOME_UNKNOWN: candor_txn_status() tells later what became of it. A
 * condition (cas, increment, txn) that failed had no effect and is not remembered: a later attempt
 * compares again. OUTCOME_UNKNOWN with ack LOCAL has one more meaning: what the node that fell had
 * alone may be rolled back.
 *
 * Threads: any thread may use a client at any time, except while it is being closed. Calls block;
 * candor/async.h has each of them in a form that does not. A result belongs to the thread that made
 * the call.
 *
 * fork(): fork before the first call. A child may then use the client that it inherited, which
 * draws a client id of its own there, or open others. Once a client of the process has made a call,
 * its connections and the library's threads are the parent's alone: in a child every call, and
 * candor_client_open(), gives FAILED_PRECONDITION at once; candor_client_close() gives back memory
 * and leaves the connections to the parent; exec() is always fine.
 *
 * Copies: when somebody else uses the client's id nevertheless (the machine was restored from a
 * snapshot, a process was copied), a write gets INVALID_ARGUMENT with reason REQUEST_ID_REUSED. It
 * was not executed; the client goes on under a new id, and the caller decides whether to write
 * again.
 *
 * Memory: a call that finds none ends with RESOURCE_EXHAUSTED; of a write that was sent, with
 * reason OUTCOME_UNKNOWN. */
#ifndef CANDOR_CLIENT_H
#define CANDOR_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <candor/status.h>
#include <candor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CANDOR_ADDRESS_BYTES = 128, /* an address, with the terminator */
    CANDOR_CLIENT_ID_BYTES = 16,
    CANDOR_ARCHIVE_ID_BYTES = 64, /* a rollback archive's id, with the terminator */
    CANDOR_TOKEN_BYTES_MAX = 96,  /* an exported session token */
    CANDOR_KEY_BYTES_MAX = 511,
    CANDOR_BATCH_OPS_MAX = 4096, /* operations of a batch, keys of an mget */
};

/* Bytes that belong to somebody else. */
struct candor_bytes {
    const void *data;
    size_t length;
};

/* The bytes of a string, without its terminator. */
static inline struct candor_bytes candor_text(const char *text)
{
    struct candor_bytes bytes = {text, text == NULL ? 0 : strlen(text)};
    return bytes;
}

/* ---- What an answer says about its age ------------------------------------------------------- */

int candor_epoch_compare(const struct candor_epoch *a, const struct candor_epoch *b);
int candor_pos_compare(const struct candor_pos *a, const struct candor_pos *b);

struct candor_freshness {
    char node[CANDOR_NODE_ID_BYTES]; /* who answered */
    enum candor_role role;
    enum candor_state state;
    struct candor_epoch epoch; /* newest one the node has adopted; all zero before the first */
    bool has_heartbeat_age;    /* false: none heard in this epoch yet */
    /* Since the newest heartbeat arrived, when the node answered; 0 at the primary. */
    uint64_t heartbeat_age_ms;
    bool stale;               /* state is not FRESH */
    bool has_staleness_bound; /* false: nothing proves how old the data are */
    /* No write acknowledged longer ago than this, counted back from the return of the call, is
     * missing. The time since the request was sent is already added. */
    uint64_t staleness_bound_ms;
    uint64_t applied_seq; /* newest record in the data that were read */
    uint64_t primary_seq; /* newest record that the primary announced */
    uint64_t commit_seq;  /* newest record known to be committed */
    enum candor_cut_off cut_off;
    uint64_t reserved[3];
};

/* To keep a token: at most CANDOR_TOKEN_BYTES_MAX bytes (a candor.v1.SessionToken). Returns the
 * length; 0: empty. */
size_t candor_token_export(const struct candor_token *token, uint8_t out[CANDOR_TOKEN_BYTES_MAX]);
/* INVALID_ARGUMENT/MALFORMED when the bytes are not a token. No bytes: the empty token. */
enum candor_code candor_token_import(struct candor_bytes bytes, struct candor_token *out,
                                     struct candor_error *err);

/* ---- Which node is asked --------------------------------------------------------------------- */

/* Where a read begins, of a client or of one read. What is said of a node is what this client has
 * seen: of each, its round trips (smoothed), its role, state and bound, its zone. A client that
 * routes learns the members of the cluster from the nodes, and asks each of them for its status
 * every two seconds; an address that has not answered is left out for as long. Writes begin at the
 * primary, whatever the route is. */
enum candor_route {
    /* At the endpoint that answered the last one, at first the first of the list; with a ladder:
     * at the node that most likely meets the highest rung, the nearest of these. Where there are
     * several endpoints, only then are members learnt. */
    CANDOR_ROUTE_DEFAULT = 0,
    CANDOR_ROUTE_PRIMARY = 1,  /* the primary; where none is known, the nearest */
    CANDOR_ROUTE_ANY = 2,      /* any, each time another one */
    CANDOR_ROUTE_NEAREST = 3,  /* the shortest round trip */
    CANDOR_ROUTE_ZONE = 4,     /* the client's own zone, the nearest there; else the nearest */
    CANDOR_ROUTE_FRESHEST = 5, /* the smallest bound that was proven */
};

/* ---- A client -------------------------------------------------------------------------------- */

struct candor_client;

struct candor_client_options {
    /* Addresses as a topology has them ("tcp://host:port", "ipc:///path"; no wildcard), the nearest
     * first: reads stay with the first that answers, writes go to the primary wherever it is.
     * Copied. */
    const char *const *endpoints;
    size_t endpoint_count;
    /* A redirect ends the call: FAILED_PRECONDITION, with `primary` and `endpoint` set. */
    bool no_redirect;
    /* Each call is a message of its own. Else concurrent calls to a node that wait for the same
     * kind of thing (an answer at once, the node's disk, other nodes ...) share messages while
     * others are in flight (docs/wire.md, bundles); a call alone never waits for another. */
    bool no_coalesce;
    uint32_t deadline_ms; /* of a call that names none; 0: 5000 */
    /* The topology's clock_drift_ppm, where it is above its default: by so much a node's bound may
     * grow faster than time without breaking a promise. */
    uint32_t clock_drift_ppm;
    /* Largest message sent or taken; 0: 4 MiB. Set it to the topology's limits.message. */
    size_t message_bytes;
    /* Of candor/async.h: operations in flight, and bytes of their requests and results. 0: 4096
     * operations, 64 MiB. At most 1,048,576 operations. */
    uint32_t operations;
    size_t operation_bytes;
    /* CANDOR_CLIENT_ID_BYTES, to begin with; NULL: drawn. Never of two clients, nor of one and a
     * later one: the second's writes would be refused, or taken for the first's. */
    const uint8_t *client_id;
    /* Told of each violation, from the thread whose call found it, before that call returns; of a
     * submitted operation (candor/async.h) on a thread of the library, where it must not block,
     * before its result comes. May be NULL. */
    void (*violation)(void *closure, const char *text);
    void *closure;
    enum candor_route route; /* of reads that name none */
    /* Of CANDOR_ROUTE_ZONE, as the topology names it: where the client stands. NULL: nowhere.
     * Copied. */
    const char *zone;
    uint64_t reserved[14];
};

/* Returns at once: connections are made when they are needed. INVALID_ARGUMENT for no endpoint, too
 * many or a malformed one. */
enum candor_code candor_client_open(const struct candor_client_options *options,
                                    struct candor_client **out, struct candor_error *err);
/* No call may be running; what was submitted ends (candor/async.h). NULL is fine. */
void candor_client_close(struct candor_client *client);

/* The session: the newest position that this client wrote or read. It never goes back; a position
 * of another epoch is taken only from the answer to a SESSION read or a write, for which the node
 * has looked whether the session's position survived (R43). */
void candor_client_token(struct candor_client *client, struct candor_token *out);
/* Goes on with a session of earlier or elsewhere. Takes the newer of `token` and its own;
 * INVALID_ARGUMENT/FOREIGN_CLUSTER when they are of two clusters. */
enum candor_code candor_client_join(struct candor_client *client, const struct candor_token *token,
                                    struct candor_error *err);
/* Begins the session anew, from `token` (NULL: from nothing). After SESSION_LOST, result.token is
 * where to go on; this call is how a caller says that it has understood what was lost. */
void candor_client_restart_session(struct candor_client *client, const struct candor_token *token);
/* How many violations this client has seen. */
uint64_t candor_client_violations(struct candor_client *client);

/* What a client has done since it was opened. */
struct candor_counters {
    uint64_t calls; /* begun: those that wait, those that were submitted, each poll of a watch */
    uint64_t in_flight; /* of these, not ended yet */
    uint64_t failed;    /* of these, ended with another code than OK */
    uint64_t attempts;  /* requests to nodes */
    uint64_t retries;   /* of these, because the one before was not answered, or refused for now */
    uint64_t redirects; /* followed */
    uint64_t messages;  /* sent; one may carry many requests (no_coalesce) */
    uint64_t connections; /* made, to all nodes together */
    uint64_t reconnects;  /* of these, because the one before to that address was lost */
    uint64_t violations;
    uint64_t reserved[16];
};

/* Takes no time worth mentioning; the numbers are not of one instant. */
void candor_client_counters(struct candor_client *client, struct candor_counters *out);

/* ---- Results --------------------------------------------------------------------------------- */

struct candor_item {
    struct candor_bytes key;
    struct candor_bytes value;
    bool found;       /* false: no such key, and nothing else is set */
    bool has_ttl;     /* it ends: ttl_ms is set. Not told by cas, expire and txn */
    uint64_t mod_seq; /* seq of the record that wrote it last */
    uint64_t version; /* 1 when created, counted up by each write since */
    /* How long it will still be there, as far as the node knows; 0: its time is over, and its
     * delete is on its way (a LINEARIZABLE read waits for that). */
    uint64_t ttl_ms;
    uint64_t reserved[1];
};

/* Names one write over all its attempts. */
struct candor_request_id {
    uint8_t client_id[CANDOR_CLIENT_ID_BYTES];
    uint64_t number; /* 0: none */
};

/* A write that a rollback took back. */
struct candor_lost_write {
    uint64_t number;       /* of its request id */
    struct candor_pos pos; /* where it had been */
};

/* Why a rung of a read's ladder was not met. */
struct candor_missed_rung {
    /* As a read of that level alone would have been refused; DEADLINE_EXCEEDED: the time that the
     * rung had was over. */
    enum candor_code code;
    enum candor_reason reason;
    uint64_t waited_ms;
    bool has_staleness_bound; /* BOUNDED: what the node could prove; false: nothing */
    uint64_t staleness_bound_ms;
    uint64_t reserved[3];
};

/* What a call gave. Every call fills all of it, whatever it returns; candor_result_free()
 * afterwards. */
struct candor_result {
    struct candor_error error; /* its code is what the call returned */
    bool has_freshness;        /* false: no node answered */
    struct candor_freshness freshness;
    struct candor_token token; /* position of this answer; empty when it has none */
    /* of a redirect or refusal: the primary, as far as the node knew; "" */
    char primary[CANDOR_NODE_ID_BYTES];
    char endpoint[CANDOR_ADDRESS_BYTES]; /* where it is reached; "" */
    uint32_t retry_after_ms;
    uint32_t redirects; /* followed by this call */
    uint32_t attempts;  /* requests sent for this call */
    /* Of a write: part of what its session saw was rolled back. The node refused the write
     * (SESSION_LOST), the session goes on from result.token of that answer, and the write was sent
     * once more; this result is of that: SESSION_LOST when it was refused again, or OUTCOME_UNKNOWN
     * where an attempt before may have been executed. Told by each call that was under way with the
     * lost position. A SESSION read ends with the error instead. */
    bool session_lost;
    /* Of SESSION_LOST, when the node that told it holds what was rolled back: the id of its
     * rollback archive ("": another node may hold it; `freshness.node` is the one that does), and
     * which writes of this client are in it. */
    char lost_archive[CANDOR_ARCHIVE_ID_BYTES];
    size_t lost_write_count;
    struct candor_lost_write *lost_writes; /* oldest first */
    /* There may be others: the search stopped at a limit, or many threads have written at once,
     * under as many ids. */
    bool more_lost_writes;
    char violation[256]; /* what the node went back on; "" (the usual case): nothing */

    /* Reads. */
    size_t item_count;
    struct candor_item *items;
    bool more; /* scan: a limit ended it; go on with after = the last item's key */

    /* Writes. */
    struct candor_request_id request; /* under which it was sent, whatever became of it */
    /* OK and not set: it had no effect (a failed cas, a txn that executed gets alone). */
    bool wrote;
    /* position of the first operation; the n-th has first.seq + n. Without effect: of what was
     * read */
    struct candor_pos first;
    struct candor_pos last;
    enum candor_ack ack; /* level that `last` has reached */
    /* an earlier attempt had done it: the answer is of then. Batch: some of it, or all */
    bool replayed;
    size_t found_count; /* delete: 1; batch and txn: one an operation */
    bool *found;        /* whether the key existed before it */
    bool succeeded; /* cas, txn: the condition held; increment: the number is within its bounds */
    int64_t number; /* increment: the new number; when it returned OUT_OF_RANGE, the present one */

    void *memory;   /* private */
    bool no_memory; /* private: for the answer */

    /* Of a read with a ladder, from the node that answered last: the number of the rung that was
     * met, from 1 (0: none), and why those above it were not, from the first on. `session_lost` is
     * set where one of them is SESSION_LOST. */
    uint32_t rung;
    uint32_t missed_count;
    struct candor_missed_rung *missed;
    uint64_t reserved[14];
};

void candor_result_free(struct candor_result *result); /* may be called again */

/* ---- Reads ----------------------------------------------------------------------------------- */

struct candor_read_options {
    enum candor_read_level level;
    uint64_t max_staleness_ms;        /* BOUNDED */
    const struct candor_token *token; /* SESSION; NULL: the client's own */
    bool allow_syncing;   /* EVENTUAL: take an answer even from a node that is catching up */
    uint32_t deadline_ms; /* 0: the client's */
    /* Instead of level, max_staleness_ms and allow_syncing: several levels, the one wanted most
     * first, 1 to CANDOR_RUNGS_MAX of them. The node that is asked tries them one after the other,
     * and the first that it can meet counts: result->rung. */
    const struct candor_rung *ladder; /* NULL: none */
    size_t rung_count;
    enum candor_route route; /* DEFAULT: the client's */
    uint64_t reserved[5];
};

/* `options` may be NULL everywhere. All give the error's code. OK and item.found = false: there is
 * no such key. */
enum candor_code candor_get(struct candor_client *client, struct candor_bytes key,
                            const struct candor_read_options *options,
                            struct candor_result *result);
/* All from one state; items in the order of the keys. */
enum candor_code candor_mget(struct candor_client *client, const struct candor_bytes *keys,
                             size_t count, const struct candor_read_options *options,
                             struct candor_result *result);

struct candor_range {
    struct candor_bytes prefix; /* only keys with this prefix; excludes start and end */
    struct candor_bytes start;  /* first key wanted; empty: from the first (reverse: the last) */
    struct candor_bytes end; /* first key not wanted, in the direction of the scan; empty: no end */
    struct candor_bytes after; /* resume: only keys beyond this one */
    uint32_t limit;            /* items of this answer; 0: the node's limit */
    bool reverse;
    bool keys_only;
    uint64_t reserved[4];
};

/* One page: while result->more, ask again with range.after = the last item's key. Pages are
 * separate reads. */
enum candor_code candor_scan(struct candor_client *client, const struct candor_range *range,
                             const struct candor_read_options *options,
                             struct candor_result *result);

/* ---- Writes ---------------------------------------------------------------------------------- */

struct candor_write_options {
    enum candor_ack ack;
    uint32_t deadline_ms; /* 0: the client's */
    /* put, cas: the key is there for so long from the moment in which the primary takes the write,
     * and no shorter; then it is deleted (protocol R69). 0: until somebody deletes it; a TTL that
     * it had ends. At most a hundred years. */
    uint64_t ttl_ms;
    uint64_t reserved[7];
};

enum candor_code candor_put(struct candor_client *client, struct candor_bytes key,
                            struct candor_bytes value, const struct candor_write_options *options,
                            struct candor_result *result);
enum candor_code candor_delete(struct candor_client *client, struct candor_bytes key,
                               const struct candor_write_options *options,
                               struct candor_result *result);

struct candor_op {
    bool is_delete;
    struct candor_bytes key;
    struct candor_bytes value; /* put */
    uint64_t ttl_ms;           /* put: as in struct candor_write_options */
    uint64_t reserved[1];
};

/* Many writes in one message, each with a position of its own, in order; not atomic as a whole. */
enum candor_code candor_batch(struct candor_client *client, const struct candor_op *ops,
                              size_t count, const struct candor_write_options *options,
                              struct candor_result *result);

/* ---- Conditional writes ---------------------------------------------------------------------- */

/* Each is one atomic record, decided at the primary. With ack MAJORITY a failed condition, too, is
 * answered only when what it saw is committed. */

enum candor_expect_kind {
    CANDOR_EXPECT_VALUE = 1, /* the key exists and has `value` */
    CANDOR_EXPECT_ABSENT,    /* there is no such key */
    CANDOR_EXPECT_EXISTS,    /* there is one */
    /* it was written last by the record `mod_seq`; 0: there is no such key */
    CANDOR_EXPECT_MOD_SEQ,
};

struct candor_expect {
    enum candor_expect_kind kind;
    struct candor_bytes value;
    uint64_t mod_seq;
    uint64_t reserved[4];
};

/* Writes `value` if the key is as expected. OK either way: result->succeeded tells; if not,
 * result->items[0] is what is there instead (found = false: nothing). */
enum candor_code candor_cas(struct candor_client *client, struct candor_bytes key,
                            const struct candor_expect *expect, struct candor_bytes value,
                            const struct candor_write_options *options,
                            struct candor_result *result);

/* From now on the key is there for `ttl_ms`, and no shorter; 0: it does not end any more. Its
 * value, mod_seq and version stay. `expect_mod_seq`: only if that record wrote it last; 0: whoever
 * did. OK either way: result->succeeded tells; if not, result->items[0] is what is there instead
 * (found = false: nothing). options->ttl_ms does not count.
 *
 * Who holds a lock with a TTL cannot know that he still holds it when he acts: what the lock guards
 * must be told the mod_seq under which it was taken, and refuse a lower one (examples/lock.c). */
enum candor_code candor_expire(struct candor_client *client, struct candor_bytes key,
                               uint64_t ttl_ms, uint64_t expect_mod_seq,
                               const struct candor_write_options *options,
                               struct candor_result *result);

struct candor_bounds {
    bool has_min;
    int64_t min;
    bool has_max;
    int64_t max;
    int64_t initial; /* what an absent key counts as */
    uint64_t reserved[4];
};

/* Adds to a number, whose value is its decimal text. `bounds` NULL: those of 64 bits, initial 0.
 * result->number is the new one. OUT_OF_RANGE: it would leave its bounds; nothing was done,
 * result->number is the present one. FAILED_PRECONDITION with reason NONE: the value is not a
 * number. */
enum candor_code candor_increment(struct candor_client *client, struct candor_bytes key,
                                  int64_t delta, const struct candor_bounds *bounds,
                                  const struct candor_write_options *options,
                                  struct candor_result *result);

enum candor_relation { /* of what is there to what is given */
                       CANDOR_EQUAL = 0,
                       CANDOR_NOT_EQUAL = 1,
                       CANDOR_LESS = 2,
                       CANDOR_GREATER = 3,
};

enum candor_target {
    CANDOR_COMPARE_EXISTS = 1, /* with `exists`; the relation does not count */
    CANDOR_COMPARE_VALUE,      /* with `value`; of an absent key no relation holds */
    CANDOR_COMPARE_MOD_SEQ,    /* with `number`; 0 of an absent key */
    CANDOR_COMPARE_VERSION,    /* likewise */
};

struct candor_compare {
    struct candor_bytes key;
    enum candor_target target;
    enum candor_relation relation;
    bool exists;
    struct candor_bytes value;
    uint64_t number;
    uint64_t reserved[4];
};

enum candor_txn_op_kind { CANDOR_TXN_PUT = 1, CANDOR_TXN_DELETE, CANDOR_TXN_GET };

struct candor_txn_op {
    enum candor_txn_op_kind kind;
    struct candor_bytes key;
    struct candor_bytes value; /* put */
    uint64_t ttl_ms;           /* put: as in struct candor_write_options */
    uint64_t reserved[3];
};

struct candor_txn {
    const struct candor_compare *compares; /* none: they hold */
    size_t compare_count;
    const struct candor_txn_op *then_ops; /* if all compares hold */
    size_t then_count;
    const struct candor_txn_op *else_ops; /* otherwise */
    size_t else_count;
    uint64_t reserved[4];
};

/* result->succeeded: the compares held. items: one for each operation of the list that was
 * executed, in order: of a get what it read (it sees what the operations before it did), of a put
 * or delete the key alone, with found = it existed. */
enum candor_code candor_txn(struct candor_client *client, const struct candor_txn *txn,
                            const struct candor_write_options *options,
                            struct candor_result *result);

enum candor_txn_state {
    /* by request: it had no effect there, was rolled back, or was forgotten; by position: not
     * reached */
    CANDOR_TXN_UNKNOWN = 0,
    CANDOR_TXN_COMMITTED = 1,
    CANDOR_TXN_ROLLED_BACK = 2, /* by position only */
    CANDOR_TXN_PENDING = 3,     /* not decided yet: ask again */
};

/* What became of a write: by its request (result->request of its call) or, when that is NULL, by
 * its position, which speaks of whatever record stands there (struct candor_pos). Begins with the
 * primary, as far as it is known; another node's UNKNOWN says less (result->freshness.role,
 * .stale). result->last: where the write stands. */
enum candor_code candor_txn_status(struct candor_client *client,
                                   const struct candor_request_id *request,
                                   const struct candor_pos *pos, uint32_t deadline_ms,
                                   enum candor_txn_state *out, struct candor_result *result);

/* ---- What became of a write, asked later ----------------------------------------------------- */

struct candor_await_options {
    enum candor_ack level; /* MAJORITY (also DEFAULT) or ALL */
    uint32_t deadline_ms;  /* 0: the client's */
    uint64_t reserved[8];
};

/* Writes with ack LOCAL now, and waits here for the proof, from any client and any process, also
 * after failovers: by `token` (result->token of the write's call, or of a session: all that it has
 * written and read); where that is NULL, by `pos` (result->last), which tells nothing of two copies
 * of a primary's disk; where both are NULL, by the client's own session. A `pos` without an epoch
 * asks for whatever stands at its seq. `options` may be NULL. The client's session stays as it is.
 *
 *   OK                               it has reached result->ack, for good; result->last is its
 *                                    position
 *   ABORTED, ROLLED_BACK             another history is committed in its place. lost_archive and
 *                                    lost_writes as of SESSION_LOST; result->token: where the
 *                                    histories part
 *   DEADLINE_EXCEEDED, NO_MAJORITY   not yet; result->ack is how far it has come (LOCAL: not
 *                                    committed; MAJORITY: not held by every voter)
 *   FAILED_PRECONDITION, UNAVAILABLE no node that was asked knows, by then
 *   INVALID_ARGUMENT                 no write can have that position; FOREIGN_CLUSTER: it is of
 *                                    another cluster
 *   NOT_FOUND                        so long ago that nobody can tell */
enum candor_code candor_await_commit(struct candor_client *client, const struct candor_token *token,
                                     const struct candor_pos *pos,
                                     const struct candor_await_options *options,
                                     struct candor_result *result);

/* ---- Status ---------------------------------------------------------------------------------- */

/* One node, as it sees itself. Freshness is in the result. */
struct candor_status {
    char node[CANDOR_NODE_ID_BYTES];
    char version[32];
    char primary[CANDOR_NODE_ID_BYTES]; /* that it follows; "": it knows none */
    char rpc[CANDOR_ADDRESS_BYTES];
    uint32_t pid;
    uint64_t uptime_ms;
    uint64_t cluster_id; /* 0: it has not joined a cluster */
    uint64_t store_id;
    uint64_t boot;
    struct candor_pos last; /* newest record in its log */
    uint64_t durable_seq;
    uint64_t match_seq;     /* newest record verified equal to the primary's */
    uint64_t lag;           /* records behind the primary */
    uint64_t log_first_seq; /* oldest record still in its log */
    uint64_t log_bytes;
    uint64_t state_bytes;
    uint64_t at_risk; /* acknowledged LOCAL records that are not committed; at the primary only */
    bool no_room;     /* its disk is full: it stores nothing */
    uint64_t rollback_count;
    uint64_t keys;
    bool admitted;
    /* Of its data, 128 bits in hexadecimal: equal at two nodes that stand at one position, or one
     * of them is wrong. */
    char digest[36];
    /* DOUBTFUL: the newest position where its data were the others' (0: not known), and since where
     * they are not; else 0. */
    uint64_t equal_seq;
    uint64_t differs_seq;
    /* false: not all of what it stores was read and checked since it was started */
    bool has_scrubbed_age;
    uint64_t scrubbed_age_ms;
    uint64_t scrub_findings;
    char scrub_finding[256]; /* rot in log, checkpoint or archives that is still there; "": none */
    char zone[CANDOR_NODE_ID_BYTES]; /* where it stands, by its topology; "": not said */
    /* Who passes the primary's words on to it: the link between them is lost. "": nobody */
    char relay[CANDOR_NODE_ID_BYTES];
    uint64_t reserved[8];
};

/* Of the node at `endpoint`, without redirects or other endpoints. NULL: of the first endpoint. */
enum candor_code candor_status(struct candor_client *client, const char *endpoint,
                               uint32_t deadline_ms, struct candor_status *out,
                               struct candor_result *result);

#ifdef __cplusplus
}
#endif
#endif
