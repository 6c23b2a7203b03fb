/* Looks for rot in what nobody reads: log, checkpoint, archives, and the state itself, once an interval and with pauses, on a thread
 * of its own. What it finds in the state is as when a read finds it; the rest is told in log and Status: the node goes on. */
#include "node/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* It works a fifth of the time, so that the disk stays the others'. */
enum { REST_SHARE = 4 };

static bool rest_ns(struct node *node, uint64_t ns)
{
    struct scrub *s = &node->scrub;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec += (long)(ns % NS_PER_S);
    if (until.tv_nsec >= (long)NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= (long)NS_PER_S;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->stop && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
        ;
    bool goes_on = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

/* Between two pieces of work: as long again as the last one took, several times. */
static bool pause_between(void *closure)
{
    struct node *node = closure;
    uint64_t worked_ns = clock_boot_ns() - node->scrub.piece_ns;
    bool goes_on = rest_ns(node, worked_ns * REST_SHARE);
    node->scrub.piece_ns = clock_boot_ns();
    return goes_on;
}

static void found(struct node *node, const char *what, const struct candor_error *err)
{
    struct scrub *s = &node->scrub;
    log_error("scrub_found", "in=%s what=\"%s\"", what, err->message);
    pthread_mutex_lock(&s->lock);
    s->findings++;
    snprintf(s->finding, sizeof s->finding, "%s: %s", what, err->message);
    pthread_mutex_unlock(&s->lock);
}

/* ---- What is looked at ---------------------------------------------------------------------------------------- */

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
    if (snapshot_verify(node, &err) != CANDOR_DATA_LOSS)
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
    if (archive_list(node->archive_dir, &list, &count, &err) != CANDOR_OK)
        return; /* a shortage: another time */
    for (size_t i = 0; i < count && pause_between(node); i++) {
        struct archive_summary summary;
        err = (struct candor_error){0};
        enum candor_code code =
            archive_read(node->archive_dir, list[i].id, 0, &summary, each_op, NULL, &err);
        if (code == CANDOR_DATA_LOSS)
            found(node, "archive", &err);
    }
    free(list);
}

static void scrub_state(struct node *node)
{
    struct candor_error err = {0};
    struct state_digest kept;
    struct state_view *view = state_view_begin(node->state);
    enum candor_code code = state_view_check(view, &err);
    if (code == CANDOR_OK)
        code = state_view_digest(view, &kept, &err);
    state_view_end(view);
    if (code == CANDOR_DATA_LOSS)
        node_fatal(node, &err); /* as when it is read: nothing of it may be shown */
}

static void scrub_all(struct node *node)
{
    struct scrub *s = &node->scrub;
    uint64_t began_ns = s->piece_ns = clock_boot_ns();
    uint64_t before = s->findings;
    scrub_state(node);
    if (pause_between(node))
        scrub_checkpoint(node);
    if (pause_between(node))
        scrub_log(node);
    if (pause_between(node))
        scrub_archives(node);
    pthread_mutex_lock(&s->lock);
    bool whole = !s->stop;
    if (whole)
        s->finished_ns = clock_boot_ns();
    if (whole && s->findings == before)
        s->finding[0] = '\0'; /* what was there is no more */
    pthread_mutex_unlock(&s->lock);
    if (whole)
        log_info("scrubbed", "findings=%" PRIu64 " ms=%" PRIu64, s->findings - before,
                 (clock_boot_ns() - began_ns) / NS_PER_MS);
}

/* ---- The thread --------------------------------------------------------------------------------------------------- */

static void *scrub_thread(void *closure)
{
    struct node *node = closure;
    uint64_t interval_ns = node->topology->scrub_interval_ms * NS_PER_MS;
    while (rest_ns(node, interval_ns))
        scrub_all(node);
    return NULL;
}

void scrub_status(struct node *node, struct scrub_report *out)
{
    struct scrub *s = &node->scrub;
    pthread_mutex_lock(&s->lock);
    *out = (struct scrub_report){.finished_ns = s->finished_ns, .findings = s->findings};
    memcpy(out->finding, s->finding, sizeof out->finding);
    pthread_mutex_unlock(&s->lock);
}

enum candor_code scrub_start(struct node *node, struct candor_error *err)
{
    if (node->topology->scrub_interval_ms == 0)
        return CANDOR_OK;
    if (pthread_create(&node->scrub.thread, NULL, scrub_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the scrub thread");
    pthread_setname_np(node->scrub.thread, "scrub");
    node->scrub.running = true;
    return CANDOR_OK;
}

void scrub_stop(struct node *node)
{
    struct scrub *s = &node->scrub;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->running)
        pthread_join(s->thread, NULL);
    s->running = false;
}
