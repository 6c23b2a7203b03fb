/* links: log */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/hard_state.h"

/* ---- faults: these stand before those of the C library ---- */

static int fail_fdatasync;
static int fail_fsync;
static int fail_rename;

int fdatasync(int fd)
{
    errno = fail_fdatasync;
    return fail_fdatasync != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    errno = fail_fsync;
    return fail_fsync != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    errno = fail_rename;
    return fail_rename != 0 ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    errno = fail_rename;
    return fail_rename != 0 ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

/* ---- fixture ---- */

struct fixture {
    char dir[64];
    char path[96];
    char spare[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-hard-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/hard_state", f->dir);
    snprintf(f->spare, sizeof f->spare, "%s/hard_state.spare", f->dir);
    fail_fdatasync = 0;
    fail_fsync = 0;
    fail_rename = 0;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    unlink(f->spare);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static struct hard_state state_of(uint64_t boot)
{
    struct hard_state hard = {
        .node = node_id_of("node-a"),
        .cluster_name = node_id_of("shop"),
        .cluster_id = 0x1122334455667788,
        .store_id = UINT64_MAX,
        .boot = boot,
        .epoch = {.generation = 2, .term = 9, .owner = node_id_of("node-b")},
        .known_commit = 12345,
        .clean_shutdown = true,
        .end_seq = 12400,
    };
    snprintf(hard.os_boot_id, sizeof hard.os_boot_id, "0f2b8a3e-1111-2222-3333-444455556666");
    return hard;
}

static void assert_loads(const struct fixture *f, const struct hard_state *wanted)
{
    struct hard_state got;
    struct candor_error err = {0};
    memset(&got, 0xee, sizeof got);
    if (hard_state_load(f->dir, &got, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    assert_true(node_id_equal(got.node, wanted->node));
    assert_true(node_id_equal(got.cluster_name, wanted->cluster_name));
    assert_int_equal(got.cluster_id, wanted->cluster_id);
    assert_int_equal(got.store_id, wanted->store_id);
    assert_int_equal(got.boot, wanted->boot);
    assert_true(epoch_equal(got.epoch, wanted->epoch));
    assert_int_equal(got.known_commit, wanted->known_commit);
    assert_int_equal(got.clean_shutdown, wanted->clean_shutdown);
    assert_int_equal(got.end_seq, wanted->end_seq);
    assert_string_equal(got.os_boot_id, wanted->os_boot_id);
}

/* ---- tests ---- */

static void what_was_saved_is_loaded(void **state)
{
    struct fixture *f = *state;
    struct hard_state hard = state_of(1);
    assert_int_equal(hard_state_save(f->dir, &hard, NULL), CANDOR_OK);
    assert_loads(f, &hard);

    hard = (struct hard_state){.boot = 2}; /* nothing promised, no owner */
    assert_int_equal(hard_state_save(f->dir, &hard, NULL), CANDOR_OK);
    assert_loads(f, &hard);
}

static void none_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct hard_state hard;
    char missing[128];
    assert_int_equal(hard_state_load(f->dir, &hard, NULL), CANDOR_NOT_FOUND);
    snprintf(missing, sizeof missing, "%s/missing", f->dir);
    assert_int_equal(hard_state_load(missing, &hard, NULL), CANDOR_NOT_FOUND);
}

static void every_flipped_bit_is_data_loss(void **state)
{
    struct fixture *f = *state;
    struct hard_state hard = state_of(1);
    uint8_t bytes[512];
    assert_int_equal(hard_state_save(f->dir, &hard, NULL), CANDOR_OK);
    int fd = open(f->path, O_RDWR);
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    assert_true(length > 100);
    for (size_t bit = 0; bit < (size_t)length * 8; bit++) {
        struct candor_error err = {0};
        uint8_t byte = bytes[bit / 8] ^ (uint8_t)(1u << bit % 8);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
        if (hard_state_load(f->dir, &hard, &err) != CANDOR_DATA_LOSS)
            fail_msg("accepted with bit %zu flipped", bit);
        assert_non_null(strstr(err.message, f->path));
        assert_int_equal(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    hard = state_of(1);
    assert_loads(f, &hard);
}

static void every_other_length_is_data_loss(void **state)
{
    struct fixture *f = *state;
    struct hard_state hard = state_of(1);
    struct stat st;
    assert_int_equal(hard_state_save(f->dir, &hard, NULL), CANDOR_OK);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(truncate(f->path, st.st_size + 1), 0);
    assert_int_equal(hard_state_load(f->dir, &hard, NULL), CANDOR_DATA_LOSS);
    for (off_t length = st.st_size - 1; length >= 0; length--) {
        assert_int_equal(truncate(f->path, length), 0);
        if (hard_state_load(f->dir, &hard, NULL) != CANDOR_DATA_LOSS)
            fail_msg("accepted with %ld bytes", (long)length);
    }
}

static void a_failed_sync_is_data_loss_and_the_old_state_or_the_new_stays(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct hard_state old = state_of(1);
    struct hard_state new = state_of(2);
    assert_int_equal(hard_state_save(f->dir, &old, NULL), CANDOR_OK);

    fail_fdatasync = EIO;
    assert_int_equal(hard_state_save(f->dir, &new, &err), CANDOR_DATA_LOSS);
    assert_int_equal(err.code, CANDOR_DATA_LOSS);
    fail_fdatasync = 0;
    assert_loads(f, &old);

    fail_fsync = EIO; /* renamed, but the directory may not last */
    assert_int_equal(hard_state_save(f->dir, &new, &err), CANDOR_DATA_LOSS);
    fail_fsync = 0;
    assert_loads(f, &new);
}

static void a_crash_before_the_rename_leaves_the_old_state(void **state)
{
    struct fixture *f = *state;
    struct hard_state old = state_of(1);
    struct hard_state new = state_of(2);
    assert_int_equal(hard_state_save(f->dir, &old, NULL), CANDOR_OK);
    fail_rename = EIO;
    assert_int_equal(hard_state_save(f->dir, &new, NULL), CANDOR_DATA_LOSS);
    fail_rename = 0;
    assert_loads(f, &old);

    /* A spare file that a crash left half written is in nobody's way. */
    int fd = open(f->spare, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_loads(f, &old);
    assert_int_equal(hard_state_save(f->dir, &new, NULL), CANDOR_OK);
    assert_loads(f, &new);
}

static void a_full_disk_is_told_and_the_old_state_stays(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct hard_state old = state_of(1);
    struct hard_state new = state_of(2);
    struct rlimit was;
    assert_int_equal(hard_state_save(f->dir, &old, NULL), CANDOR_OK);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct rlimit low = {.rlim_cur = 16, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    enum candor_code code = hard_state_save(f->dir, &new, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);

    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_loads(f, &old);
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* A full disk has room for what overwrites: no save makes a file, or gives one's room back before
 * it is used. */
static void two_files_take_turns_so_that_a_save_needs_no_room(void **state)
{
    struct fixture *f = *state;
    struct hard_state saved = state_of(1);
    assert_int_equal(hard_state_save(f->dir, &saved, NULL), CANDOR_OK);
    ino_t one = inode_of(f->path);
    ino_t other = inode_of(f->spare);
    for (uint64_t boot = 2; boot < 8; boot++) {
        saved.boot = boot;
        assert_int_equal(hard_state_save(f->dir, &saved, NULL), CANDOR_OK);
        assert_loads(f, &saved);
        assert_int_equal(inode_of(f->path), boot % 2 == 0 ? other : one);
        assert_int_equal(inode_of(f->spare), boot % 2 == 0 ? one : other);
    }
    assert_int_equal(unlink(f->spare), 0); /* lost somehow: there is one again after a save */
    assert_int_equal(hard_state_save(f->dir, &saved, NULL), CANDOR_OK);
    assert_int_equal(access(f->spare, F_OK), 0);
    assert_loads(f, &saved);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(none_is_not_found),
        TEST(every_flipped_bit_is_data_loss),
        TEST(every_other_length_is_data_loss),
        TEST(a_failed_sync_is_data_loss_and_the_old_state_or_the_new_stays),
        TEST(a_crash_before_the_rename_leaves_the_old_state),
        TEST(a_full_disk_is_told_and_the_old_state_stays),
        TEST(two_files_take_turns_so_that_a_save_needs_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
