/* What happens to a core, and what it wants done. Slices in an event are read during core_take()
 * alone. What actions point to belongs to that event or to the core: the shell frees nothing of it,
 * and copies what it keeps, for it is valid until the next core_take() or core_flush(). */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include <candor/status.h>

#include "base/logging.h"
#include "core/message.h"

/* ---- Events: what happened ------------------------------------------------------------------- */

enum core_event_type {
    CORE_EVENT_NONE = 0, /* what concerns the shell alone: never taken by a core */
    /* A RECORDS, HEARTBEAT or STATUS came: msg; peer: whose address was dialled for it (R49). */
    CORE_EVENT_STREAM,
    /* Somebody asks, nobody knows who: ticket, msg; an ANSWER action with the ticket follows, now
     * or later. */
    CORE_EVENT_REQUEST,
    /* The answer to our CALL: nonce, msg; peer: who was called (R49). */
    CORE_EVENT_REPLY,
    CORE_EVENT_CALL_FAILED, /* no answer to our CALL: nonce */
    CORE_EVENT_PEER_LOST,   /* a connection to `peer` closed: a hint (R22) */
    /* A group of WRITEs stands in the log's file and is about to be synced: staged. It answers no
     * work: the group's APPENDED events follow (R68). A writer may leave it out. */
    CORE_EVENT_STAGED,
    /* What was staged last is not stored after all: staged, but for its batches. Answers no work
     * either. The writer refuses whatever else it is given of this epoch, so that no number of it
     * is given twice (R68). */
    CORE_EVENT_WITHDRAWN,
    /* The writer has done the oldest work it was given. */
    CORE_EVENT_SAVED,     /* hard state */
    CORE_EVENT_APPENDED,  /* APPEND, WRITE, EXPIRE, EPOCH_START, MEMBERS: stored */
    CORE_EVENT_TRUNCATED, /* truncated */
    CORE_EVENT_INSTALLED, /* installed */
    /* The snapshot download. */
    CORE_EVENT_SNAPSHOT_READY,  /* whole and checked: snapshot */
    CORE_EVENT_SNAPSHOT_FAILED, /* given up: the core begins again with back-off */
    /* Clients and operators; finished by a FINISH action with the ticket. */
    CORE_EVENT_WRITE,          /* a client's write: ticket, write */
    CORE_EVENT_WAIT,           /* a read that must wait, or have its token judged: ticket, wait */
    CORE_EVENT_PROMOTE,        /* ticket, promote */
    CORE_EVENT_ACCEPT_HISTORY, /* ticket, accept */
    CORE_EVENT_TRANSFER,  /* the primary hands its leadership to a voter (R26): ticket, transfer */
    CORE_EVENT_SET_VOTER, /* a member becomes a voter, or a reader (R29): ticket, set_voter */
    CORE_EVENT_TRIMMED,   /* for those who ask, the log now begins at log_first */
    /* Nobody waits any more for what a WRITE or a WAIT with this ticket asked (R51): ticket. It is
     * finished at once when it only waits, else when the writer has answered. A ticket that is not
     * open is ignored: its FINISH and this may have crossed. */
    CORE_EVENT_CANCEL,
};

/* What a read waits for. */
enum core_wait {
    CORE_WAIT_SESSION, /* the position is applied (R43) */
    /* leadership was confirmed after the read arrived, and what was committed then is applied here
     * (R32, R33) */
    CORE_WAIT_LINEARIZABLE,
    /* this node knows that pos is committed: what a view at it shows cannot be rolled back. Without
     * an epoch: whatever stands at that seq */
    CORE_WAIT_COMMIT,
    /* what became of the write at the token's pos: it has reached `ack`, or was rolled back (R70).
     * Without an epoch: of whatever stands at that seq */
    CORE_WAIT_ACK,
};

