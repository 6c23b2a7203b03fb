/* links: node client topology log */
/* Whole nodes in one process, over ipc:// in a temporary directory. */
#include "log_faults.h"
#include "node_fixture.h"

#include <candor/channel.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "node/store/snapshot.h"
#include "state/archive.h"
#include "state/env.h"
#include "state/state.h"

enum { SEGMENTS_MOST = 16 };

/* ---- What fails when a test says so ---------------------------------------------------------- */

static atomic_bool boot_unknown;
static atomic_bool checkpoint_unreadable;

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);
    *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    bool fails = atomic_load(&boot_unknown) && strstr(path, "boot_id") != NULL;
    return fails ? NULL : real(path, mode);
}

static bool is_checkpoint(int fd)
{
    char link[64];
    char path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof path - 1) > 0 && strstr(path, "checkpoint/data.mdb") != NULL;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at)
{
    if (atomic_load(&checkpoint_unreadable) && is_checkpoint(fd)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, length, at);
}

/* ---- One node -------------------------------------------------------------------------------- */

static void a_lone_node_serves_what_was_put(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    struct candor_result result;
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "one");
    uint64_t first_seq = put_pos.seq;
    must_put(client, "k", "two");
    assert_int_equal(put_pos.seq, first_seq + 1);
    EVENTUALLY(state_of(client) == CANDOR_STATE_FRESH);

    assert_int_equal(candor_get(client, candor_text("k"), NULL, &result), CANDOR_OK);
    assert_true(result.items[0].found);
    assert_memory_equal(result.items[0].value.data, "two", 3);
    assert_int_equal(result.items[0].mod_seq, first_seq + 1);
    assert_int_equal(result.items[0].version, 2);
    assert_false(result.freshness.stale);
    assert_true(result.freshness.has_staleness_bound);
    assert_true(result.freshness.applied_seq >= first_seq + 1);
    assert_int_equal(result.token.pos.seq, result.freshness.applied_seq);
    assert_string_equal(result.freshness.node, "a");
    candor_result_free(&result);

    assert_int_equal(candor_delete(client, candor_text("k"), NULL, &result), CANDOR_OK);
    assert_int_equal(result.found_count, 1);
    assert_true(result.found[0]);
    candor_result_free(&result);
    assert_int_equal(candor_delete(client, candor_text("k"), NULL, &result), CANDOR_OK);
    assert_false(result.found[0]);
    candor_result_free(&result);
    assert_true(has(client, "k", NULL));
    candor_client_close(client);
    cluster_free(cluster);
}

