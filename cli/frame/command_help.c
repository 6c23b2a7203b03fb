/* Help, made from the same tables that parsing uses. */
#include "cli/frame/context.h"

#include <string.h>

#define HELP_COLUMN 26 /* where descriptions of options begin */
#define COMMAND_COLUMN 22

static const char *const group_names[GROUP_COUNT] = {"Reading and writing", "Looking at a cluster",
                                                     "Operating a cluster",
                                                     "Running a cluster on this machine", "Tools"};

#define HELP_WIDTH_MAX 100 /* longer lines are hard to read */
#define HELP_WIDTH_USUAL 80

static int width(void)
{
    int columns = output_columns(stdout);
    if (columns == 0)
        return HELP_WIDTH_USUAL;
    return columns > HELP_WIDTH_MAX ? HELP_WIDTH_MAX : columns;
}

/* On a narrow terminal descriptions begin below what they describe. */
static int indent_of(int column)
{
    return width() >= 2 * column ? column : 6;
}

/* Prints words of `text`, `column` being used already; lines that follow begin at `indent`. */
static void wrap(const char *text, int indent, int column)
{
    int most = width();
    bool first = true;
    while (*text != '\0') {
        int length = (int)strcspn(text, " \n");
        if (!first && column + 1 + length > most) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", length, text);
        column += length;
        first = false;
        text += length;
        if (text[0] == '\n') { /* a paragraph, or a line of a sample */
            bool paragraph = text[1] == '\n';
            printf("%s\n%*s", paragraph ? "\n" : "", indent, "");
            column = indent;
            first = true;
            text += paragraph;
        }
        text += *text != '\0';
        if (first) {
            int blanks = (int)strspn(text, " ");
            printf("%*s", blanks, "");
            column += blanks;
            text += blanks;
        }
    }
    putchar('\n');
}

static void print_described(const char *head, int at, const char *text)
{
    int column = (int)strlen(head);
    int indent = indent_of(at);
    fputs(head, stdout);
    if (column + 2 > indent) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", indent - column, "");
    wrap(text, indent, indent);
}

static void print_option(const struct option_spec *spec)
{
    char head[96];
    if (spec->letter != '\0')
        snprintf(head, sizeof head, "  -%c, --%s%s%s", spec->letter, spec->name,
                 spec->argument != NULL ? " " : "", spec->argument != NULL ? spec->argument : "");
    else
        snprintf(head, sizeof head, "      --%s%s%s", spec->name, spec->argument != NULL ? " " : "",
                 spec->argument != NULL ? spec->argument : "");
    print_described(head, HELP_COLUMN, spec->help);
}

static void print_examples(const char *examples)
{
    size_t widest = 0;
    for (const char *p = examples; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t command = strcspn(p, "\t\n");
        if (command > widest && command <= 48)
            widest = command;
    }
    for (const char *p = examples; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        int command = (int)strcspn(p, "\t\n");
        int line = (int)strcspn(p, "\n");
        int gap = (int)widest > command ? (int)widest - command : 0;
        bool fits = 2 + command + gap + 4 + (line - command - 1) <= width();
        printf("  %.*s", command, p);
        if (line > command && fits)
            printf("%*s  # %.*s", gap, "", line - command - 1, p + command + 1);
        else if (line > command)
            printf("\n      # %.*s", line - command - 1, p + command + 1);
        putchar('\n');
    }
}

static const char exit_statuses[] =
    "Exit status: 0 done, 1 not found or another failure, 2 wrong usage or bad input, 3 what is "
    "stored is damaged or differs between nodes, 4 refused with a redirect, 5 unavailable or too "
    "late, 6 conflict: what is there does not allow it, 7 the file of --session cannot be written.";

static void print_command_help(const struct command *command)
{
    printf("Usage: kvctl %s [OPTIONS]%s%s\n\n", command->name, command->args[0] ? " " : "",
           command->args);
    wrap(command->description, 0, 0);
    if (command->options != NULL && command->options->name != NULL) {
        printf("\nOptions:\n");
        for (const struct option_spec *s = command->options; s->name != NULL; s++)
            print_option(s);
    }
    printf("\nCommon options:\n");
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (common_applies(command, s))
            print_option(s);
    }
    printf("\nExamples:\n");
    if (command->examples != NULL)
        print_examples(command->examples);
    else
        printf("  kvctl %s\n", command->name);
    putchar('\n');
    wrap(exit_statuses, 0, 0);
}

