/* kvctl completion: scripts for shells, and what they ask: what may stand at the end of a line. */
#include <string.h>

#include "cli/tools/complete.h"

/* cli/tools/completion/kvctl.*, embedded. */
extern const unsigned char completion_bash[];
extern const unsigned long completion_bash_bytes;
extern const unsigned char completion_zsh[];
extern const unsigned long completion_zsh_bytes;
extern const unsigned char completion_fish[];
extern const unsigned long completion_fish_bytes;

static const struct script {
    const char *shell;
    const unsigned char *bytes;
    const unsigned long *length;
} scripts[] = {
    {"bash", completion_bash, &completion_bash_bytes},
    {"zsh", completion_zsh, &completion_zsh_bytes},
    {"fish", completion_fish, &completion_fish_bytes},
};

static int print_script(struct command_context *ctx, const struct script *script)
{
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s,s:s%}", "shell", script->shell, "script",
                                   (const char *)script->bytes, (size_t)*script->length));
    else
        fwrite(script->bytes, 1, *script->length, stdout);
    return EXIT_DONE;
}

/* The kind in the first line, then a word and its help a line. */
static int print_words(struct command_context *ctx, const struct completion *found)
{
    static const char *const kinds[] = {"words", "files", "dirs"};
    json_t *list = json_array();
    if (!context_json(ctx))
        puts(kinds[found->kind]);
    for (size_t i = 0; i < found->count; i++) {
        const struct candidate *one = &found->list[i];
        if (context_json(ctx))
            json_array_append_new(list,
                                  json_pack("{s:s,s:s}", "word", one->text, "help", one->help));
        else
            printf("%s\t%s\n", one->text, one->help);
    }
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s,s:O}", "kind", kinds[found->kind], "words", list));
    json_decref(list);
    return EXIT_DONE;
}

static int complete_words(struct command_context *ctx, size_t count, char **words)
{
    static const char *const none[] = {NULL};
    static const char *const nothing = "";
    struct completion found;
    size_t before = count > 0 ? count - 1 : 0;
    complete_line(NULL, none, before, (const char *const *)words,
                  count > 0 ? words[before] : nothing, &found);
    int status = print_words(ctx, &found);
    completion_free(&found);
    return status;
}

static int run_completion(struct command_context *ctx, int argc, char **argv)
{
    if (strcmp(argv[0], "words") == 0)
        return complete_words(ctx, (size_t)argc - 1, argv + 1);
    if (argc > 1)
        return report_usage(ctx, "name one shell", "'%s' is one too many", argv[1]);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (strcmp(scripts[i].shell, argv[0]) == 0)
            return print_script(ctx, &scripts[i]);
    }
    return report_usage(ctx, "there is one for bash, for zsh and for fish",
                        "no completion for '%s'", argv[0]);
}

const struct command command_completion = {
    .name = "completion",
    .group = GROUP_TOOLS,
    .args = "bash|zsh|fish|words [WORD...]",
    .summary = "Print a completion script for a shell",
    .description =
        "The script completes commands, options and their values, files, node ids, clusters, "
        "contexts, rollback archives and rpc methods. It asks `kvctl completion words -- WORD...` "
        "what may stand in the place of the last WORD, behind the others: a first line says "
        "words, files or dirs, and each further one has a word, a tab, and what it means.",
    .examples = "source <(kvctl completion bash)\tin ~/.bashrc\n"
                "source <(kvctl completion zsh)\tin ~/.zshrc\n"
                "kvctl completion fish > ~/.config/fish/completions/kvctl.fish\n"
                "kvctl completion words -- get --no\twhat --no may become\n",
    .local = true,
    .min_args = 1,
    .max_args = -1,
    .run = run_completion,
};
