/* Reads: taken up on NNG's threads, served by the pool of readers straight from a state view, by
 * the read contract (docs/consistency.md); single keys at once, by at most half of NNG's threads. A
 * page of the state that must come from the disk thus never keeps a heartbeat waiting.
 *
 * The state is opened first and the core's view copied after it, so that a view speaks of data that
 * are at least as new as it says. What waits keeps nothing open, but for a short time what was read
 * (LIMIT_READ_HOLD_MS). */
#include "node/serve/kv_read.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/types.h"
#include "candor/v1/kv.pb-c.h"
#include "core/core.h"
#include "node/serve/lost.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/bytes.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/outbox.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"
#include "node/shared/view.h"
#include "rpc/rpc.h"
#include "state/state.h"
#include "wire/wire.h"

static bool serve(struct reading *reading);
static void answer_from(struct reading *reading, struct state_view *data);

static struct read_call *read_of_job(struct job *job)
{
    return (struct read_call *)((uint8_t *)job - offsetof(struct read_call, job));
}

/* NULL: what this thread reads it opens for itself. */
static _Thread_local struct read_share *share_of_thread;

/* ---- Readers --------------------------------------------------------------------------------- */

static void reading_begin(struct reading *reading, struct read_call *of)
{
    reading->of = of;
    reading->node = of->ticket.node;
    reading->call = of->ticket.call;
    reading->request = of->request;
    reading->share = share_of_thread;
    reading->items = NULL;
    reading->list = NULL;
    reading->answer = NULL;
    reading->item_count = reading->item_capacity = reading->item_bytes = 0;
    reading->no_memory = false;
    reading->log_ms = 0;
    reading->shows_ended = false;
}

/* What was kept open; NULL: nothing. The caller ends it. */
static struct state_view *take_data(struct read_call *of)
{
    struct state_view *data = of->data;
    of->data = NULL;
    if (data != NULL)
        atomic_fetch_sub(&of->ticket.node->held_views, 1);
    return data;
}

static void run_read(struct job *job)
{
    struct reading reading;
    reading_begin(&reading, read_of_job(job));
    struct state_view *data = take_data(reading.of);
    if (data != NULL) {
        reading.share = NULL;
        view_read_without_peers(&reading.node->view, &reading.view);
        answer_from(&reading, data);
    } else if (!reply_came_too_late(reading.node, reading.call)) {
        while (serve(&reading))
            reading_begin(&reading, read_of_job(job));
    }
}

/* ---- Waiting: for a session's position, for confirmed leadership, for the commit of what was
 * read */

static void drop_data(struct read_call *of)
{
    struct state_view *data = take_data(of);
    if (data != NULL)
        state_view_end(data);
}

/* Archives are files. */
static void run_lost(struct job *job)
{
    struct read_call *of = read_of_job(job);
    if (of->lost != NULL)
        of->lost(of);
    else
        lost_reply(&of->ticket, of->ticket.event.core.wait.token.pos);
}

static void wait_until(struct read_call *of, enum core_wait kind, struct candor_token token,
                       uint64_t deadline_ns)
{
    struct core_event *event = &of->ticket.event.core;
    event->type = CORE_EVENT_WAIT;
    event->wait.kind = kind;
    event->wait.token = token;
    event->wait.deadline_ns = deadline_ns;
    if (ticket_push(&of->ticket))
        return;
    drop_data(of);
    reply_fail_busy(of->ticket.node, of->ticket.call);
}

/* How long it may wait. */
static uint64_t patience_ns(const struct read_call *of)
{
    uint64_t until_ns =
        of->ladder != NULL ? kv_ladder_until_ns(of->ladder) : reply_deadline_ns(of->ticket.call);
    return of->explains == NULL ? until_ns : min_u64(until_ns, of->explains->wait_until_ns);
}

static void wait_for(const struct reading *reading, enum core_wait kind, struct candor_token token)
{
    wait_until(reading->of, kind, token, patience_ns(reading->of));
}

/* What was read is kept open for a moment only, and by few: the pages that it holds cannot be used
 * again meanwhile, and views are counted. */
static void wait_for_commit(const struct reading *reading, struct candor_pos pos,
                            struct state_view *data)
{
    struct node *node = reading->node;
    uint64_t until_ns = patience_ns(reading->of);
    if (reading->share != NULL) { /* from here on it is this read's */
        reading->share->data = NULL;
        reading->share->shown = NULL;
    }
    if (atomic_fetch_add(&node->held_views, 1) < LIMIT_READ_HOLDS) {
        reading->of->data = data;
        until_ns = min_u64(until_ns, clock_boot_ns() + LIMIT_READ_HOLD_MS * NS_PER_MS);
    } else {
        atomic_fetch_sub(&node->held_views, 1);
        state_view_end(data);
    }
    wait_until(reading->of, CORE_WAIT_COMMIT, (struct candor_token){.pos = pos}, until_ns);
}

