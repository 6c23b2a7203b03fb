/* candor-feed: committed changes, from a watch into an engine for streams.
 *
 * Its exit statuses are those of feed_arguments.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/standard_streams.h"
#include "cli/feed/feed_run.h"
#include "cli/feed/feed_signals.h"
#include "topology/topology.h"

static const struct sink_ops *ops_of(const struct feed_arguments *arguments)
{
#ifdef FEED_NATS
    if (arguments->nats != NULL)
        return &sink_nats;
#endif
#ifdef FEED_KAFKA
    if (arguments->kafka != NULL)
        return &sink_kafka;
#endif
    (void)arguments;
    return NULL; /* feed_arguments_parse() has refused it */
}

/* ---- The cluster ----------------------------------------------------------------------------- */

struct cluster {
    const char *endpoints[LIMIT_NODES];
    struct candor_client_options options;
    char *list;               /* of --endpoint, cut apart */
    struct topology topology; /* of --topology */
};

static bool load(const char *path, struct cluster *cluster)
{
    struct topology *topology = &cluster->topology;
    struct topology_problems problems = {0};
    struct candor_error err = {0};
    enum candor_code code = topology_load(path, topology, &problems, &err);
    topology_problems_print(&problems, path, stderr);
    if (code != CANDOR_OK && problems.count == 0)
        fprintf(stderr, "candor-feed: --topology: %s\n", err.message);
    topology_problems_free(&problems);
    if (code != CANDOR_OK)
        return false;
    for (uint32_t i = 0; i < topology->node_count; i++)
        cluster->endpoints[i] = topology->nodes[i].rpc;
    cluster->options.endpoint_count = topology->node_count;
    cluster->options.message_bytes = topology->limit_message_bytes;
    cluster->options.clock_drift_ppm = (uint32_t)topology->clock_drift_ppm;
    return true;
}

static bool cut(const char *list, struct cluster *cluster)
{
    size_t count = 0;
    cluster->list = memory_given(strdup(list));
    for (char *next = cluster->list; next != NULL;) {
        if (count == LIMIT_NODES) {
            fprintf(stderr, "candor-feed: --endpoint: more than %d addresses\n", LIMIT_NODES);
            return false;
        }
        cluster->endpoints[count++] = strsep(&next, ",");
    }
    cluster->options.endpoint_count = count;
    cluster->options.message_bytes = LIMIT_MESSAGE_BYTES_MAX; /* whatever the topology says */
    return true;
}

static bool open_client(const struct feed_arguments *arguments, struct cluster *cluster,
                        struct candor_client **out)
{
    struct candor_error err;
    bool good = arguments->topology != NULL ? load(arguments->topology, cluster)
                                            : cut(arguments->endpoints, cluster);
    if (!good)
        return false;
    cluster->options.endpoints = cluster->endpoints;
    cluster->options.deadline_ms = 2000;
    if (candor_client_open(&cluster->options, out, &err) == CANDOR_OK)
        return true;
    fprintf(stderr, "candor-feed: --endpoint: %s\n", err.message);
    return false;
}

int main(int argc, char **argv)
{
    standard_streams_open();
    struct feed_arguments arguments;
    feed_arguments_parse(argc, argv, &arguments);
    logging_set_level(arguments.level);
    logging_set_node("feed");
    /* Large for a stack. */
    static struct cluster cluster;
    struct candor_client *client = NULL;
    if (!open_client(&arguments, &cluster, &client))
        return FEED_EXIT_USAGE;
    feed_signals_start();
    int status = feed_run(&arguments, ops_of(&arguments), client);
    candor_client_close(client);
    free(cluster.list);
    return status;
}
