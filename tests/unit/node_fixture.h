/* Whole nodes in one process, over ipc:// in a temporary directory; and clients of them. For the
 * tests of src/node. */
#ifndef NODE_FIXTURE_H
#define NODE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <candor/client.h>

#include "base/clock.h"
#include "base/logging.h"
#include "candor/v1/cluster.pb-c.h"
#include "candor/v1/kv.pb-c.h"
#include "log/hard_state.h"
#include "log/log.h"
#include "longer_deadlines.h"
#include "node/node.h"
#include "node/shared/node_state.h"
#include "rpc/rpc.h"

#define HELPER __attribute__((unused)) static /* not every test uses every one */
#define DEADLINE_NS (60 * NS_PER_S)

/* ---- A cluster ------------------------------------------------------------------------------- */

struct cluster {
    char dir[64];
    struct topology topology;
    struct node_options options;
    struct node *nodes[LIMIT_NODES];
};

HELPER void fatal(void *closure, const struct candor_error *err)
{
    (void)closure;
    fprintf(stderr, "a node stops: %s\n", err->message);
    abort();
}

/* `settings`: more lines of the topology. Node 0, "a", founds. `voters` come first, then
 * readers. */
HELPER struct cluster *cluster_new(uint32_t voters, uint32_t readers, const char *settings)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    assert_non_null(cluster);
    strcpy(cluster->dir, "/tmp/candor-node-XXXXXX");
    assert_non_null(mkdtemp(cluster->dir));
    char text[16384];
    int used = snprintf(
        text, sizeof text, "cluster: test\nfailover: manual\n%s%s%swriter_stall: 20s\n%snodes:\n",
        strstr(settings, "heartbeat_interval") != NULL ? "" : "heartbeat_interval: 20ms\n",
        strstr(settings, "stale_after") != NULL ? "" : "stale_after: 300ms\n",
        strstr(settings, "election_timeout") != NULL ? "" : "election_timeout: 500ms\n", settings);
    for (uint32_t i = 0; i < voters + readers; i++)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "  - id: %c\n    rpc: ipc://%s/%c.rpc\n    stream: ipc://%s/%c.stream\n"
                         "    data: %c\n    role: %s\n",
                         'a' + (char)i, cluster->dir, 'a' + (char)i, cluster->dir, 'a' + (char)i,
                         'a' + (char)i, i < voters ? "voter" : "reader");
    struct topology_problems problems = {0};
    struct candor_error err = {0};
    enum candor_code code =
        topology_parse(text, (size_t)used, cluster->dir, &cluster->topology, &problems, &err);
    topology_problems_print(&problems, "test", stderr);
    topology_problems_free(&problems);
    assert_int_equal(code, CANDOR_OK);
    cluster->options.fatal = fatal;
    return cluster;
}

HELPER void start(struct cluster *cluster, uint32_t i)
{
    struct candor_error err = {0};
    assert_null(cluster->nodes[i]);
    enum candor_code code = node_open(&cluster->topology, cluster->topology.nodes[i].id,
                                      &cluster->options, &cluster->nodes[i], &err);
    if (code == CANDOR_OK)
        code = node_run(cluster->nodes[i], &err);
    if (code != CANDOR_OK)
        fail_msg("node %u does not start: %s", i, err.message);
}

HELPER void stop(struct cluster *cluster, uint32_t i)
{
    if (cluster->nodes[i] != NULL)
        node_stop(cluster->nodes[i]);
    cluster->nodes[i] = NULL;
}

HELPER void start_all(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->topology.node_count; i++)
        start(cluster, i);
}

HELPER void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        unlink(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char child[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        remove_tree(child);
    }
    closedir(dir);
    rmdir(path);
}

HELPER void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->topology.node_count; i++)
        stop(cluster, i);
    remove_tree(cluster->dir);
    free(cluster);
}

/* ---- Clients --------------------------------------------------------------------------------- */

/* A client of one node, which follows nothing. */
HELPER struct candor_client *client_of(struct cluster *cluster, uint32_t i)
{
    const char *endpoints[] = {cluster->topology.nodes[i].rpc};
    struct candor_client_options options = {
        .endpoints = endpoints, .endpoint_count = 1, .no_redirect = true, .deadline_ms = 20000};
    struct candor_client *client;
    struct candor_error err;
    assert_int_equal(candor_client_open(&options, &client, &err), CANDOR_OK);
    return client;
}

#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        uint64_t give_up_ns = clock_boot_ns() + DEADLINE_NS;                                       \
        while (!(condition)) {                                                                     \
            if (clock_boot_ns() > give_up_ns)                                                      \
                fail_msg("not within the deadline: %s", #condition);                               \
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);                               \
        }                                                                                          \
    } while (0)

static struct candor_pos put_pos;

/* OK, or why not. Leaves the write's position in put_pos. */
HELPER enum candor_code put(struct candor_client *client, const char *key, const char *value)
{
    struct candor_result result;
    enum candor_code code = candor_put(client, candor_text(key), candor_text(value), NULL, &result);
    put_pos = result.last;
    candor_result_free(&result);
    return code;
}

