/* links: state record */
/* Checkpoints, rebuilds and installs: while others write and read, after crashes, and when the disk
 * has rotted. */
#include "state_fixture.h"

#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static char *path_in(const struct fixture *f, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", f->dir, name);
    return out;
}

static void rename_in(const struct fixture *f, const char *from, const char *to)
{
    char a[128];
    char b[128];
    assert_int_equal(rename(path_in(f, from, a), path_in(f, to, b)), 0);
}

static void copy_in(const struct fixture *f, const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof command, "cp -r '%s/%s' '%s/%s'", f->dir, from, f->dir, to);
    assert_int_equal(system(command), 0);
}

static void remove_in(const struct fixture *f, const char *name)
{
    char command[256];
    snprintf(command, sizeof command, "rm -r '%s/%s'", f->dir, name);
    assert_int_equal(system(command), 0);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[128];
    struct stat st;
    return stat(path_in(f, name, path), &st) == 0;
}

static void flip_bit(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void close_state(struct fixture *f)
{
    state_close(f->state);
    f->state = NULL;
}

static void put_own_seq(struct fixture *f)
{
    char text[24];
    snprintf(text, sizeof text, "%d", (int)next_seq(f));
    apply_put(f, 1, "k", text, 0);
}

static void assert_holds_own_seq(struct fixture *f, uint64_t seq)
{
    char text[24];
    snprintf(text, sizeof text, "%d", (int)seq);
    assert_int_equal(next_seq(f), seq + 1);
    assert_value(f, "k", text);
}

static void take_checkpoint(struct fixture *f, struct state_checkpoint *out)
{
    struct candor_error err = {0};
    if (state_checkpoint(f->state, out, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static uint64_t digest_of(int fd, uint64_t bytes)
{
    uint8_t *content = malloc(bytes + 1);
    assert_non_null(content);
    assert_int_equal(pread(fd, content, bytes + 1, 0), (ssize_t)bytes);
    uint64_t digest = XXH3_64bits(content, bytes);
    free(content);
    return digest;
}

static void receive(struct fixture *f, const struct state_checkpoint *checkpoint)
{
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    struct candor_error err = {0};
    epoch_history_init(&history);
    assert_int_equal(state_incoming_begin(f->state, &incoming, NULL), CANDOR_OK);
    FILE *file = fopen(checkpoint->path, "rb");
    assert_non_null(file);
    static uint8_t chunk[65536];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        assert_int_equal(state_incoming_write(incoming, slice_of(chunk, got), NULL), CANDOR_OK);
    fclose(file);
    if (state_incoming_finish(incoming, &position, &history, &err) != CANDOR_OK ||
        state_install(f->state, incoming, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    epoch_history_free(&history);
}

static uint64_t checkpoint_seq(const struct fixture *f)
{
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    if (state_checkpoint_find(f->dir, &checkpoint, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    return checkpoint.pos.seq;
}

/* One bit of a value, in every page that holds it. The state is closed. */
static void flip_in_value(const struct fixture *f, const char *value)
{
    static uint8_t bytes[4 << 20];
    char path[128];
    FILE *file = fopen(path_in(f, "current/data.mdb", path), "r+b");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    size_t flipped = 0;
    for (uint8_t *at = bytes;
         (at = memmem(at, (size_t)(bytes + length - at), value, strlen(value))) != NULL;
         at++, flipped++)
        *at ^= 1;
    assert_true(flipped > 0);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Else the log would be trimmed up to it, and nothing sound be left to begin from. */
static void what_has_rotted_becomes_no_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    apply_put(f, 1, "other", "a-value-to-be-found", 0);
    close_state(f);
    flip_in_value(f, "a-value-to-be-found");
    fixture_open(f);
    assert_int_equal(state_checkpoint(f->state, &checkpoint, &err), CANDOR_DATA_LOSS);
    assert_int_equal(err.reason, CANDOR_REASON_STATE_DAMAGED);
    assert_int_equal(checkpoint_seq(f), 1);
}

/* A snapshot whose bytes are right by its sender's digest, and whose pages would lead LMDB out of
 * its map. */
static void expect_refused(struct fixture *f, struct slice bytes)
{
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    struct candor_error err = {0};
    epoch_history_init(&history);
    assert_int_equal(state_incoming_begin(f->state, &incoming, NULL), CANDOR_OK);
    assert_int_equal(state_incoming_write(incoming, bytes, NULL), CANDOR_OK);
    assert_int_equal(state_incoming_finish(incoming, &position, &history, &err),
                     CANDOR_UNAVAILABLE);
    state_incoming_discard(incoming);
    epoch_history_free(&history);
}

static void snapshot_with_pages_that_lead_astray_is_refused(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint checkpoint;
    static uint8_t bytes[1 << 20];
    enum { PAGE = 4096, FLAGS_AT = 10, UPPER_AT = 14 };
    put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    FILE *file = fopen(checkpoint.path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const size_t places[] = {FLAGS_AT, 2 * PAGE, 2 * PAGE + UPPER_AT, 3 * PAGE + UPPER_AT + 2};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bytes[places[i]] ^= 0x40;
        expect_refused(f, slice_of(bytes, length));
        bytes[places[i]] ^= 0x40;
    }
    expect_refused(f, slice_of(bytes, length - PAGE));
}

/* ---- Cutting --------------------------------------------------------------------------------- */

struct writing {
    struct fixture *f;
    atomic_bool stop;
};

static void *write_on(void *closure)
{
    struct writing *writing = closure;
    while (!atomic_load(&writing->stop))
        put_own_seq(writing->f);
    return NULL;
}

static void checkpoint_is_of_one_moment_while_the_writer_goes_on(void **state)
{
    struct fixture *f = *state;
    struct fixture *copy;
    fixture_setup((void **)&copy);
    apply_epoch_start(f, 1, 1);
    put_own_seq(f);
    struct writing writing = {.f = f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writing), 0);
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        struct state_checkpoint checkpoint;
        take_checkpoint(f, &checkpoint);
        assert_true(checkpoint.pos.seq >= last);
        last = checkpoint.pos.seq;
        receive(copy, &checkpoint);
        assert_holds_own_seq(copy, checkpoint.pos.seq);
    }
    atomic_store(&writing.stop, true);
    pthread_join(thread, NULL);
    fixture_teardown((void **)&copy);
}

static void replaced_checkpoint_can_be_read_on_by_who_has_it_open(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint first;
    struct state_checkpoint second;
    put_own_seq(f);
    take_checkpoint(f, &first);
    int fd = open(first.path, O_RDONLY);
    assert_true(fd >= 0);
    put_own_seq(f);
    take_checkpoint(f, &second);
    assert_true(first.digest != second.digest);
    assert_true(digest_of(fd, first.bytes) == first.digest);
    close(fd);
}

static void found_checkpoint_is_the_one_that_was_taken(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint taken;
    struct state_checkpoint found;
    assert_int_equal(state_checkpoint_find(f->dir, &found, NULL), CANDOR_NOT_FOUND);
    put_own_seq(f);
    take_checkpoint(f, &taken);
    assert_int_equal(state_checkpoint_find(f->dir, &found, NULL), CANDOR_OK);
    assert_true(pos_equal(found.pos, taken.pos));
    assert_int_equal(found.bytes, taken.bytes);
    assert_true(found.digest == taken.digest);
    assert_string_equal(found.path, taken.path);
}

static void unfinished_copies_are_gone_after_the_next_start(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"checkpoint.new", "current.new", "incoming",
                                        "checkpoint.install"};
    close_state(f);
    /* without a seal */
    for (size_t i = 0; i < 4; i++)
        copy_in(f, "current", names[i]);
    fixture_open(f);
    for (size_t i = 0; i < 4; i++)
        if (is_there(f, names[i]))
            fail_msg("%s is still there", names[i]);
}

/* ---- Rot ------------------------------------------------------------------------------------- */

/* Any bit: of the data file and of what tells how it must be. */
static void rebuild_refuses_a_checkpoint_that_has_rotted(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint checkpoint;
    char seal[128];
    struct rng rng;
    rng_seed(&rng, 5);
    for (int i = 0; i < 50; i++)
        put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    put_own_seq(f);
    close_state(f);
    path_in(f, "checkpoint/seal", seal);
    for (int i = 0; i < 40; i++) {
        const char *path = i % 4 == 0 ? seal : checkpoint.path;
        off_t at = (off_t)rng_below(&rng, i % 4 == 0 ? 30 : checkpoint.bytes);
        struct candor_error err = {0};
        flip_bit(path, at);
        enum candor_code code = state_rebuild(f->dir, &err);
        if (code != CANDOR_DATA_LOSS || strstr(err.message, "checkpoint") == NULL)
            fail_msg("%s at %d: %s %s", path, (int)at, candor_code_name(code), err.message);
        flip_bit(path, at);
    }
    fixture_open(f);
    assert_holds_own_seq(f, 51); /* nothing was changed */
    close_state(f);
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    assert_holds_own_seq(f, 50);
}

/* Every byte in turn, changed to every other. */
static void a_seal_with_any_byte_changed_is_damage(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint checkpoint;
    char path[128];
    char seal[256] = "";
    struct candor_error err = {0};
    put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    FILE *file = fopen(path_in(f, "checkpoint/seal", path), "r+b");
    assert_non_null(file);
    size_t length = fread(seal, 1, sizeof seal, file);
    assert_in_range(length, 64, sizeof seal - 1);
    for (size_t at = 0; at < length; at++)
        for (int change = 1; change < 256; change++) {
            assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
            assert_int_not_equal(fputc(seal[at] ^ change, file), EOF);
            assert_int_equal(fflush(file), 0);
            if (state_checkpoint_find(f->dir, &checkpoint, &err) != CANDOR_DATA_LOSS)
                fail_msg("%s: byte %zu changed by %d was not seen", seal, at, change);
            assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
            assert_int_not_equal(fputc(seal[at], file), EOF);
        }
    fclose(file);
    assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, &err), CANDOR_OK);
}

static void checkpoint_cut_short_is_damaged_and_the_next_one_replaces_it(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint checkpoint;
    put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    struct candor_error err = {0};
    for (uint64_t bytes = checkpoint.bytes; bytes >= 4096; bytes -= 4096) {
        assert_int_equal(truncate(checkpoint.path, (off_t)bytes - 4096), 0);
        assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, &err), CANDOR_DATA_LOSS);
        assert_non_null(strstr(err.message, "length"));
    }
    assert_int_equal(state_checkpoint_drop_above(f->state, 1, NULL), CANDOR_OK);
    assert_int_equal(checkpoint_seq(f), 1);
}

static void garbage_in_place_of_the_state_is_not_replaced(void **state)
{
    struct fixture *f = *state;
    char path[128];
    close_state(f);
    FILE *file = fopen(path_in(f, "current/data.mdb", path), "wb");
    assert_non_null(file);
    for (int i = 0; i < 3000; i++)
        fputs("garbage ", file);
    fclose(file);
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    struct candor_error err = {0};
    assert_int_equal(state_open(&options, &f->state, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "removing its data directory")); /* the way out */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 24000);
    remove_in(f, "current");
    fixture_open(f);
}

