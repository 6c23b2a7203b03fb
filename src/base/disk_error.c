/* The meaning of an errno. */
#include "base/disk_error.h"

#include <errno.h>

bool disk_error_is_full(int error_number)
{
    return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

bool disk_error_is_shortage(int error_number)
{
    switch (error_number) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
    case EINTR:
    case EBUSY:
    case ENOLCK:
        return true;
    default:
        return disk_error_is_full(error_number);
    }
}

enum candor_code disk_error_code(int error_number)
{
    if (disk_error_is_shortage(error_number))
        return CANDOR_RESOURCE_EXHAUSTED;
    switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return CANDOR_PERMISSION_DENIED;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV:
    case EINVAL: /* a flag that this file system does not know */
    case ENOSYS:
    case EOPNOTSUPP:
        return CANDOR_FAILED_PRECONDITION;
    default:
        return CANDOR_DATA_LOSS;
    }
}

enum candor_reason disk_error_reason(int error_number)
{
    return disk_error_is_full(error_number) ? CANDOR_REASON_DISK_FULL : CANDOR_REASON_NONE;
}
