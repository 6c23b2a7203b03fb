/* Calls to one node, and the same call to many at once. */
#include "cli/frame/node_call.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <candor/channel.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "topology/topology.h"

enum { WHO_DEADLINE_MS = 1000 };

static ProtobufCMessage *call_once(struct candor_channel *channel, const char *method,
                                   const ProtobufCMessage *request,
                                   const ProtobufCMessageDescriptor *response, uint32_t deadline_ms,
                                   struct candor_result *result)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *body = malloc(size + 1);
    ASSERT(body != NULL);
    protobuf_c_message_pack(request, body);
    struct candor_channel_options options = {.deadline_ms = deadline_ms};
    struct candor_answer answer;
    ProtobufCMessage *message = NULL;
    if (candor_channel_call(channel, method, (struct candor_bytes){body, size}, &options,
                            &answer) == CANDOR_OK) {
        message =
            bounded_unpack(response, slice_of(answer.response.data, answer.response.length), NULL);
        if (message == NULL)
            candor_error_set(&answer.result.error, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                             "the answer to %s does not decode", method);
    }
    *result = answer.result;
    answer.result = (struct candor_result){0}; /* the caller's now */
    candor_answer_free(&answer);
    free(body);
    return message;
}

ProtobufCMessage *node_call(const char *address, const char *method,
                            const ProtobufCMessage *request,
                            const ProtobufCMessageDescriptor *response, uint32_t deadline_ms,
                            struct candor_result *result)
{
    struct candor_channel *channel;
    memset(result, 0, sizeof *result);
    if (candor_channel_open(address, &channel, &result->error) != CANDOR_OK)
        return NULL;
    ProtobufCMessage *message = call_once(channel, method, request, response, deadline_ms, result);
    candor_channel_close(channel);
    return message;
}

static void set_target(struct node_target *target, const char *id, const char *address, bool voter)
{
    memset(target, 0, sizeof *target);
    text_copy(target->id, sizeof target->id, id);
    text_copy(target->address, sizeof target->address, address);
    target->voter = voter;
}

/* Where only addresses are known, their nodes tell who they are. */
static bool ask_who_is(struct command_context *ctx, const char *id, struct node_target *out,
                       int *status)
{
    struct node_target targets[LIMIT_NODES];
    struct node_row rows[LIMIT_NODES];
    size_t count = node_targets(ctx, targets, status);
    node_rows(targets, count, (uint32_t)context_deadline_ms(ctx, WHO_DEADLINE_MS), rows);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].target.id, id) != 0)
            continue;
        *out = rows[i].target;
        return true;
    }
    if (count > 0)
        *status =
            report_usage(ctx, "`kvctl status` shows who answers there; --topology FILE names all",
                         "no node '%s' answers at the addresses", id);
    return false;
}

bool node_target_named(struct command_context *ctx, const char *id, struct node_target *out,
                       int *status)
{
    const char *const *endpoints;
    if (context_endpoints(ctx, &endpoints) > 0 && !option_given(ctx, "topology"))
        return ask_who_is(ctx, id, out, status);
    const char *address = context_address(ctx, id, status);
    if (address == NULL)
        return false;
    set_target(out, id, address, true);
    return true;
}

size_t node_targets(struct command_context *ctx, struct node_target *out, int *status)
{
    const char *const *endpoints;
    size_t count = context_endpoints(ctx, &endpoints);
    if (context_node(ctx) != NULL) {
        const char *address = context_address(ctx, context_node(ctx), status);
        if (address == NULL)
            return 0;
        set_target(&out[0], context_node(ctx), address, true);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        set_target(&out[i], NULL, endpoints[i], true);
    if (count > 0)
        return count;
    const struct topology *topology = context_topology(ctx, status);
    if (topology == NULL)
        return 0;
    for (uint32_t i = 0; i < topology->node_count; i++)
        set_target(&out[i], topology->nodes[i].id.text, topology->nodes[i].rpc,
                   topology->nodes[i].voter);
    return topology->node_count;
}

struct call_one {
    const char *method;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *response;
    uint32_t deadline_ms;
    struct node_answer *answer;
};

static void *call_one(void *argument)
{
    struct call_one *one = argument;
    struct node_answer *answer = one->answer;
    answer->message = node_call(answer->target.address, one->method, one->request, one->response,
                                one->deadline_ms, &answer->result);
    if (answer->target.id[0] == '\0' && answer->result.has_freshness)
        text_copy(answer->target.id, sizeof answer->target.id, answer->result.freshness.node);
    return NULL;
}

/* One thread a node: there are at most LIMIT_NODES, and the slowest decides. */
void node_call_all(const struct node_target *targets, size_t count, const char *method,
                   const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response,
                   uint32_t deadline_ms, struct node_answer *answers)
{
    pthread_t threads[LIMIT_NODES];
    bool started[LIMIT_NODES] = {false};
    struct call_one calls[LIMIT_NODES];
    ASSERT_U64(count, <=, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        answers[i] = (struct node_answer){.target = targets[i]};
        calls[i] = (struct call_one){method, request, response, deadline_ms, &answers[i]};
        started[i] = count > 1 && pthread_create(&threads[i], NULL, call_one, &calls[i]) == 0;
        if (!started[i])
            call_one(&calls[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
}

void node_answers_free(struct node_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers[i].message != NULL)
            protobuf_c_message_free_unpacked(answers[i].message, NULL);
}

/* Likewise. */
struct asking {
    struct candor_client *client;
    uint32_t deadline_ms;
    struct node_row *row;
};

static void *ask(void *argument)
{
    struct asking *asking = argument;
    struct node_row *row = asking->row;
    candor_status(asking->client, row->target.address, asking->deadline_ms, &row->status,
                  &row->result);
    if (row->target.id[0] == '\0')
        text_copy(row->target.id, sizeof row->target.id, row->status.node);
    candor_result_free(&row->result);
    return NULL;
}

void node_rows(const struct node_target *targets, size_t count, uint32_t deadline_ms,
               struct node_row *rows)
{
    const char *endpoints[LIMIT_NODES];
    pthread_t threads[LIMIT_NODES];
    bool started[LIMIT_NODES] = {false};
    struct asking asking[LIMIT_NODES];
    ASSERT_U64(count, <=, LIMIT_NODES);
    for (size_t i = 0; i < count; i++) {
        memset(&rows[i], 0, sizeof rows[i]);
        rows[i].target = targets[i];
        endpoints[i] = targets[i].address;
    }
    struct candor_client_options options = {.endpoints = endpoints, .endpoint_count = count};
    struct candor_client *client = NULL;
    struct candor_error error = {0};
    if (candor_client_open(&options, &client, &error) != CANDOR_OK) {
        for (size_t i = 0; i < count; i++)
            rows[i].result.error = error;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        asking[i] = (struct asking){client, deadline_ms, &rows[i]};
        started[i] = count > 1 && pthread_create(&threads[i], NULL, ask, &asking[i]) == 0;
        if (!started[i])
            ask(&asking[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
    }
    candor_client_close(client);
}
