/* links: log record */
#include "log_fixture.h"

/* ---- append, read, reopen ---- */

static void a_new_log_is_empty_and_begins_at_one(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    assert_int_equal(log_first(f->log), 1);
    assert_int_equal(log_last(f->log), 0);
    assert_int_equal(log_bytes(f->log), 0);
    assert_int_equal(f->recovery.torn_bytes, 0);
    struct buffer out = {0};
    assert_int_equal(log_read(f->log, 1, UINT64_MAX, 100, &out, NULL), CANDOR_OK);
    assert_int_equal(out.length, 0);
    open_log(f);
    assert_holds(f->log, 1, 0);
}

static void the_directory_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/x", f->other);
    char deep[160];
    snprintf(deep, sizeof deep, "%s/y", dir);
    open_dir(f, deep);
    append(f->log, 1);
    close_log(f);
    remove_files(deep);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void what_was_appended_is_read_again_after_reopening(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 5, 3);
    assert_holds(f->log, 1, 15);
    uint64_t bytes = log_bytes(f->log);
    open_log(f);
    assert_int_equal(f->recovery.torn_bytes, 0);
    assert_holds(f->log, 1, 15);
    assert_int_equal(log_bytes(f->log), bytes);
    append(f->log, 2);
    open_log(f);
    assert_holds(f->log, 1, 17);
}

static void every_range_is_cut_to_what_was_asked_for(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 40, 3); /* over several segments */
    assert_true(segment_exists(f, 1));
    assert_false(segment_exists(f, 2));
    for (int opened = 0; opened < 2; opened++) {
        for (uint64_t from = 1; from <= 120; from += 1 + from / 10)
            for (uint64_t to = from; to <= 120; to += 1 + to / 9)
                assert_reads(f->log, from, to);
        open_log(f);
    }
}

static void reads_outside_the_log_are_out_of_range(void **state)
{
    struct fixture *f = *state;
    struct buffer out = {0};
    open_log(f);
    append_many(f->log, 2, 2);
    assert_int_equal(log_read(f->log, 0, 9, 100, &out, NULL), CANDOR_OUT_OF_RANGE);
    assert_int_equal(log_read(f->log, 6, 9, 100, &out, NULL), CANDOR_OUT_OF_RANGE);
    assert_int_equal(log_read(f->log, 5, 9, 100, &out, NULL), CANDOR_OK);
    assert_int_equal(log_read(f->log, 3, 2, 100, &out, NULL), CANDOR_OK);
    assert_int_equal(out.length, 0);
}

static void a_read_stops_at_its_bytes_but_gives_at_least_one_batch(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 4, 2);
    size_t one = (size_t)append_bytes(2) - SEGMENT_MARK_BYTES;
    static const struct {
        int quarters; /* of a batch */
        uint64_t last;
    } cases[] = {{0, 2}, {2, 2}, {4, 2}, {7, 2}, {8, 4}, {11, 4}, {100, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        size_t most = one * (size_t)cases[i].quarters / 4;
        assert_int_equal(log_read(f->log, 1, UINT64_MAX, most, &out, NULL), CANDOR_OK);
        assert_records(&out, 1, cases[i].last);
        buffer_free(&out);
    }
}

static void several_batches_in_one_append_are_read_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    open_log(f);
    put_batch(&bytes, f->log, 1, 1);
    put_batch(&bytes, f->log, 2, 3);
    put_batch(&bytes, f->log, 5, 2);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    assert_holds(f->log, 1, 6);
    assert_reads(f->log, 3, 5);
    open_log(f);
    assert_holds(f->log, 1, 6);
    struct buffer out = {0};
    assert_int_equal(log_read(f->log, 1, 9, SIZE_MAX, &out, NULL), CANDOR_OK);
    assert_int_equal(out.length, bytes.length); /* the very bytes that were appended */
    assert_memory_equal(out.bytes, bytes.bytes, bytes.length);
    buffer_free(&out);
    buffer_free(&bytes);
}

static void a_batch_larger_than_a_segment_gets_its_own(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    open_log(f);
    for (uint64_t seq = 1; seq <= 3; seq++) { /* the first one meets an empty segment */
        buffer_clear(&bytes);
        put_batch_sized(&bytes, behind(f->log, &bytes), 7, seq, 1, 100000 * (size_t)seq);
        assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    }
    append(f->log, 1);
    assert_holds(f->log, 1, 4);
    open_log(f);
    assert_holds(f->log, 1, 4);
    buffer_free(&bytes);
}

static void an_append_that_does_not_fit_the_log_is_refused(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    open_log(f);
    append(f->log, 3);
    static const struct {
        const char *what;
        uint64_t term;
        uint64_t first_seq;
        size_t cut;
    } cases[] = {
        {"a gap", 7, 5, 0},
        {"an overlap", 7, 3, 0},
        {"a lower epoch", 6, 4, 0},
        {"an incomplete batch", 7, 4, 1},
    };
    struct buffer other = {0};
    put_batch_sized(&other, (struct chain){1, 2}, 7, 4, 1, 10);
    assert_int_equal(log_append(f->log, buffer_slice(&other), &err), CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "follows other records"));
    buffer_free(&other);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer bytes = {0};
        put_batch_sized(&bytes, log_chain(f->log), cases[i].term, cases[i].first_seq, 1, 10);
        struct slice batches = slice_of(bytes.bytes, bytes.length - cases[i].cut);
        if (log_append(f->log, batches, &err) != CANDOR_INVALID_ARGUMENT)
            fail_msg("%s was taken", cases[i].what);
        buffer_free(&bytes);
    }
    append(f->log, 1); /* none of them broke it */
    open_log(f);
    assert_holds(f->log, 1, 4);
}

static void a_second_open_names_the_process_that_holds_the_log(void **state)
{
    struct fixture *f = *state;
    struct log_options options = options_for(f->dir);
    struct log *second = NULL;
    struct candor_error err;
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    open_log(f);
    assert_int_equal(log_open(&options, &second, NULL, &err), CANDOR_FAILED_PRECONDITION);
    assert_null(second);
    assert_non_null(strstr(err.message, pid));
    assert_non_null(strstr(err.message, f->dir));
    close_log(f);
    open_log(f);
}

