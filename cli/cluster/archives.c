/* Rollback archives, as commands look at them: found at their nodes, shown. */
#include "cli/cluster/archives.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"

char *wall_text(uint64_t wall_ms, char out[WALL_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, WALL_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out, WALL_TEXT_BYTES, "%" PRIu64 " ms", wall_ms);
    return out;
}

Candor__V1__RollbackListResponse *archives_of(struct command_context *ctx,
                                              const struct node_target *target,
                                              struct candor_result *result)
{
    Candor__V1__RollbackListRequest request = CANDOR__V1__ROLLBACK_LIST_REQUEST__INIT;
    return (Candor__V1__RollbackListResponse *)node_call(
        target->address, "/candor.v1.Cluster/RollbackList", &request.base,
        &candor__v1__rollback_list_response__descriptor,
        (uint32_t)context_deadline_ms(ctx, ARCHIVE_DEADLINE_MS), result);
}

static bool holds(const Candor__V1__RollbackListResponse *list, const char *id)
{
    for (size_t i = 0; list != NULL && i < list->n_archives; i++) {
        if (strcmp(list->archives[i]->id, id) == 0)
            return true;
    }
    return false;
}

/* Nodes that did not tell what they hold. */
struct silent {
    size_t count;
    const char *first;
    struct candor_error why; /* the first one's */
};

static int report_not_found(struct command_context *ctx, const char *id, size_t found,
                            const struct silent *silent)
{
    struct candor_error error;
    if (found > 1)
        return report_usage(ctx, "say which by --node", "%zu nodes hold an archive '%s'", found,
                            id);
    if (silent->count > 0) {
        candor_error_set(&error, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                         "no node that answers holds an archive '%s', and %zu did not tell; %s: %s",
                         id, silent->count, silent->first, silent->why.message);
        return report_error(ctx, &error, NULL);
    }
    candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "no node holds an archive '%s'",
                     id);
    return report_error(ctx, &error, "`kvctl rollback ls` lists them");
}

bool archive_find(struct command_context *ctx, const char *id, struct node_target *out, int *status)
{
    struct node_target targets[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, status);
    size_t found = 0;
    struct silent silent = {0};
    if (count == 1) {
        *out = targets[0]; /* the node itself says what is wrong */
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct candor_result result;
        Candor__V1__RollbackListResponse *list = archives_of(ctx, &targets[i], &result);
        if (list == NULL && silent.count++ == 0) {
            silent.first = targets[i].id;
            silent.why = result.error;
        }
        if (holds(list, id) && found++ == 0)
            *out = targets[i];
        if (list != NULL)
            candor__v1__rollback_list_response__free_unpacked(list, NULL);
    }
    if (count > 0 && found != 1)
        *status = report_not_found(ctx, id, found, &silent);
    return found == 1;
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
                  (uint32_t)context_deadline_ms(ctx, ARCHIVE_DEADLINE_MS), &result);
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

int archive_show(struct command_context *ctx, const struct node_target *target, char *id,
                 bool (*each)(void *closure, const Candor__V1__RollbackArchive *archive,
                              const Candor__V1__RollbackRecord *record),
                 void *closure)
{
    int status = EXIT_DONE;
    uint64_t from_seq = 0;
    do {
        Candor__V1__RollbackShowResponse *page = show_page(ctx, target, id, from_seq, &status);
        if (page == NULL)
            return status;
        bool go_on = true;
        for (size_t i = 0; go_on && i < page->n_records; i++)
            go_on = each(closure, page->archive, page->records[i]);
        uint64_t next = page_end(page);
        from_seq = go_on && next > from_seq ? next : 0;
        candor__v1__rollback_show_response__free_unpacked(page, NULL);
    } while (from_seq != 0);
    return status;
}
