/* From a YAML document to struct topology: keys and values by the table. The table's three levels
 * bound how deep this goes, whatever the document holds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "topology/internal.h"

/* One mapping that is being read. */
struct scope {
    struct draft *draft;
    yaml_document_t *document;
    enum section section;
    void *base;           /* struct topology or struct topology_node */
    struct place *places; /* of KEY_COUNT keys */
};

/* ---- values ---- */

static void apply_defaults(enum section section, void *base)
{
    struct topology_problem why;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = &topology_keys[i];
        if (key->section != section || key->need != NEED_DEFAULT)
            continue;
        bool good = value_read(key, key->fallback, "/", base, &why);
        ASSERT(good);
    }
}

static const char *text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static bool has_nul(const yaml_node_t *node)
{
    return memchr(node->data.scalar.value, '\0', node->data.scalar.length) != NULL;
}

/* `key:` with nothing behind it, or what YAML calls null. */
static bool is_nothing(const yaml_node_t *node)
{
    static const char *const nothings[] = {"", "~", "null", "Null", "NULL"};
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof nothings / sizeof nothings[0]; i++)
        if (strcmp(text_of(node), nothings[i]) == 0)
            return true;
    return false;
}

static const char *type_name(const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a mapping";
    default:
        return is_nothing(node) ? "nothing" : "a single value";
    }
}

static const char *wanted_type(enum kind kind)
{
    switch (kind) {
    case KIND_SECTION:
        return "a mapping";
    case KIND_NODES:
        return "a list";
    case KIND_DURATION:
    case KIND_DURATION_OR_NEVER:
        return "a duration";
    case KIND_SIZE:
        return "a size";
    case KIND_COUNT:
        return "a number";
    case KIND_ADDRESS:
        return "an address";
    case KIND_PATH:
        return "a path";
    default:
        return "a word";
    }
}

static yaml_node_type_t yaml_type(enum kind kind)
{
    return kind == KIND_SECTION ? YAML_MAPPING_NODE
           : kind == KIND_NODES ? YAML_SEQUENCE_NODE
                                : YAML_SCALAR_NODE;
}

static bool read_scalar(struct scope *scope, const struct key *key, const yaml_node_t *node)
{
    struct topology_problem why = {0};
    if (has_nul(node)) {
        struct topology_problem *problem =
            problems_report(scope->draft, place_of(node->start_mark));
        problems_say(problem->what, "the value of '%s' has a NUL byte in it", key->name);
        problems_say(problem->hint, "write it without");
        return false;
    }
    if (value_read(key, text_of(node), scope->draft->folder, scope->base, &why))
        return true;
    struct topology_problem *problem = problems_report(scope->draft, place_of(node->start_mark));
    memcpy(problem->what, why.what, sizeof why.what);
    memcpy(problem->hint, why.hint, sizeof why.hint);
    return false;
}

static void load_mapping(struct scope *scope, const yaml_node_t *mapping);

static bool load_section(struct scope *scope, const struct key *key, const yaml_node_t *node)
{
    struct scope inner = *scope;
    inner.section = key->inside;
    load_mapping(&inner, node);
    return true;
}

static void load_node(struct scope *outer, const yaml_node_t *item)
{
    struct topology *topology = outer->draft->topology;
    uint32_t i = topology->node_count++;
    struct scope scope = *outer;
    scope.section = SECTION_NODE;
    scope.base = &topology->nodes[i];
    scope.places = outer->draft->node_keys[i];
    outer->draft->node[i] = place_of(item->start_mark);
    outer->draft->node[i].given = item->type == YAML_MAPPING_NODE ? GIVEN_WELL : GIVEN_BADLY;
    apply_defaults(SECTION_NODE, scope.base);
    if (item->type == YAML_MAPPING_NODE) {
        load_mapping(&scope, item);
        return;
    }
    struct topology_problem *problem = problems_report(outer->draft, outer->draft->node[i]);
    problems_say(problem->what, "a node is a mapping, this is %s", type_name(item));
    problems_say(problem->hint, "write '- id: NAME' and its other keys below");
}

static bool load_nodes(struct scope *scope, const yaml_node_t *list)
{
    const yaml_node_item_t *end = list->data.sequence.items.top;
    for (const yaml_node_item_t *item = list->data.sequence.items.start; item < end; item++) {
        const yaml_node_t *node = yaml_document_get_node(scope->document, *item);
        if (scope->draft->topology->node_count == LIMIT_NODES) {
            struct topology_problem *problem =
                problems_report(scope->draft, place_of(node->start_mark));
            problems_say(problem->what, "too many nodes");
            problems_say(problem->hint, "a cluster has at most %d", LIMIT_NODES);
            return false;
        }
        load_node(scope, node);
    }
    return true;
}

static bool load_value(struct scope *scope, const struct key *key, const yaml_node_t *node)
{
    if (node->type != yaml_type(key->kind) || is_nothing(node)) {
        struct topology_problem *problem =
            problems_report(scope->draft, place_of(node->start_mark));
        problems_say(problem->what, "'%s' is %s", key->name, type_name(node));
        problems_say(problem->hint, "it must be %s", wanted_type(key->kind));
        return false;
    }
    if (key->kind == KIND_SECTION)
        return load_section(scope, key, node);
    if (key->kind == KIND_NODES)
        return load_nodes(scope, node);
    return read_scalar(scope, key, node);
}

