/* links: wire core record proto */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bounded_unpack.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/rng.h"
#include "wire/wire.h"

static struct candor_epoch epoch_of(uint64_t generation, uint64_t term, const char *owner)
{
    return (struct candor_epoch){generation, term, node_id_of(owner)};
}

static struct core_msg message_of(enum core_msg_type type)
{
    return (struct core_msg){.type = type,
                             .header = {.cluster_id = 0xc1,
                                        .config_hash = 0xcf,
                                        .node = node_id_of("a"),
                                        .store_id = 7,
                                        .boot = 3,
                                        .epoch = epoch_of(1, 4, "a")}};
}

static void assert_headers_equal(const struct core_header *a, const struct core_header *b)
{
    assert_int_equal(a->cluster_id, b->cluster_id);
    assert_int_equal(a->config_hash, b->config_hash);
    assert_string_equal(a->node.text, b->node.text);
    assert_int_equal(a->store_id, b->store_id);
    assert_int_equal(a->boot, b->boot);
    assert_true(epoch_equal(a->epoch, b->epoch));
}

/* Over the wire and back: packed, unpacked by type, read. The caller frees *message and *out. */
static void travel(const struct core_msg *msg, ProtobufCMessage **message, struct core_msg *out)
{
    struct wire_room room;
    ProtobufCMessage *sent = wire_message(msg, &room);
    size_t bytes = protobuf_c_message_get_packed_size(sent);
    uint8_t *packed = malloc(bytes);
    assert_non_null(packed);
    assert_int_equal(protobuf_c_message_pack(sent, packed), bytes);
    *message = protobuf_c_message_unpack(sent->descriptor, NULL, bytes, packed);
    assert_non_null(*message);
    struct candor_error err = {0};
    assert_int_equal(wire_read(*message, out, &err), CANDOR_OK);
    assert_headers_equal(&out->header, &msg->header);
    assert_int_equal(out->type, msg->type);
    free(packed);
    wire_room_free(&room);
}

static void done(ProtobufCMessage *message, struct core_msg *msg)
{
    wire_msg_free(msg);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void records_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg records = message_of(CORE_MSG_RECORDS);
    records.records.commit = 41;
    records.records.batches = slice_of("\0bytes\0", 7);
    records.records.hb_id = 40;
    records.records.echoes = (struct core_echoes){.last = 39, .count = 1};
    records.records.echoes.list[0] = (struct core_echo){node_id_of("c"), 3, 1003, 5, false};
    travel(&records, &message, &out);
    assert_int_equal(out.records.commit, 41);
    assert_int_equal(out.records.hb_id, 40);
    assert_int_equal(out.records.echoes.last, 39);
    assert_int_equal(out.records.echoes.count, 1);
    assert_string_equal(out.records.echoes.list[0].node.text, "c");
    assert_int_equal(out.records.echoes.list[0].ts_ns, 1003);
    assert_true(slice_equal(out.records.batches, records.records.batches));
    done(message, &out);
}

