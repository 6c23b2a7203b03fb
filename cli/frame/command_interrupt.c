/* ^C and SIGTERM as a flag, for commands that go on until told to stop. */
#include "cli/frame/command.h"

#include <signal.h>

static volatile sig_atomic_t seen;
static struct sigaction former_int;
static struct sigaction former_term;

static void on_signal(int number)
{
    (void)number;
    seen = 1;
}

void interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a sleep ends */
    sigemptyset(&action.sa_mask);
    seen = 0;
    sigaction(SIGINT, &action, &former_int);
    sigaction(SIGTERM, &action, &former_term);
}

void interrupt_end(void)
{
    sigaction(SIGINT, &former_int, NULL);
    sigaction(SIGTERM, &former_term, NULL);
}

bool interrupt_seen(void)
{
    return seen != 0;
}
