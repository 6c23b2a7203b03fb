/* Between our own structs and protobuf: the messages of replication.proto, and the epochs,
 * positions, tokens and freshness of rpc.proto. Protobuf types end here; what comes in is hostile
 * and is checked here.
 *
 * Out: wire_message() fills a struct wire_room, usually on the caller's stack, with a protobuf
 * message whose strings and bytes point into what it was made from. In: wire_read() copies ids and
 * numbers; slices point into the message.
 *
 * Threads: pure functions. Errors: INVALID_ARGUMENT / MALFORMED, the message names the field. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <candor/status.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/types.h"
#include "candor/v1/replication.pb-c.h"
#include "candor/v1/rpc.pb-c.h"
#include "core/core.h"

/* Seqs, terms, boots and times from outside are below this, so that sums of them do not wrap. How
 * far a term may go is LIMIT_EPOCH_END, which is lower: the core sees those beyond it, and says who
 * sent them. */
#define WIRE_NUMBER_END (UINT64_C(1) << 62)

/* ---- Epochs, positions, tokens --------------------------------------------------------------- */

struct wire_pos {
    Candor__V1__Pos pos;
    Candor__V1__Epoch epoch;
};

struct wire_token {
    Candor__V1__SessionToken token;
    struct wire_pos pos;
};

/* Points into `epoch`. */
void wire_epoch(const struct candor_epoch *epoch, Candor__V1__Epoch *out);
/* Points into `pos`. Returns &out->pos. */
Candor__V1__Pos *wire_pos(const struct candor_pos *pos, struct wire_pos *out);
/* Points into `token`. Returns &out->token. */
Candor__V1__SessionToken *wire_token(const struct candor_token *token, struct wire_token *out);
/* Absent (NULL) is the epoch before all, and position 0. */
enum candor_code wire_read_epoch(const Candor__V1__Epoch *epoch, const char *field,
                                 struct candor_epoch *out, struct candor_error *err);
enum candor_code wire_read_pos(const Candor__V1__Pos *pos, const char *field,
                               struct candor_pos *out, struct candor_error *err);
/* Absent: the empty token. */
enum candor_code wire_read_token(const Candor__V1__SessionToken *token, struct candor_token *out,
                                 struct candor_error *err);

/* ---- Freshness ------------------------------------------------------------------------------- */

struct wire_freshness {
    Candor__V1__Freshness freshness;
    Candor__V1__Epoch epoch;
    struct wire_token token;
};

/* Points into `fresh` and `token`. No token when its seq is 0. Returns &out->freshness. */
Candor__V1__Freshness *wire_freshness(const struct core_freshness *fresh,
                                      const struct candor_token *token, struct wire_freshness *out);
/* The token is left to wire_read_token(). */
enum candor_code wire_read_freshness(const Candor__V1__Freshness *freshness,
                                     struct core_freshness *out, struct candor_error *err);

/* ---- Messages between nodes ------------------------------------------------------------------ */

struct wire_header {
    Candor__V1__PeerHeader header;
    Candor__V1__Epoch epoch;
};

/* Points into `header`. Returns &out->header. */
Candor__V1__PeerHeader *wire_header(const struct core_header *header, struct wire_header *out);
enum candor_code wire_read_header(const Candor__V1__PeerHeader *header, struct core_header *out,
                                  struct candor_error *err);

struct wire_life {
    Candor__V1__Life life;
    struct wire_pos held;
};

/* Room for any message of struct core_msg. wire_room_free() when done. */
struct wire_room {
    struct wire_header header;
    union {
        Candor__V1__StreamMessage stream;
        Candor__V1__AttachRequest attach;
        Candor__V1__AttachResponse attach_answer;
        Candor__V1__FetchRequest fetch;
        Candor__V1__FetchResponse fetch_answer;
        Candor__V1__PreVoteRequest pre_vote;
        Candor__V1__VoteRequest vote;
        Candor__V1__VoteResponse vote_answer;
        Candor__V1__TransferLeadershipRequest transfer;
        Candor__V1__ReadIndexRequest read_index;
        Candor__V1__ReadIndexResponse read_index_answer;
        Candor__V1__LifeRequest life;
        Candor__V1__LifeResponse life_answer;
    };
    union {
        Candor__V1__Records records;
        Candor__V1__Status status;
        Candor__V1__RelayedStatus relayed_status;
        struct {
            Candor__V1__Heartbeat heartbeat;
            Candor__V1__RelayedHeartbeat relayed_heartbeat;
            Candor__V1__Echo echoes[LIMIT_NODES];
            Candor__V1__Echo *echo_list[LIMIT_NODES];
            Candor__V1__StateVerdict verdicts[LIMIT_NODES];
            Candor__V1__StateVerdict *verdict_list[LIMIT_NODES];
        };
        struct {
            Candor__V1__Epoch epoch;
            struct wire_pos last;
        };
        struct wire_life lives[2];
        struct wire_history *history; /* malloc'd */
    };
    char *missed[LIMIT_NODES];
    bool has_history;
};

/* The message of replication.proto that `msg` is: a StreamMessage, a request or a response. Points
 * into `msg` and `room`. */
ProtobufCMessage *wire_message(const struct core_msg *msg, struct wire_room *room);
void wire_room_free(struct wire_room *room);

/* Checks a message of replication.proto and reads it; its slices point into `message`. A request or
 * response becomes the core_msg of its type. On OK the caller calls wire_msg_free(out) when done
 * with it. */
enum candor_code wire_read(const ProtobufCMessage *message, struct core_msg *out,
                           struct candor_error *err);
void wire_msg_free(struct core_msg *msg);

/* A stream message's bytes, appended to `out`. */
void wire_stream_pack(const struct core_msg *msg, struct buffer *out);
/* Decodes and reads; slices of `msg` point into `memory`, which is given back after
 * wire_msg_free(), after an error too. Its limit is set to what the message may unfold to. */
enum candor_code wire_stream_unpack(struct slice bytes, struct arena *memory, struct core_msg *msg,
                                    struct candor_error *err);

/* A string for a field that protobuf-c declares as char * and only reads. */
static inline char *wire_string(const char *text)
{
    return (char *)(uintptr_t)text;
}

#endif
