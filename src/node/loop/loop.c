/* The node thread: takes events, steps the core, performs its actions, publishes its view, replies. */
#include "node/internal.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_AT_ONCE = 256 };

/* Where a batch's u32 length stands (record/batch.h). */
enum { BATCH_LENGTH_AT = 8 };

/* ---- Events ------------------------------------------------------------------------------------------- */

struct node_event *event_new(enum core_event_type type)
{
    struct node_event *event = memory_zeroed(1, sizeof *event);
    event->core.type = type;
    return event;
}

void event_free(struct node *node, struct node_event *event)
{
    if (event->backlog_bytes > 0)
        atomic_fetch_sub(&node->backlog_bytes, event->backlog_bytes);
    event->backlog_bytes = 0;
    buffer_free(&event->bytes);
    if (event->incoming != NULL)
        state_incoming_discard(event->incoming);
    event->incoming = NULL;
    epoch_history_free(&event->history);
    free(event->members);
    event->members = NULL;
    if (event->embedded)
        return;
    if (event->msg != NULL) {
        wire_msg_free(event->msg);
        free(event->msg);
    }
    if (event->unpacked != NULL)
        candor__v1__stream_message__free_unpacked(event->unpacked, NULL);
    free(event);
}

const struct members *event_members(struct node_event *event, const struct members *members)
{
    event->members = memory_alloc(sizeof *event->members);
    *event->members = *members;
    return event->members;
}

void event_tell_state(struct node_event *event, const struct state_position *position)
{
    event->core.snapshot.pos = position->applied;
    event->core.snapshot.rewinds = position->rewinds;
    event->core.snapshot.digest = position->digest;
    event->core.snapshot.chain = position->chain;
    event->core.snapshot.undo_floor = position->undo_floor;
    event->core.snapshot.cluster_id = position->cluster_id;
    event->core.snapshot.history = &event->history;
    event->core.snapshot.members = event_members(event, &position->members);
}

void event_push(struct node *node, struct node_event *event)
{
    if (!queue_push_always(node->events, event))
        event_free(node, event);
}

void outbox_add(struct outbox *outbox, void *item)
{
    memory_grow(outbox->items, outbox->capacity, outbox->count + 1);
    outbox->items[outbox->count++] = item;
}

void *ticket_new(struct node *node, struct rpc_call *call, ProtobufCClosure reply, size_t bytes)
{
    ASSERT(bytes >= sizeof(struct ticket));
    struct ticket *ticket = rpc_call_alloc(call, bytes);
    if (ticket == NULL)
        return NULL;
    memset(ticket, 0, bytes);
    ticket->node = node;
    ticket->call = call;
    ticket->reply = reply;
    ticket->event.embedded = true;
    ticket->event.ticket = ticket;
    return ticket;
}

/* On an NNG thread, or on the one that asked. The ticket lives: no call is finished before this has returned. */
static void caller_gone(struct rpc_call *call, void *closure)
{
    (void)call;
    const struct ticket *ticket = closure;
    struct node_event *event = event_new(CORE_EVENT_CANCEL);
    event->core.ticket = ticket_number(ticket);
    event_push(ticket->node, event);
}

bool ticket_push(struct ticket *ticket)
{
    struct node *node = ticket->node;
    uint64_t serial = atomic_fetch_add(&node->last_serial, 1) + 1;
    atomic_store(&ticket->serial, serial);
    ticket->event.core.ticket = serial;
    if (ticket->cancellable && !ticket->watched) {
        ticket->watched = true; /* before the push: the ticket may be finished right after it */
        rpc_call_when_gone(ticket->call, caller_gone, ticket);
    }
    return !atomic_load_explicit(&node->stopping, memory_order_relaxed) &&
           queue_push(node->events, &ticket->event);
}

/* ---- Tickets ------------------------------------------------------------------------------------------ */

static struct ticket *ticket_of(const struct node *node, uint64_t number)
{
    uint64_t value = 0;
    bool found = serials_find(&node->tickets, number, &value);
    ASSERT(found);
    return (struct ticket *)(uintptr_t)value;
}

