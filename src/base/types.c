/* Slices, ids, epochs, positions, epoch histories, members: compared, written as text. */
#include "base/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

struct slice slice_of(const void *bytes, size_t length)
{
    return (struct slice){.bytes = bytes, .length = length};
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.length < b.length ? a.length : b.length;
    int order = shared == 0 ? 0 : memcmp(a.bytes, b.bytes, shared);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && slice_compare(a, b) == 0;
}

static bool node_id_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool node_id_parse(const char *text, size_t length, struct candor_node_id *out)
{
    *out = (struct candor_node_id){0};
    if (length == 0 || length >= sizeof out->text)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!node_id_byte(text[i]))
            return false;
    memcpy(out->text, text, length);
    return true;
}

struct candor_node_id node_id_of(const char *text)
{
    struct candor_node_id id;
    bool ok = node_id_parse(text, strlen(text), &id);
    ASSERT(ok);
    return id;
}

bool node_id_equal(struct candor_node_id a, struct candor_node_id b)
{
    return memcmp(a.text, b.text, sizeof a.text) == 0;
}

bool node_id_empty(struct candor_node_id id)
{
    return id.text[0] == '\0';
}

uint64_t boot_next(uint64_t boot, uint64_t random)
{
    uint64_t chance = random & ((UINT64_C(1) << BOOT_CHANCE_BITS) - 1);
    return ((boot_count(boot) + 1) << BOOT_CHANCE_BITS) | chance;
}

uint64_t boot_count(uint64_t boot)
{
    return boot >> BOOT_CHANCE_BITS;
}

int epoch_compare(struct candor_epoch a, struct candor_epoch b)
{
    if (a.generation != b.generation)
        return a.generation < b.generation ? -1 : 1;
    if (a.term != b.term)
        return a.term < b.term ? -1 : 1;
    return memcmp(a.owner.text, b.owner.text, sizeof a.owner.text);
}

bool epoch_equal(struct candor_epoch a, struct candor_epoch b)
{
    return epoch_compare(a, b) == 0;
}

bool epoch_none(struct candor_epoch e)
{
    return e.term == 0;
}

int pos_compare(struct candor_pos a, struct candor_pos b)
{
    int order = epoch_compare(a.epoch, b.epoch);
    if (order != 0)
        return order;
    return (a.seq > b.seq) - (a.seq < b.seq);
}

bool pos_equal(struct candor_pos a, struct candor_pos b)
{
    return pos_compare(a, b) == 0;
}

char *epoch_text(struct candor_epoch e, char out[EPOCH_TEXT_BYTES])
{
    if (epoch_none(e))
        snprintf(out, EPOCH_TEXT_BYTES, "none");
    else
        snprintf(out, EPOCH_TEXT_BYTES, "g%" PRIu64 ".t%" PRIu64 ".%s", e.generation, e.term,
                 e.owner.text);
    return out;
}

char *pos_text(struct candor_pos p, char out[POS_TEXT_BYTES])
{
    char epoch[EPOCH_TEXT_BYTES];
    snprintf(out, POS_TEXT_BYTES, "%s:%" PRIu64, epoch_text(p.epoch, epoch), p.seq);
    return out;
}

void epoch_history_init(struct epoch_history *history)
{
    history->count = 0;
    history->starts = memory_zeroed(LIMIT_EPOCH_HISTORY, sizeof *history->starts);
}

void epoch_history_free(struct epoch_history *history)
{
    free(history->starts);
    *history = (struct epoch_history){0};
}

void epoch_history_copy(struct epoch_history *to, const struct epoch_history *from)
{
    ASSERT(from->count <= LIMIT_EPOCH_HISTORY);
    to->count = from->count;
    memcpy(to->starts, from->starts, from->count * sizeof *from->starts);
}

