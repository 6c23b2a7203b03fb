/* links: state record */
/* Whether a data file may be mapped: what the checker passes, LMDB must bear, however the file was
 * damaged. */
#include "state_fixture.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/pages.h"

enum { MAP_BYTES = 64 << 20, PAGE_BYTES = 4096, EXERCISE_S = 60 };

/* ---- Files ---- */

struct file {
    uint8_t *bytes;
    size_t length;
};

static struct file read_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    struct file file = {malloc((size_t)st.st_size), (size_t)st.st_size};
    assert_non_null(file.bytes);
    assert_int_equal(read(fd, file.bytes, file.length), file.length);
    close(fd);
    return file;
}

static void write_file(const char *path, struct file file)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.bytes, file.length), file.length);
    close(fd);
}

static const char *current_file(const struct fixture *f)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/current/data.mdb", f->dir);
    return path;
}

/* ---- A state with some of everything ---- */

static void put_large(struct fixture *f, uint64_t number, size_t bytes)
{
    char key[32];
    char *value = malloc(bytes + 1);
    assert_non_null(value);
    memset(value, (int)('a' + number % 26), bytes);
    value[bytes] = '\0';
    snprintf(key, sizeof key, "large-%04llu", (unsigned long long)number);
    apply_put(f, 1, key, value, 0);
    free(value);
}

/* Branches, overflow pages, free pages, pre-images. */
static void fill(struct fixture *f, uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    apply_epoch_start(f, 1, 2);
    for (int i = 0; i < 400; i++) {
        char key[64];
        char value[256];
        uint64_t number = rng_below(&rng, 300);
        snprintf(key, sizeof key, "key-%0*llu", (int)(4 + number % 40), (unsigned long long)number);
        snprintf(value, sizeof value, "%0*llu", (int)(1 + rng_below(&rng, 200)),
                 (unsigned long long)number);
        apply_put(f, 1, key, value, rng_below(&rng, 2) == 0 ? 0 : next_seq(f) - 1);
        if (i % 20 == 0)
            put_large(f, number, 1 + rng_below(&rng, 20000));
    }
    undo_to(f, next_seq(f) - 2);
}

/* The bytes of a filled state that was closed. */
static struct file filled(struct fixture *f, uint64_t seed)
{
    fill(f, seed);
    state_close(f->state);
    struct file file = read_file(current_file(f));
    fixture_open(f);
    return file;
}

static void expect_good(const char *path)
{
    struct candor_error err = {0};
    if (pages_check(path, MAP_BYTES, PAGES_ALL, &err) != CANDOR_OK ||
        pages_check(path, MAP_BYTES, PAGES_SIZE, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
}

static void every_file_that_lmdb_writes_passes(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct state_checkpoint checkpoint;
    expect_good(current_file(f)); /* without a record */
    for (uint64_t seed = 1; seed <= 5; seed++) {
        fill(f, seed);
        expect_good(current_file(f)); /* open, and between two transactions */
        assert_int_equal(state_checkpoint(f->state, &checkpoint, &err), CANDOR_OK);
        expect_good(checkpoint.path);
    }
}

static void a_missing_and_an_empty_file_are_told_apart_from_damage(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct candor_error err;
    snprintf(path, sizeof path, "%s/none", f->dir);
    assert_int_equal(pages_check(path, MAP_BYTES, PAGES_ALL, &err), CANDOR_NOT_FOUND);
    write_file(path, (struct file){(uint8_t *)path, 0});
    assert_int_equal(pages_check(path, MAP_BYTES, PAGES_ALL, &err), CANDOR_NOT_FOUND);
}

/* SIGBUS awaits who maps it: a cut file must not pass even the quick check. */
static void a_file_that_was_cut_is_found_without_reading_it_all(void **state)
{
    struct fixture *f = *state;
    struct file file = filled(f, 7);
    char path[128];
    struct candor_error err;
    snprintf(path, sizeof path, "%s/cut", f->dir);
    const size_t lengths[] = {1, 4095, 4096, 8191, 8192, 12288, file.length / 4, file.length / 2};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_file(path, (struct file){file.bytes, lengths[i]});
        if (pages_check(path, MAP_BYTES, PAGES_SIZE, &err) != CANDOR_DATA_LOSS)
            fail_msg("cut to %zu of %zu bytes, and not found", lengths[i], file.length);
    }
    free(file.bytes);
}

/* A limit that was lowered damages nothing; a last page that neither the file nor the limit
 * explains does. */
static void a_last_page_beyond_both_file_and_limit_is_refused(void **state)
{
    enum { LAST_PAGE_AT = 136 }; /* in a meta page */
    struct fixture *f = *state;
    struct candor_error err;
    char path[128];
    struct file file = filled(f, 8);
    assert_int_equal(pages_check(current_file(f), 8 * PAGE_BYTES, PAGES_SIZE, &err), CANDOR_OK);
    snprintf(path, sizeof path, "%s/beyond", f->dir);
    for (size_t meta = 0; meta < 2; meta++)
        put_u64(file.bytes + meta * PAGE_BYTES + LAST_PAGE_AT, UINT64_C(1) << 40);
    write_file(path, file);
    assert_int_equal(pages_check(path, MAP_BYTES, PAGES_SIZE, &err), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "limits.state"));
    free(file.bytes);
}

/* ---- Random damage ---- */

static void flip_bits(struct rng *rng, struct file *file)
{
    for (uint64_t n = 1 + rng_below(rng, 3); n > 0; n--)
        file->bytes[rng_below(rng, file->length)] ^= (uint8_t)(1u << rng_below(rng, 8));
}

