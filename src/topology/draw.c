/* A topology as a picture for people. Two passes over the same lines: one measures, one prints, so
 * that the boxes close in one column. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "topology/internal.h"

#define LINE_BYTES (LIMIT_PATH_BYTES + 256)
#define LINES_OF_NODE 5

/* ---- lines of a node ---- */

static const char *durability_text(enum topology_durability durability)
{
    return durability == TOPOLOGY_ALWAYS     ? "synced before it answers"
           : durability == TOPOLOGY_INTERVAL ? "synced at intervals"
                                             : "synced when the kernel likes";
}

static size_t widest_id(const struct topology *topology)
{
    size_t widest = 0;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        size_t length = strlen(topology->nodes[i].id.text);
        widest = length > widest ? length : widest;
    }
    return widest;
}

static void node_line(const struct topology *topology, const struct topology_node *node,
                      size_t which, char out[LINE_BYTES])
{
    static const char *const names[LINES_OF_NODE] = {"rpc", "peer", "stream", "heartbeat", "data"};
    const char *const values[LINES_OF_NODE] = {node->rpc, node->peer, node->stream, node->heartbeat,
                                               node->data};
    const char *id = which == 0 ? node->id.text : "";
    const char *role = which > 0 ? "" : node->voter ? "voter" : "reader";
    const char *star = which == 0 && node_id_equal(node->id, topology->initial_primary) ? "*" : " ";
    int used = snprintf(out, LINE_BYTES, "%s %-*s  %-6s  %-9s  %s", star, (int)widest_id(topology),
                        id, role, names[which], values[which]);
    if (which == LINES_OF_NODE - 1 && used > 0 && used < LINE_BYTES)
        snprintf(out + used, LINE_BYTES - (size_t)used, "  (%s)",
                 durability_text(node->durability));
}

/* ---- boxes ---- */

static const char *zone_title(const char *zone)
{
    return zone[0] == '\0' ? "no zone" : zone;
}

static size_t widest_line(const struct topology *topology)
{
    char line[LINE_BYTES];
    size_t widest = 0;
    for (uint32_t i = 0; i < topology->node_count; i++)
        for (size_t which = 0; which < LINES_OF_NODE; which++) {
            node_line(topology, &topology->nodes[i], which, line);
            size_t columns = text_columns(line);
            widest = columns > widest ? columns : widest;
        }
    return widest;
}

static void draw_rule(size_t columns, FILE *to)
{
    for (size_t i = 0; i < columns; i++)
        fprintf(to, "─");
}

static void draw_node(const struct topology *topology, const struct topology_node *node,
                      size_t width, FILE *to)
{
    char line[LINE_BYTES];
    for (size_t which = 0; which < LINES_OF_NODE; which++) {
        node_line(topology, node, which, line);
        fprintf(to, "│ %s%*s │\n", line, (int)(width - text_columns(line)), "");
    }
}

/* A title never is wider than a node's lines: these hold at least an address. */
static void draw_zone(const struct topology *topology, const char *zone, size_t width, FILE *to)
{
    const char *title = zone_title(zone);
    fprintf(to, "┌─ %s ", title);
    draw_rule(width - 1 - strlen(title), to);
    fprintf(to, "┐\n");
    for (uint32_t i = 0; i < topology->node_count; i++)
        if (strcmp(topology->nodes[i].zone, zone) == 0)
            draw_node(topology, &topology->nodes[i], width, to);
    fprintf(to, "└");
    draw_rule(width + 2, to);
    fprintf(to, "┘\n");
}

/* Zones in the order in which the file names them first. */
static void draw_zones(const struct topology *topology, FILE *to)
{
    size_t width = widest_line(topology);
    for (uint32_t i = 0; i < topology->node_count; i++) {
        uint32_t first = 0;
        while (strcmp(topology->nodes[first].zone, topology->nodes[i].zone) != 0)
            first++;
        if (first == i)
            draw_zone(topology, topology->nodes[i].zone, width, to);
    }
    fprintf(to, "* initial primary\n");
}

/* ---- words ---- */

static char *human(uint64_t ms, char out[UNIT_TEXT_BYTES])
{
    char text[UNIT_TEXT_BYTES];
    duration_text(ms, text);
    size_t digits = strspn(text, "0123456789");
    snprintf(out, UNIT_TEXT_BYTES, "%.*s %.2s", (int)digits, text, text + digits);
    return out;
}

static void draw_title(const struct topology *topology, FILE *to)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < topology->node_count; i++)
        voters += topology->nodes[i].voter;
    uint32_t readers = topology->node_count - voters;
    fprintf(to, "%s: %" PRIu32 " voter%s, %" PRIu32 " reader%s\n", topology->cluster, voters,
            voters == 1 ? "" : "s", readers, readers == 1 ? "" : "s");
    fprintf(to, "a MAJORITY write is on %" PRIu32 " of %" PRIu32 " voter%s; failover is %s\n\n",
            voters / 2 + 1, voters, voters == 1 ? "" : "s",
            topology->automatic_failover ? "automatic" : "manual");
}

static void draw_silence(const struct topology *topology, FILE *to)
{
    char first[UNIT_TEXT_BYTES];
    char second[UNIT_TEXT_BYTES];
    fprintf(to, "  a replica cut off says stale after %s (+ up to %s)\n",
            human(topology->stale_after_ms, first), human(topology->heartbeat_interval_ms, second));
    if (topology->reject_after_ms == 0)
        fprintf(to, "  and goes on answering, flagged, for as long as it is cut off\n");
    else
        fprintf(to, "  and refuses to answer after %s\n", human(topology->reject_after_ms, first));
}

static void draw_failover(const struct topology *topology, FILE *to)
{
    char first[UNIT_TEXT_BYTES];
    char second[UNIT_TEXT_BYTES];
    if (topology->automatic_failover) {
        fprintf(to, "  a voter that hears no primary starts an election after %s to %s\n",
                human(topology->election_timeout_ms, first),
                human(2 * topology->election_timeout_ms, second));
        fprintf(to, "  a primary that no majority answers steps down after %s\n", first);
        if (topology->leases)
            fprintf(to, "  leases are on: no election comes sooner, even when the primary's "
                        "connection closes\n");
    } else {
        fprintf(to, "  no automatic election: `kvctl promote NODE` makes a primary\n");
    }
    fprintf(to, "  a primary whose disk is stuck steps down after %s\n",
            human(topology->writer_stall_ms, first));
}

void topology_draw(const struct topology *topology, FILE *to)
{
    char interval[UNIT_TEXT_BYTES];
    draw_title(topology, to);
    draw_zones(topology, to);
    fprintf(to, "\ntimings\n  a heartbeat leaves the primary every %s\n",
            human(topology->heartbeat_interval_ms, interval));
    draw_silence(topology, to);
    draw_failover(topology, to);
}
