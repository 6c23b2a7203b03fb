/* The feed itself: from the watch to the target. */
#include "cli/feed/feed_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/rng.h"
#include "cli/feed/feed_signals.h"

#define LOOK_MS 1000 /* of one poll of the watch: so long an end may take */
#define FIRST_LOOK_MS 1

struct feeding {
    const struct feed_arguments *arguments;
    const struct sink_ops *ops;
    struct candor_client *client;
    char feed[FEED_FEED_BYTES]; /* names this process */

    /* Of one connection to the target. */
    struct sink *sink;
    struct candor_watch *watch;
    struct mark mark;    /* of the next message; behind all that the target has */
    bool again;          /* the watch is to begin anew, from the mark */
    uint64_t record_seq; /* of the newest change of the answer, and which of its record's */
    uint32_t record_part;
    uint64_t told_upto;      /* of the newest message that says how far all was seen */
    uint64_t progress_at_ns; /* when the next one is due */
    bool stale;              /* as the target was told last */
    bool silent;             /* no node answers, and the log says so */
    struct feed_message message;

    uint64_t pause_ms; /* before the next connection */
    bool ready;        /* the line for stdout is printed */
};

/* ---- Messages -------------------------------------------------------------------------------- */

static enum candor_code add(struct feeding *feeding, struct candor_error *err)
{
    feeding->mark.number++;
    feed_message_mark(&feeding->message, &feeding->mark);
    return feeding->ops->add(feeding->sink, &feeding->message, err);
}

/* One message of the feed's own; the caller commits it. */
static enum candor_code add_control(struct feeding *feeding, enum feed_kind kind, uint64_t seq,
                                    const char *why, const struct candor_changes *changes,
                                    struct candor_error *err)
{
    struct feed_message *message = &feeding->message;
    feed_message_begin(message, kind, feeding->feed);
    feed_message_seq(message, seq);
    if (why != NULL)
        feed_message_why(message, why);
    feed_message_freshness(message, &changes->freshness);
    feed_message_archive(message, changes->archive_id);
    feeding->told_upto = seq;
    feeding->progress_at_ns = clock_boot_ns() + feeding->arguments->progress_ms * NS_PER_MS;
    return add(feeding, err);
}

