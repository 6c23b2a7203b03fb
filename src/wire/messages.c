/* struct core_msg to and from the messages of replication.proto. */
#include "wire/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/unpack.h"

/* ---- Out ------------------------------------------------------------------------------------- */

/* An AttachRequest's history: one allocation, since it is long and rare. */
struct wire_history {
    Candor__V1__EpochStart *list[LIMIT_EPOCH_HISTORY];
    Candor__V1__EpochStart starts[LIMIT_EPOCH_HISTORY];
    Candor__V1__Epoch epochs[LIMIT_EPOCH_HISTORY];
};

static ProtobufCBinaryData binary_of(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.length, .data = (uint8_t *)(uintptr_t)bytes.bytes};
}

static void fill_echoes(const struct core_echoes *echoes, struct wire_room *room)
{
    ASSERT_U64(echoes->count, <=, LIMIT_NODES);
    for (uint32_t i = 0; i < echoes->count; i++) {
        const struct core_echo *from = &echoes->list[i];
        Candor__V1__Echo *echo = &room->echoes[i];
        candor__v1__echo__init(echo);
        echo->node = wire_string(from->node.text);
        echo->boot = from->boot;
        echo->ts_ns = from->ts_ns;
        echo->store_id = from->store_id;
        echo->relayed = from->relayed;
        room->echo_list[i] = echo;
    }
}

static void fill_records(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__records__init(&room->records);
    room->records.hb_id = msg->records.hb_id;
    fill_echoes(&msg->records.echoes, room);
    room->records.n_echoes = msg->records.echoes.count;
    room->records.echoes = room->echo_list;
    room->records.echoes_last = msg->records.echoes.last;
    room->records.commit = msg->records.commit;
    room->records.batches = binary_of(msg->records.batches);
    room->stream.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_RECORDS;
    room->stream.records = &room->records;
}

static void fill_verdicts(const struct core_verdicts *verdicts, struct wire_room *room)
{
    ASSERT_U64(verdicts->count, <=, LIMIT_NODES);
    for (uint32_t i = 0; i < verdicts->count; i++) {
        const struct core_state_verdict *from = &verdicts->list[i];
        Candor__V1__StateVerdict *verdict = &room->verdicts[i];
        candor__v1__state_verdict__init(verdict);
        verdict->node = wire_string(from->node.text);
        verdict->store_id = from->store_id;
        verdict->equal_seq = from->equal_seq;
        verdict->differs_seq = from->differs_seq;
        verdict->rewinds = from->rewinds;
        verdict->vouched = from->vouched;
        room->verdict_list[i] = verdict;
    }
    room->heartbeat.n_verdicts = verdicts->count;
    room->heartbeat.verdicts = room->verdict_list;
}

static size_t fill_missed(const struct core_missed *missed, struct wire_room *room)
{
    ASSERT_U64(missed->count, <=, LIMIT_NODES);
    for (uint32_t i = 0; i < missed->count; i++)
        room->missed[i] = wire_string(missed->list[i].text);
    return missed->count;
}

static void fill_heartbeat(const struct core_msg *msg, struct wire_room *room)
{
    Candor__V1__Heartbeat *heartbeat = &room->heartbeat;
    candor__v1__heartbeat__init(heartbeat);
    heartbeat->hb_id = msg->heartbeat.hb_id;
    heartbeat->last = msg->heartbeat.last;
    heartbeat->chain_high = msg->heartbeat.chain.high;
    heartbeat->chain_low = msg->heartbeat.chain.low;
    heartbeat->first = msg->heartbeat.first;
    heartbeat->commit = msg->heartbeat.commit;
    heartbeat->log_ms = msg->heartbeat.log_ms;
    heartbeat->successor = wire_string(msg->heartbeat.successor.text);
    heartbeat->rpc = wire_string(msg->heartbeat.rpc);
    fill_echoes(&msg->heartbeat.echoes, room);
    heartbeat->n_echoes = msg->heartbeat.echoes.count;
    heartbeat->echoes = room->echo_list;
    heartbeat->echoes_last = msg->heartbeat.echoes.last;
    fill_verdicts(&msg->heartbeat.verdicts, room);
    heartbeat->n_missed = fill_missed(&msg->heartbeat.missed, room);
    heartbeat->missed = room->missed;
    room->stream.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_HEARTBEAT;
    room->stream.heartbeat = heartbeat;
}

static void fill_relayed_heartbeat(const struct core_msg *msg, struct wire_room *room)
{
    fill_heartbeat(msg, room);
    candor__v1__relayed_heartbeat__init(&room->relayed_heartbeat);
    room->relayed_heartbeat.heartbeat = &room->heartbeat;
    room->stream.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_RELAYED_HEARTBEAT;
    room->stream.relayed_heartbeat = &room->relayed_heartbeat;
}

