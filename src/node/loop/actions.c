/* What the core decided, done: messages out, work to the writer, tickets finished. */
#include "node/loop/actions.h"

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "core/core.h"
#include "node/loop/loop_state.h"
#include "node/loop/peers.h"
#include "node/loop/tickets.h"
#include "node/serve/failovers.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/outbox.h"
#include "node/store/download.h"
#include "node/store/work.h"
#include "node/store/write.h"
#include "record/batch.h"
#include "stream/stream.h"
#include "wire/wire.h"

/* Where a batch's u32 length stands (record/batch.h). */
enum { BATCH_LENGTH_AT = 8 };

static void publish_message(struct node *node, enum stream_channel channel,
                            const struct core_msg *msg)
{
    buffer_clear(&node->loop->packed);
    wire_stream_pack(msg, &node->loop->packed);
    stream_publish(node->stream, channel, buffer_slice(&node->loop->packed));
}

/* How many of the first bytes go into one message: whole batches, at least one. */
static size_t first_message_bytes(struct slice batches)
{
    size_t used = 0;
    while (batches.length - used >= BATCH_HEADER_BYTES) {
        size_t length = get_u32(batches.bytes + used + BATCH_LENGTH_AT);
        ASSERT(length >= BATCH_HEADER_BYTES && length <= batches.length - used);
        if (used > 0 && used + length > LIMIT_GROUP_COMMIT_BYTES)
            break;
        used += length;
    }
    return used;
}

/* A group commit is one message, unless one client's Batch made it larger than a subscriber would
 * take. */
static void publish_records(struct node *node, const struct core_msg *msg)
{
    struct slice left = msg->records.batches;
    if (left.length <= LIMIT_GROUP_COMMIT_BYTES) {
        publish_message(node, STREAM_RECORDS, msg);
        return;
    }
    struct core_msg part = *msg;
    while (left.length > 0) {
        size_t bytes = first_message_bytes(left);
        ASSERT(bytes > 0);
        part.records.batches = slice_of(left.bytes, bytes);
        publish_message(node, STREAM_RECORDS, &part);
        left = slice_of(left.bytes + bytes, left.length - bytes);
    }
}

static void publish(struct node *node, const struct core_msg *msg)
{
    if (msg->type == CORE_MSG_RECORDS)
        publish_records(node, msg);
    else
        publish_message(node, STREAM_HEARTBEAT, msg);
}

static void write_log_line(enum log_level level, const char *text)
{
    const char *blank = strchr(text, ' ');
    char event[64];
    size_t length = blank != NULL ? (size_t)(blank - text) : strlen(text);
    if (length >= sizeof event)
        length = sizeof event - 1;
    memcpy(event, text, length);
    event[length] = '\0';
    logging_write(level, event, "%s", blank != NULL ? blank + 1 : "");
}

static void give_write(struct node *node, const struct core_action_write *given)
{
    struct write *write = (struct write *)tickets_find(node, given->ticket);
    write->work = (struct work){
        .type = CORE_ACTION_WRITE, .write = write, .epoch = given->epoch, .log_ms = given->log_ms};
    outbox_add(&node->loop->works, &write->work);
}

static void give_expire(struct node *node, const struct core_action_expire *given)
{
    struct work *work = work_new(CORE_ACTION_EXPIRE);
    work->epoch = given->epoch;
    work->log_ms = given->log_ms;
    outbox_add(&node->loop->works, work);
}

/* One COMMIT for many events: the newest says it all. It never passes work that may lower what is
 * committed. */
void actions_give_commit(struct node *node)
{
    if (node->loop->commit_seq == 0)
        return;
    struct work *work = work_new(CORE_ACTION_COMMIT);
    work->seq = node->loop->commit_seq;
    node->loop->commit_seq = 0;
    outbox_add(&node->loop->works, work);
}

/* Nobody waits for it, and alone it would wake the writer and cost the state a transaction: it goes
 * with the next work. */
static void keep_commit(struct loop *loop, uint64_t seq)
{
    if (loop->commit_seq == 0)
        loop->commit_due_ns = clock_boot_ns() + LIMIT_COMMIT_KEEP_MS * NS_PER_MS;
    loop->commit_seq = seq;
}

static void give_save(struct node *node, const struct core_action_save *save)
{
    struct work *work = work_new(CORE_ACTION_SAVE);
    work->cluster_id = save->cluster_id;
    work->epoch = save->epoch;
    work->seq = save->commit;
    work->forked = save->forked;
    outbox_add(&node->loop->works, work);
}