static void the_modes_that_do_not_sync_append_and_reopen(void **state)
{
    struct fixture *f = *state;
    static const enum log_durability modes[] = {LOG_DURABLE_INTERVAL, LOG_DURABLE_OS};
    for (uint64_t i = 0; i < 2; i++) {
        struct log_options options = options_for(f->dir);
        options.durability = modes[i];
        close_log(f);
        assert_int_equal(log_open(&options, &f->log, NULL, NULL), CANDOR_OK);
        arm(f);
        append(f->log, 2);
        crash.armed = false;
        assert_int_equal(crash.points, 0); /* no sync, and one write that is not pwrite(2) */
        assert_int_equal(log_sync(f->log, NULL), CANDOR_OK);
        append_many(f->log, 49, 2);
        assert_holds(f->log, 1, 100 * (i + 1));
    }
}

static void always_means_one_sync_an_append(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f->log, 1);
    arm(f);
    append(f->log, 1);
    crash.armed = false;
    assert_int_equal(crash.points, 1);
    remove_files(crash.copies[0]);
    rmdir(crash.copies[0]);
}

/* ---- recovery ---- */

static void a_tail_torn_at_any_byte_is_cut_and_appending_goes_on(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    append_many(f->log, 3, 3);
    close_log(f);
    copy_dir(f->dir, f->other);
    segment_path(f->dir, 1, path);
    uint64_t before = SEGMENT_HEADER_BYTES + 2 * append_bytes(3);
    for (uint64_t at = before; at < before + append_bytes(3); at++) {
        copy_dir(f->other, f->dir);
        assert_int_equal(truncate(path, (off_t)at), 0);
        open_log(f);
        assert_int_equal(log_last(f->log), 6);
        assert_int_equal(f->recovery.torn_bytes > 0, at > before);
        if (at > before) {
            assert_int_equal(f->recovery.torn_offset, before);
            assert_string_equal(f->recovery.torn_segment, "00000000000000000001.log");
        }
        append(f->log, 2);
        assert_holds(f->log, 1, 8);
        open_log(f);
        assert_int_equal(f->recovery.torn_bytes, 0);
        assert_holds(f->log, 1, 8);
        close_log(f);
    }
}

/* As a disk does that keeps some blocks of a write and not others: the file keeps its length. */
static void a_tail_with_zeroed_bytes_is_cut(void **state)
{
    struct fixture *f = *state;
    char path[128];
    static const uint8_t zeros[16];
    uint8_t was[16];
    open_log(f);
    append_many(f->log, 3, 3);
    close_log(f);
    copy_dir(f->dir, f->other);
    segment_path(f->dir, 1, path);
    uint64_t before = SEGMENT_HEADER_BYTES + 2 * append_bytes(3);
    for (uint64_t at = 0; at < append_bytes(3) - 16; at += 7) {
        copy_dir(f->other, f->dir);
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, was, 16, (off_t)(before + at)), 16);
        assert_int_equal(pwrite(fd, zeros, 16, (off_t)(before + at)), 16);
        close(fd);
        /* nothing was lost */
        if (memcmp(was, zeros, 16) == 0)
            continue;
        open_log(f);
        assert_int_equal(log_last(f->log), 6);
        append(f->log, 1);
        open_log(f);
        assert_holds(f->log, 1, 7);
        close_log(f);
    }
}

static void a_torn_append_of_several_batches_is_cut_though_its_last_batch_is_whole(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    open_log(f);
    append(f->log, 2);
    put_batch(&bytes, f->log, 3, 2);
    uint64_t first_length = bytes.length;
    put_batch(&bytes, f->log, 5, 2);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    close_log(f);
    uint64_t at = SEGMENT_HEADER_BYTES + append_bytes(2) + SEGMENT_MARK_BYTES;
    flip_bit(f, 1, at + first_length - 1);
    open_log(f);
    assert_holds(f->log, 1, 2);
    assert_int_equal(f->recovery.torn_offset, SEGMENT_HEADER_BYTES + append_bytes(2));
    /* Nothing of it comes back behind what is written now. */
    append(f->log, 2);
    open_log(f);
    assert_holds(f->log, 1, 4);
    buffer_free(&bytes);
}

static void unsynced_appends_that_the_disk_kept_in_part_are_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    struct log_options options = options_for(f->dir);
    options.durability = LOG_DURABLE_INTERVAL;
    assert_int_equal(log_open(&options, &f->log, NULL, NULL), CANDOR_OK);
    append_many(f->log, 2, 2);
    assert_int_equal(log_sync(f->log, NULL), CANDOR_OK);
    append_many(f->log, 3, 2);
    close_log(f);
    copy_dir(f->dir, f->other);

    flip_bit(f, 1, SEGMENT_HEADER_BYTES + 2 * append_bytes(2) + 100);
    open_log(f);
    assert_holds(f->log, 1, 4);
    close_log(f);

    /* But what was synced may not be lost: a later mark knows of it. */
    copy_dir(f->other, f->dir);
    flip_bit(f, 1, SEGMENT_HEADER_BYTES + append_bytes(2) + 100);
    struct candor_error err;
    assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);
}

static void a_flipped_bit_before_the_last_append_is_data_loss_that_names_the_place(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 4, 2);
    close_log(f);
    copy_dir(f->dir, f->other);
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t begin = SEGMENT_HEADER_BYTES + i * append_bytes(2);
        for (uint64_t at = begin; at < begin + append_bytes(2); at += 9) {
            struct candor_error err = {0};
            char offset[64];
            copy_dir(f->other, f->dir);
            flip_bit(f, 1, at);
            enum candor_code code = try_open(f, f->dir, &err);
            if (code != CANDOR_DATA_LOSS)
                fail_msg("flipped at %" PRIu64 ": %s", at, candor_code_name(code));
            snprintf(offset, sizeof offset, "offset %" PRIu64 ":", begin);
            assert_non_null(strstr(err.message, "00000000000000000001.log"));
            assert_non_null(strstr(err.message, offset));
            assert_non_null(strstr(err.message, "not a torn tail"));
            assert_non_null(strstr(err.message, "from a backup"));
        }
    }
}

static void a_flipped_bit_in_the_last_append_is_cut(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 4, 2);
    close_log(f);
    copy_dir(f->dir, f->other);
    uint64_t begin = SEGMENT_HEADER_BYTES + 3 * append_bytes(2);
    for (uint64_t at = begin; at < begin + append_bytes(2); at += 5) {
        copy_dir(f->other, f->dir);
        flip_bit(f, 1, at);
        open_log(f);
        assert_int_equal(f->recovery.torn_bytes, append_bytes(2));
        assert_holds(f->log, 1, 6);
        close_log(f);
    }
}

