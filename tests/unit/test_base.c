/* links: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/rng.h"
#include "base/seq_bits.h"
#include "base/types.h"
#include "base/units.h"

static void crc32c_matches_the_published_vectors(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aau);
    /* In two pieces as in one. */
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

static void durations_need_a_unit_and_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t ms;
    } cases[] = {{"500ms", true, 500},
                 {"5s", true, 5000},
                 {"1.5s", true, 1500},
                 {"2m", true, 120000},
                 {"1h", true, 3600000},
                 {"0", true, 0},
                 {"5", false, 0},
                 {"-5s", false, 0},
                 {"5 s", true, 5000},
                 {"s", false, 0},
                 {"", false, 0},
                 {"5sec", false, 0},
                 {"99999999999999999999s", false, 0},
                 {"18446744073709551615h", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t ms = 77;
        assert_int_equal(duration_parse(cases[i].text, &ms), cases[i].ok);
        assert_int_equal(ms, cases[i].ok ? cases[i].ms : 77);
    }
    char text[UNIT_TEXT_BYTES];
    assert_string_equal(duration_text(1500, text), "1500ms");
    assert_string_equal(duration_text(120000, text), "2m");
    assert_string_equal(size_text(65536, text), "64KiB");
    uint64_t bytes;
    assert_true(size_parse("1.5MiB", &bytes));
    assert_int_equal(bytes, 1572864);
    assert_false(size_parse("1MB", &bytes));
}

static struct candor_epoch epoch_of(uint64_t generation, uint64_t term, const char *owner)
{
    return (struct candor_epoch){generation, term, node_id_of(owner)};
}

