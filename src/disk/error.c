/* The meaning of an errno: what is a shortage, and what is doubt about the disk (R3). */
#include "disk/disk.h"

#include <errno.h>
#include <string.h>

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

enum candor_code disk_failed(struct candor_error *err, int error_number, const char *what,
                             const char *name)
{
    return candor_error_set(err, disk_error_code(error_number), disk_error_reason(error_number),
                            "cannot %s %s: %s", what, name, strerror(error_number));
}

enum candor_code disk_find_failed(struct candor_error *err, int error_number, const char *what,
                                  const char *name)
{
    enum candor_code code = disk_failed(err, error_number, what, name);
    if (error_number != ENOENT && error_number != ENOTDIR)
        return code;
    if (err != NULL)
        err->code = CANDOR_NOT_FOUND;
    return CANDOR_NOT_FOUND;
}

static _Atomic bool sync_failed;

bool disk_sync_has_failed(void)
{
    return sync_failed;
}

enum candor_code disk_sync_failed(struct candor_error *err, int error_number, const char *name)
{
    sync_failed = true;
    return candor_error_set(err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE,
                            "%s could not be made durable: %s. The disk may have lost what was "
                            "written; check it before this node is started again",
                            name, strerror(error_number));
}
