/* One value: from the text of a scalar into its field, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/nearest.h"
#include "base/units.h"
#include "topology/internal.h"

static bool is_name(const char *text)
{
    struct candor_node_id id;
    return node_id_parse(text, strlen(text), &id);
}

static bool read_name(const char *text, void *field, struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    struct candor_node_id id;
    if (!node_id_parse(text, strlen(text), &id)) {
        problems_say(why->what, "%s is not a name", text_quote(text, strlen(text), quoted));
        problems_say(why->hint, "a name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
                     LIMIT_NODE_ID_BYTES - 1);
        return false;
    }
    memcpy(field, &id, sizeof id);
    return true;
}

/* Digits alone. False when it is something else or does not fit. */
static bool whole_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return p > text && *p == '\0';
}

static bool in_range(const struct key *key, const char *text, uint64_t value,
                     struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    char range[VALUE_TEXT_BYTES];
    if (value >= key->min && value <= key->max)
        return true;
    problems_say(why->what, "%s is out of range", text_quote(text, strlen(text), quoted));
    problems_say(why->hint, "'%s' is %s", key->name, range_text(key, range));
    return false;
}

/* "5000 has no unit; write 5000ms or 5s": both units when the number is round in the larger one. */
static void no_unit(const struct key *key, const char *text, uint64_t number,
                    struct topology_problem *why)
{
    char larger[UNIT_TEXT_BYTES];
    bool size = key->kind == KIND_SIZE;
    const char *unit = size ? "B" : "ms";
    char smallest[UNIT_TEXT_BYTES + 8];
    snprintf(smallest, sizeof smallest, "%" PRIu64 "%s", number, unit);
    size ? size_text(number, larger) : duration_text(number, larger);
    problems_say(why->what, "%.24s has no unit", text);
    if (strcmp(smallest, larger) == 0)
        problems_say(why->hint, "write %s", smallest);
    else
        problems_say(why->hint, "write %s or %s", smallest, larger);
}

static bool malformed(const struct key *key, const char *text, struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    uint64_t number;
    bool size = key->kind == KIND_SIZE;
    if (whole_number(text, &number)) {
        no_unit(key, text, number, why);
        return false;
    }
    size_t digits = strspn(text, "0123456789.");
    problems_say(why->what, "%s is not a %s", text_quote(text, strlen(text), quoted),
                 size ? "size" : "duration");
    if (digits > 0 && digits <= 16 && size && strchr("kKMGT", text[digits]) != NULL &&
        text[digits] != '\0')
        problems_say(why->hint, "write %.*s%ciB (units are B, KiB, MiB, GiB, TiB)", (int)digits,
                     text, text[digits] == 'k' ? 'K' : text[digits]);
    else
        problems_say(why->hint, size ? "write it like 512B, 64KiB, 1.5MiB or 16GiB"
                                     : "write it like 500ms, 1.5s, 2m or 1h");
    return false;
}

static bool read_duration(const struct key *key, const char *text, uint64_t *field,
                          struct topology_problem *why)
{
    uint64_t value;
    bool may_be_never = key->kind == KIND_DURATION_OR_NEVER;
    if (may_be_never && strcmp(text, "never") == 0) {
        *field = 0;
        return true;
    }
    if (!duration_parse(text, &value))
        return malformed(key, text, why);
    if (!in_range(key, text, value, why))
        return false;
    *field = value;
    return true;
}

static bool read_size(const struct key *key, const char *text, uint64_t *field,
                      struct topology_problem *why)
{
    uint64_t value;
    if (!size_parse(text, &value))
        return malformed(key, text, why);
    if (!in_range(key, text, value, why))
        return false;
    *field = value;
    return true;
}

static bool read_count(const struct key *key, const char *text, uint64_t *field,
                       struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    uint64_t value;
    if (!whole_number(text, &value)) {
        problems_say(why->what, "%s is not a whole number", text_quote(text, strlen(text), quoted));
        problems_say(why->hint, "write digits alone, such as %s", key->fallback);
        return false;
    }
    if (!in_range(key, text, value, why))
        return false;
    *field = value;
    return true;
}

static void store_choice(const struct key *key, void *field, unsigned choice)
{
    if (key->size == sizeof(bool)) {
        *(bool *)field = choice != 0;
        return;
    }
    ASSERT_U64(key->size, ==, sizeof choice);
    memcpy(field, &choice, sizeof choice);
}

static unsigned stored_choice(const struct key *key, const void *field)
{
    unsigned choice;
    if (key->size == sizeof(bool))
        return *(const bool *)field;
    memcpy(&choice, field, sizeof choice);
    return choice;
}

static void list_choices(const char *const *choices, char out[VALUE_TEXT_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL; i++) {
        const char *between = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(out + used, VALUE_TEXT_BYTES - used, "%s%s", between, choices[i]);
        ASSERT_U64(used, <, VALUE_TEXT_BYTES);
    }
}

static bool read_choice(const struct key *key, const char *text, void *field,
                        struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    char choices[VALUE_TEXT_BYTES];
    for (unsigned i = 0; key->choices[i] != NULL; i++)
        if (strcmp(key->choices[i], text) == 0) {
            store_choice(key, field, i);
            return true;
        }
    const char *nearest = nearest_word(text, key->choices);
    list_choices(key->choices, choices);
    problems_say(why->what, "%s is no choice for '%s'", text_quote(text, strlen(text), quoted),
                 key->name);
    if (nearest != NULL)
        problems_say(why->hint, "did you mean '%s'?", nearest);
    else
        problems_say(why->hint, "write %s", choices);
    return false;
}

