/* kvctl verify: the keys of a range, listed by all nodes and compared one by one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/cluster/verify.h"

#define SETTLE_TRIES 30
#define SETTLE_PAUSE_MS 100

static void add_holder(struct verify *verify, json_t *nodes, struct slice key, size_t i,
                       const struct verify_held *held)
{
    char check[24];
    snprintf(check, sizeof check, "%016" PRIx64, held->check);
    json_t *node = json_object();
    json_object_set_new(node, "node", json_string(verify->targets[i].id));
    json_object_set_new(node, "applied_seq", json_u64(held->applied));
    json_object_set_new(node, "present", json_boolean(held->present));
    if (held->present) {
        json_object_set_new(node, "mod_seq", json_u64(held->mod_seq));
        json_object_set_new(node, "check", json_string(check));
    }
    json_array_append_new(nodes, node);
    table_cell(verify->table, TABLE_PLAIN, "%.*s", i == 0 ? (int)key.length : 0,
               (const char *)key.bytes);
    table_cell(verify->table, TABLE_PLAIN, "%s", verify->targets[i].id);
    table_cell(verify->table, TABLE_PLAIN, "%s", held->present ? check : "none");
    table_cell(verify->table, TABLE_PLAIN, "%" PRIu64, held->mod_seq);
    table_cell(verify->table, TABLE_PLAIN, "%" PRIu64, held->applied);
}

static void report_key(struct verify *verify, struct slice key, const struct verify_held *held)
{
    if (verify->differing++ >= verify->max_keys)
        return;
    json_t *row = json_object();
    json_t *nodes = json_array();
    json_set_bytes(row, "key", key.bytes, key.length);
    for (size_t i = 0; i < verify->count; i++)
        add_holder(verify, nodes, key, i, &held[i]);
    json_object_set_new(row, "nodes", nodes);
    json_array_append_new(verify->keys, row);
}

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static const Candor__V1__EntryDigest *entry_of(const Candor__V1__RangeDigestResponse *answer,
                                               struct slice key)
{
    for (size_t i = 0; i < answer->n_listed; i++)
        if (slice_equal(verify_slice(answer->listed[i]->key), key))
            return answer->listed[i];
    return NULL;
}

/* What the list of one node says of a key that it reaches to. */
static struct verify_held listed_of(const Candor__V1__RangeDigestResponse *answer, struct slice key)
{
    const Candor__V1__EntryDigest *entry = entry_of(answer, key);
    struct verify_held held = {.applied = answer->applied != NULL ? answer->applied->seq : 0};
    if (entry != NULL) {
        held.present = true;
        held.mod_seq = entry->mod_seq;
        held.check = entry->check;
    }
    return held;
}

static bool look_at(struct verify *verify, struct slice key, struct verify_held *held)
{
    uint8_t end[LIMIT_KEY_BYTES + 1]; /* the first key behind it */
    struct node_answer answers[LIMIT_NODES];
    size_t asked = 0;
    memcpy(end, key.bytes, key.length);
    end[key.length] = 0;
    struct verify_range range = {key, {end, key.length + 1}};
    bool whole = verify_ask(verify, LIMIT_NODES, range, 1, true, answers, &asked);
    for (size_t i = 0; whole && i < asked; i++)
        held[i] = listed_of(verify_answer(&answers[i]), key);
    node_answers_free(answers, asked);
    return whole;
}

/* Two nodes may just stand at different positions: they are asked again until they agree, or cannot
 * any more. The lists count as the first answer: what contradicts there is found even when no try
 * is left. */
static void settle(struct verify *verify, const struct node_answer *answers, size_t count,
                   struct slice key)
{
    struct verify_held held[LIMIT_NODES] = {0};
    enum verify_finding finding = VERIFY_NOT_SETTLED;
    bool same_nodes = count == verify->count; /* none was left out since they were listed */
    for (size_t i = 0; same_nodes && i < count; i++)
        held[i] = listed_of(verify_answer(&answers[i]), key);
    if (same_nodes)
        finding = verify_judge(held, count);
    for (int tries = 0; finding == VERIFY_NOT_SETTLED && tries < SETTLE_TRIES &&
                        verify->tries_left > 0 && verify->count > 1;
         tries++, verify->tries_left--) {
        if (tries > 0)
            nanosleep(&(struct timespec){.tv_nsec = SETTLE_PAUSE_MS * (long)NS_PER_MS}, NULL);
        if (look_at(verify, key, held))
            finding = verify_judge(held, verify->count);
    }
    if (finding == VERIFY_DIFFERENT)
        report_key(verify, key, held);
    verify->unsettled += finding == VERIFY_NOT_SETTLED;
}

static bool all_hold_the_same(const struct node_answer *answers, size_t count, struct slice key)
{
    struct verify_held first = listed_of(verify_answer(&answers[0]), key);
    for (size_t i = 1; i < count; i++) {
        struct verify_held other = listed_of(verify_answer(&answers[i]), key);
        if (!verify_equal(&first, &other))
            return false;
    }
    return true;
}

/* Where the shortest of the lists ends; empty: all have reached the end of the range. */
static struct slice common_end(const struct node_answer *answers, size_t count)
{
    struct slice end = {0};
    for (size_t i = 0; i < count; i++) {
        const Candor__V1__RangeDigestResponse *answer = verify_answer(&answers[i]);
        struct slice next = verify_slice(answer->next);
        if (answer->more && (end.length == 0 || slice_compare(next, end) < 0))
            end = next;
    }
    return end;
}

static void settle_listed(struct verify *verify, const struct node_answer *answers, size_t count,
                          struct slice end)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += verify_answer(&answers[i])->n_listed;
    struct slice *keys = memory_zeroed(total + 1, sizeof *keys);
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < verify_answer(&answers[i])->n_listed; j++)
            keys[found++] = verify_slice(verify_answer(&answers[i])->listed[j]->key);
    qsort(keys, found, sizeof *keys, compare_slices);
    for (size_t i = 0; i < found; i++) {
        bool again = i > 0 && slice_equal(keys[i], keys[i - 1]);
        bool beyond = end.length > 0 && slice_compare(keys[i], end) >= 0;
        if (!again && !beyond && !all_hold_the_same(answers, count, keys[i]))
            settle(verify, answers, count, keys[i]);
    }
    free(keys);
}

void verify_lists(struct verify *verify, struct verify_range range)
{
    struct buffer start = {0};
    buffer_put(&start, range.start.bytes, range.start.length);
    bool more = true;
    while (more && verify->count > 1) {
        struct node_answer answers[LIMIT_NODES];
        size_t asked = 0;
        struct verify_range rest = {buffer_slice(&start), range.end};
        if (verify_ask(verify, LIMIT_NODES, rest, 0, true, answers, &asked)) {
            struct slice end = common_end(answers, asked);
            settle_listed(verify, answers, asked, end);
            more = end.length > 0;
            buffer_clear(&start);
            buffer_put(&start, end.bytes, end.length);
        }
        node_answers_free(answers, asked);
    }
    buffer_free(&start);
}
