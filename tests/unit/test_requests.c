/* links: state record */
/* R46: what is known of requests follows from the log, is bounded, and goes back with the
 * records. */
#include "state_fixture.h"

static struct request_id id_of(uint64_t client, uint64_t number)
{
    struct request_id id = {.number = number};
    memcpy(id.client, &client, sizeof client);
    return id;
}

static struct slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

/* As a client's requests are: one content an id. */
static uint64_t digest_of(struct request_id id)
{
    return (id.number << 8 | id.client[0]) + UINT32_MAX;
}

static void add_request(struct batch_writer *w, struct request_id id, uint16_t part,
                        const char *result)
{
    struct record_op op = {.kind = RECORD_PUT, .key = text("k"), .value = text("v")};
    struct record_write write = {.ack = CANDOR_ACK_LOCAL,
                                 .wall_ms = 7,
                                 .request = id,
                                 .part = part,
                                 .result = text(result),
                                 .digest = digest_of(id)};
    batch_add_write(w, &write, &op, 1);
}

static void apply_request(struct fixture *f, struct request_id id, uint16_t part,
                          const char *result)
{
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    add_request(&w, id, part, result);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    buffer_free(&bytes);
}

static enum state_request_standing standing_of(struct fixture *f, struct request_id id)
{
    struct state_request request;
    struct state_view *view = state_view_begin(f->state);
    enum state_request_standing standing = state_view_request(view, &id, &request);
    state_view_end(view);
    return standing;
}

static void expect(struct fixture *f, struct request_id id, uint64_t first, uint64_t last,
                   uint32_t parts, const char *results)
{
    struct state_request request;
    struct state_view *view = state_view_begin(f->state);
    assert_int_equal(state_view_request(view, &id, &request), STATE_REQUEST_KNOWN);
    assert_int_equal(request.first.seq, first);
    assert_int_equal(request.last.seq, last);
    assert_int_equal(request.parts, parts);
    assert_int_equal(request.digest, digest_of(id));
    assert_true(slice_equal(request.results, text(results)));
    state_view_end(view);
}

static void an_executed_request_is_known_with_its_answer(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    assert_int_equal(standing_of(f, id_of(1, 1)), STATE_REQUEST_NEW);
    apply_request(f, id_of(1, 1), 0, "one");
    apply_request(f, id_of(2, 1), 0, "two");
    apply_request(f, id_of(1, 2), 0, "");
    expect(f, id_of(1, 1), 2, 2, 1, "one");
    expect(f, id_of(2, 1), 3, 3, 1, "two");
    expect(f, id_of(1, 2), 4, 4, 1, "");
    assert_int_equal(standing_of(f, id_of(2, 2)), STATE_REQUEST_NEW);
    assert_int_equal(standing_of(f, id_of(3, 1)), STATE_REQUEST_NEW);
}

static void its_positions_have_the_epochs_in_which_it_was_written(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_request(f, id_of(1, 1), 0, "a");
    apply_epoch_start(f, 4, 1);
    apply_request(f, id_of(1, 1), 1, "b"); /* a Batch that a failover cut in two */
    apply_epoch_start(f, 5, 1);
    struct state_request request;
    struct request_id id = id_of(1, 1);
    struct state_view *view = state_view_begin(f->state);
    assert_int_equal(state_view_request(view, &id, &request), STATE_REQUEST_KNOWN);
    assert_true(epoch_equal(request.first.epoch, epoch_of(1)));
    assert_true(epoch_equal(request.last.epoch, epoch_of(4)));
    assert_int_equal(request.first.seq, 2);
    assert_int_equal(request.last.seq, 4);
    assert_int_equal(request.parts, 2);
    state_view_end(view);
}

