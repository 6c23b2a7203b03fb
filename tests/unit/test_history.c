/* links: check */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "check/count.h"
#include "check/judge.h"

enum { BUDGET = 100000 };

/* What all checks say of a history. */
struct verdict {
    enum candor_code code; /* of reading and of what may refuse */
    struct candor_error err;
    size_t values, registers, sessions, bounds, flags, durability;
    char text[16384]; /* the reports */
};

static void read_text(struct history *history, const char *text, struct verdict *out)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    FILE *in = fmemopen(copy, strlen(copy), "r");
    assert_non_null(in);
    out->code = history_read(history, in, "h", &out->err);
    fclose(in);
    free(copy);
    history_finish(history);
}

static struct verdict judge(const char *text)
{
    struct verdict out = {0};
    struct history history = {0};
    FILE *report = fmemopen(out.text, sizeof out.text - 1, "w");
    assert_non_null(report);
    read_text(&history, text, &out);
    if (out.code == CANDOR_OK)
        out.code = judge_registers(&history, BUDGET, report, &out.registers, &out.err);
    if (out.code == CANDOR_OK)
        out.code = judge_sessions(&history, report, &out.sessions, &out.err);
    if (out.code == CANDOR_OK) {
        out.values = judge_values(&history, report);
        out.bounds = judge_bounds(&history, report);
        out.flags = judge_flags(&history, report);
        out.durability = judge_durability(&history, report);
    }
    fclose(report);
    history_free(&history);
    return out;
}

static size_t all(const struct verdict *v)
{
    return v->values + v->registers + v->sessions + v->bounds + v->flags + v->durability;
}

#define assert_good(lines)                                                                         \
    do {                                                                                           \
        struct verdict v_ = judge(lines);                                                          \
        if (v_.code != CANDOR_OK || all(&v_) != 0)                                                 \
            fail_msg("%s%s", v_.err.message, v_.text);                                             \
    } while (0)

/* Exactly one violation, and of this kind. */
#define assert_red(kind, lines)                                                                    \
    do {                                                                                           \
        struct verdict v_ = judge(lines);                                                          \
        if (v_.code != CANDOR_OK || v_.kind != 1 || all(&v_) != 1)                                 \
            fail_msg("%s%s", v_.err.message, v_.text);                                             \
        assert_non_null(strstr(v_.text, "violation"));                                             \
    } while (0)

static void assert_refused(const char *text, const char *message)
{
    struct verdict v = judge(text);
    assert_int_equal(v.code, CANDOR_INVALID_ARGUMENT);
    assert_string_equal(v.err.message, message);
}

/* ---- Lines. Times are in ms. ---- */

#define TIMES(from, to) "\"invoke_ns\":" #from "000000,\"complete_ns\":" #to "000000"
#define HEAD(op, outcome, from, to)                                                                \
    "{\"process\":\"p\",\"op\":\"" op "\",\"key\":\"k\",\"outcome\":\"" outcome                    \
    "\"," TIMES(from, to)
#define POS(term, owner, seq)                                                                      \
    ",\"pos\":{\"generation\":0,\"term\":" #term ",\"owner\":\"" owner "\",\"seq\":" #seq "}"
#define FRESH(stale, age, bound, applied)                                                          \
    ",\"freshness\":{\"node\":\"a\",\"epoch\":1,\"state\":\"FRESH\",\"stale\":" #stale             \
    ",\"heartbeat_age_ms\":" #age ",\"staleness_bound_ms\":" #bound ",\"applied_seq\":" #applied   \
    "}"
#define END "}\n"

#define PUT(value, outcome, from, to)                                                              \
    HEAD("put", outcome, from, to) ",\"ack\":\"majority\",\"value\":\"" value "\""
#define GET(value, from, to)                                                                       \
    HEAD("get", "ok", from, to) ",\"level\":\"linearizable\",\"value\":" value
#define CAS(expected, value, outcome, from, to)                                                    \
    HEAD("cas", outcome, from, to)                                                                 \
    ",\"ack\":\"majority\",\"expected\":" expected ",\"value\":\"" value "\""
#define INCR(outcome, from, to) HEAD("incr", outcome, from, to) ",\"ack\":\"majority\",\"delta\":1"

/* ---- Registers ---- */

