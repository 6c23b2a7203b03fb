/* What the files of src/node share: shared/ (the ground), store/ (the disk), serve/ (calls), loop/ (the node thread).
 *
 *   node.c       birth and end: wiring, order of shutdown
 *   open.c       recovery of a data directory
 *   identity.c   whose directory it is
 *   verify_service.c  digests of ranges of keys
 *   scrub.c      looks for rot in what nobody reads
 *   side_thread.c threads that wait for work or time, and end when told
 *   loop.c       the node thread: events into the core, actions out of it
 *   view.c       the core's view, published to readers
 *   writer.c     the writer thread: its queue, hard state, commit, trim
 *   group.c      group commit of a replica's records, EPOCH_START and MEMBERS
 *   sequence.c   client writes: known requests, evaluation, group commit
 *   rollback.c   truncate and install: archive, undo, cut
 *   snapshot.c   checkpoints, and serving them
 *   download.c   fetching a snapshot
 *   pool.c       threads that take jobs (pool.h)
 *   failover.c   what this node saw of changes of reign
 *   at_risk.c    what a failover would take back
 *   lost.c       where a session's lost writes are
 *   peers.c      calls to other nodes
 *   reply.c      freshness, redirects and errors of replies
 *   kv_read.c kv_put.c kv_txn.c kv_status.c cluster_service.c operate_service.c archive_service.c replication_service.c   the services
 *   kv_write.c what requests that write have in common
 *
 * Threads, and what each may wait for:
 *
 *   NNG's (2 a core)  for nothing: check a request and hand it over. Short reads of the state are served at once, by at
 *                     most half of them (serve/kv_read.c); what they hand over is refused when its queue is full
 *   node              for nothing but its queue; it never touches a file. Owns the core, tickets, and struct node's
 *                     fields that say so
 *   writer            for the disk
 *   readers           for pages of the state: reads of clients
 *   lenders           for the disk: what peers read (Attach, Fetch, Snapshot)
 *   slow              for the disk, by the second: archives, AtRisk, lost sessions
 *   snapshot          for the disk: cuts checkpoints
 *   download          for the network and the disk
 *
 * What crosses threads is a queue (node->events, writer.queue, the pools' lists), the published view, or an atomic.
 * A call is finished by whoever holds it: it is handed on whole, never shared.
 *
 * Locks: those of queues and pools are held for a few instructions, and no other is taken under them.
 * writer.checkpoint_lock, and the locks of snapshot.c, download.c and failover.c, are never held together, except
 * checkpoint_lock before the snapshot's. The node thread takes those of download.c and failover.c alone, which are held for a
 * copy; NNG's threads none but failover.c's. */
#ifndef NODE_INTERNAL_H
#define NODE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/serials.h"
#include "base/watchdog.h"
#include "candor/v1/cluster.pb-c.h"
#include "candor/v1/kv.pb-c.h"
#include "core/core.h"
#include "eval/eval.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "node/node.h"
#include "node/shared/pool.h"
#include "node/shared/side_thread.h"
#include "rpc/rpc.h"
#include "state/archive.h"
#include "state/state.h"
#include "stream/stream.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* ---- Tickets: what was asked of the core and is finished exactly once -------------------------------- */

struct outcome { /* of a FINISH action */
    enum candor_code code;
    enum candor_reason reason;
    struct pos pos;
    enum ack_level ack;
    char text[CORE_TEXT_BYTES];
};

/* Anything that happened, on its way to the node thread. Owns what it points to; event_free() gives it back. */
struct node_event {
    struct core_event core;
    struct ticket *ticket; /* the event is part of it, and begins its life in the core */
    bool embedded;         /* part of something else: not freed by itself */
    bool drained; /* not the core's: the writer has done all that came before the shutdown */
    bool stop;    /* not the core's: shut down */
    struct core_msg *msg;
    Candor__V1__StreamMessage *unpacked; /* msg's slices point into it */
    struct buffer bytes;                 /* or msg's or core's slices into this */
    struct epoch_history history;
    struct members *members;         /* event_members() */
    struct state_incoming *incoming; /* of a SNAPSHOT_READY */
    uint64_t download;               /* number of the download */
    size_t backlog_bytes;            /* counted in node->backlog_bytes */
};

