/* candor-redis-load: what redis-benchmark does not do. One thread and many connections that
 *
 * - write the keys beforehand (load);
 * - send SET and WAIT 1 0 in one go, so that a write counts when a replica has it (wait);
 * - send when an operation is due, however long answers take (--rate): its latency counts from
 *   then;
 * - tell how many were done in each slice of time (--timeline).
 *
 *     candor-redis-load --port 6379 --op get --callers 64 --seconds 5
 *
 * Keys are those of `redis-benchmark -r`, 16 bytes. Prints one JSON object, named as that of
 * `kvctl bench -o json`. */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cli/tools/histogram.h"

#define CALLERS_MAX 1024
#define PIPELINE_MAX 1024
#define VALUE_BYTES_MAX 65536
#define SLICES_MAX 36000
#define KEY_BYTES 16
#define EVENTS 256
#define COMMAND_BYTES 128 /* of one command beside its value */

enum op { OP_GET, OP_SET, OP_WAIT, OP_LOAD };

struct settings {
    uint16_t port;
    enum op op;
    unsigned callers;
    unsigned pipeline;
    uint64_t keys;
    size_t value_bytes;
    double seconds;
    uint64_t rate;
    uint64_t slice_ns;
};

/* A connection with at most one message of `pipeline` commands in flight. */
struct caller {
    int fd;
    uint64_t due_ns;
    unsigned commands; /* in the message */
    unsigned awaited;  /* replies */
    size_t unsent_at;
    size_t out_length;
    char *out;
    size_t in_length;
    char *in;
    size_t skip; /* bytes of a bulk reply still to come */
};

struct run {
    struct settings settings;
    struct rng rng;
    char value[VALUE_BYTES_MAX + 1];
    int epoll;
    struct caller callers[CALLERS_MAX];
    struct caller *idle[CALLERS_MAX];
    unsigned idle_count;
    uint64_t begun_ns;
    uint64_t begun_wall_ms;
    uint64_t end_ns;
    uint64_t issued; /* messages, or keys that were loaded */
    uint64_t done;
    uint64_t missing;
    uint64_t errors;
    struct histogram latencies;
    uint32_t slices[SLICES_MAX];
};

static size_t in_bytes(const struct settings *settings)
{
    return (settings->value_bytes + COMMAND_BYTES) * 2;
}

/* ---- Messages ---- */

static uint64_t draw_key(struct run *run)
{
    return run->settings.op == OP_LOAD ? run->issued++ : rng_below(&run->rng, run->settings.keys);
}

