/* What became of a session whose position was rolled back (R44): the archive that covers it, and
 * the lost writes of the client that asks. Archives are files: read by the slow pool. */
#include "node/serve/lost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/logging.h"
#include "candor/v1/kv.pb-c.h"
#include "node/serve/reply.h"
#include "node/shared/node_state.h"
#include "node/shared/ticket.h"
#include "record/batch.h"
#include "rpc/rpc.h"
#include "state/archive.h"
#include "topology/topology.h"
#include "wire/wire.h"

struct lost {
    struct rpc_call *call;
    struct candor_pos token;
    const uint8_t *client; /* 16 bytes; NULL: the request names none */
    struct archive_summary archive;
    uint64_t records;
    Candor__V1__LostSession message;
    struct lost_write {
        Candor__V1__LostWrite write;
        struct candor_pos at;
        struct wire_pos pos;
    } * writes; /* in the call's memory, as is the list */
};

static bool covers(const struct archive_summary *archive, struct candor_pos token)
{
    return !archive->damaged && archive->from.seq <= token.seq && token.seq <= archive->to.seq &&
           epoch_compare(archive->from.epoch, token.epoch) <= 0 &&
           epoch_compare(token.epoch, archive->to.epoch) <= 0;
}

/* The newest one: an older one of these seqs was superseded by what this one holds. */
bool lost_archive(struct node *node, struct candor_pos token, struct archive_summary *out)
{
    struct archive_summary *list = NULL;
    size_t count = 0;
    struct candor_error err = {0};
    bool found = false;
    if (archive_list(node->archive_dir, &list, &count, &err) != CANDOR_OK)
        log_warn("archives_not_listed", "what=\"%s\"", err.message);
    for (size_t i = count; i-- > 0 && !found;) {
        found = covers(&list[i], token);
        *out = list[i];
    }
    free(list);
    return found;
}

static bool take_write(const struct record *record, uint32_t op_index, const struct archive_op *op,
                       void *closure)
{
    (void)op;
    struct lost *lost = closure;
    Candor__V1__LostSession *message = &lost->message;
    if (op_index > 0)
        return true;
    if (lost->records++ == LIMIT_LOST_RECORDS) {
        message->more = true;
        return false;
    }
    if (record->request.number == 0 ||
        memcmp(record->request.client, lost->client, sizeof record->request.client) != 0)
        return true;
    if (message->n_writes == LIMIT_LOST_WRITES) {
        message->more = true;
        return false;
    }
    struct lost_write *write = &lost->writes[message->n_writes];
    candor__v1__lost_write__init(&write->write);
    write->at = (struct candor_pos){record->epoch, record->seq};
    write->write.number = record->request.number;
    write->write.pos = wire_pos(&write->at, &write->pos);
    message->writes[message->n_writes++] = &write->write;
    return true;
}

/* What was found before an archive turned out to be damaged is told all the same. */
static void find_writes(struct node *node, struct lost *lost)
{
    const Candor__V1__RequestId *id = rpc_call_envelope(lost->call)->request_id;
    if (id == NULL)
        return;
    lost->client = id->client_id.data;
    lost->writes = rpc_call_alloc(lost->call, LIMIT_LOST_WRITES * sizeof *lost->writes);
    lost->message.writes =
        rpc_call_alloc(lost->call, LIMIT_LOST_WRITES * sizeof(Candor__V1__LostWrite *));
    if (lost->writes == NULL || lost->message.writes == NULL)
        return;
    struct candor_error err = {0};
    if (archive_read(node->archive_dir, lost->archive.id, 0, NULL, take_write, lost, &err) !=
        CANDOR_OK) {
        lost->message.more = true;
        log_error("archive_damaged", "what=\"%s\"", err.message);
    }
}

static void name_archive(struct ticket *ticket, struct lost *lost)
{
    lost->message.archive_id = lost->archive.id;
    rpc_call_reply(lost->call)->lost = &lost->message;
    size_t used = strlen(ticket->outcome.text);
    snprintf(ticket->outcome.text + used, sizeof ticket->outcome.text - used,
             "; archive %s of %s has it", lost->archive.id, ticket->node->self->id.text);
}

void lost_reply(struct ticket *ticket, struct candor_pos token)
{
    struct lost *lost = rpc_call_alloc(ticket->call, sizeof *lost);
    if (lost != NULL) {
        *lost = (struct lost){.call = ticket->call, .token = token};
        candor__v1__lost_session__init(&lost->message);
        if (lost_archive(ticket->node, token, &lost->archive)) {
            find_writes(ticket->node, lost);
            name_archive(ticket, lost);
        }
    }
    reply_outcome_failed(ticket, &ticket->outcome);
}
