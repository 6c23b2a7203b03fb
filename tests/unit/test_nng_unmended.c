/* links: rpc */
/* The same attacks as in test_nng_mend.c on NNG as it is: both bugs must show, else the mend is tested by nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NNG_UNMENDED
#include "../../src/rpc/nng_mend.c"

#include "nng_attack.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_before_the_handshake_ends_the_listener),
        cmocka_unit_test(a_connection_dropped_in_mid_message_never_comes_again),
    };
#if NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    (void)tests;
    return 0; /* a newer NNG has neither bug */
#endif
}
