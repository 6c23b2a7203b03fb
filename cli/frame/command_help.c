/* Help, made from the same tables that parsing uses. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HELP_COLUMN 26 /* where descriptions of options begin */

static const char *const group_names[GROUP_COUNT] = {"Reading and writing", "Looking at a cluster",
                                                     "Operating a cluster",
                                                     "Running a cluster on this machine", "Tools"};

static int width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 60)
        return 80;
    return size.ws_col > 100 ? 100 : size.ws_col;
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
        if (strncmp(text, "\n\n", 2) == 0) {
            printf("\n\n%*s", indent, "");
            column = indent;
            first = true;
            text++;
        }
        text += *text != '\0';
    }
    putchar('\n');
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
    int column = (int)strlen(head);
    fputs(head, stdout);
    if (column + 2 > HELP_COLUMN) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", HELP_COLUMN - column, "");
    wrap(spec->help, HELP_COLUMN, HELP_COLUMN);
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
        printf("  %.*s", command, p);
        if (line > command) {
            int gap = (int)widest - command;
            printf("%*s  # %.*s", gap > 0 ? gap : 0, "", line - command - 1, p + command + 1);
        }
        putchar('\n');
    }
}

void help_command(const struct command *command)
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
    printf("\nExit status: 0 done, 1 not found or another failure, 2 wrong usage or bad input,\n"
           "3 what is stored is damaged or differs between nodes, 4 refused with a redirect,\n"
           "5 unavailable or too late, 6 conflict: what is there does not allow it, 7 the\n"
           "file of --session cannot be written.\n");
}

static void print_command(const struct command *command, int column)
{
    printf("  %-*s", column - 2, command->name);
    wrap(command->summary, column, column);
}

void help_family(const char *word)
{
    size_t length = strlen(word);
    printf("Usage: kvctl %s COMMAND\n\nCommands:\n", word);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            print_command(commands[i], 22);
    }
    printf("\n`kvctl help %s COMMAND` shows more.\n", word);
}

void help_all(void)
{
    printf("Usage: kvctl COMMAND [OPTIONS] ...\n\n"
           "Reads, writes and operates a Candor cluster: a replicated key-value store whose "
           "answers\n"
           "never lie about their age.\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        bool any = false;
        for (size_t i = 0; commands[i] != NULL; i++) {
            if ((int)commands[i]->group != group)
                continue;
            if (!any)
                printf("\n%s:\n", group_names[group]);
            any = true;
            print_command(commands[i], 22);
        }
    }
    printf("\nOptions of every command that asks a cluster:\n");
    for (const struct option_spec *s = common_options; s->name != NULL; s++)
        print_option(s);
    printf("      --version%*sShow the version\n", HELP_COLUMN - 15, "");
    printf("\n`kvctl help COMMAND` shows a command's own options and examples.\n");
}