static void open_ticket(struct node *node, struct ticket *ticket)
{
    serials_put(&node->tickets, ticket_number(ticket), (uint64_t)(uintptr_t)ticket);
    ticket->previous = NULL;
    ticket->next = node->open;
    if (node->open != NULL)
        node->open->previous = ticket;
    node->open = ticket;
    atomic_fetch_add(&node->open_count, 1);
}

static void close_ticket(struct node *node, struct ticket *ticket)
{
    bool found = serials_take(&node->tickets, ticket_number(ticket), NULL);
    ASSERT(found);
    if (ticket->previous != NULL)
        ticket->previous->next = ticket->next;
    else
        node->open = ticket->next;
    if (ticket->next != NULL)
        ticket->next->previous = ticket->previous;
    atomic_fetch_sub(&node->open_count, 1);
}

/* Replied to once the view that tells of it is published: the reply's freshness then knows of it, too. */
static void finish_later(struct node *node, struct ticket *ticket)
{
    ticket->next_done = NULL;
    *node->done_end = ticket;
    node->done_end = &ticket->next_done;
}

static void finish_ticket(struct node *node, const struct core_action *action)
{
    struct ticket *ticket = ticket_of(node, action->ticket);
    close_ticket(node, ticket);
    ticket->outcome.code = action->code;
    ticket->outcome.reason = action->reason;
    ticket->outcome.pos = action->pos;
    ticket->outcome.ack = action->ack;
    memcpy(ticket->outcome.text, action->text, strlen(action->text) + 1);
    if (action->code == CANDOR_CANCELLED)
        atomic_fetch_add_explicit(&node->cancelled, 1, memory_order_relaxed);
    finish_later(node, ticket);
}

static void answer_ticket(struct node *node, const struct core_action *action)
{
    struct ticket *ticket = ticket_of(node, action->ticket);
    ASSERT(ticket->answered != NULL);
    close_ticket(node, ticket);
    ticket->answered(ticket, action->msg);
}

static void fail_shutting_down(struct node *node, struct ticket *ticket)
{
    ticket->outcome.code = CANDOR_UNAVAILABLE;
    ticket->outcome.reason = CANDOR_REASON_SHUTTING_DOWN;
    finish_later(node, ticket);
}

static void fail_open_tickets(struct node *node)
{
    while (node->open != NULL) {
        struct ticket *ticket = node->open;
        close_ticket(node, ticket);
        fail_shutting_down(node, ticket);
    }
}

static void reply_to_done(struct node *node)
{
    struct ticket *ticket = node->done;
    node->done = NULL;
    node->done_end = &node->done;
    while (ticket != NULL) {
        struct ticket *next = ticket->next_done; /* the reply frees the ticket */
        ticket->finished(ticket, &ticket->outcome);
        ticket = next;
    }
}

/* ---- Actions ------------------------------------------------------------------------------------------ */