/* A value may hold the bytes of a mark of another file: it proves nothing. */
static void a_client_cannot_make_a_torn_tail_look_like_damage(void **state)
{
    struct fixture *f = *state;
    struct segment forged = {.salt = 0x1234567};
    uint8_t mark[SEGMENT_MARK_BYTES];
    segment_put_mark(mark, &forged, UINT64_MAX, 1);
    open_log(f);
    append(f->log, 1);
    struct buffer bytes = {0};
    struct batch_writer writer =
        batch_begin(&bytes, RECORD_WRITE, epoch_of(7), 2, log_chain(f->log));
    struct record_op op = {
        .kind = RECORD_PUT, .key = slice_of("k", 1), .value = slice_of(mark, sizeof mark)};
    struct record_write write = {.ack = CANDOR_ACK_LOCAL, .wall_ms = 1, .request = {.number = 2}};
    batch_add_write(&writer, &write, &op, 1);
    batch_end(&writer);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    buffer_free(&bytes);
    close_log(f);
    flip_bit(f, 1, SEGMENT_HEADER_BYTES + append_bytes(1) + SEGMENT_MARK_BYTES + 20);
    open_log(f);
    assert_holds(f->log, 1, 1);
}

static void damage_in_an_older_segment_is_told_by_read_and_verify(void **state)
{
    struct fixture *f = *state;
    struct buffer out = {0};
    struct candor_error err = {0};
    open_log(f);
    append_many(f->log, 60, 2);
    close_log(f);
    flip_bit(f, 1, SEGMENT_HEADER_BYTES + 3 * append_bytes(2) + 50);
    open_log(f); /* only the newest segment is scanned */
    assert_reads(f->log, 1, 6);
    assert_reads(f->log, 100, 120);
    assert_int_equal(log_read(f->log, 7, 8, SIZE_MAX, &out, &err), CANDOR_DATA_LOSS);
    assert_int_equal(out.length, 0);
    char offset[64];
    snprintf(offset, sizeof offset, "offset %" PRIu64 ":",
             SEGMENT_HEADER_BYTES + 3 * append_bytes(2));
    assert_non_null(strstr(err.message, offset));
    assert_non_null(strstr(err.message, "00000000000000000001.log"));
    assert_int_equal(log_verify(f->log, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, offset));
    buffer_free(&out);
}

/* The first_seq of the n-th segment file, 0 when there are fewer. */
static uint64_t nth_segment(const struct fixture *f, int n)
{
    for (uint64_t seq = 1; seq < 2000; seq++)
        if (segment_exists(f, seq) && n-- == 0)
            return seq;
    return 0;
}

/* Damage whose only proof lies across two of the pieces in which the file is looked at. */
static void the_mark_that_proves_damage_is_found_wherever_it_lies(void **state)
{
    struct fixture *f = *state;
    f->segment_bytes = 4u << 20;
    for (uint64_t before = 1; before < SEGMENT_MARK_BYTES; before += 6) {
        struct buffer bytes = {0};
        struct candor_error err = {0};
        remove_files(f->dir);
        open_log(f);
        uint64_t overhead = append_bytes(1) - 10;
        put_batch_sized(&bytes, behind(f->log, &bytes), 7, 1, 1, (1u << 20) - before - overhead);
        assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
        append(f->log, 1);
        close_log(f);
        flip_bit(f, 1, SEGMENT_HEADER_BYTES + 500);
        assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);
        buffer_free(&bytes);
    }
}

static void write_at(const struct fixture *f, uint64_t at, struct slice bytes)
{
    char path[128];
    segment_path(f->dir, 1, path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, bytes.bytes, bytes.length, (off_t)at), bytes.length);
    close(fd);
}

/* Whole batches that do not follow the record before them are no part of the log. */
static void a_valid_batch_of_another_place_or_epoch_is_not_taken(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t term;
        uint64_t first_seq;
        bool other_records; /* R55 */
    } cases[] = {{7, 1, false}, {7, 4, false}, {7, 6, false}, {6, 5, false}, {7, 5, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer bytes = {0};
        remove_files(f->dir);
        open_log(f);
        append_many(f->log, 2, 2);
        struct chain before = log_chain(f->log);
        before.low += cases[i].other_records;
        close_log(f);
        put_batch_sized(&bytes, before, cases[i].term, cases[i].first_seq, 1, 10);
        write_at(f, SEGMENT_HEADER_BYTES + 2 * append_bytes(2), buffer_slice(&bytes));
        open_log(f);
        assert_int_equal(f->recovery.torn_bytes, bytes.length);
        assert_holds(f->log, 1, 4);
        close_log(f);
        buffer_free(&bytes);
    }
}

static bool append_more(void *closure)
{
    struct log *log = closure;
    struct buffer bytes = {0};
    if (log_last(log) < 6) {
        put_batch_sized(&bytes, log_chain(log), 9, log_last(log) + 1, 1, 10);
        assert_int_equal(log_append(log, buffer_slice(&bytes), NULL), CANDOR_OK);
    }
    buffer_free(&bytes);
    return true;
}

