/* A topology as YAML again: every key of the table, so that what was left to a default is seen. */
#include <stdio.h>

#include "topology/internal.h"

static void write_section(const struct topology *topology, enum section section, FILE *to);

static void write_nodes(const struct topology *topology, FILE *to)
{
    char text[VALUE_TEXT_BYTES];
    for (uint32_t i = 0; i < topology->node_count; i++) {
        const struct topology_node *node = &topology->nodes[i];
        const char *lead = "  - ";
        for (size_t k = 0; k < KEY_COUNT; k++) {
            const struct key *key = &topology_keys[k];
            bool empty = key->need == NEED_NOTHING && ((const char *)node)[key->offset] == '\0';
            if (key->section != SECTION_NODE || empty)
                continue;
            fprintf(to, "%s%s: %s\n", lead, key->name, value_text(key, node, text));
            lead = "    ";
        }
    }
}

static void write_key(const struct topology *topology, const struct key *key, FILE *to)
{
    char text[VALUE_TEXT_BYTES];
    switch (key->kind) {
    case KIND_SECTION:
        fprintf(to, "%s:\n", key->name);
        write_section(topology, key->inside, to);
        break;
    case KIND_NODES:
        fprintf(to, "%s:\n", key->name);
        write_nodes(topology, to);
        break;
    default:
        fprintf(to, "%s%s: %s\n", key->section == SECTION_CLUSTER ? "" : "  ", key->name,
                value_text(key, topology, text));
    }
}

static void write_section(const struct topology *topology, enum section section, FILE *to)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (topology_keys[i].section == section)
            write_key(topology, &topology_keys[i], to);
}

void topology_write(const struct topology *topology, FILE *to)
{
    write_section(topology, SECTION_CLUSTER, to);
}