static void the_parts_of_a_batch_add_up_and_are_taken_back_one_by_one(void **state)
{
    struct fixture *f = *state;
    uint64_t digests[6];
    for (uint16_t part = 0; part < 5; part++) {
        digests[part] = digest_now(f->state);
        apply_request(f, id_of(1, 9), part, (const char *[]){"a", "", "bc", "d", "e"}[part]);
    }
    expect(f, id_of(1, 9), 1, 5, 5, "abcde");
    undo_to(f, 3);
    assert_int_equal(digest_now(f->state), digests[3]);
    expect(f, id_of(1, 9), 1, 3, 3, "abc");
    apply_request(f, id_of(1, 9), 3, "x");
    expect(f, id_of(1, 9), 1, 4, 4, "abcx");
    undo_to(f, 0);
    assert_int_equal(digest_now(f->state), digests[0]);
    assert_int_equal(standing_of(f, id_of(1, 9)), STATE_REQUEST_NEW);
}

/* One letter a part: their results, one behind the other. */
static void apply_parts(struct fixture *f, struct request_id id, uint16_t from, uint16_t to)
{
    for (uint16_t part = from; part < to; part++)
        apply_request(f, id, part, (char[]){(char)('a' + part % 26), '\0'});
}

static void a_large_batch_is_one_request_in_several_entries(void **state)
{
    enum { PARTS = 50 };
    struct fixture *f = *state;
    uint64_t digests[PARTS];
    char letters[PARTS + 1] = {0};
    apply_request(f, id_of(1, 8), 0, "before");
    apply_request(f, id_of(1, 10), 0, "behind");
    for (uint16_t part = 0; part < PARTS; part++) {
        digests[part] = digest_now(f->state);
        apply_parts(f, id_of(1, 9), part, part + 1);
        letters[part] = (char)('a' + part % 26);
        expect(f, id_of(1, 9), 3, 3u + part, part + 1u, letters);
    }
    expect(f, id_of(1, 8), 1, 1, 1, "before");
    expect(f, id_of(1, 10), 2, 2, 1, "behind");
    for (uint16_t part = PARTS; part-- > 1;) {
        undo_to(f, 2u + part);
        letters[part] = '\0';
        assert_int_equal(digest_now(f->state), digests[part]);
        expect(f, id_of(1, 9), 3, 2u + part, part, letters);
    }
}

/* No primary makes such records; what is left of the first must not become part of the second. */
static void an_id_that_is_used_again_has_nothing_of_the_first(void **state)
{
    struct fixture *f = *state;
    apply_parts(f, id_of(1, 9), 0, 40);
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    struct record_op op = {.kind = RECORD_PUT, .key = text("k"), .value = text("v")};
    struct record_write write = {
        .ack = CANDOR_ACK_LOCAL, .request = id_of(1, 9), .result = text("new"), .digest = 1};
    batch_add_write(&w, &write, &op, 1);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    buffer_free(&bytes);
    struct state_request request;
    struct request_id id = id_of(1, 9);
    struct state_view *view = state_view_begin(f->state);
    assert_int_equal(state_view_request(view, &id, &request), STATE_REQUEST_KNOWN);
    assert_int_equal(request.digest, 1);
    assert_int_equal(request.parts, 1);
    assert_true(slice_equal(request.results, text("new")));
    state_view_end(view);
}

static void what_has_no_request_id_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    apply_request(f, id_of(1, 0), 0, "r");
    assert_int_equal(standing_of(f, id_of(1, 1)), STATE_REQUEST_NEW);
}

static void a_client_has_its_newest_numbers_and_older_ones_are_too_old(void **state)
{
    struct fixture *f = *state;
    enum { LAST = LIMIT_REQUESTS_PER_CLIENT + 40 };
    apply_request(f, id_of(2, 1), 0, "other");
    /* one that made no record */
    for (uint64_t number = 1; number <= LAST; number++)
        if (number != LAST - 3)
            apply_request(f, id_of(1, number), 0, "r");
    /* Old ones are looked for once in a while only: the newest are known in any case, far older
     * ones never. */
    assert_int_equal(standing_of(f, id_of(1, LAST - LIMIT_REQUESTS_PER_CLIENT + 1)),
                     STATE_REQUEST_KNOWN);
    assert_int_equal(standing_of(f, id_of(1, 1)), STATE_REQUEST_TOO_OLD);
    assert_int_equal(standing_of(f, id_of(1, LAST)), STATE_REQUEST_KNOWN);
    assert_int_equal(standing_of(f, id_of(1, LAST - 3)), STATE_REQUEST_NEW);
    assert_int_equal(standing_of(f, id_of(1, LAST + 1)), STATE_REQUEST_NEW);
    assert_int_equal(standing_of(f, id_of(2, 1)), STATE_REQUEST_KNOWN);
    apply_request(f, id_of(1, LAST - 3), 0, "late"); /* out of order, within the window */
    assert_int_equal(standing_of(f, id_of(1, 41)), STATE_REQUEST_KNOWN);
    apply_request(f, id_of(1, UINT64_MAX), 0, "far");
    assert_int_equal(standing_of(f, id_of(1, LAST)), STATE_REQUEST_TOO_OLD);
    assert_int_equal(standing_of(f, id_of(1, UINT64_MAX)), STATE_REQUEST_KNOWN);
    assert_int_equal(standing_of(f, id_of(2, 1)), STATE_REQUEST_KNOWN);
}

