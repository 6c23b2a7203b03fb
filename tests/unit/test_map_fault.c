/* links: state record */
/* A mapped state that cannot be read ends the process with an exit status and a message, and no
 * other fault does. */
#include "state_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "state/env.h"
#include "state/map_fault.h"

enum { PAGE_BYTES = 4096 };

/* How a process ends that does `what`, and what it says on stderr. */
static int end_of(void (*what)(struct fixture *f), struct fixture *f, char said[4096])
{
    int out[2];
    int status;
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's own */
        (void)signal(SIGBUS, SIG_DFL);
        dup2(out[1], STDERR_FILENO);
        map_fault_install();
        what(f);
        _exit(0);
    }
    close(out[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(out[0], said + length, 4095 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(out[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void read_all(struct fixture *f)
{
    struct state_view *view = state_view_begin(f->state);
    for (int i = 0; i < 100; i++) {
        struct state_item item;
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        (void)state_get(view, slice_of(key, strlen(key)), &item);
    }
    state_view_end(view);
}

static void current_file(const struct fixture *f, char out[128])
{
    snprintf(out, 128, "%s/current/data.mdb", f->dir);
}

static void read_what_was_cut(struct fixture *f)
{
    char path[128];
    current_file(f, path);
    fixture_open(f);
    if (truncate(path, 2 * (off_t)PAGE_BYTES) != 0)
        _exit(9);
    read_all(f);
}

static void fill_and_close(struct fixture *f)
{
    static char value[2000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        apply_put(f, 1, key, value, 0);
    }
    state_close(f->state);
}

static void a_state_that_is_cut_while_it_is_mapped_is_status_3_and_suspect(void **state)
{
    struct fixture *f = *state;
    char said[4096];
    char path[128];
    char suspect[128];
    struct candor_error err = {0};
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    fill_and_close(f);
    int status = end_of(read_what_was_cut, f, said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NODE_EXIT_INTEGRITY);
    current_file(f, path);
    assert_non_null(strstr(said, path));
    snprintf(suspect, sizeof suspect, "%s/" SUSPECT_NAME, f->dir);
    assert_int_equal(access(suspect, F_OK), 0);
    /* The next start finds the damage, and once the state is sound again the mark is gone. */
    assert_int_equal(state_open(&options, &f->state, &err), CANDOR_DATA_LOSS);
    assert_int_equal(state_rebuild(f->dir, NULL), CANDOR_OK);
    fixture_open(f);
    apply_put(f, 1, "k", "v", 0);
    state_close(f->state);
    fixture_open(f);
    assert_int_not_equal(access(suspect, F_OK), 0);
}

static void crash_elsewhere(struct fixture *f)
{
    fixture_open(f);
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT: the fault is the point */
}

static void a_fault_elsewhere_stays_a_crash(void **state)
{
    struct fixture *f = *state;
    char said[4096];
    state_close(f->state);
    int status = end_of(crash_elsewhere, f, said);
    fixture_open(f);
    /* A sanitizer ends the process in its own way; never as status 3. */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != NODE_EXIT_INTEGRITY);
    assert_null(strstr(said, "integrity"));
}

/* A branch that divides nothing: LMDB asserts. It is put into the map's file behind the check's
 * back. */
static void search_a_branch_of_one(struct fixture *f)
{
    char path[128];
    uint8_t page[PAGE_BYTES];
    current_file(f, path);
    fixture_open(f);
    FILE *file = fopen(path, "r+b");
    if (file == NULL)
        _exit(9);
    for (long at = 2L * PAGE_BYTES;
         fseek(file, at, SEEK_SET) == 0 && fread(page, 1, sizeof page, file) == sizeof page;
         at += PAGE_BYTES) {
        if (get_u16(page + 10) != 1)
            continue;
        page[12] = 18; /* lower: one pointer */
        page[13] = 0;
        if (fseek(file, at, SEEK_SET) != 0 || fwrite(page, 1, sizeof page, file) != sizeof page)
            _exit(9);
    }
    (void)fclose(file);
    read_all(f);
}

static void an_assertion_of_lmdb_is_status_3(void **state)
{
    struct fixture *f = *state;
    char said[4096];
    fill_and_close(f);
    int status = end_of(search_a_branch_of_one, f, said);
    state_rebuild(f->dir, NULL);
    fixture_open(f);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NODE_EXIT_INTEGRITY);
    assert_non_null(strstr(said, "Assertion"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_that_is_cut_while_it_is_mapped_is_status_3_and_suspect),
        TEST(a_fault_elsewhere_stays_a_crash),
        TEST(an_assertion_of_lmdb_is_status_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