/* The newest segment is read once more when it has grown: from its first epoch on. */
static void a_scrub_beside_appends_of_a_new_epoch_finds_nothing(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct buffer bytes = {0};
    open_log(f);
    append(f->log, 2);
    put_batch_sized(&bytes, log_chain(f->log), 9, 3, 1, 10);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    buffer_free(&bytes);
    if (log_scrub(f->log, append_more, f->log, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(log_last(f->log), 6);
}

/* ---- the chain (R55) ---- */

/* Of each record, reckoned from the log's bytes alone. */
static void note_chains(struct log *log, struct chain before, struct chain out[])
{
    struct buffer bytes = {0};
    uint64_t seq = log_first(log);
    assert_int_equal(log_read(log, seq, log_last(log), SIZE_MAX, &bytes, NULL), CANDOR_OK);
    struct slice rest = buffer_slice(&bytes);
    out[seq - 1] = before;
    while (rest.length > 0) {
        struct batch batch;
        size_t cursor = 0;
        struct record record;
        assert_int_equal(batch_decode(&rest, &batch, NULL), CANDOR_OK);
        while (batch_next(&batch, &cursor, &record)) {
            out[seq] = record_chain(out[seq - 1], &record);
            seq++;
        }
    }
    buffer_free(&bytes);
}

static void assert_chains(struct log *log, const struct chain chains[])
{
    struct chain chain;
    for (uint64_t seq = log_first(log) - 1; seq <= log_last(log); seq++) {
        assert_int_equal(log_chain_at(log, seq, &chain, NULL), CANDOR_OK);
        assert_true(chain_equal(chain, chains[seq]));
    }
    assert_true(chain_equal(log_chain(log), chains[log_last(log)]));
    assert_int_equal(log_chain_at(log, log_last(log) + 1, &chain, NULL), CANDOR_OUT_OF_RANGE);
}

static void the_chain_is_known_at_every_record(void **state)
{
    enum { RECORDS = 120 };
    struct fixture *f = *state;
    struct chain chains[RECORDS + 1];
    struct chain chain;
    open_log(f);
    append_many(f->log, RECORDS / 3, 3); /* over several segments */
    note_chains(f->log, (struct chain){0}, chains);
    assert_chains(f->log, chains);
    open_log(f);
    assert_chains(f->log, chains);
    assert_int_equal(log_truncate(f->log, 50, NULL), CANDOR_OK); /* inside a batch */
    assert_chains(f->log, chains);
    assert_int_equal(log_trim(f->log, 45, NULL), CANDOR_OK);
    assert_true(log_first(f->log) > 1);
    assert_int_equal(log_chain_at(f->log, log_first(f->log) - 2, &chain, NULL),
                     CANDOR_OUT_OF_RANGE);
    assert_chains(f->log, chains);
    uint64_t first = log_first(f->log);
    assert_int_equal(log_truncate(f->log, first - 1, NULL), CANDOR_OK); /* nothing is left */
    assert_chains(f->log, chains);
    open_log(f);
    assert_chains(f->log, chains);
    append(f->log, 2);
    assert_holds(f->log, first, first + 1);
}

static void the_chain_where_a_segment_ends_is_known_even_if_the_record_rotted(void **state)
{
    struct fixture *f = *state;
    struct chain chains[121];
    struct chain chain;
    open_log(f);
    append_many(f->log, 60, 2);
    note_chains(f->log, (struct chain){0}, chains);
    uint64_t second = nth_segment(f, 1);
    uint64_t last_append = second / 2 - 1;
    close_log(f);
    flip_bit(f, 1, SEGMENT_HEADER_BYTES + (last_append - 1) * append_bytes(2) + 50);
    open_log(f);
    assert_int_equal(log_segment_end(f->log, 1), second - 1);
    assert_int_equal(log_segment_end(f->log, second - 1), second - 1);
    assert_int_equal(log_segment_end(f->log, 120), 120);
    assert_int_equal(log_chain_at(f->log, second - 2, &chain, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_chain_at(f->log, second - 1, &chain, NULL), CANDOR_OK);
    assert_true(chain_equal(chain, chains[second - 1]));
    uint64_t newest = 0;
    for (int n = 0; nth_segment(f, n) != 0; n++)
        newest = nth_segment(f, n);
    flip_bit(f, newest, SEGMENT_HEADER_BYTES + (120 - newest) / 2 * append_bytes(2) + 50);
    assert_int_equal(log_chain_at(f->log, 119, &chain, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_chain_at(f->log, 120, &chain, NULL), CANDOR_OK);
    assert_true(chain_equal(chain, chains[120]));
}

/* A whole segment of another log, with sound checksums, in the place of this one's: a file that was
 * put back, or swapped. */
static void a_segment_of_another_log_is_found(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    char from[128];
    char to[128];
    open_log(f);
    append_many(f->log, 60, 2);
    uint64_t second = nth_segment(f, 1);
    close_log(f);
    copy_dir(f->dir, f->other);
    remove_files(f->dir);
    open_log(f);
    append_epoch(f->log, 8, 60); /* as long, byte for byte */
    close_log(f);
    segment_path(f->other, second, from);
    segment_path(f->dir, second, to);
    assert_int_equal(rename(from, to), 0);
    open_log(f);
    assert_int_equal(log_verify(f->log, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "other records"));
}

static void append_sized(struct log *log, size_t value_bytes)
{
    struct buffer bytes = {0};
    put_batch_sized(&bytes, log_chain(log), 7, log_last(log) + 1, 1, value_bytes);
    assert_int_equal(log_append(log, buffer_slice(&bytes), NULL), CANDOR_OK);
    buffer_free(&bytes);
}

static void assert_every_seq_reads(struct log *log)
{
    for (uint64_t seq = log_first(log); seq <= log_last(log); seq += 1 + seq % 3)
        assert_reads(log, seq, min_u64(seq + 2, log_last(log)));
}

/* Segments of many index strides: written, cut, written differently, reopened, read out of
 * order. */
static void every_record_is_found_in_large_segments(void **state)
{
    struct fixture *f = *state;
    f->segment_bytes = 1u << 20;
    open_log(f);
    for (int i = 0; i < 250; i++)
        append_sized(f->log, 9000);
    assert_every_seq_reads(f->log);
    assert_int_equal(log_truncate(f->log, 40, NULL), CANDOR_OK);
    assert_every_seq_reads(f->log);
    for (int i = 0; i < 300; i++)
        append_sized(f->log, 7001);
    assert_every_seq_reads(f->log);
    open_log(f);
    assert_reads(f->log, 339, 340);
    assert_every_seq_reads(f->log);
    assert_int_equal(log_truncate(f->log, 77, NULL),
                     CANDOR_OK); /* a segment that only readers indexed */
    for (int i = 0; i < 100; i++)
        append_sized(f->log, 5003);
    assert_every_seq_reads(f->log);
    assert_holds(f->log, 1, 177);
}

static void a_read_costs_what_it_returns_and_not_its_segment(void **state)
{
    struct fixture *f = *state;
    f->segment_bytes = 4u << 20;
    open_log(f);
    for (int i = 0; i < 700; i++)
        append_sized(f->log, 5000);
    for (int opened = 0; opened < 2; opened++) {
        static const uint64_t back[] = {0, 1, 10, 350, 698};
        for (size_t i = 0; i < sizeof back / sizeof back[0]; i++) {
            atomic_store(&bytes_read, 0);
            assert_reads(f->log, 700 - back[i], 700 - back[i]);
            /* A stride before it, and the piece of the file that it lies in. */
            assert_true(atomic_load(&bytes_read) <= 3 * (64u << 10));
        }
        open_log(f);
    }
}

/* As a replica writes what it fetched: one append of far more than an index stride. */
static void every_record_is_found_in_a_large_append(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    f->segment_bytes = 4u << 20;
    open_log(f);
    for (uint64_t seq = 1; seq <= 300; seq++)
        put_batch_sized(&bytes, behind(f->log, &bytes), 7, seq, 1, 4000);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    assert_every_seq_reads(f->log);
    open_log(f);
    assert_every_seq_reads(f->log);
    buffer_free(&bytes);
}

static void a_missing_or_shortened_older_segment_is_data_loss(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    append_many(f->log, 80, 2);
    close_log(f);
    copy_dir(f->dir, f->other);
    uint64_t middle = nth_segment(f, 1);
    assert_true(nth_segment(f, 2) != 0);
    segment_path(f->dir, middle, path);

    struct candor_error err = {0};
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "is missing"));
    assert_non_null(strstr(err.message, strrchr(path, '/') + 1));

    copy_dir(f->other, f->dir);
    assert_int_equal(truncate(path, SEGMENT_HEADER_BYTES + 100), 0);
    assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, strrchr(path, '/') + 1));

    copy_dir(f->other, f->dir);
    flip_bit(f, middle, 30); /* in its header */
    assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);

    copy_dir(f->other, f->dir);
    open_log(f);
    assert_holds(f->log, 1, 160);
}

