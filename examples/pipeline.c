/* One thread, a thousand operations in flight: an epoll loop that waits for a queue's descriptor as
 * it would for its sockets.
 *
 * There are a thousand counters. Each is written with ack MAJORITY, then read LINEARIZABLE, then
 * written with the next number, and so on: what follows is submitted when what it follows has
 * completed, and the counters know nothing of each other. A number that was acknowledged and is not
 * read back would be a lost write. Failed operations are submitted again; a write goes with the
 * same number, so it does not matter whether the first attempt was executed.
 *
 *     build/bin/example-pipeline --right --endpoint tcp://127.0.0.1:7000 ... [--seconds 10] */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <candor/async.h>

#include "story.h"

enum { COUNTERS = 1000, TAKEN_AT_ONCE = 64, TICK_MS = 200 };

struct counter {
    char key[48];
    int64_t number; /* being written, or read back */
    bool reading;
};

struct pipeline {
    struct story story;
    struct candor_queue *queue;
    struct counter counters[COUNTERS];
    size_t in_flight;
    uint64_t rounds; /* numbers that were written and read back */
    uint64_t retries;
    bool broken;
};

static void submit(struct pipeline *pipeline, struct counter *counter)
{
    static const struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY,
                                                     .deadline_ms = STORY_CALL_MS};
    static const struct candor_read_options newest = {.level = CANDOR_READ_LINEARIZABLE,
                                                      .deadline_ms = STORY_CALL_MS};
    struct candor_sink sink = {.queue = pipeline->queue, .closure = counter};
    struct candor_client *client = pipeline->story.client;
    struct candor_bytes key = candor_text(counter->key);
    struct candor_error error;
    char value[24];
    enum candor_code code;
    snprintf(value, sizeof value, "%" PRId64, counter->number);
    if (counter->reading)
        code = candor_submit_get(client, key, &newest, &sink, &error);
    else
        code = candor_submit_put(client, key, candor_text(value), &safe, &sink, &error);
    /* never OVERLOADED: the client's limit is 4,096, and no counter has two in flight */
    if (code != CANDOR_OK)
        story_fail("submit: %s: %s", candor_code_name(code), error.message);
    pipeline->in_flight++;
}

static void compare(struct pipeline *pipeline, struct counter *counter,
                    const struct candor_result *result)
{
    int64_t read = story_number(&result->items[0]);
    if (read != counter->number) {
        printf("BREAKS: %s was acknowledged %" PRId64 ", and reads %" PRId64 "\n", counter->key,
               counter->number, read);
        pipeline->broken = true;
    }
    pipeline->rounds++;
    counter->number++;
}

static void complete(struct pipeline *pipeline, struct candor_completion *completion)
{
    struct counter *counter = completion->closure;
    bool good = completion->result.error.code == CANDOR_OK;
    bool round_ends = good && counter->reading;
    pipeline->in_flight--;
    pipeline->retries += !good;
    if (round_ends)
        compare(pipeline, counter, &completion->result);
    if (good)
        counter->reading = !counter->reading;
    candor_result_free(&completion->result);
    if (!round_ends || !story_over(&pipeline->story))
        submit(pipeline, counter);
}

static void take_all(struct pipeline *pipeline)
{
    struct candor_completion done[TAKEN_AT_ONCE];
    size_t count;
    do {
        count = candor_queue_take(pipeline->queue, done, TAKEN_AT_ONCE);
        for (size_t i = 0; i < count; i++)
            complete(pipeline, &done[i]);
    } while (count == TAKEN_AT_ONCE);
}

static void report(const struct pipeline *pipeline)
{
    static uint64_t next_ms;
    static uint64_t told;
    if (story_now_ms() < next_ms || pipeline->rounds == told)
        return;
    told = pipeline->rounds;
    next_ms = story_now_ms() + 1000;
    printf("so far %" PRIu64 " numbers written and read back, %zu operations in flight\n", told,
           pipeline->in_flight);
    fflush(stdout);
}

static void run(struct pipeline *pipeline)
{
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, candor_queue_fd(pipeline->queue), &event) != 0)
        story_fail("epoll: %s", strerror(errno));
    for (size_t i = 0; i < COUNTERS; i++)
        submit(pipeline, &pipeline->counters[i]);
    while (pipeline->in_flight > 0) {
        if (epoll_wait(loop, &event, 1, TICK_MS) < 0 && errno != EINTR)
            story_fail("epoll: %s", strerror(errno));
        take_all(pipeline);
        report(pipeline);
    }
    close(loop);
}

int main(int argc, char **argv)
{
    static struct pipeline pipeline;
    struct candor_error error;
    story_open(&pipeline.story, argc, argv);
    if (pipeline.story.wrong)
        story_fail("the pipeline has no --wrong");
    if (candor_queue_open(&pipeline.queue, &error) != CANDOR_OK)
        story_fail("%s", error.message);
    for (size_t i = 0; i < COUNTERS; i++)
        snprintf(pipeline.counters[i].key, sizeof pipeline.counters[i].key,
                 "pipeline-%" PRIx64 "/%zu", story_now_ms(), i);
    run(&pipeline);
    printf("%s: %" PRIu64 " numbers of %d counters, each read back as it was acknowledged; %" PRIu64
           " operations submitted again\n",
           pipeline.broken ? "BROKEN" : "kept", pipeline.rounds, COUNTERS, pipeline.retries);
    story_close(&pipeline.story);
    candor_queue_close(pipeline.queue);
    return pipeline.broken ? STORY_BROKEN : STORY_KEPT;
}
