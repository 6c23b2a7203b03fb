/* Watches that wait for something to happen in their range (R41): a record each, no thread, no view
 * of the state. One thread looks at what was recorded, once for all of them, finds whom it
 * concerns by key, and hands those back; so it does with those whose time is over.
 *
 * Threads: any, unless said otherwise. */
#ifndef NODE_WATCHERS_H
#define NODE_WATCHERS_H

#include <stdbool.h>

#include <candor/status.h>

#include "base/intervals.h"
#include "base/types.h"
#include "core/core.h"

struct node;
struct watchers;

/* Part of a watch's call. */
struct watcher {
    /* The caller's, set before it waits. */
    struct interval range; /* first */
    bool uncommitted;
    uint64_t until_ns;        /* CLOCK_BOOTTIME */
    struct candor_token seen; /* what was recorded up to there has been looked at */
    uint64_t rewinds;         /* of the state that `seen` is of */
    /* Takes all that wait no longer, linked by `next`; they are the caller's again. Their `seen`
     * has moved on. It must not block. */
    void (*woken)(struct node *node, struct watcher *first);
    struct watcher *next;
    /* Of the watchers. */
    uint32_t slot;
    bool waits;
    bool gone;
};

struct watchers *watchers_new(void);
void watchers_free(struct watchers *watchers); /* when its thread has ended */
enum candor_code watchers_start(struct node *node, struct candor_error *err);
/* Nobody waits from now on: who does is woken. */
void watchers_close(struct node *node);
/* Its thread ends. */
void watchers_stop(struct node *node);

enum watchers_wait {
    WATCHERS_WAITS,  /* it is theirs; `woken` may have been called already */
    WATCHERS_GO_ON,  /* something has happened since `seen`: look at it first */
    WATCHERS_REFUSE, /* too many wait, the node stops, or its caller is gone */
};
enum watchers_wait watchers_wait(struct node *node, struct watcher *watcher);
/* Its caller is gone: it is woken if it waits, and does not wait any more. */
void watchers_gone(struct node *node, struct watcher *watcher);
/* (node thread) What the node shows has changed, perhaps. */
void watchers_see(struct node *node, const struct core_view *view);
uint32_t watchers_count(const struct node *node);

#endif
