/* The service Reflection: the descriptors of all services, as protoc wrote them. */
#include "candor/v1/rpc.pb-c.h"
#include "rpc/dispatch.h"

/* What protoc wrote at build time (proto/CMakeLists.txt). */
extern const unsigned char candor_descriptors[];
extern const unsigned long candor_descriptors_bytes;

static void descriptors(Candor__V1__Reflection_Service *service,
                        const Candor__V1__DescriptorsRequest *request,
                        Candor__V1__DescriptorsResponse_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    union { /* protobuf-c has no const bytes; nobody writes to these */
        const unsigned char *constant;
        uint8_t *bytes;
    } set = {.constant = candor_descriptors};
    Candor__V1__DescriptorsResponse response = CANDOR__V1__DESCRIPTORS_RESPONSE__INIT;
    response.file_descriptor_set =
        (ProtobufCBinaryData){.data = set.bytes, .len = candor_descriptors_bytes};
    closure(&response, closure_data);
}

ProtobufCService *dispatch_reflection(void)
{
    static Candor__V1__Reflection_Service reflection = {
        .base = {.descriptor = &candor__v1__reflection__descriptor,
                 .invoke = protobuf_c_service_invoke_internal},
        .descriptors = descriptors,
    };
    return &reflection.base;
}