/* Lives in its call's arena (rpc_call_alloc), so it ends with the reply. */
struct ticket {
    struct ticket *next; /* the node thread's list of open ones */
    struct ticket *previous;
    struct ticket *next_done;
    struct node *node;
    struct rpc_call *call;
    ProtobufCClosure reply;
    /* Read on an NNG thread, too, when the caller is gone. */
    _Atomic uint64_t serial;
    bool cancellable; /* its wait ends when the caller is gone (R51) */
    bool watched;     /* its connection is */
    struct node_event event;
    /* (node thread) Replies; must not block. Exactly one of the two is called, once. */
    void (*finished)(struct ticket *ticket, const struct outcome *outcome);
    void (*answered)(struct ticket *ticket, const struct core_msg *msg);
    struct outcome outcome;
};

/* Its number in the core: of its newest push. Given once, so that what comes late for it finds nothing. */
static inline uint64_t ticket_number(const struct ticket *ticket)
{
    return atomic_load(&ticket->serial);
}

/* Pointers on their way to another thread, handed over together: one lock and one wake-up for many. */
struct outbox {
    void **items;
    size_t count;
    size_t capacity;
};

/* ---- The writer --------------------------------------------------------------------------------------- */

/* One piece of storage work, on its way to the writer thread. */
struct work {
    enum core_action_type type;
    bool drain;                 /* not the core's: answer with a `drained` event */
    struct write_ticket *write; /* WRITE: the work is part of it */
    struct epoch epoch;
    uint64_t seq;
    uint64_t cluster_id;
    struct buffer bytes;             /* APPEND; RENEW: why, as text */
    size_t backlog_bytes;            /* APPEND: counted in node->backlog_bytes */
    struct members *members;         /* EPOCH_START, MEMBERS */
    struct state_incoming *incoming; /* INSTALL */
    struct core_lives *lives;        /* KEEP_LIVES */
};

/* What the writer made of a write. */
struct write_result {
    enum candor_code code; /* not OK: evaluated, and without effect */
    enum candor_reason reason;
    bool replayed;    /* its request id was executed before */
    struct pos first; /* of its records; without any: of the data that it read */
    struct pos last;
    struct buffer answers; /* one an operation (eval/answer.h); freed with the reply */
};

struct write_ticket {
    struct ticket ticket;
    enum ack_level ack;
    struct request_id request;
    uint64_t digest;   /* of the operations; 0 without a request id */
    uint32_t op_count; /* of a Batch; else 1 */
    struct eval_op *ops;
    size_t bytes; /* counted in node->write_bytes */
    struct write_result result;
    struct work work;
    struct node_event appended;
};

struct writer {
    struct queue *queue;
    pthread_t thread;
    bool running;
    /* Held while a checkpoint takes its place, not while it is copied; and while the state is taken back or replaced. */
    pthread_mutex_t checkpoint_lock;
    /* The snapshot thread's task while it has that lock; 0 while it has not. */
    _Atomic pid_t checkpoint_holder;
    /* (writer thread) */
    struct watched *watched;
    struct hard_state hard;
    struct epoch tail_epoch; /* of the log's newest record */
    uint64_t commit;
    struct buffer group;
    struct eval eval;
    struct outbox answers; /* events for the node thread */
    bool dirty;            /* appended and not synced (durability: interval) */
    uint64_t sync_due_ns;
    /* When a shortage was last logged, and how often one was met since. */
    uint64_t shortage_logged_ns;
    uint64_t shortages;
};

/* ---- Snapshots ---------------------------------------------------------------------------------------- */

struct snapshots {
    struct side_thread side;
    bool wanted;        /* a replica waits for one */
    uint64_t least_seq; /* where that is to stand at least */
    bool renew;         /* there is none, and the log alone does not make the state */
    bool cutting;
    _Atomic uint64_t grown_bytes; /* of the log since the newest checkpoint */
    _Atomic uint64_t newest_seq;  /* the newest checkpoint's; 0: none */
    /* What is served: an open file, which a newer checkpoint does not take away. */
    int fd; /* -1: none */
    struct pos pos;
    uint64_t bytes;
    uint64_t digest;
    char name[POS_TEXT_BYTES + 24];
    uint64_t asked_ns; /* when somebody last asked for it */
};

/* Asked between the pieces of long work: it may pause, and false ends the work. */
struct pace {
    bool (*between)(void *closure);
    void *closure;
};