static void a_linearizable_read_sees_the_write_acknowledged_before_it(void **state)
{
    (void)state;
    assert_good(PUT("x", "ok", 1, 10) END GET("\"x\"", 20, 30) END);
    assert_good(PUT("x", "ok", 1, 25) END GET("null", 20, 30) END);
    assert_red(registers, PUT("x", "ok", 1, 10) END GET("null", 20, 30) END);
    assert_red(registers, PUT("x", "ok", 1, 10)
                              END HEAD("delete", "ok", 11,
                                       12) ",\"ack\":\"majority\"" END GET("\"x\"", 20, 30) END);
}

static void reads_of_other_levels_promise_no_linearizability(void **state)
{
    (void)state;
    assert_good(PUT("x", "ok", 1, 10) END GET("\"x\"", 11, 12)
                    END HEAD("get", "ok", 20, 30) ",\"level\":\"eventual\",\"value\":null" END);
}

static void an_unknown_write_is_seen_or_not_but_never_both(void **state)
{
    (void)state;
    assert_good(PUT("x", "unknown", 1, 10) END GET("null", 20, 30) END GET("\"x\"", 40, 50) END);
    assert_good(PUT("x", "unknown", 1, 10) END GET("null", 20, 30) END);
    assert_red(registers,
               PUT("x", "unknown", 1, 10) END GET("\"x\"", 20, 30) END GET("null", 40, 50) END);
    assert_red(registers, PUT("y", "ok", 1, 1) END PUT("x", "unknown", 1, 10)
                              END GET("\"x\"", 20, 30) END GET("\"y\"", 40, 50) END);
}

/* Many writes of unknown outcome would each double the search, were they not settled first. */
static void fifty_unknown_writes_are_settled_without_a_search(void **state)
{
    (void)state;
    char text[32768] = "";
    size_t used = 0;
    for (int i = 0; i < 50; i++)
        used += (size_t)snprintf(
            text + used, sizeof text - used, "%s%d%s",
            HEAD("put", "unknown", 1, 10) ",\"ack\":\"majority\",\"value\":\"v", i, "\"" END);
    snprintf(text + used, sizeof text - used, "%s%s", GET("\"v7\"", 20, 30) END,
             GET("null", 40, 50) END);
    assert_red(registers, text);
    snprintf(text + used, sizeof text - used, "%s%s", GET("\"v7\"", 20, 30) END,
             GET("\"v9\"", 40, 50) END);
    assert_good(text);
}

static void of_two_racing_swaps_one_wins(void **state)
{
    (void)state;
    assert_good(CAS("null", "x", "ok", 1, 10) ",\"swapped\":true" END CAS(
        "null", "y", "ok", 1, 10) ",\"swapped\":false,\"found\":\"x\"" END);
    assert_red(registers, CAS("null", "x", "ok", 1, 10) ",\"swapped\":true" END CAS(
                              "null", "y", "ok", 1, 10) ",\"swapped\":true" END);
    assert_red(registers,
               CAS("null", "x", "ok", 1,
                   10) ",\"swapped\":false,\"found\":\"z\"" END PUT("z", "ok", 20, 30) END);
    /* What one of unknown outcome left was swapped by another: it happened. */
    assert_good(CAS("null", "x", "unknown", 1, 10)
                    END CAS("\"x\"", "y", "ok", 20, 30) ",\"swapped\":true" END);
    assert_red(registers, CAS("null", "x", "unknown", 40, 50)
                              END CAS("\"x\"", "y", "ok", 20, 30) ",\"swapped\":true" END);
}

static void a_swap_that_failed_tells_that_the_value_was_another(void **state)
{
    (void)state;
    /* "found" is optional: without it the register held anything but what was expected. */
    assert_red(registers,
               PUT("v0", "ok", 1, 2) END CAS("\"v0\"", "x", "ok", 3,
                                             4) ",\"swapped\":false" END GET("\"v0\"", 5, 6) END);
    assert_good(PUT("v0", "ok", 1, 2) END CAS("\"v1\"", "x", "ok", 3,
                                              4) ",\"swapped\":false" END GET("\"v0\"", 5, 6) END);
    assert_red(registers, CAS("null", "x", "ok", 3, 4) ",\"swapped\":false" END);
    /* A write of unknown outcome that nobody read may be what it found. */
    assert_good(PUT("v0", "ok", 1, 2) END PUT("v1", "unknown", 1, 2)
                    END CAS("\"v0\"", "x", "ok", 3, 4) ",\"swapped\":false" END);
    assert_red(registers, PUT("v0", "ok", 1, 2) END PUT("v1", "unknown", 1, 2)
                              END CAS("\"v0\"", "x", "ok", 3,
                                      4) ",\"swapped\":false" END GET("\"v0\"", 5, 6) END);
}

