/* kvctl rollback ls, show, drop: what rollbacks discarded (R40). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/cluster/archives.h"
#include "cli/frame/message.h"
#include "cli/frame/node_call.h"
#include "cli/keys/reading.h"

static json_t *json_wire_pos(const Candor__V1__Pos *wire)
{
    struct candor_pos pos;
    message_pos(wire, &pos);
    return json_pos(&pos);
}

static json_t *json_archive(const char *node, const Candor__V1__RollbackArchive *archive)
{
    json_t *out = json_object();
    struct candor_pos winner = {0};
    json_object_set_new(out, "node", json_string(node));
    json_set_bytes(out, "id", archive->id, strlen(archive->id));
    json_object_set_new(out, "damaged", json_boolean(archive->damaged));
    json_object_set_new(out, "bytes", json_u64(archive->bytes));
    if (archive->damaged)
        return out;
    json_object_set_new(out, "wall_ms", json_u64(archive->wall_ms));
    json_object_set_new(out, "from", json_wire_pos(archive->from));
    json_object_set_new(out, "to", json_wire_pos(archive->to));
    json_object_set_new(out, "records", json_u64(archive->records));
    json_object_set_new(out, "writes", json_u64(archive->writes));
    json_object_set_new(out, "local", json_u64(archive->local));
    message_epoch(archive->superseded_by, &winner.epoch);
    json_t *epoch = json_pos(&winner);
    json_object_del(epoch, "seq");
    json_object_set_new(out, "superseded_by", epoch);
    return out;
}

/* ---- ls ---- */

enum { ARCHIVE_COLUMNS = 7 };

static void add_archive(struct table *table, const char *node,
                        const Candor__V1__RollbackArchive *archive)
{
    char wall[WALL_TEXT_BYTES];
    struct candor_pos from;
    struct candor_pos to;
    struct candor_epoch winner;
    table_cell(table, TABLE_PLAIN, "%s", node);
    table_cell(table, TABLE_PLAIN, "%s", archive->id);
    if (archive->damaged) {
        table_cell(table, TABLE_BAD, "damaged");
        for (int column = 3; column < ARCHIVE_COLUMNS; column++)
            table_cell(table, TABLE_DIM, "-");
        return;
    }
    wall_text(archive->wall_ms, wall);
    message_pos(archive->from, &from);
    message_pos(archive->to, &to);
    message_epoch(archive->superseded_by, &winner);
    table_cell(table, TABLE_PLAIN, "%s", wall);
    table_cell(table, TABLE_PLAIN, "%" PRIu64, archive->records);
    table_cell(table, TABLE_PLAIN, "%" PRIu64 "..%" PRIu64, from.seq, to.seq);
    table_cell(table, TABLE_PLAIN, "%" PRIu64 " of %s", from.epoch.term, from.epoch.owner.text);
    table_cell(table, TABLE_PLAIN, "%" PRIu64 " of %s", winner.term, winner.owner.text);
}

static struct table *archive_table(void)
{
    struct table *table = table_new();
    table_column(table, "NODE", TABLE_LEFT);
    table_column(table, "ID", TABLE_LEFT);
    table_column(table, "WHEN", TABLE_LEFT);
    table_column(table, "RECORDS", TABLE_RIGHT);
    table_column(table, "SEQS", TABLE_LEFT);
    table_column(table, "EPOCH", TABLE_LEFT);
    table_column(table, "LOST TO", TABLE_LEFT);
    return table;
}

