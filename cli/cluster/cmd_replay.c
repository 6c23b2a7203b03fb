/* kvctl rollback replay: an archive's writes, done again where nothing newer would be overwritten
 * (R40). */
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/types.h"
#include "cli/cluster/archives.h"
#include "cli/keys/reading.h"

/* A value, or that there is none. The bytes are owned. */
struct holding {
    bool found;
    uint8_t *bytes;
    size_t length;
};

/* A key of the archive. In a tree: an archive may have any number of them. */
struct key {
    uint8_t *bytes;
    size_t length;
    struct holding last; /* what the archive's newest write of it left */
    bool written;        /* by this replay, and nothing has changed it since, as far as is known */
    uint64_t mod_seq;    /* its write; 0: it deleted the key */
};

struct replay {
    struct command_context *ctx;
    struct candor_client *client;
    struct candor_write_options options;
    bool dry_run;
    void *keys; /* of tsearch() */
    json_t *conflicts;
    uint64_t ops;
    uint64_t applied;
    uint64_t already;
    uint64_t conflict_count;
    int status; /* not EXIT_DONE: reported */
};

/* ---- Keys ------------------------------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a;
    const struct key *right = b;
    return slice_compare(slice_of(left->bytes, left->length),
                         slice_of(right->bytes, right->length));
}

static uint8_t *copy_of(ProtobufCBinaryData from)
{
    uint8_t *bytes = malloc(from.len + 1);
    ASSERT(bytes != NULL);
    if (from.len > 0)
        memcpy(bytes, from.data, from.len);
    return bytes;
}

static struct key *find_key(struct replay *replay, ProtobufCBinaryData wanted)
{
    struct key probe = {.bytes = wanted.data, .length = wanted.len};
    struct key **found = tfind(&probe, &replay->keys, compare_keys);
    return found != NULL ? *found : NULL;
}

static struct key *make_key(struct replay *replay, ProtobufCBinaryData wanted)
{
    struct key *key = find_key(replay, wanted);
    if (key != NULL)
        return key;
    key = calloc(1, sizeof *key);
    ASSERT(key != NULL);
    key->bytes = copy_of(wanted);
    key->length = wanted.len;
    bool inserted = tsearch(key, &replay->keys, compare_keys) != NULL;
    ASSERT(inserted);
    return key;
}

static void free_key(void *node)
{
    struct key *key = node;
    free(key->last.bytes);
    free(key->bytes);
    free(key);
}

/* A key that was given another TTL is put again with the value that it had. */
static bool is_put(const Candor__V1__RollbackOp *op)
{
    return op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT ||
           op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_KEEP;
}

static ProtobufCBinaryData value_of(const Candor__V1__RollbackOp *op)
{
    return op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_KEEP ? op->old_value : op->new_value;
}

/* What nobody asked for: the primary's delete of a key whose time was over; another TTL of what was
 * not there. */
static bool is_nobodys(const Candor__V1__RollbackOp *op)
{
    bool existed = op->old_unknown || op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE;
    return op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_EXPIRE ||
           (op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_KEEP && !existed);
}

/* The first pass: how the archive leaves each key, so that a replay that was cut short can be
 * repeated. */
static bool note_keys(void *closure, const Candor__V1__RollbackArchive *archive,
                      const Candor__V1__RollbackRecord *record)
{
    (void)archive;
    for (size_t i = 0; i < record->n_ops; i++) {
        const Candor__V1__RollbackOp *op = record->ops[i];
        ProtobufCBinaryData value = value_of(op);
        if (is_nobodys(op))
            continue;
        struct key *key = make_key(closure, op->key);
        free(key->last.bytes);
        key->last = (struct holding){is_put(op), copy_of(value), value.len};
    }
    return true;
}

/* ---- One write ------------------------------------------------------------------------------- */

static struct candor_bytes bytes_of(ProtobufCBinaryData from)
{
    return (struct candor_bytes){from.data, from.len};
}

static bool holds(const struct candor_item *item, bool found, const void *bytes, size_t length)
{
    if (!item->found || !found)
        return item->found == found;
    return slice_equal(slice_of(item->value.data, item->value.length), slice_of(bytes, length));
}

static void set_value(json_t *object, const char *name, bool found, struct candor_bytes value)
{
    if (found)
        json_set_bytes(object, name, value.data, value.length);
    else
        json_object_set_new(object, name, json_null());
}

static void print_conflict(const struct replay *replay, const Candor__V1__RollbackRecord *record,
                           const Candor__V1__RollbackOp *op, const struct candor_item *present)
{
    (void)replay;
    printf("conflict\t%" PRIu64 "\t", record->pos != NULL ? record->pos->seq : 0);
    print_escaped(bytes_of(op->key), stdout);
    printf("\t%s", is_put(op) ? "put " : "del");
    if (is_put(op))
        print_escaped(bytes_of(value_of(op)), stdout);
    if (op->old_unknown) {
        printf("\twhat it overwrote is not known\n");
        return;
    }
    printf("\t%s", present->found ? "now " : "now nothing");
    if (present->found)
        print_escaped(present->value, stdout);
    putchar('\n');
}

