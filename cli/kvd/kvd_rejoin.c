/* Asking the others whether they go on without this node, and putting its directory aside. */
#include "cli/kvd/kvd_rejoin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <candor/client.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "cli/kvd/kvd_signals.h"

enum { ASK_MS = 1000, ASK_AGAIN_MS = 200 };

/* Whether it holds the data of a primary, other than this node. `primary`: of which one. */
static bool vouches(struct candor_client *client, const struct topology_node *node,
                    const struct topology_node *self, char primary[CANDOR_NODE_ID_BYTES])
{
    struct candor_status status;
    struct candor_result result;
    bool answered = candor_status(client, node->rpc, ASK_MS, &status, &result) == CANDOR_OK &&
                    result.has_freshness;
    bool sound = answered && status.admitted && status.primary[0] != '\0' &&
                 strcmp(status.primary, self->id.text) != 0 &&
                 result.freshness.state == CANDOR_STATE_FRESH;
    if (sound)
        memcpy(primary, status.primary, CANDOR_NODE_ID_BYTES);
    candor_result_free(&result);
    return sound;
}

static bool majority_vouches(struct candor_client *client, const struct topology *topology,
                             const struct topology_node *self)
{
    char primary[CANDOR_NODE_ID_BYTES] = "";
    uint32_t voters = 0;
    uint32_t sound = 0;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        const struct topology_node *node = &topology->nodes[i];
        char its_primary[CANDOR_NODE_ID_BYTES];
        voters += node->voter;
        if (!node->voter || node == self || !vouches(client, node, self, its_primary))
            continue;
        if (sound == 0)
            memcpy(primary, its_primary, sizeof primary);
        sound += strcmp(primary, its_primary) == 0;
    }
    return sound >= voters / 2 + 1;
}

/* All the others together. */
static bool can_be_a_majority(const struct topology *topology, const struct topology_node *self)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < topology->node_count; i++)
        voters += topology->nodes[i].voter;
    return voters - (self->voter ? 1 : 0) >= voters / 2 + 1;
}

static bool await_majority(const struct topology *topology, const struct topology_node *self)
{
    struct candor_client *client = NULL;
    struct candor_error err = {0};
    const char *endpoints[] = {self->rpc}; /* each is named in its call */
    struct candor_client_options options = {.endpoints = endpoints, .endpoint_count = 1};
    if (!can_be_a_majority(topology, self) ||
        candor_client_open(&options, &client, &err) != CANDOR_OK)
        return false;
    uint64_t until_ns = clock_boot_ns() + LIMIT_REJOIN_WAIT_MS * NS_PER_MS;
    bool vouched = majority_vouches(client, topology, self);
    while (!vouched && clock_boot_ns() < until_ns && !kvd_signals_stopped()) {
        nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_MS * (long)NS_PER_MS}, NULL);
        vouched = majority_vouches(client, topology, self);
    }
    candor_client_close(client);
    return vouched;
}

bool kvd_rejoin_prepare(const struct topology *topology, const struct topology_node *self,
                        const char *data, const struct candor_error *damage)
{
    char aside[LIMIT_PATH_BYTES];
    int length = snprintf(aside, sizeof aside, "%s.damaged", data);
    if (length < 0 || (size_t)length >= sizeof aside)
        return false;
    if (access(aside, F_OK) == 0) {
        log_error("not_rejoining",
                  "why=\"%s is still there\" way_out=\"look at it, and remove it\"", aside);
        return false;
    }
    if (!await_majority(topology, self)) {
        log_error("not_rejoining", "why=\"no majority of the voters is FRESH without this node\"");
        return false;
    }
    if (rename(data, aside) != 0) {
        log_error("not_rejoining", "why=\"cannot rename %s: %s\"", data, strerror(errno));
        return false;
    }
    log_error("rejoining",
              "damage=\"%s\" aside=%s way_out=\"a majority goes on without this node: it takes "
              "everything from the others, as a new disk. What only this node had is in that "
              "directory: look at it, then remove it\"",
              damage->message, aside);
    return true;
}
