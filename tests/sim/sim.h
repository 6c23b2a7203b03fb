/* The deterministic simulator: whole clusters of the very core that kvd runs, from one seed
 * (docs/protocol.md §13).
 *
 *   sim.c         options, seeds, workers, the mutation gate
 *   swarm.c       draws a cluster and its faults from a seed
 *   world.c       time, the queue of what is to happen, nodes: birth, death, one step
 *   disk.c        a node's log, state and hard state
 *   writer.c      the FIFO of storage work before the disk
 *   sequence.c    what a group of writes makes of the log: known requests, new records
 *   requests.c    the table of known requests, part of the state
 *   net.c         stream messages and calls, lost, late and doubled
 *   snapshot.c    downloads
 *   clients.c     writes, reads and sessions, as a client sees them
 *   ladders.c     reads that ask for several levels
 *   watches.c     watches that go from node to node
 *   awaits.c      who asks later what became of a write
 *   operators.c   promote, promote --force, accept-history
 *   faults.c      what goes wrong, and the end of it
 *   strangers.c   who is no node and speaks all the same
 *   scenarios.c   faults in the order in which they hurt most
 *   registry.c    every record ever stored, by position: what the logs are compared with
 *   invariants.c  docs/protocol.md §12
 *   rules.c       other rules that can be seen from outside
 *   register.c    one key's history, judged as real ones are
 *   once.c        of it: exactly once
 *   mutations.c   rules of the disk that can be left out
 *   trace.c       one line an event
 *   transcript/   scenarios that a person wrote, and what every node did
 *
 * Global time is simulated nanoseconds; each node has a clock of its own. Nothing here reads a
 * clock, an address or the system's randomness, so a seed gives the same run everywhere. One
 * thread. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "core/core.h"
#include "core/ladder.h"
#include "record/batch.h"

enum {
    SIM_NODES = 8,
    SIM_KEYS = 8, /* few, so that writes meet */
    SIM_CLIENTS = 8,
    SIM_WATCHES = 4,
    SIM_TICKETS = 256, /* open at one node; more is a leak */
    SIM_CALLS = 4096,  /* remembered of one node */
    SIM_EPOCHS = 1024,
    SIM_GENERATIONS = 64,
    SIM_DISKS = 4,  /* of one peer, remembered */
    SIM_GROUP = 16, /* writes of one group commit */
    SIM_PARTS = 3,  /* records of one write */
    SIM_RUNGS = 5,  /* of one ladder */
    /* newest numbers of a client that are known (R46); few, so that some are too old */
    SIM_REQUESTS = 4,
    SIM_SPINS = 3,       /* what one TICK makes due another may do */
    SIM_EVENTS = 400000, /* of one run; a run has some thousands */
    SIM_VIOLATION_BYTES = 1024,
};

/* ---- Options --------------------------------------------------------------------------------- */

enum automatic { AUTOMATIC_NEVER, AUTOMATIC_SOME, AUTOMATIC_ALWAYS };

struct options {
    uint64_t from;
    uint64_t seeds;
    uint32_t jobs;
    uint64_t minutes; /* 0: no limit */
    enum automatic automatic;
    uint32_t mutation; /* an enum core_mutation or sim_mutation */
    bool trace;
    bool keep_going;
};

/* ---- What a seed drew ------------------------------------------------------------------------ */

enum fault {
    FAULT_CRASH,
    FAULT_CRASH_ALL,
    FAULT_WIPE,
    FAULT_PAUSE,
    FAULT_ISOLATE,
    FAULT_ISOLATE_ONE_WAY,
    FAULT_SPLIT,
    FAULT_CUT_LINK,
    FAULT_SLOW_LINKS,
    FAULT_SLOW_DISK,
    FAULT_FROZEN_DISK,
    FAULT_FULL_DISK,
    FAULT_FAILED_FSYNC,
    FAULT_CLOCK_JUMP,
    FAULT_PEER_LOST,
    FAULT_PROMOTE,
    FAULT_FORCE,
    FAULT_ACCEPT,
    FAULT_TRANSFER,
    FAULT_SET_VOTER,
    FAULT_USURP,
    FAULT_REBORN,
    FAULT_IMPERSONATE,
    FAULT_STRANGER,
    FAULT_POSE,
    FAULT_DIFFER,
    FAULT_OLDER_COPY,
    FAULT_OTHER_LOG,  /* a copy of the primary speaks in its place */
    FAULT_FORKED_LOG, /* a reader's disk holds other records than the primary's */
    FAULT_COUNT,
};

