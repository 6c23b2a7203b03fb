/* kvctl health. */
#include <string.h>

#include "base/limits.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/cluster/status_look.h"

static const char *health_name(Candor__V1__HealthResponse__ServingStatus status)
{
    switch (status) {
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVING:
        return "SERVING";
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_NOT_SERVING:
        return "NOT_SERVING";
    case CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN:
        return "SERVICE_UNKNOWN";
    default:
        return "UNKNOWN";
    }
}

/* Returns whether it serves; `answer` is its name for it, or UNREACHABLE. */
static bool ask_health(struct command_context *ctx, const struct node_target *target,
                       const char **answer, struct candor_result *result)
{
    Candor__V1__HealthRequest request = CANDOR__V1__HEALTH_REQUEST__INIT;
    ProtobufCMessage *message =
        node_call(target->address, "/candor.v1.Cluster/Health", &request.base,
                  &candor__v1__health_response__descriptor,
                  (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS), result);
    *answer = "UNREACHABLE";
    if (message == NULL)
        return false;
    *answer = health_name(((Candor__V1__HealthResponse *)message)->status);
    protobuf_c_message_free_unpacked(message, NULL);
    return strcmp(*answer, "SERVING") == 0;
}

static int run_health(struct command_context *ctx, int argc, char **argv)
{
    struct node_target targets[LIMIT_NODES];
    int status = EXIT_DONE;
    size_t count = 0;
    if (argc == 1)
        count = node_target_named(ctx, argv[0], &targets[0], &status);
    else
        count = node_targets(ctx, targets, &status);
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *answer;
        struct candor_result result;
        if (!ask_health(ctx, &targets[i], &answer, &result))
            status = EXIT_UNAVAILABLE;
        const char *id = targets[i].id[0] != '\0' ? targets[i].id : result.freshness.node;
        json_t *node = json_object();
        json_object_set_new(node, "node", id[0] != '\0' ? json_string(id) : json_null());
        json_object_set_new(node, "status", json_string(answer));
        json_object_set_new(node, "state",
                            result.has_freshness
                                ? json_string(candor_state_name(result.freshness.state))
                                : json_null());
        json_array_append_new(nodes, node);
        if (!context_json(ctx))
            printf("%s\t%s%s%s\n", id[0] != '\0' ? id : targets[i].address, answer,
                   result.error.message[0] != '\0' ? "\t" : "", result.error.message);
    }
    if (count > 0 && context_json(ctx)) {
        json_t *out = json_object();
        json_object_set(out, "nodes", nodes);
        output_json(ctx, out);
    }
    json_decref(nodes);
    return status;
}

const struct command command_health = {
    .name = "health",
    .group = GROUP_CLUSTER,
    .args = "[NODE]",
    .summary = "Whether a node serves, for scripts and supervisors",
    .description =
        "Asks NODE (or every node) whether it serves reads. A node that is cut off serves: its "
        "answers "
        "are flagged. One that is catching up, expired or forked does not. Exit status 5: "
        "one of them does not serve, or cannot be reached.",
    .examples = "kvctl health b && echo b serves\n"
                "kvctl health --endpoint tcp://127.0.0.1:7000\n",
    .min_args = 0,
    .max_args = 1,
    .run = run_health,
};