static void heartbeats_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg heartbeat = message_of(CORE_MSG_HEARTBEAT);
    heartbeat.heartbeat.hb_id = 9;
    heartbeat.heartbeat.last = 8;
    heartbeat.heartbeat.chain = (struct chain){5, 6};
    heartbeat.heartbeat.first = 2;
    heartbeat.heartbeat.commit = 7;
    heartbeat.heartbeat.successor = node_id_of("b");
    strcpy(heartbeat.heartbeat.rpc, "tcp://127.0.0.1:7000");
    heartbeat.heartbeat.verdicts.count = 1;
    heartbeat.heartbeat.verdicts.list[0] =
        (struct core_state_verdict){node_id_of("c"), UINT64_MAX, 5, 6, 7, true};
    heartbeat.heartbeat.missed.count = 1;
    heartbeat.heartbeat.missed.list[0] = node_id_of("d");
    heartbeat.heartbeat.echoes.last = 6;
    heartbeat.heartbeat.echoes.count = LIMIT_NODES;
    for (uint32_t i = 0; i < LIMIT_NODES; i++)
        heartbeat.heartbeat.echoes.list[i] =
            (struct core_echo){node_id_of("b"), i, 1000 + i, 7 + i, i % 2 == 1};
    travel(&heartbeat, &message, &out);
    assert_int_equal(out.heartbeat.hb_id, 9);
    assert_int_equal(out.heartbeat.last, 8);
    assert_true(chain_equal(out.heartbeat.chain, (struct chain){5, 6}));
    assert_int_equal(out.heartbeat.first, 2);
    assert_int_equal(out.heartbeat.commit, 7);
    assert_string_equal(out.heartbeat.successor.text, "b");
    assert_string_equal(out.heartbeat.rpc, "tcp://127.0.0.1:7000");
    assert_int_equal(out.heartbeat.verdicts.count, 1);
    assert_string_equal(out.heartbeat.verdicts.list[0].node.text, "c");
    assert_int_equal(out.heartbeat.verdicts.list[0].store_id, UINT64_MAX);
    assert_int_equal(out.heartbeat.verdicts.list[0].equal_seq, 5);
    assert_int_equal(out.heartbeat.verdicts.list[0].differs_seq, 6);
    assert_int_equal(out.heartbeat.verdicts.list[0].rewinds, 7);
    assert_true(out.heartbeat.verdicts.list[0].vouched);
    assert_int_equal(out.heartbeat.missed.count, 1);
    assert_string_equal(out.heartbeat.missed.list[0].text, "d");
    assert_int_equal(out.heartbeat.echoes.last, 6);
    assert_int_equal(out.heartbeat.echoes.count, LIMIT_NODES);
    assert_string_equal(out.heartbeat.echoes.list[31].node.text, "b");
    assert_int_equal(out.heartbeat.echoes.list[31].boot, 31);
    assert_int_equal(out.heartbeat.echoes.list[31].ts_ns, 1031);
    assert_int_equal(out.heartbeat.echoes.list[31].store_id, 38);
    assert_true(out.heartbeat.echoes.list[31].relayed);
    assert_false(out.heartbeat.echoes.list[30].relayed);
    done(message, &out);
    heartbeat.type = CORE_MSG_RELAYED_HEARTBEAT; /* as it came */
    travel(&heartbeat, &message, &out);
    assert_int_equal(out.heartbeat.hb_id, 9);
    assert_string_equal(out.heartbeat.rpc, "tcp://127.0.0.1:7000");
    assert_int_equal(out.heartbeat.echoes.count, LIMIT_NODES);
    assert_int_equal(out.heartbeat.echoes.list[31].ts_ns, 1031);
    assert_string_equal(out.heartbeat.verdicts.list[0].node.text, "c");
    done(message, &out);
}

static void relayed_statuses_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg status = message_of(CORE_MSG_RELAYED_STATUS);
    status.relayed_status.node = node_id_of("c");
    status.relayed_status.store_id = UINT64_MAX;
    status.relayed_status.boot = 7;
    status.relayed_status.ts_ns = 8;
    status.relayed_status.seen_hb = 9;
    travel(&status, &message, &out);
    assert_string_equal(out.relayed_status.node.text, "c");
    assert_int_equal(out.relayed_status.store_id, UINT64_MAX);
    assert_int_equal(out.relayed_status.boot, 7);
    assert_int_equal(out.relayed_status.ts_ns, 8);
    assert_int_equal(out.relayed_status.seen_hb, 9);
    done(message, &out);
}

