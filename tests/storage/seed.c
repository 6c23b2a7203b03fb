/* One seed: lives, what comes between them, the end. */
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage.h"

/* One seed: some lives of one disk, and what comes between them. */

/* ---- Chance and memory, of all processes ----------------------------------------------------- */

bool chance(uint32_t percent)
{
    return rng_below(&world->rng, 100) < percent;
}

uint64_t between(uint64_t low, uint64_t high)
{
    return low >= high ? low : low + rng_below(&world->rng, high - low + 1);
}

void *arena_take(size_t bytes)
{
    void *at = world->arena + world->arena_used;
    world->arena_used += (bytes + 15) / 16 * 16;
    ASSERT_U64(world->arena_used, <=, ARENA_BYTES);
    return at;
}

struct slice arena_copy(struct slice bytes)
{
    uint8_t *at = arena_take(bytes.length);
    if (bytes.length > 0)
        memcpy(at, bytes.bytes, bytes.length);
    return slice_of(at, bytes.length);
}

/* ---- Violations ------------------------------------------------------------------------------ */

void note_violation(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation, sizeof world->violation, format, args);
    va_end(args);
}

void violate(const char *invariant, const char *format, ...)
{
    int used = snprintf(world->violation, sizeof world->violation, "%s in life %" PRIu64 ": ",
                        invariant, world->lives);
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation + used, sizeof world->violation - (size_t)used, format, args);
    va_end(args);
    _exit(EXIT_VIOLATION);
}

/* ---- Lives ----------------------------------------------------------------------------------- */

enum kind { LIFE, LAST_LIFE, ROTTEN_LIFE };

static _Noreturn void begin_life(enum kind kind)
{
    if (kind == ROTTEN_LIFE)
        live_with_rot();
    if (kind == LIFE && chance(75))
        world->crash_in = between(1, UINT64_C(1) << between(3, 9));
    if (kind == LIFE && chance(10))
        world->fail_in = between(1, 100);
    live(kind == LAST_LIFE);
}

/* Returns how it ended; a violation is noted. */
static int live_once(enum kind kind)
{
    world->lives++;
    world->crash_in = world->fail_in = 0;
    world->failed = false;
    world->room = ROOM;
    fflush(NULL);
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0)
        begin_life(kind);
    int status;
    pid_t ended = waitpid(pid, &status, 0);
    ASSERT(ended == pid);
    world->crash_in = world->fail_in = 0; /* the next of this process's own are well */
    int how = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_VIOLATION;
    if (WIFSIGNALED(status))
        note_violation("life %" PRIu64 " died of signal %d", world->lives, WTERMSIG(status));
    else if (how == EXIT_LIVED && world->failed)
        note_violation("R3: a sync failed in life %" PRIu64 ", and the node went on", world->lives);
    else if (how == EXIT_INTEGRITY && !world->rotten && !world->failed)
        note_violation("life %" PRIu64 " found its disk damaged: %s", world->lives,
                       world->integrity);
    else if (how != EXIT_LIVED && how != EXIT_CRASHED && how != EXIT_INTEGRITY &&
             how != EXIT_VIOLATION)
        note_violation("life %" PRIu64 " ended with status %d", world->lives, how);
    return how;
}

static void run_lives(void)
{
    for (uint64_t left = between(2, 8); left > 0 && world->violation[0] == '\0'; left--) {
        live_once(left == 1 ? LAST_LIFE : LIFE);
        if (left > 1 && !world->clean && chance(35))
            crash_lose_machine();
    }
    if (world->violation[0] == '\0' && world->clean && chance(70) && rot_flip())
        live_once(ROTTEN_LIFE);
}

/* ---- A seed ---------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *base_dir(void)
{
    const char *named = getenv("TMPDIR");
    if (named != NULL && named[0] != '\0')
        return named;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static void begin_seed(uint64_t seed)
{
    struct options options = world->options;
    memset(world, 0, offsetof(struct world, arena));
    world->options = options;
    world->seed = seed;
    rng_seed(&world->rng, seed * 2654435761u + 1);
    snprintf(world->dir, sizeof world->dir, "%.80s/candor-storage-%ld", base_dir(), (long)getpid());
    snprintf(world->data, sizeof world->data, "%s/data", world->dir);
    world->segment_bytes = UINT64_C(1) << between(13, 17);
    world->retention_bytes = chance(60) ? between(0, 40000) : 1 << 30;
    world->voters = chance(90) ? 3 : 1;
    remove_dir();
    if (mkdir(world->dir, 0700) != 0)
        note_violation("cannot make %s", world->dir);
}

bool run_seed(uint64_t seed)
{
    begin_seed(seed);
    if (world->violation[0] == '\0')
        run_lives();
    remove_dir();
    return world->violation[0] == '\0';
}
