/* kvctl verify: do all nodes hold the same? (R60) Each reads its own bytes; ranges whose digests
 * differ are split until the keys are known. The nodes go on meanwhile, each at its own position: a
 * key counts as different only when its entries cannot be those of one history. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/node_call.h"

#define VERIFY_DEADLINE_MS 30000
#define CHUNK_ENTRIES 16384
/* What is listed rather than split again. */
#define LIST_ENTRIES 256
#define SPLIT 16
#define SETTLE_TRIES 30
/* Of all keys together: a node that is cut off may lack a million. */
#define SETTLE_TRIES_ALL 300
#define SETTLE_PAUSE_MS 100
#define DEFAULT_MAX_KEYS 100

struct verify {
    struct command_context *ctx;
    struct node_target targets[LIMIT_NODES]; /* those that still answer */
    size_t count;
    uint64_t max_keys;
    uint64_t entries; /* compared, as the first node holds them */
    uint64_t differing;
    uint64_t unsettled; /* keys that could not be compared */
    int tries_left;     /* of SETTLE_TRIES_ALL */
    json_t *keys;
    json_t *failed;
    struct table *table;
    int status; /* of those that fail */
    uint64_t shown_ns;
};

/* [start, end); no end: to the last key. */
struct range {
    struct slice start;
    struct slice end;
};

/* ---- Asking ---- */

/* A node that has found damage says so, and makes its state anew; one that does not answer is left
 * out. */
static void leave_out(struct verify *verify, size_t i, const struct candor_result *result)
{
    const struct node_target *target = &verify->targets[i];
    bool damaged = result->error.code == CANDOR_DATA_LOSS;
    int failed = report_result(verify->ctx, &result->error, result, NULL);
    if (damaged)
        verify->status = EXIT_INTEGRITY;
    else if (verify->status == EXIT_DONE)
        verify->status = failed;
    json_t *row = json_object();
    json_object_set_new(row, "node", json_string(target->id));
    json_object_set_new(row, "damaged", json_boolean(damaged));
    json_object_set_new(row, "message", json_string(result->error.message));
    json_array_append_new(verify->failed, row);
    memmove(&verify->targets[i], &verify->targets[i + 1],
            (verify->count - i - 1) * sizeof verify->targets[0]);
    verify->count--;
}

static ProtobufCBinaryData binary_of(struct slice slice)
{
    return (ProtobufCBinaryData){.len = slice.length, .data = (uint8_t *)(uintptr_t)slice.bytes};
}

static const Candor__V1__RangeDigestResponse *answer_of(const struct node_answer *answer)
{
    return (const Candor__V1__RangeDigestResponse *)answer->message;
}

/* Asks the first `most` of them at once. False: one was left out; those that are left have to be
 * asked again. The answers are freed by node_answers_free() in both cases. */
static bool ask(struct verify *verify, size_t most, struct range range, uint32_t entries, bool list,
                struct node_answer *answers, size_t *asked)
{
    Candor__V1__RangeDigestRequest request = CANDOR__V1__RANGE_DIGEST_REQUEST__INIT;
    request.start = binary_of(range.start);
    request.end = binary_of(range.end);
    request.max_entries = entries;
    request.entries = list;
    *asked = most < verify->count ? most : verify->count;
    node_call_all(verify->targets, *asked, "/candor.v1.Cluster/RangeDigest", &request.base,
                  &candor__v1__range_digest_response__descriptor,
                  (uint32_t)context_deadline_ms(verify->ctx, VERIFY_DEADLINE_MS), answers);
    bool whole = true;
    for (size_t i = *asked; i-- > 0;) {
        if (answers[i].message != NULL)
            continue;
        leave_out(verify, i, &answers[i].result);
        whole = false;
    }
    return whole;
}

/* ---- One key ---- */

struct held {
    bool present;
    uint64_t mod_seq;
    uint64_t check;
    uint64_t applied;
};