static void add_conflict(struct replay *replay, const Candor__V1__RollbackRecord *record,
                         const Candor__V1__RollbackOp *op, const struct candor_item *present)
{
    replay->conflict_count++;
    if (!context_json(replay->ctx)) {
        print_conflict(replay, record, op, present);
        return;
    }
    json_t *out = json_object();
    json_object_set_new(out, "seq", json_u64(record->pos != NULL ? record->pos->seq : 0));
    json_object_set_new(out, "ack", json_string(record->ack));
    json_set_bytes(out, "key", op->key.data, op->key.len);
    set_value(out, "archived", is_put(op), bytes_of(value_of(op)));
    if (op->old_unknown)
        json_object_set_new(out, "overwrote_unknown", json_true());
    else
        set_value(out, "overwrote", op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE,
                  bytes_of(op->old_value));
    set_value(out, "present", present->found, present->value);
    json_array_append_new(replay->conflicts, out);
}

/* The key is not as the archived write found it. As the archive left it is as good. */
static void judge_mismatch(struct replay *replay, const struct key *key,
                           const Candor__V1__RollbackRecord *record,
                           const Candor__V1__RollbackOp *op, const struct candor_item *present)
{
    if (holds(present, key->last.found, key->last.bytes, key->last.length))
        replay->already++;
    else
        add_conflict(replay, record, op, present);
}

/* What must still be there: the replay's own earlier write, or what the archived write
 * overwrote. */
static struct candor_compare expectation(const struct key *key, const Candor__V1__RollbackOp *op)
{
    struct candor_compare compare = {.key = {key->bytes, key->length}};
    if (key->written) {
        compare.target = CANDOR_COMPARE_MOD_SEQ;
        compare.number = key->mod_seq;
    } else if (op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE) {
        compare.target = CANDOR_COMPARE_VALUE;
        compare.value = bytes_of(op->old_value);
    } else {
        compare.target = CANDOR_COMPARE_EXISTS;
    }
    return compare;
}

static bool failed(struct replay *replay, const struct candor_result *result)
{
    if (result->error.code == CANDOR_OK && result->item_count >= 1)
        return false;
    struct candor_error error = result->error;
    if (error.code == CANDOR_OK)
        candor_error_set(&error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                         "the answer has no item");
    replay->status = report_result(
        replay->ctx, &error, result,
        "what was replayed so far stays; `kvctl rollback replay` again goes on with the rest");
    return true;
}

/* Atomically at the primary: compared and written, or not written and looked at. */
static void apply(struct replay *replay, struct key *key, const Candor__V1__RollbackRecord *record,
                  const Candor__V1__RollbackOp *op)
{
    struct candor_bytes name = {key->bytes, key->length};
    struct candor_compare compare = expectation(key, op);
    struct candor_txn_op write = {.kind = is_put(op) ? CANDOR_TXN_PUT : CANDOR_TXN_DELETE,
                                  .key = name,
                                  .value = bytes_of(value_of(op)),
                                  .ttl_ms = op->ttl_ms};
    struct candor_txn_op look = {.kind = CANDOR_TXN_GET, .key = name};
    struct candor_txn txn = {.compares = &compare,
                             .compare_count = 1,
                             .then_ops = &write,
                             .then_count = 1,
                             .else_ops = &look,
                             .else_count = 1};
    struct candor_result result;
    candor_txn(replay->client, &txn, &replay->options, &result);
    if (!failed(replay, &result)) {
        key->written = result.succeeded;
        key->mod_seq = is_put(op) ? result.last.seq : 0;
        replay->applied += result.succeeded;
        if (!result.succeeded)
            judge_mismatch(replay, key, record, op, &result.items[0]);
    }
    candor_result_free(&result);
}

static bool is_as_overwritten(const struct candor_item *present, const Candor__V1__RollbackOp *op)
{
    bool existed = op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE;
    return !op->old_unknown && holds(present, existed, op->old_value.data, op->old_value.len);
}

/* Reads alone; also where an archived write cannot be compared, since what it overwrote is not
 * known. */
static void look_at(struct replay *replay, struct key *key,
                    const Candor__V1__RollbackRecord *record, const Candor__V1__RollbackOp *op)
{
    struct candor_read_options options = {.level = CANDOR_READ_LINEARIZABLE,
                                          .deadline_ms = replay->options.deadline_ms};
    struct candor_result result;
    candor_get(replay->client, (struct candor_bytes){key->bytes, key->length}, &options, &result);
    if (!failed(replay, &result)) {
        bool would = is_as_overwritten(&result.items[0], op);
        key->written = would;
        replay->applied += would;
        if (!would)
            judge_mismatch(replay, key, record, op, &result.items[0]);
    }
    candor_result_free(&result);
}