static void statuses_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg status = message_of(CORE_MSG_STATUS);
    status.status.ts_ns = 1;
    status.status.hb_id = 2;
    status.status.last = 3;
    status.status.durable = 4;
    status.status.match = 5;
    status.status.applied = 6;
    status.status.state = CANDOR_STATE_SYNCING;
    status.status.no_room = true;
    status.status.digest = (struct digest_at){6, {.high = UINT64_MAX, .low = 9}};
    status.status.promise_ns = 600 * NS_PER_MS;
    status.status.seen_hb = 10;
    status.status.hearing = CORE_HEARING_LOST;
    status.status.relay = node_id_of("b");
    status.status.missed.count = LIMIT_NODES;
    for (uint32_t i = 0; i < LIMIT_NODES; i++)
        status.status.missed.list[i] = node_id_of("a");
    travel(&status, &message, &out);
    assert_int_equal(out.status.ts_ns, 1);
    assert_int_equal(out.status.hb_id, 2);
    assert_int_equal(out.status.last, 3);
    assert_int_equal(out.status.durable, 4);
    assert_int_equal(out.status.match, 5);
    assert_int_equal(out.status.applied, 6);
    assert_int_equal(out.status.digest.seq, 6);
    assert_int_equal(out.status.digest.digest.high, UINT64_MAX);
    assert_int_equal(out.status.digest.digest.low, 9);
    assert_int_equal(out.status.seen_hb, 10);
    assert_int_equal(out.status.hearing, CORE_HEARING_LOST);
    assert_string_equal(out.status.relay.text, "b");
    assert_int_equal(out.status.missed.count, LIMIT_NODES);
    assert_string_equal(out.status.missed.list[31].text, "a");
    assert_int_equal(out.status.state, CANDOR_STATE_SYNCING);
    assert_int_equal(out.status.promise_ns, 600 * NS_PER_MS);
    done(message, &out);
}

static void attach_round_trips_with_its_history(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg attach = message_of(CORE_MSG_ATTACH);
    attach.attach.last = 500;
    attach.attach.commit = 400;
    attach.attach.chain = (struct chain){7, 8};
    epoch_history_init(&attach.attach.history);
    for (uint64_t i = 1; i <= LIMIT_EPOCH_HISTORY; i++)
        epoch_history_append(&attach.attach.history,
                             &(struct epoch_start){epoch_of(1, i, "a"), i * 2, {i, ~i}});
    travel(&attach, &message, &out);
    assert_int_equal(out.attach.last, 500);
    assert_int_equal(out.attach.commit, 400);
    assert_true(chain_equal(out.attach.chain, (struct chain){7, 8}));
    assert_int_equal(out.attach.history.count, LIMIT_EPOCH_HISTORY);
    assert_int_equal(out.attach.history.starts[1023].first_seq, 2048);
    assert_true(
        chain_equal(out.attach.history.starts[1023].chain, (struct chain){1024, ~UINT64_C(1024)}));
    assert_true(epoch_equal(out.attach.history.starts[1023].epoch, epoch_of(1, 1024, "a")));
    done(message, &out);
    epoch_history_free(&attach.attach.history);

    for (int verdict = CORE_REFUSED; verdict <= CORE_SNAPSHOT; verdict++) {
        struct core_msg answer = message_of(CORE_MSG_ATTACH_ANSWER);
        answer.attach_answer.verdict = (enum core_verdict)verdict;
        answer.attach_answer.seq = 77;
        travel(&answer, &message, &out);
        assert_int_equal(out.attach_answer.verdict, verdict);
        assert_int_equal(out.attach_answer.seq, 77);
        done(message, &out);
    }
}

static void fetches_and_read_indexes_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    struct core_msg fetch = message_of(CORE_MSG_FETCH);
    fetch.fetch.from_seq = 12;
    travel(&fetch, &message, &out);
    assert_int_equal(out.fetch.from_seq, 12);
    done(message, &out);

    struct core_msg fetched = message_of(CORE_MSG_FETCH_ANSWER);
    fetched.fetch_answer.ok = true;
    fetched.fetch_answer.commit = 13;
    fetched.fetch_answer.batches = slice_of("batch", 5);
    travel(&fetched, &message, &out);
    assert_true(out.fetch_answer.ok);
    assert_int_equal(out.fetch_answer.commit, 13);
    assert_true(slice_equal(out.fetch_answer.batches, slice_of("batch", 5)));
    done(message, &out);

    struct core_msg ask = message_of(CORE_MSG_READ_INDEX);
    travel(&ask, &message, &out);
    done(message, &out);

    struct core_msg index = message_of(CORE_MSG_READ_INDEX_ANSWER);
    index.read_index_answer.ok = true;
    index.read_index_answer.seq = 14;
    travel(&index, &message, &out);
    assert_true(out.read_index_answer.ok);
    assert_int_equal(out.read_index_answer.seq, 14);
    done(message, &out);
}

