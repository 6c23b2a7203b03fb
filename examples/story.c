/* What the examples share: arguments, clients, faults, answers. */
#include "story.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_MS 120000 /* of a wait; a fault asked for by hand takes as long as typing it */
#define POLL_MS 50
#define STATUS_MS 1000
#define ALONE_MS 1000
#define ALONE_TRIES 10

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

void story_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fflush(stdout);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _Exit(STORY_FAILED); /* other threads may be in the middle of a call */
}

void story_must(enum candor_code code, const struct candor_result *result, const char *what)
{
    if (code != CANDOR_OK)
        story_fail("%s: %s/%s: %s", what, candor_code_name(code),
                   candor_reason_name(result->error.reason), result->error.message);
}

uint64_t story_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void story_pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

bool story_over(const struct story *story)
{
    return stopped != 0 || (story->end_ms != 0 && story_now_ms() >= story->end_ms);
}

/* ---- Arguments and clients ------------------------------------------------------------------- */

static struct candor_client *open_client(const struct candor_client_options *options)
{
    struct candor_client *client;
    struct candor_error error;
    if (candor_client_open(options, &client, &error) != CANDOR_OK)
        story_fail("%s", error.message);
    return client;
}

struct candor_client *story_client(const struct story *story, size_t nearest)
{
    const char *endpoints[STORY_NODES_MAX];
    for (size_t i = 0; i < story->node_count; i++)
        endpoints[i] = story->nodes[(nearest + i) % story->node_count].endpoint;
    struct candor_client_options options = {
        .endpoints = endpoints, .endpoint_count = story->node_count, .deadline_ms = STORY_CALL_MS};
    return open_client(&options);
}

static unsigned parse_seconds(const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > 86400)
        story_fail("--seconds takes a number up to 86400, not %s", text);
    return (unsigned)value;
}

