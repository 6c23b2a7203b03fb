/* A feed: an old timeline may be shown, but never as if it were new.
 *
 *     example-feed --right --seconds 10 --endpoint tcp://127.0.0.1:7000 --endpoint ... (one for
 *     each node)
 *
 * --right: an author posts (MAJORITY); at each node a reader asks EVENTUAL and labels what it shows
 * with the answer's age, and asks BOUNDED, which sends it on when this node is too old. Each label
 * is checked against what the author had been acknowledged. --wrong: EVENTUAL without a look at
 * `stale`, over a partition and a failover. Exit 0: kept; 1: broken. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "story.h"

enum { POSTS_MAX = 1 << 17, BOUND_MS = 500, POST_MS = 30, REPORT_MS = 500 };

struct feed {
    struct story story;
    atomic_bool closed;
    char prefix[32];
    atomic_uint_fast64_t newest; /* acknowledged; posts count from 1 */
    atomic_uint_fast64_t acked_ms[POSTS_MAX + 1];
};

static void post_key(const struct feed *feed, uint64_t number, char key[64])
{
    snprintf(key, 64, "%s%010" PRIu64, feed->prefix, number);
}

static void post(struct feed *feed, struct candor_client *client, enum candor_ack ack,
                 uint64_t number)
{
    char key[64];
    struct candor_write_options options = {.ack = ack};
    struct candor_result result;
    post_key(feed, number, key);
    story_must(candor_put(client, candor_text(key), candor_text("news"), &options, &result),
               &result, "post");
    candor_result_free(&result);
    atomic_store(&feed->acked_ms[number], story_now_ms());
    atomic_store(&feed->newest, number);
}

/* The timeline's top: the newest post of this answer; 0: none. */
static uint64_t top_of(const struct feed *feed, const struct candor_result *result)
{
    char digits[11] = "0";
    if (result->item_count == 0)
        return 0;
    const struct candor_bytes *key = &result->items[0].key;
    size_t prefix = strlen(feed->prefix);
    if (key->length != prefix + 10)
        story_fail("%.*s is no post", (int)key->length, (const char *)key->data);
    memcpy(digits, (const char *)key->data + prefix, 10);
    return strtoull(digits, NULL, 10);
}

static enum candor_code read_top(const struct feed *feed, struct candor_client *client,
                                 const struct candor_read_options *options,
                                 struct candor_result *result)
{
    struct candor_range range = {.prefix = candor_text(feed->prefix), .limit = 1, .reverse = true};
    return candor_scan(client, &range, options, result);
}

/* ---- Right ----------------------------------------------------------------------------------- */

struct tally {
    uint64_t answers;
    uint64_t flagged;
    uint64_t redirected;
    uint64_t unanswered;
    uint64_t oldest_ms; /* greatest bound shown */
    uint64_t lies;
};

struct reader {
    struct feed *feed;
    pthread_t thread;
    const struct story_node *node;
    struct candor_client *client; /* this node first, then the others */
    enum candor_state shown;
    bool sent_on;
    struct tally eventual;
    struct tally bounded;
};

/* No post acknowledged longer ago than the bound may be missing. `before` is when the call began:
 * the bound reaches at least as far back from there (R36). */
static bool label_is_true(struct feed *feed, const struct candor_result *result, uint64_t before)
{
    const struct candor_freshness *freshness = &result->freshness;
    uint64_t top = top_of(feed, result);
    /* unknown age, and it says so */
    if (!freshness->has_staleness_bound)
        return freshness->stale;
    if (top >= POSTS_MAX || freshness->staleness_bound_ms > before)
        return true;
    uint64_t missed_ms = atomic_load(&feed->acked_ms[top + 1]);
    return missed_ms == 0 || missed_ms >= before - freshness->staleness_bound_ms;
}

static void count(struct reader *reader, struct tally *tally, const struct candor_result *result,
                  uint64_t before)
{
    char age[STORY_TEXT_BYTES];
    const struct candor_freshness *freshness = &result->freshness;
    tally->answers++;
    tally->flagged += freshness->stale;
    if (freshness->has_staleness_bound && freshness->staleness_bound_ms > tally->oldest_ms)
        tally->oldest_ms = freshness->staleness_bound_ms;
    if (label_is_true(reader->feed, result, before))
        return;
    tally->lies++;
    story_age(result, age);
    printf("BROKEN: post %" PRIu64 " shown as the newest [%s]\n", top_of(reader->feed, result),
           age);
}

