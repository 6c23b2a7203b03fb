/* A service, as protobuf-c calls its methods, with the node that it is of. */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H

#include "base/memory.h"
#include "candor/v1/cluster.pb-c.h"
#include "candor/v1/kv.pb-c.h"
#include "candor/v1/replication.pb-c.h"

struct node;

struct service {
    /* First: it is what a method gets. */
    union {
        ProtobufCService base;
        Candor__V1__KV_Service kv;
        Candor__V1__Cluster_Service cluster;
        Candor__V1__Replication_Service replication;
    };
    struct node *node;
};

/* Of the service that a method got. */
static inline struct node *node_of(const void *service)
{
    return ((const struct service *)service)->node;
}

/* Without methods; freed when its server is closed. */
static inline struct service *service_new(struct node *node)
{
    struct service *service = memory_zeroed(1, sizeof *service);
    service->node = node;
    return service;
}

struct service *kv_service_new(struct node *node);
struct service *cluster_service_new(struct node *node);
struct service *replication_service_new(struct node *node);

#endif
