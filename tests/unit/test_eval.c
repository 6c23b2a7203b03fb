/* links: eval record */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "eval/answer.h"
#include "eval/eval.h"

/* ---- A little state -------------------------------------------------------------------------- */

enum { SEQ = 100, LOG_MS = 5000 };

struct entry {
    char key[16];
    char value[32];
    uint64_t mod_seq;
    uint64_t version;
    uint64_t until_ms;
};

struct world {
    struct entry entries[64];
    int count;
    struct eval eval;
};

static struct slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

static bool world_get(void *closure, struct slice key, struct eval_item *out)
{
    struct world *world = closure;
    for (int i = 0; i < world->count; i++) {
        struct entry *entry = &world->entries[i];
        if (slice_equal(key, text(entry->key))) {
            *out = (struct eval_item){text(entry->value), entry->mod_seq, entry->version,
                                      entry->until_ms};
            return true;
        }
    }
    return false;
}

/* "n": "5" written twice, last by record 7; "t": "text", until 9000; "none" is not there. */
static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->entries[world->count++] = (struct entry){"n", "5", 7, 2, 0};
    world->entries[world->count++] = (struct entry){"t", "text", 3, 1, 9000};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eval_free(&world->eval);
    free(world);
    return 0;
}

static struct eval_answer run(struct world *world, const struct eval_op *op, enum candor_code code)
{
    struct eval_reader reader = {world_get, world};
    struct eval_answer answer = {0};
    assert_int_equal(eval_run(&world->eval, op, SEQ, LOG_MS, &reader), code);
    struct slice bytes = buffer_slice(&world->eval.answer);
    if (code == CANDOR_OK || code == CANDOR_OUT_OF_RANGE) {
        assert_true(eval_answer_read(&bytes, &answer));
        assert_int_equal(bytes.length, 0);
    }
    if (code != CANDOR_OK)
        assert_int_equal(world->eval.op_count, 0);
    return answer;
}

static void expect_effect(const struct world *world, uint32_t i, enum record_op_kind kind,
                          const char *key, const char *value)
{
    assert_true(i < world->eval.op_count);
    const struct record_op *op = &world->eval.ops[i];
    assert_int_equal(op->kind, kind);
    assert_true(slice_equal(op->key, text(key)));
    if (!slice_equal(op->value, text(value)))
        fail_msg("'%.*s' instead of '%s'", (int)op->value.length, (const char *)op->value.bytes,
                 value);
}

/* ---- Put and delete -------------------------------------------------------------------------- */

