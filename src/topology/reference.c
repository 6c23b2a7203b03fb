/* The table of keys as Markdown, for docs/topology.md. */
#include <stdio.h>

#include "topology/internal.h"

static const char *type_text(enum kind kind)
{
    switch (kind) {
    case KIND_NAME:
        return "name";
    case KIND_DURATION:
    case KIND_DURATION_OR_NEVER:
        return "duration";
    case KIND_SIZE:
        return "size";
    case KIND_COUNT:
        return "number";
    case KIND_CHOICE:
        return "choice";
    case KIND_ADDRESS:
        return "address";
    case KIND_PATH:
        return "path";
    case KIND_SECTION:
        return "mapping";
    case KIND_NODES:
        return "list";
    }
    return "";
}

static void print_default(const struct key *key, FILE *to)
{
    switch (key->need) {
    case NEED_VALUE:
        fprintf(to, "required");
        break;
    case NEED_DEFAULT:
        fprintf(to, "`%s`", key->fallback);
        break;
    case NEED_DERIVED:
        fprintf(to, "%s", key->fallback);
        break;
    case NEED_NOTHING:
        fprintf(to, "none");
        break;
    }
}

static const char *change_text(enum change change)
{
    static const char *const texts[] = {
        [CHANGE_ROLLING] = "rolling",     [CHANGE_OWN] = "node stopped",
        [CHANGE_VOTER] = "`kvctl voter`", [CHANGE_NODES] = "add, remove",
        [CHANGE_STOPPED] = "all stopped", [CHANGE_FOUNDING] = "no effect",
        [CHANGE_NEVER] = "never",         [CHANGE_INSIDE] = "",
    };
    return texts[change];
}

static void print_key(const struct key *key, FILE *to)
{
    char range[VALUE_TEXT_BYTES];
    fprintf(to, "| `%s` | %s | ", key->name, type_text(key->kind));
    print_default(key, to);
    fprintf(to, " | %s | %s | %s |\n", range_text(key, range), change_text(key->change), key->doc);
}

void topology_reference(FILE *to)
{
    static const char *const headings[SECTION_COUNT] = {[SECTION_CLUSTER] =
                                                            "At the top of the file",
                                                        [SECTION_LIMITS] = "In `limits`",
                                                        [SECTION_RETENTION] = "In `retention`",
                                                        [SECTION_NODE] = "In each of `nodes`"};
    for (unsigned section = 0; section < SECTION_COUNT; section++) {
        fprintf(to,
                "### %s\n\n| key | type | default | range | change | meaning "
                "|\n|---|---|---|---|---|---|\n",
                headings[section]);
        for (size_t i = 0; i < KEY_COUNT; i++)
            if (topology_keys[i].section == section)
                print_key(&topology_keys[i], to);
        fprintf(to, "\n");
    }
}
