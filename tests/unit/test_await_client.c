/* links: client */
/* candor_await_commit: asks on until somebody knows, and believes no less than it asked for. */
#include "scripted_nodes.h"

static struct candor_pos position(uint64_t seq)
{
    struct candor_pos pos = {.epoch = {.generation = 1, .term = 1}, .seq = seq};
    snprintf(pos.epoch.owner.text, sizeof pos.epoch.owner.text, "a");
    return pos;
}

static enum candor_code await_commit(struct candor_client *client, enum candor_ack level,
                                     uint32_t deadline_ms, struct candor_result *result)
{
    struct candor_pos pos = position(5);
    struct candor_await_options options = {.level = level, .deadline_ms = deadline_ms};
    return candor_await_commit(client, NULL, &pos, &options, result);
}

static void who_does_not_know_yet_is_not_the_last_to_be_asked(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_DEADLINE_EXCEEDED,
                          .reason = CANDOR_REASON_NO_MAJORITY,
                          .ack = CANDOR_ACK_LOCAL,
                          .seq = 5});
    SCRIPT(&f->nodes[1], {.code = CANDOR_FAILED_PRECONDITION,
                          .reason = CANDOR_REASON_SESSION_BEHIND,
                          .redirect = &f->nodes[2]});
    SCRIPT(&f->nodes[2], {.ack = CANDOR_ACK_MAJORITY, .seq = 5});
    struct candor_client *client = open_client(f, 2, false);
    EXPECT(await_commit(client, CANDOR_ACK_DEFAULT, 0, &result), CANDOR_OK, result);
    assert_int_equal(result.ack, CANDOR_ACK_MAJORITY);
    assert_int_equal(result.last.seq, 5);
    assert_int_equal(result.attempts, 3);
    assert_int_equal(result.redirects, 1);
    candor_result_free(&result);
}

static void at_the_deadline_is_told_how_far_it_has_come(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_DEADLINE_EXCEEDED,
                          .reason = CANDOR_REASON_NO_MAJORITY,
                          .ack = CANDOR_ACK_MAJORITY,
                          .seq = 5});
    struct candor_client *client = open_client(f, 1, false);
    EXPECT(await_commit(client, CANDOR_ACK_ALL, 200, &result), CANDOR_DEADLINE_EXCEEDED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_NO_MAJORITY);
    assert_int_equal(result.ack, CANDOR_ACK_MAJORITY);
    assert_int_equal(result.last.seq, 5);
    candor_result_free(&result);
}

static void what_was_rolled_back_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    SCRIPT(&f->nodes[0], {.code = CANDOR_ABORTED, .reason = CANDOR_REASON_ROLLED_BACK, .seq = 4});
    struct candor_client *client = open_client(f, 2, false);
    EXPECT(await_commit(client, CANDOR_ACK_MAJORITY, 0, &result), CANDOR_ABORTED, result);
    assert_int_equal(result.error.reason, CANDOR_REASON_ROLLED_BACK);
    assert_int_equal(result.attempts, 1);
    assert_int_equal(result.token.pos.seq, 4);
    candor_result_free(&result);
}

static void no_node_is_believed_that_tells_of_something_else(void **state)
{
    struct fixture *f = *state;
    static const struct reply answers[] = {{.ack = CANDOR_ACK_ALL, .seq = 6},
                                           {.ack = CANDOR_ACK_ALL, .seq = 5, .pos_term = 2},
                                           {.ack = CANDOR_ACK_MAJORITY, .seq = 5},
                                           {.ack = (enum candor_ack)9, .seq = 5}};
    enum { COUNT = sizeof answers / sizeof answers[0] };
    script(&f->nodes[0], COUNT, answers);
    struct candor_client *client = open_client(f, 1, false);
    for (size_t i = 0; i < COUNT; i++) {
        struct candor_result result;
        EXPECT(await_commit(client, CANDOR_ACK_ALL, 0, &result), CANDOR_INTERNAL, result);
        assert_int_equal(result.error.reason, CANDOR_REASON_MALFORMED);
        candor_result_free(&result);
    }
}

static void the_session_is_asked_for_and_stays_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct candor_result result;
    struct candor_token token;
    SCRIPT(&f->nodes[0], {.seq = 5}, {.ack = CANDOR_ACK_ALL, .seq = 5},
           {.ack = CANDOR_ACK_ALL, .seq = 9});
    struct candor_client *client = open_client(f, 1, false);
    EXPECT(put(client, &result), CANDOR_OK, result);
    candor_result_free(&result);
    EXPECT(candor_await_commit(client, NULL, NULL, NULL, &result), CANDOR_OK, result);
    assert_int_equal(f->nodes[0].asked_seq, 5);
    candor_result_free(&result);
    struct candor_pos pos = {.seq = 9}; /* whatever stands there */
    EXPECT(candor_await_commit(client, NULL, &pos, NULL, &result), CANDOR_OK, result);
    assert_int_equal(result.last.epoch.term, 1);
    candor_result_free(&result);
    candor_client_token(client, &token);
    assert_int_equal(token.pos.seq, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_does_not_know_yet_is_not_the_last_to_be_asked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(at_the_deadline_is_told_how_far_it_has_come, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_rolled_back_is_told_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(no_node_is_believed_that_tells_of_something_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_session_is_asked_for_and_stays_as_it_is, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
