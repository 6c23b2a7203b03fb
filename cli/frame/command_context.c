/* What a command asks of its context: the topology, addresses, a client. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* The name of the topology file. False after a report. */
static bool find_topology(struct command_context *ctx, int *status)
{
    struct contexts_problem why;
    const char *given = ctx->command->local ? NULL : option_text(ctx, "topology");
    if (ctx->command->local && !place_find(ctx->defaults, NULL, &ctx->place, &why)) {
        *status = report_usage(ctx, why.hint, "%s", why.what);
        return false;
    }
    snprintf(ctx->topology_path, sizeof ctx->topology_path, "%s",
             given != NULL ? given : ctx->place.topology);
    if (ctx->topology_path[0] != '\0')
        return true;
    *status = report_usage(ctx,
                           "name one by --topology FILE, --context NAME or $CANDOR_TOPOLOGY, start "
                           "one by `kvctl up FILE`, or name addresses by --endpoint or "
                           "$CANDOR_ENDPOINTS",
                           "which cluster?");
    return false;
}

const struct topology *context_topology(struct command_context *ctx, int *status)
{
    int ignored;
    status = status == NULL ? &ignored : status;
    *status = EXIT_DONE;
    if (ctx->topology != NULL)
        return ctx->topology;
    if (ctx->endpoint_count > 0 && !option_given(ctx, "topology"))
        return NULL;
    if (!find_topology(ctx, status))
        return NULL;

    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    struct topology_problems problems = {0};
    struct candor_error error = {0};
    enum candor_code code = topology_load(ctx->topology_path, topology, &problems, &error);
    /* Warnings are for `kvctl topology check`: they would stand before every answer here. */
    if (code != CANDOR_OK && !ctx->json)
        topology_problems_print(&problems, ctx->topology_path, stderr);
    topology_problems_free(&problems);
    if (code != CANDOR_OK) {
        free(topology);
        *status = EXIT_USAGE;
        report_usage(ctx, topology_hint(code), "%s",
                     error.message[0] != '\0' ? error.message : ctx->topology_path);
        return NULL;
    }
    ctx->topology = topology;
    return topology;
}

const char *context_topology_path(const struct command_context *ctx)
{
    return ctx->topology_path[0] != '\0' ? ctx->topology_path : NULL;
}

static const char *find_node(struct command_context *ctx, const struct topology *topology,
                             const char *node, int *status)
{
    const char *words[LIMIT_NODES + 1] = {NULL};
    for (uint32_t i = 0; i < topology->node_count; i++) {
        words[i] = topology->nodes[i].id.text;
        if (strcmp(words[i], node) == 0)
            return topology->nodes[i].rpc;
    }
    char list[LIMIT_NODES * (LIMIT_NODE_ID_BYTES + 2)] = "";
    for (uint32_t i = 0, length = 0; i < topology->node_count; i++)
        length += (uint32_t)snprintf(list + length, sizeof list - length, "%s%s",
                                     i == 0 ? "" : ", ", words[i]);
    const char *near = nearest_word(node, words);
    char hint[sizeof list + 32];
    if (near != NULL)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    else
        snprintf(hint, sizeof hint, "the nodes are %s", list);
    *status = report_usage(ctx, hint, "no node '%s' in %s", node, ctx->topology_path);
    return NULL;
}

const char *context_address(struct command_context *ctx, const char *node, int *status)
{
    int ignored;
    status = status == NULL ? &ignored : status;
    *status = EXIT_DONE;
    if (node == NULL)
        node = context_node(ctx);
    if (node == NULL && ctx->endpoint_count > 0)
        return ctx->endpoints[0];
    const struct topology *topology = context_topology(ctx, status);
    if (topology == NULL) {
        if (*status == EXIT_DONE)
            *status = report_usage(ctx,
                                   "name one by --topology FILE, or the node's address by "
                                   "--endpoint",
                                   "node '%s' cannot be found without a topology", node);
        return NULL;
    }
    return find_node(ctx, topology, node != NULL ? node : topology->initial_primary.text, status);
}

/* Any thread of the client. */
static void on_violation(void *closure, const char *text)
{
    struct command_context *ctx = closure;
    if (!ctx->json) {
        fprintf(stderr, "kvctl: broken promise: %s\n", text);
        return;
    }
    char *none = NULL;
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    if (!atomic_compare_exchange_strong(&ctx->violation, &none, copy))
        free(copy);
}

static bool has_option(const struct command *command, const char *name)
{
    for (const struct option_spec *s = command->options; s != NULL && s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0)
            return true;
    }
    return false;
}

static bool list_endpoints(struct command_context *ctx, struct candor_client_options *options,
                           const char *endpoints[LIMIT_NODES], int *status)
{
    if (context_node(ctx) != NULL) {
        endpoints[0] = context_address(ctx, context_node(ctx), status);
        options->endpoint_count = 1;
        return endpoints[0] != NULL;
    }
    options->endpoint_count = ctx->endpoint_count;
    memcpy(endpoints, ctx->endpoints, ctx->endpoint_count * sizeof endpoints[0]);
    if (ctx->endpoint_count > 0)
        return true;
    const struct topology *topology = context_topology(ctx, status);
    if (topology == NULL)
        return false;
    options->endpoint_count = topology->node_count;
    for (uint32_t i = 0; i < topology->node_count; i++)
        endpoints[i] = topology->nodes[i].rpc;
    return true;
}

struct candor_client *context_client(struct command_context *ctx, int *status)
{
    int ignored;
    status = status == NULL ? &ignored : status;
    *status = EXIT_DONE;
    if (ctx->client != NULL)
        return ctx->client;
    const char *endpoints[LIMIT_NODES];
    struct candor_client_options options = {
        .endpoints = endpoints, .violation = on_violation, .closure = ctx};
    if (!list_endpoints(ctx, &options, endpoints, status))
        return NULL;
    options.no_redirect =
        has_option(ctx->command, "no-redirect") && option_given(ctx, "no-redirect");
    options.deadline_ms = (uint32_t)(ctx->deadline_ms < UINT32_MAX ? ctx->deadline_ms : UINT32_MAX);
    options.message_bytes = ctx->topology != NULL ? ctx->topology->limit_message_bytes : 0;
    options.clock_drift_ppm = ctx->topology != NULL ? (uint32_t)ctx->topology->clock_drift_ppm : 0;
    if (has_option(ctx->command, "zone"))
        options.zone = option_text(ctx, "zone");
    struct candor_error error = {0};
    if (candor_client_open(&options, &ctx->client, &error) != CANDOR_OK)
        *status = report_error(ctx, &error, NULL);
    return ctx->client;
}

void context_free(struct command_context *ctx)
{
    candor_client_close(ctx->client);
    free(ctx->topology);
    free(ctx->endpoint_text);
    place_free(&ctx->place);
}
