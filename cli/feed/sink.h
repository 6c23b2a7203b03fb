/* Where a feed's messages go. A sink keeps them in the order in which they were added, and gives
 * back the newest mark that it holds: nothing else knows where the feed stands.
 *
 * What is added between begin() and commit() is one answer of the watch. When commit() returns OK
 * the target has all of it, durably. After any other code the sink is closed, and what the target
 * has is asked for anew. A feed of the same target that comes later takes over: the earlier one's
 * next commit() fails, and nothing of it is in the target.
 *
 * Codes: UNAVAILABLE and DEADLINE_EXCEEDED pass; ABORTED: another feed has taken over;
 * INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION: the target cannot be fed as it is;
 * RESOURCE_EXHAUSTED: a message is larger than it takes.
 *
 * Threads: one. */
#ifndef CLI_FEED_SINK_H
#define CLI_FEED_SINK_H

#include <candor/status.h>

#include "cli/feed/feed_arguments.h"
#include "cli/feed/feed_message.h"

enum newest_found {
    NEWEST_NONE, /* it never had a message */
    NEWEST_LOST, /* it had some, and those that tell are gone */
    NEWEST_FOUND,
};

struct newest {
    enum newest_found found;
    struct mark mark;
};

struct sink;

struct sink_ops {
    /* `feed` names this process, in all that it sends; kept. */
    enum candor_code (*open)(const struct feed_arguments *arguments, const char *feed,
                             struct sink **out, struct candor_error *err);
    enum candor_code (*newest)(struct sink *sink, struct newest *out, struct candor_error *err);
    enum candor_code (*begin)(struct sink *sink, struct candor_error *err);
    /* Copies the message. */
    enum candor_code (*add)(struct sink *sink, const struct feed_message *message,
                            struct candor_error *err);
    enum candor_code (*commit)(struct sink *sink, struct candor_error *err);
    void (*close)(struct sink *sink);
};

extern const struct sink_ops sink_nats;
extern const struct sink_ops sink_kafka;

/* For sinks: the mark of the message that stands last in `where`, from its header Candor-Resume;
 * NULL: it has none, and is not of a feed, which is an error. */
enum candor_code newest_take(const char *resume, const char *where, struct mark *out,
                             struct candor_error *err);

#endif