static void epochs_compare_generation_then_term_then_owner(void **state)
{
    (void)state;
    struct candor_epoch ordered[] = {
        {0}, epoch_of(1, 1, "a"), epoch_of(1, 1, "b"), epoch_of(1, 2, "a"), epoch_of(2, 1, "a")};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) {
            int order = epoch_compare(ordered[i], ordered[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void begin(struct epoch_history *history, struct candor_epoch epoch, uint64_t first_seq)
{
    epoch_history_append(history, &(struct epoch_start){epoch, first_seq, {epoch.term, first_seq}});
}

static void histories_share_what_their_newest_common_epoch_shares(void **state)
{
    (void)state;
    struct epoch_history a;
    struct epoch_history b;
    epoch_history_init(&a);
    epoch_history_init(&b);
    assert_int_equal(epoch_history_common(&a, 0, &b, 0), 0);
    begin(&a, epoch_of(1, 1, "a"), 1);
    begin(&b, epoch_of(1, 1, "a"), 1);
    assert_int_equal(epoch_history_common(&a, 10, &b, 7), 7);
    begin(&b, epoch_of(1, 2, "b"), 6);
    assert_int_equal(epoch_history_common(&a, 10, &b, 9), 5);
    begin(&a, epoch_of(1, 3, "c"), 11);
    assert_int_equal(epoch_history_common(&a, 12, &b, 9), 5);
    assert_true(epoch_equal(epoch_history_at(&b, 5), epoch_of(1, 1, "a")));
    assert_true(epoch_equal(epoch_history_at(&b, 6), epoch_of(1, 2, "b")));
    assert_true(epoch_none(epoch_history_at(&b, 0)));
    epoch_history_truncate(&b, 5);
    assert_int_equal(b.count, 1);
    epoch_history_free(&a);
    epoch_history_free(&b);
}

/* R56: two primaries of one epoch, from two copies of a disk, begin it with two records. */
static void an_epoch_that_began_otherwise_is_not_shared(void **state)
{
    (void)state;
    struct epoch_history a;
    struct epoch_history b;
    epoch_history_init(&a);
    epoch_history_init(&b);
    begin(&a, epoch_of(1, 1, "a"), 1);
    begin(&b, epoch_of(1, 1, "a"), 1);
    begin(&a, epoch_of(1, 2, "a"), 6);
    epoch_history_append(&b, &(struct epoch_start){epoch_of(1, 2, "a"), 6, {99, 99}});
    assert_int_equal(epoch_history_common(&a, 10, &b, 10), 5);
    b.starts[1] = (struct epoch_start){epoch_of(1, 2, "a"), 7, a.starts[1].chain};
    assert_int_equal(epoch_history_common(&a, 10, &b, 10), 5);
    assert_ptr_equal(epoch_history_find(&a, epoch_of(1, 2, "a")), &a.starts[1]);
    assert_null(epoch_history_find(&a, epoch_of(1, 3, "a")));
    epoch_history_free(&a);
    epoch_history_free(&b);
}

static void history_forgets_its_oldest_epoch_at_the_limit(void **state)
{
    (void)state;
    struct epoch_history h;
    epoch_history_init(&h);
    for (uint64_t term = 1; term <= LIMIT_EPOCH_HISTORY + 5; term++)
        begin(&h, epoch_of(1, term, "a"), term * 10);
    assert_int_equal(h.count, LIMIT_EPOCH_HISTORY);
    assert_int_equal(h.starts[0].epoch.term, 6);
    epoch_history_free(&h);
}

static void an_id_is_read_as_it_is_stored_or_not(void **state)
{
    (void)state;
    static const struct {
        char bytes[LIMIT_NODE_ID_BYTES];
        size_t length;
        bool good;
    } table[] = {
        {"node-1", LIMIT_NODE_ID_BYTES, true},
        {"", LIMIT_NODE_ID_BYTES, true},
        {"node-1", LIMIT_NODE_ID_BYTES - 1, false}, /* cut short */
        {"no de", LIMIT_NODE_ID_BYTES, false},
        {"a\0b", LIMIT_NODE_ID_BYTES, false}, /* something behind its end */
        {"\0b", LIMIT_NODE_ID_BYTES, false},
        {"0123456789012345678901234567890", LIMIT_NODE_ID_BYTES, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct candor_node_id id;
        struct reader reader = reader_of(slice_of(table[i].bytes, table[i].length));
        assert_int_equal(read_node_id(&reader, &id), table[i].good);
        if (table[i].good)
            assert_memory_equal(id.text, table[i].bytes, sizeof id.text);
    }
    char full[LIMIT_NODE_ID_BYTES]; /* no end */
    memset(full, 'x', sizeof full);
    struct reader reader = reader_of(slice_of(full, sizeof full));
    struct candor_node_id id;
    assert_false(read_node_id(&reader, &id));
}

static void a_position_is_read_as_it_was_put(void **state)
{
    (void)state;
    struct candor_pos none = {0};
    struct candor_pos pos = {{3, UINT64_MAX, node_id_of("node-1")}, 42};
    struct buffer bytes = {0};
    buffer_put_pos(&bytes, pos);
    buffer_put_pos(&bytes, none);
    struct reader reader = reader_of(buffer_slice(&bytes));
    struct candor_pos again;
    assert_true(read_pos(&reader, &again));
    assert_true(pos_equal(again, pos));
    assert_true(read_pos(&reader, &again));
    assert_true(pos_equal(again, none));
    assert_int_equal(reader_left(&reader), 0);
    for (size_t length = 0; length < bytes.length / 2; length++) {
        reader = reader_of(slice_of(bytes.bytes, length));
        assert_false(read_pos(&reader, &again));
    }
    buffer_free(&bytes);
}

static void the_boot_id_is_the_kernels(void **state)
{
    (void)state;
    char id[CLOCK_BOOT_ID_BYTES];
    char again[CLOCK_BOOT_ID_BYTES];
    memset(id, 'x', sizeof id);
    assert_true(clock_boot_id(id));
    assert_true(clock_boot_id(again));
    assert_memory_equal(id, again, sizeof id);
    assert_int_equal(strlen(id), 36);
    assert_int_equal(id[8], '-');
}

static void drift_grows_with_time_and_does_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(drift_ns(NS_PER_S, 200), 200000);
    assert_int_equal(drift_ns(NS_PER_MS - 1, 200), 199);
    assert_int_equal(drift_ns(0, 200), 0);
    uint64_t century_ns = UINT64_C(36525) * 86400 * NS_PER_S;
    assert_int_equal(drift_ns(century_ns, 100000), century_ns / 10);
}

static void reader_past_the_end_gives_zero_and_says_so(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_put_u32(&buffer, 7);
    buffer_put_u16(&buffer, 9);
    struct reader reader = reader_of(buffer_slice(&buffer));
    assert_int_equal(read_u32(&reader), 7);
    assert_int_equal(read_u64(&reader), 0);
    assert_false(reader.ok);
    assert_int_equal(read_u16(&reader), 0);
    buffer_free(&buffer);
}

static void arena_stops_at_its_limit_and_is_reused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100000);
    void *first = arena_alloc(&arena, 10);
    assert_non_null(first);
    assert_non_null(arena_alloc(&arena, 50000));
    assert_null(arena_alloc(&arena, 50000));
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_free(&arena);
}

static void node_ids_take_only_plain_names(void **state)
{
    (void)state;
    struct candor_node_id id;
    assert_true(node_id_parse("node-1.east_b", 13, &id));
    assert_false(node_id_parse("", 0, &id));
    assert_false(node_id_parse("a b", 3, &id));
    assert_false(node_id_parse("a\0b", 3, &id));
    assert_false(node_id_parse("0123456789012345678901234567890123", 34, &id));
    assert_true(node_id_empty(id));
}

/* Against a plain array: whatever is added, dropped from below and from above. */
static void seq_bits_hold_what_a_plain_set_holds(void **state)
{
    (void)state;
    enum { SEQS = 20000 };
    static bool plain[SEQS];
    struct seq_bits bits = {0};
    struct rng rng;
    rng_seed(&rng, 5);
    uint64_t floor = 0;
    uint64_t top = 0;
    for (int step = 0; step < 200000 && top + 2000 < SEQS; step++) {
        uint64_t drawn = rng_below(&rng, 100);
        if (drawn < 90) {
            top += rng_below(&rng, 100) == 0 ? 1 + rng_below(&rng, 1500) : 1;
            plain[top] = true;
            seq_bits_add(&bits, top);
            seq_bits_add(&bits, floor); /* ignored */
        } else if (drawn < 95) {
            floor += rng_below(&rng, top - floor + 1);
            seq_bits_raise_floor(&bits, floor);
        } else if (drawn < 97) {
            uint64_t last = floor + rng_below(&rng, top - floor + 1);
            memset(plain + last + 1, 0, top - last);
            top = last;
            seq_bits_drop_above(&bits, last);
        }
        uint64_t upto = floor + rng_below(&rng, top - floor + 1);
        uint64_t expected = 0;
        for (uint64_t seq = floor + 1; seq <= upto; seq++)
            expected += plain[seq];
        assert_int_equal(seq_bits_count_upto(&bits, upto), expected);
    }
    struct seq_bits copy = {0};
    seq_bits_copy(&copy, &bits);
    assert_int_equal(copy.count, bits.count);
    seq_bits_clear(&copy, 3);
    assert_int_equal(seq_bits_count_upto(&copy, UINT64_MAX), 0);
    seq_bits_add(&copy, 4);
    assert_int_equal(seq_bits_count_upto(&copy, 4), 1);
    seq_bits_free(&copy);
    seq_bits_free(&bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_matches_the_published_vectors),
        cmocka_unit_test(durations_need_a_unit_and_round_trip),
        cmocka_unit_test(epochs_compare_generation_then_term_then_owner),
        cmocka_unit_test(histories_share_what_their_newest_common_epoch_shares),
        cmocka_unit_test(an_epoch_that_began_otherwise_is_not_shared),
        cmocka_unit_test(history_forgets_its_oldest_epoch_at_the_limit),
        cmocka_unit_test(an_id_is_read_as_it_is_stored_or_not),
        cmocka_unit_test(a_position_is_read_as_it_was_put),
        cmocka_unit_test(the_boot_id_is_the_kernels),
        cmocka_unit_test(drift_grows_with_time_and_does_not_overflow),
        cmocka_unit_test(reader_past_the_end_gives_zero_and_says_so),
        cmocka_unit_test(arena_stops_at_its_limit_and_is_reused),
        cmocka_unit_test(node_ids_take_only_plain_names),
        cmocka_unit_test(seq_bits_hold_what_a_plain_set_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
