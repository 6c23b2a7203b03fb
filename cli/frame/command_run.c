/* From a command line to a command. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define NAME_BYTES 64

/* Whether `name`, of one or two words, stands at the front of argv. */
static int words_matched(const char *name, int argc, char **argv)
{
    size_t first = strcspn(name, " ");
    if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
        return 0;
    if (name[first] == '\0')
        return 1;
    return argc >= 2 && strcmp(argv[1], name + first + 1) == 0 ? 2 : 0;
}

const struct command *command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        *words = words_matched(commands[i]->name, argc, argv);
        if (*words > 0)
            return commands[i];
    }
    *words = 0;
    return NULL;
}

/* The first words of families ("rollback"), and all one-word names. */
static bool is_family(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            return true;
    }
    return false;
}

/* Whether an option of a family's commands takes a value that stands in the next word. */
static bool takes_next_word(const char *family, const char *option)
{
    if (strchr(option, '=') != NULL)
        return false;
    bool is_long = strncmp(option, "--", 2) == 0;
    size_t length = strlen(family);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, family, length) != 0 || commands[i]->name[length] != ' ')
            continue;
        const struct option_spec *lists[] = {commands[i]->options, common_options};
        for (size_t j = 0; j < 2; j++) {
            for (const struct option_spec *s = lists[j]; s != NULL && s->name != NULL; s++) {
                bool same = is_long ? strcmp(s->name, option + 2) == 0
                                    : s->letter == option[1] && option[2] == '\0';
                if (same)
                    return s->argument != NULL;
            }
        }
    }
    return false;
}

/* `kvctl rollback -o json ls`: moves a family's second word, where options stand before it, to its
 * place. */
static void gather_name(int argc, char **argv)
{
    if (argc < 3 || argv[1][0] != '-' || !is_family(argv[0]))
        return;
    int at = 1;
    while (at < argc && argv[at][0] == '-')
        at += takes_next_word(argv[0], argv[at]) ? 2 : 1;
    if (at >= argc)
        return;
    char *word = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = word;
}

/* ---- help ---- */

static int run_help(struct command_context *ctx, int argc, char **argv)
{
    int words;
    if (argc == 0) {
        help_all(ctx);
        return EXIT_DONE;
    }
    const struct command *command = command_find(argc, argv, &words);
    if (command != NULL && words == argc) {
        help_command(ctx, command);
        return EXIT_DONE;
    }
    if (command != NULL)
        return report_usage(ctx, "name one command", "'%s' is one too many", argv[words]);
    if (!is_family(argv[0]))
        return command_mistyped(ctx, NULL, argv[0]);
    if (argc > 1)
        return command_mistyped(ctx, argv[0], argv[1]);
    help_family(ctx, argv[0]);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .group = GROUP_TOOLS,
    .args = "[COMMAND...]",
    .summary = "Show what a command does, or list all of them",
    .description = "Without COMMAND: all commands, by subject. With the first word of several, as "
                   "in `rollback`: those.",
    .examples = "kvctl help\nkvctl help get\nkvctl help rollback show\n",
    .local = true,
    .min_args = 0,
    .max_args = 2,
    .run = run_help,
};

/* ---- Running ---- */

/* The first operand that is missing, out of "KEY [VALUE]". */
static void missing_operand(const char *args, int given, char out[NAME_BYTES])
{
    const char *at = args;
    for (int i = 0; i < given && strchr(at, ' ') != NULL; i++)
        at = strchr(at, ' ') + 1;
    size_t length = strcspn(at, " .");
    snprintf(out, NAME_BYTES, "%.*s", (int)length, at);
}

static void usage_hint(const struct command *command, char *out, size_t room)
{
    const char *example = command->examples != NULL ? command->examples : "";
    int length = (int)strcspn(example, "\t\n");
    snprintf(out, room, "usage: kvctl %s%s%s%s%.*s%s", command->name, command->args[0] ? " " : "",
             command->args, length > 0 ? ", as in `" : "", length, example, length > 0 ? "`" : "");
}

static int check_count(struct command_context *ctx, int argc, char **argv)
{
    const struct command *command = ctx->command;
    char hint[320];
    char missing[NAME_BYTES];
    usage_hint(command, hint, sizeof hint);
    if (argc < command->min_args) {
        missing_operand(command->args, argc, missing);
        return report_usage(ctx, hint, "missing %s", missing);
    }
    if (command->max_args < 0 || argc <= command->max_args)
        return EXIT_DONE;
    return report_usage(ctx, hint, "'%s' is one too many%s", argv[command->max_args],
                        command->group == GROUP_KEYS && command->max_args > 0
                            ? " (a value with spaces needs quotes)"
                            : "");
}