/* Shows what this node has, labelled; prints when the label's kind changes. */
static void read_eventual(struct reader *reader)
{
    char age[STORY_TEXT_BYTES];
    struct candor_result result;
    uint64_t before = story_now_ms();
    struct candor_read_options quick = {.level = CANDOR_READ_EVENTUAL, .deadline_ms = BOUND_MS};
    if (read_top(reader->feed, reader->node->client, &quick, &result) != CANDOR_OK) {
        reader->eventual.unanswered++; /* killed, or catching up */
    } else {
        count(reader, &reader->eventual, &result, before);
        if (result.freshness.state != reader->shown) {
            story_age(&result, age);
            printf("  EVENTUAL at %s: post %" PRIu64 " of %" PRIuFAST64 ", shown as %s [%s]\n",
                   reader->node->name, top_of(reader->feed, &result),
                   atomic_load(&reader->feed->newest),
                   result.freshness.stale ? "\"may be old\"" : "new", age);
            reader->shown = result.freshness.state;
        }
    }
    candor_result_free(&result);
}

/* Wants posts no older than the bound, from whoever can prove it. */
static void read_bounded(struct reader *reader)
{
    char age[STORY_TEXT_BYTES];
    struct candor_result result;
    uint64_t before = story_now_ms();
    struct candor_read_options recent = {.level = CANDOR_READ_BOUNDED,
                                         .max_staleness_ms = BOUND_MS};
    if (read_top(reader->feed, reader->client, &recent, &result) != CANDOR_OK) {
        reader->bounded.unanswered++;
    } else {
        count(reader, &reader->bounded, &result, before);
        bool sent_on = strcmp(result.freshness.node, reader->node->name) != 0;
        reader->bounded.redirected += sent_on;
        if (sent_on && !reader->sent_on) {
            story_age(&result, age);
            printf("  BOUNDED %d ms at %s: sent on; post %" PRIu64 " of %" PRIuFAST64 " [%s]\n",
                   BOUND_MS, reader->node->name, top_of(reader->feed, &result),
                   atomic_load(&reader->feed->newest), age);
        }
        reader->sent_on = sent_on;
    }
    candor_result_free(&result);
}

static void *read_feed(void *closure)
{
    struct reader *reader = closure;
    while (!atomic_load(&reader->feed->closed)) {
        read_eventual(reader);
        read_bounded(reader);
        story_pause_ms(20);
    }
    return NULL;
}

static bool print_tally(const char *level, const struct tally *tally)
{
    printf("%s: %" PRIu64 " answers, %" PRIu64 " flagged stale, %" PRIu64
           " from another node than asked, %" PRIu64
           " not answered; the oldest said at most %" PRIu64 " ms; %" PRIu64
           " older than they said\n",
           level, tally->answers, tally->flagged, tally->redirected, tally->unanswered,
           tally->oldest_ms, tally->lies);
    return tally->lies == 0 && tally->answers > 0;
}

static void add_tally(struct tally *sum, const struct tally *one)
{
    sum->answers += one->answers;
    sum->flagged += one->flagged;
    sum->redirected += one->redirected;
    sum->unanswered += one->unanswered;
    sum->lies += one->lies;
    if (one->oldest_ms > sum->oldest_ms)
        sum->oldest_ms = one->oldest_ms;
}

static void post_until_over(struct feed *feed)
{
    uint64_t reported_ms = 0;
    for (uint64_t n = 1; n <= POSTS_MAX && !story_over(&feed->story); n++) {
        post(feed, feed->story.client, CANDOR_ACK_MAJORITY, n);
        if (story_now_ms() >= reported_ms + REPORT_MS) {
            printf("so far: %" PRIu64 " posts\n", n);
            reported_ms = story_now_ms();
        }
        story_pause_ms(POST_MS);
    }
}

static void start_readers(struct feed *feed, struct reader *readers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        readers[i] = (struct reader){
            .feed = feed, .node = &feed->story.nodes[i], .client = story_client(&feed->story, i)};
        if (pthread_create(&readers[i].thread, NULL, read_feed, &readers[i]) != 0)
            story_fail("no thread for a reader");
    }
}

