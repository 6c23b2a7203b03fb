/* links: core record */
/* What became of a write, asked later (R70). */
#include "core_fixture.h"

static void await_at(struct cluster *c, int node, uint64_t ticket, struct candor_pos pos,
                     enum candor_ack level)
{
    struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = ticket};
    event.wait.kind = CORE_WAIT_ACK;
    event.wait.token.pos = pos;
    event.wait.ack = level;
    event.wait.deadline_ns = c->now_ns + 10 * NS_PER_S;
    deliver(c, node, &event);
    pump(c);
}

static void expect_end(const struct host *host, uint64_t ticket, enum candor_code code,
                       enum candor_reason reason, enum candor_ack reached)
{
    assert_int_equal(host->finished, ticket);
    if (host->code != code || host->reason != reason)
        fail_msg("%s/%s: %s", candor_code_name(host->code), candor_reason_name(host->reason),
                 host->text);
    assert_int_equal(host->reached, reached);
}

static void expect_reached(const struct host *host, uint64_t ticket, struct candor_pos pos,
                           enum candor_ack reached)
{
    expect_end(host, ticket, CANDOR_OK, CANDOR_REASON_NONE, reached);
    assert_true(epoch_equal(host->pos.epoch, pos.epoch));
    assert_int_equal(host->pos.seq, pos.seq);
}

/* A LOCAL write of a primary that nobody hears. */
static struct candor_pos written_alone(struct cluster *c)
{
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    return c->hosts[0].pos;
}

static void fail_over(struct cluster *c)
{
    run_ms(c, 1500);
    promote(c, 1, 20, false);
    run_ms(c, 500);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
}

static void a_local_write_is_told_as_committed_when_it_is(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    struct candor_pos pos = written_alone(c);
    for (int i = 0; i < NODES; i++) {
        c->hosts[i].finished = 0;
        await_at(c, i, 7, pos, CANDOR_ACK_MAJORITY);
        assert_int_equal(c->hosts[i].finished, 0);
    }
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    for (int i = 1; i < NODES; i++)
        expect_reached(&c->hosts[i], 7, pos, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].finished, 7);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    assert_true(c->hosts[0].reached >= CANDOR_ACK_MAJORITY);
    cluster_free(c);
}

static void what_is_committed_already_is_told_at_once(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    struct candor_pos pos = c->hosts[0].pos;
    run_ms(c, 300);
    await_at(c, 0, 7, pos, CANDOR_ACK_MAJORITY);
    expect_reached(&c->hosts[0], 7, pos, CANDOR_ACK_ALL);
    await_at(c, 1, 7, pos, CANDOR_ACK_MAJORITY);
    expect_reached(&c->hosts[1], 7, pos, CANDOR_ACK_MAJORITY);
    await_at(c, 2, 8, (struct candor_pos){.seq = pos.seq}, CANDOR_ACK_MAJORITY);
    expect_reached(&c->hosts[2], 8, pos, CANDOR_ACK_MAJORITY);
    cluster_free(c);
}

static void a_write_that_was_rolled_back_is_told_everywhere(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    struct candor_pos pos = written_alone(c);
    for (int i = 0; i < NODES; i++)
        await_at(c, i, 7, pos, CANDOR_ACK_MAJORITY);
    fail_over(c);
    expect_end(&c->hosts[1], 7, CANDOR_ABORTED, CANDOR_REASON_ROLLED_BACK, CANDOR_ACK_NONE);
    expect_end(&c->hosts[2], 7, CANDOR_ABORTED, CANDOR_REASON_ROLLED_BACK, CANDOR_ACK_NONE);
    assert_int_not_equal(c->hosts[0].finished, 7); /* it does not know yet */
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    expect_end(&c->hosts[0], 7, CANDOR_ABORTED, CANDOR_REASON_ROLLED_BACK, CANDOR_ACK_NONE);
    assert_int_equal(c->hosts[0].pos.seq, pos.seq - 1); /* where the histories part */
    for (int i = 0; i < NODES; i++) {
        await_at(c, i, 8, pos, CANDOR_ACK_ALL);
        expect_end(&c->hosts[i], 8, CANDOR_ABORTED, CANDOR_REASON_ROLLED_BACK, CANDOR_ACK_NONE);
    }
    /* what stands at its seq now is another write */
    await_at(c, 1, 9, (struct candor_pos){.seq = pos.seq}, CANDOR_ACK_MAJORITY);
    expect_reached(&c->hosts[1], 9, (struct candor_pos){view_of(c, 1).epoch, pos.seq},
                   CANDOR_ACK_ALL);
    cluster_free(c);
}

