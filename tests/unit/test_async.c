/* links: client */
/* Operations that nobody waits for, at nodes that answer what a script says. */
#define SCRIPTED_CALLS 4096 /* one connection may hold a quarter */
#include "scripted_nodes.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include <candor/async.h>

#define NOT_READ ((void *)1)

static void millisecond(void)
{
    nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
}

static struct candor_queue *open_queue(void)
{
    struct candor_queue *queue;
    struct candor_error err;
    assert_int_equal(candor_queue_open(&queue, &err), CANDOR_OK);
    return queue;
}

/* A client of the first node, with limits of its own; 0: the usual ones. */
static struct candor_client *limited_client(struct fixture *f, uint32_t operations, size_t bytes)
{
    const char *endpoint = f->nodes[0].address;
    struct candor_client_options options = {.endpoints = &endpoint,
                                            .endpoint_count = 1,
                                            .deadline_ms = CLIENT_DEADLINE_MS,
                                            .message_bytes = 1u << 16,
                                            .operations = operations,
                                            .operation_bytes = bytes};
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &f->client, &err), CANDOR_OK);
    connect_to(f->client, &f->nodes[0]);
    return f->client;
}

static struct candor_sink sink_of(struct candor_queue *queue, uintptr_t number)
{
    return (struct candor_sink){.queue = queue, .closure = (void *)number};
}

static enum candor_code submit_get(struct candor_client *client, struct candor_queue *queue,
                                   uintptr_t number, struct candor_error *err)
{
    struct candor_sink sink = sink_of(queue, number);
    return candor_submit_get(client, candor_text("k"), NULL, &sink, err);
}

static enum candor_code submit_put(struct candor_client *client, struct candor_queue *queue,
                                   uintptr_t number, struct candor_error *err)
{
    struct candor_sink sink = sink_of(queue, number);
    return candor_submit_put(client, candor_text("k"), candor_text("v"), NULL, &sink, err);
}

/* The only one that is in flight; to be freed. */
static struct candor_result taken(struct candor_queue *queue, uintptr_t number)
{
    struct candor_completion done;
    assert_int_equal(candor_queue_wait(queue, &done, 1, -1), 1);
    assert_ptr_equal(done.closure, number);
    return done.result;
}

static void await_calls(struct node *node, size_t count)
{
    while (calls_of(node) < count)
        millisecond();
}

/* The node loses the calls that it has not answered. */
static void let_go(struct node *node)
{
    struct candor_error error = {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_SHUTTING_DOWN};
    pthread_mutex_lock(&node->lock);
    size_t count = node->silent_count;
    node->silent_count = 0;
    SCRIPT(node, {.seq = 1});
    pthread_mutex_unlock(&node->lock);
    for (size_t i = 0; i < count; i++)
        rpc_call_fail(node->silent[i], &error);
}

/* ---- Queues ---------------------------------------------------------------------------------- */

static void an_operation_completes_once_in_its_queue(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 300 };
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_completion done[7];
    bool seen[COUNT] = {false};
    size_t count = 0;
    for (uintptr_t i = 0; i < COUNT; i++)
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
    while (count < COUNT) {
        size_t n = candor_queue_wait(queue, done, 7, -1);
        assert_in_range(n, 1, 7);
        for (size_t i = 0; i < n; i++) {
            uintptr_t number = (uintptr_t)done[i].closure;
            EXPECT(done[i].result.error.code, CANDOR_OK, done[i].result);
            assert_memory_equal(done[i].result.items[0].value.data, "a", 1);
            assert_false(seen[number]);
            seen[number] = true;
            candor_result_free(&done[i].result);
        }
        count += n;
    }
    assert_int_equal(candor_queue_take(queue, done, 7), 0);
    assert_int_equal(candor_queue_wait(queue, done, 7, 1), 0);
    candor_queue_close(queue);
}

static bool readable(int fd)
{
    struct pollfd at = {.fd = fd, .events = POLLIN};
    assert_in_range(poll(&at, 1, 0), 0, 1);
    return (at.revents & POLLIN) != 0;
}

