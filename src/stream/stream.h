/* PUB/SUB: a node's stream of record batches and its heartbeats and statuses (docs/protocol.md §3).
 *
 * Two PUB sockets listen (records; heartbeats and statuses, so that a burst of records never evicts
 * a heartbeat, R9); per peer two SUB sockets dial its two. Lossy and unordered by nature: nothing
 * here is trusted to arrive. Bytes in, bytes out: messages are packed candor.v1.StreamMessage
 * (replication.proto); src/wire makes and reads them.
 *
 * Threads: publish from any thread. Callbacks run on NNG threads and only hand over. */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <candor/status.h>

#include "base/types.h"

struct stream;

/* A dial younger than this is left alone by stream_reset_peer(): it may be about to succeed. */
#define STREAM_REDIAL_MS 200

enum stream_channel { STREAM_RECORDS, STREAM_HEARTBEAT };

struct stream_options {
    const char *records_address;   /* listen */
    const char *heartbeat_address; /* listen */
    size_t message_bytes;          /* larger messages are dropped with their connection */
    /* A message of a peer, one at a time per peer and channel; `bytes` is valid during the call. */
    void (*received)(void *closure, struct candor_node_id peer, enum stream_channel channel,
                     struct slice bytes);
    /* The heartbeat connection to a peer came, or went by itself: a hint, nothing more (R22). That
     * stream_reset_peer() dropped it is not told. Must not call back into the stream. May be
     * NULL. */
    void (*connected)(void *closure, struct candor_node_id peer, bool up);
    void *closure;
};

/* UNAVAILABLE with the address in the message when it is in use or malformed. */
enum candor_code stream_open(const struct stream_options *options, struct stream **out,
                             struct candor_error *err);
/* No callback runs after it returns. Not from a callback. */
void stream_close(struct stream *stream);

/* Dials a peer's two sockets, and keeps re-dialling with back-off for ever. At most LIMIT_NODES
 * peers. INVALID_ARGUMENT for a malformed address. */
enum candor_code stream_subscribe(struct stream *stream, struct candor_node_id peer,
                                  const char *records_address, const char *heartbeat_address,
                                  struct candor_error *err);
/* The peer was not heard for too long: drops its connections (nng_pipe_close; a dialer without a
 * pipe is closed and made anew, so that a healed partition is not waited for through TCP's doubling
 * retries). A subscribed peer. Not from a callback. */
void stream_reset_peer(struct stream *stream, struct candor_node_id peer);

/* Never blocks; a slow subscriber loses its oldest, beyond LIMIT_STREAM_BUFFER_MESSAGES or _BYTES;
 * one that reads nothing loses its connection. The bytes are copied. */
void stream_publish(struct stream *stream, enum stream_channel channel, struct slice bytes);

#endif
