/* links: state record */
#include "state_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

/* The discarded tail of a history: put over an old value, put of a new key, delete, delete of
 * nothing. */
static void discard_some(struct fixture *f, struct archive_summary *summary)
{
    apply_epoch_start(f, 1, 1);
    apply_put(f, 1, "kept", "old", 0);
    apply_put(f, 1, "gone", "was here", 0);
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    add_put(&w, "kept", "new");
    add_put(&w, "fresh", "value");
    add_delete(&w, "gone");
    /* Not acknowledged with LOCAL. */
    struct record_op never = {.kind = RECORD_DELETE, .key = slice_of("never", 5)};
    batch_add_write(&w, &(struct record_write){.ack = CANDOR_ACK_MAJORITY, .wall_ms = 1}, &never,
                    1);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    struct archive_writer *writer;
    struct candor_error err = {0};
    assert_int_equal(archive_begin(f->archives, epoch_of(2), &writer, &err), CANDOR_OK);
    assert_int_equal(archive_add(writer, f->state, buffer_slice(&bytes), &err), CANDOR_OK);
    if (archive_finish(writer, summary, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    buffer_free(&bytes);
}

struct answers_given {
    char text[256];
};

static bool tell(const struct record *record, uint32_t op_index, const struct archive_op *op,
                 void *closure)
{
    struct answers_given *told = closure;
    size_t used = strlen(told->text);
    static const char *const olds[] = {"=", "absent", "unknown"};
    snprintf(told->text + used, sizeof told->text - used, "%d.%u %s %.*s %.*s %s%.*s|",
             (int)record->seq, op_index, op->op.kind == RECORD_PUT ? "put" : "delete",
             (int)op->op.key.length, (const char *)op->op.key.bytes, (int)op->op.value.length,
             (const char *)op->op.value.bytes, olds[op->old], (int)op->old_value.length,
             (const char *)op->old_value.bytes);
    return true;
}

static void archive_tells_what_was_discarded_and_what_it_replaced(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_some(f, &summary);
    assert_int_equal(summary.records, 4);
    assert_int_equal(summary.from.seq, 4);
    assert_int_equal(summary.to.seq, 7);
    undo_to(f, 3);
    assert_value(f, "kept", "old");
    assert_value(f, "gone", "was here");

    struct archive_summary *list;
    size_t count;
    assert_int_equal(archive_list(f->archives, &list, &count, NULL), CANDOR_OK);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].id, summary.id);
    assert_int_equal(list[0].records, 4);
    assert_int_equal(list[0].writes, 4);
    assert_int_equal(list[0].local, 3);
    assert_int_equal(list[0].superseded_by.term, 2);
    free(list);

    struct answers_given told = {0};
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, tell, &told, NULL), CANDOR_OK);
    assert_string_equal(told.text, "4.0 put kept new =old|5.0 put fresh value absent|"
                                   "6.0 delete gone  =was here|7.0 delete never  absent|");
    told.text[0] = '\0';
    assert_int_equal(archive_read(f->archives, summary.id, 7, NULL, tell, &told, NULL), CANDOR_OK);
    assert_string_equal(told.text, "7.0 delete never  absent|");
}

static bool replay(const struct record *record, uint32_t op_index, const struct archive_op *op,
                   void *closure)
{
    struct fixture *f = closure;
    (void)op_index;
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, record->epoch);
    struct record_write write = {.ack = record->ack,
                                 .wall_ms = record->wall_ms,
                                 .request = record->request,
                                 .result = record->result,
                                 .part = record->part};
    batch_add_write(&w, &write, &op->op, 1);
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);
    buffer_free(&bytes);
    return true;
}

/* I15 */
static void archive_replayed_onto_its_base_gives_the_discarded_state(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_some(f, &summary);
    uint64_t digest = digest_now(f->state);
    undo_to(f, 3);
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, replay, f, NULL), CANDOR_OK);
    assert_int_equal(digest_now(f->state), digest);
}

static void the_same_rollback_writes_the_same_archive_again(void **state)
{
    struct fixture *f = *state;
    struct archive_summary first;
    struct archive_summary second;
    discard_some(f, &first);
    undo_to(f, 0);
    discard_some(f, &second);
    assert_string_equal(first.id, second.id);
    struct archive_summary *list;
    size_t count;
    assert_int_equal(archive_list(f->archives, &list, &count, NULL), CANDOR_OK);
    assert_int_equal(count, 1);
    free(list);
}

static void hostile_ids_name_nothing(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_some(f, &summary);
    static const char *const ids[] = {"",
                                      "../state/current/data.mdb",
                                      "4-7",
                                      "4-7-zzzzzzzz",
                                      "4-7-00000000/../x",
                                      "rollback.new"};
    struct candor_error err;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(archive_drop(f->archives, ids[i], &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(archive_drop(f->archives, "4-9-00000000", &err), CANDOR_NOT_FOUND);
    assert_int_equal(archive_drop(f->archives, summary.id, &err), CANDOR_OK);
    struct archive_summary *list;
    size_t count;
    assert_int_equal(archive_list(f->archives, &list, &count, NULL), CANDOR_OK);
    assert_int_equal(count, 0);
}

static bool ignore(const struct record *record, uint32_t op_index, const struct archive_op *op,
                   void *closure)
{
    (void)record, (void)op_index, (void)op, (void)closure;
    return true;
}

static void damaged_archives_are_told_of_and_do_no_harm(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_some(f, &summary);
    char path[256];
    snprintf(path, sizeof path, "%s/%s.archive", f->archives, summary.id);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct rng rng;
    rng_seed(&rng, 3);
    for (off_t at = 0; at < st.st_size; at += 1 + (off_t)rng_below(&rng, 3)) {
        /* zeros behind the header's fields are covered below by its checksum */
        if (at >= 220 && at < 256)
            continue;
        FILE *file = fopen(path, "r+b");
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ (1 << rng_below(&rng, 8)), file);
        fclose(file);
        struct candor_error err;
        enum candor_code code = archive_read(f->archives, summary.id, 0, NULL, ignore, NULL, &err);
        if (code != CANDOR_INTERNAL)
            fail_msg("byte %d: %s", (int)at, candor_code_name(code));
        file = fopen(path, "r+b");
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fclose(file);
    }
    assert_int_equal(archive_read(f->archives, summary.id, 0, NULL, ignore, NULL, NULL), CANDOR_OK);
}

static void an_archive_without_its_header_is_listed_as_damaged(void **state)
{
    struct fixture *f = *state;
    struct archive_summary summary;
    discard_some(f, &summary);
    char path[256];
    snprintf(path, sizeof path, "%s/%s.archive", f->archives, summary.id);
    assert_int_equal(truncate(path, 100), 0);
    struct archive_summary *list;
    size_t count;
    struct candor_error err = {0};
    assert_int_equal(archive_list(f->archives, &list, &count, &err), CANDOR_OK);
    assert_int_equal(count, 1);
    assert_true(list[0].damaged);
    assert_string_equal(list[0].id, summary.id);
    assert_int_not_equal(archive_read(f->archives, list[0].id, 0, NULL, ignore, NULL, &err),
                         CANDOR_OK);
    assert_true(archive_is_damaged(&err));
    free(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(archive_tells_what_was_discarded_and_what_it_replaced),
        TEST(archive_replayed_onto_its_base_gives_the_discarded_state),
        TEST(the_same_rollback_writes_the_same_archive_again),
        TEST(hostile_ids_name_nothing),
        TEST(an_archive_without_its_header_is_listed_as_damaged),
        TEST(damaged_archives_are_told_of_and_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