static void fill_relayed_status(const struct core_msg *msg, struct wire_room *room)
{
    Candor__V1__RelayedStatus *status = &room->relayed_status;
    candor__v1__relayed_status__init(status);
    status->node = wire_string(msg->relayed_status.node.text);
    status->store_id = msg->relayed_status.store_id;
    status->boot = msg->relayed_status.boot;
    status->ts_ns = msg->relayed_status.ts_ns;
    status->seen_hb_id = msg->relayed_status.seen_hb;
    room->stream.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_RELAYED_STATUS;
    room->stream.relayed_status = status;
}

static void fill_status(const struct core_msg *msg, struct wire_room *room)
{
    Candor__V1__Status *status = &room->status;
    candor__v1__status__init(status);
    status->ts_ns = msg->status.ts_ns;
    status->hb_id = msg->status.hb_id;
    status->last = msg->status.last;
    status->durable = msg->status.durable;
    status->match = msg->status.match;
    status->applied = msg->status.applied;
    status->state = (Candor__V1__NodeState)msg->status.state;
    status->promise_ms = msg->status.promise_ns / NS_PER_MS; /* down: no more than was promised */
    status->no_room = msg->status.no_room;
    status->digest_seq = msg->status.digest.seq;
    status->rewinds = msg->status.rewinds;
    status->digest_high = msg->status.digest.digest.high;
    status->digest_low = msg->status.digest.digest.low;
    status->seen_hb_id = msg->status.seen_hb;
    status->hearing = (Candor__V1__Hearing)msg->status.hearing;
    status->relay = wire_string(msg->status.relay.text);
    status->n_missed = fill_missed(&msg->status.missed, room);
    status->missed = room->missed;
    room->stream.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_STATUS;
    room->stream.status = status;
}

static ProtobufCMessage *stream_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__stream_message__init(&room->stream);
    room->stream.header = &room->header.header;
    if (msg->type == CORE_MSG_RECORDS)
        fill_records(msg, room);
    else if (msg->type == CORE_MSG_HEARTBEAT)
        fill_heartbeat(msg, room);
    else if (msg->type == CORE_MSG_RELAYED_HEARTBEAT)
        fill_relayed_heartbeat(msg, room);
    else if (msg->type == CORE_MSG_RELAYED_STATUS)
        fill_relayed_status(msg, room);
    else
        fill_status(msg, room);
    return &room->stream.base;
}

static ProtobufCMessage *attach_message(const struct core_msg *msg, struct wire_room *room)
{
    const struct epoch_history *from = &msg->attach.history;
    ASSERT_U64(from->count, <=, LIMIT_EPOCH_HISTORY);
    struct wire_history *history = memory_alloc(sizeof *history);
    for (uint32_t i = 0; i < from->count; i++) {
        wire_epoch(&from->starts[i].epoch, &history->epochs[i]);
        candor__v1__epoch_start__init(&history->starts[i]);
        history->starts[i].epoch = &history->epochs[i];
        history->starts[i].first_seq = from->starts[i].first_seq;
        history->starts[i].chain_high = from->starts[i].chain.high;
        history->starts[i].chain_low = from->starts[i].chain.low;
        history->list[i] = &history->starts[i];
    }
    room->history = history;
    room->has_history = true;
    candor__v1__attach_request__init(&room->attach);
    room->attach.header = &room->header.header;
    room->attach.last = msg->attach.last;
    room->attach.commit = msg->attach.commit;
    room->attach.chain_high = msg->attach.chain.high;
    room->attach.chain_low = msg->attach.chain.low;
    room->attach.n_history = from->count;
    room->attach.history = history->list;
    return &room->attach.base;
}

static ProtobufCMessage *attach_answer_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__attach_response__init(&room->attach_answer);
    room->attach_answer.header = &room->header.header;
    room->attach_answer.verdict = (Candor__V1__AttachResponse__Verdict)msg->attach_answer.verdict;
    room->attach_answer.seq = msg->attach_answer.seq;
    return &room->attach_answer.base;
}

static ProtobufCMessage *fetch_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__fetch_request__init(&room->fetch);
    room->fetch.header = &room->header.header;
    room->fetch.from_seq = msg->fetch.from_seq;
    return &room->fetch.base;
}

static ProtobufCMessage *fetch_answer_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__fetch_response__init(&room->fetch_answer);
    room->fetch_answer.header = &room->header.header;
    room->fetch_answer.ok = msg->fetch_answer.ok;
    room->fetch_answer.commit = msg->fetch_answer.commit;
    room->fetch_answer.batches = binary_of(msg->fetch_answer.batches);
    return &room->fetch_answer.base;
}

