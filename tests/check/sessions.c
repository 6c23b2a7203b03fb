/* I8: what a session was promised. A session's operations follow each other; SESSION_LOST ends its
 * promises, and it begins anew. Only reads of level SESSION count: a session may read elsewhere as
 * well, with no promise. */
#include <stdlib.h>

#include "base/assert.h"
#include "check/count.h"
#include "check/judge.h"
#include "check/writes.h"

/* What a session did with one key. */
struct seen {
    const struct history_op *wrote;    /* its newest own write */
    const struct history_op *saw;      /* the newest write that its reads saw */
    const struct history_op *saw_line; /* the read that saw it */
};

struct session {
    const struct history *history;
    const struct writes *writes;
    FILE *out;
    const struct history_op *newest; /* the operation of the newest position, read or written */
    struct seen *keys;               /* by key; all zero between sessions */
    size_t reads;
    size_t writes_count;
    size_t lost;
    size_t violations;
};

static int by_session(const void *a, const void *b)
{
    const struct history_op *left = *(const struct history_op *const *)a;
    const struct history_op *right = *(const struct history_op *const *)b;
    if (left->session != right->session)
        return left->session < right->session ? -1 : 1;
    if (left->invoke_ns != right->invoke_ns)
        return left->invoke_ns < right->invoke_ns ? -1 : 1;
    return (left > right) - (left < right);
}

static void violated(struct session *session, const char *promise, const struct history_op *first,
                     const struct history_op *then)
{
    session->violations++;
    fprintf(session->out, "violation: session %s: %s is broken: after\n  ",
            strings_text(&session->history->strings, then->session), promise);
    history_print(session->history, first, session->out);
    fputs("\nthere was\n  ", session->out);
    history_print(session->history, then, session->out);
    fputc('\n', session->out);
}

static void advance(struct session *session, const struct history_op *op)
{
    if (op->has_pos && (session->newest == NULL || pos_compare(op->pos, session->newest->pos) > 0))
        session->newest = op;
}

static void write_follows(struct session *session, const struct history_op *op)
{
    session->writes_count++;
    const struct history_op *newest = session->newest;
    if (op->has_pos && newest != NULL && pos_compare(op->pos, newest->pos) < 0)
        violated(session, newest->kind == HISTORY_GET ? "writes-follow-reads" : "monotonic writes",
                 newest, op);
    advance(session, op);
    if (op->has_pos)
        session->keys[op->key].wrote = op;
}

/* One violation a read: by what it saw of its key, else by the position of its data. */
static void read_follows(struct session *session, const struct history_op *op)
{
    session->reads++;
    struct seen *key = &session->keys[op->key];
    const struct history_op *newest = session->newest;
    if (key->wrote != NULL && writes_missed(session->writes, op, key->wrote))
        violated(session, "read-your-writes", key->wrote, op);
    else if (key->saw != NULL && writes_missed(session->writes, op, key->saw))
        violated(session, "monotonic reads", key->saw_line, op);
    else if (op->has_pos && newest != NULL && pos_compare(op->pos, newest->pos) < 0)
        violated(session, newest->kind == HISTORY_GET ? "monotonic reads" : "read-your-writes",
                 newest, op);
    advance(session, op);
    const struct history_op *writer = writes_seen(session->writes, op);
    if (writer != NULL && writer->has_pos && !writes_seen_elsewhere(session->writes, op, writer)) {
        key->saw = writer;
        key->saw_line = op;
    }
}

static void forget(struct session *session, const struct history_op *const *ops, size_t count)
{
    session->newest = NULL;
    for (size_t i = 0; i < count; i++)
        session->keys[ops[i]->key] = (struct seen){0};
}

static void follow(struct session *session, const struct history_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct history_op *op = ops[i];
        if (op->session_lost) {
            session->lost++;
            forget(session, ops, count);
        } else if (op->outcome == HISTORY_OK && op->level == HISTORY_SESSION) {
            read_follows(session, op);
        } else if (history_wrote(op)) {
            write_follows(session, op);
        }
    }
    forget(session, ops, count);
}

static const struct history_op **ops_of_sessions(const struct history *history, size_t *count)
{
    const struct history_op **ops = calloc(history->count + 1, sizeof(struct history_op *));
    ASSERT(ops != NULL);
    *count = 0;
    for (size_t i = 0; i < history->count; i++)
        if (history->ops[i].session != 0)
            ops[(*count)++] = &history->ops[i];
    qsort(ops, *count, sizeof(struct history_op *), by_session);
    return ops;
}

static enum candor_code overlap(const struct history *history, const struct history_op *const *ops,
                                size_t count, struct candor_error *err)
{
    for (size_t i = 1; i < count; i++)
        if (ops[i]->session == ops[i - 1]->session && ops[i]->invoke_ns < ops[i - 1]->complete_ns)
            return candor_error_set(
                err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                "%s:%zu: begins before the session's operation of line %zu ended",
                history->files[ops[i]->file], ops[i]->line, ops[i - 1]->line);
    return CANDOR_OK;
}

enum candor_code judge_sessions(const struct history *history, FILE *out, size_t *violations,
                                struct candor_error *err)
{
    size_t count;
    const struct history_op **ops = ops_of_sessions(history, &count);
    struct writes writes;
    writes_index(&writes, history);
    struct session session = {.history = history, .writes = &writes, .out = out};
    session.keys = calloc(history->strings.count + 1, sizeof *session.keys);
    ASSERT(session.keys != NULL);
    size_t sessions = 0;
    enum candor_code code = overlap(history, ops, count, err);
    for (size_t first = 0, end; code == CANDOR_OK && first < count; first = end) {
        end = first + 1;
        while (end < count && ops[end]->session == ops[first]->session)
            end++;
        sessions++;
        follow(&session, ops + first, end - first);
    }
    if (code == CANDOR_OK) {
        print_count(out, session.reads);
        fputs(" reads and ", out);
        print_count(out, session.writes_count);
        fputs(" writes in ", out);
        print_count(out, sessions);
        fprintf(out, " sessions: %s (", session.violations == 0 ? "kept" : "BROKEN");
        print_count(out, session.lost);
        fputs(" times SESSION_LOST)\n", out);
    }
    *violations = session.violations;
    free(session.keys);
    writes_free(&writes);
    free(ops);
    return code;
}
