/* Who wrote what lately (R46): what a repeated request is answered from.
 *
 * The tables follow from the log alone, record by record: the same on every node, undone with the
 * record.
 *   requests  client, be64 number, be32 first part -> u64 first_seq, u64 last_seq, u32 parts,
 *   u64 digest, results of the parts one behind the other. An entry is of PARTS_AN_ENTRY parts at
 *   most, so that each part of a large Batch rewrites a little; `parts` counts from the Batch's
 *   beginning
 *   clients   client -> be64 seq under which it stands in `ages`
 *   ages      be64 seq, client -> nothing: the clients by their last writes, to within
 *   LIMIT_CLIENT_AGE_RECORDS */
#include "state/env.h"

#include <string.h>

#include "base/assert.h"
#include "state/digest.h"
#include "state/table.h"

enum {
    CLIENT_BYTES = 16,
    REQUEST_KEY_BYTES = CLIENT_BYTES + 8 + 4,
    REQUEST_HEADER_BYTES = 8 + 8 + 4 + 8,
    AGE_KEY_BYTES = 8 + CLIENT_BYTES,
    PARTS_AN_ENTRY = 16,
    /* A client's old numbers are looked for once in so many of its numbers: a few more may be known
     * than must be. */
    NUMBERS_FORGOTTEN_AT_ONCE = 16,
};

static void request_key(uint8_t out[REQUEST_KEY_BYTES], const uint8_t *client, uint64_t number,
                        uint32_t part)
{
    memcpy(out, client, CLIENT_BYTES);
    env_be64(out + CLIENT_BYTES, number);
    env_be32(out + CLIENT_BYTES + 8, part);
}

static bool is_of(const MDB_val *key, const uint8_t *client)
{
    return key->mv_size == REQUEST_KEY_BYTES && memcmp(key->mv_data, client, CLIENT_BYTES) == 0;
}

static uint64_t number_of(const MDB_val *key)
{
    return env_from_be64((const uint8_t *)key->mv_data + CLIENT_BYTES);
}

static void request_header(uint8_t out[REQUEST_HEADER_BYTES], uint64_t first_seq,
                           const struct record *newest)
{
    put_u64(out, first_seq);
    put_u64(out + 8, newest->seq);
    put_u32(out + 16, newest->part + 1u);
    put_u64(out + 20, newest->digest);
}

/* ---- Looking up ------------------------------------------------------------------------------ */

/* The client's newest entry up to that of the number; MDB_NOTFOUND: it has none. `*last`: nor has
 * it one beyond. */