struct core_event {
    enum core_event_type type;
    /* Of the shell's choosing, never 0, and never given twice: a late CANCEL must find nothing. */
    uint64_t ticket;
    uint64_t nonce;
    struct candor_node_id peer;
    const struct core_msg *msg;
    union {
        struct {
            /* OK; RESOURCE_EXHAUSTED (a shortage: nothing stored); ABORTED (did not fit the log's
             * end: nothing stored) */
            enum candor_code code;
            enum candor_reason reason; /* of a shortage: DISK_FULL, STATE_FULL, or none of them */
            struct candor_epoch epoch; /* of the records */
            uint64_t first_seq;        /* of what was stored */
            uint64_t last_seq;         /* the log's end now */
            uint64_t written_seq;      /* WRITE: where it stands; without effect: of what it read */
            /* One WRITE action each makes one APPENDED event; a group commit gives several with one
             * fsync. At a primary the first event of a group carries the bytes of the whole group,
             * which are published; the others none, and none of a group that was staged. */
            struct slice batches;
            /* Not OK, of a group that is withdrawn: written_seq is where it would have stood. */
            bool withdrawn;
            uint64_t ticket;         /* of a WRITE; else 0 */
            struct digest_at digest; /* of the state, where it stands at last_seq; else seq 0 */
            struct chain_at end;     /* of the log, where it ends at last_seq; else seq 0 */
            uint64_t log_ms;         /* APPEND: the time of the log at last_seq (R69) */
            /* WRITE, EXPIRE: when the first key ends that has an end, by the log's time; 0: none */
            uint64_t next_end_ms;
        } appended;
        struct {
            struct candor_epoch epoch; /* of the records */
            uint64_t last_seq;         /* the newest of them */
            struct slice batches;      /* the whole group */
        } staged;
        struct {
            uint64_t last; /* the log's end now == to */
            uint64_t rewinds;
            struct state_digest digest;
            struct chain chain; /* of the log at `last` */
            /* as of last, from the state; count 0 before the first EPOCH_START */
            const struct members *members;
        } truncated;
        struct {
            enum candor_code code;
            struct candor_pos pos; /* what state and log stand at now */
            struct state_digest digest;
            struct chain chain; /* INSTALLED: of the log there */
            uint64_t rewinds;
            uint64_t log_ms; /* the time of the log there (R69) */
            uint64_t undo_floor;
            uint64_t cluster_id;
            const struct epoch_history *history;
            const struct members *members;
        } snapshot; /* SNAPSHOT_READY and INSTALLED */
        struct {
            enum candor_ack ack;  /* the level asked for */
            uint32_t records;     /* how many records it will make at most (a Batch makes many) */
            uint64_t deadline_ns; /* MAJORITY, ALL: when the caller stops waiting (R21) */
            struct candor_token token; /* what its session has seen (I8); seq 0: no demand */
            /* It is told whether it would be taken, and goes no further. */
            bool dry_run;
        } write;
        struct {
            enum core_wait kind;
            /* SESSION: the session's; COMMIT: its pos is the view's; ACK: the write's */
            struct candor_token token;
            enum candor_ack ack; /* ACK: MAJORITY or ALL */
            uint64_t deadline_ns;
        } wait;
        struct {
            bool force; /* R28 */
            uint64_t deadline_ns;
        } promote;
        struct {
            uint64_t deadline_ns; /* when the operator stops waiting, and the consent ends */
        } accept;
        struct {
            uint64_t log_first;
        } trimmed;
        struct {
            struct candor_node_id to;
            uint64_t deadline_ns; /* when the old primary gives up and goes on */
        } transfer;
        struct {
            struct candor_node_id node;
            bool voter;
            uint64_t deadline_ns;
        } set_voter;
    };
};

/* ---- Actions: what is to be done ------------------------------------------------------------- */

enum core_action_type {
    /* transport */
    CORE_ACTION_PUBLISH = 1, /* RECORDS on the records channel, HEARTBEAT and STATUS on the other */
    CORE_ACTION_CALL,        /* ask a peer -> REPLY or CALL_FAILED */
    CORE_ACTION_ANSWER,      /* a peer's REQUEST is answered */
    CORE_ACTION_RESET_PEER,  /* a peer was not heard for too long: re-connect */
    /* writer, in order */
    CORE_ACTION_SAVE,   /* the hard state -> SAVED */
    CORE_ACTION_APPEND, /* a replica's batches -> APPENDED */
    CORE_ACTION_WRITE,  /* a client's write: sequence it after the log's end -> APPENDED */
    CORE_ACTION_EXPIRE, /* delete keys whose time is over (R69) -> APPENDED */
    /* meta: the record that opens its epoch; then, where the epoch is higher, the hard state's
     * epoch -> APPENDED */
    CORE_ACTION_EPOCH_START,
    CORE_ACTION_MEMBERS,  /* meta: a membership record -> APPENDED */
    CORE_ACTION_TRUNCATE, /* cut: archive, undo and cut off own records -> TRUNCATED */
    /* cut: make the downloaded snapshot the state; first archive own records -> INSTALLED */
    CORE_ACTION_INSTALL,
    /* What is known of the others' lives has changed: core_lives() is to be kept. No event answers
     * it. */
    CORE_ACTION_KEEP_LIVES,
    /* This directory is an older copy of itself (R62): it takes a new store_id, and the process
     * starts again with it. The core promises nothing any more. end */
    CORE_ACTION_RENEW,
    CORE_ACTION_STOP,   /* another process runs as this node (R64): this one ends. end */
    CORE_ACTION_COMMIT, /* the known commit grew: undo up to it can go. No event answers it */
    /* snapshot download, by the shell */
    CORE_ACTION_FETCH_SNAPSHOT, /* -> SNAPSHOT_READY or SNAPSHOT_FAILED */
    /* cancel the download or discard what is ready; no event follows any more */
    CORE_ACTION_DROP_SNAPSHOT,
    /* clients */
    CORE_ACTION_FINISH, /* what a client or an operator asked for is done, or refused */
    /* people */
    CORE_ACTION_LOG,      /* a line for the node's log */
    CORE_ACTION_FAILOVER, /* another epoch began, as this node saw it */
};

