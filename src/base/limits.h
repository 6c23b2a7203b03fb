/* Every limit of the project, in one place: what it bounds, why, and what happens at it.
 * Those an operator may change are defaults here and keys of the topology file's `limits`. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* Names and topology. Over it: the topology is refused with file:line:column. */
#define LIMIT_NODE_ID_BYTES 32  /* with the terminator; ids stand in every epoch and record batch */
#define LIMIT_NODES 32          /* nodes of a cluster; core tables are fixed arrays of this size */
#define LIMIT_ADDRESS_BYTES 128 /* an NNG address, with the terminator */
#define LIMIT_PATH_BYTES 1024   /* a data directory's path, with the terminator */
#define LIMIT_TOPOLOGY_FILE_BYTES (1u << 20)
/* scalars, lists and mappings in the file: bounds memory before anything is understood */
#define LIMIT_TOPOLOGY_VALUES 10000
#define LIMIT_TOPOLOGY_DEPTH 16     /* nesting in the file; a topology needs 3 */
#define LIMIT_TOPOLOGY_PROBLEMS 100 /* reported for one file; beyond: counted, not kept */
#define LIMIT_WORD_BYTES 32 /* longer words are nobody's misspelling: no other one is suggested */

/* Client operations. Over it: RESOURCE_EXHAUSTED / TOO_LARGE naming the field. */
#define LIMIT_KEY_BYTES 511                    /* LMDB's MDB_MAXKEYSIZE */
#define LIMIT_VALUE_BYTES_DEFAULT (1u << 20)   /* topology: limits.value */
#define LIMIT_VALUE_BYTES_MAX (16u << 20)      /* what limits.value may be raised to */
#define LIMIT_MESSAGE_BYTES_DEFAULT (4u << 20) /* topology: limits.message; one RPC message */
#define LIMIT_MESSAGE_BYTES_MAX (64u << 20)
/* How long a key may be there, from now on: a hundred years. */
#define LIMIT_TTL_MS UINT64_C(3155760000000)
/* Keys whose time is over that go with one record, and with one group (R69). */
#define LIMIT_EXPIRE_AT_ONCE 256
/* While keys end and nothing is written the log's time is put down so often: what is lost of it
 * when all nodes are down. */
#define LIMIT_LOG_TIME_MARK_MS UINT64_C(60000)
#define LIMIT_BATCH_OPS 4096 /* operations of a Batch, keys of a MultiGet */
/* Rungs of a read's ladder (R71): each level that differs from the others, and some more bounds. */
#define LIMIT_READ_RUNGS 8
/* what a write's record keeps of its answer (R46); a Txn that writes and reads more: TOO_LARGE */
#define LIMIT_RESULT_BYTES (32u << 10)
/* what the gets of a Txn without effect may read; beyond: TOO_LARGE */
#define LIMIT_TXN_READ_BYTES (2u << 20)
/* newest request numbers whose results are kept per client (R46): as many may be in flight; older
 * ones: REQUEST_TOO_OLD */
#define LIMIT_REQUESTS_PER_CLIENT 256
/* clients whose requests are kept, some 60 bytes a request: one that has written its 256 takes 15
 * KiB; the one that wrote longest ago goes first */
#define LIMIT_CLIENTS 100000
/* that order is kept to within so many records, so that a busy client does not move in it with
 * every write */
#define LIMIT_CLIENT_AGE_RECORDS 1024
#define LIMIT_SCAN_ITEMS 10000      /* items of one Scan reply; more = true beyond */
#define LIMIT_SCAN_BYTES (1u << 20) /* bytes of one Scan reply; more = true beyond */
/* Of one answer to a watch; a record that is larger comes alone. The rest comes with the next. */
#define LIMIT_WATCH_RECORDS 10000
#define LIMIT_WATCH_BYTES (1u << 20)
#define LIMIT_WATCH_READ_BYTES (256u << 10) /* of the log, between two looks at the clock */
#define LIMIT_WATCH_WAIT_MS_DEFAULT 10000   /* for something to happen, when none is asked for */
/* Watches that wait at one node for something to happen; beyond: OVERLOADED. Less than the calls
 * that a server admits without its reserve. */
#define LIMIT_WATCHES 2900
#define LIMIT_WATCH_ROLLED_BACK 1000 /* records told of one rollback; more = true beyond */
#define LIMIT_HOPS 8                 /* redirects a call may follow (R45) */