/* Makes it a state of format 99, which has no table of requests. */
static void write_another_format(const struct fixture *f)
{
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_dbi requests;
    MDB_val key = {8, (void *)(uintptr_t) "position"};
    MDB_val value;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, path_in(f, "current", path), 0, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "requests", 0, &requests), 0);
    assert_int_equal(mdb_drop(txn, requests, 1), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_get(txn, meta, &key, &value), 0);
    uint8_t copy[256];
    assert_true(value.mv_size <= sizeof copy);
    memcpy(copy, value.mv_data, value.mv_size);
    put_u32(copy, 99);
    value.mv_data = copy;
    assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static int table_count(const struct fixture *f)
{
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi names;
    MDB_stat stat;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, path_in(f, "current", path), MDB_RDONLY, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &names), 0);
    assert_int_equal(mdb_stat(txn, names, &stat), 0);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return (int)stat.ms_entries;
}

static void state_of_another_format_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    put_own_seq(f);
    close_state(f);
    write_another_format(f);
    int tables = table_count(f);
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    struct candor_error err = {0};
    assert_int_equal(state_open(&options, &f->state, &err), CANDOR_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "format 99"));
    assert_int_equal(table_count(f), tables);
}

/* Else LMDB would make an empty one of the right name beside it. */
static void a_table_whose_name_has_rotted_is_damage(void **state)
{
    struct fixture *f = *state;
    char path[128];
    put_own_seq(f);
    close_state(f);
    FILE *file = fopen(path_in(f, "current/data.mdb", path), "r+b");
    assert_non_null(file);
    static uint8_t bytes[1 << 20];
    size_t length = fread(bytes, 1, sizeof bytes, file);
    uint32_t found = 0;
    for (size_t at = 0; at + 6 <= length; at++)
        if (memcmp(bytes + at, "epochs", 6) == 0) {
            bytes[at + 5] = 't'; /* one bit */
            found++;
        }
    assert_true(found > 0);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    struct candor_error err = {0};
    assert_int_equal(state_open(&options, &f->state, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "a table is missing"));
}

