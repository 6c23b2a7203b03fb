/* Watches that wait for something to happen in their range. */
#include "node/serve/watchers.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/memory.h"
#include "log/log.h"
#include "node/serve/watch_token.h"
#include "node/shared/node_state.h"
#include "node/shared/side_thread.h"
#include "node/shared/view.h"
#include "record/batch.h"
#include "state/state.h"

/* Those who are told what is committed, and those who are told all, wait apart: each group has
 * been looked up to another record. */
struct group {
    struct intervals ranges;
    struct place {
        struct candor_token seen; /* looked at, for all that wait */
        uint64_t rewinds;         /* of the state that this is of */
    } at;
    bool uncommitted;
    _Atomic uint32_t count;
};

struct watchers {
    struct side_thread side; /* its lock: of `changed` */
    bool changed;
    pthread_mutex_t lock; /* of what follows, but for `trigger`; held for a piece of the log */
    struct group groups[2];
    struct watcher **slots; /* LIMIT_WATCHES, once somebody waits */
    uint32_t *free_slots;
    uint32_t free_count;
    struct heap times; /* of slots, by until_ns */
    bool closed;
    /* (node thread) What it last saw. */
    struct trigger {
        uint64_t upto[2]; /* of each group */
        uint64_t rewinds;
        bool shows_nothing;
    } trigger;
};

/* ---- Those who wait (with the lock) ---------------------------------------------------------- */

static struct group *group_of(struct watchers *watchers, const struct watcher *watcher)
{
    return &watchers->groups[watcher->uncommitted ? 1 : 0];
}

/* False: no memory. */
static bool has_slots(struct watchers *watchers)
{
    if (watchers->slots != NULL)
        return true;
    struct watcher **slots = calloc(LIMIT_WATCHES, sizeof *slots);
    uint32_t *free_slots = calloc(LIMIT_WATCHES, sizeof *free_slots);
    if (slots == NULL || free_slots == NULL || !heap_reserve(&watchers->times, LIMIT_WATCHES)) {
        free(slots);
        free(free_slots);
        return false;
    }
    for (uint32_t i = 0; i < LIMIT_WATCHES; i++)
        free_slots[i] = LIMIT_WATCHES - 1 - i;
    watchers->slots = slots;
    watchers->free_slots = free_slots;
    watchers->free_count = LIMIT_WATCHES;
    return true;
}

static void enter(struct watchers *watchers, struct watcher *watcher)
{
    uint32_t slot = watchers->free_slots[--watchers->free_count];
    watchers->slots[slot] = watcher;
    watcher->slot = slot;
    watcher->waits = true;
    heap_put(&watchers->times, slot, watcher->until_ns);
    struct group *group = group_of(watchers, watcher);
    intervals_put(&group->ranges, &watcher->range);
    atomic_fetch_add(&group->count, 1);
}

/* Onto the list of those who are woken. What was looked at for all, was for this one, too. */
static void leave(struct watchers *watchers, struct watcher *watcher, struct watcher **woken)
{
    struct group *group = group_of(watchers, watcher);
    intervals_remove(&group->ranges, &watcher->range);
    heap_remove(&watchers->times, watcher->slot);
    watchers->slots[watcher->slot] = NULL;
    watchers->free_slots[watchers->free_count++] = watcher->slot;
    watcher->waits = false;
    if (group->at.seen.pos.seq > watcher->seen.pos.seq)
        watcher->seen = group->at.seen;
    watcher->next = *woken;
    *woken = watcher;
    atomic_fetch_sub(&group->count, 1);
}

static void leave_all(struct watchers *watchers, struct group *group, struct watcher **woken)
{
    while (group->ranges.count > 0)
        leave(watchers, (struct watcher *)intervals_any(&group->ranges), woken);
}

static void leave_late(struct watchers *watchers, struct watcher **woken)
{
    uint64_t now_ns = clock_boot_ns();
    const struct heap_entry *first;
    while ((first = heap_first(&watchers->times)) != NULL && first->key <= now_ns)
        leave(watchers, watchers->slots[first->item], woken);
}

/* Without the lock. */
static void wake(struct node *node, struct watcher *woken)
{
    if (woken != NULL)
        woken->woken(node, woken);
}

