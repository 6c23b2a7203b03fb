/* links: client rpc net */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <candor/client.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "net/dialed.h"
#include "net/names.h"
#include "net/own_address.h"
#include "publisher.h"
#include "rpc/rpc.h"

/* ---- A name server --------------------------------------------------------------------------- */

/* "hang...": no answer until it is opened; "gone": no such host; else what was set. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool open;
    int error; /* of the others */
    const char *addresses[4];
    uint32_t asked;
    uint32_t hanging;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static int fake_lookup(const char *host, struct host_addresses *out)
{
    int error = 0;
    pthread_mutex_lock(&server.lock);
    server.asked++;
    if (strncmp(host, "hang", 4) == 0) {
        server.hanging++;
        while (!server.open)
            pthread_cond_wait(&server.moved, &server.lock);
        server.hanging--;
        pthread_cond_broadcast(&server.moved);
        error = EAI_AGAIN;
    } else if (strcmp(host, "gone") == 0) {
        error = EAI_NONAME;
    } else {
        error = server.error;
        for (size_t i = 0; i < 4 && server.addresses[i] != NULL && error == 0; i++)
            assert_true(names_numeric(server.addresses[i], &out->at[out->count++]));
    }
    pthread_mutex_unlock(&server.lock);
    return error;
}

static void server_says(const char *first, const char *second, int error)
{
    pthread_mutex_lock(&server.lock);
    server.addresses[0] = first;
    server.addresses[1] = second;
    server.error = error;
    pthread_mutex_unlock(&server.lock);
}

static uint32_t server_asked(void)
{
    pthread_mutex_lock(&server.lock);
    uint32_t asked = server.asked;
    pthread_mutex_unlock(&server.lock);
    return asked;
}

static int server_start(void **state)
{
    (void)state;
    names_replace_lookup(fake_lookup);
    pthread_mutex_lock(&server.lock);
    server.open = false;
    server.asked = 0;
    pthread_mutex_unlock(&server.lock);
    return 0;
}

/* Lookups that hang are answered, and are over when it returns. */
static int server_stop(void **state)
{
    (void)state;
    pthread_mutex_lock(&server.lock);
    server.open = true;
    pthread_cond_broadcast(&server.moved);
    while (server.hanging > 0)
        pthread_cond_wait(&server.moved, &server.lock);
    pthread_mutex_unlock(&server.lock);
    return 0;
}

/* ---- What is dialled ------------------------------------------------------------------------- */

static void dial(struct dialed *dialed, const char *host, int port)
{
    char address[LIMIT_ADDRESS_BYTES];
    nng_socket socket;
    snprintf(address, sizeof address, "tcp://%s:%d", host, port);
    assert_int_equal(nng_sub0_open(&socket), 0);
    assert_int_equal(dialed_start(dialed, socket, address, NULL, NULL), 0);
}

/* As a node does, it asks to dial anew what hangs. */
static void await_connection(struct dialed *dialed, bool wanted)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    uint64_t since_ns;
    while ((dialed_pipe(dialed, &since_ns) != 0) != wanted) {
        assert_true(clock_boot_ns() < until_ns);
        dialed_redial(dialed, 2 * NS_PER_S);
        pause_ms(1);
    }
}

/* The last octet of the loopback address it is connected to. */
static int connected_to(struct dialed *dialed)
{
    uint64_t since_ns;
    nng_sockaddr address;
    nng_pipe pipe = {.id = dialed_pipe(dialed, &since_ns)};
    assert_int_equal(nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address), 0);
    return (int)(ntohl(address.s_in.sa_addr) & 0xff);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void names_that_hang_keep_no_other_from_being_dialled(void **state)
{
    (void)state;
    enum { HANGING = 8 }; /* twice as many as NNG has threads for names */
    struct dialed hanging[HANGING];
    struct dialed good;
    struct publisher publisher;
    int port = free_port();
    publisher_start(&publisher, "127.0.0.1", port, true);
    server_says("127.0.0.1", NULL, 0);
    for (int i = 0; i < HANGING; i++) {
        char host[16];
        snprintf(host, sizeof host, "hang%d", i);
        dial(&hanging[i], host, port);
    }
    pthread_mutex_lock(&server.lock);
    while (server.hanging < HANGING) {
        pthread_mutex_unlock(&server.lock);
        pause_ms(1);
        pthread_mutex_lock(&server.lock);
    }
    pthread_mutex_unlock(&server.lock);
    dial(&good, "good", port);
    await_connection(&good, true);
    dialed_close(&good);
    dial(&good, "127.0.0.1", port); /* a numeric one asks nobody */
    await_connection(&good, true);
    assert_int_equal(server_asked(), HANGING + 1);
    dialed_close(&good);
    /* while they still hang */
    for (int i = 0; i < HANGING; i++)
        dialed_close(&hanging[i]);
    publisher_stop(&publisher);
}