/* How an epoch began: known to the node that opened it. */
enum core_failover_cause {
    CORE_FAILOVER_SEEN,      /* seen from outside: this node follows it */
    CORE_FAILOVER_FOUNDING,  /* the cluster's first */
    CORE_FAILOVER_ELECTION,  /* by the timer, or the hint of a closed connection (R22) */
    CORE_FAILOVER_PROMOTION, /* an operator asked for a vote (R27) */
    CORE_FAILOVER_TRANSFER,  /* the old primary asked for it (R26) */
    CORE_FAILOVER_FORCED,    /* an operator, without votes (R28) */
    /* its primary was restarted, or had stepped down, and stood again (R5) */
    CORE_FAILOVER_RESUMED,
};

/* A failover, measured on this node's clock alone (R35). Whoever opened it measures up to its
 * EPOCH_START being stored, any other up to the new primary's first heartbeat. */
struct core_failover {
    enum core_failover_cause cause;
    struct candor_epoch epoch;
    /* the epoch before, as far as this node knows; none: it knows of none */
    struct candor_epoch previous;
    bool has_gap; /* this node took part in the epoch before: since this process began */
    /* Since the newest heartbeat of the epoch before; of the own epoch: since this node refused
     * writes. */
    uint64_t gap_ns;
};

#define CORE_TEXT_BYTES 256

/* The union's member has the type's name, or says whose it is. Of the rest nothing is set. */
struct core_action {
    enum core_action_type type;
    union {
        struct {
            const struct core_msg *msg; /* the core's */
        } publish;
        struct core_action_call {
            struct candor_node_id peer; /* who is asked */
            uint64_t nonce;             /* comes back with the REPLY or the CALL_FAILED */
            const struct core_msg *msg; /* the core's */
        } call;
        struct core_action_answer {
            uint64_t ticket;            /* of the REQUEST */
            const struct core_msg *msg; /* the core's */
        } answer;
        struct {
            struct candor_node_id peer; /* who was not heard */
        } reset_peer;
        struct core_action_save {
            uint64_t cluster_id;       /* 0: of none yet */
            struct candor_epoch epoch; /* the highest that was adopted or voted in */
            uint64_t commit;           /* the known commit */
            bool forked;               /* the log has parted from what is committed */
        } save;
        struct core_action_append {
            struct candor_epoch epoch; /* in which they came */
            struct slice batches;      /* the core's: whole ones, each following the one before */
        } append;
        struct core_action_write {
            uint64_t ticket;           /* of the WRITE event; the shell has its operations */
            struct candor_epoch epoch; /* of the record */
            uint64_t log_ms;           /* of the record, unless the log's time is beyond it */
        } write;
        struct core_action_expire {
            struct candor_epoch epoch; /* of the record */
            uint64_t log_ms;           /* likewise */
        } expire;
        /* EPOCH_START, MEMBERS */
        struct core_action_meta {
            struct candor_epoch epoch;     /* of the record */
            uint64_t cluster_id;           /* for the record */
            const struct members *members; /* the core's: for the record */
        } meta;
        /* TRUNCATE, INSTALL */
        struct core_action_cut {
            uint64_t seq;              /* own records after it go */
            struct candor_epoch epoch; /* by which they are superseded */
        } cut;
        /* RENEW, STOP */
        struct {
            char text[CORE_TEXT_BYTES]; /* why, for people */
        } end;
        struct {
            uint64_t seq; /* the known commit */
        } commit;
        struct core_action_fetch_snapshot {
            struct candor_node_id peer; /* who is to send it */
            struct candor_epoch epoch;  /* in which it is to be cut */
            uint64_t seq;               /* where it is to stand, at least */
        } fetch_snapshot;
        struct core_action_finish {
            uint64_t ticket; /* of the event that asked for it */
            enum candor_code code;
            enum candor_reason reason;
            struct candor_pos pos;      /* of the write; SESSION_LOST: where the histories part */
            enum candor_ack ack;        /* the level reached */
            char text[CORE_TEXT_BYTES]; /* of an error, for people; "": its code says it all */
        } finish;
        struct {
            enum log_level level;
            char text[CORE_TEXT_BYTES]; /* "event key=value ..." */
        } log;
        struct core_failover failover;
    };
};

/* Grows as needed; emptied by core_take and core_flush at their start. */
struct core_actions {
    struct core_action *list;
    size_t count;
    size_t capacity;
};

void core_actions_free(struct core_actions *actions);

#endif