static struct held held_of(const Candor__V1__RangeDigestResponse *answer)
{
    struct held held = {.applied = answer->applied != NULL ? answer->applied->seq : 0};
    if (answer->n_listed > 0) {
        held.present = true;
        held.mod_seq = answer->listed[0]->mod_seq;
        held.check = answer->listed[0]->check;
    }
    return held;
}

static bool is_equal(const struct held *a, const struct held *b)
{
    return a->present == b->present &&
           (!a->present || (a->mod_seq == b->mod_seq && a->check == b->check));
}

/* Whether no history leads to both: the one that lags must have come as far as the other's
 * write. */
static bool contradict(const struct held *a, const struct held *b)
{
    if (is_equal(a, b))
        return false;
    if (a->present && b->present && a->mod_seq == b->mod_seq)
        return true;
    const struct held *newer = a->present && (!b->present || a->mod_seq > b->mod_seq) ? a : b;
    const struct held *other = newer == a ? b : a;
    /* on its way */
    if (other->applied < newer->mod_seq)
        return false;
    /* It may have been deleted since: then whoever stands there, too, must not have it any more. */
    return other->present || newer->applied >= other->applied;
}

enum finding { SAME, DIFFERENT, NOT_SETTLED };

static enum finding judge(const struct held *held, size_t count)
{
    bool equal = true;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (contradict(&held[i], &held[j]))
                return DIFFERENT;
            equal = equal && is_equal(&held[i], &held[j]);
        }
    }
    return equal ? SAME : NOT_SETTLED;
}

static void add_holder(struct verify *verify, json_t *nodes, struct slice key, size_t i,
                       const struct held *held)
{
    char check[24];
    snprintf(check, sizeof check, "%016" PRIx64, held->check);
    json_t *node = json_object();
    json_object_set_new(node, "node", json_string(verify->targets[i].id));
    json_object_set_new(node, "applied_seq", json_u64(held->applied));
    json_object_set_new(node, "present", json_boolean(held->present));
    if (held->present) {
        json_object_set_new(node, "mod_seq", json_u64(held->mod_seq));
        json_object_set_new(node, "check", json_string(check));
    }
    json_array_append_new(nodes, node);
    table_cell(verify->table, TABLE_PLAIN, "%.*s", i == 0 ? (int)key.length : 0,
               (const char *)key.bytes);
    table_cell(verify->table, TABLE_PLAIN, "%s", verify->targets[i].id);
    table_cell(verify->table, TABLE_PLAIN, "%s", held->present ? check : "none");
    table_cell(verify->table, TABLE_PLAIN, "%" PRIu64, held->mod_seq);
    table_cell(verify->table, TABLE_PLAIN, "%" PRIu64, held->applied);
}

static void report_key(struct verify *verify, struct slice key, const struct held *held)
{
    if (verify->differing++ >= verify->max_keys)
        return;
    json_t *row = json_object();
    json_t *nodes = json_array();
    json_set_bytes(row, "key", key.bytes, key.length);
    for (size_t i = 0; i < verify->count; i++)
        add_holder(verify, nodes, key, i, &held[i]);
    json_object_set_new(row, "nodes", nodes);
    json_array_append_new(verify->keys, row);
}

static bool look_at(struct verify *verify, struct slice key, struct held *held)
{
    uint8_t end[LIMIT_KEY_BYTES + 1]; /* the first key behind it */
    struct node_answer answers[LIMIT_NODES];
    size_t asked = 0;
    memcpy(end, key.bytes, key.length);
    end[key.length] = 0;
    struct range range = {key, {end, key.length + 1}};
    bool whole = ask(verify, LIMIT_NODES, range, 1, true, answers, &asked);
    for (size_t i = 0; whole && i < asked; i++)
        held[i] = held_of(answer_of(&answers[i]));
    node_answers_free(answers, asked);
    return whole;
}

