/* Asking before something that cannot be taken back. */
#include "cli/frame/command.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

bool command_confirm(struct command_context *ctx, bool yes, const char *question, int *status)
{
    *status = EXIT_DONE;
    if (yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        *status = report_usage(ctx, "give --yes to go on without being asked",
                               "it needs a confirmation, and there is no terminal to ask on");
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    char answer[16] = "";
    bool got =
        interrupt_wait(STDIN_FILENO, UINT64_MAX) && fgets(answer, sizeof answer, stdin) != NULL;
    answer[strcspn(answer, "\r\n")] = '\0';
    if (got && (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0))
        return true;
    output_note(ctx, "nothing was done");
    *status = EXIT_OTHER;
    return false;
}
