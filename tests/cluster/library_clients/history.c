/* Lines of a history, made with jansson, which escapes what has to be. */
#include "history.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

struct history {
    pthread_mutex_t lock;
    FILE *file;
    uint64_t operations;
};

void give_up(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _Exit(EXIT_FAILURE); /* other threads may be in the middle of a call */
}

uint64_t history_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Members --------------------------------------------------------------------------------- */

static void add(json_t *line, const char *name, json_t *member)
{
    if (member == NULL || json_object_set_new(line, name, member) != 0)
        give_up("\"%s\" cannot be recorded", name);
}

/* What is not UTF-8 was written by none of the clients; json_stringn() refuses it. */
static json_t *text_of(struct candor_bytes bytes)
{
    return json_stringn(bytes.data, bytes.length);
}

static json_t *item_value(const struct candor_item *item)
{
    return item->found ? text_of(item->value) : json_null();
}

static void add_pos(json_t *line, const struct candor_pos *pos)
{
    add(line, "pos",
        json_pack("{s:I,s:I,s:s,s:I}", "generation", (json_int_t)pos->epoch.generation, "term",
                  (json_int_t)pos->epoch.term, "owner", pos->epoch.owner.text, "seq",
                  (json_int_t)pos->seq));
}

static void add_freshness(json_t *line, const struct candor_freshness *from)
{
    json_t *to = json_object();
    add(to, "node", json_string(from->node));
    add(to, "epoch", json_integer((json_int_t)from->epoch.term));
    add(to, "state", json_string(candor_state_name(from->state)));
    add(to, "stale", json_boolean(from->stale));
    add(to, "heartbeat_age_ms",
        from->has_heartbeat_age ? json_integer((json_int_t)from->heartbeat_age_ms) : json_null());
    add(to, "staleness_bound_ms",
        from->has_staleness_bound ? json_integer((json_int_t)from->staleness_bound_ms)
                                  : json_null());
    add(to, "bound_counts_call", json_true());
    add(to, "applied_seq", json_integer((json_int_t)from->applied_seq));
    add(line, "freshness", to);
}

/* ---- An operation ---------------------------------------------------------------------------- */

/* The library's word for it: a write that ends otherwise was not executed and never will be. */
static bool may_have_happened(const struct candor_error *error)
{
    return error->reason == CANDOR_REASON_OUTCOME_UNKNOWN ||
           error->reason == CANDOR_REASON_REQUEST_TOO_OLD || error->code == CANDOR_INTERNAL;
}

static const char *outcome_of(const struct operation *operation, const struct candor_error *error)
{
    if (error->code == CANDOR_OK)
        return "ok";
    return operation->kind != KIND_GET && may_have_happened(error) ? "unknown" : "fail";
}

static void add_asked(json_t *line, const struct operation *operation)
{
    static const char *const ops[] = {"get", "put", "delete", "cas", "incr"};
    static const char *const levels[] = {NULL, "eventual", "bounded", "session", "linearizable"};
    static const char *const acks[] = {NULL, "local", "majority", "all"};
    add(line, "op", json_string(ops[operation->kind]));
    add(line, "key", json_string(operation->key));
    if (operation->kind == KIND_GET)
        add(line, "level", json_string(levels[operation->level]));
    else
        add(line, "ack", json_string(acks[operation->ack]));
    if (operation->kind == KIND_PUT || operation->kind == KIND_CAS)
        add(line, "value", json_string(operation->value));
    if (operation->kind == KIND_CAS)
        add(line, "expected", operation->expects ? json_string(operation->expected) : json_null());
    if (operation->kind == KIND_INCREMENT)
        add(line, "delta", json_integer(1));
}

static void add_read(json_t *line, const struct candor_result *result)
{
    if (result->item_count != 1)
        give_up("a get was answered with %zu items", result->item_count);
    const struct candor_item *item = &result->items[0];
    add(line, "value", item_value(item));
    if (item->found)
        add(line, "mod_seq", json_integer((json_int_t)item->mod_seq));
    if (result->token.cluster_id != 0)
        add_pos(line, &result->token.pos);
}

/* Of what succeeded. */
static void add_answer(json_t *line, const struct operation *operation,
                       const struct candor_result *result)
{
    if (operation->kind == KIND_GET) {
        add_read(line, result);
        return;
    }
    add_pos(line, &result->first);
    if (operation->kind == KIND_INCREMENT)
        add(line, "value", json_integer(result->number));
    if (operation->kind != KIND_CAS)
        return;
    add(line, "swapped", json_boolean(result->succeeded));
    if (!result->succeeded && result->item_count != 1)
        give_up("a swap that failed was answered with %zu items", result->item_count);
    if (!result->succeeded)
        add(line, "found", item_value(&result->items[0]));
}

/* A write whose session was lost on the way, and which went once more, says so as well. */
static const char *reason_of(const struct candor_result *result)
{
    return candor_reason_name(result->session_lost ? CANDOR_REASON_SESSION_LOST
                                                   : result->error.reason);
}

static void write_line(struct history *history, json_t *line)
{
    if (line == NULL || json_dumpf(line, history->file, JSON_COMPACT) != 0 ||
        fputc('\n', history->file) == EOF)
        give_up("the history cannot be written");
    json_decref(line);
}

void history_record(struct history *history, const char *process, const char *session,
                    const struct operation *operation, const struct candor_result *result,
                    uint64_t complete_ns)
{
    json_t *line = json_object();
    add(line, "process", json_string(process));
    add_asked(line, operation);
    add(line, "outcome", json_string(outcome_of(operation, &result->error)));
    add(line, "invoke_ns", json_integer((json_int_t)operation->invoke_ns));
    add(line, "complete_ns", json_integer((json_int_t)complete_ns));
    if (session[0] != '\0')
        add(line, "session", json_string(session));
    if (result->error.code != CANDOR_OK || result->session_lost)
        add(line, "reason", json_string(reason_of(result)));
    if (result->error.code == CANDOR_OK)
        add_answer(line, operation, result);
    if (result->has_freshness)
        add_freshness(line, &result->freshness);
    pthread_mutex_lock(&history->lock);
    history->operations++;
    write_line(history, line);
    pthread_mutex_unlock(&history->lock);
}

/* ---- The file -------------------------------------------------------------------------------- */

struct history *history_open(const char *path, uint64_t stale_after_ms)
{
    struct history *history = calloc(1, sizeof *history);
    if (history == NULL || (history->file = fopen(path, "w")) == NULL)
        give_up("%s cannot be written", path);
    pthread_mutex_init(&history->lock, NULL);
    write_line(history,
               json_pack("{s:i,s:I}", "history", 1, "stale_after_ms", (json_int_t)stale_after_ms));
    return history;
}

uint64_t history_close(struct history *history)
{
    uint64_t operations = history->operations;
    if (fclose(history->file) != 0)
        give_up("the history cannot be written");
    pthread_mutex_destroy(&history->lock);
    free(history);
    return operations;
}
