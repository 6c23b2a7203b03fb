/* From a file to struct topology: YAML by libyaml, keys by the table.
 * A file may come from a hostile hand: events are screened before a document is built of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

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

static struct place place_of(yaml_mark_t mark)
{
    return (struct place){.line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
}

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
        struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
        say(problem->what, "the value of '%s' has a NUL byte in it", key->name);
        say(problem->mend, "write it without");
        return false;
    }
    if (value_read(key, text_of(node), scope->draft->folder, scope->base, &why))
        return true;
    struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
    memcpy(problem->what, why.what, sizeof why.what);
    memcpy(problem->mend, why.mend, sizeof why.mend);
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
    struct topology_problem *problem = report(outer->draft, outer->draft->node[i]);
    say(problem->what, "a node is a mapping, this is %s", type_name(item));
    say(problem->mend, "write '- id: NAME' and its other keys below");
}

static bool load_nodes(struct scope *scope, const yaml_node_t *list)
{
    const yaml_node_item_t *end = list->data.sequence.items.top;
    for (const yaml_node_item_t *item = list->data.sequence.items.start; item < end; item++) {
        const yaml_node_t *node = yaml_document_get_node(scope->document, *item);
        if (scope->draft->topology->node_count == LIMIT_NODES) {
            struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
            say(problem->what, "too many nodes");
            say(problem->mend, "a cluster has at most %d", LIMIT_NODES);
            return false;
        }
        load_node(scope, node);
    }
    return true;
}

static bool load_value(struct scope *scope, const struct key *key, const yaml_node_t *node)
{
    if (node->type != yaml_type(key->kind) || is_nothing(node)) {
        struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
        say(problem->what, "'%s' is %s", key->name, type_name(node));
        say(problem->mend, "it must be %s", wanted_type(key->kind));
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
    struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
    say(problem->what, "unknown key %s", quote(name, node->data.scalar.length, quoted));
    if (home == SECTION_CLUSTER) {
        say(problem->mend, "it belongs at the top of the file");
    } else if (home < SECTION_COUNT) {
        say(problem->mend, "it belongs in '%s'", section_title((enum section)home));
    } else if (nearest != NULL) {
        say(problem->mend, "did you mean '%s'?", nearest->name);
    } else {
        say(problem->mend, "known here: ");
        list_keys(scope->section, problem->mend);
    }
}

static bool key_is_word(const struct scope *scope, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE && !has_nul(node))
        return true;
    struct topology_problem *problem = report(scope->draft, place_of(node->start_mark));
    say(problem->what, "a key is %s",
        node->type == YAML_SCALAR_NODE ? "text with a NUL byte" : type_name(node));
    say(problem->mend, "it must be a word");
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
        struct topology_problem *problem = report(scope->draft, place_of(name->start_mark));
        say(problem->what, "duplicate key '%s'", key->name);
        say(problem->mend, "remove one; the first value is at %" PRIu32 ":%" PRIu32, place->line,
            place->column);
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
        struct topology_problem *problem = report(scope->draft, place_of(mapping->start_mark));
        say(problem->what, "%s has no '%s'",
            scope->section == SECTION_NODE ? "the node" : "the topology", key->name);
        say(problem->mend, "add '%s:' and %s", key->name, example_of(key));
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

/* ---- YAML ---- */

/* libyaml's reader knows only the offset of bytes that it cannot read. */
static struct place place_at(const char *bytes, size_t length, size_t offset)
{
    struct place place = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < length; i++) {
        place.column++;
        if (bytes[i] == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return place;
}

static void syntax_problem(struct draft *draft, const yaml_parser_t *parser, const char *bytes,
                           size_t length)
{
    bool unreadable = parser->error == YAML_READER_ERROR;
    struct place at = unreadable ? place_at(bytes, length, parser->problem_offset)
                                 : place_of(parser->problem_mark);
    size_t offset = unreadable ? parser->problem_offset : parser->problem_mark.index;
    struct topology_problem *problem = report(draft, at);
    say(problem->what, "not YAML: %.120s",
        parser->problem == NULL ? "out of memory" : parser->problem);
    if (unreadable)
        say(problem->mend, "write plain UTF-8");
    else if (offset < length && bytes[offset] == '\t')
        say(problem->mend, "indent with blanks, not with tabs");
    else if (parser->context != NULL)
        say(problem->mend, "%.120s that begins at %zu:%zu", parser->context,
            parser->context_mark.line + 1, parser->context_mark.column + 1);
    else
        say(problem->mend, "look at the indentation of this line and the one before");
}

static void parser_open(yaml_parser_t *parser, const char *bytes, size_t length)
{
    int made = yaml_parser_initialize(parser);
    ASSERT(made);
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)bytes, length);
}

struct screening {
    struct draft *draft;
    size_t depth;
    size_t values;
    size_t documents;
    bool fatal; /* no document must be built */
};

static void refuse(struct screening *screening, const yaml_event_t *event, const char *what,
                   const char *mend)
{
    struct topology_problem *problem = report(screening->draft, place_of(event->start_mark));
    say(problem->what, "%s", what);
    say(problem->mend, "%s", mend);
    screening->fatal = true;
}

