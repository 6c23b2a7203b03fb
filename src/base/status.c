/* Errors filled in; names of codes and reasons. */
#include <stdarg.h>
#include <stdio.h>

#include <candor/status.h>

enum candor_code candor_error_set(struct candor_error *err, enum candor_code code,
                                  enum candor_reason reason, const char *format, ...)
{
    if (err == NULL)
        return code;
    err->code = code;
    err->reason = reason;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}

const char *candor_code_name(enum candor_code code)
{
    static const char *const names[] = {
        [CANDOR_OK] = "OK",
        [CANDOR_CANCELLED] = "CANCELLED",
        [CANDOR_UNKNOWN] = "UNKNOWN",
        [CANDOR_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [CANDOR_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [CANDOR_NOT_FOUND] = "NOT_FOUND",
        [CANDOR_ALREADY_EXISTS] = "ALREADY_EXISTS",
        [CANDOR_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [CANDOR_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [CANDOR_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [CANDOR_ABORTED] = "ABORTED",
        [CANDOR_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [CANDOR_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [CANDOR_INTERNAL] = "INTERNAL",
        [CANDOR_UNAVAILABLE] = "UNAVAILABLE",
        [CANDOR_DATA_LOSS] = "DATA_LOSS",
        [CANDOR_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };
    unsigned index = (unsigned)code;
    return index < sizeof names / sizeof names[0] ? names[index] : "UNKNOWN";
}

const char *candor_reason_name(enum candor_reason reason)
{
    static const char *const names[] = {
        [CANDOR_REASON_NONE] = "NONE",
        [CANDOR_REASON_NOT_PRIMARY] = "NOT_PRIMARY",
        [CANDOR_REASON_TOO_STALE] = "TOO_STALE",
        [CANDOR_REASON_SESSION_BEHIND] = "SESSION_BEHIND",
        [CANDOR_REASON_SESSION_LOST] = "SESSION_LOST",
        [CANDOR_REASON_SYNCING] = "SYNCING",
        [CANDOR_REASON_EXPIRED] = "EXPIRED",
        [CANDOR_REASON_FORKED] = "FORKED",
        [CANDOR_REASON_NO_PRIMARY] = "NO_PRIMARY",
        [CANDOR_REASON_MAX_HOPS] = "MAX_HOPS",
        [CANDOR_REASON_OVERLOADED] = "OVERLOADED",
        [CANDOR_REASON_DISK_FULL] = "DISK_FULL",
        [CANDOR_REASON_TOO_LARGE] = "TOO_LARGE",
        [CANDOR_REASON_MALFORMED] = "MALFORMED",
        [CANDOR_REASON_UNKNOWN_METHOD] = "UNKNOWN_METHOD",
        [CANDOR_REASON_OUTCOME_UNKNOWN] = "OUTCOME_UNKNOWN",
        [CANDOR_REASON_FOREIGN_CLUSTER] = "FOREIGN_CLUSTER",
        [CANDOR_REASON_SHUTTING_DOWN] = "SHUTTING_DOWN",
        [CANDOR_REASON_NO_MAJORITY] = "NO_MAJORITY",
        [CANDOR_REASON_LEVEL_UNAVAILABLE] = "LEVEL_UNAVAILABLE",
        [CANDOR_REASON_REQUEST_TOO_OLD] = "REQUEST_TOO_OLD",
        [CANDOR_REASON_REQUEST_ID_REUSED] = "REQUEST_ID_REUSED",
        [CANDOR_REASON_STATE_FULL] = "STATE_FULL",
        [CANDOR_REASON_STATE_DAMAGED] = "STATE_DAMAGED",
        [CANDOR_REASON_DOUBTFUL] = "DOUBTFUL",
        [CANDOR_REASON_OLDER_COPY] = "OLDER_COPY",
        [CANDOR_REASON_ANOTHER_PROCESS] = "ANOTHER_PROCESS",
        [CANDOR_REASON_BUNDLE_FULL] = "BUNDLE_FULL",
        [CANDOR_REASON_COMPACTED] = "COMPACTED",
        [CANDOR_REASON_ROLLED_BACK] = "ROLLED_BACK",
    };
    unsigned index = (unsigned)reason;
    bool known = index < sizeof names / sizeof names[0] && names[index] != NULL;
    return known ? names[index] : "UNKNOWN";
}
