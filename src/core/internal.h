/* Inside the core: its state, and what its files call of each other. Nobody outside src/core includes this.
 *
 *   core.c      birth, dispatch, timers, what a header teaches (epochs, boots, clusters)
 *   replica.c   following: attach, records, fetch, truncate, snapshot; evidence of freshness
 *   primary.c   leading: opening and closing a reign, what replicas report
 *   heartbeat.c heartbeats, and the evidence that they and records carry
 *   commit.c    what a majority has reached
 *   chain.c     whether two logs hold the same records
 *   doubt.c     whether those at one position hold the same data
 *   lives.c     whether this node's disk is the newest copy of itself, and its process the only one
 *   risk.c      what of it was only LOCAL
 *   lease.c     leader leases
 *   writes.c    writes, until they are acknowledged
 *   voters.c    who counts: admission, voters added and removed
 *   transfer.c  handing the reign over
 *   room.c      a full disk hands over
 *   campaign.c  becoming primary: founding, pre-vote, vote, force; voting for others
 *   wait.c      reads that wait: for a session's position, for confirmed leadership, for the commit
 *   waiting.c   the table of them, and who bears which ticket
 *   reign.c     what this node saw of a change of reign
 *   notice.c    lines of the log: the state changes, a node is not known
 *   view.c      what readers see, and the read contract
 *   check.c     the invariants of one node */
#ifndef CORE_INTERNAL_H
#define CORE_INTERNAL_H

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/seq_bits.h"
#include "base/serials.h"
#include "core/core.h"
#include "record/batch.h"

enum phase {
    PHASE_FOLLOWER,
    PHASE_PROBING,   /* pre-vote, or asking whether all are blank */
    PHASE_PROMISING, /* the own epoch is on its way to the disk (R24) */
    PHASE_VOTING,
    PHASE_OPENING, /* EPOCH_START is on its way to the disk */
    PHASE_PRIMARY,
};

enum attach_phase {
    ATTACH_NONE,
    ATTACH_ASKED,
    ATTACH_TRUNCATING,
    ATTACH_DOWNLOADING,
    ATTACH_INSTALLING,
    ATTACH_DONE,
};

/* A Status's time stamp and when it came; waits to be echoed (R36). */
struct sample {
    uint64_t ts_ns;
    uint64_t arrival_ns;
};

enum { SAMPLES = 16, PENDING_MEMBERS = 8, PENDING_ANSWERS = 64, LOST_DISKS = 4 };

struct peer {
    struct digest_at shown; /* by its newest status; at the primary (R58) */
    uint64_t shown_rewinds;
    uint64_t equal_seq;
    uint64_t differs_seq;
    struct node_id id;
    uint64_t store_id; /* of its newest message; 0: never heard */
    uint64_t boot;
    bool heard;
    uint64_t heard_ns;
    /* R62. The newest of its lives that lasted; and since when its present one is heard. */
    struct core_life life;
    uint64_t life_since_ns;
    bool older_logged;
    /* Which life of this node does it know? */
    uint64_t life_nonce; /* of the question under way; 0: none */
    uint64_t life_due_ns;
    bool life_told;
    bool life_open;        /* it knows a newer one, which may be forged */
    uint32_t others_heard; /* answers in a row that another life than this one speaks */
    /* The newest that its own stream has named; what it answers to a call may be older, or newer. */
    struct epoch epoch;
    uint64_t reset_ns; /* when its connection was last dropped */
    enum node_state state;
    bool no_room; /* its disk is full, as its newest Status says */
    bool foreign_logged;
    bool impostor_logged;
    bool epoch_logged; /* one that it named and that was not adopted */
    struct {
        uint64_t store_id;
        uint64_t boot;
    } lost
        [LOST_DISKS]; /* its former disks, and their newest life: what they said may still be on its way */
    uint32_t lost_count;
    /* At the primary, within its epoch and for the peer's present boot and store. */
    uint64_t match;       /* verified and durable there (R16) */
    uint64_t answered_hb; /* newest heartbeat it answered; 0: none */
    uint64_t promise_ns;  /* R30 */
    struct sample samples[SAMPLES];
    uint32_t sample_count;
    bool has_echo;
    uint64_t echo_ts_ns;
    /* The newest echo that heartbeats, and that records have carried to it. */
    uint64_t told_ts_ns;
    uint64_t recorded_ts_ns;
    /* In a campaign. */
    uint64_t campaign_nonce;
    bool answered;
    bool granted;
    /* It has not heard our stream, or not of the epoch: it is asked again when its own stream names it (R23). */
    bool unheard;
    bool blank;
    bool failed;
    uint64_t answer_store_id;
    char refusal[CORE_REFUSAL_BYTES];
};

