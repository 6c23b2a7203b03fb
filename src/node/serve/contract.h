/* The contract in words: the sentences of docs/consistency.md by which something is decided. Static
 * strings; "": it has none. */
#ifndef NODE_CONTRACT_H
#define NODE_CONTRACT_H

#include <candor/status.h>
#include <candor/types.h>

/* Why a read of this level is answered (reason NONE), or is not. */
const char *contract_of_read(enum candor_read_level level, enum candor_reason reason);
/* What that allows at worst. */
const char *contract_worst_read(enum candor_read_level level);
/* Likewise of a write. */
const char *contract_of_write(enum candor_ack ack, enum candor_reason reason);
const char *contract_worst_write(enum candor_ack ack);

#endif