static void give_append(struct node *node, const struct core_action_append *append)
{
    struct work *work = work_new(CORE_ACTION_APPEND);
    work->epoch = append->epoch;
    buffer_put(&work->bytes, append->batches.bytes, append->batches.length);
    work->backlog_bytes = append->batches.length;
    atomic_fetch_add(&node->backlog_bytes, work->backlog_bytes);
    outbox_add(&node->loop->works, work);
}

static void give_meta(struct node *node, enum core_action_type type,
                      const struct core_action_meta *meta)
{
    struct work *work = work_new(type);
    work->epoch = meta->epoch;
    work->cluster_id = meta->cluster_id;
    work->members = memory_alloc(sizeof *work->members);
    *work->members = *meta->members;
    outbox_add(&node->loop->works, work);
}

static void give_cut(struct node *node, enum core_action_type type,
                     const struct core_action_cut *cut)
{
    actions_give_commit(node);
    struct work *work = work_new(type);
    work->seq = cut->seq;
    work->epoch = cut->epoch;
    if (type == CORE_ACTION_INSTALL) {
        ASSERT(node->loop->incoming != NULL);
        work->incoming = node->loop->incoming;
        node->loop->incoming = NULL;
    }
    outbox_add(&node->loop->works, work);
}

static void give_lives(struct node *node)
{
    struct work *work = work_new(CORE_ACTION_KEEP_LIVES);
    work->lives = memory_alloc(sizeof *work->lives);
    core_lives(node->core, work->lives);
    outbox_add(&node->loop->works, work);
}

static void give_renewal(struct node *node, const char *why)
{
    struct work *work = work_new(CORE_ACTION_RENEW);
    buffer_put(&work->bytes, why, strlen(why) + 1);
    outbox_add(&node->loop->works, work);
}

static void give_work(struct node *node, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_WRITE:
        give_write(node, &action->write);
        break;
    case CORE_ACTION_EXPIRE:
        give_expire(node, &action->expire);
        break;
    case CORE_ACTION_SAVE:
        give_save(node, &action->save);
        break;
    case CORE_ACTION_APPEND:
        give_append(node, &action->append);
        break;
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        give_meta(node, action->type, &action->meta);
        break;
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        give_cut(node, action->type, &action->cut);
        break;
    case CORE_ACTION_KEEP_LIVES:
        give_lives(node);
        break;
    case CORE_ACTION_RENEW:
        give_renewal(node, action->end.text);
        break;
    default:
        ASSERT(false);
    }
}

/* R64 */
static void stop_for_another(struct node *node, const char *why)
{
    struct candor_error err = {0};
    (void)candor_error_set(&err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_ANOTHER_PROCESS,
                           "%s. This one ends: find out which of the two is to run, and where",
                           why);
    node_fatal(node, &err);
}

static void fetch_snapshot(struct node *node, const struct core_action_fetch_snapshot *fetch)
{
    node->loop->download_number = download_fetch(node, fetch->peer, fetch->epoch, fetch->seq);
}

static void drop_snapshot(struct node *node)
{
    node->loop->download_number = 0;
    download_drop(node);
    if (node->loop->incoming != NULL)
        download_discard(node, node->loop->incoming);
    node->loop->incoming = NULL;
}

void actions_perform(struct node *node, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        publish(node, action->publish.msg);
        break;
    case CORE_ACTION_CALL:
        peers_call(node, action->call.peer, action->call.nonce, action->call.msg);
        break;
    case CORE_ACTION_ANSWER:
        tickets_answer(node, &action->answer);
        break;
    case CORE_ACTION_RESET_PEER:
        stream_reset_peer(node->stream, action->reset_peer.peer);
        break;
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EXPIRE:
    case CORE_ACTION_SAVE:
    case CORE_ACTION_APPEND:
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
    case CORE_ACTION_KEEP_LIVES:
    case CORE_ACTION_RENEW:
        give_work(node, action);
        break;
    case CORE_ACTION_STOP:
        stop_for_another(node, action->end.text);
        break;
    case CORE_ACTION_COMMIT:
        keep_commit(node->loop, action->commit.seq);
        break;
    case CORE_ACTION_FETCH_SNAPSHOT:
        fetch_snapshot(node, &action->fetch_snapshot);
        break;
    case CORE_ACTION_DROP_SNAPSHOT:
        drop_snapshot(node);
        break;
    case CORE_ACTION_FINISH:
        tickets_finish(node, &action->finish);
        break;
    case CORE_ACTION_LOG:
        write_log_line(action->log.level, action->log.text);
        break;
    case CORE_ACTION_FAILOVER:
        failovers_note(node, &action->failover);
        break;
    }
}
