/* What readers and operators see of a core, and the read contract (docs/consistency.md): pure, on a
 * copy of the view, any thread. */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include <candor/status.h>

#include "core/message.h"

struct core;

struct core_peer_view {
    struct candor_node_id node;
    bool heard;
    uint64_t heard_ns; /* arrival of its newest message */
    uint64_t match;    /* at the primary */
    enum candor_state state;
    bool voter;
    uint64_t differs_seq; /* at the primary: since where its data differ (R58); 0: they do not */
};

/* A snapshot of the core, as plain data: the shell publishes it after each step that changed it. */
struct core_view {
    struct candor_node_id self;
    enum candor_role role;
    struct candor_epoch epoch;       /* which it follows; may be on its way to the disk */
    struct candor_epoch shown_epoch; /* which it says it follows: stored (R7) */
    struct candor_node_id primary;   /* "" when none is known to be alive or to have been */
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
    bool doubtful;        /* R59 */
    bool outvoted;        /* a majority of the voters holds other data */
    uint64_t equal_seq;   /* where its data were last the primary's; 0: not known */
    uint64_t differs_seq; /* since where they are not */
    bool contacted;       /* a heartbeat of any epoch since the start */
    uint64_t contact_ns;  /* its arrival: what reject_after counts from */
    /* Who passes the primary's words on to it (R72); "": it hears them itself, or not at all. */
    struct candor_node_id relay;
    uint64_t direct_ns; /* arrival of the newest heartbeat from the primary itself; 0: none */
    bool alone;         /* the cluster has no other node */
    uint64_t way_ns;    /* up to when its way to the primary and back is known to be open (R74) */
    uint64_t hears_ns;  /* arrival of the newest word of a node that has not said it misses this */
    uint64_t others_ns; /* ... of a node that has not said it does not hear the primary */
    uint64_t lately_ns; /* so long such words count */
    bool heard;         /* a heartbeat of this epoch */
    uint64_t heartbeat_ns; /* its arrival */
    bool proven;           /* evidence (R36); at the primary: s_conf */
    uint64_t evidence_ns;
    uint64_t evidence_seq; /* the evidence speaks of data with applied >= this */
    uint64_t last;
    uint64_t durable;
    uint64_t match;
    uint64_t published; /* what it gives to those who fetch; at the primary beyond durable (R68) */
    uint64_t applied;
    uint64_t commit;
    uint64_t watch_seq;                /* a watch is told no more (R41): what is committed */
    struct candor_epoch applied_epoch; /* of the newest record */
    uint64_t applied_epoch_first;      /* where it begins */
    uint64_t applied_origin;           /* what tokens of it carry */
    uint64_t primary_seq;              /* newest announced; at the primary its own last */
    uint64_t at_risk;                  /* R42; at the primary */
    bool no_room;                      /* the newest append found the disk full */
    uint64_t log_first;
    uint64_t watch_first; /* what a watch is told begins there (R41): log_first */
    uint64_t rewinds;
    uint64_t log_ms; /* the log's time (R69) at `log_at_ns`: core_view_log_ms() */
    uint64_t log_at_ns;
    uint64_t stale_after_ns;
    uint64_t reject_after_ns;
    uint64_t drift_ppm;
    uint32_t rungs_overstated; /* R71: none, but for a mutation of the simulator */
    uint32_t peer_count;
    struct core_peer_view peers[LIMIT_NODES];
};

void core_view(const struct core *core, struct core_view *out);
/* What this node knows of the others' lives. */
void core_lives(const struct core *core, struct core_lives *out);
/* Copies the epoch history (the caller's is initialised). */
void core_history(const struct core *core, struct epoch_history *out);

/* The freshness of an answer whose data stand at `applied` (docs/consistency.md, R36-R38). Pure;
 * any thread with its copy of a view. Call it when the reply is packed, after the data were read.
 * When the view is older than the data it may prove less, never more. */
struct core_freshness {
    struct candor_node_id node;
    enum candor_role role;
    enum candor_state state;
    struct candor_epoch epoch;
    bool has_heartbeat_age;
    uint64_t heartbeat_age_ms; /* rounded up */
    bool hears_primary;        /* itself, within stale_after: it can be asked */
    bool stale;
    bool has_bound;
    uint64_t bound_ms; /* rounded up */
    uint64_t applied_seq;
    uint64_t primary_seq;
    uint64_t commit_seq;
    enum candor_cut_off cut_off; /* R74 */
};

/* The log's time now, as far as this node knows (R69). */
uint64_t core_view_log_ms(const struct core_view *view, uint64_t now_ns);

void core_view_freshness(const struct core_view *view, uint64_t applied, uint64_t now_ns,
                         struct core_freshness *out);

/* The read contract's table (docs/consistency.md).
 *
 * A LINEARIZABLE read is three steps: WAIT LINEARIZABLE; then open a view of the state, at
 * `applied`; when the core's commit is below it, WAIT COMMIT for it with the view kept open; then
 * answer from that view. */
struct core_read {
    enum candor_read_level level;
    uint64_t max_staleness_ms; /* BOUNDED */
    struct candor_token token; /* SESSION; seq 0: no demand */
    bool allow_syncing;        /* EVENTUAL */
};

enum core_decision {
    CORE_SERVE,    /* answer with the data that were read */
    CORE_REDIRECT, /* FAILED_PRECONDITION with reason; the hint names the primary */
    CORE_REFUSE,   /* code and reason; nobody else is named */
    /* SESSION, LINEARIZABLE: give the core a WAIT event; when it is finished OK, read again and
     * serve */
    CORE_WAIT,
};

struct core_read_decision {
    enum core_decision decision;
    enum candor_code code;
    enum candor_reason reason;
};

/* Decides about data read at `fresh->applied_seq`. Pure. A redirect is decided only when
 * view->primary is known and not this node (R45); otherwise it is a refusal UNAVAILABLE with the
 * same reason. */
struct core_read_decision core_decide_read(const struct core_view *view,
                                           const struct core_freshness *fresh,
                                           const struct core_read *read);

/* What core_decide_read() will say of a read, from data that stand at `applied`, when nothing more
 * is heard and nothing more is applied. */
struct core_forecast {
    enum candor_state state; /* now */
    struct core_read_decision decision;
    bool ends;
    uint64_t holds_ms; /* after so long state or decision are ... */
    enum candor_state then_state;
    struct core_read_decision then;
};

/* Found by asking core_view_freshness() and core_decide_read() themselves of later times. Pure. */
void core_forecast_read(const struct core_view *view, uint64_t applied, uint64_t now_ns,
                        const struct core_read *read, struct core_forecast *out);

/* Up to which seq a watch may be told what was recorded, from data at `applied` (R41): what is
 * committed, or all. Pure. */
uint64_t core_view_watch_upto(const struct core_view *view, uint64_t applied, bool uncommitted);

enum core_watch_step {
    CORE_WATCH_READ,      /* the log, from `seen` + 1 up to `upto` */
    CORE_WATCH_WAIT,      /* there is nothing to tell */
    CORE_WATCH_COMPACTED, /* the log begins behind `seen` + 1 */
};

/* A watch that was told what was recorded up to `seen`, which this log holds: what comes next
 * (R41). Pure. */
enum core_watch_step core_decide_watch(const struct core_view *view, uint64_t applied,
                                       uint64_t seen, bool uncommitted, uint64_t *upto);

/* Whether a Fetch of a peer that stands in `epoch` may be served, and up to which seq (R13).
 * Pure. */
bool core_view_may_fetch(const struct core_view *view, const struct core_header *from,
                         uint64_t *upto_seq);

#endif