static void increments_take_effect_once(void **state)
{
    (void)state;
    assert_good(INCR("ok", 1, 10) ",\"value\":1" END INCR("ok", 20, 30) ",\"value\":2" END GET(
        "\"2\"", 40, 50) END);
    /* One of unknown outcome fills the gap. */
    assert_good(INCR("ok", 1, 10) ",\"value\":1" END INCR("unknown", 12, 15)
                    END INCR("ok", 20, 30) ",\"value\":3" END);
    /* A gap that nobody can have made: an increment applied twice. */
    assert_red(registers,
               INCR("ok", 1, 10) ",\"value\":1" END INCR("ok", 20, 30) ",\"value\":3" END);
    assert_red(registers, INCR("ok", 1, 10) ",\"value\":1" END INCR("unknown", 12, 15)
                              END GET("\"3\"", 40, 50) END);
    /* Lost: acknowledged, and another took the same number. */
    assert_red(registers,
               INCR("ok", 1, 10) ",\"value\":1" END INCR("ok", 20, 30) ",\"value\":1" END);
    /* The unknown one began too late to have made the gap. */
    assert_red(registers, INCR("ok", 1, 10) ",\"value\":1" END INCR("unknown", 40, 45)
                              END INCR("ok", 20, 30) ",\"value\":3" END);
    /* It may stay without effect, and a read may bind it. */
    assert_good(INCR("unknown", 1, 10) END GET("null", 20, 30) END GET("\"1\"", 40, 50) END);
    assert_red(registers,
               INCR("unknown", 1, 10) END GET("\"1\"", 20, 30) END GET("null", 40, 50) END);
}

static void a_local_write_to_a_linearizable_register_is_refused(void **state)
{
    (void)state;
    assert_refused(
        HEAD("put", "ok", 1, 10) ",\"ack\":\"local\",\"value\":\"x\"" END GET("\"x\"", 20, 30) END,
        "h:1: a LOCAL write to 'k', which other lines use as a linearizable register");
    assert_refused(INCR("ok", 1, 1) ",\"value\":1" END PUT("x", "ok", 2, 3) END,
                   "h:1: increments a key that line 2 writes otherwise");
}

/* ---- Sessions ---- */

#define S ",\"session\":\"s\""
#define SPUT(value, from, to)                                                                      \
    HEAD("put", "ok", from, to) S ",\"ack\":\"local\",\"value\":\"" value "\""
#define OTHER(value, from, to)                                                                     \
    HEAD("put", "ok", from, to) ",\"ack\":\"local\",\"value\":\"" value "\""
#define SGET(value, from, to)                                                                      \
    HEAD("get", "ok", from, to) S ",\"level\":\"session\",\"value\":" value
#define LOST_PUT(value, outcome, from, to)                                                         \
    HEAD("put", outcome, from, to)                                                                 \
    S ",\"ack\":\"local\",\"value\":\"" value "\",\"reason\":\"SESSION_LOST\""
#define LOST(from, to)                                                                             \
    HEAD("get", "fail", from, to) S ",\"level\":\"session\",\"reason\":\"SESSION_LOST\""

