/* The replication core: docs/protocol.md as a pure state machine (docs/architecture.md).
 *
 *     core_step(core, event, now_ns, actions)
 *
 * takes one event and says what is to be done. It has no socket, clock, thread, file or hidden randomness: kvd and
 * the simulator drive the very same code. Time is what the caller says it is (CLOCK_BOOTTIME of the node, R35).
 *
 * The shell around it owns
 *   - a *writer*: a FIFO of storage work (log, state, hard state). Each WRITER action is answered by exactly one
 *     event of its kind, in the order in which the actions were given. Work that is durable when its event comes.
 *   - a *transport*: publishes stream messages; sends calls and brings their replies or failures; brings
 *     requests and sends their answers.
 *   - *clients*: each write, waiting read or operator command comes with a ticket and is finished exactly once.
 *
 * Threads: one thread at a time calls into a core. core_view is plain data: copy it and publish it.
 * Ownership: slices in an event are read during core_step only; slices in actions point into that event or the core and
 * are valid until the next core_step. core_new() is freed by core_free(). */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <candor/status.h>

#include "base/seq_bits.h"
#include "base/types.h"

/* ---- What a core is told at its birth -------------------------------------------------------------- */

struct core_config {
    struct node_id self;
    uint64_t config_hash; /* messages with another one are dropped */
    struct members
        configured; /* as in the topology, store ids 0: what a founded cluster begins with */
    struct node_id initial_primary; /* founds the cluster when all are blank */
    char rpc[LIMIT_ADDRESS_BYTES];  /* where clients reach this node */
    bool automatic_failover;        /* R22; else R27: manual, no timers */
    uint64_t heartbeat_interval_ns;
    uint64_t stale_after_ns;
    uint64_t reject_after_ns;     /* 0: never */
    uint64_t election_timeout_ns; /* T of R22, R23, R25 */
    uint64_t writer_stall_ns;     /* R6 */
    uint64_t max_lag;             /* records; beyond it a replica is SYNCING; 0: no limit */
    uint64_t max_uncommitted;     /* records (R20) */
    uint64_t drift_ppm;           /* R36 */
    bool leases;                  /* R30 */
    uint64_t seed;                /* of back-off jitter and election timeouts */
    uint64_t new_cluster_id;      /* random: becomes the cluster's when this node founds it */
#ifdef CORE_MUTABLE
    uint32_t mutation; /* the rule to leave out, enum core_mutation; 0: none */
#endif
};

/* What is known of one life of a node (R62): its process, from one start to its end, on one disk. */
struct core_life {
    struct node_id node;
    uint64_t store_id; /* 0: nothing is known */
    uint64_t boot;
    struct pos held; /* the newest that it declared committed, or acknowledged; seq 0: nothing */
};

/* Of the node that asks. */
struct core_life_answer {
    bool ok; /* false: not to a node of another cluster */
    struct core_life
        lasted; /* the newest on the disk that it names that spoke for an election timeout; store_id 0: none */
    struct core_life newest; /* heard last, of whichever disk, however short; store_id 0: none */
    bool speaks;             /* `newest` was heard just now */
};

struct core_lives {
    uint32_t count;
    struct core_life list[LIMIT_NODES];
};

/* What the disk said, after the log was replayed into the state: last == durable == applied. */
struct core_boot {
    uint64_t cluster_id; /* 0: blank */
    uint64_t store_id;
    uint64_t boot;      /* already counted up, durably */
    struct epoch epoch; /* of the hard state; no lower than that of `last` */
    uint64_t last;
    uint64_t log_first;
    uint64_t commit; /* known commit: max(hard state, undo floor) */
    uint64_t rewinds;
    struct state_digest digest; /* of the state at `last` */
    struct chain chain;         /* of the log at `last` */
    const struct epoch_history *history;
    const struct members *members; /* as of last; count 0 before the first EPOCH_START */
    const struct seq_bits *local;  /* records above commit that say LOCAL (R42) */
    /* What this node had kept of the others' lives (KEEP_LIVES); NULL: nothing. */
    const struct core_lives *lives;
    /* The machine went down, with a durability that may lose the newest records. */
    bool tail_may_lack;
};

/* ---- Messages between cores ------------------------------------------------------------------------ */