/* Many in one batch: one transaction. Each client writes number 1. */
static void apply_clients(struct fixture *f, uint64_t from, uint64_t to)
{
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    for (uint64_t client = from; client < to; client++)
        add_request(&w, id_of(client, 1), 0, "r");
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    buffer_free(&bytes);
}

static void the_client_that_wrote_longest_ago_goes_first(void **state)
{
    struct fixture *f = *state;
    enum { FIRST = 1000, STEP = 20000 };
    apply_request(f, id_of(0, 0), 0, "");
    apply_request(f, id_of(1, 1), 0, "oldest");
    apply_request(f, id_of(2, 1), 0, "comes again");
    apply_request(f, id_of(3, 1), 0, "second oldest");
    for (uint64_t i = FIRST; i < FIRST + LIMIT_CLIENTS - 3; i += STEP) {
        uint64_t to = i + STEP;
        apply_clients(f, i, min_u64(to, FIRST + LIMIT_CLIENTS - 3));
    }
    apply_request(f, id_of(2, 2), 0, "again");
    assert_int_equal(standing_of(f, id_of(1, 1)), STATE_REQUEST_KNOWN);
    uint64_t before = next_seq(f) - 1;
    uint64_t digest = digest_now(f->state);

    apply_request(f, id_of(4, 1), 0, "one too many");
    assert_int_equal(standing_of(f, id_of(1, 1)), STATE_REQUEST_NEW);
    assert_int_equal(standing_of(f, id_of(3, 1)), STATE_REQUEST_KNOWN);
    apply_request(f, id_of(5, 1), 0, "and another");
    assert_int_equal(standing_of(f, id_of(3, 1)), STATE_REQUEST_NEW);
    assert_int_equal(standing_of(f, id_of(2, 1)), STATE_REQUEST_KNOWN);
    assert_int_equal(standing_of(f, id_of(2, 2)), STATE_REQUEST_KNOWN);

    undo_to(f, before);
    assert_int_equal(digest_now(f->state), digest);
    expect(f, id_of(1, 1), 2, 2, 1, "oldest");
}

/* ---- Groups ---------------------------------------------------------------------------------- */

struct group_fixture {
    struct state_group *group;
    struct buffer bytes;
    struct batch_writer batch;
};

