/* What all reads share: the read contract, and waiting for what it asks for (docs/consistency.md).
 * A method checks its request, and says what fills its response. */
#ifndef NODE_KV_READ_H
#define NODE_KV_READ_H

#include "candor/v1/kv.pb-c.h"
#include "node/serve/kv_ladder.h"
#include "node/serve/reply.h"
#include "node/shared/pool.h"
#include "node/shared/ticket.h"
#include "state/state.h"

struct reading;
struct read_call;

/* Of a call that says what would be answered instead of answering so (kv_explain.c). It is served
 * as any read; only what it cannot be served for is told otherwise. */
struct read_explains {
    /* Instead of the refusal or redirect. Finishes the call. */
    void (*refused)(struct reading *reading, struct core_read_decision decision);
    /* (node) Instead of the error with which a wait ended. Likewise. */
    void (*not_waited)(struct read_call *of, const struct outcome *outcome);
    uint64_t wait_until_ns; /* no wait goes on for longer */
};

/* One read, from its request to its reply; in its call's arena. */
struct read_call {
    struct ticket ticket; /* of what it waits for */
    struct job job;
    struct read_call *next; /* of those that one reader serves together */
    const ProtobufCMessage *request;
    struct core_read read;      /* with a ladder: of the rung that is tried */
    struct read_ladder *ladder; /* NULL: one level alone */
    /* Fills `response` from the data. False: the call was failed, or is in other hands now. */
    bool (*fill)(struct reading *reading, struct state_view *data);
    /* (slow) Replies that the token's position was rolled back; NULL: as to any session. */
    void (*lost)(struct read_call *of);
    const struct read_explains *explains; /* NULL: of any other call */
    /* What is shown must be committed, too. */
    bool committed;
    /* The core said that the wait for a session or for confirmed leadership is over ... */
    bool waited;
    /* ... when its rewinds were these. */
    uint64_t rewinds;
    /* COMMIT: what was read, kept open for a moment; else NULL. */
    struct state_view *data;
};

/* What reads were served from: the freshness of those that share it. In the memory of a bundle. */
struct read_shown {
    struct core_view view;
    struct candor_pos applied;
    struct reply_room room;
};

/* Of the reads that one thread serves between begin and end: one view of the state. */
struct read_share {
    struct state_view *data; /* NULL: none was opened yet */
    struct core_view view;
    struct candor_pos applied;
    struct read_shown *shown; /* NULL: no memory for it */
    bool told;
};

/* What a reader has in hand while it serves one. */
struct reading {
    struct read_call *of;
    struct node *node;
    struct rpc_call *call;
    const ProtobufCMessage *request;
    struct core_view view;
    struct core_freshness judged; /* the data that were judged last */
    struct read_share *share;     /* whose data these are; NULL: this reading's own */
    /* The response, and what it points to. */
    ProtobufCMessage *response;
    union {
        Candor__V1__GetResponse get;
        Candor__V1__MultiGetResponse multi_get;
        Candor__V1__ScanResponse scan;
        Candor__V1__ExplainResponse explain;
    };
    Candor__V1__KeyValue item;
    Candor__V1__KeyValue *items; /* malloc'd */
    Candor__V1__KeyValue **list; /* malloc'd */
    void *answer;                /* of the method, with `free_answer`; NULL: none */
    void (*free_answer)(void *answer);
    size_t item_count;
    size_t item_capacity;
    size_t item_bytes;
    bool no_memory;
    uint64_t log_ms;  /* the log's time, once it was asked for (R69) */
    bool shows_ended; /* a key among them whose time is over */
};

/* Checks what all reads have in common. NULL: the call was failed. */
struct read_call *kv_read_new(Candor__V1__KV_Service *service, struct rpc_call *call,
                              ProtobufCClosure reply, const ProtobufCMessage *request,
                              const Candor__V1__ReadOptions *options);
/* The same, of `bytes`: of the struct that begins with it. */
void *kv_read_new_of(size_t bytes, Candor__V1__KV_Service *service, struct rpc_call *call,
                     ProtobufCClosure reply, const ProtobufCMessage *request,
                     const Candor__V1__ReadOptions *options);
/* Hands it to a reader. */
void kv_read_submit(struct read_call *of,
                    bool (*fill)(struct reading *reading, struct state_view *data));
/* A lookup of one key is served at once, on NNG's thread, while less than half of NNG's threads do
 * so: a wake-up costs more than it. Should all of these wait for pages from the disk, the other
 * half still takes heartbeats, and further reads go to the readers. True: this one may, and says
 * when it is done. */
bool kv_read_enter_short(struct node *node);
void kv_read_leave_short(struct node *node);
/* For a lookup of one key: served at once where it may be. May end `of`. */
void kv_read_submit_short(struct read_call *of,
                          bool (*fill)(struct reading *reading, struct state_view *data));

/* Those linked by `next`, any number, go to the readers again, each with the token that it has now.
 * Where the node stops they are refused. */
void kv_reads_again(struct read_call *first);
/* (node) Those whose wait is over go to the readers. */
void kv_reads_go_on(struct node *node);

/* `shown` may be NULL. The share is the thread's, and stays until the end. */
void kv_read_share_begin(struct read_share *share, struct read_shown *shown);
void kv_read_share_end(struct read_share *share);

/* For who fills a response. False: the call was failed. */
bool kv_read_fail_without_memory(struct reading *reading);
/* Room for one more item; false: no memory, and the reading says so. */
bool kv_read_has_room(struct reading *reading);
/* The list of the items, as messages have it; NULL: no memory. */
Candor__V1__KeyValue **kv_read_list_items(struct reading *reading);
void kv_read_fill_item(struct reading *reading, Candor__V1__KeyValue *item,
                       const struct state_item *from);

#endif
