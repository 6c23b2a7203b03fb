/* Cores in one thread, whose writer and network answer at once, in order; and what tests of them
 * have in common. */
#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "core/core.h"
#include "record/batch.h"

#define HELPER __attribute__((unused)) static

/* ---- A cluster in one thread: the writer and the network answer at once, in order ------------ */

enum { NODES = 3, QUEUE = 4096, WRITES = 900 };

struct host {
    struct core *core;
    struct candor_node_id id;
    struct candor_epoch epoch; /* hard state */
    bool forked;
    uint64_t cluster_id;
    struct buffer log; /* batches, back to back */
    uint64_t last;
    uint64_t commit;           /* known at a start */
    uint32_t snapshots_wanted; /* FETCH_SNAPSHOT actions */
    struct members members;
    struct epoch_history history;
    uint64_t boot;
    bool cut;    /* from everybody */
    bool full;   /* its disk stores nothing */
    bool frozen; /* its writer's answers are on their way until release() */
    bool stages; /* its writer tells of writes before they are durable (R68) */
    /* what FINISH said last */
    uint64_t finished;
    enum candor_code code;
    enum candor_reason reason;
    char text[CORE_TEXT_BYTES];
    struct candor_pos pos;
    enum candor_ack reached;
    struct core_failover failover; /* what FAILOVER said last */
    uint32_t heartbeats;           /* published */
    uint32_t statuses;
    uint32_t asked_to_transfer; /* by a line of the log */
    uint32_t state_lines;
    char state_line[CORE_TEXT_BYTES]; /* the newest */
    uint32_t unknown_lines;
    char renewed[CORE_TEXT_BYTES]; /* why it is to take a new disk's identity; "": it is not */
    char stopped[CORE_TEXT_BYTES];
    uint64_t next_end_ms;   /* when the first of its keys ends; 0: none does */
    uint32_t expire_orders; /* EXPIRE actions */
    uint64_t expire_ms;     /* the log's time in the newest */
};

struct letter {
    int to;
    struct core_event event;
    struct core_msg msg;
    struct epoch_history history; /* owned, for ATTACH */
    struct buffer bytes;          /* owned, what msg's slices point to */
    int from;
    uint64_t nonce;
};

struct cluster {
    struct host hosts[NODES];
    struct letter *queue;
    size_t head;
    size_t count;
    uint64_t now_ns;
    enum candor_ack ack; /* of the write under way */
    bool leases;
    bool no_heartbeats; /* they are lost on their way */
    bool link_cut[NODES][NODES];
    bool hold; /* pre-votes are on their way until release() */
    struct letter held[64];
    int held_count;
    uint64_t reject_after_ns;
    bool deaf; /* statuses are */
    struct {
        int from;
        uint64_t nonce;
    } asked[256]; /* by ticket */
    uint64_t next_ticket;
    struct core_msg told; /* the answer to a stranger */
};

HELPER void deliver(struct cluster *c, int node, const struct core_event *event);

HELPER int host_of(struct cluster *c, struct candor_node_id id)
{
    for (int i = 0; i < NODES; i++)
        if (node_id_equal(c->hosts[i].id, id))
            return i;
    fail();
    return -1;
}

HELPER struct letter *post(struct cluster *c, int from, int to)
{
    assert_true(c->count < QUEUE);
    struct letter *letter = &c->queue[(c->head + c->count++) % QUEUE];
    memset(letter, 0, sizeof *letter);
    letter->from = from;
    letter->to = to;
    return letter;
}

HELPER void carry(struct letter *letter, const struct core_msg *msg)
{
    letter->msg = *msg;
    if (msg->type == CORE_MSG_ATTACH) {
        epoch_history_init(&letter->history);
        epoch_history_copy(&letter->history, &msg->attach.history);
        letter->msg.attach.history = letter->history;
    }
    const struct slice *batches = msg->type == CORE_MSG_RECORDS        ? &msg->records.batches
                                  : msg->type == CORE_MSG_FETCH_ANSWER ? &msg->fetch_answer.batches
                                                                       : NULL;
    if (batches == NULL)
        return;
    buffer_put(&letter->bytes, batches->bytes, batches->length);
    if (msg->type == CORE_MSG_RECORDS)
        letter->msg.records.batches = buffer_slice(&letter->bytes);
    else
        letter->msg.fetch_answer.batches = buffer_slice(&letter->bytes);
}