static struct group_fixture group_begin(struct fixture *f)
{
    struct group_fixture g = {0};
    struct candor_error err = {0};
    if (state_group_begin(f->state, 0, &g.group, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    return g;
}

static void group_put(struct fixture *f, struct group_fixture *g, const char *key,
                      const char *value, struct request_id id)
{
    if (g->bytes.length == 0)
        g->batch = batch_next_of(f, &g->bytes, RECORD_WRITE, epoch_of(1));
    struct record_op op = {.kind = RECORD_PUT, .key = text(key), .value = text(value)};
    struct record_write write = {.ack = CANDOR_ACK_LOCAL, .request = id, .result = text("r")};
    batch_add_write(&g->batch, &write, &op, 1);
    struct record record;
    batch_newest(&g->batch, &record);
    state_group_apply(g->group, &record);
}

static void a_group_sees_its_own_effects_and_nobody_else_does_before_it_commits(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "old", 0);
    struct group_fixture g = group_begin(f);
    struct state_item item;
    struct state_request request;
    struct request_id id = id_of(1, 1);
    assert_true(state_group_get(g.group, text("k"), &item));
    assert_true(slice_equal(item.value, text("old")));
    assert_int_equal(state_group_request(g.group, &id, &request), STATE_REQUEST_NEW);
    group_put(f, &g, "k", "new", id);
    assert_true(state_group_get(g.group, text("k"), &item));
    assert_true(slice_equal(item.value, text("new")));
    assert_int_equal(item.version, 2);
    assert_int_equal(item.mod_seq, 2);
    assert_false(state_group_get(g.group, text("other"), &item));
    assert_int_equal(state_group_request(g.group, &id, &request), STATE_REQUEST_KNOWN);
    assert_int_equal(request.last.seq, 2);
    assert_value(f, "k", "old");
    assert_int_equal(standing_of(f, id), STATE_REQUEST_NEW);
    assert_int_equal(state_group_check(g.group, NULL), CANDOR_OK);
    assert_int_equal(state_group_commit(g.group, NULL), CANDOR_OK);
    assert_value(f, "k", "new");
    assert_int_equal(standing_of(f, id), STATE_REQUEST_KNOWN);
    buffer_free(&g.bytes);
}

static void an_aborted_group_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "old", 0);
    uint64_t digest = digest_now(f->state);
    struct group_fixture g = group_begin(f);
    group_put(f, &g, "k", "new", id_of(1, 1));
    state_group_abort(g.group);
    buffer_free(&g.bytes);
    assert_int_equal(digest_now(f->state), digest);
    assert_int_equal(next_seq(f), 2);
    apply_put(f, 1, "k", "next", 0); /* and the next transaction is not in its way */
    assert_value(f, "k", "next");
}

static void a_group_and_its_batch_applied_elsewhere_give_the_same_state(void **state)
{
    struct fixture *f = *state;
    struct fixture *replica;
    fixture_setup((void **)&replica);
    struct group_fixture g = group_begin(f);
    for (uint64_t i = 0; i < 50; i++)
        group_put(f, &g, i % 3 == 0 ? "a" : "b", "v", id_of(i % 5, i + 1));
    assert_int_equal(state_group_commit(g.group, NULL), CANDOR_OK);
    batch_end(&g.batch);
    apply_bytes(replica, buffer_slice(&g.bytes), 20);
    assert_int_equal(digest_now(f->state), digest_now(replica->state));
    buffer_free(&g.bytes);
    fixture_teardown((void **)&replica);
}

static void a_group_over_the_map_says_so_and_has_no_effect(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    f->map_bytes = 1u << 20;
    fixture_open(f);
    uint64_t digest = digest_now(f->state);
    char *value = calloc(1, 100001);
    memset(value, 'x', 100000);
    struct group_fixture g = group_begin(f);
    struct candor_error err = {0};
    struct state_item item;
    char key[8];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        group_put(f, &g, key, value, id_of(0, 0));
    }
    assert_int_equal(state_group_check(g.group, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_false(state_group_get(g.group, text("k0"), &item));
    assert_int_equal(state_group_commit(g.group, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "limits.state"));
    assert_int_equal(digest_now(f->state), digest);
    free(value);
    buffer_free(&g.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_executed_request_is_known_with_its_answer),
        TEST(its_positions_have_the_epochs_in_which_it_was_written),
        TEST(the_parts_of_a_batch_add_up_and_are_taken_back_one_by_one),
        TEST(a_large_batch_is_one_request_in_several_entries),
        TEST(an_id_that_is_used_again_has_nothing_of_the_first),
        TEST(what_has_no_request_id_leaves_no_trace),
        TEST(a_client_has_its_newest_numbers_and_older_ones_are_too_old),
        TEST(the_client_that_wrote_longest_ago_goes_first),
        TEST(a_group_sees_its_own_effects_and_nobody_else_does_before_it_commits),
        TEST(an_aborted_group_leaves_nothing),
        TEST(a_group_and_its_batch_applied_elsewhere_give_the_same_state),
        TEST(a_group_over_the_map_says_so_and_has_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