struct scrub {
    struct side_thread side;
    uint64_t piece_ns;    /* the thread's own: when the piece under way began */
    uint64_t finished_ns; /* 0: not yet */
    uint64_t findings;    /* since the start */
    char finding[CANDOR_ERROR_MESSAGE_BYTES + 32]; /* the newest one; "": none in the last round */
};

struct scrub_report {
    uint64_t finished_ns;
    uint64_t findings;
    char finding[CANDOR_ERROR_MESSAGE_BYTES + 32];
};

struct download {
    struct side_thread side;
    uint64_t number; /* of the newest FETCH or DROP: an older download is over */
    bool wanted;     /* `number` is a FETCH that was not begun */
    struct node_id peer;
    struct epoch epoch;
    uint64_t least_seq;
    struct state_incoming *discard[4];
    uint32_t discard_count;
};

/* ---- Changes of reign ---------------------------------------------------------------------------------- */

/* What clients were told, counted since the start. */
struct told {
    uint64_t not_primary;
    uint64_t no_primary;
    uint64_t outcome_unknown;
    uint64_t redirects;
};

struct failover {
    struct core_reign reign;
    uint64_t wall_ms;
    struct told before; /* when its gap began */
};

struct failovers {
    struct { /* as struct told; any thread */
        _Atomic uint64_t not_primary;
        _Atomic uint64_t no_primary;
        _Atomic uint64_t outcome_unknown;
        _Atomic uint64_t redirects;
    } told;
    /* (node thread) What had been told at the newest sign of a primary, and when that came. */
    struct told calm;
    uint64_t calm_ns;
    /* (node thread) The newest view is that of a primary that takes writes. */
    bool leads;
    pthread_mutex_t lock; /* of the rest; never held together with another */
    uint32_t count;
    struct failover list[LIMIT_FAILOVERS]; /* oldest first */
};

/* ---- The node ------------------------------------------------------------------------------------------ */

#define VIEW_WORDS ((sizeof(struct core_view) + 7) / 8)

struct published_view {
    _Atomic uint64_t sequence; /* odd: being written */
    _Atomic uint64_t words[VIEW_WORDS];
};

struct peer_client {
    struct node_id id;
    struct rpc_client *client;
    ProtobufCService *replication;
};

struct kv_service {
    Candor__V1__KV_Service base;
    struct node *node;
};

struct cluster_service {
    Candor__V1__Cluster_Service base;
    struct node *node;
};

struct replication_service {
    Candor__V1__Replication_Service base;
    struct node *node;
};

struct node {
    const struct topology *topology;
    const struct topology_node *self;
    struct node_options options;
    uint64_t config_hash;
    uint64_t started_ns;
    char data[LIMIT_PATH_BYTES];
    char log_dir[LIMIT_PATH_BYTES + 16];
    char state_dir[LIMIT_PATH_BYTES + 16];
    char archive_dir[LIMIT_PATH_BYTES + 16];
    int lock_fd;

    struct log *log;
    struct state *state;
    struct core *core; /* node thread */
    struct published_view view;

    /* The node thread. */
    struct queue *events;
    pthread_t thread;
    bool running;
    struct ticket *open;    /* in the core */
    struct serials tickets; /* the same, by number */
    struct ticket *done;    /* to be replied to when the view is published, oldest first */
    struct ticket **done_end;
    struct core_actions actions;
    struct buffer packed;
    struct outbox works; /* for the writer */
    uint64_t commit_seq; /* to be given to the writer; 0: none */
    bool draining;
    bool drained;
    struct state_incoming *incoming; /* downloaded, not yet installed */
    uint64_t download_number;        /* of the newest FETCH_SNAPSHOT */

    _Atomic size_t open_count;    /* tickets in the core: calls that wait */
    _Atomic uint64_t last_serial; /* of a ticket */
    _Atomic uint64_t cancelled;   /* waits that ended because the caller was gone */
    _Atomic bool stopping;
    _Atomic size_t backlog_bytes; /* records taken in, not yet on disk */
    _Atomic size_t write_bytes;   /* client writes taken in, not yet answered */
    _Atomic uint64_t archives;
    struct failovers failovers;