static void a_write_of_before_a_failover_is_told_after_it(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct candor_pos pos = c->hosts[0].pos;
    c->hosts[0].cut = true;
    fail_over(c);
    for (int i = 1; i < NODES; i++) {
        await_at(c, i, 7, pos, CANDOR_ACK_MAJORITY);
        expect_reached(&c->hosts[i], 7, pos, CANDOR_ACK_MAJORITY);
    }
    cluster_free(c);
}

static void all_is_what_every_voter_has(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct candor_pos pos = c->hosts[0].pos;
    run_ms(c, 300);
    await_at(c, 0, 7, pos, CANDOR_ACK_MAJORITY);
    expect_reached(&c->hosts[0], 7, pos, CANDOR_ACK_MAJORITY);
    await_at(c, 0, 8, pos, CANDOR_ACK_ALL);
    assert_int_equal(c->hosts[0].finished, 7);
    await_at(c, 1, 8, pos, CANDOR_ACK_ALL); /* a replica does not know */
    expect_end(&c->hosts[1], 8, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NOT_PRIMARY,
               CANDOR_ACK_NONE);
    c->hosts[2].cut = false;
    run_ms(c, 1500);
    expect_reached(&c->hosts[0], 8, pos, CANDOR_ACK_ALL);
    cluster_free(c);
}

static void who_waits_for_all_at_a_primary_is_sent_on_when_it_leads_no_more(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct candor_pos pos = c->hosts[0].pos;
    run_ms(c, 300);
    await_at(c, 0, 8, pos, CANDOR_ACK_ALL);
    c->hosts[0].cut = true;
    c->hosts[2].cut = false;
    fail_over(c);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_REPLICA);
    expect_end(&c->hosts[0], 8, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NOT_PRIMARY,
               CANDOR_ACK_NONE);
    cluster_free(c);
}

static void at_the_deadline_it_is_told_how_far_it_has_come(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    struct candor_pos pos = written_alone(c);
    await_at(c, 0, 7, pos, CANDOR_ACK_MAJORITY);
    await_at(c, 1, 7, pos, CANDOR_ACK_MAJORITY);
    run_ms(c, 9000);
    assert_int_not_equal(c->hosts[0].finished, 7);
    run_ms(c, 1500);
    expect_end(&c->hosts[0], 7, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NO_MAJORITY,
               CANDOR_ACK_LOCAL);
    assert_int_equal(c->hosts[0].pos.seq, pos.seq);
    expect_end(&c->hosts[1], 7, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_BEHIND,
               CANDOR_ACK_NONE);
    c->hosts[0].cut = false;
    c->hosts[2].cut = true;
    run_ms(c, 1500);
    await_at(c, 0, 8, pos, CANDOR_ACK_ALL);
    run_ms(c, 10500);
    expect_end(&c->hosts[0], 8, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NO_MAJORITY,
               CANDOR_ACK_MAJORITY);
    cluster_free(c);
}

static void who_is_gone_waits_no_more(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    struct candor_pos pos = written_alone(c);
    await_at(c, 0, 7, pos, CANDOR_ACK_MAJORITY);
    await_at(c, 0, 8, pos, CANDOR_ACK_MAJORITY);
    deliver(c, 0, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = 7});
    assert_int_equal(c->hosts[0].finished, 7);
    assert_int_equal(c->hosts[0].code, CANDOR_CANCELLED);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    assert_int_equal(c->hosts[0].finished, 8);
    cluster_free(c);
}