static void write_bytes(struct rng *rng, struct file *file)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xff};
    uint64_t at = rng_below(rng, file->length);
    uint8_t byte = telling[rng_below(rng, sizeof telling)];
    for (uint64_t n = 1 + rng_below(rng, 8); n > 0 && at < file->length; n--)
        file->bytes[at++] = byte;
}

/* Where LMDB keeps numbers: the first bytes of a page, and the pointers behind them. */
static void write_header(struct rng *rng, struct file *file)
{
    uint64_t page = rng_below(rng, file->length / PAGE_BYTES);
    uint64_t at = page * PAGE_BYTES + rng_below(rng, page < 2 ? 160 : 40);
    file->bytes[at] = (uint8_t)rng_below(rng, 256);
}

static void copy_page(struct rng *rng, struct file *file)
{
    uint64_t pages = file->length / PAGE_BYTES;
    memcpy(file->bytes + rng_below(rng, pages) * PAGE_BYTES,
           file->bytes + rng_below(rng, pages) * PAGE_BYTES, PAGE_BYTES);
}

static void clear_page(struct rng *rng, struct file *file)
{
    memset(file->bytes + rng_below(rng, file->length / PAGE_BYTES) * PAGE_BYTES, 0, PAGE_BYTES);
}

static void cut(struct rng *rng, struct file *file)
{
    file->length = 1 + rng_below(rng, file->length);
}

/* In a process of its own, and by LMDB alone: opens, reads every byte of every table, changes each,
 * commits. */
static void read_table(MDB_txn *txn, MDB_dbi table)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    volatile unsigned sum = 0;
    if (mdb_cursor_open(txn, table, &cursor) != 0)
        return;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        for (size_t i = 0; i < value.mv_size; i++)
            sum += ((const uint8_t *)value.mv_data)[i];
    mdb_cursor_close(cursor);
}

static void change_table(MDB_txn *txn, MDB_dbi table)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    if (mdb_cursor_open(txn, table, &cursor) != 0)
        return;
    for (int i = 0; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0; i++)
        if (i % 3 == 0 && mdb_cursor_del(cursor, 0) != 0)
            break;
    mdb_cursor_close(cursor);
    for (unsigned i = 0; i < 200; i++) {
        char bytes[9000] = {0};
        snprintf(bytes, sizeof bytes, "%u", i * 7919 % 1000);
        key = (MDB_val){strlen(bytes), bytes};
        value = (MDB_val){i % 10 == 0 ? sizeof bytes : 100, bytes};
        if (mdb_put(txn, table, &key, &value, 0) != 0)
            break;
    }
}

static void exercise(const char *dir)
{
    static const char *const names[] = {"data",    "epochs", "meta", "requests",
                                        "clients", "ages",   "ends", "undo"};
    MDB_env *env;
    alarm(EXERCISE_S);
    if (mdb_env_create(&env) != 0)
        _exit(1);
    mdb_env_set_maxdbs(env, 16);
    mdb_env_set_mapsize(env, MAP_BYTES);
    if (mdb_env_open(env, dir, MDB_NOSYNC, 0644) != 0)
        _exit(0);
    for (int round = 0; round < 3; round++) {
        MDB_txn *txn;
        if (mdb_txn_begin(env, NULL, 0, &txn) != 0)
            _exit(0);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            MDB_dbi table;
            if (mdb_dbi_open(txn, names[i], 0, &table) != 0)
                continue;
            read_table(txn, table);
            change_table(txn, table);
        }
        if (mdb_txn_commit(txn) != 0)
            _exit(0);
    }
    _exit(0);
}

static bool lmdb_bears(const char *dir)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        exercise(dir);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status);
}

static void what_passes_lmdb_bears(void **state)
{
    static void (*const damages[])(struct rng *, struct file *) = {
        flip_bits, write_bytes, write_header, write_header, copy_page, clear_page, cut};
    struct fixture *f = *state;
    const char *rounds_text = getenv("CANDOR_MUTATIONS");
    unsigned long rounds = rounds_text != NULL ? strtoul(rounds_text, NULL, 10) : 300;
    const char *seed_text = getenv("CANDOR_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    struct file good = filled(f, seed);
    struct file file = {malloc(good.length), 0};
    char dir[128];
    char path[160];
    unsigned passed = 0;
    snprintf(dir, sizeof dir, "%s/damaged", f->dir);
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    for (unsigned long i = 0; i < rounds; i++) {
        struct rng rng;
        struct candor_error err;
        rng_seed(&rng, seed * 1000003 + i);
        memcpy(file.bytes, good.bytes, file.length = good.length);
        damages[rng_below(&rng, sizeof damages / sizeof damages[0])](&rng, &file);
        write_file(path, file);
        if (pages_check(path, MAP_BYTES, PAGES_ALL, &err) != CANDOR_OK)
            continue;
        passed++;
        if (!lmdb_bears(dir))
            fail_msg("CANDOR_SEED=%llu: damage %lu passed the check and killed LMDB",
                     (unsigned long long)seed, i);
    }
    print_message("%u of %lu damaged files passed: the damage was in values or unused bytes\n",
                  passed, rounds);
    free(file.bytes);
    free(good.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_file_that_lmdb_writes_passes, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_missing_and_an_empty_file_are_told_apart_from_damage,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_is_found_without_reading_it_all,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_last_page_beyond_both_file_and_limit_is_refused,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_passes_lmdb_bears, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