/* Who bears a ticket that can be cancelled. */
enum waiter { WAITER_READ, WAITER_WITH_WRITER, WAITER_WITH_VOTERS };

enum verdict { STILL_WAITING, READY, LOST, TOO_LATE };

/* A client's write: with the writer in a ring, then, MAJORITY and ALL, in a slot of `struct voter_waits`. */
struct pending_write {
    uint64_t ticket;
    enum ack_level ack;
    /* Its caller is gone: it does not wait for voters (R51). */
    bool cancelled;
    uint64_t last_seq; /* 0 while with the writer */
    uint64_t deadline_ns;
    uint32_t records;
    uint32_t next_free;
};

/* Writes that are stored and wait for voters. A step looks at those that are due, never at all of them. */
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
    READS_SESSION,
    READS_COMMIT,
    READ_LISTS
};

/* A read, or at the primary a replica's ReadIndex, that waits. */
struct pending_read {
    uint64_t ticket;
    enum core_wait kind;
    bool remote;    /* a ReadIndex request: answered, not finished */
    bool confirmed; /* at the primary: by its lease, when the read arrived (R30) */
    struct pos pos;
    uint64_t origin; /* SESSION: of the token */
    uint64_t deadline_ns;
    /* LINEARIZABLE at the primary: this heartbeat, or a later one, must be confirmed */
    uint64_t heartbeat;
    uint64_t index; /* what must be applied, and at the primary committed */
    uint32_t next;  /* in its list; of a free slot: the next free one */
    uint32_t previous;
};

/* What a session's fate depends on besides how much is stored: while it is as it was, a session that was judged
 * stays judged. */
struct session_stamp {
    uint64_t rewinds;
    uint32_t epochs;
    uint32_t uncommitted_epochs;
    struct epoch_start newest;
};

/* All reads that wait. A step looks at those whose turn has come, never at all of them; a change of role looks at the
 * linearizable ones, a new epoch at the sessions. */
struct read_waits {
    /* The first READ_LISTS slots are the lists' heads, so that a read leaves its list without knowing which. */
    struct pending_read *slots;
    uint32_t capacity;
    uint32_t used;
    uint32_t free; /* NO_SLOT: none */
    uint32_t count;
    struct heap indexed;   /* READS_INDEXED, by index */
    struct heap sessions;  /* READS_SESSION that want more than is stored, by seq */
    struct heap commits;   /* READS_COMMIT, by seq */
    struct heap deadlines; /* all */
    bool at_primary;       /* the linearizable ones are sorted for this role, in this epoch */
    struct epoch epoch;
    struct session_stamp stamp;
    uint64_t index_nonce; /* the ReadIndex call under way; 0: none */
    uint64_t index_retry_ns;
};

struct evidence {
    uint64_t last; /* what applied must reach */
    uint64_t ts_ns;
};

struct pending_answer { /* a granted vote, until the hard state is saved (R1) */
    uint64_t ticket;
    uint64_t hard_version;
    struct epoch epoch;
};

/* Positions whose digests are remembered: replicas stop where the primary's groups end, this many of them ago at most. */
#define DIGESTS_KEPT 1024

struct doubt {
    struct digest_at ring[DIGESTS_KEPT];
    uint64_t noted;
    /* Of this node's own data, by the primary or, at a primary, by most voters (R59). */
    bool doubtful;
    bool outvoted; /* a majority of the voters holds other data: it must not lead */
    uint64_t equal_seq;
    uint64_t differs_seq;
    bool chosen; /* at a primary: an operator forced it, and so chose its data */
    /* R67: it takes the primary's data in place of its own. */
    bool healing;
    uint64_t healed_ns; /* when it last had; 0: never */
};