static void the_descriptor_is_readable_while_there_is_something_to_take(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_completion done;
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(submit_get(client, queue, 0, NULL), CANDOR_OK);
    struct candor_result first = taken(queue, 0); /* before anybody asked for the descriptor */
    candor_result_free(&first);
    assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD, candor_queue_fd(queue), &event), 0);
    assert_false(readable(candor_queue_fd(queue)));
    for (uintptr_t round = 0; round < 50; round++) {
        assert_int_equal(submit_get(client, queue, 1, NULL), CANDOR_OK);
        assert_int_equal(submit_get(client, queue, 2, NULL), CANDOR_OK);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(epoll_wait(loop, &event, 1, -1), 1);
            assert_int_equal(candor_queue_take(queue, &done, 1), 1);
            candor_result_free(&done.result);
        }
        assert_int_equal(epoll_wait(loop, &event, 1, 0), 0);
    }
    close(loop);
    candor_queue_close(queue);
}

static void the_descriptor_shows_what_came_before_it_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    assert_int_equal(submit_get(client, queue, 0, NULL), CANDOR_OK);
    candor_client_close(client);
    f->client = NULL;
    assert_true(readable(candor_queue_fd(queue)));
    candor_queue_close(queue);
}

static void *take_some(void *argument)
{
    struct candor_queue *queue = argument;
    uintptr_t count = 0;
    for (;;) {
        struct candor_completion done;
        assert_int_equal(candor_queue_wait(queue, &done, 1, -1), 1);
        bool last = done.closure == NOT_READ;
        candor_result_free(&done.result);
        if (last)
            return (void *)count;
        count++;
    }
}

static void threads_share_a_queue(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 400, THREADS = 3 };
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    pthread_t threads[THREADS];
    uintptr_t sum = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_some, queue), 0);
    for (uintptr_t i = 0; i < COUNT; i++)
        assert_int_equal(submit_get(client, queue, 0, NULL), CANDOR_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(submit_get(client, queue, (uintptr_t)NOT_READ, NULL), CANDOR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        void *count;
        pthread_join(threads[i], &count);
        sum += (uintptr_t)count;
    }
    struct candor_completion rest; /* the last words may have overtaken some */
    while (sum < COUNT && candor_queue_wait(queue, &rest, 1, -1) == 1) {
        candor_result_free(&rest.result);
        sum++;
    }
    assert_int_equal(sum, COUNT);
    candor_queue_close(queue);
}

