/* links: rpc net */
/* The same attacks as in test_nng_fixes.c on NNG as it is: the bugs of its version must show, else
 * the fix is tested by nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NNG_UNFIXED
#include "../../src/net/nng_fixes.c"

#include "nng_attack.h"
#include "nng_clock.h"
#include "nng_poller.h"

#if NNG_MINOR_VERSION < 6
/* Both are races; a busy machine may win one. */
enum { ATTEMPTS = 10 };

static void a_reset_before_the_handshake_ends_the_listener(void **state)
{
    (void)state;
    int port = 0;
    struct victim server = server_start(&port);
    assert_true(server_answers(port));
    bool answered = true;
    for (int i = 0; i < ATTEMPTS && answered; i++) {
        attack_fin_and_reset(&server, port, 20);
        answered = server_answers(port);
    }
    kill(server.pid, SIGKILL);
    victim_ends(&server, PATIENCE_NS);
    assert_false(answered);
}

/* The dialer never learns that its connection is gone; or it does, and descriptors stay. */
static bool drops_for_ever(void)
{
    int drops = 200;
    struct victim subscriber = victim_start(subscribe_and_drop, &drops);
    struct subscriber_report report = {0};
    assert_true(victim_says(&subscriber, &report, sizeof report));
    kill(subscriber.pid, SIGKILL);
    victim_ends(&subscriber, PATIENCE_NS);
    return report.dropped < drops || report.descriptors_after > report.descriptors_before + 4;
}

static void a_connection_dropped_in_mid_message_never_comes_again(void **state)
{
    (void)state;
    bool shown = false;
    for (int i = 0; i < ATTEMPTS && !shown; i++)
        shown = drops_for_ever();
    assert_true(shown);
}
#endif

static void an_operation_refused_in_its_own_callback_never_ends(void **state)
{
    (void)state;
    assert_int_equal(answer_of(resubmit_on_a_closed_aio), 1);
}

static void it_looks_at_the_clock_all_the_time_before_a_time_limit(void **state)
{
    (void)state;
    assert_in_range(answer_of(sleep_shortly), LOOKS_BETWEEN, INT_MAX);
}

static void a_socket_that_is_not_connected_keeps_the_poller_busy(void **state)
{
    (void)state;
    assert_in_range(answer_of(keep_an_unconnected_socket), UNCONNECTED_WAKES, INT_MAX);
}

#if NNG_MINOR_VERSION >= 9 && NNG_MINOR_VERSION < 12
static void what_is_being_finished_counts_as_idle(void **state)
{
    (void)state;
    assert_int_equal(answer_of(cancel_what_will_be_finished), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#if NNG_MINOR_VERSION < 6
        cmocka_unit_test(a_reset_before_the_handshake_ends_the_listener),
        cmocka_unit_test(a_connection_dropped_in_mid_message_never_comes_again),
#endif
        cmocka_unit_test(an_operation_refused_in_its_own_callback_never_ends),
        cmocka_unit_test(it_looks_at_the_clock_all_the_time_before_a_time_limit),
        cmocka_unit_test(a_socket_that_is_not_connected_keeps_the_poller_busy),
#if NNG_MINOR_VERSION >= 9 && NNG_MINOR_VERSION < 12
        cmocka_unit_test(what_is_being_finished_counts_as_idle),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