static void parse(struct story *story, int argc, char **argv)
{
    static const struct option options[] = {{"right", no_argument, NULL, 'r'},
                                            {"wrong", no_argument, NULL, 'w'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"endpoint", required_argument, NULL, 'e'},
                                            {0}};
    bool has_mode = false;
    int got;
    while ((got = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (got == 'r' || got == 'w') {
            story->wrong = got == 'w';
            has_mode = true;
        } else if (got == 's') {
            story->seconds = parse_seconds(optarg);
        } else if (got == 'e' && story->node_count < STORY_NODES_MAX) {
            story->nodes[story->node_count++].endpoint = optarg;
        } else {
            has_mode = false;
            break;
        }
    }
    if (!has_mode || optind != argc || story->node_count < 3)
        story_fail("usage: %s --right|--wrong [--seconds N] --endpoint tcp://HOST:PORT ...\n"
                   "An --endpoint for each node (three or more, of a cluster with `failover: "
                   "automatic`).\n--right works for N seconds, or until ^C; --wrong asks for "
                   "faults: run the kvctl commands that it prints.",
                   argv[0]);
}

static bool ask_status(struct story *story, const struct story_node *node,
                       struct candor_status *status, struct candor_freshness *freshness)
{
    struct candor_result result;
    enum candor_code code =
        candor_status(story->client, node->endpoint, STATUS_MS, status, &result);
    *freshness = result.freshness;
    candor_result_free(&result);
    return code == CANDOR_OK;
}

/* All FRESH, in one epoch, with the same data. */
static bool together(struct story *story)
{
    struct candor_freshness first = {0};
    for (size_t i = 0; i < story->node_count; i++) {
        struct candor_status status;
        struct candor_freshness freshness;
        if (!ask_status(story, &story->nodes[i], &status, &freshness) || freshness.stale)
            return false;
        if (i == 0)
            first = freshness;
        if (candor_epoch_compare(&freshness.epoch, &first.epoch) != 0 ||
            freshness.applied_seq != first.applied_seq)
            return false;
        memcpy(story->nodes[i].name, status.node, sizeof status.node);
    }
    return true;
}

static void wait_together(struct story *story)
{
    uint64_t end = story_now_ms() + PATIENCE_MS;
    while (!together(story)) {
        if (stopped != 0 || story_now_ms() > end)
            story_fail("the nodes do not come together");
        story_pause_ms(POLL_MS);
    }
}

void story_open(struct story *story, int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    memset(story, 0, sizeof *story);
    setvbuf(stdout, NULL, _IOLBF, 0); /* whoever runs the commands must see them */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    parse(story, argc, argv);
    story->client = story_client(story, 0);
    for (size_t i = 0; i < story->node_count; i++) {
        struct candor_client_options options = {
            .endpoints = &story->nodes[i].endpoint, .endpoint_count = 1, .no_redirect = true};
        story->nodes[i].client = open_client(&options);
    }
    wait_together(story);
    if (story->seconds > 0)
        story->end_ms = story_now_ms() + (uint64_t)story->seconds * 1000;
}

void story_close(struct story *story)
{
    for (size_t i = 0; i < story->node_count; i++)
        candor_client_close(story->nodes[i].client);
    candor_client_close(story->client);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static struct story_node *find_primary(struct story *story, const struct story_node *except)
{
    for (size_t i = 0; i < story->node_count; i++) {
        struct candor_status status;
        struct candor_freshness freshness;
        struct story_node *node = &story->nodes[i];
        if (node != except && ask_status(story, node, &status, &freshness) &&
            freshness.role == CANDOR_ROLE_PRIMARY && !freshness.stale)
            return node;
    }
    return NULL;
}

static struct story_node *wait_primary(struct story *story, const struct story_node *except)
{
    uint64_t end = story_now_ms() + PATIENCE_MS;
    for (;;) {
        struct story_node *primary = find_primary(story, except);
        if (primary != NULL)
            return primary;
        if (stopped != 0 || story_now_ms() > end)
            story_fail("no node leads with a majority");
        story_pause_ms(POLL_MS);
    }
}

struct story_node *story_primary(struct story *story)
{
    return wait_primary(story, NULL);
}

struct story_node *story_other_than(struct story *story, const struct story_node *node)
{
    return &story->nodes[((size_t)(node - story->nodes) + 1) % story->node_count];
}

void story_isolate(struct story *story, const struct story_node *node)
{
    struct candor_status status;
    struct candor_freshness freshness;
    for (size_t i = 0; i < story->node_count; i++) {
        if (&story->nodes[i] != node)
            printf("$ kvctl fault cut %s %s\n", node->name, story->nodes[i].name);
    }
    uint64_t end = story_now_ms() + PATIENCE_MS;
    while (!ask_status(story, node, &status, &freshness) || !freshness.stale) {
        if (stopped != 0 || story_now_ms() > end)
            story_fail("node %s is not cut off", node->name);
        story_pause_ms(POLL_MS);
    }
}

struct story_node *story_write_alone(struct story *story, struct candor_client *client,
                                     struct candor_bytes key, struct candor_bytes value,
                                     struct candor_result *result)
{
    struct candor_write_options fast = {.ack = CANDOR_ACK_LOCAL, .deadline_ms = ALONE_MS};
    for (int i = 0; i < ALONE_TRIES; i++) {
        struct story_node *primary = story_primary(story);
        story_isolate(story, primary);
        if (candor_put(primary->client, key, value, &fast, result) == CANDOR_OK) {
            struct candor_token token;
            candor_client_token(primary->client, &token);
            story_must(candor_client_join(client, &token, &result->error), result, "join");
            return primary;
        }
        if (result->error.reason == CANDOR_REASON_OUTCOME_UNKNOWN)
            story_must(result->error.code, result, "write at a primary that was cut off");
        candor_result_free(result);
        story_heal(story, NULL);
    }
    story_fail("a primary that was cut off always stepped down before a write came");
}

struct story_node *story_kill(struct story *story, const struct story_node *node)
{
    struct candor_status status;
    struct candor_freshness freshness;
    printf("$ kvctl node kill %s\n", node->name);
    uint64_t end = story_now_ms() + PATIENCE_MS;
    while (ask_status(story, node, &status, &freshness)) {
        if (stopped != 0 || story_now_ms() > end)
            story_fail("node %s was not killed", node->name);
        story_pause_ms(POLL_MS);
    }
    return wait_primary(story, node);
}

void story_heal(struct story *story, const struct story_node *dead)
{
    printf("$ kvctl fault heal --all\n");
    if (dead != NULL)
        printf("$ kvctl node start %s\n", dead->name);
    wait_together(story);
}

/* ---- Answers --------------------------------------------------------------------------------- */

void story_age(const struct candor_result *result, char out[STORY_TEXT_BYTES])
{
    const struct candor_freshness *freshness = &result->freshness;
    char bound[64] = "of unknown age";
    if (freshness->has_staleness_bound)
        snprintf(bound, sizeof bound, "at most %" PRIu64 " ms old", freshness->staleness_bound_ms);
    char heard[64] = "";
    if (freshness->has_heartbeat_age && freshness->role != CANDOR_ROLE_PRIMARY)
        snprintf(heard, sizeof heard, "primary heard %" PRIu64 " ms ago, ",
                 freshness->heartbeat_age_ms);
    snprintf(out, STORY_TEXT_BYTES, "%s at %s (%s, epoch %" PRIu64 "), %s%s",
             candor_state_name(freshness->state), freshness->node,
             candor_role_name(freshness->role), freshness->epoch.term, heard, bound);
}

void story_written(const struct candor_result *result, char out[STORY_TEXT_BYTES])
{
    static const char *const names[] = {"LOCAL", "LOCAL", "MAJORITY", "ALL"};
    snprintf(out, STORY_TEXT_BYTES, "epoch %" PRIu64 " seq %" PRIu64 ", %s",
             result->last.epoch.term, result->last.seq, names[result->ack]);
}

bool story_took_effect(struct candor_client *client, const struct candor_request_id *request)
{
    uint64_t end = story_now_ms() + PATIENCE_MS;
    for (;;) {
        enum candor_txn_state state;
        struct candor_result result;
        enum candor_code code =
            candor_txn_status(client, request, NULL, STORY_CALL_MS, &state, &result);
        /* a deposed one knows less (R21) */
        bool knows = result.freshness.role == CANDOR_ROLE_PRIMARY && !result.freshness.stale;
        candor_result_free(&result);
        if (code == CANDOR_OK && state == CANDOR_TXN_COMMITTED)
            return true;
        if (code == CANDOR_OK && state == CANDOR_TXN_UNKNOWN && knows)
            return false;
        if (story_now_ms() > end)
            story_fail("nobody can say what became of a write");
        story_pause_ms(POLL_MS);
    }
}

int64_t story_number(const struct candor_item *item)
{
    char text[24];
    if (!item->found || item->value.length == 0 || item->value.length >= sizeof text)
        story_fail("%.*s is not a number", (int)item->key.length, (const char *)item->key.data);
    memcpy(text, item->value.data, item->value.length);
    text[item->value.length] = '\0';
    char *end;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        story_fail("%.*s is not a number: %s", (int)item->key.length, (const char *)item->key.data,
                   text);
    return number;
}
