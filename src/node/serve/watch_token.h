/* Tokens for positions in the middle of a log: of a view of the state, which knows its epochs. */
#ifndef NODE_WATCH_TOKEN_H
#define NODE_WATCH_TOKEN_H

#include "core/core.h"
#include "state/state.h"

/* The token of the record `seq`, which `data` have applied; seq 0: before the first. Any thread. */
struct candor_token watch_token_at(const struct core_view *view, struct state_view *data,
                                   uint64_t seq);

#endif
