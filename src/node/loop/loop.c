/* The node thread: gives the core all events that are there, performs its actions, publishes its
 * view, replies. */
#include "node/loop/loop.h"

#include <sched.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/serials.h"
#include "base/types.h"
#include "base/watchdog.h"
#include "core/core.h"
#include "node/loop/actions.h"
#include "node/loop/loop_state.h"
#include "node/loop/tickets.h"
#include "node/serve/failovers.h"
#include "node/serve/kv_read.h"
#include "node/serve/watchers.h"
#include "node/shared/event.h"
#include "node/shared/node_state.h"
#include "node/shared/outbox.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "node/store/download.h"
#include "node/store/work.h"
#include "node/store/writer.h"
#include "rpc/rpc.h"
#include "state/state.h"

enum { EVENTS_AT_ONCE = 256 };

static void perform_all(struct node *node)
{
    for (size_t i = 0; i < node->loop->actions.count; i++)
        actions_perform(node, &node->loop->actions.list[i]);
}

static void take(struct node *node, const struct core_event *event)
{
    core_take(node->core, event, clock_boot_ns(), &node->loop->actions);
    perform_all(node);
}

static void flush(struct node *node)
{
    core_flush(node->core, clock_boot_ns(), &node->loop->actions);
    perform_all(node);
}

static void start_draining(struct node *node)
{
    node->loop->draining = true;
    struct work *work = work_new(0);
    work->drain = true;
    outbox_add(&node->loop->works, work);
}

/* A download that was dropped or replaced meanwhile has nothing to say. */
static bool download_is_over(struct node *node, struct node_event *event)
{
    bool of_download = event->core.type == CORE_EVENT_SNAPSHOT_READY ||
                       event->core.type == CORE_EVENT_SNAPSHOT_FAILED;
    if (!of_download)
        return false;
    bool over = event->download != node->loop->download_number;
    if (event->incoming != NULL) {
        if (over)
            download_discard(node, event->incoming);
        else
            node->loop->incoming = event->incoming;
        event->incoming = NULL;
    }
    return over;
}

/* The caller was gone before its ticket came here: the cancel that said so found nothing. One who
 * goes from now on is told of by an event behind this one. */
static void cancel_if_gone(struct node *node, uint64_t number)
{
    uint64_t value = 0;
    /* it did not have to wait */
    if (!serials_find(&node->loop->tickets, number, &value))
        return;
    const struct ticket *ticket = (const struct ticket *)(uintptr_t)value;
    if (ticket->cancellable && rpc_call_gone(ticket->call))
        take(node, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = number});
}

static void take_event(struct node *node, struct node_event *event)
{
    struct ticket *ticket = event->ticket;
    uint64_t number = ticket != NULL ? ticket_number(ticket) : 0;
    if (event->stop) {
        start_draining(node);
    } else if (event->drained) {
        node->loop->drained = true;
        tickets_fail_open(node);
    } else if (ticket != NULL && node->loop->draining) {
        tickets_fail_shutting_down(node, ticket);
        return; /* the event is part of the ticket */
    } else if (!download_is_over(node, event) && !node->loop->drained) {
        /* Once drained, the core is at rest: it still holds tickets that were failed, and would
         * finish them again. */
        if (ticket != NULL)
            tickets_open(node, ticket);
        take(node, &event->core);
        if (ticket != NULL)
            cancel_if_gone(node, number);
    }
    /* A ticket's own event needs no freeing, and an answered ticket is gone already. */
    if (ticket == NULL)
        event_free(node, event);
}

void loop_publish_view(struct node *node)
{
    struct core_view view;
    core_view(node->core, &view);
    view_publish(&node->view, &view);
    failovers_see(node, &view);
    watchers_see(node, &view);
}

/* Other replicas' statuses wake a replica for nothing: all that it takes of them is that they are
 * alive, and where. They come in with the primary's next word. */
static void ask_for_statuses(struct node *node)
{
    bool late = core_hears_late(node->core);
    if (late != node->loop->hears_late)
        queue_ask_for_all(node->events, !late);
    node->loop->hears_late = late;
}

static bool commit_is_due(const struct loop *loop)
{
    return loop->works.count > 0 || loop->draining || clock_boot_ns() >= loop->commit_due_ns;
}

static void *node_thread(void *closure)
{
    struct node *node = closure;
    void *events[EVENTS_AT_ONCE];
    struct watched *watched = watchdog_enter("node", WATCH_TIMER);
    for (;;) {
        watchdog_step(watched);
        uint64_t until_ns = clock_boot_ns() + LIMIT_WATCHDOG_WAKE_MS * NS_PER_MS;
        if (!node->loop->drained)
            until_ns = min_u64(until_ns, core_next_wake_ns(node->core));
        if (node->loop->commit_seq != 0)
            until_ns = min_u64(until_ns, node->loop->commit_due_ns);
        size_t count = queue_pop(node->events, events, EVENTS_AT_ONCE, until_ns);
        if (count == 0 && queue_closed(node->events))
            break;
        failovers_before_events(node);
        for (size_t i = 0; i < count; i++)
            take_event(node, events[i]);
        if (!node->loop->drained)
            flush(node);
        ask_for_statuses(node);
        if (commit_is_due(node->loop))
            actions_give_commit(node);
        writer_give_all(node, &node->loop->works);
        loop_publish_view(node);
        tickets_reply(node);
        kv_reads_go_on(node);
    }
    ASSERT(node->loop->open == NULL && node->loop->done == NULL);
    watchdog_leave(watched);
    return NULL;
}

struct loop *loop_new(void)
{
    struct loop *loop = memory_zeroed(1, sizeof *loop);
    loop->done_end = &loop->done;
    return loop;
}

void loop_free(struct loop *loop)
{
    core_actions_free(&loop->actions);
    serials_free(&loop->tickets);
    buffer_free(&loop->packed);
    free(loop->works.items);
    free(loop);
}

enum candor_code loop_start(struct node *node, struct candor_error *err)
{
    if (pthread_create(&node->loop->thread, NULL, node_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the node thread");
    pthread_setname_np(node->loop->thread, "node");
    struct sched_param param = {0}; /* whatever the process prefers: heartbeats are due on time */
    (void)pthread_setschedparam(node->loop->thread, SCHED_OTHER, &param);
    node->loop->running = true;
    return CANDOR_OK;
}

bool loop_runs(const struct node *node)
{
    return node->loop->running;
}

void loop_ask_to_stop(struct node *node)
{
    if (!node->loop->running)
        return;
    struct node_event *event = event_new(CORE_EVENT_NONE);
    event->stop = true;
    event_push(node, event);
}

void loop_stop(struct node *node)
{
    queue_close(node->events);
    if (node->loop->running)
        pthread_join(node->loop->thread, NULL);
}

void loop_discard_rest(struct node *node)
{
    void *item;
    while (queue_pop(node->events, &item, 1, 0) > 0)
        event_free(node, item);
    if (node->loop->incoming != NULL)
        state_incoming_discard(node->loop->incoming);
    node->loop->incoming = NULL;
}