/* R62-R64 */
struct lives {
    struct epoch born_epoch;
    uint64_t born_last;
    bool tail_may_lack;
    bool known; /* somebody has heard this very life */
    bool over;  /* the process is to end */
};

/* The log, as handed to the writer (`last`) and as stored (`durable`, which is applied, too). */
struct core_log {
    uint64_t last;
    uint64_t durable;
    /* At `last`; at a primary at `durable`, or before it while a group is answered (R55). */
    struct chain_at end;
    uint64_t first;
    uint64_t commit;
    uint64_t rewinds;
    struct epoch_history history; /* up to last */
    struct members members;       /* up to durable */
    struct seq_bits local;        /* records above commit that say LOCAL (R42) */
    struct {
        uint64_t seq;
        struct members members;
    } pending_members[PENDING_MEMBERS]; /* accepted, not stored */
    uint32_t pending_member_count;
};

/* What the writer was given and has not answered yet. */
struct writer_work {
    uint32_t appends; /* of them: APPEND, WRITE, EPOCH_START, MEMBERS */
    /* One failed, and those behind it, which build on it, are not answered yet. */
    bool append_broken;
    struct ring owed;  /* enum core_action_type: what it has not answered */
    uint64_t since_ns; /* since when it owes the next answer */
};

/* Following a primary: of one epoch, and forgotten with it. */
struct follow {
    enum attach_phase attach;
    uint64_t attach_nonce;
    uint64_t attach_retry_ns;
    uint32_t attach_failures;
    uint64_t match;       /* R15 */
    uint64_t fetch_nonce; /* 0: none under way */
    bool heard;
    bool suspect;              /* the primary's connection closed since its last heartbeat (R22) */
    uint64_t hb_id;            /* the newest heartbeat heard */
    uint64_t announced;        /* newest heartbeat.last or record seen */
    uint64_t announced_before; /* heartbeat.last of the heartbeat before */
    uint64_t announced_commit;
    char primary_rpc[LIMIT_ADDRESS_BYTES];
};

/* What was heard of primaries, whatever their epochs. */
struct hearing {
    uint64_t heartbeat_ns; /* arrival of the newest heartbeat of the present epoch */
    /* The newest heartbeat of any epoch, and whose: who adopts an epoch does not forget that a primary lives (R23).
     * 0: none, or its connection closed since. */
    uint64_t live_ns;
    struct node_id live_owner;
    struct node_id successor; /* whom it named to take over (R26); "": nobody */
    bool contacted;
    uint64_t contact_ns;
    /* Arrival of the newest heartbeat, of any epoch, and its sender; 0: none in this life (R30). */
    uint64_t promised_ns;
    struct node_id promised_to;
    uint64_t fetch_retry_ns;
    uint64_t status_due_ns;
    bool status_owed; /* an epoch was adopted: its owner may wait for our stream to say so */
};

/* Evidence of freshness (R36, R37): forgotten as a whole. */
struct proof {
    bool proven;
    struct evidence evidence;
    uint32_t pending_count;
    struct evidence pending[LIMIT_EVIDENCE];
};

/* Leading: of one epoch, and forgotten with it. */
struct lead {
    uint64_t epoch_first; /* seq of the own EPOCH_START */
    uint64_t opened_ns;
    uint64_t hb_id;
    struct {
        uint64_t ns;
        uint64_t last; /* what it announced */
        struct chain chain;
    } hb_sent[LIMIT_HEARTBEATS_IN_FLIGHT];
    uint64_t heartbeat_due_ns;
    /* The heartbeat of this interval that a second one is to follow once it is answered; 0: none. */
    uint64_t follow_hb;
    uint64_t told_ns;        /* when echoes were last sent for their own sake */
    uint64_t confirmed_hb;   /* newest heartbeat that a majority has answered; 0: none */
    uint64_t confirmed_ns;   /* its send time: s_conf (R31); 0: none */
    uint64_t confirmed_last; /* what it announced: all that was acknowledged before s_conf */
    bool confirm_wanted;     /* a read waits for a heartbeat that was not sent yet */
    /* Send time of the newest heartbeat that a majority answered with a promise; 0: none (R30). */
    uint64_t leased_ns;
    bool lease_given_up; /* for the rest of this epoch */
    bool members_in_flight;
    uint64_t members_seq; /* of the newest membership record of this epoch; 0: none */
};

