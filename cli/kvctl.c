/* The command line of Candor. Commands are in cmd_*.c, their contract in command.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/standard_streams.h"
#include "cli/frame/command.h"

int main(int argc, char **argv)
{
    standard_streams_open();
    signal(SIGPIPE, SIG_DFL); /* `kvctl scan | head` ends quietly */
    int status = command_execute(NULL, argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "kvctl: standard output: %s; what was printed is not complete\n",
                strerror(errno));
        return status != EXIT_DONE ? status : EXIT_OTHER;
    }
    return status;
}