    struct writer writer;
    struct snapshots snapshots;
    struct scrub scrub;
    struct download download;
    struct pool readers; /* reads of clients */
    /* Reads being served on NNG's threads, and how many may be. */
    _Atomic uint32_t short_reads;
    _Atomic uint32_t held_views; /* kept open by reads that wait for a commit */
    uint32_t short_read_limit;
    struct pool lenders; /* what peers read: Attach, Fetch, Snapshot */
    struct pool slow;    /* archives, AtRisk, lost sessions: files, by the second */

    struct rpc_server *front;     /* at `rpc`: KV, Cluster */
    struct rpc_server *peer_door; /* at `peer`: Replication */
    struct stream *stream;
    struct peer_client peers[LIMIT_NODES];
    uint32_t peer_count;
    struct kv_service kv;
    struct cluster_service cluster;
    struct replication_service replication;
};

/* scrub.c */
enum candor_code scrub_start(struct node *node, struct candor_error *err);
void scrub_stop(struct node *node);
void scrub_status(struct node *node, struct scrub_report *out); /* any thread */

/* identity.c */
/* `*rebooted`: the machine went down under a running node, and what was not synced may be gone. FAILED_PRECONDITION: another
 * node's directory, or of a cluster of another name. */
enum candor_code identity_load(struct node *node, bool *fresh, bool *rebooted,
                               struct candor_error *err);
/* Durable before anything is sent: what a former life said no longer counts (R8). A crash may have come between a forced
 * EPOCH_START and the hard state (R28). */
/* (writer) From the next start on it is another disk: to be saved. */
void identity_renew(struct node *node);
enum candor_code identity_begin_life(struct node *node, struct candor_error *err);

/* open.c */
enum candor_code node_recover(struct node *node, struct core_boot *boot, struct core_lives *lives,
                              struct epoch_history *history, struct members *members,
                              struct seq_bits *local, struct candor_error *err);
void node_close_disk(struct node *node, bool clean);

/* node.c */
_Noreturn void node_fatal(struct node *node, const struct candor_error *err); /* R3 */
/* A read of the state failed; its call was answered. Does not return when what is stored is damaged. Any thread. */
void node_state_failed(struct node *node, const struct candor_error *err);
uint64_t node_message_bytes(const struct node *node); /* largest message between nodes */
void node_header(const struct node *node, const struct core_view *view, struct core_header *out);

/* loop.c */
enum candor_code node_thread_start(struct node *node, struct candor_error *err);
void node_publish_view(struct node *node);               /* node thread, or before it starts */
struct node_event *event_new(enum core_event_type type); /* malloc'd, cleared */
void event_free(struct node *node, struct node_event *event);
/* A copy that the event owns. Few events need one, and it is large. */
const struct members *event_members(struct node_event *event, const struct members *members);
/* Of a SNAPSHOT_READY or INSTALLED: what that state stands at. Its history is in the event already. */
void event_tell_state(struct node_event *event, const struct state_position *position);
/* For completions: always taken. Frees the event when the node thread has ended. */
void event_push(struct node *node, struct node_event *event);
void outbox_add(struct outbox *outbox, void *item);
/* Takes a ticket's event; false when the node is stopping or its queue is full, and the caller replies. */
bool ticket_push(struct ticket *ticket);
void *ticket_new(struct node *node, struct rpc_call *call, ProtobufCClosure reply, size_t bytes);

/* view.c */
void view_publish(struct published_view *published, const struct core_view *view);
void view_read(const struct published_view *published, struct core_view *out);
void view_read_without_peers(const struct published_view *published, struct core_view *out);

/* writer.c */
enum candor_code writer_start(struct node *node, struct candor_error *err);
void writer_give_all(struct node *node, struct outbox *works); /* empties it */
struct work *work_new(enum core_action_type type);
/* (writer) Does all of them, in order, and answers; frees those that are not part of a ticket. */
void writer_do(struct node *node, struct work **works, size_t count);
/* (writer) In the order of the works. */
void work_answer(struct node *node, struct node_event *event);
/* (writer) Saves writer.hard. False: there is no room and the node is stopping; nothing was promised. */
bool writer_save(struct node *node);
/* (writer) Tells of a shortage, now and then, with the numbers that a reader of the log wants. */
void writer_note_shortage(struct node *node, const struct candor_error *err);
/* (writer) Likewise, and a pause; false when the node is stopping. */
bool writer_wait_for_room(struct node *node, const struct candor_error *err);