/* ---- A list of keys ---- */

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static struct slice slice_of_binary(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static const Candor__V1__EntryDigest *entry_of(const Candor__V1__RangeDigestResponse *answer,
                                               struct slice key)
{
    for (size_t i = 0; i < answer->n_listed; i++)
        if (slice_equal(slice_of_binary(answer->listed[i]->key), key))
            return answer->listed[i];
    return NULL;
}

/* What the list of one node says of a key that it reaches to. */
static struct held listed_of(const Candor__V1__RangeDigestResponse *answer, struct slice key)
{
    const Candor__V1__EntryDigest *entry = entry_of(answer, key);
    struct held held = {.applied = answer->applied != NULL ? answer->applied->seq : 0};
    if (entry != NULL) {
        held.present = true;
        held.mod_seq = entry->mod_seq;
        held.check = entry->check;
    }
    return held;
}

/* Two nodes may just stand at different positions: they are asked again until they agree, or cannot
 * any more. The lists count as the first answer: what contradicts there is found even when no try
 * is left. */
static void settle(struct verify *verify, const struct node_answer *answers, size_t count,
                   struct slice key)
{
    struct held held[LIMIT_NODES] = {0};
    enum finding finding = NOT_SETTLED;
    bool same_nodes = count == verify->count; /* none was left out since they were listed */
    for (size_t i = 0; same_nodes && i < count; i++)
        held[i] = listed_of(answer_of(&answers[i]), key);
    if (same_nodes)
        finding = judge(held, count);
    for (int tries = 0; finding == NOT_SETTLED && tries < SETTLE_TRIES && verify->tries_left > 0 &&
                        verify->count > 1;
         tries++, verify->tries_left--) {
        if (tries > 0)
            nanosleep(&(struct timespec){.tv_nsec = SETTLE_PAUSE_MS * (long)NS_PER_MS}, NULL);
        if (look_at(verify, key, held))
            finding = judge(held, verify->count);
    }
    if (finding == DIFFERENT)
        report_key(verify, key, held);
    verify->unsettled += finding == NOT_SETTLED;
}

static bool all_hold_the_same(const struct node_answer *answers, size_t count, struct slice key)
{
    struct held first = listed_of(answer_of(&answers[0]), key);
    for (size_t i = 1; i < count; i++) {
        struct held other = listed_of(answer_of(&answers[i]), key);
        if (!is_equal(&first, &other))
            return false;
    }
    return true;
}

/* Where the shortest of the lists ends; empty: all have reached the end of the range. */
static struct slice common_end(const struct node_answer *answers, size_t count)
{
    struct slice end = {0};
    for (size_t i = 0; i < count; i++) {
        const Candor__V1__RangeDigestResponse *answer = answer_of(&answers[i]);
        struct slice next = slice_of_binary(answer->next);
        if (answer->more && (end.length == 0 || slice_compare(next, end) < 0))
            end = next;
    }
    return end;
}

static void settle_listed(struct verify *verify, const struct node_answer *answers, size_t count,
                          struct slice end)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += answer_of(&answers[i])->n_listed;
    struct slice *keys = memory_zeroed(total + 1, sizeof *keys);
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < answer_of(&answers[i])->n_listed; j++)
            keys[found++] = slice_of_binary(answer_of(&answers[i])->listed[j]->key);
    qsort(keys, found, sizeof *keys, compare_slices);
    for (size_t i = 0; i < found; i++) {
        bool again = i > 0 && slice_equal(keys[i], keys[i - 1]);
        bool beyond = end.length > 0 && slice_compare(keys[i], end) >= 0;
        if (!again && !beyond && !all_hold_the_same(answers, count, keys[i]))
            settle(verify, answers, count, keys[i]);
    }
    free(keys);
}

static void compare_lists(struct verify *verify, struct range range)
{
    struct buffer start = {0};
    buffer_put(&start, range.start.bytes, range.start.length);
    bool more = true;
    while (more && verify->count > 1) {
        struct node_answer answers[LIMIT_NODES];
        size_t asked = 0;
        struct range rest = {buffer_slice(&start), range.end};
        if (ask(verify, LIMIT_NODES, rest, 0, true, answers, &asked)) {
            struct slice end = common_end(answers, asked);
            settle_listed(verify, answers, asked, end);
            more = end.length > 0;
            buffer_clear(&start);
            buffer_put(&start, end.bytes, end.length);
        }
        node_answers_free(answers, asked);
    }
    buffer_free(&start);
}

