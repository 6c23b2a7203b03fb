/* candor-feed's command line. */
#ifndef CLI_FEED_ARGUMENTS_H
#define CLI_FEED_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/logging.h"
#include "cli/feed/feed_subject.h"

enum feed_begin { FEED_BEGIN_PRESENT, FEED_BEGIN_SINCE, FEED_BEGIN_NOW };

struct feed_arguments {
    /* Of the cluster. */
    const char *topology;  /* NULL: `endpoints` says it */
    const char *endpoints; /* apart by commas */
    const char *prefix;    /* NULL: all keys */
    /* Where the feed begins in a target that has none of it. */
    enum feed_begin begin;
    uint64_t since_seq;
    /* Of the target: one of the two. */
    const char *nats; /* addresses apart by commas; NULL: Kafka */
    const char *stream;
    bool create_stream;
    struct feed_subjects subjects;
    const char *kafka; /* addresses apart by commas; NULL: NATS */
    const char *topic;
    const char *settings; /* a file; NULL: none */
    uint64_t progress_ms;
    enum log_level level;
};

/* The process's exit statuses; the help and docs/past-one-group.md have them. */
enum {
    FEED_EXIT_DONE = 0, /* ended by a signal */
    FEED_EXIT_OTHER = 1,
    FEED_EXIT_USAGE = 2,  /* command line, topology, settings; a target that cannot be fed */
    FEED_EXIT_FENCED = 6, /* another feed of this target has taken over */
};

/* Ends the process on --help and on wrong usage. What `out` points to is part of `argv` or of the
 * environment. */
void feed_arguments_parse(int argc, char **argv, struct feed_arguments *out);

#endif
