/* Whether two logs hold the same records: the hash chain of a log stands for all of them (R55-R57).
 * An epoch that two primaries had, from two copies of one disk, shows here; positions alone would
 * not tell. */
#ifndef CORE_CHAIN_H
#define CORE_CHAIN_H

#include "core/state.h"

/* the log ends there now */
void chain_note(struct core *core, uint64_t seq, struct chain chain);
bool chain_follows(const struct core *core, const struct batch *batch);
struct chain chain_announced(const struct core *core);
bool chain_parted(const struct core *core, const struct core_msg *heartbeat);
/* The token's epoch began otherwise in the log that it is of. */
bool chain_is_other(const struct core *core, const struct candor_token *token);
/* `*common`: up to where the sender's log and this one agree. False: not known now. */
bool chain_forgets(const struct core *core, const struct epoch_history *theirs, uint64_t last);
bool chain_common(const struct core *core, const struct core_msg *attach, uint64_t *common);

#endif
