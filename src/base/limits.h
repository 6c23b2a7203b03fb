/* Every limit of the project, in one place: what it bounds, why, and what happens at it.
 * Those an operator may change are defaults here and keys of the topology file's `limits`. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* Names and topology. Over it: the topology is refused with file:line:column. */
#define LIMIT_NODE_ID_BYTES 32      /* with the terminator; ids stand in every epoch and record batch */
#define LIMIT_NODES 32              /* nodes of a cluster; core tables are fixed arrays of this size */
#define LIMIT_ADDRESS_BYTES 128     /* an NNG address, with the terminator */
#define LIMIT_PATH_BYTES 1024       /* a data directory's path, with the terminator */
#define LIMIT_TOPOLOGY_FILE_BYTES (1u << 20)

/* Client operations. Over it: RESOURCE_EXHAUSTED / TOO_LARGE naming the field. */
#define LIMIT_KEY_BYTES 511                      /* LMDB's MDB_MAXKEYSIZE */
#define LIMIT_VALUE_BYTES_DEFAULT (1u << 20)     /* topology: limits.value */
#define LIMIT_VALUE_BYTES_MAX (16u << 20)        /* what limits.value may be raised to */
#define LIMIT_MESSAGE_BYTES_DEFAULT (4u << 20)   /* topology: limits.message; one RPC message */
#define LIMIT_MESSAGE_BYTES_MAX (64u << 20)
#define LIMIT_BATCH_OPS 4096                     /* operations of a Batch, keys of a MultiGet */
#define LIMIT_SCAN_ITEMS 10000                   /* items of one Scan reply; more = true beyond */
#define LIMIT_SCAN_BYTES (1u << 20)              /* bytes of one Scan reply; more = true beyond */
#define LIMIT_HOPS 8                             /* redirects a call may follow (R45) */

/* RPC. */
#define LIMIT_RPC_CONTEXTS 256                   /* requests in flight on one REP socket; more wait in NNG */
#define LIMIT_RPC_DEADLINE_MS_DEFAULT 5000       /* when the caller names none */
#define LIMIT_RPC_DEADLINE_MS_MAX 600000         /* longer ones are cut to it */

/* Replication. */
#define LIMIT_RECORD_BATCH_BYTES (LIMIT_VALUE_BYTES_MAX + (1u << 20)) /* a batch on disk or stream; over it: malformed */
#define LIMIT_GROUP_COMMIT_BYTES (1u << 20)      /* a group commit stops growing here; one larger record still fits alone */
#define LIMIT_FETCH_BYTES (1u << 20)             /* a Fetch reply stops growing here */
#define LIMIT_WRITER_BACKLOG_BYTES (32u << 20)   /* accepted by the core, not yet on disk; beyond: dropped, fetched later */
#define LIMIT_EPOCH_HISTORY 1024                 /* epochs remembered; the oldest go first */
#define LIMIT_UNCOMMITTED_RECORDS_DEFAULT 1000000 /* topology: limits.max_uncommitted; beyond: OVERLOADED (R20) */
#define LIMIT_PENDING_WRITES 65536               /* client writes waiting for their ack; beyond: OVERLOADED */
#define LIMIT_PENDING_READS 16384                /* reads waiting for a position; beyond: OVERLOADED */
#define LIMIT_HEARTBEATS_IN_FLIGHT 256           /* sent heartbeats remembered for s_conf (R31) */
#define LIMIT_EVIDENCE 64                        /* heartbeats waiting for applied to reach them (R36); the oldest stays */
#define LIMIT_STREAM_BUFFER_MESSAGES 8192        /* PUB queue per subscriber; beyond, NNG drops the oldest */
#define LIMIT_SNAPSHOT_CHUNK_BYTES (1u << 20)    /* one Snapshot reply */

/* Storage. */
#define LIMIT_SEGMENT_BYTES (64u << 20)          /* a log segment's preallocated size */
#define LIMIT_STATE_BYTES_DEFAULT (16ull << 30)  /* LMDB map: address space, not disk; topology: limits.state */
#define LIMIT_UNDO_RECORDS_PER_TXN 10000         /* a rollback's transaction (R12) */
#define LIMIT_STATE_READERS 1024                 /* LMDB reader slots */
#define LIMIT_ARCHIVES 1024                      /* rollback archives kept; at it the node warns and still writes */

#endif