struct plan {
    uint32_t voters;
    uint32_t readers;
    bool automatic;
    uint64_t beat_ns; /* heartbeat interval: the measure of everything else */
    uint64_t election_ns;
    uint64_t stale_after_ns;
    uint64_t reject_after_ns;
    uint64_t stall_ns;
    uint64_t max_lag;
    uint64_t max_uncommitted;
    uint64_t drift_ppm;
    bool leases;
    uint64_t rate_ppm;   /* how wrong a clock's rate may be */
    bool beyond_drift;   /* rate_ppm > drift_ppm: I9 is counted, not asserted */
    bool lossy;          /* durability: os. A crash may take answered records (R5) */
    bool clocks_restart; /* a machine's boot begins its clock anew */
    bool trims;
    bool careless_server; /* offers old checkpoints, as a deposed primary would */
    uint64_t latency_ns;
    uint32_t drop_ppm, duplicate_ppm, reorder_ppm, spike_ppm;
    uint64_t spike_ns;
    uint32_t lose_request_ppm, lose_answer_ppm, late_answer_ppm;
    uint32_t together_ppm; /* of events: those that others are taken together with */
    uint64_t fsync_ns;
    uint32_t slow_fsync_ppm;
    uint32_t staged_ppm;    /* groups that are published before they are durable (R68) */
    uint32_t withdrawn_ppm; /* and, of those, which the state then has no room for */
    uint64_t fault_every_ns;
    uint32_t weight[FAULT_COUNT];
    uint64_t quiet_ns;  /* before the first fault */
    uint64_t faults_ns; /* how long things go wrong */
    uint32_t clients;
    uint64_t think_ns;
    uint32_t write_percent, majority_percent;
};

/* ---- Records and logs ------------------------------------------------------------------------ */

struct entry { /* a key's value: the number of the write that put it; 0: absent */
    uint64_t value;
    uint64_t mod_seq;
    uint64_t until_ms; /* R69; 0: it does not end */
};

struct known { /* a request that was executed; number 0: none */
    uint64_t number;
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t parts;
    uint64_t content; /* of the request that was executed under it */
};

/* R46: what is known of each client's newest numbers; the last row is the judge's */
struct requests {
    struct known list[SIM_CLIENTS + 1][SIM_REQUESTS];
};

struct state {
    struct entry keys[SIM_KEYS];
    struct requests requests;
};

/* One request of a client, over all its attempts. */
struct request {
    uint32_t client;
    uint64_t number;
    uint64_t content;      /* tells it from others with its id; the digest of a real one */
    struct request *first; /* with this id: itself, or the one whose twin it is */
    uint32_t parts;
    enum candor_ack ack; /* asked for */
    struct {
        uint32_t key;
        bool deletes;
        uint64_t ttl_ms;
    } ops[SIM_PARTS];
    /* Of the first with this id, and its twins: */
    struct place *places; /* where its parts stand, in any log */
    uint32_t seen;        /* bits: parts that were found in the last log */
};

struct place {
    struct place *next;
    struct epoch_log *epoch;
    uint64_t seq;
    uint32_t part;
};

/* What a position holds, wherever it is stored. */
struct registered {
    uint64_t content;   /* hash of what the log says up to here */
    struct chain chain; /* of the log up to here, as the nodes reckon it (R55) */
    enum record_type type;
    uint64_t number;         /* of the write; else 0 */
    struct request *request; /* of the write, and which of its parts */
    uint32_t part;
    uint32_t key;
    bool deletes;
    uint64_t until_ms;
    uint64_t log_ms;
    const struct members *members;
    uint64_t cluster_id;
    struct candor_epoch committed_in; /* the first epoch that committed it; none: not committed */
};

/* One epoch's records, and where it branched off. */
struct epoch_log {
    struct candor_epoch epoch;
    uint64_t hash;
    struct epoch_log *parent; /* of the record before first_seq; NULL: seq 1 */
    uint64_t first_seq;       /* 0: no EPOCH_START was seen yet */
    uint64_t count;
    uint64_t capacity;
    struct registered *records;
};

struct log_record { /* one seq of a node's disk */
    struct epoch_log *epoch;
    struct slice batch; /* the batch that holds it */
    struct entry undo;
    struct known undo_known;
    uint64_t stored_ns;
    struct chain chain; /* of the log, at this record */
    /* over all records up to this one: what the state's digest is made of (R58) */
    uint64_t content;
};

/* ---- A node's disk --------------------------------------------------------------------------- */

struct disk {
    uint64_t store_id; /* hard state */
    uint64_t boot;
    uint64_t cluster_id;
    struct candor_epoch epoch;
    bool forked;
    uint64_t hard_commit;
    /* of seq 1..last; those below `first` are the simulator's memory only */
    struct log_record *records;
    uint64_t last;
    uint64_t capacity;
    uint64_t first;
    uint64_t undo_floor;
    uint64_t commit; /* of the newest COMMIT */
    uint64_t rewinds;
    uint64_t log_ms; /* the latest time of the log that the state has seen */
    struct state state;
    /* the simulator's memory: the highest epoch voted for with this disk */
    struct candor_epoch promised;
    uint64_t born;             /* and the newest boot that began with it */
    struct candor_epoch shown; /* and the highest epoch that left the node as its own */
    uint32_t wipes;            /* of this node */
    uint64_t skew; /* not 0: its state silently differs from what its log makes (FAULT_DIFFER) */
    struct core_lives lives; /* what the node keeps of the others' */
    bool posed;              /* a stranger has given it a later life than it had (FAULT_POSE) */
    bool older;              /* it was put back, and does not know it (FAULT_OLDER_COPY) */
    uint64_t others_from; /* 0: none. Its records from here on are other ones (FAULT_FORKED_LOG) */
    bool went_back;       /* it had such, and so may have gone back within an epoch */
};

