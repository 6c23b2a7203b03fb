/* kvd's command line. */
#ifndef CLI_KVD_ARGUMENTS_H
#define CLI_KVD_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/logging.h"

struct kvd_arguments {
    const char *topology;
    const char *node;
    /* NULL: the topology's. */
    const char *data;
    bool adopt;
    bool no_rejoin;
    /* NULL: the log goes to stderr. */
    const char *log_file;
    enum log_level level;
    uint64_t stop_timeout_ms;
    /* 0: threads are not watched. */
    uint64_t hang_timeout_ms;
};

/* Ends the process on --help and on wrong usage. What `out` points to is part of `argv`. */
void kvd_arguments_parse(int argc, char **argv, struct kvd_arguments *out);

#endif
