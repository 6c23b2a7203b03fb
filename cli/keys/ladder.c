/* `--ladder`: read from the command line, and told of an answer. */
#include "cli/keys/ladder.h"

#include <inttypes.h>
#include <string.h>

#include "base/nearest.h"
#include "base/rungs.h"
#include "base/units.h"

static const char *const levels[] = {
    [CANDOR_READ_DEFAULT] = "default",           [CANDOR_READ_EVENTUAL] = "eventual",
    [CANDOR_READ_BOUNDED] = "bounded",           [CANDOR_READ_SESSION] = "session",
    [CANDOR_READ_LINEARIZABLE] = "linearizable", NULL};

/* As it stands on the command line. */
struct rung_text {
    char level[32];
    char rest[32]; /* behind the colon */
    bool has_rest;
};

/* ---- From the command line ------------------------------------------------------------------- */

/* False: a part of it is longer than any that is right. */
static bool split(const char *from, size_t length, struct rung_text *out)
{
    const char *colon = memchr(from, ':', length);
    size_t level = colon != NULL ? (size_t)(colon - from) : length;
    size_t rest = colon != NULL ? length - level - 1 : 0;
    if (level >= sizeof out->level || rest >= sizeof out->rest)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(out->level, from, level);
    memcpy(out->rest, colon != NULL ? colon + 1 : "", rest);
    out->has_rest = colon != NULL;
    return true;
}

static enum candor_read_level level_of(const char *text)
{
    for (int i = CANDOR_READ_EVENTUAL; i <= CANDOR_READ_LINEARIZABLE; i++)
        if (strcmp(text, levels[i]) == 0)
            return (enum candor_read_level)i;
    return CANDOR_READ_DEFAULT;
}

/* NULL: it is one. Else what is wrong, and how it is written. */
static const char *rung_from(const struct rung_text *text, struct candor_rung *out,
                             const char **hint)
{
    *out = (struct candor_rung){.level = level_of(text->level)};
    uint64_t ms = 0;
    bool eventual = out->level == CANDOR_READ_EVENTUAL;
    const char *meant = nearest_word(text->level, &levels[CANDOR_READ_EVENTUAL]);
    *hint = meant != NULL ? meant : "the levels are linearizable, session, bounded, eventual";
    if (out->level == CANDOR_READ_DEFAULT)
        return "there is no such level";
    *hint = "as in eventual, or eventual:syncing to take an answer from a node that catches up";
    out->allow_syncing = eventual && text->has_rest && strcmp(text->rest, "syncing") == 0;
    if (eventual)
        return text->has_rest && !out->allow_syncing ? "it waits for nothing" : NULL;
    *hint = out->level == CANDOR_READ_BOUNDED ? "as in bounded:500ms" : "as in linearizable:5ms";
    if (out->level == CANDOR_READ_BOUNDED && !text->has_rest)
        return "it needs a time";
    if (text->has_rest && (!duration_parse(text->rest, &ms) || ms == 0 || ms > UINT32_MAX))
        return "what stands behind the colon is no duration of a millisecond or more";
    if (out->level == CANDOR_READ_BOUNDED)
        out->max_staleness_ms = ms;
    else
        out->within_ms = (uint32_t)ms;
    return NULL;
}

static bool refuse(struct command_context *ctx, const char *text, size_t length, size_t number,
                   const char *why, const char *hint)
{
    char shown[80];
    snprintf(shown, sizeof shown, "%.*s%s", (int)(length < 60 ? length : 60), text,
             length < 60 ? "" : "...");
    report_usage(ctx, hint, "--ladder, rung %zu, '%s': %s", number, shown, why);
    return false;
}

static bool read_rung(struct command_context *ctx, const char *text, size_t length,
                      struct ladder_given *out)
{
    struct rung_text parts;
    struct candor_rung *rung = &out->rungs[out->count];
    const char *hint = "as in --ladder linearizable:5ms,bounded:500ms,eventual";
    const char *why = NULL;
    if (out->count == CANDOR_RUNGS_MAX) {
        report_usage(ctx, NULL, "--ladder: more than %d rungs", CANDOR_RUNGS_MAX);
        return false;
    }
    if (length == 0) {
        report_usage(ctx, hint, "--ladder: rung %zu is empty", out->count + 1);
        return false;
    }
    if (!split(text, length, &parts))
        why = "there is no such level";
    else
        why = rung_from(&parts, rung, &hint);
    if (why != NULL)
        return refuse(ctx, text, length, out->count + 1, why, hint);
    out->count++;
    size_t at;
    why = rungs_problem(out->rungs, out->count, &at);
    return why == NULL ||
           refuse(ctx, text, length, out->count, why, "write the level that is wanted most first");
}

