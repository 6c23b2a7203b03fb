/* links: state record log */
/* What passes is waited for and is no damage: full disks, short writes and a want of descriptors
 * under the state, its checkpoints, snapshots and archives. What is damage is told as such. */
#include "state_fixture.h"

#include <errno.h>
#include <sys/stat.h>

#include <lmdb.h>

#include "shortage.h"

/* ---- Short writes ---------------------------------------------------------------------------- */

static uint64_t state_file_bytes(const struct fixture *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/current/data.mdb", f->dir);
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static enum candor_code put_large(struct fixture *f, struct candor_error *err)
{
    static char value[40001];
    memset(value, 'x', sizeof value - 1);
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    for (int i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        add_put(&w, key, value);
    }
    batch_end(&w);
    enum candor_code code = state_apply(f->state, buffer_slice(&bytes), 0, err);
    buffer_free(&bytes);
    return code;
}

/* The kernel takes a part of LMDB's write and says no more: LMDB calls that EIO. */
static void a_write_of_the_state_cut_short_anywhere_is_a_full_disk(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "before", "here", 0);
    uint64_t digest = digest_now(f->state);
    uint64_t now = state_file_bytes(f);
    int refused = 0;
    struct candor_error err = {0};
    enum candor_code code = CANDOR_RESOURCE_EXHAUSTED;
    for (uint64_t room = 0; code != CANDOR_OK; room += 4096, refused++) {
        assert_true(room < (1 << 20));
        struct shortage shortage = shortage_of_room(now + room);
        code = put_large(f, &err);
        shortage_end(&shortage);
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("room %d: %s", (int)room, err.message);
        if (code == CANDOR_OK)
            continue;
        assert_int_equal(err.reason, CANDOR_REASON_DISK_FULL);
        assert_int_equal(digest_now(f->state), digest);
        assert_value(f, "before", "here");
    }
    assert_true(refused > 20); /* the limit cut more than one write of the transaction */
    assert_int_equal(digest_now(f->state) == digest, 0);
    assert_value(f, "before", "here");
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static void without_descriptors_no_checkpoint_is_taken_and_the_old_one_stands(void **state)
{
    struct fixture *f = *state;
    apply_put(f, 1, "k", "one", 0);
    struct state_checkpoint old;
    struct state_checkpoint found;
    struct candor_error err = {0};
    assert_int_equal(state_checkpoint(f->state, &old, &err), CANDOR_OK);
    apply_put(f, 1, "k", "two", 0);
    enum candor_code code = CANDOR_RESOURCE_EXHAUSTED;
    for (int left = 0; code != CANDOR_OK; left++) {
        assert_true(left < 8);
        struct shortage shortage = shortage_of_descriptors(left);
        code = state_checkpoint(f->state, &found, &err);
        shortage_end(&shortage);
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("%d left: %s", left, err.message);
        if (code == CANDOR_OK)
            break;
        assert_int_equal(state_checkpoint_find(f->dir, &found, &err), CANDOR_OK);
    }
    assert_int_equal(found.pos.seq, 2);
}

/* A checkpoint that cannot be looked at is not taken for one that is damaged, or for none. */
static void a_checkpoint_that_cannot_be_opened_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    struct state_checkpoint found;
    struct candor_error err = {0};
    apply_put(f, 1, "k", "one", 0);
    assert_int_equal(state_checkpoint(f->state, &found, &err), CANDOR_OK);
    struct shortage shortage = shortage_of_descriptors(0);
    enum candor_code find = state_checkpoint_find(f->dir, &found, &err);
    enum candor_code drop = state_checkpoint_drop_above(f->state, 1, &err);
    shortage_end(&shortage);
    assert_int_equal(find, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(drop, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(state_checkpoint_find(f->dir, &found, &err), CANDOR_OK);
}

static struct state_incoming *receive(struct fixture *f, const struct state_checkpoint *from,
                                      struct candor_error *err)
{
    struct state_incoming *incoming;
    if (state_incoming_begin(f->state, &incoming, err) != CANDOR_OK)
        return NULL;
    FILE *file = fopen(from->path, "rb");
    assert_non_null(file);
    static uint8_t chunk[65536];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        assert_int_equal(state_incoming_write(incoming, slice_of(chunk, got), NULL), CANDOR_OK);
    fclose(file);
    return incoming;
}

static void an_install_short_of_descriptors_leaves_the_old_state_or_the_new(void **state)
{
    struct fixture *f = *state;
    struct fixture *from;
    struct candor_error err = {0};
    assert_int_equal(fixture_setup((void **)&from), 0);
    apply_epoch_start(from, 1, 1);
    apply_put(from, 1, "k", "theirs", 0);
    struct state_checkpoint checkpoint;
    struct state_position position;
    assert_int_equal(state_checkpoint(from->state, &checkpoint, &err), CANDOR_OK);
    apply_put(f, 1, "k", "own", 0);

    enum candor_code code = CANDOR_RESOURCE_EXHAUSTED;
    for (int left = 0; code != CANDOR_OK; left++) {
        struct epoch_history history;
        epoch_history_init(&history);
        struct state_incoming *incoming = receive(f, &checkpoint, &err);
        assert_non_null(incoming);
        assert_int_equal(state_incoming_finish(incoming, &position, &history, &err), CANDOR_OK);
        epoch_history_free(&history);
        struct shortage shortage = shortage_of_descriptors(left);
        code = state_install(f->state, incoming, &err);
        shortage_end(&shortage);
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("%d left: %s", left, err.message);
        assert_value(f, "k", code == CANDOR_OK ? "theirs" : "own");
        state_close(f->state);
        fixture_open(f);
        assert_value(f, "k", code == CANDOR_OK ? "theirs" : "own");
    }
    assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, &err), CANDOR_OK);
    fixture_teardown((void **)&from);
}

