/* Looks for rot in what nobody reads: log, checkpoint, archives, and the state itself, once an
 * interval and with pauses, on a thread of its own. What it finds in the state is as when a read
 * finds it; the rest is told in log and Status: the node goes on. */
#include "node/store/scrub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/memory.h"
#include "log/log.h"
#include "node/shared/event.h"
#include "node/shared/fatal.h"
#include "node/shared/node_state.h"
#include "node/shared/side_thread.h"
#include "node/store/snapshot.h"
#include "record/batch.h"
#include "state/archive.h"
#include "state/state.h"
#include "topology/topology.h"

/* It works a fifth of the time, so that the disk stays the others'. */
enum { REST_SHARE = 4 };
#define PIECE_NS_LEAST (5 * NS_PER_MS)

enum { PIECE_BYTES = 16 << 20 };

/* As long again as the last piece took, several times; at once while that was short. */
static bool pause_between(void *closure)
{
    struct node *node = closure;
    struct scrub *s = node->scrub;
    uint64_t worked_ns = clock_boot_ns() - s->piece_ns;
    if (worked_ns < PIECE_NS_LEAST)
        return side_thread_rest(&s->side, 0);
    bool goes_on = side_thread_rest(&s->side, worked_ns * REST_SHARE);
    s->piece_ns = clock_boot_ns();
    return goes_on;
}

static void found(struct node *node, const char *what, const struct candor_error *err)
{
    struct scrub *s = node->scrub;
    log_error("scrub_found", "in=%s what=\"%s\"", what, err->message);
    pthread_mutex_lock(&s->side.lock);
    s->findings++;
    snprintf(s->finding, sizeof s->finding, "%s: %s", what, err->message);
    pthread_mutex_unlock(&s->side.lock);
}

/* The core learns that its log begins behind the rot before it gets the question that met it. */
void scrub_met_rot(struct node *node, uint64_t seq, const struct candor_error *err)
{
    uint64_t end_seq = log_segment_end(node->log, seq);
    if (snapshots_instead_of_log(node, end_seq))
        found(node, "log", err);
    struct node_event *event = event_new(CORE_EVENT_TRIMMED);
    event->core.trimmed.log_first = end_seq + 1;
    event_push(node, event);
}

/* ---- What is looked at ----------------------------------------------------------------------- */

static void scrub_log(struct node *node)
{
    struct candor_error err = {0};
    if (log_scrub(node->log, pause_between, node, &err) == CANDOR_DATA_LOSS)
        found(node, "log", &err);
}

/* A fresh one takes its place: the state that it is made from is verified first. */
static void scrub_checkpoint(struct node *node)
{
    struct candor_error err = {0};
    if (snapshot_verify(node, &(struct pace){pause_between, node}, &err) != CANDOR_DATA_LOSS)
        return;
    found(node, "checkpoint", &err);
    snapshots_renew(node);
}

static bool each_op(const struct record *record, uint32_t op_index, const struct archive_op *op,
                    void *closure)
{
    (void)record;
    (void)op_index;
    (void)op;
    (void)closure;
    return true;
}

static void scrub_archives(struct node *node)
{
    struct archive_summary *list = NULL;
    size_t count = 0;
    struct candor_error err = {0};
    /* a shortage: another time */
    if (archive_list(node->archive_dir, &list, &count, &err) != CANDOR_OK)
        return;
    for (size_t i = 0; i < count && pause_between(node); i++) {
        struct archive_summary summary;
        err = (struct candor_error){0};
        if (archive_read(node->archive_dir, list[i].id, 0, &summary, each_op, NULL, &err) !=
                CANDOR_OK &&
            archive_is_damaged(&err))
            found(node, "archive", &err);
    }
    free(list);
}

/* A part of the state, in one view: long ones would keep the writer from reusing pages. */
struct part {
    struct buffer after; /* the last key that was read */
    uint64_t bytes;
};

static bool each_item(const struct state_item *item, void *closure)
{
    struct part *part = closure;
    buffer_clear(&part->after);
    buffer_put(&part->after, item->key.bytes, item->key.length);
    part->bytes += item->key.length + item->value.length;
    return part->bytes < PIECE_BYTES;
}

static void scrub_state(struct node *node)
{
    struct part part = {0};
    struct candor_error err = {0};
    enum candor_code code = CANDOR_OK;
    do {
        part.bytes = 0;
        struct state_scan scan = {.after = buffer_slice(&part.after)};
        struct buffer after = {0}; /* the scan's own: `part.after` moves on */
        buffer_put(&after, scan.after.bytes, scan.after.length);
        scan.after = buffer_slice(&after);
        struct state_view *view = state_view_begin(node->state);
        state_scan(view, &scan, each_item, &part);
        code = state_view_check(view, &err);
        state_view_end(view);
        buffer_free(&after);
    } while (code == CANDOR_OK && part.bytes >= PIECE_BYTES && pause_between(node));
    buffer_free(&part.after);
    /* as when it is read: nothing of it may be shown */
    if (code == CANDOR_DATA_LOSS)
        node_fatal(node, &err);
}

static void scrub_all(struct node *node)
{
    struct scrub *s = node->scrub;
    uint64_t began_ns = s->piece_ns = clock_boot_ns();
    uint64_t before = s->findings;
    scrub_state(node);
    if (pause_between(node))
        scrub_checkpoint(node);
    if (pause_between(node))
        scrub_log(node);
    if (pause_between(node))
        scrub_archives(node);
    pthread_mutex_lock(&s->side.lock);
    bool whole = !s->side.stop;
    if (whole)
        s->finished_ns = clock_boot_ns();
    /* what was there is no more */
    if (whole && s->findings == before)
        s->finding[0] = '\0';
    pthread_mutex_unlock(&s->side.lock);
    if (whole)
        log_info("scrubbed", "findings=%" PRIu64 " ms=%" PRIu64, s->findings - before,
                 (clock_boot_ns() - began_ns) / NS_PER_MS);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void *scrub_thread(void *closure)
{
    struct node *node = closure;
    uint64_t interval_ns = node->topology->scrub_interval_ms * NS_PER_MS;
    while (side_thread_rest(&node->scrub->side, interval_ns))
        scrub_all(node);
    return NULL;
}

void scrub_status(struct node *node, struct scrub_report *out)
{
    struct scrub *s = node->scrub;
    pthread_mutex_lock(&s->side.lock);
    *out = (struct scrub_report){.finished_ns = s->finished_ns, .findings = s->findings};
    memcpy(out->finding, s->finding, sizeof out->finding);
    pthread_mutex_unlock(&s->side.lock);
}

enum candor_code scrub_start(struct node *node, struct candor_error *err)
{
    if (node->topology->scrub_interval_ms == 0)
        return CANDOR_OK;
    return side_thread_start(&node->scrub->side, "scrub", scrub_thread, node, err);
}

void scrub_stop(struct node *node)
{
    side_thread_stop(&node->scrub->side);
}

struct scrub *scrub_new(void)
{
    struct scrub *made = memory_zeroed(1, sizeof *made);
    side_thread_init(&made->side);
    return made;
}

void scrub_free(struct scrub *scrub)
{
    side_thread_free(&scrub->side);
    free(scrub);
}