/* Not committed within that moment: goes on waiting without the data, and reads again afterwards.
 * Committed by then is at least what was read now, so each attempt asks for no more than the one
 * before has reached; the deadline ends it. */
static bool wait_on_without_data(struct read_call *of, const struct outcome *outcome)
{
    const struct core_event *event = &of->ticket.event.core;
    uint64_t deadline_ns = patience_ns(of);
    bool held = of->data != NULL && outcome->reason == CANDOR_REASON_NO_MAJORITY;
    if (!held || clock_boot_ns() >= deadline_ns)
        return false;
    drop_data(of);
    wait_until(of, CORE_WAIT_COMMIT, event->wait.token, deadline_ns);
    return true;
}

/* R71: what one rung has waited for says nothing of the next. */
static bool go_down(struct read_call *of, enum candor_code code, enum candor_reason reason,
                    const struct core_freshness *fresh)
{
    if (!kv_ladder_down(of->ladder, code, reason, fresh))
        return false;
    kv_ladder_ask(of->ladder, &of->read);
    of->waited = false;
    return true;
}

/* On the node thread. The wait has ended without what it was for. */
static void wait_failed(struct read_call *of, const struct outcome *outcome)
{
    struct node *node = of->ticket.node;
    drop_data(of);
    if (go_down(of, outcome->code, outcome->reason, NULL)) {
        outbox_add(&node->ready_reads, of);
        return;
    }
    of->job.run = run_lost;
    if (outcome->reason == CANDOR_REASON_SESSION_LOST && pool_push(&node->slow, &of->job))
        return;
    if (outcome->reason == CANDOR_REASON_SESSION_LOST && of->lost != NULL)
        reply_fail_busy(node, of->ticket.call);
    else
        reply_outcome_failed(&of->ticket, outcome);
}

/* On the node thread. */
static void wait_finished(struct ticket *ticket, const struct outcome *outcome)
{
    struct read_call *of = (struct read_call *)ticket;
    struct node *node = ticket->node;
    if (wait_on_without_data(of, outcome))
        return;
    if (outcome->code != CANDOR_OK && of->explains != NULL) {
        drop_data(of);
        of->explains->not_waited(of, outcome);
        return;
    }
    if (outcome->code != CANDOR_OK) {
        wait_failed(of, outcome);
        return;
    }
    if (ticket->event.core.wait.kind != CORE_WAIT_COMMIT) {
        struct core_view view;
        view_read_without_peers(&node->view, &view);
        of->waited = true;
        of->rewinds = view.rewinds;
    }
    outbox_add(&node->ready_reads, of);
}

/* ---- Going on -------------------------------------------------------------------------------- */

static void run_together(struct job *job);

/* False: the node stops. They were taken already: calls are limited. */
static bool push_together(struct read_call *first)
{
    first->job.run = run_together;
    return pool_push_always(&first->ticket.node->readers, &first->job);
}

/* From one view of the state, which is newer than the end of their waits; for no longer than a
 * bundle's turn, since others wait for a reader, too. */
static void run_together(struct job *job)
{
    struct read_call *of = read_of_job(job);
    uint64_t until_ns = clock_boot_ns() + LIMIT_BUNDLE_SLICE_US * 1000;
    struct read_share share;
    kv_read_share_begin(&share, NULL);
    while (of != NULL) {
        struct read_call *next = of->next;
        run_read(&of->job); /* may end it */
        bool pause = next != NULL && clock_boot_ns() >= until_ns;
        of = pause && push_together(next) ? NULL : next;
    }
    kv_read_share_end(&share);
}

static void refuse_together(struct read_call *of)
{
    while (of != NULL) {
        struct read_call *next = of->next;
        drop_data(of);
        reply_fail_busy(of->ticket.node, of->ticket.call);
        of = next;
    }
}

/* The rest of the list, behind the first LIMIT_READS_TOGETHER. */
static struct read_call *cut_list(struct read_call *of)
{
    for (uint32_t i = 1; i < LIMIT_READS_TOGETHER && of->next != NULL; i++)
        of = of->next;
    struct read_call *rest = of->next;
    of->next = NULL;
    return rest;
}

