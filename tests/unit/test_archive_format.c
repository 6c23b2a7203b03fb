/* links: state record */
/* What an archive file holds and how it is read back when it is large, alike another, or
 * damaged. */
#include "state_fixture.h"

#include <unistd.h>

static void archive_bytes(struct fixture *f, struct slice batches, struct archive_summary *summary)
{
    struct archive_writer *writer;
    struct candor_error err = {0};
    assert_int_equal(archive_begin(f->archives, epoch_of(2), &writer, &err), CANDOR_OK);
    assert_int_equal(archive_add(writer, f->state, batches, &err), CANDOR_OK);
    if (archive_finish(writer, summary, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

/* Applies one batch a value, all to the same key, and archives them. */
static void discard_values(struct fixture *f, const char *const *values, size_t count,
                           struct archive_summary *summary)
{
    struct buffer bytes = {0};
    struct state_position position;
    state_position(f->state, &position);
    for (size_t i = 0; i < count; i++) {
        struct chain before = chain_of(buffer_slice(&bytes), position.chain);
        struct batch_writer w =
            batch_begin(&bytes, RECORD_WRITE, epoch_of(1), position.applied.seq + 1 + i, before);
        add_put(&w, "k", values[i]);
        batch_end(&w);
    }
    apply_bytes(f, buffer_slice(&bytes), 0);
    archive_bytes(f, buffer_slice(&bytes), summary);
    buffer_free(&bytes);
}

static bool add_old_bytes(const struct record *record, uint32_t op_index,
                          const struct archive_op *op, void *closure)
{
    (void)record, (void)op_index;
    if (op->old == ARCHIVE_OLD_VALUE)
        *(uint64_t *)closure += op->old_value.length;
    return true;
}

static bool stop(const struct record *record, uint32_t op_index, const struct archive_op *op,
                 void *closure)
{
    (void)record, (void)op_index, (void)op;
    return ++*(int *)closure < 2;
}

/* A small batch may have overwritten far more than it holds (R40: old values, too). */
static void archive_keeps_old_values_of_any_total_size(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 50, VALUE_BYTES = 1 << 20 };
    char *value = malloc(VALUE_BYTES + 1);
    assert_non_null(value);
    memset(value, 'v', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    char key[8];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        apply_put(f, 1, key, value, 0);
    }
    free(value);
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        add_delete(&w, key);
    }
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    struct archive_summary summary;
    archive_bytes(f, buffer_slice(&bytes), &summary);
    buffer_free(&bytes);
    uint64_t old_bytes = 0;
    struct candor_error err = {0};
    if (archive_read(f->archives, summary.id, 0, NULL, add_old_bytes, &old_bytes, &err) !=
        CANDOR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(old_bytes, (uint64_t)KEYS * VALUE_BYTES);
}

/* I6: two rollbacks that begin and end alike, but discard different records, are two archives. */
static void archives_of_different_records_have_different_ids(void **state)
{
    struct fixture *f = *state;
    struct archive_summary first;
    struct archive_summary second;
    discard_values(f, (const char *const[]){"the same", "one branch"}, 2, &first);
    undo_to(f, 0);
    discard_values(f, (const char *const[]){"the same", "another branch"}, 2, &second);
    assert_string_not_equal(first.id, second.id);
    struct archive_summary *list;
    size_t count;
    assert_int_equal(archive_list(f->archives, &list, &count, NULL), CANDOR_OK);
    assert_int_equal(count, 2);
    free(list);
}

/* At every byte, the border between two frames included. */
static void archive_cut_short_is_told_of(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_values(f, (const char *const[]){"first frame", "second frame"}, 2, &summary);
    char path[256];
    snprintf(path, sizeof path, "%s/%s.archive", f->archives, summary.id);
    uint64_t sum = 0;
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, add_old_bytes, &sum, NULL),
                     CANDOR_OK);
    for (off_t length = (off_t)summary.bytes - 1; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        struct candor_error err = {0};
        enum candor_code code =
            archive_read(f->archives, summary.id, 0, NULL, add_old_bytes, &sum, &err);
        if (code != CANDOR_INTERNAL || strstr(err.message, summary.id) == NULL)
            fail_msg("cut to %d bytes: %s %s", (int)length, candor_code_name(code), err.message);
    }
}

static void reader_that_has_seen_enough_stops_the_reading(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    int calls = 0;
    discard_values(f, (const char *const[]){"1", "2", "3", "4"}, 4, &summary);
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, stop, &calls, NULL), CANDOR_OK);
    assert_int_equal(calls, 2);
}

static void aborted_archive_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct archive_writer *writer;
    assert_int_equal(archive_begin(f->archives, epoch_of(2), &writer, NULL), CANDOR_OK);
    archive_abort(writer);
    assert_int_equal(rmdir(f->archives), 0); /* it is empty */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(archive_keeps_old_values_of_any_total_size),
        TEST(archives_of_different_records_have_different_ids),
        TEST(archive_cut_short_is_told_of),
        TEST(reader_that_has_seen_enough_stops_the_reading),
        TEST(aborted_archive_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
