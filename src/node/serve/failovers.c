/* What this node saw of failovers, and what it told clients meanwhile. */
#include "node/serve/failovers.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/core.h"
#include "node/shared/node_state.h"

struct answers_given failovers_answers(const struct failovers *failovers)
{
    return (struct answers_given){
        .not_primary = atomic_load_explicit(&failovers->answers.not_primary, memory_order_relaxed),
        .no_primary = atomic_load_explicit(&failovers->answers.no_primary, memory_order_relaxed),
        .outcome_unknown =
            atomic_load_explicit(&failovers->answers.outcome_unknown, memory_order_relaxed),
        .redirects = atomic_load_explicit(&failovers->answers.redirects, memory_order_relaxed),
    };
}

static void count_one(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void failovers_tell(struct node *node, enum candor_reason reason, bool redirect)
{
    struct failovers *failovers = node->failovers;
    if (reason == CANDOR_REASON_NOT_PRIMARY)
        count_one(&failovers->answers.not_primary);
    else if (reason == CANDOR_REASON_NO_PRIMARY)
        count_one(&failovers->answers.no_primary);
    else if (reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        count_one(&failovers->answers.outcome_unknown);
    if (redirect)
        count_one(&failovers->answers.redirects);
}

/* A primary that takes writes, or a heartbeat: what is told later may belong to the next
 * failover. */
void failovers_see(struct node *node, const struct core_view *view)
{
    struct failovers *failovers = node->failovers;
    failovers->leads = view->role == CANDOR_ROLE_PRIMARY && view->accepts_writes;
    bool healthy = view->role == CANDOR_ROLE_PRIMARY ? view->accepts_writes : view->heard;
    if (!healthy || view->heartbeat_ns == failovers->healthy_ns)
        return;
    failovers->healthy_ns = view->heartbeat_ns;
    failovers->healthy = failovers_answers(failovers);
}

/* What a primary has told since its view was published belongs to the time in which it led, also
 * when the events that are taken now end its epoch. */
void failovers_before_events(struct node *node)
{
    if (node->failovers->leads)
        node->failovers->healthy = failovers_answers(node->failovers);
}

void failovers_note(struct node *node, const struct core_failover *seen)
{
    struct failovers *failovers = node->failovers;
    struct failover failover = {
        .seen = *seen, .wall_ms = clock_wall_ms(), .before = failovers->healthy};
    pthread_mutex_lock(&failovers->lock);
    if (failovers->count == LIMIT_FAILOVERS) {
        failovers->count--;
        memmove(failovers->list, failovers->list + 1, failovers->count * sizeof failovers->list[0]);
    }
    failovers->list[failovers->count++] = failover;
    pthread_mutex_unlock(&failovers->lock);
}

struct failovers *failovers_new(void)
{
    struct failovers *failovers = memory_zeroed(1, sizeof *failovers);
    pthread_mutex_init(&failovers->lock, NULL);
    return failovers;
}

void failovers_free(struct failovers *failovers)
{
    pthread_mutex_destroy(&failovers->lock);
    free(failovers);
}
