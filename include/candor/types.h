/* Words that nodes and their clients share. The numbers are those of proto/candor/v1/rpc.proto.
 * Threads: any. */
#ifndef CANDOR_TYPES_H
#define CANDOR_TYPES_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a node is in its cluster. */
enum candor_role {
    CANDOR_ROLE_UNKNOWN = 0,
    CANDOR_ROLE_PRIMARY = 1,
    CANDOR_ROLE_REPLICA = 2, /* votes */
    CANDOR_ROLE_READER = 3,  /* replicates, does not vote */
};

/* What it says of its data (docs/consistency.md). */
enum candor_state {
    CANDOR_STATE_UNKNOWN = 0,
    CANDOR_STATE_FRESH = 1,   /* heard its primary and proven recent, within stale_after */
    CANDOR_STATE_STALE = 2,   /* nothing proves that the data are recent */
    CANDOR_STATE_SYNCING = 3, /* catching up: redirects */
    CANDOR_STATE_EXPIRED = 4, /* older than the operator's reject_after: refuses */
    CANDOR_STATE_FORKED = 5,  /* serves nothing until an operator has decided */
    /* Its data differ from the others' at the same position: redirects. */
    CANDOR_STATE_DOUBTFUL = 6,
};

/* Static strings; of a number that is none of them, that of 0. */
const char *candor_role_name(enum candor_role role);    /* "primary" ... */
const char *candor_state_name(enum candor_state state); /* "FRESH" ... */

#ifdef __cplusplus
}
#endif

#endif
