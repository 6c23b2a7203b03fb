/* What no single key can show: relations between settings, nodes and addresses. Each check speaks
 * only of values that were read well, so that one mistake is told once. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/units.h"
#include "topology/internal.h"

/* A disk that is slow for a moment is no reason to depose its node (R6). */
#define WRITER_STALL_LEAST_MS UINT64_C(1000)

#define ENVELOPE_BYTES (64u << 10) /* what a message holds besides the value */

static size_t index_of(enum section section, const char *name)
{
    const struct key *key = key_find(section, name);
    ASSERT(key != NULL);
    return (size_t)(key - topology_keys);
}

static struct place *setting(struct draft *draft, const char *name)
{
    return &draft->keys[index_of(SECTION_CLUSTER, name)];
}

static struct place *node_setting(struct draft *draft, uint32_t node, const char *name)
{
    return &draft->node_keys[node][index_of(SECTION_NODE, name)];
}

static bool bad(const struct place *place)
{
    return place->given == GIVEN_BADLY;
}

/* Where to complain about a relation: at the first that the file gives, else at the whole. */
static struct place blame(const struct draft *draft, const struct place *first,
                          const struct place *second)
{
    if (first->given != GIVEN_NOT)
        return *first;
    return second->given != GIVEN_NOT ? *second : draft->whole;
}

static bool node_mapped(const struct draft *draft, uint32_t node)
{
    return draft->node[node].given == GIVEN_WELL;
}

/* A value that the file gives, or that was derived from one that it gives. */
static bool usable(struct draft *draft, uint32_t node, const char *name)
{
    return node_mapped(draft, node) && node_setting(draft, node, name)->given == GIVEN_WELL;
}

/* Whether every node's `name` was read well or left to its default. */
static bool nodes_clear(struct draft *draft, const char *name)
{
    for (uint32_t i = 0; i < draft->topology->node_count; i++)
        if (!node_mapped(draft, i) || bad(node_setting(draft, i, name)))
            return false;
    return setting(draft, "nodes")->given == GIVEN_WELL;
}

static const char *node_name(const struct draft *draft, uint32_t node)
{
    const char *id = draft->topology->nodes[node].id.text;
    return id[0] == '\0' ? "a node without id" : id;
}

/* ---- derived values ---- */

/* What a door's address is when the file leaves it out. */
#define PEER_PORT_STEP 3
#define HEARTBEAT_PORT_STEP 1

static void derive_address(struct draft *draft, uint32_t node, const char *from,
                           const char *address, uint32_t step, const char *name,
                           char out[LIMIT_ADDRESS_BYTES])
{
    struct topology_problem why;
    struct place *given = node_setting(draft, node, from);
    struct place *derived = node_setting(draft, node, name);
    if (derived->given != GIVEN_NOT || given->given != GIVEN_WELL)
        return;
    *derived = *given;
    if (address_beside(address, step, name, out, &why))
        return;
    struct topology_problem *problem = problems_report(draft, *given);
    memcpy(problem->what, why.what, sizeof why.what);
    memcpy(problem->hint, why.hint, sizeof why.hint);
    derived->given = GIVEN_BADLY;
}

static void derive_addresses(struct draft *draft, uint32_t node)
{
    struct topology_node *it = &draft->topology->nodes[node];
    derive_address(draft, node, "rpc", it->rpc, PEER_PORT_STEP, "peer", it->peer);
    derive_address(draft, node, "stream", it->stream, HEARTBEAT_PORT_STEP, "heartbeat",
                   it->heartbeat);
}

static void derive_initial_primary(struct draft *draft)
{
    struct topology *topology = draft->topology;
    if (setting(draft, "initial_primary")->given != GIVEN_NOT)
        return;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        if (!topology->nodes[i].voter || !node_mapped(draft, i))
            continue;
        topology->initial_primary = topology->nodes[i].id;
        return;
    }
}

void draft_derive(struct draft *draft)
{
    struct topology *topology = draft->topology;
    if (setting(draft, "writer_stall")->given == GIVEN_NOT)
        topology->writer_stall_ms = max_u64(topology->election_timeout_ms, WRITER_STALL_LEAST_MS);
    for (uint32_t i = 0; i < topology->node_count; i++) {
        derive_addresses(draft, i);
        if (node_setting(draft, i, "durability")->given == GIVEN_NOT)
            topology->nodes[i].durability = topology->durability;
    }
    derive_initial_primary(draft);
}