static void results_for_a_queue_that_was_closed_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0], {.seq = 1}, {.stay_silent = true});
    assert_int_equal(submit_get(client, queue, 0, NULL), CANDOR_OK);
    await_calls(&f->nodes[0], 1);
    for (uintptr_t i = 1; i < 4; i++)
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
    await_calls(&f->nodes[0], 4);
    candor_queue_close(queue);
    let_go(&f->nodes[0]);
    struct candor_result result;
    EXPECT(get(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

struct loop {
    struct candor_client *client;
    atomic_int left;
    atomic_int wrong;
    atomic_bool over;
    struct candor_result kept;
};

static void next_of_loop(void *closure, struct candor_result *result)
{
    struct loop *loop = closure;
    struct candor_sink sink = {.done = next_of_loop, .closure = loop};
    bool good = result->error.code == CANDOR_OK && result->items[0].found;
    atomic_fetch_add(&loop->wrong, !good);
    if (atomic_fetch_sub(&loop->left, 1) == 1) {
        loop->kept = *result;
        *result = (struct candor_result){0};
        atomic_store(&loop->over, true);
        return;
    }
    enum candor_code code = candor_submit_get(loop->client, candor_text("k"), NULL, &sink, NULL);
    atomic_fetch_add(&loop->wrong, code != CANDOR_OK);
}

static void a_callback_submits_again_and_keeps_what_it_wants(void **state)
{
    struct fixture *f = *state;
    struct loop loop = {.client = open_client(f, 1, false), .left = 1000};
    struct candor_sink sink = {.done = next_of_loop, .closure = &loop};
    assert_int_equal(candor_submit_get(loop.client, candor_text("k"), NULL, &sink, NULL),
                     CANDOR_OK);
    while (!atomic_load(&loop.over))
        millisecond();
    candor_client_close(f->client);
    f->client = NULL;
    assert_int_equal(atomic_load(&loop.wrong), 0);
    assert_memory_equal(loop.kept.items[0].value.data, "a", 1);
    candor_result_free(&loop.kept);
}

static void wait_within(void *closure, struct candor_result *result)
{
    struct loop *loop = closure;
    candor_result_free(result);
    loop->left = (int)get(loop->client, &loop->kept);
    atomic_store(&loop->over, true);
}

static void a_callback_that_waits_is_told_that_it_may_not(void **state)
{
    struct fixture *f = *state;
    struct loop loop = {.client = open_client(f, 1, false)};
    struct candor_sink sink = {.done = wait_within, .closure = &loop};
    assert_int_equal(candor_submit_get(loop.client, candor_text("k"), NULL, &sink, NULL),
                     CANDOR_OK);
    while (!atomic_load(&loop.over))
        millisecond();
    assert_int_equal(loop.left, CANDOR_FAILED_PRECONDITION);
    candor_result_free(&loop.kept);
}

static void told(void *closure, const char *text)
{
    snprintf(closure, 256, "%s", text);
}

static void a_violation_is_told_before_the_result_comes(void **state)
{
    struct fixture *f = *state;
    const char *endpoint = f->nodes[0].address;
    char seen[256] = "";
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .violation = told, .closure = seen};
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0], {.contradict = true});
    assert_int_equal(candor_client_open(&options, &f->client, NULL), CANDOR_OK);
    struct candor_result result;
    do { /* however long it takes to connect */
        assert_int_equal(submit_get(f->client, queue, 0, NULL), CANDOR_OK);
        result = taken(queue, 0);
    } while (result.error.code != CANDOR_OK);
    assert_non_null(strstr(seen, "stale = true"));
    assert_string_equal(result.violation, seen);
    candor_result_free(&result);
    candor_queue_close(queue);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void a_sink_names_exactly_one(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_sink nobody = {.closure = f};
    struct candor_sink two = {.queue = queue, .done = next_of_loop};
    struct candor_bytes key = candor_text("k");
    assert_int_equal(candor_submit_get(client, key, NULL, &nobody, NULL), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_submit_get(client, key, NULL, &two, NULL), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(candor_submit_get(client, key, NULL, NULL, NULL), CANDOR_INVALID_ARGUMENT);
    candor_queue_close(queue);
}

static void too_many_in_flight_are_refused_until_some_were_taken(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = limited_client(f, 4, 0);
    struct candor_queue *queue = open_queue();
    struct candor_error err;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
    await_calls(&f->nodes[0], 4);
    /* answered or not, they are there until they are taken */
    assert_int_equal(submit_get(client, queue, 4, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_OVERLOADED);
    for (uintptr_t i = 4; i < 100; i++) {
        struct candor_completion done;
        assert_int_equal(candor_queue_wait(queue, &done, 1, -1), 1);
        candor_result_free(&done.result);
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_RESOURCE_EXHAUSTED);
    }
    candor_client_close(client);
    f->client = NULL;
    candor_queue_close(queue);
}

static void too_many_bytes_in_flight_are_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = limited_client(f, 0, 1000);
    struct candor_queue *queue = open_queue();
    struct candor_sink sink = sink_of(queue, 0);
    static const char value[2000];
    struct candor_error err;
    /* what is alone may be larger: else it could never go */
    assert_int_equal(candor_submit_put(client, candor_text("k"),
                                       (struct candor_bytes){value, sizeof value}, NULL, &sink,
                                       &err),
                     CANDOR_OK);
    assert_int_equal(submit_get(client, queue, 1, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_OVERLOADED);
    struct candor_result result = taken(queue, 0);
    candor_result_free(&result);
    assert_int_equal(submit_get(client, queue, 1, &err), CANDOR_OK);
    result = taken(queue, 1);
    candor_result_free(&result);
    candor_queue_close(queue);
}

static void a_request_beyond_a_message_is_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_sink sink = sink_of(queue, 0);
    static const char value[1u << 16];
    struct candor_error err;
    assert_int_equal(candor_submit_put(client, candor_text("k"),
                                       (struct candor_bytes){value, sizeof value}, NULL, &sink,
                                       &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_TOO_LARGE);
    assert_int_equal(submit_put(client, queue, 1, &err), CANDOR_OK); /* it counts no more */
    struct candor_result result = taken(queue, 1);
    candor_result_free(&result);
    candor_queue_close(queue);
}

/* Takes `count` results of `code`; returns how many of them were sent at all. */
static size_t take_all(struct candor_queue *queue, size_t count, enum candor_code code)
{
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        struct candor_completion done;
        assert_int_equal(candor_queue_wait(queue, &done, 1, -1), 1);
        EXPECT(done.result.error.code, code, done.result);
        asked += done.result.attempts > 0;
        candor_result_free(&done.result);
    }
    return asked;
}

