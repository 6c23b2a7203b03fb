/* What a core knows of another node. */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include "core/message.h"

/* A Status's time stamp and when it came; waits to be echoed (R36). */
struct sample {
    uint64_t ts_ns;
    uint64_t arrival_ns;
    bool relayed;
};

enum { SAMPLES = 16, LOST_DISKS = 4 };

struct peer {
    struct digest_at shown; /* by its newest status; at the primary (R58) */
    uint64_t shown_rewinds;
    uint64_t equal_seq;
    uint64_t differs_seq;
    struct candor_node_id id;
    uint64_t store_id; /* of its newest message; 0: never heard */
    uint64_t boot;
    bool heard;
    uint64_t heard_ns;
    /* R62. The newest of its lives that lasted; and since when its present one is heard. */
    struct core_life life;
    uint64_t life_since_ns;
    bool older_logged;
    /* Which life of this node does it know? */
    uint64_t life_nonce; /* of the question under way; 0: none */
    uint64_t life_due_ns;
    bool life_answered;
    bool life_open;        /* it knows a newer one, which may be forged */
    uint32_t others_heard; /* answers in a row that another life than this one speaks */
    /* The newest that its own stream has named; what it answers to a call may be older, or
     * newer. */
    struct candor_epoch epoch;
    uint64_t reset_ns; /* when its connection was last dropped */
    enum candor_state state;
    bool no_room; /* its disk is full, as its newest Status says */
    /* What its newest Status says of who hears whom (R72, R74). */
    enum core_hearing hearing;
    struct candor_node_id relay; /* whom it asks to relay; "": nobody */
    bool misses_me;
    /* What was passed on for it last (R72). */
    uint64_t passed_hb;
    uint64_t passed_ns;
    bool foreign_logged;
    bool impostor_logged;
    bool epoch_logged; /* one that it named and that was not adopted */
    /* its former disks, and their newest life: what they said may still be on its way */
    struct {
        uint64_t store_id;
        uint64_t boot;
    } lost[LOST_DISKS];
    uint32_t lost_count;
    /* At the primary, within its epoch and for the peer's present boot and store. */
    uint64_t match;       /* verified and durable there (R16) */
    uint64_t answered_hb; /* newest heartbeat it answered; 0: none */
    uint64_t promise_ns;  /* R30 */
    struct {
        uint64_t store_id;
        uint64_t boot;
    } voice; /* of which life the samples and the echo are: a relay may know a newer one (R73) */
    struct sample samples[SAMPLES];
    uint32_t sample_count;
    bool has_echo;
    uint64_t echo_ts_ns;
    bool echo_relayed;
    uint64_t seen_hb;    /* newest heartbeat that it has heard, by whichever way (R73) */
    uint64_t relayed_ns; /* when a relay last brought a word of it; 0: never */
    /* The newest echo that heartbeats, and that records have carried to it. */
    uint64_t announced_ts_ns;
    uint64_t recorded_ts_ns;
    /* In a campaign. */
    uint64_t campaign_nonce;
    bool answered;
    bool granted;
    /* It has not heard our stream, or not of the epoch: it is asked again when its own stream names
     * it (R23). */
    bool unheard;
    bool blank;
    bool failed;
    uint64_t answer_store_id;
    char refusal[CORE_REFUSAL_BYTES];
};

#endif