/* group.c, sequence.c: each takes the first works of the list and returns how many. */
size_t group_writes(struct node *node, struct work **works, size_t count);
size_t group_appends(struct node *node, struct work **works, size_t count);
void group_meta(struct node *node, struct work *work); /* EPOCH_START, MEMBERS */
void group_note_stored(struct node *node, size_t bytes);
/* A log must not hold what the state cannot take: the records go again, unacknowledged. */
void group_take_back(struct node *node, uint64_t last_before);
void group_answer(struct node *node, struct node_event *event, const struct candor_error *result,
                  struct epoch epoch, uint64_t first_seq, uint64_t last_seq);

/* rollback.c */
void rollback_truncate(struct node *node, struct work *work);
void rollback_install(struct node *node, struct work *work);

/* snapshot.c */
void snapshots_init(struct node *node);
bool snapshot_cut(struct node *node, struct state_checkpoint *checkpoint);
enum candor_code snapshots_start(struct node *node, struct candor_error *err);
/* Whether the newest checkpoint is what was written: DATA_LOSS when not. Any thread. */
enum candor_code snapshot_verify(struct node *node, const struct pace *pace,
                                 struct candor_error *err);
/* A fresh checkpoint takes the newest one's place, soon. Any thread. */
void snapshots_renew(struct node *node);
void snapshots_stop(struct node *node);
void snapshots_note_growth(struct node *node, size_t bytes);
void snapshots_note_rewind(struct node *node);    /* (writer) the newest checkpoint may be gone */
uint64_t snapshots_trim_limit(struct node *node); /* the log is needed above it */
void snapshot_serve(struct node *node, const Candor__V1__SnapshotRequest *request,
                    ProtobufCClosure reply, struct rpc_call *call);

/* download.c */
enum candor_code download_start(struct node *node, struct candor_error *err);
void download_stop(struct node *node);
uint64_t download_fetch(struct node *node, struct node_id peer, struct epoch epoch,
                        uint64_t least_seq); /* its number */
void download_drop(struct node *node);
void download_discard(struct node *node, struct state_incoming *incoming);

/* failover.c */
void failovers_before_events(struct node *node);                        /* node thread */
void failovers_note(struct node *node, const struct core_reign *reign); /* node thread */
void failovers_see(struct node *node,
                   const struct core_view *view); /* node thread: was published */
void failovers_tell(struct node *node, enum candor_reason reason, bool redirect); /* any thread */
void cluster_failover_report(Candor__V1__Cluster_Service *service,
                             const Candor__V1__FailoverReportRequest *request,
                             Candor__V1__FailoverReportResponse_Closure closure,
                             void *closure_data);

/* operate_service.c */
void cluster_promote(Candor__V1__Cluster_Service *service,
                     const Candor__V1__PromoteRequest *request,
                     Candor__V1__PromoteResponse_Closure closure, void *closure_data);
void cluster_accept_history(Candor__V1__Cluster_Service *service,
                            const Candor__V1__AcceptHistoryRequest *request,
                            Candor__V1__AcceptHistoryResponse_Closure closure, void *closure_data);
void cluster_transfer(Candor__V1__Cluster_Service *service,
                      const Candor__V1__TransferRequest *request,
                      Candor__V1__TransferResponse_Closure closure, void *closure_data);
void cluster_set_voter(Candor__V1__Cluster_Service *service,
                       const Candor__V1__SetVoterRequest *request,
                       Candor__V1__SetVoterResponse_Closure closure, void *closure_data);

/* at_risk.c */
void cluster_at_risk(Candor__V1__Cluster_Service *service, const Candor__V1__AtRiskRequest *request,
                     Candor__V1__AtRiskResponse_Closure closure, void *closure_data);

/* lost.c */
/* (slow) Fails the ticket of a session whose token was rolled back, and names the archive that has it (R44). */
void lost_reply(struct ticket *ticket, struct pos token);

/* peers.c */
enum candor_code peers_open(struct node *node, struct candor_error *err);
void peers_close(struct node *node);
void peers_call(struct node *node, struct node_id peer, uint64_t nonce, const struct core_msg *msg);

/* reply.c */
struct reply_room {
    struct token token;
    struct core_freshness fresh;
    struct wire_freshness freshness;
    Candor__V1__RetryHint retry;
};
/* Fills the reply's freshness; `room` lives until the reply is packed. token->seq 0: no token. */
void reply_freshness(struct rpc_call *call, const struct core_view *view, uint64_t applied,
                     const struct pos *token, struct reply_room *room);
