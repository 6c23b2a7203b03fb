/* What this node saw of failovers, and what it told clients meanwhile. */
#ifndef NODE_FAILOVERS_H
#define NODE_FAILOVERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/core.h"

struct node;

/* What clients were told, counted since the start. */
struct answers_given {
    uint64_t not_primary;
    uint64_t no_primary;
    uint64_t outcome_unknown;
    uint64_t redirects;
};

struct failover {
    struct core_failover seen;
    uint64_t wall_ms;
    struct answers_given before; /* when its gap began */
};

struct failovers {
    struct { /* as struct answers_given; any thread */
        _Atomic uint64_t not_primary;
        _Atomic uint64_t no_primary;
        _Atomic uint64_t outcome_unknown;
        _Atomic uint64_t redirects;
    } answers;
    /* (node thread) What had been told at the newest sign of a primary, and when that came. */
    struct answers_given healthy;
    uint64_t healthy_ns;
    /* (node thread) The newest view is that of a primary that takes writes. */
    bool leads;
    pthread_mutex_t lock; /* of the rest; never held together with another */
    uint32_t count;
    struct failover list[LIMIT_FAILOVERS]; /* oldest first */
};

struct failovers *failovers_new(void);
void failovers_free(struct failovers *failovers);
/* (node thread) */
void failovers_before_events(struct node *node);
void failovers_note(struct node *node, const struct core_failover *seen);
void failovers_see(struct node *node, const struct core_view *view); /* it was published */
/* Any thread. */
void failovers_tell(struct node *node, enum candor_reason reason, bool redirect);
struct answers_given failovers_answers(const struct failovers *failovers);

#endif