static void go_on_together(struct read_call *first)
{
    while (first != NULL) {
        struct read_call *rest = cut_list(first);
        if (!push_together(first))
            refuse_together(first);
        first = rest;
    }
}

void kv_reads_go_on(struct node *node)
{
    struct outbox *ready = &node->ready_reads;
    struct read_call *first = NULL;
    while (ready->count > 0) {
        struct read_call *of = ready->items[--ready->count];
        of->next = first;
        first = of;
    }
    go_on_together(first);
}

void kv_reads_again(struct read_call *first)
{
    for (struct read_call *of = first; of != NULL; of = of->next)
        of->waited = false;
    go_on_together(first);
}

/* ---- Deciding -------------------------------------------------------------------------------- */

/* Data and a view that speaks of them. The writer may be ahead of the core for a moment; when it
 * stays so, a rollback or a snapshot is going on, and the node is SYNCING. */
static struct state_view *open_data(struct node *node, struct core_view *view)
{
    for (int attempt = 1;; attempt++) {
        struct state_view *data = state_view_begin(node->state);
        view_read_without_peers(&node->view, view);
        bool same = view->rewinds == state_view_rewinds(data);
        bool proven = !view->proven || view->evidence_seq <= state_view_applied(data).seq;
        if (same && proven)
            return data;
        if (attempt == LIMIT_READ_ATTEMPTS) {
            view->proven = false;
            if (!same)
                view->applied = 0;
            return data;
        }
        state_view_end(data);
    }
}

/* For a reading: its share's, or its own. */
static struct state_view *begin_data(struct reading *reading)
{
    struct read_share *share = reading->share;
    if (share == NULL)
        return open_data(reading->node, &reading->view);
    if (share->data == NULL) {
        share->data = open_data(reading->node, &share->view);
        share->applied = state_view_applied(share->data);
    }
    reading->view = share->view;
    return share->data;
}

static void end_data(const struct reading *reading, struct state_view *data)
{
    if (reading->share == NULL)
        state_view_end(data);
}

static struct core_read_decision decide(struct reading *reading, const struct core_read *read,
                                        uint64_t applied)
{
    core_view_freshness(&reading->view, applied, clock_boot_ns(), &reading->judged);
    return core_decide_read(&reading->view, &reading->judged, read);
}

/* In the reply of a bundle, for all who share what was read. */
static void fill_shared(void *closure, struct rpc_call *call)
{
    struct read_shown *shown = closure;
    reply_freshness(call, &shown->view, shown->applied.seq, &shown->applied, &shown->room);
}

/* False: the reply has to say its own. */
static bool shares_freshness(const struct reading *reading)
{
    struct read_share *share = reading->share;
    if (share == NULL || share->shown == NULL)
        return false;
    if (!share->told) {
        share->shown->view = share->view;
        share->shown->applied = share->applied;
        share->told = true;
    }
    return rpc_call_share_freshness(reading->call, fill_shared, share->shown);
}

static void conclude(struct reading *reading, struct core_read_decision decision,
                     const struct candor_pos *applied)
{
    if (decision.decision == CORE_SERVE) {
        struct reply_room room;
        kv_ladder_served(reading->of->ladder, &reading->view);
        if (!shares_freshness(reading))
            reply_freshness(reading->call, &reading->view, applied->seq, applied, &room);
        reading->of->ticket.reply(reading->response, reading->call);
    } else if (reading->of->explains != NULL) {
        reading->of->explains->refused(reading, decision);
    } else {
        reply_fail(reading->node, reading->call, &reading->view, decision.code, decision.reason,
                   "");
    }
}

/* Ends `data`. */
static void finish_reading(struct reading *reading, struct state_view *data)
{
    end_data(reading, data);
    free(reading->items);
    free(reading->list);
    if (reading->answer != NULL)
        reading->free_answer(reading->answer);
}

/* Fills the response. False: the call is over or in other hands, by `fill`, or because what is
 * stored is not what was put there. */
static bool read_data(struct reading *reading, struct state_view *data)
{
    struct candor_error err = {0};
    if (!reading->of->fill(reading, data))
        return false;
    if (state_view_check(data, &err) == CANDOR_OK)
        return true;
    reply_fail_now(reading->node, reading->call, err.code, err.reason, err.message);
    node_state_failed(reading->node, &err);
    return false;
}

static const struct core_read_decision served = {CORE_SERVE, CANDOR_OK, CANDOR_REASON_NONE};

/* Without another question; ends `data`. A LINEARIZABLE read shows no key whose time is over: the
 * delete is on its way, and the data after it are read then (R69). */