/* ---- Ranges ---- */

static bool digests_agree(const struct node_answer *answers, size_t count)
{
    const Candor__V1__RangeDigestResponse *first = answer_of(&answers[0]);
    for (size_t i = 1; i < count; i++) {
        const Candor__V1__RangeDigestResponse *other = answer_of(&answers[i]);
        if (other->more || other->entries != first->entries ||
            other->digest_high != first->digest_high || other->digest_low != first->digest_low)
            return false;
    }
    return !first->more;
}

static bool compare_whole(struct verify *verify, struct range range, bool *agree)
{
    struct node_answer answers[LIMIT_NODES];
    size_t asked = 0;
    bool whole = ask(verify, LIMIT_NODES, range, 0, false, answers, &asked);
    *agree = whole && digests_agree(answers, asked);
    node_answers_free(answers, asked);
    return whole;
}

static void show_progress(struct verify *verify)
{
    uint64_t now_ns = clock_boot_ns();
    bool person =
        isatty(STDERR_FILENO) && !context_quiet(verify->ctx) && !context_json(verify->ctx);
    if (!person || now_ns - verify->shown_ns < NS_PER_S / 4)
        return;
    verify->shown_ns = now_ns;
    fprintf(stderr, "\r\033[K%" PRIu64 " entries compared, %" PRIu64 " keys differ",
            verify->entries, verify->differing);
}

/* Takes `most` entries at a time, as the first node holds them; those whose digests differ are
 * split. Recursion: each level has a SPLITth of the entries of the one above. */
static void compare_range(struct verify *verify, struct range range, uint32_t most)
{
    struct buffer start = {0};
    struct buffer end = {0};
    buffer_put(&start, range.start.bytes, range.start.length);
    bool more = true;
    while (more && verify->count > 1) {
        struct node_answer first;
        size_t asked = 0;
        struct range rest = {buffer_slice(&start), range.end};
        uint64_t entries = 0;
        if (ask(verify, 1, rest, most, false, &first, &asked)) {
            const Candor__V1__RangeDigestResponse *answer = answer_of(&first);
            more = answer->more;
            entries = answer->entries;
            struct slice upto = more ? slice_of_binary(answer->next) : range.end;
            buffer_clear(&end);
            buffer_put(&end, upto.bytes, upto.length);
        }
        bool answered = asked > 0 && first.message != NULL;
        node_answers_free(&first, asked);
        struct range piece = {buffer_slice(&start), buffer_slice(&end)};
        bool agree = false;
        /* with those that are left */
        if (!answered || !compare_whole(verify, piece, &agree))
            continue;
        if (!agree && entries <= LIST_ENTRIES)
            compare_lists(verify, piece);
        else if (!agree)
            compare_range(verify, piece, (uint32_t)(entries / SPLIT + 1));
        verify->entries += most == CHUNK_ENTRIES ? entries : 0;
        show_progress(verify);
        buffer_clear(&start);
        buffer_put(&start, end.bytes, end.length);
    }
    buffer_free(&start);
    buffer_free(&end);
}

/* ---- The command ---- */

static void print_json(struct verify *verify)
{
    json_t *out = json_object();
    json_t *nodes = json_array();
    for (size_t i = 0; i < verify->count; i++)
        json_array_append_new(nodes, json_string(verify->targets[i].id));
    json_object_set_new(out, "nodes", nodes);
    json_object_set(out, "failed", verify->failed);
    json_object_set_new(out, "entries", json_u64(verify->entries));
    json_object_set_new(out, "differing", json_u64(verify->differing));
    json_object_set_new(out, "unsettled", json_u64(verify->unsettled));
    json_object_set(out, "keys", verify->keys);
    output_json(verify->ctx, out);
}