/* ---- timings ---- */

static void at_least(struct topology_problem *problem, const char *key, uint64_t least_ms)
{
    char text[UNIT_TEXT_BYTES];
    if (least_ms > key_find(SECTION_CLUSTER, key)->max)
        problems_say(problem->hint, "send heartbeats more often: %s may be at most %s", key,
                     duration_text(key_find(SECTION_CLUSTER, key)->max, text));
    else
        problems_say(problem->hint, "raise %s to at least %s, or send heartbeats more often", key,
                     duration_text(least_ms, text));
}

/* R10, with check_election_timeout(). */
static void check_stale_after(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *stale = setting(draft, "stale_after");
    const struct place *interval = setting(draft, "heartbeat_interval");
    if (bad(stale) || bad(interval) || t->stale_after_ms >= 4 * t->heartbeat_interval_ms)
        return;
    struct place at = blame(draft, stale, interval);
    struct topology_problem *problem = t->stale_after_ms < 2 * t->heartbeat_interval_ms
                                           ? problems_report(draft, at)
                                           : problems_warn(draft, at);
    if (t->stale_after_ms < t->heartbeat_interval_ms)
        problems_say(
            problem->what,
            "stale_after is shorter than heartbeat_interval: a healthy replica would be stale "
            "between any two heartbeats");
    else if (!problem->warning)
        problems_say(
            problem->what,
            "stale_after is less than 2 heartbeat intervals: one late heartbeat would make a "
            "healthy replica stale");
    else
        problems_say(
            problem->what,
            "stale_after is less than 4 heartbeat intervals: evidence comes once an interval, so "
            "a healthy replica on a busy machine may flap between FRESH and STALE");
    at_least(problem, "stale_after", (problem->warning ? 4 : 2) * t->heartbeat_interval_ms);
}

static void check_election_timeout(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *timeout = setting(draft, "election_timeout");
    const struct place *interval = setting(draft, "heartbeat_interval");
    if (bad(timeout) || bad(interval) || t->election_timeout_ms >= 3 * t->heartbeat_interval_ms)
        return;
    struct topology_problem *problem = problems_report(draft, blame(draft, timeout, interval));
    problems_say(problem->what,
                 "election_timeout is less than 3 heartbeat intervals: late heartbeats would call "
                 "elections");
    at_least(problem, "election_timeout", 3 * t->heartbeat_interval_ms);
}

static void check_reject_after(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *reject = setting(draft, "reject_after");
    const struct place *stale = setting(draft, "stale_after");
    char text[UNIT_TEXT_BYTES];
    if (bad(reject) || bad(stale) || t->reject_after_ms == 0 ||
        t->reject_after_ms > t->stale_after_ms)
        return;
    struct topology_problem *problem = problems_report(draft, blame(draft, reject, stale));
    problems_say(
        problem->what,
        "reject_after is not longer than stale_after: a replica would refuse before it may say "
        "that it is stale");
    problems_say(problem->hint, "write never, or more than %s",
                 duration_text(t->stale_after_ms, text));
}

/* R30: who switches leases on has looked at the clocks, and at what their lease is shortened by. */
static void check_leases(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *leases = setting(draft, "leases");
    const struct place *drift = setting(draft, "clock_drift_ppm");
    if (bad(leases) || bad(drift) || !t->leases || drift->given == GIVEN_WELL)
        return;
    struct topology_problem *problem = problems_report(draft, *leases);
    problems_say(problem->what, "leases are on without a stated bound of the clocks' drift");
    problems_say(problem->hint,
                 "add 'clock_drift_ppm:' and how far any two of the clocks may run apart, or "
                 "switch leases off");
}

static void check_message(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *value = &draft->keys[index_of(SECTION_LIMITS, "value")];
    const struct place *message = &draft->keys[index_of(SECTION_LIMITS, "message")];
    char text[UNIT_TEXT_BYTES];
    uint64_t least = t->limit_value_bytes + ENVELOPE_BYTES;
    if (bad(value) || bad(message) || t->limit_message_bytes >= least)
        return;
    struct topology_problem *problem = problems_report(draft, blame(draft, message, value));
    problems_say(problem->what,
                 "a value of the size that limits.value allows does not fit into limits.message");
    problems_say(problem->hint, "raise limits.message to at least %s", size_text(least, text));
}

