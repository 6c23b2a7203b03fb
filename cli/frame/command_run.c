/* From a command line to a command. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define COMMANDS_MAX 128
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

/* `kvctl rollback -o json ls`: moves a family's second word, where options stand before it, to its place. */
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

static int report_unknown(struct command_context *ctx, const char *family, const char *word)
{
    static const char *const own[] = {"help", NULL};
    const char *words[COMMANDS_MAX + 2] = {NULL};
    char firsts[COMMANDS_MAX][NAME_BYTES];
    size_t count = 0;
    size_t skip = family == NULL ? 0 : strlen(family) + 1;
    for (size_t i = 0; commands[i] != NULL && count < COMMANDS_MAX; i++) {
        const char *name = commands[i]->name;
        if (skip > 0 && (strncmp(name, family, skip - 1) != 0 || name[skip - 1] != ' '))
            continue;
        snprintf(firsts[count], NAME_BYTES, "%.*s", (int)strcspn(name + skip, " "), name + skip);
        words[count] = firsts[count];
        count++;
    }
    if (family == NULL)
        words[count] = own[0];
    const char *near = nearest_word(word, words);
    char mend[160];
    if (near != NULL)
        snprintf(mend, sizeof mend, "did you mean `kvctl %s%s%s`?", family != NULL ? family : "",
                 family != NULL ? " " : "", near);
    else
        snprintf(mend, sizeof mend, "`kvctl %s` lists the commands",
                 family != NULL ? family : "--help");
    return report_usage(ctx, mend, "unknown command '%s%s%s'", family != NULL ? family : "",
                        family != NULL ? " " : "", word);
}

static int run_help(struct command_context *ctx, int argc, char **argv)
{
    int words;
    if (argc == 0) {
        help_all();
        return EXIT_DONE;
    }
    const struct command *command = command_find(argc, argv, &words);
    if (command != NULL) {
        help_command(command);
        return EXIT_DONE;
    }
    if (!is_family(argv[0]))
        return report_unknown(ctx, NULL, argv[0]);
    if (argc > 1)
        return report_unknown(ctx, argv[0], argv[1]);
    help_family(argv[0]);
    return EXIT_DONE;
}

static int check_count(struct command_context *ctx, int argc, char **argv)
{
    const struct command *command = ctx->command;
    if (argc < command->min_args)
        return report_usage(ctx, NULL, "it takes %s", command->args);
    if (command->max_args >= 0 && argc > command->max_args && command->max_args == 0)
        return report_usage(ctx, NULL, "it takes no operands, but there is '%s'", argv[0]);
    if (command->max_args >= 0 && argc > command->max_args)
        return report_usage(ctx, "quote a value that has blanks in it",
                            "it takes %s; '%s' is one too many", command->args,
                            argv[command->max_args]);
    return EXIT_DONE;
}

static int run_command(struct command_context *ctx, int argc, char **argv)
{
    if (!context_parse(ctx, &argc, argv))
        return EXIT_USAGE;
    if (ctx->help) {
        help_command(ctx->command);
        return EXIT_DONE;
    }
    int status = check_count(ctx, argc, argv);
    return status != EXIT_DONE ? status : ctx->command->run(ctx, argc, argv);
}

int command_execute(const struct command_defaults *defaults, int argc, char **argv)
{
    static const struct command_defaults none;
    struct command_context *ctx = calloc(1, sizeof *ctx);
    ASSERT(ctx != NULL);
    ctx->defaults = defaults != NULL ? defaults : &none;
    ctx->json = ctx->defaults->json;
    int words = 0;
    int status;
    gather_name(argc, argv);
    const struct command *command = command_find(argc, argv, &words);
    if (command != NULL) {
        ctx->command = command;
        status = run_command(ctx, argc - words, argv + words);
    } else if (argc == 0) {
        status = report_usage(ctx, NULL, "no command");
    } else if (strcmp(argv[0], "help") == 0) {
        status = run_help(ctx, argc - 1, argv + 1);
    } else if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        status = run_help(ctx, 0, argv);
    } else if (strcmp(argv[0], "--version") == 0) {
        printf("kvctl %s\n", CANDOR_VERSION);
        status = EXIT_DONE;
    } else if (argv[0][0] == '-') {
        status = report_usage(ctx, "options stand behind the command: kvctl COMMAND [OPTIONS] ...",
                              "no command before %s", argv[0]);
    } else if (is_family(argv[0]) && argc > 1 && argv[1][0] != '-') {
        status = report_unknown(ctx, argv[0], argv[1]);
    } else if (is_family(argv[0])) {
        help_family(argv[0]);
        status = argc > 1 ? EXIT_DONE : EXIT_USAGE;
    } else {
        status = report_unknown(ctx, NULL, argv[0]);
    }
    context_free(ctx);
    free(ctx);
    return status;
}
