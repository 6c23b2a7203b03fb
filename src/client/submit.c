/* Taking operations that nobody waits for, and delivering what they gave. */
#include <stdlib.h>

#include "client/submitted.h"

/* What this thread is submitting. What ends before engine_begin() returns is told by the code and
 * not by a callback, which might submit again, be refused again, and so on down the stack. */
static _Thread_local struct submission {
    const struct submitted *of;
    bool refused;
} submission;

/* The client whose callback this thread runs. */
static _Thread_local const struct candor_client *calling_back;

bool submit_within_callback(void)
{
    return calling_back != NULL;
}

bool submit_is_callback_of(const struct candor_client *client)
{
    return client == calling_back;
}

void submitted_free(struct submitted *submitted)
{
    account_give(submitted->account, submitted->bytes);
    candor_result_free(&submitted->result);
    free(submitted);
}

/* ---- Delivering ------------------------------------------------------------------------------ */

static void call_back(struct submitted *submitted)
{
    const struct candor_client *before = calling_back;
    calling_back = submitted->operation.client;
    submitted->sink.done(submitted->sink.closure, &submitted->result);
    calling_back = before;
    submitted_free(submitted);
}

static void deliver(struct submitted *submitted)
{
    struct candor_client *client = submitted->operation.client;
    uint32_t number = submitted->number;
    account_grow(submitted->account, submitted->operation.answer_bytes);
    submitted->bytes += submitted->operation.answer_bytes;
    if (submitted->sink.queue != NULL)
        completions_push(submitted->sink.queue, submitted);
    else
        call_back(submitted);
    agenda_leave(client, number); /* after this the client may be gone */
}

static void tell(struct operation *operation)
{
    const struct candor_client *before = calling_back;
    calling_back = operation->client;
    engine_resume(operation);
    calling_back = before;
}

static void host(struct operation *operation)
{
    struct submitted *submitted = (struct submitted *)operation;
    if (operation->stage == STAGE_TELL)
        tell(operation);
    else if (operation->stage != STAGE_ENDED)
        agenda_put(submitted);
    else if (submitted == submission.of)
        submission.refused = true;
    else
        deliver(submitted);
}

/* ---- Submitting ------------------------------------------------------------------------------ */

static bool check_sink(const struct candor_sink *sink, struct candor_error *err)
{
    struct arguments arguments = {0};
    ARGUMENTS_KNOWN(&arguments, "sink", sink);
    if (!arguments_good(&arguments, err))
        return false;
    if (sink != NULL && (sink->queue != NULL) != (sink->done != NULL))
        return true;
    candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                     "sink: exactly one of queue and done is needed");
    return false;
}

/* Counted nowhere yet. NULL: there is no memory. */
static struct submitted *submitted_new(struct candor_client *client, const struct call *call,
                                       const struct candor_sink *sink)
{
    struct submitted *submitted = malloc(sizeof *submitted);
    if (submitted == NULL)
        return NULL;
    submitted->operation = (struct operation){
        .call = *call, .client = client, .result = &submitted->result, .host = host, .lined = true};
    submitted->sink = *sink;
    submitted->account = client->account;
    submitted->bytes = call->body.length;
    return submitted;
}

/* False, with the error: it is not begun. */
static bool enter(struct submitted *submitted, struct candor_error *err)
{
    struct candor_client *client = submitted->operation.client;
    struct candor_queue *queue = submitted->sink.queue;
    if (!account_take(submitted->account, submitted->bytes, err))
        return false;
    if (queue == NULL || completions_expect(queue, err)) {
        if (agenda_enter(client, submitted, err))
            return true;
        if (queue != NULL)
            completions_withdraw(queue);
    }
    account_give(submitted->account, submitted->bytes);
    return false;
}

/* What was refused at once. */
static enum candor_code withdraw(struct submitted *submitted, struct candor_error *err)
{
    *err = submitted->result.error;
    agenda_leave(submitted->operation.client, submitted->number);
    if (submitted->sink.queue != NULL)
        completions_withdraw(submitted->sink.queue);
    submitted_free(submitted);
    return err->code;
}

static enum candor_code begin(struct submitted *submitted, struct candor_error *err)
{
    struct submission before = submission; /* of a callback's own, further up the stack */
    submission = (struct submission){.of = submitted};
    engine_begin(&submitted->operation);
    bool refused = submission.refused;
    submission = before;
    return refused ? withdraw(submitted, err) : CANDOR_OK;
}

enum candor_code client_submit(struct candor_client *client, const struct call *call,
                               const struct candor_sink *sink, struct candor_error *err)
{
    struct candor_error local;
    err = err == NULL ? &local : err;
    *err = (struct candor_error){0};
    struct submitted *submitted = NULL;
    if (!check_sink(sink, err) || fork_stranded(err))
        goto refused;
    submitted = submitted_new(client, call, sink);
    if (submitted == NULL)
        operation_out_of_memory(err);
    if (submitted != NULL && enter(submitted, err))
        return begin(submitted, err);
refused:
    free(submitted);
    free(call->packed);
    free(call->memory);
    return err->code;
}