static ProtobufCMessage *vote_message(const struct core_msg *msg, struct wire_room *room)
{
    wire_epoch(&msg->vote.epoch, &room->epoch);
    Candor__V1__Pos *last = wire_pos(&msg->vote.last, &room->last);
    if (msg->type == CORE_MSG_PRE_VOTE) {
        candor__v1__pre_vote_request__init(&room->pre_vote);
        room->pre_vote.header = &room->header.header;
        room->pre_vote.epoch = &room->epoch;
        room->pre_vote.last = last;
        room->pre_vote.transfer = msg->vote.transfer;
        return &room->pre_vote.base;
    }
    candor__v1__vote_request__init(&room->vote);
    room->vote.header = &room->header.header;
    room->vote.epoch = &room->epoch;
    room->vote.last = last;
    room->vote.transfer = msg->vote.transfer;
    return &room->vote.base;
}

static ProtobufCMessage *vote_answer_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__vote_response__init(&room->vote_answer);
    room->vote_answer.header = &room->header.header;
    room->vote_answer.granted = msg->vote_answer.granted;
    room->vote_answer.blank = msg->vote_answer.blank;
    room->vote_answer.unheard = msg->vote_answer.unheard;
    room->vote_answer.refusal = wire_string(msg->vote_answer.refusal);
    return &room->vote_answer.base;
}

static ProtobufCMessage *transfer_message(struct wire_room *room)
{
    candor__v1__transfer_leadership_request__init(&room->transfer);
    room->transfer.header = &room->header.header;
    return &room->transfer.base;
}

static ProtobufCMessage *read_index_message(struct wire_room *room)
{
    candor__v1__read_index_request__init(&room->read_index);
    room->read_index.header = &room->header.header;
    return &room->read_index.base;
}

static ProtobufCMessage *read_index_answer_message(const struct core_msg *msg,
                                                   struct wire_room *room)
{
    candor__v1__read_index_response__init(&room->read_index_answer);
    room->read_index_answer.header = &room->header.header;
    room->read_index_answer.ok = msg->read_index_answer.ok;
    room->read_index_answer.seq = msg->read_index_answer.seq;
    return &room->read_index_answer.base;
}

static ProtobufCMessage *life_message(struct wire_room *room)
{
    candor__v1__life_request__init(&room->life);
    room->life.header = &room->header.header;
    return &room->life.base;
}

/* NULL: there is none. */
static Candor__V1__Life *wire_life(const struct core_life *life, struct wire_life *out)
{
    if (life->store_id == 0)
        return NULL;
    candor__v1__life__init(&out->life);
    out->life.store_id = life->store_id;
    out->life.boot = life->boot;
    out->life.held = life->held.seq == 0 ? NULL : wire_pos(&life->held, &out->held);
    return &out->life;
}

static ProtobufCMessage *life_answer_message(const struct core_msg *msg, struct wire_room *room)
{
    candor__v1__life_response__init(&room->life_answer);
    room->life_answer.header = &room->header.header;
    room->life_answer.lasted = wire_life(&msg->life_answer.lasted, &room->lives[0]);
    room->life_answer.newest = wire_life(&msg->life_answer.newest, &room->lives[1]);
    room->life_answer.speaks = msg->life_answer.speaks;
    room->life_answer.ok = msg->life_answer.ok;
    return &room->life_answer.base;
}

ProtobufCMessage *wire_message(const struct core_msg *msg, struct wire_room *room)
{
    room->has_history = false;
    wire_header(&msg->header, &room->header);
    switch (msg->type) {
    case CORE_MSG_RECORDS:
    case CORE_MSG_HEARTBEAT:
    case CORE_MSG_STATUS:
    case CORE_MSG_RELAYED_HEARTBEAT:
    case CORE_MSG_RELAYED_STATUS:
        return stream_message(msg, room);
    case CORE_MSG_ATTACH:
        return attach_message(msg, room);
    case CORE_MSG_ATTACH_ANSWER:
        return attach_answer_message(msg, room);
    case CORE_MSG_FETCH:
        return fetch_message(msg, room);
    case CORE_MSG_FETCH_ANSWER:
        return fetch_answer_message(msg, room);
    case CORE_MSG_PRE_VOTE:
    case CORE_MSG_VOTE:
        return vote_message(msg, room);
    case CORE_MSG_VOTE_ANSWER:
        return vote_answer_message(msg, room);
    case CORE_MSG_TRANSFER:
        return transfer_message(room);
    case CORE_MSG_READ_INDEX:
        return read_index_message(room);
    case CORE_MSG_READ_INDEX_ANSWER:
        return read_index_answer_message(msg, room);
    case CORE_MSG_LIFE:
        return life_message(room);
    case CORE_MSG_LIFE_ANSWER:
        return life_answer_message(msg, room);
    }
    ASSERT(!"a core_msg of no known type");
    return NULL;
}