/* ---- nodes ---- */

static uint32_t count_voters(const struct topology *topology)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < topology->node_count; i++)
        voters += topology->nodes[i].voter;
    return voters;
}

static void check_even_voters(struct draft *draft, uint32_t voters)
{
    if (voters % 2 != 0)
        return;
    struct topology_problem *problem = problems_warn(draft, *setting(draft, "nodes"));
    problems_say(problem->what, "%" PRIu32 " voters survive no more failures than %" PRIu32, voters,
                 voters - 1);
    problems_say(problem->hint, "make one a reader, or add a voter");
}

static void check_automatic_failover(struct draft *draft, uint32_t voters)
{
    if (!draft->topology->automatic_failover || voters > 2)
        return;
    struct topology_problem *problem = problems_warn(draft, *setting(draft, "failover"));
    problems_say(problem->what,
                 "automatic failover with %" PRIu32
                 " voter%s: when one is lost, no majority is left to elect",
                 voters, voters == 1 ? "" : "s");
    problems_say(problem->hint, "use 3 voters, or 'failover: manual'");
}

static void check_voters(struct draft *draft)
{
    uint32_t voters = count_voters(draft->topology);
    if (!nodes_clear(draft, "role"))
        return;
    if (voters == 0) {
        bool none = draft->topology->node_count == 0;
        struct topology_problem *problem = problems_report(draft, *setting(draft, "nodes"));
        problems_say(problem->what, none ? "there are no nodes" : "no node is a voter");
        problems_say(problem->hint,
                     none ? "list at least one" : "write 'role: voter' at one node at least");
        return;
    }
    check_even_voters(draft, voters);
    check_automatic_failover(draft, voters);
}

static void check_initial_primary(struct draft *draft)
{
    const struct topology *t = draft->topology;
    const struct place *place = setting(draft, "initial_primary");
    const struct topology_node *node = topology_find(t, t->initial_primary);
    if (place->given != GIVEN_WELL || !nodes_clear(draft, "id"))
        return;
    if (node == NULL) {
        struct topology_problem *problem = problems_report(draft, *place);
        problems_say(problem->what, "initial_primary '%s' is not a node", t->initial_primary.text);
        problems_say(problem->hint, "name one of the voters");
    } else if (!node->voter && nodes_clear(draft, "role")) {
        struct topology_problem *problem = problems_report(draft, *place);
        problems_say(problem->what, "initial_primary '%s' is a reader", t->initial_primary.text);
        problems_say(problem->hint, "name one of the voters, or make '%s' one",
                     t->initial_primary.text);
    }
}

static void check_ids(struct draft *draft, uint32_t one, uint32_t other)
{
    const struct topology *t = draft->topology;
    const struct place *first = node_setting(draft, one, "id");
    const struct place *second = node_setting(draft, other, "id");
    if (!usable(draft, one, "id") || !usable(draft, other, "id") ||
        !node_id_equal(t->nodes[one].id, t->nodes[other].id))
        return;
    struct topology_problem *problem = problems_report(draft, *second);
    problems_say(problem->what, "duplicate node id '%s'", t->nodes[other].id.text);
    problems_say(problem->hint, "give each node its own; the first is at %" PRIu32 ":%" PRIu32,
                 first->line, first->column);
}

/* Whether `inner` is `outer`, or lies in it; both are resolved paths. */
static bool path_within(const char *inner, const char *outer)
{
    size_t length = strlen(outer);
    return strncmp(inner, outer, length) == 0 &&
           (inner[length] == '\0' || inner[length] == '/' || outer[length - 1] == '/');
}