static enum candor_code send_control(struct feeding *feeding, enum feed_kind kind, uint64_t seq,
                                     const char *why, const struct candor_changes *changes,
                                     struct candor_error *err)
{
    if (feeding->ops->begin(feeding->sink, err) != CANDOR_OK ||
        add_control(feeding, kind, seq, why, changes, err) != CANDOR_OK)
        return err->code;
    return feeding->ops->commit(feeding->sink, err);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static enum candor_code add_event(struct feeding *feeding, const struct candor_event *event,
                                  enum feed_kind kind, const struct candor_changes *changes,
                                  struct candor_error *err)
{
    feed_message_begin(&feeding->message, kind, feeding->feed);
    feed_message_event(&feeding->message, event, feeding->record_part);
    feed_message_freshness(&feeding->message, &changes->freshness);
    return add(feeding, err);
}

static enum candor_code add_change(struct feeding *feeding, const struct candor_event *event,
                                   const struct candor_changes *changes, struct candor_error *err)
{
    uint64_t seq = event->pos.seq;
    feeding->record_part = seq == feeding->record_seq ? feeding->record_part + 1 : 0;
    feeding->record_seq = seq;
    if (mark_has_change(&feeding->mark, seq, feeding->record_part))
        return CANDOR_OK;
    feeding->mark.told_seq = seq;
    feeding->mark.told_part = feeding->record_part;
    bool put = event->type == CANDOR_EVENT_PUT;
    return add_event(feeding, event, put ? FEED_PUT : FEED_DELETE, changes, err);
}

static enum candor_code add_state(struct feeding *feeding, const struct candor_event *event,
                                  const struct candor_changes *changes, struct candor_error *err)
{
    if (feeding->mark.key_length > 0 && mark_has_state(&feeding->mark, event->key))
        return CANDOR_OK;
    mark_set_key(&feeding->mark, event->key);
    return add_event(feeding, event, FEED_STATE, changes, err);
}

/* The present state follows, as if the feed had just begun with it. */
static void begin_state(struct mark *mark)
{
    mark->from = MARK_STATE;
    mark->telling = true;
    mark->cursor_length = mark->key_length = 0;
    mark->told_seq = 0;
    mark->told_part = 0;
}

/* What was taken back is not told change by change: the present state is what the target then has
 * to show, and a watch from now on would not say which keys have changed with it. */
static enum candor_code add_rolled_back(struct feeding *feeding, uint64_t from_seq,
                                        const struct candor_changes *changes,
                                        struct candor_error *err)
{
    log_warn("rolled_back", "from_seq=%" PRIu64 " node=%s archive=\"%s\" way=\"the present state\"",
             from_seq, changes->freshness.node, changes->archive_id);
    begin_state(&feeding->mark);
    feeding->again = true;
    return add_control(feeding, FEED_BEGIN, from_seq, "rolled-back", changes, err);
}

static enum candor_code add_compacted(struct feeding *feeding, uint64_t first_seq,
                                      const struct candor_changes *changes,
                                      struct candor_error *err)
{
    log_warn("compacted",
             "first_seq=%" PRIu64 " node=%s told_seq=%" PRIu64 " way=\"the present state\"",
             first_seq, changes->freshness.node, feeding->mark.told_seq);
    begin_state(&feeding->mark);
    return add_control(feeding, FEED_BEGIN, first_seq, "compacted", changes, err);
}

/* The last event of its answer: the cursor behind it is that of the changes that follow. */
static enum candor_code add_end(struct feeding *feeding, const struct candor_changes *changes,
                                struct candor_error *err)
{
    feeding->mark.key_length = 0;
    feeding->mark.telling = false;
    feeding->mark.from = MARK_CURSOR;
    feeding->mark.cursor_length = candor_watch_cursor(feeding->watch, feeding->mark.cursor);
    log_info("state_told", "seq=%" PRIu64, changes->seen_seq);
    return add_control(feeding, FEED_END, changes->seen_seq, NULL, changes, err);
}

static enum candor_code add_one(struct feeding *feeding, const struct candor_event *event,
                                const struct candor_changes *changes, struct candor_error *err)
{
    if (event->taken_back)
        return CANDOR_OK;
    switch (event->type) {
    case CANDOR_EVENT_PUT:
    case CANDOR_EVENT_DELETE:
        return add_change(feeding, event, changes, err);
    case CANDOR_EVENT_STATE:
        return add_state(feeding, event, changes, err);
    case CANDOR_EVENT_STATE_END:
        return add_end(feeding, changes, err);
    case CANDOR_EVENT_ROLLED_BACK:
        return add_rolled_back(feeding, event->pos.seq, changes, err);
    case CANDOR_EVENT_COMPACTED:
        return add_compacted(feeding, event->pos.seq, changes, err);
    }
    return candor_error_set(err, CANDOR_UNIMPLEMENTED, CANDOR_REASON_NONE,
                            "the watch tells of an event of kind %d, which this version does not "
                            "know",
                            (int)event->type);
}

/* Behind the whole answer. */
static void move_on(struct feeding *feeding)
{
    if (feeding->again)
        return;
    feeding->mark.key_length = 0;
    feeding->mark.cursor_length = candor_watch_cursor(feeding->watch, feeding->mark.cursor);
    feeding->mark.from = feeding->mark.cursor_length > 0 ? MARK_CURSOR : MARK_STATE;
}

static enum candor_code send_answer(struct feeding *feeding, const struct candor_changes *changes,
                                    struct candor_error *err)
{
    feeding->record_seq = 0;
    if (changes->count > 0 && feeding->ops->begin(feeding->sink, err) != CANDOR_OK)
        return err->code;
    for (size_t i = 0; i < changes->count; i++)
        if (add_one(feeding, &changes->events[i], changes, err) != CANDOR_OK)
            return err->code;
    if (changes->count > 0 && feeding->ops->commit(feeding->sink, err) != CANDOR_OK)
        return err->code;
    if (changes->count > 0)
        feeding->pause_ms = LIMIT_FEED_PAUSE_MS_MIN;
    log_debug("sent", "events=%zu seen_seq=%" PRIu64, changes->count, changes->seen_seq);
    move_on(feeding);
    return CANDOR_OK;
}

/* That all was seen up to there is news, too, and so is that it may be old. Within the present
 * state it is not so yet. */
static enum candor_code send_progress(struct feeding *feeding, const struct candor_changes *changes,
                                      struct candor_error *err)
{
    bool turned = changes->freshness.stale != feeding->stale;
    bool due = clock_boot_ns() >= feeding->progress_at_ns || feed_signals_ended();
    feeding->stale = changes->freshness.stale;
    if (feeding->mark.from != MARK_CURSOR || feeding->mark.telling ||
        !(turned || (due && changes->seen_seq != feeding->told_upto)))
        return CANDOR_OK;
    return send_control(feeding, FEED_PROGRESS, changes->seen_seq, NULL, changes, err);
}

/* ---- The watch ------------------------------------------------------------------------------- */

static struct candor_bytes prefix_of(const struct feeding *feeding)
{
    const char *prefix = feeding->arguments->prefix;
    return prefix == NULL ? (struct candor_bytes){0} : candor_text(prefix);
}

static enum candor_code open_watch(struct feeding *feeding, struct candor_error *err)
{
    const struct mark *mark = &feeding->mark;
    struct candor_watch_options options = {.prefix = prefix_of(feeding),
                                           .limit = LIMIT_FEED_RECORDS};
    switch (mark->from) {
    case MARK_NOW:
        break;
    case MARK_STATE:
        options.with_state = true;
        break;
    case MARK_SINCE: /* of the newest record not all changes may be there */
        options.since_seq = mark->told_seq + (mark->told_part == UINT32_MAX);
        break;
    case MARK_CURSOR:
        options.cursor = (struct candor_bytes){mark->cursor, mark->cursor_length};
        break;
    }
    candor_watch_close(feeding->watch);
    feeding->watch = NULL;
    feeding->again = false;
    return candor_watch_open(feeding->client, &options, &feeding->watch, err);
}

static bool is_passing(const struct candor_error *error)
{
    return error->code == CANDOR_UNAVAILABLE || error->code == CANDOR_DEADLINE_EXCEEDED ||
           error->reason == CANDOR_REASON_OVERLOADED;
}

static enum candor_code cannot_ask(struct candor_error *err)
{
    if (err->reason != CANDOR_REASON_FOREIGN_CLUSTER)
        return err->code;
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_FOREIGN_CLUSTER,
                            "the target was fed from another cluster: give this one a target of "
                            "its own");
}

