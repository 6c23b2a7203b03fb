/* What became of what a session has seen (R43, R44). */
#include "core/session.h"

#include "core/act.h"
#include "core/chain.h"

/* The seq at which this log leaves every log that holds the token's record, which it does not hold
 * itself: by a newer epoch, or by another beginning of the same one (R56); UINT64_MAX: it does
 * not. */
static uint64_t leaves_at(const struct core *core, const struct candor_token *token)
{
    struct candor_pos pos = token->pos;
    if (chain_is_other(core, token))
        return epoch_history_find(&core->log.history, pos.epoch)->first_seq;
    for (uint32_t i = 0; i < core->log.history.count; i++)
        if (epoch_compare(core->log.history.starts[i].epoch, pos.epoch) > 0)
            return core->log.history.starts[i].first_seq;
    return UINT64_MAX;
}

bool session_is_forgotten(const struct core *core, const struct candor_token *token)
{
    const struct epoch_history *history = &core->log.history;
    return token->pos.seq > 0 && history->count == LIMIT_EPOCH_HISTORY &&
           epoch_compare(token->pos.epoch, history->starts[0].epoch) < 0;
}

/* Where a newer epoch has begun and is committed, the token's record can never come back, however
 * short the log still is, and whatever stands at its seq; where it is not committed, or there is
 * none, this node itself may be the one that rolls back. */
enum verdict session_judge(const struct core *core, struct candor_token token)
{
    if (mutated(core, SESSION_UNJUDGED))
        return READY;
    struct candor_epoch here = epoch_history_at(&core->log.history, token.pos.seq);
    if (session_is_forgotten(core, &token))
        return LOST;
    bool same = (epoch_none(here) || epoch_equal(here, token.pos.epoch)) &&
                (!chain_is_other(core, &token) || mutated(core, ORIGIN_IGNORED));
    if (token.pos.seq <= core->log.durable && same)
        return READY;
    return leaves_at(core, &token) <= core->log.commit ? LOST : STILL_WAITING;
}

struct candor_pos session_parting(const struct core *core, const struct candor_token *token)
{
    bool other = chain_is_other(core, token);
    for (uint32_t i = core->log.history.count; i-- > 0;) {
        const struct epoch_start *start = &core->log.history.starts[i];
        int order = epoch_compare(start->epoch, token->pos.epoch);
        if (order > 0 || (order == 0 && other))
            continue;
        uint64_t end = i + 1 < core->log.history.count
                           ? core->log.history.starts[i + 1].first_seq - 1
                           : core->log.durable;
        return (struct candor_pos){start->epoch, min_u64(end, token->pos.seq)};
    }
    return (struct candor_pos){0};
}

void session_finish_lost(struct core *core, uint64_t ticket, struct candor_token token)
{
    char text[POS_TEXT_BYTES];
    char parted[POS_TEXT_BYTES];
    struct candor_pos common = session_parting(core, &token);
    if (session_is_forgotten(core, &token)) {
        act_finish_text(core, ticket, CANDOR_ABORTED, CANDOR_REASON_SESSION_LOST, common,
                        "more than %d epochs have begun since the session's position %s: nobody "
                        "can tell whether it survived",
                        LIMIT_EPOCH_HISTORY, pos_text(token.pos, text));
        return;
    }
    act_finish_text(core, ticket, CANDOR_ABORTED, CANDOR_REASON_SESSION_LOST, common,
                    "the session's position %s was rolled back; the histories part after %s",
                    pos_text(token.pos, text), pos_text(common, parted));
}