/* Clients' writes, from their arrival to their acknowledgement. */
struct writes {
    struct ring with_writer; /* struct pending_write */
    struct voter_waits with_voters;
    uint32_t records_with_writer;
};

/* Whether and when this node stands, and the round under way. */
struct stand {
    bool founding;
    uint32_t founding_waits_for; /* a bit for each peer, as it was logged last */
    bool resuming;               /* manual mode: was primary, stands again by itself */
    bool forcing;
    bool transferring; /* the primary asked this node to stand (R26) */
    uint64_t promote_ticket;
    uint64_t promote_deadline_ns;
    uint64_t due_ns;   /* start a round then; UINT64_MAX: not planned */
    uint64_t until_ns; /* the round under way ends then */
    struct epoch epoch;
    bool end_logged; /* that there is no next epoch any more */
};

/* The primary hands its leadership over (R26). */
struct transfer {
    uint64_t ticket; /* 0: none under way */
    struct node_id to;
    uint64_t deadline_ns;
    uint64_t named_hb; /* the first heartbeat that names the target; 0: not yet */
    uint64_t nonce;    /* of the TRANSFER that was sent; 0: not yet */
    uint64_t began_ns; /* writes are refused since; 0: they are not */
};

/* An operator's change of who votes (R29). */
struct voter_order {
    uint64_t ticket; /* 0: none */
    struct node_id node;
    bool voter;
    bool proposed; /* else it waits for the change before it */
    uint64_t deadline_ns;
};

/* Lines of the log about states. */
struct notice {
    enum node_state seen; /* when it was last looked at */
    enum node_state told; /* by the newest line of the log */
    uint64_t changes;     /* since then */
    uint64_t looked_ns;
    uint64_t spent;      /* lines that were not earned again yet */
    uint64_t earned_ns;  /* up to when they were */
    uint64_t unknown_ns; /* when a node that is not known was last told of; 0: never */
};

struct core {
    struct core_config config;
    struct rng rng;
    uint64_t born_ns;
    uint64_t now_ns;
    struct core_actions *actions; /* of the step under way */
    struct {
        struct core_msg **messages;
        uint32_t count;
        uint32_t capacity;
    } out; /* this step's messages */

    /* Who we are. */
    uint64_t cluster_id;
    uint64_t store_id;
    uint64_t boot;
    struct peer peers[LIMIT_NODES];
    uint32_t peer_count;
    uint64_t next_nonce;
    struct lives lives;

    /* The epoch, and what of it is on the disk. */
    struct epoch epoch;
    struct {
        uint64_t version; /* counts SAVE actions */
        uint64_t saved;   /* counts SAVED events */
        /* The newest epoch that is known to be stored: what this node calls its own towards others (R7). */
        struct epoch stored_epoch;
    } hard;
    struct {
        struct pending_answer list[PENDING_ANSWERS];
        uint32_t count;
    } votes; /* granted, not given yet */

    struct core_log log;
    struct writer_work writer;
    struct {
        bool lacking;      /* the newest append found the disk full */
        bool told;         /* the operator knows */
        uint64_t tried_ns; /* when it last handed over for that */
    } room;

    enum phase phase;
    struct {
        bool forked;
        uint64_t
            shared_seq; /* by the newest Attach the logs agree up to here at most; UINT64_MAX: no word of it */
        bool accepting; /* the operator gave the own branch up (R28) */
        uint64_t ticket;
    } fork;
    struct doubt doubt;

    struct follow follow;
    struct hearing hearing;
    struct proof proof;
    struct {
        struct buffer append; /* batches for the writer */
        struct buffer tail;   /* of a batch that is known in part */
    } taking;

    struct lead lead;
    struct writes writes;
    struct members members_proposed;
    struct transfer transfer;
    struct voter_order voter_order;

    struct stand stand;
    struct {
        /* The epoch that this node took part in last, and until when it did; none: in none since it started. */
        struct epoch before;
        uint64_t before_ns;
        struct core_reign newest; /* of this step's REIGN action */
    } reigns;
    struct notice notice;