static void a_crash_while_rolling_over_loses_nothing(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    /* until the second segment has one append */
    while (!segment_exists(f, log_last(f->log) + 1 - 2) || log_last(f->log) < 4)
        append(f->log, 2);
    uint64_t per_segment = log_last(f->log) - 2;
    /* the second one is full */
    while (log_last(f->log) < 2 * per_segment)
        append(f->log, 2);
    uint64_t last = log_last(f->log);
    arm(f);
    append(f->log, 2);
    disarm();
    assert_true(segment_exists(f, last + 1));
    assert_true(crash.points > 5);
    assert_crashes_leave(f, (uint64_t[]){1, last}, (uint64_t[]){1, last + 2});
}

/* ---- truncate, reset, trim ---- */

static void truncated_logs_end_where_they_were_told_to(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 40, 3);
    close_log(f);
    copy_dir(f->dir, f->other);
    for (uint64_t to = 0; to <= 121; to += to < 10 ? 1 : 7) {
        copy_dir(f->other, f->dir);
        open_log(f);
        uint64_t last = to < 120 ? to : 120;
        assert_int_equal(log_truncate(f->log, to, NULL), CANDOR_OK);
        assert_holds(f->log, 1, last);
        append(f->log, 2);
        assert_holds(f->log, 1, last + 2);
        append_many(f->log, 30, 2); /* into segments that were there before */
        open_log(f);
        assert_int_equal(f->recovery.torn_bytes, 0);
        assert_holds(f->log, 1, last + 62);
        close_log(f);
    }
}

static void what_was_truncated_never_comes_back(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    append_many(f->log, 10, 2);
    assert_int_equal(log_truncate(f->log, 4, NULL), CANDOR_OK);
    append(f->log, 2);
    close_log(f);
    /* Tear the only append behind the truncation: old batches, were they still there, would look
     * like damage. */
    segment_path(f->dir, 1, path);
    flip_bit(f, 1, SEGMENT_HEADER_BYTES + 2 * append_bytes(2) + 60);
    open_log(f);
    assert_holds(f->log, 1, 4);
}

static void a_truncation_may_go_back_to_an_older_epoch_and_on_with_a_newer(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    open_log(f);
    append(f->log, 4);
    put_batch_sized(&bytes, behind(f->log, &bytes), 9, 5, 4, 10);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    assert_int_equal(log_truncate(f->log, 4, NULL), CANDOR_OK);
    buffer_clear(&bytes);
    put_batch_sized(&bytes, behind(f->log, &bytes), 8, 5, 1, 10);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    buffer_clear(&bytes);
    put_batch_sized(&bytes, behind(f->log, &bytes), 7, 6, 1, 10);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_INVALID_ARGUMENT);
    open_log(f);
    assert_holds(f->log, 1, 5);
    buffer_free(&bytes);
}

static void a_crash_in_a_truncation_leaves_the_old_end_or_the_new(void **state)
{
    struct fixture *f = *state;
    static const uint64_t targets[] = {0, 1, 3, 50, 51, 119}; /* inside batches and between */
    open_log(f);
    append_many(f->log, 40, 3);
    close_log(f);
    copy_dir(f->dir, f->other);
    uint64_t boundary = nth_segment(f, 1) - 1;
    for (size_t i = 0; i <= sizeof targets / sizeof targets[0]; i++) {
        uint64_t to = i == 0 ? boundary : targets[i - 1];
        copy_dir(f->other, f->dir);
        open_log(f);
        arm(f);
        assert_int_equal(log_truncate(f->log, to, NULL), CANDOR_OK);
        disarm();
        close_log(f);
        assert_true(crash.points > 5);
        assert_crashes_leave(f, (uint64_t[]){1, 120}, (uint64_t[]){1, to});
    }
}

static void a_crash_in_a_reset_leaves_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 40, 3);
    uint64_t second = nth_segment(f, 1); /* a name that is already there */
    arm(f);
    assert_int_equal(log_reset(f->log, second, of_snapshot, NULL), CANDOR_OK);
    disarm();
    assert_holds(f->log, second, second - 1);
    close_log(f);
    assert_crashes_leave(f, (uint64_t[]){1, 120}, (uint64_t[]){second, second - 1});
}

static void a_reset_log_goes_on_behind_the_snapshot(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    open_log(f);
    append_many(f->log, 40, 3);
    assert_int_equal(log_reset(f->log, 1001, of_snapshot, NULL), CANDOR_OK);
    assert_int_equal(log_bytes(f->log), 0);
    open_log(f);
    assert_holds(f->log, 1001, 1000);
    assert_true(chain_equal(log_chain(f->log), of_snapshot));
    put_batch_sized(&bytes, behind(f->log, &bytes), 1, 1001, 2,
                    10); /* an epoch below the discarded ones is no concern of it */
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    open_log(f);
    assert_holds(f->log, 1001, 1002);
    buffer_free(&bytes);
}

