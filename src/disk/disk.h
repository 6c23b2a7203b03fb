/* Files and directories. Every operation is complete, or says why it is not: callers see no short
 * reads and writes, and EINTR from disk_wait_lock() alone. What an errno means for what is stored
 * is decided here (error.c).
 *
 * Functions that return int give 0 or an errno; the others fill `err`. `name` is a name in the
 * directory `dir_fd`, or a path beside AT_FDCWD. What is made durable is synced with the directory
 * that it stands in. Ownership: the caller closes every descriptor that it is given. Threads:
 * any. */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include <candor/status.h>

#include <stdbool.h>

#include "base/buffer.h"
#include "base/types.h"

/* ---- What an errno means (error.c) ----------------------------------------------------------- */

/* The disk, a quota or a limit on file sizes is used up: nothing is wrong with what is already
 * there. */
bool disk_error_is_full(int error_number);

/* A full disk, no descriptors, no memory, an interruption: it passes, or ends when somebody gives
 * more. It is waited for and never called damage. */
bool disk_error_is_shortage(int error_number);

/* Shortage: RESOURCE_EXHAUSTED. No permission, a file system that is read-only: PERMISSION_DENIED.
 * A wrong kind of file, a missing one, what this file system cannot do: FAILED_PRECONDITION. All
 * else: DATA_LOSS (R3). */
enum candor_code disk_error_code(int error_number);
/* DISK_FULL, or NONE. */
enum candor_reason disk_error_reason(int error_number);

/* "cannot <what> <name>: <why>", with disk_error_code(). */
enum candor_code disk_failed(struct candor_error *err, int error_number, const char *what,
                             const char *name);
/* Likewise, but what is missing is NOT_FOUND: for what may or may not be there. */
enum candor_code disk_find_failed(struct candor_error *err, int error_number, const char *what,
                                  const char *name);
/* After a failed sync nobody knows what is on the disk (R3): always DATA_LOSS. */
enum candor_code disk_sync_failed(struct candor_error *err, int error_number, const char *name);
/* In this process: nothing is made good again then, it ends. Any thread. */
bool disk_sync_has_failed(void);

/* ---- The bytes of an open file (file.c) ------------------------------------------------------ */

/* The mode of new files: for the node's user, and for its group to read. LMDB chooses that of
 * checkpoints itself; they stand in the data directory, which is for the node's user alone. */
#define DISK_FILE_MODE 0640

/* open(2) with O_CLOEXEC. What is missing is NOT_FOUND. */
enum candor_code disk_open(const char *path, int flags, int *out_fd, struct candor_error *err);
/* Likewise by openat(2), and with the bare errno. */
int disk_open_at(int dir_fd, const char *name, int flags, int *out_fd);

int disk_write_all(int fd, struct slice bytes, uint64_t at);
/* Both parts, one behind the other, with one system call in the usual case. */
int disk_write_two(int fd, const struct slice parts[2], uint64_t at);
/* Where the descriptor stands. */
int disk_append(int fd, struct slice bytes);
/* Reads up to `length` bytes; `*got` is less only at the end of the file. */
int disk_read(int fd, void *out, size_t length, uint64_t at, size_t *got);
/* Where the descriptor stands. */
int disk_read_next(int fd, void *out, size_t length, size_t *got);
/* fdatasync; `name` is for the error. */
enum candor_code disk_sync_file(int fd, const char *name, struct candor_error *err);
/* Makes the file `bytes` long with room for all of it where the file system can; new bytes are
 * zero. */
int disk_preallocate(int fd, uint64_t from, uint64_t bytes);
int disk_size(int fd, uint64_t *out);

/* ---- Directories and locks (directory.c) ----------------------------------------------------- */

/* "<dir>/<name>"; INVALID_ARGUMENT when that is too long. */
enum candor_code disk_path(char out[LIMIT_PATH_BYTES], const char *dir, const char *name,
                           struct candor_error *err);

/* For the node's user and group. */
#define DISK_DIR_MODE 0750

/* Makes `path`, durably. One that is there already is well, whatever its mode; what is no directory
 * is FAILED_PRECONDITION. */
enum candor_code disk_make_dir(const char *path, unsigned mode, struct candor_error *err);
/* Likewise, with what is missing above it. */
enum candor_code disk_make_dirs(const char *path, unsigned mode, struct candor_error *err);
/* Opens `path`, made with all above it where it is missing. */
enum candor_code disk_open_dir(const char *path, int *out_fd, struct candor_error *err);
/* The directory that `path` stands in. */
enum candor_code disk_open_parent(const char *path, int *out_fd, struct candor_error *err);
int disk_sync_dir(int dir_fd);

/* Takes `lock` in the directory and leaves this process's id in it. Closing `*out_fd` gives it
 * back. FAILED_PRECONDITION, naming the holder, when another process has it. */
enum candor_code disk_lock(int dir_fd, const char *path, int *out_fd, struct candor_error *err);
/* The lock of an open file. EWOULDBLOCK: somebody has it. */
int disk_try_lock(int fd);
/* Waits for it. EINTR: a signal came, and `give_up` (NULL: never) said true. */
int disk_wait_lock(int fd, bool (*give_up)(void));

/* ---- Whole files (whole.c) ------------------------------------------------------------------- */

/* fsync of a file or a directory. What is missing is NOT_FOUND. */
enum candor_code disk_sync(const char *path, struct candor_error *err);

/* Appends the whole of `name` to `out`. NOT_FOUND when there is none; DATA_LOSS when it is over
 * `most_bytes`. */
enum candor_code disk_load(int dir_fd, const char *name, size_t most_bytes, struct buffer *out,
                           struct candor_error *err);

/* Makes `name`, or empties it, and writes `bytes`: synced, not so the directory. After a failure it
 * is gone. */
enum candor_code disk_write(int dir_fd, const char *name, struct slice bytes,
                            struct candor_error *err);
/* Renames durably: `from` is synced already. */
enum candor_code disk_rename(int dir_fd, const char *from, const char *to,
                             struct candor_error *err);
/* Replaces `name` by `bytes`: temporary file, fdatasync, rename, fsync of the directory. A crash
 * leaves the old or the new; so does an error other than DATA_LOSS: the old. One writer at a
 * time. */
enum candor_code disk_replace(int dir_fd, const char *name, struct slice bytes,
                              struct candor_error *err);
/* Likewise, for a file that several processes may replace at once: one of theirs is there
 * afterwards. */
enum candor_code disk_replace_shared(const char *path, struct slice bytes,
                                     struct candor_error *err);
/* Likewise for a small file of a fixed size that must be replaced even when the disk is full: two
 * files of that size take turns, `name` and `name.spare`. The new bytes are written over the spare
 * one's, which needs no room where a file system does not copy on write, and then the two exchange
 * their names. */
enum candor_code disk_take_turns(int dir_fd, const char *name, struct slice bytes,
                                 struct candor_error *err);

/* Copies the bytes of `from` into a new file `to`, synced (not so the directory). NOT_FOUND: `from`
 * is missing. After a failure `to` may be there in part. */
enum candor_code disk_copy(const char *from, const char *to, struct candor_error *err);

/* Makes what stands at `from` (a file or a directory) stand at `to` by one rename, durably; what
 * stood at `to` stands at `from` then. `parent_fd` is the directory of both, open already: once the
 * names are exchanged nothing may fail for want of a descriptor. */
enum candor_code disk_swap(int parent_fd, const char *from, const char *to,
                           struct candor_error *err);

#endif
