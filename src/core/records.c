/* Records at a replica: taken when they follow what is here, fetched when there is a gap (R13). */
#include "core/records.h"

#include "core/act.h"
#include "core/chain.h"
#include "core/commit.h"
#include "core/evidence.h"
#include "core/follow.h"
#include "core/log_time.h"
#include "core/relay.h"
#include "core/risk.h"
#include "core/status.h"
#include "core/who.h"
#include "core/work.h"

enum taken { TAKEN, KNOWN, GAP, NOT_NOW, WRONG };

void records_fetch(struct core *core)
{
    if (core->follow.fetch_nonce != 0 || core->follow.attach != ATTACH_DONE ||
        core->now_ns < core->hearing.fetch_retry_ns)
        return;
    struct core_msg *msg = act_message(core, CORE_MSG_FETCH);
    msg->fetch.from_seq = core->log.last + 1;
    core->follow.fetch_nonce = act_call(core, relay_source(core), msg);
}

/* Records that do not follow from what is here: the attach was wrong, or the bytes are. */
static void reject_records(struct core *core, const char *why)
{
    act_log(core, LOG_LEVEL_WARN, "records_rejected why=\"%s\" last=%" PRIu64, why, core->log.last);
    follow_detach(core);
    follow_retry(core);
}

static bool epoch_follows(const struct core *core, const struct batch *batch)
{
    struct candor_epoch newest = epoch_history_at(&core->log.history, core->log.last);
    int order = epoch_compare(batch->epoch, newest);
    if (epoch_compare(batch->epoch, core->epoch) > 0)
        return false;
    return batch->type == RECORD_EPOCH_START ? order > 0 : order == 0;
}

/* False: not now; it will be fetched again. */
static bool take_meta(struct core *core, const struct batch *batch)
{
    if (core->log.pending_member_count == PENDING_MEMBERS)
        return false;
    size_t cursor = 0;
    struct record record;
    bool any = batch_next(batch, &cursor, &record);
    ASSERT(any);
    if (batch->type == RECORD_EPOCH_START)
        epoch_history_append(&core->log.history,
                             &(struct epoch_start){batch->epoch, batch->first_seq,
                                                   batch_chain(batch, batch->first_seq)});
    core->log.pending_members[core->log.pending_member_count].seq = batch->first_seq;
    core->log.pending_members[core->log.pending_member_count].members = record.members;
    core->log.pending_member_count++;
    return true;
}

static enum taken take_batch(struct core *core, struct batch batch)
{
    if (batch_last_seq(&batch) <= core->log.last)
        return KNOWN;
    if (batch.first_seq > core->log.last + 1 && !mutated(core, GAP_TAKEN))
        return GAP;
    if (!mutated(core, NO_ATTACH) && (!epoch_follows(core, &batch) || !chain_follows(core, &batch)))
        return WRONG;
    if (batch.first_seq <= core->log.last) {
        buffer_clear(&core->taking.tail);
        batch_tail(&batch, core->log.last + 1, &core->taking.tail);
        batch.bytes = buffer_slice(&core->taking.tail);
        batch.count = (uint32_t)(batch_last_seq(&batch) - core->log.last);
        batch.first_seq = core->log.last + 1;
        batch.before = core->log.end.chain;
    }
    if (batch.type != RECORD_WRITE && !take_meta(core, &batch))
        return NOT_NOW;
    buffer_put(&core->taking.append, batch.bytes.bytes, batch.bytes.length);
    core->log.last = batch_last_seq(&batch);
    chain_note(core, core->log.last, batch_chain(&batch, core->log.last));
    return TAKEN;
}

/* Takes what fits; what was accepted goes to the writer as one piece. */
static enum taken take_batches(struct core *core, struct slice batches)
{
    enum taken worst = core->writer.append_broken ? NOT_NOW : KNOWN;
    buffer_clear(&core->taking.append);
    while (batches.length > 0 && (worst == KNOWN || worst == TAKEN)) {
        struct batch batch;
        struct candor_error err;
        if (batch_decode(&batches, &batch, &err) != CANDOR_OK)
            worst = WRONG;
        else {
            enum taken taken = take_batch(core, batch);
            if (taken != KNOWN)
                worst = taken;
        }
    }
    if (core->taking.append.length > 0) {
        risk_note(core, buffer_slice(&core->taking.append));
        work_give(core, CORE_ACTION_APPEND)->append = (struct core_action_append){
            .epoch = core->epoch,
            .batches = buffer_slice(&core->taking.append),
        };
    }
    return worst;
}

