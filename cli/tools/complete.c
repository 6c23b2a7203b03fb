/* Completion of a command line, from the registry. */
#include "cli/tools/complete.h"

#include <string.h>

#include "cli/frame/context.h"
#include "cli/tools/complete_value.h"

/* ---- Commands ---- */

/* The n-th word of each command's name that begins with the words before it. */
static void offer_commands(const char *family, const char *prefix, struct completion *out)
{
    size_t skip = family == NULL ? 0 : strlen(family) + 1;
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *name = commands[i]->name;
        if (skip > 0 && (strncmp(name, family, skip - 1) != 0 || name[skip - 1] != ' '))
            continue;
        size_t length = strcspn(name + skip, " ");
        bool whole = name[skip + length] == '\0';
        completion_offer(out, name + skip, length, whole ? commands[i]->summary : "", prefix);
    }
}

static bool is_family(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            return true;
    }
    return false;
}

/* ---- Options ---- */

static bool is_named(const struct option_spec *spec, const char *word)
{
    if (strncmp(word, "--", 2) == 0)
        return strcmp(spec->name, word + 2) == 0;
    return spec->letter != '\0' && word[0] == '-' && word[1] == spec->letter && word[2] == '\0';
}

/* `command` NULL: it comes behind the option. */
static bool applies(const struct command *command, const struct option_spec *common)
{
    return command == NULL || common_applies(command, common);
}

/* Of a command and those that every one takes; NULL: no such option, or `word` holds its value
 * already. */
static const struct option_spec *find_option(const struct command *command, const char *word)
{
    const struct option_spec *lists[] = {command != NULL ? command->options : NULL, common_options};
    for (size_t i = 0; i < 2; i++) {
        for (const struct option_spec *s = lists[i]; s != NULL && s->name != NULL; s++) {
            if (is_named(s, word) && (i == 0 || applies(command, s)))
                return s;
        }
    }
    return NULL;
}

static void offer_option(const struct option_spec *spec, const char *prefix, struct completion *out)
{
    char text[80];
    int length = snprintf(text, sizeof text, "--%s", spec->name);
    completion_offer(out, text, (size_t)length, spec->help, prefix);
}

static void offer_options(const struct command *command, const char *prefix, struct completion *out)
{
    const struct option_spec *own = command != NULL ? command->options : NULL;
    for (const struct option_spec *s = own; s != NULL && s->name != NULL; s++)
        offer_option(s, prefix, out);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (applies(command, s))
            offer_option(s, prefix, out);
    }
}

/* ---- Operands ---- */

char *operand_kind(const char *args, size_t n, char out[OPERAND_BYTES])
{
    out[0] = '\0';
    for (size_t i = 0; args[0] != '\0'; i++) {
        args += strspn(args, " []");
        size_t length = strcspn(args, " []");
        bool repeats = length > 3 && strncmp(args + length - 3, "...", 3) == 0;
        if (length > 0 && (i == n || repeats)) {
            snprintf(out, OPERAND_BYTES, "%.*s", (int)(repeats ? length - 3 : length), args);
            return out;
        }
        args += length;
    }
    return out;
}

/* ---- The line ---- */

/* What stands on the line before the word at hand. */
struct seen {
    const char *first; /* words of the command's name; NULL: not yet */
    const char *second;
    const struct command *command;
    const struct option_spec *open; /* its value comes next */
    size_t operands;
    struct command_defaults where; /* what the line says of it, else the shell's */
};

static void find_command(struct seen *seen)
{
    char first[64];
    char second[64];
    char *words[] = {first, second, NULL};
    int used;
    snprintf(first, sizeof first, "%s", seen->first);
    snprintf(second, sizeof second, "%s", seen->second != NULL ? seen->second : "");
    seen->command = command_find(seen->second != NULL ? 2 : 1, words, &used);
}

/* Options may stand between the two words of a family's name: any of its commands tells what they
 * take. */
static const struct option_spec *option_of(const struct seen *seen, const char *word)
{
    bool next;
    if (seen->command != NULL)
        return find_option(seen->command, word);
    if (seen->first == NULL)
        return common_option(word, &next);
    for (size_t i = 0; seen->first != NULL && commands[i] != NULL; i++) {
        size_t length = strlen(seen->first);
        if (strncmp(commands[i]->name, seen->first, length) != 0 ||
            commands[i]->name[length] != ' ')
            continue;
        const struct option_spec *spec = find_option(commands[i], word);
        if (spec != NULL)
            return spec;
    }
    return NULL;
}