struct core_header { /* PeerHeader of replication.proto */
    uint64_t cluster_id;
    uint64_t config_hash;
    struct node_id node;
    uint64_t store_id;
    uint64_t boot;
    struct epoch epoch;
};

struct core_echo {
    struct node_id node;
    uint64_t boot;
    uint64_t ts_ns;
    uint64_t store_id; /* with boot: which life's clock ts_ns is of */
};

/* What the primary has heard of replicas before s_conf (R36): it speaks of data that hold `last`. */
struct core_echoes {
    uint64_t last;
    uint32_t count;
    struct core_echo list[LIMIT_NODES];
};

/* What the primary found of a replica's data (R58): where they were last equal, and since where they differ; 0: they do not. */
struct core_state_verdict {
    struct node_id node;
    uint64_t store_id;
    uint64_t equal_seq;
    uint64_t differs_seq;
    uint64_t rewinds; /* of the data that were compared: none others are meant */
    bool vouched;     /* by a majority of the voters, for the primary's data */
};

struct core_verdicts {
    uint32_t count;
    struct core_state_verdict list[LIMIT_NODES];
};

enum core_msg_type {
    /* stream */
    CORE_MSG_RECORDS = 1,
    CORE_MSG_HEARTBEAT,
    CORE_MSG_STATUS,
    /* requests and their answers */
    CORE_MSG_ATTACH,
    CORE_MSG_ATTACH_ANSWER,
    CORE_MSG_FETCH,
    CORE_MSG_FETCH_ANSWER,
    CORE_MSG_PRE_VOTE,
    CORE_MSG_VOTE,
    CORE_MSG_VOTE_ANSWER, /* to both */
    CORE_MSG_READ_INDEX,
    CORE_MSG_READ_INDEX_ANSWER,
    CORE_MSG_LIFE, /* which life of the sender does the receiver know? (R62) */
    CORE_MSG_LIFE_ANSWER,
    CORE_MSG_TRANSFER, /* the primary asks the receiver to stand at once (R26); answered by a VOTE_ANSWER */
};

enum core_verdict { CORE_REFUSED, CORE_CONTINUE, CORE_TRUNCATE_TO, CORE_SNAPSHOT };

#define CORE_REFUSAL_BYTES 128

struct core_msg {
    enum core_msg_type type;
    struct core_header header;
    union {
        struct {
            uint64_t commit;
            struct slice batches;
            uint64_t hb_id; /* newest heartbeat that was sent before: it counts as heard */
            struct core_echoes echoes;
        } records;
        struct {
            /* Sent again under the same id it brings newer echoes, and asks for no answer. */
            uint64_t hb_id;
            uint64_t last;
            struct chain chain; /* of the primary's log at `last`; all zero: not said */
            uint64_t first;     /* oldest record in the primary's log */
            uint64_t commit;
            /* Whom the primary wants to take over (R26); "": nobody. */
            struct node_id successor;
            struct core_echoes echoes;
            struct core_verdicts verdicts;
            char rpc[LIMIT_ADDRESS_BYTES];
        } heartbeat;
        struct {
            uint64_t ts_ns;
            uint64_t hb_id;
            uint64_t last;
            uint64_t durable;
            uint64_t match;
            uint64_t applied;
            enum node_state state;
            bool no_room;            /* its disk is full */
            struct digest_at digest; /* of its state (R58); seq 0: not known at `durable` */
            uint64_t rewinds;        /* how often that state went back or was replaced */
            uint64_t
                promise_ns; /* it elects nobody else for so long after that heartbeat (R30); 0: no promise */
        } status;
        struct {
            uint64_t last;
            uint64_t commit;    /* what the sender knows as committed */
            struct chain chain; /* of its log at `last` */
            /* In an event: the shell looks up the chain of its own log at `last`; seq 0 where it holds none. */
            struct chain_at here;
            /* In an event: the sender's; in an action: the core's own. */
            struct epoch_history history;
        } attach;
        struct {
            enum core_verdict verdict;
            uint64_t seq;
        } attach_answer;
        struct {
            uint64_t from_seq;
        } fetch;
        struct {
            bool ok;
            uint64_t commit;
            struct slice batches;
        } fetch_answer;
        struct {
            struct epoch epoch; /* the one to be opened */
            struct pos last;
            bool transfer;
        } vote; /* PRE_VOTE and VOTE */
        struct {
            bool granted;
            bool blank;
            /* A refusal that may pass: it has not heard the candidate's stream, or not of the epoch. */
            bool unheard;
            char refusal[CORE_REFUSAL_BYTES];
        } vote_answer;
        struct {
            bool ok;
            uint64_t seq;
        } read_index_answer;
        struct core_life_answer life_answer;
    };
};

