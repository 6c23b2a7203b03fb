/* The words of docs/protocol.md §1 as C types, beside those that clients share (candor/types.h).
 * Plain values: copy them freely, any thread. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <candor/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"

_Static_assert(LIMIT_NODE_ID_BYTES == CANDOR_NODE_ID_BYTES, "one length of ids");

/* Bytes owned by somebody else. */
struct slice {
    const uint8_t *bytes;
    size_t length;
};

struct slice slice_of(const void *bytes, size_t length);
bool slice_equal(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b); /* bytewise, shorter first */

/* False when `text` is empty, too long, or has a byte outside [A-Za-z0-9._-]; `out` is then "". */
bool node_id_parse(const char *text, size_t length, struct candor_node_id *out);
/* ASSERTs that it parses; for literals and tests */
struct candor_node_id node_id_of(const char *text);
bool node_id_equal(struct candor_node_id a, struct candor_node_id b);
bool node_id_empty(struct candor_node_id id);

/* The number of a life (R8, R62): how often the directory was started, and behind that chance, so
 * that a disk and a copy of it are not at the same number. It grows with each start. */
#define BOOT_CHANCE_BITS 24
uint64_t boot_next(uint64_t boot, uint64_t random);
uint64_t boot_count(uint64_t boot);

int epoch_compare(struct candor_epoch a, struct candor_epoch b);
bool epoch_equal(struct candor_epoch a, struct candor_epoch b);
bool epoch_none(struct candor_epoch e);

/* What a state holds, as one number: the sum of its entries' hashes (state/digest.h). */
struct state_digest {
    uint64_t high;
    uint64_t low;
};

static inline bool state_digest_equal(struct state_digest a, struct state_digest b)
{
    return a.high == b.high && a.low == b.low;
}

/* What the state held when `seq` was its newest record; seq 0: not known. */
struct digest_at {
    uint64_t seq;
    struct state_digest digest;
};

/* The hash chain of a log at one of its records: it stands for that record and all before it
 * (record/chain.h, R55). All zero: before the first. */
struct chain {
    uint64_t high;
    uint64_t low;
};

static inline bool chain_equal(struct chain a, struct chain b)
{
    return a.high == b.high && a.low == b.low;
}

/* The chain at the record `seq`; seq 0: not known. */
struct chain_at {
    uint64_t seq;
    struct chain chain;
};

int pos_compare(struct candor_pos a, struct candor_pos b); /* epoch first, then seq */
bool pos_equal(struct candor_pos a, struct candor_pos b);

/* "g1.t7.a" and "g1.t7.a:1042"; the buffers hold any value. Return `out`. */
#define EPOCH_TEXT_BYTES (LIMIT_NODE_ID_BYTES + 48)
#define POS_TEXT_BYTES (EPOCH_TEXT_BYTES + 24)
char *epoch_text(struct candor_epoch e, char out[EPOCH_TEXT_BYTES]);
char *pos_text(struct candor_pos p, char out[POS_TEXT_BYTES]);

/* Names one attempted write over all its retries (R46). number 0: none was given. */
struct request_id {
    uint8_t client[16];
    uint64_t number;
};

/* The epochs of a log, oldest first: each begins with its EPOCH_START record at first_seq.
 * Owner of the array: the struct itself; it is bounded by LIMIT_EPOCH_HISTORY. */
struct epoch_start {
    struct candor_epoch epoch;
    uint64_t first_seq;
    struct chain chain; /* at its EPOCH_START record */
};

struct epoch_history {
    uint32_t count;
    struct epoch_start *starts; /* malloc'd, capacity LIMIT_EPOCH_HISTORY */
};

void epoch_history_init(struct epoch_history *history);
void epoch_history_free(struct epoch_history *history);
void epoch_history_copy(struct epoch_history *to, const struct epoch_history *from);
/* Appends a start; the newest one must be lower in epoch and in first_seq. Forgets the oldest at
 * the limit. */
void epoch_history_append(struct epoch_history *history, const struct epoch_start *start);
/* Forgets the epochs that begin above `seq`. */
void epoch_history_truncate(struct epoch_history *history, uint64_t seq);
/* The epoch of the record at `seq`; none when seq is 0 or older than the history. */
struct candor_epoch epoch_history_at(const struct epoch_history *history, uint64_t seq);
/* NULL: the history does not hold it. */
const struct epoch_start *epoch_history_find(const struct epoch_history *history,
                                             struct candor_epoch epoch);
/* Highest seq up to which two logs (histories and last seqs) hold records of the same epochs, begun
 * by the same records; 0 when none (R11). Whether the newest of those epochs holds the same records
 * in both, their chains tell. */
uint64_t epoch_history_common(const struct epoch_history *a, uint64_t a_last,
                              const struct epoch_history *b, uint64_t b_last);

const char *ack_level_name(enum candor_ack ack); /* "NONE", "LOCAL" ... */

/* Who belongs to the cluster, as its log says (R4, R29). store_id 0: not yet admitted. */
struct member {
    struct candor_node_id id;
    uint64_t store_id;
    bool voter;
};

struct members {
    uint32_t count;
    struct member list[LIMIT_NODES];
};

const struct member *members_find(const struct members *members, struct candor_node_id id);
uint32_t members_voters(const struct members *members); /* configured voters (R17) */

/* Cut off where it does not fit; NULL: "". For what runs once a call, where snprintf() is dear. */
static inline void text_copy(char *to, size_t room, const char *from)
{
    size_t length = from == NULL ? 0 : strnlen(from, room - 1);
    memcpy(to, length == 0 ? "" : from, length);
    to[length] = '\0';
}

/* Saturating: the difference of two positions or times is never negative (R39). */
static inline uint64_t saturating_sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}
static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
