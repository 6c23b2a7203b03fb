/* links: state record */
/* A disk that refuses LMDB's meta page: the environment is given up, the state is not damaged. */
#include "state_fixture.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { META_BYTES = 2 * 4096 }; /* two pages at the head of the file */

static bool refuse_meta;

/* Stands in front of the C library's, in LMDB as well. */
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    if (refuse_meta && at < META_BYTES) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}

static enum candor_code try_put(struct fixture *f, struct candor_error *err)
{
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    add_put(&w, "k", "after");
    batch_end(&w);
    enum candor_code code = state_apply(f->state, buffer_slice(&bytes), 0, err);
    buffer_free(&bytes);
    return code;
}

static void a_meta_page_without_room_ends_the_node_and_not_its_state(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    apply_epoch_start(f, 1, 1);
    apply_put(f, 1, "k", "before", 0);
    uint64_t digest = digest_now(f->state);

    refuse_meta = true;
    assert_int_equal(try_put(f, &err), CANDOR_INTERNAL);
    assert_non_null(strstr(err.message, "start this node again"));
    assert_int_equal(try_put(f, &err), CANDOR_INTERNAL);
    refuse_meta = false;

    state_close(f->state);
    fixture_open(f);
    assert_int_equal(digest_now(f->state), digest);
    assert_int_equal(try_put(f, &err), CANDOR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_meta_page_without_room_ends_the_node_and_not_its_state,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
