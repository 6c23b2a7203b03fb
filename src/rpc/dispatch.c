/* Methods, found by name. */
#include "rpc/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "candor/v1/rpc.pb-c.h"

bool dispatch_find(ProtobufCService *const *services, size_t count, const char *name,
                   struct dispatch_target *out)
{
    const char *slash = name[0] == '/' ? strchr(name + 1, '/') : NULL;
    if (slash == NULL)
        return false;
    size_t length = (size_t)(slash - name) - 1;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCServiceDescriptor *service = services[i]->descriptor;
        if (strlen(service->name) != length || memcmp(service->name, name + 1, length) != 0)
            continue;
        const ProtobufCMethodDescriptor *method =
            protobuf_c_service_descriptor_get_method_by_name(service, slash + 1);
        if (method == NULL)
            return false;
        *out = (struct dispatch_target){services[i], (unsigned)(method - service->methods), method};
        return true;
    }
    return false;
}

void dispatch_name(const ProtobufCServiceDescriptor *service, unsigned method_index,
                   char out[LIMIT_RPC_METHOD_BYTES])
{
    ASSERT_U64(method_index, <, service->n_methods);
    int length = snprintf(out, LIMIT_RPC_METHOD_BYTES, "/%s/%s", service->name,
                          service->methods[method_index].name);
    ASSERT(length > 0 && length < LIMIT_RPC_METHOD_BYTES);
}
