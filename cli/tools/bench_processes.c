/* Several processes of callers. They are forked before this one uses the library, because a child
 * could not use it afterwards, and wait until they are let go. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/tools/bench.h"

/* In memory that all share. */
struct shared {
    struct bench_place place;
    struct bench_tally tallies[];
};

struct bench_processes {
    size_t count;
    struct shared *shared;
    size_t shared_bytes;
    pid_t pids[BENCH_PROCESSES_MAX];
    int gate; /* a byte lets one go; its end ends those that wait */
};

static void run_child(struct bench *bench, struct shared *shared, size_t index, int gate)
{
    char go;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    interrupt_begin();
    ssize_t got = read(gate, &go, 1);
    while (got < 0 && errno == EINTR && !interrupt_seen())
        got = read(gate, &go, 1);
    if (got != 1)
        _exit(1);
    bench->place = shared->place;
    bench->tally = &shared->tallies[index];
    bench->seed = index;
    if (bench->work.blocking)
        bench_run_blocking(bench);
    else
        bench_run_async(bench);
    _exit(0);
}

struct bench_processes *bench_processes_fork(struct bench *bench)
{
    int gate[2];
    struct bench_processes *processes = calloc(1, sizeof *processes);
    ASSERT(processes != NULL);
    processes->count = bench->work.processes;
    processes->shared_bytes = sizeof(struct shared) + processes->count * sizeof(struct bench_tally);
    processes->shared = mmap(NULL, processes->shared_bytes, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(processes->shared != MAP_FAILED);
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) == 0);
    fflush(NULL);
    for (size_t i = 0; i < processes->count; i++) {
        processes->pids[i] = fork();
        ASSERT(processes->pids[i] >= 0);
        if (processes->pids[i] == 0) {
            close(gate[1]);
            run_child(bench, processes->shared, i, gate[0]);
        }
    }
    close(gate[0]);
    processes->gate = gate[1];
    return processes;
}

/* Their ends of the gate close with them. */
static void await(struct bench_processes *processes)
{
    if (!interrupt_wait(processes->gate, UINT64_MAX))
        for (size_t i = 0; i < processes->count; i++)
            kill(processes->pids[i], SIGTERM);
    for (size_t i = 0; i < processes->count; i++) {
        while (waitpid(processes->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
        processes->pids[i] = 0;
    }
}

static void merge(struct bench_tally *into, const struct bench_tally *from)
{
    histogram_merge(&into->reads, &from->reads);
    histogram_merge(&into->writes, &from->writes);
    into->ops += from->ops;
    into->stale += from->stale;
    into->missing += from->missing;
    into->elsewhere += from->elsewhere;
    into->unsent += from->unsent;
    for (size_t i = 0; i < BENCH_CODES; i++)
        into->errors[i] += from->errors[i];
    for (size_t i = 0; i < BENCH_SLICES_MAX; i++) {
        into->done[i] += from->done[i];
        into->failed[i] += from->failed[i];
    }
    if (into->begun_wall_ms == 0 || from->begun_wall_ms < into->begun_wall_ms)
        into->begun_wall_ms = from->begun_wall_ms;
    into->took_ns = from->took_ns > into->took_ns ? from->took_ns : into->took_ns;
    if (from->error.code != CANDOR_OK)
        into->error = from->error;
}

void bench_processes_run(struct bench_processes *processes, struct bench *bench)
{
    static const char go[BENCH_PROCESSES_MAX];
    processes->shared->place = bench->place;
    /* Fails when ^C has ended them all. */
    ssize_t sent = send(processes->gate, go, processes->count, MSG_NOSIGNAL);
    ASSERT(sent < 0 || sent == (ssize_t)processes->count);
    await(processes);
    for (size_t i = 0; i < processes->count; i++)
        merge(bench->tally, &processes->shared->tallies[i]);
}

void bench_processes_free(struct bench_processes *processes)
{
    if (processes == NULL)
        return;
    close(processes->gate);
    for (size_t i = 0; i < processes->count; i++) {
        if (processes->pids[i] != 0)
            waitpid(processes->pids[i], NULL, 0);
    }
    munmap(processes->shared, processes->shared_bytes);
    free(processes);
}
