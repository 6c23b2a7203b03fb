/* What became of a write, by its position: committed, held by every voter, or rolled back (R70).
 * What is told stays true, but for a forced promotion; until it would, the question waits. */
#include "core/await.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/epoch.h"
#include "core/session.h"
#include "core/who.h"

static struct candor_token token_of(const struct pending_read *read)
{
    return (struct candor_token){.pos = read->pos, .origin = read->origin};
}

/* Whose seq alone is known: whatever stands there. */
static bool by_seq(const struct core *core, const struct pending_read *read)
{
    return epoch_none(read->pos.epoch) || mutated(core, AWAIT_BY_SEQ);
}

/* Whether the log holds it, as of a session's position (R43, R44). */
static enum verdict held(const struct core *core, const struct pending_read *read)
{
    if (!by_seq(core, read))
        return session_judge(core, token_of(read));
    return read->pos.seq <= core->log.durable ? READY : STILL_WAITING;
}

/* The level that it has for good, as far as this node knows. */
static enum candor_ack reached(const struct core *core, const struct pending_read *read)
{
    uint64_t seq = read->pos.seq;
    if (held(core, read) != READY)
        return CANDOR_ACK_NONE;
    if (seq > core->log.commit && !mutated(core, AWAIT_STORED))
        return CANDOR_ACK_LOCAL;
    bool everywhere = core->phase == PHASE_PRIMARY &&
                      (seq <= commit_lowest_match(core) || mutated(core, AWAIT_ALL_COMMITTED));
    return everywhere ? CANDOR_ACK_ALL : CANDOR_ACK_MAJORITY;
}

enum verdict await_judge(const struct core *core, const struct pending_read *read)
{
    if (held(core, read) == LOST)
        return LOST;
    if (read->ack == CANDOR_ACK_ALL && core->phase != PHASE_PRIMARY)
        return ELSEWHERE;
    return reached(core, read) >= read->ack ? READY : STILL_WAITING;
}

struct heap *await_heap(struct core *core, const struct pending_read *read)
{
    struct read_waits *reads = &core->reads;
    if (read->pos.seq > core->log.durable)
        return &reads->sessions;
    if (held(core, read) != READY)
        return NULL;
    return read->pos.seq > core->log.commit ? &reads->commits : &reads->everywhere;
}

/* ---- Positions that are none ----------------------------------------------------------------- */

static bool refuse(struct core *core, uint64_t ticket, struct candor_pos pos, const char *why,
                   uint64_t seq)
{
    char text[POS_TEXT_BYTES];
    act_finish_text(core, ticket, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                    (struct candor_pos){0}, "no write has the position %s: %s %" PRIu64,
                    pos_text(pos, text), why, seq);
    return true;
}

/* What a node was told of is stored by its epoch's primary, or about to be (R68): so whoever leads
 * the epoch knows that there is nothing beyond. */
bool await_refuse(struct core *core, const struct core_event *event)
{
    const struct candor_token *token = &event->wait.token;
    struct candor_pos pos = token->pos;
    if (epoch_none(pos.epoch))
        return false;
    const char *why =
        epoch_compare(pos.epoch, core->epoch) > 0 ? epoch_impossible(core, &pos.epoch) : NULL;
    if (why != NULL) {
        char text[POS_TEXT_BYTES];
        act_finish_text(core, event->ticket, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                        (struct candor_pos){0}, "there can be no position %s: of its epoch, %s",
                        pos_text(pos, text), why);
        return true;
    }
    const struct epoch_start *start = epoch_history_find(&core->log.history, pos.epoch);
    if (start == NULL || chain_is_other(core, token))
        return false;
    if (pos.seq < start->first_seq)
        return refuse(core, event->ticket, pos, "its epoch begins with", start->first_seq);
    bool leads = core->phase == PHASE_PRIMARY && epoch_equal(pos.epoch, core->epoch);
    if (leads && pos.seq > who_published(core))
        return refuse(core, event->ticket, pos, "the log of its epoch has come to",
                      who_published(core));
    return false;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void finish_lost(struct core *core, const struct pending_read *read)
{
    char text[POS_TEXT_BYTES];
    char parted[POS_TEXT_BYTES];
    struct candor_token token = token_of(read);
    struct candor_pos common = session_parting(core, &token);
    if (session_is_forgotten(core, &token))
        act_finish_text(core, read->ticket, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, common,
                        "more than %d epochs have begun since %s: nobody can tell what became of "
                        "it",
                        LIMIT_EPOCH_HISTORY, pos_text(read->pos, text));
    else
        act_finish_text(core, read->ticket, CANDOR_ABORTED, CANDOR_REASON_ROLLED_BACK, common,
                        "%s was rolled back; the histories part after %s",
                        pos_text(read->pos, text), pos_text(common, parted));
}

static struct candor_pos position_here(const struct core *core, const struct pending_read *read)
{
    uint64_t seq = read->pos.seq;
    return (struct candor_pos){epoch_history_at(&core->log.history, seq), seq};
}

/* What is known is told, too: the level reached so far. */
static void finish_late(struct core *core, const struct pending_read *read)
{
    char text[POS_TEXT_BYTES];
    char here[POS_TEXT_BYTES];
    enum candor_ack ack = reached(core, read);
    pos_text(read->pos, text);
    if (ack == CANDOR_ACK_NONE) {
        act_finish_text(core, read->ticket, CANDOR_FAILED_PRECONDITION,
                        CANDOR_REASON_SESSION_BEHIND, who_durable_pos(core),
                        "this node has applied up to %s, and does not know what becomes of %s",
                        pos_text(who_durable_pos(core), here), text);
        return;
    }
    struct core_action_finish *finish;
    finish = act_finish_text(
        core, read->ticket, CANDOR_DEADLINE_EXCEEDED, CANDOR_REASON_NO_MAJORITY,
        position_here(core, read),
        ack == CANDOR_ACK_LOCAL
            ? "%s is stored here, and not committed before the deadline: that has come to %" PRIu64
            : "%s is committed, and not with every voter before the deadline: all have %" PRIu64,
        text, ack == CANDOR_ACK_LOCAL ? core->log.commit : commit_lowest_match(core));
    finish->ack = ack;
}

void await_finish(struct core *core, const struct pending_read *read, enum verdict verdict)
{
    if (verdict == READY)
        act_finish(core, read->ticket, CANDOR_OK, CANDOR_REASON_NONE, position_here(core, read),
                   reached(core, read));
    else if (verdict == LOST)
        finish_lost(core, read);
    else if (verdict == ELSEWHERE)
        act_finish_text(core, read->ticket, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NOT_PRIMARY,
                        (struct candor_pos){0},
                        "what every voter has is known to the primary alone");
    else
        finish_late(core, read);
}
