/* PUB and SUB sockets of a node: published to, subscribed, reset. */
#include "stream/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/memory.h"
#include "net/at_once.h"
#include "net/dialed.h"
#include "net/listen.h"
#include "stream/subscribers.h"

#define CHANNELS 2 /* STREAM_RECORDS, STREAM_HEARTBEAT */
#define BUFFER_MESSAGES_LEAST 4

/* What a peer publishes on one channel. */
struct subscription {
    struct stream *stream;
    struct candor_node_id peer;
    enum stream_channel channel;
    nng_socket socket;
    nng_aio *aio;
    struct dialed dialed;
    atomic_bool dropping; /* this side drops the connection: nothing to be told of */
};

struct peer {
    struct candor_node_id id;
    struct subscription channels[CHANNELS];
};

/* A PUB socket queues up to `buffer_messages` for each subscriber: references to the newest ones,
 * which all stuck subscribers share. Large messages make that fewer, so that all of them together
 * hold at most LIMIT_STREAM_BUFFER_BYTES, and each the one message that it is in the midst of. The
 * largest message is taken of this and the previous window of as many publications as the longest
 * queue has places: what is older is in no queue any more. */
struct publisher {
    nng_socket socket;
    bool open;
    pthread_mutex_t lock; /* before any lock of NNG; of all below */
    nng_aio *aio;         /* of the message that is being published */
    int buffer_messages;
    uint32_t window_count;
    size_t window_largest;
    size_t previous_largest;
    struct subscribers subscribers;
};

struct stream {
    struct stream_options options;
    atomic_bool closing;
    struct publisher publishers[CHANNELS];
    pthread_mutex_t lock; /* of all below; before those of subscriptions */
    uint32_t peer_count;
    struct peer *peers[LIMIT_NODES];
};

/* ---- Publishing ------------------------------------------------------------------------------ */

static int fitting_messages(size_t largest)
{
    uint64_t fit = LIMIT_STREAM_BUFFER_BYTES / max_u64(largest, 1);
    return (int)min_u64(max_u64(fit, BUFFER_MESSAGES_LEAST), LIMIT_STREAM_BUFFER_MESSAGES);
}

/* By halves, so that a slow growth of sizes does not resize at each message. */
static int buffer_messages_for(size_t largest)
{
    int messages = LIMIT_STREAM_BUFFER_MESSAGES;
    while (messages > fitting_messages(largest))
        messages /= 2;
    return messages < BUFFER_MESSAGES_LEAST ? BUFFER_MESSAGES_LEAST : messages;
}

/* Under the lock. */
static void fit_buffer(struct publisher *publisher, size_t bytes)
{
    if (++publisher->window_count > LIMIT_STREAM_BUFFER_MESSAGES) {
        publisher->previous_largest = publisher->window_largest;
        publisher->window_largest = 0;
        publisher->window_count = 1;
    }
    publisher->window_largest = max_u64(publisher->window_largest, bytes);
    int messages =
        buffer_messages_for(max_u64(publisher->window_largest, publisher->previous_largest));
    if (messages != publisher->buffer_messages &&
        nng_socket_set_int(publisher->socket, NNG_OPT_SENDBUF, messages) == 0)
        publisher->buffer_messages = messages;
}

/* Under the lock. What PUB does not take, because it is closed, or there is no memory, is as if it
 * was lost on its way. It never waits. */
static void publish(struct publisher *publisher, struct slice bytes)
{
    nng_msg *message;
    fit_buffer(publisher, bytes.length);
    if (nng_msg_alloc(&message, bytes.length) != 0)
        return;
    if (bytes.length > 0)
        memcpy(nng_msg_body(message), bytes.bytes, bytes.length);
    nng_aio_set_msg(publisher->aio, message);
    nng_send_aio(publisher->socket, publisher->aio);
    nng_aio_wait(publisher->aio);
    if (nng_aio_result(publisher->aio) != 0)
        nng_msg_free(message);
}

void stream_publish(struct stream *stream, enum stream_channel channel, struct slice bytes)
{
    ASSERT_U64(channel, <, CHANNELS);
    struct publisher *publisher = &stream->publishers[channel];
    if (subscribers_none(&publisher->subscribers))
        return;
    at_once_begin(NULL);
    pthread_mutex_lock(&publisher->lock);
    publish(publisher, bytes);
    pthread_mutex_unlock(&publisher->lock);
    at_once_end();
}