    struct read_waits reads;
    struct serials waiters; /* who waits, by ticket: enum waiter and its number in one */
};

/* Whether this rule is left out: a constant in what nodes run (core/mutations.def). */
#ifdef CORE_MUTABLE
#define mutated(core, id) ((core)->config.mutation == (uint32_t)CORE_MUTATION_##id)
#define any_mutation(core) ((core)->config.mutation != CORE_MUTATION_NONE)
#else
#define mutated(core, id) ((void)(core), false)
#define any_mutation(core) ((void)(core), false)
#endif

/* core.c */
struct core_action *act(struct core *core, enum core_action_type type);
struct core_msg *message_new(struct core *core,
                             enum core_msg_type type); /* header filled; lives to the next step */
void publish(struct core *core, struct core_msg *msg);
uint64_t call(struct core *core, struct node_id peer, struct core_msg *msg); /* returns the nonce */
void answer(struct core *core, uint64_t ticket, struct core_msg *msg);
void finish(struct core *core, uint64_t ticket, enum candor_code code, enum candor_reason reason,
            struct pos pos, enum ack_level ack);
__attribute__((format(printf, 6, 7))) void finish_text(struct core *core, uint64_t ticket,
                                                       enum candor_code code,
                                                       enum candor_reason reason, struct pos pos,
                                                       const char *format, ...);
__attribute__((format(printf, 3, 4))) void log_line(struct core *core, enum log_level level,
                                                    const char *format, ...);
struct core_action *give_work(struct core *core, enum core_action_type type); /* to the writer */
void save_hard_state(struct core *core);
bool hard_state_durable(const struct core *core);
struct epoch shown_epoch(const struct core *core); /* what others may be told (R7) */
bool settled(const struct core *core);             /* nothing is on its way into the log */
struct peer *find_peer(struct core *core, struct node_id id);
uint64_t
silence_ns(const struct core *core); /* who was not heard for so long has a dead connection */
void adopt_epoch(struct core *core, struct epoch epoch);
void take_cluster(struct core *core, uint64_t cluster_id);
struct pos durable_pos(const struct core *core);
bool is_blank(const struct core *core);    /* holds nothing and belongs to nothing */
bool is_admitted(const struct core *core); /* R4 */
bool is_voter(const struct core *core);
bool peer_is_voter(const struct core *core, const struct peer *peer);
bool peer_is_member(const struct core *core,
                    const struct peer *peer); /* its present store is the admitted one (R4) */
uint64_t jitter(struct core *core, uint64_t base_ns); /* base/2 .. 3/2 base */
void plan_campaign(struct core *core); /* after anything that changes whether and when to stand */

/* replica.c */
void replica_reset(struct core *core); /* a new epoch: attached to nobody, nothing proven (R37) */
void replica_forget_evidence(struct core *core);
void replica_heartbeat(struct core *core, const struct core_msg *msg);
void replica_records(struct core *core, const struct core_msg *msg);
void replica_attach_answer(struct core *core, const struct core_msg *msg);
void replica_fetch_answer(struct core *core, const struct core_msg *msg);
void replica_call_failed(struct core *core, uint64_t nonce);
void replica_saved(struct core *core); /* the hard state is stored */
void replica_appended(struct core *core, const struct core_event *event);
void replica_truncated(struct core *core, const struct core_event *event);
void replica_installed(struct core *core, const struct core_event *event);
void replica_snapshot_ready(struct core *core, const struct core_event *event);
void replica_snapshot_failed(struct core *core);
void replica_accept_history(struct core *core, uint64_t ticket);
bool replica_take_snapshot(struct core *core); /* in place of sound records; false: not now */
void replica_tick(struct core *core);
uint64_t replica_wake_ns(const struct core *core);
void publish_status(struct core *core);
void learn_commit(struct core *core, uint64_t announced);

