/* What stands at an ipc:// path may not be ours to remove. */
#include "net/listen.h"

#include <nng/nng.h>
#include <string.h>
#include <sys/stat.h>

enum candor_code listen_check(const char *address, struct candor_error *err)
{
    static const char scheme[] = "ipc://";
    struct stat st;
    if (strncmp(address, scheme, sizeof scheme - 1) != 0)
        return CANDOR_OK;
    if (lstat(address + sizeof scheme - 1, &st) != 0 || S_ISSOCK(st.st_mode))
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                            "cannot listen on %s: a file that is no socket stands there; remove "
                            "it, or name another path",
                            address);
}

enum candor_code listen_refused(const char *address, int nng_error, struct candor_error *err)
{
    bool shortage = nng_error == NNG_ENOMEM || nng_error == NNG_ENOFILES;
    return candor_error_set(err, shortage ? CANDOR_RESOURCE_EXHAUSTED : CANDOR_UNAVAILABLE,
                            CANDOR_REASON_NONE, "cannot listen on %s: %s", address,
                            nng_strerror(nng_error));
}
