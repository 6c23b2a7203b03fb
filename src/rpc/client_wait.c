/* A call that its caller waits for. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounded_unpack.h"
#include "rpc/rpc.h"

/* A caller that waits, on its stack. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool done;
    bool wants_reply;
    uint8_t *response;
    size_t response_bytes;
    Candor__V1__RpcReply *reply;
};

/* The envelope again, in memory that outlives the closure; NULL: there is none. */
static Candor__V1__RpcReply *copy_reply(const Candor__V1__RpcReply *reply)
{
    Candor__V1__RpcReply bodiless = *reply;
    bodiless.body = (ProtobufCBinaryData){0};
    size_t bytes = candor__v1__rpc_reply__get_packed_size(&bodiless);
    uint8_t *packed = malloc(bytes + 1);
    if (packed == NULL)
        return NULL;
    candor__v1__rpc_reply__pack(&bodiless, packed);
    Candor__V1__RpcReply *copy =
        bounded_unpack(&candor__v1__rpc_reply__descriptor, slice_of(packed, bytes), NULL);
    free(packed);
    return copy;
}

/* False: there is no memory. */
static bool keep(struct waiter *waiter, bool answered, struct slice response,
                 const Candor__V1__RpcReply *reply)
{
    if (answered) {
        waiter->response = malloc(response.length + 1); /* never NULL for an empty response */
        if (waiter->response == NULL)
            return false;
        if (response.length > 0)
            memcpy(waiter->response, response.bytes, response.length);
        waiter->response_bytes = response.length;
    }
    if (waiter->wants_reply && reply != NULL)
        waiter->reply = copy_reply(reply);
    return !waiter->wants_reply || reply == NULL || waiter->reply != NULL;
}

static void take(struct slice response, struct rpc_exchange *exchange)
{
    struct waiter *waiter = exchange->closure_data;
    bool failed = exchange->error.code != CANDOR_OK;
    if (failed && exchange->reply != NULL) /* some methods answer beside an error */
        response = slice_of(exchange->reply->body.data, exchange->reply->body.len);
    if (!keep(waiter, !failed || response.length > 0, response, exchange->reply)) {
        free(waiter->response);
        waiter->response = NULL;
        waiter->response_bytes = 0;
        candor_error_set(&exchange->error, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OUTCOME_UNKNOWN,
                         "out of memory: an answer came and could not be kept");
    }
    exchange->reply = NULL; /* it dies with the closure */
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->arrived);
    pthread_mutex_unlock(&waiter->lock);
}

enum candor_code rpc_client_call_wait(struct rpc_client *client, const char *method,
                                      struct slice body, struct rpc_exchange *exchange,
                                      uint8_t **response, size_t *response_bytes,
                                      Candor__V1__RpcReply **reply, struct candor_error *err)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .arrived = PTHREAD_COND_INITIALIZER,
                            .wants_reply = reply != NULL};
    void *closure_data = exchange->closure_data;
    exchange->closure_data = &waiter;
    rpc_client_call(client, method, body, take, exchange);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.arrived, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.arrived);
    pthread_mutex_destroy(&waiter.lock);
    exchange->closure_data = closure_data;

    *response = waiter.response;
    *response_bytes = waiter.response_bytes;
    if (reply != NULL)
        *reply = waiter.reply;
    if (err != NULL)
        *err = exchange->error;
    return exchange->error.code;
}