static void add_command(struct run *run, struct caller *caller)
{
    const struct settings *settings = &run->settings;
    char *out = caller->out + caller->out_length;
    uint64_t key = draw_key(run);
    int length;
    if (settings->op == OP_GET)
        length = sprintf(out, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012" PRIu64 "\r\n", key);
    else
        length =
            sprintf(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012" PRIu64 "\r\n$%zu\r\n%s\r\n%s", key,
                    settings->value_bytes, run->value,
                    settings->op == OP_WAIT ? "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n" : "");
    caller->out_length += (size_t)length;
    caller->awaited += settings->op == OP_WAIT ? 2 : 1;
    caller->commands++;
}

static void fail(const char *what)
{
    fprintf(stderr, "candor-redis-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void push(struct run *run, struct caller *caller)
{
    while (caller->unsent_at < caller->out_length) {
        ssize_t sent = send(caller->fd, caller->out + caller->unsent_at,
                            caller->out_length - caller->unsent_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            fail("send");
        caller->unsent_at += (size_t)sent;
    }
    bool all = caller->unsent_at == caller->out_length;
    struct epoll_event event = {.events = all ? EPOLLIN : EPOLLIN | EPOLLOUT, .data.ptr = caller};
    static bool blocked[CALLERS_MAX]; /* what epoll was told */
    bool *was = &blocked[caller - run->callers];
    if (*was == !all)
        return;
    *was = !all;
    ASSERT(epoll_ctl(run->epoll, EPOLL_CTL_MOD, caller->fd, &event) == 0);
}

static uint64_t due_at(const struct run *run, uint64_t n)
{
    return run->begun_ns + (uint64_t)((double)n * 1e9 / (double)run->settings.rate);
}

/* Whether there is a message to send now, and since when it is due. */
static bool claim(struct run *run, uint64_t now, uint64_t *due_ns)
{
    const struct settings *settings = &run->settings;
    *due_ns = now;
    if (settings->op == OP_LOAD)
        return run->issued < settings->keys;
    if (settings->rate == 0)
        return now < run->end_ns;
    *due_ns = due_at(run, run->issued);
    if (*due_ns > now || *due_ns >= run->end_ns)
        return false;
    run->issued++;
    return true;
}

static void send_or_wait(struct run *run, struct caller *caller)
{
    if (!claim(run, clock_boot_ns(), &caller->due_ns)) {
        run->idle[run->idle_count++] = caller;
        return;
    }
    caller->out_length = caller->unsent_at = 0;
    caller->commands = 0;
    do
        add_command(run, caller);
    while (caller->commands < run->settings.pipeline &&
           (run->settings.op != OP_LOAD || run->issued < run->settings.keys));
    push(run, caller);
}

/* ---- Replies ---- */

static void count(struct run *run, const struct caller *caller)
{
    uint64_t now = clock_boot_ns();
    if (run->settings.rate == 0 && run->settings.op != OP_LOAD && now > run->end_ns)
        return; /* belongs to no second that is measured */
    histogram_add(&run->latencies, now - caller->due_ns);
    run->done += caller->commands;
    if (run->settings.slice_ns == 0)
        return;
    uint64_t slice = (now - run->begun_ns) / run->settings.slice_ns;
    run->slices[slice < SLICES_MAX ? slice : SLICES_MAX - 1] += caller->commands;
}

/* One reply at `in`; returns its bytes as far as they are there, 0: its first line is not. */
static size_t take_reply(struct run *run, struct caller *caller, const char *in, size_t length)
{
    const char *end = memchr(in, '\n', length);
    if (end == NULL)
        return 0;
    size_t line = (size_t)(end - in) + 1;
    run->errors += in[0] == '-';
    run->missing += strncmp(in, "$-1", 3) == 0;
    run->errors += in[0] == ':' && in[1] == '0' && run->settings.op == OP_WAIT; /* no replica */
    caller->awaited--;
    if (in[0] != '$' || in[1] == '-')
        return line;
    size_t whole = line + strtoul(in + 1, NULL, 10) + 2;
    if (whole <= length)
        return whole;
    caller->skip = whole - length;
    return length;
}

static void pull(struct run *run, struct caller *caller)
{
    size_t room = in_bytes(&run->settings);
    ssize_t got = recv(caller->fd, caller->in + caller->in_length, room - caller->in_length, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("recv");
    caller->in_length += (size_t)got;
    size_t at = 0;
    if (caller->skip > 0) {
        at = caller->skip < caller->in_length ? caller->skip : caller->in_length;
        caller->skip -= at;
    }
    while (at < caller->in_length && caller->awaited > 0) {
        size_t used = take_reply(run, caller, caller->in + at, caller->in_length - at);
        if (used == 0)
            break;
        at += used;
    }
    caller->in_length -= at;
    memmove(caller->in, caller->in + at, caller->in_length);
    if (caller->awaited > 0 || caller->skip > 0)
        return;
    count(run, caller);
    send_or_wait(run, caller);
}

/* ---- The run ---- */

static void connect_all(struct run *run)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(run->settings.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    size_t out_bytes = (run->settings.value_bytes + COMMAND_BYTES) * run->settings.pipeline;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(run->epoll >= 0);
    for (unsigned i = 0; i < run->settings.callers; i++) {
        struct caller *caller = &run->callers[i];
        caller->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (caller->fd < 0 || connect(caller->fd, (void *)&address, sizeof address) != 0)
            fail("connect");
        int one = 1;
        setsockopt(caller->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        caller->out = malloc(out_bytes);
        caller->in = malloc(in_bytes(&run->settings));
        ASSERT(caller->out != NULL && caller->in != NULL);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};
        ASSERT(epoll_ctl(run->epoll, EPOLL_CTL_ADD, caller->fd, &event) == 0);
        run->idle[run->idle_count++] = caller;
    }
}

static void wait_events(struct run *run)
{
    struct epoll_event events[EVENTS];
    uint64_t now = clock_boot_ns();
    uint64_t wait_ns = 10 * NS_PER_MS;
    if (run->settings.rate > 0 && run->idle_count > 0) {
        uint64_t due = due_at(run, run->issued);
        uint64_t left = due > now ? due - now : 0;
        wait_ns = left < wait_ns ? left : wait_ns;
    }
    struct timespec patience = {.tv_nsec = (long)wait_ns};
    int count = epoll_pwait2(run->epoll, events, EVENTS, &patience, NULL);
    for (int i = 0; i < count; i++) {
        struct caller *caller = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0)
            push(run, caller);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            pull(run, caller);
    }
}

static void release(struct run *run)
{
    for (unsigned left = run->idle_count; left > 0; left--) {
        unsigned before = run->idle_count;
        send_or_wait(run, run->idle[--run->idle_count]);
        if (run->idle_count == before)
            return; /* nothing is due */
    }
}

static bool goes_on(const struct run *run)
{
    if (run->settings.op == OP_LOAD)
        return run->issued < run->settings.keys;
    return clock_boot_ns() < run->end_ns;
}

static uint64_t drive(struct run *run)
{
    prctl(PR_SET_TIMERSLACK, 1); /* a sleep that is too long is a latency of the open loop */
    run->begun_ns = clock_boot_ns();
    run->begun_wall_ms = clock_wall_ms();
    run->end_ns = run->begun_ns + (uint64_t)(run->settings.seconds * 1e9);
    while (goes_on(run)) {
        release(run);
        wait_events(run);
    }
    uint64_t took = clock_boot_ns() - run->begun_ns;
    while (run->idle_count < run->settings.callers)
        wait_events(run);
    return took;
}

static void print_timeline(const struct run *run, uint64_t took_ns)
{
    uint64_t count = took_ns / run->settings.slice_ns;
    printf(",\"timeline\":{\"begun_wall_ms\":%" PRIu64 ",\"slice_ms\":%" PRIu64 ",\"done\":[",
           run->begun_wall_ms, run->settings.slice_ns / NS_PER_MS);
    for (uint64_t i = 0; i < count && i < SLICES_MAX; i++)
        printf("%s%" PRIu32, i == 0 ? "" : ",", run->slices[i]);
    printf("]}");
}

static void report(const struct run *run, uint64_t took_ns)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {{"p50", 0.5},  {"p90", 0.9},     {"p95", 0.95},
                       {"p99", 0.99}, {"p99_9", 0.999}, {"p99_99", 0.9999}};
    double seconds = (double)took_ns / 1e9;
    uint64_t due = run->settings.rate == 0
                       ? 0
                       : (uint64_t)(run->settings.seconds * (double)run->settings.rate);
    printf("{\"callers\":%u,\"seconds\":%.3f,\"ops\":%" PRIu64
           ",\"ops_per_second\":%.1f,\"latency_us\":{",
           run->settings.callers, seconds, run->done, (double)run->done / seconds);
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++)
        printf("\"%s\":%.3f,", percentiles[i].name,
               (double)histogram_percentile_ns(&run->latencies, percentiles[i].share) / 1e3);
    printf("\"max\":%.3f},\"not_found\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"errors\":{%s%.0" PRIu64
           "}",
           (double)atomic_load(&run->latencies.max_ns) / 1e3, run->missing,
           due > run->issued ? due - run->issued : 0, run->errors > 0 ? "\"ERR\":" : "",
           run->errors);
    if (run->settings.slice_ns > 0)
        print_timeline(run, took_ns);
    printf("}\n");
}

/* ---- Command line ---- */

static double number(struct argp_state *state, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= least) || value > most)
        argp_error(state, "\"%s\" is not a number from %g to %g", text, least, most);
    return value;
}

