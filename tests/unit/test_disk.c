/* links: disk */
/* Files under faults: interrupted and short calls, a full disk, a failed sync, a lock that is
 * held. */
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
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "disk/disk.h"
#include "shortage.h"

/* ---- Faults: these stand before those of the C library --------------------------------------- */

static struct {
    unsigned interrupted; /* so many of the next calls fail with EINTR */
    size_t most;          /* no call moves more bytes; 0: as many as it likes */
    bool no_progress;     /* a write moves nothing */
    int fdatasync;        /* errno of each */
    int fsync;
    int rename;
    char calls[256]; /* what made the disk change or last, in its order */
} fault;

static void note(const char *call)
{
    size_t length = strlen(fault.calls);
    snprintf(fault.calls + length, sizeof fault.calls - length, "%s ", call);
}

static bool interrupts(void)
{
    if (fault.interrupted == 0)
        return false;
    fault.interrupted--;
    errno = EINTR;
    return true;
}

static size_t shortened(size_t length)
{
    return fault.most != 0 && length > fault.most ? fault.most : length;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    if (interrupts())
        return -1;
    return fault.no_progress ? 0 : syscall(SYS_pwrite64, fd, bytes, shortened(length), at);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    return interrupts() ? -1 : syscall(SYS_write, fd, bytes, shortened(length));
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at)
{
    return interrupts() ? -1 : syscall(SYS_pread64, fd, bytes, shortened(length), at);
}

ssize_t read(int fd, void *bytes, size_t length)
{
    return interrupts() ? -1 : syscall(SYS_read, fd, bytes, shortened(length));
}

