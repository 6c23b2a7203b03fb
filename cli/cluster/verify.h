/* `kvctl verify`, inside: what it knows, and how it asks (R60). Threads: the main thread. */
#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

#include "base/limits.h"
#include "base/types.h"
#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/node_call.h"

struct verify {
    struct command_context *ctx;
    struct node_target targets[LIMIT_NODES]; /* those that still answer */
    size_t count;
    uint64_t max_keys;
    uint64_t entries; /* compared, as the first node holds them */
    uint64_t differing;
    uint64_t unsettled; /* keys that could not be compared */
    int tries_left;     /* of SETTLE_TRIES_ALL */
    json_t *keys;
    json_t *failed;
    struct table *table;
    int status; /* of those that fail */
    uint64_t shown_ns;
};

/* [start, end); no end: to the last key. */
struct verify_range {
    struct slice start;
    struct slice end;
};

/* ---- Asking (verify_ask.c) ---- */

/* Asks the first `most` of them at once. False: one was left out; those that are left have to be
 * asked again. The answers are freed by node_answers_free() in both cases. */
bool verify_ask(struct verify *verify, size_t most, struct verify_range range, uint32_t entries,
                bool list, struct node_answer *answers, size_t *asked);
const Candor__V1__RangeDigestResponse *verify_answer(const struct node_answer *answer);
struct slice verify_slice(ProtobufCBinaryData data);

/* ---- What nodes hold of one key (verify_judge.c) ---- */

struct verify_held {
    bool present;
    uint64_t mod_seq;
    uint64_t check;
    uint64_t applied; /* where the node stood */
};

enum verify_finding { VERIFY_SAME, VERIFY_DIFFERENT, VERIFY_NOT_SETTLED };

bool verify_equal(const struct verify_held *a, const struct verify_held *b);
/* DIFFERENT: no history leads to what two of them hold. NOT_SETTLED: they differ, and one that does
 * may lead to both. */
enum verify_finding verify_judge(const struct verify_held *held, size_t count);

/* ---- Comparing (verify_lists.c, verify_ranges.c) ---- */

/* Key by key, as they are listed by the nodes. */
void verify_lists(struct verify *verify, struct verify_range range);
/* By digests. */
void verify_everything(struct verify *verify);

#endif
