/* candor-floors: what nothing that is built on them can be faster than.
 *
 *     candor-floors fsync DIR SECONDS    appends of 200 bytes, each followed by fdatasync()
 *     candor-floors hop PORT,PORT SECONDS
 *                                        a message by NNG's PUB/SUB to another process and back
 *
 * Prints one JSON object. (candor-echo: a request and its reply.) */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/tools/histogram.h"

#define BYTES 200
#define PATIENCE_MS 100
#define START_NS (5 * NS_PER_S)

static struct histogram latencies;

static int report(double seconds)
{
    double total = (double)atomic_load(&latencies.total);
    printf("{\"ops_per_second\":%.1f,\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f}}\n",
           total / seconds, (double)histogram_percentile_ns(&latencies, 0.5) / 1e3,
           (double)histogram_percentile_ns(&latencies, 0.99) / 1e3);
    return total > 0 ? 0 : 1;
}

static int measure_fsync(const char *directory, double seconds)
{
    static const char record[BYTES];
    char path[4096];
    snprintf(path, sizeof path, "%s/appended", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        return 1;
    }
    uint64_t begun = clock_boot_ns();
    uint64_t end = begun + (uint64_t)(seconds * 1e9);
    for (uint64_t now = begun; now < end;) {
        ASSERT(write(fd, record, BYTES) == BYTES && fdatasync(fd) == 0);
        uint64_t after = clock_boot_ns();
        histogram_add(&latencies, after - now);
        now = after;
    }
    close(fd);
    unlink(path);
    return report(seconds);
}

/* ---- Hops: each process publishes at one address and hears the other ---- */

struct ends {
    nng_socket pub;
    nng_socket sub;
};

static struct ends open_ends(const char *own, const char *others)
{
    struct ends ends;
    ASSERT(nng_pub0_open(&ends.pub) == 0 && nng_sub0_open(&ends.sub) == 0);
    ASSERT(nng_listen(ends.pub, own, NULL, 0) == 0);
    ASSERT(nng_socket_set(ends.sub, NNG_OPT_SUB_SUBSCRIBE, "", 0) == 0);
    ASSERT(nng_socket_set_ms(ends.sub, NNG_OPT_RECVTIMEO, PATIENCE_MS) == 0);
    ASSERT(nng_dial(ends.sub, others, NULL, NNG_FLAG_NONBLOCK) == 0);
    return ends;
}

static bool hop(const struct ends *ends, char message[BYTES])
{
    size_t length = BYTES;
    return nng_send(ends->pub, message, BYTES, 0) == 0 &&
           nng_recv(ends->sub, message, &length, 0) == 0;
}

static void echo_hops(const char *own, const char *others)
{
    char message[BYTES];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct ends ends = open_ends(own, others);
    for (;;) {
        size_t length = sizeof message;
        if (nng_recv(ends.sub, message, &length, 0) == 0)
            nng_send(ends.pub, message, length, 0);
    }
}

static int measure_hop(const char *ports, double seconds)
{
    static char message[BYTES];
    char here[64];
    char there[64];
    const char *comma = strchr(ports, ',');
    ASSERT(comma != NULL);
    snprintf(here, sizeof here, "tcp://127.0.0.1:%d", atoi(ports));
    snprintf(there, sizeof there, "tcp://127.0.0.1:%d", atoi(comma + 1));
    pid_t pid = fork(); /* before this process uses NNG: threads are not forked */
    ASSERT(pid >= 0);
    if (pid == 0)
        echo_hops(there, here);
    struct ends ends = open_ends(here, there);
    uint64_t patience = clock_boot_ns() + START_NS;
    while (!hop(&ends, message) && clock_boot_ns() < patience)
        continue; /* until both have connected */
    uint64_t end = clock_boot_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now = clock_boot_ns(); now < end; now = clock_boot_ns()) {
        if (hop(&ends, message))
            histogram_add(&latencies, clock_boot_ns() - now);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return report(seconds);
}

int main(int argc, char **argv)
{
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    if (seconds > 0 && strcmp(argv[1], "fsync") == 0)
        return measure_fsync(argv[2], seconds);
    if (seconds > 0 && strcmp(argv[1], "hop") == 0)
        return measure_hop(argv[2], seconds);
    fprintf(stderr, "usage: candor-floors fsync DIR SECONDS, or hop PORT,PORT SECONDS\n");
    return 2;
}
