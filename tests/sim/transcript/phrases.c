/* Positions, records and messages in words. */
#include <stdarg.h>

#include "transcript.h"

/* What a message means, in the words of docs/protocol.md; not each of its fields. */

__attribute__((format(printf, 2, 3))) static void add(char out[PHRASE_BYTES], const char *format,
                                                      ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, PHRASE_BYTES - used, format, args);
    va_end(args);
}

char *phrase_ms(const struct transcript *transcript, uint64_t ns, char out[PHRASE_BYTES])
{
    uint64_t ms = (saturating_sub(ns, transcript->born_ns) + NS_PER_MS / 2) / NS_PER_MS;
    snprintf(out, PHRASE_BYTES, "%" PRIu64, ms);
    return out;
}

/* ---- Records --------------------------------------------------------------------------------- */

static void add_members(char out[PHRASE_BYTES], const struct members *members)
{
    add(out, "voters");
    for (uint32_t i = 0; i < members->count; i++)
        if (members->list[i].voter)
            add(out, " %s/%" PRIu64, members->list[i].id.text, members->list[i].store_id);
    for (uint32_t i = 0; i < members->count; i++)
        if (!members->list[i].voter)
            add(out, " reader %s/%" PRIu64, members->list[i].id.text, members->list[i].store_id);
}

static void add_record(const struct transcript *transcript, const struct registered *what,
                       char out[PHRASE_BYTES])
{
    if (what->type == RECORD_EPOCH_START)
        add(out, "EPOCH_START ");
    if (what->type != RECORD_WRITE)
        add_members(out, what->members);
    else if (what->deletes)
        add(out, "del %s", transcript->keys[what->key]);
    else
        add(out, "%s=%s", transcript->keys[what->key], transcript->values[what->number]);
}

char *phrase_records(const struct transcript *transcript, const struct disk *disk, uint64_t first,
                     uint64_t last, char out[PHRASE_BYTES])
{
    enum { MOST_NAMED = 3 };
    char pos[POS_TEXT_BYTES];
    bool one_epoch = epoch_equal(disk_pos(disk, first).epoch, disk_pos(disk, last).epoch);
    out[0] = '\0';
    add(out, "%s", pos_text(disk_pos(disk, first), pos));
    if (last > first && one_epoch)
        add(out, "..%" PRIu64, last);
    else if (last > first)
        add(out, "..%s", pos_text(disk_pos(disk, last), pos));
    if (last - first >= MOST_NAMED)
        return out;
    for (uint64_t seq = first; seq <= last; seq++) {
        add(out, seq == first ? "  " : ", ");
        add_record(transcript, record_what(disk, seq), out);
    }
    return out;
}

char *phrase_data(const struct transcript *transcript, const struct disk *disk,
                  char out[PHRASE_BYTES])
{
    out[0] = '\0';
    for (uint32_t i = 0; i < transcript->key_count; i++) {
        uint64_t number = disk->state.keys[i].value;
        if (number != 0)
            add(out, "%s%s=%s", out[0] != '\0' ? " " : "", transcript->keys[i],
                transcript->values[number]);
    }
    return out;
}

/* ---- Freshness ------------------------------------------------------------------------------- */

char *phrase_freshness(const struct core_freshness *fresh, char out[PHRASE_BYTES])
{
    out[0] = '\0';
    add(out, "%s %s", candor_role_name(fresh->role), candor_state_name(fresh->state));
    if (fresh->role != CANDOR_ROLE_PRIMARY && fresh->has_heartbeat_age)
        add(out, ", heartbeat %" PRIu64 " ms ago", fresh->heartbeat_age_ms);
    if (fresh->role != CANDOR_ROLE_PRIMARY && !fresh->has_heartbeat_age)
        add(out, ", no heartbeat");
    if (fresh->has_bound)
        add(out, ", bound %" PRIu64 " ms", fresh->bound_ms);
    else
        add(out, ", no bound");
    if (fresh->cut_off != CANDOR_CUT_OFF_NO)
        add(out, ", cut off: %s", candor_cut_off_name(fresh->cut_off));
    uint64_t lag = saturating_sub(fresh->primary_seq, fresh->applied_seq);
    if (lag > 0)
        add(out, ", %" PRIu64 " behind", lag);
    return out;
}

/* ---- Messages -------------------------------------------------------------------------------- */

void batches_range(struct slice batches, uint64_t *first, uint64_t *last)
{
    struct batch batch;
    *first = *last = 0;
    while (batches.length > 0 && batch_decode(&batches, &batch, NULL) == CANDOR_OK) {
        *first = *first == 0 ? batch.first_seq : *first;
        *last = batch_last_seq(&batch);
    }
}

static void add_batches(char out[PHRASE_BYTES], struct slice batches)
{
    uint64_t first;
    uint64_t last;
    batches_range(batches, &first, &last);
    if (last == 0)
        add(out, "no records");
    else if (first == last)
        add(out, "Records %" PRIu64, first);
    else
        add(out, "Records %" PRIu64 "..%" PRIu64, first, last);
}

static void add_heartbeat(const struct transcript *transcript, const struct core_msg *msg,
                          char out[PHRASE_BYTES])
{
    char ms[PHRASE_BYTES];
    const struct core_echoes *echoes = &msg->heartbeat.echoes;
    add(out, "Heartbeat %" PRIu64 ": last %" PRIu64 ", commit %" PRIu64, msg->heartbeat.hb_id,
        msg->heartbeat.last, msg->heartbeat.commit);
    for (uint32_t i = 0; i < echoes->count; i++)
        add(out, "%s %s@%s", i == 0 ? "; echoes" : "", echoes->list[i].node.text,
            phrase_ms(transcript, echoes->list[i].ts_ns, ms));
    if (echoes->count > 0)
        add(out, " hold %" PRIu64, echoes->last);
}

