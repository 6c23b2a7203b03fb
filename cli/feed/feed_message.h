/* What is carried: one message for each change, and messages of the feed's own between them. Their
 * kinds and headers are the contract of docs/past-one-group.md.
 *
 * Pure. Threads: any. */
#ifndef CLI_FEED_MESSAGE_H
#define CLI_FEED_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <candor/watch.h>

#include "cli/feed/feed_mark.h"

enum feed_kind {
    FEED_PUT,
    FEED_DELETE,
    FEED_STATE,    /* of the present state */
    FEED_BEGIN,    /* it follows: what is not told up to FEED_END is not there */
    FEED_END,      /* all of it was told */
    FEED_RESUME,   /* changes follow, from where the ones before ended */
    FEED_PROGRESS, /* all up to its seq was told */
};

enum { FEED_HEADERS_MAX = 20, FEED_VALUE_BYTES = 128, FEED_FEED_BYTES = 17 };

struct feed_header {
    const char *name; /* static */
    char value[FEED_VALUE_BYTES];
};

struct feed_message {
    enum feed_kind kind;
    struct candor_bytes key;   /* of PUT, DELETE and STATE; of others empty */
    struct candor_bytes value; /* of PUT and STATE */
    char id[FEED_VALUE_BYTES]; /* of a change: its position, in all of the cluster's life; "" */
    char resume[MARK_BYTES];   /* the header Candor-Resume */
    struct feed_header headers[FEED_HEADERS_MAX];
    size_t header_count;
};

/* Those that sinks know. */
#define FEED_HEADER_RESUME "Candor-Resume"
#define FEED_HEADER_FEED "Candor-Feed"

const char *feed_kind_name(enum feed_kind kind);
bool feed_kind_has_key(enum feed_kind kind);

/* `feed` names the process that sends; the strings are copied. */
void feed_message_begin(struct feed_message *message, enum feed_kind kind, const char *feed);
/* What the answer says of its age; nothing where no node has answered. */
void feed_message_freshness(struct feed_message *message, const struct candor_freshness *freshness);
/* Of PUT, DELETE, STATE: the key, value and position; `part`: which change of its record. */
void feed_message_event(struct feed_message *message, const struct candor_event *event,
                        uint32_t part);
void feed_message_seq(struct feed_message *message, uint64_t seq);
/* Of BEGIN: why. One word. */
void feed_message_why(struct feed_message *message, const char *why);
/* Of BEGIN; "" is left out. */
void feed_message_archive(struct feed_message *message, const char *id);
void feed_message_mark(struct feed_message *message, const struct mark *mark);

#endif