static int run_command(struct command_context *ctx, int argc, char **argv)
{
    if (!context_parse(ctx, &argc, argv))
        return EXIT_USAGE;
    if (ctx->help) {
        help_command(ctx, ctx->command);
        return EXIT_DONE;
    }
    int status = check_count(ctx, argc, argv);
    return status != EXIT_DONE ? status : ctx->command->run(ctx, argc, argv);
}

/* Options, and no command behind them; or one that no command has. */
static int report_leading(struct command_context *ctx, int argc, char **argv)
{
    char room[NAME_BYTES];
    bool next;
    for (int i = 0; i < argc && argv[i][0] == '-'; i += next ? 2 : 1) {
        if (common_option(argv[i], &next) != NULL)
            continue;
        const char *hint = option_meant(NULL, argv[i], room, sizeof room);
        return report_usage(ctx,
                            hint != NULL ? hint
                                         : "what a command has of its own stands behind it; `kvctl "
                                           "help` lists the options that may stand before it",
                            "unknown option %.*s before the command", (int)strcspn(argv[i], "="),
                            argv[i]);
    }
    return report_usage(ctx, "`kvctl help` lists the commands", "no command behind the options");
}

/* A line whose first word is no command. */
static int run_other(struct command_context *ctx, int argc, char **argv)
{
    if (argc == 0)
        return report_usage(ctx, "`kvctl help` lists the commands", "no command");
    if (argv[0][0] == '-')
        return report_leading(ctx, argc, argv);
    if (!is_family(argv[0]))
        return command_mistyped(ctx, NULL, argv[0]);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        help_family(ctx, argv[0]);
        return EXIT_DONE;
    }
    if (argc > 1 && argv[1][0] != '-')
        return command_mistyped(ctx, argv[0], argv[1]);
    char hint[NAME_BYTES];
    snprintf(hint, sizeof hint, "`kvctl help %.20s` lists them", argv[0]);
    return report_usage(ctx, hint, "%s is several commands: a second word is missing", argv[0]);
}

/* `member list`, as etcdctl has it, is `member ls`. */
static void take_list_for_ls(int argc, char **argv)
{
    static char ls[] = "ls";
    char *both[] = {argc > 0 ? argv[0] : NULL, ls, NULL};
    int words;
    if (argc >= 2 && strcmp(argv[1], "list") == 0 && command_find(2, argv, &words) == NULL &&
        command_find(2, both, &words) != NULL)
        argv[1] = ls;
}

static bool is_own_option(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "--version") == 0;
}

/* `kvctl -e ADDRESS get k`: moves the options of every command, where they stand before it, behind
 * its first word. */
static void move_leading(int argc, char **argv)
{
    int at = 0;
    bool next;
    while (at < argc && argv[at][0] == '-' && !is_own_option(argv[at])) {
        if (common_option(argv[at], &next) == NULL)
            return;
        at += next ? 2 : 1;
    }
    if (at == 0 || at >= argc)
        return;
    char *word = argv[at];
    memmove(argv + 1, argv, (size_t)at * sizeof *argv);
    argv[0] = word;
}

/* `kvctl --help` and `kvctl --version` are the commands of these names. */
static void take_own_options(int argc, char **argv)
{
    static char help[] = "help";
    static char version[] = "version";
    if (argc == 0)
        return;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        argv[0] = help;
    else if (strcmp(argv[0], "--version") == 0)
        argv[0] = version;
}

int command_execute(const struct command_defaults *defaults, int argc, char **argv)
{
    static const struct command_defaults none;
    struct command_context *ctx = calloc(1, sizeof *ctx);
    ASSERT(ctx != NULL);
    ctx->defaults = defaults != NULL ? defaults : &none;
    ctx->json = ctx->defaults->json;
    int words = 0;
    move_leading(argc, argv);
    take_own_options(argc, argv);
    gather_name(argc, argv);
    take_list_for_ls(argc, argv);
    context_look_for_output(ctx, argc, argv);
    ctx->command = command_find(argc, argv, &words);
    int status = ctx->command != NULL ? run_command(ctx, argc - words, argv + words)
                                      : run_other(ctx, argc, argv);
    report_flush(ctx);
    context_free(ctx);
    free(ctx);
    return status;
}
