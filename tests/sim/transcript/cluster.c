/* The command that makes a cluster: its settings, its founding. */
#include "transcript.h"

/* The cluster of a scenario: what a topology would say of it, and its founding. */

static uint64_t setting_ns(struct words *words, const char *name, uint64_t otherwise_ns)
{
    const char *text = words_option(words, name);
    return text != NULL ? words_duration_ns(words, text) : otherwise_ns;
}

static uint64_t setting(struct words *words, const char *name, uint64_t otherwise)
{
    const char *text = words_option(words, name);
    return text != NULL ? words_number(words, text) : otherwise;
}

static bool setting_is(struct words *words, const char *name, const char *yes, const char *no)
{
    const char *const names[] = {no, yes, NULL};
    const char *text = words_option(words, name);
    return text != NULL && words_choice(words, text, names) == 1;
}

/* "a,b,c", which go on from `first`. */
static uint32_t count_names(struct words *words, const char *list, uint32_t first)
{
    uint32_t count = 0;
    for (const char *at = list; *at != '\0'; at++) {
        bool named = *at == (char)('a' + first + count) && (at[1] == ',' || at[1] == '\0');
        if (!named || first + count >= SIM_NODES) {
            words_wrong(words, "'%s': nodes are called a, b, c ... in this order, at most %d", list,
                        SIM_NODES);
            return 0;
        }
        count++;
        at += at[1] == ',';
    }
    return count;
}

/* As a topology has them where it says nothing. */
static struct plan plan_of(struct words *words)
{
    const char *voters = words_option(words, "voters");
    const char *readers = words_option(words, "readers");
    struct plan plan = {.drift_ppm = 200};
    plan.voters = count_names(words, voters != NULL ? voters : "", 0);
    plan.readers = count_names(words, readers != NULL ? readers : "", plan.voters);
    plan.automatic = !setting_is(words, "failover", "manual", "automatic");
    plan.beat_ns = setting_ns(words, "heartbeat_interval", 100 * NS_PER_MS);
    plan.stale_after_ns = setting_ns(words, "stale_after", NS_PER_S);
    plan.reject_after_ns = setting_ns(words, "reject_after", 0);
    plan.election_ns = setting_ns(words, "election_timeout", 1500 * NS_PER_MS);
    plan.stall_ns = setting_ns(words, "writer_stall", max_u64(plan.election_ns, NS_PER_S));
    plan.max_lag = setting(words, "max_lag", 0);
    plan.max_uncommitted = setting(words, "max_uncommitted", 1000);
    plan.leases = setting_is(words, "leases", "on", "off");
    plan.latency_ns = setting_ns(words, "latency", NS_PER_MS);
    plan.fsync_ns = setting_ns(words, "fsync", NS_PER_MS);
    /* as kvd: where there is somebody to send to */
    plan.staged_ppm = plan.voters + plan.readers > 1 ? 1000000 : 0;
    if (plan.voters == 0)
        words_wrong(words, "voters=a,... is missing");
    return plan;
}

static bool all_fresh(const struct transcript *transcript)
{
    const struct world *world = transcript->world;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (transcript->seen[i].state != CANDOR_STATE_FRESH)
            return false;
    return true;
}

/* Started, founded, and a while on: what happens there is the subject of one scenario alone. */
static void found(struct transcript *transcript, struct words *words)
{
    struct world *world = transcript->world;
    transcript->quiet = true;
    for (uint32_t i = 0; i < world->node_count; i++)
        node_start(world, &world->nodes[i]);
    for (uint32_t i = 0; i < 100 && !all_fresh(transcript); i++)
        transcript_run_for(transcript, 100 * NS_PER_MS);
    uint64_t ms = (world->now_ns - transcript->born_ns) / NS_PER_MS;
    transcript_run_for(transcript, (1000 - ms % 1000) * NS_PER_MS);
    transcript->quiet = false;
    if (!all_fresh(transcript))
        words_wrong(words, "the cluster is not founded after 10 s");
    transcript_status(transcript);
}

void do_cluster(struct transcript *transcript, struct words *words)
{
    bool stopped = words_flag(words, "stopped");
    struct plan plan = plan_of(words);
    words_end(words);
    if (words->error[0] != '\0')
        return;
    if (transcript->world->node_count > 0) {
        words_wrong(words, "a scenario has one cluster");
        return;
    }
    world_script(transcript->world, &plan, &transcript->watcher);
    transcript->born_ns = transcript->world->now_ns;
    if (!stopped)
        found(transcript, words);
}
