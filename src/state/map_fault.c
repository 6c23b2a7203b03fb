/* Faults in the mapped state become an exit status and a message. */
#include "state/map_fault.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/limits.h"
#include "base/types.h"
#include "disk/disk.h"

enum {
    /* The state, one that replaces it, and those that are looked into for a moment. */
    WATCHED_MOST = 8,
    /* A node at the end of a page is read beyond it by as much as its length may say. */
    BEYOND_BYTES = 1 << 16,
    WRITE_PATIENCE_MS = 1000,
};

/* `from` is written last and cleared first: a handler that sees it sees the rest. */
struct watched {
    _Atomic uintptr_t from;
    uintptr_t to;
    const MDB_env *env;
    char path[LIMIT_PATH_BYTES];
    char suspect[LIMIT_PATH_BYTES]; /* empty: none is to be left */
};

static struct watched all[WATCHED_MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of who changes `all` */
static struct sigaction before[NSIG];

/* ---- The end of the process: nothing but what a signal handler may do ------------------------ */

static void say(const char *text)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, WRITE_PATIENCE_MS) == 1) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    }
}

_Noreturn static void end(const struct watched *watched, const char *what)
{
    if (watched->suspect[0] != '\0') {
        int fd = open(watched->suspect, O_WRONLY | O_CREAT | O_CLOEXEC, DISK_FILE_MODE);
        if (fd >= 0)
            (void)fsync(fd);
    }
    say("ERROR integrity what=\"");
    say(watched->path);
    say(": ");
    say(what);
    say("\" way_out=\"look at the disk, then start again: the state is checked whole, and made "
        "anew from the log where "
        "that is possible\" exit=3\n");
    _exit(NODE_EXIT_INTEGRITY);
}

static const struct watched *watched_at(uintptr_t address)
{
    for (size_t i = 0; i < WATCHED_MOST; i++) {
        uintptr_t from = atomic_load_explicit(&all[i].from, memory_order_acquire);
        if (from != 0 && address >= from && address - from < all[i].to - from + BEYOND_BYTES)
            return &all[i];
    }
    return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    bool of_the_processor = info->si_code > 0;
    const struct watched *watched = watched_at((uintptr_t)info->si_addr);
    if (of_the_processor && watched != NULL)
        end(watched, number == SIGBUS ? "the mapped state cannot be read"
                                      : "a page of the mapped state leads astray");
    if ((before[number].sa_flags & SA_SIGINFO) != 0) {
        before[number].sa_sigaction(number, info, context);
        return;
    }
    (void)signal(number, SIG_DFL); /* it happens again at once, and ends the process as ever */
    if (!of_the_processor)
        (void)raise(number);
}

static void on_assertion(MDB_env *env, const char *text)
{
    for (size_t i = 0; i < WATCHED_MOST; i++)
        if (all[i].from != 0 && all[i].env == env)
            end(&all[i], text);
}

void map_fault_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, &before[SIGBUS]);
    (void)sigaction(SIGSEGV, &action, &before[SIGSEGV]);
}

/* ---- What is watched ------------------------------------------------------------------------- */

static bool is_watched(uintptr_t from)
{
    for (size_t i = 0; i < WATCHED_MOST; i++)
        if (all[i].from == from)
            return true;
    return false;
}

/* LMDB does not say where it has mapped its file; the kernel does. */
static bool find_map(const char *path, uintptr_t *from, uintptr_t *to)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return false;
    while (!found && getline(&line, &room, maps) >= 0) {
        const char *name = strchr(line, '/');
        size_t length = strcspn(line, "\n");
        line[length] = '\0';
        found = name != NULL && strcmp(name, path) == 0 &&
                sscanf(line, "%" SCNxPTR "-%" SCNxPTR, from, to) == 2 && !is_watched(*from);
    }
    free(line);
    (void)fclose(maps);
    return found;
}

/* DIR/current/data.mdb -> DIR/suspect; nothing for copies that are only looked into. */
static void suspect_path(const char *path, char out[LIMIT_PATH_BYTES])
{
    static const char tail[] = "/current/data.mdb";
    size_t length = strlen(path);
    out[0] = '\0';
    if (length > sizeof tail && strcmp(path + length - (sizeof tail - 1), tail) == 0)
        snprintf(out, LIMIT_PATH_BYTES, "%.*s/" SUSPECT_NAME, (int)(length - (sizeof tail - 1)),
                 path);
}

static void watch_map(MDB_env *env, const char *path)
{
    uintptr_t from;
    uintptr_t to;
    struct watched *free_one = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < WATCHED_MOST && free_one == NULL; i++)
        if (all[i].from == 0)
            free_one = &all[i];
    if (free_one != NULL && find_map(path, &from, &to)) {
        free_one->to = to;
        free_one->env = env;
        snprintf(free_one->path, sizeof free_one->path, "%s", path);
        suspect_path(path, free_one->suspect);
        atomic_store_explicit(&free_one->from, from, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
}

void map_fault_watch(MDB_env *env, const char *dir)
{
    char name[LIMIT_PATH_BYTES];
    (void)mdb_env_set_assert(env, on_assertion);
    int length = snprintf(name, sizeof name, "%s/data.mdb", dir);
    char *path = length > 0 && (size_t)length < sizeof name ? realpath(name, NULL) : NULL;
    if (path != NULL && strlen(path) < LIMIT_PATH_BYTES)
        watch_map(env, path);
    free(path);
}

void map_fault_forget(const MDB_env *env)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < WATCHED_MOST; i++)
        if (all[i].env == env) {
            atomic_store(&all[i].from, 0);
            all[i].env = NULL;
        }
    pthread_mutex_unlock(&lock);
}
