/* kvctl rollback ls, show, drop: what rollbacks discarded (R40). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/node_call.h"
#include "cli/reading.h"
#include "client/convert.h"

#define ROLLBACK_DEADLINE_MS 5000

typedef unsigned long long number;

static void wall_text(uint64_t wall_ms, char out[40])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out, 40, "%llu ms", (number)wall_ms);
}

static json_t *json_wire_pos(const Candor__V1__Pos *wire)
{
    struct candor_pos pos;
    convert_pos(wire, &pos);
    return json_pos(&pos);
}

static json_t *json_archive(const char *node, const Candor__V1__RollbackArchive *archive)
{
    json_t *out = json_object();
    struct candor_pos winner = {0};
    convert_epoch(archive->superseded_by, &winner.epoch);
    json_object_set_new(out, "node", json_string(node));
    json_set_bytes(out, "id", archive->id, strlen(archive->id));
    json_object_set_new(out, "wall_ms", json_u64(archive->wall_ms));
    json_object_set_new(out, "from", json_wire_pos(archive->from));
    json_object_set_new(out, "to", json_wire_pos(archive->to));
    json_object_set_new(out, "records", json_u64(archive->records));
    json_object_set_new(out, "bytes", json_u64(archive->bytes));
    json_t *epoch = json_pos(&winner);
    json_object_del(epoch, "seq");
    json_object_set_new(out, "superseded_by", epoch);
    return out;
}

static Candor__V1__RollbackListResponse *
list_of(struct command_context *ctx, const struct node_target *target, struct candor_result *result)
{
    Candor__V1__RollbackListRequest request = CANDOR__V1__ROLLBACK_LIST_REQUEST__INIT;
    return (Candor__V1__RollbackListResponse *)node_call(
        target->address, "/candor.v1.Cluster/RollbackList", &request.base,
        &candor__v1__rollback_list_response__descriptor,
        (uint32_t)context_deadline_ms(ctx, ROLLBACK_DEADLINE_MS), result);
}

/* ---- ls ---- */

static void add_archive(struct table *table, const char *node,
                        const Candor__V1__RollbackArchive *archive)
{
    char wall[40];
    wall_text(archive->wall_ms, wall);
    struct candor_pos from;
    struct candor_pos to;
    struct candor_epoch winner;
    convert_pos(archive->from, &from);
    convert_pos(archive->to, &to);
    convert_epoch(archive->superseded_by, &winner);
    table_cell(table, TABLE_PLAIN, "%s", node);
    table_cell(table, TABLE_PLAIN, "%s", archive->id);
    table_cell(table, TABLE_PLAIN, "%s", wall);
    table_cell(table, TABLE_PLAIN, "%llu", (number)archive->records);
    table_cell(table, TABLE_PLAIN, "%llu..%llu", (number)from.seq, (number)to.seq);
    table_cell(table, TABLE_PLAIN, "%llu of %s", (number)from.epoch.term, from.epoch.owner);
    table_cell(table, TABLE_PLAIN, "%llu of %s", (number)winner.term, winner.owner);
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
    for (size_t i = 0; i < count; i++) {
        struct candor_result result;
        Candor__V1__RollbackListResponse *list = list_of(ctx, &targets[i], &result);
        if (list == NULL) {
            int failed = report_result(ctx, &result.error, &result, NULL);
            status = status == EXIT_DONE ? failed : status;
            continue;
        }
        const char *node = result.has_freshness ? result.freshness.node : targets[i].id;
        for (size_t j = 0; j < list->n_archives; j++, found++) {
            json_array_append_new(archives, json_archive(node, list->archives[j]));
            add_archive(table, node, list->archives[j]);
        }
        candor__v1__rollback_list_response__free_unpacked(list, NULL);
    }
    if (context_json(ctx)) {
        json_t *out = json_object();
        json_object_set(out, "archives", archives);
        output_json(ctx, out);
    } else if (found > 0) {
        table_print(table, stdout);
    } else {
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

/* ---- Finding the node of an archive ---- */

static bool holds(const Candor__V1__RollbackListResponse *list, const char *id)
{
    for (size_t i = 0; list != NULL && i < list->n_archives; i++) {
        if (strcmp(list->archives[i]->id, id) == 0)
            return true;
    }
    return false;
}

/* The one node that holds it. False after a report. */
static bool find_archive(struct command_context *ctx, const char *id, struct node_target *out,
                         int *status)
{
    struct node_target targets[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, status);
    size_t found = 0;
    size_t silent = 0;
    if (count == 1) {
        *out = targets[0]; /* the node itself says what is wrong */
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct candor_result result;
        Candor__V1__RollbackListResponse *list = list_of(ctx, &targets[i], &result);
        silent += list == NULL;
        if (holds(list, id) && found++ == 0)
            *out = targets[i];
        if (list != NULL)
            candor__v1__rollback_list_response__free_unpacked(list, NULL);
    }
    if (found == 1)
        return true;
    if (count > 0 && found > 1)
        *status =
            report_usage(ctx, "say which by --node", "%zu nodes hold an archive '%s'", found, id);
    else if (count > 0) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE,
                         "no node that answers holds an archive '%s'%s", id,
                         silent > 0 ? " (some do not answer)" : "");
        *status = report_error(ctx, &error, "`kvctl rollback ls` lists them");
    }
    return false;
}