/* Of the host's log, at `seq`. */
HELPER struct chain chain_of(const struct host *host, uint64_t seq)
{
    struct slice rest = buffer_slice(&host->log);
    struct batch batch;
    while (seq > 0 && batch_decode(&rest, &batch, NULL) == CANDOR_OK)
        if (batch_last_seq(&batch) >= seq)
            return batch_chain(&batch, seq);
    return (struct chain){0};
}

HELPER struct candor_epoch epoch_of(const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_APPEND:
        return action->append.epoch;
    case CORE_ACTION_WRITE:
        return action->write.epoch;
    default:
        return action->meta.epoch;
    }
}

/* What the writer itself makes of a WRITE, an EPOCH_START or a MEMBERS. */
HELPER struct slice make_batch(const struct cluster *c, const struct host *host,
                               const struct core_action *action, struct buffer *made)
{
    enum record_type type = action->type == CORE_ACTION_WRITE         ? RECORD_WRITE
                            : action->type == CORE_ACTION_EPOCH_START ? RECORD_EPOCH_START
                                                                      : RECORD_MEMBERS;
    struct batch_writer w =
        batch_begin(made, type, epoch_of(action), host->last + 1, chain_of(host, host->last));
    struct record_op op = {.kind = RECORD_PUT, .key = slice_of("k", 1), .value = slice_of("v", 1)};
    if (action->type == CORE_ACTION_WRITE)
        batch_add_write(&w, &(struct record_write){.ack = c->ack, .wall_ms = 1}, &op, 1);
    else
        batch_add_members(&w, 1, action->meta.cluster_id, action->meta.members);
    batch_end(&w);
    return buffer_slice(made);
}

/* The host's log takes batches; the event that the writer owes is posted. */
HELPER void store(struct cluster *c, int node, const struct core_action *action,
                  struct buffer *made)
{
    struct host *host = &c->hosts[node];
    bool given = action->type == CORE_ACTION_APPEND;
    uint64_t ticket = action->type == CORE_ACTION_WRITE ? action->write.ticket : 0;
    if (host->full) {
        struct core_event refused = {.type = CORE_EVENT_APPENDED};
        refused.appended.code = CANDOR_RESOURCE_EXHAUSTED;
        refused.appended.reason = CANDOR_REASON_DISK_FULL;
        refused.appended.epoch = epoch_of(action);
        refused.appended.last_seq = host->last;
        refused.appended.end = (struct chain_at){host->last, chain_of(host, host->last)};
        refused.appended.ticket = ticket;
        post(c, node, node)->event = refused;
        return;
    }
    struct slice bytes = given ? action->append.batches : make_batch(c, host, action, made);
    struct chain before = chain_of(host, host->last);
    buffer_put(&host->log, bytes.bytes, bytes.length);
    struct slice rest = bytes;
    uint64_t first = host->last + 1;
    while (rest.length > 0) {
        struct batch batch;
        assert_int_equal(batch_decode(&rest, &batch, NULL), CANDOR_OK);
        assert_int_equal(batch.first_seq, host->last + 1);
        assert_true(chain_equal(batch.before, before));
        host->last = batch_last_seq(&batch);
        before = batch_chain(&batch, host->last);
    }
    bool staged = host->stages && action->type == CORE_ACTION_WRITE;
    if (staged) {
        struct letter *told = post(c, node, node);
        buffer_put(&told->bytes, bytes.bytes, bytes.length);
        told->event.type = CORE_EVENT_STAGED;
        told->event.staged.epoch = epoch_of(action);
        told->event.staged.last_seq = host->last;
        told->event.staged.batches = buffer_slice(&told->bytes);
    }
    struct core_event event = {.type = CORE_EVENT_APPENDED};
    event.appended.code = CANDOR_OK;
    event.appended.epoch = epoch_of(action);
    event.appended.first_seq = first;
    event.appended.last_seq = event.appended.written_seq = host->last;
    event.appended.end = (struct chain_at){host->last, before};
    event.appended.batches = given || staged ? (struct slice){0} : bytes;
    event.appended.ticket = ticket;
    event.appended.next_end_ms = host->next_end_ms;
    struct letter *letter = host->frozen ? &c->held[c->held_count++] : post(c, node, node);
    *letter = (struct letter){.from = node, .to = node, .event = event};
    if (event.appended.batches.length > 0) {
        buffer_put(&letter->bytes, bytes.bytes, bytes.length);
        letter->event.appended.batches = buffer_slice(&letter->bytes);
    }
}