static void add_attach(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    char pos[POS_TEXT_BYTES];
    const struct epoch_history *history = &msg->attach.history;
    struct candor_pos last = {epoch_history_at(history, msg->attach.last), msg->attach.last};
    add(out, "Attach, %s", last.seq > 0 ? pos_text(last, pos) : "blank");
}

static void add_attach_answer(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    uint64_t seq = msg->attach_answer.seq;
    switch (msg->attach_answer.verdict) {
    case CORE_REFUSED:
        add(out, "REFUSED");
        break;
    case CORE_CONTINUE:
        add(out, "CONTINUE behind %" PRIu64, seq);
        break;
    case CORE_TRUNCATE_TO:
        add(out, "TRUNCATE to %" PRIu64, seq);
        break;
    case CORE_SNAPSHOT:
        add(out, "SNAPSHOT");
        break;
    }
}

static void add_vote(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    char epoch[EPOCH_TEXT_BYTES];
    char pos[POS_TEXT_BYTES];
    add(out, "%s %s, ", msg->type == CORE_MSG_VOTE ? "Vote" : "PreVote",
        epoch_text(msg->vote.epoch, epoch));
    if (msg->vote.last.seq > 0)
        add(out, "my log ends at %s", pos_text(msg->vote.last, pos));
    else
        add(out, "my log is empty");
    if (msg->vote.transfer)
        add(out, ", transfer");
}

static void add_vote_answer(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    if (msg->vote_answer.granted)
        add(out, msg->vote_answer.blank ? "yes, and I am blank" : "yes");
    else
        add(out, "%s: %s", msg->vote_answer.unheard ? "not yet" : "no", msg->vote_answer.refusal);
}

static void add_life(char out[PHRASE_BYTES], const struct core_life_answer *answer)
{
    char pos[POS_TEXT_BYTES];
    if (answer->newest.store_id == 0 && answer->lasted.store_id == 0)
        add(out, "I know no life of yours");
    if (answer->newest.store_id != 0)
        add(out, "I heard disk %" PRIu64 ", start %" PRIu64, answer->newest.store_id,
            boot_count(answer->newest.boot));
    if (answer->lasted.store_id != 0 && answer->lasted.held.seq > 0)
        add(out, "; your disk held %s", pos_text(answer->lasted.held, pos));
}

static void add_call(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    switch (msg->type) {
    case CORE_MSG_ATTACH:
        add_attach(out, msg);
        break;
    case CORE_MSG_FETCH:
        add(out, "Fetch from %" PRIu64, msg->fetch.from_seq);
        break;
    case CORE_MSG_PRE_VOTE:
    case CORE_MSG_VOTE:
        add_vote(out, msg);
        break;
    case CORE_MSG_READ_INDEX:
        add(out, "ReadIndex");
        break;
    case CORE_MSG_LIFE:
        add(out, "KnownLife");
        break;
    case CORE_MSG_TRANSFER:
        add(out, "TransferLeadership");
        break;
    default:
        break;
    }
}

static void add_answer(char out[PHRASE_BYTES], const struct core_msg *msg)
{
    switch (msg->type) {
    case CORE_MSG_ATTACH_ANSWER:
        add_attach_answer(out, msg);
        break;
    case CORE_MSG_FETCH_ANSWER:
        if (msg->fetch_answer.ok)
            add_batches(out, msg->fetch_answer.batches);
        else
            add(out, "no: not from here");
        break;
    case CORE_MSG_VOTE_ANSWER:
        add_vote_answer(out, msg);
        break;
    case CORE_MSG_READ_INDEX_ANSWER:
        if (msg->read_index_answer.ok)
            add(out, "index %" PRIu64, msg->read_index_answer.seq);
        else
            add(out, "no index");
        break;
    case CORE_MSG_LIFE_ANSWER:
        add_life(out, &msg->life_answer);
        break;
    default:
        break;
    }
}

char *phrase_message(const struct transcript *transcript, const struct core_msg *msg,
                     char out[PHRASE_BYTES])
{
    char ms[PHRASE_BYTES];
    out[0] = '\0';
    switch (msg->type) {
    case CORE_MSG_RECORDS:
        add_batches(out, msg->records.batches);
        add(out, ", commit %" PRIu64, msg->records.commit);
        break;
    case CORE_MSG_HEARTBEAT:
        add_heartbeat(transcript, msg, out);
        break;
    case CORE_MSG_RELAYED_HEARTBEAT:
        add(out, "passes on: ");
        add_heartbeat(transcript, msg, out);
        break;
    case CORE_MSG_RELAYED_STATUS:
        add(out, "passes on: Status of %s@%s", msg->relayed_status.node.text,
            phrase_ms(transcript, msg->relayed_status.ts_ns, ms));
        break;
    case CORE_MSG_STATUS:
        add(out, "Status on %" PRIu64 ": durable %" PRIu64 ", match %" PRIu64 ", %s",
            msg->status.hb_id, msg->status.durable, msg->status.match,
            candor_state_name(msg->status.state));
        break;
    default:
        add_call(out, msg);
        add_answer(out, msg);
    }
    return out;
}