static enum op op_of(struct argp_state *state, const char *word)
{
    static const char *const words[] = {"get", "set", "wait", "load"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0)
            return (enum op)i;
    }
    argp_error(state, "\"%s\" is none of get, set, wait, load", word);
    return OP_GET;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct settings *settings = state->input;
    switch (key) {
    case 'p':
        settings->port = (uint16_t)number(state, argument, 1, 65535);
        return 0;
    case 'o':
        settings->op = op_of(state, argument);
        return 0;
    case 'c':
        settings->callers = (unsigned)number(state, argument, 1, CALLERS_MAX);
        return 0;
    case 'P':
        settings->pipeline = (unsigned)number(state, argument, 1, PIPELINE_MAX);
        return 0;
    case 'k':
        settings->keys = (uint64_t)number(state, argument, 1, 1e11);
        return 0;
    case 'v':
        settings->value_bytes = (size_t)number(state, argument, 1, VALUE_BYTES_MAX);
        return 0;
    case 's':
        settings->seconds = number(state, argument, 0.01, 86400);
        return 0;
    case 'r':
        settings->rate = (uint64_t)number(state, argument, 1, 1e8);
        return 0;
    case 't':
        settings->slice_ns = (uint64_t)number(state, argument, 1, 60000) * NS_PER_MS;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"port", 'p', "PORT", 0, "of Redis on this machine (6379)", 0},
        {"op", 'o', "OP", 0, "get, set, wait (set, and wait for a replica) or load (get)", 0},
        {"callers", 'c', "N", 0, "connections (64)", 0},
        {"pipeline", 'P', "N", 0, "commands of a message (1)", 0},
        {"keys", 'k', "N", 0, "keys key:0 to key:N-1 (10000)", 0},
        {"value", 'v', "BYTES", 0, "bytes of a value (128)", 0},
        {"seconds", 's', "N", 0, "how long (5)", 0},
        {"rate", 'r', "N", 0, "messages a second, sent when they are due", 0},
        {"timeline", 't', "MS", 0, "count what is done in each slice of time", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .doc = "Load for Redis, as redis-benchmark has not."};
    static struct run run;
    run.settings = (struct settings){.port = 6379,
                                     .callers = 64,
                                     .pipeline = 1,
                                     .keys = 10000,
                                     .value_bytes = 128,
                                     .seconds = 5};
    argp_parse(&argp, argc, argv, 0, NULL, &run.settings);
    rng_seed(&run.rng, 1);
    memset(run.value, 'v', run.settings.value_bytes);
    connect_all(&run);
    report(&run, drive(&run));
    return run.errors == 0 ? 0 : 1;
}
