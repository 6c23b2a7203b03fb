/* Writes and reads that wait, and their tables. */
#ifndef CORE_WAITS_H
#define CORE_WAITS_H

#include "base/heap.h"
#include "base/ring.h"
#include "core/event.h"

/* Who bears a ticket that can be cancelled. */
enum waiter { WAITER_READ, WAITER_WITH_WRITER, WAITER_WITH_VOTERS };

enum verdict {
    STILL_WAITING,
    READY,
    LOST,
    TOO_LATE,
    ELSEWHERE, /* ACK: the primary alone can say it */
};

/* A client's write: with the writer in a ring, then, MAJORITY and ALL, in a slot of `struct
 * voter_waits`. */
struct pending_write {
    uint64_t ticket;
    enum candor_ack ack;
    /* Its caller is gone: it does not wait for voters (R51). */
    bool cancelled;
    uint64_t last_seq; /* 0 while with the writer */
    uint64_t deadline_ns;
    uint32_t records;
    uint32_t next_free;
};

/* Writes that are stored and wait for voters. A step looks at those that are due, never at all of
 * them. */
struct voter_waits {
    struct pending_write *slots;
    uint32_t capacity;
    uint32_t used;
    uint32_t free; /* the first free slot below `used`; NO_SLOT: none */
    uint32_t count;
    struct heap majority; /* by last_seq */
    struct heap all;      /* by last_seq */
    struct heap deadlines;
};

#define NO_SLOT UINT32_MAX

/* What a waiting read waits for: each read is in one list, in order of arrival. */
enum read_list {
    READS_CONFIRMING, /* at the primary: for a heartbeat, then for commit */
    READS_LEASED,     /* at the primary, confirmed by its lease: for commit alone (R30) */
    READS_UNASKED,    /* at a replica: for a ReadIndex call of their own */
    READS_ASKED,      /* for the answer of the newest call */
    READS_INDEXED,    /* for their index to be applied */
    READS_SESSION,    /* SESSION and ACK: for a position's fate */
    READS_COMMIT,
    READ_LISTS
};

/* A read, or at the primary a replica's ReadIndex, that waits. */
struct pending_read {
    uint64_t ticket;
    enum core_wait kind;
    bool remote;    /* a ReadIndex request: answered, not finished */
    bool confirmed; /* at the primary: by its lease, when the read arrived (R30) */
    struct candor_pos pos;
    uint64_t origin;     /* SESSION, ACK: of the token */
    enum candor_ack ack; /* ACK: the level that it waits for */
    uint64_t deadline_ns;
    /* LINEARIZABLE at the primary: this heartbeat, or a later one, must be confirmed */
    uint64_t heartbeat;
    uint64_t index; /* what must be applied, and at the primary committed */
    uint32_t next;  /* in its list; of a free slot: the next free one */
    uint32_t previous;
};

/* What a position's fate depends on besides how much is stored: while it is as it was, what was
 * judged stays judged. */
struct session_stamp {
    bool leads;
    uint64_t rewinds;
    uint32_t epochs;
    uint32_t uncommitted_epochs;
    struct epoch_start newest;
};

/* All reads that wait. A step looks at those whose turn has come, never at all of them; a change of
 * role looks at the linearizable ones, a new epoch at the sessions. */
struct read_waits {
    /* The first READ_LISTS slots are the lists' heads, so that a read leaves its list without
     * knowing which. */
    struct pending_read *slots;
    uint32_t capacity;
    uint32_t used;
    uint32_t free; /* NO_SLOT: none */
    uint32_t count;
    struct heap indexed;    /* READS_INDEXED, by index */
    struct heap sessions;   /* READS_SESSION that want more than is stored, by seq */
    struct heap commits;    /* READS_COMMIT, and ACK whose position is stored, by seq */
    struct heap everywhere; /* ACK whose position is committed, and that want ALL, by seq */
    struct heap deadlines;  /* all */
    bool at_primary;        /* the linearizable ones are sorted for this role, in this epoch */
    struct candor_epoch epoch;
    struct session_stamp stamp;
    uint64_t index_nonce; /* the ReadIndex call under way; 0: none */
    uint64_t index_retry_ns;
};

#endif
