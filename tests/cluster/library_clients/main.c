/* Clients of libcandor for the chaos run: one thread that keeps hundreds of operations in flight,
 * and threads that wait for theirs, over the same clients, so that calls share messages. Each lane
 * is a process of the history.
 *
 *     library-clients --history FILE --stale-after-ms N --started-ns N --seed N --drift-ppm N \
 *         --endpoint tcp://127.0.0.1:7000 ...
 *
 * Works until its stdin ends; then closes the clients with operations in flight, writes down how
 * they ended, and prints how many operations it has recorded. Exit status 1, with a line on
 * stderr: a node broke a promise, or the library one of its own. */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "calls.h"

enum {
    ENDPOINTS_MAX = 8,
    SESSIONS = 4, /* lanes with a client of their own */
    BLOCKING = 8, /* lanes that wait; the others are the one thread's */
    TAKEN_AT_ONCE = 64,
    DEADLINE_MS = 2000,
    IMPATIENT_MS = 250,
};

/* The lanes of one thread. The keys "x" are theirs alone: some lanes a key, so that they meet and
 * the search for an order stays short. */
static const struct {
    enum lane_kind kind;
    const char *name;
    unsigned count;
    unsigned lanes_a_key;
    const char *keys;
    unsigned key_count;
} groups[] = {
    {LANE_REGISTER, "register", 112, 7, "x", 1}, {LANE_SWAPPER, "swapper", 24, 6, "x", 1},
    {LANE_COUNTER, "counter", 24, 6, "x", 1},    {LANE_LOCAL, "local", 32, 8, "x", 1},
    {LANE_READER, "reader", 48, 12, "x", 1},     {LANE_WATCHER, "watcher", 32, 32, "", 4},
};
enum { GROUPS = sizeof groups / sizeof groups[0], LANES_MAX = 512 };

struct load {
    struct world world; /* first: work() */
    const char *endpoints[ENDPOINTS_MAX];
    size_t endpoint_count;
    uint32_t drift_ppm;
    const char *path;
    uint64_t stale_after_ms;

    struct candor_client *shared[ENDPOINTS_MAX];
    struct candor_client *own[SESSIONS];
    struct candor_queue *queue;
    struct lane lanes[LANES_MAX];
    size_t lane_count;
    size_t in_flight;
    uint64_t next_burst_ns;
    struct lane pacer; /* draws the times of bursts */
    struct lane blocking[BLOCKING];
    pthread_t threads[BLOCKING];
    atomic_bool stop;
    atomic_size_t broken;
};

/* ---- Clients and lanes ----------------------------------------------------------------------- */

static void on_violation(void *closure, const char *text)
{
    struct load *load = closure;
    atomic_fetch_add(&load->broken, 1);
    fprintf(stderr, "broken promise: %s\n", text);
}

/* Reads stay with the first endpoint: each client begins with another. */
static struct candor_client *open_client(struct load *load, size_t nearest)
{
    const char *endpoints[ENDPOINTS_MAX];
    struct candor_client *client;
    struct candor_error error;
    for (size_t i = 0; i < load->endpoint_count; i++)
        endpoints[i] = load->endpoints[(nearest + i) % load->endpoint_count];
    struct candor_client_options options = {.endpoints = endpoints,
                                            .endpoint_count = load->endpoint_count,
                                            .clock_drift_ppm = load->drift_ppm,
                                            .violation = on_violation,
                                            .closure = load};
    if (candor_client_open(&options, &client, &error) != CANDOR_OK)
        give_up("%s", error.message);
    return client;
}

static void init_lane(struct load *load, struct lane *lane, enum lane_kind kind, const char *name,
                      size_t number)
{
    char full[TEXT_BYTES];
    ASSERT(load->endpoint_count > 0);
    snprintf(full, sizeof full, "library-%.24s%zu", name, number);
    lane_init(lane, &load->world, full);
    lane->kind = kind;
    lane->client = load->shared[number % load->endpoint_count];
    lane->deadline_ms = number % 8 == 7 ? IMPATIENT_MS : DEADLINE_MS;
}

static void add_group(struct load *load, size_t group)
{
    for (unsigned i = 0; i < groups[group].count; i++) {
        struct lane *lane = &load->lanes[load->lane_count++];
        init_lane(load, lane, groups[group].kind, groups[group].name, i);
        lane->first_key = i / groups[group].lanes_a_key;
        lane->key_count = groups[group].key_count;
        lane->keys = groups[group].keys;
    }
}

/* On the keys of the other clients of the run. */
static void add_sessions(struct load *load)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        struct lane *lane = &load->lanes[load->lane_count++];
        load->own[i] = open_client(load, i);
        init_lane(load, lane, LANE_SESSION, "session", i);
        lane->client = load->own[i];
        lane->keys = "";
        lane->key_count = 4;
    }
}

static void add_blocking(struct load *load)
{
    static const enum lane_kind kinds[] = {LANE_REGISTER, LANE_REGISTER, LANE_SWAPPER,
                                           LANE_COUNTER,  LANE_LOCAL,    LANE_READER};
    for (size_t i = 0; i < BLOCKING; i++) {
        struct lane *lane = &load->blocking[i];
        init_lane(load, lane, kinds[i % (sizeof kinds / sizeof kinds[0])], "blocking", i);
        lane->client = load->shared[i % 2];
        lane->keys = "";
        lane->key_count = 2;
    }
}

/* ---- Lanes that wait ------------------------------------------------------------------------- */

