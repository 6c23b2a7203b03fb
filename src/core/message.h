/* What cores say to each other (docs/protocol.md §3): our own structs, which src/wire packs. Plain
 * data. */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include "base/types.h"
#include "core/config.h"

struct core_header { /* PeerHeader of replication.proto */
    uint64_t cluster_id;
    uint64_t config_hash;
    struct candor_node_id node;
    uint64_t store_id;
    uint64_t boot;
    struct candor_epoch epoch;
};

struct core_echo {
    struct candor_node_id node;
    uint64_t boot;
    uint64_t ts_ns;
    uint64_t store_id; /* with boot: which life's clock ts_ns is of */
    bool relayed;      /* the status had come through a relay (R72) */
};

/* What the primary has heard of replicas before s_conf (R36): it speaks of data that hold
 * `last`. */
struct core_echoes {
    uint64_t last;
    uint32_t count;
    struct core_echo list[LIMIT_NODES];
};

/* What the primary found of a replica's data (R58): where they were last equal, and since where
 * they differ; 0: they do not. */
struct core_state_verdict {
    struct candor_node_id node;
    uint64_t store_id;
    uint64_t equal_seq;
    uint64_t differs_seq;
    uint64_t rewinds; /* of the data that were compared: none others are meant */
    bool vouched;     /* by a majority of the voters, for the primary's data */
};

struct core_verdicts {
    uint32_t count;
    struct core_state_verdict list[LIMIT_NODES];
};

enum core_msg_type {
    /* stream */
    CORE_MSG_RECORDS = 1,
    CORE_MSG_HEARTBEAT,
    CORE_MSG_STATUS,
    /* requests and their answers */
    CORE_MSG_ATTACH,
    CORE_MSG_ATTACH_ANSWER,
    CORE_MSG_FETCH,
    CORE_MSG_FETCH_ANSWER,
    CORE_MSG_PRE_VOTE,
    CORE_MSG_VOTE,
    CORE_MSG_VOTE_ANSWER, /* to both */
    CORE_MSG_READ_INDEX,
    CORE_MSG_READ_INDEX_ANSWER,
    CORE_MSG_LIFE, /* which life of the sender does the receiver know? (R62) */
    CORE_MSG_LIFE_ANSWER,
    /* the primary asks the receiver to stand at once (R26); answered by a VOTE_ANSWER */
    CORE_MSG_TRANSFER,
    /* stream: what a relay passes on (R72) */
    CORE_MSG_RELAYED_HEARTBEAT, /* of the primary of the header's epoch: `heartbeat` */
    CORE_MSG_RELAYED_STATUS,    /* of a replica: `relayed_status` */
};

/* What a node says of its way to the primary of its epoch and back (R72). */
enum core_hearing {
    CORE_HEARING_UNSAID, /* it leads; or it is of an older version */
    CORE_HEARING_DIRECT, /* it hears the primary, and the primary hears it */
    CORE_HEARING_LOST,
};

/* Nodes that the sender does not hear. */
struct core_missed {
    uint32_t count;
    struct candor_node_id list[LIMIT_NODES];
};

enum core_verdict { CORE_REFUSED, CORE_CONTINUE, CORE_TRUNCATE_TO, CORE_SNAPSHOT };

#define CORE_REFUSAL_BYTES 128

struct core_msg {
    enum core_msg_type type;
    struct core_header header;
    union {
        struct {
            uint64_t commit;
            struct slice batches;
            uint64_t hb_id; /* newest heartbeat that was sent before: it counts as heard */
            struct core_echoes echoes;
        } records;
        struct {
            /* Sent again under the same id it brings newer echoes, and asks for no answer. */
            uint64_t hb_id;
            uint64_t last;
            struct chain chain; /* of the primary's log at `last`; all zero: not said */
            uint64_t first;     /* oldest record in the primary's log */
            uint64_t commit;
            uint64_t log_ms; /* the log's time (R69) */
            /* Whom the primary wants to take over (R26); "": nobody. */
            struct candor_node_id successor;
            struct core_echoes echoes;
            struct core_verdicts verdicts;
            struct core_missed missed;
            char rpc[LIMIT_ADDRESS_BYTES];
        } heartbeat;
        struct {
            uint64_t ts_ns;
            uint64_t hb_id; /* newest heartbeat that came from the primary itself */
            uint64_t last;
            uint64_t durable;
            uint64_t match;
            uint64_t applied;
            enum candor_state state;
            bool no_room;            /* its disk is full */
            struct digest_at digest; /* of its state (R58); seq 0: not known at `durable` */
            uint64_t rewinds;        /* how often that state went back or was replaced */
            /* it elects nobody else for so long after that heartbeat (R30); 0: no promise */
            uint64_t promise_ns;
            uint64_t seen_hb; /* newest heartbeat heard, through a relay too */
            enum core_hearing hearing;
            struct candor_node_id relay; /* who is asked to relay (R72); "": nobody */
            struct core_missed missed;
        } status;
        /* All that a relay passes on of a status: nothing of it counts for a majority (R73). */
        struct {
            struct candor_node_id node; /* whose, in which life */
            uint64_t store_id;
            uint64_t boot;
            uint64_t ts_ns;
            uint64_t seen_hb;
        } relayed_status;
        struct {
            uint64_t last;
            uint64_t commit;    /* what the sender knows as committed */
            struct chain chain; /* of its log at `last` */
            /* In an event: the shell looks up the chain of its own log at `last`; seq 0 where it
             * holds none. */
            struct chain_at here;
            uint64_t here_rewinds; /* how often that log had gone back before it was looked up */
            /* In an event: the sender's; in an action: the core's own. */
            struct epoch_history history;
        } attach;
        struct {
            enum core_verdict verdict;
            uint64_t seq;
        } attach_answer;
        struct {
            uint64_t from_seq;
        } fetch;
        struct {
            bool ok;
            uint64_t commit;
            struct slice batches;
        } fetch_answer;
        struct {
            struct candor_epoch epoch; /* the one to be opened */
            struct candor_pos last;
            bool transfer;
        } vote; /* PRE_VOTE and VOTE */
        struct {
            bool granted;
            bool blank;
            /* A refusal that may pass: it has not heard the candidate's stream, or not of the
             * epoch. */
            bool unheard;
            char refusal[CORE_REFUSAL_BYTES];
        } vote_answer;
        struct {
            bool ok;
            uint64_t seq;
        } read_index_answer;
        struct core_life_answer life_answer;
    };
};

#endif
