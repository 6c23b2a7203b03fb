/* The feed itself: from the watch to the target, again and again.
 *
 * It holds no place of its own. Each connection to the target begins with asking what the target
 * has, goes on from there, and ends with the first thing that fails; a restart of the process is
 * nothing else. So what happens after a failure happens at each start.
 *
 * Threads: one. */
#ifndef CLI_FEED_RUN_H
#define CLI_FEED_RUN_H

#include <candor/client.h>

#include "cli/feed/feed_arguments.h"
#include "cli/feed/sink.h"

/* Until a signal asks for the end (feed_signals.h), or somebody has to look. Returns the process's
 * exit status. */
int feed_run(const struct feed_arguments *arguments, const struct sink_ops *ops,
             struct candor_client *client);

#endif
