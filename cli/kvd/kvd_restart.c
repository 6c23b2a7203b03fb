/* A new start after damage to the state. */
#include "cli/kvd/kvd_restart.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"

/* In the environment of a process that was started so. */
#define AGAIN "CANDOR_STARTED_AGAIN"

static char **arguments;
static uint64_t started_ns;

void kvd_restart_prepare(char **argv)
{
    arguments = argv;
    started_ns = clock_boot_ns();
}

void kvd_restart(void)
{
    (void)logging_flush(LIMIT_LOG_FLUSH_MS);
    if (setenv(AGAIN, "1", 1) == 0)
        execv("/proc/self/exe", arguments);
    log_error("cannot_start", "what=\"%s\"", strerror(errno));
}

void kvd_restart_on_damage(void *closure, const struct candor_error *err)
{
    (void)closure;
    bool damaged = err->code == CANDOR_DATA_LOSS && err->reason == CANDOR_REASON_STATE_DAMAGED;
    if (!damaged && err->reason != CANDOR_REASON_OLDER_COPY)
        return;
    /* Damage again and again is a matter for a person: memory or a disk that gives back what nobody
     * wrote. */
    bool again = getenv(AGAIN) != NULL;
    if (again && clock_boot_ns() - started_ns < LIMIT_RESTART_AFTER_MS * NS_PER_MS)
        return;
    log_error(damaged ? "state_damaged" : "older_copy", "what=\"%s\" way_out=\"this process %s\"",
              err->message,
              damaged ? "starts again, and makes the state anew from its checkpoint and log"
                      : "starts again, and rejoins");
    kvd_restart();
}