static void answer_from(struct reading *reading, struct state_view *data)
{
    struct candor_pos applied = state_view_applied(data);
    bool answer = read_data(reading, data);
    bool too_early = reading->shows_ended && reading->of->read.level == CANDOR_READ_LINEARIZABLE;
    if (answer && !too_early)
        conclude(reading, served, &applied);
    finish_reading(reading, data);
    if (answer && too_early)
        wait_for(reading, CORE_WAIT_COMMIT, (struct candor_token){.pos = {.seq = applied.seq + 1}});
}

/* Leadership was confirmed after the read arrived, and what was committed then is applied. What is
 * shown must be committed, too (R32). */
static void serve_confirmed(struct reading *reading, struct state_view *data)
{
    bool speaks_of_it = reading->view.rewinds == state_view_rewinds(data);
    struct candor_pos applied = state_view_applied(data);
    if (speaks_of_it && reading->view.commit >= applied.seq)
        answer_from(reading, data);
    else
        wait_for_commit(reading, applied, data);
}

/* True: the next rung is to be tried. */
static bool serve_or_refuse(struct reading *reading, const struct core_read *read,
                            struct core_read_decision decision, struct state_view *data)
{
    struct candor_pos applied = state_view_applied(data);
    bool answer = true;
    if (decision.decision == CORE_SERVE && reading->of->committed) {
        serve_confirmed(reading, data);
        return false;
    }
    if (decision.decision == CORE_SERVE) {
        answer = read_data(reading, data);
        /* Once more, since reading took time and a bound grows. */
        decision = decide(reading, read, applied.seq);
    }
    bool again = answer && decision.decision != CORE_SERVE &&
                 go_down(reading->of, decision.code, decision.reason, &reading->judged);
    if (answer && !again)
        conclude(reading, decision, &applied);
    finish_reading(reading, data);
    return again;
}

/* True: the next rung is to be tried. */
static bool serve(struct reading *reading)
{
    const struct read_call *of = reading->of;
    struct state_view *data = begin_data(reading);
    struct core_read read = of->read;
    bool linearizable = read.level == CANDOR_READ_LINEARIZABLE;
    bool still_true = of->waited && of->rewinds == state_view_rewinds(data);
    if (linearizable && still_true) {
        serve_confirmed(reading, data);
        return false;
    }
    /* the core said so, and nothing was taken back since */
    if (still_true)
        read.token.pos.seq = 0;
    struct core_read_decision decision = decide(reading, &read, state_view_applied(data).seq);
    if (decision.decision != CORE_WAIT)
        return serve_or_refuse(reading, &read, decision, data);
    end_data(reading, data);
    wait_for(reading, linearizable ? CORE_WAIT_LINEARIZABLE : CORE_WAIT_SESSION, read.token);
    return false;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static bool asks_for_session(const Candor__V1__ReadOptions *options)
{
    for (size_t i = 0; i < options->n_ladder; i++)
        if (options->ladder[i]->level == CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION)
            return true;
    return options->level == CANDOR__V1__READ_LEVEL__READ_LEVEL_SESSION;
}

static enum candor_code read_options(const struct rpc_call *call,
                                     const Candor__V1__ReadOptions *options, struct core_read *out,
                                     struct candor_error *err)
{
    *out = (struct core_read){.level = CANDOR_READ_EVENTUAL};
    if (options == NULL)
        return CANDOR_OK;
    if ((unsigned)options->level > CANDOR_READ_LINEARIZABLE)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "options.level: unknown value %d", (int)options->level);
    if (options->level != CANDOR__V1__READ_LEVEL__READ_LEVEL_DEFAULT)
        out->level = (enum candor_read_level)options->level;
    out->max_staleness_ms = options->max_staleness_ms;
    out->allow_syncing = options->allow_syncing;
    bool of_bundle = options->token == NULL && asks_for_session(options);
    return wire_read_token(of_bundle ? rpc_call_token(call) : options->token, &out->token, err);
}

void *kv_read_new_of(size_t bytes, Candor__V1__KV_Service *service, struct rpc_call *call,
                     ProtobufCClosure reply, const ProtobufCMessage *request,
                     const Candor__V1__ReadOptions *options)
{
    struct node *node = node_of(service);
    struct candor_error err = {0};
    struct core_read read;
    struct read_ladder *ladder = NULL;
    if (!reply_check_hops(node, call))
        return NULL;
    if (read_options(call, options, &read, &err) != CANDOR_OK ||
        kv_ladder_new(call, options, &ladder, &err) != CANDOR_OK) {
        reply_fail_now(node, call, err.code, err.reason, err.message);
        return NULL;
    }
    struct read_call *of = ticket_new(node, call, reply, bytes);
    if (of == NULL) {
        reply_fail_busy(node, call);
        return NULL;
    }
    of->ticket.finished = wait_finished;
    of->ticket.cancellable = true;
    of->request = request;
    of->read = read;
    of->ladder = ladder;
    if (ladder != NULL)
        kv_ladder_ask(ladder, &of->read);
    return of;
}

