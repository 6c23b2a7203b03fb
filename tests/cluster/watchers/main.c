/* Watches of libcandor for tests/cluster/watching.py: many in one process, each in a thread that
 * writes down what it is told.
 *
 *     watchers --out DIR --watchers N --endpoint tcp://127.0.0.1:7000 ...
 *
 * DIR/<i>.tsv has a line an event: type, seq, key, and the beginning of the value; the seq of "end"
 * (of the present state) is how far the watch has seen. What each watches, and how, follows from
 * its number (watching.py knows it, too). Works until its stdin ends. Exit status 1, with a line on
 * stderr: a watch ended, or a node broke a promise. */
#include <candor/watch.h>

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

enum { ENDPOINTS_MAX = 8, WATCHERS_MAX = 1000, CLIENTS = 4, TIMEOUT_MS = 500, SHOWN = 16 };

struct watcher {
    pthread_t thread;
    unsigned number;
    struct candor_client *client;
    FILE *out;
};

static struct {
    const char *endpoints[ENDPOINTS_MAX];
    size_t endpoint_count;
    const char *directory;
    unsigned watchers;
    struct candor_client *clients[CLIENTS];
    struct watcher list[WATCHERS_MAX];
    atomic_bool ending;
    atomic_bool failed;
} all;

static void violated(void *closure, const char *text)
{
    (void)closure;
    fprintf(stderr, "watchers: %s\n", text);
    atomic_store(&all.failed, true);
}

static const char *type_of(const struct candor_event *event)
{
    static const char *const names[] = {
        [CANDOR_EVENT_PUT] = "put",          [CANDOR_EVENT_DELETE] = "delete",
        [CANDOR_EVENT_STATE] = "state",      [CANDOR_EVENT_STATE_END] = "end",
        [CANDOR_EVENT_ROLLED_BACK] = "back", [CANDOR_EVENT_COMPACTED] = "compacted"};
    return names[event->type];
}

static void write_down(struct watcher *watcher, const struct candor_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct candor_event *event = &changes->events[i];
        uint64_t seq = event->type == CANDOR_EVENT_STATE_END ? changes->seen_seq : event->pos.seq;
        if (event->taken_back)
            continue;
        fprintf(watcher->out, "%s\t%" PRIu64 "\t%.*s\t%.*s\n", type_of(event), seq,
                (int)event->key.length, event->key.length > 0 ? (const char *)event->key.data : "",
                (int)(event->value.length < SHOWN ? event->value.length : SHOWN),
                event->value.length > 0 ? (const char *)event->value.data : "");
    }
    fflush(watcher->out);
}

/* Every fifth begins with the present state, every other fifth takes what is not committed, too;
 * every third watches the keys "a" alone. */
static void *watch(void *closure)
{
    struct watcher *watcher = closure;
    struct candor_watch_options options = {.with_state = watcher->number % 5 == 1,
                                           .since_seq = watcher->number % 5 == 1 ? 0 : 1,
                                           .uncommitted = watcher->number % 5 == 2};
    if (watcher->number % 3 == 1)
        options.prefix = candor_text("a");
    struct candor_watch *watched;
    struct candor_error error;
    ASSERT(candor_watch_open(watcher->client, &options, &watched, &error) == CANDOR_OK);
    while (!atomic_load(&all.ending)) {
        struct candor_changes changes;
        enum candor_code code = candor_watch_next(watched, TIMEOUT_MS, &changes, &error);
        bool passing = code == CANDOR_OK || code == CANDOR_UNAVAILABLE ||
                       code == CANDOR_DEADLINE_EXCEEDED || code == CANDOR_RESOURCE_EXHAUSTED;
        if (!passing) {
            fprintf(stderr, "watchers: %u: %s %s: %s\n", watcher->number, candor_code_name(code),
                    candor_reason_name(error.reason), error.message);
            atomic_store(&all.failed, true);
            break;
        }
        if (code == CANDOR_OK)
            write_down(watcher, &changes);
    }
    candor_watch_close(watched);
    return NULL;
}

static void take_options(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"watchers", required_argument, NULL, 'w'},
                                            {"endpoint", required_argument, NULL, 'e'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'o')
            all.directory = optarg;
        else if (c == 'w')
            all.watchers = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'e' && all.endpoint_count < ENDPOINTS_MAX)
            all.endpoints[all.endpoint_count++] = optarg;
        else
            exit(2);
    }
    if (all.directory == NULL || all.endpoint_count == 0 || all.watchers > WATCHERS_MAX)
        exit(2);
}

/* Each begins elsewhere. */
static void open_clients(void)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        const char *endpoints[ENDPOINTS_MAX];
        for (size_t k = 0; k < all.endpoint_count; k++)
            endpoints[k] = all.endpoints[(i + k) % all.endpoint_count];
        struct candor_client_options options = {
            .endpoints = endpoints, .endpoint_count = all.endpoint_count, .violation = violated};
        struct candor_error error;
        ASSERT(candor_client_open(&options, &all.clients[i], &error) == CANDOR_OK);
    }
}

static void start(struct watcher *watcher, unsigned number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%u.tsv", all.directory, number);
    watcher->number = number;
    watcher->client = all.clients[number % CLIENTS];
    watcher->out = fopen(path, "we");
    ASSERT(watcher->out != NULL);
    ASSERT(pthread_create(&watcher->thread, NULL, watch, watcher) == 0);
}

int main(int argc, char **argv)
{
    char byte;
    take_options(argc, argv);
    open_clients();
    for (unsigned i = 0; i < all.watchers; i++)
        start(&all.list[i], i);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    atomic_store(&all.ending, true);
    for (unsigned i = 0; i < all.watchers; i++) {
        pthread_join(all.list[i].thread, NULL);
        fclose(all.list[i].out);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        candor_client_close(all.clients[i]);
    return atomic_load(&all.failed) ? 1 : 0;
}
