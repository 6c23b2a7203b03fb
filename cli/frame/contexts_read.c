/* The text of a file of contexts: nothing in it is believed before it is checked. */
#include "cli/frame/contexts_read.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/assert.h"
#include "base/memory.h"
#include "base/nearest.h"

#define SHOWN_BYTES 60 /* of what is wrong */

struct reading {
    struct contexts *out;
    struct contexts_problem *why;
    size_t line;
    size_t use_line;
    struct named_context *section; /* NULL: none was begun */
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct reading *reading, const char *hint,
                                                        const char *format, ...)
{
    char what[320];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(reading->why->what, sizeof reading->why->what, "%s:%zu: %s", reading->out->path,
             reading->line, what);
    snprintf(reading->why->hint, sizeof reading->why->hint, "%s", hint);
    return false;
}

bool context_name_check(const char *name, struct contexts_problem *why)
{
    size_t length = strlen(name);
    bool good = length > 0 && length < CONTEXT_NAME_BYTES && isalnum((unsigned char)name[0]);
    for (size_t i = 0; good && i < length; i++)
        good = isalnum((unsigned char)name[i]) || strchr("._-", name[i]) != NULL;
    if (good)
        return true;
    snprintf(why->what, sizeof why->what, "'%.*s' is no name of a context", SHOWN_BYTES, name);
    snprintf(why->hint, sizeof why->hint,
             "up to %d letters, digits, '.', '_' and '-', a letter or digit in front",
             CONTEXT_NAME_BYTES - 1);
    return false;
}

struct named_context *contexts_find(const struct contexts *contexts, const char *name)
{
    for (size_t i = 0; i < contexts->count; i++) {
        if (strcmp(contexts->list[i].name, name) == 0)
            return &contexts->list[i];
    }
    return NULL;
}

struct named_context *contexts_add(struct contexts *contexts, const char *name)
{
    size_t at = contexts->count;
    ASSERT(contexts_find(contexts, name) == NULL);
    if (contexts->count == CONTEXTS_MAX)
        return NULL;
    if (contexts->count % 16 == 0)
        contexts->list =
            memory_resize(contexts->list, contexts->count + 16, sizeof *contexts->list);
    while (at > 0 && strcmp(contexts->list[at - 1].name, name) > 0)
        at--;
    struct named_context *place = &contexts->list[at];
    memmove(place + 1, place, (contexts->count - at) * sizeof *place);
    memset(place, 0, sizeof *place);
    snprintf(place->name, sizeof place->name, "%s", name);
    contexts->count++;
    return place;
}

/* ---- Values ---- */

static bool take_path(struct reading *reading, const char *key, const char *value, char *out)
{
    if (value[0] != '/')
        return wrong(reading, "a context means the same in every directory",
                     "%s: '%.*s' is no absolute path", key, SHOWN_BYTES, value);
    if (strlen(value) >= CONTEXT_PATH_BYTES)
        return wrong(reading, "move the file", "%s: the path has more than %d bytes", key,
                     CONTEXT_PATH_BYTES - 1);
    snprintf(out, CONTEXT_PATH_BYTES, "%s", value);
    return true;
}

/* "a,b": each is checked when it is used as well, as any list is. */
static bool take_endpoints(struct reading *reading, const char *value, char *out)
{
    struct address_problem problem;
    char one[LIMIT_ADDRESS_BYTES + 1];
    if (strlen(value) >= CONTEXT_LIST_BYTES)
        return wrong(reading, "a cluster has at most 32 nodes", "endpoints: the list is too long");
    for (const char *p = value;; p++) {
        p += strspn(p, " ");
        size_t length = strcspn(p, ", ");
        snprintf(one, sizeof one, "%.*s", (int)length, p);
        if (!address_check(one, &problem))
            return wrong(reading, problem.hint, "endpoints: %.200s", problem.what);
        p += length;
        p += strspn(p, " ");
        if (*p != ',')
            break;
    }
    snprintf(out, CONTEXT_LIST_BYTES, "%s", value);
    return true;
}

static bool take_use(struct reading *reading, const char *value)
{
    struct contexts_problem problem;
    if (reading->use_line != 0)
        return wrong(reading, "remove one of them", "`use` stands in line %zu already",
                     reading->use_line);
    if (!context_name_check(value, &problem))
        return wrong(reading, problem.hint, "%.200s", problem.what);
    reading->use_line = reading->line;
    snprintf(reading->out->use, sizeof reading->out->use, "%s", value);
    return true;
}

