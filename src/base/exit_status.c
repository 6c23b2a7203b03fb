/* From an error to the status that a supervisor sees. */
#include "base/exit_status.h"

int exit_status_of(const struct candor_error *err)
{
    /* A full disk that nothing could be made of any more is still no damage. */
    if (err->code == CANDOR_RESOURCE_EXHAUSTED || err->reason == CANDOR_REASON_DISK_FULL)
        return NODE_EXIT_SHORTAGE;
    switch (err->code) {
    case CANDOR_INVALID_ARGUMENT:
        return NODE_EXIT_USAGE;
    case CANDOR_DATA_LOSS:
        return NODE_EXIT_INTEGRITY;
    case CANDOR_FAILED_PRECONDITION:
    case CANDOR_UNAVAILABLE:
    case CANDOR_PERMISSION_DENIED:
        return NODE_EXIT_CANNOT_START;
    default:
        return NODE_EXIT_OTHER;
    }
}
