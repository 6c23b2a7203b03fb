/* Which node a read begins with: chosen from what was seen of each. Pure: the same sights give the
 * same choice. Any thread. */
#ifndef CLIENT_ROUTE_H
#define CLIENT_ROUTE_H

#include <candor/client.h>

#include "base/types.h"

/* What one address has shown. All zero: nothing. Times are this process's CLOCK_BOOTTIME. */
struct route_seen {
    bool known;           /* an endpoint, or of a member: it may be asked */
    uint64_t answered_ns; /* its newest answer; 0: none yet */
    uint64_t failed_ns;   /* newest attempt that got none; 0: none */
    uint64_t rtt_ns;      /* round trips, smoothed; 0: not measured */
    uint64_t measured_ns; /* the newest of them */
    /* As the newest answer had it. */
    struct candor_node_id node;
    char zone[CANDOR_NODE_ID_BYTES]; /* "": not told */
    enum candor_role role;
    enum candor_state state;
    struct candor_epoch epoch;
    bool has_bound;
    uint64_t bound_ms;
    struct candor_pos pos;
};

/* An answer came. `rtt_ns` 0: it waited for something, and says nothing of the way. */
void route_note_answer(struct route_seen *seen, uint64_t now_ns, uint64_t rtt_ns,
                       const struct candor_freshness *freshness, const struct candor_token *token);
void route_note_failure(struct route_seen *seen, uint64_t now_ns);

struct route_want {
    enum candor_route route;
    const char *zone; /* of the one who asks; "": none */
    /* What is asked for, the level wanted most first. */
    const struct candor_rung *rungs;
    size_t rung_count;
    struct candor_token token; /* of SESSION */
    uint64_t now_ns;
    uint64_t draw; /* a random number, for ANY */
};

/* Of those that are likely to meet the highest rung that any is likely to meet, the one that the
 * route prefers. `count`: no address is known. */
#define ROUTE_ADDRESSES ((size_t)2 * LIMIT_NODES)
size_t route_choose(const struct route_seen *seen, size_t count, const struct route_want *want);

#endif
