/* links: feed */
/* candor-feed's pure parts: keys as subjects, the mark that each message carries, its headers, the
 * file of settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/feed/feed_mark.h"
#include "cli/feed/feed_message.h"
#include "cli/feed/feed_settings.h"
#include "cli/feed/feed_subject.h"
#include "cli/feed/sink.h"

/* ---- Subjects -------------------------------------------------------------------------------- */

static void keys_become_subjects(void **state)
{
    (void)state;
    static const struct {
        char separator;
        struct candor_bytes key;
        const char *subject;
    } cases[] = {
        {':', {"greeting", 8}, "p.greeting"},
        {':', {"cart:17:item", 12}, "p.cart.17.item"},
        {'/', {"cart:17/item", 12}, "p.cart:17.item"},
        {'.', {"a.b", 3}, "p.a.b"},
        {':', {"a.b", 3}, "p.a%2Eb"},
        {'\0', {"a:b", 3}, "p.a:b"},
        {':', {":", 1}, "p.%.%"},
        {':', {"a::b", 4}, "p.a.%.b"},
        {':', {"a:", 2}, "p.a.%"},
        {':', {"%", 1}, "p.%25"},
        {':', {"*>", 2}, "p.%2A%3E"},
        {':', {"a b\t\x7f", 5}, "p.a%20b%09%7F"},
        {':', {"\0\r\n", 3}, "p.%00%0D%0A"},
        {':', {"\xc3\xa9", 2}, "p.%C3%A9"},
        {':', {"%control", 8}, "p.%25control"},
    };
    char out[FEED_SUBJECT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct feed_subjects subjects = {.prefix = "p", .separator = cases[i].separator};
        assert_string_equal(feed_subject_of_key(&subjects, cases[i].key, out), cases[i].subject);
    }
}

static void the_longest_key_has_room(void **state)
{
    (void)state;
    struct feed_subjects subjects = {.separator = ':'};
    uint8_t key[LIMIT_KEY_BYTES];
    char out[FEED_SUBJECT_BYTES];
    memset(subjects.prefix, 'p', sizeof subjects.prefix - 1);
    memset(key, 0xff, sizeof key);
    feed_subject_of_key(&subjects, (struct candor_bytes){key, sizeof key}, out);
    assert_int_equal(strlen(out), sizeof subjects.prefix - 1 + 1 + 3 * sizeof key);
    memset(key, ':', sizeof key);
    feed_subject_of_key(&subjects, (struct candor_bytes){key, sizeof key}, out);
    assert_int_equal(strlen(out), sizeof subjects.prefix - 1 + 1 + 2 * sizeof key + 1);
}

static void what_is_no_prefix_or_separator_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    ".",   "a.",  ".a",       "a..b",  "a b",
                                        "a.*", "a.>", "$JS", "_INBOX.x", "a%20b", "caf\xc3\xa9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(feed_subject_prefix_good(wrong[i]));
    assert_true(feed_subject_prefix_good("candor"));
    assert_true(feed_subject_prefix_good("shop.eu-1.candor_2"));
    char prefix[LIMIT_FEED_SUBJECT_PREFIX_BYTES + 1] = "";
    memset(prefix, 'p', LIMIT_FEED_SUBJECT_PREFIX_BYTES);
    assert_false(feed_subject_prefix_good(prefix));
    prefix[LIMIT_FEED_SUBJECT_PREFIX_BYTES - 1] = '\0';
    assert_true(feed_subject_prefix_good(prefix));
    for (const char *good = ":/.-_|"; *good != '\0'; good++)
        assert_true(feed_subject_separator_good(*good));
    for (const char *bad = "a0Z% \n\x7f\xc3"; *bad != '\0'; bad++)
        assert_false(feed_subject_separator_good(*bad));
}

