/* What nodes would answer, as a time line: when the primary was heard, from when on the data are
 * proven, and for how long the answer stays as it is. A line a node, to one scale. */
#include <inttypes.h>
#include <string.h>

#include "base/types.h"
#include "cli/keys/explain.h"

enum { WIDTH_MIN = 40, WIDTH_MAX = 100, WIDTH_USUAL = 72, LABEL_BYTES = 64 };
#define PAST_MIN_MS 10
#define FOR_EVER UINT64_MAX

/* A node's, or a voter's. */
struct lane {
    const char *name;
    bool silent;
    bool has_bound;
    uint64_t bound_ms;
    bool has_heard;
    uint64_t heard_ms;
    bool has_future;
    uint64_t holds_ms; /* FOR_EVER: it stays so */
    char then[LABEL_BYTES];
};

struct axis {
    uint64_t past_ms;
    uint64_t future_ms;
    size_t width;
    size_t now; /* its column */
    int name_width;
};

static size_t column_of_past(const struct axis *axis, uint64_t ms)
{
    return axis->now - (size_t)(min_u64(ms, axis->past_ms) * axis->now / axis->past_ms);
}

static size_t column_of_future(const struct axis *axis, uint64_t ms)
{
    size_t room = axis->width - 1 - axis->now;
    return axis->future_ms == 0
               ? axis->now
               : axis->now + (size_t)(min_u64(ms, axis->future_ms) * room / axis->future_ms);
}

static void draw_past(const struct axis *axis, const struct lane *lane, const char **cells)
{
    size_t from = lane->has_bound ? column_of_past(axis, lane->bound_ms) : axis->now;
    for (size_t i = from; i < axis->now; i++)
        cells[i] = "\u2500";
    if (lane->has_bound && from < axis->now)
        cells[from] = lane->bound_ms > axis->past_ms ? "\u25c0" : "\u251c";
    if (lane->has_heard)
        cells[column_of_past(axis, lane->heard_ms)] =
            lane->heard_ms > axis->past_ms ? "\u25c0" : "h";
}

static void draw_future(const struct axis *axis, const struct lane *lane, const char **cells)
{
    if (!lane->has_future)
        return;
    size_t to = column_of_future(axis, lane->holds_ms);
    for (size_t i = axis->now + 1; i <= to; i++)
        cells[i] = "\u2501";
    if (to > axis->now)
        cells[to] = lane->holds_ms > axis->future_ms ? "\u25b6" : "\u2573";
}

static void print_lane(const struct axis *axis, const struct lane *lane)
{
    const char *cells[WIDTH_MAX];
    printf("%-*s  ", axis->name_width, lane->name);
    if (lane->silent) {
        printf("does not answer\n");
        return;
    }
    for (size_t i = 0; i < axis->width; i++)
        cells[i] = " ";
    draw_past(axis, lane, cells);
    draw_future(axis, lane, cells);
    cells[axis->now] = "\u2503";
    size_t used = axis->width;
    while (lane->then[0] == '\0' && used > axis->now + 1 && cells[used - 1][0] == ' ')
        used--;
    for (size_t i = 0; i < used; i++)
        fputs(cells[i], stdout);
    printf("%s%s\n", lane->then[0] != '\0' ? "  " : "", lane->then);
}

/* Past, now, future. */
static void print_axis(const struct axis *axis)
{
    char past[AGE_TEXT_BYTES];
    char future[AGE_TEXT_BYTES];
    age_text(axis->past_ms, past);
    age_text(axis->future_ms, future);
    int gap = (int)axis->now - 1 - (int)strlen(past) - 1;
    printf("%*s  -%s%*snow", axis->name_width, "", past, gap > 1 ? gap : 1, "");
    gap = (int)(axis->width - axis->now) - 3 - (int)strlen(future);
    if (axis->future_ms > 0)
        printf("%*s+%s", gap > 1 ? gap : 1, "", future);
    putchar('\n');
}

/* ---- The scale ---- */

static uint64_t latest(uint64_t most, uint64_t ms, uint64_t limit_ms)
{
    return max_u64(most, min_u64(ms, limit_ms));
}