/* Fails the call with freshness, and with a hint where a retry elsewhere or later helps. An empty text is made up. */
void reply_fail(struct node *node, struct rpc_call *call, const struct core_view *view,
                enum candor_code code, enum candor_reason reason, const char *text);
/* As reply_fail, with the view of now. */
void reply_fail_now(struct node *node, struct rpc_call *call, enum candor_code code,
                    enum candor_reason reason, const char *text);
void reply_fail_busy(struct node *node, struct rpc_call *call); /* stopping or overloaded */
void reply_outcome_failed(struct ticket *ticket, const struct outcome *outcome);
/* The server's own errors carry freshness, too. */
void reply_server_freshness(void *closure, struct rpc_call *call);
/* R45: false when the call was redirected too often, and failed. */
bool reply_check_hops(struct node *node, struct rpc_call *call);
/* When to give up, so that the caller still hears why. */
uint64_t reply_deadline_ns(const struct rpc_call *call);

/* The services */
void kv_service_init(struct node *node);
void cluster_service_init(struct node *node);
void replication_service_init(struct node *node);
void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
            Candor__V1__GetResponse_Closure closure, void *closure_data);
void kv_multi_get(Candor__V1__KV_Service *service, const Candor__V1__MultiGetRequest *request,
                  Candor__V1__MultiGetResponse_Closure closure, void *closure_data);
void kv_scan(Candor__V1__KV_Service *service, const Candor__V1__ScanRequest *request,
             Candor__V1__ScanResponse_Closure closure, void *closure_data);
bool kv_check_key(struct node *node, struct rpc_call *call, const char *field,
                  ProtobufCBinaryData key);
void kv_compare_and_swap(Candor__V1__KV_Service *service,
                         const Candor__V1__CompareAndSwapRequest *request,
                         Candor__V1__CompareAndSwapResponse_Closure closure, void *closure_data);
void kv_increment(Candor__V1__KV_Service *service, const Candor__V1__IncrementRequest *request,
                  Candor__V1__IncrementResponse_Closure closure, void *closure_data);
void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
            Candor__V1__TxnResponse_Closure closure, void *closure_data);
void kv_txn_status(Candor__V1__KV_Service *service, const Candor__V1__TxnStatusRequest *request,
                   Candor__V1__TxnStatusResponse_Closure closure, void *closure_data);

/* kv_write.c. The bools are false when the call was failed. */
struct kv_write {
    struct write_ticket write; /* first: the core's ticket is the whole */
    /* Replies to what the writer made of it; also to an error, when the method answers beside it. */
    void (*respond)(struct kv_write *write, const struct outcome *outcome);
    const void *request; /* of the method; lives as long as the call */
    struct job job;      /* of a session that lost what it saw */
};

bool kv_fail(struct node *node, struct rpc_call *call, const struct candor_error *err); /* false */
bool kv_check_value(struct node *node, struct rpc_call *call, const char *field,
                    ProtobufCBinaryData value);
bool kv_read_request_id(struct node *node, struct rpc_call *call, const Candor__V1__RequestId *id,
                        struct request_id *out); /* NULL: number 0 */
/* A ticket with room for its ops, all zeros; NULL: the call was failed. */
struct kv_write *kv_write_new(struct node *node, struct rpc_call *call, size_t op_count,
                              const Candor__V1__WriteOptions *options, ProtobufCClosure reply);
void kv_write_submit(struct kv_write *write);
void archives_count(struct node *node); /* for Status; any thread */
void cluster_range_digest(Candor__V1__Cluster_Service *service,
                          const Candor__V1__RangeDigestRequest *request,
                          Candor__V1__RangeDigestResponse_Closure closure, void *closure_data);
void cluster_rollback_list(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackListRequest *request,
                           Candor__V1__RollbackListResponse_Closure closure, void *closure_data);
void cluster_rollback_show(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackShowRequest *request,
                           Candor__V1__RollbackShowResponse_Closure closure, void *closure_data);
void cluster_rollback_drop(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackDropRequest *request,
                           Candor__V1__RollbackDropResponse_Closure closure, void *closure_data);

static inline struct slice binary_slice(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static inline ProtobufCBinaryData slice_binary(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.length, .data = (uint8_t *)(uintptr_t)bytes.bytes};
}

#endif
