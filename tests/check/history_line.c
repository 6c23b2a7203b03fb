/* One line of a history, read and checked. */
#include "check/history_line.h"

#include <stdarg.h>
#include <string.h>

#include <jansson.h>

/* The object that is read. After the first problem every read gives nothing, so callers check
 * once. */
struct line {
    json_t *object;
    struct strings *strings;
    struct candor_error *err;
    bool good;
};

__attribute__((format(printf, 2, 3))) static void problem(struct line *line, const char *format,
                                                          ...)
{
    char message[256];
    if (!line->good)
        return;
    line->good = false;
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    candor_error_set(line->err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s", message);
}

/* ---- Members ---- */

static json_t *required(struct line *line, json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);
    if (member == NULL)
        problem(line, "\"%s\" is missing", name);
    return member;
}

static uint64_t number_of(struct line *line, json_t *member, const char *name)
{
    if (!line->good)
        return 0;
    if (!json_is_integer(member) || json_integer_value(member) < 0) {
        problem(line, "\"%s\" is not a whole number from 0", name);
        return 0;
    }
    return (uint64_t)json_integer_value(member);
}

static uint64_t number(struct line *line, json_t *object, const char *name)
{
    return number_of(line, required(line, object, name), name);
}

/* A member that may be absent or null. */
static bool optional_number(struct line *line, json_t *object, const char *name, uint64_t *out)
{
    json_t *member = json_object_get(object, name);
    if (member == NULL || json_is_null(member))
        return false;
    *out = number_of(line, member, name);
    return line->good;
}

static bool boolean(struct line *line, json_t *object, const char *name)
{
    json_t *member = required(line, object, name);
    if (line->good && !json_is_boolean(member))
        problem(line, "\"%s\" is neither true nor false", name);
    return json_is_true(member);
}

static const char *text(struct line *line, json_t *object, const char *name)
{
    json_t *member = required(line, object, name);
    if (line->good && !json_is_string(member))
        problem(line, "\"%s\" is not a string", name);
    return line->good ? json_string_value(member) : "";
}

/* A string or null; HISTORY_ABSENT for null. */
static uint32_t value(struct line *line, const char *name)
{
    json_t *member = required(line, line->object, name);
    if (!line->good || json_is_null(member))
        return HISTORY_ABSENT;
    return strings_add(line->strings, text(line, line->object, name));
}

/* The index of a member's text in `names`. */
static int choice(struct line *line, const char *name, const char *const *names, size_t count)
{
    const char *given = text(line, line->object, name);
    for (size_t i = 0; i < count; i++)
        if (strcmp(given, names[i]) == 0)
            return (int)i;
    problem(line, "\"%s\" is unknown: '%.40s'", name, given);
    return 0;
}

/* A misspelt member would be a check that never happens. */
static void only(struct line *line, json_t *object, const char *const *names, size_t count)
{
    const char *name;
    json_t *member;
    json_object_foreach(object, name, member)
    {
        size_t i = 0;
        while (i < count && strcmp(name, names[i]) != 0)
            i++;
        if (i == count)
            problem(line, "unknown member \"%.40s\"", name);
    }
}

static struct candor_pos position(struct line *line, json_t *object, const char *name)
{
    static const char *const names[] = {"generation", "term", "owner", "seq"};
    struct candor_pos pos = {0};
    if (!json_is_object(object)) {
        problem(line, "\"%s\" is not an object", name);
        return pos;
    }
    only(line, object, names, sizeof names / sizeof names[0]);
    pos.epoch.generation = number(line, object, "generation");
    pos.epoch.term = number(line, object, "term");
    pos.seq = number(line, object, "seq");
    const char *owner = text(line, object, "owner");
    if (line->good && !node_id_parse(owner, strlen(owner), &pos.epoch.owner))
        problem(line, "\"owner\" is not a node id: '%.40s'", owner);
    return pos;
}

static void freshness(struct line *line, struct history_freshness *out)
{
    static const char *const names[] = {"node",
                                        "epoch",
                                        "state",
                                        "stale",
                                        "heartbeat_age_ms",
                                        "staleness_bound_ms",
                                        "bound_counts_call",
                                        "applied_seq"};
    json_t *object = json_object_get(line->object, "freshness");
    if (object == NULL || json_is_null(object))
        return;
    if (!json_is_object(object)) {
        problem(line, "\"freshness\" is not an object");
        return;
    }
    only(line, object, names, sizeof names / sizeof names[0]);
    out->given = true;
    out->node = strings_add(line->strings, text(line, object, "node"));
    out->state = strings_add(line->strings, text(line, object, "state"));
    out->term = number(line, object, "epoch");
    out->stale = boolean(line, object, "stale");
    out->applied_seq = number(line, object, "applied_seq");
    out->has_heartbeat_age =
        optional_number(line, object, "heartbeat_age_ms", &out->heartbeat_age_ms);
    out->has_bound = optional_number(line, object, "staleness_bound_ms", &out->bound_ms);
    if (json_object_get(object, "bound_counts_call") != NULL)
        out->bound_counts_call = boolean(line, object, "bound_counts_call");
}

/* ---- Operations ---- */

static void cas_members(struct line *line, struct history_op *op)
{
    op->expected = value(line, "expected");
    op->value = value(line, "value");
    if (op->outcome != HISTORY_OK)
        return;
    op->swapped = boolean(line, line->object, "swapped");
    op->tells_found = !op->swapped && json_object_get(line->object, "found") != NULL;
    if (op->tells_found)
        op->found = value(line, "found");
}