/* No key of these hosts ends, unless a test says so. */
HELPER void expire(struct cluster *c, int node, const struct core_action_expire *given)
{
    struct host *host = &c->hosts[node];
    struct core_event event = {.type = CORE_EVENT_APPENDED};
    if (given->log_ms > host->next_end_ms)
        host->next_end_ms = 0; /* it is deleted, as it were */
    event.appended.code = CANDOR_OK;
    event.appended.epoch = given->epoch;
    event.appended.last_seq = host->last;
    event.appended.end = (struct chain_at){host->last, chain_of(host, host->last)};
    event.appended.next_end_ms = host->next_end_ms;
    host->expire_orders++;
    host->expire_ms = given->log_ms;
    struct letter *letter = host->frozen ? &c->held[c->held_count++] : post(c, node, node);
    *letter = (struct letter){.from = node, .to = node, .event = event};
}

HELPER void hold(struct cluster *c, int from, int to, const struct core_action_call *call)
{
    struct letter *letter = &c->held[c->held_count++];
    *letter = (struct letter){.from = from, .to = to};
    letter->event.type = CORE_EVENT_REQUEST;
    letter->event.nonce = letter->nonce = call->nonce;
    carry(letter, call->msg);
}

HELPER void truncate_host(struct host *host, uint64_t to)
{
    struct slice rest = buffer_slice(&host->log);
    struct buffer kept = {0};
    struct batch batch;
    host->last = to;
    while (rest.length > 0 && batch_decode(&rest, &batch, NULL) == CANDOR_OK &&
           batch.first_seq <= to) {
        if (batch_last_seq(&batch) > to)
            batch_head(&batch, to, &kept);
        else
            buffer_put(&kept, batch.bytes.bytes, batch.bytes.length);
    }
    buffer_free(&host->log);
    host->log = kept;
}

/* ---- The shell's part: what a core asks for is done at once ---------------------------------- */

HELPER bool is_deaf_to(const struct cluster *c, enum core_msg_type type)
{
    return (c->deaf && type == CORE_MSG_STATUS) || (c->no_heartbeats && type == CORE_MSG_HEARTBEAT);
}

HELPER void publish(struct cluster *c, int node, const struct core_msg *msg)
{
    struct host *host = &c->hosts[node];
    host->heartbeats += msg->type == CORE_MSG_HEARTBEAT;
    host->statuses += msg->type == CORE_MSG_STATUS;
    for (int i = 0; i < NODES; i++) {
        bool lost = host->cut || c->hosts[i].cut || c->link_cut[node][i];
        if (i == node || lost || is_deaf_to(c, msg->type))
            continue;
        struct letter *letter = post(c, node, i);
        letter->event.type = CORE_EVENT_STREAM;
        letter->event.peer = host->id;
        carry(letter, msg);
    }
}

HELPER void call(struct cluster *c, int node, const struct core_action_call *asked)
{
    int to = host_of(c, asked->peer);
    bool lost = c->hosts[node].cut || c->hosts[to].cut || c->link_cut[node][to];
    if (c->hold && !lost && asked->msg->type == CORE_MSG_PRE_VOTE) {
        hold(c, node, to, asked);
        return;
    }
    struct letter *letter = post(c, node, lost ? node : to);
    letter->event.type = lost ? CORE_EVENT_CALL_FAILED : CORE_EVENT_REQUEST;
    letter->event.nonce = letter->nonce = asked->nonce;
    carry(letter, asked->msg);
}

HELPER void answer(struct cluster *c, int node, uint64_t ticket, const struct core_msg *msg)
{
    int asker = c->asked[ticket % 256].from;
    if (asker < 0) {
        c->told = *msg;
        return;
    }
    struct letter *letter = post(c, node, asker);
    letter->event.type = CORE_EVENT_REPLY;
    letter->event.peer = c->hosts[node].id;
    letter->event.nonce = c->asked[ticket % 256].nonce;
    carry(letter, msg);
}

HELPER void cut_log(struct cluster *c, int node, uint64_t to)
{
    struct host *host = &c->hosts[node];
    truncate_host(host, to);
    struct letter *letter = post(c, node, node);
    letter->event.type = CORE_EVENT_TRUNCATED;
    letter->event.truncated.last = to;
    letter->event.truncated.rewinds = 1;
    letter->event.truncated.chain = chain_of(host, to);
    letter->event.truncated.members = &host->members;
}

