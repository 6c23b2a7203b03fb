/* Descriptors 0 to 2 that were closed, opened onto nothing. */
#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

void standard_streams_open(void)
{
    /* In this order: open() gives the lowest free number, which is the closed one. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR);
}