static int seek_upto(MDB_cursor *cursor, const uint8_t *client, uint64_t number, MDB_val *key,
                     MDB_val *value, bool *last)
{
    uint8_t bytes[REQUEST_KEY_BYTES];
    request_key(bytes, client, number, UINT32_MAX);
    *key = (MDB_val){sizeof bytes, bytes};
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    *last = rc != 0 || !is_of(key, client);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = table_seek(cursor, TABLE_REQUESTS, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
    return rc == 0 && !is_of(key, client) ? MDB_NOTFOUND : rc;
}

/* The client's newest number; 0 when it has none. */
static int newest_number(MDB_cursor *cursor, const uint8_t *client, uint64_t *out)
{
    MDB_val key;
    MDB_val value;
    bool last;
    int rc = seek_upto(cursor, client, UINT64_MAX, &key, &value, &last);
    *out = rc == 0 ? number_of(&key) : 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int decode(const MDB_val *value, struct state_request *out)
{
    if (value->mv_size < REQUEST_HEADER_BYTES)
        return MDB_CORRUPTED;
    const uint8_t *bytes = value->mv_data;
    out->first.seq = get_u64(bytes);
    out->last.seq = get_u64(bytes + 8);
    out->parts = get_u32(bytes + 16);
    out->digest = get_u64(bytes + 20);
    out->results = slice_of(bytes + REQUEST_HEADER_BYTES, value->mv_size - REQUEST_HEADER_BYTES);
    return 0;
}

/* Adds what the next entry has, when it goes on where this one ends. */
static bool join(struct state_request *out, const struct state_request *next, struct buffer *joined)
{
    if (next->digest != out->digest || next->parts <= out->parts)
        return false;
    buffer_put(joined, next->results.bytes, next->results.length);
    out->last = next->last;
    out->parts = next->parts;
    return true;
}

/* The request from its first entry on. */
static int decode_all(MDB_cursor *cursor, const struct request_id *id, struct state_request *out,
                      struct buffer *joined)
{
    uint8_t bytes[REQUEST_KEY_BYTES];
    request_key(bytes, id->client, id->number, 0);
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value;
    struct state_request next;
    int rc = table_seek(cursor, TABLE_REQUESTS, &key, &value, MDB_SET_RANGE);
    if (rc == 0)
        rc = decode(&value, out);
    buffer_clear(joined);
    buffer_put(joined, out->results.bytes, rc == 0 ? out->results.length : 0);
    while (rc == 0) {
        rc = table_seek(cursor, TABLE_REQUESTS, &key, &value, MDB_NEXT);
        if (rc == 0 && (!is_of(&key, id->client) || number_of(&key) != id->number))
            break;
        if (rc == 0)
            rc = decode(&value, &next);
        if (rc == 0 && !join(out, &next, joined))
            break;
    }
    out->results = buffer_slice(joined);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int find_known(MDB_cursor *cursor, const struct request_id *id, const MDB_val *value,
                      struct state_request *out, struct buffer *joined)
{
    int rc = decode(value, out);
    return rc == 0 && out->parts > PARTS_AN_ENTRY ? decode_all(cursor, id, out, joined) : rc;
}

static int find(MDB_cursor *cursor, const struct request_id *id, struct state_request *out,
                struct buffer *joined, enum state_request_standing *standing)
{
    MDB_val key;
    MDB_val value;
    bool last;
    int rc = seek_upto(cursor, id->client, id->number, &key, &value, &last);
    if (rc == 0 && number_of(&key) == id->number) {
        *standing = STATE_REQUEST_KNOWN;
        return find_known(cursor, id, &value, out, joined);
    }
    if (last || (rc != 0 && rc != MDB_NOTFOUND))
        return rc == MDB_NOTFOUND ? 0 : rc;
    uint64_t newest;
    rc = newest_number(cursor, id->client, &newest);
    if (rc == 0 && saturating_sub(newest, id->number) >= LIMIT_REQUESTS_PER_CLIENT)
        *standing = STATE_REQUEST_TOO_OLD;
    return rc;
}

int requests_find(const struct env *env, MDB_txn *txn, MDB_cursor *cursor,
                  const struct request_id *id, struct state_request *out, struct buffer *joined,
                  enum state_request_standing *standing)
{
    *standing = STATE_REQUEST_NEW;
    int rc = find(cursor, id, out, joined, standing);
    if (rc != 0 || *standing != STATE_REQUEST_KNOWN)
        return rc;
    rc = history_at(env, txn, out->first.seq, &out->first.epoch);
    return rc == 0 ? history_at(env, txn, out->last.seq, &out->last.epoch) : rc;
}

/* ---- Forgetting ------------------------------------------------------------------------------ */

/* Forgets the client's numbers that are `most_kept` or more below `newest`; 0: all of them. */
static int forget_numbers(struct change *change, const uint8_t *client, uint64_t newest,
                          uint64_t most_kept)
{
    MDB_cursor *cursor;
    int rc = change_cursor(change, TABLE_REQUESTS, &cursor);
    if (rc != 0)
        return rc;
    uint8_t bytes[REQUEST_KEY_BYTES];
    request_key(bytes, client, 0, 0);
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value;
    rc = table_seek(cursor, TABLE_REQUESTS, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && is_of(&key, client) && saturating_sub(newest, number_of(&key)) >= most_kept) {
        rc = change_keep(change, TABLE_REQUESTS, slice_of_val(&key), &value);
        if (rc == 0)
            rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = table_seek(cursor, TABLE_REQUESTS, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static void age_key(uint8_t out[AGE_KEY_BYTES], uint64_t seq, const uint8_t *client)
{
    env_be64(out, seq);
    memcpy(out + 8, client, CLIENT_BYTES);
}

/* The client that wrote longest ago goes, with all that is known of it. */
static int forget_oldest_client(struct change *change)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(change->txn, change->env->tables[TABLE_AGES], &cursor);
    if (rc != 0)
        return rc;
    uint8_t age[AGE_KEY_BYTES];
    MDB_val key;
    MDB_val value;
    rc = table_seek(cursor, TABLE_AGES, &key, &value, MDB_FIRST);
    if (rc == 0 && key.mv_size != sizeof age)
        rc = MDB_CORRUPTED;
    if (rc == 0)
        memcpy(age, key.mv_data, sizeof age);
    mdb_cursor_close(cursor);
    const uint8_t *client = age + 8;
    if (rc == 0)
        rc = change_delete(change, TABLE_AGES, slice_of(age, sizeof age));
    if (rc == 0)
        rc = change_delete(change, TABLE_CLIENTS, slice_of(client, CLIENT_BYTES));
    return rc == 0 ? forget_numbers(change, client, UINT64_MAX, 0) : rc;
}

/* ---- Noting ---------------------------------------------------------------------------------- */

static int stand_at(struct change *change, const uint8_t *client, uint64_t seq)
{
    uint8_t age[AGE_KEY_BYTES];
    age_key(age, seq, client);
    int rc = change_put(change, TABLE_AGES, slice_of(age, sizeof age), (struct slice){0},
                        (struct slice){0});
    return rc == 0 ? change_put(change, TABLE_CLIENTS, slice_of(client, CLIENT_BYTES),
                                slice_of(age, 8), (struct slice){0})
                   : rc;
}

static int note_new_client(struct change *change, const uint8_t *client, uint64_t seq)
{
    int rc = stand_at(change, client, seq);
    MDB_stat stat;
    if (rc == 0)
        rc = mdb_stat(change->txn, change->env->tables[TABLE_CLIENTS], &stat);
    if (rc == 0 && stat.ms_entries > LIMIT_CLIENTS)
        rc = forget_oldest_client(change);
    return rc;
}

/* Once in a block of LIMIT_CLIENT_AGE_RECORDS records: its place tells the block of its last
 * write. */
static bool same_block(uint64_t seq, uint64_t other)
{
    return seq / LIMIT_CLIENT_AGE_RECORDS == other / LIMIT_CLIENT_AGE_RECORDS;
}

static int note_client(struct change *change, const uint8_t *client, uint64_t seq)
{
    MDB_val value;
    int rc = change_get(change, TABLE_CLIENTS, slice_of(client, CLIENT_BYTES), &value);
    if (rc == MDB_NOTFOUND)
        return note_new_client(change, client, seq);
    if (rc != 0 || value.mv_size != 8)
        return rc != 0 ? rc : MDB_CORRUPTED;
    uint64_t since = env_from_be64(value.mv_data);
    if (same_block(seq, since))
        return 0;
    uint8_t age[AGE_KEY_BYTES];
    age_key(age, since, client);
    rc = change_delete(change, TABLE_AGES, slice_of(age, sizeof age));
    return rc == 0 ? stand_at(change, client, seq) : rc;
}

static int keep_bounds(struct change *change, const struct record *record)
{
    const uint8_t *client = record->request.client;
    uint64_t newest;
    MDB_cursor *cursor;
    int rc = note_client(change, client, record->seq);
    if (rc == 0)
        rc = change_cursor(change, TABLE_REQUESTS, &cursor);
    if (rc == 0)
        rc = newest_number(cursor, client, &newest);
    return rc == 0 ? forget_numbers(change, client, newest, LIMIT_REQUESTS_PER_CLIENT) : rc;
}

/* The cursor stands at the record's entry. What the client's entry before it says is mostly enough:
 * its place in the order of age is of this block, and its old numbers were looked for not long
 * ago. */
static int bounds_are_kept(MDB_cursor *cursor, const struct record *record, bool *kept)
{
    MDB_val key;
    MDB_val value;
    *kept = false;
    int rc = table_seek(cursor, TABLE_REQUESTS, &key, &value, MDB_PREV);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (!is_of(&key, record->request.client) || value.mv_size < REQUEST_HEADER_BYTES)
        return 0;
    *kept = number_of(&key) / NUMBERS_FORGOTTEN_AT_ONCE ==
                record->request.number / NUMBERS_FORGOTTEN_AT_ONCE &&
            same_block(get_u64((const uint8_t *)value.mv_data + 8), record->seq);
    return 0;
}

/* A further operation of a Batch whose beginning is known; or an id that is used again, which no
 * primary does. */
static int note_again(struct change *change, const struct record *record, struct slice key,
                      const MDB_val *old)
{
    uint8_t header[REQUEST_HEADER_BYTES];
    if (old->mv_size < REQUEST_HEADER_BYTES)
        return MDB_CORRUPTED;
    const uint8_t *bytes = old->mv_data;
    bool follows = record->part > 0 && get_u32(bytes + 16) == record->part &&
                   get_u64(bytes + 20) == record->digest;
    request_header(header, follows ? get_u64(bytes) : record->seq, record);
    struct slice head = slice_of(header, sizeof header);
    return follows ? change_grow(change, TABLE_REQUESTS, key, old, head, record->result)
                   : change_put_over(change, TABLE_REQUESTS, key, old, head, record->result);
}

int requests_note(struct change *change, const struct record *record)
{
    if (record->request.number == 0)
        return 0;
    uint8_t bytes[REQUEST_KEY_BYTES];
    uint8_t entry[REQUEST_HEADER_BYTES + LIMIT_RESULT_BYTES];
    ASSERT_U64(record->result.length, <=, LIMIT_RESULT_BYTES);
    request_key(bytes, record->request.client, record->request.number,
                record->part - record->part % PARTS_AN_ENTRY);
    request_header(entry, record->seq, record);
    if (record->result.length > 0)
        memcpy(entry + REQUEST_HEADER_BYTES, record->result.bytes, record->result.length);
    struct slice key = slice_of(bytes, sizeof bytes);
    MDB_cursor *cursor;
    int rc = change_cursor(change, TABLE_REQUESTS, &cursor);
    if (rc != 0)
        return rc;
    MDB_val old;
    struct state_digest hash;
    struct slice value = slice_of(entry, REQUEST_HEADER_BYTES + record->result.length);
    rc = table_add(cursor, TABLE_REQUESTS, key, value, &old, &hash);
    if (rc == MDB_KEYEXIST)
        return note_again(change, record, key, &old);
    if (rc == 0)
        digest_add(&change->position.digest, hash);
    bool kept = false;
    if (rc == 0)
        rc = bounds_are_kept(cursor, record, &kept);
    if (rc == 0)
        rc = change_keep_absent(change, TABLE_REQUESTS, key);
    return rc == 0 && !kept ? keep_bounds(change, record) : rc;
}
