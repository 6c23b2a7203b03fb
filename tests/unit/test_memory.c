/* links: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/memory.h"

/* Nobody has so much, and a sanitizer's allocator says NULL, too, when it is told to (see main). */
#define TOO_MUCH ((size_t)1 << 50)

static void wanted_alone(void)
{
    free(memory_alloc(TOO_MUCH));
}

static void wanted_in_pieces(void)
{
    free(memory_zeroed(TOO_MUCH / 8, 8));
}

static void wanted_more_than_a_size_can_say(void)
{
    free(memory_zeroed(SIZE_MAX / 4, 8));
}

static void grown(void)
{
    char *old = malloc(16);
    char *bigger = memory_resize(old, TOO_MUCH, 1);
    free(bigger);
}

static void grown_as_a_buffer(void)
{
    struct buffer buffer = {0};
    buffer_grow(&buffer, TOO_MUCH);
    buffer_free(&buffer);
}

static void grown_beyond_what_its_capacity_can_say(void)
{
    uint32_t *list = NULL;
    uint8_t capacity = 0;
    size_t wanted = 256;
    memory_grow(list, capacity, wanted);
    free(list);
}

static void not_given_by_a_library(void)
{
    memory_given(NULL);
}

/* In a child: how it ends, and what it says on stderr. */
static int status_of(void (*want)(void), char *said, size_t room)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        want();
        _exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t more;
    while ((more = read(ends[0], said + got, room - 1 - got)) > 0)
        got += (size_t)more;
    said[got] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void lack_of_memory_ends_the_process_as_a_shortage_and_says_who_wanted_it(void **state)
{
    (void)state;
    static const struct {
        void (*want)(void);
        const char *who;
        const char *bytes;
    } cases[] = {
        {wanted_alone, "wanted_by=wanted_alone", "bytes=1125899906842624"},
        {wanted_in_pieces, "wanted_by=wanted_in_pieces", "bytes=1125899906842624"},
        {wanted_more_than_a_size_can_say, "wanted_by=wanted_more_than_a_size_can_say", "bytes="},
        {grown, "wanted_by=grown", "bytes=1125899906842624"},
        {grown_beyond_what_its_capacity_can_say, "wanted_by=grown_beyond_what_its_capacity_can_say",
         "bytes=0"},
        {grown_as_a_buffer, "wanted_by=buffer_grow", "bytes=1125899906842624"},
        {not_given_by_a_library, "wanted_by=not_given_by_a_library", "bytes=0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[8192];
        int status = status_of(cases[i].want, said, sizeof said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != NODE_EXIT_SHORTAGE)
            fail_msg("%s: wait status %#x, and it said: %s", cases[i].who, (unsigned)status, said);
        assert_non_null(strstr(said, " ERROR "));
        assert_non_null(strstr(said, cases[i].who));
        assert_non_null(strstr(said, cases[i].bytes));
    }
}

static void memory_that_is_there_is_given(void **state)
{
    (void)state;
    uint8_t *zeroed = memory_zeroed(3, 5);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(zeroed[i], 0);
    memset(zeroed, 7, 15);
    zeroed = memory_resize(zeroed, 1000, 4);
    assert_int_equal(zeroed[14], 7);
    assert_ptr_equal(memory_given(zeroed), zeroed);
    free(zeroed);
    /* Not NULL, which would read as a lack. */
    free(memory_alloc(0));
    free(memory_resize(NULL, 0, 8));
}

static void an_array_doubles_and_keeps_what_it_has(void **state)
{
    (void)state;
    static const uint8_t expected[] = {16, 32, 64, 128, 255};
    uint32_t *list = NULL;
    uint8_t capacity = 0;
    size_t seen = 0;
    for (unsigned count = 0; count < 255; count++) {
        memory_grow(list, capacity, count + 1);
        if (seen == 0 || capacity != expected[seen - 1])
            assert_int_equal(capacity, expected[seen++]);
        list[count] = count;
    }
    assert_int_equal(seen, sizeof expected);
    for (unsigned i = 0; i < 255; i++)
        assert_int_equal(list[i], i);
    free(list);
    uint64_t *many = NULL;
    size_t many_capacity = 0;
    memory_grow(many, many_capacity, 100); /* at once */
    assert_int_equal(many_capacity, 128);
    uint64_t *same = many;
    memory_grow(many, many_capacity, 128);
    assert_ptr_equal(many, same);
    free(many);
}

static void an_arena_without_memory_refuses(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, TOO_MUCH));
    assert_non_null(arena_alloc(&arena, 8));
    assert_null(arena_alloc(&arena, TOO_MUCH));
    arena_free(&arena);
}

int main(int argc, char **argv)
{
    (void)argc;
    /* Sanitizers end the process on impossible sizes unless they are told before it begins. */
    if (getenv("CANDOR_MEMORY_TEST") == NULL) {
        const char *more = ":allocator_may_return_null=1:max_allocation_size_mb=1024";
        static const char *const names[] = {"ASAN_OPTIONS", "TSAN_OPTIONS"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            char options[4096];
            const char *old = getenv(names[i]);
            snprintf(options, sizeof options, "%s%s", old != NULL ? old : "log_path=stderr", more);
            setenv(names[i], options, 1);
        }
        setenv("CANDOR_MEMORY_TEST", "1", 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lack_of_memory_ends_the_process_as_a_shortage_and_says_who_wanted_it),
        cmocka_unit_test(memory_that_is_there_is_given),
        cmocka_unit_test(an_array_doubles_and_keeps_what_it_has),
        cmocka_unit_test(an_arena_without_memory_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