static void path_too_long_is_refused_at_once(void **state)
{
    (void)state;
    char dir[LIMIT_PATH_BYTES];
    memset(dir, 'd', sizeof dir);
    dir[LIMIT_PATH_BYTES - 1] = '\0';
    for (size_t length = LIMIT_PATH_BYTES - 1; length > LIMIT_PATH_BYTES - 20; length--) {
        dir[length] = '\0';
        struct state *opened = NULL;
        struct state_options options = {.dir = dir};
        assert_int_equal(state_open(&options, &opened, NULL), CANDOR_INVALID_ARGUMENT);
        assert_null(opened);
    }
}

/* ---- Crashes within an install --------------------------------------------------------------- */

enum { OLD_SEQ = 3, NEW_SEQ = 9 };

/* `f` has a checkpoint of its own (kept as "checkpoint.old") and has then installed a snapshot of
 * another state. */
static void install_another_state(struct fixture *f)
{
    struct fixture *source;
    struct state_checkpoint checkpoint;
    fixture_setup((void **)&source);
    apply_epoch_start(source, 1, 1);
    while (next_seq(source) <= NEW_SEQ)
        put_own_seq(source);
    while (next_seq(f) <= OLD_SEQ)
        put_own_seq(f);
    take_checkpoint(f, &checkpoint);
    copy_in(f, "current", "current.old");
    copy_in(f, "checkpoint", "checkpoint.old");
    take_checkpoint(source, &checkpoint);
    receive(f, &checkpoint);
    fixture_teardown((void **)&source);
}

