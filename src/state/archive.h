/* Rollback archives (R40): what a rollback discards, saved durably before the log is cut.
 *
 * One file an archive, `dir/<id>.archive`; id = "<first seq>-<last seq>-<8 hex digits over all its
 * batches>", so that a rollback repeated after a crash writes the same archive again, and no other
 * one. Written to a temporary file, fsynced, renamed: a listed archive is whole. Contents: a
 * header, the discarded batches as they stood in the log, and the pre-image of every op (what the
 * key held before it).
 *
 * Threads: the writer thread writes; any thread lists, reads, drops.
 * Errors: DATA_LOSS on a failed fsync (stop, R3); NOT_FOUND; RESOURCE_EXHAUSTED when the disk is
 * full; INTERNAL / MALFORMED, naming the file, for an archive that is damaged
 * (archive_is_damaged()): it is of the past, so the node goes on. INVALID_ARGUMENT for an id that
 * archive_finish cannot have made: ids come from the network. */
#ifndef STATE_ARCHIVE_H
#define STATE_ARCHIVE_H

#include <candor/status.h>

#include "base/types.h"
#include "record/batch.h"
#include "state/state.h"

#define ARCHIVE_ID_BYTES 64

struct archive_summary {
    char id[ARCHIVE_ID_BYTES];
    bool damaged; /* its header cannot be read: nothing below is known but `bytes` */
    uint64_t wall_ms;
    struct candor_pos from;
    struct candor_pos to;
    uint64_t records;
    uint64_t writes; /* of the records: those of clients */
    uint64_t local;  /* of the writes: those that a LOCAL acknowledgement was given to */
    uint64_t bytes;
    struct candor_epoch superseded_by;
};

/* (writer) Saves `batches` (back to back), which are about to be undone. `state` still has them
 * applied, so the pre-images come from its undo table (old value absent: the key did not exist;
 * unknown when the undo is gone). */
struct archive_writer;
enum candor_code archive_begin(const char *dir, struct candor_epoch superseded_by,
                               struct archive_writer **out, struct candor_error *err);
/* May be called many times, in order of seq, so that memory stays bounded. */
enum candor_code archive_add(struct archive_writer *writer, struct state *state,
                             struct slice batches, struct candor_error *err);
/* Durable when it returns OK. Consumes the writer, also on error. `out` may be NULL. */
enum candor_code archive_finish(struct archive_writer *writer, struct archive_summary *out,
                                struct candor_error *err);
void archive_abort(struct archive_writer *writer);

/* Oldest first; those whose header is damaged come before all others. `*out` is malloc'd; the
 * caller frees it. */
enum candor_code archive_list(const char *dir, struct archive_summary **out, size_t *count,
                              struct candor_error *err);

enum archive_old { ARCHIVE_OLD_VALUE, ARCHIVE_OLD_ABSENT, ARCHIVE_OLD_UNKNOWN };
struct archive_op {
    struct record_op op;
    enum archive_old old;
    struct slice old_value; /* for ARCHIVE_OLD_VALUE */
};

/* Calls `each` for every op of every WRITE record from `from_seq` on (0: all), in order, until it
 * returns false. Slices are valid during the call. A damaged archive may be noticed only after some
 * calls. */
enum candor_code archive_read(const char *dir, const char *id, uint64_t from_seq,
                              struct archive_summary *summary,
                              bool (*each)(const struct record *record, uint32_t op_index,
                                           const struct archive_op *op, void *closure),
                              void *closure, struct candor_error *err);
/* Of an error of archive_read(). */
bool archive_is_damaged(const struct candor_error *err);
enum candor_code archive_drop(const char *dir, const char *id, struct candor_error *err);

#endif