/* An option of the line may name the cluster that its candidates are of. */
static void take_value(struct seen *seen, const struct option_spec *spec, const char *value)
{
    struct command_defaults *where = &seen->where;
    bool topology = strcmp(spec->name, "topology") == 0;
    bool endpoint = strcmp(spec->name, "endpoint") == 0;
    bool context = strcmp(spec->name, "context") == 0;
    if (strcmp(spec->name, "node") == 0)
        where->node = value;
    if (!topology && !endpoint && !context)
        return;
    where->topology = topology ? value : NULL;
    where->endpoints = endpoint ? value : NULL;
    where->context = context ? value : NULL;
}

/* --option VALUE, --option=VALUE. */
static void take_option(struct seen *seen, const char *word)
{
    char name[80];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    snprintf(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - word) : (int)strlen(word),
             word);
    const struct option_spec *spec = option_of(seen, name);
    if (spec == NULL || spec->argument == NULL)
        return;
    if (equals != NULL)
        take_value(seen, spec, equals + 1);
    else
        seen->open = spec;
}

static struct seen look(const struct command_defaults *defaults, size_t count,
                        const char *const *words)
{
    struct seen seen = {0};
    if (defaults != NULL)
        seen.where = *defaults;
    bool only_operands = false;
    for (size_t i = 0; i < count; i++) {
        const char *word = words[i];
        if (seen.open != NULL) {
            take_value(&seen, seen.open, word);
            seen.open = NULL;
        } else if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && word[0] == '-' && word[1] != '\0') {
            take_option(&seen, word);
        } else if (seen.first == NULL) {
            seen.first = word;
            find_command(&seen);
        } else if (seen.command == NULL && seen.second == NULL) {
            seen.second = word;
            find_command(&seen);
        } else {
            seen.operands++;
        }
    }
    return seen;
}

static void complete_operand(const struct seen *seen, const char *prefix, struct completion *out)
{
    char kind[OPERAND_BYTES];
    complete_value(&seen->where, operand_kind(seen->command->args, seen->operands, kind), prefix,
                   out);
}

/* --output=js: the value follows the equals sign, and the whole word is offered. */
static void complete_option(const struct seen *seen, const char *prefix, struct completion *out)
{
    const char *equals = strchr(prefix, '=');
    char name[80];
    if (equals == NULL) {
        offer_options(seen->command, prefix, out);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - prefix), prefix);
    const struct option_spec *spec = find_option(seen->command, name);
    if (spec == NULL || spec->argument == NULL)
        return;
    struct completion values = {0};
    complete_value(&seen->where, spec->argument, equals + 1, &values);
    for (size_t i = 0; i < values.count; i++) {
        char word[160];
        int length = snprintf(word, sizeof word, "%s=%s", name, values.list[i].text);
        completion_offer(out, word, (size_t)length, values.list[i].help, prefix);
    }
    out->kind = values.kind;
    completion_free(&values);
}

void complete_line(const struct command_defaults *defaults, const char *const *own, size_t count,
                   const char *const *words, const char *prefix, struct completion *out)
{
    *out = (struct completion){0};
    struct seen seen = look(defaults, count, words);
    bool help = seen.first != NULL && strcmp(seen.first, "help") == 0;
    if (seen.first == NULL && seen.open != NULL) {
        complete_value(&seen.where, seen.open->argument, prefix, out);
    } else if (seen.first == NULL && prefix[0] == '-') {
        complete_option(&seen, prefix, out);
    } else if (seen.first == NULL || (help && seen.second == NULL)) {
        offer_commands(NULL, prefix, out);
        for (size_t i = 0; !help && own[i] != NULL; i++)
            completion_offer(out, own[i], strlen(own[i]), "", prefix);
    } else if (help) {
        offer_commands(seen.second, prefix, out);
    } else if (seen.command == NULL && strcmp(seen.first, "use") == 0) {
        complete_value(&seen.where, "NODE", prefix, out);
    } else if (seen.command == NULL && is_family(seen.first) && seen.second == NULL) {
        offer_commands(seen.first, prefix, out);
    } else if (seen.command == NULL) {
        return;
    } else if (seen.open != NULL) {
        complete_value(&seen.where, seen.open->argument, prefix, out);
    } else if (prefix[0] == '-') {
        complete_option(&seen, prefix, out);
    } else {
        complete_operand(&seen, prefix, out);
    }
    completion_sort(out);
}