struct read_call *kv_read_new(Candor__V1__KV_Service *service, struct rpc_call *call,
                              ProtobufCClosure reply, const ProtobufCMessage *request,
                              const Candor__V1__ReadOptions *options)
{
    return kv_read_new_of(sizeof(struct read_call), service, call, reply, request, options);
}

/* Hands it to a reader: NNG's thread goes back to its sockets. */
void kv_read_submit(struct read_call *of,
                    bool (*fill)(struct reading *reading, struct state_view *data))
{
    struct node *node = of->ticket.node;
    of->fill = fill;
    of->job.run = run_read;
    if (share_of_thread != NULL) /* a reader's thread already */
        run_read(&of->job);
    else if (!pool_push(&node->readers, &of->job))
        reply_fail_busy(node, of->ticket.call);
}

bool kv_read_enter_short(struct node *node)
{
    if (atomic_fetch_add(&node->short_reads, 1) < node->short_read_limit)
        return true;
    kv_read_leave_short(node);
    return false;
}

void kv_read_leave_short(struct node *node)
{
    atomic_fetch_sub(&node->short_reads, 1);
}

void kv_read_submit_short(struct read_call *of,
                          bool (*fill)(struct reading *reading, struct state_view *data))
{
    struct node *node = of->ticket.node;
    if (share_of_thread != NULL) {
        kv_read_submit(of, fill);
        return;
    }
    if (!kv_read_enter_short(node)) {
        kv_read_submit(of, fill);
        return;
    }
    of->fill = fill;
    of->job.run = run_read;
    run_read(&of->job); /* may end `of` */
    kv_read_leave_short(node);
}

void kv_read_share_begin(struct read_share *share, struct read_shown *shown)
{
    share->data = NULL;
    share->shown = shown;
    share->told = false;
    share_of_thread = share;
}

void kv_read_share_end(struct read_share *share)
{
    share_of_thread = NULL;
    if (share->data != NULL)
        state_view_end(share->data);
}

/* One call less; the node goes on. The client may ask again. */
bool kv_read_fail_without_memory(struct reading *reading)
{
    reply_fail(reading->node, reading->call, &reading->view, CANDOR_RESOURCE_EXHAUSTED,
               CANDOR_REASON_OVERLOADED, "there is no memory for the answer");
    return false;
}

bool kv_read_has_room(struct reading *reading)
{
    if (reading->item_count < reading->item_capacity)
        return true;
    size_t capacity = reading->item_capacity == 0 ? 64 : reading->item_capacity * 2;
    Candor__V1__KeyValue *items = realloc(reading->items, capacity * sizeof *items);
    reading->no_memory = items == NULL;
    if (items == NULL)
        return false;
    reading->items = items;
    reading->item_capacity = capacity;
    return true;
}

Candor__V1__KeyValue **kv_read_list_items(struct reading *reading)
{
    reading->list = malloc((reading->item_count + 1) * sizeof *reading->list);
    for (size_t i = 0; i < reading->item_count && reading->list != NULL; i++)
        reading->list[i] = &reading->items[i];
    return reading->list;
}

static void fill_ttl(struct reading *reading, Candor__V1__KeyValue *item, uint64_t until_ms)
{
    if (reading->log_ms == 0)
        reading->log_ms = core_view_log_ms(&reading->view, clock_boot_ns());
    item->end_case = CANDOR__V1__KEY_VALUE__END_TTL_MS;
    item->ttl_ms = saturating_sub(until_ms, reading->log_ms);
    reading->shows_ended = reading->shows_ended || until_ms < reading->log_ms;
}

void kv_read_fill_item(struct reading *reading, Candor__V1__KeyValue *item,
                       const struct state_item *from)
{
    candor__v1__key_value__init(item);
    item->key = slice_binary(from->key);
    item->value = slice_binary(from->value);
    item->found = true;
    item->mod_seq = from->mod_seq;
    item->version = from->version;
    if (from->until_ms != 0)
        fill_ttl(reading, item, from->until_ms);
}