static int run_ls(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int status = EXIT_DONE;
    struct node_target targets[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, &status);
    if (count == 0)
        return status;
    json_t *archives = json_array();
    struct table *table = archive_table();
    size_t found = 0;
    size_t silent = 0;
    for (size_t i = 0; i < count; i++) {
        struct candor_result result;
        Candor__V1__RollbackListResponse *list = archives_of(ctx, &targets[i], &result);
        if (list == NULL) {
            int failed = report_result(ctx, &result.error, &result, NULL);
            status = status == EXIT_DONE ? failed : status;
            silent++;
            continue;
        }
        const char *node = result.has_freshness ? result.freshness.node : targets[i].id;
        for (size_t j = 0; j < list->n_archives; j++, found++) {
            json_array_append_new(archives, json_archive(node, list->archives[j]));
            add_archive(table, node, list->archives[j]);
        }
        candor__v1__rollback_list_response__free_unpacked(list, NULL);
    }
    if (silent < count && context_json(ctx)) {
        json_t *out = json_object();
        json_object_set(out, "archives", archives);
        output_json(ctx, out);
    } else if (found > 0) {
        table_print(table, stdout);
    } else if (silent == 0) {
        output_note(ctx, "rollback ls: no archives");
    }
    table_free(table);
    json_decref(archives);
    return status;
}

const struct command command_rollback_ls = {
    .name = "rollback ls",
    .group = GROUP_OPERATE,
    .args = "",
    .summary = "List what rollbacks discarded",
    .description =
        "A node that had taken writes which no majority held, and then joined a newer epoch, rolls "
        "them back and archives them first. This lists the archives of --node, or of all nodes.",
    .examples = "kvctl rollback ls\nkvctl rollback ls --node a -o json\n",
    .min_args = 0,
    .max_args = 0,
    .run = run_ls,
};

/* ---- show ---- */

/* As JSON and text name it. */
static const char *kind_name(const Candor__V1__RollbackOp *op, bool text)
{
    switch (op->kind) {
    case CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT:
        return text ? "put" : "PUT";
    case CANDOR__V1__ROLLBACK_OP__KIND__KIND_DELETE:
        return text ? "del" : "DELETE";
    case CANDOR__V1__ROLLBACK_OP__KIND__KIND_EXPIRE:
        return text ? "expire" : "EXPIRE";
    case CANDOR__V1__ROLLBACK_OP__KIND__KIND_KEEP:
        return text ? "keep" : "KEEP";
    default:
        return text ? "?" : "UNKNOWN";
    }
}

static json_t *json_op(const Candor__V1__RollbackOp *op)
{
    json_t *out = json_object();
    bool put = op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT;
    json_object_set_new(out, "kind", json_string(kind_name(op, false)));
    json_set_bytes(out, "key", op->key.data, op->key.len);
    if (put)
        json_set_bytes(out, "new_value", op->new_value.data, op->new_value.len);
    if (op->ttl_ms != 0)
        json_object_set_new(out, "ttl_ms", json_u64(op->ttl_ms));
    if (op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE)
        json_set_bytes(out, "old_value", op->old_value.data, op->old_value.len);
    if (op->old_unknown)
        json_object_set_new(out, "old_unknown", json_true());
    return out;
}

static json_t *json_record(const Candor__V1__RollbackRecord *record)
{
    json_t *out = json_object();
    json_t *ops = json_array();
    for (size_t i = 0; i < record->n_ops; i++)
        json_array_append_new(ops, json_op(record->ops[i]));
    json_object_set_new(out, "pos", json_wire_pos(record->pos));
    json_object_set_new(out, "wall_ms", json_u64(record->wall_ms));
    json_object_set_new(out, "ack", json_string(record->ack));
    if (record->request_id != NULL) {
        char *client =
            base64_encode(record->request_id->client_id.data, record->request_id->client_id.len);
        json_object_set_new(out, "client_id", json_string(client));
        json_object_set_new(out, "request", json_u64(record->request_id->number));
        free(client);
    }
    json_object_set_new(out, "ops", ops);
    return out;
}

static void print_value(const char *label, ProtobufCBinaryData value)
{
    printf("%s", label);
    print_escaped((struct candor_bytes){value.data, value.len}, stdout);
}

