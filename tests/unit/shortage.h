/* Shortages of this process, for tests: no descriptor, or no room in files, until they are
 * ended. */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

struct shortage {
    int resource;
    struct rlimit was;
};

#define SHORTAGE_HELPER __attribute__((unused)) static /* not every test uses every one */

SHORTAGE_HELPER void shortage_end(const struct shortage *shortage)
{
    assert_int_equal(setrlimit(shortage->resource, &shortage->was), 0);
}

SHORTAGE_HELPER struct shortage shortage_begin(int resource, rlim_t most)
{
    struct shortage shortage = {.resource = resource};
    assert_int_equal(getrlimit(shortage.resource, &shortage.was), 0);
    struct rlimit low = {.rlim_cur = most, .rlim_max = shortage.was.rlim_max};
    assert_int_equal(setrlimit(shortage.resource, &low), 0);
    return shortage;
}

/* The next open() but `left` fails with EMFILE. */
SHORTAGE_HELPER struct shortage shortage_of_descriptors(int left)
{
    int fds[8] = {0};
    assert_true(left >= 0 && left < 8);
    for (int i = 0; i <= left; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    int first_refused = fds[left];
    for (int i = 0; i <= left; i++)
        close(fds[i]);
    return shortage_begin(RLIMIT_NOFILE, (rlim_t)first_refused);
}

/* No file may grow beyond `bytes`: what crosses the limit is cut short, what begins behind it is
 * refused (EFBIG). */
SHORTAGE_HELPER struct shortage shortage_of_room(uint64_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    return shortage_begin(RLIMIT_FSIZE, bytes);
}

#endif