static bool refuse_key(struct reading *reading, const char *key)
{
    static const char *const keys[] = {"topology", "endpoints", "secret-file", NULL};
    static const char *const secrets[] = {"secret", "password", "token", "key", "credentials"};
    char hint[96];
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (strcmp(key, secrets[i]) == 0)
            return wrong(reading, "write secret-file = /PATH, and the secret into that file",
                         "a secret has no place here");
    }
    const char *near = nearest_word(key, keys);
    snprintf(hint, sizeof hint, "did you mean '%s'?", near != NULL ? near : "");
    return wrong(reading, near != NULL ? hint : "it may be topology, endpoints or secret-file",
                 "unknown key '%.*s'", SHOWN_BYTES, key);
}

/* ---- Lines ---- */

static bool take_pair(struct reading *reading, const char *key, const char *value)
{
    struct named_context *section = reading->section;
    if (section == NULL && strcmp(key, "use") == 0)
        return take_use(reading, value);
    if (section == NULL)
        return wrong(reading, "write a line [NAME] above it", "'%.*s' belongs to no context",
                     SHOWN_BYTES, key);
    bool topology = strcmp(key, "topology") == 0;
    bool endpoints = strcmp(key, "endpoints") == 0;
    bool secret = strcmp(key, "secret-file") == 0;
    if (!topology && !endpoints && !secret)
        return refuse_key(reading, key);
    if ((topology && section->topology[0] != '\0') || (secret && section->secret_file[0] != '\0') ||
        (endpoints && section->endpoints[0] != '\0'))
        return wrong(reading, "remove one of them", "context '%s' has a second %s", section->name,
                     key);
    if ((topology && section->endpoints[0] != '\0') || (endpoints && section->topology[0] != '\0'))
        return wrong(reading, "keep one of them", "context '%s' has a topology and endpoints",
                     section->name);
    if (endpoints)
        return take_endpoints(reading, value, section->endpoints);
    return take_path(reading, key, value, topology ? section->topology : section->secret_file);
}

/* The section that ends here says which cluster it means. */
static bool end_section(struct reading *reading)
{
    const struct named_context *section = reading->section;
    if (section == NULL || section->topology[0] != '\0' || section->endpoints[0] != '\0')
        return true;
    return wrong(reading, "give it topology = /PATH, or endpoints = ADDRESS,ADDRESS",
                 "context '%s', which ends before this line, names no cluster", section->name);
}

static bool begin_section(struct reading *reading, char *line)
{
    struct contexts_problem problem;
    size_t length = strlen(line);
    if (length < 2 || line[length - 1] != ']')
        return wrong(reading, "write [NAME]", "'%.*s' is not closed", SHOWN_BYTES, line);
    line[length - 1] = '\0';
    const char *name = line + 1;
    if (!context_name_check(name, &problem))
        return wrong(reading, problem.hint, "%.200s", problem.what);
    if (contexts_find(reading->out, name) != NULL)
        return wrong(reading, "remove one of them", "there are two contexts '%s'", name);
    if (!end_section(reading))
        return false;
    reading->section = contexts_add(reading->out, name);
    return reading->section != NULL ||
           wrong(reading, "remove some", "more than %d contexts", CONTEXTS_MAX);
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = '\0';
    return text;
}

static bool take_line(struct reading *reading, char *line)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#')
        return true;
    if (line[0] == '[')
        return begin_section(reading, line);
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return wrong(reading, "write KEY = VALUE, or [NAME]", "'%.*s' is neither", SHOWN_BYTES,
                     line);
    *equals = '\0';
    return take_pair(reading, trim(line), trim(equals + 1));
}

/* What a terminal would take for more than text is not even shown. */
static bool is_text(const char *line, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)line;
    for (size_t i = 0; i < length; i++) {
        bool control = (bytes[i] < ' ' && bytes[i] != '\t') || bytes[i] == 0x7F;
        bool control_of_unicode = bytes[i] == 0xC2 && i + 1 < length && bytes[i + 1] < 0xA0;
        if (control || control_of_unicode)
            return false;
    }
    return true;
}

bool contexts_read(char *text, size_t length, struct contexts *out, struct contexts_problem *why)
{
    struct reading reading = {.out = out, .why = why};
    char *end = text + length;
    for (char *line = text; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *next = newline != NULL ? newline + 1 : end;
        char *stop = newline != NULL ? newline : end;
        if (newline != NULL && stop > line && stop[-1] == '\r')
            stop--;
        reading.line++;
        if (!is_text(line, (size_t)(stop - line)))
            return wrong(&reading, "it is text, one line a setting",
                         "the line holds bytes that are no text");
        *stop = '\0';
        if (!take_line(&reading, line))
            return false;
        line = next;
    }
    if (!end_section(&reading))
        return false;
    reading.line = reading.use_line;
    if (out->use[0] == '\0' || contexts_find(out, out->use) != NULL)
        return true;
    return wrong(&reading, "remove the line, or write the context",
                 "`use` names '%s', which is not there", out->use);
}
