/* Calls to other nodes: the core's requests go out, their answers or failures come back as events
 * with the nonce. */
#include "node/loop/peers.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/memory.h"
#include "base/types.h"
#include "candor/v1/replication.pb-c.h"
#include "core/core.h"
#include "node/shared/event.h"
#include "node/shared/node_state.h"
#include "node/shared/self.h"
#include "rpc/rpc.h"
#include "topology/topology.h"
#include "wire/wire.h"

enum { FETCH_DEADLINE_MS = 5000, LEAST_DEADLINE_MS = 1000 };

struct peer_client {
    struct candor_node_id id;
    struct rpc_client *client;
    ProtobufCService *replication;
};

struct peers {
    uint32_t count;
    struct peer_client list[LIMIT_NODES];
};

struct peer_call {
    struct rpc_exchange exchange;
    struct node *node;
    struct candor_node_id peer;
    uint64_t nonce;
};

enum candor_code peers_open(struct node *node, struct candor_error *err)
{
    node->peers = memory_zeroed(1, sizeof *node->peers);
    for (uint32_t i = 0; i < node->topology->node_count; i++) {
        const struct topology_node *peer = &node->topology->nodes[i];
        if (peer == node->self)
            continue;
        struct peer_client *client = &node->peers->list[node->peers->count];
        enum candor_code code =
            rpc_client_open(peer->peer, node_message_bytes(node), &client->client, err);
        if (code != CANDOR_OK)
            return code;
        client->id = peer->id;
        client->replication =
            rpc_client_service(client->client, &candor__v1__replication__descriptor);
        node->peers->count++;
    }
    return CANDOR_OK;
}

void peers_close(struct node *node)
{
    /* the start ended before them */
    if (node->peers == NULL)
        return;
    for (uint32_t i = 0; i < node->peers->count; i++)
        rpc_client_close(node->peers->list[i].client);
    free(node->peers);
    node->peers = NULL;
}

/* Copies what the core will read after the response is gone. */
static bool own_batches(struct node *node, struct node_event *event)
{
    struct core_msg *msg = &event->message->msg;
    if (msg->type != CORE_MSG_FETCH_ANSWER)
        return true;
    struct slice batches = msg->fetch_answer.batches;
    if (atomic_load(&node->backlog_bytes) + batches.length > LIMIT_WRITER_BACKLOG_BYTES)
        return false;
    event->backlog_bytes = batches.length;
    atomic_fetch_add(&node->backlog_bytes, batches.length);
    buffer_put(&event->bytes, batches.bytes, batches.length);
    msg->fetch_answer.batches = buffer_slice(&event->bytes);
    return true;
}

static bool read_reply(struct node *node, const ProtobufCMessage *response,
                       struct node_event *event)
{
    struct candor_error err = {0};
    event->message = memory_zeroed(1, sizeof *event->message);
    struct core_msg *msg = &event->message->msg;
    if (wire_read(response, msg, &err) != CANDOR_OK) {
        log_warn("malformed_reply", "what=\"%s\"", err.message);
        return false;
    }
    event->core.msg = msg;
    return own_batches(node, event);
}

/* On an NNG thread. */
static void answered(const ProtobufCMessage *response, void *closure_data)
{
    struct rpc_exchange *exchange = closure_data;
    struct peer_call *call = exchange->closure_data;
    struct node *node = call->node;
    struct node_event *event = event_new(CORE_EVENT_CALL_FAILED);
    event->core.nonce = call->nonce;
    event->core.peer = call->peer;
    bool came = response != NULL && exchange->error.code == CANDOR_OK;
    if (came && read_reply(node, response, event))
        event->core.type = CORE_EVENT_REPLY;
    free(call);
    event_push(node, event);
}

static struct peer_client *find(struct node *node, struct candor_node_id id)
{
    for (uint32_t i = 0; i < node->peers->count; i++)
        if (node_id_equal(node->peers->list[i].id, id))
            return &node->peers->list[i];
    return NULL;
}

static uint32_t deadline_ms(const struct node *node, enum core_msg_type type)
{
    if (type == CORE_MSG_FETCH)
        return FETCH_DEADLINE_MS;
    uint64_t ms = max_u64(node->topology->election_timeout_ms, LEAST_DEADLINE_MS);
    return (uint32_t)min_u64(ms, LIMIT_RPC_DEADLINE_MS_MAX);
}

static void send(ProtobufCService *service, const struct core_msg *msg,
                 const ProtobufCMessage *message, struct rpc_exchange *exchange)
{
    switch (msg->type) {
    case CORE_MSG_ATTACH:
        candor__v1__replication__attach(service, (const Candor__V1__AttachRequest *)message,
                                        (Candor__V1__AttachResponse_Closure)answered, exchange);
        break;
    case CORE_MSG_FETCH:
        candor__v1__replication__fetch(service, (const Candor__V1__FetchRequest *)message,
                                       (Candor__V1__FetchResponse_Closure)answered, exchange);
        break;
    case CORE_MSG_PRE_VOTE:
        candor__v1__replication__pre_vote(service, (const Candor__V1__PreVoteRequest *)message,
                                          (Candor__V1__VoteResponse_Closure)answered, exchange);
        break;
    case CORE_MSG_VOTE:
        candor__v1__replication__vote(service, (const Candor__V1__VoteRequest *)message,
                                      (Candor__V1__VoteResponse_Closure)answered, exchange);
        break;
    case CORE_MSG_TRANSFER:
        candor__v1__replication__transfer_leadership(
            service, (const Candor__V1__TransferLeadershipRequest *)message,
            (Candor__V1__VoteResponse_Closure)answered, exchange);
        break;
    case CORE_MSG_READ_INDEX:
        candor__v1__replication__read_index(service, (const Candor__V1__ReadIndexRequest *)message,
                                            (Candor__V1__ReadIndexResponse_Closure)answered,
                                            exchange);
        break;
    case CORE_MSG_LIFE:
        candor__v1__replication__known_life(service, (const Candor__V1__LifeRequest *)message,
                                            (Candor__V1__LifeResponse_Closure)answered, exchange);
        break;
    default:
        ASSERT(!"a call that is no request");
    }
}

void peers_call(struct node *node, struct candor_node_id peer, uint64_t nonce,
                const struct core_msg *msg)
{
    struct peer_client *client = find(node, peer);
    struct peer_call *call = memory_zeroed(1, sizeof *call);
    ASSERT(client != NULL);
    call->node = node;
    call->peer = peer;
    call->nonce = nonce;
    call->exchange.deadline_ms = deadline_ms(node, msg->type);
    call->exchange.closure_data = call;
    struct wire_room room;
    send(client->replication, msg, wire_message(msg, &room), &call->exchange);
    wire_room_free(&room);
}