void epoch_history_append(struct epoch_history *history, const struct epoch_start *start)
{
    if (history->count > 0) {
        const struct epoch_start *newest = &history->starts[history->count - 1];
        ASSERT(epoch_compare(newest->epoch, start->epoch) < 0);
        ASSERT(newest->first_seq < start->first_seq);
    }
    if (history->count == LIMIT_EPOCH_HISTORY) {
        memmove(history->starts, history->starts + 1,
                (LIMIT_EPOCH_HISTORY - 1) * sizeof *history->starts);
        history->count--;
    }
    history->starts[history->count++] = *start;
}

void epoch_history_truncate(struct epoch_history *history, uint64_t seq)
{
    while (history->count > 0 && history->starts[history->count - 1].first_seq > seq)
        history->count--;
}

struct candor_epoch epoch_history_at(const struct epoch_history *history, uint64_t seq)
{
    for (uint32_t i = history->count; i-- > 0;)
        if (history->starts[i].first_seq <= seq)
            return history->starts[i].epoch;
    return (struct candor_epoch){0};
}

const struct epoch_start *epoch_history_find(const struct epoch_history *history,
                                             struct candor_epoch epoch)
{
    for (uint32_t i = history->count; i-- > 0;)
        if (epoch_equal(history->starts[i].epoch, epoch))
            return &history->starts[i];
    return NULL;
}

/* Two primaries of one epoch begin it with two records: an older copy of a disk may stand again for
 * an epoch that the disk had won (R56). */
static bool same_start(const struct epoch_start *a, const struct epoch_start *b)
{
    return a->first_seq == b->first_seq && chain_equal(a->chain, b->chain);
}

/* The last seq of the i-th epoch. */
static uint64_t epoch_end(const struct epoch_history *history, uint32_t i, uint64_t last)
{
    return i + 1 < history->count ? history->starts[i + 1].first_seq - 1 : last;
}

uint64_t epoch_history_common(const struct epoch_history *a, uint64_t a_last,
                              const struct epoch_history *b, uint64_t b_last)
{
    uint32_t i = a->count;
    uint32_t j = b->count;
    while (i > 0 && j > 0) {
        int order = epoch_compare(a->starts[i - 1].epoch, b->starts[j - 1].epoch);
        if (order == 0 && same_start(&a->starts[i - 1], &b->starts[j - 1]))
            return min_u64(epoch_end(a, i - 1, a_last), epoch_end(b, j - 1, b_last));
        i -= order >= 0;
        j -= order <= 0;
    }
    return 0;
}

const char *candor_role_name(enum candor_role role)
{
    static const char *const names[] = {"unknown", "primary", "replica", "reader"};
    return names[(unsigned)role < sizeof names / sizeof names[0] ? role : CANDOR_ROLE_UNKNOWN];
}

const char *candor_state_name(enum candor_state state)
{
    static const char *const names[] = {"UNKNOWN", "FRESH",  "STALE",   "SYNCING",
                                        "EXPIRED", "FORKED", "DOUBTFUL"};
    return names[(unsigned)state < sizeof names / sizeof names[0] ? state : CANDOR_STATE_UNKNOWN];
}

const char *candor_cut_off_name(enum candor_cut_off cut_off)
{
    static const char *const names[] = {"no", "me", "primary", "unknown"};
    return names[(unsigned)cut_off < sizeof names / sizeof names[0] ? cut_off : CANDOR_CUT_OFF_NO];
}

const char *ack_level_name(enum candor_ack ack)
{
    static const char *const names[] = {"NONE", "LOCAL", "MAJORITY", "ALL"};
    ASSERT((unsigned)ack < sizeof names / sizeof names[0]);
    return names[ack];
}

const struct member *members_find(const struct members *members, struct candor_node_id id)
{
    for (uint32_t i = 0; i < members->count; i++)
        if (node_id_equal(members->list[i].id, id))
            return &members->list[i];
    return NULL;
}

uint32_t members_voters(const struct members *members)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < members->count; i++)
        voters += members->list[i].voter;
    return voters;
}
