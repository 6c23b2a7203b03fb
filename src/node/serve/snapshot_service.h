/* Replication.Snapshot. */
#ifndef NODE_SNAPSHOT_SERVICE_H
#define NODE_SNAPSHOT_SERVICE_H

#include "candor/v1/replication.pb-c.h"
#include "rpc/rpc.h"

struct node;

void snapshot_serve(struct node *node, const Candor__V1__SnapshotRequest *request,
                    ProtobufCClosure reply, struct rpc_call *call);

#endif
