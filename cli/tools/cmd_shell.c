/* kvctl shell: any number of commands in one process; those of a script. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "cli/frame/contexts.h"
#include "cli/tools/shell.h"

static const struct option_spec shell_options[] = {
    {"keep-going", 0, NULL, false,
     "Of a script, run all lines; the exit status is that of the first one that failed"},
    {0},
};

static bool in_shell; /* a shell within a shell would share its input */

/* ---- Scripts ---- */

/* A command with the lines that its open quotes take in. */
struct script {
    struct buffer text;
    uint64_t line;  /* read last */
    uint64_t begin; /* where the command at hand begins */
};

static int script_refuse(struct shell *shell, uint64_t line, const char *what)
{
    int status = report_usage(shell->ctx, "`help shell` says how lines are read",
                              "line %" PRIu64 ": %s", line, what);
    report_flush(shell->ctx);
    return status;
}

static int script_line(struct shell *shell, struct script *script, bool last)
{
    struct shell_words words;
    int status = EXIT_DONE;
    buffer_put_u8(&script->text, 0);
    switch (shell_split((const char *)script->text.bytes, &words)) {
    case SHELL_SPLIT_OPEN:
        script->text.length--;
        /* the next line belongs to it */
        if (!last)
            return EXIT_DONE;
        status = script_refuse(shell, script->begin, "a quote is not closed");
        break;
    case SHELL_SPLIT_TOO_LONG:
        status = script_refuse(shell, script->begin, "the line is too long");
        break;
    case SHELL_SPLIT_DONE:
        status = shell_run(shell, &words);
        if (status != EXIT_DONE)
            output_note(shell->ctx, "shell: line %" PRIu64 " ended with status %d", script->begin,
                        status);
        shell_words_free(&words);
        break;
    }
    buffer_clear(&script->text);
    script->begin = script->line + 1;
    return status;
}

static int run_script(struct shell *shell, FILE *from)
{
    struct script script = {.begin = 1};
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int status = EXIT_DONE;
    while (!shell->ended && (status == EXIT_DONE || shell->keep_going) &&
           (length = getline(&line, &room, from)) >= 0) {
        script.line++;
        if (memchr(line, '\0', (size_t)length) != NULL ||
            script.text.length + (size_t)length > LIMIT_SHELL_LINE_BYTES) {
            buffer_clear(&script.text);
            status = script_refuse(shell, script.line, "it is too long, or no text");
        } else {
            buffer_put(&script.text, line, (size_t)length);
            status = script_line(shell, &script, false);
        }
        if (shell->status == EXIT_DONE && !shell->ended)
            shell->status = status;
    }
    if (!shell->ended && script.text.length > 0 && (status == EXIT_DONE || shell->keep_going)) {
        status = script_line(shell, &script, true);
        if (shell->status == EXIT_DONE)
            shell->status = status;
    }
    free(line);
    buffer_free(&script.text);
    return shell->status;
}

/* ---- The command ---- */

static const char *join_endpoints(struct command_context *ctx, char out[CONTEXT_LIST_BYTES])
{
    const char *const *endpoints;
    size_t count = context_endpoints(ctx, &endpoints);
    for (size_t i = 0, length = 0; i < count; i++)
        length += (size_t)snprintf(out + length, CONTEXT_LIST_BYTES - length, "%s%s",
                                   i == 0 ? "" : ",", endpoints[i]);
    return out;
}

static int run_shell(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_DONE;
    struct shell shell = {.ctx = ctx, .keep_going = option_given(ctx, "keep-going")};
    if (in_shell)
        return report_usage(ctx, NULL, "this is a shell already");
    shell.defaults.json = context_json(ctx);
    shell.defaults.owns_input = true;
    char list[CONTEXT_LIST_BYTES];
    if (option_given(ctx, "endpoint"))
        shell.defaults.endpoints = join_endpoints(ctx, list);
    shell.defaults.context = option_text(ctx, "context");
    /* What is given must be good; the usual topology may be missing until a command needs it. */
    if (option_given(ctx, "topology") && context_topology(ctx, &status) == NULL)
        return status;
    shell.defaults.topology = option_text(ctx, "topology");
    if (context_node(ctx) != NULL) {
        if (context_address(ctx, NULL, &status) == NULL)
            return status;
        snprintf(shell.node, sizeof shell.node, "%s", context_node(ctx));
        shell.defaults.node = shell.node;
    }
    in_shell = true;
    status = isatty(STDIN_FILENO) ? shell_interactive(&shell) : run_script(&shell, stdin);
    in_shell = false;
    return status;
}

const struct command command_shell = {
    .name = "shell",
    .group = GROUP_TOOLS,
    .args = "",
    .summary = "Run commands one after another, with history and completion",
    .description =
        "Reads commands without the `kvctl` in front. On a terminal: line editing, a history in "
        "$XDG_STATE_HOME/candor/history (default ~/.local/state), completion by TAB, and a prompt "
        "that says how the node in use is. `use NODE` asks that node from then on.\n\n"
        "Without a terminal standard input is a script: it ends at the first command that fails, "
        "with that command's exit status. Quotes are those of sh; # begins a comment.",
    .examples = "kvctl shell\nkvctl shell --node b < check.kv\tstops at the first failure\n",
    .options = shell_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_shell,
};
