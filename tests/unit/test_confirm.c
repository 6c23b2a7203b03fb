/* links: cli */
/* Asking at a terminal: what is an answer, and that ^C is one whenever it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pty.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/frame/context.h"

static int typed_fd; /* what is written here, somebody has typed */

/* A terminal as standard input: the tests ask one question each. */
static int terminal_begin(void **state)
{
    (void)state;
    int terminal_fd;
    assert_int_equal(openpty(&typed_fd, &terminal_fd, NULL, NULL, NULL), 0);
    assert_int_equal(dup2(terminal_fd, STDIN_FILENO), STDIN_FILENO);
    close(terminal_fd);
    return 0;
}

static int terminal_end(void **state)
{
    (void)state;
    close(typed_fd);
    return 0;
}

static void type(const char *text)
{
    assert_int_equal(write(typed_fd, text, strlen(text)), strlen(text));
}

static bool asked(int *status)
{
    static struct command_context ctx = {.quiet = true};
    return command_confirm(&ctx, false, "Really?", status);
}

static void yes_is_yes_and_all_else_is_no(void **state)
{
    (void)state;
    int status;
    type("YES\n");
    assert_true(asked(&status));
    assert_int_equal(status, EXIT_DONE);
    type("yesterday\n");
    assert_false(asked(&status));
    assert_int_equal(status, EXIT_OTHER);
    type("\n");
    assert_false(asked(&status));
}

/* As between the question and the wait for its answer, which then nobody gives. */
static void an_interrupt_before_the_wait_ends_it(void **state)
{
    (void)state;
    int status;
    interrupt_begin();
    raise(SIGINT);
    assert_false(asked(&status));
    assert_int_equal(status, EXIT_OTHER);
    assert_true(interrupt_seen());
    interrupt_end();
}

/* In the shell they share a process, and not every one of them takes signals. */
static void the_next_command_knows_nothing_of_it(void **state)
{
    (void)state;
    int status;
    type("y\n");
    assert_true(asked(&status));
    interrupt_begin();
    type("y\n");
    assert_true(asked(&status));
    assert_false(interrupt_seen());
    interrupt_end();
}

int main(void)
{
    alarm(120); /* a wait that does not end */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_is_yes_and_all_else_is_no),
        cmocka_unit_test(an_interrupt_before_the_wait_ends_it),
        cmocka_unit_test(the_next_command_knows_nothing_of_it),
    };
    return cmocka_run_group_tests(tests, terminal_begin, terminal_end);
}