static void votes_round_trip(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    struct core_msg out;
    const enum core_msg_type types[] = {CORE_MSG_PRE_VOTE, CORE_MSG_VOTE};
    for (int i = 0; i < 2; i++) {
        struct core_msg vote = message_of(types[i]);
        vote.vote.epoch = epoch_of(2, 9, "a");
        vote.vote.last = (struct candor_pos){epoch_of(1, 4, "b"), 300};
        vote.vote.transfer = i == 1;
        travel(&vote, &message, &out);
        assert_true(epoch_equal(out.vote.epoch, vote.vote.epoch));
        assert_true(pos_equal(out.vote.last, vote.vote.last));
        assert_int_equal(out.vote.transfer, i == 1);
        done(message, &out);
    }
    /* founding: nothing in the log, no epoch */
    struct core_msg blank = message_of(CORE_MSG_PRE_VOTE);
    blank.header.epoch = (struct candor_epoch){0};
    blank.vote.epoch = epoch_of(1, 1, "a");
    travel(&blank, &message, &out);
    assert_int_equal(out.vote.last.seq, 0);
    assert_true(epoch_none(out.vote.last.epoch));
    done(message, &out);

    struct core_msg answer = message_of(CORE_MSG_VOTE_ANSWER);
    answer.vote_answer.granted = true;
    answer.vote_answer.blank = true;
    answer.vote_answer.unheard = true;
    memset(answer.vote_answer.refusal, 'x', CORE_REFUSAL_BYTES - 1);
    travel(&answer, &message, &out);
    assert_true(out.vote_answer.granted);
    assert_true(out.vote_answer.blank);
    assert_true(out.vote_answer.unheard);
    assert_string_equal(out.vote_answer.refusal, answer.vote_answer.refusal);
    done(message, &out);
}

static void freshness_keeps_absent_apart_from_zero(void **state)
{
    (void)state;
    struct core_freshness fresh = {.node = node_id_of("b"),
                                   .role = CANDOR_ROLE_REPLICA,
                                   .state = CANDOR_STATE_STALE,
                                   .epoch = epoch_of(1, 2, "a"),
                                   .stale = true,
                                   .applied_seq = 5,
                                   .primary_seq = 6,
                                   .commit_seq = 4,
                                   .cut_off = CANDOR_CUT_OFF_PRIMARY};
    struct candor_token token = {0xc1, {epoch_of(1, 2, "a"), 5}, 0xabcdef0123456789};
    struct wire_freshness room;
    struct core_freshness back;
    struct candor_error err = {0};
    Candor__V1__Freshness *f = wire_freshness(&fresh, &token, &room);
    assert_int_equal(wire_read_freshness(f, &back, &err), CANDOR_OK);
    assert_false(back.has_bound);
    assert_false(back.has_heartbeat_age);
    assert_true(back.stale);
    assert_int_equal(back.state, CANDOR_STATE_STALE);
    assert_int_equal(back.role, CANDOR_ROLE_REPLICA);
    assert_true(epoch_equal(back.epoch, fresh.epoch));
    assert_int_equal(back.applied_seq, 5);
    assert_int_equal(back.primary_seq, 6);
    assert_int_equal(back.commit_seq, 4);
    assert_int_equal(back.cut_off, CANDOR_CUT_OFF_PRIMARY);
    struct candor_token came;
    assert_int_equal(wire_read_token(f->token, &came, &err), CANDOR_OK);
    assert_true(pos_equal(came.pos, token.pos));
    assert_true(came.origin == token.origin);
    assert_int_equal(came.cluster_id, 0xc1);

    fresh.has_bound = fresh.has_heartbeat_age = true; /* zero, and said so */
    f = wire_freshness(&fresh, &(struct candor_token){0}, &room);
    assert_null(f->token);
    assert_int_equal(wire_read_freshness(f, &back, &err), CANDOR_OK);
    assert_true(back.has_bound);
    assert_true(back.has_heartbeat_age);
    assert_int_equal(back.bound_ms, 0);
}

