/* links: stream */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "sp_socket.h"
#include "stream/stream.h"

#define MESSAGE_BYTES ((size_t)16 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- A node's stream, and what came over it -------------------------------------------------- */

struct node {
    struct stream *stream;
    int ports[2];
    char addresses[2][64];
    pthread_mutex_t lock; /* of all below */
    struct {
        uint64_t count;
        uint64_t number; /* of the newest message */
        size_t length;
        bool intact;
        struct candor_node_id peer;
    } newest[2];
    uint32_t ups;
    uint32_t downs;
};

/* A message: its number, then bytes that follow from it. */
static void message_fill(uint8_t *bytes, size_t length, uint64_t number)
{
    memset(bytes, (int)(number & 0xff), length);
    memcpy(bytes, &number, sizeof number);
}

static bool message_intact(struct slice bytes, uint64_t number)
{
    for (size_t i = sizeof number; i < bytes.length; i++)
        if (bytes.bytes[i] != (uint8_t)(number & 0xff))
            return false;
    return true;
}

static void received(void *closure, struct candor_node_id peer, enum stream_channel channel,
                     struct slice bytes)
{
    struct node *node = closure;
    uint64_t number = 0;
    if (bytes.length >= sizeof number)
        memcpy(&number, bytes.bytes, sizeof number);
    bool intact = message_intact(bytes, number);
    pthread_mutex_lock(&node->lock);
    node->newest[channel].count++;
    node->newest[channel].number = number;
    node->newest[channel].length = bytes.length;
    node->newest[channel].intact = intact;
    node->newest[channel].peer = peer;
    pthread_mutex_unlock(&node->lock);
}

static void connected(void *closure, struct candor_node_id peer, bool up)
{
    struct node *node = closure;
    (void)peer;
    pthread_mutex_lock(&node->lock);
    if (up)
        node->ups++;
    else
        node->downs++;
    pthread_mutex_unlock(&node->lock);
}