HELPER void save(struct cluster *c, int node, const struct core_action *action)
{
    struct host *host = &c->hosts[node];
    host->epoch = action->save.epoch;
    host->forked = action->save.forked;
    host->cluster_id = action->save.cluster_id;
    post(c, node, node)->event.type = CORE_EVENT_SAVED;
}

HELPER void finish(struct host *host, const struct core_action *action)
{
    host->finished = action->finish.ticket;
    host->code = action->finish.code;
    host->reason = action->finish.reason;
    memcpy(host->text, action->finish.text, sizeof host->text);
    host->pos = action->finish.pos;
    host->reached = action->finish.ack;
}

HELPER void note_line(struct host *host, const char text[CORE_TEXT_BYTES])
{
    host->asked_to_transfer += strstr(text, "kvctl transfer") != NULL;
    host->unknown_lines += strncmp(text, "unknown_node node=z", 19) == 0;
    if (strncmp(text, "state_changed", 13) == 0) {
        host->state_lines++;
        memcpy(host->state_line, text, sizeof host->state_line);
    }
}

HELPER void perform(struct cluster *c, int node, const struct core_action *action)
{
    struct host *host = &c->hosts[node];
    struct buffer made = {0};
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        publish(c, node, action->publish.msg);
        break;
    case CORE_ACTION_CALL:
        call(c, node, &action->call);
        break;
    case CORE_ACTION_ANSWER:
        answer(c, node, action->answer.ticket, action->answer.msg);
        break;
    case CORE_ACTION_SAVE:
        save(c, node, action);
        break;
    case CORE_ACTION_APPEND:
    case CORE_ACTION_WRITE:
    case CORE_ACTION_EPOCH_START:
    case CORE_ACTION_MEMBERS:
        store(c, node, action, &made);
        break;
    case CORE_ACTION_EXPIRE:
        expire(c, node, &action->expire);
        break;
    case CORE_ACTION_TRUNCATE:
        cut_log(c, node, action->cut.seq);
        break;
    case CORE_ACTION_FINISH:
        finish(host, action);
        break;
    case CORE_ACTION_LOG:
        note_line(host, action->log.text);
        break;
    case CORE_ACTION_FAILOVER:
        host->failover = action->failover;
        break;
    case CORE_ACTION_FETCH_SNAPSHOT:
        host->snapshots_wanted++;
        break;
    case CORE_ACTION_RENEW:
        memcpy(host->renewed, action->end.text, sizeof host->renewed);
        break;
    case CORE_ACTION_STOP:
        memcpy(host->stopped, action->end.text, sizeof host->stopped);
        break;
    default:
        break;
    }
    buffer_free(&made);
}

HELPER void perform_all(struct cluster *c, int node, const struct core_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++)
        perform(c, node, &actions->list[i]);
}

HELPER void flush(struct cluster *c, int node)
{
    struct core_actions actions = {0};
    core_flush(c->hosts[node].core, c->now_ns, &actions);
    core_check(c->hosts[node].core);
    perform_all(c, node, &actions);
    core_actions_free(&actions);
}

HELPER void take(struct cluster *c, int node, const struct core_event *event)
{
    struct core_actions actions = {0};
    core_take(c->hosts[node].core, event, c->now_ns, &actions);
    perform_all(c, node, &actions);
    core_actions_free(&actions);
}

HELPER void deliver(struct cluster *c, int node, const struct core_event *event)
{
    take(c, node, event);
    flush(c, node);
}

/* What anybody who listens on the network can put into a header. */
HELPER struct core_msg forged(struct cluster *c, enum core_msg_type type, int name,
                              struct candor_epoch epoch)
{
    return (struct core_msg){.type = type,
                             .header = {.cluster_id = 99,
                                        .config_hash = 42,
                                        .node = c->hosts[name].id,
                                        .store_id = 1000 + (uint64_t)name,
                                        .boot = c->hosts[name].boot,
                                        .epoch = epoch}};
}