void wire_room_free(struct wire_room *room)
{
    if (room->has_history)
        free(room->history);
    room->has_history = false;
}

/* CRC32C of the message, before it. */
#define STREAM_CHECKSUM_BYTES 4

void wire_stream_pack(const struct core_msg *msg, struct buffer *out)
{
    struct wire_room room;
    size_t begin = out->length;
    ProtobufCMessage *message = wire_message(msg, &room);
    buffer_put_u32(out, 0);
    protobuf_c_message_pack(message, buffer_grow(out, protobuf_c_message_get_packed_size(message)));
    size_t body = begin + STREAM_CHECKSUM_BYTES;
    buffer_set_u32(out, begin, crc32c(0, out->bytes + body, out->length - body));
    wire_room_free(&room);
}

/* ---- In -------------------------------------------------------------------------------------- */

static struct slice slice_of_binary(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

/* Text of a peer that goes on to clients or logs: printable ASCII without blanks. */
static bool is_address(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p < 0x21 || *p > 0x7e)
            return false;
    return true;
}

static enum candor_code check_numbers(const uint64_t *numbers, const char *const *fields,
                                      size_t count, struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    for (size_t i = 0; i < count && code == CANDOR_OK; i++)
        code = wire_check_number(numbers[i], fields[i], err);
    return code;
}

static enum candor_code read_echoes(Candor__V1__Echo *const *list, size_t count, uint64_t last,
                                    struct core_echoes *out, struct candor_error *err)
{
    if (count > LIMIT_NODES)
        return wire_malformed(err, "echoes", "more than there can be nodes");
    for (size_t i = 0; i < count; i++) {
        const Candor__V1__Echo *from = list[i];
        struct core_echo *echo = &out->list[i];
        enum candor_code code = wire_read_node(from->node, "echoes.node", &echo->node, err);
        if (code == CANDOR_OK)
            code = wire_check_number(from->boot, "echoes.boot", err);
        if (code == CANDOR_OK)
            code = wire_check_number(from->ts_ns, "echoes.ts_ns", err);
        if (code != CANDOR_OK)
            return code;
        echo->boot = from->boot;
        echo->ts_ns = from->ts_ns;
        echo->store_id = from->store_id;
        echo->relayed = from->relayed != 0;
    }
    out->count = (uint32_t)count;
    out->last = last;
    return wire_check_number(last, "echoes_last", err);
}

static enum candor_code read_records(const Candor__V1__Records *records, struct core_msg *out,
                                     struct candor_error *err)
{
    static const char *const fields[] = {"records.commit", "records.hb_id"};
    if (records == NULL)
        return wire_malformed(err, "records", "missing");
    const uint64_t numbers[] = {records->commit, records->hb_id};
    enum candor_code code = check_numbers(numbers, fields, 2, err);
    if (code != CANDOR_OK)
        return code;
    out->type = CORE_MSG_RECORDS;
    out->records.commit = records->commit;
    out->records.hb_id = records->hb_id;
    out->records.batches = slice_of_binary(records->batches);
    return read_echoes(records->echoes, records->n_echoes, records->echoes_last,
                       &out->records.echoes, err);
}

static enum candor_code read_verdicts(const Candor__V1__Heartbeat *heartbeat,
                                      struct core_verdicts *out, struct candor_error *err)
{
    static const char *const fields[] = {"verdicts.equal_seq", "verdicts.differs_seq",
                                         "verdicts.rewinds"};
    if (heartbeat->n_verdicts > LIMIT_NODES)
        return wire_malformed(err, "heartbeat.verdicts", "too many");
    for (size_t i = 0; i < heartbeat->n_verdicts; i++) {
        const Candor__V1__StateVerdict *from = heartbeat->verdicts[i];
        struct core_state_verdict *to = &out->list[i];
        const uint64_t numbers[] = {from->equal_seq, from->differs_seq, from->rewinds};
        enum candor_code code = wire_read_node(from->node, "verdicts.node", &to->node, err);
        if (code == CANDOR_OK)
            code = check_numbers(numbers, fields, 3, err);
        if (code != CANDOR_OK)
            return code;
        to->store_id = from->store_id;
        to->equal_seq = from->equal_seq;
        to->differs_seq = from->differs_seq;
        to->rewinds = from->rewinds;
        to->vouched = from->vouched != 0;
    }
    out->count = (uint32_t)heartbeat->n_verdicts;
    return CANDOR_OK;
}

