/* File and directory operations of this folder: complete or failed, with an errno told as a candor_error.
 * Functions that return int give 0 or an errno. Any thread. */
#ifndef LOG_FILE_H
#define LOG_FILE_H

#include <candor/status.h>

#include "base/buffer.h"
#include "base/types.h"

/* Names what failed; the code is disk_error_code()'s. */
enum candor_code file_error(struct candor_error *err, int error_number, const char *what,
                            const char *name);
/* After a failed sync nobody knows what is on the disk (R3): always DATA_LOSS. */
enum candor_code file_sync_error(struct candor_error *err, int error_number, const char *name);

int file_write_all(int fd, struct slice bytes, uint64_t at);
/* Both parts, one behind the other, with one system call in the usual case. */
int file_write_two(int fd, const struct slice parts[2], uint64_t at);
/* Reads up to `length` bytes; `*got` is less only at the end of the file. */
int file_read(int fd, void *out, size_t length, uint64_t at, size_t *got);
/* Makes the file `bytes` long with room for all of it where the file system can; new bytes are zero. */
int file_preallocate(int fd, uint64_t from, uint64_t bytes);
int file_size(int fd, uint64_t *out);

/* Makes `path` and what is missing above it, durably, and opens it. The caller closes `*out_fd`. */
enum candor_code dir_open(const char *path, int *out_fd, struct candor_error *err);
int dir_sync(int dir_fd);
/* Takes `lock` in the directory and leaves this process's id in it. The caller closes `*out_fd`.
 * FAILED_PRECONDITION, naming the holder, when somebody has it. */
enum candor_code dir_lock(int dir_fd, const char *path, int *out_fd, struct candor_error *err);

/* Replaces `name` by `bytes`: temporary file, fdatasync, rename, fsync of the directory. A crash leaves the old
 * or the new; so does an error other than DATA_LOSS: the old. */
enum candor_code file_replace(int dir_fd, const char *name, struct slice bytes,
                              struct candor_error *err);
/* Likewise for a small file of a fixed size that must be replaced even when the disk is full: two files of that size take
 * turns, `name` and `name.spare`. The new bytes are written over the spare one's, which needs no room where a file
 * system does not copy on write, and then the two exchange their names. */
enum candor_code file_take_turns(int dir_fd, const char *name, struct slice bytes,
                                 struct candor_error *err);
/* Appends the whole of `name` to `out`. NOT_FOUND when there is none; DATA_LOSS when it is over `most_bytes`. */
enum candor_code file_load(int dir_fd, const char *name, size_t most_bytes, struct buffer *out,
                           struct candor_error *err);

#endif