static void trimming_gives_back_whole_segments_and_keeps_the_newest(void **state)
{
    struct fixture *f = *state;
    struct buffer out = {0};
    open_log(f);
    append_many(f->log, 80, 2);
    uint64_t second = nth_segment(f, 1);
    uint64_t third = nth_segment(f, 2);
    uint64_t bytes = log_bytes(f->log);
    assert_int_equal(log_trim(f->log, second - 2, NULL), CANDOR_OK);
    assert_holds(f->log, 1, 160);
    assert_int_equal(log_trim(f->log, third - 2, NULL), CANDOR_OK);
    assert_holds(f->log, second, 160);
    assert_true(log_bytes(f->log) < bytes);
    assert_int_equal(log_read(f->log, second - 1, 160, 1, &out, NULL), CANDOR_OUT_OF_RANGE);
    assert_int_equal(log_truncate(f->log, second - 2, NULL), CANDOR_OUT_OF_RANGE);
    open_log(f);
    assert_holds(f->log, second, 160);
    assert_int_equal(log_trim(f->log, UINT64_MAX, NULL), CANDOR_OK);
    uint64_t newest = log_first(f->log);
    assert_holds(f->log, newest, 160);
    assert_int_equal(nth_segment(f, 0), newest);
    append(f->log, 2);
    open_log(f);
    assert_holds(f->log, newest, 162);
    assert_int_equal(log_truncate(f->log, newest - 1, NULL), CANDOR_OK);
    assert_holds(f->log, newest, newest - 1);
}

static void a_crash_in_a_trim_leaves_no_gap(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_many(f->log, 80, 2);
    arm(f);
    assert_int_equal(log_trim(f->log, UINT64_MAX, NULL), CANDOR_OK);
    disarm();
    close_log(f);
    for (uint32_t i = 0; i < crash.points; i++) {
        open_dir(f, crash.copies[i]);
        assert_holds(f->log, log_first(f->log), 160);
        close_log(f);
        remove_files(crash.copies[i]);
        rmdir(crash.copies[i]);
    }
}

/* ---- faults ---- */

static void a_full_disk_at_any_byte_leaves_the_log_as_before(void **state)
{
    struct fixture *f = *state;
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG};
    uint64_t last = 4;
    open_log(f);
    append_many(f->log, 2, 2);
    for (uint64_t at = 0; at < append_bytes(2); at += 3) {
        struct candor_error err = {0};
        log_inject_fault(f->log, at, errors[at % 3], false);
        assert_int_equal(try_append(f->log, 2, &err), CANDOR_RESOURCE_EXHAUSTED);
        assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
        log_inject_fault(f->log, 0, 0, false);
        assert_holds(f->log, 1, last);
        open_log(f);
        assert_int_equal(f->recovery.torn_bytes, 0); /* nothing half written is left */
        assert_holds(f->log, 1, last);
        append(f->log, 1);
        last++;
    }
}