static int run_right(struct feed *feed)
{
    struct reader readers[STORY_NODES_MAX] = {0};
    struct tally eventual = {0};
    struct tally bounded = {0};
    uint64_t violations = 0;
    size_t reader_count = feed->story.node_count;
    start_readers(feed, readers, reader_count);
    post_until_over(feed);
    atomic_store(&feed->closed, true);
    for (size_t i = 0; i < reader_count; i++) {
        pthread_join(readers[i].thread, NULL);
        violations += candor_client_violations(readers[i].client) +
                      candor_client_violations(readers[i].node->client);
        candor_client_close(readers[i].client);
        add_tally(&eventual, &readers[i].eventual);
        add_tally(&bounded, &readers[i].bounded);
    }
    bool sound = print_tally("EVENTUAL", &eventual);
    sound = print_tally("BOUNDED", &bounded) && sound && violations == 0;
    printf("%s: no answer was older than it said; %" PRIu64 " promises broken by a node\n",
           sound ? "kept" : "BROKEN", violations);
    return sound ? STORY_KEPT : STORY_BROKEN;
}

/* ---- Wrong ----------------------------------------------------------------------------------- */

/* Shows the top as the newest there is. The answer says how old it is; this reader drops that. */
static uint64_t show(const struct feed *feed, struct candor_client *client, const char *where)
{
    char age[STORY_TEXT_BYTES];
    struct candor_result result;
    story_must(read_top(feed, client, NULL, &result), &result, "read the feed");
    uint64_t top = top_of(feed, &result);
    story_age(&result, age);
    printf("    the reader at %s shows post %" PRIu64 " as new [%s]\n", where, top, age);
    candor_result_free(&result);
    return top;
}

static bool show_old_as_new(struct feed *feed)
{
    struct story *story = &feed->story;
    post(feed, story->client, CANDOR_ACK_MAJORITY, 1);
    story_heal(story, NULL); /* every node has it */
    struct story_node *replica = story_other_than(story, story_primary(story));
    story_isolate(story, replica);
    for (uint64_t n = 2; n <= 4; n++)
        post(feed, story->client, CANDOR_ACK_MAJORITY, n);
    printf(" 1. %s is cut off; the author is acknowledged posts 2 to 4, MAJORITY\n", replica->name);
    uint64_t top = show(feed, replica->client, replica->name);
    if (top < 4)
        printf("    BREAKS: 3 newer posts exist; the answer said stale, and nobody looked\n");
    struct candor_read_options recent = {.level = CANDOR_READ_BOUNDED,
                                         .max_staleness_ms = BOUND_MS};
    struct candor_result result;
    enum candor_code code = read_top(feed, replica->client, &recent, &result);
    printf("    BOUNDED %d ms, the same node says: %s/%s\n", BOUND_MS, candor_code_name(code),
           candor_reason_name(result.error.reason));
    candor_result_free(&result);
    story_heal(story, NULL);
    return top < 4;
}

static bool show_what_never_was(struct feed *feed)
{
    struct story *story = &feed->story;
    struct candor_client *author = story_client(story, 0);
    char key[64];
    struct candor_result result;
    post_key(feed, 5, key);
    printf(" 2. the primary is cut off, takes post 5, LOCAL, and dies\n");
    struct story_node *old =
        story_write_alone(story, author, candor_text(key), candor_text("news"), &result);
    candor_result_free(&result);
    uint64_t first = show(feed, old->client, old->name);
    struct story_node *next = story_kill(story, old);
    uint64_t second = show(feed, next->client, next->name);
    candor_client_close(author);
    story_heal(story, old);
    uint64_t third = show(feed, old->client, old->name);
    bool broken = second < first && third < first;
    if (broken)
        printf("    BREAKS: post %" PRIu64 " was shown, then never was: rolled back; the answer "
               "that showed it said stale\n",
               first);
    return broken;
}

static int run_wrong(struct feed *feed)
{
    bool old = show_old_as_new(feed);
    bool ghost = show_what_never_was(feed);
    if (!old && !ghost)
        return STORY_KEPT;
    printf("BROKEN: %s%s%s\n", old ? "an old feed was shown as new" : "",
           old && ghost ? ", and " : "", ghost ? "a post that was taken back" : "");
    return STORY_BROKEN;
}

int main(int argc, char **argv)
{
    static struct feed feed;
    story_open(&feed.story, argc, argv);
    snprintf(feed.prefix, sizeof feed.prefix, "feed-%" PRIx64 "/", story_now_ms());
    int status = feed.story.wrong ? run_wrong(&feed) : run_right(&feed);
    story_close(&feed.story);
    return status;
}