static void a_batch_gives_each_operation_its_own_position_and_found_flag(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    struct candor_op ops[] = {
        {.key = candor_text("x"), .value = candor_text("1")},
        {.key = candor_text("x"), .value = candor_text("2")},
        {.is_delete = true, .key = candor_text("x")},
        {.is_delete = true, .key = candor_text("x")},
        {.key = candor_text("y"), .value = candor_text("3")},
    };
    struct candor_result result;
    assert_int_equal(candor_batch(client, ops, 5, NULL, &result), CANDOR_OK);
    assert_int_equal(result.last.seq, result.first.seq + 4);
    const bool expected[] = {false, true, true, false, false};
    assert_int_equal(result.found_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(result.found[i], expected[i]);
    uint64_t last = result.last.seq;
    candor_result_free(&result);
    assert_int_equal(candor_get(client, candor_text("y"), NULL, &result), CANDOR_OK);
    assert_int_equal(result.items[0].mod_seq, last);
    candor_result_free(&result);
    candor_client_close(client);
    cluster_free(cluster);
}

/* What one message of the stream or of Fetch can carry. */
static void assert_batches_are_small(struct cluster *cluster, const char *node)
{
    struct log *log = open_log_of(cluster, node);
    struct buffer bytes = {0};
    struct candor_error err = {0};
    assert_int_equal(log_read(log, 1, log_last(log), SIZE_MAX, &bytes, &err), CANDOR_OK);
    struct slice rest = buffer_slice(&bytes);
    size_t count = 0;
    while (rest.length > 0) {
        struct batch batch;
        assert_int_equal(batch_decode(&rest, &batch, &err), CANDOR_OK);
        assert_true(batch.bytes.length <= LIMIT_GROUP_COMMIT_BYTES);
        count++;
    }
    assert_true(count > 2);
    buffer_free(&bytes);
    log_close(log);
}

/* A Batch larger than one group commit is cut into several batches of the log, and read back
 * whole. */
static void a_batch_larger_than_a_group_commit_is_stored_whole(void **state)
{
    (void)state;
    enum { OPS = 40, VALUE = 64 << 10 };
    struct cluster *cluster = cluster_new(1, 1, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    struct candor_client *reader = client_of(cluster, 1);
    EVENTUALLY(is_primary(client));
    char *value = malloc(VALUE);
    assert_non_null(value);
    memset(value, 'v', VALUE);
    struct candor_op ops[OPS];
    char keys[OPS][8];
    for (int i = 0; i < OPS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%03d", i);
        ops[i] = (struct candor_op){.key = candor_text(keys[i]), .value = {value, VALUE}};
    }
    struct candor_result result;
    assert_int_equal(candor_batch(client, ops, OPS, NULL, &result), CANDOR_OK);
    uint64_t last = result.last.seq;
    candor_result_free(&result);
    EVENTUALLY(freshness_of(reader).applied_seq >= last);
    struct candor_range range = {.keys_only = true};
    assert_int_equal(candor_scan(reader, &range, NULL, &result), CANDOR_OK);
    assert_int_equal(result.item_count, OPS);
    assert_false(result.more);
    candor_result_free(&result);
    /* With values one answer does not hold them: more says so. */
    range.keys_only = false;
    assert_int_equal(candor_scan(reader, &range, NULL, &result), CANDOR_OK);
    assert_true(result.more);
    assert_true(result.item_count > 0 && result.item_count < OPS);
    candor_result_free(&result);
    free(value);
    candor_client_close(client);
    candor_client_close(reader);
    stop(cluster, 0);
    assert_batches_are_small(cluster, "a");
    cluster_free(cluster);
}

static void expect_scan(struct candor_client *client, const struct candor_range *range,
                        const char *keys, bool more)
{
    struct candor_result result;
    char got[256] = "";
    assert_int_equal(candor_scan(client, range, NULL, &result), CANDOR_OK);
    for (size_t i = 0; i < result.item_count; i++) {
        strncat(got, result.items[i].key.data, result.items[i].key.length);
        strcat(got, " ");
    }
    assert_string_equal(got, keys);
    assert_int_equal(result.more, more);
    candor_result_free(&result);
}

static void scans_give_ranges_in_both_directions(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    static const char *const keys[] = {"a", "b", "ba", "bb", "c", "\xff\xff"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        must_put(client, keys[i], "v");
    struct candor_bytes none = {0};
    const struct {
        struct candor_range range;
        const char *keys;
        bool more;
    } cases[] = {
        {{.start = none}, "a b ba bb c \xff\xff ", false},
        {{.reverse = true}, "\xff\xff c bb ba b a ", false},
        {{.limit = 2}, "a b ", true},
        {{.limit = 6}, "a b ba bb c \xff\xff ", false},
        {{.start = candor_text("b"), .end = candor_text("bb")}, "b ba ", false},
        {{.start = candor_text("bb"), .end = candor_text("b"), .reverse = true}, "bb ba ", false},
        {{.start = candor_text("bbb"), .reverse = true, .limit = 2}, "bb ba ", true},
        {{.prefix = candor_text("b")}, "b ba bb ", false},
        {{.prefix = candor_text("b"), .reverse = true}, "bb ba b ", false},
        {{.prefix = candor_text("\xff")}, "\xff\xff ", false},
        {{.prefix = candor_text("b"), .after = candor_text("b")}, "ba bb ", false},
        {{.prefix = candor_text("b"), .after = candor_text("ba"), .reverse = true}, "b ", false},
        {{.prefix = candor_text("x")}, "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_scan(client, &cases[i].range, cases[i].keys, cases[i].more);
    candor_client_close(client);
    cluster_free(cluster);
}

static void data_survive_a_restart_and_the_epoch_does_not(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start(cluster, 0);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "kept");
    uint64_t term = freshness_of(client).epoch.term;
    uint64_t boot = status_of(client).boot;
    uint64_t store_id = status_of(client).store_id;
    stop(cluster, 0);
    start(cluster, 0);
    EVENTUALLY(is_primary(client));
    assert_true(has(client, "k", "kept"));
    assert_int_equal(freshness_of(client).epoch.term, term + 1); /* R5 */
    assert_int_equal(status_of(client).boot, boot + 1);
    assert_true(status_of(client).store_id == store_id);
    must_put(client, "k", "again");
    candor_client_close(client);
    cluster_free(cluster);
}

static void a_data_directory_serves_one_node_at_a_time(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start(cluster, 0);
    struct node *second = NULL;
    struct candor_error err = {0};
    assert_int_equal(
        node_open(&cluster->topology, node_id_of("a"), &cluster->options, &second, &err),
        CANDOR_FAILED_PRECONDITION);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    cluster_free(cluster);
}

static void an_address_in_use_is_told(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start(cluster, 0);
    struct node_options elsewhere = cluster->options;
    char data[128];
    snprintf(data, sizeof data, "%s/other/deep", cluster->dir);
    elsewhere.data = data;
    struct node *second = NULL;
    struct candor_error err = {0};
    assert_int_equal(node_open(&cluster->topology, node_id_of("a"), &elsewhere, &second, &err),
                     CANDOR_OK);
    assert_int_equal(node_run(second, &err), CANDOR_UNAVAILABLE);
    assert_non_null(strstr(err.message, cluster->dir));
    node_stop(second);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client)); /* the first one took no harm */
    candor_client_close(client);
    cluster_free(cluster);
}

/* R2, R3: identity without its promises is not a blank node. */
static void a_log_without_its_hard_state_is_refused(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start(cluster, 0);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "v");
    stop(cluster, 0);
    char path[128];
    snprintf(path, sizeof path, "%s/a/hard_state", cluster->dir);
    assert_int_equal(unlink(path), 0);
    struct node *node = NULL;
    struct candor_error err = {0};
    assert_int_equal(node_open(&cluster->topology, node_id_of("a"), &cluster->options, &node, &err),
                     CANDOR_DATA_LOSS);
    assert_non_null(strstr(err.message, "way out"));
    candor_client_close(client);
    cluster_free(cluster);
}

static void bad_requests_name_the_field_at_fault(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "limits: {value: 1KiB}\n");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    static const uint8_t bytes[2048];
    Candor__V1__PutRequest long_key = CANDOR__V1__PUT_REQUEST__INIT;
    long_key.key = (ProtobufCBinaryData){512, (uint8_t *)(uintptr_t)bytes};
    Candor__V1__PutRequest no_key = CANDOR__V1__PUT_REQUEST__INIT;
    Candor__V1__PutRequest large = CANDOR__V1__PUT_REQUEST__INIT;
    large.key = (ProtobufCBinaryData){511, (uint8_t *)(uintptr_t)bytes};
    large.value = (ProtobufCBinaryData){1025, (uint8_t *)(uintptr_t)bytes};
    Candor__V1__PutRequest unknown_ack = CANDOR__V1__PUT_REQUEST__INIT;
    Candor__V1__WriteOptions options = CANDOR__V1__WRITE_OPTIONS__INIT;
    options.ack = (Candor__V1__AckLevel)77;
    unknown_ack.key = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t)bytes};
    unknown_ack.options = &options;
    Candor__V1__BatchRequest empty = CANDOR__V1__BATCH_REQUEST__INIT;
    Candor__V1__BatchRequest half = CANDOR__V1__BATCH_REQUEST__INIT;
    Candor__V1__BatchOp op = CANDOR__V1__BATCH_OP__INIT;
    Candor__V1__BatchOp *op_list[] = {&op};
    half.n_ops = 1;
    half.ops = op_list;
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    Candor__V1__ScanRequest both = CANDOR__V1__SCAN_REQUEST__INIT;
    both.start = both.prefix = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t)bytes};
    const struct bad_request cases[] = {
        {"/candor.v1.KV/Put", &long_key.base, CANDOR_RESOURCE_EXHAUSTED, "key"},
        {"/candor.v1.KV/Put", &no_key.base, CANDOR_INVALID_ARGUMENT, "key"},
        {"/candor.v1.KV/Put", &large.base, CANDOR_RESOURCE_EXHAUSTED, "limits.value"},
        {"/candor.v1.KV/Put", &unknown_ack.base, CANDOR_INVALID_ARGUMENT, "options.ack"},
        {"/candor.v1.KV/Batch", &empty.base, CANDOR_INVALID_ARGUMENT, "ops"},
        {"/candor.v1.KV/Batch", &half.base, CANDOR_INVALID_ARGUMENT, "ops[0]"},
        {"/candor.v1.KV/Get", &get.base, CANDOR_INVALID_ARGUMENT, "key"},
        {"/candor.v1.KV/Scan", &both.base, CANDOR_INVALID_ARGUMENT, "prefix"},
    };
    expect_refused(cluster, cases, sizeof cases / sizeof cases[0]);
    candor_client_close(client);
    cluster_free(cluster);
}

/* R45. */
static void a_call_that_was_redirected_too_often_ends_with_its_trail(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    char *hops[LIMIT_HOPS + 1];
    char b[] = "b";
    char c[] = "c";
    for (int i = 0; i <= LIMIT_HOPS; i++)
        hops[i] = i % 2 == 0 ? b : c;
    struct rpc_exchange exchange = {.deadline_ms = 5000, .hops = hops, .hop_count = LIMIT_HOPS + 1};
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = (ProtobufCBinaryData){1, (uint8_t *)b};
    struct candor_error err = {0};
    assert_int_equal(call(cluster, 0, "/candor.v1.KV/Get", &get.base, &exchange, NULL, NULL, &err),
                     CANDOR_UNAVAILABLE);
    assert_int_equal(err.reason, CANDOR_REASON_MAX_HOPS);
    assert_non_null(strstr(err.message, "b > c > b"));
    cluster_free(cluster);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

/* R3. In a child, which must be the first to use NNG: its threads do not survive a fork. */
static void a_failed_fsync_ends_the_process_with_status_3(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    cluster->options.fatal = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        logging_set_level(LOG_LEVEL_ERROR + 1);
        start(cluster, 0);
        struct candor_client *client = client_of(cluster, 0);
        EVENTUALLY(is_primary(client));
        log_inject_fault(cluster->nodes[0]->log, 0, 0, true);
        put(client, "k", "v");
        _exit(0); /* it should not come so far */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NODE_EXIT_INTEGRITY);
    cluster_free(cluster);
}

