/* A node's descriptors, into a schema. */
#include "cli/tools/method_peer.h"

#include "base/bounded_unpack.h"
#include "base/limits.h"
#include "candor/v1/rpc.pb-c.h"

#define DEADLINE_MS 5000

static enum candor_code take_schema(struct method_peer *peer, struct slice bytes,
                                    struct candor_error *err)
{
    Candor__V1__DescriptorsResponse *response =
        bounded_unpack(&candor__v1__descriptors_response__descriptor, bytes, NULL);
    if (response == NULL)
        return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                                "the node's descriptors do not decode");
    enum candor_code code = dynamic_schema_open(
        slice_of(response->file_descriptor_set.data, response->file_descriptor_set.len),
        &peer->schema, err);
    candor__v1__descriptors_response__free_unpacked(response, NULL);
    return code;
}

static enum candor_code fetch_schema(struct method_peer *peer, struct candor_error *err)
{
    struct candor_channel_options options = {.deadline_ms = peer->deadline_ms};
    struct candor_answer answer;
    enum candor_code code = candor_channel_call(peer->channel, "/candor.v1.Reflection/Descriptors",
                                                candor_text(""), &options, &answer);
    if (code == CANDOR_OK)
        code = take_schema(peer, slice_of(answer.response.data, answer.response.length), err);
    else
        *err = answer.result.error;
    candor_answer_free(&answer);
    return code;
}

bool method_peer_open(struct command_context *ctx, struct method_peer *peer, int *status)
{
    struct candor_error error;
    uint64_t deadline_ms = context_deadline_ms(ctx, DEADLINE_MS);
    *peer = (struct method_peer){.deadline_ms =
                                     (uint32_t)min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX)};
    const char *address = context_address(ctx, NULL, status);
    if (address == NULL)
        return false;
    if (candor_channel_open(address, &peer->channel, &error) != CANDOR_OK ||
        fetch_schema(peer, &error) != CANDOR_OK) {
        *status = report_error(ctx, &error, NULL);
        return false;
    }
    return true;
}

void method_peer_close(struct method_peer *peer)
{
    dynamic_schema_close(peer->schema);
    candor_channel_close(peer->channel);
}