/* ---- Looking at what was recorded (its thread) ----------------------------------------------- */

struct look {
    struct watchers *watchers;
    struct group *group;
    uint64_t seq;
    struct watcher *found; /* by `next` */
    struct watcher **woken;
};

static void note(struct interval *interval, void *closure)
{
    struct look *look = closure;
    struct watcher *watcher = (struct watcher *)interval;
    if (watcher->seen.pos.seq >= look->seq)
        return;
    watcher->next = look->found;
    look->found = watcher;
}

/* Whom it concerns leaves at once: found once is enough. */
static void look_at_op(struct look *look, const struct record_op *op)
{
    struct watcher *next;
    look->found = NULL;
    intervals_find(&look->group->ranges, op->key, note, look);
    for (struct watcher *watcher = look->found; watcher != NULL; watcher = next) {
        next = watcher->next;
        leave(look->watchers, watcher, look->woken);
    }
}

static void look_at_record(struct look *look, const struct record *record)
{
    struct slice ops = record->ops;
    struct record_op op;
    look->seq = record->seq;
    while (record->type == RECORD_WRITE && look->group->ranges.count > 0 &&
           record_op_next(&ops, &op))
        look_at_op(look, &op);
}

/* False: they do not decode. */
static bool look_at_batches(struct look *look, struct slice bytes)
{
    struct batch batch;
    while (bytes.length > 0) {
        if (batch_decode(&bytes, &batch, NULL) != CANDOR_OK)
            return false;
        size_t cursor = 0;
        struct record record;
        while (batch_next(&batch, &cursor, &record))
            look_at_record(look, &record);
    }
    return true;
}

/* Whom the records concern leaves, and has not seen them; the others have. False: as above. */
static bool take_records(struct watchers *watchers, struct group *group, struct slice batches,
                         const struct core_view *view, struct state_view *data,
                         struct watcher **woken)
{
    struct look look = {
        .watchers = watchers, .group = group, .seq = group->at.seen.pos.seq, .woken = woken};
    if (!look_at_batches(&look, batches))
        return false;
    group->at.seen = watch_token_at(view, data, look.seq);
    return true;
}

/* What there is to look at, and what was read of it. */
struct piece {
    struct core_view view;
    struct state_view *data;
    bool possible; /* the place is still one of this log, and the node shows what it has */
    bool behind;
    struct buffer *batches;
};

/* Nothing was taken back since the data were opened: the log read since is theirs. */
static bool is_of_data(struct node *node, const struct piece *piece)
{
    struct state_view *now = state_view_begin(node->state);
    uint64_t rewinds = state_view_rewinds(now);
    state_view_end(now);
    return rewinds == state_view_rewinds(piece->data) && rewinds == piece->view.rewinds;
}

static void read_piece(struct node *node, const struct place *from, bool uncommitted,
                       struct piece *piece)
{
    piece->data = state_view_begin(node->state);
    view_read_without_peers(&node->view, &piece->view);
    uint64_t applied = state_view_applied(piece->data).seq;
    uint64_t upto = core_view_watch_upto(&piece->view, applied, uncommitted);
    piece->behind = upto > from->seen.pos.seq;
    piece->possible = state_view_rewinds(piece->data) == from->rewinds && !piece->view.forked &&
                      !piece->view.doubtful;
    buffer_clear(piece->batches);
    if (piece->possible && piece->behind)
        piece->possible = log_read(node->log, from->seen.pos.seq + 1, upto, LIMIT_WATCH_READ_BYTES,
                                   piece->batches, NULL) == CANDOR_OK &&
                          piece->batches->length > 0 && is_of_data(node, piece);
}

static bool same_place(const struct place *a, const struct place *b)
{
    return a->rewinds == b->rewinds && a->seen.pos.seq == b->seen.pos.seq;
}

/* False: there is no more to look at for now. Where the look is not possible all are woken: each
 * finds out for itself what has become of its range. */