void records_take(struct core *core, const struct core_msg *msg)
{
    /* R11 */
    if (core->follow.attach != ATTACH_DONE && !mutated(core, NO_ATTACH))
        return;
    switch (take_batches(core, msg->records.batches)) {
    case GAP:
        records_fetch(core);
        break;
    case WRONG:
        reject_records(core, "live batch does not follow the log");
        return;
    default:
        break;
    }
    core->follow.announced = max_u64(core->follow.announced, core->log.last);
    commit_learn(core, msg->records.commit);
    evidence_read(core, &msg->records.echoes, false);
    if (core->follow.heard && msg->records.hb_id > core->follow.direct_hb) {
        follow_heard_directly(core, msg->records.hb_id);
        follow_heard(core, msg->records.hb_id);
    }
}

void records_fetched(struct core *core, const struct core_msg *msg)
{
    core->follow.fetch_nonce = 0;
    bool here = core->follow.attach == ATTACH_DONE && epoch_equal(msg->header.epoch, core->epoch);
    bool from_primary = node_id_equal(msg->header.node, core->epoch.owner);
    if (!here)
        return;
    /* a relay's log may begin later than the primary's, or be given up */
    if (!msg->fetch_answer.ok && !from_primary) {
        core->hearing.fetch_retry_ns = core->now_ns + core->config.heartbeat_interval_ns;
        return;
    }
    if (!msg->fetch_answer.ok) {
        follow_detach(core);
        follow_retry(core);
        return;
    }
    enum taken taken = take_batches(core, msg->fetch_answer.batches);
    if (taken == WRONG) {
        reject_records(core, "fetched batch does not follow the log");
        return;
    }
    commit_learn(core, msg->fetch_answer.commit);
    if (taken == TAKEN && core->log.last < core->follow.announced)
        records_fetch(core);
    else if (taken == NOT_NOW)
        core->hearing.fetch_retry_ns = core->now_ns + core->config.heartbeat_interval_ns;
    /* the relay does not have them either, yet */
    else if (!from_primary && core->log.last < core->follow.announced)
        core->hearing.fetch_retry_ns = core->now_ns + core->config.heartbeat_interval_ns / 4;
}

/* Nothing of the failed work was stored: forget that it was accepted; it is fetched again later.
 * What is under way behind it will fail, too; until then nothing new is taken, or it would be
 * forgotten with that. */
static void append_failed(struct core *core, const struct core_event *event)
{
    enum candor_code code = event->appended.code;
    core->writer.append_broken = !who_settled(core);
    core->log.last = core->log.durable;
    ASSERT_U64(event->appended.end.seq, ==, core->log.last);
    chain_note(core, core->log.last, event->appended.end.chain);
    risk_cut(core);
    core->follow.match = min_u64(core->follow.match, core->log.last);
    epoch_history_truncate(&core->log.history, core->log.last);
    core->log.pending_member_count = 0;
    core->hearing.fetch_retry_ns =
        core->now_ns + who_jitter_ns(core, 5 * core->config.heartbeat_interval_ns);
    act_log(core, LOG_LEVEL_WARN, "append_failed code=%s durable=%" PRIu64, candor_code_name(code),
            core->log.durable);
}

void records_appended(struct core *core, const struct core_event *event)
{
    if (event->appended.code != CANDOR_OK) {
        append_failed(core, event);
        return;
    }
    if (!mutated(core, LOG_TIME_UNHEARD))
        log_time_told(core, event->appended.epoch, event->appended.log_ms);
    if (event->appended.end.seq == core->log.end.seq)
        ASSERT(chain_equal(event->appended.end.chain, core->log.end.chain));
    /* of an epoch that is over: it counts for nothing (R19) */
    if (core->follow.attach != ATTACH_DONE)
        return;
    core->follow.match = max_u64(core->follow.match, core->log.durable);
    commit_learn(core, core->follow.announced_commit);
    evidence_weigh(core);
    core->hearing.status_owed = true;
    if (core->log.last < core->follow.announced_before && who_settled(core))
        records_fetch(core);
}