struct snapshot {
    uint64_t skew;
    struct candor_pos pos;
    struct log_record *records;
    uint64_t log_ms;
    struct state state;
    uint64_t undo_floor;
    uint64_t rewinds;
    uint64_t cluster_id;
    struct epoch_history history;
    struct members members;
    uint64_t boot; /* hard state, which has no business here (R2) */
    struct candor_epoch epoch;
    uint64_t hard_commit;
};

struct work {
    enum core_action_type type;
    struct candor_epoch epoch;
    uint64_t seq;
    bool forked;
    uint64_t cluster_id;
    uint64_t ticket;
    uint64_t log_ms; /* WRITE, EXPIRE */
    struct slice bytes;
    const struct members *members;
    struct snapshot *snapshot;
    uint64_t given_ns; /* on the node's clock */
};

struct answer { /* what the writer owes the core for one piece of work; or STAGED */
    struct answer *next;
    struct core_event event;
};

struct sequenced {
    /* OK; ABORTED: the request is too old to be known, or its id another's */
    enum candor_code code;
    bool replayed; /* nothing of it is new */
    uint64_t first_seq, last_seq;
};

/* The writes under way: sequenced when they begin, on the disk when they are done. */
struct group_work {
    struct slice bytes;
    struct sequenced done[SIM_GROUP];
    bool full;      /* the disk has no room for it */
    bool staged;    /* the core was told of it (R68) */
    bool withdrawn; /* and will be told that it is not stored after all */
    uint64_t last_seq;
};

struct writer {
    struct work *queue;
    uint32_t head;
    uint32_t count;
    uint32_t capacity;
    uint32_t busy;                 /* how many of the oldest are under way */
    struct group_work group;       /* WRITE: what they make */
    struct candor_epoch withdrawn; /* it takes nothing more of this one (R68) */
    uint64_t owes_since_ns; /* on the node's clock: since when the core waits for the next answer */
    uint32_t unanswered;
    uint64_t slow_until_ns, full_until_ns, frozen_until_ns;
    bool wholly_full; /* until full_until_ns; else some writes still find room */
    bool fail_next;
    uint64_t event_ns;      /* of the newest event it posted: they arrive in order */
    struct answer *answers; /* not yet given to the core, oldest first */
    struct answer *newest_answer;
};

/* ---- Clients --------------------------------------------------------------------------------- */

struct write { /* by number: one part of one attempt; a retry has other numbers */
    struct request *request;
    uint32_t part;
    struct candor_pos token; /* what its session had seen */
    uint64_t issued_ns;
    enum candor_ack ack; /* reached; CANDOR_ACK_NONE: not acknowledged */
    uint64_t ack_ns;
    struct epoch_log *epoch; /* where, when acknowledged */
    uint64_t seq;
    bool archived;
    bool excused; /* lost with a disk or an unsynced tail */
    bool stored;  /* on some disk, at some time */
    bool refused; /* its client was told that it was not executed */
};

enum ticket_kind {
    TICKET_WRITE,
    TICKET_WAIT,
    TICKET_WATCH,
    TICKET_AWAIT,
    TICKET_OPERATOR,
    TICKET_REQUEST
};

struct ticket {
    uint64_t id;
    enum ticket_kind kind;
    uint32_t client;
    uint64_t operation; /* of the client: an older one was given up */
    struct request *request;
    uint64_t first_number;   /* of this attempt */
    struct candor_pos token; /* WRITE: what its session had seen; AWAIT: what is asked for */
    struct read *read;
    uint32_t caller; /* REQUEST; SIM_NODES: a stranger, who reads no answer */
    uint64_t caller_life;
    uint64_t nonce;
    bool votes;        /* the request is a VOTE for `epoch` */
    bool hands_over;   /* the request is a TRANSFER */
    bool against_live; /* it came within T of another primary's heartbeat (R23) */
    struct candor_epoch epoch;
    struct candor_node_id member; /* an operator's order: whether it votes; "": no such order */
    bool voter;
};

struct read {
    uint32_t client;
    uint64_t operation;
    struct core_read ask; /* with a ladder: of the rung that is tried */
    /* No rungs: one level alone. */
    struct candor_rung rungs[SIM_RUNGS];
    struct core_ladder ladder;
    struct core_miss misses[SIM_RUNGS]; /* as the reply tells them: ladder.at of them */
    uint64_t began_ns;
    uint32_t attempts;
    /* The data, once they are read. */
    uint64_t applied;
    struct epoch_log *epoch; /* of the record at applied */
    uint64_t rewinds;
    bool foreign; /* SESSION: its token is of another log that has the same epoch (R56) */
    /* SESSION: the core said that the token's position is here, and since then nothing was taken
     * back. */
    bool waited;
    uint64_t waited_rewinds;
    bool holds;                       /* COMMIT: what was read is still open */
    struct candor_epoch confirmed_in; /* LINEARIZABLE */
    enum core_wait wait;              /* the newest */
};