static bool look_on(struct node *node, struct group *group, const struct place *from,
                    struct buffer *batches)
{
    struct watchers *watchers = node->watchers;
    struct watcher *woken = NULL;
    struct piece piece = {.batches = batches};
    read_piece(node, from, group->uncommitted, &piece);
    pthread_mutex_lock(&watchers->lock);
    /* Else all of them have left meanwhile, and others wait, from another place on. */
    if (same_place(&group->at, from)) {
        if (piece.possible && piece.behind)
            piece.possible = take_records(watchers, group, buffer_slice(batches), &piece.view,
                                          piece.data, &woken);
        if (!piece.possible)
            leave_all(watchers, group, &woken);
    }
    pthread_mutex_unlock(&watchers->lock);
    state_view_end(piece.data);
    wake(node, woken);
    return piece.behind;
}

/* False: nobody waits. */
static bool place_of(struct watchers *watchers, const struct group *group, struct place *out)
{
    pthread_mutex_lock(&watchers->lock);
    bool waiting = group->ranges.count > 0;
    *out = group->at;
    pthread_mutex_unlock(&watchers->lock);
    return waiting;
}

static void look_at_all(struct node *node, struct buffer *batches)
{
    struct place from;
    for (size_t i = 0; i < 2; i++) {
        struct group *group = &node->watchers->groups[i];
        while (place_of(node->watchers, group, &from) && look_on(node, group, &from, batches))
            ;
    }
}

/* When the first one's time is over; 0: nobody waits. */
static uint64_t first_time_ns(struct watchers *watchers)
{
    pthread_mutex_lock(&watchers->lock);
    const struct heap_entry *first = heap_first(&watchers->times);
    uint64_t at_ns = first != NULL ? first->key : 0;
    pthread_mutex_unlock(&watchers->lock);
    return at_ns;
}

/* Until something changes, or that time comes. False: the thread is to end. */
static bool rest(struct watchers *watchers, uint64_t until_ns, bool *changed)
{
    struct side_thread *side = &watchers->side;
    pthread_mutex_lock(&side->lock);
    if (!watchers->changed && !side->stop && until_ns == 0)
        pthread_cond_wait(&side->changed, &side->lock);
    if (!watchers->changed && !side->stop && until_ns != 0) {
        struct timespec until = side_thread_until(saturating_sub(until_ns, clock_boot_ns()));
        (void)pthread_cond_timedwait(&side->changed, &side->lock, &until);
    }
    *changed = watchers->changed;
    watchers->changed = false;
    bool goes_on = !side->stop;
    pthread_mutex_unlock(&side->lock);
    return goes_on;
}

static void wake_late(struct node *node)
{
    struct watchers *watchers = node->watchers;
    struct watcher *woken = NULL;
    pthread_mutex_lock(&watchers->lock);
    leave_late(watchers, &woken);
    pthread_mutex_unlock(&watchers->lock);
    wake(node, woken);
}

static void *run(void *closure)
{
    struct node *node = closure;
    struct watchers *watchers = node->watchers;
    struct buffer batches = {0};
    bool changed = false;
    while (rest(watchers, first_time_ns(watchers), &changed)) {
        wake_late(node);
        if (changed)
            look_at_all(node, &batches);
    }
    buffer_free(&batches);
    return NULL;
}

/* ---- From outside ---------------------------------------------------------------------------- */

static void say_changed(struct watchers *watchers)
{
    pthread_mutex_lock(&watchers->side.lock);
    watchers->changed = true;
    pthread_cond_signal(&watchers->side.changed);
    pthread_mutex_unlock(&watchers->side.lock);
}

/* What the group has been looked at for is given by the first who waits. One who has seen less, and
 * can be told no more here, has all looked at again from there: each knows what it has seen. */
static enum watchers_wait admit(struct watchers *watchers, struct watcher *watcher, uint64_t upto)
{
    struct group *group = group_of(watchers, watcher);
    if (watchers->closed || watcher->gone || !has_slots(watchers) || watchers->free_count == 0)
        return WATCHERS_REFUSE;
    bool first = group->ranges.count == 0;
    bool behind = group->at.seen.pos.seq > watcher->seen.pos.seq;
    if (!first && group->at.rewinds != watcher->rewinds)
        return WATCHERS_GO_ON;
    if (!first && behind && upto > watcher->seen.pos.seq)
        return WATCHERS_GO_ON;
    if (first || behind)
        group->at = (struct place){watcher->seen, watcher->rewinds};
    enter(watchers, watcher);
    return WATCHERS_WAITS;
}