static enum candor_code read_missed(char *const *list, size_t count, struct core_missed *out,
                                    struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    if (count > LIMIT_NODES)
        return wire_malformed(err, "missed", "more than there can be nodes");
    for (size_t i = 0; i < count && code == CANDOR_OK; i++)
        code = wire_read_node(list[i], "missed", &out->list[i], err);
    out->count = (uint32_t)count;
    return code;
}

static enum candor_code read_heartbeat(const Candor__V1__Heartbeat *heartbeat, struct core_msg *out,
                                       struct candor_error *err)
{
    static const char *const fields[] = {"heartbeat.hb_id", "heartbeat.last", "heartbeat.first",
                                         "heartbeat.commit", "heartbeat.log_ms"};
    if (heartbeat == NULL)
        return wire_malformed(err, "heartbeat", "missing");
    const uint64_t numbers[] = {heartbeat->hb_id, heartbeat->last, heartbeat->first,
                                heartbeat->commit, heartbeat->log_ms};
    enum candor_code code = check_numbers(numbers, fields, sizeof numbers / sizeof numbers[0], err);
    if (code != CANDOR_OK)
        return code;
    size_t length = strlen(heartbeat->rpc);
    if (length >= LIMIT_ADDRESS_BYTES || !is_address(heartbeat->rpc))
        return wire_malformed(err, "heartbeat.rpc", "not an address");
    out->type = CORE_MSG_HEARTBEAT;
    out->heartbeat.hb_id = heartbeat->hb_id;
    out->heartbeat.last = heartbeat->last;
    out->heartbeat.chain = (struct chain){heartbeat->chain_high, heartbeat->chain_low};
    out->heartbeat.first = heartbeat->first;
    out->heartbeat.commit = heartbeat->commit;
    out->heartbeat.log_ms = heartbeat->log_ms;
    if (heartbeat->successor[0] != '\0')
        code = wire_read_node(heartbeat->successor, "heartbeat.successor",
                              &out->heartbeat.successor, err);
    if (code == CANDOR_OK)
        code = read_verdicts(heartbeat, &out->heartbeat.verdicts, err);
    if (code == CANDOR_OK)
        code = read_missed(heartbeat->missed, heartbeat->n_missed, &out->heartbeat.missed, err);
    if (code != CANDOR_OK)
        return code;
    memcpy(out->heartbeat.rpc, heartbeat->rpc, length + 1);
    return read_echoes(heartbeat->echoes, heartbeat->n_echoes, heartbeat->echoes_last,
                       &out->heartbeat.echoes, err);
}

/* What a later version means by a hearing that this one does not know says as much as none. */
static enum candor_code read_hearing(const Candor__V1__Status *status, struct core_msg *out,
                                     struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    if (status->relay[0] != '\0')
        code = wire_read_node(status->relay, "status.relay", &out->status.relay, err);
    if (code == CANDOR_OK)
        code = read_missed(status->missed, status->n_missed, &out->status.missed, err);
    out->status.seen_hb = status->seen_hb_id;
    if (status->hearing == CANDOR__V1__HEARING__HEARING_DIRECT ||
        status->hearing == CANDOR__V1__HEARING__HEARING_LOST)
        out->status.hearing = (enum core_hearing)status->hearing;
    return code;
}

static enum candor_code read_status(const Candor__V1__Status *status, struct core_msg *out,
                                    struct candor_error *err)
{
    static const char *const fields[] = {"status.ts_ns",      "status.hb_id",      "status.last",
                                         "status.durable",    "status.match",      "status.applied",
                                         "status.promise_ms", "status.digest_seq", "status.rewinds",
                                         "status.seen_hb_id"};
    if (status == NULL)
        return wire_malformed(err, "status", "missing");
    const uint64_t numbers[] = {status->ts_ns,      status->hb_id,      status->last,
                                status->durable,    status->match,      status->applied,
                                status->promise_ms, status->digest_seq, status->rewinds,
                                status->seen_hb_id};
    enum candor_code code = check_numbers(numbers, fields, sizeof numbers / sizeof numbers[0], err);
    if (code == CANDOR_OK)
        code = read_hearing(status, out, err);
    if (code != CANDOR_OK)
        return code;
    if ((int)status->state < CANDOR_STATE_UNKNOWN || (int)status->state > CANDOR_STATE_DOUBTFUL)
        return wire_malformed(err, "status.state", "unknown value");
    out->type = CORE_MSG_STATUS;
    out->status.ts_ns = status->ts_ns;
    out->status.hb_id = status->hb_id;
    out->status.last = status->last;
    out->status.durable = status->durable;
    out->status.match = status->match;
    out->status.applied = status->applied;
    out->status.state = (enum candor_state)status->state;
    out->status.no_room = status->no_room;
    out->status.rewinds = status->rewinds;
    out->status.digest = (struct digest_at){
        status->digest_seq, {.high = status->digest_high, .low = status->digest_low}};
    out->status.promise_ns = min_u64(status->promise_ms, UINT64_MAX / NS_PER_MS) * NS_PER_MS;
    return CANDOR_OK;
}

