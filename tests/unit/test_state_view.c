/* links: state record */
/* Reading: bounds of scans, reader slots, and readers while the state under them changes. */
#include "state_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct firsts {
    size_t count;
    char bytes[8];
};

static bool note_first_byte(const struct state_item *item, void *closure)
{
    struct firsts *firsts = closure;
    firsts->bytes[firsts->count++] = (char)item->key.bytes[0];
    return firsts->count < sizeof firsts->bytes;
}

/* "Resume behind this key" is the key and a zero byte: longer than the longest key. */
static void bounds_longer_than_keys_keep_their_place(void **state)
{
    struct fixture *f = *state;
    char longest[LIMIT_KEY_BYTES + 1];
    memset(longest, 'k', LIMIT_KEY_BYTES);
    longest[LIMIT_KEY_BYTES] = '\0';
    apply_put(f, 1, "a", "v", 0);
    apply_put(f, 1, longest, "v", 0);
    apply_put(f, 1, "z", "v", 0);
    const struct slice beyond = slice_of(longest, sizeof longest);
    const struct {
        struct state_scan scan;
        size_t keys;
        char first;
    } cases[] = {{{.start = beyond}, 1, 'z'},
                 {{.end = beyond}, 2, 'a'},
                 {{.after = beyond}, 1, 'z'},
                 {{.start = beyond, .reverse = true}, 1, 'z'},
                 {{.end = beyond, .reverse = true}, 2, 'k'},
                 {{.after = beyond, .reverse = true}, 2, 'k'}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct state_view *view = state_view_begin(f->state);
        struct firsts firsts = {0};
        state_scan(view, &cases[i].scan, note_first_byte, &firsts);
        state_view_end(view);
        if (firsts.count != cases[i].keys || firsts.bytes[0] != cases[i].first)
            fail_msg("case %zu: %zu keys, the first '%c'", i, firsts.count, firsts.bytes[0]);
    }
}

static void keys_longer_than_the_limit_are_not_found(void **state)
{
    struct fixture *f = *state;
    uint8_t key[LIMIT_KEY_BYTES + 1] = {1};
    struct state_view *view = state_view_begin(f->state);
    struct state_item item;
    assert_false(state_get(view, slice_of(key, sizeof key), &item));
    assert_false(state_get(view, (struct slice){0}, &item));
    state_view_end(view);
}

/* ---- Slots ----------------------------------------------------------------------------------- */

struct waiting {
    struct state *state;
    atomic_bool done;
};

static void *read_once(void *closure)
{
    struct waiting *waiting = closure;
    state_view_end(state_view_begin(waiting->state));
    atomic_store(&waiting->done, true);
    return NULL;
}

static void reader_without_a_slot_waits_and_a_checkpoint_does_not(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "v", 0);
    static struct state_view *views[LIMIT_STATE_READERS];
    for (size_t i = 0; i < LIMIT_STATE_READERS; i++)
        views[i] = state_view_begin(f->state);
    struct waiting waiting = {.state = f->state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_once, &waiting), 0);
    struct state_checkpoint checkpoint;
    struct candor_error err = {0};
    /* one for the checkpoint's own view, or for the thread: it gives it back */
    state_view_end(views[0]);
    if (state_checkpoint(f->state, &checkpoint, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    pthread_join(thread, NULL);
    assert_true(atomic_load(&waiting.done));
    for (size_t i = 1; i < LIMIT_STATE_READERS; i++)
        state_view_end(views[i]);
}

/* ---- Installs under readers ------------------------------------------------------------------ */

static void put_own_seq(struct fixture *f)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)next_seq(f));
    apply_put(f, 1, "k", text, 0);
}

static void receive(struct fixture *f, const struct state_checkpoint *checkpoint)
{
    struct state_incoming *incoming;
    struct state_position position;
    struct epoch_history history;
    struct candor_error err = {0};
    epoch_history_init(&history);
    assert_int_equal(state_incoming_begin(f->state, &incoming, NULL), CANDOR_OK);
    FILE *file = fopen(checkpoint->path, "rb");
    assert_non_null(file);
    static uint8_t chunk[65536];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        assert_int_equal(state_incoming_write(incoming, slice_of(chunk, got), NULL), CANDOR_OK);
    fclose(file);
    if (state_incoming_finish(incoming, &position, &history, &err) != CANDOR_OK ||
        state_install(f->state, incoming, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    epoch_history_free(&history);
}

struct reading {
    struct state *state;
    atomic_bool stop;
    atomic_int reads;
    atomic_int wrong;
};

/* Every view is of one state: "k" holds the seq that the position names; and what was taken back is
 * told by rewinds: it never falls, and while it stays the position does not fall. */
static void *read_on(void *closure)
{
    struct reading *reading = closure;
    uint64_t rewinds = 0;
    uint64_t seq = 0;
    while (!atomic_load(&reading->stop)) {
        struct state_view *view = state_view_begin(reading->state);
        struct state_item item;
        char text[24];
        int length =
            snprintf(text, sizeof text, "%llu", (unsigned long long)state_view_applied(view).seq);
        bool sound = state_get(view, slice_of("k", 1), &item) &&
                     slice_equal(item.value, slice_of(text, (size_t)length)) &&
                     state_view_rewinds(view) >= rewinds &&
                     (state_view_rewinds(view) > rewinds || state_view_applied(view).seq >= seq);
        rewinds = state_view_rewinds(view);
        seq = state_view_applied(view).seq;
        state_view_end(view);
        atomic_fetch_add(&reading->wrong, !sound);
        atomic_fetch_add(&reading->reads, 1);
    }
    return NULL;
}

static void readers_see_one_state_each_while_snapshots_are_installed(void **state)
{
    struct fixture *f = *state;
    struct fixture *source;
    fixture_setup((void **)&source);
    apply_epoch_start(source, 1, 1);
    put_own_seq(f);
    struct reading reading = {.state = f->state};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reading), 0);
    for (int round = 0; round < 10 || atomic_load(&reading.reads) < 1000; round++) {
        struct state_checkpoint checkpoint;
        for (int i = 0; i < 5; i++)
            put_own_seq(source);
        assert_int_equal(state_checkpoint(source->state, &checkpoint, NULL), CANDOR_OK);
        struct state_position before;
        struct state_position after;
        state_position(f->state, &before);
        receive(f, &checkpoint);
        state_position(f->state, &after);
        assert_true(after.rewinds > before.rewinds);
        /* beyond the next snapshot */
        for (int i = 0; i < 9; i++)
            put_own_seq(f);
    }
    atomic_store(&reading.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&reading.wrong), 0);
    fixture_teardown((void **)&source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bounds_longer_than_keys_keep_their_place),
        TEST(keys_longer_than_the_limit_are_not_found),
        TEST(reader_without_a_slot_waits_and_a_checkpoint_does_not),
        TEST(readers_see_one_state_each_while_snapshots_are_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
