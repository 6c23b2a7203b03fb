/* links: state */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A data file of LMDB as a hostile peer may send it. A state's own file makes a good first
 * input. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[64];
    struct candor_error err;
    int fd = memfd_create("pages", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, bytes, length) == (ssize_t)length)
        (void)pages_check(path, UINT64_C(64) << 20, PAGES_ALL, &err);
    close(fd);
    return 0;
}