/* chain.c */
void chain_note(struct core *core, uint64_t seq, struct chain chain); /* the log ends there now */
bool chain_follows(const struct core *core, const struct batch *batch);
struct chain chain_announced(const struct core *core);
bool chain_parted(const struct core *core, const struct core_msg *heartbeat);
/* The token's epoch began otherwise in the log that it is of. */
bool chain_is_other(const struct core *core, const struct token *token);
/* `*common`: up to where the sender's log and this one agree. False: not known now. */
bool chain_common(const struct core *core, const struct core_msg *attach, uint64_t *common);

/* doubt.c */
void doubt_note(struct core *core, uint64_t seq, struct state_digest digest);
void doubt_restart(struct core *core, uint64_t seq, struct state_digest digest);
struct digest_at doubt_own(const struct core *core); /* at `durable`; seq 0: not known */
void doubt_opened(struct core *core);                /* as primary */
void doubt_status(struct core *core, struct peer *peer, const struct core_msg *msg);
void doubt_tell(const struct core *core, struct core_verdicts *out);
void doubt_told(struct core *core, const struct core_verdicts *verdicts);
void doubt_healed(struct core *core); /* the data are the primary's now, and are compared again */

/* lives.c */
void lives_born(struct core *core, const struct core_boot *boot);
void lives_heard(struct core *core, struct peer *peer, const struct core_msg *msg);
bool lives_is_over(const struct core *core, const struct peer *peer,
                   const struct core_header *header);
void lives_request(struct core *core, struct peer *peer, uint64_t ticket,
                   const struct core_msg *msg);
void lives_answer(struct core *core, struct peer *peer, uint64_t nonce, const struct core_msg *msg);
bool lives_call_failed(struct core *core, uint64_t nonce);
bool lives_sure(const struct core *core); /* may vote, and stand */
void lives_tick(struct core *core);
uint64_t lives_wake_ns(const struct core *core);

/* primary.c */
void primary_open(struct core *core); /* the vote is won: hand EPOCH_START to the writer */
#ifdef CORE_MUTABLE
void primary_continue(struct core *core); /* breaks R5 */
#endif
void primary_step_down(struct core *core, const char *why);
void primary_deposed(struct core *core, struct epoch by); /* what operators wait for is decided */
void primary_appended(struct core *core, const struct core_event *event);
void primary_status(struct core *core, struct peer *peer, const struct core_msg *msg);
void primary_attach(struct core *core, struct peer *peer, uint64_t ticket,
                    const struct core_msg *msg);
void primary_tick(struct core *core);
uint64_t primary_wake_ns(const struct core *core);

/* heartbeat.c */
void heartbeat_sample(struct core *core, struct peer *peer, uint64_t ts_ns); /* a Status came */
void heartbeat_tick(struct core *core);
uint64_t heartbeat_wake_ns(const struct core *core);
void publish_records(struct core *core, struct slice batches);

/* commit.c */
void confirm_leadership(struct core *core); /* R31: after a heartbeat was answered, or sent */
void commit_advance(struct core *core);     /* R16: after anything it depends on has grown */
uint64_t lowest_voter_match(const struct core *core);

/* risk.c */
void risk_note(struct core *core, struct slice batches); /* they are in the log now */
void risk_committed(struct core *core);                  /* commit has grown */
void risk_cut(struct core *core);                        /* last has fallen */
uint64_t risk_count(const struct core *core);

/* lease.c: see there */
uint64_t lease_promise_ns(const struct core *core);        /* what a Status says; 0: no promise */
void lease_promise(struct core *core);                     /* a heartbeat of this epoch has come */
uint64_t lease_promised_until_ns(const struct core *core); /* 0: nothing is promised */
bool lease_bars(const struct core *core,
                struct node_id candidate); /* from being elected by this node */
bool lease_holds(const struct core *core);

/* writes.c */
void writes_take(struct core *core, const struct core_event *event);
void writes_answered(struct core *core, const struct core_event *event); /* by the writer */
void writes_release(struct core *core); /* those whose level is reached, or whose time is over */
void writes_abandon(struct core *core); /* those that wait for voters (R21) */
uint64_t writes_wake_ns(const struct core *core);
uint32_t writes_pending(const struct core *core);
void writes_cancel(struct core *core, enum waiter waiter, uint64_t number); /* R51 */
void writes_init(struct core *core);
void writes_free(struct core *core);

