/* Looking at a node (cluster.proto), and who serves what. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/types.h"
#include "candor/v1/cluster.pb-c.h"
#include "core/core.h"
#include "log/log.h"
#include "node/serve/cluster.h"
#include "node/serve/reply.h"
#include "node/serve/service.h"
#include "node/shared/node_state.h"
#include "node/shared/view.h"
#include "node/store/scrub.h"
#include "state/state.h"
#include "topology/topology.h"
#include "wire/wire.h"

/* ---- Status ---------------------------------------------------------------------------------- */

static Candor__V1__Role peer_role(const struct core_view *view, const struct core_peer_view *peer)
{
    if (node_id_equal(view->primary, peer->node))
        return CANDOR__V1__ROLE__ROLE_PRIMARY;
    return peer->voter ? CANDOR__V1__ROLE__ROLE_REPLICA : CANDOR__V1__ROLE__ROLE_READER;
}

static void fill_peer(const struct topology *topology, const struct core_view *view,
                      const struct core_peer_view *peer, uint64_t now_ns,
                      Candor__V1__PeerStatus *out)
{
    const struct topology_node *configured = topology_find(topology, peer->node);
    candor__v1__peer_status__init(out);
    out->node = wire_string(peer->node.text);
    out->role = peer_role(view, peer);
    if (peer->heard) {
        out->heard_case = CANDOR__V1__PEER_STATUS__HEARD_HEARD_AGE_MS;
        out->heard_age_ms = ns_to_ms_up(saturating_sub(now_ns, peer->heard_ns));
    }
    out->match_seq = peer->match;
    out->differs_seq = peer->differs_seq;
    out->state = (Candor__V1__NodeState)peer->state;
    out->rpc = wire_string(configured != NULL ? configured->rpc : "");
    out->zone = wire_string(configured != NULL ? configured->zone : "");
}

static void fill_status(struct node *node, const struct core_view *view,
                        const struct state_position *position, const struct scrub_report *scrub,
                        uint64_t now_ns, Candor__V1__StatusResponse *out)
{
    out->node = wire_string(view->self.text);
    out->version = wire_string(CANDOR_VERSION);
    out->pid = (uint32_t)getpid();
    out->uptime_ms = (now_ns - node->started_ns) / NS_PER_MS;
    out->cluster_id = view->cluster_id;
    out->store_id = view->store_id;
    out->boot = boot_count(view->boot);
    out->durable_seq = view->durable;
    out->match_seq = view->match;
    out->lag = saturating_sub(view->primary_seq, view->applied); /* R39 */
    out->log_first_seq = view->log_first;
    out->log_bytes = log_bytes(node->log);
    out->state_bytes = state_bytes(node->state);
    out->rollback_count = atomic_load(&node->archives);
    out->at_risk = view->at_risk;
    out->no_room = view->no_room;
    out->digest_high = position->digest.high;
    out->digest_low = position->digest.low;
    out->equal_seq = view->doubtful ? view->equal_seq : 0;
    out->differs_seq = view->doubtful ? view->differs_seq : 0;
    out->scrub_findings = scrub->findings;
    out->scrub_finding = wire_string(scrub->finding);
    if (scrub->finished_ns != 0) {
        out->scrubbed_case = CANDOR__V1__STATUS_RESPONSE__SCRUBBED_SCRUBBED_AGE_MS;
        out->scrubbed_age_ms = ns_to_ms_up(saturating_sub(now_ns, scrub->finished_ns));
    }
    out->admitted = view->admitted;
    out->primary = wire_string(view->primary.text);
    out->relay = wire_string(view->relay.text);
    out->rpc = wire_string(node->self->rpc);
    out->zone = wire_string(node->self->zone);
    out->keys = position->keys;
    out->waiting_calls = atomic_load(&node->open_count);
    out->cancelled_calls = atomic_load(&node->cancelled);
}

static void status(Candor__V1__Cluster_Service *service, const Candor__V1__StatusRequest *request,
                   Candor__V1__StatusResponse_Closure closure, void *closure_data)
{
    (void)request;
    struct node *node = node_of(service);
    struct core_view view;
    struct state_position position;
    struct reply_room room;
    struct wire_pos last_room;
    Candor__V1__PeerStatus peers[LIMIT_NODES];
    Candor__V1__PeerStatus *peer_list[LIMIT_NODES];
    state_position(node->state, &position);
    view_read(&node->view, &view);
    uint64_t now_ns = clock_boot_ns();
    Candor__V1__StatusResponse response = CANDOR__V1__STATUS_RESPONSE__INIT;
    struct scrub_report scrub;
    scrub_status(node, &scrub);
    fill_status(node, &view, &position, &scrub, now_ns, &response);
    struct candor_pos last = {view.applied_epoch, view.applied};
    response.last = wire_pos(&last, &last_room);
    for (uint32_t i = 0; i < view.peer_count; i++) {
        fill_peer(node->topology, &view, &view.peers[i], now_ns, &peers[i]);
        peer_list[i] = &peers[i];
    }
    response.n_peers = view.peer_count;
    response.peers = peer_list;
    reply_freshness(closure_data, &view, view.applied, &last, &room);
    closure(&response, closure_data);
}

/* ---- Health ---------------------------------------------------------------------------------- */

static Candor__V1__HealthResponse__ServingStatus health_of(const char *service,
                                                           enum candor_state state)
{
    bool known = service[0] == '\0' || strcmp(service, "candor.v1.KV") == 0 ||
                 strcmp(service, "candor.v1.Cluster") == 0 ||
                 strcmp(service, "candor.v1.Replication") == 0;
    if (!known)
        return CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN;
    if (state == CANDOR_STATE_FRESH || state == CANDOR_STATE_STALE)
        return CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_SERVING;
    return CANDOR__V1__HEALTH_RESPONSE__SERVING_STATUS__SERVING_STATUS_NOT_SERVING;
}

static void health(Candor__V1__Cluster_Service *service, const Candor__V1__HealthRequest *request,
                   Candor__V1__HealthResponse_Closure closure, void *closure_data)
{
    struct node *node = node_of(service);
    struct core_view view;
    struct reply_room room;
    view_read_without_peers(&node->view, &view);
    reply_freshness(closure_data, &view, view.applied, &(struct candor_pos){0}, &room);
    Candor__V1__HealthResponse response = CANDOR__V1__HEALTH_RESPONSE__INIT;
    response.status = health_of(request->service, room.fresh.state);
    closure(&response, closure_data);
}

struct service *cluster_service_new(struct node *node)
{
    struct service *service = service_new(node);
    service->cluster = (Candor__V1__Cluster_Service){
        .base = CANDOR__V1__CLUSTER__BASE_INIT,
        .status = status,
        .health = health,
        .promote = cluster_promote,
        .transfer = cluster_transfer,
        .set_voter = cluster_set_voter,
        .failover_report = cluster_failover_report,
        .at_risk = cluster_at_risk,
        .range_digest = cluster_range_digest,
        .rollback_list = cluster_rollback_list,
        .rollback_show = cluster_rollback_show,
        .rollback_drop = cluster_rollback_drop,
        .accept_history = cluster_accept_history,
    };
    return service;
}