/* RPC. */
/* Calls of peers under way at a node's `peer` address: a quarter, kept for first calls, is two for
 * each other node: one that reads the log or a snapshot, and one that the node thread answers at
 * once. Beyond: OVERLOADED. Clients have a door and calls of their own. */
#define LIMIT_PEER_CALLS 256
/* NNG contexts that wait for requests at all times. As many calls may be taken up in one instant;
 * one that then waits is replaced by a further context. */
#define LIMIT_RPC_RECEIVERS 64
/* Calls under way at one server, those that wait included: 2.2 KiB each (measured with 14,000), and
 * what their handlers keep. Beyond: OVERLOADED. */
#define LIMIT_RPC_CALLS 20000
/* Connections of one server, two thirds of them from one address (all of loopback counts as one).
 * At it the one that has been idle longest is closed; when all are busy, the newest. Each can
 * always have one call, because a quarter of LIMIT_RPC_CALLS is kept for first calls. */
#define LIMIT_RPC_CONNECTIONS 4096
/* Calls of one connection: what one rpc_client may have in flight (LIMIT_RPC_CLIENT_CALLS), and a
 * reserve. Beyond, or beyond the room that all calls leave: OVERLOADED; at twice as many unread
 * refusals: the connection is closed. */
#define LIMIT_RPC_CONNECTION_CALLS 1280
/* Memory of one server's requests and replies together, half received and unsent ones included. A
 * request and its reply take up to six times the largest message (received, unfolded twice,
 * answered), so it is never less than so many messages. Beyond: large ones are refused. */
#define LIMIT_RPC_MEMORY_BYTES ((size_t)128 << 20)
#define LIMIT_RPC_MEMORY_MESSAGES 6
/* What passes over the budget, so that a door whose memory is taken still answers status, votes and
 * small writes: a request's memory up to here, and a reply's (a write's answer, LIMIT_RESULT_BYTES,
 * must not be lost). */
#define LIMIT_RPC_REQUEST_PASS_BYTES ((size_t)16 << 10)
#define LIMIT_RPC_REPLY_PASS_BYTES ((size_t)64 << 10)
/* A message of 16 KiB or more that takes longer than this and a second for so many of its bytes,
 * coming or going, costs its connection: it holds memory that others need. */
#define LIMIT_RPC_MESSAGE_MS 10000
#define LIMIT_RPC_MESSAGE_BYTES_PER_S ((size_t)256 << 10)
/* A connection without a call for so long is closed: its client connects anew when it has one. */
#define LIMIT_RPC_IDLE_MS 600000
/* Idle connections that are closed to make room between two looks: clients connect anew at once,
 * and must not keep a node busy with that. */
#define LIMIT_RPC_EVICTIONS 32
/* How often a server looks after idle connections and memory. */
#define LIMIT_RPC_TEND_MS 250
/* kvd's heap: blocks from here on are given back to the system when they are freed, and threads
 * share so many arenas. */
#define LIMIT_MALLOC_MMAP_BYTES (256 << 10)
#define LIMIT_MALLOC_ARENAS 4
/* Descriptors that kvd raises its soft limit to, as far as the hard one allows. */
#define LIMIT_DESCRIPTORS 65536
/* Descriptors that no connection may take, for segments, votes, checkpoints, and connections to
 * peers; a quarter of the limit where that is less. Beyond: a new connection is closed at once. */
#define LIMIT_DESCRIPTOR_RESERVE 64
/* A connection that has not sent its handshake of 8 bytes is closed after this; when descriptors
 * are short, after the second. */