static void publish_message(struct node *node, enum stream_channel channel,
                            const struct core_msg *msg)
{
    buffer_clear(&node->packed);
    wire_stream_pack(msg, &node->packed);
    stream_publish(node->stream, channel, buffer_slice(&node->packed));
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

/* A group commit is one message, unless one client's Batch made it larger than a subscriber would take. */
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

static void write_log_line(const struct core_action *action)
{
    const char *blank = strchr(action->text, ' ');
    char event[64];
    size_t length = blank != NULL ? (size_t)(blank - action->text) : strlen(action->text);
    if (length >= sizeof event)
        length = sizeof event - 1;
    memcpy(event, action->text, length);
    event[length] = '\0';
    logging_write((enum log_level)action->seq, event, "%s", blank != NULL ? blank + 1 : "");
}

static void give_write(struct node *node, const struct core_action *action)
{
    struct write_ticket *write = (struct write_ticket *)ticket_of(node, action->ticket);
    write->work = (struct work){.type = CORE_ACTION_WRITE, .write = write, .epoch = action->epoch};
    outbox_add(&node->works, &write->work);
}

/* One COMMIT for many events: the newest says it all. It never passes work that may lower what is committed. */
static void give_commit(struct node *node)
{
    if (node->commit_seq == 0)
        return;
    struct work *work = work_new(CORE_ACTION_COMMIT);
    work->seq = node->commit_seq;
    node->commit_seq = 0;
    outbox_add(&node->works, work);
}

static void give_work(struct node *node, const struct core_action *action)
{
    if (action->type == CORE_ACTION_TRUNCATE || action->type == CORE_ACTION_INSTALL)
        give_commit(node);
    struct work *work = work_new(action->type);
    work->epoch = action->epoch;
    work->seq = action->seq;
    work->cluster_id = action->cluster_id;
    if (action->members != NULL) {
        work->members = memory_alloc(sizeof *work->members);
        *work->members = *action->members;
    }
    if (action->type == CORE_ACTION_APPEND) {
        buffer_put(&work->bytes, action->batches.bytes, action->batches.length);
        work->backlog_bytes = action->batches.length;
        atomic_fetch_add(&node->backlog_bytes, work->backlog_bytes);
    }
    if (action->type == CORE_ACTION_INSTALL) {
        ASSERT(node->incoming != NULL);
        work->incoming = node->incoming;
        node->incoming = NULL;
    }
    outbox_add(&node->works, work);
}

static void give_lives(struct node *node)
{
    struct work *work = work_new(CORE_ACTION_KEEP_LIVES);
    work->lives = memory_alloc(sizeof *work->lives);
    core_lives(node->core, work->lives);
    outbox_add(&node->works, work);
}

static void give_renewal(struct node *node, const struct core_action *action)
{
    struct work *work = work_new(CORE_ACTION_RENEW);
    buffer_put(&work->bytes, action->text, strlen(action->text) + 1);
    outbox_add(&node->works, work);
}

/* R64 */
static void stop_for_another(struct node *node, const struct core_action *action)
{
    struct candor_error err = {0};
    (void)candor_error_set(&err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_ANOTHER_PROCESS,
                           "%s. This one ends: find out which of the two is to run, and where",
                           action->text);
    node_fatal(node, &err);
}

static void drop_snapshot(struct node *node)
{
    node->download_number = 0;
    download_drop(node);
    if (node->incoming != NULL)
        download_discard(node, node->incoming);
    node->incoming = NULL;
}

static void perform(struct node *node, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        if (action->msg->type == CORE_MSG_RECORDS)
            publish_records(node, action->msg);
        else
            publish_message(node, STREAM_HEARTBEAT, action->msg);
        break;
    case CORE_ACTION_CALL:
        peers_call(node, action->peer, action->nonce, action->msg);
        break;
    case CORE_ACTION_ANSWER:
        answer_ticket(node, action);
        break;
    case CORE_ACTION_RESET_PEER:
        stream_reset_peer(node->stream, action->peer);
        break;
    case CORE_ACTION_WRITE:
        give_write(node, action);
        break;
    case CORE_ACTION_SAVE:
    case CORE_ACTION_APPEND:
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
    case CORE_ACTION_TRUNCATE:
    case CORE_ACTION_INSTALL:
        give_work(node, action);
        break;
    case CORE_ACTION_KEEP_LIVES:
        give_lives(node);
        break;
    case CORE_ACTION_RENEW:
        give_renewal(node, action);
        break;
    case CORE_ACTION_STOP:
        stop_for_another(node, action);
        break;
    case CORE_ACTION_COMMIT:
        node->commit_seq = action->seq;
        break;
    case CORE_ACTION_FETCH_SNAPSHOT:
        node->download_number = download_fetch(node, action->peer, action->epoch, action->seq);
        break;
    case CORE_ACTION_DROP_SNAPSHOT:
        drop_snapshot(node);
        break;
    case CORE_ACTION_FINISH:
        finish_ticket(node, action);
        break;
    case CORE_ACTION_LOG:
        write_log_line(action);
        break;
    case CORE_ACTION_REIGN:
        failovers_note(node, action->reign);
        break;
    }
}

/* ---- The loop ----------------------------------------------------------------------------------------- */