/* ---- Events: what happened ------------------------------------------------------------------------- */

enum core_event_type {
    CORE_EVENT_TICK = 1, /* time has passed; due at core_next_wake_ns() at the latest */
    /* A RECORDS, HEARTBEAT or STATUS came: msg; peer: whose address was dialled for it (R49). */
    CORE_EVENT_STREAM,
    /* Somebody asks, nobody knows who: ticket, msg; an ANSWER action with the ticket follows, now or later. */
    CORE_EVENT_REQUEST,
    /* The answer to our CALL: nonce, msg; peer: who was called (R49). */
    CORE_EVENT_REPLY,
    CORE_EVENT_CALL_FAILED, /* no answer to our CALL: nonce */
    CORE_EVENT_PEER_LOST,   /* a connection to `peer` closed: a hint (R22) */
    /* The writer has done the oldest work it was given. */
    CORE_EVENT_SAVED,     /* hard state */
    CORE_EVENT_APPENDED,  /* APPEND, WRITE, EPOCH_START, MEMBERS: stored */
    CORE_EVENT_TRUNCATED, /* truncated */
    CORE_EVENT_INSTALLED, /* installed */
    /* The snapshot download. */
    CORE_EVENT_SNAPSHOT_READY,  /* whole and checked: snapshot */
    CORE_EVENT_SNAPSHOT_FAILED, /* given up: the core begins again with back-off */
    /* Clients and operators; finished by a FINISH action with the ticket. */
    CORE_EVENT_WRITE,          /* a client's write: ticket, write */
    CORE_EVENT_WAIT,           /* a read that must wait, or have its token judged: ticket, wait */
    CORE_EVENT_PROMOTE,        /* ticket, promote */
    CORE_EVENT_ACCEPT_HISTORY, /* ticket */
    CORE_EVENT_TRANSFER,       /* the primary hands its reign to a voter (R26): ticket, transfer */
    CORE_EVENT_SET_VOTER,      /* a member becomes a voter, or a reader (R29): ticket, set_voter */
    CORE_EVENT_TRIMMED,        /* the log now begins at log_first */
    /* Nobody waits any more for what a WRITE or a WAIT with this ticket asked (R51): ticket. It is
     * finished at once when it only waits, else when the writer has answered. A ticket that is not
     * open is ignored: its FINISH and this may have crossed. */
    CORE_EVENT_CANCEL,
};

/* What a read waits for. */
enum core_wait {
    CORE_WAIT_SESSION,      /* the position is applied (R43) */
    CORE_WAIT_LINEARIZABLE, /* leadership was confirmed after the read arrived, and what was committed then is applied here (R32, R33) */
    CORE_WAIT_COMMIT, /* this node knows that pos is committed: what a view at it shows cannot be rolled back */
};