#define LIMIT_HANDSHAKE_MS 3000
#define LIMIT_HANDSHAKE_PRESSED_MS 250
/* When a call that was refused for load may come again. */
#define LIMIT_RPC_RETRY_AFTER_MS 100
#define LIMIT_RPC_DEADLINE_MS_DEFAULT 5000 /* when the caller names none */
#define LIMIT_RPC_DEADLINE_MS_MAX 600000   /* longer ones are cut to it */
/* memory that a message may unfold to: this many times its bytes ... */
#define LIMIT_RPC_UNPACK_FACTOR 4
/* ... plus this (a full Batch of tiny operations fits); beyond: TOO_LARGE */
#define LIMIT_RPC_UNPACK_SLACK_BYTES (2u << 20)
#define LIMIT_RPC_CALL_ROOM_BYTES (8u << 20) /* rpc_call_alloc() of one call; beyond: NULL */
#define LIMIT_BUNDLE_CALLS 256               /* in one message; beyond: TOO_LARGE */
/* Of what libcandor puts into one bundle; calls that are larger go alone. */
#define LIMIT_BUNDLE_REQUEST_BYTES (64u << 10)
#define LIMIT_BUNDLE_CALL_BYTES (16u << 10)
/* Messages of one class in flight to one node: then calls wait for each other ... */
#define LIMIT_BUNDLE_IN_FLIGHT 2
/* ... for so long at most. */
#define LIMIT_BUNDLE_LINGER_MS 5
#define LIMIT_BUNDLE_SPARE 8 /* that a connection keeps for the next ones */
/* Calls of one connection that wait so; beyond: OVERLOADED. */
#define LIMIT_BUNDLE_WAITING 16384
/* Of one bundle at a turn: then others that wait for a reader have theirs. */
#define LIMIT_BUNDLE_SLICE_US UINT64_C(2000)
/* Of one of short calls, on the thread that brought it: the rest goes to a reader. */
#define LIMIT_BUNDLE_HERE_US 500
/* Reads whose wait is over go to a reader in groups of so many, which share a view of the state. */
#define LIMIT_READS_TOGETHER 32
/* Of the replies of a bundle, or half a message; beyond: BUNDLE_FULL. */
#define LIMIT_BUNDLE_REPLY_BYTES ((size_t)1 << 20)
#define LIMIT_RPC_METHOD_BYTES 128 /* a method's name on the wire; over it: malformed */
/* a peer that does not read its reply so long loses its connection */
#define LIMIT_RPC_REPLY_WAIT_MS 5000
#define LIMIT_RPC_CLIENT_CALLS 1024 /* in flight at one rpc_client; beyond: OVERLOADED */
/* Asynchronous operations that a client has in flight, unless its options say otherwise, and the
 * bytes of their requests and results; beyond: OVERLOADED. Most that an option may say. */
#define LIMIT_CLIENT_OPERATIONS 4096
#define LIMIT_CLIENT_OPERATION_BYTES ((size_t)64 << 20)
#define LIMIT_CLIENT_OPERATIONS_MAX (1u << 20)
/* Of a read with a ladder that says how long it waits: how long a node may take beyond that, until
 * another one is asked. */
#define LIMIT_CLIENT_LADDER_MS 200
/* A client that routes its reads (client.h): how often it asks each member for its status; how long
 * what it saw of one counts as of now; how long one is left out that did not answer; how long its
 * first read waits for the first statuses; how long a member is kept that the others name no
 * more. */
#define LIMIT_CLIENT_PROBE_MS 2000
#define LIMIT_CLIENT_SIGHT_MS 5000
#define LIMIT_CLIENT_AVOID_MS 2000
#define LIMIT_CLIENT_FIRST_SIGHT_MS 300
#define LIMIT_CLIENT_MEMBER_MS 5000
/* It stops asking when it has routed no read for so long. */
#define LIMIT_CLIENT_IDLE_MS 30000
/* a call waits so long for a connection; beyond: UNAVAILABLE */
#define LIMIT_RPC_CONNECT_GRACE_MS 300

/* Names of hosts (net/names.h). */
/* Addresses of one host that are tried; beyond: those that getaddrinfo(3) names first. */
#define LIMIT_HOST_ADDRESSES 16
/* Names remembered, more than a topology's nodes have; the one asked for longest ago goes first. */
#define LIMIT_HOSTS 128
/* Names looked up at once, a thread each; beyond: as if the name server did not answer. */
#define LIMIT_LOOKUPS 64
/* Addresses older than this are used, and looked up again behind the attempt. */
#define LIMIT_HOST_FRESH_MS 1000
/* Attempts that begin with the address which worked last; then all are tried in turn. */
#define LIMIT_HOST_ATTEMPTS 3
/* A node's own address that is in use is waited for so long: a process that ends, a TCP connection
 * to itself; then: no start. */
#define LIMIT_ADDRESS_WAIT_MS 3000
/* A connect to one of several addresses that hangs so long gives way to the next (RFC 8305). */
#define LIMIT_CONNECT_ATTEMPT_MS 250

/* TCP connections, dialled and accepted (net/sockets.c). */
/* A silent one is probed after this; unanswered probes: it is closed, after 10 + 3 * 5 s. */
#define LIMIT_TCP_IDLE_S 10
#define LIMIT_TCP_PROBE_S 5
#define LIMIT_TCP_PROBES 3
/* What was sent is not acknowledged for so long, or a full window stays closed: it is closed. */
#define LIMIT_TCP_UNANSWERED_MS 25000

