/* What a node did, as a line. */
#include <stdarg.h>

#include "transcript.h"

/* What nodes do, as lines. Heartbeats, statuses and questions for known lives go on all the time:
 * they are shown where a scenario asks for them. */

/* ---- Lines ----------------------------------------------------------------------------------- */

static void put_line(struct transcript *transcript, const char *text)
{
    if (transcript->quiet)
        return;
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    buffer_put(&transcript->out, text, length);
    buffer_put(&transcript->out, "\n", 1);
}

void say_line(struct transcript *transcript, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put_line(transcript, line);
}

static void say_when(struct transcript *transcript, const char *who, const char *format,
                     va_list args)
{
    char line[LINE_BYTES];
    char ms[PHRASE_BYTES];
    int used = snprintf(line, sizeof line, "%6s  %-6s",
                        phrase_ms(transcript, transcript->world->now_ns, ms), who);
    vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    put_line(transcript, line);
}

void say(struct transcript *transcript, const char *who, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_when(transcript, who, format, args);
    va_end(args);
}

void say_to(struct transcript *transcript, const char *who[2], const char *format, ...)
{
    char both[2 * NAME_BYTES];
    snprintf(both, sizeof both, "%s>%s", who[0], who[1]);
    va_list args;
    va_start(args, format);
    say_when(transcript, both, format, args);
    va_end(args);
}

/* ---- What was stored ------------------------------------------------------------------------- */

/* A group's first event carries the bytes of all its writes, unless they were staged; a replica's
 * none. */
static void stored_ok(struct transcript *transcript, struct node *node,
                      const struct core_event *event)
{
    struct seen *seen = &transcript->seen[node->index];
    char text[PHRASE_BYTES];
    char pos[POS_TEXT_BYTES];
    uint64_t first = max_u64(event->appended.first_seq, seen->stored + 1);
    bool written = event->appended.written_seq != 0;
    uint64_t own = written ? event->appended.written_seq : event->appended.last_seq;
    uint64_t last = own;
    if (event->appended.batches.length > 0)
        batches_range(event->appended.batches, &first, &last);
    last = max_u64(last, seen->staged);
    seen->staged = 0;
    if (last > seen->stored)
        say(transcript, node->id.text, "stores %s",
            phrase_records(transcript, &node->disk, first, last, text));
    else if (event->appended.first_seq != 0 && event->appended.first_seq <= seen->answered)
        say(transcript, node->id.text, "finds it done already, at %s",
            pos_text(disk_pos(&node->disk, last), pos));
    seen->stored = max_u64(seen->stored, last);
    seen->answered = max_u64(seen->answered, own);
}

static void stored(struct transcript *transcript, struct node *node, const struct core_event *event)
{
    if (event->appended.code == CANDOR_OK)
        stored_ok(transcript, node, event);
    else if (event->appended.code == CANDOR_RESOURCE_EXHAUSTED)
        say(transcript, node->id.text, "stores nothing: no room on its disk");
    else
        say(transcript, node->id.text, "stores nothing: %s",
            candor_code_name(event->appended.code));
}

static void saved(struct transcript *transcript, const struct node *node)
{
    struct seen *seen = &transcript->seen[node->index];
    char epoch[EPOCH_TEXT_BYTES];
    if (!epoch_equal(seen->saved, node->disk.epoch))
        say(transcript, node->id.text, "saves epoch %s", epoch_text(node->disk.epoch, epoch));
    seen->saved = node->disk.epoch;
}

static void took(struct transcript *transcript, struct node *node, const struct core_event *event)
{
    struct seen *seen = &transcript->seen[node->index];
    char pos[POS_TEXT_BYTES];
    switch (event->type) {
    case CORE_EVENT_SAVED:
        saved(transcript, node);
        break;
    case CORE_EVENT_STAGED:
        seen->staged = event->staged.last_seq;
        break;
    case CORE_EVENT_APPENDED:
        stored(transcript, node, event);
        break;
    case CORE_EVENT_TRUNCATED:
        seen->stored = event->truncated.last;
        seen->answered = seen->stored;
        say(transcript, node->id.text, "cuts its log back to %s",
            pos_text(disk_pos(&node->disk, seen->stored), pos));
        break;
    case CORE_EVENT_SNAPSHOT_READY:
        say(transcript, node->id.text, "has the snapshot of %s",
            pos_text(event->snapshot.pos, pos));
        break;
    case CORE_EVENT_SNAPSHOT_FAILED:
        say(transcript, node->id.text, "gets no snapshot");
        break;
    case CORE_EVENT_INSTALLED:
        seen->stored = seen->answered = event->snapshot.pos.seq;
        say(transcript, node->id.text, "installs the snapshot: its log ends at %s",
            pos_text(event->snapshot.pos, pos));
        break;
    case CORE_EVENT_PEER_LOST:
        say(transcript, node->id.text, "its connection to %s closes", event->peer.text);
        break;
    default:
        break;
    }
}