/* ---- As JSON ---- */

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *option_json(const struct option_spec *spec)
{
    char letter[2] = {spec->letter, '\0'};
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(spec->name));
    json_object_set_new(out, "letter", text_or_null(spec->letter != '\0' ? letter : NULL));
    json_object_set_new(out, "argument", text_or_null(spec->argument));
    json_object_set_new(out, "repeat", json_boolean(spec->repeat));
    json_object_set_new(out, "help", json_string(spec->help));
    return out;
}

static json_t *command_json(const struct command *command)
{
    json_t *out = json_object();
    json_object_set_new(out, "command", json_string(command->name));
    json_object_set_new(out, "group", json_string(group_names[command->group]));
    json_object_set_new(out, "operands", json_string(command->args));
    json_object_set_new(out, "summary", json_string(command->summary));
    return out;
}

static json_t *command_help_json(const struct command *command)
{
    json_t *options = json_array();
    for (const struct option_spec *s = command->options; s != NULL && s->name != NULL; s++)
        json_array_append_new(options, option_json(s));
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (common_applies(command, s))
            json_array_append_new(options, option_json(s));
    }
    json_t *out = command_json(command);
    json_object_set_new(out, "min_operands", json_integer(command->min_args));
    json_object_set_new(out, "max_operands",
                        command->max_args < 0 ? json_null() : json_integer(command->max_args));
    json_object_set_new(out, "description", json_string(command->description));
    json_object_set_new(out, "examples", text_or_null(command->examples));
    json_object_set_new(out, "options", options);
    return out;
}

/* Those whose names begin with the word `family`; NULL: all. */
static json_t *commands_json(const char *family)
{
    json_t *list = json_array();
    size_t length = family != NULL ? strlen(family) : 0;
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (length == 0 ||
            (strncmp(commands[i]->name, family, length) == 0 && commands[i]->name[length] == ' '))
            json_array_append_new(list, command_json(commands[i]));
    }
    json_t *out = json_object();
    json_object_set_new(out, "commands", list);
    return out;
}

/* ---- What is asked for ---- */

void help_command(struct command_context *ctx, const struct command *command)
{
    if (context_json(ctx))
        output_json(ctx, command_help_json(command));
    else
        print_command_help(command);
}

static void print_command(const struct command *command, int column)
{
    char head[64];
    snprintf(head, sizeof head, "  %s", command->name);
    print_described(head, column, command->summary);
}

void help_family(struct command_context *ctx, const char *word)
{
    size_t length = strlen(word);
    if (context_json(ctx)) {
        output_json(ctx, commands_json(word));
        return;
    }
    printf("Usage: kvctl %s COMMAND\n\nCommands:\n", word);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            print_command(commands[i], COMMAND_COLUMN);
    }
    printf("\n`kvctl help %s COMMAND` shows more.\n", word);
}

static void print_help_all(void)
{
    printf("Usage: kvctl [OPTIONS] COMMAND [OPTIONS] ...\n\n");
    wrap("Reads, writes and operates a Candor cluster: a replicated key-value store whose answers "
         "never lie about their age.",
         0, 0);
    for (int group = 0; group < GROUP_COUNT; group++) {
        printf("\n%s:\n", group_names[group]);
        for (size_t i = 0; commands[i] != NULL; i++) {
            if ((int)commands[i]->group == group)
                print_command(commands[i], COMMAND_COLUMN);
        }
    }
    putchar('\n');
    wrap("Options of every command that asks a cluster, before it or behind it:", 0, 0);
    for (const struct option_spec *s = common_options; s->name != NULL; s++)
        print_option(s);
    putchar('\n');
    wrap("`kvctl help COMMAND` shows a command's own options and examples. `kvctl --version` shows "
         "the version.",
         0, 0);
}

void help_all(struct command_context *ctx)
{
    if (context_json(ctx))
        output_json(ctx, commands_json(NULL));
    else
        print_help_all();
}