static void node_open(struct node *node)
{
    struct stream_options options = {
        .records_address = node->addresses[STREAM_RECORDS],
        .heartbeat_address = node->addresses[STREAM_HEARTBEAT],
        .message_bytes = MESSAGE_BYTES,
        .received = received,
        .connected = connected,
        .closure = node,
    };
    struct candor_error err;
    if (stream_open(&options, &node->stream, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static void node_start(struct node *node)
{
    *node = (struct node){0};
    pthread_mutex_init(&node->lock, NULL);
    for (int i = 0; i < 2; i++) {
        node->ports[i] = free_port();
        snprintf(node->addresses[i], sizeof node->addresses[i], "tcp://127.0.0.1:%d",
                 node->ports[i]);
    }
    node_open(node);
}

static void node_stop(struct node *node)
{
    stream_close(node->stream);
    node->stream = NULL;
    pthread_mutex_destroy(&node->lock);
}

static void node_follow(struct node *node, struct node *peer, const char *id)
{
    struct candor_error err;
    if (stream_subscribe(node->stream, node_id_of(id), peer->addresses[STREAM_RECORDS],
                         peer->addresses[STREAM_HEARTBEAT], &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static void publish(struct node *node, enum stream_channel channel, size_t length, uint64_t number)
{
    uint8_t *bytes = malloc(length);
    message_fill(bytes, length, number);
    stream_publish(node->stream, channel, slice_of(bytes, length));
    free(bytes);
}

static uint64_t newest_of(struct node *node, enum stream_channel channel)
{
    pthread_mutex_lock(&node->lock);
    uint64_t number = node->newest[channel].number;
    pthread_mutex_unlock(&node->lock);
    return number;
}

static uint64_t count_of(struct node *node, enum stream_channel channel)
{
    pthread_mutex_lock(&node->lock);
    uint64_t count = node->newest[channel].count;
    pthread_mutex_unlock(&node->lock);
    return count;
}

static struct candor_node_id sender_of(struct node *node, enum stream_channel channel)
{
    pthread_mutex_lock(&node->lock);
    struct candor_node_id peer = node->newest[channel].peer;
    pthread_mutex_unlock(&node->lock);
    return peer;
}

/* Publishes again and again (the stream may lose it) until the follower has it. */
static void publish_until_received(struct node *from, struct node *to, enum stream_channel channel,
                                   size_t length, uint64_t number)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (newest_of(to, channel) != number && clock_boot_ns() < until_ns) {
        publish(from, channel, length, number);
        for (int i = 0; i < 20 && newest_of(to, channel) != number; i++)
            pause_ms(1);
    }
    pthread_mutex_lock(&to->lock);
    bool intact = to->newest[channel].intact && to->newest[channel].length == length;
    uint64_t newest = to->newest[channel].number;
    pthread_mutex_unlock(&to->lock);
    assert_int_equal(newest, number);
    assert_true(intact);
}

static uint32_t connections_of(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    uint32_t ups = node->ups;
    pthread_mutex_unlock(&node->lock);
    return ups;
}

static void await_connections(struct node *node, uint32_t ups, uint32_t downs)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    bool reached = false;
    while (!reached && clock_boot_ns() < until_ns) {
        pause_ms(1);
        pthread_mutex_lock(&node->lock);
        reached = node->ups >= ups && node->downs >= downs;
        pthread_mutex_unlock(&node->lock);
    }
    assert_true(reached);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void a_message_arrives_on_its_channel_with_its_peers_name(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 1);
    publish_until_received(&a, &b, STREAM_HEARTBEAT, 50, 2);
    assert_int_equal(newest_of(&b, STREAM_RECORDS), 1);
    assert_true(node_id_equal(sender_of(&b, STREAM_HEARTBEAT), node_id_of("a")));
    assert_int_equal(count_of(&a, STREAM_RECORDS), 0);
    await_connections(&b, 1, 0);
    node_stop(&b);
    node_stop(&a);
}

static void a_large_message_arrives_whole_and_a_larger_one_is_dropped(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    publish_until_received(&a, &b, STREAM_RECORDS, MESSAGE_BYTES, 1);
    publish(&a, STREAM_RECORDS, MESSAGE_BYTES + 1, 2);
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 3); /* over a new connection */
    assert_true(count_of(&b, STREAM_RECORDS) >= 2);
    node_stop(&b);
    node_stop(&a);
}

static int mute_subscriber(int port)
{
    static const uint8_t handshake_sub[8] = {0, 'S', 'P', 0, 0, 0x21, 0, 0};
    uint8_t handshake[8];
    int fd = sp_connect(port);
    assert_true(fd >= 0);
    assert_true(send_all(fd, handshake_sub, 8) && receive_all(fd, handshake, 8));
    return fd;
}

/* It reads nothing, but something was sent to it: the publisher counts it, which its handshake
 * alone does not show. */
static int stuck_subscriber(struct node *publisher, size_t bytes)
{
    int fd = mute_subscriber(publisher->ports[STREAM_RECORDS]);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (poll(&readable, 1, 5) == 0) {
        assert_true(clock_boot_ns() < until_ns);
        publish(publisher, STREAM_RECORDS, bytes, 1);
    }
    return fd;
}

static void a_slow_subscriber_blocks_nobody_and_loses_its_oldest(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    publish_until_received(&a, &b, STREAM_RECORDS, 1000, 1);
    enum { COUNT = 30000, LENGTH = 1000 };
    int slow = stuck_subscriber(&a, LENGTH);
    uint64_t begun_ns = clock_boot_ns();
    for (uint64_t i = 2; i <= COUNT; i++)
        publish(&a, STREAM_RECORDS, LENGTH, i);
    assert_true(clock_boot_ns() - begun_ns < PATIENCE_NS);
    publish_until_received(&a, &b, STREAM_RECORDS, LENGTH, COUNT + 1);
    publish_until_received(&a, &b, STREAM_HEARTBEAT, 10, 1); /* R9 */

    /* The slow one wakes: it finds what fitted, in order, and not all of it. */
    static uint8_t frame[8 + LENGTH];
    uint64_t last = 0;
    uint64_t count = 0;
    while (last < COUNT + 1 && receive_all(slow, frame, sizeof frame)) {
        uint64_t number;
        memcpy(&number, frame + 8, sizeof number);
        assert_true(number >= last);
        last = number;
        count++;
    }
    assert_int_equal(last, COUNT + 1);
    assert_in_range(count, 8000, COUNT - 1);
    close(slow);
    node_stop(&b);
    node_stop(&a);
}

static void large_messages_shorten_the_queue_of_a_stuck_subscriber(void **state)
{
    (void)state;
    /* the heap is not malloc's */
    if (SANITIZED)
        skip();
    struct node a;
    node_start(&a);
    int stuck = stuck_subscriber(&a, 8);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (uint64_t i = 1; i <= 600; i++)
        publish(&a, STREAM_RECORDS, (size_t)1 << 20, i);
    size_t held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    assert_in_range(held, 1 << 20, LIMIT_STREAM_BUFFER_BYTES + (16u << 20));
    close(stuck);
    node_stop(&a);
}

static void many_stuck_subscribers_cost_no_more_than_one_and_lose_their_connections(void **state)
{
    (void)state;
    /* the heap is not malloc's */
    if (SANITIZED)
        skip();
    enum { STUCK = 12, EACH = 60 };
    struct node a;
    int stuck[STUCK];
    node_start(&a);
    int descriptors = descriptors_of(getpid());
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 0; i < STUCK; i++) { /* they begin at different messages */
        stuck[i] = stuck_subscriber(&a, 8);
        for (uint64_t k = 1; k <= EACH; k++)
            publish(&a, STREAM_RECORDS, (size_t)1 << 20, k);
    }
    size_t held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    assert_in_range(held, 1 << 20, LIMIT_STREAM_BUFFER_BYTES + ((STUCK + 8u) << 20));
    /* They are told nothing, and stay open at their own end. */
    assert_in_range(descriptors_at_most(getpid(), descriptors + STUCK), 1, descriptors + STUCK);
    publish(&a, STREAM_RECORDS, 8, 1);
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    while (mallinfo2().uordblks + mallinfo2().hblkhd > before + (4u << 20)) {
        assert_true(clock_boot_ns() < until_ns);
        pause_ms(10);
    }
    for (int i = 0; i < STUCK; i++)
        close(stuck[i]);
    node_stop(&a);
}

static bool closed_by_publisher(int fd)
{
    struct pollfd connection = {.fd = fd, .events = POLLIN | POLLRDHUP};
    uint8_t byte;
    return poll(&connection, 1, 0) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void subscribers_beyond_the_limit_are_refused_and_the_others_served(void **state)
{
    (void)state;
    enum { BEYOND = 10, COUNT = LIMIT_STREAM_SUBSCRIBERS_OF_ONE + BEYOND };
    struct node a;
    struct node b;
    int fds[COUNT];
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 1);
    for (int i = 0; i < COUNT; i++)
        fds[i] = mute_subscriber(a.ports[STREAM_RECORDS]);
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    for (int closed = 0; closed <= BEYOND; pause_ms(5)) { /* b has a place, too */
        assert_true(clock_boot_ns() < until_ns);
        closed = 0;
        for (int i = 0; i < COUNT; i++)
            closed += closed_by_publisher(fds[i]);
        assert_in_range(closed, 0, BEYOND + 1);
    }
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 2);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    /* Places come back. */
    for (uint32_t i = 1; i <= 3; i++) {
        stream_reset_peer(b.stream, node_id_of("a"));
        await_connections(&b, i + 1, 0);
        publish_until_received(&a, &b, STREAM_RECORDS, 100, 2 + i);
    }
    node_stop(&b);
    node_stop(&a);
}

static void a_reset_peer_is_connected_anew(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    await_connections(&b, 1, 0);
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 1);
    for (uint32_t i = 1; i <= 20; i++) {
        stream_reset_peer(b.stream, node_id_of("a"));
        await_connections(&b, i + 1, 0);
        publish_until_received(&a, &b, STREAM_RECORDS, 50000, 10 + i);
        publish_until_received(&a, &b, STREAM_HEARTBEAT, 100, 10 + i);
    }
    /* R22: what this side dropped is no hint that the peer has died. */
    assert_int_equal(b.downs, 0);
    node_stop(&b);
    node_stop(&a);
}

