/* ^C and SIGTERM as a flag, for commands that go on until told to stop. */
#include "cli/frame/command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/types.h"

enum { LONGEST_WAIT_MS = 60000 }; /* at a time */

static volatile sig_atomic_t seen;
/* Readable once it is seen: a signal that comes just before a wait begins ends it, too. */
static int seen_fd = -1;
static struct sigaction former_int;
static struct sigaction former_term;

static void on_signal(int number)
{
    (void)number;
    int before = errno;
    seen = 1;
    eventfd_write(seen_fd, 1); /* -1: there was no descriptor left */
    errno = before;
}

void interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a sleep ends */
    sigemptyset(&action.sa_mask);
    seen = 0;
    seen_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigaction(SIGINT, &action, &former_int);
    sigaction(SIGTERM, &action, &former_term);
}

void interrupt_end(void)
{
    sigaction(SIGINT, &former_int, NULL);
    sigaction(SIGTERM, &former_term, NULL);
    if (seen_fd >= 0)
        close(seen_fd);
    seen_fd = -1;
    seen = 0;
}

bool interrupt_seen(void)
{
    return seen != 0;
}

bool interrupt_wait(int fd, uint64_t until_ns)
{
    struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = seen_fd, .events = POLLIN}};
    uint64_t now;
    while (!seen && wait[0].revents == 0 && (now = clock_boot_ns()) < until_ns)
        poll(wait, 2, (int)min_u64(ns_to_ms_up(until_ns - now), LONGEST_WAIT_MS));
    return !seen && wait[0].revents != 0;
}