struct served { /* a linearizable read that was answered */
    uint64_t at_ns;
    uint64_t generation;
    uint64_t seq;
};

struct client {
    uint64_t operation;
    uint32_t target;
    uint64_t requests;       /* numbers given */
    struct request *request; /* the newest */
    bool unanswered;         /* it is to be tried again */
    struct candor_pos token;
    uint64_t token_cluster_id;
};

struct watch {
    bool uncommitted;
    bool begun;
    struct candor_pos seen; /* told up to there */
    uint64_t cluster_id;
    uint32_t node; /* which it asks */
    uint64_t turn; /* what was planned in an older one is given up */
    bool waited;   /* the core said that `seen` is there, and since then nothing was taken back */
    uint64_t waited_rewinds;
};

/* ---- Nodes ----------------------------------------------------------------------------------- */

struct clock_rate {
    uint64_t base_global_ns;
    uint64_t base_local_ns;
    int64_t ppm;
};

struct outgoing { /* a call of this node */
    uint64_t nonce;
    bool open;
};

/* What a peer's disk has told this node: in its newest life, of the node's newest epoch (R8). */
struct heard {
    uint64_t store_id;
    uint64_t boot;
    struct candor_epoch epoch;
    uint64_t match;
};

/* The newest heartbeat that arrived. */
struct beat {
    struct candor_epoch epoch;
    uint64_t id;
    uint64_t ns; /* own clock; 0: none */
};

struct node {
    uint32_t index;
    struct candor_node_id id;
    bool up;
    uint64_t life; /* counts starts; 0: never started */
    uint64_t paused_until_ns;
    /* what came in a pause waits for its planned end, though the end of the faults cuts it short */
    uint64_t sleeps_until_ns;
    struct clock_rate clock;
    struct core *core;
    struct core_actions actions;
    struct core_view view; /* as published after the newest step */
    struct disk disk;
    bool was_outvoted;
    bool healed; /* its data once were outvoted, and are not any more */
    uint64_t outvoted_ns;
    struct disk backup; /* as the disk was once; store_id 0: there is none */
    struct writer writer;
    bool steps;       /* a step is under way: its actions stand in `actions` */
    bool gathers;     /* events are taken, and not flushed yet */
    uint32_t spins;   /* ticks in a row after which the next was due at once */
    uint64_t tick_ns; /* when the scheduled tick is due; UINT64_MAX: none */
    struct ticket tickets[SIM_TICKETS];
    uint32_t ticket_count;
    struct outgoing calls[SIM_CALLS];
    uint32_t next_call;
    uint64_t download; /* number of the newest; 0: none is wanted */
    struct snapshot *ready;
    struct snapshot *checkpoint; /* an old one, for the careless server */
    uint64_t noted_from;         /* its core knows digests of no lower position */
    uint64_t skew_shown_ns;      /* since then its digests differ; 0: none has been told yet */
    /* What the judge remembers of this life. */
    uint64_t commit;
    uint64_t commit_generation;
    struct beat beat;
    struct beat beat_before; /* the last one */
    struct beat sent;        /* the newest heartbeat that it published */
    /* the newest that its sender itself has told, of the newest epoch and of the one before */
    struct beat direct;
    struct beat direct_before;
    struct beat came; /* the last that came from its sender itself; ns: global time */
    /* own clock: since when it follows the epoch that it follows, or leads it not any more */
    uint64_t follows_ns;
    struct candor_epoch follows;   /* none: it leads */
    uint64_t status_ns[SIM_NODES]; /* own clock: arrival of the newest status of each */
    struct heard heard[SIM_NODES][SIM_DISKS];
    uint64_t heard_at_ns[SIM_NODES]; /* global time: of the newest status of each */
    uint64_t hinted_ns;              /* own clock: when a connection was last lost */
    /* own clock: arrival of the newest heartbeat, of any epoch; 0: none since it led */
    uint64_t live_ns;
    struct candor_node_id live_owner; /* whose */
    bool was_full;                    /* its disk has refused something, in this life */
    /* an operator, or a full primary, has wanted a transfer to it, in any life */
    bool asked_to_lead;
    uint64_t leads_since_ns; /* global time: when it began to lead */
    /* global time: since when its disk stores nothing for want of room; 0: it has */
    uint64_t refused_ns;
    uint64_t hands_over_ns; /* global time: when it last refused writes to hand over */
    /* since when it leads so although another could take over; 0: it does not */
    uint64_t idle_room_ns;
    uint64_t last_before; /* seq: where the core's log ended before the present step */
    bool was_primary;
};

struct letter {
    uint32_t refs;
    struct letter *next_free;
    struct core_msg msg;
    struct buffer bytes;
    struct epoch_start *starts; /* ATTACH: in the arena */
};

struct link {
    bool blocked;
    uint64_t cuts;     /* how often */
    bool stuck;        /* healed, but its connection is dead until it is reset */
    uint64_t ready_ns; /* when the subscription stands */
    uint64_t slow_until_ns;
    uint64_t slow_ns;
    uint64_t arrival_ns[2]; /* newest, per channel: in order unless a message is reordered */
};

