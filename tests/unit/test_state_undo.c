/* links: state record */
/* Taking records back (R12, I13): after restarts, after kills, and up to what is committed. */
#include "state_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The next batch is a function of its place: so any state can be told by its applied seq alone. */
static void put_next_batch(struct fixture *f, uint32_t records, struct buffer *out)
{
    struct rng rng;
    rng_seed(&rng, next_seq(f));
    struct batch_writer w = batch_next_of(f, out, RECORD_WRITE, epoch_of(1));
    for (uint32_t i = 0; i < records; i++) {
        char key[8];
        char value[600];
        snprintf(key, sizeof key, "k%d", (int)rng_below(&rng, 40));
        size_t length = 1 + rng_below(&rng, sizeof value - 1);
        memset(value, 'a' + (int)rng_below(&rng, 26), length);
        value[length - 1] = '\0';
        if (rng_below(&rng, 4) == 0)
            add_delete(&w, key);
        else
            add_put(&w, key, value);
    }
    batch_end(&w);
}

enum { RECORDS = 5 }; /* of a batch */

static void apply_next_batch(struct fixture *f, uint64_t commit)
{
    struct buffer bytes = {0};
    put_next_batch(f, RECORDS, &bytes);
    apply_bytes(f, buffer_slice(&bytes), commit);
    buffer_free(&bytes);
}

/* What a replay to `seq` gives: records alone, nothing ever taken back. */
static uint64_t digest_of_replay(uint64_t seq)
{
    struct fixture *f;
    fixture_setup((void **)&f);
    apply_epoch_start(f, 1, 1);
    while (next_seq(f) <= seq) {
        struct buffer bytes = {0};
        struct buffer head = {0};
        put_next_batch(f, RECORDS, &bytes);
        struct slice rest = buffer_slice(&bytes);
        struct batch batch;
        assert_int_equal(batch_decode(&rest, &batch, NULL), CANDOR_OK);
        if (batch_last_seq(&batch) > seq)
            batch_head(&batch, seq, &head);
        apply_bytes(f, head.length > 0 ? buffer_slice(&head) : buffer_slice(&bytes), 0);
        buffer_free(&bytes);
        buffer_free(&head);
    }
    uint64_t digest = digest_now(f->state);
    fixture_teardown((void **)&f);
    return digest;
}

static void reopen(struct fixture *f)
{
    state_close(f->state);
    f->state = NULL;
    fixture_open(f);
}

static void undo_goes_on_after_a_restart_in_its_middle(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    for (int i = 0; i < 20; i++)
        apply_next_batch(f, 0);
    bool done = false;
    int restarts = 0;
    while (!done) {
        assert_int_equal(state_undo(f->state, 33, 7, &done, NULL), CANDOR_OK);
        uint64_t seq = next_seq(f) - 1;
        if (digest_now(f->state) != digest_of_replay(seq))
            fail_msg("the state at %d is not what its log gives", (int)seq);
        reopen(f);
        assert_int_equal(next_seq(f) - 1, seq);
        restarts++;
    }
    assert_int_equal(next_seq(f), 34);
    assert_int_equal(restarts, 10); /* 68 records, 7 at a time */
}

static void undo_to_where_the_state_stands_does_nothing(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    struct state_position before;
    struct state_position after;
    state_position(f->state, &before);
    bool done = false;
    assert_int_equal(state_undo(f->state, 1, 5, &done, NULL), CANDOR_OK);
    assert_true(done);
    state_position(f->state, &after);
    assert_int_equal(before.rewinds, after.rewinds);
}

static void every_undo_is_counted(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_next_batch(f, 0);
    struct state_position before;
    struct state_position after;
    state_position(f->state, &before);
    undo_to(f, 5);
    apply_put(f, 1, "k", "another record at the same seq", 0);
    state_position(f->state, &after);
    assert_int_equal(before.applied.seq, after.applied.seq);
    assert_true(after.rewinds > before.rewinds);
}

/* ---- Commit ---------------------------------------------------------------------------------- */

static bool count_unknown(const struct record *record, uint32_t op_index,
                          const struct archive_op *op, void *closure)
{
    (void)record, (void)op_index;
    *(int *)closure += op->old == ARCHIVE_OLD_UNKNOWN;
    return true;
}