static void a_full_disk_when_a_segment_is_wanted_leaves_the_log_as_before(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    open_log(f);
    append(f->log, 2);
    struct buffer bytes = {0};
    put_batch_sized(&bytes, behind(f->log, &bytes), 7, 3, 1, 2 * SMALL_SEGMENT);
    log_inject_fault(f->log, 0, ENOSPC, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(log_append(f->log, buffer_slice(&bytes), &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_holds(f->log, 1, 2);
    log_inject_fault(f->log, 0, 0, false);
    append(f->log, 2);
    open_log(f);
    assert_holds(f->log, 1, 4);
    buffer_free(&bytes);
}

static void a_cut_on_a_full_disk_waits_but_for_the_newest_append_that_needs_no_room(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    open_log(f);
    append_many(f->log, 4, 2);
    log_inject_fault(f->log, 0, ENOSPC, false);
    assert_int_equal(log_truncate(f->log, 6, &err), CANDOR_OK);
    assert_holds(f->log, 1, 6);
    assert_int_equal(log_faults_met(f->log), 0);
    assert_int_equal(log_truncate(f->log, 4, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_int_equal(log_reset(f->log, 20, of_snapshot, &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(log_faults_met(f->log), 2);
    assert_holds(f->log, 1, 6);
    open_log(f);
    assert_int_equal(f->recovery.torn_bytes, 0);
    assert_holds(f->log, 1, 6);
    assert_int_equal(log_truncate(f->log, 4, &err), CANDOR_OK);
    append(f->log, 2);
    open_log(f);
    assert_holds(f->log, 1, 6);
}

/* The kernel's own refusal: the file may not grow so far. */
static void a_real_limit_on_the_file_is_met_like_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct rlimit was;
    struct buffer bytes = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    open_log(f);
    append(f->log, 2);
    put_batch_sized(&bytes, behind(f->log, &bytes), 7, 3, 1, 4 * SMALL_SEGMENT);

    struct rlimit low = {.rlim_cur = SMALL_SEGMENT, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    enum candor_code code = log_append(f->log, buffer_slice(&bytes), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);

    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_holds(f->log, 1, 2);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), &err), CANDOR_OK);
    open_log(f);
    assert_holds(f->log, 1, 3);
    buffer_free(&bytes);
}

static void without_a_descriptor_a_segment_is_waited_for_and_nothing_is_damaged(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct buffer bytes = {0};
    open_log(f);
    append(f->log, 2);
    put_batch_sized(&bytes, behind(f->log, &bytes), 7, 3, 1, 2 * SMALL_SEGMENT);
    struct shortage shortage = shortage_of_descriptors(0);
    for (int i = 0; i < 3; i++) {
        enum candor_code code = log_append(f->log, buffer_slice(&bytes), &err);
        if (code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("%d: %s", (int)code, err.message);
    }
    assert_int_equal(err.reason, CANDOR_REASON_NONE); /* the disk is not to blame */
    shortage_end(&shortage);
    assert_holds(f->log, 1, 2);
    assert_int_equal(log_append(f->log, buffer_slice(&bytes), &err), CANDOR_OK);
    open_log(f);
    assert_holds(f->log, 1, 3);
    buffer_free(&bytes);
}

/* A cut that was begun must be finished: it opens all that it needs before. */
static void a_cut_meets_a_shortage_of_descriptors_before_it_begins_or_never(void **state)
{
    struct fixture *f = *state;
    for (int left = 0; left < 4; left++) {
        for (int reset = 0; reset < 2; reset++) {
            struct candor_error err = {0};
            open_log(f);
            assert_int_equal(log_reset(f->log, 1, of_snapshot, &err), CANDOR_OK);
            append_many(f->log, 60, 2); /* some segments; the older ones are closed */
            struct shortage shortage = shortage_of_descriptors(left);
            enum candor_code code =
                reset ? log_reset(f->log, 9, of_snapshot, &err) : log_truncate(f->log, 9, &err);
            shortage_end(&shortage);
            if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
                fail_msg("%d left: %s", left, err.message);
            assert_true(left > 0 || code == CANDOR_RESOURCE_EXHAUSTED);
            if (code == CANDOR_OK)
                assert_int_equal(log_last(f->log), reset ? 8 : 9);
            else
                assert_holds(f->log, 1, 120);
            uint64_t last = log_last(f->log);
            open_log(f);
            assert_int_equal(log_last(f->log), last);
            append(f->log, 1);
        }
    }
}

static void the_newest_append_is_taken_back_without_a_descriptor(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    open_log(f);
    append_many(f->log, 4, 2);
    struct shortage shortage = shortage_of_descriptors(0);
    enum candor_code code = log_truncate(f->log, 6, &err);
    shortage_end(&shortage);
    if (code != CANDOR_OK)
        fail_msg("%s", err.message);
    assert_holds(f->log, 1, 6);
}

static void assert_refuses_everything(struct log *log)
{
    struct buffer out = {0};
    log_inject_fault(log, 0, 0, false);
    assert_int_equal(try_append(log, 1, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_sync(log, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_read(log, 1, 1, 1, &out, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_truncate(log, 1, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_reset(log, 9, of_snapshot, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_trim(log, 1, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(log_verify(log, NULL), CANDOR_DATA_LOSS);
    assert_int_equal(out.length, 0);
}

static void a_failed_sync_is_data_loss_and_the_log_refuses_everything(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    open_log(f);
    append(f->log, 2);
    log_inject_fault(f->log, 0, 0, true);
    assert_int_equal(try_append(f->log, 2, &err), CANDOR_DATA_LOSS);
    assert_int_equal(err.code, CANDOR_DATA_LOSS);
    assert_int_equal(log_last(f->log), 2); /* never acknowledged */
    assert_refuses_everything(f->log);
}

static void what_is_written_can_be_read_taken_back_and_made_durable(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f->log, 2);
    struct buffer bytes = {0};
    put_batch(&bytes, f->log, 3, 2);
    log_inject_fault(f->log, 0, 0, true); /* no sync */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_write(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
        assert_holds(f->log, 1, 4);
        log_inject_fault(f->log, 0, 0, false);
        if (i == 0)
            assert_int_equal(log_truncate(f->log, 2, NULL), CANDOR_OK);
    }
    assert_int_equal(log_sync(f->log, NULL), CANDOR_OK);
    append(f->log, 1);
    open_log(f);
    assert_holds(f->log, 1, 5);
    log_inject_fault(f->log, 0, 0, true);
    buffer_clear(&bytes);
    put_batch(&bytes, f->log, 6, 2);
    assert_int_equal(log_write(f->log, buffer_slice(&bytes), NULL), CANDOR_OK);
    assert_int_equal(log_sync(f->log, NULL), CANDOR_DATA_LOSS);
    buffer_free(&bytes);
}

static void a_failed_write_is_data_loss_and_the_log_refuses_everything(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f->log, 2);
    log_inject_fault(f->log, 49, EIO, false); /* the last of them is not zero */
    assert_int_equal(try_append(f->log, 2, NULL), CANDOR_DATA_LOSS);
    assert_refuses_everything(f->log);
    open_log(f); /* the half of it is a torn tail */
    assert_int_equal(f->recovery.torn_bytes, 49);
    assert_holds(f->log, 1, 2);
}

static void a_sync_that_fails_within_a_cut_is_data_loss_and_the_next_start_finishes_it(void **state)
{
    struct fixture *f = *state;
    for (int at = 1; at <= 3; at++) {
        remove_files(f->dir);
        open_log(f);
        append_many(f->log, 40, 3);
        crash.fail_fsync_at = at;
        enum candor_code code = log_truncate(f->log, 50, NULL);
        crash.fail_fsync_at = 0;
        assert_int_equal(code, CANDOR_DATA_LOSS);
        assert_refuses_everything(f->log);
        open_log(f);
        assert_holds(f->log, 1, 50);
        close_log(f);
    }
}

static void a_damaged_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct candor_error err = {0};
    open_log(f);
    append(f->log, 2);
    close_log(f);
    snprintf(path, sizeof path, "%s/cut", f->dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "CCT1 and no more of it than this: not a cut at all", 50), 50);
    close(fd);
    assert_int_equal(try_open(f, f->dir, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "`cut`"));
}

/* ---- threads ---- */

/* An assertion may only fail in the test's own thread: readers write down what is wrong. */
struct log_reader {
    struct log *log;
    atomic_bool stop;
    atomic_bool failed;
    atomic_uint_fast64_t reads;
    char wrong[600];
    pthread_t thread;
};

static bool is_right(const struct buffer *bytes, uint64_t seq, char wrong[600])
{
    struct slice rest = buffer_slice(bytes);
    while (rest.length > 0) {
        struct batch batch;
        size_t cursor = 0;
        struct record record;
        if (batch_decode(&rest, &batch, NULL) != CANDOR_OK || batch.first_seq != seq) {
            snprintf(wrong, 600, "no batch where seq %" PRIu64 " should be", seq);
            return false;
        }
        while (batch_next(&batch, &cursor, &record)) {
            struct record_op op;
            if (!record_op_next(&record.ops, &op) || op.value.bytes[0] != 'a' + seq % 26) {
                snprintf(wrong, 600, "a wrong value at seq %" PRIu64, seq);
                return false;
            }
            seq++;
        }
    }
    return true;
}

static bool read_once(struct log_reader *reader, struct buffer *bytes, uint64_t back)
{
    struct candor_error err = {0};
    uint64_t from = max_u64(log_first(reader->log), saturating_sub(log_last(reader->log), back));
    buffer_clear(bytes);
    enum candor_code code = log_read(reader->log, from, UINT64_MAX, 5000, bytes, &err);
    /* cut or trimmed just now */
    if (code == CANDOR_OUT_OF_RANGE)
        return true;
    if (code == CANDOR_OK && back == 7)
        code = log_verify(reader->log, &err);
    if (code != CANDOR_OK) {
        snprintf(reader->wrong, sizeof reader->wrong, "%s", err.message);
        return false;
    }
    return is_right(bytes, from, reader->wrong);
}

static void *read_on(void *arg)
{
    struct log_reader *reader = arg;
    struct buffer bytes = {0};
    uint64_t back = 0;
    while (!atomic_load(&reader->stop)) {
        back = (back * 31 + 7) % 499; /* near the tail and far from it */
        if (!read_once(reader, &bytes, back % 3 == 0 ? back : back % 8)) {
            atomic_store(&reader->failed, true);
            break;
        }
        atomic_fetch_add(&reader->reads, 1);
    }
    buffer_free(&bytes);
    return NULL;
}

/* Until both have done their share: `rounds` of the writer, 300 reads of each reader. */
static void write_beside_readers(struct fixture *f, int rounds,
                                 void (*write_round)(struct log *log, int round))
{
    struct log_reader readers[2] = {{.log = f->log}, {.log = f->log}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    uint64_t deadline = clock_boot_ns() + 60 * NS_PER_S;
    bool enough = false;
    for (int round = 0; round < rounds || (!enough && clock_boot_ns() < deadline); round++) {
        write_round(f->log, round);
        enough = atomic_load(&readers[0].reads) > 300 && atomic_load(&readers[1].reads) > 300;
        if (atomic_load(&readers[0].failed) || atomic_load(&readers[1].failed))
            break;
    }
    for (int i = 0; i < 2; i++)
        atomic_store(&readers[i].stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i].thread, NULL);
    for (int i = 0; i < 2; i++)
        if (readers[i].wrong[0] != '\0')
            fail_msg("reader %d: %s", i, readers[i].wrong);
    assert_true(enough);
}

static void append_round(struct log *log, int round)
{
    append(log, 1 + (uint32_t)round % 5);
}

static void readers_see_whole_records_while_the_writer_appends(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    write_beside_readers(f, 400, append_round);
    assert_holds(f->log, 1, log_last(f->log));
}

static void cutting_round(struct log *log, int round)
{
    append(log, 1 + (uint32_t)round % 5);
    enum candor_code code = CANDOR_OK;
    if (round % 11 == 10)
        code = log_truncate(log, max_u64(log_last(log) - 4, log_first(log)), NULL);
    else if (round % 70 == 69)
        code = log_trim(log, log_last(log) / 2, NULL);
    else if (round % 211 == 210)
        code = log_reset(log, log_last(log) + 100, of_snapshot, NULL);
    assert_int_equal(code, CANDOR_OK);
}

static void readers_see_whole_records_while_the_log_is_cut_and_trimmed(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    write_beside_readers(f, 450, cutting_round);
    assert_holds(f->log, log_first(f->log), log_last(f->log));
    uint64_t first = log_first(f->log);
    uint64_t last = log_last(f->log);
    open_log(f);
    assert_holds(f->log, first, last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_log_is_empty_and_begins_at_one),
        TEST(a_scrub_beside_appends_of_a_new_epoch_finds_nothing),
        TEST(the_chain_is_known_at_every_record),
        TEST(a_segment_of_another_log_is_found),
        TEST(the_directory_is_made_with_its_parents),
        TEST(what_was_appended_is_read_again_after_reopening),
        TEST(every_range_is_cut_to_what_was_asked_for),
        TEST(reads_outside_the_log_are_out_of_range),
        TEST(a_read_stops_at_its_bytes_but_gives_at_least_one_batch),
        TEST(several_batches_in_one_append_are_read_one_by_one),
        TEST(a_batch_larger_than_a_segment_gets_its_own),
        TEST(an_append_that_does_not_fit_the_log_is_refused),
        TEST(a_second_open_names_the_process_that_holds_the_log),
        TEST(the_modes_that_do_not_sync_append_and_reopen),
        TEST(always_means_one_sync_an_append),
        TEST(a_tail_torn_at_any_byte_is_cut_and_appending_goes_on),
        TEST(a_tail_with_zeroed_bytes_is_cut),
        TEST(a_torn_append_of_several_batches_is_cut_though_its_last_batch_is_whole),
        TEST(unsynced_appends_that_the_disk_kept_in_part_are_a_torn_tail),
        TEST(a_flipped_bit_before_the_last_append_is_data_loss_that_names_the_place),
        TEST(a_flipped_bit_in_the_last_append_is_cut),
        TEST(a_client_cannot_make_a_torn_tail_look_like_damage),
        TEST(damage_in_an_older_segment_is_told_by_read_and_verify),
        TEST(the_chain_where_a_segment_ends_is_known_even_if_the_record_rotted),
        TEST(the_mark_that_proves_damage_is_found_wherever_it_lies),
        TEST(a_valid_batch_of_another_place_or_epoch_is_not_taken),
        TEST(every_record_is_found_in_large_segments),
        TEST(a_read_costs_what_it_returns_and_not_its_segment),
        TEST(every_record_is_found_in_a_large_append),
        TEST(a_missing_or_shortened_older_segment_is_data_loss),
        TEST(a_crash_while_rolling_over_loses_nothing),
        TEST(truncated_logs_end_where_they_were_told_to),
        TEST(what_was_truncated_never_comes_back),
        TEST(a_truncation_may_go_back_to_an_older_epoch_and_on_with_a_newer),
        TEST(a_crash_in_a_truncation_leaves_the_old_end_or_the_new),
        TEST(a_crash_in_a_reset_leaves_all_or_nothing),
        TEST(a_reset_log_goes_on_behind_the_snapshot),
        TEST(trimming_gives_back_whole_segments_and_keeps_the_newest),
        TEST(a_crash_in_a_trim_leaves_no_gap),
        TEST(a_full_disk_at_any_byte_leaves_the_log_as_before),
        TEST(a_full_disk_when_a_segment_is_wanted_leaves_the_log_as_before),
        TEST(without_a_descriptor_a_segment_is_waited_for_and_nothing_is_damaged),
        TEST(a_cut_meets_a_shortage_of_descriptors_before_it_begins_or_never),
        TEST(the_newest_append_is_taken_back_without_a_descriptor),
        TEST(a_cut_on_a_full_disk_waits_but_for_the_newest_append_that_needs_no_room),
        TEST(a_real_limit_on_the_file_is_met_like_a_full_disk),
        TEST(a_failed_sync_is_data_loss_and_the_log_refuses_everything),
        TEST(what_is_written_can_be_read_taken_back_and_made_durable),
        TEST(a_failed_write_is_data_loss_and_the_log_refuses_everything),
        TEST(a_sync_that_fails_within_a_cut_is_data_loss_and_the_next_start_finishes_it),
        TEST(a_damaged_cut_is_refused),
        TEST(readers_see_whole_records_while_the_writer_appends),
        TEST(readers_see_whole_records_while_the_log_is_cut_and_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