/* The peer is not blamed for what this node lacks. */
static void a_download_short_of_descriptors_is_not_the_peers_fault(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct state_checkpoint checkpoint;
    struct state_position position;
    apply_epoch_start(f, 1, 1);
    assert_int_equal(state_checkpoint(f->state, &checkpoint, &err), CANDOR_OK);

    struct shortage shortage = shortage_of_descriptors(0);
    assert_null(receive(f, &checkpoint, &err));
    shortage_end(&shortage);
    assert_int_equal(err.code, CANDOR_RESOURCE_EXHAUSTED);

    struct epoch_history history;
    epoch_history_init(&history);
    struct state_incoming *incoming = receive(f, &checkpoint, &err);
    assert_non_null(incoming);
    shortage = shortage_of_descriptors(0);
    /* Its own descriptor is closed first: one is left. */
    enum candor_code code = state_incoming_finish(incoming, &position, &history, &err);
    shortage_end(&shortage);
    if (code != CANDOR_OK)
        assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    epoch_history_free(&history);
    state_incoming_discard(incoming);
}

static void an_archive_short_of_descriptors_or_room_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct archive_writer *writer;
    struct archive_summary summary;
    struct buffer bytes = {0};
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    add_put(&w, "k", "v");
    batch_end(&w);
    apply_bytes(f, buffer_slice(&bytes), 0);

    for (int left = 0; left < 4; left++) {
        struct shortage shortage = shortage_of_descriptors(left);
        enum candor_code code = archive_begin(f->archives, epoch_of(2), &writer, &err);
        if (code == CANDOR_OK) {
            code = archive_add(writer, f->state, buffer_slice(&bytes), &err);
            assert_int_equal(code, CANDOR_OK);
            code = archive_finish(writer, &summary, &err);
        }
        shortage_end(&shortage);
        if (code != CANDOR_OK)
            assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
        assert_true(left > 0 || code != CANDOR_OK);
    }
    struct archive_summary *list;
    size_t count;
    struct shortage shortage = shortage_of_descriptors(1);
    enum candor_code code = archive_list(f->archives, &list, &count, &err);
    shortage_end(&shortage);
    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED); /* none is left out in silence */
    assert_int_equal(archive_list(f->archives, &list, &count, &err), CANDOR_OK);
    assert_int_equal(count, 1);
    free(list);
    buffer_free(&bytes);
}

/* ---- Copies that nobody waits for ------------------------------------------------------------ */

/* The writer takes records back while a checkpoint is copied, and needs one of its own at once. */
static void a_checkpoint_copied_before_records_were_taken_back_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    struct state_checkpoint checkpoint;
    apply_put(f, 1, "k", "one", 0);
    apply_put(f, 1, "k", "two", 0);
    assert_int_equal(state_checkpoint(f->state, &checkpoint, &err), CANDOR_OK); /* above the cut */
    assert_int_equal(state_checkpoint_make(f->state, &err), CANDOR_OK);         /* so is this one */
    undo_to(f, 1);
    assert_int_equal(state_checkpoint_drop_above(f->state, 1, &err), CANDOR_OK);
    assert_int_equal(state_checkpoint_adopt(f->state, &checkpoint, &err), CANDOR_CANCELLED);
    assert_int_equal(state_checkpoint_find(f->dir, &checkpoint, &err), CANDOR_OK);
    assert_int_equal(checkpoint.pos.seq, 1);

    assert_int_equal(state_checkpoint_make(f->state, &err), CANDOR_OK);
    apply_put(f, 1, "k", "three", 0); /* what is added meanwhile is no harm */
    assert_int_equal(state_checkpoint_adopt(f->state, &checkpoint, &err), CANDOR_OK);
    assert_int_equal(checkpoint.pos.seq, 1);
}

/* ---- limits.state ---------------------------------------------------------------------------- */