static bool check_company(struct command_context *ctx, const struct ladder_given *ladder)
{
    static const char *const others[] = {"level", "max-staleness", "allow-syncing"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (!option_given(ctx, others[i]))
            continue;
        report_usage(ctx, "say it in a rung", "--ladder excludes --%s", others[i]);
        return false;
    }
    for (size_t i = 0; i < ladder->count; i++) {
        if (ladder->rungs[i].level != CANDOR_READ_SESSION || option_given(ctx, "session"))
            continue;
        report_usage(ctx, "name the file that keeps its token: --session FILE",
                     "--ladder, rung %zu: it needs a session", i + 1);
        return false;
    }
    return true;
}

bool ladder_read(struct command_context *ctx, struct ladder_given *out)
{
    const char *text = option_text(ctx, "ladder");
    out->count = 0;
    while (text != NULL) {
        const char *comma = strchr(text, ',');
        size_t length = comma != NULL ? (size_t)(comma - text) : strlen(text);
        if (!read_rung(ctx, text, length, out))
            return false;
        text = comma != NULL ? comma + 1 : NULL;
    }
    return out->count == 0 || check_company(ctx, out);
}

/* ---- What became of it ----------------------------------------------------------------------- */

/* As it was read before, and found right. */
static void given_again(const struct command_context *ctx, struct ladder_given *out)
{
    struct rung_text parts;
    const char *hint;
    const char *text = option_text(ctx, "ladder");
    for (out->count = 0; text != NULL && out->count < CANDOR_RUNGS_MAX; out->count++) {
        size_t length = strcspn(text, ",");
        if (!split(text, length, &parts) ||
            rung_from(&parts, &out->rungs[out->count], &hint) != NULL)
            return;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
}

static void rung_said(const struct candor_rung *rung, char *out, size_t size)
{
    char time[UNIT_TEXT_BYTES];
    uint64_t ms = rung->within_ms + rung->max_staleness_ms;
    snprintf(out, size, "%s%s%s", levels[rung->level], ms > 0 || rung->allow_syncing ? ":" : "",
             rung->allow_syncing ? "syncing"
             : ms > 0            ? duration_text(ms, time)
                                 : "");
}

static void miss_said(const struct candor_missed_rung *miss, char *out, size_t size)
{
    char age[AGE_TEXT_BYTES];
    char figure[64] = "";
    if (miss->reason == CANDOR_REASON_TOO_STALE && miss->has_staleness_bound)
        snprintf(figure, sizeof figure, ", at most %s old",
                 age_text(miss->staleness_bound_ms, age));
    else if (miss->reason == CANDOR_REASON_TOO_STALE)
        snprintf(figure, sizeof figure, ", nothing proves how old");
    else if (miss->waited_ms > 0)
        snprintf(figure, sizeof figure, " after %s", age_text(miss->waited_ms, age));
    snprintf(out, size, "%s%s%s%s", candor_code_name(miss->code),
             miss->reason != CANDOR_REASON_NONE ? "/" : "",
             miss->reason != CANDOR_REASON_NONE ? candor_reason_name(miss->reason) : "", figure);
}

void ladder_note(struct command_context *ctx, const struct candor_result *result)
{
    struct ladder_given given;
    given_again(ctx, &given);
    for (size_t i = 0; i < given.count; i++) {
        char rung[64];
        char why[160];
        rung_said(&given.rungs[i], rung, sizeof rung);
        if (i < result->missed_count) {
            miss_said(&result->missed[i], why, sizeof why);
            output_note(ctx, "rung %zu, %s, was not met: %s", i + 1, rung, why);
        } else if (i + 1 == result->rung) {
            output_note(ctx, "rung %zu, %s, was met", i + 1, rung);
        }
    }
}

static json_t *rung_json(const struct candor_rung *rung)
{
    json_t *out = json_object();
    json_object_set_new(out, "level", json_string(levels[rung->level]));
    if (rung->within_ms > 0)
        json_object_set_new(out, "within_ms", json_u64(rung->within_ms));
    if (rung->max_staleness_ms > 0)
        json_object_set_new(out, "max_staleness_ms", json_u64(rung->max_staleness_ms));
    if (rung->allow_syncing)
        json_object_set_new(out, "allow_syncing", json_true());
    return out;
}

void ladder_json(const struct command_context *ctx, json_t *object,
                 const struct candor_result *result)
{
    struct ladder_given given;
    given_again(ctx, &given);
    if (given.count == 0)
        return;
    json_t *out = json_object();
    json_object_set_new(out, "rung", json_u64(result->rung));
    json_object_set_new(out, "met",
                        result->rung >= 1 && result->rung <= given.count
                            ? rung_json(&given.rungs[result->rung - 1])
                            : json_null());
    json_object_set_new(out, "missed", json_missed(result));
    json_object_set_new(object, "ladder", out);
}
