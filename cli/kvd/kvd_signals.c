/* kvd's signals, taken by a thread of their own. */
#include "cli/kvd/kvd_signals.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_status.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/stacks.h"

/* A stop's time is counted in these, each as one: a process that is paused for an hour has spent
 * one of them. */
#define SLICE_MS 100

static struct {
    uint64_t stop_timeout_ms;
    sigset_t taken;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool serves;
    bool stops;
} signals = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const char *name_of(int number)
{
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}

/* ---- The thread ---- */

/* Decided under the lock: a start that is over is not cut short. */
static void end(int number)
{
    pthread_mutex_lock(&signals.lock);
    bool again = signals.stops;
    log_info(again ? "stops_already" : "stopping", "signal=%s during=%s", name_of(number),
             signals.serves ? "service" : "start");
    if (!signals.serves)
        logging_exit(NODE_EXIT_CLEAN);
    signals.stops = true;
    pthread_cond_broadcast(&signals.changed);
    pthread_mutex_unlock(&signals.lock);
}

static void take(int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
        end(number);
        break;
    case SIGHUP:
        log_info("hangup", "way=\"goes on; a log file is opened anew\"");
        logging_reopen();
        break;
    case SIGUSR1:
        stacks_log(LOG_LEVEL_INFO, 0);
        break;
    default:
        break;
    }
}

bool kvd_signals_stopped(void)
{
    pthread_mutex_lock(&signals.lock);
    bool answer = signals.stops;
    pthread_mutex_unlock(&signals.lock);
    return answer;
}

static void *take_signals(void *unused)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * (long)NS_PER_MS};
    const struct timespec look = {.tv_sec = 1};
    uint64_t spent_ms = 0;
    while (spent_ms < signals.stop_timeout_ms) {
        bool counts = kvd_signals_stopped();
        int number = sigtimedwait(&signals.taken, NULL, counts ? &slice : &look);
        if (number > 0)
            take(number);
        else if (counts)
            spent_ms += SLICE_MS;
    }
    stacks_log(LOG_LEVEL_ERROR, getpid());
    log_error("stop_forced",
              "after_ms=%" PRIu64 " exit=%d why=\"the node did not stop in time; what was "
              "acknowledged is on the disk\"",
              spent_ms, NODE_EXIT_STOP_FORCED);
    logging_exit(NODE_EXIT_STOP_FORCED);
    return unused;
}

/* ---- For main() ---- */

bool kvd_signals_start(uint64_t stop_timeout_ms)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    signals.stop_timeout_ms = stop_timeout_ms;
    sigemptyset(&signals.taken);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        sigaddset(&signals.taken, taken[i]);
    pthread_sigmask(SIG_BLOCK, &signals.taken, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* A limit on file sizes is a full disk: write() says so. */
    signal(SIGXFSZ, SIG_IGN);
    pthread_t thread;
    if (pthread_create(&thread, NULL, take_signals, NULL) != 0)
        return false;
    pthread_setname_np(thread, "signals");
    pthread_detach(thread);
    return true;
}

void kvd_signals_serve(void)
{
    pthread_mutex_lock(&signals.lock);
    signals.serves = true;
    pthread_mutex_unlock(&signals.lock);
}

void kvd_signals_wait(void)
{
    pthread_mutex_lock(&signals.lock);
    while (!signals.stops)
        pthread_cond_wait(&signals.changed, &signals.lock);
    pthread_mutex_unlock(&signals.lock);
}

void kvd_signals_stopping(void)
{
    pthread_mutex_lock(&signals.lock);
    signals.serves = true;
    signals.stops = true;
    pthread_mutex_unlock(&signals.lock);
}