struct core_event {
    enum core_event_type type;
    /* Of the shell's choosing, never 0, and never given twice: a late CANCEL must find nothing. */
    uint64_t ticket;
    uint64_t nonce;
    struct node_id peer;
    const struct core_msg *msg;
    union {
        struct {
            enum candor_code
                code; /* OK; RESOURCE_EXHAUSTED (a shortage: nothing stored); ABORTED (did not fit the log's end: nothing stored) */
            enum candor_reason reason; /* of a shortage: DISK_FULL, STATE_FULL, or none of them */
            struct epoch epoch;        /* of the records */
            uint64_t first_seq;        /* of what was stored */
            uint64_t last_seq;         /* the log's end now */
            /* One WRITE action each makes one APPENDED event; a group commit gives several with one fsync. At a
             * primary the first event of a group carries the bytes of the whole group, which are published; the others none. */
            struct slice batches;
            uint64_t ticket;         /* of a WRITE; else 0 */
            struct digest_at digest; /* of the state, where it stands at last_seq; else seq 0 */
            struct chain_at end;     /* of the log, where it ends at last_seq; else seq 0 */
        } appended;
        struct {
            uint64_t last; /* the log's end now == to */
            uint64_t rewinds;
            struct state_digest digest;
            struct chain chain; /* of the log at `last` */
            const struct members
                *members; /* as of last, from the state; count 0 before the first EPOCH_START */
        } truncated;
        struct {
            enum candor_code code;
            struct pos pos; /* what state and log stand at now */
            struct state_digest digest;
            struct chain chain; /* INSTALLED: of the log there */
            uint64_t rewinds;
            uint64_t undo_floor;
            uint64_t cluster_id;
            const struct epoch_history *history;
            const struct members *members;
        } snapshot; /* SNAPSHOT_READY and INSTALLED */
        struct {
            enum ack_level ack;   /* the level asked for */
            uint32_t records;     /* how many records it will make at most (a Batch makes many) */
            uint64_t deadline_ns; /* MAJORITY, ALL: when the caller stops waiting (R21) */
            struct token token;   /* what its session has seen (I8); seq 0: no demand */
        } write;
        struct {
            enum core_wait kind;
            struct token token; /* SESSION: the session's; COMMIT: its pos is the view's */
            uint64_t deadline_ns;
        } wait;
        struct {
            bool force; /* R28 */
            uint64_t deadline_ns;
        } promote;
        struct {
            uint64_t log_first;
        } trimmed;
        struct {
            struct node_id to;
            uint64_t deadline_ns; /* when the old primary gives up and goes on */
        } transfer;
        struct {
            struct node_id node;
            bool voter;
            uint64_t deadline_ns;
        } set_voter;
    };
};

/* ---- Actions: what is to be done ------------------------------------------------------------------- */

enum core_action_type {
    /* transport */
    CORE_ACTION_PUBLISH =
        1,              /* msg: RECORDS on the records channel, HEARTBEAT and STATUS on the other */
    CORE_ACTION_CALL,   /* send msg to `peer`; its REPLY or CALL_FAILED carries the nonce */
    CORE_ACTION_ANSWER, /* answer the REQUEST `ticket` with msg */
    CORE_ACTION_RESET_PEER, /* `peer` was not heard for too long: re-connect */
    /* writer, in order */
    CORE_ACTION_SAVE,   /* hard state: cluster_id, epoch, commit -> SAVED */
    CORE_ACTION_APPEND, /* a replica's batches -> APPENDED */
    CORE_ACTION_WRITE, /* a client's write `ticket` in `epoch`: sequence it after the log's end -> APPENDED */
    /* The record that opens `epoch`, with members and cluster_id; then, where `epoch` is higher, the hard state's epoch -> APPENDED */
    CORE_ACTION_EPOCH_START,
    CORE_ACTION_MEMBERS, /* a membership record in `epoch` -> APPENDED */
    CORE_ACTION_TRUNCATE, /* archive, undo and cut what lies after `seq`; superseded by `epoch` -> TRUNCATED */
    CORE_ACTION_INSTALL, /* make the downloaded snapshot the state; first archive own records above `seq` -> INSTALLED */
    /* What is known of the others' lives has changed: core_lives() is to be kept. No event answers it. */
    CORE_ACTION_KEEP_LIVES,
    /* This directory is an older copy of itself (R62): it takes a new store_id, and the process starts again with it. The core
     * promises nothing any more. text: why */
    CORE_ACTION_RENEW,
    /* Another process runs as this node (R64): this one ends. text: why */
    CORE_ACTION_STOP,
    CORE_ACTION_COMMIT, /* known commit is `seq`: undo up to it can go. No event answers it */
    /* snapshot download, by the shell */
    CORE_ACTION_FETCH_SNAPSHOT, /* from `peer`, of `epoch`, at `seq` or later -> SNAPSHOT_READY or SNAPSHOT_FAILED */
    CORE_ACTION_DROP_SNAPSHOT, /* cancel the download or discard what is ready; no event follows any more */
    /* clients */
    CORE_ACTION_FINISH, /* `ticket` is done: code, reason, pos, ack, text */
    /* people */
    CORE_ACTION_LOG, /* a line for the node's log: text is "event key=value ..."; level in `seq`: enum log_level */
    CORE_ACTION_REIGN, /* another reign began, as this node saw it: reign */
};