static void puts_and_deletes_tell_whether_the_key_was_there(void **state)
{
    struct world *world = *state;
    struct eval_op op = {.kind = EVAL_PUT, .key = text("t"), .value = text("new")};
    assert_true(run(world, &op, CANDOR_OK).existed);
    assert_int_equal(world->eval.op_count, 1);
    expect_effect(world, 0, RECORD_PUT, "t", "new");
    op.key = text("none");
    assert_false(run(world, &op, CANDOR_OK).existed);
    op.kind = EVAL_DELETE;
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_int_equal(answer.kind, EVAL_DELETE);
    assert_false(answer.existed);
    assert_int_equal(world->eval.op_count, 1);
    expect_effect(world, 0, RECORD_DELETE, "none", "");
    op.key = text("n");
    assert_true(run(world, &op, CANDOR_OK).existed);
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static const struct condition {
    const char *name;
    struct eval_compare compare;
    bool holds;
} conditions[] = {
    {"is there", {{(const uint8_t *)"n", 1}, .target = EVAL_EXISTS, .exists = true}, true},
    {"is not there, and is", {{(const uint8_t *)"n", 1}, .target = EVAL_EXISTS}, false},
    {"is not there", {{(const uint8_t *)"none", 4}, .target = EVAL_EXISTS}, true},
    {"is there, and is not",
     {{(const uint8_t *)"none", 4}, .target = EVAL_EXISTS, .exists = true},
     false},
#define VALUE(key, length, relation, of, of_length)                                                \
    {                                                                                              \
        {(const uint8_t *)(key), (length)}, EVAL_VALUE, (relation), false,                         \
            {(const uint8_t *)(of), (of_length)}, 0                                                \
    }
    {"value ==", VALUE("t", 1, EVAL_EQUAL, "text", 4), true},
    {"value == a prefix", VALUE("t", 1, EVAL_EQUAL, "tex", 3), false},
    {"value !=", VALUE("t", 1, EVAL_NOT_EQUAL, "tex", 3), true},
    {"value != itself", VALUE("t", 1, EVAL_NOT_EQUAL, "text", 4), false},
    {"value <", VALUE("t", 1, EVAL_LESS, "texu", 4), true},
    {"value < itself", VALUE("t", 1, EVAL_LESS, "text", 4), false},
    {"value > a prefix", VALUE("t", 1, EVAL_GREATER, "tex", 3), true},
    {"value > more", VALUE("t", 1, EVAL_GREATER, "text2", 5), false},
    {"value > nothing", VALUE("t", 1, EVAL_GREATER, "", 0), true},
    {"no value == empty", VALUE("none", 4, EVAL_EQUAL, "", 0), false},
    {"no value != text", VALUE("none", 4, EVAL_NOT_EQUAL, "text", 4), false},
    {"no value < text", VALUE("none", 4, EVAL_LESS, "text", 4), false},
#define NUMBER(key, length, target, relation, number)                                              \
    {                                                                                              \
        {(const uint8_t *)(key), (length)}, (target), (relation), false, {0}, (number)             \
    }
    {"mod_seq ==", NUMBER("n", 1, EVAL_MOD_SEQ, EVAL_EQUAL, 7), true},
    {"mod_seq == another", NUMBER("n", 1, EVAL_MOD_SEQ, EVAL_EQUAL, 8), false},
    {"mod_seq !=", NUMBER("n", 1, EVAL_MOD_SEQ, EVAL_NOT_EQUAL, 8), true},
    {"mod_seq <", NUMBER("n", 1, EVAL_MOD_SEQ, EVAL_LESS, UINT64_MAX), true},
    {"mod_seq >", NUMBER("n", 1, EVAL_MOD_SEQ, EVAL_GREATER, 7), false},
    {"absent mod_seq is 0", NUMBER("none", 4, EVAL_MOD_SEQ, EVAL_EQUAL, 0), true},
    {"version ==", NUMBER("n", 1, EVAL_VERSION, EVAL_EQUAL, 2), true},
    {"version <", NUMBER("n", 1, EVAL_VERSION, EVAL_LESS, 2), false},
    {"version >", NUMBER("n", 1, EVAL_VERSION, EVAL_GREATER, 1), true},
    {"absent version is 0", NUMBER("none", 4, EVAL_VERSION, EVAL_LESS, 1), true},
};

static void a_condition_holds_when_it_should_in_cas_and_txn_alike(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        const struct condition *c = &conditions[i];
        struct eval_op cas = {
            .kind = EVAL_CAS, .key = c->compare.key, .value = text("v"), .expect = c->compare};
        bool cas_holds = run(world, &cas, CANDOR_OK).succeeded;
        assert_int_equal(world->eval.op_count, cas_holds ? 1 : 0);
        struct eval_op txn = {.kind = EVAL_TXN, .compares = &c->compare, .compare_count = 1};
        bool txn_holds = run(world, &txn, CANDOR_OK).succeeded;
        if (cas_holds != c->holds || txn_holds != c->holds)
            fail_msg("%s: cas %d, txn %d", c->name, cas_holds, txn_holds);
    }
}

static void a_failed_cas_tells_what_is_there_and_has_no_effect(void **state)
{
    struct world *world = *state;
    struct eval_op op = {.kind = EVAL_CAS,
                         .key = text("n"),
                         .value = text("6"),
                         .expect = {text("n"), EVAL_VALUE, EVAL_EQUAL, false, text("4"), 0}};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_false(answer.succeeded);
    assert_true(answer.existed);
    assert_true(slice_equal(answer.item.value, text("5")));
    assert_int_equal(answer.item.mod_seq, 7);
    assert_int_equal(answer.item.version, 2);
    assert_int_equal(world->eval.op_count, 0);

    op.key = op.expect.key = text("none");
    answer = run(world, &op, CANDOR_OK);
    assert_false(answer.succeeded);
    assert_false(answer.existed);
}

/* ---- Increment ------------------------------------------------------------------------------- */

#define MIN INT64_MIN
#define MAX INT64_MAX