static void install_brings_its_own_checkpoint(void **state)
{
    struct fixture *f = *state;
    install_another_state(f);
    assert_holds_own_seq(f, NEW_SEQ);
    assert_int_equal(checkpoint_seq(f), NEW_SEQ);
    assert_false(is_there(f, "checkpoint.install"));
    assert_false(is_there(f, "incoming"));
}

/* R14: killed between the swap of the state and that of its checkpoint. */
static void start_after_a_kill_between_the_swaps_ends_the_install(void **state)
{
    struct fixture *f = *state;
    install_another_state(f);
    close_state(f);
    rename_in(f, "checkpoint", "checkpoint.install");
    rename_in(f, "checkpoint.old", "checkpoint");
    fixture_open(f);
    assert_holds_own_seq(f, NEW_SEQ);
    assert_int_equal(checkpoint_seq(f), NEW_SEQ);
    assert_false(is_there(f, "checkpoint.install"));
}

/* The machine went down there: the log still continues the old checkpoint. */
static void rebuild_between_the_swaps_gives_the_old_state(void **state)
{
    struct fixture *f = *state;
    install_another_state(f);
    close_state(f);
    rename_in(f, "checkpoint", "checkpoint.install");
    rename_in(f, "checkpoint.old", "checkpoint");
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    assert_holds_own_seq(f, OLD_SEQ);
    assert_int_equal(checkpoint_seq(f), OLD_SEQ);
    assert_false(is_there(f, "checkpoint.install"));
}

static void start_after_a_kill_before_the_swaps_drops_the_install(void **state)
{
    struct fixture *f = *state;
    install_another_state(f);
    close_state(f);
    rename_in(f, "checkpoint", "checkpoint.install");
    rename_in(f, "checkpoint.old", "checkpoint");
    remove_in(f, "current");
    rename_in(f, "current.old", "current");
    fixture_open(f);
    assert_holds_own_seq(f, OLD_SEQ);
    assert_int_equal(checkpoint_seq(f), OLD_SEQ);
    assert_false(is_there(f, "checkpoint.install"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(checkpoint_is_of_one_moment_while_the_writer_goes_on),
        TEST(replaced_checkpoint_can_be_read_on_by_who_has_it_open),
        TEST(found_checkpoint_is_the_one_that_was_taken),
        TEST(unfinished_copies_are_gone_after_the_next_start),
        TEST(rebuild_refuses_a_checkpoint_that_has_rotted),
        TEST(a_seal_with_any_byte_changed_is_damage),
        TEST(checkpoint_cut_short_is_damaged_and_the_next_one_replaces_it),
        TEST(garbage_in_place_of_the_state_is_not_replaced),
        TEST(state_of_another_format_is_refused_and_left_alone),
        TEST(a_table_whose_name_has_rotted_is_damage),
        TEST(what_has_rotted_becomes_no_checkpoint),
        TEST(snapshot_with_pages_that_lead_astray_is_refused),
        TEST(path_too_long_is_refused_at_once),
        TEST(install_brings_its_own_checkpoint),
        TEST(start_after_a_kill_between_the_swaps_ends_the_install),
        TEST(rebuild_between_the_swaps_gives_the_old_state),
        TEST(start_after_a_kill_before_the_swaps_drops_the_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