/* ---- keys ---- */

static void list_keys(enum section section, char out[SAY_BYTES])
{
    size_t used = strlen(out);
    for (size_t i = 0; i < KEY_COUNT && used < SAY_BYTES; i++) {
        if (topology_keys[i].section != section)
            continue;
        const char *between = used > 0 && out[used - 1] != ' ' ? ", " : "";
        used +=
            (size_t)snprintf(out + used, SAY_BYTES - used, "%s%s", between, topology_keys[i].name);
    }
}

/* Another section that has this very key; SECTION_COUNT when none has. */
static unsigned home_of(const char *name)
{
    unsigned section = 0;
    while (section < SECTION_COUNT && key_find((enum section)section, name) == NULL)
        section++;
    return section;
}

static void unknown_key(const struct scope *scope, const yaml_node_t *node)
{
    char quoted[QUOTE_BYTES];
    const char *name = text_of(node);
    const struct key *nearest = nearest_key(scope->section, name);
    unsigned home = home_of(name);
    struct topology_problem *problem = problems_report(scope->draft, place_of(node->start_mark));
    problems_say(problem->what, "unknown key %s",
                 text_quote(name, node->data.scalar.length, quoted));
    if (home == SECTION_CLUSTER) {
        problems_say(problem->hint, "it belongs at the top of the file");
    } else if (home < SECTION_COUNT) {
        problems_say(problem->hint, "it belongs in '%s'", section_title((enum section)home));
    } else if (nearest != NULL) {
        problems_say(problem->hint, "did you mean '%s'?", nearest->name);
    } else {
        problems_say(problem->hint, "known here: ");
        list_keys(scope->section, problem->hint);
    }
}

static bool key_is_word(const struct scope *scope, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE && !has_nul(node))
        return true;
    struct topology_problem *problem = problems_report(scope->draft, place_of(node->start_mark));
    problems_say(problem->what, "a key is %s",
                 node->type == YAML_SCALAR_NODE ? "text with a NUL byte" : type_name(node));
    problems_say(problem->hint, "it must be a word");
    return false;
}

static void load_pair(struct scope *scope, const yaml_node_t *name, const yaml_node_t *value)
{
    if (!key_is_word(scope, name))
        return;
    const struct key *key = key_find(scope->section, text_of(name));
    if (key == NULL) {
        unknown_key(scope, name);
        return;
    }
    struct place *place = &scope->places[key - topology_keys];
    if (place->given != GIVEN_NOT) {
        struct topology_problem *problem =
            problems_report(scope->draft, place_of(name->start_mark));
        problems_say(problem->what, "duplicate key '%s'", key->name);
        problems_say(problem->hint, "remove one; the first value is at %" PRIu32 ":%" PRIu32,
                     place->line, place->column);
        return;
    }
    *place = place_of(value->start_mark);
    place->given = GIVEN_BADLY; /* while a section is read: no value to rely on */
    if (load_value(scope, key, value))
        place->given = GIVEN_WELL;
}

static const char *example_of(const struct key *key)
{
    switch (key->kind) {
    case KIND_ADDRESS:
        return "'tcp://host:port'";
    case KIND_PATH:
        return "the folder for its log and state";
    case KIND_NODES:
        return "a list of nodes";
    default:
        return "a name";
    }
}

static void require_keys(struct scope *scope, const yaml_node_t *mapping)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = &topology_keys[i];
        if (key->section != scope->section || key->need != NEED_VALUE ||
            scope->places[i].given != GIVEN_NOT)
            continue;
        struct topology_problem *problem =
            problems_report(scope->draft, place_of(mapping->start_mark));
        problems_say(problem->what, "%s has no '%s'",
                     scope->section == SECTION_NODE ? "the node" : "the topology", key->name);
        problems_say(problem->hint, "add '%s:' and %s", key->name, example_of(key));
    }
}

static void load_mapping(struct scope *scope, const yaml_node_t *mapping)
{
    const yaml_node_pair_t *end = mapping->data.mapping.pairs.top;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < end; pair++)
        load_pair(scope, yaml_document_get_node(scope->document, pair->key),
                  yaml_document_get_node(scope->document, pair->value));
    require_keys(scope, mapping);
}

/* ---- the whole ---- */

void draft_defaults(struct draft *draft)
{
    for (unsigned section = SECTION_CLUSTER; section <= SECTION_RETENTION; section++)
        apply_defaults((enum section)section, draft->topology);
}

void draft_load(struct draft *draft, yaml_document_t *document)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    struct scope scope = {.draft = draft,
                          .document = document,
                          .section = SECTION_CLUSTER,
                          .base = draft->topology,
                          .places = draft->keys};
    if (root != NULL && root->type == YAML_MAPPING_NODE) {
        draft->whole = place_of(root->start_mark);
        load_mapping(&scope, root);
        draft_derive(draft);
        draft_check(draft);
        return;
    }
    bool empty = root == NULL || is_nothing(root);
    struct topology_problem *problem =
        problems_report(draft, empty ? draft->whole : place_of(root->start_mark));
    if (empty)
        problems_say(problem->what, "the file says nothing");
    else
        problems_say(problem->what, "the topology is %s, not a mapping", type_name(root));
    problems_say(problem->hint, "write at least 'cluster: NAME' and 'nodes:'");
}
