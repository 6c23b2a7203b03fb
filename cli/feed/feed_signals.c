/* The signals that ask for the end. */
#include "cli/feed/feed_signals.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

static volatile sig_atomic_t ended;

/* The second one finds the default: the process is gone. */
static void end(int number)
{
    ended = 1;
    signal(number, SIG_DFL);
}

void feed_signals_start(void)
{
    struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool feed_signals_ended(void)
{
    return ended != 0;
}

/* In slices: the signal may come just before the sleep, and be taken by a library's thread. */
void feed_signals_pause(uint64_t ms)
{
    const struct timespec slice = {.tv_nsec = 20 * (long)NS_PER_MS};
    uint64_t until_ns = clock_boot_ns() + ms * NS_PER_MS;
    while (ended == 0 && clock_boot_ns() < until_ns)
        nanosleep(&slice, NULL);
}
