/* Methods by their names: "/candor.v1.KV/Get". Any thread. */
#ifndef RPC_DISPATCH_H
#define RPC_DISPATCH_H

#include <protobuf-c/protobuf-c.h>

#include "base/limits.h"
#include "base/types.h"

struct dispatch_target {
    ProtobufCService *service;
    unsigned method_index;
    const ProtobufCMethodDescriptor *method;
};

/* False when none of the services has it. */
bool dispatch_find(ProtobufCService *const *services, size_t count, const char *name,
                   struct dispatch_target *out);
/* The reverse. The name must fit (those of this project do). */
void dispatch_name(const ProtobufCServiceDescriptor *service, unsigned method_index,
                   char out[LIMIT_RPC_METHOD_BYTES]);

/* Services that the server itself serves: the reflection service (rpc.proto). */
ProtobufCService *dispatch_reflection(void);

#endif
