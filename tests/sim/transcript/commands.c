/* What can be said, and about what: nodes, network, disks. */
#include "transcript.h"

/* ---- Time ------------------------------------------------------------------------------------ */

/* A state may change by the passing of time alone: each millisecond is looked at. */
void transcript_run_for(struct transcript *transcript, uint64_t ns)
{
    struct world *world = transcript->world;
    uint64_t end_ns = world->now_ns + ns;
    do {
        world_run_until(world, min_u64(world->now_ns + NS_PER_MS, end_ns));
        watch_states(transcript);
    } while (world->now_ns < end_ns);
}

static void do_run(struct transcript *transcript, struct words *words)
{
    uint64_t ns = words_duration_ns(words, words_next(words, "for how long"));
    words_end(words);
    if (words->error[0] == '\0')
        transcript_run_for(transcript, ns);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

uint32_t node_named(struct transcript *transcript, struct words *words, const char *name)
{
    const struct world *world = transcript->world;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (strcmp(world->nodes[i].id.text, name) == 0)
            return i;
    words_wrong(words, "there is no node '%s'", name);
    return 0;
}

static struct node *next_node(struct transcript *transcript, struct words *words)
{
    uint32_t index = node_named(transcript, words, words_next(words, "the node"));
    return &transcript->world->nodes[index];
}

/* Of a command that has a node and nothing else: the node, which is up, or down. NULL: it is
 * wrong. */
static struct node *only_node(struct transcript *transcript, struct words *words, bool up)
{
    struct node *node = next_node(transcript, words);
    words_end(words);
    if (words->error[0] == '\0' && node->up != up)
        words_wrong(words, "node %s is %s", node->id.text, up ? "down" : "up");
    return words->error[0] == '\0' ? node : NULL;
}

static void do_start(struct transcript *transcript, struct words *words)
{
    struct node *node = only_node(transcript, words, false);
    if (node != NULL)
        node_start(transcript->world, node);
}

static void do_kill(struct transcript *transcript, struct words *words)
{
    bool loses = words_flag(words, "unsynced");
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    say(transcript, node->id.text, loses ? "is killed, and loses what is not synced" : "is killed");
    if (loses)
        node->writer.busy = 0; /* nothing of its work under way is on the disk */
    node_crash(transcript->world, node, false);
}

static uint64_t for_how_long_ns(struct words *words)
{
    const char *text = words_after(words, "for");
    if (text == NULL)
        words_wrong(words, "for how long? 'for DURATION' is missing");
    return text != NULL ? words_duration_ns(words, text) : 0;
}

static void do_pause(struct transcript *transcript, struct words *words)
{
    uint64_t ns = for_how_long_ns(words);
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    node->paused_until_ns = node->sleeps_until_ns = transcript->world->now_ns + ns;
    say(transcript, node->id.text, "is paused for %" PRIu64 " ms", ns / NS_PER_MS);
}

static void do_jump_clock(struct transcript *transcript, struct words *words)
{
    const char *by = words_after(words, "by");
    uint64_t ns = words_duration_ns(words, by != NULL ? by : "by nothing");
    struct node *node = only_node(transcript, words, true);
    if (node != NULL)
        clock_jump(transcript->world, node, ns);
}

/* ---- The network ----------------------------------------------------------------------------- */

static void cut_links(struct transcript *transcript, struct words *words, const char *from,
                      const char *to, bool both)
{
    struct world *world = transcript->world;
    for (const char *a = from; *a != '\0' && words->error[0] == '\0'; a++)
        for (const char *b = to; *b != '\0' && words->error[0] == '\0'; b++) {
            uint32_t i = node_named(transcript, words, (const char[2]){*a, '\0'});
            uint32_t j = node_named(transcript, words, (const char[2]){*b, '\0'});
            world->links[i][j].blocked = true;
            world->links[j][i].blocked |= both;
        }
}

/* "a|bc": both ways; "a>bc": what a sends does not arrive. Connections stay open, as where packets
 * are dropped. */
static void do_cut(struct transcript *transcript, struct words *words)
{
    char sides[LINE_BYTES];
    snprintf(sides, sizeof sides, "%s", words_next(words, "what to cut, as in a|bc"));
    words_end(words);
    char *middle = strpbrk(sides, "|>");
    if (middle == NULL) {
        words_wrong(words, "'%s' is neither a|bc, both ways, nor a>bc, one way", sides);
        return;
    }
    bool both = *middle == '|';
    *middle = '\0';
    cut_links(transcript, words, sides, middle + 1, both);
}

static void do_heal(struct transcript *transcript, struct words *words)
{
    words_end(words);
    for (uint32_t i = 0; i < SIM_NODES; i++)
        for (uint32_t j = 0; j < SIM_NODES; j++)
            transcript->world->links[i][j].blocked = false;
}

/* "slow a>b by 50ms for 2s" */
static void do_slow(struct transcript *transcript, struct words *words)
{
    const char *by = words_after(words, "by");
    uint64_t more_ns = words_duration_ns(words, by != NULL ? by : "by nothing");
    uint64_t ns = for_how_long_ns(words);
    const char *link = words_next(words, "which link, as in a>b");
    words_end(words);
    if (strlen(link) != 3 || link[1] != '>') {
        words_wrong(words, "'%s' is no link such as a>b", link);
        return;
    }
    uint32_t from = node_named(transcript, words, (const char[2]){link[0], '\0'});
    uint32_t to = node_named(transcript, words, (const char[2]){link[2], '\0'});
    struct link *slow = &transcript->world->links[from][to];
    slow->slow_ns = more_ns;
    slow->slow_until_ns = transcript->world->now_ns + ns;
}

/* Its connection to the other closes, as far as it can see (R22). */
static void do_disconnect(struct transcript *transcript, struct words *words)
{
    const char *from = words_after(words, "from");
    uint32_t peer = node_named(transcript, words, from != NULL ? from : "");
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    struct core_event lost = {.type = CORE_EVENT_PEER_LOST,
                              .peer = transcript->world->nodes[peer].id};
    node_step(transcript->world, node, &lost);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static void do_freeze_disk(struct transcript *transcript, struct words *words)
{
    uint64_t ns = for_how_long_ns(words);
    struct node *node = only_node(transcript, words, true);
    if (node != NULL)
        node->writer.frozen_until_ns = transcript->world->now_ns + ns;
}

static void do_fill_disk(struct transcript *transcript, struct words *words)
{
    uint64_t ns = for_how_long_ns(words);
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    node->writer.wholly_full = true;
    node->writer.full_until_ns = transcript->world->now_ns + ns;
}

static void do_lose_disk(struct transcript *transcript, struct words *words)
{
    struct node *node = only_node(transcript, words, false);
    if (node == NULL)
        return;
    disk_format(transcript->world, node);
    say(transcript, node->id.text, "has a new, blank disk");
}

static void do_keep_disk(struct transcript *transcript, struct words *words)
{
    struct node *node = only_node(transcript, words, true);
    if (node != NULL)
        copies_keep(node);
}

static void do_put_back_disk(struct transcript *transcript, struct words *words)
{
    struct node *node = only_node(transcript, words, false);
    if (node == NULL)
        return;
    if (node->backup.store_id == 0)
        words_wrong(words, "the disk of %s was not kept", node->id.text);
    else
        copies_put_back(transcript->world, node);
}

/* Its state is silently not what its log makes (R58). */
static void do_corrupt(struct transcript *transcript, struct words *words)
{
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    node->disk.skew = 1;
    transcript->world->differed = true;
}

/* The log's beginning goes, as when a checkpoint holds it. */
static void do_trim(struct transcript *transcript, struct words *words)
{
    const char *to = words_after(words, "to");
    uint64_t last = words_number(words, to != NULL ? to : "nothing");
    struct node *node = only_node(transcript, words, true);
    if (node == NULL)
        return;
    if (last < node->disk.first || last > node->disk.commit) {
        words_wrong(words, "the log of %s can be trimmed up to its commit, %" PRIu64, node->id.text,
                    node->disk.commit);
        return;
    }
    node->disk.first = last + 1;
    struct core_event trimmed = {.type = CORE_EVENT_TRIMMED};
    trimmed.trimmed.log_first = last + 1;
    node_step(transcript->world, node, &trimmed);
    say(transcript, node->id.text, "its log begins at %" PRIu64 " now", last + 1);
}

/* ---- Clients and operators: operations.c ----------------------------------------------------- */

static void do_put(struct transcript *transcript, struct words *words)
{
    operation_put(transcript, words, false);
}

static void do_del(struct transcript *transcript, struct words *words)
{
    operation_put(transcript, words, true);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static void say_status(struct transcript *transcript, const struct node *node)
{
    const struct disk *disk = &node->disk;
    char epoch[EPOCH_TEXT_BYTES];
    char pos[POS_TEXT_BYTES];
    char data[PHRASE_BYTES];
    const char *end = disk->last > 0 ? pos_text(disk_pos(disk, disk->last), pos) : "-";
    const char *known = epoch_none(disk->epoch) ? "-" : epoch_text(disk->epoch, epoch);
    struct core_freshness fresh = {0};
    if (node->up)
        core_view_freshness(&node->view, node->view.applied, local_ns(transcript->world, node),
                            &fresh);
    say_line(transcript, "        %-4s  %-8s %-9s %-9s %-12s %6" PRIu64 "  %s", node->id.text,
             node->up ? candor_role_name(fresh.role) : "down",
             node->up ? candor_state_name(fresh.state) : "-", known, end,
             node->up ? node->view.commit : disk->commit, phrase_data(transcript, disk, data));
}

void transcript_status(struct transcript *transcript)
{
    say_line(transcript, "        %-4s  %-8s %-9s %-9s %-12s %6s  %s", "node", "role", "state",
             "epoch", "log ends at", "commit", "data");
    for (uint32_t i = 0; i < transcript->world->node_count; i++)
        say_status(transcript, &transcript->world->nodes[i]);
}

static void do_status(struct transcript *transcript, struct words *words)
{
    words_end(words);
    transcript_status(transcript);
}

static uint32_t shown_wanted(struct words *words)
{
    static const char *const names[] = {"stream", "lives", "log", NULL};
    uint32_t shown = 1u << words_choice(words, words_next(words, "what"), names);
    words_end(words);
    return shown;
}

static void do_show(struct transcript *transcript, struct words *words)
{
    transcript->shown |= shown_wanted(words);
}

static void do_hide(struct transcript *transcript, struct words *words)
{
    transcript->shown &= ~shown_wanted(words);
}

/* ---- One command ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(struct transcript *transcript, struct words *words);
} commands[] = {
    {"cluster", do_cluster},
    {"start", do_start},
    {"kill", do_kill},
    {"pause", do_pause},
    {"jump-clock", do_jump_clock},
    {"run", do_run},
    {"cut", do_cut},
    {"heal", do_heal},
    {"slow", do_slow},
    {"disconnect", do_disconnect},
    {"freeze-disk", do_freeze_disk},
    {"fill-disk", do_fill_disk},
    {"lose-disk", do_lose_disk},
    {"keep-disk", do_keep_disk},
    {"put-back-disk", do_put_back_disk},
    {"corrupt", do_corrupt},
    {"trim", do_trim},
    {"put", do_put},
    {"del", do_del},
    {"fill", operation_fill},
    {"retry", operation_retry},
    {"reuse", operation_reuse},
    {"cancel", operation_cancel},
    {"get", operation_get},
    {"await", operation_await},
    {"wait", operation_wait},
    {"promote", operation_promote},
    {"accept-history", operation_accept},
    {"transfer", operation_transfer},
    {"voter", operation_voter},
    {"status", do_status},
    {"show", do_show},
    {"hide", do_hide},
};

bool command_run(struct transcript *transcript, struct words *words)
{
    const char *name = words_next(words, "a command");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (transcript->world->node_count == 0 && commands[i].run != do_cluster)
            words_wrong(words, "the first command is 'cluster voters=a,b,c'");
        else
            commands[i].run(transcript, words);
        return words->error[0] == '\0';
    }
    words_wrong(words, "there is no command '%s'", name);
    return false;
}