HELPER void must_put(struct candor_client *client, const char *key, const char *value)
{
    struct candor_result result;
    enum candor_code code = candor_put(client, candor_text(key), candor_text(value), NULL, &result);
    if (code != CANDOR_OK)
        fail_msg("put %s: %s %s: %s", key, candor_code_name(code),
                 candor_reason_name(result.error.reason), result.error.message);
    put_pos = result.last;
    candor_result_free(&result);
}

/* Whether the node has `key` with `value` (NULL: has it not). False as well when it does not
 * answer. */
HELPER bool has(struct candor_client *client, const char *key, const char *value)
{
    struct candor_result result;
    struct candor_read_options options = {.level = CANDOR_READ_EVENTUAL};
    bool as_said = candor_get(client, candor_text(key), &options, &result) == CANDOR_OK &&
                   result.items[0].found == (value != NULL);
    if (as_said && value != NULL)
        as_said =
            result.items[0].value.length == strlen(value) &&
            (value[0] == '\0' || memcmp(result.items[0].value.data, value, strlen(value)) == 0);
    candor_result_free(&result);
    return as_said;
}

/* Long, for slow machines: a node that is gone is told of at once. */
#define STATUS_MS 20000

HELPER struct candor_freshness freshness_of(struct candor_client *client)
{
    struct candor_status status;
    struct candor_result result;
    candor_status(client, NULL, STATUS_MS, &status, &result);
    struct candor_freshness freshness = result.freshness;
    candor_result_free(&result);
    return freshness;
}

HELPER enum candor_state state_of(struct candor_client *client)
{
    return freshness_of(client).state;
}

HELPER struct candor_status status_of(struct candor_client *client)
{
    struct candor_status status = {0};
    struct candor_result result;
    candor_status(client, NULL, STATUS_MS, &status, &result);
    candor_result_free(&result);
    return status;
}

HELPER bool all_committed(struct candor_client *client)
{
    struct candor_freshness freshness = freshness_of(client);
    return freshness.commit_seq == freshness.applied_seq;
}

HELPER bool is_primary(struct candor_client *client)
{
    return freshness_of(client).role == CANDOR_ROLE_PRIMARY;
}

/* ---- Calls that libcandor does not make ------------------------------------------------------ */

HELPER enum candor_code call_at(const char *address, const char *method,
                                const ProtobufCMessage *request, struct rpc_exchange *exchange,
                                ProtobufCMessage **response, const ProtobufCMessageDescriptor *type,
                                struct candor_error *err)
{
    struct rpc_client *client;
    assert_int_equal(rpc_client_open(address, 8 << 20, &client, err), CANDOR_OK);
    uint8_t body[4096];
    size_t length = protobuf_c_message_get_packed_size(request);
    assert_true(length <= sizeof body);
    protobuf_c_message_pack(request, body);
    uint8_t *bytes = NULL;
    size_t bytes_length = 0;
    enum candor_code code = rpc_client_call_wait(client, method, slice_of(body, length), exchange,
                                                 &bytes, &bytes_length, NULL, err);
    if (response != NULL)
        *response =
            code == CANDOR_OK ? protobuf_c_message_unpack(type, NULL, bytes_length, bytes) : NULL;
    free(bytes);
    rpc_client_close(client);
    return code;
}

HELPER enum candor_code call(struct cluster *cluster, uint32_t i, const char *method,
                             const ProtobufCMessage *request, struct rpc_exchange *exchange,
                             ProtobufCMessage **response, const ProtobufCMessageDescriptor *type,
                             struct candor_error *err)
{
    return call_at(cluster->topology.nodes[i].rpc, method, request, exchange, response, type, err);
}

/* A request that node 0 is to refuse with `code`, naming `field`. */
struct bad_request {
    const char *method;
    const ProtobufCMessage *request;
    enum candor_code code;
    const char *field;
};

HELPER void expect_refused(struct cluster *cluster, const struct bad_request *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rpc_exchange exchange = {.deadline_ms = 5000};
        struct candor_error err = {0};
        enum candor_code code =
            call(cluster, 0, cases[i].method, cases[i].request, &exchange, NULL, NULL, &err);
        if (code != cases[i].code || strstr(err.message, cases[i].field) == NULL)
            fail_msg("case %zu: %s: %s", i, candor_code_name(code), err.message);
    }
}

HELPER enum candor_code promote(struct cluster *cluster, uint32_t i)
{
    Candor__V1__PromoteRequest request = CANDOR__V1__PROMOTE_REQUEST__INIT;
    struct rpc_exchange exchange = {.deadline_ms = 3000};
    struct candor_error err;
    return call(cluster, i, "/candor.v1.Cluster/Promote", &request.base, &exchange, NULL, NULL,
                &err);
}

HELPER struct log *open_log_of(const struct cluster *cluster, const char *node)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%s/log", cluster->dir, node);
    struct log_options options = {.dir = dir};
    struct log_recovery recovery;
    struct candor_error err = {0};
    struct log *log;
    assert_int_equal(log_open(&options, &log, &recovery, &err), CANDOR_OK);
    return log;
}

#endif