/* What no write can have is refused where that is known, and waits for nothing. */
static void impossible_positions_are_refused(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    fail_over(c);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    struct core_view view = view_of(c, 1);
    struct candor_epoch own = view.epoch;
    struct candor_epoch stranger = {own.generation, own.term + 1, node_id_of("z")};
    struct candor_epoch far = {own.generation, own.term + 2 * LIMIT_EPOCH_STEP, own.owner};
    struct candor_epoch end = {LIMIT_EPOCH_END, own.term, own.owner};
    const struct {
        struct candor_pos pos;
        bool by_replicas; /* they know it, too */
    } cases[] = {
        {{own, view.last + 1}, false}, {{own, UINT64_C(1) << 61}, false}, {{own, 1}, true},
        {{stranger, view.last}, true}, {{far, view.last}, true},          {{end, view.last}, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int node = 1; node < NODES; node++) {
            uint64_t ticket = 100 + 2 * i + (uint64_t)node;
            await_at(c, node, ticket, cases[i].pos, CANDOR_ACK_MAJORITY);
            if (node == 1 || cases[i].by_replicas)
                expect_end(&c->hosts[node], ticket, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                           CANDOR_ACK_NONE);
            else
                assert_int_not_equal(c->hosts[node].finished, ticket);
        }
    /* of an epoch that may be: nobody knows yet */
    struct candor_pos next = {{own.generation, own.term + 1, own.owner}, view.last + 1};
    await_at(c, 1, 200, next, CANDOR_ACK_MAJORITY);
    assert_int_not_equal(c->hosts[1].finished, 200);
    run_ms(c, 10500);
    expect_end(&c->hosts[1], 200, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_SESSION_BEHIND,
               CANDOR_ACK_NONE);
    cluster_free(c);
}

/* Two copies of a primary's disk (R56): the token tells them apart. */
static void a_write_of_another_log_of_the_same_epoch_is_not_taken_for_this_one(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    struct core_view view = view_of(c, 0);
    for (uint64_t other = 0; other < 2; other++) {
        struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = 70 + other};
        event.wait.kind = CORE_WAIT_ACK;
        event.wait.ack = CANDOR_ACK_MAJORITY;
        event.wait.token = (struct candor_token){.pos = {view.epoch, view.applied},
                                                 .origin = view.applied_origin + other};
        event.wait.deadline_ns = c->now_ns + NS_PER_S;
        deliver(c, 0, &event);
        assert_int_equal(c->hosts[0].finished, 70 + other);
        assert_int_equal(c->hosts[0].reason,
                         other ? CANDOR_REASON_ROLLED_BACK : CANDOR_REASON_NONE);
    }
    cluster_free(c);
}

/* Each position asked for is looked at again only when its turn has come. */
static void many_wait_and_all_are_told(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[1].cut = c->hosts[2].cut = true;
    for (uint64_t i = 0; i < COUNT; i++)
        write_at(c, 0, 1000 + i, CANDOR_ACK_LOCAL);
    struct candor_pos last = c->hosts[0].pos;
    for (uint64_t i = 0; i < 2 * COUNT; i++) {
        struct candor_pos pos = {last.epoch, last.seq - i / 2};
        await_at(c, 0, 5000 + i, pos, i % 2 == 0 ? CANDOR_ACK_MAJORITY : CANDOR_ACK_ALL);
    }
    assert_true(c->hosts[0].finished < 5000);
    c->hosts[1].cut = false;
    run_ms(c, 1500);
    assert_true(c->hosts[0].finished >= 5000);
    assert_int_equal(c->hosts[0].finished % 2, 0); /* ALL waits for the last voter */
    c->hosts[2].cut = false;
    run_ms(c, 1500);
    assert_int_equal(c->hosts[0].finished % 2, 1);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    struct core_event one_more = {.type = CORE_EVENT_CANCEL, .ticket = 5000};
    uint64_t finished = c->hosts[0].finished;
    deliver(c, 0, &one_more); /* nobody is left */
    assert_int_equal(c->hosts[0].finished, finished);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_write_is_told_as_committed_when_it_is),
        cmocka_unit_test(what_is_committed_already_is_told_at_once),
        cmocka_unit_test(a_write_that_was_rolled_back_is_told_everywhere),
        cmocka_unit_test(a_write_of_before_a_failover_is_told_after_it),
        cmocka_unit_test(all_is_what_every_voter_has),
        cmocka_unit_test(who_waits_for_all_at_a_primary_is_sent_on_when_it_leads_no_more),
        cmocka_unit_test(at_the_deadline_it_is_told_how_far_it_has_come),
        cmocka_unit_test(who_is_gone_waits_no_more),
        cmocka_unit_test(impossible_positions_are_refused),
        cmocka_unit_test(a_write_of_another_log_of_the_same_epoch_is_not_taken_for_this_one),
        cmocka_unit_test(many_wait_and_all_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