/* Closing it here is NNG's way to refuse it; it does not wait. */
static void subscriber_comes(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    struct publisher *publisher = closure;
    nng_sockaddr from = {.s_family = NNG_AF_UNSPEC};
    (void)event;
    (void)nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &from);
    if (!subscribers_add(&publisher->subscribers, (uint32_t)nng_pipe_id(pipe), &from))
        nng_pipe_close(pipe);
}

static void subscriber_gone(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    struct publisher *publisher = closure;
    (void)event;
    subscribers_remove(&publisher->subscribers, (uint32_t)nng_pipe_id(pipe));
}

static int limit_subscribers(struct publisher *publisher)
{
    int error =
        nng_pipe_notify(publisher->socket, NNG_PIPE_EV_ADD_PRE, subscriber_comes, publisher);
    if (error == 0)
        error =
            nng_pipe_notify(publisher->socket, NNG_PIPE_EV_REM_POST, subscriber_gone, publisher);
    return error;
}

static int publisher_open(struct publisher *publisher, const char *address)
{
    pthread_mutex_init(&publisher->lock, NULL);
    subscribers_init(&publisher->subscribers, address);
    publisher->buffer_messages = LIMIT_STREAM_BUFFER_MESSAGES;
    int error = nng_pub0_open(&publisher->socket);
    if (error != 0)
        return error;
    publisher->open = true;
    error = nng_aio_alloc(&publisher->aio, NULL, NULL);
    if (error == 0)
        error =
            nng_socket_set_int(publisher->socket, NNG_OPT_SENDBUF, LIMIT_STREAM_BUFFER_MESSAGES);
    /* Subscribers have nothing to say: whoever sends more than nothing is dropped. */
    if (error == 0)
        error = nng_socket_set_size(publisher->socket, NNG_OPT_RECVMAXSZ, 1);
    if (error == 0)
        error = limit_subscribers(publisher);
    return error == 0 ? nng_listen(publisher->socket, address, NULL, 0) : error;
}

static void publisher_close(struct publisher *publisher)
{
    if (publisher->open)
        nng_close(publisher->socket);
    if (publisher->aio != NULL)
        nng_aio_free(publisher->aio);
    subscribers_free(&publisher->subscribers);
    pthread_mutex_destroy(&publisher->lock);
}

/* ---- Subscribing ----------------------------------------------------------------------------- */

static void received(void *closure)
{
    struct subscription *subscription = closure;
    struct stream *stream = subscription->stream;
    int error = nng_aio_result(subscription->aio);
    if (error == NNG_ECLOSED || error == NNG_ECANCELED || atomic_load(&stream->closing))
        goto end;
    if (error == 0) {
        nng_msg *message = nng_aio_get_msg(subscription->aio);
        nng_aio_set_msg(subscription->aio, NULL);
        stream->options.received(stream->options.closure, subscription->peer, subscription->channel,
                                 slice_of(nng_msg_body(message), nng_msg_len(message)));
        nng_msg_free(message);
    }
    nng_recv_aio(subscription->socket, subscription->aio);
    return;
end:
    if (error == 0)
        nng_msg_free(nng_aio_get_msg(subscription->aio));
}

static void heartbeat_connection(void *closure, bool up)
{
    struct subscription *subscription = closure;
    struct stream *stream = subscription->stream;
    bool own_doing = atomic_exchange(&subscription->dropping, false) && !up;
    if (!atomic_load(&stream->closing) && !own_doing)
        stream->options.connected(stream->options.closure, subscription->peer, up);
}

static void subscription_close(struct subscription *subscription)
{
    /* was never opened */
    if (subscription->aio == NULL)
        return;
    nng_aio_stop(subscription->aio);
    dialed_close(&subscription->dialed);
    nng_aio_free(subscription->aio);
}

