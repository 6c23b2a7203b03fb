/* kvctl verify: the nodes that are asked, and those that are left out. */
#include <string.h>

#include "cli/cluster/verify.h"

#define VERIFY_DEADLINE_MS 30000

/* A node that has found damage says so, and makes its state anew; one that does not answer is left
 * out. */
static void leave_out(struct verify *verify, size_t i, const struct candor_result *result)
{
    const struct node_target *target = &verify->targets[i];
    bool damaged = result->error.code == CANDOR_DATA_LOSS;
    int failed = report_result(verify->ctx, &result->error, result, NULL);
    if (damaged)
        verify->status = EXIT_INTEGRITY;
    else if (verify->status == EXIT_DONE)
        verify->status = failed;
    json_t *row = json_object();
    json_object_set_new(row, "node", json_string(target->id));
    json_object_set_new(row, "damaged", json_boolean(damaged));
    json_object_set_new(row, "message", json_string(result->error.message));
    json_array_append_new(verify->failed, row);
    memmove(&verify->targets[i], &verify->targets[i + 1],
            (verify->count - i - 1) * sizeof verify->targets[0]);
    verify->count--;
}

static ProtobufCBinaryData binary_of(struct slice slice)
{
    return (ProtobufCBinaryData){.len = slice.length, .data = (uint8_t *)(uintptr_t)slice.bytes};
}

const Candor__V1__RangeDigestResponse *verify_answer(const struct node_answer *answer)
{
    return (const Candor__V1__RangeDigestResponse *)answer->message;
}

struct slice verify_slice(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

bool verify_ask(struct verify *verify, size_t most, struct verify_range range, uint32_t entries,
                bool list, struct node_answer *answers, size_t *asked)
{
    Candor__V1__RangeDigestRequest request = CANDOR__V1__RANGE_DIGEST_REQUEST__INIT;
    request.start = binary_of(range.start);
    request.end = binary_of(range.end);
    request.max_entries = entries;
    request.entries = list;
    *asked = most < verify->count ? most : verify->count;
    node_call_all(verify->targets, *asked, "/candor.v1.Cluster/RangeDigest", &request.base,
                  &candor__v1__range_digest_response__descriptor,
                  (uint32_t)context_deadline_ms(verify->ctx, VERIFY_DEADLINE_MS), answers);
    bool whole = true;
    for (size_t i = *asked; i-- > 0;) {
        if (answers[i].message != NULL)
            continue;
        leave_out(verify, i, &answers[i].result);
        whole = false;
    }
    return whole;
}