static bool read_address(const char *text, char *field, struct topology_problem *why)
{
    struct address_problem problem;
    if (!address_check(text, &problem)) {
        problems_say(why->what, "%s", problem.what);
        problems_say(why->hint, "%s", problem.hint);
        return false;
    }
    memcpy(field, text, strlen(text));
    return true;
}

static bool read_path(const char *text, const char *folder, char *field,
                      struct topology_problem *why)
{
    char quoted[QUOTE_BYTES];
    if (text[0] == '\0') {
        problems_say(why->what, "the path is empty");
        problems_say(why->hint, "write the node's data folder, such as /var/lib/candor/a");
        return false;
    }
    if (text[0] == '~') { /* a shell's abbreviation: here it would name a folder "~" */
        problems_say(why->what, "the path %s begins with '~', which only a shell replaces",
                     text_quote(text, strlen(text), quoted));
        problems_say(why->hint, "write the whole path, such as /home/me/candor/a");
        return false;
    }
    if (!path_resolve(folder, text, field)) {
        problems_say(why->what, "the path %s is too long", text_quote(text, strlen(text), quoted));
        problems_say(why->hint, "with the topology file's folder it may have %d bytes",
                     LIMIT_PATH_BYTES - 1);
        return false;
    }
    if (!text_printable(field)) {
        problems_say(why->what, "the path %s has characters that cannot be printed",
                     text_quote(field, strlen(field), quoted));
        problems_say(why->hint, "name the folder in plain UTF-8");
        return false;
    }
    return true;
}

bool value_read(const struct key *key, const char *text, const char *folder, void *base,
                struct topology_problem *why)
{
    void *field = (char *)base + key->offset;
    switch (key->kind) {
    case KIND_NAME:
        return read_name(text, field, why);
    case KIND_DURATION:
    case KIND_DURATION_OR_NEVER:
        return read_duration(key, text, field, why);
    case KIND_SIZE:
        return read_size(key, text, field, why);
    case KIND_COUNT:
        return read_count(key, text, field, why);
    case KIND_CHOICE:
        return read_choice(key, text, field, why);
    case KIND_ADDRESS:
        return read_address(text, field, why);
    case KIND_PATH:
        return read_path(text, folder, field, why);
    case KIND_SECTION:
    case KIND_NODES:
        break;
    }
    ASSERT(!"a section has no value of its own");
    return false;
}

/* A word that YAML reads as this very word. */
static bool plain(const char *text)
{
    static const char *const nulls[] = {"null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
        if (strcmp(text, nulls[i]) == 0)
            return false;
    return is_name(text) && text[0] != '-' && text[0] != '.';
}

static void write_text(const char *text, char out[VALUE_TEXT_BYTES])
{
    size_t used = 0;
    if (plain(text)) {
        snprintf(out, VALUE_TEXT_BYTES, "%s", text);
        return;
    }
    out[used++] = '"';
    for (; *text != '\0'; text++) {
        ASSERT_U64(used + 4, <=, VALUE_TEXT_BYTES);
        if (*text == '"' || *text == '\\')
            out[used++] = '\\';
        out[used++] = *text;
    }
    out[used++] = '"';
    out[used] = '\0';
}

static void write_number(const struct key *key, uint64_t value, char out[VALUE_TEXT_BYTES])
{
    char text[UNIT_TEXT_BYTES];
    if (key->kind == KIND_DURATION_OR_NEVER && value == 0)
        snprintf(out, VALUE_TEXT_BYTES, "never");
    else if (key->kind == KIND_SIZE)
        snprintf(out, VALUE_TEXT_BYTES, "%s", size_text(value, text));
    else if (key->kind == KIND_COUNT)
        snprintf(out, VALUE_TEXT_BYTES, "%" PRIu64, value);
    else
        snprintf(out, VALUE_TEXT_BYTES, "%s", duration_text(value, text));
}

char *value_text(const struct key *key, const void *base, char out[VALUE_TEXT_BYTES])
{
    const void *field = (const char *)base + key->offset;
    uint64_t number;
    switch (key->kind) {
    case KIND_DURATION:
    case KIND_DURATION_OR_NEVER:
    case KIND_SIZE:
    case KIND_COUNT:
        memcpy(&number, field, sizeof number);
        write_number(key, number, out);
        break;
    case KIND_CHOICE:
        snprintf(out, VALUE_TEXT_BYTES, "%s", key->choices[stored_choice(key, field)]);
        break;
    default:
        write_text(field, out);
    }
    return out;
}

char *range_text(const struct key *key, char out[VALUE_TEXT_BYTES])
{
    char least[VALUE_TEXT_BYTES];
    char most[VALUE_TEXT_BYTES];
    out[0] = '\0';
    switch (key->kind) {
    case KIND_DURATION:
    case KIND_DURATION_OR_NEVER:
    case KIND_SIZE:
    case KIND_COUNT:
        write_number(key, key->min, least);
        write_number(key, key->max, most);
        snprintf(out, VALUE_TEXT_BYTES, "%.64s to %.64s%s", least, most,
                 key->kind == KIND_DURATION_OR_NEVER ? ", or never" : "");
        break;
    case KIND_CHOICE:
        list_choices(key->choices, out);
        break;
    default:
        break;
    }
    return out;
}