/* ---- What is to happen ----------------------------------------------------------------------- */

struct world;

struct event {
    uint64_t at_ns;
    uint64_t order;
    void (*run)(struct world *world, struct event *event);
    uint64_t life; /* of `node`, in which it happens; 0: not bound to a node */
    uint32_t node;
    uint32_t from;
    uint64_t caller_life; /* of who asked; of a link: which cut */
    uint64_t number;
    void *data; /* in the arena */
    struct letter *letter;
};

struct history { /* of one key, as clients saw it */
    struct check_op *ops;
    size_t count;
    size_t capacity;
};

struct loss { /* a SESSION_LOST or ROLLED_BACK that was told */
    struct candor_pos pos;
};

struct committed { /* the highest commit of a generation */
    uint64_t generation;
    struct epoch_log *epoch;
    uint64_t seq;
    struct candor_epoch opening; /* that opened it by force */
    bool tainted;                /* by two who did not know of each other: it is not one history */
};

/* Who looks on while a script runs (transcript/), and takes the place of the clients. */
struct watcher {
    void (*started)(struct world *world, struct node *node);
    /* A node took an event, or was flushed (NULL); its view is new, and what it wants done is not
     * done yet. */
    void (*stepped)(struct world *world, struct node *node, const struct core_event *event);
    void (*acts)(struct world *world, struct node *node, const struct core_action *action);
    /* A Fetch is answered, beside the core. */
    void (*served)(struct world *world, struct node *node, uint32_t caller,
                   const struct core_msg *msg);
    /* `seq` goes to the archive, and out of the log. */
    void (*archived)(struct world *world, struct node *node, uint64_t seq);
    void (*finished)(struct world *world, struct node *node, const struct ticket *ticket,
                     const struct core_action_finish *finish);
    /* The node died with it. */
    void (*lost)(struct world *world, struct node *node, const struct ticket *ticket);
};

struct world {
    struct watcher *watcher; /* of a script: nothing is left to chance; NULL: a seed runs */
    bool differed;           /* a state was made to differ */
    struct options options;
    uint64_t seed;
    struct plan plan;
    struct rng rng;
    struct arena arena;
    uint64_t now_ns;
    uint64_t order;
    struct event *heap;
    uint32_t heap_count;
    uint32_t heap_capacity;
    struct letter *free_letters;
    struct node nodes[SIM_NODES];
    uint32_t node_count;
    struct link links[SIM_NODES][SIM_NODES]; /* [from][to] */
    uint64_t next_ticket;
    uint64_t next_store;
    uint64_t next_download;
    struct client clients[SIM_CLIENTS + 1]; /* the last is the judge */
    struct watch watches[SIM_WATCHES];
    struct rng watch_rng;
    struct rng await_rng;
    struct write *writes;
    uint64_t write_count; /* numbers 1..write_count */
    uint64_t write_capacity;
    uint64_t *acked; /* numbers in order of acknowledgement */
    uint64_t acked_count;
    uint64_t acked_capacity;
    struct epoch_log *epochs[SIM_EPOCHS];
    uint32_t epoch_count;
    struct committed committed[SIM_GENERATIONS];
    uint32_t committed_count;
    struct members committed_members;
    struct loss *losses;
    uint32_t loss_count;
    uint32_t loss_capacity;
    struct served *served;
    uint32_t served_count;
    uint32_t served_capacity;
    struct history history;
    uint64_t undecided; /* histories that were too hard to judge */
    struct buffer scratch;
    uint64_t avoided_side; /* nodes that no client writes to, until then */
    uint64_t avoided_until_ns;
    uint32_t doubted;        /* who leads there, or did: until then it is asked often */
    bool healing;            /* the faults are over */
    uint64_t quiet_until_ns; /* until then nothing new goes wrong: an older copy is to be found */
    uint64_t healed_ns;
    bool forced;    /* a forced promotion was asked for */
    bool overruled; /* one was made: there is a record of a second generation */
    bool lost_tail;
    uint64_t jumped_ns;    /* what clocks have gone forward beyond their rate */
    uint64_t probe_number; /* the last write, by which the healed cluster is judged */
    bool done;
    uint64_t hash;
    uint64_t events;
    uint64_t false_bounds; /* beyond_drift: counted */
    sigjmp_buf escape;
    char violation[SIM_VIOLATION_BYTES];
};

struct result {
    bool ok;
    uint64_t hash;
    uint64_t events;
    uint64_t false_bounds;
    uint64_t undecided;
    char violation[SIM_VIOLATION_BYTES];
};

/* world.c */
void world_init(struct world *world);
void world_free(struct world *world);
/* Runs one seed. A violation, and an ASSERT of the core, end it. */
void world_run(struct world *world, const struct options *options, uint64_t seed,
               struct result *result);
/* For a script: a cluster of the plan's size, of blank disks, none of them started. */
void world_script(struct world *world, const struct plan *plan, struct watcher *watcher);
void world_script_end(struct world *world);
/* All that happens until then. A violation jumps to world->escape. */
void world_run_until(struct world *world, uint64_t at_ns);
struct event *schedule(struct world *world, uint64_t at_ns,
                       void (*run)(struct world *world, struct event *event));
