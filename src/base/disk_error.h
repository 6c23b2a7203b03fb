/* What an errno of the file system means for a node: the one table that log, state, archives and the start
 * share. Any thread. */
#ifndef BASE_DISK_ERROR_H
#define BASE_DISK_ERROR_H

#include <candor/status.h>

#include <stdbool.h>

/* The disk, a quota or a limit on file sizes is used up: nothing is wrong with what is already there. */
bool disk_error_is_full(int error_number);

/* A full disk, no descriptors, no memory, an interruption: it passes, or is mended by whoever gives more. It is
 * waited for and never called damage. */
bool disk_error_is_shortage(int error_number);

/* Shortage: RESOURCE_EXHAUSTED. No permission, a file system that is read-only: PERMISSION_DENIED. A wrong kind of
 * file, a missing one, what this file system cannot do: FAILED_PRECONDITION. All else: DATA_LOSS (R3). */
enum candor_code disk_error_code(int error_number);
/* DISK_FULL, or NONE. */
enum candor_reason disk_error_reason(int error_number);

#endif