/* How a reign came to be: known to the node that opened it. */
enum core_reign_cause {
    CORE_REIGN_OF_ANOTHER, /* seen from outside: this node follows it */
    CORE_REIGN_FOUNDING,   /* the cluster's first */
    CORE_REIGN_ELECTION,   /* by the timer, or the hint of a closed connection (R22) */
    CORE_REIGN_PROMOTION,  /* an operator asked for a vote (R27) */
    CORE_REIGN_TRANSFER,   /* the old primary asked for it (R26) */
    CORE_REIGN_FORCED,     /* an operator, without votes (R28) */
    CORE_REIGN_RESUMED, /* its primary was restarted, or had stepped down, and stood again (R5) */
};

/* A change of reign, measured on this node's clock alone (R35). Whoever opened it measures up to its EPOCH_START being stored, any
 * other up to the new primary's first heartbeat. */
struct core_reign {
    enum core_reign_cause cause;
    struct epoch epoch;
    struct epoch previous; /* the reign before, as far as this node knows; none: it knows of none */
    bool has_gap;          /* this node took part in the reign before: since this process began */
    /* Since the newest heartbeat of the reign before; of the own reign: since this node refused writes. */
    uint64_t gap_ns;
};

#define CORE_TEXT_BYTES 256

struct core_action {
    enum core_action_type type;
    uint64_t ticket;
    uint64_t nonce;
    struct node_id peer;
    struct epoch epoch;
    uint64_t seq;
    uint64_t cluster_id;            /* SAVE, EPOCH_START, MEMBERS */
    const struct core_msg *msg;     /* PUBLISH, CALL, ANSWER */
    struct slice batches;           /* APPEND */
    const struct members *members;  /* EPOCH_START, MEMBERS */
    const struct core_reign *reign; /* REIGN */
    /* FINISH */
    enum candor_code code;
    enum candor_reason reason;
    struct pos pos;             /* of the write; SESSION_LOST: where the histories part */
    enum ack_level ack;         /* the level reached */
    char text[CORE_TEXT_BYTES]; /* FINISH with an error, LOG */
};

/* Grows as needed; emptied by core_step at its start. */
struct core_actions {
    struct core_action *list;
    size_t count;
    size_t capacity;
};

void core_actions_free(struct core_actions *actions);

/* ---- The machine ----------------------------------------------------------------------------------- */

struct core;

struct core *core_new(const struct core_config *config, const struct core_boot *boot,
                      uint64_t now_ns);
void core_free(struct core *core);

void core_step(struct core *core, const struct core_event *event, uint64_t now_ns,
               struct core_actions *actions);

/* When the next TICK is due at the latest. */
uint64_t core_next_wake_ns(const struct core *core);

/* Asserts every invariant of docs/protocol.md §12 that one node can see. The simulator calls it after every step. */
void core_check(const struct core *core);

/* ---- What readers and operators see ---------------------------------------------------------------- */

struct core_peer_view {
    struct node_id node;
    bool heard;
    uint64_t heard_ns; /* arrival of its newest message */
    uint64_t match;    /* at the primary */
    enum node_state state;
    bool voter;
    uint64_t differs_seq; /* at the primary: since where its data differ (R58); 0: they do not */
};

/* A snapshot of the core, as plain data: the shell publishes it after each step that changed it. */
struct core_view {
    struct node_id self;
    enum node_role role;
    struct epoch epoch;       /* which it follows; may be on its way to the disk */
    struct epoch shown_epoch; /* which it says it follows: stored (R7) */
    struct node_id primary;   /* "" when none is known to be alive or to have been */
    char primary_rpc[LIMIT_ADDRESS_BYTES];
    uint64_t cluster_id;
    uint64_t store_id;
    uint64_t boot;
    bool accepts_writes; /* primary, EPOCH_START stored, not handing over */
    bool attached;
    bool catching_up; /* a truncate, a snapshot, or more than max_lag behind */
    bool behind;      /* has not applied what the oldest unproven heartbeat announced */
    bool admitted;    /* its store_id is a member (R4) */
    bool forked;
    bool doubtful;         /* R59 */
    bool outvoted;         /* a majority of the voters holds other data */
    uint64_t equal_seq;    /* where its data were last the primary's; 0: not known */
    uint64_t differs_seq;  /* since where they are not */
    bool contacted;        /* a heartbeat of any epoch since the start */
    uint64_t contact_ns;   /* its arrival: what reject_after counts from */
    bool heard;            /* a heartbeat of this epoch */
    uint64_t heartbeat_ns; /* its arrival */
    bool proven;           /* evidence (R36); at the primary: s_conf */
    uint64_t evidence_ns;
    uint64_t evidence_seq; /* the evidence speaks of data with applied >= this */
    uint64_t last;
    uint64_t durable;
    uint64_t match;
    uint64_t applied;
    uint64_t commit;
    struct epoch applied_epoch;   /* of the newest record */
    uint64_t applied_epoch_first; /* where it begins */
    uint64_t applied_origin;      /* what tokens of it carry */
    uint64_t primary_seq;         /* newest announced; at the primary its own last */
    uint64_t at_risk;             /* R42; at the primary */
    bool no_room;                 /* the newest append found the disk full */
    uint64_t log_first;
    uint64_t rewinds;
    uint64_t stale_after_ns;
    uint64_t reject_after_ns;
    uint64_t drift_ppm;
    uint32_t peer_count;
    struct core_peer_view peers[LIMIT_NODES];
};

