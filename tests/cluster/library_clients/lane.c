/* Draws what a lane asks for; what it has seen decides some of it. */
#include "lane.h"

#include <inttypes.h>
#include <stdio.h>

#define ERA_NS 15000000000u /* as ERA_S of chaos_clients.py: keys are left behind after so long */

/* ---- Numbers --------------------------------------------------------------------------------- */

uint64_t lane_draw(struct lane *lane, uint64_t limit)
{
    return rng_below(&lane->rng, limit);
}

static bool chance(struct lane *lane, unsigned percent)
{
    return lane_draw(lane, 100) < percent;
}

void lane_init(struct lane *lane, const struct world *world, const char *name)
{
    lane->world = world;
    snprintf(lane->name, sizeof lane->name, "%s", name);
    uint64_t seed = world->seed;
    for (const char *c = name; *c != '\0'; c++)
        seed = seed * 31 + (unsigned char)*c;
    rng_seed(&lane->rng, seed);
}

/* ---- What comes next ------------------------------------------------------------------------- */

static void draw_key(struct lane *lane, const char *prefix, const char *keys, unsigned first,
                     unsigned count)
{
    uint64_t era = (history_now_ns() - lane->world->started_ns) / ERA_NS;
    snprintf(lane->operation.key, sizeof lane->operation.key, "%s-%" PRIu64 "-%.16s%u", prefix, era,
             keys, first + (unsigned)lane_draw(lane, count));
}

static void draw_own_key(struct lane *lane, const char *prefix)
{
    draw_key(lane, prefix, lane->keys, lane->first_key, lane->key_count);
}

static void get(struct lane *lane, enum candor_read_level level)
{
    lane->operation.kind = KIND_GET;
    lane->operation.level = level;
}

/* Each value is written once: that is how a read's write is found. */
static void write_new(struct lane *lane, enum kind kind, enum candor_ack ack)
{
    lane->operation.kind = kind;
    lane->operation.ack = ack;
    snprintf(lane->operation.value, sizeof lane->operation.value, "%.32s-%" PRIu64, lane->name,
             lane->begun);
}

/* Deletes have keys of their own: unknown outcomes of them make the search for an order long. */
static void next_of_register(struct lane *lane)
{
    bool deletes = chance(lane, 10);
    draw_own_key(lane, deletes ? "gone" : "reg");
    if (chance(lane, 45))
        get(lane, CANDOR_READ_LINEARIZABLE);
    else if (deletes && chance(lane, 50))
        write_new(lane, KIND_DELETE, CANDOR_ACK_MAJORITY);
    else
        write_new(lane, KIND_PUT, chance(lane, 2) ? CANDOR_ACK_ALL : CANDOR_ACK_MAJORITY);
}

static void next_of_swapper(struct lane *lane)
{
    struct operation *operation = &lane->operation;
    draw_own_key(lane, "cas");
    if (chance(lane, 20)) {
        get(lane, CANDOR_READ_LINEARIZABLE);
        return;
    }
    write_new(lane, KIND_CAS, CANDOR_ACK_MAJORITY);
    operation->expects = lane->seen && strcmp(lane->seen_key, operation->key) == 0;
    memcpy(operation->expected, lane->seen_value, sizeof operation->expected);
}

static void next_of_counter(struct lane *lane)
{
    draw_own_key(lane, "count");
    if (chance(lane, 20))
        get(lane, CANDOR_READ_LINEARIZABLE);
    else
        write_new(lane, KIND_INCREMENT, CANDOR_ACK_MAJORITY);
}

static void next_of_reader(struct lane *lane)
{
    static const uint64_t bounds_ms[] = {50, 200, 1000};
    if (chance(lane, 30))
        draw_key(lane, "reg", "", 0, 4);
    else
        draw_own_key(lane, "loc");
    get(lane, chance(lane, 70) ? CANDOR_READ_EVENTUAL : CANDOR_READ_BOUNDED);
    lane->operation.max_staleness_ms = bounds_ms[lane_draw(lane, 3)];
}

static void begin_session(struct lane *lane)
{
    static const struct candor_token nothing;
    lane->left = 10 + (unsigned)lane_draw(lane, 90);
    snprintf(lane->session, sizeof lane->session, "%.32s-%u", lane->name, ++lane->sessions);
    lane->token = nothing;
    if (lane->kind == LANE_SESSION)
        candor_client_restart_session(lane->client, NULL);
}

static void next_of_session(struct lane *lane)
{
    if (lane->left-- == 0)
        begin_session(lane);
    draw_own_key(lane, "ses");
    if (lane->kind == LANE_SESSION && chance(lane, 40))
        write_new(lane, KIND_PUT, CANDOR_ACK_LOCAL);
    else
        get(lane, CANDOR_READ_SESSION);
}

void lane_next(struct lane *lane)
{
    lane->operation = (struct operation){0};
    lane->begun++;
    switch (lane->kind) {
    case LANE_REGISTER:
        next_of_register(lane);
        break;
    case LANE_SWAPPER:
        next_of_swapper(lane);
        break;
    case LANE_COUNTER:
        next_of_counter(lane);
        break;
    case LANE_LOCAL:
        draw_own_key(lane, "loc");
        write_new(lane, KIND_PUT, CANDOR_ACK_LOCAL);
        break;
    case LANE_READER:
        next_of_reader(lane);
        break;
    case LANE_WATCHER:
    case LANE_SESSION:
        next_of_session(lane);
        break;
    case LANE_KINDS:
        give_up("%s has no kind", lane->name);
    }
    lane->operation.invoke_ns = history_now_ns();
}

/* ---- What became of it ----------------------------------------------------------------------- */

static void see(struct lane *lane, const struct candor_item *item)
{
    lane->seen = item->found;
    if (item->found)
        snprintf(lane->seen_value, sizeof lane->seen_value, "%.*s", (int)item->value.length,
                 (const char *)item->value.data);
}

static void learn_value(struct lane *lane, const struct candor_result *result)
{
    const struct operation *operation = &lane->operation;
    if (result->error.code != CANDOR_OK)
        return;
    memcpy(lane->seen_key, operation->key, sizeof lane->seen_key);
    if (operation->kind == KIND_CAS && result->succeeded) {
        lane->seen = true;
        memcpy(lane->seen_value, operation->value, sizeof lane->seen_value);
    } else {
        see(lane, &result->items[0]);
    }
}

/* Every answer was judged against the token that was brought: the next one is its own, also after
 * SESSION_LOST. */
static void learn_token(struct lane *lane, const struct candor_result *result)
{
    bool lost = result->error.reason == CANDOR_REASON_SESSION_LOST;
    if (lost && lane->kind == LANE_SESSION)
        candor_client_restart_session(lane->client, &result->token);
    else if (lane->kind == LANE_WATCHER && (lost || result->error.code == CANDOR_OK))
        lane->token = result->token;
}

void lane_complete(struct lane *lane, const struct candor_result *result)
{
    history_record(lane->world->history, lane->name, lane->session, &lane->operation, result,
                   history_now_ns());
    if (lane->kind == LANE_SWAPPER)
        learn_value(lane, result);
    else
        learn_token(lane, result);
    lane->busy = false;
}