static void a_session_reads_its_writes(void **state)
{
    (void)state;
    assert_good(SPUT("x", 1, 1) POS(1, "a", 5) END SGET("\"x\"", 2, 3) POS(1, "a", 5) END);
    assert_good(SPUT("x", 1, 1) POS(1, "a", 5) END OTHER("y", 1, 1) POS(1, "a", 6)
                    END SGET("\"y\"", 2, 3) END);
    assert_red(sessions, SPUT("x", 1, 1) POS(1, "a", 5) END SGET("null", 2, 3) END);
    assert_red(sessions, OTHER("y", 1, 1) POS(1, "a", 4) END SPUT("x", 1, 1) POS(1, "a", 5)
                             END SGET("\"y\"", 2, 3) END);
    /* By position alone. */
    assert_red(sessions, SPUT("x", 1, 1) POS(1, "a", 5) END SGET("\"x\"", 2, 3) POS(1, "a", 4) END);
    /* A lost branch's position is lower than one of the newer epoch, whatever its seq. */
    assert_red(sessions, OTHER("y", 1, 1) POS(1, "a", 9) END SPUT("x", 1, 1) POS(2, "b", 5)
                             END SGET("\"y\"", 2, 3) END);
}

static void a_rolled_back_write_is_told_as_session_lost(void **state)
{
    (void)state;
    const char *archived =
        "{\"rolled_back\":{\"generation\":0,\"term\":1,\"owner\":\"a\",\"seq\":5},"
        "\"node\":\"a\"}\n";
    char text[4096];
    snprintf(text, sizeof text, "%s%s%s%s", SPUT("x", 1, 1) POS(1, "a", 5) END, LOST(2, 3) END,
             SGET("null", 4, 5) POS(2, "b", 5) END, archived);
    assert_good(text);
    snprintf(text, sizeof text, "%s%s%s", SPUT("x", 1, 1) POS(1, "a", 5) END,
             SGET("null", 4, 5) POS(2, "b", 5) END, archived);
    assert_red(sessions, text);
}

/* `term` is that of node a's epoch; the line stands for what its archive holds. */
#define ROLLED_BACK(seq)                                                                           \
    "{\"rolled_back\":{\"generation\":0,\"term\":1,\"owner\":\"a\",\"seq\":" #seq                  \
    "},\"node\":\"a\"}\n"
#define MOD_SEQ(seq) ",\"mod_seq\":" #seq

/* It was executed at 5, rolled back, sent again under its request id, and acknowledged at 9. */
static void a_write_that_was_executed_again_elsewhere_may_be_seen_at_both_places(void **state)
{
    (void)state;
    assert_good(OTHER("x", 1, 50) POS(2, "b", 9) END SGET("\"x\"", 2, 3) POS(1, "a", 5) MOD_SEQ(5)
                    END SGET("\"x\"", 4, 5) POS(1, "a", 5) MOD_SEQ(5) END ROLLED_BACK(5));
    /* Without mod_seq, the position of the data tells it as well; and without both nothing can be
     * told. */
    assert_good(OTHER("x", 1, 50) POS(2, "b", 9) END SGET("\"x\"", 2, 3) POS(1, "a", 5)
                    END SGET("\"x\"", 4, 5) POS(1, "a", 6) END ROLLED_BACK(5));
    /* It stands behind another write where it was executed first. */
    assert_good(SPUT("y", 1, 1) POS(1, "a", 4) END OTHER("x", 1, 50) POS(2, "b", 2)
                    END SGET("\"x\"", 2, 3) POS(1, "a", 5) MOD_SEQ(5) END ROLLED_BACK(5));
    /* What stands nowhere but at its acknowledged position is judged by it, whatever else was
     * rolled back. */
    assert_red(sessions, OTHER("x", 1, 1) POS(1, "a", 6) END OTHER("y", 1, 1) POS(1, "a", 7)
                             END SGET("\"y\"", 2, 3) MOD_SEQ(7) END SGET("\"x\"", 4, 5) MOD_SEQ(6)
                                 END ROLLED_BACK(5));
    /* No rollback is known by which it could have stood at 5. */
    assert_red(sessions, OTHER("x", 1, 1) POS(2, "b", 9) END SPUT("y", 1, 1) POS(2, "b", 10)
                             END SGET("\"x\"", 2, 3) MOD_SEQ(12) END);
}

static void session_lost_answered_to_a_write_ends_what_was_promised_before(void **state)
{
    (void)state;
    assert_good(SPUT("x", 1, 1) POS(1, "a", 5) END LOST_PUT("y", "fail", 2, 3)
                    END SGET("null", 4, 5) POS(2, "b", 4) END);
    /* An earlier attempt of the write may have been executed. */
    assert_good(SPUT("x", 1, 1) POS(1, "a", 5) END LOST_PUT("y", "unknown", 2, 3)
                    END SGET("\"y\"", 4, 5) POS(2, "b", 6) END);
    /* What it does from then on counts. */
    assert_red(sessions, SPUT("x", 1, 1) POS(1, "a", 5) END LOST_PUT("y", "fail", 2, 3)
                             END SPUT("z", 4, 5) POS(2, "b", 6) END SGET("null", 6, 7) END);
}