static void a_name_that_hangs_is_looked_up_by_one_thread(void **state)
{
    (void)state;
    enum { DIALED = 20 };
    struct dialed dialed[DIALED];
    uint64_t until_ns = clock_boot_ns() + NS_PER_S / 2;
    for (int i = 0; i < DIALED; i++)
        dial(&dialed[i], "hang", 1);
    for (uint64_t since_ns; clock_boot_ns() < until_ns; pause_ms(1)) {
        for (int i = 0; i < DIALED; i++) {
            dialed_redial(&dialed[i], 0);
            assert_int_equal(dialed_pipe(&dialed[i], &since_ns), 0);
        }
    }
    assert_int_equal(server_asked(), 1);
    for (int i = 0; i < DIALED; i++)
        dialed_close(&dialed[i]);
}

static void of_several_addresses_all_are_tried(void **state)
{
    (void)state;
    static const char *const orders[][2] = {
        {"127.0.0.2", "127.0.0.1"}, /* the first refuses */
        {"::1", "127.0.0.1"},
        {"127.0.0.1", "127.0.0.2"},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct dialed dialed;
        struct publisher publisher;
        int port = free_port();
        names_replace_lookup(fake_lookup);
        server_says(orders[i][0], orders[i][1], 0);
        publisher_start(&publisher, "127.0.0.1", port, true);
        dial(&dialed, "two", port);
        await_connection(&dialed, true);
        assert_int_equal(connected_to(&dialed), 1);
        dialed_close(&dialed);
        publisher_stop(&publisher);
    }
}

static void an_address_that_swallows_what_is_sent_gives_way_to_the_next(void **state)
{
    (void)state;
    enum { FILLERS = 3 };
    struct dialed dialed;
    struct publisher publisher;
    int fillers[FILLERS];
    int port = free_port();
    int full = sp_listen_at("127.0.0.2", port, 0); /* SYNs are dropped */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr), 1);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    server_says("127.0.0.2", "127.0.0.1", 0);
    publisher_start(&publisher, "127.0.0.1", port, true);
    dial(&dialed, "two", port);
    await_connection(&dialed, true);
    assert_int_equal(connected_to(&dialed), 1);
    dialed_close(&dialed);
    publisher_stop(&publisher);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(full);
}

static void a_host_that_moves_is_found_again(void **state)
{
    (void)state;
    struct dialed dialed;
    struct publisher publisher;
    int port = free_port();
    publisher_start(&publisher, "127.0.0.2", port, true);
    server_says("127.0.0.2", NULL, 0);
    dial(&dialed, "mover", port);
    await_connection(&dialed, true);
    assert_int_equal(connected_to(&dialed), 2);
    publisher_stop(&publisher);
    server_says("127.0.0.3", NULL, 0);
    publisher_start(&publisher, "127.0.0.3", port, true);
    await_connection(&dialed, false);
    await_connection(&dialed, true);
    assert_int_equal(connected_to(&dialed), 3);
    dialed_close(&dialed);
    publisher_stop(&publisher);
}

static void a_name_server_that_fails_later_stops_nothing(void **state)
{
    (void)state;
    struct dialed dialed;
    struct publisher publisher;
    int port = free_port();
    publisher_start(&publisher, "127.0.0.2", port, true);
    server_says("127.0.0.2", NULL, 0);
    dial(&dialed, "known", port);
    await_connection(&dialed, true);
    server_says(NULL, NULL, EAI_AGAIN);
    pause_ms(LIMIT_HOST_FRESH_MS); /* what is known is old now */
    uint32_t asked = server_asked();
    for (int i = 0; i < 3; i++) {
        publisher_stop(&publisher);
        await_connection(&dialed, false);
        publisher_start(&publisher, "127.0.0.2", port, true);
        await_connection(&dialed, true);
    }
    assert_true(server_asked() > asked);
    dialed_close(&dialed);
    publisher_stop(&publisher);
}