static void a_full_disk_refuses_writes_stores_nothing_and_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "before");
    uint64_t seq = put_pos.seq;
    log_inject_fault(cluster->nodes[0]->log, 0, ENOSPC, false);
    struct candor_result result;
    assert_int_equal(candor_put(client, candor_text("k"), candor_text("refused"), NULL, &result),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_int_equal(result.error.reason, CANDOR_REASON_DISK_FULL);
    candor_result_free(&result);
    assert_true(has(client, "k", "before"));
    log_inject_fault(cluster->nodes[0]->log, 0, 0, false);
    must_put(client, "k", "after");
    assert_int_equal(put_pos.seq, seq + 1);
    candor_client_close(client);
    cluster_free(cluster);
}

static void change_hard_state(struct cluster *cluster, const char *node,
                              void (*change)(struct hard_state *hard))
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%s", cluster->dir, node);
    struct hard_state hard;
    struct candor_error err = {0};
    assert_int_equal(hard_state_load(dir, &hard, &err), CANDOR_OK);
    change(&hard);
    assert_int_equal(hard_state_save(dir, &hard, &err), CANDOR_OK);
}

static void forget_commit(struct hard_state *hard)
{
    hard->known_commit = 0;
}

static void crash_with_the_machine(struct hard_state *hard)
{
    hard->clean_shutdown = false;
    strcpy(hard->os_boot_id, "another");
}

/* Leaves a stopped lone node "a" that holds "k0" to "k9". */
static struct cluster *ten_keys(void)
{
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    for (int i = 0; i < 10; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        must_put(client, key, "v");
    }
    candor_client_close(client);
    stop(cluster, 0);
    return cluster;
}

static void assert_ten_keys(struct cluster *cluster)
{
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    for (int i = 0; i < 10; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(has(client, key, "v"));
    }
    must_put(client, "on", "it goes");
    candor_client_close(client);
}

/* Pages that never reached the disk. */
static void lose_pages(const struct cluster *cluster)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a/state/current/data.mdb", cluster->dir);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, 1 << 20), 0);
}

/* docs/architecture.md: after a crash of the machine the state is made anew from what was
 * synced. */
static void a_crash_of_the_machine_rebuilds_the_state_from_the_log(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    change_hard_state(cluster, "a", crash_with_the_machine);
    lose_pages(cluster);
    start(cluster, 0);
    assert_ten_keys(cluster);
    cluster_free(cluster);
}

/* What an install leaves beside its state. */
static void take_checkpoint(const struct cluster *cluster)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/a/state", cluster->dir);
    struct state_options options = {.dir = dir, .map_bytes = cluster->topology.state_bytes};
    struct state *opened = NULL;
    struct state_checkpoint made;
    struct candor_error err = {0};
    assert_int_equal(state_open(&options, &opened, &err), CANDOR_OK);
    assert_int_equal(state_checkpoint(opened, &made, &err), CANDOR_OK);
    state_close(opened);
}

static int open_state_file(const struct cluster *cluster)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a/state/current/data.mdb", cluster->dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void crash_of_an_unknown_boot(struct hard_state *hard)
{
    hard->clean_shutdown = false;
    hard->os_boot_id[0] = '\0';
}

/* Where the system does not say which boot this is, it may be another one. */
static void a_boot_that_is_not_known_counts_as_another_one(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    change_hard_state(cluster, "a", crash_of_an_unknown_boot);
    int before = open_state_file(cluster);
    atomic_store(&boot_unknown, true);
    start(cluster, 0);
    atomic_store(&boot_unknown, false);
    struct stat made_anew_from_the_log;
    assert_int_equal(fstat(before, &made_anew_from_the_log), 0);
    assert_int_equal(made_anew_from_the_log.st_nlink, 0);
    close(before);
    assert_ten_keys(cluster);
    cluster_free(cluster);
}

/* A sector that cannot be read is rot, and not a reason to look another time. */
static void a_checkpoint_that_cannot_be_read_is_found_by_the_scrub(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    take_checkpoint(cluster);
    start(cluster, 0);
    struct candor_error err = {0};
    assert_int_equal(snapshot_verify(cluster->nodes[0], NULL, &err), CANDOR_OK);
    atomic_store(&checkpoint_unreadable, true);
    assert_int_equal(snapshot_verify(cluster->nodes[0], NULL, &err), CANDOR_DATA_LOSS);
    atomic_store(&checkpoint_unreadable, false);
    assert_non_null(strstr(err.message, "checkpoint/data.mdb: Input/output error"));
    cluster_free(cluster);
}

static void forget_the_end(struct hard_state *hard)
{
    hard->known_commit = 0;
    hard->end_seq = 0;
}

static void assert_refused(struct cluster *cluster, const char *why)
{
    struct node *node = NULL;
    struct candor_error err = {0};
    assert_int_equal(node_open(&cluster->topology, node_id_of("a"), &cluster->options, &node, &err),
                     CANDOR_DATA_LOSS);
    if (strstr(err.message, why) == NULL)
        fail_msg("%s", err.message);
    assert_non_null(strstr(err.message, "move the data directory away"));
}

static void cut_log(const struct cluster *cluster, uint64_t records)
{
    struct log *log = open_log_of(cluster, "a");
    struct candor_error err = {0};
    assert_int_equal(log_truncate(log, log_last(log) - records, &err), CANDOR_OK);
    log_close(log);
}

/* As after a crash between the two halves of an install. */
static void a_state_ahead_of_its_log_is_gone_on_from_when_a_snapshot_explains_it(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    change_hard_state(cluster, "a", forget_the_end);
    cut_log(cluster, 3);
    assert_refused(cluster, "the node knows that it was durable"); /* R65 */
    take_checkpoint(cluster);
    start(cluster, 0);
    assert_ten_keys(cluster);
    stop(cluster, 0);
    start(cluster, 0);
    assert_ten_keys(cluster);
    cluster_free(cluster);
}

/* `count` records in `epoch`, as another history has them. */
static void append_foreign(const struct cluster *cluster, const char *node,
                           struct candor_epoch epoch, int count)
{
    struct log *log = open_log_of(cluster, node);
    struct candor_error err = {0};
    struct buffer bytes = {0};
    struct record_op op = {
        .kind = RECORD_PUT, .key = slice_of("foreign", 7), .value = slice_of("f", 1)};
    struct batch_writer batch =
        batch_begin(&bytes, RECORD_WRITE, epoch, log_last(log) + 1, log_chain(log));
    for (int i = 0; i < count; i++)
        batch_add_write(&batch, &(struct record_write){.ack = CANDOR_ACK_LOCAL, .wall_ms = 1}, &op,
                        1);
    batch_end(&batch);
    assert_int_equal(log_append(log, buffer_slice(&bytes), &err), CANDOR_OK);
    log_close(log);
    buffer_free(&bytes);
}

