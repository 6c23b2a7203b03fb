/* The lines and the list of them; members of a line are read in history_line.c. */
#include "check/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/history_line.h"

static int by_pos(const void *a, const void *b)
{
    const struct candor_pos *left = a;
    const struct candor_pos *right = b;
    return pos_compare(*left, *right);
}

static void add_op(struct history *history, const struct history_op *op)
{
    memory_grow(history->ops, history->capacity, history->count + 1);
    history->ops[history->count++] = *op;
}

static void add_rolled_back(struct history *history, struct candor_pos pos)
{
    memory_grow(history->rolled_back, history->rolled_back_capacity,
                history->rolled_back_count + 1);
    history->rolled_back[history->rolled_back_count++] = pos;
}

/* A setting that every file states alike, or not at all. */
static bool take_settings(struct history *history, const struct history_line *line,
                          struct candor_error *err)
{
    if (history->stale_after_ms != 0 && history->stale_after_ms != line->stale_after_ms) {
        candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                         "another file says stale_after_ms %" PRIu64, history->stale_after_ms);
        return false;
    }
    history->stale_after_ms = line->stale_after_ms;
    return true;
}

static bool take_line(struct history *history, const char *text, size_t length, size_t number,
                      struct candor_error *err)
{
    struct history_line line = {0};
    if (!history_line_parse(&history->strings, text, length, &line, err))
        return false;
    switch (line.type) {
    case HISTORY_LINE_SETTINGS:
        return take_settings(history, &line, err);
    case HISTORY_LINE_ROLLED_BACK:
        add_rolled_back(history, line.rolled_back);
        return true;
    case HISTORY_LINE_OP:
        line.op.file = history->file_count - 1;
        line.op.line = number;
        add_op(history, &line.op);
        return true;
    }
    return true;
}

enum candor_code history_read(struct history *history, FILE *in, const char *name,
                              struct candor_error *err)
{
    if (history->file_count == HISTORY_FILES_MAX)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "%s: more than %d files", name, HISTORY_FILES_MAX);
    history->files[history->file_count++] = name;
    struct candor_error problem = {0};
    char *text = NULL;
    size_t room = 0;
    size_t number = 0;
    ssize_t length;
    bool good = true;
    while (good && (length = getline(&text, &room, in)) >= 0) {
        number++;
        if (length > 0 && text[length - 1] == '\n')
            length--;
        if ((size_t)length > HISTORY_LINE_BYTES_MAX) {
            candor_error_set(&problem, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                             "the line is longer than 4 MiB");
            good = false;
        } else if (length > 0) {
            good = take_line(history, text, (size_t)length, number, &problem);
        }
    }
    if (good && ferror(in)) {
        candor_error_set(&problem, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                         "the file cannot be read any further");
        good = false;
    }
    free(text);
    if (good)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s:%zu: %s", name,
                            number, problem.message);
}

void history_finish(struct history *history)
{
    if (history->rolled_back_count == 0)
        return;
    qsort(history->rolled_back, history->rolled_back_count, sizeof *history->rolled_back, by_pos);
    for (size_t i = 0; i < history->count; i++) {
        struct history_op *op = &history->ops[i];
        op->rolled_back = op->ack != CANDOR_ACK_NONE && op->has_pos &&
                          bsearch(&op->pos, history->rolled_back, history->rolled_back_count,
                                  sizeof *history->rolled_back, by_pos) != NULL;
    }
}

void history_free(struct history *history)
{
    strings_free(&history->strings);
    free(history->ops);
    free(history->rolled_back);
    *history = (struct history){0};
}

bool history_wrote(const struct history_op *op)
{
    if (op->outcome != HISTORY_OK || op->kind == HISTORY_GET)
        return false;
    return op->kind != HISTORY_CAS || op->swapped;
}

/* ---- For people ---- */

static void print_value(const struct history *history, uint32_t value, FILE *out)
{
    if (value == HISTORY_ABSENT)
        fputs("absent", out);
    else
        fprintf(out, "\"%.64s\"", strings_text(&history->strings, value));
}

static void print_what(const struct history *history, const struct history_op *op, FILE *out)
{
    switch (op->kind) {
    case HISTORY_GET:
        fputs(" = ", out);
        print_value(history, op->value, out);
        return;
    case HISTORY_PUT:
        fputs(" := ", out);
        print_value(history, op->value, out);
        return;
    case HISTORY_DELETE:
        return;
    case HISTORY_CAS:
        fputc(' ', out);
        print_value(history, op->expected, out);
        fputs(" -> ", out);
        print_value(history, op->value, out);
        if (op->outcome == HISTORY_OK && !op->swapped)
            fputs(op->tells_found ? ", but found " : ", but found something else", out);
        if (op->outcome == HISTORY_OK && op->tells_found)
            print_value(history, op->found, out);
        return;
    case HISTORY_INCREMENT:
        fprintf(out, " by %" PRId64, op->delta);
        if (op->outcome == HISTORY_OK)
            fprintf(out, " to %" PRId64, op->number);
        return;
    }
}

void history_print(const struct history *history, const struct history_op *op, FILE *out)
{
    static const char *const kinds[] = {"get", "put", "delete", "cas", "incr"};
    static const char *const outcomes[] = {"", ", failed", ", outcome unknown"};
    static const char *const levels[] = {"", "eventual", "bounded", "session", "linearizable"};
    fprintf(out, "%s:%zu: %s %.64s", history->files[op->file], op->line, kinds[op->kind],
            strings_text(&history->strings, op->key));
    print_what(history, op, out);
    fprintf(out, " (%s%s) by %s at %.3f..%.3f ms",
            op->kind == HISTORY_GET ? levels[op->level] : ack_level_name(op->ack),
            outcomes[op->outcome], strings_text(&history->strings, op->process),
            (double)op->invoke_ns / 1e6, (double)op->complete_ns / 1e6);
    char text[POS_TEXT_BYTES];
    if (op->has_pos)
        fprintf(out, " pos %s%s", pos_text(op->pos, text), op->rolled_back ? " (rolled back)" : "");
    if (op->freshness.given)
        fprintf(out, " from %s, applied %" PRIu64,
                strings_text(&history->strings, op->freshness.node), op->freshness.applied_seq);
    if (op->freshness.has_bound)
        fprintf(out, ", bound %" PRIu64 " ms", op->freshness.bound_ms);
}