void watch_archived(struct world *world, struct node *node, uint64_t seq)
{
    struct transcript *transcript = transcript_of(world);
    char text[PHRASE_BYTES];
    const struct registered *what = record_what(&node->disk, seq);
    const char *level =
        what->type == RECORD_WRITE ? ack_level_name(world->writes[what->number].ack) : "NONE";
    say(transcript, node->id.text, "archives %s (acknowledged: %s)",
        phrase_records(transcript, &node->disk, seq, seq, text), level);
}

/* ---- What it is ------------------------------------------------------------------------------ */

static void watch_state(struct transcript *transcript, struct node *node)
{
    struct seen *seen = &transcript->seen[node->index];
    struct core_freshness fresh;
    core_view_freshness(&node->view, node->view.applied, local_ns(transcript->world, node), &fresh);
    if (fresh.state != seen->state)
        say(transcript, node->id.text, "is %s", candor_state_name(fresh.state));
    seen->state = fresh.state;
    if (fresh.cut_off != seen->cut_off && fresh.cut_off != CANDOR_CUT_OFF_NO)
        say(transcript, node->id.text, "is cut off: %s", candor_cut_off_name(fresh.cut_off));
    seen->cut_off = fresh.cut_off;
}

static void watch_relay(struct transcript *transcript, const struct node *node)
{
    struct seen *seen = &transcript->seen[node->index];
    struct candor_node_id relay = node->view.relay;
    if (node_id_equal(relay, seen->relay))
        return;
    if (node_id_empty(relay))
        say(transcript, node->id.text, "%s relays no more", seen->relay.text);
    else
        say(transcript, node->id.text, "hears %s through %s", node->view.epoch.owner.text,
            relay.text);
    seen->relay = relay;
}

void watch_states(struct transcript *transcript)
{
    struct world *world = transcript->world;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (!node->up || node->paused_until_ns > world->now_ns)
            continue;
        watch_state(transcript, node);
        watch_relay(transcript, node);
    }
}

static void changed(struct transcript *transcript, struct node *node)
{
    struct seen *seen = &transcript->seen[node->index];
    const struct core_view *view = &node->view;
    char epoch[EPOCH_TEXT_BYTES];
    bool leads = view->role == CANDOR_ROLE_PRIMARY;
    bool led = seen->role == CANDOR_ROLE_PRIMARY;
    if (leads && !led)
        say(transcript, node->id.text, "is primary of %s", epoch_text(view->epoch, epoch));
    else if (led && !leads)
        say(transcript, node->id.text, "steps down: %s", candor_role_name(view->role));
    else if (seen->role != CANDOR_ROLE_UNKNOWN && view->role != seen->role)
        say(transcript, node->id.text, "is a %s", candor_role_name(view->role));
    if (leads && led && view->accepts_writes != seen->accepts_writes)
        say(transcript, node->id.text, view->accepts_writes ? "takes writes" : "takes no writes");
    if (view->admitted && !seen->admitted)
        say(transcript, node->id.text, "its disk %" PRIu64 " is admitted", view->store_id);
    seen->role = view->role;
    seen->accepts_writes = view->accepts_writes;
    seen->admitted = view->admitted;
    if (leads) /* stored with the EPOCH_START */
        seen->saved = node->disk.epoch;
    watch_state(transcript, node);
}

void watch_stepped(struct world *world, struct node *node, const struct core_event *event)
{
    struct transcript *transcript = transcript_of(world);
    if (event != NULL)
        took(transcript, node, event);
    changed(transcript, node);
}

void watch_started(struct world *world, struct node *node)
{
    struct transcript *transcript = transcript_of(world);
    const struct disk *disk = &node->disk;
    char pos[POS_TEXT_BYTES];
    const char *end = disk->last > 0 ? pos_text(disk_pos(disk, disk->last), pos) : "nothing";
    transcript->seen[node->index] = (struct seen){
        .saved = disk->epoch,
        .stored = disk->last,
        .answered = disk->last,
        .admitted = node->view.admitted,
        .role = node->view.role,
    };
    say(transcript, node->id.text,
        "starts on disk %" PRIu64 ", which holds %s, known commit %" PRIu64, disk->store_id, end,
        disk->commit);
    watch_state(transcript, node);
}

/* ---- What it sends and wants ----------------------------------------------------------------- */

static bool is_of_lives(const struct core_msg *msg)
{
    return msg->type == CORE_MSG_LIFE || msg->type == CORE_MSG_LIFE_ANSWER;
}

static void sends(struct transcript *transcript, const struct node *node, const char *to,
                  const struct core_msg *msg)
{
    char text[PHRASE_BYTES];
    if (!is_of_lives(msg) || (transcript->shown & SHOW_LIVES) != 0)
        say_to(transcript, (const char *[2]){node->id.text, to}, "%s",
               phrase_message(transcript, msg, text));
}