/* Happens only in the node's present life, and waits while the node is paused. */
struct event *schedule_at_node(struct world *world, struct node *node, uint64_t at_ns,
                               void (*run)(struct world *world, struct event *event));
void *world_alloc(struct world *world, size_t bytes);
void *world_copy(struct world *world, const void *bytes, size_t length);
uint64_t local_ns(const struct world *world, const struct node *node);
uint64_t global_of_local_ns(const struct node *node, uint64_t local);
void clock_jump(struct world *world, struct node *node, uint64_t forward_ns);
bool chance(struct world *world, uint32_t ppm);
uint64_t between(struct world *world, uint64_t low, uint64_t high); /* both included */
struct node *find_node(struct world *world, struct candor_node_id id);
struct node *find_primary(struct world *world); /* the one of the highest epoch; NULL */
/* What whoever listens on the network knows of a node. */
struct core_header node_header(const struct node *node, struct candor_epoch epoch);
void node_step(struct world *world, struct node *node, const struct core_event *event);
void node_start(struct world *world, struct node *node);
void node_crash(struct world *world, struct node *node, bool machine);
struct ticket *ticket_new(struct world *world, struct node *node, enum ticket_kind kind);
struct ticket ticket_take(struct world *world, struct node *node, uint64_t id);
const struct ticket *ticket_find(const struct node *node, uint64_t id);

/* swarm.c */
void swarm_draw(struct world *world);

/* disk.c */
/* Which records above `commit` say LOCAL (R42). */
void disk_local(const struct disk *disk, uint64_t commit, struct seq_bits *out);
void disk_format(struct world *world, struct node *node);
struct state_digest disk_digest(const struct disk *disk, uint64_t seq);
void disk_free(struct disk *disk);
/* What is in the log's file, though not durable, is what its position holds for good. */
void disk_note_staged(struct world *world, const struct node *node, struct slice batches);
enum candor_code disk_append(struct world *world, struct node *node, struct slice batches,
                             uint64_t most_batches);
void disk_truncate(struct world *world, struct node *node, uint64_t to, struct candor_epoch by);
void disk_install(struct world *world, struct node *node, const struct snapshot *snapshot,
                  uint64_t common, struct candor_epoch by);
void disk_read(struct world *world, struct node *node, uint64_t from, uint64_t upto,
               uint32_t most_batches, struct buffer *out);
void disk_lose_tail(struct world *world, struct node *node);
void disk_excuse(struct world *world, const struct disk *disk, uint64_t above);
void disk_replay(const struct disk *disk, struct state *out);
uint64_t disk_next_end_ms(const struct disk *disk); /* 0: no key ends */
struct chain disk_chain(const struct disk *disk, uint64_t seq);
void disk_history(const struct disk *disk, uint64_t last, struct epoch_history *out);
const struct members *disk_members(const struct disk *disk,
                                   uint64_t seq); /* as of seq; never NULL */
uint64_t disk_cluster_id(const struct disk *disk);
struct candor_pos disk_pos(const struct disk *disk, uint64_t seq);
bool disk_holds(const struct disk *disk, uint64_t upto, struct candor_pos pos);

/* requests.c */
enum standing { REQUEST_NEW, REQUEST_KNOWN, REQUEST_TOO_OLD, REQUEST_OF_ANOTHER };
enum standing requests_find(const struct requests *requests, const struct request *request,
                            struct known *out);
/* Returns what stood in its place. */
struct known requests_note(struct requests *requests, const struct request *request, uint32_t part,
                           uint64_t seq);
void requests_undo(struct requests *requests, const struct request *request, struct known before);
struct request_id requests_id(const struct request *request);

/* sequence.c */
/* The group's new records, in one batch; empty: there are none. `out` has room for each ticket. */
/* A ticket is NULL where an EXPIRE stands. */
struct slice sequence_group(struct world *world, const struct node *node, struct candor_epoch epoch,
                            uint64_t log_ms, const struct ticket *const *tickets, uint32_t count,
                            struct sequenced *out, uint64_t *last_seq);

/* writer.c */
void writer_give(struct world *world, struct node *node, const struct core_action *action);
void writer_crash(struct world *world, struct node *node);
void writer_free(struct writer *writer);
/* What a Fetch finds in the log's file behind the disk's end: staged, and not durable (R68). */
struct slice writer_staged(const struct node *node);
void writer_wake(struct world *world, struct node *node); /* after a fault of the disk ended */

/* net.c */
void net_publish(struct world *world, struct node *node, const struct core_msg *msg);
void net_call(struct world *world, struct node *node, const struct core_action_call *call);
void net_answer(struct world *world, struct node *node, const struct core_action_answer *answer);
void net_reset_peer(struct world *world, struct node *node, struct candor_node_id peer);
void net_node_started(struct world *world, struct node *node);
void net_node_died(struct world *world, struct node *node);
void net_release(struct world *world, struct letter *letter);
bool net_open(const struct world *world, uint32_t from, uint32_t to);