/* The node thread tells of changes while somebody waits: one before that was not told. */
static bool missed_something(struct node *node, const struct watcher *watcher, uint64_t seen)
{
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    return core_view_watch_upto(&view, view.applied, watcher->uncommitted) > seen ||
           view.rewinds != watcher->rewinds;
}

enum watchers_wait watchers_wait(struct node *node, struct watcher *watcher)
{
    struct watchers *watchers = node->watchers;
    struct core_view view;
    view_read_without_peers(&node->view, &view);
    uint64_t upto = core_view_watch_upto(&view, view.applied, watcher->uncommitted);
    pthread_mutex_lock(&watchers->lock);
    enum watchers_wait answer = admit(watchers, watcher, upto);
    uint64_t seen = group_of(watchers, watcher)->at.seen.pos.seq;
    const struct heap_entry *first = heap_first(&watchers->times);
    bool soonest = answer == WATCHERS_WAITS && first->item == watcher->slot;
    if (soonest || answer == WATCHERS_GO_ON || missed_something(node, watcher, seen))
        say_changed(watchers);
    pthread_mutex_unlock(&watchers->lock);
    return answer;
}

void watchers_gone(struct node *node, struct watcher *watcher)
{
    struct watchers *watchers = node->watchers;
    struct watcher *woken = NULL;
    pthread_mutex_lock(&watchers->lock);
    watcher->gone = true;
    if (watcher->waits)
        leave(watchers, watcher, &woken);
    pthread_mutex_unlock(&watchers->lock);
    wake(node, woken);
}

void watchers_see(struct node *node, const struct core_view *view)
{
    struct watchers *watchers = node->watchers;
    struct trigger *last = &watchers->trigger;
    struct trigger now = {.rewinds = view->rewinds,
                          .shows_nothing = view->forked || view->doubtful};
    bool all = now.rewinds != last->rewinds || now.shows_nothing != last->shows_nothing;
    bool changed = false;
    for (size_t i = 0; i < 2; i++) {
        struct group *group = &watchers->groups[i];
        now.upto[i] = core_view_watch_upto(view, view->applied, group->uncommitted);
        /* Counted by a change: either this sees who waits, or he sees the view of before it. */
        changed |= atomic_fetch_add(&group->count, 0) > 0 && (all || now.upto[i] != last->upto[i]);
    }
    *last = now;
    if (changed)
        say_changed(watchers);
}

uint32_t watchers_count(const struct node *node)
{
    const struct group *groups = node->watchers->groups;
    return atomic_load(&groups[0].count) + atomic_load(&groups[1].count);
}

struct watchers *watchers_new(void)
{
    struct watchers *watchers = memory_zeroed(1, sizeof *watchers);
    side_thread_init(&watchers->side);
    pthread_mutex_init(&watchers->lock, NULL);
    for (size_t i = 0; i < 2; i++)
        rng_seed(&watchers->groups[i].ranges.rng, random_u64_nonzero());
    watchers->groups[1].uncommitted = true;
    return watchers;
}

void watchers_free(struct watchers *watchers)
{
    side_thread_free(&watchers->side);
    pthread_mutex_destroy(&watchers->lock);
    heap_free(&watchers->times);
    free(watchers->slots);
    free(watchers->free_slots);
    free(watchers);
}

enum candor_code watchers_start(struct node *node, struct candor_error *err)
{
    return side_thread_start(&node->watchers->side, "watchers", run, node, err);
}

void watchers_close(struct node *node)
{
    struct watchers *watchers = node->watchers;
    struct watcher *woken = NULL;
    pthread_mutex_lock(&watchers->lock);
    watchers->closed = true;
    for (size_t i = 0; i < 2; i++)
        leave_all(watchers, &watchers->groups[i], &woken);
    pthread_mutex_unlock(&watchers->lock);
    wake(node, woken);
}

void watchers_stop(struct node *node)
{
    side_thread_stop(&node->watchers->side);
}
