/* Where a feed stands, written into each message: the target keeps the cursor together with what
 * it has, so that neither can be there without the other (docs/past-one-group.md).
 *
 * A watch's cursor stands behind a whole answer, a message within one. So a mark has the cursor
 * that the answer began with, and the newest change of it that is in the target; whoever goes on
 * asks again from there and leaves out what the target has.
 *
 * As text, in the header Candor-Resume: `17 4711.0 5f3a91c2 cursor:CgYI... key:Y2FydDox`: the
 * message's number in the target, the newest change, which keys are fed (a checksum of the prefix),
 * where to begin, and the newest key of a page of the present state. While that is told the word is
 * `within:` instead of `cursor:`.
 *
 * Pure. Threads: any. */
#ifndef CLI_FEED_MARK_H
#define CLI_FEED_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <candor/watch.h>

#include "base/limits.h"

enum mark_from {
    MARK_STATE,  /* the present state, from its beginning */
    MARK_SINCE,  /* the change behind the newest one */
    MARK_CURSOR, /* `cursor` */
    MARK_NOW,    /* what happens from now on: of no message, which knows what now is */
};

struct mark {
    uint64_t number; /* counted from 1 over the target's whole life */
    /* The newest change in the target: of the record with this seq, which of its changes. */
    uint64_t told_seq;
    uint32_t told_part;
    uint32_t range; /* mark_range() */
    enum mark_from from;
    uint8_t cursor[CANDOR_CURSOR_BYTES_MAX];
    size_t cursor_length;
    bool telling; /* the present state has begun, and not ended */
    /* Of the present state's page that begins at the cursor: the newest one in the target; else 0.
     */
    uint8_t key[LIMIT_KEY_BYTES];
    size_t key_length;
};

/* Of the text, with the terminator. */
#define MARK_BYTES (96 + (CANDOR_CURSOR_BYTES_MAX + 2) / 3 * 4 + (LIMIT_KEY_BYTES + 2) / 3 * 4)

uint32_t mark_range(struct candor_bytes prefix);
/* Returns `out`. */
char *mark_text(const struct mark *mark, char out[MARK_BYTES]);
/* False: it is none, and `out` is not touched. */
bool mark_parse(const char *text, struct mark *out);

/* Whether the target has this change: the `part`-th of the record with this seq. */
bool mark_has_change(const struct mark *mark, uint64_t seq, uint32_t part);
/* Whether it has this key of the present state, which is told in the order of the keys. */
bool mark_has_state(const struct mark *mark, struct candor_bytes key);
/* `key` has 1 to LIMIT_KEY_BYTES bytes; without any: none of the page is in the target. */
void mark_set_key(struct mark *mark, struct candor_bytes key);

#endif