/* Replication. */
/* a batch on disk or stream; over it: malformed */
#define LIMIT_RECORD_BATCH_BYTES (LIMIT_VALUE_BYTES_MAX + (1u << 20))
/* a group commit stops growing here; one larger record still fits alone */
#define LIMIT_GROUP_COMMIT_BYTES (1u << 20)
/* Between nodes a batch of records may stand beside what a client may send: whatever limits.message
 * is. */
#define LIMIT_PEER_MESSAGE_BYTES_MAX (LIMIT_MESSAGE_BYTES_MAX + 2 * LIMIT_GROUP_COMMIT_BYTES)
#define LIMIT_FETCH_BYTES (1u << 20) /* a Fetch reply stops growing here */
/* accepted by the core, not yet on disk; beyond: dropped, fetched later */
#define LIMIT_WRITER_BACKLOG_BYTES (32u << 20)
#define LIMIT_EPOCH_HISTORY 1024 /* epochs remembered; the oldest go first */
/* topology: limits.max_uncommitted; beyond: OVERLOADED (R20) */
#define LIMIT_UNCOMMITTED_RECORDS_DEFAULT 1000000
/* Writes that wait for the disk or for voters, and reads that wait for a position, confirmed
 * leadership or a commit; beyond: OVERLOADED with a retry-after. With the watches they are less
 * than the calls that a server admits without its reserve (three quarters of LIMIT_RPC_CALLS), so
 * that both can be reached, and calls that do not wait, EVENTUAL reads and Status among them,
 * always find room. */
#define LIMIT_PENDING_WRITES 6000
#define LIMIT_PENDING_READS 6000
_Static_assert(LIMIT_PENDING_WRITES + LIMIT_PENDING_READS + LIMIT_WATCHES < LIMIT_RPC_CALLS / 4 * 3,
               "what waits leaves room for what does not");
#define LIMIT_HEARTBEATS_IN_FLIGHT 256 /* sent heartbeats remembered for s_conf (R31) */
#define LIMIT_EVIDENCE 64 /* heartbeats waiting for applied to reach them (R36); the oldest stays */
/* PUB queue per subscriber; beyond, NNG drops the oldest. */
#define LIMIT_STREAM_BUFFER_MESSAGES 8192
/* The same in bytes, for all subscribers of a publisher together, who share what is queued: large
 * messages shorten the queues, never below 4 messages. Beyond: the oldest are dropped, and
 * fetched. */
#define LIMIT_STREAM_BUFFER_BYTES (64u << 20)
/* Connections to a publisher: two of each node, while one is replaced, and some to look at it.
 * Beyond: refused. Of one host two thirds, so that one host cannot keep the others out. */
#define LIMIT_STREAM_SUBSCRIBERS (2 * LIMIT_NODES + 8)
#define LIMIT_STREAM_SUBSCRIBERS_OF_ONE (LIMIT_STREAM_SUBSCRIBERS * 2 / 3)
#define LIMIT_SNAPSHOT_CHUNK_BYTES (1u << 20) /* one Snapshot reply */

/* How far one message may move a term or a generation (R53): a million elections, one a second for
 * twelve days without a pause, is farther than a node that was away can have fallen behind; the end
 * is 2^41 such messages away. Beyond: the message is dropped, and the log says so. Who holds
 * nothing follows whatever it finds. */
#define LIMIT_EPOCH_STEP (UINT64_C(1) << 20)
/* Terms and generations end here, far below what a message can carry: no epoch at or beyond it is
 * opened or adopted. */
#define LIMIT_EPOCH_END (UINT64_C(1) << 61)
/* A peer's lower boot number counts again when nothing was heard with the higher one for so many
 * heartbeat intervals (R8): longer than a message stays on its way, short enough that a forged
 * number does not keep the real node out. */
#define LIMIT_FORMER_LIFE_BEATS 200
/* So often a node asks each other one which of its lives it knows (R62), and so many answers in a
 * row that another one speaks end it (R64): one may be of a message that was long on its way. */
#define LIMIT_LIFE_CHECK_BEATS 50
#define LIMIT_OTHER_LIFE_ANSWERS 3
/* A node whose data differ from the majority's takes those (R67); not twice within so long: it is
 * the machine, then. */
#define LIMIT_HEAL_PAUSE_MS 60000
/* So long a node with a damaged directory waits for a majority that goes on without it, before it
 * ends with status 3. */