/* More than a connection takes: they wait for their turn, and each is answered. */
static void what_is_too_much_for_a_node_waits_for_its_turn(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 3000, ASKED = LIMIT_RPC_CLIENT_CALLS - 64 };
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    for (uintptr_t i = 0; i < COUNT; i++)
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
    await_calls(&f->nodes[0], ASKED);
    struct candor_result result; /* a caller that waits has a place */
    pthread_mutex_lock(&f->nodes[0].lock);
    SCRIPT(&f->nodes[0], {.seq = 1});
    pthread_mutex_unlock(&f->nodes[0].lock);
    EXPECT(get(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    assert_int_equal(calls_of(&f->nodes[0]), ASKED + 1);
    let_go(&f->nodes[0]);
    assert_int_equal(take_all(queue, COUNT, CANDOR_OK), COUNT);
    candor_queue_close(queue);
}

static void what_waits_for_its_turn_ends_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 1500, ASKED = LIMIT_RPC_CLIENT_CALLS - 64 };
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_sink sink = sink_of(queue, 0);
    struct candor_read_options brief = {.deadline_ms = 50};
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    for (uintptr_t i = 0; i < ASKED; i++)
        assert_int_equal(submit_get(client, queue, i, NULL), CANDOR_OK);
    for (uintptr_t i = ASKED; i < COUNT; i++)
        assert_int_equal(candor_submit_get(client, candor_text("k"), &brief, &sink, NULL),
                         CANDOR_OK);
    assert_int_equal(take_all(queue, COUNT - ASKED, CANDOR_DEADLINE_EXCEEDED), 0);
    await_calls(&f->nodes[0], ASKED);
    assert_int_equal(calls_of(&f->nodes[0]), ASKED);
    candor_client_close(client);
    f->client = NULL;
    assert_int_equal(take_all(queue, ASKED, CANDOR_CANCELLED), ASKED);
    candor_queue_close(queue);
}

/* ---- What every operation does by itself ----------------------------------------------------- */

static void a_redirect_is_followed(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_NOT_PRIMARY,
                          .redirect = &f->nodes[1]});
    SCRIPT(&f->nodes[1], {.seq = 9}, {.seq = 10});
    assert_int_equal(submit_put(client, queue, 1, NULL), CANDOR_OK);
    struct candor_result result = taken(queue, 1);
    EXPECT(result.error.code, CANDOR_OK, result);
    assert_string_equal(result.freshness.node, "b");
    assert_int_equal(f->nodes[0].numbers[0], f->nodes[1].numbers[0]); /* R46 */
    assert_string_equal(f->nodes[1].first_hop, "a");
    candor_result_free(&result);
    size_t asked = calls_of(&f->nodes[0]);
    assert_int_equal(submit_put(client, queue, 2, NULL), CANDOR_OK);
    result = taken(queue, 2);
    EXPECT(result.error.code, CANDOR_OK, result);
    assert_int_equal(calls_of(&f->nodes[0]), asked); /* the primary is remembered */
    candor_result_free(&result);
    candor_queue_close(queue);
}

static void a_refused_write_is_repeated_after_a_pause(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0],
           {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY, .retry_after_ms = 20},
           {.code = CANDOR_RESOURCE_EXHAUSTED, .reason = CANDOR_REASON_OVERLOADED}, {.seq = 3});
    uint64_t begun = clock_boot_ns();
    assert_int_equal(submit_put(client, queue, 1, NULL), CANDOR_OK);
    struct candor_result result = taken(queue, 1);
    EXPECT(result.error.code, CANDOR_OK, result);
    assert_true(clock_boot_ns() - begun >= 20 * NS_PER_MS);
    assert_int_equal(result.attempts, 3);
    assert_int_equal(f->nodes[0].numbers[2], f->nodes[0].numbers[0]); /* R46 */
    candor_result_free(&result);
    candor_queue_close(queue);
}