static void step(struct node *node, const struct core_event *event)
{
    core_step(node->core, event, clock_boot_ns(), &node->actions);
    for (size_t i = 0; i < node->actions.count; i++)
        perform(node, &node->actions.list[i]);
}

static void start_draining(struct node *node)
{
    node->draining = true;
    struct work *work = work_new(0);
    work->drain = true;
    outbox_add(&node->works, work);
}

/* A download that was dropped or replaced meanwhile has nothing to say. */
static bool download_is_over(struct node *node, struct node_event *event)
{
    bool of_download = event->core.type == CORE_EVENT_SNAPSHOT_READY ||
                       event->core.type == CORE_EVENT_SNAPSHOT_FAILED;
    if (!of_download)
        return false;
    bool over = event->download != node->download_number;
    if (event->incoming != NULL) {
        if (over)
            download_discard(node, event->incoming);
        else
            node->incoming = event->incoming;
        event->incoming = NULL;
    }
    return over;
}

/* The caller was gone before its ticket came here: the cancel that said so found nothing. One who goes from now on is told
 * of by an event behind this one. */
static void cancel_if_gone(struct node *node, uint64_t number)
{
    uint64_t value = 0;
    if (!serials_find(&node->tickets, number, &value))
        return; /* it did not have to wait */
    const struct ticket *ticket = (const struct ticket *)(uintptr_t)value;
    if (ticket->cancellable && rpc_call_gone(ticket->call))
        step(node, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = number});
}

static void take_event(struct node *node, struct node_event *event)
{
    struct ticket *ticket = event->ticket;
    uint64_t number = ticket != NULL ? ticket_number(ticket) : 0;
    if (event->stop) {
        start_draining(node);
    } else if (event->drained) {
        node->drained = true;
        fail_open_tickets(node);
    } else if (ticket != NULL && node->draining) {
        fail_shutting_down(node, ticket);
        return; /* the event is part of the ticket */
    } else if (!download_is_over(node, event) && !node->drained) {
        /* Once drained, the core is at rest: it still holds tickets that were failed, and would finish them again. */
        if (ticket != NULL)
            open_ticket(node, ticket);
        step(node, &event->core);
        if (ticket != NULL)
            cancel_if_gone(node, number);
    }
    /* A ticket's own event needs no freeing, and an answered ticket is gone already. */
    if (ticket == NULL)
        event_free(node, event);
}

void node_publish_view(struct node *node)
{
    struct core_view view;
    core_view(node->core, &view);
    view_publish(&node->view, &view);
    failovers_see(node, &view);
}

static void *node_thread(void *closure)
{
    struct node *node = closure;
    void *events[EVENTS_AT_ONCE];
    struct watched *watched = watchdog_enter("node", WATCH_TIMER);
    for (;;) {
        watchdog_step(watched);
        uint64_t until_ns = clock_boot_ns() + LIMIT_WATCHDOG_WAKE_MS * NS_PER_MS;
        if (!node->drained)
            until_ns = min_u64(until_ns, core_next_wake_ns(node->core));
        size_t count = queue_pop(node->events, events, EVENTS_AT_ONCE, until_ns);
        if (count == 0 && queue_closed(node->events))
            break;
        failovers_before_events(node);
        for (size_t i = 0; i < count; i++)
            take_event(node, events[i]);
        if (!node->drained && clock_boot_ns() >= core_next_wake_ns(node->core))
            step(node, &(struct core_event){.type = CORE_EVENT_TICK});
        give_commit(node);
        writer_give_all(node, &node->works);
        node_publish_view(node);
        reply_to_done(node);
    }
    ASSERT(node->open == NULL && node->done == NULL);
    watchdog_leave(watched);
    return NULL;
}

enum candor_code node_thread_start(struct node *node, struct candor_error *err)
{
    if (pthread_create(&node->thread, NULL, node_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the node thread");
    pthread_setname_np(node->thread, "node");
    struct sched_param param = {0}; /* whatever the process prefers: heartbeats are due on time */
    (void)pthread_setschedparam(node->thread, SCHED_OTHER, &param);
    node->running = true;
    return CANDOR_OK;
}