static void says_who_differs(struct transcript *transcript, const struct node *node,
                             const struct core_verdicts *verdicts)
{
    struct seen *seen = &transcript->seen[node->index];
    uint64_t differs[SIM_NODES] = {0};
    for (uint32_t i = 0; i < verdicts->count; i++) {
        const struct core_state_verdict *verdict = &verdicts->list[i];
        uint32_t index = find_node(transcript->world, verdict->node)->index;
        differs[index] = verdict->differs_seq;
        if (verdict->differs_seq != 0 && verdict->differs_seq != seen->differs[index])
            say_to(transcript, (const char *[2]){node->id.text, "*"},
                   "Heartbeat: the data of %s differ since %" PRIu64 "%s", verdict->node.text,
                   verdict->differs_seq,
                   verdict->vouched ? ", and a majority agrees with mine" : "");
    }
    memcpy(seen->differs, differs, sizeof differs);
}

static void publishes(struct transcript *transcript, const struct node *node,
                      const struct core_msg *msg)
{
    struct seen *seen = &transcript->seen[node->index];
    if (msg->type == CORE_MSG_RECORDS || (transcript->shown & SHOW_STREAM) != 0)
        sends(transcript, node, "*", msg);
    if (msg->type != CORE_MSG_HEARTBEAT)
        return;
    struct candor_node_id successor = msg->heartbeat.successor;
    if (!node_id_equal(successor, seen->successor) && !node_id_empty(successor))
        say_to(transcript, (const char *[2]){node->id.text, "*"}, "Heartbeat: %s shall take over",
               successor.text);
    seen->successor = successor;
    says_who_differs(transcript, node, &msg->heartbeat.verdicts);
}

static void answers(struct transcript *transcript, const struct node *node,
                    const struct core_action_answer *answer)
{
    const struct ticket *asked = ticket_find(node, answer->ticket);
    if (asked != NULL && asked->caller < SIM_NODES)
        sends(transcript, node, transcript->world->nodes[asked->caller].id.text, answer->msg);
}

void watch_served(struct world *world, struct node *node, uint32_t caller,
                  const struct core_msg *msg)
{
    sends(transcript_of(world), node, world->nodes[caller].id.text, msg);
}

static void opened(struct transcript *transcript, const struct node *node,
                   const struct core_failover *failover)
{
    static const char *const causes[] = {
        [CORE_FAILOVER_FOUNDING] = "the founding",     [CORE_FAILOVER_ELECTION] = "an election",
        [CORE_FAILOVER_PROMOTION] = "a promotion",     [CORE_FAILOVER_TRANSFER] = "a transfer",
        [CORE_FAILOVER_FORCED] = "a forced promotion", [CORE_FAILOVER_RESUMED] = "its own return",
    };
    char epoch[EPOCH_TEXT_BYTES];
    if (failover->cause == CORE_FAILOVER_SEEN)
        say(transcript, node->id.text, "follows %s", epoch_text(failover->epoch, epoch));
    else
        say(transcript, node->id.text, "%s began with %s", epoch_text(failover->epoch, epoch),
            causes[failover->cause]);
}

static void wants_snapshot(struct transcript *transcript, const struct node *node,
                           const struct core_action_fetch_snapshot *fetch)
{
    say_to(transcript, (const char *[2]){node->id.text, fetch->peer.text},
           fetch->seq > 0 ? "Snapshot, of %" PRIu64 " or later" : "Snapshot", fetch->seq);
}

void watch_acts(struct world *world, struct node *node, const struct core_action *action)
{
    struct transcript *transcript = transcript_of(world);
    switch (action->type) {
    case CORE_ACTION_PUBLISH:
        publishes(transcript, node, action->publish.msg);
        break;
    case CORE_ACTION_CALL:
        sends(transcript, node, action->call.peer.text, action->call.msg);
        break;
    case CORE_ACTION_ANSWER:
        answers(transcript, node, &action->answer);
        break;
    case CORE_ACTION_COMMIT:
        say(transcript, node->id.text, "commit %" PRIu64, action->commit.seq);
        break;
    case CORE_ACTION_FETCH_SNAPSHOT:
        wants_snapshot(transcript, node, &action->fetch_snapshot);
        break;
    case CORE_ACTION_DROP_SNAPSHOT:
        say(transcript, node->id.text, "drops the snapshot");
        break;
    case CORE_ACTION_RENEW:
        say(transcript, node->id.text, "its disk is an older copy: takes a new disk id, restarts");
        break;
    case CORE_ACTION_STOP:
        say(transcript, node->id.text, "stops: %s", action->end.text);
        break;
    case CORE_ACTION_FAILOVER:
        opened(transcript, node, &action->failover);
        break;
    case CORE_ACTION_LOG:
        if ((transcript->shown & SHOW_LOG) != 0)
            say(transcript, node->id.text, "log: %s", action->log.text);
        break;
    default: /* the writer's work is shown when it is done, replies where they are given */
        break;
    }
}