static void a_write_tells_what_its_session_lost_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0], {.seq = 10},
           {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_SESSION_LOST, .term = 2, .seq = 8},
           {.term = 2, .seq = 9});
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(submit_put(client, queue, i, NULL), CANDOR_OK);
        struct candor_result result = taken(queue, i);
        EXPECT(result.error.code, CANDOR_OK, result);
        assert_int_equal(result.session_lost, i == 1);
        candor_result_free(&result);
    }
    assert_int_equal(f->nodes[0].asked_seq, 8);
    assert_int_equal(f->nodes[0].numbers[1], f->nodes[0].numbers[2]);
    candor_queue_close(queue);
}

static void an_operation_ends_at_its_deadline_when_nobody_is_there(void **state)
{
    struct fixture *f = *state;
    struct candor_queue *queue = open_queue();
    struct candor_sink sink = sink_of(queue, 1);
    struct candor_read_options brief = {.deadline_ms = 300};
    close_node(&f->nodes[0]);
    close_node(&f->nodes[1]);
    struct candor_client *client = open_client(f, 2, false);
    assert_int_equal(candor_submit_get(client, candor_text("k"), &brief, &sink, NULL), CANDOR_OK);
    struct candor_result result = taken(queue, 1);
    EXPECT(result.error.code, CANDOR_UNAVAILABLE, result);
    assert_non_null(strstr(result.error.message, "gave up"));
    candor_result_free(&result);
    candor_queue_close(queue);
}

static void a_silent_node_leaves_the_outcome_of_a_write_unknown(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    struct candor_sink sink = sink_of(queue, 1);
    struct candor_write_options brief = {.deadline_ms = 500};
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    struct candor_result result;
    for (;;) { /* until one came to the node in time */
        size_t before = calls_of(&f->nodes[0]);
        assert_int_equal(
            candor_submit_put(client, candor_text("k"), candor_text("v"), &brief, &sink, NULL),
            CANDOR_OK);
        result = taken(queue, 1);
        if (calls_of(&f->nodes[0]) > before)
            break;
        candor_result_free(&result);
        brief.deadline_ms *= 2;
    }
    EXPECT(result.error.code, CANDOR_DEADLINE_EXCEEDED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_int_not_equal(result.request.number, 0);
    candor_result_free(&result);
    candor_queue_close(queue);
}

/* ---- Closing --------------------------------------------------------------------------------- */

struct closing {
    struct candor_client *client;
    atomic_int cancelled;
    atomic_int refused;
    atomic_int other;
};

static void submit_while_closing(void *closure, struct candor_result *result)
{
    struct closing *closing = closure;
    struct candor_sink sink = {.done = submit_while_closing, .closure = closing};
    bool cancelled = result->error.code == CANDOR_CANCELLED;
    atomic_fetch_add(cancelled ? &closing->cancelled : &closing->other, 1);
    enum candor_code code = candor_submit_get(closing->client, candor_text("k"), NULL, &sink, NULL);
    atomic_fetch_add(code == CANDOR_CANCELLED ? &closing->refused : &closing->other, 1);
}

static void closing_cancels_what_is_in_flight_and_in_line(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 1500 };
    struct closing closing = {.client = open_client(f, 1, false)};
    struct candor_sink sink = {.done = submit_while_closing, .closure = &closing};
    SCRIPT(&f->nodes[0], {.stay_silent = true});
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(candor_submit_get(closing.client, candor_text("k"), NULL, &sink, NULL),
                         CANDOR_OK);
    await_calls(&f->nodes[0], 10);
    candor_client_close(closing.client);
    f->client = NULL;
    assert_int_equal(atomic_load(&closing.cancelled), COUNT);
    assert_int_equal(atomic_load(&closing.refused), COUNT);
    assert_int_equal(atomic_load(&closing.other), 0);
}

