/* One node's connection, without what a client does on top of it. */
#include <candor/channel.h>

#include <stdlib.h>

#include "base/assert.h"
#include "client/internal.h"

struct candor_channel {
    struct rpc_client *rpc;
};

enum candor_code candor_channel_open(const char *address, struct candor_channel **out,
                                     struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    struct arguments arguments = {0};
    arguments_need(&arguments, "address", address);
    arguments_need(&arguments, "out", out);
    if (!arguments_good(&arguments, err))
        return err->code;
    *out = NULL;
    if (fork_stranded(err) || !client_check_address(address, err))
        return err->code;
    struct candor_channel *channel = fork_register() ? calloc(1, sizeof *channel) : NULL;
    if (channel == NULL)
        return operation_out_of_memory(err);
    fork_note_connected();
    enum candor_code code = rpc_client_open(address, LIMIT_MESSAGE_BYTES_MAX, &channel->rpc, err);
    if (code != CANDOR_OK) {
        free(channel);
        return code;
    }
    *out = channel;
    return CANDOR_OK;
}

void candor_channel_close(struct candor_channel *channel)
{
    struct candor_error stranded;
    if (channel == NULL)
        return;
    if (!fork_stranded(&stranded)) /* else the connection is the parent's */
        rpc_client_close(channel->rpc);
    free(channel);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Lives as long as the exchange. */
struct request {
    struct rpc_exchange exchange;
    Candor__V1__RequestId id;
    uint8_t client_id[CANDOR_CLIENT_ID_BYTES];
};

static void request_begin(struct request *request, const struct candor_channel_options *options)
{
    *request = (struct request){0};
    if (options == NULL)
        return;
    request->exchange.deadline_ms = options->deadline_ms;
    if (options->request == NULL)
        return;
    memcpy(request->client_id, options->request->client_id, sizeof request->client_id);
    candor__v1__request_id__init(&request->id);
    request->id.client_id.data = request->client_id;
    request->id.client_id.len = sizeof request->client_id;
    request->id.number = options->request->number;
    request->exchange.request_id = &request->id;
}

/* False, with the error: they may not be followed. */
static bool check(const struct candor_channel *channel, const char *method,
                  struct candor_bytes request, const struct candor_channel_options *options,
                  struct candor_error *err)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "channel", channel);
    arguments_need(&arguments, "method", method);
    arguments_bytes(&arguments, "request", request);
    ARGUMENTS_KNOWN(&arguments, "options", options);
    return arguments_good(&arguments, err);
}

static struct slice slice_from(struct candor_bytes bytes)
{
    return slice_of(bytes.data, bytes.length);
}

/* False: there is no memory. */
static bool keep_envelope(const Candor__V1__RpcReply *reply, struct candor_answer *answer)
{
    size_t length = candor__v1__rpc_reply__get_packed_size(reply);
    uint8_t *packed = malloc(length + 1);
    answer->memory[1] = packed;
    if (packed == NULL)
        return false;
    candor__v1__rpc_reply__pack(reply, packed);
    answer->envelope = (struct candor_bytes){packed, length};
    return true;
}

enum candor_code candor_channel_call(struct candor_channel *channel, const char *method,
                                     struct candor_bytes request,
                                     const struct candor_channel_options *options,
                                     struct candor_answer *answer)
{
    struct request sent;
    uint8_t *response = NULL;
    Candor__V1__RpcReply *reply = NULL;
    if (answer == NULL)
        return CANDOR_INVALID_ARGUMENT;
    memset(answer, 0, sizeof *answer);
    struct candor_error *error = &answer->result.error;
    if (!check(channel, method, request, options, error) || fork_stranded(error))
        return error->code;
    request_begin(&sent, options);
    rpc_client_call_wait(channel->rpc, method, slice_from(request), &sent.exchange, &response,
                         &answer->response.length, &reply, error);
    answer->response.data = response;
    answer->memory[0] = response;
    if (reply != NULL) {
        convert_envelope(reply, &answer->result);
        if (!keep_envelope(reply, answer))
            candor_error_set(error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OUTCOME_UNKNOWN,
                             "out of memory: an answer came and could not be kept");
        candor__v1__rpc_reply__free_unpacked(reply, NULL);
    }
    return error->code;
}

void candor_answer_free(struct candor_answer *answer)
{
    if (answer == NULL)
        return;
    candor_result_free(&answer->result);
    free(answer->memory[0]);
    free(answer->memory[1]);
    answer->response = answer->envelope = (struct candor_bytes){0};
    memset(answer->memory, 0, sizeof answer->memory);
}

/* ---- Calls that nobody waits for ------------------------------------------------------------- */

struct sending {
    struct request request; /* first: its exchange is what comes back */
    void (*done)(void *closure, const struct candor_answer *answer);
    void *closure;
};

/* What this thread is about to send. A call that is refused ends before rpc_client_call() returns:
 * its caller is told by the code and not by a callback, which might send again, be refused again,
 * and so on down the stack. */
static _Thread_local struct {
    const struct sending *sending;
    bool refused;
    struct candor_error error;
} submission;

static void deliver(struct slice response, const struct sending *sending)
{
    const struct rpc_exchange *exchange = &sending->request.exchange;
    const Candor__V1__RpcReply *reply = exchange->reply;
    struct candor_answer answer = {.result.error = exchange->error};
    if (reply != NULL)
        convert_envelope(reply, &answer.result);
    if (reply != NULL && exchange->error.code != CANDOR_OK)
        response = slice_of(reply->body.data, reply->body.len);
    answer.response = (struct candor_bytes){response.bytes, response.length};
    sending->done(sending->closure, &answer);
    candor_answer_free(&answer);
}

static void answered(struct slice response, struct rpc_exchange *exchange)
{
    struct sending *sending = (struct sending *)exchange;
    if (sending == submission.sending) {
        submission.refused = true;
        submission.error = exchange->error;
    } else {
        deliver(response, sending);
    }
    free(sending);
}

static enum candor_code submit(struct candor_channel *channel, const char *method,
                               struct candor_bytes request, struct sending *sending,
                               struct candor_error *err)
{
    submission.sending = sending;
    submission.refused = false;
    rpc_client_call(channel->rpc, method, slice_from(request), answered,
                    &sending->request.exchange);
    submission.sending = NULL; /* it may be gone, and its place another's */
    if (!submission.refused)
        return CANDOR_OK;
    *err = submission.error;
    return err->code;
}

enum candor_code
candor_channel_send(struct candor_channel *channel, const char *method, struct candor_bytes request,
                    const struct candor_channel_options *options,
                    void (*done)(void *closure, const struct candor_answer *answer), void *closure,
                    struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    *err = (struct candor_error){0};
    if (done == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "done: NULL");
    if (!check(channel, method, request, options, err) || fork_stranded(err))
        return err->code;
    struct sending *sending = malloc(sizeof *sending);
    if (sending == NULL)
        return operation_out_of_memory(err);
    request_begin(&sending->request, options);
    sending->done = done;
    sending->closure = closure;
    return submit(channel, method, request, sending, err);
}
