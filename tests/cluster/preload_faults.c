/* Faults of one node's clock and disk, for tests: preloaded into kvd, told at run time by a file.
 *
 * $CANDOR_FAULTS names a directory. A process with `--node ID` among its arguments maps the file ID
 * there and obeys it from then on; where there is none it runs as ever, and so does kvctl, which
 * only hands the environment on. node_faults.py makes and writes the files.
 *
 * Threads: any. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PPM 1000000
#define NS_PER_S 1000000000
#define HEAD_BYTES 8192
#define LOOK_NS 2000000 /* how often a slow fsync looks whether the fault is over */

/* As `Control` in node_faults.py has it. */
struct control {
    _Atomic int64_t rate_ppm; /* CLOCK_BOOTTIME runs so much faster */
    _Atomic uint64_t sync_delay_ms;
    _Atomic uint64_t full; /* not 0: no room on the disk */
    /* Written here alone. Kept across restarts of the process, so that its clock goes on. */
    uint64_t real_ns; /* at the newest reading of the clock */
    uint64_t own_ns;  /* what that reading said; 0 before the first */
    _Atomic uint64_t slow_syncs;
    _Atomic uint64_t refused_writes;
    /* As enum hang: a thread of the node stops making progress. */
    _Atomic uint64_t hang;
};

enum hang { HANG_NONE, HANG_NODE_IN_LOCK, HANG_NODE_SPINS, HANG_WRITER_IN_LOCK };

static struct control *control; /* NULL: no faults */

/* The function that this library stands in front of. */
#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next;                                                               \
    if (next == NULL)                                                                              \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

/* The name by which programs built for large files call the same function. */
#define ALSO(name) __attribute__((alias(#name)))

static const char *node_of(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--node") == 0)
            return argv[i + 1];
    return NULL;
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
    const char *directory = getenv("CANDOR_FAULTS");
    const char *node = node_of(argc, argv);
    char path[4096];
    if (directory == NULL || node == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s", directory, node);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        control = map;
}

/* ---- Hanging threads ---- */

static bool is_thread(const char *name)
{
    char own[16] = "";
    prctl(PR_GET_NAME, own);
    return strcmp(own, name) == 0;
}

/* As a thread does that waits for a lock which nobody will release. */
static void lock_for_ever(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

static void hang_when_told(const char *thread, uint64_t in_lock, uint64_t spins)
{
    uint64_t hang = control != NULL ? atomic_load(&control->hang) : HANG_NONE;
    if (hang == HANG_NONE || (hang != in_lock && hang != spins) || !is_thread(thread))
        return;
    if (hang == in_lock)
        lock_for_ever();
    while (atomic_load(&control->hang) == spins)
        ;
}

/* ---- The clock ---- */

/* What passes between two readings passes at the rate of the second: a new rate changes the slope,
 * and nothing jumps. */
static uint64_t own_time(uint64_t real_ns)
{
    uint64_t passed = real_ns - control->real_ns;
    uint64_t rate = (uint64_t)(PPM + atomic_load(&control->rate_ppm));
    uint64_t own = control->own_ns == 0
                       ? real_ns
                       : control->own_ns + passed / PPM * rate + passed % PPM * rate / PPM;
    /* Killed between the two, it loses what passed; the other way round it would jump. */
    control->real_ns = real_ns;
    control->own_ns = own;
    return own;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    NEXT(clock_gettime);
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (control == NULL || clock != CLOCK_BOOTTIME)
        return next(clock, out);
    hang_when_told("node", HANG_NODE_IN_LOCK, HANG_NODE_SPINS);
    pthread_mutex_lock(&lock);
    int failed = next(clock, out);
    if (failed == 0) {
        uint64_t ns = own_time((uint64_t)out->tv_sec * NS_PER_S + (uint64_t)out->tv_nsec);
        *out = (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

/* ---- A slow disk ---- */

static uint64_t real_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Ends with the fault: a delay that is lifted or shortened counts at once. */
static void sync_slowly(void)
{
    if (control == NULL || atomic_load(&control->sync_delay_ms) == 0)
        return;
    atomic_fetch_add(&control->slow_syncs, 1);
    uint64_t began_ms = real_ms();
    while (real_ms() - began_ms < atomic_load(&control->sync_delay_ms))
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

int fsync(int fd)
{
    NEXT(fsync);
    sync_slowly();
    return next(fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    sync_slowly();
    return next(fd);
}

/* ---- A full disk ---- */

/* Regular files other than the standard streams are the data directory's: a node writes no others.
 * What overwrites the head of a file passes, for that needs no room: LMDB has its two meta pages
 * there, and does not go on after a failure to write them. `end`: where the write would end. */
static bool refused(int fd, uint64_t end)
{
    struct stat st;
    if (control == NULL || atomic_load(&control->full) == 0 || fd <= STDERR_FILENO ||
        fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (end <= HEAD_BYTES && end <= (uint64_t)st.st_size)
        return false;
    atomic_fetch_add(&control->refused_writes, 1);
    errno = ENOSPC;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    NEXT(write);
    return refused(fd, UINT64_MAX) ? -1 : next(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev);
    return refused(fd, UINT64_MAX) ? -1 : next(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    NEXT(pwrite);
    return refused(fd, (uint64_t)at + count) ? -1 : next(fd, bytes, count, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    NEXT(pwritev);
    hang_when_told("writer", HANG_WRITER_IN_LOCK, HANG_WRITER_IN_LOCK);
    return refused(fd, UINT64_MAX) ? -1 : next(fd, parts, count, at);
}

int fallocate(int fd, int mode, off_t at, off_t length)
{
    NEXT(fallocate);
    return refused(fd, UINT64_MAX) ? -1 : next(fd, mode, at, length);
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    NEXT(posix_fallocate);
    return refused(fd, UINT64_MAX) ? ENOSPC : next(fd, at, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) ALSO(pwrite);
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) ALSO(pwritev);
int fallocate64(int fd, int mode, off64_t at, off64_t length) ALSO(fallocate);
int posix_fallocate64(int fd, off64_t at, off64_t length) ALSO(posix_fallocate);