/* ---- Hostile messages: each case breaks one thing of a good message -------------------------- */

static void assert_refused(const ProtobufCMessage *message)
{
    struct core_msg out;
    struct candor_error err = {0};
    assert_int_equal(wire_read(message, &out, &err), CANDOR_INVALID_ARGUMENT);
    assert_int_equal(err.reason, CANDOR_REASON_MALFORMED);
    assert_true(err.message[0] != '\0');
}

static void a_missing_or_wrong_header_is_refused(void **state)
{
    (void)state;
    struct wire_room room;
    struct core_msg msg = message_of(CORE_MSG_FETCH);
    Candor__V1__FetchRequest *fetch = (Candor__V1__FetchRequest *)wire_message(&msg, &room);
    Candor__V1__PeerHeader *header = fetch->header;
    fetch->header = NULL;
    assert_refused(&fetch->base);
    fetch->header = header;
    static const char *const bad[] = {"", "a b", "a/b", "0123456789012345678901234567890123",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        header->node = wire_string(bad[i]);
        assert_refused(&fetch->base);
    }
    header->node = wire_string("a");
    header->epoch->owner = wire_string("");
    assert_refused(&fetch->base);
    header->epoch->owner = wire_string("a");
    header->epoch->term = UINT64_MAX;
    assert_refused(&fetch->base);
    header->epoch->term = 1;
    header->boot = UINT64_MAX;
    assert_refused(&fetch->base);
    header->boot = 1;
    fetch->from_seq = UINT64_MAX;
    assert_refused(&fetch->base);
    fetch->from_seq = 1;
    struct core_msg out;
    assert_int_equal(wire_read(&fetch->base, &out, NULL),
                     CANDOR_OK); /* fixed: the cases above had one fault */
}

static void counts_over_their_limits_are_refused(void **state)
{
    (void)state;
    struct wire_room room;
    struct core_msg msg = message_of(CORE_MSG_HEARTBEAT);
    msg.heartbeat.echoes.count = 1;
    msg.heartbeat.echoes.list[0].node = node_id_of("b");
    Candor__V1__StreamMessage *stream = (Candor__V1__StreamMessage *)wire_message(&msg, &room);
    Candor__V1__Echo *echoes[LIMIT_NODES + 1];
    for (int i = 0; i <= LIMIT_NODES; i++)
        echoes[i] = stream->heartbeat->echoes[0];
    stream->heartbeat->echoes = echoes;
    stream->heartbeat->n_echoes = LIMIT_NODES + 1;
    assert_refused(&stream->base);
    stream->heartbeat->n_echoes = LIMIT_NODES;
    char address[LIMIT_ADDRESS_BYTES + 1];
    memset(address, 'x', sizeof address);
    address[LIMIT_ADDRESS_BYTES] = '\0';
    stream->heartbeat->rpc = address;
    assert_refused(&stream->base);
    stream->heartbeat->rpc = wire_string("tcp://a\nb");
    assert_refused(&stream->base);
    stream->heartbeat->rpc = wire_string("");
    struct core_msg out;
    assert_int_equal(wire_read(&stream->base, &out, NULL), CANDOR_OK);
}

static void a_history_out_of_order_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t term[2];
        uint64_t first[2];
    } cases[] = {
        {{2, 1}, {1, 5}}, {{1, 1}, {1, 5}}, {{1, 2}, {5, 5}}, {{1, 2}, {5, 4}}, {{1, 2}, {0, 4}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct core_msg msg = message_of(CORE_MSG_ATTACH);
        struct epoch_start starts[2] = {
            {epoch_of(1, cases[i].term[0], "a"), cases[i].first[0], {0}},
            {epoch_of(1, cases[i].term[1], "a"), cases[i].first[1], {0}}};
        msg.attach.history = (struct epoch_history){2, starts};
        struct wire_room room;
        assert_refused(wire_message(&msg, &room));
        wire_room_free(&room);
    }
    Candor__V1__AttachRequest request = CANDOR__V1__ATTACH_REQUEST__INIT;
    struct core_header header = message_of(CORE_MSG_ATTACH).header;
    struct wire_header room;
    request.header = wire_header(&header, &room);
    request.n_history = LIMIT_EPOCH_HISTORY + 1; /* refused before an element is looked at */
    assert_refused(&request.base);
}

