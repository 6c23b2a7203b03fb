/* One line an event, and the digest of them all. */
#include <stdarg.h>

#include "sim.h"

void trace_hash(struct world *world, uint64_t value)
{
    world->hash = (world->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    world->hash ^= world->hash >> 29;
}

void trace_line(struct world *world, const struct node *node, const char *format, ...)
{
    printf("%11.6f %-2s ", (double)world->now_ns / 1e9, node != NULL ? node->id.text : "-");
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static const char *message_name(enum core_msg_type type)
{
    static const char *const names[] = {
        [CORE_MSG_RECORDS] = "RECORDS",
        [CORE_MSG_HEARTBEAT] = "HEARTBEAT",
        [CORE_MSG_STATUS] = "STATUS",
        [CORE_MSG_ATTACH] = "ATTACH",
        [CORE_MSG_ATTACH_ANSWER] = "ATTACH_ANSWER",
        [CORE_MSG_FETCH] = "FETCH",
        [CORE_MSG_FETCH_ANSWER] = "FETCH_ANSWER",
        [CORE_MSG_PRE_VOTE] = "PRE_VOTE",
        [CORE_MSG_VOTE] = "VOTE",
        [CORE_MSG_VOTE_ANSWER] = "VOTE_ANSWER",
        [CORE_MSG_READ_INDEX] = "READ_INDEX",
        [CORE_MSG_READ_INDEX_ANSWER] = "READ_INDEX_ANSWER",
        [CORE_MSG_LIFE] = "LIFE",
        [CORE_MSG_LIFE_ANSWER] = "LIFE_ANSWER",
        [CORE_MSG_RELAYED_HEARTBEAT] = "RELAYED_HEARTBEAT",
        [CORE_MSG_RELAYED_STATUS] = "RELAYED_STATUS",
    };
    return type < sizeof names / sizeof names[0] && names[type] != NULL ? names[type] : "?";
}

/* The values that tell one message from another. */
static void describe(const struct core_msg *msg, char *out, size_t bytes)
{
    char pos[POS_TEXT_BYTES];
    switch (msg->type) {
    case CORE_MSG_RECORDS: {
        struct slice rest = msg->records.batches;
        struct batch batch = {0};
        (void)batch_decode(&rest, &batch, NULL);
        snprintf(out, bytes, "first=%" PRIu64 " bytes=%zu commit=%" PRIu64, batch.first_seq,
                 msg->records.batches.length, msg->records.commit);
        break;
    }
    case CORE_MSG_HEARTBEAT:
    case CORE_MSG_RELAYED_HEARTBEAT: {
        int used = snprintf(out, bytes, "hb=%" PRIu64 " last=%" PRIu64 " commit=%" PRIu64 " echo",
                            msg->heartbeat.hb_id, msg->heartbeat.last, msg->heartbeat.commit);
        for (uint32_t i = 0; i < msg->heartbeat.echoes.count && (size_t)used < bytes; i++)
            used += snprintf(out + used, bytes - (size_t)used, " %s.%" PRIu64 "=%.6f",
                             msg->heartbeat.echoes.list[i].node.text,
                             msg->heartbeat.echoes.list[i].boot,
                             (double)msg->heartbeat.echoes.list[i].ts_ns / 1e9);
        break;
    }
    case CORE_MSG_RELAYED_STATUS:
        snprintf(out, bytes, "of=%s.%" PRIu64 " ts=%.6f seen=%" PRIu64,
                 msg->relayed_status.node.text, msg->relayed_status.boot,
                 (double)msg->relayed_status.ts_ns / 1e9, msg->relayed_status.seen_hb);
        break;
    case CORE_MSG_STATUS:
        snprintf(
            out, bytes,
            "ts=%.6f hb=%" PRIu64 " last=%" PRIu64 " durable=%" PRIu64 " match=%" PRIu64
            " digest=%04x@%" PRIu64 " %s relay=%s",
            (double)msg->status.ts_ns / 1e9, msg->status.hb_id, msg->status.last,
            msg->status.durable, msg->status.match,
            (unsigned)((msg->status.digest.digest.high ^ msg->status.digest.digest.low) & 0xffff),
            msg->status.digest.seq, candor_state_name(msg->status.state), msg->status.relay.text);
        break;
    case CORE_MSG_ATTACH:
        snprintf(out, bytes, "last=%" PRIu64 " epochs=%u", msg->attach.last,
                 msg->attach.history.count);
        break;
    case CORE_MSG_ATTACH_ANSWER: {
        static const char *const verdicts[] = {"REFUSED", "CONTINUE", "TRUNCATE_TO", "SNAPSHOT"};
        snprintf(out, bytes, "%s %" PRIu64, verdicts[msg->attach_answer.verdict],
                 msg->attach_answer.seq);
        break;
    }
    case CORE_MSG_FETCH:
        snprintf(out, bytes, "from=%" PRIu64, msg->fetch.from_seq);
        break;
    case CORE_MSG_FETCH_ANSWER:
        snprintf(out, bytes, "ok=%d bytes=%zu commit=%" PRIu64, msg->fetch_answer.ok,
                 msg->fetch_answer.batches.length, msg->fetch_answer.commit);
        break;
    case CORE_MSG_PRE_VOTE:
    case CORE_MSG_VOTE: {
        char epoch[EPOCH_TEXT_BYTES];
        snprintf(out, bytes, "epoch=%s last=%s", epoch_text(msg->vote.epoch, epoch),
                 pos_text(msg->vote.last, pos));
        break;
    }
    case CORE_MSG_LIFE_ANSWER:
        snprintf(out, bytes, "lasted=%" PRIu64 " held=%s newest=%" PRIu64 " speaks=%d",
                 msg->life_answer.lasted.boot, pos_text(msg->life_answer.lasted.held, pos),
                 msg->life_answer.newest.boot, msg->life_answer.speaks);
        break;
    case CORE_MSG_VOTE_ANSWER:
        snprintf(out, bytes, "granted=%d blank=%d %s", msg->vote_answer.granted,
                 msg->vote_answer.blank, msg->vote_answer.refusal);
        break;
    default:
        out[0] = '\0';
    }
}

void trace_message(struct world *world, const struct node *node, const char *what,
                   const struct core_msg *msg)
{
    if (!world->options.trace)
        return;
    char epoch[EPOCH_TEXT_BYTES];
    char text[512];
    describe(msg, text, sizeof text);
    trace_line(world, node, "%s %s from=%s.%" PRIu64 " epoch=%s %s", what, message_name(msg->type),
               msg->header.node.text, msg->header.boot, epoch_text(msg->header.epoch, epoch), text);
}

static const char *action_name(enum core_action_type type)
{
    static const char *const names[] = {
        [CORE_ACTION_PUBLISH] = "publish",
        [CORE_ACTION_CALL] = "call",
        [CORE_ACTION_ANSWER] = "answer",
        [CORE_ACTION_RESET_PEER] = "reset_peer",
        [CORE_ACTION_SAVE] = "SAVE",
        [CORE_ACTION_KEEP_LIVES] = "keep_lives",
        [CORE_ACTION_RENEW] = "RENEW",
        [CORE_ACTION_STOP] = "STOP",
        [CORE_ACTION_APPEND] = "APPEND",
        [CORE_ACTION_WRITE] = "WRITE",
        [CORE_ACTION_EXPIRE] = "EXPIRE",
        [CORE_ACTION_EPOCH_START] = "EPOCH_START",
        [CORE_ACTION_MEMBERS] = "MEMBERS",
        [CORE_ACTION_TRUNCATE] = "TRUNCATE",
        [CORE_ACTION_INSTALL] = "INSTALL",
        [CORE_ACTION_COMMIT] = "COMMIT",
        [CORE_ACTION_FETCH_SNAPSHOT] = "fetch_snapshot",
        [CORE_ACTION_DROP_SNAPSHOT] = "drop_snapshot",
        [CORE_ACTION_FINISH] = "finish",
        [CORE_ACTION_LOG] = "log",
        [CORE_ACTION_FAILOVER] = "failover",
    };
    return type < sizeof names / sizeof names[0] && names[type] != NULL ? names[type] : "?";
}

/* The seq that it names; of a line of the log, the level. */
static uint64_t action_seq(const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_SAVE:
        return action->save.commit;
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        return action->cut.seq;
    case CORE_ACTION_COMMIT:
        return action->commit.seq;
    case CORE_ACTION_FETCH_SNAPSHOT:
        return action->fetch_snapshot.seq;
    case CORE_ACTION_EXPIRE:
        return action->expire.log_ms;
    case CORE_ACTION_LOG:
        return (uint64_t)action->log.level;
    default:
        return 0;
    }
}

static uint64_t action_ticket(const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_ANSWER:
        return action->answer.ticket;
    case CORE_ACTION_WRITE:
        return action->write.ticket;
    case CORE_ACTION_FINISH:
        return action->finish.ticket;
    default:
        return 0;
    }
}

