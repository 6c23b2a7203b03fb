/* How every Candor function reports failure.
 *
 * A fallible function returns `enum candor_code` and fills a caller-owned `struct candor_error`
 * with the detail. The numbers are those of google.rpc.Code and of proto/candor/v1/rpc.proto.
 * Threads: no shared state; an error belongs to the thread that owns the struct. */
#ifndef CANDOR_STATUS_H
#define CANDOR_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum candor_code {
    CANDOR_OK = 0,
    CANDOR_CANCELLED = 1,
    CANDOR_UNKNOWN = 2,
    CANDOR_INVALID_ARGUMENT = 3,
    CANDOR_DEADLINE_EXCEEDED = 4, /* a write's outcome is not known */
    CANDOR_NOT_FOUND = 5,
    CANDOR_ALREADY_EXISTS = 6,
    CANDOR_PERMISSION_DENIED = 7,
    CANDOR_RESOURCE_EXHAUSTED = 8,  /* over a limit of size (final) or of load (retry later) */
    CANDOR_FAILED_PRECONDITION = 9, /* this node may not answer; with a retry hint: a redirect */
    CANDOR_ABORTED = 10,
    CANDOR_OUT_OF_RANGE = 11,
    CANDOR_UNIMPLEMENTED = 12,
    CANDOR_INTERNAL = 13,
    CANDOR_UNAVAILABLE = 14,
    CANDOR_DATA_LOSS = 15, /* integrity in doubt: the process must stop (R3) */
    CANDOR_UNAUTHENTICATED = 16,
};

/* Why, where the code alone is too coarse to act on. Numbers as in rpc.proto's Reason. */
enum candor_reason {
    CANDOR_REASON_NONE = 0,
    CANDOR_REASON_NOT_PRIMARY = 1,
    CANDOR_REASON_TOO_STALE = 2,
    CANDOR_REASON_SESSION_BEHIND = 3,
    CANDOR_REASON_SESSION_LOST = 4,
    CANDOR_REASON_SYNCING = 5,
    CANDOR_REASON_EXPIRED = 6,
    CANDOR_REASON_FORKED = 7,
    CANDOR_REASON_NO_PRIMARY = 8,
    CANDOR_REASON_MAX_HOPS = 9,
    CANDOR_REASON_OVERLOADED = 10,
    CANDOR_REASON_DISK_FULL = 11,
    CANDOR_REASON_TOO_LARGE = 12,
    CANDOR_REASON_MALFORMED = 13,
    CANDOR_REASON_UNKNOWN_METHOD = 14,
    CANDOR_REASON_OUTCOME_UNKNOWN = 15,
    CANDOR_REASON_FOREIGN_CLUSTER = 16,
    CANDOR_REASON_SHUTTING_DOWN = 17,
    CANDOR_REASON_NO_MAJORITY = 18,
    CANDOR_REASON_LEVEL_UNAVAILABLE = 19,
    CANDOR_REASON_REQUEST_TOO_OLD = 20,
    CANDOR_REASON_REQUEST_ID_REUSED = 21,
    CANDOR_REASON_STATE_FULL = 22,
    CANDOR_REASON_STATE_DAMAGED = 23,
    CANDOR_REASON_DOUBTFUL = 26,
    CANDOR_REASON_OLDER_COPY = 28,
    CANDOR_REASON_ANOTHER_PROCESS = 29,
    CANDOR_REASON_BUNDLE_FULL = 30,
    CANDOR_REASON_COMPACTED = 31,
    CANDOR_REASON_ROLLED_BACK = 32,
};

enum { CANDOR_ERROR_MESSAGE_BYTES = 512 };

struct candor_error {
    enum candor_code code;
    enum candor_reason reason;
    char message[CANDOR_ERROR_MESSAGE_BYTES]; /* for people; always terminated */
};

/* Fills `err` (which may be NULL) and returns `code`, so that a caller can `return` it.
 * A message that does not fit is cut. */
__attribute__((format(printf, 4, 5))) enum candor_code candor_error_set(struct candor_error *err,
                                                                        enum candor_code code,
                                                                        enum candor_reason reason,
                                                                        const char *format, ...);

/* "INVALID_ARGUMENT", "TOO_STALE" ...; "CODE_n"/"REASON_n" never: unknown numbers give "UNKNOWN".
 * Static strings. */
const char *candor_code_name(enum candor_code code);
const char *candor_reason_name(enum candor_reason reason);

#ifdef __cplusplus
}
#endif
#endif