static void a_peer_that_comes_late_or_again_is_found(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    stream_close(a.stream);
    node_follow(&b, &a, "a");
    for (int i = 0; i < 5; i++) { /* nobody there: dials anew, harmlessly */
        stream_reset_peer(b.stream, node_id_of("a"));
        pause_ms(STREAM_REDIAL_MS / 2);
    }
    for (uint32_t i = 1; i <= 3; i++) {
        node_open(&a);
        await_connections(&b, i, i - 1);
        publish_until_received(&a, &b, STREAM_HEARTBEAT, 100, i);
        stream_close(a.stream);
        await_connections(&b, i, i); /* R22: the hint */
    }
    a.stream = NULL;
    node_stop(&b);
    node_stop(&a);
}

/* The local port of a connection to `port` that waits for its SYN to be answered, and is none of
 * `fillers`; 0: there is none. */
static int hanging_connect(int port, const int *fillers, int count)
{
    char line[256];
    int found = 0;
    FILE *table = fopen("/proc/net/tcp", "r");
    assert_non_null(table);
    while (found == 0 && fgets(line, sizeof line, table) != NULL) {
        unsigned local;
        unsigned remote;
        unsigned state;
        enum { SYN_SENT = 2 };
        if (sscanf(line, " %*d: %*8x:%4x %*8x:%4x %2x", &local, &remote, &state) != 3 ||
            (int)remote != port || state != SYN_SENT)
            continue;
        found = (int)local;
        for (int i = 0; i < count; i++)
            if (found == sp_local_port(fillers[i]))
                found = 0;
    }
    fclose(table);
    return found;
}