static void print_text(struct verify *verify)
{
    if (verify->shown_ns != 0)
        fprintf(stderr, "\r\033[K");
    if (verify->differing > 0)
        table_print(verify->table, stdout);
    printf("%" PRIu64 " entries compared at", verify->entries);
    for (size_t i = 0; i < verify->count; i++)
        printf("%s %s", i > 0 ? "," : "", verify->targets[i].id);
    printf(": %" PRIu64 " keys differ", verify->differing);
    if (verify->unsettled > 0)
        printf(", %" PRIu64 " could not be compared", verify->unsettled);
    putchar('\n');
    if (verify->differing > verify->max_keys)
        output_note(verify->ctx,
                    "verify: %" PRIu64 " of %" PRIu64 " keys are shown; --max-keys shows more",
                    verify->max_keys, verify->differing);
    if (verify->unsettled > 0)
        output_note(verify->ctx,
                    "verify: %" PRIu64
                    " keys changed all the time, or a node lags: they were not compared",
                    verify->unsettled);
    if (verify->differing > 0)
        output_note(verify->ctx, "verify: which node is right? `kvctl status` says which one its "
                                 "primary doubts; a DOUBTFUL one takes the others' data");
}

static struct table *key_table(void)
{
    struct table *table = table_new();
    table_column(table, "KEY", TABLE_LEFT);
    table_column(table, "NODE", TABLE_LEFT);
    table_column(table, "CHECK", TABLE_LEFT);
    table_column(table, "CHANGED AT", TABLE_RIGHT);
    table_column(table, "APPLIED", TABLE_RIGHT);
    return table;
}

static int run_verify(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct verify verify = {.ctx = ctx,
                            .max_keys = DEFAULT_MAX_KEYS,
                            .tries_left = SETTLE_TRIES_ALL,
                            .status = EXIT_DONE};
    if (!option_number(ctx, "max-keys", 1, 100000, &verify.max_keys))
        return EXIT_USAGE;
    int status = EXIT_DONE;
    verify.count = node_targets(ctx, verify.targets, &status);
    if (verify.count == 0)
        return status;
    if (verify.count == 1)
        return report_usage(ctx,
                            "leave --node and --endpoint out, and use a topology of several nodes",
                            "there is nothing to compare: one node alone");
    verify.keys = json_array();
    verify.failed = json_array();
    verify.table = key_table();
    compare_range(&verify, (struct range){0}, CHUNK_ENTRIES);
    bool nothing = verify.count < 2 && verify.entries == 0 && verify.status != EXIT_INTEGRITY;
    if (!nothing && context_json(ctx))
        print_json(&verify);
    else if (!nothing)
        print_text(&verify);
    table_free(verify.table);
    json_decref(verify.keys);
    json_decref(verify.failed);
    if (verify.differing > 0)
        return EXIT_INTEGRITY;
    return verify.status == EXIT_DONE && verify.unsettled > 0 ? EXIT_UNAVAILABLE : verify.status;
}

static const struct option_spec verify_options[] = {
    {"max-keys", 0, "COUNT", false, "Name at most so many keys; default: 100"},
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "Compare what all nodes hold, key by key where they differ",
    .description =
        "Each node reads what it has stored, from its own bytes, and compares every value with its "
        "checksum. The digests of ranges of keys are compared; where they differ the ranges are "
        "split until the keys are known. The cluster goes on meanwhile: a key that is just being "
        "written is looked at again, and counts as different only when no history leads to "
        "both.\n\n"
        "CHECK is a hash of key, value and version: the values themselves are not shown. A node "
        "whose bytes are damaged says so, and makes its state anew. Nodes compare a digest of "
        "their "
        "states with every heartbeat anyway; this command reads the bytes.\n\n"
        "Exit status 3: keys differ, or a node holds damaged bytes; 5: a node did not answer, or "
        "keys could not be compared, because a node lags or they change all the time: all else was "
        "compared. With fewer than two nodes that answer nothing is.",
    .examples = "kvctl verify\nkvctl verify -o json | jq .differing\n",
    .options = verify_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_verify,
};