static enum candor_code read_relayed_heartbeat(const Candor__V1__RelayedHeartbeat *relayed,
                                               struct core_msg *out, struct candor_error *err)
{
    if (relayed == NULL)
        return wire_malformed(err, "relayed_heartbeat", "missing");
    enum candor_code code = read_heartbeat(relayed->heartbeat, out, err);
    out->type = CORE_MSG_RELAYED_HEARTBEAT;
    return code;
}

static enum candor_code read_relayed_status(const Candor__V1__RelayedStatus *status,
                                            struct core_msg *out, struct candor_error *err)
{
    static const char *const fields[] = {"relayed_status.boot", "relayed_status.ts_ns",
                                         "relayed_status.seen_hb_id"};
    if (status == NULL)
        return wire_malformed(err, "relayed_status", "missing");
    const uint64_t numbers[] = {status->boot, status->ts_ns, status->seen_hb_id};
    enum candor_code code =
        wire_read_node(status->node, "relayed_status.node", &out->relayed_status.node, err);
    if (code == CANDOR_OK)
        code = check_numbers(numbers, fields, sizeof numbers / sizeof numbers[0], err);
    out->type = CORE_MSG_RELAYED_STATUS;
    out->relayed_status.store_id = status->store_id;
    out->relayed_status.boot = status->boot;
    out->relayed_status.ts_ns = status->ts_ns;
    out->relayed_status.seen_hb = status->seen_hb_id;
    return code;
}

static enum candor_code read_stream(const Candor__V1__StreamMessage *stream, struct core_msg *out,
                                    struct candor_error *err)
{
    enum candor_code code = wire_read_header(stream->header, &out->header, err);
    if (code != CANDOR_OK)
        return code;
    switch (stream->kind_case) {
    case CANDOR__V1__STREAM_MESSAGE__KIND_RECORDS:
        return read_records(stream->records, out, err);
    case CANDOR__V1__STREAM_MESSAGE__KIND_HEARTBEAT:
        return read_heartbeat(stream->heartbeat, out, err);
    case CANDOR__V1__STREAM_MESSAGE__KIND_STATUS:
        return read_status(stream->status, out, err);
    case CANDOR__V1__STREAM_MESSAGE__KIND_RELAYED_HEARTBEAT:
        return read_relayed_heartbeat(stream->relayed_heartbeat, out, err);
    case CANDOR__V1__STREAM_MESSAGE__KIND_RELAYED_STATUS:
        return read_relayed_status(stream->relayed_status, out, err);
    default:
        return wire_malformed(err, "kind", "missing");
    }
}

/* The histories that the core joins and compares are in order, so a foreign one must be, too. */
static enum candor_code read_start(const Candor__V1__EpochStart *from,
                                   struct epoch_history *history, struct candor_error *err)
{
    struct candor_epoch epoch;
    enum candor_code code = wire_read_epoch(from->epoch, "history.epoch", &epoch, err);
    if (code == CANDOR_OK)
        code = wire_check_number(from->first_seq, "history.first_seq", err);
    if (code != CANDOR_OK)
        return code;
    if (epoch_none(epoch) || from->first_seq == 0)
        return wire_malformed(err, "history", "an epoch without a beginning");
    if (history->count > 0) {
        const struct epoch_start *newest = &history->starts[history->count - 1];
        if (epoch_compare(newest->epoch, epoch) >= 0 || newest->first_seq >= from->first_seq)
            return wire_malformed(err, "history", "not in order");
    }
    epoch_history_append(history, &(struct epoch_start){
                                      epoch, from->first_seq, {from->chain_high, from->chain_low}});
    return CANDOR_OK;
}