static void a_stream_covers_the_subjects_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *prefix;
        bool covered;
    } cases[] = {
        {">", "a.b", true},      {"a.>", "a.b", true},      {"a.b.>", "a.b", true},
        {"*.b.>", "a.b", true},  {"a.b", "a.b", false},     {"a.b.*", "a.b", false},
        {"a.c.>", "a.b", false}, {"a.b.c.>", "a.b", false}, {"ab.>", "a", false},
        {"a.>", "ab", false},    {"*.>", "a", true},        {"*", "a", false},
        {"", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(feed_subject_covered(cases[i].pattern, cases[i].prefix), cases[i].covered);
}

/* ---- Marks ----------------------------------------------------------------------------------- */

static void assert_same(const struct mark *a, const struct mark *b)
{
    assert_true(a->number == b->number && a->told_seq == b->told_seq &&
                a->told_part == b->told_part && a->range == b->range && a->from == b->from &&
                a->telling == b->telling);
    assert_int_equal(a->cursor_length, b->cursor_length);
    assert_memory_equal(a->cursor, b->cursor, a->cursor_length);
    assert_int_equal(a->key_length, b->key_length);
    assert_memory_equal(a->key, b->key, a->key_length);
}

static void a_mark_survives_its_text(void **state)
{
    (void)state;
    struct mark marks[] = {
        {.number = 1, .from = MARK_STATE, .telling = true},
        {.number = 2, .from = MARK_SINCE, .told_seq = 41, .told_part = UINT32_MAX},
        {.number = 17,
         .from = MARK_CURSOR,
         .told_seq = 4711,
         .range = 0x5f3a91c2,
         .cursor = "\0x",
         .cursor_length = 2},
        {.number = 3,
         .telling = true,
         .from = MARK_CURSOR,
         .cursor = "c",
         .cursor_length = 1,
         .key = "k k",
         .key_length = 3},
        {.number = UINT64_MAX,
         .from = MARK_CURSOR,
         .told_seq = UINT64_MAX,
         .told_part = UINT32_MAX,
         .range = UINT32_MAX,
         .cursor_length = CANDOR_CURSOR_BYTES_MAX,
         .key_length = LIMIT_KEY_BYTES},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        char text[MARK_BYTES];
        struct mark back;
        assert_true(mark_parse(mark_text(&marks[i], text), &back));
        assert_same(&back, &marks[i]);
    }
}

static void what_is_no_mark_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "17",
        "17 1.0 00000000",
        "17 1.0 00000000 ",
        "17 1.0 00000000 elsewhere",
        "17 1.0 00000000 cursor:",
        "17 1.0 00000000 cursor:!!",
        "17 1.0 00000000 within:",
        "17 1.0 00000000 cursor:Yw== within:Yw==",
        "17 1.0 00000000 cursor:Yw== key:",
        "17 1.0 00000000 cursor:Yw== key:!!",
        "17 1.0 00000000 cursor:Yw== key:aw== more",
        "17 1.0 00000000 state more",
        "17 1.0 00000000 stateless",
        "0 1.0 00000000 state",
        "17 1 00000000 state",
        "17 1.0 state",
    };
    struct mark out;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(mark_parse(wrong[i], &out));
    char longest[4096];
    snprintf(longest, sizeof longest, "17 1.0 00000000 cursor:%03000d", 0);
    assert_false(mark_parse(longest, &out));
}

static void a_mark_knows_what_the_target_has(void **state)
{
    (void)state;
    struct mark mark = {.told_seq = 10, .told_part = 1};
    assert_true(mark_has_change(&mark, 9, 7));
    assert_true(mark_has_change(&mark, 10, 0));
    assert_true(mark_has_change(&mark, 10, 1));
    assert_false(mark_has_change(&mark, 10, 2));
    assert_false(mark_has_change(&mark, 11, 0));
    mark_set_key(&mark, candor_text("bb"));
    assert_true(mark_has_state(&mark, candor_text("ab")));
    assert_true(mark_has_state(&mark, candor_text("b")));
    assert_true(mark_has_state(&mark, candor_text("bb")));
    assert_false(mark_has_state(&mark, candor_text("bba")));
    assert_false(mark_has_state(&mark, candor_text("c")));
}

static void other_keys_have_another_range(void **state)
{
    (void)state;
    assert_int_equal(mark_range((struct candor_bytes){0}), 0);
    assert_int_not_equal(mark_range(candor_text("cart:")), mark_range(candor_text("order:")));
}

/* ---- Messages -------------------------------------------------------------------------------- */

static const char *header(const struct feed_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++)
        if (strcmp(message->headers[i].name, name) == 0)
            return message->headers[i].value;
    return NULL;
}

static void a_change_says_where_it_stands_and_how_old_it_may_be(void **state)
{
    (void)state;
    struct candor_event event = {.type = CANDOR_EVENT_PUT,
                                 .pos = {{2, 7, {"a"}}, 4711},
                                 .more = true,
                                 .key = candor_text("k"),
                                 .value = candor_text("v"),
                                 .wall_ms = 99,
                                 .ttl_ms = 5};
    struct candor_freshness freshness = {.node = "c",
                                         .role = CANDOR_ROLE_REPLICA,
                                         .state = CANDOR_STATE_STALE,
                                         .has_staleness_bound = true,
                                         .staleness_bound_ms = 1200};
    struct feed_message *message = calloc(1, sizeof *message);
    feed_message_begin(message, FEED_PUT, "f");
    feed_message_event(message, &event, 3);
    feed_message_freshness(message, &freshness);
    assert_string_equal(message->id, "2.7.a.4711.3");
    assert_string_equal(header(message, "Candor-Kind"), "put");
    assert_string_equal(header(message, "Candor-Seq"), "4711");
    assert_string_equal(header(message, "Candor-Epoch"), "2.7.a");
    assert_string_equal(header(message, "Candor-More"), "true");
    assert_string_equal(header(message, "Candor-Ttl-Ms"), "5");
    assert_string_equal(header(message, "Candor-State"), "STALE");
    assert_string_equal(header(message, "Candor-Staleness-Bound-Ms"), "1200");
    assert_null(header(message, "Candor-Heartbeat-Age-Ms"));
    assert_null(header(message, "Candor-Expired"));
    free(message);
}