static void a_peer_that_hangs_in_its_connect_is_dialed_anew_by_a_reset(void **state)
{
    (void)state;
    enum { FILLERS = 3 };
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    stream_close(a.stream);
    /* A full backlog: SYNs are dropped, as by a partition. TCP itself would try again ever more
     * seldom. */
    int port = a.ports[STREAM_HEARTBEAT];
    int listener = sp_listen(port, 0);
    int fillers[FILLERS];
    for (int i = 0; i < FILLERS; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons((uint16_t)port)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    node_follow(&b, &a, "a");
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    int first = 0;
    for (; first == 0; pause_ms(5)) {
        assert_true(clock_boot_ns() < until_ns);
        first = hanging_connect(port, fillers, FILLERS);
    }
    for (int second = first; second == first || second == 0; pause_ms(5)) {
        assert_true(clock_boot_ns() < until_ns);
        stream_reset_peer(b.stream, node_id_of("a"));
        second = hanging_connect(port, fillers, FILLERS);
    }
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(listener);
    node_open(&a);
    for (; connections_of(&b) == 0; pause_ms(5)) {
        assert_true(clock_boot_ns() < until_ns);
        stream_reset_peer(b.stream, node_id_of("a"));
    }
    node_stop(&b);
    node_stop(&a);
}

static void hostile_connections_to_a_publisher_are_dropped_alone(void **state)
{
    (void)state;
    struct node a;
    struct node b;
    node_start(&a);
    node_start(&b);
    node_follow(&b, &a, "a");
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 1);
    publish_until_received(&a, &b, STREAM_HEARTBEAT, 100, 1);
    int before = descriptors_of(getpid());
    for (int i = 0; i < 200; i++) {
        int port = a.ports[i % 2];
        int fd = i % 4 == 0 ? mute_subscriber(port) : sp_connect(port);
        assert_true(fd >= 0);
        if (i % 4 != 3)
            send_all(fd, "\0\0\0\0\0\0\0\x64junk", 12);
        if (i % 3 == 0)
            sp_reset(fd);
        else
            close(fd);
    }
    publish_until_received(&a, &b, STREAM_RECORDS, 100, 2);
    publish_until_received(&a, &b, STREAM_HEARTBEAT, 100, 2);
    assert_in_range(descriptors_at_most(getpid(), before), 1, before);
    node_stop(&b);
    node_stop(&a);
}