static void unknown_enum_values_are_refused(void **state)
{
    (void)state;
    struct wire_room room;
    struct core_msg msg = message_of(CORE_MSG_STATUS);
    Candor__V1__StreamMessage *stream = (Candor__V1__StreamMessage *)wire_message(&msg, &room);
    const int bad[] = {CANDOR_STATE_DOUBTFUL + 1, -1, 1000000};
    for (int i = 0; i < 3; i++) {
        stream->status->state = (Candor__V1__NodeState)bad[i];
        assert_refused(&stream->base);
    }
    stream->kind_case = CANDOR__V1__STREAM_MESSAGE__KIND__NOT_SET;
    assert_refused(&stream->base);

    struct core_msg answer = message_of(CORE_MSG_ATTACH_ANSWER);
    Candor__V1__AttachResponse *response =
        (Candor__V1__AttachResponse *)wire_message(&answer, &room);
    response->verdict = (Candor__V1__AttachResponse__Verdict)4;
    assert_refused(&response->base);
    response->verdict = (Candor__V1__AttachResponse__Verdict)-1;
    assert_refused(&response->base);
}

static void a_position_needs_both_its_halves(void **state)
{
    (void)state;
    struct wire_room room;
    struct core_msg msg = message_of(CORE_MSG_VOTE);
    msg.vote.epoch = epoch_of(1, 2, "a");
    msg.vote.last = (struct candor_pos){epoch_of(1, 1, "a"), 0};
    assert_refused(wire_message(&msg, &room));
    msg.vote.last = (struct candor_pos){{0}, 4};
    assert_refused(wire_message(&msg, &room));
    msg.vote.last.seq = 0;
    msg.vote.epoch = (struct candor_epoch){0};
    assert_refused(wire_message(&msg, &room)); /* a vote for no epoch */
}

static void another_message_is_refused(void **state)
{
    (void)state;
    Candor__V1__Epoch epoch = CANDOR__V1__EPOCH__INIT;
    assert_refused(&epoch.base);
}

/* Neither a cut nor a flipped message crashes; what still reads is within the limits. */
static void cut_and_flipped_messages_never_crash(void **state)
{
    (void)state;
    struct core_msg msg = message_of(CORE_MSG_HEARTBEAT);
    msg.heartbeat.hb_id = 300;
    msg.heartbeat.echoes.count = 3;
    for (int i = 0; i < 3; i++)
        msg.heartbeat.echoes.list[i] = (struct core_echo){node_id_of("b"), 1, 70000, 1, false};
    strcpy(msg.heartbeat.rpc, "tcp://h:1");
    struct buffer good = {0};
    wire_stream_pack(&msg, &good);
    struct rng rng;
    rng_seed(&rng, 4711);
    size_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        /* Of exactly its size, so that a sanitizer sees a read beyond it. */
        size_t length = round < (int)good.length ? (size_t)round : good.length;
        uint8_t *bytes = malloc(length + (length == 0));
        assert_non_null(bytes);
        memcpy(bytes, good.bytes, length);
        for (uint64_t flips = rng_below(&rng, 4); length > 0 && flips > 0; flips--)
            bytes[rng_below(&rng, length)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        if (length >= 4) /* somebody hostile, who knows how to count */
            put_u32(bytes, crc32c(0, bytes + 4, length - 4));
        struct core_msg out;
        struct arena memory = {0};
        struct candor_error err;
        if (wire_stream_unpack(slice_of(bytes, length), &memory, &out, &err) == CANDOR_OK) {
            assert_true(out.header.node.text[0] != '\0');
            assert_true(out.type != CORE_MSG_HEARTBEAT ||
                        out.heartbeat.echoes.count <= LIMIT_NODES);
            wire_msg_free(&out);
        } else {
            refused++;
        }
        arena_free(&memory);
        free(bytes);
    }
    assert_true(refused > 1000);
    buffer_free(&good);
}