static int subscription_open(struct subscription *subscription, struct stream *stream,
                             struct candor_node_id peer, enum stream_channel channel,
                             const char *address)
{
    *subscription = (struct subscription){.stream = stream, .peer = peer, .channel = channel};
    int error = nng_sub0_open(&subscription->socket);
    if (error != 0)
        return error;
    error = nng_aio_alloc(&subscription->aio, received, subscription);
    if (error != 0) {
        nng_close(subscription->socket);
        return error;
    }
    bool told = channel == STREAM_HEARTBEAT && stream->options.connected != NULL;
    error = nng_socket_set(subscription->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (error == 0)
        error = nng_socket_set_size(subscription->socket, NNG_OPT_RECVMAXSZ,
                                    stream->options.message_bytes);
    int dial_error = dialed_start(&subscription->dialed, subscription->socket, address,
                                  told ? heartbeat_connection : NULL, subscription);
    if (error == 0)
        error = dial_error;
    if (error == 0)
        nng_recv_aio(subscription->socket, subscription->aio);
    return error;
}

static void peer_close(struct peer *peer)
{
    for (int i = 0; i < CHANNELS; i++)
        subscription_close(&peer->channels[i]);
    free(peer);
}

enum candor_code stream_subscribe(struct stream *stream, struct candor_node_id peer,
                                  const char *records_address, const char *heartbeat_address,
                                  struct candor_error *err)
{
    struct peer *new_peer = memory_zeroed(1, sizeof *new_peer);
    new_peer->id = peer;
    const char *address = records_address;
    int error = subscription_open(&new_peer->channels[STREAM_RECORDS], stream, peer, STREAM_RECORDS,
                                  address);
    if (error == 0) {
        address = heartbeat_address;
        error = subscription_open(&new_peer->channels[STREAM_HEARTBEAT], stream, peer,
                                  STREAM_HEARTBEAT, address);
    }
    if (error != 0) {
        peer_close(new_peer);
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "cannot dial \"%s\" of node %s: %s", address, peer.text,
                                nng_strerror(error));
    }
    pthread_mutex_lock(&stream->lock);
    ASSERT_U64(stream->peer_count, <, LIMIT_NODES);
    stream->peers[stream->peer_count++] = new_peer;
    pthread_mutex_unlock(&stream->lock);
    return CANDOR_OK;
}

static struct peer *find_peer(struct stream *stream, struct candor_node_id id)
{
    struct peer *found = NULL;
    pthread_mutex_lock(&stream->lock);
    for (uint32_t i = 0; i < stream->peer_count; i++)
        if (node_id_equal(stream->peers[i]->id, id))
            found = stream->peers[i];
    pthread_mutex_unlock(&stream->lock);
    return found;
}

void stream_reset_peer(struct stream *stream, struct candor_node_id id)
{
    struct peer *peer = find_peer(stream, id);
    ASSERT(peer != NULL);
    for (int i = 0; i < CHANNELS; i++) {
        struct dialed *dialed = &peer->channels[i].dialed;
        uint64_t since_ns;
        uint32_t pipe = dialed_pipe(dialed, &since_ns);
        if (pipe != 0) {
            atomic_store(&peer->channels[i].dropping, true);
            dialed_drop(dialed, pipe);
        } else {
            dialed_redial(dialed, STREAM_REDIAL_MS * NS_PER_MS);
        }
    }
}

/* ---- Opening and closing --------------------------------------------------------------------- */

enum candor_code stream_open(const struct stream_options *options, struct stream **out,
                             struct candor_error *err)
{
    *out = NULL;
    struct stream *stream = memory_zeroed(1, sizeof *stream);
    stream->options = *options;
    pthread_mutex_init(&stream->lock, NULL);
    const char *addresses[CHANNELS] = {[STREAM_RECORDS] = options->records_address,
                                       [STREAM_HEARTBEAT] = options->heartbeat_address};
    const char *failed = NULL;
    int error = 0;
    for (int i = 0; i < CHANNELS; i++) {
        int opened = publisher_open(&stream->publishers[i], addresses[i]);
        if (opened != 0 && failed == NULL) {
            error = opened;
            failed = addresses[i];
        }
    }
    if (failed != NULL) {
        stream_close(stream);
        return listen_refused(failed, error, err);
    }
    *out = stream;
    return CANDOR_OK;
}

void stream_close(struct stream *stream)
{
    if (stream == NULL)
        return;
    atomic_store(&stream->closing, true);
    for (uint32_t i = 0; i < stream->peer_count; i++)
        peer_close(stream->peers[i]);
    for (int i = 0; i < CHANNELS; i++)
        publisher_close(&stream->publishers[i]);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}