static void a_session_never_reads_backwards(void **state)
{
    (void)state;
    assert_red(sessions, OTHER("x", 1, 1) POS(1, "a", 5) END OTHER("y", 1, 1) POS(1, "a", 6)
                             END SGET("\"y\"", 2, 3) END SGET("\"x\"", 4, 5) END);
    assert_good(OTHER("x", 1, 1) POS(1, "a", 5) END OTHER("y", 1, 1) POS(1, "a", 6)
                    END SGET("\"x\"", 2, 3) END SGET("\"y\"", 4, 5) END);
    assert_red(sessions,
               SGET("null", 2, 3) POS(1, "a", 7) END SGET("null", 4, 5) POS(1, "a", 6) END);
}

static void a_session_writes_behind_what_it_wrote_and_read(void **state)
{
    (void)state;
    assert_red(sessions, SPUT("x", 1, 1) POS(2, "b", 5) END SPUT("y", 2, 3) POS(1, "a", 9) END);
    assert_red(sessions, SGET("null", 1, 1) POS(2, "b", 5) END SPUT("y", 2, 3) POS(1, "a", 9) END);
    assert_good(SGET("null", 1, 1) POS(1, "a", 5) END SPUT("y", 2, 3) POS(2, "b", 5) END);
}

static void overlapping_operations_of_a_session_are_refused(void **state)
{
    (void)state;
    assert_refused(SPUT("x", 1, 5) END SPUT("y", 3, 8) END,
                   "h:2: begins before the session's operation of line 1 ended");
}

/* ---- Bounds, flags, durability, values ---- */

#define EGET(value, from, to) HEAD("get", "ok", from, to) ",\"level\":\"eventual\",\"value\":" value

static void a_staleness_bound_covers_what_was_acknowledged_before_it(void **state)
{
    (void)state;
    /* Acknowledged at 10 ms at the latest, read from 100 ms on. */
#define OLD OTHER("x", 1, 10) POS(1, "a", 5) END
    assert_good(OLD EGET("null", 100, 101) FRESH(false, 1, 95, 9) END);
    assert_red(bounds, OLD EGET("null", 100, 101) FRESH(false, 1, 85, 9) END);
    assert_good(OLD EGET("\"x\"", 100, 101) FRESH(false, 1, 85, 9) END);
    assert_red(bounds, OLD EGET("\"x\"", 100, 101) FRESH(false, 1, 85, 4) END);
    assert_red(bounds, OLD EGET("\"x\"", 100, 101) ",\"mod_seq\":4" FRESH(false, 1, 85, 9) END);
    /* Behind it: a later write, one of unknown outcome, a delete. */
    assert_good(OLD OTHER("y", 1, 50) POS(1, "a", 6) END EGET("\"y\"", 100, 101)
                    FRESH(false, 1, 85, 9) END);
    assert_red(bounds, OLD OTHER("y", 1, 5) POS(1, "a", 4) END EGET("\"y\"", 100, 101)
                           FRESH(false, 1, 85, 9) END);
    assert_good(OLD HEAD("put", "unknown", 1, 50) ",\"ack\":\"local\",\"value\":\"y\"" END EGET(
        "\"y\"", 100, 101) FRESH(false, 1, 85, 9) END);
    assert_good(OLD HEAD("delete", "ok", 1, 50) ",\"ack\":\"local\"" POS(1, "a", 7)
                    END EGET("null", 100, 101) FRESH(false, 1, 85, 9) END);
}

static void what_was_rolled_back_need_not_be_seen(void **state)
{
    (void)state;
    assert_good(OLD EGET("null", 100, 101) FRESH(false, 1, 85, 9) END
                "{\"rolled_back\":{\"generation\":0,\"term\":1,\"owner\":\"a\",\"seq\":5}}\n");
    /* Another owner's position is another record. */
    assert_red(bounds, OLD EGET("null", 100, 101) FRESH(false, 1, 85, 9) END
               "{\"rolled_back\":{\"generation\":0,\"term\":1,\"owner\":\"b\",\"seq\":5}}\n");
}

