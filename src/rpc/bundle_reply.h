/* Many calls in one message: their memory, and the reply of all. */
#ifndef RPC_BUNDLE_REPLY_H
#define RPC_BUNDLE_REPLY_H

#include "base/unpack.h"
#include "rpc/server_state.h"

#define BUNDLE_SMALL_BYTES 16

/* Of one call: its reply, packed, with its frame. */
struct bundle_part {
    struct rpc_call call; /* first: part_of() */
    bool shares_freshness;
    struct slice reply;
    uint8_t small[BUNDLE_SMALL_BYTES]; /* of what says that there was no room for the reply */
};

/* Its memory is its message's. */
struct rpc_bundle {
    struct rpc_context *context;
    const Candor__V1__BundleRequest *request;
    struct bundle_part *parts;
    size_t count;
    size_t begun;       /* by the one thread that runs it */
    atomic_size_t open; /* calls that are not finished, and one while it is run */

    pthread_mutex_t lock; /* of all below, and of the context's arena */
    size_t reply_bytes;
    /* The freshness of those that leave it out; fill NULL: there are none. */
    void (*fill)(void *closure, struct rpc_call *call);
    void *fill_closure;
};

enum unpack_result bundle_unpack(struct rpc_bundle *bundle,
                                 const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                                 ProtobufCMessage **out);
/* Packs the call's reply; NULL: its envelope alone. */
void bundle_finish(struct rpc_call *call, const ProtobufCMessage *response);
/* One of bundle->open less: the last one answers. */
void bundle_close_one(struct rpc_bundle *bundle);

#endif