/* The cluster is asked until it answers: the target waits. OK without `asked`: the end came. */
static enum candor_code ask(struct feeding *feeding, uint32_t wait_ms,
                            struct candor_changes *changes, bool *asked, struct candor_error *err)
{
    *asked = false;
    while (!feed_signals_ended()) {
        if (candor_watch_next(feeding->watch, wait_ms, changes, err) == CANDOR_OK) {
            if (feeding->silent)
                log_info("cluster_answers", "node=%s", changes->freshness.node);
            feeding->silent = false;
            *asked = true;
            return CANDOR_OK;
        }
        if (!is_passing(err))
            return cannot_ask(err);
        if (!feeding->silent)
            log_warn("no_node_answers", "error=\"%s\"", err->message);
        feeding->silent = true;
    }
    return CANDOR_OK;
}

/* ---- One connection -------------------------------------------------------------------------- */

/* Its first message, which says where it goes on, and to an earlier feed that it is over. */
struct opening {
    enum feed_kind kind;
    uint64_t seq;
    const char *why;
};

static struct opening open_blank(struct feeding *feeding)
{
    struct mark *mark = &feeding->mark;
    switch (feeding->arguments->begin) {
    case FEED_BEGIN_SINCE:
        mark->from = MARK_SINCE;
        mark->telling = false;
        mark->told_seq = feeding->arguments->since_seq - 1;
        mark->told_part = UINT32_MAX;
        return (struct opening){FEED_RESUME, mark->told_seq, "since"};
    case FEED_BEGIN_NOW:
        mark->from = MARK_NOW;
        mark->telling = false;
        return (struct opening){FEED_RESUME, 0, "from-now"};
    case FEED_BEGIN_PRESENT:
        break;
    }
    return (struct opening){FEED_BEGIN, 0, "first"};
}

static struct opening open_found(struct feeding *feeding, const struct mark *mark)
{
    log_info("resumes", "told_seq=%" PRIu64 " messages=%" PRIu64, mark->told_seq, mark->number);
    feeding->mark = *mark;
    if (mark->from != MARK_STATE)
        return (struct opening){FEED_RESUME, mark->told_seq, "resumed"};
    begin_state(&feeding->mark);
    return (struct opening){FEED_BEGIN, 0, "again"};
}

/* From what the target has: the mark, and what is to be said first. */
static enum candor_code find_mark(struct feeding *feeding, struct opening *out,
                                  struct candor_error *err)
{
    struct newest newest;
    struct mark *mark = &feeding->mark;
    *mark = (struct mark){.range = mark_range(prefix_of(feeding))};
    begin_state(mark);
    if (feeding->ops->newest(feeding->sink, &newest, err) != CANDOR_OK)
        return err->code;
    switch (newest.found) {
    case NEWEST_NONE:
        *out = open_blank(feeding);
        log_info("begins", "why=%s", out->why);
        return CANDOR_OK;
    case NEWEST_LOST:
        *out = (struct opening){FEED_BEGIN, 0, "cursor-lost"};
        log_warn("cursor_lost", "why=\"the target had messages, and the newest are gone\" "
                                "way=\"the present state\"");
        return CANDOR_OK;
    case NEWEST_FOUND:
        break;
    }
    if (newest.mark.range != mark->range)
        return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                                "the target is fed with other keys than those of --prefix '%s': "
                                "give each prefix a target of its own",
                                feeding->arguments->prefix == NULL ? ""
                                                                   : feeding->arguments->prefix);
    *out = open_found(feeding, &newest.mark);
    return CANDOR_OK;
}