/* One record of a put or delete as a primary does it: a put asks for room first. Not committed. */
static enum candor_code write_as_primary(struct fixture *f, const char *key, const char *value,
                                         struct candor_error *err)
{
    struct buffer bytes = {0};
    struct state_group *group;
    struct record record;
    enum candor_code code = state_group_begin(f->state, 0, &group, err);
    if (code != CANDOR_OK)
        return code;
    struct batch_writer w = batch_next_of(f, &bytes, RECORD_WRITE, epoch_of(1));
    if (value != NULL)
        add_put(&w, key, value);
    else
        add_delete(&w, key);
    batch_newest(&w, &record);
    if (value != NULL)
        code = state_group_room(group, strlen(value), err);
    if (code == CANDOR_OK)
        state_group_apply(group, &record);
    if (code == CANDOR_OK)
        code = state_group_commit(group, err);
    else
        state_group_abort(group);
    buffer_free(&bytes);
    return code;
}

/* Nothing is committed, so that each delete needs room for its pre-image. */
static void a_full_state_takes_deletes_and_then_puts_again(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    char value[20001];
    char key[16];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    state_close(f->state);
    f->map_bytes = 1u << 20;
    fixture_open(f);
    int puts = 0;
    enum candor_code code = CANDOR_OK;
    while (code == CANDOR_OK) {
        snprintf(key, sizeof key, "k%d", puts);
        code = write_as_primary(f, key, value, &err);
        puts += code == CANDOR_OK;
        assert_true(puts < 100);
    }
    assert_int_equal(code, CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_STATE_FULL);
    assert_non_null(strstr(err.message, "limits.state"));
    assert_true(puts > 20);
    for (int i = 0; i < puts; i++) {
        snprintf(key, sizeof key, "k%d", i);
        if (write_as_primary(f, key, NULL, &err) != CANDOR_OK)
            fail_msg("delete %d of %d: %s", i, puts, err.message);
        assert_value(f, key, NULL);
    }
    assert_int_equal(state_commit(f->state, next_seq(f) - 1, &err),
                     CANDOR_OK); /* no pre-images more */
    for (int i = 0; i < 3; i++)  /* LMDB gives a page back two transactions later */
        assert_int_equal(write_as_primary(f, "none", NULL, &err), CANDOR_OK);
    for (int i = 0; i < puts / 2; i++) {
        snprintf(key, sizeof key, "n%d", i);
        if (write_as_primary(f, key, value, &err) != CANDOR_OK)
            fail_msg("put %d when there is room again: %s", i, err.message);
    }
}

/* Beyond the limit lies what is kept for deletes; and a lowered limit damages nothing. */
static void a_state_beyond_its_limit_opens_and_takes_deletes(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    static char value[1 << 20];
    char key[16];
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "k%d", i);
        apply_put(f, 1, key, value, 0);
    }
    uint64_t digest = digest_now(f->state);
    state_close(f->state);
    f->map_bytes = 1u << 20;
    fixture_open(f);
    assert_int_equal(digest_now(f->state), digest);
    assert_int_equal(write_as_primary(f, "new", "v", &err), CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, CANDOR_REASON_STATE_FULL);
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "k%d", i);
        if (write_as_primary(f, key, NULL, &err) != CANDOR_OK)
            fail_msg("delete %d: %s", i, err.message);
    }
}

/* ---- The start ------------------------------------------------------------------------------- */

static void a_start_short_of_descriptors_says_so_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct candor_error err = {0};
    apply_put(f, 1, "k", "v", 0);
    struct state_checkpoint checkpoint;
    assert_int_equal(state_checkpoint(f->state, &checkpoint, &err), CANDOR_OK);
    uint64_t digest = digest_now(f->state);
    state_close(f->state);
    struct state_options options = {.dir = f->dir, .map_bytes = f->map_bytes};
    enum candor_code code = CANDOR_RESOURCE_EXHAUSTED;
    for (int left = 0; code != CANDOR_OK; left++) {
        assert_true(left < 8);
        struct shortage shortage = shortage_of_descriptors(left);
        code = state_open(&options, &f->state, &err);
        shortage_end(&shortage);
        if (code != CANDOR_OK && code != CANDOR_RESOURCE_EXHAUSTED)
            fail_msg("%d left: %s", left, err.message);
    }
    assert_int_equal(digest_now(f->state), digest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_of_the_state_cut_short_anywhere_is_a_full_disk),
        TEST(without_descriptors_no_checkpoint_is_taken_and_the_old_one_stands),
        TEST(a_checkpoint_that_cannot_be_opened_is_not_dropped),
        TEST(an_install_short_of_descriptors_leaves_the_old_state_or_the_new),
        TEST(a_download_short_of_descriptors_is_not_the_peers_fault),
        TEST(an_archive_short_of_descriptors_or_room_is_waited_for),
        TEST(a_checkpoint_copied_before_records_were_taken_back_is_dropped),
        TEST(a_full_state_takes_deletes_and_then_puts_again),
        TEST(a_state_beyond_its_limit_opens_and_takes_deletes),
        TEST(a_start_short_of_descriptors_says_so_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