/* False when reading on is of no use. */
static bool screen_event(struct screening *screening, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++screening->documents > 1)
            refuse(screening, event, "a second document begins here", "a topology is one document");
        return screening->documents == 1;
    case YAML_ALIAS_EVENT:
        refuse(screening, event, "aliases are not taken", "write the value out");
        return true;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        screening->values++;
        if (++screening->depth > LIMIT_TOPOLOGY_DEPTH) {
            refuse(screening, event, "nested too deeply", "a topology needs 3 levels");
            return false;
        }
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        screening->depth--;
        break;
    case YAML_SCALAR_EVENT:
        screening->values++;
        break;
    default:
        break;
    }
    if (screening->values <= LIMIT_TOPOLOGY_VALUES)
        return true;
    refuse(screening, event, "too many values", "is this a topology?");
    return false;
}

/* Bounds what a document may cost before one is built, and finds syntax errors. False: build none. */
static bool screen(struct draft *draft, const char *bytes, size_t length)
{
    struct screening screening = {.draft = draft};
    yaml_parser_t parser;
    parser_open(&parser, bytes, length);
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            syntax_problem(draft, &parser, bytes, length);
            screening.fatal = true;
            break;
        }
        more = screen_event(&screening, &event) && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return !screening.fatal;
}

static void load_root(struct draft *draft, yaml_document_t *document)
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
        report(draft, empty ? draft->whole : place_of(root->start_mark));
    if (empty)
        say(problem->what, "the file says nothing");
    else
        say(problem->what, "the topology is %s, not a mapping", type_name(root));
    say(problem->mend, "write at least 'cluster: NAME' and 'nodes:'");
}

static void load_document(struct draft *draft, const char *bytes, size_t length)
{
    yaml_parser_t parser;
    yaml_document_t document;
    parser_open(&parser, bytes, length);
    if (yaml_parser_load(&parser, &document)) {
        load_root(draft, &document);
        yaml_document_delete(&document);
    } else {
        syntax_problem(draft, &parser, bytes, length);
    }
    yaml_parser_delete(&parser);
}

static enum candor_code verdict(const struct draft *draft, struct candor_error *err)
{
    const struct topology_problem *first = draft->problems->list;
    if (draft->error_count == 0)
        return CANDOR_OK;
    while (first->warning) /* an error is always kept: warnings leave room */
        first++;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                            "%zu error%s in the topology; the first, in line %" PRIu32 ": %s; %s",
                            draft->error_count, draft->error_count == 1 ? "" : "s", first->line,
                            first->what, first->mend);
}

static void too_large(struct draft *draft)
{
    struct topology_problem *problem = report(draft, draft->whole);
    say(problem->what, "the file is too large");
    say(problem->mend, "a topology has at most %u bytes", LIMIT_TOPOLOGY_FILE_BYTES);
}

enum candor_code topology_parse(const char *bytes, size_t length, const char *folder,
                                struct topology *out, struct topology_problems *problems,
                                struct candor_error *err)
{
    struct draft draft = {.topology = out, .problems = problems, .folder = folder};
    ASSERT(folder[0] == '/');
    memset(out, 0, sizeof *out);
    *problems = (struct topology_problems){0};
    for (unsigned section = SECTION_CLUSTER; section <= SECTION_RETENTION; section++)
        apply_defaults((enum section)section, out);
    if (length > LIMIT_TOPOLOGY_FILE_BYTES)
        too_large(&draft);
    else if (screen(&draft, bytes, length))
        load_document(&draft, bytes, length);
    problems_sort(problems);
    return verdict(&draft, err);
}

/* ---- the file ---- */

/* One byte beyond the limit is read, so that topology_parse() sees that there is more. */
static enum candor_code read_file(const char *path, char **bytes, size_t *length,
                                  struct candor_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return candor_error_set(
            err, errno == ENOENT || errno == ENOTDIR ? CANDOR_NOT_FOUND : CANDOR_INVALID_ARGUMENT,
            CANDOR_REASON_NONE, "%s: %s", path, strerror(errno));
    enum candor_code code = CANDOR_OK;
    *bytes = malloc(LIMIT_TOPOLOGY_FILE_BYTES + 1);
    ASSERT(*bytes != NULL);
    *length = fread(*bytes, 1, LIMIT_TOPOLOGY_FILE_BYTES + 1, file);
    if (ferror(file))
        code = candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: %s", path,
                                strerror(errno));
    fclose(file);
    return code;
}

/* The folder of `path`, absolute and without symbolic links; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return realpath(".", NULL);
    char *folder = strndup(path, (size_t)(slash - path) + 1);
    ASSERT(folder != NULL);
    char *absolute = realpath(folder, NULL);
    free(folder);
    return absolute;
}

enum candor_code topology_load(const char *path, struct topology *out,
                               struct topology_problems *problems, struct candor_error *err)
{
    enum candor_code code;
    char *bytes = NULL;
    char *folder = NULL;
    size_t length = 0;
    *problems = (struct topology_problems){0};
    code = read_file(path, &bytes, &length, err);
    if (code != CANDOR_OK)
        goto cleanup;
    folder = folder_of(path);
    if (folder == NULL) {
        code = candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "the folder of %s: %s",
                                path, strerror(errno));
        goto cleanup;
    }
    code = topology_parse(bytes, length, folder, out, problems, err);
cleanup:
    free(bytes);
    free(folder);
    return code;
}
