/* One call to one node, without retries or redirects: for operators, who mean that very node. */
#ifndef CLI_NODE_CALL_H
#define CLI_NODE_CALL_H

#include <candor/client.h>
#include <protobuf-c/protobuf-c.h>

#include "cli/frame/command.h"

/* Calls `method` ("/candor.v1.Cluster/Promote") at `address`. The response, which the caller frees
 * with protobuf_c_message_free_unpacked(); NULL after a failure. `result` gets the error, Freshness
 * and redirect; nothing is reported. Any thread. */
ProtobufCMessage *node_call(const char *address, const char *method,
                            const ProtobufCMessage *request,
                            const ProtobufCMessageDescriptor *response, uint32_t deadline_ms,
                            struct candor_result *result);

/* A node to ask. */
struct node_target {
    char id[CANDOR_NODE_ID_BYTES]; /* "" under --endpoint until it has answered */
    char address[CANDOR_ADDRESS_BYTES];
    bool voter;
};

/* What --node, --endpoint and the topology name: one, or all. Returns how many; 0 after a report.
 * `out` has room for LIMIT_NODES. */
size_t node_targets(struct command_context *ctx, struct node_target *out, int *status);
/* Of one operand; false after a report. */
bool node_target_named(struct command_context *ctx, const char *id, struct node_target *out,
                       int *status);

/* The same question to all targets at the same time. `answers` has room for `count`;
 * node_answers_free() when done. */
struct node_answer {
    struct node_target target; /* its id is filled from the answer where it was not known */
    ProtobufCMessage *message; /* NULL: result.error says why */
    struct candor_result result;
};
void node_call_all(const struct node_target *targets, size_t count, const char *method,
                   const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response,
                   uint32_t deadline_ms, struct node_answer *answers);
void node_answers_free(struct node_answer *answers, size_t count);

/* Statuses of all targets, asked at the same time. `rows` has room for `count`. */
struct node_row {
    struct node_target target;
    struct candor_status status;
    struct candor_result result; /* error: why it could not be asked */
};
void node_rows(const struct node_target *targets, size_t count, uint32_t deadline_ms,
               struct node_row *rows);

#endif