#define SETTINGS "{\"history\":1,\"stale_after_ms\":400}\n"

static void an_answer_that_is_not_flagged_was_heard_and_proven_in_time(void **state)
{
    (void)state;
    assert_good(SETTINGS EGET("null", 1, 1) FRESH(false, 400, 400, 9) END);
    assert_good(SETTINGS EGET("null", 1, 1) FRESH(true, 401, null, 9) END);
    assert_red(flags, SETTINGS EGET("null", 1, 1) FRESH(false, 401, 1, 9) END);
    assert_red(flags, SETTINGS EGET("null", 1, 1) FRESH(false, null, 1, 9) END);
    assert_red(flags, SETTINGS EGET("null", 1, 1) FRESH(false, 1, null, 9) END);
    assert_red(flags, SETTINGS EGET("null", 1, 1) FRESH(false, 1, 401, 9) END);
}

/* A client that adds what passed since it sent the request says so: that much more is not old. */
static void a_bound_that_counts_the_call_is_allowed_its_time(void **state)
{
    (void)state;
#define COUNTED(bound, counts)                                                                     \
    ",\"freshness\":{\"node\":\"a\",\"epoch\":1,\"state\":\"FRESH\",\"stale\":false,"              \
    "\"heartbeat_age_ms\":1,\"staleness_bound_ms\":" #bound ",\"bound_counts_call\":" #counts      \
    ",\"applied_seq\":9}" END
    assert_good(SETTINGS EGET("null", 1, 31) COUNTED(430, true));
    assert_red(flags, SETTINGS EGET("null", 1, 31) COUNTED(431, true));
    assert_red(flags, SETTINGS EGET("null", 1, 31) COUNTED(430, false));
}

static void what_was_acknowledged_majority_is_never_rolled_back(void **state)
{
    (void)state;
    const char *archived =
        "{\"rolled_back\":{\"generation\":0,\"term\":1,\"owner\":\"a\",\"seq\":5}}\n";
    char text[2048];
    snprintf(text, sizeof text, "%s%s", PUT("x", "ok", 1, 1) POS(1, "a", 5) END, archived);
    assert_red(durability, text);
    snprintf(text, sizeof text, "%s%s", PUT("x", "unknown", 1, 1) POS(1, "a", 5) END, archived);
    assert_good(text);
}

static void a_read_sees_only_what_somebody_wrote(void **state)
{
    (void)state;
    assert_red(values, EGET("\"phantom\"", 1, 1) END);
    assert_red(values, OTHER("x", 5, 6) END EGET("\"x\"", 1, 1) END);
    assert_red(values, PUT("x", "fail", 1, 1) END EGET("\"x\"", 2, 3) END);
    assert_good(PUT("x", "unknown", 1, 1) END EGET("\"x\"", 2, 3) END);
}

/* ---- Bad input ---- */

