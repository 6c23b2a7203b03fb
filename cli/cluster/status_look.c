/* One look at all nodes. */
#include "cli/cluster/status_look.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"

struct status_look *status_look(const struct node_target *targets, size_t count,
                                uint32_t deadline_ms)
{
    struct status_look *look = calloc(1, sizeof *look);
    ASSERT(look != NULL);
    look->count = count;
    node_rows(targets, count, deadline_ms, look->rows);
    drift_find(look->rows, count, deadline_ms, &look->drift);
    look->at_ns = clock_boot_ns();
    status_rate(look, NULL);
    return look;
}

bool status_reached(const struct status_look *look, size_t n)
{
    return look->rows[n].result.error.code == CANDOR_OK && look->rows[n].result.has_freshness;
}

/* A node that was rolled back, or came back as another, has no rate. */
void status_rate(struct status_look *look, const struct status_look *before)
{
    for (size_t i = 0; i < look->count; i++) {
        look->rates[i] = -1;
        if (before == NULL || !status_reached(look, i) || !status_reached(before, i))
            continue;
        uint64_t now = look->rows[i].result.freshness.applied_seq;
        uint64_t then = before->rows[i].result.freshness.applied_seq;
        double seconds = (double)(look->at_ns - before->at_ns) / 1e9;
        if (now >= then && seconds > 0)
            look->rates[i] = (double)(now - then) / seconds;
    }
}

int status_outcome(const struct status_look *look)
{
    for (size_t i = 0; i < look->count; i++) {
        if (status_reached(look, i))
            return EXIT_DONE;
    }
    return EXIT_UNAVAILABLE;
}
