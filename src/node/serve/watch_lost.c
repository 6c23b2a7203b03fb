/* A watch whose position was rolled back: what it was told, and has not happened. */
#include "node/serve/watch_lost.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/logging.h"
#include "node/serve/lost.h"
#include "node/serve/reply.h"
#include "node/serve/watch_token.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/archive.h"

/* What is told, and what it points to. */
struct taken_back {
    const struct watch_filter *filter;
    struct watch_page page;
    Candor__V1__WatchResponse response;
    Candor__V1__WatchRollback rollback;
    Candor__V1__WatchCursor next;
    struct candor_token parted;
    struct wire_token token;
    struct archive_summary archive;
    uint64_t seen; /* what comes behind it, this watch was not told */
    uint32_t looked_at;
};

static bool take_record(const struct record *record, uint32_t op_index, const struct archive_op *op,
                        void *closure)
{
    (void)op;
    struct taken_back *back = closure;
    if (op_index > 0)
        return true;
    if (record->seq > back->seen)
        return false;
    if (back->looked_at++ == LIMIT_LOST_RECORDS) {
        back->rollback.more = true;
        return false;
    }
    return watch_page_add_copy(&back->page, back->filter, record);
}

static void find_records(struct node *node, struct candor_pos seen, struct taken_back *back)
{
    struct candor_error err = {0};
    if (!lost_archive(node, seen, &back->archive))
        return;
    back->rollback.archive_id = back->archive.id;
    if (archive_read(node->archive_dir, back->archive.id, back->rollback.from_seq, NULL,
                     take_record, back, &err) != CANDOR_OK) {
        back->rollback.more = true;
        log_error("archive_damaged", "what=\"%s\"", err.message);
    }
    back->rollback.more |= back->page.full || back->page.no_memory;
    if (!watch_page_fill(&back->page, &back->rollback.n_records, &back->rollback.records))
        back->rollback.more = true;
}

/* Where both histories were still one. */
static void fill_next(struct node *node, const struct core_view *view, struct candor_pos parted,
                      struct taken_back *back)
{
    struct state_view *data = state_view_begin(node->state);
    back->parted = watch_token_at(view, data, parted.seq);
    state_view_end(data);
    candor__v1__watch_cursor__init(&back->next);
    back->next.token = wire_token(&back->parted, &back->token);
    back->response.next = &back->next;
}

static void reply(struct ticket *ticket, const struct core_view *view, struct taken_back *back)
{
    struct reply_room room;
    char text[CANDOR_ERROR_MESSAGE_BYTES];
    if (back->rollback.from_seq == 0)
        snprintf(text, sizeof text,
                 "what was told was rolled back, nobody here knows from where "
                 "on: watch anew, with the present state first");
    else
        snprintf(text, sizeof text, "what was told from %" PRIu64 " on was rolled back",
                 back->rollback.from_seq);
    Candor__V1__RpcReply *envelope = rpc_call_reply(ticket->call);
    envelope->code = CANDOR__V1__CODE__CODE_ABORTED;
    envelope->reason = CANDOR__V1__REASON__REASON_ROLLED_BACK;
    envelope->message = rpc_call_string(ticket->call, text);
    reply_freshness(ticket->call, view, view->applied, &(struct candor_pos){0}, &room);
    ticket->reply(&back->response.base, ticket->call);
}

/* Whether this log has the token's epoch, begun by the same record: then it knows where it leaves
 * the token's log. Of an epoch that it never had it does not know where that began. */
static bool knows_epoch(struct node *node, const struct candor_token *token)
{
    struct epoch_history history;
    struct state_view *data = state_view_begin(node->state);
    epoch_history_init(&history);
    state_view_history(data, &history);
    const struct epoch_start *start = epoch_history_find(&history, token->pos.epoch);
    bool known = start != NULL && (token->origin == 0 || token->origin == start->chain.low);
    epoch_history_free(&history);
    state_view_end(data);
    return known;
}

void watch_lost_reply(struct ticket *ticket, const struct watch_filter *filter, bool anew)
{
    struct node *node = ticket->node;
    struct taken_back back = {
        .filter = filter,
        .page = {.most_records = LIMIT_WATCH_ROLLED_BACK, .most_bytes = LIMIT_WATCH_BYTES}};
    struct candor_token token = ticket->event.core.wait.token;
    back.seen = token.pos.seq;
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    candor__v1__watch_response__init(&back.response);
    candor__v1__watch_rollback__init(&back.rollback);
    back.response.rolled_back = &back.rollback;
    bool known = knows_epoch(node, &token);
    back.rollback.from_seq = known ? ticket->outcome.pos.seq + 1 : 0;
    if (known && !anew)
        fill_next(node, &view, ticket->outcome.pos, &back);
    if (known)
        find_records(node, token.pos, &back);
    reply(ticket, &view, &back);
    watch_page_free(&back.page);
}
