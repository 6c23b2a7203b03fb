/* What another command of kvctl says, for completion. */
#include "cli/tools/complete_ask.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"

#define DEADLINE "500ms"
#define ANSWER_BYTES_MAX (4 << 20)
#define WORDS_MAX 16

static size_t add_option(const char **words, size_t count, const char *name, const char *value)
{
    if (value == NULL)
        return count;
    words[count++] = name;
    words[count++] = value;
    return count;
}

static void make_line(const struct command_defaults *where, const char *const *command,
                      const char *out[WORDS_MAX])
{
    size_t count = 0;
    out[count++] = "kvctl";
    count = add_option(out, count, "--topology", where->topology);
    count = add_option(out, count, "--endpoint", where->endpoints);
    count = add_option(out, count, "--context", where->context);
    count = add_option(out, count, "--node", where->node);
    count = add_option(out, count, "--output", "json");
    count = add_option(out, count, "--deadline", DEADLINE);
    for (size_t i = 0; command[i] != NULL && count + 1 < WORDS_MAX; i++)
        out[count++] = command[i];
    out[count] = NULL;
}

static bool start(const char *const *line, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int code =
        posix_spawn(pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)line, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0;
}

static json_t *read_answer(int fd)
{
    struct buffer text = {0};
    char chunk[65536];
    ssize_t got;
    while (text.length < ANSWER_BYTES_MAX && (got = read(fd, chunk, sizeof chunk)) > 0)
        buffer_put(&text, chunk, (size_t)got);
    json_t *answer = json_loadb((const char *)text.bytes, text.length, JSON_ALLOW_NUL, NULL);
    buffer_free(&text);
    return answer;
}

json_t *complete_ask(const struct command_defaults *where, const char *const *command)
{
    const char *line[WORDS_MAX];
    int ends[2];
    pid_t pid;
    json_t *answer = NULL;
    make_line(where, command, line);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    bool started = start(line, ends[1], &pid);
    close(ends[1]);
    if (started)
        answer = read_answer(ends[0]);
    close(ends[0]);
    if (started)
        waitpid(pid, NULL, 0);
    return answer;
}
