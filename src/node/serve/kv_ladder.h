/* The ladder of a read that asks for several levels (R71), and what its reply says of it. Whoever
 * has the call. */
#ifndef NODE_KV_LADDER_H
#define NODE_KV_LADDER_H

#include "candor/v1/kv.pb-c.h"
#include "core/ladder.h"
#include "rpc/rpc.h"

struct read_ladder;

/* In the call's memory; its time begins, and each reply to the call tells of it from now on. `*out`
 * is NULL where `options` has none. INVALID_ARGUMENT or RESOURCE_EXHAUSTED with the rung at
 * fault. */
enum candor_code kv_ladder_new(struct rpc_call *call, const Candor__V1__ReadOptions *options,
                               struct read_ladder **out, struct candor_error *err);
/* What the rung that is tried asks for. */
void kv_ladder_ask(const struct read_ladder *ladder, struct core_read *read);
/* How long it may wait. */
uint64_t kv_ladder_until_ns(const struct read_ladder *ladder);
/* True: the next rung is tried from now on. As core_ladder_down(); NULL has no further rung. */
bool kv_ladder_down(struct read_ladder *ladder, enum candor_code code, enum candor_reason reason,
                    const struct core_freshness *fresh);
/* The read is served, from data that `view` speaks of. */
void kv_ladder_served(struct read_ladder *ladder, const struct core_view *view);

#endif
