/* links: cli */
/* The file of named contexts: what is read, what is refused and where, whatever its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/frame/contexts.h"

static bool read_bytes(const void *bytes, size_t length, struct contexts *out,
                       struct contexts_problem *why)
{
    char *text = malloc(length + 1);
    assert_non_null(text);
    memcpy(text, bytes, length);
    text[length] = '\0';
    memset(out, 0, sizeof *out);
    memset(why, 0, sizeof *why);
    snprintf(out->path, sizeof out->path, "contexts");
    bool good = contexts_read(text, length, out, why);
    free(text);
    return good;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const char text[] = "# by hand\r\n use=b \n\n[b]\r\n  topology = /x y/t.yaml\n"
                               "secret-file = /s\n[a.1_-]\nendpoints = tcp://h:1, ipc:///p\n";
    struct contexts contexts;
    struct contexts_problem why;
    assert_true(read_bytes(text, strlen(text), &contexts, &why));
    assert_string_equal(contexts.use, "b");
    assert_int_equal(contexts.count, 2);
    assert_string_equal(contexts.list[0].name, "a.1_-");
    assert_string_equal(contexts.list[0].endpoints, "tcp://h:1, ipc:///p");
    assert_string_equal(contexts_find(&contexts, "b")->topology, "/x y/t.yaml");
    assert_string_equal(contexts_find(&contexts, "b")->secret_file, "/s");
    assert_null(contexts_find(&contexts, "c"));
    contexts_remove(&contexts, contexts_find(&contexts, "b"));
    assert_string_equal(contexts.use, "");
    assert_int_equal(contexts.count, 1);
    contexts_free(&contexts);
    assert_true(read_bytes("", 0, &contexts, &why));
    contexts_free(&contexts);
}

static void what_is_wrong_is_told_by_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"x", "contexts:1: 'x' is neither"},
        {"\n\ntopology = /x", "contexts:3: 'topology' belongs to no context"},
        {"[a\n", "contexts:1: '[a' is not closed"},
        {"[]\n", "contexts:1: '' is no name"},
        {"[../a]\n", "contexts:1: '../a' is no name"},
        {"[a]\ntopology = x\n", "contexts:2: topology: 'x' is no absolute path"},
        {"[a]\ntopology = /x\ntopology = /y\n", "contexts:3: context 'a' has a second topology"},
        {"[a]\ntopology = /x\nendpoints = tcp://h:1\n",
         "contexts:3: context 'a' has a topology and"},
        {"[a]\nendpoints = tcp://h:1,,tcp://h:2\n", "contexts:2: endpoints: "},
        {"[a]\nendpoints = h:1\n", "contexts:2: endpoints: 'h:1' is not an address"},
        {"[a]\nendpoints =\n", "contexts:2: endpoints: "},
        {"[a]\ntopolgy = /x\n", "contexts:2: unknown key 'topolgy'"},
        {"[a]\n[b]\ntopology = /x\n", "contexts:2: context 'a', which ends before this line"},
        {"[a]\ntopology = /x\n[a]\n", "contexts:3: there are two contexts 'a'"},
        {"use = a\nuse = b\n", "contexts:2: `use` stands in line 1 already"},
        {"use = a\n[b]\ntopology = /x\n", "contexts:1: `use` names 'a', which is not there"},
        {"[a]\ntoken = abc\n", "contexts:2: a secret has no place here"},
        {"\xC2\x9B"
         "2J\n",
         "contexts:1: the line holds bytes that are no text"},
        {"\033[2J\n", "contexts:1: the line holds bytes that are no text"},
        {"[a]\ntopology = /x\rb\n", "contexts:2: the line holds bytes that are no text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct contexts contexts;
        struct contexts_problem why;
        assert_false(read_bytes(cases[i].text, strlen(cases[i].text), &contexts, &why));
        if (strncmp(why.what, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("'%s' says '%s', not '%s'", cases[i].text, why.what, cases[i].says);
        assert_true(why.hint[0] != '\0');
        contexts_free(&contexts);
    }
    struct contexts contexts;
    struct contexts_problem why;
    assert_false(read_bytes("a\0b", 3, &contexts, &why));
    assert_string_equal(why.what, "contexts:1: the line holds bytes that are no text");
}

/* Nothing of what it read goes to the terminal as it was. */
static void no_bytes_break_it(void **state)
{
    (void)state;
    static const char *const pieces[] = {"[a]\n",     "[b]\n",      "topology = /x\n",
                                         "use = a\n", "=",          "[",
                                         "]",         "\n",         "\r\n",
                                         "\033",      "\0x",        "endpoints = ",
                                         ",",         "tcp://h:1 ", "secret-file = /",
                                         "\xff",      " ",          "#"};
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t length = 0;
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525 + 1013904223;
            const char *piece = pieces[(seed >> 16) % (sizeof pieces / sizeof pieces[0])];
            size_t size = piece[0] == '\0' ? 2 : strlen(piece);
            memcpy(text + length, piece, size);
            length += size;
        }
        struct contexts contexts;
        struct contexts_problem why;
        bool good = read_bytes(text, length, &contexts, &why);
        assert_true(good || (why.what[0] != '\0' && why.hint[0] != '\0'));
        for (const char *p = why.what; *p != '\0'; p++)
            assert_true((unsigned char)*p >= ' ');
        contexts_free(&contexts);
    }
}

static void long_ones_are_refused(void **state)
{
    (void)state;
    char *text = malloc(1 << 20);
    size_t length = 0;
    struct contexts contexts;
    struct contexts_problem why;
    assert_non_null(text);
    for (int i = 0; i <= CONTEXTS_MAX; i++)
        length += (size_t)sprintf(text + length, "[c%d]\ntopology = /x\n", i);
    assert_false(read_bytes(text, length, &contexts, &why));
    assert_non_null(strstr(why.what, "contexts:513: more than 256 contexts"));
    contexts_free(&contexts);
    memset(text, 'x', 1 << 20);
    memcpy(text, "[a]\ntopology = /", 16);
    assert_false(read_bytes(text, 1 << 20, &contexts, &why));
    assert_non_null(strstr(why.what, "contexts:2: topology: the path has more than"));
    contexts_free(&contexts);
    memcpy(text, "[a]\nendpoints = ", 16);
    assert_false(read_bytes(text, 1 << 20, &contexts, &why));
    contexts_free(&contexts);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_wrong_is_told_by_its_line),
        cmocka_unit_test(no_bytes_break_it),
        cmocka_unit_test(long_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