/* Likewise, when the log that is left is longer, but of another history: none of it may be
 * applied. */
static void a_log_of_another_history_behind_the_state_is_not_applied(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    change_hard_state(cluster, "a", forget_the_end);
    cut_log(cluster, 1);
    append_foreign(cluster, "a", (struct candor_epoch){1, 9, node_id_of("z")}, 5);
    assert_refused(cluster, "the log does not continue what the state holds"); /* R66 */
    take_checkpoint(cluster);
    start(cluster, 0);
    assert_ten_keys(cluster);
    struct candor_client *client = client_of(cluster, 0);
    assert_true(has(client, "foreign", NULL));
    candor_client_close(client);
    cluster_free(cluster);
}

/* R3, R65: what was known to be durable is not silently gone, whatever it is that knows. */
static void a_log_that_lost_durable_records_is_refused(void **state)
{
    (void)state;
    struct cluster *cluster = ten_keys();
    cut_log(cluster, 3);
    assert_refused(
        cluster,
        "the node knows that it was durable"); /* the state, the clean end and the known commit */
    char path[128];
    snprintf(path, sizeof path, "%s/a/state", cluster->dir);
    remove_tree(path);
    assert_refused(cluster,
                   "the node knows that it was durable"); /* the clean end and the known commit */
    change_hard_state(cluster, "a", forget_commit);
    assert_refused(cluster, "the node knows that it was durable"); /* the clean end */
    change_hard_state(cluster, "a", forget_the_end);
    start(cluster, 0);
    cluster_free(cluster);
}

/* As when two copies of one disk were elected in one epoch: the node's log and state get a record
 * that is not the primary's, at the position of one of the primary's. By their positions their logs
 * are equal. */
static void make_fork(struct cluster *cluster, int node, struct candor_client *primary)
{
    EVENTUALLY(is_primary(primary));
    must_put(primary, "k", "v");
    struct candor_client *client = client_of(cluster, (size_t)node);
    EVENTUALLY(has(client, "k", "v"));
    candor_client_close(client);
    stop(cluster, (size_t)node);
    append_foreign(cluster, cluster->topology.nodes[node].id.text,
                   (struct candor_epoch){1, put_pos.epoch.term, node_id_of("a")}, 1);
    must_put(primary, "k", "w");
}