HELPER void serve_fetch(struct cluster *c, const struct letter *letter)
{
    struct host *host = &c->hosts[letter->to];
    struct core_view view;
    core_view(host->core, &view);
    struct core_msg reply = {.type = CORE_MSG_FETCH_ANSWER, .header = letter->msg.header};
    reply.header.node = host->id;
    reply.header.store_id = view.store_id;
    reply.header.boot = view.boot;
    reply.header.epoch = view.epoch;
    uint64_t upto;
    reply.fetch_answer.ok = core_view_may_fetch(&view, &letter->msg.header, &upto);
    reply.fetch_answer.commit = view.commit;
    reply.fetch_answer.batches = buffer_slice(&host->log); /* all: the rest is known already */
    struct letter *back = post(c, letter->to, letter->from);
    back->event.type = CORE_EVENT_REPLY;
    back->event.peer = host->id;
    back->event.nonce = letter->nonce;
    carry(back, &reply);
}

/* As the shell does for an attach (R56). */
HELPER void look_up_chain(struct cluster *c, struct letter *letter)
{
    const struct host *host = &c->hosts[letter->to];
    uint64_t last = letter->msg.attach.last;
    if (letter->msg.type == CORE_MSG_ATTACH && last <= host->last)
        letter->msg.attach.here = (struct chain_at){last, chain_of(host, last)};
}

HELPER void pump(struct cluster *c)
{
    while (c->count > 0) {
        struct letter letter = c->queue[c->head];
        c->head = (c->head + 1) % QUEUE;
        c->count--;
        if (letter.msg.type != 0)
            letter.event.msg = &letter.msg;
        if (letter.event.type == CORE_EVENT_REQUEST && letter.msg.type == CORE_MSG_FETCH) {
            serve_fetch(c, &letter);
        } else {
            if (letter.event.type == CORE_EVENT_REQUEST) {
                letter.event.ticket = ++c->next_ticket;
                c->asked[letter.event.ticket % 256].from = letter.from;
                c->asked[letter.event.ticket % 256].nonce = letter.nonce;
                look_up_chain(c, &letter);
            }
            deliver(c, letter.to, &letter.event);
        }
        buffer_free(&letter.bytes);
        if (letter.msg.type == CORE_MSG_ATTACH)
            epoch_history_free(&letter.history);
    }
}

HELPER void release(struct cluster *c)
{
    c->hold = false;
    for (int i = 0; i < c->held_count; i++)
        *post(c, c->held[i].from, c->held[i].to) = c->held[i];
    c->held_count = 0;
    pump(c);
}

HELPER void cut_link(struct cluster *c, int a, int b, bool cut)
{
    c->link_cut[a][b] = c->link_cut[b][a] = cut;
}

HELPER void run_ms(struct cluster *c, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        c->now_ns += NS_PER_MS;
        for (int n = 0; n < NODES; n++)
            if (core_next_wake_ns(c->hosts[n].core) <= c->now_ns) {
                flush(c, n);
                pump(c);
            }
    }
}

HELPER struct core_config config_of(struct cluster *c, int node, bool automatic)
{
    struct core_config config = {
        .self = c->hosts[node].id,
        .config_hash = 42,
        .initial_primary = node_id_of("a"),
        .automatic_failover = automatic,
        .heartbeat_interval_ns = 100 * NS_PER_MS,
        .stale_after_ns = 500 * NS_PER_MS,
        .election_timeout_ns = 1000 * NS_PER_MS,
        .writer_stall_ns = 1000 * NS_PER_MS,
        .max_uncommitted = 1000,
        .drift_ppm = 200,
        .seed = 7 + (uint64_t)node,
        .new_cluster_id = 99,
        .leases = c->leases,
        .reject_after_ns = c->reject_after_ns,
    };
    for (int i = 0; i < NODES; i++)
        config.configured.list[config.configured.count++] =
            (struct member){c->hosts[i].id, 0, true};
    return config;
}

HELPER void start_with_store(struct cluster *c, int node, bool automatic, uint64_t store_id)
{
    struct host *host = &c->hosts[node];
    struct core_config config = config_of(c, node, automatic);
    struct core_boot boot = {.cluster_id = host->cluster_id,
                             .forked = host->forked,
                             .store_id = store_id,
                             .boot = host->boot = boot_next(host->boot, c->now_ns / NS_PER_MS),
                             .epoch = host->epoch,
                             .last = host->last,
                             .chain = chain_of(host, host->last),
                             .commit = host->commit,
                             .log_first = 1,
                             .history = &host->history,
                             .local = &(const struct seq_bits){0},
                             .members = &host->members};
    host->core = core_new(&config, &boot, c->now_ns);
}

HELPER void start(struct cluster *c, int node, bool automatic)
{
    start_with_store(c, node, automatic, 1000 + (uint64_t)node);
}