void core_view(const struct core *core, struct core_view *out);
/* What this node knows of the others' lives. */
void core_lives(const struct core *core, struct core_lives *out);
/* Copies the epoch history (the caller's is initialised). */
void core_history(const struct core *core, struct epoch_history *out);

/* The freshness of an answer whose data stand at `applied` (docs/consistency.md, R36-R38). Pure; any thread with its copy of a view.
 * Call it when the reply is packed, after the data were read. When the view is older than the data it may prove less, never more. */
struct core_freshness {
    struct node_id node;
    enum node_role role;
    enum node_state state;
    struct epoch epoch;
    bool has_heartbeat_age;
    uint64_t heartbeat_age_ms; /* rounded up */
    bool stale;
    bool has_bound;
    uint64_t bound_ms; /* rounded up */
    uint64_t applied_seq;
    uint64_t primary_seq;
    uint64_t commit_seq;
};

void core_view_freshness(const struct core_view *view, uint64_t applied, uint64_t now_ns,
                         struct core_freshness *out);

/* The read contract's table (docs/consistency.md).
 *
 * A LINEARIZABLE read is three steps: WAIT LINEARIZABLE; then open a view of the state, at `applied`; when the core's commit is below
 * it, WAIT COMMIT for it with the view kept open; then answer from that view. */
enum core_read_level {
    CORE_READ_EVENTUAL,
    CORE_READ_BOUNDED,
    CORE_READ_SESSION,
    CORE_READ_LINEARIZABLE,
};

struct core_read {
    enum core_read_level level;
    uint64_t max_staleness_ms; /* BOUNDED */
    struct token token;        /* SESSION; seq 0: no demand */
    uint64_t token_cluster_id; /* SESSION; 0: none */
    bool allow_syncing;        /* EVENTUAL */
};

enum core_decision {
    CORE_SERVE,    /* answer with the data that were read */
    CORE_REDIRECT, /* FAILED_PRECONDITION with reason; the hint names the primary */
    CORE_REFUSE,   /* code and reason; nobody else is named */
    CORE_WAIT, /* SESSION, LINEARIZABLE: give the core a WAIT event; when it is finished OK, read again and serve */
};

struct core_read_decision {
    enum core_decision decision;
    enum candor_code code;
    enum candor_reason reason;
};

/* Decides about data read at `fresh->applied_seq`. Pure. A redirect is decided only when view->primary is known and not
 * this node (R45); otherwise it is a refusal UNAVAILABLE with the same reason. */
struct core_read_decision core_decide_read(const struct core_view *view,
                                           const struct core_freshness *fresh,
                                           const struct core_read *read);

/* Whether a Fetch of a peer that stands in `epoch` may be served, and up to which seq (R13). Pure. */
bool core_view_may_fetch(const struct core_view *view, const struct core_header *from,
                         uint64_t *upto_seq);

/* ---- Mutations: one rule left out, for the tests that show its absence is noticed ------------------- */

#ifdef CORE_MUTABLE /* the simulator's build; what nodes run has no way to leave a rule out */
enum core_mutation {
    CORE_MUTATION_NONE = 0,
#define MUTATION(id, name, rules, text) CORE_MUTATION_##id,
#include "core/mutations.def"
#undef MUTATION
    CORE_MUTATION_COUNT,
};
#endif

#endif