/* The cluster answers before anything is written: a target that is not its own stays as it is. */
static enum candor_code begin(struct feeding *feeding, struct candor_changes *changes, bool *asked,
                              struct candor_error *err)
{
    struct opening opening = {0};
    *asked = false;
    if (find_mark(feeding, &opening, err) != CANDOR_OK || open_watch(feeding, err) != CANDOR_OK ||
        ask(feeding, FIRST_LOOK_MS, changes, asked, err) != CANDOR_OK)
        return err->code;
    if (!*asked)
        return CANDOR_OK;
    if (feeding->mark.from == MARK_NOW) { /* now is known, and nothing has happened since */
        opening.seq = changes->seen_seq;
        move_on(feeding);
    }
    return send_control(feeding, opening.kind, opening.seq, opening.why, changes, err);
}

static void print_ready(struct feeding *feeding)
{
    const struct feed_arguments *arguments = feeding->arguments;
    if (feeding->ready)
        return;
    feeding->ready = true;
    logging_print("ready feeds=%s", arguments->nats != NULL ? arguments->stream : arguments->topic);
}

static enum candor_code feed(struct feeding *feeding, struct candor_error *err)
{
    struct candor_changes changes;
    bool asked;
    if (begin(feeding, &changes, &asked, err) != CANDOR_OK)
        return err->code;
    if (asked)
        print_ready(feeding);
    while (asked) {
        if (send_answer(feeding, &changes, err) != CANDOR_OK ||
            send_progress(feeding, &changes, err) != CANDOR_OK ||
            (feeding->again && open_watch(feeding, err) != CANDOR_OK) ||
            ask(feeding, LOOK_MS, &changes, &asked, err) != CANDOR_OK)
            return err->code;
    }
    return CANDOR_OK;
}

static enum candor_code connect_and_feed(struct feeding *feeding, struct candor_error *err)
{
    *err = (struct candor_error){0};
    if (feeding->ops->open(feeding->arguments, feeding->feed, &feeding->sink, err) != CANDOR_OK)
        return err->code;
    enum candor_code code = feed(feeding, err);
    candor_watch_close(feeding->watch);
    feeding->watch = NULL;
    feeding->ops->close(feeding->sink);
    feeding->sink = NULL;
    return code;
}

/* ---- Connection after connection ------------------------------------------------------------- */

static int status_of(const struct candor_error *error)
{
    switch (error->code) {
    case CANDOR_ABORTED:
        return FEED_EXIT_FENCED;
    case CANDOR_INVALID_ARGUMENT:
    case CANDOR_NOT_FOUND:
    case CANDOR_FAILED_PRECONDITION:
    case CANDOR_OUT_OF_RANGE:
        return FEED_EXIT_USAGE;
    default:
        return FEED_EXIT_OTHER;
    }
}

static void pause_and_grow(struct feeding *feeding, const struct candor_error *error)
{
    log_warn("target_failed", "error=\"%s\" again_in_ms=%" PRIu64, error->message,
             feeding->pause_ms);
    feed_signals_pause(feeding->pause_ms);
    feeding->pause_ms *= 2;
    if (feeding->pause_ms > LIMIT_FEED_PAUSE_MS_MAX)
        feeding->pause_ms = LIMIT_FEED_PAUSE_MS_MAX;
}

int feed_run(const struct feed_arguments *arguments, const struct sink_ops *ops,
             struct candor_client *client)
{
    struct feeding feeding = {
        .arguments = arguments, .ops = ops, .client = client, .pause_ms = LIMIT_FEED_PAUSE_MS_MIN};
    struct candor_error error = {0};
    snprintf(feeding.feed, sizeof feeding.feed, "%016" PRIx64, random_u64_nonzero());
    while (!feed_signals_ended()) {
        uint64_t began_ns = clock_boot_ns();
        if (connect_and_feed(&feeding, &error) == CANDOR_OK)
            break;
        if (clock_boot_ns() - began_ns > LIMIT_FEED_PAUSE_MS_MAX * NS_PER_MS)
            feeding.pause_ms = LIMIT_FEED_PAUSE_MS_MIN;
        if (!is_passing(&error)) {
            fprintf(stderr, "candor-feed: %s: %s\n", candor_code_name(error.code), error.message);
            return status_of(&error);
        }
        pause_and_grow(&feeding, &error);
    }
    log_info("ended", "told_seq=%" PRIu64 " messages=%" PRIu64, feeding.mark.told_seq,
             feeding.mark.number);
    return FEED_EXIT_DONE;
}