static void bad_lines_are_named_by_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"[1]\n", "h:1: not a JSON object"},
        {"\n{}\n", "h:2: \"process\" is missing"},
        {HEAD("get", "ok", 1, 1) ",\"level\":\"eventual\"" END, "h:1: \"value\" is missing"},
        {HEAD("get", "ok", 1, 1) ",\"level\":\"strong\",\"value\":null" END,
         "h:1: \"level\" is unknown: 'strong'"},
        {HEAD("get", "unknown", 1, 1) ",\"level\":\"eventual\"" END,
         "h:1: a read has no unknown outcome: it is \"fail\""},
        {EGET("7", 1, 1) END, "h:1: \"value\" is not a string"},
        {EGET("null", 2, 1) END, "h:1: it completed before it began"},
        {EGET("null", 1, 1) ",\"sesion\":\"s\"" END, "h:1: unknown member \"sesion\""},
        {EGET("null", 1, 1) ",\"freshness\":{\"node\":\"a\"}" END, "h:1: \"state\" is missing"},
        {EGET("null", 1, 1) POS(1, "a b", 1) END, "h:1: \"owner\" is not a node id: 'a b'"},
        {PUT("x", "ok", 1, 1) POS(-1, "a", 1) END, "h:1: \"term\" is not a whole number from 0"},
        {HEAD("put", "ok", 1, 1) ",\"ack\":\"local\",\"value\":null" END,
         "h:1: a put writes a string"},
        {HEAD("put", "ok", 1, 1) ",\"ack\":\"none\",\"value\":\"x\"" END,
         "h:1: \"ack\" is unknown: 'none'"},
        {HEAD("incr", "ok", 1, 1) ",\"ack\":\"majority\",\"delta\":0,\"value\":1" END,
         "h:1: \"delta\" is not a whole number from 1"},
        {SETTINGS "{\"history\":1,\"stale_after_ms\":500}\n",
         "h:2: another file says stale_after_ms 400"},
        {"{\"history\":2,\"stale_after_ms\":500}\n",
         "h:1: \"history\" is a version that this program does not know"},
        {"{\"rolled_back\":7}\n", "h:1: \"rolled_back\" is not an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(cases[i].text, cases[i].message);
    struct verdict v = judge("{\"process\":\n");
    assert_int_equal(v.code, CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(v.err.message, "h:1: not JSON: "));
}

/* Cut and flipped lines are refused or read, never a crash. */
static void damaged_lines_do_no_harm(void **state)
{
    (void)state;
    const char *good = SETTINGS SPUT("x", 1, 1) POS(1, "a", 5) END SGET("\"x\"", 2, 3)
        POS(1, "a", 5) FRESH(false, 1, 2, 5) END INCR("unknown", 12, 15) END;
    struct rng rng;
    rng_seed(&rng, 3);
    size_t length = strlen(good);
    size_t refused = 0;
    char text[4096];
    for (int i = 0; i < 2000; i++) {
        memcpy(text, good, length + 1);
        for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--)
            text[rng_below(&rng, length)] = (char)(1 + rng_below(&rng, 127));
        text[1 + rng_below(&rng, length)] = '\0';
        refused += judge(text).code != CANDOR_OK;
    }
    assert_true(refused > 1000);
}

static void counts_are_grouped(void **state)
{
    (void)state;
    char text[32] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    print_count(out, 1002345);
    fputc(' ', out);
    print_count(out, 999);
    fclose(out);
    assert_string_equal(text, "1,002,345 999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linearizable_read_sees_the_write_acknowledged_before_it),
        cmocka_unit_test(reads_of_other_levels_promise_no_linearizability),
        cmocka_unit_test(an_unknown_write_is_seen_or_not_but_never_both),
        cmocka_unit_test(fifty_unknown_writes_are_settled_without_a_search),
        cmocka_unit_test(of_two_racing_swaps_one_wins),
        cmocka_unit_test(a_swap_that_failed_tells_that_the_value_was_another),
        cmocka_unit_test(a_write_that_was_executed_again_elsewhere_may_be_seen_at_both_places),
        cmocka_unit_test(increments_take_effect_once),
        cmocka_unit_test(a_local_write_to_a_linearizable_register_is_refused),
        cmocka_unit_test(a_session_reads_its_writes),
        cmocka_unit_test(a_rolled_back_write_is_told_as_session_lost),
        cmocka_unit_test(session_lost_answered_to_a_write_ends_what_was_promised_before),
        cmocka_unit_test(a_session_never_reads_backwards),
        cmocka_unit_test(a_session_writes_behind_what_it_wrote_and_read),
        cmocka_unit_test(overlapping_operations_of_a_session_are_refused),
        cmocka_unit_test(a_staleness_bound_covers_what_was_acknowledged_before_it),
        cmocka_unit_test(what_was_rolled_back_need_not_be_seen),
        cmocka_unit_test(an_answer_that_is_not_flagged_was_heard_and_proven_in_time),
        cmocka_unit_test(a_bound_that_counts_the_call_is_allowed_its_time),
        cmocka_unit_test(what_was_acknowledged_majority_is_never_rolled_back),
        cmocka_unit_test(a_read_sees_only_what_somebody_wrote),
        cmocka_unit_test(bad_lines_are_named_by_file_and_line),
        cmocka_unit_test(damaged_lines_do_no_harm),
        cmocka_unit_test(counts_are_grouped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
