/* The functions of libcandor, by the kind of an operation. */
#include "calls.h"

/* The arguments of lane->operation. */
struct arguments {
    struct candor_bytes key;
    struct candor_bytes value;
    struct candor_read_options read;
    struct candor_write_options write;
    struct candor_expect expect;
};

static struct arguments arguments_of(const struct lane *lane)
{
    const struct operation *operation = &lane->operation;
    struct arguments out = {
        .key = candor_text(operation->key),
        .value = candor_text(operation->value),
        .read = {.level = operation->level,
                 .max_staleness_ms = operation->max_staleness_ms,
                 .token = lane->kind == LANE_WATCHER ? &lane->token : NULL,
                 .deadline_ms = lane->deadline_ms},
        .write = {.ack = operation->ack, .deadline_ms = lane->deadline_ms},
        .expect = {.kind = operation->expects ? CANDOR_EXPECT_VALUE : CANDOR_EXPECT_ABSENT,
                   .value = candor_text(operation->expected)},
    };
    return out;
}

void call_wait(struct lane *lane, struct candor_result *result)
{
    struct candor_client *client = lane->client;
    const struct arguments with = arguments_of(lane);
    switch (lane->operation.kind) {
    case KIND_GET:
        candor_get(client, with.key, &with.read, result);
        break;
    case KIND_PUT:
        candor_put(client, with.key, with.value, &with.write, result);
        break;
    case KIND_DELETE:
        candor_delete(client, with.key, &with.write, result);
        break;
    case KIND_CAS:
        candor_cas(client, with.key, &with.expect, with.value, &with.write, result);
        break;
    case KIND_INCREMENT:
        candor_increment(client, with.key, 1, NULL, &with.write, result);
        break;
    }
}

enum candor_code call_submit(struct lane *lane, const struct candor_sink *sink,
                             struct candor_error *error)
{
    struct candor_client *client = lane->client;
    const struct arguments with = arguments_of(lane);
    switch (lane->operation.kind) {
    case KIND_GET:
        return candor_submit_get(client, with.key, &with.read, sink, error);
    case KIND_PUT:
        return candor_submit_put(client, with.key, with.value, &with.write, sink, error);
    case KIND_DELETE:
        return candor_submit_delete(client, with.key, &with.write, sink, error);
    case KIND_CAS:
        return candor_submit_cas(client, with.key, &with.expect, with.value, &with.write, sink,
                                 error);
    case KIND_INCREMENT:
        return candor_submit_increment(client, with.key, 1, NULL, &with.write, sink, error);
    }
    give_up("%s asks for nothing", lane->name);
}