/* snapshot.c */
void snapshot_fetch(struct world *world, struct node *node,
                    const struct core_action_fetch_snapshot *fetch);
void snapshot_drop(struct node *node);
struct snapshot *snapshot_cut(struct world *world, const struct node *node);

/* clients.c */
void clients_start(struct world *world);
void client_finished(struct world *world, struct node *node, const struct ticket *ticket,
                     const struct core_action_finish *finish);
void client_lost(struct world *world, const struct ticket *ticket);
/* Somebody was told that what stood at `pos` was rolled back. */
void reported_lost(struct world *world, struct candor_pos pos);
void client_probe(struct world *world, struct node *primary);
/* One attempt of a request; returns its first number. */
uint64_t client_write(struct world *world, struct node *node, struct request *request);
struct request *expiry_request(struct world *world, uint32_t key);
uint64_t expiry_number(struct world *world, struct request *request);

/* ladders.c */
/* Makes some reads ask for several levels; the read has its drawn bound. */
void ladder_of(struct world *world, struct node *node, struct read *read);
bool ladder_has(const struct read *read, enum candor_read_level level);
/* True: the read goes on with the next rung, from data that are opened anew. */
bool ladder_down(struct world *world, struct node *node, struct read *read, enum candor_code code,
                 enum candor_reason reason, const struct core_freshness *fresh);
/* Before its answer is judged: as one of the level that the reply names. */
void ladder_served(struct world *world, struct node *node, struct read *read);

/* watches.c */
void watches_start(struct world *world);
void watch_finished(struct world *world, struct node *node, const struct ticket *ticket,
                    const struct core_action_finish *finish);

/* awaits.c */
void awaits_start(struct world *world);
void await_finished(struct world *world, struct node *node, const struct ticket *ticket,
                    const struct core_action_finish *finish);

/* operators.c */
void operators_start(struct world *world);
bool operator_waits_at(const struct node *node); /* an order of theirs is not done yet */
void operator_promote(struct world *world, struct node *node, bool force);
void operator_accept(struct world *world, struct node *node);
void operator_transfer(struct world *world, struct node *node, const struct node *to);
void operator_set_voter(struct world *world, struct node *node, const struct node *member,
                        bool voter);

/* forks.c */
void forks_speak(struct world *world, struct node *node);
void forks_strike(struct world *world, struct node *node);
void rules_log(struct world *world, const struct node *node);

/* copies.c */
void copies_strike(struct world *world, struct node *node);
void copies_keep(struct node *node);                          /* its disk as it is now */
void copies_put_back(struct world *world, struct node *node); /* as it was then; it is down */
void copies_renew(struct world *world, struct node *node, const char *why); /* as the core asked */
void copies_must_keep_still(struct world *world, const struct node *node, const char *what);

/* faults.c */
void faults_start(struct world *world);
void faults_restart(struct world *world, struct node *node, uint64_t delay_ns);
bool faults_may_wipe(struct world *world, const struct node *node);
bool faults_wipe(struct world *world, struct node *node); /* false: no more disks may be lost */
void faults_cut_link(struct world *world, uint32_t from, uint32_t to, uint64_t until_ns);
void faults_heal_link(struct world *world, uint32_t from, uint32_t to);

/* strangers.c */
void strangers_pose(struct world *world); /* as a node that is down, at its address */
void strangers_ask(struct world *world);  /* requests with any counters, in any node's name */
void strangers_impersonate(struct world *world); /* at one node's address, in another's name */

/* scenarios.c */
void scenario_usurp(struct world *world);
void scenario_reborn(struct world *world, struct node *node);

/* registry.c */
struct epoch_log *registry_epoch(struct world *world,
                                 struct candor_epoch epoch); /* found or made */
/* A record stands on a disk behind `before` (NULL: at seq 1). Violates I2 when the position holds
 * another. */
struct epoch_log *registry_add(struct world *world, const struct node *node,
                               const struct log_record *before, const struct record *record);
void registry_forget(struct epoch_log *epoch); /* its records are nowhere, and never were told of */
/* The record at `seq` of the log that ends with `epoch`; NULL when that log does not reach it. */
const struct registered *registry_at(const struct epoch_log *epoch, uint64_t seq);
struct epoch_log *registry_branch(struct epoch_log *epoch,
                                  uint64_t seq); /* whose record stands there */
/* As its log's nodes would give it. */
struct candor_token registry_token(const struct world *world, struct candor_pos pos);
bool registry_holds(struct epoch_log *epoch,
                    struct candor_pos pos); /* the log that ends with `epoch` has pos */
void registry_committed(struct epoch_log *epoch, uint64_t seq, struct candor_epoch in);
const struct registered *record_what(const struct disk *disk, uint64_t seq);
void registry_free(struct world *world);

/* invariants.c */
__attribute__((format(printf, 3, 4))) _Noreturn void
violate(struct world *world, const char *invariant, const char *format, ...);
void check_step(struct world *world, struct node *node);
void check_shown(struct world *world, struct node *node, struct candor_epoch shown);
void check_published(struct world *world, struct node *node, const struct core_msg *msg);
void check_answer(struct world *world, struct node *node, const struct core_msg *msg,
                  uint64_t ticket);
