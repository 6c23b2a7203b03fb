/* From bytes to a YAML document, by libyaml. A file may come from a hostile hand: its events are
 * screened before a document is built of them, so that what a document may cost is bounded. */
#include <string.h>

#include "base/assert.h"
#include "topology/internal.h"

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
    struct topology_problem *problem = problems_report(draft, at);
    problems_say(problem->what, "not YAML: %.120s",
                 parser->problem == NULL ? "out of memory" : parser->problem);
    if (unreadable)
        problems_say(problem->hint, "write plain UTF-8");
    else if (offset < length && bytes[offset] == '\t')
        problems_say(problem->hint, "indent with spaces, not with tabs");
    else if (parser->context != NULL)
        problems_say(problem->hint, "%.120s that begins at %zu:%zu", parser->context,
                     parser->context_mark.line + 1, parser->context_mark.column + 1);
    else
        problems_say(problem->hint, "look at the indentation of this line and the one before");
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
                   const char *hint)
{
    struct topology_problem *problem =
        problems_report(screening->draft, place_of(event->start_mark));
    problems_say(problem->what, "%s", what);
    problems_say(problem->hint, "%s", hint);
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

/* Bounds what a document may cost before one is built, and finds syntax errors. False: build
 * none. */
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

static void load_document(struct draft *draft, const char *bytes, size_t length)
{
    yaml_parser_t parser;
    yaml_document_t document;
    parser_open(&parser, bytes, length);
    if (yaml_parser_load(&parser, &document)) {
        draft_load(draft, &document);
        yaml_document_delete(&document);
    } else {
        syntax_problem(draft, &parser, bytes, length);
    }
    yaml_parser_delete(&parser);
}

/* Some editors write U+FEFF in front of UTF-8. libyaml, told the encoding, takes it for text. */
static size_t byte_order_mark(const char *bytes, size_t length)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t mark_length = sizeof mark - 1;
    return length >= mark_length && memcmp(bytes, mark, mark_length) == 0 ? mark_length : 0;
}

void draft_read(struct draft *draft, const char *bytes, size_t length)
{
    size_t skipped = byte_order_mark(bytes, length);
    bytes += skipped;
    length -= skipped;
    if (screen(draft, bytes, length))
        load_document(draft, bytes, length);
}