static void a_stream_message_with_any_bit_flipped_is_dropped(void **state)
{
    (void)state;
    struct core_msg msg = message_of(CORE_MSG_HEARTBEAT);
    struct buffer bytes = {0};
    wire_stream_pack(&msg, &bytes);
    for (size_t bit = 0; bit < 8 * bytes.length; bit++) {
        struct core_msg out;
        struct candor_error err;
        struct arena memory = {0};
        bytes.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(wire_stream_unpack(buffer_slice(&bytes), &memory, &out, &err),
                         CANDOR_INVALID_ARGUMENT);
        arena_free(&memory);
        bytes.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buffer_free(&bytes);
}

/* A Heartbeat of nothing but empty echoes: 2 bytes each on the wire, some 80 in memory. */
static size_t put_empty_echoes(uint8_t *out, uint32_t count)
{
    static const uint8_t echo[2] = {4 << 3 | 2, 0};
    size_t length = (size_t)count * sizeof echo;
    size_t at = 0;
    out[at++] = 3 << 3 | 2; /* StreamMessage.heartbeat */
    for (size_t left = length; left > 0; left >>= 7)
        out[at++] = (uint8_t)((left & 0x7f) | (left >> 7 > 0 ? 0x80 : 0));
    for (uint32_t i = 0; i < count; i++, at += sizeof echo)
        memcpy(out + at, echo, sizeof echo);
    return at;
}

static void a_message_unfolds_to_a_bound_and_no_further(void **state)
{
    (void)state;
    enum { MANY = 1 << 20 };
    uint8_t *bytes = malloc(16 + 2 * MANY);
    struct core_msg msg;
    struct candor_error err;
    struct arena memory = {0};
    size_t length = put_empty_echoes(bytes + 4, MANY);
    put_u32(bytes, crc32c(0, bytes + 4, length));
    assert_int_equal(wire_stream_unpack(slice_of(bytes, 4 + length), &memory, &msg, &err),
                     CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "unfolds beyond its bound"));
    arena_free(&memory);
    assert_null(
        bounded_unpack(&candor__v1__stream_message__descriptor, slice_of(bytes + 4, length), NULL));

    length = put_empty_echoes(bytes + 4, LIMIT_NODES);
    Candor__V1__StreamMessage *honest =
        bounded_unpack(&candor__v1__stream_message__descriptor, slice_of(bytes + 4, length), NULL);
    assert_non_null(honest);
    assert_int_equal(honest->heartbeat->n_echoes, LIMIT_NODES);
    candor__v1__stream_message__free_unpacked(honest, NULL);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_round_trip),
        cmocka_unit_test(heartbeats_round_trip),
        cmocka_unit_test(statuses_round_trip),
        cmocka_unit_test(relayed_statuses_round_trip),
        cmocka_unit_test(attach_round_trips_with_its_history),
        cmocka_unit_test(fetches_and_read_indexes_round_trip),
        cmocka_unit_test(votes_round_trip),
        cmocka_unit_test(freshness_keeps_absent_apart_from_zero),
        cmocka_unit_test(a_missing_or_wrong_header_is_refused),
        cmocka_unit_test(counts_over_their_limits_are_refused),
        cmocka_unit_test(a_history_out_of_order_is_refused),
        cmocka_unit_test(unknown_enum_values_are_refused),
        cmocka_unit_test(a_position_needs_both_its_halves),
        cmocka_unit_test(another_message_is_refused),
        cmocka_unit_test(a_stream_message_with_any_bit_flipped_is_dropped),
        cmocka_unit_test(a_stream_message_with_any_bit_flipped_is_dropped),
        cmocka_unit_test(a_message_unfolds_to_a_bound_and_no_further),
        cmocka_unit_test(cut_and_flipped_messages_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