static struct candor_epoch action_epoch(const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_SAVE:
        return action->save.epoch;
    case CORE_ACTION_APPEND:
        return action->append.epoch;
    case CORE_ACTION_WRITE:
        return action->write.epoch;
    case CORE_ACTION_EXPIRE:
        return action->expire.epoch;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        return action->meta.epoch;
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        return action->cut.epoch;
    case CORE_ACTION_FETCH_SNAPSHOT:
        return action->fetch_snapshot.epoch;
    default:
        return (struct candor_epoch){0};
    }
}

static const char *action_peer(const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_RESET_PEER:
        return action->reset_peer.peer.text;
    case CORE_ACTION_FETCH_SNAPSHOT:
        return action->fetch_snapshot.peer.text;
    default:
        return "";
    }
}

static void show_finish(struct world *world, const struct node *node,
                        const struct core_action_finish *finish)
{
    char pos[POS_TEXT_BYTES];
    trace_line(world, node, "finish ticket=%" PRIu64 " %s %s pos=%s %s %s", finish->ticket,
               candor_code_name(finish->code), candor_reason_name(finish->reason),
               pos_text(finish->pos, pos), ack_level_name(finish->ack), finish->text);
}

static void show_action(struct world *world, const struct node *node,
                        const struct core_action *action)
{
    char text[EPOCH_TEXT_BYTES];
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        trace_message(world, node, action_name(action->type), action->publish.msg);
        break;
    case CORE_ACTION_ANSWER:
        trace_message(world, node, action_name(action->type), action->answer.msg);
        break;
    case CORE_ACTION_CALL:
        trace_message(world, node, action->call.peer.text, action->call.msg);
        break;
    case CORE_ACTION_LOG:
        trace_line(world, node, "log %s", action->log.text);
        break;
    case CORE_ACTION_FINISH:
        show_finish(world, node, &action->finish);
        break;
    default:
        trace_line(world, node, "%s epoch=%s seq=%" PRIu64 " ticket=%" PRIu64 " peer=%s",
                   action_name(action->type), epoch_text(action_epoch(action), text),
                   action_seq(action), action_ticket(action), action_peer(action));
    }
}

void trace_action(struct world *world, const struct node *node, const struct core_action *action)
{
    trace_hash(world, (uint64_t)action->type << 32 ^ action_seq(action));
    trace_hash(world, action_ticket(action));
    if (world->options.trace)
        show_action(world, node, action);
}