static enum candor_code read_attach(const Candor__V1__AttachRequest *request, struct core_msg *out,
                                    struct candor_error *err)
{
    enum candor_code code = wire_read_header(request->header, &out->header, err);
    if (code == CANDOR_OK)
        code = wire_check_number(request->last, "last", err);
    if (code == CANDOR_OK)
        code = wire_check_number(request->commit, "commit", err);
    if (code != CANDOR_OK)
        return code;
    if (request->n_history > LIMIT_EPOCH_HISTORY)
        return wire_malformed(err, "history", "longer than a node remembers");
    out->type = CORE_MSG_ATTACH;
    out->attach.last = request->last;
    out->attach.commit = request->commit;
    out->attach.chain = (struct chain){request->chain_high, request->chain_low};
    epoch_history_init(&out->attach.history);
    for (size_t i = 0; i < request->n_history && code == CANDOR_OK; i++)
        code = read_start(request->history[i], &out->attach.history, err);
    if (code != CANDOR_OK)
        epoch_history_free(&out->attach.history);
    return code;
}

static enum candor_code read_attach_answer(const Candor__V1__AttachResponse *response,
                                           struct core_msg *out, struct candor_error *err)
{
    enum candor_code code = wire_read_header(response->header, &out->header, err);
    if (code == CANDOR_OK)
        code = wire_check_number(response->seq, "seq", err);
    if (code != CANDOR_OK)
        return code;
    if ((int)response->verdict < CORE_REFUSED || (int)response->verdict > CORE_SNAPSHOT)
        return wire_malformed(err, "verdict", "unknown value");
    out->type = CORE_MSG_ATTACH_ANSWER;
    out->attach_answer.verdict = (enum core_verdict)response->verdict;
    out->attach_answer.seq = response->seq;
    return CANDOR_OK;
}

static enum candor_code read_fetch(const Candor__V1__FetchRequest *request, struct core_msg *out,
                                   struct candor_error *err)
{
    out->type = CORE_MSG_FETCH;
    out->fetch.from_seq = request->from_seq;
    enum candor_code code = wire_read_header(request->header, &out->header, err);
    return code == CANDOR_OK ? wire_check_number(request->from_seq, "from_seq", err) : code;
}

static enum candor_code read_fetch_answer(const Candor__V1__FetchResponse *response,
                                          struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_FETCH_ANSWER;
    out->fetch_answer.ok = response->ok;
    out->fetch_answer.commit = response->commit;
    out->fetch_answer.batches = slice_of_binary(response->batches);
    enum candor_code code = wire_read_header(response->header, &out->header, err);
    return code == CANDOR_OK ? wire_check_number(response->commit, "commit", err) : code;
}

static enum candor_code read_vote(const Candor__V1__PeerHeader *header,
                                  const Candor__V1__Epoch *epoch, const Candor__V1__Pos *last,
                                  struct core_msg *out, struct candor_error *err)
{
    enum candor_code code = wire_read_header(header, &out->header, err);
    if (code == CANDOR_OK)
        code = wire_read_epoch(epoch, "epoch", &out->vote.epoch, err);
    if (code == CANDOR_OK)
        code = wire_read_pos(last, "last", &out->vote.last, err);
    if (code == CANDOR_OK && epoch_none(out->vote.epoch))
        code = wire_malformed(err, "epoch", "missing");
    return code;
}

static enum candor_code read_vote_answer(const Candor__V1__VoteResponse *response,
                                         struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_VOTE_ANSWER;
    out->vote_answer.granted = response->granted;
    out->vote_answer.blank = response->blank;
    out->vote_answer.unheard = response->unheard;
    size_t length = 0;
    for (const char *p = response->refusal; *p != '\0' && length < CORE_REFUSAL_BYTES - 1; p++)
        out->vote_answer.refusal[length++] = (char)(*p >= ' ' && *p <= '~' ? *p : '?');
    out->vote_answer.refusal[length] = '\0';
    return wire_read_header(response->header, &out->header, err);
}

static enum candor_code read_transfer(const Candor__V1__TransferLeadershipRequest *request,
                                      struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_TRANSFER;
    return wire_read_header(request->header, &out->header, err);
}

static enum candor_code read_read_index(const Candor__V1__ReadIndexRequest *request,
                                        struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_READ_INDEX;
    return wire_read_header(request->header, &out->header, err);
}

static enum candor_code read_read_index_answer(const Candor__V1__ReadIndexResponse *response,
                                               struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_READ_INDEX_ANSWER;
    out->read_index_answer.ok = response->ok;
    out->read_index_answer.seq = response->seq;
    enum candor_code code = wire_read_header(response->header, &out->header, err);
    return code == CANDOR_OK ? wire_check_number(response->seq, "seq", err) : code;
}

static enum candor_code read_life_request(const Candor__V1__LifeRequest *request,
                                          struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_LIFE;
    return wire_read_header(request->header, &out->header, err);
}

static enum candor_code read_life(const Candor__V1__Life *life, struct core_life *out,
                                  struct candor_error *err)
{
    *out = (struct core_life){0};
    if (life == NULL)
        return CANDOR_OK;
    out->store_id = life->store_id;
    out->boot = life->boot;
    enum candor_code code = wire_check_number(life->boot, "boot", err);
    return code == CANDOR_OK && life->held != NULL
               ? wire_read_pos(life->held, "held", &out->held, err)
               : code;
}