static void closing_cancels_pauses_and_says_which_writes_are_uncertain(void **state)
{
    struct fixture *f = *state;
    struct candor_client *client = open_client(f, 1, false);
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0],
           {.code = CANDOR_UNAVAILABLE,
            .reason = CANDOR_REASON_SHUTTING_DOWN,
            .retry_after_ms = CLIENT_DEADLINE_MS / 2},
           {.code = CANDOR_UNAVAILABLE,
            .reason = CANDOR_REASON_NO_PRIMARY,
            .retry_after_ms = CLIENT_DEADLINE_MS / 2},
           {.stay_silent = true});
    static const enum candor_reason reasons[] = {CANDOR_REASON_OUTCOME_UNKNOWN, CANDOR_REASON_NONE,
                                                 CANDOR_REASON_OUTCOME_UNKNOWN};
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(submit_put(client, queue, i, NULL), CANDOR_OK);
        await_calls(&f->nodes[0], i + 1);
    }
    candor_client_close(client);
    f->client = NULL;
    for (int i = 0; i < 3; i++) {
        struct candor_completion done;
        assert_int_equal(candor_queue_take(queue, &done, 1), 1); /* they are there already */
        EXPECT(done.result.error.code, CANDOR_CANCELLED, done.result);
        /* the refusal of the second may still be on its way, and is not known then */
        if (done.closure != (void *)1 || done.result.error.reason == CANDOR_REASON_NONE)
            assert_int_equal(done.result.error.reason, reasons[(uintptr_t)done.closure]);
        candor_result_free(&done.result);
    }
    candor_queue_close(queue);
}

/* At any moment of what is under way. */
static void closing_never_hangs(void **state)
{
    struct fixture *f = *state;
    struct candor_queue *queue = open_queue();
    SCRIPT(&f->nodes[0],
           {.code = CANDOR_FAILED_PRECONDITION,
            .reason = CANDOR_REASON_NOT_PRIMARY,
            .redirect = &f->nodes[1]},
           {.code = CANDOR_UNAVAILABLE, .reason = CANDOR_REASON_NO_PRIMARY}, {.seq = 1});
    for (int round = 0; round < 100; round++) {
        struct candor_client *client = limited_client(f, 0, 0);
        pthread_mutex_lock(&f->nodes[0].lock); /* calls of the last round may still be there */
        f->nodes[0].calls = 0;
        pthread_mutex_unlock(&f->nodes[0].lock);
        for (uintptr_t i = 0; i < 20; i++)
            assert_int_equal(submit_put(client, queue, i, NULL), CANDOR_OK);
        for (int i = 0; i < round % 4; i++)
            millisecond();
        candor_client_close(client);
        f->client = NULL;
        for (int i = 0; i < 20; i++) {
            struct candor_completion done;
            assert_int_equal(candor_queue_take(queue, &done, 1), 1);
            candor_result_free(&done.result);
        }
    }
    candor_queue_close(queue);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_operation_completes_once_in_its_queue),
        TEST(the_descriptor_is_readable_while_there_is_something_to_take),
        TEST(the_descriptor_shows_what_came_before_it_was_asked_for),
        TEST(threads_share_a_queue),
        TEST(results_for_a_queue_that_was_closed_are_dropped),
        TEST(a_callback_submits_again_and_keeps_what_it_wants),
        TEST(a_callback_that_waits_is_told_that_it_may_not),
        TEST(a_violation_is_told_before_the_result_comes),
        TEST(a_sink_names_exactly_one),
        TEST(too_many_in_flight_are_refused_until_some_were_taken),
        TEST(too_many_bytes_in_flight_are_refused),
        TEST(a_request_beyond_a_message_is_refused),
        TEST(what_is_too_much_for_a_node_waits_for_its_turn),
        TEST(what_waits_for_its_turn_ends_at_its_deadline),
        TEST(a_redirect_is_followed),
        TEST(a_refused_write_is_repeated_after_a_pause),
        TEST(a_write_tells_what_its_session_lost_and_goes_on),
        TEST(an_operation_ends_at_its_deadline_when_nobody_is_there),
        TEST(a_silent_node_leaves_the_outcome_of_a_write_unknown),
        TEST(closing_cancels_what_is_in_flight_and_in_line),
        TEST(closing_cancels_pauses_and_says_which_writes_are_uncertain),
        TEST(closing_never_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
