/* What the examples share: their arguments, the cluster as clients see it, and the faults
 * that a story needs.
 *
 * A story asks for a fault by printing the command, `$ kvctl fault cut a b`, and waits until the
 * nodes themselves say that it has happened. Whoever watches (a person in another terminal, or
 * examples/run) runs the command. So a story breaks by its order of steps, never by luck.
 *
 * Every wait has a deadline; what goes wrong with the example itself ends it with status 2. */
#ifndef EXAMPLES_STORY_H
#define EXAMPLES_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <candor/client.h>

enum {
    STORY_NODES_MAX = 9,
    STORY_TEXT_BYTES = 256,
    STORY_CALL_MS = 30000, /* long enough for the client to meet the next primary by itself */
};

enum { STORY_KEPT = 0, STORY_BROKEN = 1, STORY_FAILED = 2 }; /* exit status */

struct story_node {
    const char *endpoint;
    char name[CANDOR_NODE_ID_BYTES];
    struct candor_client *client; /* asks this node alone, and follows no redirect */
};

struct story {
    bool wrong;
    unsigned seconds; /* 0: until SIGINT or SIGTERM */
    uint64_t end_ms;
    size_t node_count;
    struct story_node nodes[STORY_NODES_MAX];
    struct candor_client *client; /* asks any node */
};

/* Takes --right or --wrong, --seconds N, and an --endpoint for each node. Waits until all nodes are
 * together. */
void story_open(struct story *story, int argc, char **argv);
void story_close(struct story *story);

/* A client of all nodes, the `nearest` first (modulo their number). The caller closes it. */
struct candor_client *story_client(const struct story *story, size_t nearest);

/* Time is up, or a signal came. Any thread. */
bool story_over(const struct story *story);
uint64_t story_now_ms(void);
void story_pause_ms(unsigned ms);

/* A primary that has its majority. */
struct story_node *story_primary(struct story *story);
/* Any node but this one. */
struct story_node *story_other_than(struct story *story, const struct story_node *node);

/* Cuts a node off from all others, and waits until it knows. */
void story_isolate(struct story *story, const struct story_node *node);
/* Cuts the primary off and writes there, LOCAL, within `client`'s session: acknowledged, and on no
 * other disk. Soon a primary without a majority refuses to write (R25); when that came first the
 * scene is set anew. Returns that primary. */
struct story_node *story_write_alone(struct story *story, struct candor_client *client,
                                     struct candor_bytes key, struct candor_bytes value,
                                     struct candor_result *result);
/* kill -9; waits until another node leads. Returns the new primary. */
struct story_node *story_kill(struct story *story, const struct story_node *node);
/* Mends the network, starts `dead` (NULL: nobody died), and waits until all nodes are equal. */
void story_heal(struct story *story, const struct story_node *dead);

/* "STALE at c (replica, epoch 1), primary heard 812 ms ago, at most 1012 ms old": an answer's age,
 * from the answer. */
void story_age(const struct candor_result *result, char out[STORY_TEXT_BYTES]);
/* "epoch 1 seq 12, LOCAL": where a write stands. */
void story_written(const struct candor_result *result, char out[STORY_TEXT_BYTES]);

/* What became of a write whose call ended with OUTCOME_UNKNOWN: asks until a primary with its
 * majority knows. */
bool story_took_effect(struct candor_client *client, const struct candor_request_id *request);

/* Numbers are kept as decimal text. An absent or malformed one ends the example. */
int64_t story_number(const struct candor_item *item);

/* Ends the example with status 2. */
__attribute__((format(printf, 1, 2), noreturn)) void story_fail(const char *format, ...);
/* Likewise, unless `code` is OK. */
void story_must(enum candor_code code, const struct candor_result *result, const char *what);

#endif