static enum candor_code read_life_answer(const Candor__V1__LifeResponse *response,
                                         struct core_msg *out, struct candor_error *err)
{
    out->type = CORE_MSG_LIFE_ANSWER;
    out->life_answer.speaks = response->speaks;
    out->life_answer.ok = response->ok;
    enum candor_code code = wire_read_header(response->header, &out->header, err);
    if (code == CANDOR_OK)
        code = read_life(response->lasted, &out->life_answer.lasted, err);
    return code == CANDOR_OK ? read_life(response->newest, &out->life_answer.newest, err) : code;
}

static enum candor_code read_vote_request(const ProtobufCMessage *message, struct core_msg *out,
                                          struct candor_error *err)
{
    if (message->descriptor == &candor__v1__pre_vote_request__descriptor) {
        const Candor__V1__PreVoteRequest *request = (const Candor__V1__PreVoteRequest *)message;
        out->type = CORE_MSG_PRE_VOTE;
        out->vote.transfer = request->transfer;
        return read_vote(request->header, request->epoch, request->last, out, err);
    }
    const Candor__V1__VoteRequest *request = (const Candor__V1__VoteRequest *)message;
    out->type = CORE_MSG_VOTE;
    out->vote.transfer = request->transfer;
    return read_vote(request->header, request->epoch, request->last, out, err);
}

enum candor_code wire_read(const ProtobufCMessage *message, struct core_msg *out,
                           struct candor_error *err)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    *out = (struct core_msg){0};
    if (type == &candor__v1__stream_message__descriptor)
        return read_stream((const Candor__V1__StreamMessage *)message, out, err);
    if (type == &candor__v1__attach_request__descriptor)
        return read_attach((const Candor__V1__AttachRequest *)message, out, err);
    if (type == &candor__v1__attach_response__descriptor)
        return read_attach_answer((const Candor__V1__AttachResponse *)message, out, err);
    if (type == &candor__v1__fetch_request__descriptor)
        return read_fetch((const Candor__V1__FetchRequest *)message, out, err);
    if (type == &candor__v1__fetch_response__descriptor)
        return read_fetch_answer((const Candor__V1__FetchResponse *)message, out, err);
    if (type == &candor__v1__pre_vote_request__descriptor ||
        type == &candor__v1__vote_request__descriptor)
        return read_vote_request(message, out, err);
    if (type == &candor__v1__vote_response__descriptor)
        return read_vote_answer((const Candor__V1__VoteResponse *)message, out, err);
    if (type == &candor__v1__transfer_leadership_request__descriptor)
        return read_transfer((const Candor__V1__TransferLeadershipRequest *)message, out, err);
    if (type == &candor__v1__read_index_request__descriptor)
        return read_read_index((const Candor__V1__ReadIndexRequest *)message, out, err);
    if (type == &candor__v1__read_index_response__descriptor)
        return read_read_index_answer((const Candor__V1__ReadIndexResponse *)message, out, err);
    if (type == &candor__v1__life_request__descriptor)
        return read_life_request((const Candor__V1__LifeRequest *)message, out, err);
    if (type == &candor__v1__life_response__descriptor)
        return read_life_answer((const Candor__V1__LifeResponse *)message, out, err);
    return wire_malformed(err, type->name, "not a message between nodes");
}

void wire_msg_free(struct core_msg *msg)
{
    if (msg->type == CORE_MSG_ATTACH)
        epoch_history_free(&msg->attach.history);
}

enum candor_code wire_stream_unpack(struct slice bytes, struct arena *memory, struct core_msg *msg,
                                    struct candor_error *err)
{
    struct reader reader = reader_of(bytes);
    uint32_t checksum = read_u32(&reader);
    if (!reader.ok || checksum != crc32c(0, bytes.bytes + STREAM_CHECKSUM_BYTES,
                                         bytes.length - STREAM_CHECKSUM_BYTES))
        return wire_malformed(err, "stream message", "was damaged on its way");
    bytes = slice_of(bytes.bytes + STREAM_CHECKSUM_BYTES, bytes.length - STREAM_CHECKSUM_BYTES);
    ProtobufCMessage *message;
    unpack_limit(memory, bytes.length);
    if (unpack_message(&candor__v1__stream_message__descriptor, memory, bytes, &message) !=
        UNPACK_OK)
        return wire_malformed(err, "stream message",
                              "does not decode, or unfolds beyond its bound");
    return wire_read(message, msg, err);
}
