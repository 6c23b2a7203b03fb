/* Inside the core: its state. Nobody outside src/core includes this.
 *
 * Each file has one subject and a header of its own, and calls only files above it in this list
 * (tests/modules.py looks at that): a change that needs an arrow upwards wants another cut.
 *
 *   who        who is who, and how this node stands
 *   majority   the arithmetic of majorities
 *   act        actions and messages          work       the writer's work
 *   chain      whether two logs are equal    digests    the own states, by position
 *   risk       what was only LOCAL           lease      leader leases
 *   failover   what was seen of changes      lives      older copies, second processes
 *   waiting    the table of waiting reads    session    what became of a session
 *   view       what readers see, and the read contract
 *   notice     lines of the log              status     what a replica says of itself
 *   commit     what a majority has reached   stand      whether and when to stand
 *   transfer   handing over                  voters     who counts
 *   room       a full disk hands over        evidence   what proves freshness
 *   follow     following begins and ends     resync     snapshots at a replica
 *   relay      what nodes pass on for each other
 *   doubt      whether equal positions hold equal data
 *   heartbeat  heartbeats, and the evidence that they and records carry
 *   wait       reads that wait               writes     writes, until they are acknowledged
 *   attach     how the own log relates to the primary's
 *   records    records are taken, or fetched
 *   become     changes of role and epoch: follower, primary
 *   replica    what a replica does           primary    what a primary does
 *   vote       voting for others             campaign   being voted for
 *   promote    by an operator
 *   sender     who sent a message            epoch      what its header teaches
 *   step       an event, and what is due     core       birth and end
 *   check      the invariants of one node */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/seq_bits.h"
#include "base/serials.h"
#include "core/event.h"
#include "core/peer.h"
#include "core/waits.h"
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

enum { PENDING_MEMBERS = 8, PENDING_ANSWERS = 64 };

struct evidence {
    uint64_t last; /* what applied must reach */
    uint64_t ts_ns;
};

struct pending_answer { /* a granted vote, until the hard state is saved (R1) */
    uint64_t ticket;
    uint64_t hard_version;
    struct candor_epoch epoch;
};

/* Positions whose digests are remembered: replicas stop where the primary's groups end, this many
 * of them ago at most. */
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
    struct candor_epoch born_epoch;
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
    uint64_t hb_id;            /* the newest heartbeat heard, through a relay too */
    uint64_t direct_hb;        /* the newest that came from the primary itself; 0: none */
    uint64_t announced;        /* newest heartbeat.last or record seen */
    uint64_t announced_before; /* heartbeat.last of the heartbeat before */
    uint64_t announced_commit;
    char primary_rpc[LIMIT_ADDRESS_BYTES];
    /* The way to the primary (R72): since the epoch was adopted, if nothing came since. */
    uint64_t direct_ns; /* arrival of the newest heartbeat that came from it directly */
    uint64_t echoed_ns; /* the newest own time stamp that came back directly, both ways ... */
    uint64_t proven_ns; /* ... and by whatever way */
    struct candor_node_id relay; /* who is asked to relay; "": nobody */
    uint64_t relay_ns;           /* when it was first asked, or last has passed something on */
    uint64_t relayed_ns; /* when it has passed something on first; 0: not since it was asked */
    bool relay_logged;
};