static void replay_op(struct replay *replay, const Candor__V1__RollbackRecord *record,
                      const Candor__V1__RollbackOp *op)
{
    struct key *key = find_key(replay, op->key);
    replay->ops++;
    if (key == NULL) { /* the archive was not so when it was read before */
        struct candor_error error;
        candor_error_set(&error, CANDOR_ABORTED, CANDOR_REASON_NONE,
                         "the archive changed while it was read");
        replay->status = report_error(replay->ctx, &error, NULL);
    } else if (replay->dry_run && key->written) {
        replay->applied++;
    } else if (replay->dry_run || (op->old_unknown && !key->written)) {
        look_at(replay, key, record, op);
    } else {
        apply(replay, key, record, op);
    }
}

static bool replay_record(void *closure, const Candor__V1__RollbackArchive *archive,
                          const Candor__V1__RollbackRecord *record)
{
    (void)archive;
    struct replay *replay = closure;
    for (size_t i = 0; i < record->n_ops && replay->status == EXIT_DONE; i++)
        if (!is_nobodys(record->ops[i]))
            replay_op(replay, record, record->ops[i]);
    return replay->status == EXIT_DONE;
}

/* ---- The command ----------------------------------------------------------------------------- */

static void tell(const struct replay *replay, const char *node, const char *id)
{
    if (!context_json(replay->ctx)) {
        printf("%s %" PRIu64 " of %" PRIu64 " writes of %s; %" PRIu64 " already there; %" PRIu64
               " conflict%s\n",
               replay->dry_run ? "would replay" : "replayed", replay->applied, replay->ops, id,
               replay->already, replay->conflict_count, replay->conflict_count == 1 ? "" : "s");
        return;
    }
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(node));
    json_object_set_new(out, "id", json_string(id));
    json_object_set_new(out, "dry_run", json_boolean(replay->dry_run));
    json_object_set_new(out, "writes", json_u64(replay->ops));
    json_object_set_new(out, "replayed", json_u64(replay->applied));
    json_object_set_new(out, "already_there", json_u64(replay->already));
    json_object_set_new(out, "conflict_count", json_u64(replay->conflict_count));
    json_object_set(out, "conflicts", replay->conflicts);
    output_json(replay->ctx, out);
}

static enum candor_ack ack_of(const struct command_context *ctx)
{
    const char *ack = option_text(ctx, "ack");
    if (ack == NULL || strcmp(ack, "majority") == 0)
        return CANDOR_ACK_MAJORITY;
    return strcmp(ack, "all") == 0 ? CANDOR_ACK_ALL : CANDOR_ACK_LOCAL;
}

static int run_replay(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status = EXIT_OTHER;
    struct node_target target;
    if (!archive_find(ctx, argv[0], &target, &status))
        return status;
    struct replay replay = {.ctx = ctx,
                            .client = context_client(ctx, &status),
                            .options = {.ack = ack_of(ctx)},
                            .dry_run = option_given(ctx, "dry-run"),
                            .conflicts = json_array()};
    if (replay.client != NULL)
        status = archive_show(ctx, &target, argv[0], note_keys, &replay);
    if (replay.client != NULL && status == EXIT_DONE)
        status = archive_show(ctx, &target, argv[0], replay_record, &replay);
    if (status == EXIT_DONE)
        status = replay.status;
    if (replay.client != NULL && (status == EXIT_DONE || replay.ops > 0))
        tell(&replay, target.id, argv[0]);
    if (status == EXIT_DONE && replay.conflict_count > 0)
        status = EXIT_CONFLICT;
    tdestroy(replay.keys, free_key);
    json_decref(replay.conflicts);
    return status;
}

static const struct option_spec replay_options[] = {
    {"dry-run", 0, NULL, false, "Say what would be done, and do nothing"},
    {"ack", 'a', "local|majority|all", false,
     "How durable each write must be before the next is made; default: majority"},
    {0},
};

const struct command command_rollback_replay = {
    .name = "rollback replay",
    .group = GROUP_OPERATE,
    .args = "ARCHIVE",
    .summary = "Write again what a rollback discarded, unless it was overwritten since",
    .description =
        "Goes through the archive's writes in order and makes each one again at the present "
        "primary, as a conditional write: only if the key still holds what the archived write "
        "overwrote, or what this replay itself has written. Anything else is newer, stays as it "
        "is, and is reported as a conflict: position, key, archived write, present value. A key "
        "that is already as the archive left it is no conflict, so a replay may be repeated.\n\n"
        "Writes are made again one by one: a transaction of several keys may be restored in part. "
        "Writes that were never acknowledged are in the archive, too (`kvctl rollback show`), and "
        "are made again with the others. A TTL begins anew; keys whose time was over are left "
        "alone.\n\n"
        "Exit status 6: there were conflicts.",
    .examples = "kvctl rollback replay 3-24-8d2f11c0 --dry-run\n"
                "kvctl rollback replay 3-24-8d2f11c0 --node a -o json | jq '.conflicts[].key'\n",
    .options = replay_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_replay,
};