/* voters.c */
void voters_set(struct core *core, const struct core_event *event);
void voters_tick(struct core *core);
void voters_deposed(struct core *core);

/* room.c */
void room_note(struct core *core, bool no_room); /* an append was answered */
void room_tick(struct core *core);
uint64_t room_wake_ns(const struct core *core);

/* transfer.c */
#define CORE_OWN_TRANSFER UINT64_MAX /* the ticket of a transfer that nobody asked for */
void transfer_to(struct core *core, uint64_t ticket, struct node_id to, uint64_t deadline_ns);
void transfer_begin(struct core *core, const struct core_event *event);
void transfer_tick(struct core *core);
struct node_id transfer_successor(const struct core *core); /* what a heartbeat says of it */
void transfer_deposed(struct core *core, struct epoch by);
bool transfer_answer(struct core *core, uint64_t nonce,
                     const struct core_msg *msg); /* msg NULL: no answer */

/* campaign.c */
void campaign_tick(struct core *core);
void campaign_cancel(struct core *core); /* of the round; the wish to become primary stays */
void campaign_not_stored(struct core *core, const struct core_event *event); /* EPOCH_START */
void campaign_saved(struct core *core);
void campaign_answer(struct core *core, struct peer *peer, uint64_t nonce,
                     const struct core_msg *msg);
void campaign_heard(struct core *core, struct peer *peer);    /* a Status of the present epoch */
bool campaign_call_failed(struct core *core, uint64_t nonce); /* true: it was one of its calls */
void campaign_promote(struct core *core, const struct core_event *event);
void campaign_vote_request(struct core *core, struct peer *peer, uint64_t ticket,
                           const struct core_msg *msg);
void campaign_transfer_request(struct core *core, struct peer *peer, uint64_t ticket,
                               const struct core_msg *msg);
void campaign_votes_saved(struct core *core);
void campaign_peer_lost(struct core *core, struct node_id peer);
void campaign_opened(struct core *core);
uint64_t campaign_wake_ns(const struct core *core);

/* reign.c */
void reign_heard(
    struct core *core); /* a heartbeat of the present epoch; before it is noted as heard */
void reign_opened(struct core *core); /* the own EPOCH_START is stored */
void reign_closed(struct core *core); /* the own reign ends now */

/* notice.c */
void notice_tick(struct core *core);
void notice_unknown(struct core *core,
                    const struct core_header *header); /* a request came from it */
void notice_not_attached(struct core *core);           /* refused once more */

/* wait.c */
void wait_read(struct core *core, const struct core_event *event);
void wait_remote(struct core *core, const struct peer *peer, uint64_t ticket,
                 const struct core_msg *msg); /* a replica's ReadIndex */
void wait_index_answer(struct core *core, uint64_t nonce, const struct core_msg *msg);
bool wait_call_failed(struct core *core, uint64_t nonce);
void wait_progress(struct core *core); /* applied, commit or history changed, or time passed */
void wait_cancel(struct core *core, uint32_t slot); /* R51 */
uint64_t wait_wake_ns(const struct core *core);
/* Whether the log holds a session's position: READY; LOST for ever; STILL_WAITING: not known yet (R43, R44). */
enum verdict judge_session(const struct core *core, struct token token);
void finish_lost(struct core *core, uint64_t ticket, struct token token); /* SESSION_LOST (R44) */

/* waiting.c: the table of waiting reads */
void reads_init(struct core *core);
void reads_free(struct core *core);
uint32_t reads_add(struct core *core, const struct pending_read *read,
                   enum read_list list); /* NO_SLOT: the limit is reached */
void reads_remove(struct core *core, uint32_t slot);
void reads_move(struct core *core, uint32_t slot, enum read_list list); /* to its end */
void reads_move_all(struct core *core, enum read_list from, enum read_list to);
uint32_t reads_first(const struct core *core, enum read_list list); /* NO_SLOT: it is empty */
uint32_t reads_next(const struct core *core, uint32_t slot);        /* NO_SLOT: it is the last */
void waiter_add(struct core *core, uint64_t ticket, enum waiter waiter, uint64_t number);
void waiter_remove(struct core *core, uint64_t ticket);
void waiter_cancel(struct core *core, uint64_t ticket);

#endif