/* How many of the batch's ops have no pre-image any more, as an archive tells. */
static int pre_images_gone(struct fixture *f, struct slice batch)
{
    struct archive_writer *writer;
    struct archive_summary summary;
    int gone = 0;
    assert_int_equal(archive_begin(f->archives, epoch_of(2), &writer, NULL), CANDOR_OK);
    assert_int_equal(archive_add(writer, f->state, batch, NULL), CANDOR_OK);
    assert_int_equal(archive_finish(writer, &summary, NULL), CANDOR_OK);
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, count_unknown, &gone, NULL),
                     CANDOR_OK);
    return gone;
}

static void commit_drops_the_pre_images_below_it_and_no_others(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    struct buffer bytes = {0};
    put_next_batch(f, RECORDS, &bytes); /* 2..6 */
    apply_bytes(f, buffer_slice(&bytes), 0);
    assert_int_equal(pre_images_gone(f, buffer_slice(&bytes)), 0);
    assert_int_equal(state_commit(f->state, 4, NULL), CANDOR_OK);
    assert_int_equal(pre_images_gone(f, buffer_slice(&bytes)), 3); /* of 2, 3, 4 */
    buffer_free(&bytes);
    undo_to(f, 4);
    assert_true(digest_now(f->state) == digest_of_replay(4));
}

static void records_applied_as_committed_keep_no_pre_images(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    struct buffer bytes = {0};
    put_next_batch(f, RECORDS, &bytes);
    apply_bytes(f, buffer_slice(&bytes), 100); /* commit is known to be beyond */
    assert_int_equal(pre_images_gone(f, buffer_slice(&bytes)), RECORDS);
    buffer_free(&bytes);
    struct state_position position;
    state_position(f->state, &position);
    assert_int_equal(position.undo_floor, 6); /* never beyond what is applied */
    apply_next_batch(f, 0); /* 7..11; told of an older commit, as after a restart */
    state_position(f->state, &position);
    assert_int_equal(position.undo_floor, 6); /* never back */
    undo_to(f, 6);
    assert_true(digest_now(f->state) == digest_of_replay(6));
}

static void the_floor_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    apply_epoch_start(f, 1, 1);
    apply_next_batch(f, 0);
    assert_int_equal(state_commit(f->state, 4, NULL), CANDOR_OK);
    reopen(f);
    bool done;
    struct candor_error err = {0};
    assert_int_equal(state_undo(f->state, 3, 10, &done, &err), CANDOR_FAILED_PRECONDITION);
    assert_int_equal(err.reason, CANDOR_REASON_FORKED);
}

/* ---- Kills ----------------------------------------------------------------------------------- */

_Noreturn static void go_up_and_down_until_killed(struct fixture *f, uint64_t seed, int ready)
{
    struct rng rng;
    rng_seed(&rng, seed);
    fixture_open(f);
    if (next_seq(f) == 1)
        apply_epoch_start(f, 1, 1);
    for (uint64_t step = 0;; step++) {
        if (step == 20 + seed * 3)
            (void)!write(ready, "x", 1);
        /* Batches begin where a replay's do, so an undo ends there, too; in the middle of one it
         * may be killed. */
        uint64_t batches = (next_seq(f) - 2) / RECORDS;
        if (batches < 30 && (next_seq(f) - 2) % RECORDS == 0 && rng_below(&rng, 3) > 0) {
            apply_next_batch(f, 0);
            continue;
        }
        uint64_t to = 1 + rng_below(&rng, batches + 1) * RECORDS;
        bool done;
        if (state_undo(f->state, to, 1 + (uint32_t)rng_below(&rng, 4), &done, NULL) != CANDOR_OK)
            _exit(1);
    }
}

/* I13: wherever the process was killed, applying or taking back, the state is what its position
 * says. */
static void killed_process_leaves_what_a_replay_to_applied_gives(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    f->state = NULL;
    for (uint64_t round = 0; round < 15; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            go_up_and_down_until_killed(f, round, ready[1]);
        char byte;
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ready[0]);
        fixture_open(f);
        uint64_t seq = next_seq(f) - 1;
        if (digest_now(f->state) != digest_of_replay(seq))
            fail_msg("round %d: the state at %d is not what its log gives", (int)round, (int)seq);
        state_close(f->state);
        f->state = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(undo_goes_on_after_a_restart_in_its_middle),
        TEST(undo_to_where_the_state_stands_does_nothing),
        TEST(every_undo_is_counted),
        TEST(commit_drops_the_pre_images_below_it_and_no_others),
        TEST(records_applied_as_committed_keep_no_pre_images),
        TEST(the_floor_survives_a_restart),
        TEST(killed_process_leaves_what_a_replay_to_applied_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