static void increment_members(struct line *line, struct history_op *op)
{
    json_t *delta = required(line, line->object, "delta");
    if (line->good && (!json_is_integer(delta) || json_integer_value(delta) <= 0))
        problem(line, "\"delta\" is not a whole number from 1");
    op->delta = json_integer_value(delta);
    if (op->outcome != HISTORY_OK)
        return;
    json_t *left = required(line, line->object, "value");
    if (line->good && !json_is_integer(left))
        problem(line, "\"value\" of an increment is not a whole number");
    op->number = json_integer_value(left);
}

static void kind_members(struct line *line, struct history_op *op)
{
    switch (op->kind) {
    case HISTORY_GET:
        if (op->outcome == HISTORY_OK)
            op->value = value(line, "value");
        if (op->outcome == HISTORY_UNKNOWN)
            problem(line, "a read has no unknown outcome: it is \"fail\"");
        break;
    case HISTORY_PUT:
        op->value = value(line, "value");
        if (line->good && op->value == HISTORY_ABSENT)
            problem(line, "a put writes a string");
        break;
    case HISTORY_DELETE:
        op->value = HISTORY_ABSENT;
        break;
    case HISTORY_CAS:
        cas_members(line, op);
        break;
    case HISTORY_INCREMENT:
        increment_members(line, op);
        break;
    }
}

static void level_or_ack(struct line *line, struct history_op *op)
{
    static const char *const levels[] = {"eventual", "bounded", "session", "linearizable"};
    static const char *const acks[] = {"local", "majority", "all"};
    if (op->kind == HISTORY_GET)
        op->level = HISTORY_EVENTUAL + choice(line, "level", levels, 4);
    else
        op->ack = CANDOR_ACK_LOCAL + choice(line, "ack", acks, 3);
}

static void times(struct line *line, struct history_op *op)
{
    op->invoke_ns = number(line, line->object, "invoke_ns");
    op->complete_ns = number(line, line->object, "complete_ns");
    if (line->good && op->complete_ns < op->invoke_ns)
        problem(line, "it completed before it began");
}

static void parse_op(struct line *line, struct history_op *op)
{
    static const char *const members[] = {
        "process", "op",     "key",     "value",     "expected",  "delta",
        "swapped", "found",  "level",   "ack",       "pos",       "mod_seq",
        "session", "reason", "outcome", "freshness", "invoke_ns", "complete_ns"};
    static const char *const kinds[] = {"get", "put", "delete", "cas", "incr"};
    static const char *const outcomes[] = {"ok", "fail", "unknown"};
    only(line, line->object, members, sizeof members / sizeof members[0]);
    op->process = strings_add(line->strings, text(line, line->object, "process"));
    op->key = strings_add(line->strings, text(line, line->object, "key"));
    op->kind = HISTORY_GET + choice(line, "op", kinds, 5);
    op->outcome = HISTORY_OK + choice(line, "outcome", outcomes, 3);
    if (json_object_get(line->object, "session") != NULL)
        op->session = strings_add(line->strings, text(line, line->object, "session"));
    if (json_object_get(line->object, "reason") != NULL)
        op->session_lost = strcmp(text(line, line->object, "reason"), "SESSION_LOST") == 0;
    json_t *pos = json_object_get(line->object, "pos");
    op->has_pos = pos != NULL && !json_is_null(pos);
    if (op->has_pos)
        op->pos = position(line, pos, "pos");
    optional_number(line, line->object, "mod_seq", &op->mod_seq);
    level_or_ack(line, op);
    times(line, op);
    kind_members(line, op);
    freshness(line, &op->freshness);
}

/* ---- Lines ---- */

static void parse_settings(struct line *line, struct history_line *out)
{
    static const char *const members[] = {"history", "stale_after_ms"};
    only(line, line->object, members, 2);
    if (number(line, line->object, "history") != 1)
        problem(line, "\"history\" is a version that this program does not know");
    out->stale_after_ms = number(line, line->object, "stale_after_ms");
    if (line->good && out->stale_after_ms == 0)
        problem(line, "\"stale_after_ms\" is 0");
}

static void parse_rolled_back(struct line *line, struct history_line *out)
{
    static const char *const members[] = {"rolled_back", "node"};
    only(line, line->object, members, 2);
    out->rolled_back = position(line, json_object_get(line->object, "rolled_back"), "rolled_back");
}

bool history_line_parse(struct strings *strings, const char *bytes, size_t length,
                        struct history_line *out, struct candor_error *err)
{
    json_error_t where;
    struct line line = {.strings = strings, .err = err, .good = true};
    line.object = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);
    if (line.object == NULL) {
        problem(&line, "not JSON: %.160s (byte %d)", where.text, where.position);
    } else if (!json_is_object(line.object)) {
        problem(&line, "not a JSON object");
    } else if (json_object_get(line.object, "history") != NULL) {
        out->type = HISTORY_LINE_SETTINGS;
        parse_settings(&line, out);
    } else if (json_object_get(line.object, "rolled_back") != NULL) {
        out->type = HISTORY_LINE_ROLLED_BACK;
        parse_rolled_back(&line, out);
    } else {
        out->type = HISTORY_LINE_OP;
        parse_op(&line, &out->op);
    }
    json_decref(line.object);
    return line.good;
}