static void print_record(const Candor__V1__RollbackRecord *record)
{
    char wall[WALL_TEXT_BYTES];
    wall_text(record->wall_ms, wall);
    for (size_t i = 0; i < record->n_ops; i++) {
        const Candor__V1__RollbackOp *op = record->ops[i];
        bool put = op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT;
        printf("%" PRIu64 "\t%s\t%s\t%s\t", record->pos != NULL ? record->pos->seq : 0, wall,
               record->ack, kind_name(op, true));
        print_value("", op->key);
        if (put)
            print_value("\t", op->new_value);
        if (op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE)
            print_value("\t# was ", op->old_value);
        putchar('\n');
    }
}

struct showing {
    struct command_context *ctx;
    const char *node;
    json_t *records;
    json_t *archive; /* NULL: not known yet */
};

static bool show_record(void *closure, const Candor__V1__RollbackArchive *archive,
                        const Candor__V1__RollbackRecord *record)
{
    struct showing *showing = closure;
    if (showing->archive == NULL && archive != NULL)
        showing->archive = json_archive(showing->node, archive);
    if (context_json(showing->ctx))
        json_array_append_new(showing->records, json_record(record));
    else
        print_record(record);
    return true;
}

static int run_show(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target target;
    if (!archive_find(ctx, argv[0], &target, &status))
        return status;
    struct showing showing = {.ctx = ctx, .node = target.id, .records = json_array()};
    status = archive_show(ctx, &target, argv[0], show_record, &showing);
    if (status == EXIT_DONE && context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "archive",
                            showing.archive != NULL ? json_incref(showing.archive) : json_null());
        json_object_set(out, "records", showing.records);
        output_json(ctx, out);
    }
    json_decref(showing.archive);
    json_decref(showing.records);
    return status;
}

const struct command command_rollback_show = {
    .name = "rollback show",
    .group = GROUP_OPERATE,
    .args = "ARCHIVE",
    .summary = "Show the writes of an archive",
    .description =
        "Prints a line for each discarded write, oldest first: position, time, the level "
        "that its client was promised, put or del, key, value, and what the key held before.",
    .examples = "kvctl rollback show 6036-6040-8688e1cb --node a\nkvctl rollback show ID -o json | "
                "jq -r '.records[].ops[] | [.key, .new_value] | @tsv'\n",
    .min_args = 1,
    .max_args = 1,
    .run = run_show,
};

/* ---- drop ---- */

static const struct option_spec drop_options[] = {{"yes", 'y', NULL, false, "Do not ask"}, {0}};

static int run_drop(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target target;
    struct candor_result result;
    char question[160];
    if (!archive_find(ctx, argv[0], &target, &status))
        return status;
    snprintf(question, sizeof question, "Delete archive %s of %s for good?", argv[0], target.id);
    if (!command_confirm(ctx, option_given(ctx, "yes"), question, &status))
        return status;
    Candor__V1__RollbackDropRequest request = CANDOR__V1__ROLLBACK_DROP_REQUEST__INIT;
    request.id = argv[0];
    ProtobufCMessage *message =
        node_call(target.address, "/candor.v1.Cluster/RollbackDrop", &request.base,
                  &candor__v1__rollback_drop_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, ARCHIVE_DEADLINE_MS), &result);
    if (message == NULL)
        return report_result(ctx, &result.error, &result, NULL);
    protobuf_c_message_free_unpacked(message, NULL);
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s, s:s}", "node", target.id, "dropped", argv[0]));
    else
        printf("dropped %s of %s\n", argv[0], target.id);
    return EXIT_DONE;
}

const struct command command_rollback_drop = {
    .name = "rollback drop",
    .group = GROUP_OPERATE,
    .args = "ARCHIVE",
    .summary = "Delete an archive for good",
    .description =
        "Deletes the archive from its node. What it holds is stored nowhere else: look at it "
        "first with `kvctl rollback show`.",
    .examples = "kvctl rollback drop 6036-6040-8688e1cb --node a\n",
    .options = drop_options,
    .careful = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_drop,
};