HELPER struct cluster *cluster_new_with(bool automatic, bool leases)
{
    static const char *const names[NODES] = {"a", "b", "c"};
    struct cluster *c = calloc(1, sizeof *c);
    c->queue = calloc(QUEUE, sizeof *c->queue);
    c->now_ns = 5 * NS_PER_S;
    for (int i = 0; i < NODES; i++) {
        c->hosts[i].id = node_id_of(names[i]);
        epoch_history_init(&c->hosts[i].history);
    }
    c->leases = leases;
    for (int i = 0; i < NODES; i++)
        start(c, i, automatic);
    return c;
}

HELPER struct cluster *cluster_new(bool automatic)
{
    return cluster_new_with(automatic, false);
}

HELPER void cluster_free(struct cluster *c)
{
    for (int i = 0; i < NODES; i++) {
        core_free(c->hosts[i].core);
        buffer_free(&c->hosts[i].log);
        epoch_history_free(&c->hosts[i].history);
    }
    free(c->queue);
    free(c);
}

HELPER struct core_view view_of(struct cluster *c, int node)
{
    struct core_view view;
    core_view(c->hosts[node].core, &view);
    return view;
}

HELPER struct core_freshness fresh_of(struct cluster *c, int node)
{
    struct core_view view = view_of(c, node);
    struct core_freshness fresh;
    core_view_freshness(&view, view.applied, c->now_ns, &fresh);
    return fresh;
}

HELPER void write_at(struct cluster *c, int node, uint64_t ticket, enum candor_ack ack)
{
    struct core_event event = {.type = CORE_EVENT_WRITE, .ticket = ticket};
    event.write.ack = c->ack = ack;
    event.write.records = 1;
    event.write.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, node, &event);
    pump(c);
}

HELPER void promote(struct cluster *c, int node, uint64_t ticket, bool force)
{
    struct core_event event = {.type = CORE_EVENT_PROMOTE, .ticket = ticket};
    event.promote.force = force;
    event.promote.deadline_ns = c->now_ns + 3 * NS_PER_S;
    deliver(c, node, &event);
    pump(c);
}

/* A node that says that it is primary, and takes writes; -1: none. */
HELPER int primary_of(struct cluster *c)
{
    for (int i = 0; i < NODES; i++)
        if (view_of(c, i).accepts_writes)
            return i;
    return -1;
}

/* What a start finds in the log. */
HELPER void reload(struct host *host)
{
    struct slice rest = buffer_slice(&host->log);
    struct batch batch;
    while (rest.length > 0 && batch_decode(&rest, &batch, NULL) == CANDOR_OK) {
        size_t cursor = 0;
        struct record record;
        if (batch.type == RECORD_WRITE || !batch_next(&batch, &cursor, &record))
            continue;
        host->members = record.members;
        if (batch.type == RECORD_EPOCH_START)
            epoch_history_append(&host->history,
                                 &(struct epoch_start){batch.epoch, batch.first_seq,
                                                       batch_chain(&batch, record.seq)});
    }
}

HELPER void set_voter(struct cluster *c, int at, const char *node, bool voter, uint64_t ticket)
{
    struct core_event event = {.type = CORE_EVENT_SET_VOTER, .ticket = ticket};
    event.set_voter.node = node_id_of(node);
    event.set_voter.voter = voter;
    event.set_voter.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, at, &event);
    pump(c);
    run_ms(c, 300);
    assert_int_equal(c->hosts[at].finished, ticket);
}

HELPER void wait_for(struct cluster *c, int node, uint64_t ticket, enum core_wait kind,
                     uint64_t seq)
{
    struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = ticket};
    event.wait.kind = kind;
    event.wait.token.pos = (struct candor_pos){view_of(c, node).epoch, seq};
    event.wait.deadline_ns = c->now_ns + 10 * NS_PER_S;
    deliver(c, node, &event);
}

HELPER void wait_linearizable(struct cluster *c, int node, uint64_t ticket)
{
    struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = ticket};
    event.wait.kind = CORE_WAIT_LINEARIZABLE;
    event.wait.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, node, &event);
    pump(c);
}

HELPER int primary_besides(struct cluster *c, int old)
{
    for (int i = 0; i < NODES; i++)
        if (i != old && view_of(c, i).role == CANDOR_ROLE_PRIMARY)
            return i;
    fail();
    return -1;
}

#endif
