/* What the files of the log share.
 *
 * Locks, in this order: `files`, then `index`.
 *   files  read: held by readers for as long as they use segments and their bytes; write: to cut,
 *   trim, or close
 *          a file. The writer thread appends without it: what it writes is behind every tail that
 *          readers know.
 *   index  short: the segment table, and each segment's tail, last_seq and index.
 * Only the writer thread changes any of these, except that readers add index entries of older
 * segments; so the writer thread reads them without a lock. */
#ifndef LOG_LOG_INTERNAL_H
#define LOG_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/log.h"
#include "log/segment.h"

/* index entries of one append; beyond them reads there scan a little more */
#define LOG_STAGED_ENTRIES 256

struct log {
    int dir_fd;
    int lock_fd;
    uint64_t segment_bytes;
    enum log_durability durability;

    pthread_rwlock_t files;
    pthread_mutex_t index;
    struct segment **segments; /* oldest first; never empty */
    uint32_t segment_count;
    uint32_t segment_capacity;

    _Atomic uint64_t first;
    _Atomic uint64_t last;
    _Atomic uint64_t bytes;
    _Atomic uint64_t cuts; /* counts truncations, resets and trims */
    _Atomic int broken;    /* enum candor_code; not OK: nothing works any more (R3) */

    /* Writer thread only. */
    struct candor_epoch epoch; /* of the last record; none when not known */
    struct chain chain;        /* at the last record; under `index`, for others read it */
    uint64_t synced_seq;       /* known durable */
    uint64_t known_durable;    /* before the log was opened (R65) */
    /* first of the newest append; 0: not known, it was cut or is of a former life */
    uint64_t newest_append_seq;
    /* of the append at hand, relative to its batches */
    struct index_entry staged[LOG_STAGED_ENTRIES];
    uint32_t staged_count;
};

static inline struct segment *log_newest(const struct log *log)
{
    return log->segments[log->segment_count - 1];
}

/* Refuses when the log is broken. */
enum candor_code log_check(const struct log *log, struct candor_error *err);
/* Marks it broken when `code` is DATA_LOSS; returns `code`. */
enum candor_code log_judge(struct log *log, enum candor_code code);
/* DATA_LOSS that names the place. `proof`: why it cannot be a torn tail; "" where none is thought
 * of. */
enum candor_code log_damaged(const char *segment, uint64_t at, const char *why, const char *proof,
                             struct candor_error *err);

/* Mark and batches, behind the newest segment's tail; an errno. */
int log_write_append(const struct log *log, const uint8_t *mark, struct slice batches);
/* Room in the newest segment's file, up to so many bytes; an errno. */
int log_write_room(const struct log *log, uint64_t file_bytes);
/* fdatasync of the newest segment. */
enum candor_code log_sync_newest(const struct log *log, struct candor_error *err);
/* Table of segments. Adding takes ownership. The caller holds the locks that its use needs. */
void log_add_segment(struct log *log, struct segment *segment);
void log_drop_segments(struct log *log, uint32_t from, uint32_t to); /* [from, to) */
/* Index in the table of the segment that holds `seq`, or that would. */
uint32_t log_find_segment(const struct log *log, uint64_t seq);
/* Makes first, last and bytes known to other threads. */
void log_publish(struct log *log);

/* Finishes a truncation or reset that a crash interrupted. Before segments are opened. */
enum candor_code log_redo_cut(int dir_fd, uint64_t segment_bytes, struct candor_error *err);
/* The first_seq of every segment file in the directory, ascending, malloc'd. */
enum candor_code log_list(int dir_fd, uint64_t **out, uint32_t *count, struct candor_error *err);

#endif
