/* Tokens for positions in the middle of a log. */
#include "node/serve/watch_token.h"

static void from_history(struct state_view *data, struct candor_token *token)
{
    struct epoch_history history;
    epoch_history_init(&history);
    state_view_history(data, &history);
    token->pos.epoch = epoch_history_at(&history, token->pos.seq);
    const struct epoch_start *start = epoch_history_find(&history, token->pos.epoch);
    token->origin = start != NULL ? start->chain.low : 0;
    epoch_history_free(&history);
}

struct candor_token watch_token_at(const struct core_view *view, struct state_view *data,
                                   uint64_t seq)
{
    struct candor_token token = {.cluster_id = view->cluster_id, .pos.seq = seq};
    bool newest = view->rewinds == state_view_rewinds(data) && seq >= view->applied_epoch_first &&
                  seq <= view->applied;
    if (newest) {
        token.pos.epoch = view->applied_epoch;
        token.origin = view->applied_origin;
    } else if (seq > 0) {
        from_history(data, &token);
    }
    return token;
}
