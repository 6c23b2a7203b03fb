/* links: eval */
/* R46: what is asked for, in 64 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "eval/digest.h"

static struct slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

static uint64_t of(struct eval_op op)
{
    return eval_digest(text("m"), &op, 1);
}

enum { OPS_MAX = 64 };

/* All different, and alike in as much as can be. */
static size_t different_ops(struct eval_op out[OPS_MAX])
{
    static const struct eval_compare compares[2] = {
        {.key = {(const uint8_t *)"k", 1}, .target = EVAL_EXISTS, .exists = true},
        {.key = {(const uint8_t *)"k", 1}, .target = EVAL_VERSION, .number = 1}};
    static const struct eval_step steps[2] = {
        {.kind = EVAL_STEP_PUT, .key = {(const uint8_t *)"k", 1}},
        {.kind = EVAL_STEP_GET, .key = {(const uint8_t *)"k", 1}}};
    static const struct eval_step ends = {
        .kind = EVAL_STEP_PUT, .key = {(const uint8_t *)"k", 1}, .ttl_ms = 1};
    struct eval_compare is = {.key = text("k"), .target = EVAL_VALUE, .value = text("v")};
    struct eval_compare at = {.key = text("k"), .target = EVAL_MOD_SEQ, .number = 7};
    struct eval_compare there = {.key = text("k"), .target = EVAL_EXISTS, .exists = true};
    struct eval_compare absent = {.key = text("k"), .target = EVAL_EXISTS};
    struct eval_compare at_8 = at;
    at_8.number = 8;
    const struct eval_op list[] = {
        {.kind = EVAL_PUT, .key = text("k"), .value = text("v")},
        {.kind = EVAL_PUT, .key = text("k"), .value = text("w")},
        {.kind = EVAL_PUT, .key = text("kv"), .value = text("")},
        {.kind = EVAL_PUT, .key = text("k"), .value = text("")},
        {.kind = EVAL_PUT, .key = text("l"), .value = text("v")},
        {.kind = EVAL_PUT, .key = text("k"), .value = text("v"), .ttl_ms = 1},
        {.kind = EVAL_PUT, .key = text("k"), .value = text("v"), .ttl_ms = 2},
        {.kind = EVAL_EXPIRE, .key = text("k"), .ttl_ms = 1, .expect = there},
        {.kind = EVAL_EXPIRE, .key = text("k"), .ttl_ms = 2, .expect = there},
        {.kind = EVAL_EXPIRE, .key = text("k"), .ttl_ms = 1, .expect = at},
        {.kind = EVAL_DELETE, .key = text("k")},
        {.kind = EVAL_DELETE, .key = text("l")},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = is},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("w"), .expect = is},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = at},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = at_8},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = there},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = absent},
        {.kind = EVAL_INCREMENT, .key = text("k"), .delta = 1, .max = 10},
        {.kind = EVAL_INCREMENT, .key = text("k"), .delta = -1, .max = 10},
        {.kind = EVAL_INCREMENT, .key = text("k"), .delta = 1, .max = 11},
        {.kind = EVAL_INCREMENT, .key = text("k"), .delta = 1, .min = -1, .max = 10},
        {.kind = EVAL_INCREMENT, .key = text("k"), .delta = 1, .max = 10, .initial = 1},
        {.kind = EVAL_CAS, .key = text("k"), .value = text("v"), .expect = is, .ttl_ms = 1},
        {.kind = EVAL_TXN, .then_steps = {&ends, 1}},
        {.kind = EVAL_TXN, .then_steps = {steps, 1}},
        {.kind = EVAL_TXN, .then_steps = {steps, 2}},
        {.kind = EVAL_TXN, .then_steps = {steps + 1, 1}},
        {.kind = EVAL_TXN, .else_steps = {steps, 1}},
        {.kind = EVAL_TXN, .then_steps = {steps, 1}, .else_steps = {steps + 1, 1}},
        {.kind = EVAL_TXN, .compares = compares, .compare_count = 1, .then_steps = {steps, 1}},
        {.kind = EVAL_TXN, .compares = compares, .compare_count = 2, .then_steps = {steps, 1}},
        {.kind = EVAL_TXN, .compares = compares + 1, .compare_count = 1, .then_steps = {steps, 1}},
    };
    memcpy(out, list, sizeof list);
    return sizeof list / sizeof list[0];
}

static void whatever_decides_effect_or_answer_changes_it(void **state)
{
    (void)state;
    struct eval_op ops[OPS_MAX];
    size_t count = different_ops(ops);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if ((of(ops[i]) == of(ops[j])) != (i == j))
                fail_msg("operations %zu and %zu", i, j);
}

static void method_number_and_order_of_operations_change_it(void **state)
{
    (void)state;
    struct eval_op ops[OPS_MAX];
    (void)different_ops(ops);
    struct eval_op turned[2] = {ops[1], ops[0]};
    uint64_t two = eval_digest(text("m"), ops, 2);
    assert_true(two == eval_digest(text("m"), ops, 2));
    assert_true(two != eval_digest(text("n"), ops, 2));
    assert_true(two != eval_digest(text("m"), ops, 1));
    assert_true(two != eval_digest(text("m"), ops, 3));
    assert_true(two != eval_digest(text("m"), turned, 2));
}

/* It is on the disk and on the wire between nodes: another version must come to the same. */
static void it_is_the_same_in_every_version(void **state)
{
    (void)state;
    struct eval_op ops[OPS_MAX];
    size_t count = different_ops(ops);
    assert_int_equal(eval_digest(text("/candor.v1.KV/Put"), ops, (uint32_t)count),
                     UINT64_C(0xf36828d9efc0b9eb));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_decides_effect_or_answer_changes_it),
        cmocka_unit_test(method_number_and_order_of_operations_change_it),
        cmocka_unit_test(it_is_the_same_in_every_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
