/* Replication log: append-only segments of record batches on one disk. The log is the truth
 * (docs/architecture.md).
 *
 * Files in `dir`: `<first_seq, 20 digits>.log`, preallocated to LIMIT_SEGMENT_BYTES, zeros behind
 * the tail; a segment begins with a 4 KiB header, and each append in it with a mark of 32 bytes
 * (log/segment.h).
 *
 * Threads: the writer thread appends, truncates, resets, trims and closes; any thread may
 * log_read() and ask for first/last/bytes at the same time. Ownership: log_open() gives a log that
 * the caller must log_close(). Errors: CANDOR_DATA_LOSS: a checksum failed before the tail, a
 * failed fsync, or a gap; the message names segment, offset and the way out; the process must stop
 * with exit status 3 (R3). RESOURCE_EXHAUSTED/DISK_FULL: no room; nothing was appended and the log
 * is as before. */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <candor/status.h>

#include "base/types.h"
#include "record/batch.h"

struct log;

enum log_durability {
    LOG_DURABLE_ALWAYS, /* one fdatasync a log_append() */
    /* log_append() does not sync; the writer calls log_sync() every so often */
    LOG_DURABLE_INTERVAL,
    LOG_DURABLE_OS, /* the kernel decides; survives a killed process, not a lost machine */
};

struct log_options {
    const char *dir;        /* made if missing */
    uint64_t segment_bytes; /* 0: LIMIT_SEGMENT_BYTES; tests use small ones */
    enum log_durability durability;
    /* Records up to here are known to have been in the log for good (R65): what is missing or
     * damaged there is damage, never a torn tail. 0: nothing is known. */
    uint64_t durable_seq;
};

/* What log_open() found and fixed. */
struct log_recovery {
    uint64_t torn_bytes;   /* cut from the tail; 0: a clean tail */
    char torn_segment[64]; /* name of the segment that was cut */
    uint64_t torn_offset;
};

/* Opens or creates. Scans the last segment (and checks every earlier one's header chain); cuts a
 * torn tail: an incomplete or checksum-failing batch is a torn tail only when neither a later
 * append nor `durable_seq` says that it had been durable; otherwise CANDOR_DATA_LOSS, and nothing
 * is changed. (A later batch alone is no such proof: the disk may have kept the end of one unsynced
 * write and lost its beginning.) What is found is synced before log_open returns. A second open of
 * the same dir (any process) fails with FAILED_PRECONDITION (flock on `dir/lock`). */
enum candor_code log_open(const struct log_options *options, struct log **out,
                          struct log_recovery *recovery, struct candor_error *err);
void log_close(struct log *log);

/* Appends encoded batches (one or more, back to back, contiguous from log_last() + 1, epochs not
 * going back, each following the records before it by its chain (R55); INVALID_ARGUMENT otherwise,
 * and nothing is appended) with one write and, under LOG_DURABLE_ALWAYS, one fdatasync; returns
 * once they are as durable as the mode says. */
enum candor_code log_append(struct log *log, struct slice batches, struct candor_error *err);
/* As log_append(), without the fdatasync: what was written can be read, and is not durable before
 * log_sync(). */
enum candor_code log_write(struct log *log, struct slice batches, struct candor_error *err);
/* fdatasync of what was appended so far. */
enum candor_code log_sync(struct log *log, struct candor_error *err);

/* seq of the oldest record held; log_last() + 1 when empty */
uint64_t log_first(const struct log *log);
uint64_t log_last(const struct log *log);  /* seq of the newest; 0 for a log that never held one */
uint64_t log_bytes(const struct log *log); /* of batches held, with their marks */
/* The chain at log_last(), which the next batch must name. Writer thread. */
struct chain log_chain(const struct log *log);
/* The chain at the record `seq`, log_first() - 1 to log_last(); OUT_OF_RANGE otherwise. Reads a
 * stride of the log, and nothing where a segment ends. Any thread. */
enum candor_code log_chain_at(struct log *log, uint64_t seq, struct chain *out,
                              struct candor_error *err);

/* The last record of the segment that holds `seq`, or that would. Damage that a read of `seq` met
 * may reach so far. Any thread. */
uint64_t log_segment_end(struct log *log, uint64_t seq);

/* Appends to `out` whole batches, cut to begin exactly at `from_seq`, up to `most_bytes` (but at
 * least one batch), and none beyond `upto_seq` (the last one is cut there). OUT_OF_RANGE when
 * from_seq is below log_first() (trimmed) or above log_last() + 1; an empty `out` when from_seq is
 * log_last() + 1. Any thread. */
enum candor_code log_read(struct log *log, uint64_t from_seq, uint64_t upto_seq, size_t most_bytes,
                          struct buffer *out, struct candor_error *err);

/* Reads everything that is held and checks every checksum, the seqs, that epochs do not go back,
 * and the chain. CANDOR_DATA_LOSS as above. Any thread; a truncation meanwhile is no damage. */
enum candor_code log_verify(struct log *log, struct candor_error *err);
/* The same, with a call of `between` after each segment, which may pause; false ends it
 * (CANCELLED). */
enum candor_code log_scrub(struct log *log, bool (*between)(void *closure), void *closure,
                           struct candor_error *err);

/* Discards everything above `to_seq`, durably. Safe against a crash at any point: afterwards the
 * log ends at `to_seq` or where it did before. RESOURCE_EXHAUSTED/DISK_FULL: nothing has changed;
 * the newest append alone is taken back on a full disk, too. */
enum candor_code log_truncate(struct log *log, uint64_t to_seq, struct candor_error *err);
/* Discards everything; the next append must begin at `next_seq` and follow `before`, the chain of
 * the record before it (after a snapshot). Durable. RESOURCE_EXHAUSTED/DISK_FULL: nothing has
 * changed. */
enum candor_code log_reset(struct log *log, uint64_t next_seq, struct chain before,
                           struct candor_error *err);
/* Gives back whole segments whose records are all at or below `upto_seq`. Keeps the newest
 * segment. */
enum candor_code log_trim(struct log *log, uint64_t upto_seq, struct candor_error *err);

#endif
