/* An option that does not exist: which one was meant. */
#include "cli/frame/context.h"

#include <string.h>

#include "base/assert.h"

/* What a command may be given. */
struct option_list {
    size_t count;
    const struct option_spec *specs[SPECS_MAX];
};

static void add(struct option_list *list, const struct option_spec *spec)
{
    ASSERT_U64(list->count, <, SPECS_MAX);
    list->specs[list->count++] = spec;
}

/* What they do cannot be taken back: nobody is led there by a slip of the finger. */
static bool is_careful(const struct option_spec *spec)
{
    static const char *const names[] = {"force", "yes", "kill"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(spec->name, names[i]) == 0)
            return true;
    }
    return false;
}

static const char *nearest_option(const struct option_list *list, const char *text, char *out,
                                  size_t room)
{
    const char *words[SPECS_MAX + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!is_careful(list->specs[i]))
            words[count++] = list->specs[i]->name;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    const char *near = nearest_word(name, words);
    if (near == NULL)
        return NULL;
    snprintf(out, room, "did you mean --%s?", near);
    return out;
}

/* What users of etcdctl, redis-cli, consul and kubectl write for it. */
static const struct {
    const char *word;
    const char *option;
    const char *hint;
} foreign_options[] = {
    {"json", "output", "write -o json"},
    {"write-out", "output", "write -o json"},
    {"timeout", "deadline", "--deadline DURATION gives up after so long"},
    {"command-timeout", "deadline", "--deadline DURATION gives up after so long"},
    {"dial-timeout", "deadline", "--deadline DURATION gives up after so long"},
    {"host", "endpoint", "write --endpoint tcp://HOST:PORT"},
    {"port", "endpoint", "write --endpoint tcp://HOST:PORT"},
    {"endpoints", "endpoint", "write --endpoint ADDRESS,ADDRESS, or --topology FILE"},
    {"http-addr", "endpoint", "write --endpoint tcp://HOST:PORT"},
    {"consistency", "level", "--level says what the read asks for"},
    {"consistent", "level", "write --level linearizable"},
    {"range", "end", "write --start KEY --end KEY"},
    {"range-end", "end", "write --start KEY --end KEY"},
    {"from-key", "start", "write --start KEY"},
    {"rev", "level", "a read is of the newest state; what was overwritten is not kept"},
    {"recurse", "prefix", "write --prefix PREFIX"},
    {"stale", "level", "write --level eventual, or bounded with --max-staleness"},
};

/* NULL: none, or the command has no option for it. */
static const char *foreign_option(const struct option_list *list, const char *name)
{
    size_t length = strcspn(name, "=");
    for (size_t i = 0; i < sizeof foreign_options / sizeof foreign_options[0]; i++) {
        if (strlen(foreign_options[i].word) != length ||
            memcmp(foreign_options[i].word, name, length) != 0)
            continue;
        for (size_t j = 0; j < list->count; j++)
            if (strcmp(list->specs[j]->name, foreign_options[i].option) == 0)
                return foreign_options[i].hint;
    }
    return NULL;
}

const char *option_meant(const struct command *command, const char *word, char *room,
                         size_t room_bytes)
{
    struct option_list list = {0};
    const struct option_spec *own = command != NULL ? command->options : NULL;
    for (const struct option_spec *s = own; s != NULL && s->name != NULL; s++)
        add(&list, s);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (command == NULL || common_applies(command, s))
            add(&list, s);
    }
    const char *name = word + strspn(word, "-");
    const char *hint = foreign_option(&list, name);
    return hint != NULL ? hint : nearest_option(&list, name, room, room_bytes);
}