static void pause_us(uint64_t us)
{
    struct timespec left = {.tv_sec = (time_t)(us / 1000000),
                            .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&left, NULL);
}

static void *work(void *argument)
{
    struct lane *lane = argument;
    const struct load *load = (const struct load *)lane->world;
    while (!atomic_load(&load->stop)) {
        struct candor_result result;
        lane_next(lane);
        call_wait(lane, &result);
        lane_complete(lane, &result);
        candor_result_free(&result);
        pause_us(lane_draw(lane, 60000)); /* leaves the processors to the nodes */
    }
    return NULL;
}

/* ---- Lanes of the one thread ----------------------------------------------------------------- */

static void submit(struct load *load, struct lane *lane)
{
    struct candor_sink sink = {.queue = load->queue, .closure = lane};
    struct candor_error error;
    lane_next(lane);
    if (call_submit(lane, &sink, &error) != CANDOR_OK)
        give_up("%s: nothing is submitted: %s", lane->name, error.message);
    lane->busy = true;
    load->in_flight++;
}

static void take(struct load *load)
{
    struct candor_completion done[TAKEN_AT_ONCE];
    size_t count;
    do {
        count = candor_queue_take(load->queue, done, TAKEN_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            struct lane *lane = done[i].closure;
            if (!lane->busy)
                give_up("%s: an operation has completed twice", lane->name);
            lane_complete(lane, &done[i].result);
            candor_result_free(&done[i].result);
            lane->due_ns = history_now_ns() + lane_draw(lane, 60000000);
            load->in_flight--;
        }
    } while (count == TAKEN_AT_ONCE);
}

/* All at once, so that they share messages and are concurrent; sessions go on at their own pace. */
static void submit_due(struct load *load)
{
    uint64_t now_ns = history_now_ns();
    bool burst = now_ns >= load->next_burst_ns;
    for (size_t i = 0; i < load->lane_count; i++) {
        struct lane *lane = &load->lanes[i];
        bool due = lane->kind == LANE_SESSION ? now_ns >= lane->due_ns : burst;
        if (due && !lane->busy)
            submit(load, lane);
    }
    if (burst)
        load->next_burst_ns = now_ns + (300 + lane_draw(&load->pacer, 1200)) * 1000000;
}

/* Until stdin ends. */
static void run(struct load *load)
{
    const int tick_ms = 20;
    struct pollfd polled[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = candor_queue_fd(load->queue), .events = POLLIN}};
    while (polled[0].revents == 0) {
        submit_due(load);
        if (poll(polled, 2, tick_ms) < 0)
            give_up("poll fails");
        take(load);
    }
}

/* ---- The end --------------------------------------------------------------------------------- */

/* With operations in flight: each completes, once. */
static void close_clients(struct load *load)
{
    load->next_burst_ns = 0;
    submit_due(load);
    for (size_t i = 0; i < load->endpoint_count; i++)
        candor_client_close(load->shared[i]);
    take(load);
    for (size_t i = 0; i < SESSIONS; i++)
        candor_client_close(load->own[i]);
    take(load);
    if (load->in_flight != 0)
        give_up("%zu operations have not completed, and their clients are closed", load->in_flight);
    candor_queue_close(load->queue);
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        give_up("not a number: %s", text);
    return value;
}

static void take_option(struct load *load, int option, const char *value)
{
    switch (option) {
    case 'h':
        load->path = value;
        break;
    case 'a':
        load->stale_after_ms = number(value);
        break;
    case 'n':
        load->world.started_ns = number(value);
        break;
    case 's':
        load->world.seed = number(value);
        break;
    case 'd':
        load->drift_ppm = (uint32_t)number(value);
        break;
    case 'e':
        if (load->endpoint_count == ENDPOINTS_MAX)
            give_up("more than %d endpoints", ENDPOINTS_MAX);
        load->endpoints[load->endpoint_count++] = value;
        break;
    default:
        give_up("see the comment in main.c");
    }
}

static void parse(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {{"history", required_argument, NULL, 'h'},
                                            {"stale-after-ms", required_argument, NULL, 'a'},
                                            {"started-ns", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"drift-ppm", required_argument, NULL, 'd'},
                                            {"endpoint", required_argument, NULL, 'e'},
                                            {0}};
    int got;
    while ((got = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(load, got, optarg);
    if (load->path == NULL || load->stale_after_ms == 0 || load->endpoint_count == 0 ||
        optind != argc)
        give_up("--history, --stale-after-ms and --endpoint are needed");
}

static void open_all(struct load *load)
{
    struct candor_error error;
    load->world.history = history_open(load->path, load->stale_after_ms);
    if (candor_queue_open(&load->queue, &error) != CANDOR_OK)
        give_up("%s", error.message);
    for (size_t i = 0; i < load->endpoint_count; i++)
        load->shared[i] = open_client(load, i);
    lane_init(&load->pacer, &load->world, "pacer");
    for (size_t i = 0; i < GROUPS; i++)
        add_group(load, i);
    add_sessions(load);
    add_blocking(load);
}

int main(int argc, char **argv)
{
    static struct load load;
    parse(&load, argc, argv);
    open_all(&load);
    for (size_t i = 0; i < BLOCKING; i++)
        if (pthread_create(&load.threads[i], NULL, work, &load.blocking[i]) != 0)
            give_up("no thread");
    run(&load);
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < BLOCKING; i++)
        pthread_join(load.threads[i], NULL);
    close_clients(&load);
    printf("%" PRIu64 "\n", history_close(load.world.history));
    return atomic_load(&load.broken) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