#define LIMIT_REJOIN_WAIT_MS 15000

/* RangeDigest: what one call reads at most, so that it holds a reader and a thread for a short time
 * only. */
#define LIMIT_VERIFY_ENTRIES 65536
#define LIMIT_VERIFY_LISTED 1024
#define LIMIT_VERIFY_BYTES (64u << 20)

/* Storage. */
#define LIMIT_SEGMENT_BYTES (64u << 20) /* a log segment's preallocated size */
/* LMDB map: address space, not disk; topology: limits.state */
#define LIMIT_STATE_BYTES_DEFAULT (16ull << 30)
/* Kept beyond limits.state for what frees room, when the limit is reached: one group that just went
 * over it, and the pre-image and copied pages of deleting the largest value. */
#define LIMIT_STATE_RESERVE_BYTES (64u << 20)
/* Blocks that the state's file has ahead of its end, so that a full disk still takes a delete and
 * the beginning of an epoch. Below it, what stores more is refused as DISK_FULL. */
#define LIMIT_STATE_SLACK_BYTES (2u << 20)
#define LIMIT_UNDO_RECORDS_PER_TXN 10000 /* a rollback's transaction (R12) */
/* kvd that has started again by itself over a damaged state does so once more only when it has run
 * for so long; sooner it ends with status 3. */
#define LIMIT_RESTART_AFTER_MS 5000
/* A state up to this size is checked whole at each start, some 10 ms a 16 MiB; of a larger one the
 * length. */
#define LIMIT_STATE_CHECKED_BYTES (64u << 20)
#define LIMIT_STATE_READERS 1024 /* LMDB reader slots */
#define LIMIT_ARCHIVES 1024      /* rollback archives kept; at it the node warns and still writes */

/* The running node. */
/* waiting for the node thread; beyond: stream messages are dropped, requests OVERLOADED */
#define LIMIT_NODE_EVENTS 65536
/* How often a shortage of room, descriptors or memory is told while it lasts: the log may be on the
 * full disk. */
#define LIMIT_SHORTAGE_LOG_MS 5000
/* The known commit goes to the state with the next write, or after this time. */
#define LIMIT_COMMIT_KEEP_MS 50
#define LIMIT_POOL_THREADS 64  /* of one pool; readers are twice as many as cores, at most this */
#define LIMIT_READER_JOBS 8192 /* reads that wait for a reader; beyond: OVERLOADED */
#define LIMIT_LENDER_JOBS 256  /* peers' fetches and snapshot chunks; beyond: OVERLOADED */
#define LIMIT_SLOW_JOBS 1024   /* archive listings, AtRisk, lost sessions; beyond: OVERLOADED */
/* What was read stays open so long for its commit (R32), then is read again: an open view keeps the
 * state from using its free pages again, and a commit that takes longer does not come soon. */
#define LIMIT_READ_HOLD_MS 1000
/* Explain of a LINEARIZABLE read says WAITS when leadership was not confirmed within so long. */
#define LIMIT_EXPLAIN_WAIT_MS 1000
/* Views kept open like that at once, a part of LIMIT_STATE_READERS; beyond: read again at once when
 * committed. */
#define LIMIT_READ_HOLDS 256
/* a read opens the state again while the core has not caught up with it; then: SYNCING */
#define LIMIT_READ_ATTEMPTS 8
#define LIMIT_ROLLBACK_SHOW_RECORDS 1000     /* of one RollbackShow reply; more = true beyond */
#define LIMIT_ROLLBACK_SHOW_BYTES (1u << 20) /* likewise */
/* failovers that a node remembers: one incident's worth for people; the oldest goes first */
#define LIMIT_FAILOVERS 16
#define LIMIT_AT_RISK_RECORDS 100000    /* records that one AtRisk reads; beyond: more_records */
#define LIMIT_AT_RISK_BYTES (64u << 20) /* likewise bytes of log */
#define LIMIT_AT_RISK_KEYS 1000         /* keys of one AtRisk reply; beyond: more_keys */
#define LIMIT_AT_RISK_CLIENTS 10000     /* clients it tells apart; beyond: more_clients */
/* records of an archive read for one SESSION_LOST; beyond: more */
#define LIMIT_LOST_RECORDS 100000
#define LIMIT_LOST_WRITES 100 /* lost writes it names; beyond: more */
/* chunks in a row that may fail before a download begins again */
#define LIMIT_SNAPSHOT_FAILURES 20
/* a checkpoint is not cut before the log has grown by this (docs/architecture.md) */
#define LIMIT_CHECKPOINT_GROWTH_BYTES (64u << 20)
#define LIMIT_REPLAY_CHUNK_BYTES (4u << 20) /* one transaction of a replay at start */