static uint32_t archives_of(const struct cluster *cluster, const char *node)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s/archive", cluster->dir, node);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    uint32_t count = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* R56: the chain tells that the records differ, though their positions do not. */
static void a_record_of_another_history_at_one_position_is_archived_and_replaced(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(2, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    make_fork(cluster, 1, a);
    assert_int_equal(archives_of(cluster, "b"), 0);
    start(cluster, 1);
    EVENTUALLY(has(b, "k", "w") && has(b, "foreign", NULL));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    EVENTUALLY(strcmp(status_of(b).digest, status_of(a).digest) == 0);
    assert_int_equal(archives_of(cluster, "b"), 1);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* ---- Calls in a pool ------------------------------------------------------------------------- */

/* A job that keeps a thread of a pool until it is let go. */
struct holder {
    struct job job;
    atomic_bool begun;
    atomic_bool let_go;
};

static void hold(struct job *job)
{
    struct holder *holder = (struct holder *)job;
    atomic_store(&holder->begun, true);
    while (!atomic_load(&holder->let_go))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static uint32_t waiting_in(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint32_t count = pool->count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

static void count_done(void *closure, const struct candor_answer *answer)
{
    (void)answer;
    atomic_fetch_add((atomic_int *)closure, 1);
}

static void drop_archives(struct candor_channel *channel, struct archive_summary *archive,
                          atomic_int *done)
{
    uint8_t packed[256];
    Candor__V1__RollbackDropRequest request = CANDOR__V1__ROLLBACK_DROP_REQUEST__INIT;
    request.id = archive->id;
    size_t length = candor__v1__rollback_drop_request__pack(&request, packed);
    struct candor_error err;
    assert_int_equal(candor_channel_send(channel, "/candor.v1.Cluster/RollbackDrop",
                                         (struct candor_bytes){packed, length},
                                         &(struct candor_channel_options){.deadline_ms = 500},
                                         count_done, done, &err),
                     CANDOR_OK);
}

/* What a caller has given up is not done behind its back, nor while others wait. */
static void a_call_whose_deadline_passed_in_a_pool_is_not_begun(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(2, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    make_fork(cluster, 1, a);
    start(cluster, 1);
    EVENTUALLY(archives_of(cluster, "b") == 1);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);

    struct node *node = cluster->nodes[1];
    struct archive_summary *archive = NULL;
    size_t count = 0;
    struct candor_error err;
    assert_int_equal(archive_list(node->archive_dir, &archive, &count, &err), CANDOR_OK);
    assert_int_equal(count, 1);
    static struct holder holders[8];
    uint32_t threads = node->slow.thread_count;
    assert_in_range(threads, 1, 8);
    for (uint32_t i = 0; i < threads; i++) {
        holders[i].job.run = hold;
        assert_true(pool_push(&node->slow, &holders[i].job));
        EVENTUALLY(atomic_load(&holders[i].begun));
    }
    struct candor_channel *channel = NULL;
    char address[128];
    snprintf(address, sizeof address, "ipc://%s/b.rpc", cluster->dir);
    assert_int_equal(candor_channel_open(address, &channel, &err), CANDOR_OK);
    atomic_int done = 0;
    int sent = 0;
    while (waiting_in(&node->slow) == 0) { /* a slow machine may not get one there in time */
        drop_archives(channel, archive, &done);
        sent++;
        EVENTUALLY(waiting_in(&node->slow) > 0 || atomic_load(&done) == sent);
    }
    uint64_t arrived_ns = clock_boot_ns();
    EVENTUALLY(clock_boot_ns() > arrived_ns + 500 * NS_PER_MS && atomic_load(&done) == sent);
    for (uint32_t i = 0; i < threads; i++)
        atomic_store(&holders[i].let_go, true);
    EVENTUALLY(waiting_in(&node->slow) == 0);
    candor_channel_close(channel);
    stop(cluster, 1); /* all jobs are done */
    assert_int_equal(archives_of(cluster, "b"), 1);
    free(archive);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* A fault of a program or of memory: the node's state holds what no record made, and its checks are
 * right. */
static void make_differ(struct cluster *cluster, int node, struct candor_client *primary)
{
    EVENTUALLY(is_primary(primary));
    must_put(primary, "k", "w");
    struct candor_client *client = client_of(cluster, (size_t)node);
    EVENTUALLY(has(client, "k", "w"));
    candor_client_close(client);
    stop(cluster, (size_t)node);
    char path[128];
    snprintf(path, sizeof path, "%s/%s/state", cluster->dir, cluster->topology.nodes[node].id.text);
    struct state *own;
    struct change change;
    struct candor_error err = {0};
    static const uint8_t head[ITEM_HEADER_BYTES] = {1};
    assert_int_equal(state_open(&(struct state_options){.dir = path}, &own, &err), CANDOR_OK);
    assert_int_equal(change_begin(&change, own, UINT64_MAX, &err), CANDOR_OK);
    int rc = change_put(&change, TABLE_DATA, slice_of("foreign", 7), slice_of(head, sizeof head),
                        slice_of("f", 1));
    assert_int_equal(change_end(&change, rc, "differ", &err), CANDOR_OK);
    state_close(own);
}

/* R58, R59. Of two voters nobody can say which is right. */
static void a_replica_with_other_data_at_the_same_position_serves_nothing(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(2, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    make_differ(cluster, 1, a);
    uint64_t differs_seq = put_pos.seq;
    start(cluster, 1);
    EVENTUALLY(state_of(b) == CANDOR_STATE_DOUBTFUL);
    assert_int_equal(status_of(b).differs_seq, differs_seq);
    must_put(a, "k", "x"); /* and it goes on to differ */
    EVENTUALLY(freshness_of(b).applied_seq == differs_seq + 1);
    assert_int_equal(state_of(b), CANDOR_STATE_DOUBTFUL);
    assert_string_not_equal(status_of(b).digest, status_of(a).digest);
    assert_true(is_primary(a));
    EVENTUALLY(state_of(a) == CANDOR_STATE_FRESH);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* R67 */
static void a_replica_takes_the_data_of_the_majority_in_place_of_its_own(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *c = client_of(cluster, 2);
    make_differ(cluster, 2, a);
    start(cluster, 2);
    EVENTUALLY(has(c, "foreign", NULL) && has(c, "k", "w")); /* the one is not there */
    EVENTUALLY(state_of(c) == CANDOR_STATE_FRESH);
    EVENTUALLY(strcmp(status_of(c).digest, status_of(a).digest) == 0);
    struct candor_write_options all = {.ack = CANDOR_ACK_ALL};
    struct candor_result result;
    assert_int_equal(candor_put(a, candor_text("k"), candor_text("y"), &all, &result), CANDOR_OK);
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(c);
    cluster_free(cluster);
}

/* ---- Several nodes --------------------------------------------------------------------------- */

static void a_replica_serves_what_the_primary_took_and_proves_its_age(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    must_put(a, "k", "v");
    uint64_t seq = put_pos.seq;
    EVENTUALLY(has(b, "k", "v"));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    struct candor_freshness freshness = freshness_of(b);
    assert_int_equal(freshness.role, CANDOR_ROLE_REPLICA);
    assert_true(freshness.has_staleness_bound);
    assert_true(freshness.has_heartbeat_age);
    EVENTUALLY(freshness_of(b).applied_seq >= seq);
    EVENTUALLY(freshness_of(b).commit_seq >= seq);

    struct candor_result result;
    assert_int_equal(candor_put(b, candor_text("k"), candor_text("w"), NULL, &result),
                     CANDOR_FAILED_PRECONDITION);
    assert_int_equal(result.error.reason, CANDOR_REASON_NOT_PRIMARY);
    assert_string_equal(result.primary, "a");
    assert_string_equal(result.endpoint, cluster->topology.nodes[0].rpc);
    assert_true(result.has_freshness);
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static uint64_t undo_floor_of(const struct cluster *cluster, uint32_t i)
{
    struct state_position position;
    state_position(cluster->nodes[i]->state, &position);
    return position.undo_floor;
}

/* A known commit travels with the next work of the writer; without any, by itself, at every node:
 * what is committed keeps no undo, and answers say so. */
static void a_known_commit_reaches_the_state_when_no_write_follows_it(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    struct candor_client *clients[3];
    start_all(cluster);
    for (uint32_t i = 0; i < 3; i++)
        clients[i] = client_of(cluster, i);
    EVENTUALLY(is_primary(clients[0]));
    for (uint32_t i = 1; i < 3; i++)
        EVENTUALLY(state_of(clients[i]) == CANDOR_STATE_FRESH);
    for (uint32_t round = 0; round < 3; round++) {
        must_put(clients[0], "k", "v");
        uint64_t seq = put_pos.seq;
        for (uint32_t i = 0; i < 3; i++) {
            EVENTUALLY(freshness_of(clients[i]).commit_seq >= seq);
            EVENTUALLY(undo_floor_of(cluster, i) >= seq);
        }
    }
    for (uint32_t i = 0; i < 3; i++)
        candor_client_close(clients[i]);
    cluster_free(cluster);
}

/* R32, R33: at every node, and without a wait for the stream to bring it. */
static void a_linearizable_read_sees_every_acknowledged_write_at_every_node(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *clients[3];
    for (uint32_t i = 0; i < 3; i++)
        clients[i] = client_of(cluster, i);
    EVENTUALLY(is_primary(clients[0]));
    must_put(clients[0], "k", "first");
    for (uint32_t i = 1; i < 3; i++)
        EVENTUALLY(state_of(clients[i]) == CANDOR_STATE_FRESH);
    struct candor_read_options read = {.level = CANDOR_READ_LINEARIZABLE};
    for (uint32_t round = 0; round < 30; round++) {
        char value[16];
        snprintf(value, sizeof value, "%u", round);
        must_put(clients[0], "k", value);
        struct candor_result result;
        assert_int_equal(candor_get(clients[round % 3], candor_text("k"), &read, &result),
                         CANDOR_OK);
        assert_int_equal(result.items[0].value.length, strlen(value));
        assert_memory_equal(result.items[0].value.data, value, strlen(value));
        assert_true(result.freshness.commit_seq >= result.items[0].mod_seq);
        candor_result_free(&result);
    }
    for (uint32_t i = 0; i < 3; i++)
        candor_client_close(clients[i]);
    cluster_free(cluster);
}

/* R21: nobody can say what becomes of a write that waits for a majority in vain; R25: nor read
 * linearizably. */
static void without_a_majority_its_levels_are_not_pretended(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    EVENTUALLY(is_primary(a));
    struct candor_write_options majority = {.ack = CANDOR_ACK_MAJORITY, .deadline_ms = 20000};
    struct candor_result result;
    assert_int_equal(candor_put(a, candor_text("k"), candor_text("v"), &majority, &result),
                     CANDOR_OK);
    assert_int_equal(result.ack, CANDOR_ACK_MAJORITY);
    candor_result_free(&result);
    stop(cluster, 1);
    stop(cluster, 2);
    /* the deadline came before the write was sent */
    enum candor_reason reason = CANDOR_REASON_NONE;
    LONGER_DEADLINES(ms)
    {
        majority.deadline_ms = ms;
        assert_int_not_equal(candor_put(a, candor_text("k"), candor_text("w"), &majority, &result),
                             CANDOR_OK);
        reason = result.error.reason;
        candor_result_free(&result);
        if (reason != CANDOR_REASON_NONE)
            break;
    }
    assert_int_equal(reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    struct candor_read_options read = {.level = CANDOR_READ_LINEARIZABLE, .deadline_ms = 500};
    assert_int_not_equal(candor_get(a, candor_text("k"), &read, &result), CANDOR_OK);
    candor_result_free(&result);
    must_put(a, "k", "LOCAL goes on");
    candor_client_close(a);
    cluster_free(cluster);
}

static void a_session_sees_its_own_write_at_a_replica(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    for (int i = 0; i < 200; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        must_put(a, "k", value);
        struct candor_token token;
        struct candor_result result;
        candor_client_token(a, &token);
        assert_int_equal(token.pos.seq, put_pos.seq);
        struct candor_read_options read = {.level = CANDOR_READ_SESSION, .token = &token};
        enum candor_code code = candor_get(b, candor_text("k"), &read, &result);
        /* Before it has caught up a node may say so, but never show less than the session has
         * seen. */
        if (code == CANDOR_OK) {
            assert_int_equal(result.items[0].value.length, strlen(value));
            assert_memory_equal(result.items[0].value.data, value, strlen(value));
            assert_true(result.freshness.applied_seq >= token.pos.seq);
        } else {
            assert_int_equal(result.error.reason, CANDOR_REASON_SYNCING);
            EVENTUALLY(state_of(b) != CANDOR_STATE_SYNCING);
        }
        candor_result_free(&result);
    }
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static void a_session_of_another_cluster_is_refused(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "v");
    struct candor_token token;
    candor_client_token(client, &token);
    token.cluster_id++;
    struct candor_read_options read = {.level = CANDOR_READ_SESSION, .token = &token};
    struct candor_result result;
    assert_int_equal(candor_get(client, candor_text("k"), &read, &result), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(result.error.reason, CANDOR_REASON_FOREIGN_CLUSTER);
    candor_result_free(&result);
    candor_client_close(client);
    cluster_free(cluster);
}

static void a_session_ahead_of_the_node_waits_and_then_is_behind(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 1, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    must_put(a, "k", "v");
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    struct candor_token token;
    candor_client_token(a, &token);
    token.pos.seq += 1000;
    struct candor_read_options read = {.level = CANDOR_READ_SESSION, .token = &token};
    struct candor_result result = {0};
    uint64_t began_ns = 0;
    enum candor_code code = CANDOR_OK;
    LONGER_DEADLINES(ms)
    {
        candor_result_free(&result);
        read.deadline_ms = ms;
        began_ns = clock_boot_ns();
        code = candor_get(b, candor_text("k"), &read, &result);
        if (code != CANDOR_DEADLINE_EXCEEDED)
            break;
    }
    assert_int_equal(code, CANDOR_FAILED_PRECONDITION);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_BEHIND);
    assert_true(clock_boot_ns() - began_ns >= 200 * NS_PER_MS);
    assert_string_equal(result.primary, "a");
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static void a_replica_whose_primary_is_gone_answers_flagged(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 1, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    must_put(a, "k", "v");
    EVENTUALLY(has(b, "k", "v"));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    stop(cluster, 0);
    EVENTUALLY(state_of(b) == CANDOR_STATE_STALE);
    EVENTUALLY(freshness_of(b).heartbeat_age_ms >= 300);
    struct candor_result result;
    struct candor_read_options bounded = {.level = CANDOR_READ_BOUNDED, .max_staleness_ms = 250};
    assert_int_equal(candor_get(b, candor_text("k"), NULL, &result), CANDOR_OK);
    assert_true(result.items[0].found);
    assert_true(result.freshness.stale);
    assert_true(result.freshness.heartbeat_age_ms >= 300);
    candor_result_free(&result);
    assert_int_equal(candor_get(b, candor_text("k"), &bounded, &result),
                     CANDOR_FAILED_PRECONDITION);
    assert_int_equal(result.error.reason, CANDOR_REASON_TOO_STALE);
    candor_result_free(&result);
    start(cluster, 0);
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    assert_int_equal(candor_get(b, candor_text("k"), &bounded, &result), CANDOR_OK);
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static Candor__V1__RollbackListResponse *rollbacks(struct cluster *cluster, uint32_t i)
{
    Candor__V1__RollbackListRequest request = CANDOR__V1__ROLLBACK_LIST_REQUEST__INIT;
    struct rpc_exchange exchange = {.deadline_ms = 5000};
    struct candor_error err;
    ProtobufCMessage *response;
    assert_int_equal(call(cluster, i, "/candor.v1.Cluster/RollbackList", &request.base, &exchange,
                          &response, &candor__v1__rollback_list_response__descriptor, &err),
                     CANDOR_OK);
    return (Candor__V1__RollbackListResponse *)response;
}

static Candor__V1__RollbackShowResponse *show_rollback(struct cluster *cluster, uint32_t i,
                                                       char *id)
{
    Candor__V1__RollbackShowRequest request = CANDOR__V1__ROLLBACK_SHOW_REQUEST__INIT;
    request.id = id;
    struct rpc_exchange exchange = {.deadline_ms = 5000};
    struct candor_error err;
    ProtobufCMessage *response;
    assert_int_equal(call(cluster, i, "/candor.v1.Cluster/RollbackShow", &request.base, &exchange,
                          &response, &candor__v1__rollback_show_response__descriptor, &err),
                     CANDOR_OK);
    return (Candor__V1__RollbackShowResponse *)response;
}

/* R12, R40: what only the old primary held is archived, undone, and nothing of it is served any
 * more. */
/* Node 0 has archived two LOCAL writes: k, which held "shared", and one of a key that was not
 * there. */
static void expect_two_archived(struct cluster *cluster)
{
    Candor__V1__RollbackListResponse *list = rollbacks(cluster, 0);
    assert_int_equal(list->n_archives, 1);
    assert_int_equal(list->archives[0]->records, 2);
    assert_string_equal(list->archives[0]->superseded_by->owner, "b");
    Candor__V1__RollbackShowResponse *shown = show_rollback(cluster, 0, list->archives[0]->id);
    assert_int_equal(shown->n_records, 2);
    assert_string_equal(shown->records[0]->ack, "LOCAL");
    assert_int_equal(shown->records[0]->n_ops, 1);
    assert_memory_equal(shown->records[0]->ops[0]->new_value.data, "lost", 4);
    assert_int_equal(shown->records[0]->ops[0]->old_case, CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE);
    assert_memory_equal(shown->records[0]->ops[0]->old_value.data, "shared", 6);
    assert_int_equal(shown->records[1]->ops[0]->old_case, CANDOR__V1__ROLLBACK_OP__OLD__NOT_SET);
    candor__v1__rollback_show_response__free_unpacked(shown, NULL);
    candor__v1__rollback_list_response__free_unpacked(list, NULL);
}

static void what_a_failover_discards_is_in_an_archive(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    struct candor_client *c = client_of(cluster, 2);
    must_put(a, "k", "shared");
    EVENTUALLY(has(b, "k", "shared") && status_of(b).admitted);
    EVENTUALLY(has(c, "k", "shared") && status_of(c).admitted);
    EVENTUALLY(all_committed(a));
    candor_client_close(c);
    stop(cluster, 1);
    stop(cluster, 2);
    must_put(a, "k", "lost");
    must_put(a, "only", "lost");
    struct candor_token token;
    candor_client_token(a, &token);
    stop(cluster, 0);

    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(put(b, "k", "won") == CANDOR_OK);
    start(cluster, 0);
    EVENTUALLY(has(a, "k", "won"));
    assert_true(has(a, "only", NULL));

    expect_two_archived(cluster);
    assert_int_equal(status_of(a).rollback_count, 1);

    /* R44: the session that wrote it is told that it was lost. */
    struct candor_read_options read = {
        .level = CANDOR_READ_SESSION, .token = &token, .deadline_ms = 5000};
    struct candor_result result;
    EVENTUALLY(freshness_of(b).commit_seq >= token.pos.seq);
    assert_int_equal(candor_get(b, candor_text("only"), &read, &result), CANDOR_ABORTED);
    assert_int_equal(result.error.reason, CANDOR_REASON_SESSION_LOST);
    candor_result_free(&result);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* R12: a full disk is no damage; the node waits for room where it cannot go on without. */
static void a_rollback_that_meets_a_full_disk_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    start_all(cluster);
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    struct candor_client *c = client_of(cluster, 2);
    EVENTUALLY(is_primary(a));
    must_put(a, "k", "shared");
    EVENTUALLY(has(b, "k", "shared") && status_of(b).admitted);
    EVENTUALLY(has(c, "k", "shared") && status_of(c).admitted);
    stop(cluster, 1);
    stop(cluster, 2);
    must_put(a, "only", "lost");
    must_put(a, "k", "lost"); /* two appends: one alone is taken back without room */
    stop(cluster, 0);
    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(promote(cluster, 1) == CANDOR_OK);
    EVENTUALLY(put(b, "k", "won") == CANDOR_OK);
    stop(cluster, 1);
    stop(cluster, 2);

    start(cluster, 0);
    log_inject_fault(cluster->nodes[0]->log, 0, ENOSPC, false);
    start(cluster, 1);
    start(cluster, 2);
    EVENTUALLY(log_faults_met(cluster->nodes[0]->log) > 0);
    log_inject_fault(cluster->nodes[0]->log, 0, 0, false);
    EVENTUALLY(has(a, "k", "won"));
    assert_true(has(a, "only", NULL));
    candor_client_close(a);
    candor_client_close(b);
    candor_client_close(c);
    cluster_free(cluster);
}

/* R14: who comes when the log no longer reaches back gets a snapshot. */
static void a_late_node_gets_a_snapshot(void **state)
{
    (void)state;
    enum { KEYS = 400, VALUE = 8192 };
    struct cluster *cluster = cluster_new(1, 1, "retention: {log: 1MiB}\n");
    cluster->options.segment_bytes = 256 << 10;
    start_all(cluster); /* all found it */
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    stop(cluster, 1);
    char *value = malloc(VALUE + 1);
    assert_non_null(value);
    memset(value, 'v', VALUE);
    value[VALUE] = '\0';
    uint32_t written = 0;
    uint64_t until_ns = clock_boot_ns() + DEADLINE_NS;
    while (status_of(a).log_first_seq <= 1) {
        char key[16];
        snprintf(key, sizeof key, "k%u", written++ % KEYS);
        must_put(a, key, value);
        assert_true(clock_boot_ns() < until_ns);
    }
    must_put(a, "newest", "here");
    start(cluster, 1);
    EVENTUALLY(has(b, "newest", "here"));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    assert_true(has(b, "k0", value));
    assert_true(status_of(b).log_first_seq > 1);
    assert_int_equal(status_of(b).keys, status_of(a).keys);

    stop(cluster, 1); /* and stands on its own feet afterwards */
    must_put(a, "later", "too");
    start(cluster, 1);
    EVENTUALLY(has(b, "later", "too"));
    free(value);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* The names of the log's segments, oldest first, as they stand in the directory. */
static int list_segments(const struct cluster *cluster, const char *node, char names[][128])
{
    char pattern[128];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/%s/log/*.log", cluster->dir, node);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    int count = (int)found.gl_pathc;
    assert_true(count <= SEGMENTS_MOST);
    for (int i = 0; i < count; i++)
        snprintf(names[i], 128, "%s", found.gl_pathv[i]);
    globfree(&found);
    return count;
}

/* All that stands behind its header. */
static void rot(const char *segment)
{
    enum { BEHIND_HEADER = 4096, ROTTEN = 64 << 10 };
    static const uint8_t garbage[ROTTEN] = {[0 ... ROTTEN - 1] = 0xa5};
    int fd = open(segment, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, garbage, ROTTEN, BEHIND_HEADER), ROTTEN);
    close(fd);
}

/* a, the primary, has at least four segments of log; b, which is down, ends in the first. */
static struct cluster *long_log(struct candor_client **a)
{
    enum { VALUE = 8192 };
    struct cluster *cluster = cluster_new(1, 1, "");
    cluster->options.segment_bytes = 256 << 10;
    start_all(cluster);
    *a = client_of(cluster, 0);
    EVENTUALLY(is_primary(*a));
    struct candor_client *b = client_of(cluster, 1);
    must_put(*a, "first", "here");
    EVENTUALLY(has(b, "first", "here"));
    candor_client_close(b);
    stop(cluster, 1);
    char value[VALUE + 1];
    memset(value, 'v', VALUE);
    value[VALUE] = '\0';
    char names[SEGMENTS_MOST][128];
    for (uint32_t i = 0; list_segments(cluster, "a", names) < 4; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        must_put(*a, key, value);
    }
    must_put(*a, "newest", "here");
    EVENTUALLY(all_committed(*a));
    return cluster;
}

/* R54: nobody needs the segment but who asks for it, and who asks takes a snapshot. */
static void assert_given_up(int segment)
{
    struct candor_client *a;
    struct cluster *cluster = long_log(&a);
    char names[SEGMENTS_MOST][128];
    list_segments(cluster, "a", names);
    rot(names[segment]);
    start(cluster, 1);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(has(b, "newest", "here"));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    assert_int_equal(status_of(b).keys, status_of(a).keys);
    assert_true(status_of(b).log_first_seq > 1);
    must_put(a, "later", "too");
    EVENTUALLY(has(b, "later", "too"));
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

static void an_attach_that_meets_rot_in_an_old_segment_becomes_a_snapshot(void **state)
{
    (void)state;
    assert_given_up(0); /* where b's log ends */
}

static void a_fetch_that_meets_rot_in_an_old_segment_becomes_a_snapshot(void **state)
{
    (void)state;
    assert_given_up(1); /* what b needs next but one */
}

/* R13: what the stream did not bring is fetched. */
static void a_late_node_fetches_what_it_missed(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 1, "");
    start_all(cluster); /* all found it */
    struct candor_client *a = client_of(cluster, 0);
    struct candor_client *b = client_of(cluster, 1);
    EVENTUALLY(is_primary(a));
    stop(cluster, 1);
    static char value[100001];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 40; i++) { /* several Fetch answers */
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        must_put(a, key, value);
    }
    start(cluster, 1);
    EVENTUALLY(has(b, "k39", value));
    EVENTUALLY(state_of(b) == CANDOR_STATE_FRESH);
    assert_true(has(b, "k0", value));
    assert_int_equal(status_of(b).log_first_seq, 1);
    candor_client_close(a);
    candor_client_close(b);
    cluster_free(cluster);
}

/* R22. */
static void with_automatic_failover_another_node_takes_over(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(3, 0, "");
    cluster->topology.automatic_failover = true;
    start_all(cluster);
    struct candor_client *clients[3];
    for (uint32_t i = 0; i < 3; i++)
        clients[i] = client_of(cluster, i);
    EVENTUALLY(is_primary(clients[0]));
    must_put(clients[0], "k", "v");
    EVENTUALLY(has(clients[1], "k", "v") && has(clients[2], "k", "v"));
    EVENTUALLY(state_of(clients[1]) == CANDOR_STATE_FRESH &&
               state_of(clients[2]) == CANDOR_STATE_FRESH);
    stop(cluster, 0);
    EVENTUALLY(is_primary(clients[1]) || is_primary(clients[2]));
    uint32_t heir = is_primary(clients[1]) ? 1 : 2;
    must_put(clients[heir], "k", "of the heir");
    start(cluster, 0);
    EVENTUALLY(has(clients[0], "k", "of the heir"));
    EVENTUALLY(state_of(clients[0]) == CANDOR_STATE_FRESH);
    assert_false(is_primary(clients[0]));
    for (uint32_t i = 0; i < 3; i++)
        candor_client_close(clients[i]);
    cluster_free(cluster);
}

struct waiting {
    struct rpc_exchange exchange;
    enum candor_code code;
    enum candor_reason reason;
    atomic_bool done;
};

static void got(const Candor__V1__GetResponse *response, void *closure_data)
{
    (void)response;
    struct rpc_exchange *exchange = closure_data;
    struct waiting *waiting = exchange->closure_data;
    waiting->code = exchange->error.code;
    waiting->reason = exchange->error.reason;
    atomic_store(&waiting->done, true);
}

static void send_get(struct rpc_client *rpc, const Candor__V1__GetRequest *get,
                     struct waiting *waiting)
{
    *waiting = (struct waiting){.exchange = {.deadline_ms = 60000, .closure_data = waiting}};
    candor__v1__kv__get(rpc_client_service(rpc, &candor__v1__kv__descriptor), get, got,
                        &waiting->exchange);
}

/* A node that ends finishes every call: the caller is not left to its deadline. */
static void a_stop_finishes_the_calls_that_wait(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new(1, 0, "");
    start_all(cluster);
    struct candor_client *client = client_of(cluster, 0);
    EVENTUALLY(is_primary(client));
    must_put(client, "k", "v");
    struct candor_token token;
    candor_client_token(client, &token);
    candor_client_close(client);

    Candor__V1__Epoch epoch = CANDOR__V1__EPOCH__INIT;
    epoch.generation = token.pos.epoch.generation;
    epoch.term = token.pos.epoch.term;
    epoch.owner = token.pos.epoch.owner.text;
    Candor__V1__Pos pos = CANDOR__V1__POS__INIT;
    pos.epoch = &epoch;
    pos.seq = token.pos.seq + 1000;
    Candor__V1__SessionToken ahead = CANDOR__V1__SESSION_TOKEN__INIT;
    ahead.cluster_id = token.cluster_id;
    ahead.pos = &pos;
    Candor__V1__ReadOptions options = CANDOR__V1__READ_OPTIONS__INIT;
    options.level = CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION;
    options.token = &ahead;
    char key[] = "k";
    Candor__V1__GetRequest get = CANDOR__V1__GET_REQUEST__INIT;
    get.key = (ProtobufCBinaryData){1, (uint8_t *)key};
    get.options = &options;
    struct rpc_client *rpc;
    struct candor_error err;
    assert_int_equal(rpc_client_open(cluster->topology.nodes[0].rpc, 1 << 20, &rpc, &err),
                     CANDOR_OK);
    struct waiting waiting;
    send_get(rpc, &get, &waiting);
    /* A later call of the same connection is answered: the first one is in the node by then. */
    Candor__V1__GetRequest later = CANDOR__V1__GET_REQUEST__INIT;
    later.key = get.key;
    struct waiting answered;
    send_get(rpc, &later, &answered);
    EVENTUALLY(atomic_load(&answered.done));
    assert_int_equal(answered.code, CANDOR_OK);
    assert_false(atomic_load(&waiting.done));
    stop(cluster, 0);
    EVENTUALLY(atomic_load(&waiting.done));
    assert_int_equal(waiting.code, CANDOR_UNAVAILABLE);
    assert_int_equal(waiting.reason, CANDOR_REASON_SHUTTING_DOWN);
    rpc_client_close(rpc);
    cluster_free(cluster);
}

int main(void)
{
    logging_set_level(getenv("CANDOR_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_fsync_ends_the_process_with_status_3), /* first: it forks */
        cmocka_unit_test(an_attach_that_meets_rot_in_an_old_segment_becomes_a_snapshot),
        cmocka_unit_test(a_fetch_that_meets_rot_in_an_old_segment_becomes_a_snapshot),
        cmocka_unit_test(a_full_disk_refuses_writes_stores_nothing_and_goes_on_when_there_is_room),
        cmocka_unit_test(a_boot_that_is_not_known_counts_as_another_one),
        cmocka_unit_test(a_checkpoint_that_cannot_be_read_is_found_by_the_scrub),
        cmocka_unit_test(a_crash_of_the_machine_rebuilds_the_state_from_the_log),
        cmocka_unit_test(a_state_ahead_of_its_log_is_gone_on_from_when_a_snapshot_explains_it),
        cmocka_unit_test(a_log_of_another_history_behind_the_state_is_not_applied),
        cmocka_unit_test(a_log_that_lost_durable_records_is_refused),
        cmocka_unit_test(a_record_of_another_history_at_one_position_is_archived_and_replaced),
        cmocka_unit_test(a_call_whose_deadline_passed_in_a_pool_is_not_begun),
        cmocka_unit_test(a_replica_with_other_data_at_the_same_position_serves_nothing),
        cmocka_unit_test(a_replica_takes_the_data_of_the_majority_in_place_of_its_own),
        cmocka_unit_test(a_late_node_fetches_what_it_missed),
        cmocka_unit_test(with_automatic_failover_another_node_takes_over),
        cmocka_unit_test(a_lone_node_serves_what_was_put),
        cmocka_unit_test(a_batch_gives_each_operation_its_own_position_and_found_flag),
        cmocka_unit_test(a_batch_larger_than_a_group_commit_is_stored_whole),
        cmocka_unit_test(scans_give_ranges_in_both_directions),
        cmocka_unit_test(data_survive_a_restart_and_the_epoch_does_not),
        cmocka_unit_test(a_data_directory_serves_one_node_at_a_time),
        cmocka_unit_test(an_address_in_use_is_told),
        cmocka_unit_test(a_log_without_its_hard_state_is_refused),
        cmocka_unit_test(bad_requests_name_the_field_at_fault),
        cmocka_unit_test(a_call_that_was_redirected_too_often_ends_with_its_trail),
        cmocka_unit_test(a_linearizable_read_sees_every_acknowledged_write_at_every_node),
        cmocka_unit_test(without_a_majority_its_levels_are_not_pretended),
        cmocka_unit_test(a_replica_serves_what_the_primary_took_and_proves_its_age),
        cmocka_unit_test(a_known_commit_reaches_the_state_when_no_write_follows_it),
        cmocka_unit_test(a_session_sees_its_own_write_at_a_replica),
        cmocka_unit_test(a_session_of_another_cluster_is_refused),
        cmocka_unit_test(a_session_ahead_of_the_node_waits_and_then_is_behind),
        cmocka_unit_test(a_replica_whose_primary_is_gone_answers_flagged),
        cmocka_unit_test(what_a_failover_discards_is_in_an_archive),
        cmocka_unit_test(a_rollback_that_meets_a_full_disk_goes_on_when_there_is_room),
        cmocka_unit_test(a_late_node_gets_a_snapshot),
        cmocka_unit_test(a_stop_finishes_the_calls_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