int flock(int fd, int operation)
{
    return interrupts() ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int fdatasync(int fd)
{
    note("fdatasync");
    errno = fault.fdatasync;
    return fault.fdatasync != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    note("fsync");
    errno = fault.fsync;
    return fault.fsync != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    note("rename");
    errno = fault.rename;
    return fault.rename != 0 ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* ---- Fixture --------------------------------------------------------------------------------- */

struct fixture {
    char dir[64];
    int dir_fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    memset(&fault, 0, sizeof fault);
    snprintf(f->dir, sizeof f->dir, "/tmp/candor-disk-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[96];
    memset(&fault, 0, sizeof fault);
    close(f->dir_fd);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    int status = system(command);
    free(f);
    return status;
}

static const char *in(const struct fixture *f, const char *name)
{
    static char paths[4][128]; /* so many in one call */
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
    return path;
}

static struct slice text(const char *of)
{
    return slice_of(of, strlen(of));
}

static int open_new(const struct fixture *f, const char *name)
{
    int fd = -1;
    assert_int_equal(disk_open(in(f, name), O_RDWR | O_CREAT | O_EXCL, &fd, NULL), CANDOR_OK);
    return fd;
}

static void make(const struct fixture *f, const char *name, const char *content)
{
    assert_int_equal(disk_write(f->dir_fd, name, text(content), NULL), CANDOR_OK);
}

static void assert_holds(const struct fixture *f, const char *name, const char *content)
{
    struct buffer bytes = {0};
    struct candor_error err = {0};
    enum candor_code code = disk_load(f->dir_fd, name, 4096, &bytes, &err);
    if (code != CANDOR_OK)
        fail_msg("%s", err.message);
    buffer_put_u8(&bytes, 0);
    assert_string_equal((const char *)bytes.bytes, content);
    buffer_free(&bytes);
}

static bool is_there(const struct fixture *f, const char *name)
{
    return access(in(f, name), F_OK) == 0;
}

/* ---- Errors ---------------------------------------------------------------------------------- */

static void every_errno_is_a_shortage_a_refusal_or_damage(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum candor_code code;
        bool full;
    } table[] = {
        {ENOSPC, CANDOR_RESOURCE_EXHAUSTED, true},   {EDQUOT, CANDOR_RESOURCE_EXHAUSTED, true},
        {EFBIG, CANDOR_RESOURCE_EXHAUSTED, true},    {EMFILE, CANDOR_RESOURCE_EXHAUSTED, false},
        {ENFILE, CANDOR_RESOURCE_EXHAUSTED, false},  {ENOMEM, CANDOR_RESOURCE_EXHAUSTED, false},
        {EAGAIN, CANDOR_RESOURCE_EXHAUSTED, false},  {EINTR, CANDOR_RESOURCE_EXHAUSTED, false},
        {EACCES, CANDOR_PERMISSION_DENIED, false},   {EROFS, CANDOR_PERMISSION_DENIED, false},
        {ENOENT, CANDOR_FAILED_PRECONDITION, false}, {ENOTDIR, CANDOR_FAILED_PRECONDITION, false},
        {EISDIR, CANDOR_FAILED_PRECONDITION, false}, {EIO, CANDOR_DATA_LOSS, false},
        {EUCLEAN, CANDOR_DATA_LOSS, false},          {EBADMSG, CANDOR_DATA_LOSS, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int number = table[i].number;
        assert_int_equal(disk_error_code(number), table[i].code);
        assert_int_equal(disk_error_is_full(number), table[i].full);
        assert_int_equal(disk_error_is_shortage(number),
                         table[i].code == CANDOR_RESOURCE_EXHAUSTED);
        assert_int_equal(disk_error_reason(number),
                         table[i].full ? CANDOR_REASON_DISK_FULL : CANDOR_REASON_NONE);
    }
}

static void an_error_names_what_failed_and_why(void **state)
{
    (void)state;
    struct candor_error err;
    assert_int_equal(disk_failed(&err, ENOSPC, "append to", "7.log"), CANDOR_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, "cannot append to 7.log: No space left on device");
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_int_equal(disk_find_failed(&err, ENOENT, "open", "/x/seal"), CANDOR_NOT_FOUND);
    assert_int_equal(err.code, CANDOR_NOT_FOUND);
    assert_string_equal(err.message, "cannot open /x/seal: No such file or directory");
    assert_int_equal(disk_find_failed(&err, EACCES, "open", "/x/seal"), CANDOR_PERMISSION_DENIED);
    assert_int_equal(err.code, CANDOR_PERMISSION_DENIED);
    /* Whatever the number: what was to be on the disk may not be there (R3). */
    assert_int_equal(disk_sync_failed(&err, ENOSPC, "7.log"), CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "7.log could not be made durable: No space left"));
}

/* ---- Interrupted and short calls ------------------------------------------------------------- */

static void assert_bytes(int fd, const char *content)
{
    char bytes[64] = "";
    size_t got = 0;
    assert_int_equal(disk_read(fd, bytes, sizeof bytes - 1, 0, &got), 0);
    assert_int_equal(got, strlen(content));
    assert_string_equal(bytes, content);
}

static void write_every_way(const struct fixture *f, const char *name)
{
    char got_next[7] = "";
    size_t got = 0;
    int fd = open_new(f, name);
    assert_int_equal(disk_append(fd, text("one two ")), 0);
    assert_int_equal(disk_append(fd, text("three")), 0);
    assert_int_equal(disk_write_all(fd, text("TWO"), 4), 0);
    struct slice parts[2] = {text(" four"), text(" five")};
    assert_int_equal(disk_write_two(fd, parts, 13), 0);
    assert_bytes(fd, "one TWO three four five");
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    assert_int_equal(disk_read_next(fd, got_next, 6, &got), 0);
    assert_string_equal(got_next, "TWO th");
    close(fd);
}

static void an_interrupted_call_is_made_again(void **state)
{
    struct fixture *f = *state;
    char name[16];
    for (unsigned i = 1; i <= 8; i++) {
        fault.interrupted = i;
        snprintf(name, sizeof name, "after-%u", i);
        write_every_way(f, name);
    }
}

static void what_a_short_call_left_is_moved_by_the_next(void **state)
{
    struct fixture *f = *state;
    char name[16];
    for (size_t most = 1; most <= 5; most++) {
        fault.most = most;
        fault.interrupted = (unsigned)most;
        snprintf(name, sizeof name, "most-%zu", most);
        write_every_way(f, name);
    }
}

static void a_write_of_nothing_is_a_full_disk(void **state)
{
    int fd = open_new(*state, "file");
    fault.no_progress = true;
    assert_int_equal(disk_write_all(fd, text("x"), 0), ENOSPC);
    close(fd);
}

static void a_read_ends_where_the_file_does(void **state)
{
    int fd = open_new(*state, "file");
    char bytes[16];
    size_t got = 99;
    assert_int_equal(disk_append(fd, text("12345")), 0);
    assert_int_equal(disk_read(fd, bytes, sizeof bytes, 3, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(disk_read(fd, bytes, sizeof bytes, 5, &got), 0);
    assert_int_equal(got, 0);
    close(fd);
}

/* ---- A full disk ----------------------------------------------------------------------------- */

static void a_full_disk_leaves_the_old_file_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    char large[400];
    memset(large, 'x', sizeof large);
    make(f, "file", "old");
    struct shortage shortage = shortage_of_room(100);
    assert_int_equal(disk_replace(f->dir_fd, "file", slice_of(large, sizeof large), &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    assert_false(is_there(f, "file.tmp"));
    assert_int_equal(disk_write(f->dir_fd, "new", slice_of(large, sizeof large), &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_false(is_there(f, "new"));
    shortage_end(&shortage);
    assert_holds(f, "file", "old");
    assert_int_equal(disk_replace(f->dir_fd, "file", text("new"), &err), CANDOR_OK);
    assert_holds(f, "file", "new");
}

static void a_copy_that_finds_no_room_says_so(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    make(f, "from", "more than ten bytes");
    struct shortage shortage = shortage_of_room(10);
    assert_int_equal(disk_copy(in(f, "from"), in(f, "to"), &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
    shortage_end(&shortage);
    assert_int_equal(disk_copy(in(f, "from"), in(f, "to"), &err), CANDOR_OK);
    assert_holds(f, "to", "more than ten bytes");
}

/* ---- Replacing ------------------------------------------------------------------------------- */

static void a_replaced_file_is_synced_before_its_name_and_its_name_after(void **state)
{
    struct fixture *f = *state;
    make(f, "file", "old");
    fault.calls[0] = '\0';
    assert_int_equal(disk_replace(f->dir_fd, "file", text("new"), NULL), CANDOR_OK);
    assert_string_equal(fault.calls, "fdatasync rename fsync ");
    assert_holds(f, "file", "new");
    assert_false(is_there(f, "file.tmp"));
}

static void a_replace_that_fails_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    make(f, "file", "old");
    fault.rename = EACCES;
    assert_int_equal(disk_replace(f->dir_fd, "file", text("new"), &err), CANDOR_PERMISSION_DENIED);
    fault.rename = 0;
    assert_holds(f, "file", "old");
    fault.fdatasync = EIO;
    assert_int_equal(disk_replace(f->dir_fd, "file", text("new"), &err), CANDOR_DATA_LOSS);
    fault.fdatasync = 0;
    assert_holds(f, "file", "old");
    assert_false(is_there(f, "file.tmp"));
}

static void a_rename_lasts_or_leaves_both_names(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    make(f, "from", "new");
    make(f, "to", "old");
    fault.rename = ENOSPC;
    assert_int_equal(disk_rename(f->dir_fd, "from", "to", &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_holds(f, "from", "new");
    assert_holds(f, "to", "old");
    fault.rename = 0;
    fault.calls[0] = '\0';
    assert_int_equal(disk_rename(f->dir_fd, "from", "to", &err), CANDOR_OK);
    assert_string_equal(fault.calls, "rename fsync ");
    assert_false(is_there(f, "from"));
    assert_holds(f, "to", "new");
}

static void a_name_that_may_not_last_is_in_doubt(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    make(f, "file", "old");
    make(f, "other", "other");
    fault.fsync = ENOSPC; /* no shortage, when a sync says it */
    assert_int_equal(disk_replace(f->dir_fd, "file", text("new"), &err), CANDOR_DATA_LOSS);
    assert_int_equal(disk_swap(f->dir_fd, in(f, "other"), in(f, "file"), &err), CANDOR_DATA_LOSS);
    assert_int_equal(disk_make_dir(in(f, "dir"), 0700, &err), CANDOR_DATA_LOSS);
    assert_int_equal(disk_copy(in(f, "file"), in(f, "to"), &err), CANDOR_DATA_LOSS);
    assert_int_equal(disk_sync(in(f, "file"), &err), CANDOR_DATA_LOSS);
    assert_int_equal(disk_rename(f->dir_fd, "file", "moved", &err), CANDOR_DATA_LOSS);
}

static void replace_by_turns(const struct fixture *f, int number)
{
    char content[64];
    memset(content, 'a' + number, sizeof content);
    for (int i = 0; i < 50; i++)
        if (disk_replace_shared(in(f, "file"), slice_of(content, sizeof content), NULL) !=
            CANDOR_OK)
            _exit(1);
    _exit(0);
}

static void assert_of_one_writer(const struct fixture *f)
{
    struct buffer bytes = {0};
    assert_int_equal(disk_load(f->dir_fd, "file", 4096, &bytes, NULL), CANDOR_OK);
    assert_int_equal(bytes.length, 64);
    for (size_t i = 1; i < bytes.length; i++)
        assert_int_equal(bytes.bytes[i], bytes.bytes[0]);
    buffer_free(&bytes);
}

static void processes_that_replace_one_file_leave_it_whole(void **state)
{
    struct fixture *f = *state;
    enum { WRITERS = 3 };
    pid_t children[WRITERS];
    char first[65];
    memset(first, 'z', sizeof first - 1);
    first[64] = '\0';
    make(f, "file", first);
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            replace_by_turns(f, i);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = 0;
        while (waitpid(children[i], &status, WNOHANG) == 0)
            assert_of_one_writer(f);
        assert_int_equal(status, 0);
        char temporary[32];
        snprintf(temporary, sizeof temporary, "file.%ld.tmp", (long)children[i]);
        assert_false(is_there(f, temporary));
    }
    assert_of_one_writer(f);
}

/* ---- Reading, copying, exchanging ------------------------------------------------------------ */

static void a_file_is_read_whole_or_not(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    struct candor_error err;
    assert_int_equal(disk_load(f->dir_fd, "file", 5, &bytes, &err), CANDOR_NOT_FOUND);
    make(f, "file", "12345");
    fault.most = 2;
    assert_int_equal(disk_load(f->dir_fd, "file", 5, &bytes, &err), CANDOR_OK);
    assert_int_equal(bytes.length, 5);
    assert_int_equal(disk_load(f->dir_fd, "file", 4, &bytes, &err), CANDOR_DATA_LOSS);
    assert_string_equal(err.message, "file is damaged: it is too long");
    buffer_free(&bytes);
}

static void a_copy_has_every_byte_and_is_synced(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    struct buffer content = {0};
    struct buffer copied = {0};
    assert_int_equal(disk_copy(in(f, "from"), in(f, "to"), &err), CANDOR_NOT_FOUND);
    for (uint32_t i = 0; i < 700000; i++) /* some chunks, and a part of one */
        buffer_put_u32(&content, i);
    assert_int_equal(disk_write(f->dir_fd, "from", buffer_slice(&content), &err), CANDOR_OK);
    fault.calls[0] = '\0';
    fault.most = 100001;
    assert_int_equal(disk_copy(in(f, "from"), in(f, "to"), &err), CANDOR_OK);
    assert_string_equal(fault.calls, "fsync ");
    assert_int_equal(disk_load(f->dir_fd, "to", content.length, &copied, &err), CANDOR_OK);
    assert_true(slice_equal(buffer_slice(&content), buffer_slice(&copied)));
    buffer_free(&content);
    buffer_free(&copied);
}

static void a_swap_moves_or_exchanges(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    make(f, "new", "new");
    assert_int_equal(disk_swap(f->dir_fd, in(f, "new"), in(f, "current"), &err), CANDOR_OK);
    assert_holds(f, "current", "new");
    assert_false(is_there(f, "new"));
    make(f, "new", "newer");
    fault.calls[0] = '\0';
    assert_int_equal(disk_swap(f->dir_fd, in(f, "new"), in(f, "current"), &err), CANDOR_OK);
    assert_string_equal(fault.calls, "fsync ");
    assert_holds(f, "current", "newer");
    assert_holds(f, "new", "new");
    assert_int_equal(disk_swap(f->dir_fd, in(f, "none"), in(f, "current"), &err), CANDOR_NOT_FOUND);
    assert_holds(f, "current", "newer");
}

/* ---- Directories ----------------------------------------------------------------------------- */

static void a_new_directory_is_made_with_all_above_it_and_lasts(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    struct stat st;
    int fd = -1;
    fault.calls[0] = '\0';
    assert_int_equal(disk_make_dirs(in(f, "a//b/c/"), 0700, &err), CANDOR_OK);
    assert_string_equal(fault.calls, "fsync fsync fsync ");
    assert_int_equal(stat(in(f, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    fault.calls[0] = '\0';
    assert_int_equal(disk_make_dirs(in(f, "a/b/c"), 0750, &err), CANDOR_OK);
    assert_string_equal(fault.calls, "");
    assert_int_equal(stat(in(f, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(disk_open_dir(in(f, "a/d"), &fd, &err), CANDOR_OK);
    close(fd);
}

static void what_stands_in_the_way_of_a_directory_is_named(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    char expected[256];
    make(f, "file", "content");
    snprintf(expected, sizeof expected, "cannot make the directory %s: Not a directory",
             in(f, "file"));
    assert_int_equal(disk_make_dirs(in(f, "file"), 0700, &err), CANDOR_FAILED_PRECONDITION);
    assert_string_equal(err.message, expected);
    assert_int_equal(disk_make_dirs(in(f, "file/below"), 0700, &err), CANDOR_FAILED_PRECONDITION);
    assert_string_equal(err.message, expected);
    assert_int_equal(symlink("nowhere", in(f, "link")), 0);
    assert_int_equal(disk_make_dirs(in(f, "link"), 0700, &err), CANDOR_FAILED_PRECONDITION);
    assert_int_equal(disk_make_dir(in(f, "none/below"), 0700, &err), CANDOR_FAILED_PRECONDITION);
    assert_holds(f, "file", "content");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct candor_error err;
    char path[LIMIT_PATH_BYTES];
    char longest[LIMIT_PATH_BYTES + 1];
    memset(longest, 'x', LIMIT_PATH_BYTES);
    longest[LIMIT_PATH_BYTES] = '\0';
    assert_int_equal(disk_make_dirs(longest, 0700, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(disk_make_dirs("", 0700, &err), CANDOR_INVALID_ARGUMENT);
    longest[LIMIT_PATH_BYTES - 2] = '\0';
    assert_int_equal(disk_path(path, longest, "a", &err), CANDOR_INVALID_ARGUMENT);
    longest[LIMIT_PATH_BYTES - 3] = '\0';
    assert_int_equal(disk_path(path, longest, "a", &err), CANDOR_OK);
    assert_int_equal(strlen(path), LIMIT_PATH_BYTES - 1);
}

static void the_directory_of_a_path_is_opened(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/x", "x"};
    static const char *const parents[] = {"/", "."};
    struct stat got;
    struct stat expected;
    struct candor_error err;
    int fd = -1;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(disk_open_parent(paths[i], &fd, &err), CANDOR_OK);
        assert_int_equal(fstat(fd, &got), 0);
        assert_int_equal(stat(parents[i], &expected), 0);
        assert_int_equal(got.st_ino, expected.st_ino);
        close(fd);
    }
    assert_int_equal(disk_open_parent(in(f, "none/x"), &fd, &err), CANDOR_NOT_FOUND);
}

/* ---- Locks ----------------------------------------------------------------------------------- */

/* A process that holds the directory's lock until `end` is closed. */
static pid_t fork_holder(const struct fixture *f, int *end)
{
    int ready[2];
    int until[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(until), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = -1;
        close(until[1]);
        if (disk_lock(f->dir_fd, f->dir, &fd, NULL) == CANDOR_OK)
            (void)!write(ready[1], "y", 1);
        close(ready[1]);
        _exit(read(until[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    close(until[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *end = until[1];
    return child;
}

static void a_lock_that_is_held_names_its_process(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    char expected[160];
    char line[32];
    int end = -1;
    int fd = -1;
    make(f, "lock", "99999999999\n"); /* longer than any process's number */
    pid_t child = fork_holder(f, &end);
    assert_int_equal(disk_lock(f->dir_fd, f->dir, &fd, &err), CANDOR_FAILED_PRECONDITION);
    snprintf(expected, sizeof expected, "data directory %s is locked by pid %ld", f->dir,
             (long)child);
    assert_string_equal(err.message, expected);
    close(end);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fault.interrupted = 2;
    assert_int_equal(disk_lock(f->dir_fd, f->dir, &fd, &err), CANDOR_OK);
    snprintf(line, sizeof line, "%-10ld\n\n", (long)getpid());
    assert_holds(f, "lock", line);
    close(fd);
}

static void a_full_disk_does_not_keep_from_the_lock(void **state)
{
    struct fixture *f = *state;
    struct candor_error err;
    int fd = -1;
    struct shortage shortage = shortage_of_room(0);
    enum candor_code code = disk_lock(f->dir_fd, f->dir, &fd, &err);
    shortage_end(&shortage);
    assert_int_equal(code, CANDOR_OK);
    int other = open(in(f, "lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(disk_try_lock(other), EWOULDBLOCK);
    close(fd);
    assert_int_equal(disk_try_lock(other), 0);
    close(other);
}

static unsigned asked;

static bool at_the_third(void)
{
    return ++asked == 3;
}

static void a_wait_for_a_lock_ends_when_it_is_given_up(void **state)
{
    int fd = open_new(*state, "file");
    asked = 0;
    fault.interrupted = 5;
    assert_int_equal(disk_wait_lock(fd, at_the_third), EINTR);
    assert_int_equal(asked, 3);
    assert_int_equal(disk_wait_lock(fd, NULL), 0); /* through the two that are left */
    assert_int_equal(fault.interrupted, 0);
    close(fd);
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_errno_is_a_shortage_a_refusal_or_damage),
        cmocka_unit_test(an_error_names_what_failed_and_why),
        DISK_TEST(an_interrupted_call_is_made_again),
        DISK_TEST(what_a_short_call_left_is_moved_by_the_next),
        DISK_TEST(a_write_of_nothing_is_a_full_disk),
        DISK_TEST(a_read_ends_where_the_file_does),
        DISK_TEST(a_full_disk_leaves_the_old_file_and_no_other),
        DISK_TEST(a_copy_that_finds_no_room_says_so),
        DISK_TEST(a_replaced_file_is_synced_before_its_name_and_its_name_after),
        DISK_TEST(a_replace_that_fails_leaves_the_old_file),
        DISK_TEST(a_rename_lasts_or_leaves_both_names),
        DISK_TEST(a_name_that_may_not_last_is_in_doubt),
        DISK_TEST(processes_that_replace_one_file_leave_it_whole),
        DISK_TEST(a_file_is_read_whole_or_not),
        DISK_TEST(a_copy_has_every_byte_and_is_synced),
        DISK_TEST(a_swap_moves_or_exchanges),
        DISK_TEST(a_new_directory_is_made_with_all_above_it_and_lasts),
        DISK_TEST(what_stands_in_the_way_of_a_directory_is_named),
        DISK_TEST(a_path_that_is_too_long_is_refused),
        DISK_TEST(the_directory_of_a_path_is_opened),
        DISK_TEST(a_lock_that_is_held_names_its_process),
        DISK_TEST(a_full_disk_does_not_keep_from_the_lock),
        DISK_TEST(a_wait_for_a_lock_ends_when_it_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