/* Nodes on different machines may well use the same path. */
static void check_data(struct draft *draft, uint32_t one, uint32_t other)
{
    const struct topology_node *a = &draft->topology->nodes[one];
    const struct topology_node *b = &draft->topology->nodes[other];
    char quoted[QUOTE_BYTES];
    char first[LIMIT_PATH_BYTES];
    char second[LIMIT_PATH_BYTES];
    if (!usable(draft, one, "data") || !usable(draft, other, "data"))
        return;
    path_follow(a->data, first);
    path_follow(b->data, second);
    if (!path_within(first, second) && !path_within(second, first))
        return;
    if (usable(draft, one, "rpc") && usable(draft, other, "rpc") &&
        !address_same_host(a->rpc, b->rpc))
        return;
    struct topology_problem *problem = problems_report(draft, *node_setting(draft, other, "data"));
    bool same = strcmp(first, second) == 0;
    bool linked = strcmp(first, a->data) != 0 || strcmp(second, b->data) != 0;
    problems_say(problem->what, "%s %s the data folder of '%s'%s%s",
                 text_quote(b->data, strlen(b->data), quoted),
                 same                         ? "is"
                 : path_within(second, first) ? "lies in"
                                              : "contains",
                 node_name(draft, one), same ? " already" : "",
                 linked ? ", by a symbolic link" : "");
    problems_say(problem->hint, "give each node its own");
}

static void check_pairs(struct draft *draft)
{
    for (uint32_t other = 1; other < draft->topology->node_count; other++)
        for (uint32_t one = 0; one < other; one++) {
            check_ids(draft, one, other);
            check_data(draft, one, other);
        }
}

/* ---- addresses ---- */

#define CHANNELS 4

struct socket {
    char endpoint[ENDPOINT_BYTES];
    const char *text;
    const char *channel;
    uint32_t node;
    struct place at;
};

static size_t list_sockets(struct draft *draft, struct socket *out)
{
    size_t count = 0;
    static const char *const channels[CHANNELS] = {"rpc", "peer", "stream", "heartbeat"};
    for (uint32_t i = 0; i < draft->topology->node_count; i++) {
        const struct topology_node *node = &draft->topology->nodes[i];
        const char *const texts[CHANNELS] = {node->rpc, node->peer, node->stream, node->heartbeat};
        for (size_t c = 0; c < CHANNELS; c++) {
            if (!usable(draft, i, channels[c]))
                continue;
            struct socket *socket = &out[count++];
            *socket = (struct socket){.text = texts[c], .channel = channels[c], .node = i};
            socket->at = *node_setting(draft, i, channels[c]);
            address_endpoint(texts[c], socket->endpoint);
        }
    }
    return count;
}

static void report_clash(struct draft *draft, const struct socket *first,
                         const struct socket *second)
{
    char quoted[QUOTE_BYTES];
    struct topology_problem *problem = problems_report(draft, second->at);
    problems_say(problem->what, "%s, the %s address of '%s', is the %s address of '%s' already",
                 text_quote(second->text, strlen(second->text), quoted), second->channel,
                 node_name(draft, second->node), first->channel, node_name(draft, first->node));
    problems_say(problem->hint, "give each socket an address of its own");
}

/* An address that follows from another one is told with it: it has its place. */
static bool derived(const struct socket *sockets, size_t i)
{
    return i > 0 && sockets[i - 1].at.line == sockets[i].at.line &&
           sockets[i - 1].at.column == sockets[i].at.column;
}

static void check_relative_ipc(struct draft *draft, const struct socket *socket)
{
    char quoted[QUOTE_BYTES];
    if (strncmp(socket->endpoint, "ipc .", 5) != 0)
        return;
    struct topology_problem *problem = problems_warn(draft, socket->at);
    problems_say(problem->what, "%s is relative to the folder that each process starts in",
                 text_quote(socket->text, strlen(socket->text), quoted));
    problems_say(problem->hint, "write ipc:///path, from the root");
}

static void check_addresses(struct draft *draft)
{
    struct socket sockets[LIMIT_NODES * CHANNELS];
    size_t count = list_sockets(draft, sockets);
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (!address_endpoints_clash(sockets[first].endpoint, sockets[i].endpoint))
            first++;
        if (first < i)
            report_clash(draft, &sockets[first], &sockets[i]);
        if (!derived(sockets, i))
            check_relative_ipc(draft, &sockets[i]);
    }
}

void draft_check(struct draft *draft)
{
    check_stale_after(draft);
    check_election_timeout(draft);
    check_reject_after(draft);
    check_leases(draft);
    check_message(draft);
    check_voters(draft);
    check_initial_primary(draft);
    check_pairs(draft);
    check_addresses(draft);
}