static void what_a_node_says_ends_no_header(void **state)
{
    (void)state;
    struct feed_message *message = calloc(1, sizeof *message);
    feed_message_begin(message, FEED_BEGIN, "f");
    feed_message_archive(message, "a\r\nCandor-Kind: put");
    assert_string_equal(header(message, "Candor-Archive"), "a??Candor-Kind: put");
    free(message);
}

static void a_message_of_the_state_has_no_id(void **state)
{
    (void)state;
    struct candor_event event = {.type = CANDOR_EVENT_STATE,
                                 .pos = {.seq = 5},
                                 .version = 2,
                                 .key = candor_text("k"),
                                 .value = candor_text("v")};
    struct feed_message *message = calloc(1, sizeof *message);
    feed_message_begin(message, FEED_STATE, "f");
    feed_message_event(message, &event, 0);
    assert_string_equal(message->id, "");
    assert_string_equal(header(message, "Candor-Version"), "2");
    assert_null(header(message, "Candor-Epoch"));
    free(message);
}

static void every_header_at_once_has_room(void **state)
{
    (void)state;
    struct candor_event event = {.type = CANDOR_EVENT_DELETE,
                                 .more = true,
                                 .expired = true,
                                 .ttl_ms = UINT64_MAX,
                                 .wall_ms = UINT64_MAX,
                                 .pos = {{UINT64_MAX, UINT64_MAX, {{0}}}, UINT64_MAX}};
    struct candor_freshness freshness = {
        .node = "c", .has_heartbeat_age = true, .has_staleness_bound = true};
    memset(event.pos.epoch.owner.text, 'o', sizeof event.pos.epoch.owner.text - 1);
    struct feed_message *message = calloc(1, sizeof *message);
    feed_message_begin(message, FEED_DELETE, "0123456789abcdef");
    feed_message_event(message, &event, UINT32_MAX);
    feed_message_freshness(message, &freshness);
    feed_message_why(message, "rolled-back");
    feed_message_archive(message, "archive");
    assert_true(strlen(message->id) < sizeof message->id - 1);
    free(message);
}

static void a_message_of_somebody_else_is_no_cursor(void **state)
{
    (void)state;
    struct mark mark;
    struct candor_error err;
    assert_int_equal(newest_take(NULL, "stream S", &mark, &err), CANDOR_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "stream S holds messages that are not of a feed"));
    assert_int_equal(newest_take("nonsense", "stream S", &mark, &err), CANDOR_FAILED_PRECONDITION);
    assert_int_equal(newest_take("1 0.0 00000000 state", "stream S", &mark, &err), CANDOR_OK);
}

/* ---- Settings -------------------------------------------------------------------------------- */

static bool collect(void *closure, const char *name, const char *value, char why[256])
{
    strcat(closure, name);
    strcat(closure, "=");
    strcat(closure, value);
    strcat(closure, ";");
    snprintf(why, 256, "not this one");
    return strcmp(name, "wrong") != 0;
}

static enum candor_code read_text(const char *text, char *out, struct candor_error *err)
{
    char path[] = "/tmp/candor-feed-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    out[0] = '\0';
    enum candor_code code = feed_settings_read(path, collect, out, err);
    unlink(path);
    return code;
}

static void settings_are_read_line_by_line(void **state)
{
    (void)state;
    char out[10000];
    struct candor_error err;
    assert_int_equal(feed_settings_read(NULL, collect, out, &err), CANDOR_OK);
    assert_int_equal(
        read_text("# of the shop\n\n user = ann\r\npassword=a = b\nempty =\n", out, &err),
        CANDOR_OK);
    assert_string_equal(out, "user=ann;password=a = b;empty=;");
    assert_int_equal(read_text("a = 1\nwrong = 2\n", out, &err), CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, ":2: not this one"));
    assert_int_equal(read_text("nothing\n", out, &err), CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, ":1: this is not `name = value`"));
    char longest[8000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(read_text(longest, out, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(feed_settings_read("/nonexistent/file", collect, out, &err),
                     CANDOR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_become_subjects),
        cmocka_unit_test(the_longest_key_has_room),
        cmocka_unit_test(what_is_no_prefix_or_separator_is_refused),
        cmocka_unit_test(a_stream_covers_the_subjects_or_not),
        cmocka_unit_test(a_mark_survives_its_text),
        cmocka_unit_test(what_is_no_mark_is_refused),
        cmocka_unit_test(a_mark_knows_what_the_target_has),
        cmocka_unit_test(other_keys_have_another_range),
        cmocka_unit_test(a_change_says_where_it_stands_and_how_old_it_may_be),
        cmocka_unit_test(what_a_node_says_ends_no_header),
        cmocka_unit_test(a_message_of_the_state_has_no_id),
        cmocka_unit_test(every_header_at_once_has_room),
        cmocka_unit_test(a_message_of_somebody_else_is_no_cursor),
        cmocka_unit_test(settings_are_read_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