static const struct {
    const char *present; /* NULL: absent */
    int64_t delta, min, max, initial;
    enum candor_code code;
    int64_t number;
    const char *put;
} increments[] = {
    {"5", 1, MIN, MAX, 0, CANDOR_OK, 6, "6"},
    {"5", -7, MIN, MAX, 0, CANDOR_OK, -2, "-2"},
    {"-5", 5, MIN, MAX, 0, CANDOR_OK, 0, "0"},
    {"5", 0, MIN, MAX, 0, CANDOR_OK, 5, "5"},
    {NULL, 1, MIN, MAX, 0, CANDOR_OK, 1, "1"},
    {NULL, -1, MIN, MAX, 100, CANDOR_OK, 99, "99"},
    {"5", -5, 0, MAX, 0, CANDOR_OK, 0, "0"},
    {"5", -6, 0, MAX, 0, CANDOR_OUT_OF_RANGE, 5, NULL},
    {"5", 5, 0, 10, 0, CANDOR_OK, 10, "10"},
    {"5", 6, 0, 10, 0, CANDOR_OUT_OF_RANGE, 5, NULL},
    {NULL, 1, 5, 10, 0, CANDOR_OUT_OF_RANGE, 0, NULL},
    {"20", -1, 0, 10, 0, CANDOR_OUT_OF_RANGE, 20, NULL},
    {"9223372036854775806", 1, MIN, MAX, 0, CANDOR_OK, MAX, "9223372036854775807"},
    {"9223372036854775807", 1, MIN, MAX, 0, CANDOR_OUT_OF_RANGE, MAX, NULL},
    {"-9223372036854775808", -1, MIN, MAX, 0, CANDOR_OUT_OF_RANGE, MIN, NULL},
    {"-9223372036854775808", MAX, MIN, MAX, 0, CANDOR_OK, -1, "-1"},
    {"-9223372036854775807", -1, MIN, MAX, 0, CANDOR_OK, MIN, "-9223372036854775808"},
    {NULL, MIN, MIN, MAX, -1, CANDOR_OUT_OF_RANGE, -1, NULL},
    {"007", 1, MIN, MAX, 0, CANDOR_OK, 8, "8"},
    {"-0", 1, MIN, MAX, 0, CANDOR_OK, 1, "1"},
    {"", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"-", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"+5", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {" 5", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"5.0", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"5-", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"9223372036854775808", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"-9223372036854775809", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
    {"99999999999999999999", 1, MIN, MAX, 0, CANDOR_FAILED_PRECONDITION, 0, NULL},
};

static void increments_stay_within_their_bounds(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < sizeof increments / sizeof increments[0]; i++) {
        world->count = increments[i].present == NULL ? 0 : 1;
        if (increments[i].present != NULL)
            strcpy(world->entries[0].value, increments[i].present);
        struct eval_op op = {.kind = EVAL_INCREMENT,
                             .key = text("n"),
                             .delta = increments[i].delta,
                             .min = increments[i].min,
                             .max = increments[i].max,
                             .initial = increments[i].initial};
        struct eval_answer answer = run(world, &op, increments[i].code);
        if (answer.number != increments[i].number ||
            answer.succeeded != (increments[i].code == CANDOR_OK))
            fail_msg("case %zu: %lld", i, (long long)answer.number);
        if (increments[i].put != NULL)
            expect_effect(world, 0, RECORD_PUT, "n", increments[i].put);
    }
}

/* ---- Keys that end --------------------------------------------------------------------------- */

static void expect_end(const struct world *world, uint32_t index, enum record_op_kind kind,
                       uint64_t until_ms)
{
    assert_true(index < world->eval.op_count);
    assert_int_equal(world->eval.ops[index].kind, kind);
    assert_int_equal(world->eval.ops[index].until_ms, until_ms);
}

static void a_ttl_counts_from_the_time_of_the_log(void **state)
{
    struct world *world = *state;
    struct eval_op put = {.kind = EVAL_PUT, .key = text("t"), .value = text("x"), .ttl_ms = 30};
    run(world, &put, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, LOG_MS + 30);
    put.ttl_ms = 0; /* which ends the one it had */
    run(world, &put, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, 0);
    struct eval_op cas = put;
    cas.kind = EVAL_CAS;
    cas.expect = (struct eval_compare){.key = text("t"), .target = EVAL_EXISTS, .exists = true};
    cas.ttl_ms = 7;
    run(world, &cas, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, LOG_MS + 7);
    struct eval_step step = {
        .kind = EVAL_STEP_PUT, .key = text("t"), .value = text("x"), .ttl_ms = 8};
    struct eval_op txn = {.kind = EVAL_TXN, .then_steps = {&step, 1}};
    run(world, &txn, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, LOG_MS + 8);
}

static void an_increment_keeps_the_end(void **state)
{
    struct world *world = *state;
    struct eval_op op = {
        .kind = EVAL_INCREMENT, .key = text("n"), .delta = 1, .min = INT64_MIN, .max = INT64_MAX};
    world->entries[0].until_ms = 6000;
    run(world, &op, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, 6000);
    op.key = text("none");
    run(world, &op, CANDOR_OK);
    expect_end(world, 0, RECORD_PUT, 0);
}

static void expire_changes_the_end_of_what_is_there_alone(void **state)
{
    struct world *world = *state;
    struct eval_op op = {.kind = EVAL_EXPIRE, .key = text("n"), .ttl_ms = 5};
    op.expect = (struct eval_compare){.key = op.key, .target = EVAL_EXISTS, .exists = true};
    assert_true(run(world, &op, CANDOR_OK).succeeded);
    expect_end(world, 0, RECORD_KEEP, LOG_MS + 5);
    assert_int_equal(world->eval.ops[0].value.length, 0);
    op.ttl_ms = 0; /* it has none */
    assert_true(run(world, &op, CANDOR_OK).succeeded);
    assert_int_equal(world->eval.op_count, 0);
    op.key = op.expect.key = text("t");
    assert_true(run(world, &op, CANDOR_OK).succeeded);
    expect_end(world, 0, RECORD_KEEP, 0);
    op.key = op.expect.key = text("none");
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_false(answer.succeeded || answer.existed);
    assert_int_equal(world->eval.op_count, 0);
}

static void expire_asks_who_wrote_it(void **state)
{
    struct world *world = *state;
    struct eval_op op = {.kind = EVAL_EXPIRE, .key = text("t"), .ttl_ms = 5};
    op.expect = (struct eval_compare){.key = op.key, .target = EVAL_MOD_SEQ, .number = 2};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_false(answer.succeeded);
    assert_true(answer.existed);
    assert_int_equal(answer.item.mod_seq, 3);
    assert_int_equal(world->eval.op_count, 0);
    op.expect.number = 3;
    assert_true(run(world, &op, CANDOR_OK).succeeded);
}

/* ---- Txn ------------------------------------------------------------------------------------- */

static struct eval_step put_step(const char *key, const char *value)
{
    return (struct eval_step){.kind = EVAL_STEP_PUT, .key = text(key), .value = text(value)};
}

static struct eval_step delete_step(const char *key)
{
    return (struct eval_step){.kind = EVAL_STEP_DELETE, .key = text(key)};
}

static struct eval_step get_step(const char *key)
{
    return (struct eval_step){.kind = EVAL_STEP_GET, .key = text(key)};
}

static void expect_get(struct eval_answer *answer, const char *value, uint64_t mod_seq,
                       uint64_t version)
{
    struct eval_step_answer step;
    eval_answer_step(answer, &step);
    assert_int_equal(step.kind, EVAL_STEP_GET);
    assert_int_equal(step.found, value != NULL);
    if (value == NULL)
        return;
    assert_true(slice_equal(step.item.value, text(value)));
    assert_int_equal(step.item.mod_seq, mod_seq);
    assert_int_equal(step.item.version, version);
}

static void expect_write(struct eval_answer *answer, enum eval_step_kind kind, bool existed)
{
    struct eval_step_answer step;
    eval_answer_step(answer, &step);
    assert_int_equal(step.kind, kind);
    assert_int_equal(step.found, existed);
}

static void the_steps_of_a_txn_see_those_before_them(void **state)
{
    struct world *world = *state;
    const struct eval_step steps[] = {get_step("n"),      put_step("n", "x"), get_step("n"),
                                      put_step("n", "y"), get_step("n"),      delete_step("n"),
                                      get_step("n"),      delete_step("n"),   put_step("n", "z"),
                                      get_step("n"),      get_step("t"),      get_step("none")};
    struct eval_op op = {.kind = EVAL_TXN, .then_steps = {steps, 12}};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_true(answer.succeeded); /* no condition is one that holds */
    assert_int_equal(answer.step_count, 12);
    expect_get(&answer, "5", 7, 2);
    expect_write(&answer, EVAL_STEP_PUT, true);
    expect_get(&answer, "x", SEQ, 3);
    expect_write(&answer, EVAL_STEP_PUT, true);
    expect_get(&answer, "y", SEQ, 4);
    expect_write(&answer, EVAL_STEP_DELETE, true);
    expect_get(&answer, NULL, 0, 0);
    expect_write(&answer, EVAL_STEP_DELETE, false);
    expect_write(&answer, EVAL_STEP_PUT, false);
    expect_get(&answer, "z", SEQ, 1);
    expect_get(&answer, "text", 3, 1);
    expect_get(&answer, NULL, 0, 0);
    assert_int_equal(world->eval.op_count, 5);
    expect_effect(world, 0, RECORD_PUT, "n", "x");
    expect_effect(world, 2, RECORD_DELETE, "n", "");
    expect_effect(world, 4, RECORD_PUT, "n", "z");
}

static void all_conditions_must_hold_and_the_other_list_is_not_touched(void **state)
{
    struct world *world = *state;
    const struct eval_compare compares[] = {
        {text("n"), EVAL_VALUE, EVAL_EQUAL, false, text("5"), 0},
        {text("t"), EVAL_MOD_SEQ, EVAL_EQUAL, false, {0}, 4},
    };
    const struct eval_step then_steps[] = {put_step("then", "1")};
    const struct eval_step else_steps[] = {get_step("t"), put_step("else", "1")};
    struct eval_op op = {.kind = EVAL_TXN,
                         .compares = compares,
                         .compare_count = 2,
                         .then_steps = {then_steps, 1},
                         .else_steps = {else_steps, 2}};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_false(answer.succeeded);
    assert_int_equal(answer.step_count, 2);
    expect_get(&answer, "text", 3, 1);
    assert_int_equal(world->eval.op_count, 1);
    expect_effect(world, 0, RECORD_PUT, "else", "1");
    op.compare_count = 1;
    assert_true(run(world, &op, CANDOR_OK).succeeded);
    expect_effect(world, 0, RECORD_PUT, "then", "1");
}

static void a_txn_of_gets_has_no_effect(void **state)
{
    struct world *world = *state;
    const struct eval_step steps[] = {get_step("n"), get_step("t")};
    struct eval_op op = {.kind = EVAL_TXN, .then_steps = {steps, 2}};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    assert_int_equal(world->eval.op_count, 0);
    expect_get(&answer, "5", 7, 2);
}

static bool large_get(void *closure, struct slice key, struct eval_item *out)
{
    static const uint8_t value[64 << 10];
    size_t *bytes = closure;
    (void)key;
    *out = (struct eval_item){.value = slice_of(value, *bytes), .mod_seq = 1, .version = 1};
    return true;
}

static void a_txn_may_read_no_more_than_its_record_can_keep(void **state)
{
    struct world *world = *state;
    size_t bytes = LIMIT_RESULT_BYTES - (1 + 1 + 2) - 2 - (1 + 1 + 8 + 8 + 4);
    const struct eval_step steps[] = {put_step("k", "v"), get_step("large")};
    struct eval_op op = {.kind = EVAL_TXN, .then_steps = {steps, 2}};
    struct eval_reader reader = {large_get, &bytes};
    assert_int_equal(eval_run(&world->eval, &op, SEQ, LOG_MS, &reader), CANDOR_OK);
    assert_int_equal(world->eval.answer.length, LIMIT_RESULT_BYTES);
    bytes++;
    assert_int_equal(eval_run(&world->eval, &op, SEQ, LOG_MS, &reader), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(world->eval.reason, CANDOR_REASON_TOO_LARGE);
    assert_int_equal(world->eval.op_count, 0);

    static struct eval_step gets[40];
    for (int i = 0; i < 40; i++)
        gets[i] = get_step("large");
    bytes = 64 << 10; /* without effect it may be more */
    op.then_steps = (struct eval_steps){gets, 30};
    assert_int_equal(eval_run(&world->eval, &op, SEQ, LOG_MS, &reader), CANDOR_OK);
    op.then_steps.count = 40;
    assert_int_equal(eval_run(&world->eval, &op, SEQ, LOG_MS, &reader), CANDOR_RESOURCE_EXHAUSTED);
}

/* Against a model: the last step before it that touched the key. */
static void a_txn_of_many_keys_keeps_them_apart(void **state)
{
    struct world *world = *state;
    static struct eval_step steps[LIMIT_BATCH_OPS];
    static char keys[500][8];
    static int last[500];
    struct rng rng;
    rng_seed(&rng, 5);
    for (int i = 0; i < 500; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        last[i] = -1;
    }
    for (int i = 0; i < LIMIT_BATCH_OPS; i++) {
        const char *key = keys[rng_below(&rng, 500)];
        uint64_t kind = rng_below(&rng, 3);
        steps[i] = kind == 0   ? put_step(key, key + rng_below(&rng, 2))
                   : kind == 1 ? delete_step(key)
                               : get_step(key);
    }
    struct eval_op op = {.kind = EVAL_TXN, .then_steps = {steps, LIMIT_BATCH_OPS}};
    struct eval_answer answer = run(world, &op, CANDOR_OK);
    for (int i = 0; i < LIMIT_BATCH_OPS; i++) {
        struct eval_step_answer step;
        eval_answer_step(&answer, &step);
        int key = atoi((const char *)steps[i].key.bytes + 1);
        bool there = last[key] >= 0 && steps[last[key]].kind == EVAL_STEP_PUT;
        assert_int_equal(step.found, there);
        if (step.kind == EVAL_STEP_GET && there)
            assert_true(slice_equal(step.item.value, steps[last[key]].value));
        if (step.kind != EVAL_STEP_GET)
            last[key] = i;
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void answers_stand_one_behind_the_other(void **state)
{
    struct world *world = *state;
    struct eval_reader reader = {world_get, world};
    struct buffer all = {0};
    static const char *const keys[] = {"n", "none", "t"};
    for (int i = 0; i < 3; i++) {
        struct eval_op op = {.kind = i == 1 ? EVAL_PUT : EVAL_DELETE, .key = text(keys[i])};
        eval_run(&world->eval, &op, SEQ, LOG_MS, &reader);
        buffer_put(&all, world->eval.answer.bytes, world->eval.answer.length);
    }
    struct slice rest = buffer_slice(&all);
    struct eval_answer answer;
    for (int i = 0; i < 3; i++) {
        assert_true(eval_answer_read(&rest, &answer));
        assert_int_equal(answer.kind, i == 1 ? EVAL_PUT : EVAL_DELETE);
        assert_int_equal(answer.existed, i != 1);
    }
    assert_false(eval_answer_read(&rest, &answer));
    buffer_free(&all);
}

/* What came with a record is not trusted: cut anywhere it is refused, changed anywhere it is
 * refused or readable. */
static void hostile_answers_are_refused_or_readable(void **state)
{
    struct world *world = *state;
    const struct eval_step steps[] = {get_step("n"), put_step("n", "x"), delete_step("none"),
                                      get_step("t")};
    struct eval_op op = {.kind = EVAL_TXN, .then_steps = {steps, 4}};
    run(world, &op, CANDOR_OK);
    struct slice whole = buffer_slice(&world->eval.answer);
    struct eval_answer answer;
    for (size_t length = 0; length < whole.length; length++) {
        struct slice cut = slice_of(whole.bytes, length);
        assert_false(eval_answer_read(&cut, &answer));
    }
    struct rng rng;
    rng_seed(&rng, 9);
    assert_true(whole.length > 0);
    for (int i = 0; i < 20000; i++) {
        /* of its own size, so that a sanitizer sees its end */
        uint8_t *copy = malloc(whole.length);
        memcpy(copy, whole.bytes, whole.length);
        copy[rng_below(&rng, whole.length)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        struct slice bytes = slice_of(copy, whole.length);
        if (eval_answer_read(&bytes, &answer))
            for (uint32_t n = 0; n < answer.step_count; n++) {
                struct eval_step_answer step;
                eval_answer_step(&answer, &step);
            }
        free(copy);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_and_deletes_tell_whether_the_key_was_there),
        TEST(a_condition_holds_when_it_should_in_cas_and_txn_alike),
        TEST(a_failed_cas_tells_what_is_there_and_has_no_effect),
        TEST(increments_stay_within_their_bounds),
        TEST(a_ttl_counts_from_the_time_of_the_log),
        TEST(an_increment_keeps_the_end),
        TEST(expire_changes_the_end_of_what_is_there_alone),
        TEST(expire_asks_who_wrote_it),
        TEST(the_steps_of_a_txn_see_those_before_them),
        TEST(all_conditions_must_hold_and_the_other_list_is_not_touched),
        TEST(a_txn_of_gets_has_no_effect),
        TEST(a_txn_may_read_no_more_than_its_record_can_keep),
        TEST(a_txn_of_many_keys_keeps_them_apart),
        TEST(answers_stand_one_behind_the_other),
        TEST(hostile_answers_are_refused_or_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
