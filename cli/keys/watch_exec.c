/* A command for each event of a watch. */
#include "cli/keys/watch_exec.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(struct command_context *ctx, const char *format, int number)
{
    struct candor_error error;
    candor_error_set(&error, CANDOR_UNKNOWN, CANDOR_REASON_NONE, "--exec: %s%d", format, number);
    return report_error(ctx, &error, NULL);
}

static int start(const char *command, int in, int other, pid_t *pid)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char *copy = strdup(command);
    char *const argv[] = {shell, option, copy, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (in != STDIN_FILENO) /* it is, where kvctl has none of its own */
        posix_spawn_file_actions_addclose(&actions, in);
    posix_spawn_file_actions_addclose(&actions, other);
    int code = copy == NULL ? ENOMEM : posix_spawn(pid, shell, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(copy);
    return code;
}

/* A command that reads nothing is fine. */
static void give(int fd, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t wrote = write(fd, text, length);
        if (wrote < 0 && errno != EINTR)
            return;
        if (wrote > 0) {
            text += wrote;
            length -= (size_t)wrote;
        }
    }
    while (write(fd, "\n", 1) < 0 && errno == EINTR)
        ;
}

int watch_exec(struct command_context *ctx, const char *command, const char *text)
{
    int pipes[2];
    pid_t pid;
    int ended = 0;
    if (pipe(pipes) != 0)
        return fail(ctx, "no pipe, errno ", errno);
    int code = start(command, pipes[0], pipes[1], &pid);
    close(pipes[0]);
    if (code != 0) {
        close(pipes[1]);
        return fail(ctx, "the shell does not start, errno ", code);
    }
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    give(pipes[1], text);
    close(pipes[1]);
    signal(SIGPIPE, before);
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)
        return EXIT_DONE;
    return WIFEXITED(ended) ? fail(ctx, "the command ended with status ", WEXITSTATUS(ended))
                            : fail(ctx, "the command was ended by signal ", WTERMSIG(ended));
}