/* What was heard of primaries, whatever their epochs. */
struct hearing {
    uint64_t heartbeat_ns; /* arrival of the newest heartbeat of the present epoch */
    /* The newest heartbeat of any epoch, and whose: who adopts an epoch does not forget that a
     * primary lives (R23). 0: none, or its connection closed since. */
    uint64_t live_ns;
    struct candor_node_id live_owner;
    struct candor_node_id successor; /* whom it named to take over (R26); "": nobody */
    bool contacted;
    uint64_t contact_ns;
    /* Arrival of the newest heartbeat, of any epoch, and its sender; 0: none in this life (R30). */
    uint64_t promised_ns;
    struct candor_node_id promised_to;
    uint64_t fetch_retry_ns;
    uint64_t status_due_ns;
    /* Somebody waits for it: whose heartbeat or records were taken, or whose epoch was adopted. The
     * next flush sends it. */
    bool status_owed;
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
    uint64_t staged; /* newest record that was published before it was durable; 0: none (R68) */
    uint64_t opened_ns;
    uint64_t hb_id;
    struct {
        uint64_t ns;
        uint64_t last; /* what it announced */
        struct chain chain;
    } hb_sent[LIMIT_HEARTBEATS_IN_FLIGHT];
    uint64_t heartbeat_due_ns;
    /* The heartbeat of this interval that a second one is to follow once it is answered; 0:
     * none. */
    uint64_t follow_hb;
    uint64_t echoes_sent_ns; /* when echoes were last sent for their own sake */
    uint64_t confirmed_hb;   /* newest heartbeat that a majority has answered; 0: none */
    uint64_t confirmed_ns;   /* its send time: s_conf (R31); 0: none */
    uint64_t confirmed_last; /* what it announced: all that was acknowledged before s_conf */
    bool confirm_wanted;     /* a read waits for a heartbeat that was not sent yet */
    /* Send time of the newest heartbeat that a majority answered with a promise; 0: none (R30). */
    uint64_t leased_ns;
    bool lease_given_up; /* for the rest of this epoch */
    bool members_in_flight;
    uint64_t members_seq; /* of the newest membership record of this epoch; 0: none */
    /* Keys that end (R69): the first of them, by the log's time; 0: none. */
    uint64_t next_end_ms;
    bool expiring;            /* the writer has an order to delete some */
    uint64_t expire_again_ns; /* not before: the last order failed */
    uint64_t marked_ms;       /* the log's time when the newest order was given */
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
    bool replan;       /* what `due_ns` was planned by has changed: the next flush plans anew */
    uint64_t due_ns;   /* start a round then; UINT64_MAX: not planned */
    uint64_t until_ns; /* the round under way ends then */
    struct candor_epoch epoch;
    bool end_logged; /* that there is no next epoch any more */
};

/* The primary hands its leadership over (R26). */
struct transfer {
    uint64_t ticket; /* 0: none under way */
    struct candor_node_id to;
    uint64_t deadline_ns;
    uint64_t named_hb; /* the first heartbeat that names the target; 0: not yet */
    uint64_t nonce;    /* of the TRANSFER that was sent; 0: not yet */
    uint64_t began_ns; /* writes are refused since; 0: they are not */
};

/* An operator's change of who votes (R29). */
struct voter_order {
    uint64_t ticket; /* 0: none */
    struct candor_node_id node;
    bool voter;
    bool proposed; /* else it waits for the change before it */
    uint64_t deadline_ns;
};

/* Lines of the log about states. */
struct notice {
    enum candor_state seen;   /* when it was last looked at */
    enum candor_state logged; /* by the newest line of the log */
    uint64_t changes;         /* since then */
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
    uint64_t woke_ns; /* when it last had slept for long: it could have heard nobody before */
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
    struct candor_epoch epoch;
    struct {
        uint64_t version; /* counts SAVE actions */
        uint64_t saved;   /* counts SAVED events */
        /* The newest epoch that is known to be stored: what this node calls its own towards others
         * (R7). */
        struct candor_epoch stored_epoch;
    } hard;
    struct {
        struct pending_answer list[PENDING_ANSWERS];
        uint32_t count;
    } votes; /* granted, not given yet */

    struct core_log log;
    struct writer_work writer;
    struct {
        bool lacking;      /* the newest append found the disk full */
        bool logged;       /* the operator knows */
        uint64_t tried_ns; /* when it last handed over for that */
    } room;

    enum phase phase;
    struct {
        bool forked; /* kept in the hard state: a restart ends it for nobody */
        /* by whose epoch it was found: a later one is asked anew, its history may be this one */
        struct candor_epoch judged;
        /* by the newest Attach the logs agree up to here at most; UINT64_MAX: no word of it */
        uint64_t shared_seq;
        /* The operator gave the own branch up (R28), for the primary of this epoch. */
        bool accepting;
        uint64_t ticket;
        uint64_t deadline_ns;
    } fork;
    struct doubt doubt;

    struct follow follow;
    struct hearing hearing;
    struct proof proof;
    struct {
        struct buffer append; /* batches for the writer */
        struct buffer tail;   /* of a batch that is known in part */
    } taking;

    struct log_time {
        uint64_t ms;               /* what it was ... */
        uint64_t at_ns;            /* ... then, on the own clock */
        struct candor_epoch epoch; /* whose primary said so; none: nobody since the start */
    } log_time;
    struct lead lead;
    struct writes writes;
    struct members members_proposed;
    struct transfer transfer;
    struct voter_order voter_order;

    struct stand stand;
    struct {
        /* The epoch that this node took part in last, and until when it did; none: in none since it
         * started. */
        struct candor_epoch before;
        uint64_t before_ns;
    } failovers;
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

#endif