/* The end of a process: how long an orderly stop may take before it is cut short (kvd
 * --stop-timeout). Writing out what is in flight takes a second or two; a supervisor waits ten
 * times that, as a rule, before it kills. */
#define LIMIT_STOP_MS_DEFAULT 10000
#define LIMIT_STOP_MS_MIN 100
#define LIMIT_STOP_MS_MAX 3600000

/* Threads that make no progress (base/watchdog.h). A step of the node thread takes far below a
 * millisecond, so that ten seconds of it are no slowness; an operator may say otherwise (kvd
 * --hang-timeout). */
#define LIMIT_HANG_MS_DEFAULT 10000
#define LIMIT_HANG_MS_MIN 2000
#define LIMIT_HANG_MS_MAX 3600000
#define LIMIT_WATCHDOG_WAKE_MS 500
/* A node has two; tests run several nodes in a process. Those beyond are not watched. */
#define LIMIT_WATCHED_THREADS 64
/* Threads whose stacks are logged; a node has some twenty. Those beyond are left out. */
#define LIMIT_STACKS 128

/* Threads that NNG starts, at most (net/start.c). */
#define LIMIT_LIBRARY_THREADS (16 + 256 + 7)

/* The log. */
#define LIMIT_LOG_LINE_BYTES 2048 /* with its end; longer ones are cut */
/* Lines that wait for the log's reader, some 2,000; beyond: dropped and counted. */
#define LIMIT_LOG_RING_BYTES (256u << 10)
/* How long a process that ends waits for the reader of its last lines. */
#define LIMIT_LOG_FLUSH_MS 1000
/* How long the line for stdout waits for its reader; beyond: lost, and the log says so. */
#define LIMIT_LOG_PRINT_MS 1000

/* The command line's own processes. */
/* bytes the fault proxy holds of one direction; beyond: it stops reading, as a full network does */
#define LIMIT_PROXY_HELD_BYTES (1u << 20)
#define LIMIT_PROXY_CONTROLS 16 /* control connections at once; beyond: the newest is closed */
/* a control request; over it: refused, and the connection is closed */
#define LIMIT_PROXY_LINE_BYTES 4096
#define LIMIT_PROXY_DELAY_MS 60000  /* longest delay the fault proxy takes */
#define LIMIT_DYNAMIC_DEPTH 64      /* nesting of messages in `kvctl rpc`; beyond: refused */
#define LIMIT_DYNAMIC_VALUES 250000 /* values one message may unfold to as JSON; beyond: refused */
#define LIMIT_DYNAMIC_SCHEMA_BYTES (4u << 20) /* descriptors a node may hand out; beyond: refused */
/* a line of a script for `kvctl shell`; over it: refused */
#define LIMIT_SHELL_LINE_BYTES (1u << 20)
/* the file that `kvctl up` leaves for `kvctl down`; over it: refused */
#define LIMIT_RUN_STATE_BYTES (1u << 20)

/* candor-feed. What it holds is one answer to a watch and the messages made of it. */
/* records of one answer; the next is asked for when the target has acknowledged them all */
#define LIMIT_FEED_RECORDS 1000
#define LIMIT_FEED_ACK_MS 10000 /* how long the target may take; beyond: it is dialled anew */
/* between two attempts, growing from the first to the second */
#define LIMIT_FEED_PAUSE_MS_MIN 100
#define LIMIT_FEED_PAUSE_MS_MAX 30000
/* Messages at the end of a stream that may have been deleted by hand; beyond: the cursor is lost */
#define LIMIT_FEED_LOOK_BACK 1000
#define LIMIT_FEED_SUBJECT_PREFIX_BYTES 256 /* with the terminator */
#define LIMIT_FEED_SERVERS 32               /* of --nats */
#define LIMIT_FEED_SETTINGS_BYTES (64u << 10)
/* How often the target is told how far all was seen, where nothing else tells it. */
#define LIMIT_FEED_PROGRESS_MS_DEFAULT 60000
#define LIMIT_FEED_PROGRESS_MS_MIN 100
#define LIMIT_FEED_PROGRESS_MS_MAX 3600000

#endif
