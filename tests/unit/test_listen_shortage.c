/* links: rpc net */
/* A server that finds no descriptor says so: a shortage passes, an address in use does not (exit
 * statuses 7 and 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_status.h"
#include "net/own_address.h"
#include "rpc/server_state.h"
#include "shortage.h"
#include "sp_socket.h"

/* What a node does at its start, with all but `left` descriptors in use. */
static enum candor_code listen_with(int left, const char *address, struct candor_error *err)
{
    struct own_address_wait wait = {0};
    struct rpc_server_options options = {.address = address, .message_bytes = 1u << 16};
    struct rpc_server *server = NULL;
    struct shortage shortage = shortage_of_descriptors(left);
    enum candor_code code = own_address_await(address, &wait, err);
    if (code == CANDOR_OK)
        code = rpc_server_open(&options, &server, err);
    shortage_end(&shortage);
    rpc_server_close(server);
    return code;
}

static void without_descriptors_a_server_ends_as_with_a_shortage(void **state)
{
    (void)state;
    char dir[] = "/tmp/candor-listen-XXXXXX";
    char addresses[2][64];
    assert_non_null(mkdtemp(dir));
    snprintf(addresses[0], sizeof addresses[0], "tcp://127.0.0.1:%d", free_port());
    snprintf(addresses[1], sizeof addresses[1], "ipc://%s/a", dir);
    /* not at every attempt: NNG gives back what the one before had when it likes */
    int refused = 0;
    for (size_t i = 0; i < 2; i++) {
        struct candor_error err = {0};
        enum candor_code code = CANDOR_RESOURCE_EXHAUSTED;
        for (int left = 0; code != CANDOR_OK; left++) {
            assert_true(left < 8);
            code = listen_with(left, addresses[i], &err);
            if (code != CANDOR_OK && exit_status_of(&err) != NODE_EXIT_SHORTAGE)
                fail_msg("%d left: %s", left, err.message);
            refused += code != CANDOR_OK;
        }
    }
    assert_true(refused > 0);
    unlink(addresses[1] + strlen("ipc://"));
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_descriptors_a_server_ends_as_with_a_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
