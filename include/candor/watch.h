/* Watching a range of keys: what happens to them, in the order of the log, from any node
 * (docs/consistency.md, "Watches").
 *
 *     struct candor_watch_options options = {.prefix = candor_text("cart:"), .with_state = true};
 *     struct candor_watch *watch;
 *     if (candor_watch_open(client, &options, &watch, &error) != CANDOR_OK)
 *         die(error.message);
 *     struct candor_changes changes;
 *     while (running) {
 *         if (candor_watch_next(watch, 10000, &changes, &error) != CANDOR_OK)
 *             complain(error.message); // nothing is lost: the next call goes on
 *         for (size_t i = 0; i < changes.count; i++)
 *             ... changes.events[i] ...
 *     }
 *     candor_watch_close(watch);
 *
 * A watch goes on by itself over restarts, failovers and snapshots, at whichever node answers:
 * nothing is left out and nothing is told twice, or the program is told otherwise by an event
 * (COMPACTED, ROLLED_BACK). candor_watch_cursor() says where it stands, for another process to go
 * on from.
 *
 * candor_watch_start() does the same without a thread of the program's.
 *
 * Threads: a watch belongs to one thread at a time; several watches may use one client at once.
 * Memory: what a call finds none for is asked for again by the next one. */
#ifndef CANDOR_WATCH_H
#define CANDOR_WATCH_H

#include <candor/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CANDOR_CURSOR_BYTES_MAX = CANDOR_TOKEN_BYTES_MAX + CANDOR_KEY_BYTES_MAX + 16 };

struct candor_watch_options {
    /* What is watched: one key, the keys with a prefix, or those in [start, end); at most one of
     * the three. None: every key. Copied. */
    struct candor_bytes key;
    struct candor_bytes prefix;
    struct candor_bytes start;
    struct candor_bytes end; /* the first key not wanted; empty: no end */
    /* Where to begin, one of these; none: from now on. */
    struct candor_bytes cursor; /* of candor_watch_cursor(), for the same range */
    uint64_t since_seq;         /* from the record with this seq on */
    bool with_state;            /* the present state first, as STATE events */
    bool no_puts;               /* leaves them out */
    bool no_deletes;
    /* Also what is not committed yet, and may be rolled back: ROLLED_BACK tells. */
    bool uncommitted;
    uint32_t limit; /* records of one answer; 0: the node's limit */
    uint64_t reserved[8];
};

enum candor_event_type {
    CANDOR_EVENT_PUT = 1,
    CANDOR_EVENT_DELETE = 2,
    /* The key is there, with this value: from the present state. What is not told by STATE_END is
     * not there. */
    CANDOR_EVENT_STATE = 3,
    CANDOR_EVENT_STATE_END = 4, /* all of the range was told */
    /* What was told from pos.seq on has not happened; pos.seq 0: nobody knows from where on, and
     * the present state follows, as if the watch had just begun with it. Events with
     * `taken_back` may follow: what it was, as far as the node that told it knows. */
    CANDOR_EVENT_ROLLED_BACK = 5,
    /* The log no longer reaches back: what happened before pos.seq may be missing. The present
     * state follows, as if the watch had just begun with it. */
    CANDOR_EVENT_COMPACTED = 6,
};

struct candor_event {
    enum candor_event_type type;
    /* Of the record; STATE: of the one that wrote the key last (its seq alone). */
    struct candor_pos pos;
    bool more;       /* the next event is of the same operation: a Txn is told as a whole */
    bool taken_back; /* behind ROLLED_BACK */
    struct candor_bytes key;
    struct candor_bytes value; /* PUT, STATE */
    uint64_t version;          /* STATE */
    uint64_t wall_ms;          /* PUT, DELETE: by the primary's clock, for people */
    bool expired;              /* DELETE: nobody deleted it, its time was over */
    uint64_t ttl_ms;           /* PUT: the TTL that it was given; 0: none */
    uint64_t reserved[2];
};

/* What one call gave; its memory is the watch's, until the next call with it. */
struct candor_changes {
    const struct candor_event *events;
    size_t count;                             /* 0: nothing happened */
    uint64_t seen_seq;                        /* all that was recorded up to there was told */
    struct candor_freshness freshness;        /* how old that is: of the answer */
    char archive_id[CANDOR_ARCHIVE_ID_BYTES]; /* of ROLLED_BACK, at freshness.node; "" */
    uint64_t reserved[4];
};

struct candor_watch;

/* Asks nobody yet. INVALID_ARGUMENT: options that exclude each other; a cursor that is none. The
 * client must outlive the watch. */
enum candor_code candor_watch_open(struct candor_client *client,
                                   const struct candor_watch_options *options,
                                   struct candor_watch **out, struct candor_error *err);
/* Waits until something has happened, at most `timeout_ms` (0: 10 s; at most 60 s), and then gives
 * no events: also then `seen_seq` and the freshness are news. It takes longer, by the client's
 * deadline, when no node answers: UNAVAILABLE, DEADLINE_EXCEEDED; the next call goes on where this
 * one stood. Final are INVALID_ARGUMENT, and OUT_OF_RANGE: nobody has come to since_seq yet. A
 * watch from now on begins with its first call. */
enum candor_code candor_watch_next(struct candor_watch *watch, uint32_t timeout_ms,
                                   struct candor_changes *out, struct candor_error *err);
/* The watch goes on by itself: `told` is called with what candor_watch_next() would give, again and
 * again, on a thread of the library, one call at a time; `changes` are gone when it returns. It
 * must not block (candor/async.h), and may close the watch or ask for its cursor. An error
 * (`error->code` is not OK) that does not end it has passed by with the next call that has none.
 * `ended`: it was the last call: the error is final, or RESOURCE_EXHAUSTED, when the client has too
 * many operations in flight to ask again. A watch counts as one of them
 * (candor_client_options.operations) and holds one of the places that a client has at a node; give
 * hundreds of watches clients of their own.
 *
 * Any other code than OK: it was not begun, and candor_watch_next() still serves. */
enum candor_code candor_watch_start(struct candor_watch *watch,
                                    void (*told)(void *closure,
                                                 const struct candor_changes *changes,
                                                 const struct candor_error *error, bool ended),
                                    void *closure, struct candor_error *err);
/* Where the watch stands, behind all that it has given: at most CANDOR_CURSOR_BYTES_MAX bytes, good
 * at any node. Returns the length; 0: it has not begun. */
size_t candor_watch_cursor(const struct candor_watch *watch, uint8_t out[CANDOR_CURSOR_BYTES_MAX]);
/* `told` is not called any more when this returns. The node may be waited for a little longer
 * inside the library, which candor_client_close() ends. NULL is fine. */
void candor_watch_close(struct candor_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