static void *publish_for_ever(void *closure)
{
    struct node *node = closure;
    bool stop = false;
    for (uint64_t i = 1; !stop; i++) {
        publish(node, STREAM_RECORDS, 20000, i);
        publish(node, STREAM_HEARTBEAT, 100, i);
        pthread_mutex_lock(&node->lock);
        stop = node->downs == UINT32_MAX; /* set by the test */
        pthread_mutex_unlock(&node->lock);
    }
    return NULL;
}

static void closing_under_traffic_returns_and_ends_callbacks(void **state)
{
    (void)state;
    struct node a;
    node_start(&a);
    pthread_t publisher;
    pthread_create(&publisher, NULL, publish_for_ever, &a);
    for (int i = 0; i < 10; i++) {
        struct node b;
        node_start(&b);
        node_follow(&b, &a, "a");
        uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
        while (newest_of(&b, STREAM_RECORDS) == 0 && clock_boot_ns() < until_ns)
            pause_ms(1);
        assert_true(newest_of(&b, STREAM_RECORDS) > 0);
        node_stop(&b); /* a callback after this would use what is gone: a sanitizer would see it */
    }
    pthread_mutex_lock(&a.lock);
    a.downs = UINT32_MAX;
    pthread_mutex_unlock(&a.lock);
    pthread_join(publisher, NULL);
    node_stop(&a);
}

static void an_address_in_use_or_malformed_is_named(void **state)
{
    (void)state;
    struct node a;
    node_start(&a);
    char other[64];
    snprintf(other, sizeof other, "tcp://127.0.0.1:%d", free_port());
    struct candor_error err;
    struct stream *stream;
    struct stream_options options = {.records_address = other,
                                     .heartbeat_address = a.addresses[STREAM_HEARTBEAT],
                                     .message_bytes = MESSAGE_BYTES,
                                     .received = received};
    assert_int_equal(stream_open(&options, &stream, &err), CANDOR_UNAVAILABLE);
    assert_non_null(strstr(err.message, a.addresses[STREAM_HEARTBEAT]));
    options.heartbeat_address = "smoke-signals://hill";
    assert_int_equal(stream_open(&options, &stream, &err), CANDOR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "smoke-signals://hill"));
    assert_int_equal(
        stream_subscribe(a.stream, node_id_of("x"), other, "smoke-signals://hill", &err),
        CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "smoke-signals://hill"));
    node_stop(&a);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_on_its_channel_with_its_peers_name),
        cmocka_unit_test(a_large_message_arrives_whole_and_a_larger_one_is_dropped),
        cmocka_unit_test(a_slow_subscriber_blocks_nobody_and_loses_its_oldest),
        cmocka_unit_test(large_messages_shorten_the_queue_of_a_stuck_subscriber),
        cmocka_unit_test(many_stuck_subscribers_cost_no_more_than_one_and_lose_their_connections),
        cmocka_unit_test(subscribers_beyond_the_limit_are_refused_and_the_others_served),
        cmocka_unit_test(a_reset_peer_is_connected_anew),
        cmocka_unit_test(a_peer_that_comes_late_or_again_is_found),
        cmocka_unit_test(a_peer_that_hangs_in_its_connect_is_dialed_anew_by_a_reset),
        cmocka_unit_test(hostile_connections_to_a_publisher_are_dropped_alone),
        cmocka_unit_test(closing_under_traffic_returns_and_ends_callbacks),
        cmocka_unit_test(an_address_in_use_or_malformed_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