void check_commit(struct world *world, struct node *node, uint64_t seq);
void check_truncate(struct world *world, struct node *node, uint64_t to);
void check_install(struct world *world, struct node *node, uint64_t to);
void check_acknowledged(struct world *world, struct node *node, const struct ticket *ticket,
                        const struct core_action_finish *finish);
/* `finish` says that its pos has reached its level. */
void check_level(struct world *world, struct node *node, const struct core_action_finish *finish);
void check_discarded(struct world *world, struct node *node, uint64_t seq, struct candor_epoch by);
void check_freshness(struct world *world, struct node *node, const struct core_freshness *fresh,
                     uint64_t applied);
/* A linearizable read is about to be answered from its data (I7). */
void check_linearizable_read(struct world *world, struct node *node, const struct read *read);
void check_state(struct world *world, struct node *node);
void check_boot(struct world *world, struct node *node);
void check_heard(struct world *world, struct node *node, const struct core_msg *msg);
void check_dropped(struct node *node, const struct core_msg *msg); /* after the node's step */
/* seq of the newest record that says who the members are; 0: none */
uint64_t newest_members(const struct disk *disk);
bool members_changed_since(const struct node *node, uint64_t since_ns);
/* Why the cluster is not of one mind yet; NULL: it is. */
const char *check_converged(struct world *world);
void check_end(struct world *world);

/* once.c */
void check_once(struct world *world, const struct node *node, struct epoch_log *epoch, uint64_t seq,
                const struct registered *what);
void check_log_once(struct world *world, const struct node *node);
void check_answered(struct world *world, const struct node *node, const struct request *request,
                    struct candor_pos pos);

/* mutations.c: rules of the disk, left out one at a time; numbered behind those of the core */
enum sim_mutation {
    SIM_MUTATION_LAST_OF_CORE = CORE_MUTATION_COUNT - 1,
#define MUTATION(id, name, rules, text) SIM_MUTATION_##id,
#include "mutations.def"
#undef MUTATION
    SIM_MUTATION_COUNT,
};
const char *mutation_name(uint32_t mutation); /* "never_stale" ... */
void mutations_list(FILE *to);                /* a line each: name, rules, what then happens */
bool mutated(const struct world *world, enum sim_mutation mutation);

/* register.c */
void register_read(struct world *world,
                   const struct read *read); /* a linearizable one is answered */
void register_check(struct world *world);
void register_free(struct world *world);

/* rules.c */
void rules_write_taken(struct world *world, const struct node *node, const struct core_view *before,
                       const struct ticket *ticket);
void rules_write_refused(struct world *world, const struct node *node, const struct ticket *ticket);
void rules_write_unknown(struct world *world, const struct node *node, const struct ticket *ticket,
                         struct candor_pos pos);
void rules_hears(struct world *world, struct node *node);
void rules_heard_directly(struct world *world, struct node *node, const struct core_msg *msg);
void rules_passed_on(struct world *world, const struct node *node, const struct core_msg *msg);
void rules_answers(struct world *world, const struct node *node, const struct core_msg *status);
void rules_cut_off(struct world *world, const struct node *node,
                   const struct core_freshness *fresh);
void rules_write_stored(struct world *world, const struct node *node, struct write *write);
void rules_expired(struct world *world, const struct node *node, const struct entry *entry);
void rules_order_done(struct world *world, struct node *node, const struct ticket *ticket,
                      struct candor_pos pos);
void rules_acknowledged(struct world *world, const struct node *node);
bool rules_against_live(struct world *world, const struct node *node, const struct core_msg *vote);
void rules_voted(struct world *world, const struct node *node, const struct ticket *asked);
void rules_hands_over(struct world *world, const struct node *node, const struct ticket *asked,
                      const struct core_msg *answer);
void rules_shown(struct world *world, struct node *node, const struct digest_at *shown);
void rules_doubt(struct world *world, struct node *node);
void rules_beat(struct world *world, struct node *node, const struct core_msg *msg);
void rules_called(struct world *world, const struct node *node, const struct node *to,
                  const struct core_msg *msg);
void rules_room(struct world *world, struct node *node);
void rules_view(struct world *world, const struct node *node);
void rules_append(struct world *world, const struct node *node, struct slice batches);
void rules_members(struct world *world, const struct node *node);

/* trace.c */
#define TRACE(world, node, ...)                                                                    \
    do {                                                                                           \
        if ((world)->options.trace)                                                                \
            trace_line(world, node, __VA_ARGS__);                                                  \
    } while (0)
__attribute__((format(printf, 3, 4))) void trace_line(struct world *world, const struct node *node,
                                                      const char *format, ...);
void trace_hash(struct world *world, uint64_t value);
void trace_action(struct world *world, const struct node *node, const struct core_action *action);
void trace_message(struct world *world, const struct node *node, const char *what,
                   const struct core_msg *msg);

#endif
