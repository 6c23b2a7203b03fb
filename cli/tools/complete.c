/* Completion of a command line, from the registry. */
#include "cli/tools/complete.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "cli/frame/context.h"
#include "cli/frame/place.h"
#include "cli/local/local.h"

/* ---- Lists ---- */

static void offer(struct completion *out, const char *word, size_t length, const char *prefix)
{
    if (length < strlen(prefix) || strncmp(word, prefix, strlen(prefix)) != 0)
        return;
    if (out->count % 16 == 0) {
        out->list = memory_resize(out->list, out->count + 16, sizeof *out->list);
    }
    out->list[out->count] = strndup(word, length);
    ASSERT(out->list[out->count] != NULL);
    out->count++;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void sort(struct completion *out)
{
    size_t kept = 0;
    if (out->count > 0)
        qsort(out->list, out->count, sizeof *out->list, by_text);
    for (size_t i = 0; i < out->count; i++) {
        if (kept > 0 && strcmp(out->list[kept - 1], out->list[i]) == 0)
            free(out->list[i]);
        else
            out->list[kept++] = out->list[i];
    }
    out->count = kept;
}

void completion_free(struct completion *completion)
{
    for (size_t i = 0; i < completion->count; i++)
        free(completion->list[i]);
    free(completion->list);
    *completion = (struct completion){0};
}

/* ---- Kinds of values ---- */

const char *usual_topology_path(const struct command_defaults *defaults, char room[RUN_PATH_BYTES])
{
    struct place place;
    struct contexts_problem why;
    bool found = place_find(defaults, NULL, &place, &why) && place.topology[0] != '\0';
    snprintf(room, RUN_PATH_BYTES, "%s", place.topology);
    place_free(&place);
    return found ? room : NULL;
}

/* Quiet: a topology that cannot be read offers nothing. */
static void offer_nodes(const struct command_defaults *defaults, const char *prefix,
                        struct completion *out)
{
    char room[RUN_PATH_BYTES];
    const char *path = usual_topology_path(defaults, room);
    struct topology_problems problems = {0};
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    if (path != NULL && topology_load(path, topology, &problems, NULL) == CANDOR_OK) {
        for (uint32_t i = 0; i < topology->node_count; i++)
            offer(out, topology->nodes[i].id.text, strlen(topology->nodes[i].id.text), prefix);
    }
    topology_problems_free(&problems);
    free(topology);
}

void complete_nodes(const struct command_defaults *defaults, struct completion *out)
{
    *out = (struct completion){0};
    offer_nodes(defaults, "", out);
    sort(out);
}

struct offering {
    const char *prefix;
    struct completion *out;
};

static void offer_name(void *closure, const char *name)
{
    const struct offering *offering = closure;
    offer(offering->out, name, strlen(name), offering->prefix);
}

static void offer_clusters(const char *prefix, struct completion *out)
{
    local_names(offer_name, &(struct offering){prefix, out});
}

void complete_clusters(struct completion *out)
{
    *out = (struct completion){0};
    offer_clusters("", out);
    sort(out);
}

/* Quiet, too. */
static void offer_contexts(const char *prefix, struct completion *out)
{
    struct contexts contexts;
    struct contexts_problem why;
    if (contexts_load(&contexts, &why)) {
        for (size_t i = 0; i < contexts.count; i++)
            offer(out, contexts.list[i].name, strlen(contexts.list[i].name), prefix);
    }
    contexts_free(&contexts);
}

static void offer_choices(const char *choices, const char *prefix, struct completion *out)
{
    while (choices[0] != '\0') {
        size_t length = strcspn(choices, "|");
        offer(out, choices, length, prefix);
        choices += length + (choices[length] == '|');
    }
}

static void offer_value(const struct command_defaults *defaults, const char *kind,
                        const char *prefix, struct completion *out)
{
    if (strchr(kind, '|') != NULL)
        offer_choices(kind, prefix, out);
    else if (strcmp(kind, "NODE") == 0)
        offer_nodes(defaults, prefix, out);
    else if (strcmp(kind, "CONTEXT") == 0)
        offer_contexts(prefix, out);
    else if (strcmp(kind, "CLUSTER") == 0)
        offer_clusters(prefix, out);
    else if (strcmp(kind, "FILE") == 0 || strcmp(kind, "DIR") == 0)
        out->kind = COMPLETE_FILES;
}

/* ---- Commands ---- */

/* The n-th word of each command's name that begins with the words before it. */
static void offer_commands(const char *family, const char *prefix, struct completion *out)
{
    size_t skip = family == NULL ? 0 : strlen(family) + 1;
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *name = commands[i]->name;
        if (skip > 0 && (strncmp(name, family, skip - 1) != 0 || name[skip - 1] != ' '))
            continue;
        offer(out, name + skip, strcspn(name + skip, " "), prefix);
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

/* Of a command and those that every one takes; NULL: no such option, or `word` holds its value
 * already. */
static const struct option_spec *find_option(const struct command *command, const char *word)
{
    const struct option_spec *lists[] = {command->options, common_options};
    for (size_t i = 0; i < 2; i++) {
        for (const struct option_spec *s = lists[i]; s != NULL && s->name != NULL; s++) {
            if (is_named(s, word) && (i == 0 || common_applies(command, s)))
                return s;
        }
    }
    return NULL;
}

static void offer_option(const struct option_spec *spec, const char *prefix, struct completion *out)
{
    char text[80];
    int length = snprintf(text, sizeof text, "--%s", spec->name);
    offer(out, text, (size_t)length, prefix);
}

static void offer_options(const struct command *command, const char *prefix, struct completion *out)
{
    for (const struct option_spec *s = command->options; s != NULL && s->name != NULL; s++)
        offer_option(s, prefix, out);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (common_applies(command, s))
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

static struct seen look(size_t count, const char *const *words)
{
    struct seen seen = {0};
    bool only_operands = false;
    for (size_t i = 0; i < count; i++) {
        const char *word = words[i];
        if (seen.open != NULL) {
            seen.open = NULL;
        } else if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && word[0] == '-' && word[1] != '\0') {
            const struct option_spec *spec = option_of(&seen, word);
            seen.open = spec != NULL && spec->argument != NULL ? spec : NULL;
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

static void complete_operand(const struct command_defaults *defaults, const struct seen *seen,
                             const char *prefix, struct completion *out)
{
    char kind[OPERAND_BYTES];
    offer_value(defaults, operand_kind(seen->command->args, seen->operands, kind), prefix, out);
}

/* --output=js: the value follows the equals sign, and the whole word is offered. */
static void complete_option(const struct command_defaults *defaults, const struct seen *seen,
                            const char *prefix, struct completion *out)
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
    offer_value(defaults, spec->argument, equals + 1, &values);
    for (size_t i = 0; i < values.count; i++) {
        char word[160];
        int length = snprintf(word, sizeof word, "%s=%s", name, values.list[i]);
        offer(out, word, (size_t)length, prefix);
    }
    completion_free(&values);
}

void complete_line(const struct command_defaults *defaults, const char *const *own, size_t count,
                   const char *const *words, const char *prefix, struct completion *out)
{
    *out = (struct completion){0};
    struct seen seen = look(count, words);
    bool help = seen.first != NULL && strcmp(seen.first, "help") == 0;
    if (seen.first == NULL && seen.open != NULL) {
        offer_value(defaults, seen.open->argument, prefix, out);
    } else if (seen.first == NULL && prefix[0] == '-') {
        for (const struct option_spec *s = common_options; s->name != NULL; s++)
            offer_option(s, prefix, out);
    } else if (seen.first == NULL || (help && seen.second == NULL)) {
        offer_commands(NULL, prefix, out);
        for (size_t i = 0; !help && own[i] != NULL; i++)
            offer(out, own[i], strlen(own[i]), prefix);
    } else if (help) {
        offer_commands(seen.second, prefix, out);
    } else if (seen.command == NULL && strcmp(seen.first, "use") == 0) {
        offer_nodes(defaults, prefix, out);
    } else if (seen.command == NULL && is_family(seen.first) && seen.second == NULL) {
        offer_commands(seen.first, prefix, out);
    } else if (seen.command == NULL) {
        return;
    } else if (seen.open != NULL) {
        offer_value(defaults, seen.open->argument, prefix, out);
    } else if (prefix[0] == '-') {
        complete_option(defaults, &seen, prefix, out);
    } else {
        complete_operand(defaults, &seen, prefix, out);
    }
    sort(out);
}