static void a_peer_that_resolves_late_is_connected(void **state)
{
    (void)state;
    struct dialed dialed;
    struct publisher publisher;
    int port = free_port();
    publisher_start(&publisher, "127.0.0.1", port, true);
    server_says(NULL, NULL, EAI_NONAME);
    dial(&dialed, "late", port);
    while (server_asked() < 3)
        pause_ms(1);
    server_says("127.0.0.1", NULL, 0);
    await_connection(&dialed, true);
    dialed_close(&dialed);
    publisher_stop(&publisher);
}

/* ---- What callers are told ------------------------------------------------------------------- */

static void expect_failure(const char *const *endpoints, size_t count, const char *message)
{
    struct candor_client_options options = {
        .endpoints = endpoints, .endpoint_count = count, .deadline_ms = 30000};
    struct candor_client *client;
    struct candor_error err;
    struct candor_result result;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    uint64_t begun_ns = clock_boot_ns();
    assert_int_equal(candor_get(client, candor_text("k"), NULL, &result), CANDOR_UNAVAILABLE);
    if (strstr(result.error.message, message) == NULL)
        fail_msg("%s", result.error.message);
    assert_true(clock_boot_ns() - begun_ns < 15 * NS_PER_S); /* not at the deadline */
    candor_result_free(&result);
    candor_client_close(client);
}

static void a_client_says_at_once_that_a_name_does_not_resolve(void **state)
{
    (void)state;
    static const char *const endpoints[] = {"tcp://gone:7000", "tcp://gone:7001"};
    expect_failure(endpoints, 1, "gone does not resolve");
    expect_failure(endpoints, 2, "gone does not resolve");
}

static void a_client_says_that_a_name_is_still_being_looked_up(void **state)
{
    (void)state;
    const char *endpoint = "tcp://hang-still:7000";
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .deadline_ms = 500};
    struct candor_client *client;
    struct candor_error err;
    struct candor_result result;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    assert_int_equal(candor_get(client, candor_text("k"), NULL, &result), CANDOR_UNAVAILABLE);
    if (strstr(result.error.message, "hang-still:7000: its name is still being looked up") == NULL)
        fail_msg("%s", result.error.message);
    candor_result_free(&result);
    candor_client_close(client);
}

static void a_client_says_at_once_that_another_kind_of_socket_answers(void **state)
{
    (void)state;
    struct publisher publisher;
    char address[64];
    const char *endpoint = address;
    int port = free_port();
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    publisher_start(&publisher, "127.0.0.1", port, true);
    expect_failure(&endpoint, 1, "another kind of address");
    publisher_stop(&publisher);
}

/* ---- A node's own address -------------------------------------------------------------------- */

struct awaiting {
    char address[64];
    atomic_int asked; /* of the end */
    atomic_bool end;
    atomic_bool returned;
    enum candor_code code;
    struct candor_error err;
    pthread_t thread;
};

static bool is_ended(void *closure)
{
    struct awaiting *awaiting = closure;
    atomic_fetch_add(&awaiting->asked, 1);
    return atomic_load(&awaiting->end);
}

static void *await_own(void *closure)
{
    struct awaiting *awaiting = closure;
    struct own_address_wait wait = {.ended = is_ended, .closure = awaiting};
    awaiting->code = own_address_await(awaiting->address, &wait, &awaiting->err);
    atomic_store(&awaiting->returned, true);
    return NULL;
}

static void awaiting_start(struct awaiting *awaiting, const char *host, int port)
{
    memset(awaiting, 0, sizeof *awaiting);
    snprintf(awaiting->address, sizeof awaiting->address, "tcp://%s:%d", host, port);
    pthread_create(&awaiting->thread, NULL, await_own, awaiting);
    while (atomic_load(&awaiting->asked) < 2 && !atomic_load(&awaiting->returned))
        pause_ms(1);
}

