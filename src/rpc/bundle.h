/* Many calls in one message: each is run as if it had come alone (rpc.proto, Rpc.Bundle). */
#ifndef RPC_BUNDLE_H
#define RPC_BUNDLE_H

#include <protobuf-c/protobuf-c.h>

/* The service `Rpc`. */
ProtobufCService *bundle_service(void);

#endif
