/* The thread that writes log lines, and the file that they go to. */
#include "base/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_ring.h"
#include "base/logging.h"

/* What one write(2) carries: a pipe takes it in one piece, so that lines of several processes do
 * not mix. */
enum { CHUNK_BYTES = 4096, PRINT_BYTES = 512 };

/* The lock is held for as long as it takes to copy a line, never over a system call. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    pthread_cond_t written;
    pthread_t thread;
    bool runs;
    bool stop;
    bool busy;
    /* Neither busy nor anything to do; written under the lock. */
    _Atomic bool idle;
    /* The newest write failed: a notice of what is missing waits for the next line. */
    bool failing;
    const char *reopen;
    size_t print_length;
    char print[PRINT_BYTES];
    struct log_ring ring;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = true};

/* ---- Descriptors ---- */

bool log_file_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        return false;
    bool ok = dup2(fd, STDERR_FILENO) >= 0;
    int why = errno;
    if (fd != STDERR_FILENO)
        close(fd);
    errno = why;
    return ok;
}

bool log_write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno == EAGAIN)
            /* Whoever shares the terminal has made it so. */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (done < 0 && errno != EINTR)
            return false;
        else if (done > 0) {
            bytes += done;
            length -= (size_t)done;
        }
    }
    return true;
}

/* ---- The thread ---- */

struct turn {
    const char *reopen;
    size_t print_length;
    char print[PRINT_BYTES];
    uint64_t dropped;
    size_t length;
    char chunk[CHUNK_BYTES];
};

/* A notice alone does not make a turn while writes fail: it would go round for ever. */
static bool has_work(void)
{
    const struct log_ring *ring = &writer.ring;
    return writer.reopen != NULL || writer.print_length > 0 ||
           ring->put_bytes > ring->taken_bytes || (ring->dropped > 0 && !writer.failing);
}

static void take_turn(struct turn *turn)
{
    turn->reopen = writer.reopen;
    writer.reopen = NULL;
    turn->print_length = writer.print_length;
    memcpy(turn->print, writer.print, writer.print_length);
    writer.print_length = 0;
    turn->dropped = log_ring_take_dropped(&writer.ring);
    turn->length = log_ring_take(&writer.ring, turn->chunk, sizeof turn->chunk);
}

static void print(const struct turn *turn)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&out, 1, LIMIT_LOG_PRINT_MS) == 1 && (out.revents & POLLOUT) != 0)
        log_write_all(STDOUT_FILENO, turn->print, turn->print_length);
    else
        log_warn("stdout_not_read", "lost=\"%.*s\"", (int)turn->print_length - 1, turn->print);
}

static uint64_t lines_in(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* How many lines, told of before as dropped or in the chunk, are lost. */
static uint64_t do_turn(const struct turn *turn)
{
    char line[LIMIT_LOG_LINE_BYTES];
    if (turn->reopen != NULL && !log_file_open(turn->reopen))
        log_error("log_file", "path=\"%s\" cannot_open=\"%s\"", turn->reopen, strerror(errno));
    if (turn->print_length > 0)
        print(turn);
    if (turn->dropped > 0) {
        size_t length = logging_format(line, LOG_LEVEL_WARN, "log_lines_dropped", "count=%" PRIu64,
                                       turn->dropped);
        if (!log_write_all(STDERR_FILENO, line, length))
            return turn->dropped + lines_in(turn->chunk, turn->length);
    }
    if (!log_write_all(STDERR_FILENO, turn->chunk, turn->length))
        return lines_in(turn->chunk, turn->length);
    return 0;
}

static void *write_lines(void *unused)
{
    static struct turn turn;
    pthread_mutex_lock(&writer.lock);
    for (;;) {
        while (!has_work() && !writer.stop) {
            atomic_store(&writer.idle, true);
            pthread_cond_wait(&writer.wanted, &writer.lock);
        }
        if (!has_work())
            break;
        take_turn(&turn);
        writer.busy = true;
        pthread_mutex_unlock(&writer.lock);
        uint64_t lost = do_turn(&turn);
        pthread_mutex_lock(&writer.lock);
        writer.busy = false;
        writer.failing = lost > 0;
        if (lost > 0)
            log_ring_lost(&writer.ring, lost);
        pthread_cond_broadcast(&writer.written);
    }
    pthread_mutex_unlock(&writer.lock);
    return unused;
}

/* ---- For others ---- */

bool log_writer_start(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.wanted, NULL);
    pthread_cond_init(&writer.written, &attributes);
    pthread_condattr_destroy(&attributes);
    writer.stop = false;
    if (pthread_create(&writer.thread, NULL, write_lines, NULL) != 0)
        return false;
    pthread_setname_np(writer.thread, "log");
    pthread_mutex_lock(&writer.lock);
    writer.runs = true;
    pthread_mutex_unlock(&writer.lock);
    return true;
}

bool log_writer_runs(void)
{
    pthread_mutex_lock(&writer.lock);
    bool runs = writer.runs;
    pthread_mutex_unlock(&writer.lock);
    return runs;
}

void log_writer_put(const char *line, size_t length)
{
    pthread_mutex_lock(&writer.lock);
    atomic_store(&writer.idle, false);
    log_ring_put(&writer.ring, line, length);
    pthread_cond_signal(&writer.wanted);
    pthread_mutex_unlock(&writer.lock);
}

void log_writer_print(const char *line, size_t length)
{
    pthread_mutex_lock(&writer.lock);
    writer.print_length = length < sizeof writer.print ? length : sizeof writer.print;
    memcpy(writer.print, line, writer.print_length);
    writer.print[writer.print_length - 1] = '\n';
    pthread_cond_signal(&writer.wanted);
    pthread_mutex_unlock(&writer.lock);
}

void log_writer_reopen(const char *path)
{
    pthread_mutex_lock(&writer.lock);
    writer.reopen = path;
    pthread_cond_signal(&writer.wanted);
    pthread_mutex_unlock(&writer.lock);
}

bool log_writer_idle(void)
{
    return atomic_load(&writer.idle);
}

bool log_writer_flush(uint64_t most_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + most_ms % 1000 * NS_PER_MS;
    until.tv_sec += (time_t)(most_ms / 1000 + ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    pthread_mutex_lock(&writer.lock);
    int waited = 0;
    while (writer.runs && (writer.busy || has_work()) && waited == 0)
        waited = pthread_cond_timedwait(&writer.written, &writer.lock, &until);
    bool done = !writer.busy && !has_work();
    pthread_mutex_unlock(&writer.lock);
    return done;
}

void log_writer_stop(uint64_t most_ms)
{
    if (!log_writer_flush(most_ms))
        return;
    pthread_mutex_lock(&writer.lock);
    bool ran = writer.runs;
    writer.runs = false;
    writer.stop = true;
    pthread_cond_signal(&writer.wanted);
    pthread_mutex_unlock(&writer.lock);
    if (ran)
        pthread_join(writer.thread, NULL);
}