static enum candor_code awaiting_stop(struct awaiting *awaiting)
{
    pthread_join(awaiting->thread, NULL);
    return awaiting->code;
}

static void an_own_name_is_waited_for_until_it_resolves(void **state)
{
    (void)state;
    struct awaiting awaiting;
    server_says(NULL, NULL, EAI_AGAIN);
    awaiting_start(&awaiting, "own", free_port());
    assert_false(atomic_load(&awaiting.returned));
    server_says("127.0.0.1", NULL, 0);
    assert_int_equal(awaiting_stop(&awaiting), CANDOR_OK);
}

static void a_wait_for_an_own_name_can_be_ended(void **state)
{
    (void)state;
    static const char *const hosts[] = {"hang", "gone"};
    for (size_t i = 0; i < 2; i++) {
        struct awaiting awaiting;
        awaiting_start(&awaiting, hosts[i], free_port());
        assert_false(atomic_load(&awaiting.returned));
        atomic_store(&awaiting.end, true);
        assert_int_equal(awaiting_stop(&awaiting), CANDOR_CANCELLED);
    }
}

static void an_address_in_use_is_waited_for_a_short_time(void **state)
{
    (void)state;
    struct awaiting awaiting;
    int port = free_port();
    int holder = sp_listen_at("127.0.0.1", port, 1);
    awaiting_start(&awaiting, "127.0.0.1", port);
    assert_false(atomic_load(&awaiting.returned));
    close(holder);
    assert_int_equal(awaiting_stop(&awaiting), CANDOR_OK);

    holder = sp_listen_at("127.0.0.1", port, 1);
    awaiting_start(&awaiting, "127.0.0.1", port);
    assert_int_equal(awaiting_stop(&awaiting), CANDOR_UNAVAILABLE);
    assert_non_null(strstr(awaiting.err.message, awaiting.address));
    close(holder);
}

/* ---- A dialer that meets itself -------------------------------------------------------------- */

/* In front of libc's: the kernel draws the very port that is dialled, as it may out of its
 * ephemeral range. */
static atomic_int self_port;
static atomic_int self_connections;

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    static int (*next)(int, const struct sockaddr *, socklen_t);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "connect");
    int port = atomic_load(&self_port);
    bool own = port != 0 && address->sa_family == AF_INET &&
               ntohs(((const struct sockaddr_in *)address)->sin_port) == port;
    if (own && bind(fd, address, length) == 0)
        atomic_fetch_add(&self_connections, 1);
    return next(fd, address, length);
}

static void a_dialer_that_meets_itself_leaves_the_port_to_its_owner(void **state)
{
    (void)state;
    struct dialed dialed;
    struct awaiting awaiting;
    uint64_t since_ns;
    int port = free_port();
    atomic_store(&self_port, port);
    dial(&dialed, "127.0.0.1", port);
    while (atomic_load(&self_connections) == 0) {
        assert_int_equal(dialed_pipe(&dialed, &since_ns), 0);
        pause_ms(1);
    }
    awaiting_start(&awaiting, "127.0.0.1", port);
    assert_int_equal(awaiting_stop(&awaiting), CANDOR_OK);
    atomic_store(&self_port, 0);
    dialed_close(&dialed);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, server_start, server_stop)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        with_server(names_that_hang_keep_no_other_from_being_dialled),
        with_server(a_name_that_hangs_is_looked_up_by_one_thread),
        with_server(of_several_addresses_all_are_tried),
        with_server(an_address_that_swallows_what_is_sent_gives_way_to_the_next),
        with_server(a_host_that_moves_is_found_again),
        with_server(a_name_server_that_fails_later_stops_nothing),
        with_server(a_peer_that_resolves_late_is_connected),
        with_server(a_client_says_at_once_that_a_name_does_not_resolve),
        with_server(a_client_says_that_a_name_is_still_being_looked_up),
        with_server(a_client_says_at_once_that_another_kind_of_socket_answers),
        with_server(an_own_name_is_waited_for_until_it_resolves),
        with_server(a_wait_for_an_own_name_can_be_ended),
        with_server(an_address_in_use_is_waited_for_a_short_time),
        with_server(a_dialer_that_meets_itself_leaves_the_port_to_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