/* ---- show ---- */

static json_t *json_op(const Candor__V1__RollbackOp *op)
{
    json_t *out = json_object();
    bool put = op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT;
    json_object_set_new(out, "kind", json_string(put ? "PUT" : "DELETE"));
    json_set_bytes(out, "key", op->key.data, op->key.len);
    if (put)
        json_set_bytes(out, "new_value", op->new_value.data, op->new_value.len);
    if (op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE)
        json_set_bytes(out, "old_value", op->old_value.data, op->old_value.len);
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
    char wall[40];
    wall_text(record->wall_ms, wall);
    for (size_t i = 0; i < record->n_ops; i++) {
        const Candor__V1__RollbackOp *op = record->ops[i];
        bool put = op->kind == CANDOR__V1__ROLLBACK_OP__KIND__KIND_PUT;
        printf("%llu\t%s\t%s\t%s\t", (number)(record->pos != NULL ? record->pos->seq : 0), wall,
               record->ack, put ? "put" : "del");
        print_value("", op->key);
        if (put)
            print_value("\t", op->new_value);
        if (op->old_case == CANDOR__V1__ROLLBACK_OP__OLD_OLD_VALUE)
            print_value("\t# was ", op->old_value);
        putchar('\n');
    }
}

/* One page; NULL after a report. */
static Candor__V1__RollbackShowResponse *show_page(struct command_context *ctx,
                                                   const struct node_target *target, char *id,
                                                   uint64_t from_seq, int *status)
{
    struct candor_result result;
    Candor__V1__RollbackShowRequest request = CANDOR__V1__ROLLBACK_SHOW_REQUEST__INIT;
    request.id = id;
    request.from_seq = from_seq;
    ProtobufCMessage *message =
        node_call(target->address, "/candor.v1.Cluster/RollbackShow", &request.base,
                  &candor__v1__rollback_show_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, ROLLBACK_DEADLINE_MS), &result);
    if (message == NULL)
        *status = report_result(ctx, &result.error, &result, NULL);
    return (Candor__V1__RollbackShowResponse *)message;
}

/* The seq behind a page's last record; 0: there is no further page. */
static uint64_t page_end(const Candor__V1__RollbackShowResponse *page)
{
    if (!page->more || page->n_records == 0 || page->records[page->n_records - 1]->pos == NULL)
        return 0;
    return page->records[page->n_records - 1]->pos->seq + 1;
}

static int show_archive(struct command_context *ctx, const struct node_target *target, char *id,
                        json_t *records, json_t **archive)
{
    int status = EXIT_DONE;
    uint64_t from_seq = 0;
    do {
        Candor__V1__RollbackShowResponse *page = show_page(ctx, target, id, from_seq, &status);
        if (page == NULL)
            return status;
        if (*archive == NULL && page->archive != NULL)
            *archive = json_archive(target->id, page->archive);
        for (size_t i = 0; i < page->n_records; i++) {
            if (context_json(ctx))
                json_array_append_new(records, json_record(page->records[i]));
            else
                print_record(page->records[i]);
        }
        uint64_t next = page_end(page);
        from_seq = next > from_seq ? next : 0;
        candor__v1__rollback_show_response__free_unpacked(page, NULL);
    } while (from_seq != 0);
    return status;
}

static int run_show(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    struct node_target target;
    if (!find_archive(ctx, argv[0], &target, &status))
        return status;
    json_t *records = json_array();
    json_t *archive = NULL;
    status = show_archive(ctx, &target, argv[0], records, &archive);
    if (status == EXIT_DONE && context_json(ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "archive", archive != NULL ? json_incref(archive) : json_null());
        json_object_set(out, "records", records);
        output_json(ctx, out);
    }
    json_decref(archive);
    json_decref(records);
    return status;
}

const struct command command_rollback_show = {
    .name = "rollback show",
    .group = GROUP_OPERATE,
    .args = "ID",
    .summary = "Show the writes of an archive",
    .description = "Prints a line for each discarded write, oldest first: seq, time, the level "
                   "that its client "
                   "was promised, put or del, key, value, and what the key held before.",
    .examples =
        "kvctl rollback show 0000000000000042 --node a\n"
        "kvctl rollback show ID -o json | jq -r '.records[].ops[] | [.key, .new_value] | @tsv'\n",
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
    if (!find_archive(ctx, argv[0], &target, &status))
        return status;
    snprintf(question, sizeof question, "Delete archive %s of %s for good?", argv[0], target.id);
    if (!confirm(ctx, option_given(ctx, "yes"), question, &status))
        return status;
    Candor__V1__RollbackDropRequest request = CANDOR__V1__ROLLBACK_DROP_REQUEST__INIT;
    request.id = argv[0];
    ProtobufCMessage *message =
        node_call(target.address, "/candor.v1.Cluster/RollbackDrop", &request.base,
                  &candor__v1__rollback_drop_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, ROLLBACK_DEADLINE_MS), &result);
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
    .args = "ID",
    .summary = "Delete an archive for good",
    .description =
        "Deletes the archive from its node. What it holds is nowhere else: `kvctl rollback show` "
        "it first.",
    .examples = "kvctl rollback drop 0000000000000042 --node a --yes\n",
    .options = drop_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_drop,
};