/* What is many times as far as stale_after would leave nothing to see of the rest. */
static struct axis axis_of(const struct lane *lanes, size_t count, uint64_t stale_after_ms)
{
    uint64_t limit_ms = 4 * max_u64(stale_after_ms, PAST_MIN_MS);
    int columns = output_columns(stdout);
    struct axis axis = {.past_ms = PAST_MIN_MS};
    for (size_t i = 0; i < count; i++) {
        const struct lane *lane = &lanes[i];
        int length = (int)strlen(lane->name);
        axis.name_width = length > axis.name_width ? length : axis.name_width;
        if (lane->has_bound)
            axis.past_ms = latest(axis.past_ms, lane->bound_ms, limit_ms);
        if (lane->has_heard)
            axis.past_ms = latest(axis.past_ms, lane->heard_ms, limit_ms);
        if (lane->has_future && lane->holds_ms != FOR_EVER)
            axis.future_ms = latest(axis.future_ms, lane->holds_ms, limit_ms);
    }
    int room = columns > 0 ? columns - axis.name_width - 2 - LABEL_BYTES / 2 : WIDTH_USUAL;
    axis.width = (size_t)(room < WIDTH_MIN ? WIDTH_MIN : room > WIDTH_MAX ? WIDTH_MAX : room);
    axis.now = axis.width - 1;
    if (axis.future_ms > 0)
        axis.now = (size_t)(axis.past_ms * (axis.width - 1) / (axis.past_ms + axis.future_ms));
    axis.now = axis.now < 8 ? 8 : axis.now;
    return axis;
}

static void draw(const struct lane *lanes, size_t count, uint64_t stale_after_ms)
{
    struct axis axis = axis_of(lanes, count, stale_after_ms);
    putchar('\n');
    print_axis(&axis);
    for (size_t i = 0; i < count; i++)
        print_lane(&axis, &lanes[i]);
}

/* ---- What is drawn ---- */

static struct lane lane_of_node(const struct explained *explained, size_t n)
{
    const struct node_answer *answer = &explained->answers[n];
    const struct candor_freshness *f = &answer->result.freshness;
    const Candor__V1__ExplainResponse *told = explain_told(explained, n);
    struct lane lane = {.name = answer->target.id[0] != '\0' ? answer->target.id
                                                             : answer->target.address,
                        .silent = told == NULL};
    if (told == NULL)
        return lane;
    bool ends = told->holds_case == CANDOR__V1__EXPLAIN_RESPONSE__HOLDS_HOLDS_FOR_MS;
    lane.has_bound = f->has_staleness_bound;
    lane.bound_ms = f->staleness_bound_ms;
    lane.has_heard = f->has_heartbeat_age;
    lane.heard_ms = f->heartbeat_age_ms;
    lane.has_future = true;
    lane.holds_ms = ends ? told->holds_for_ms : FOR_EVER;
    if (ends)
        snprintf(lane.then, sizeof lane.then, "then %s, %s",
                 candor_state_name((enum candor_state)told->then_state),
                 explain_verdict_name(told->then));
    return lane;
}

static void draw_read(const struct explained *explained)
{
    struct lane lanes[LIMIT_NODES];
    uint64_t stale_after_ms = 0;
    for (size_t i = 0; i < explained->count; i++) {
        const Candor__V1__ExplainResponse *told = explain_told(explained, i);
        lanes[i] = lane_of_node(explained, i);
        if (told != NULL)
            stale_after_ms = max_u64(stale_after_ms, told->stale_after_ms);
    }
    draw(lanes, explained->count, stale_after_ms);
    printf("h: the primary was heard  \u251c\u2500: every write acknowledged before is there  "
           "\u2501: the answer stays as it is\n");
}

static void draw_write(const struct explained *explained)
{
    struct lane lanes[LIMIT_NODES];
    const Candor__V1__ExplainResponse *told = explain_of_primary(explained);
    if (told == NULL || told->n_voters > LIMIT_NODES)
        return;
    for (size_t i = 0; i < told->n_voters; i++) {
        const Candor__V1__ExplainVoter *voter = told->voters[i];
        lanes[i] = (struct lane){.name = explain_text(voter->node),
                                 .has_heard = voter->heard_case ==
                                              CANDOR__V1__EXPLAIN_VOTER__HEARD_HEARD_AGE_MS,
                                 .heard_ms = voter->heard_age_ms};
        uint64_t lacks = saturating_sub(told->last_seq, voter->match_seq);
        snprintf(lanes[i].then, sizeof lanes[i].then, "%s, lacks %" PRIu64,
                 voter->answers ? "answers" : "is silent", lacks);
    }
    draw(lanes, told->n_voters, told->stale_after_ms);
    printf("h: the primary has heard this voter\n");
}

void explain_draw(const struct explained *explained)
{
    if (explained->write)
        draw_write(explained);
    else
        draw_read(explained);
}
