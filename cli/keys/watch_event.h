/* One event of a watch, shown. */
#ifndef CLI_WATCH_EVENT_H
#define CLI_WATCH_EVENT_H

#include <candor/watch.h>
#include <jansson.h>

json_t *watch_json(const struct candor_event *event);
/* A line on stdout; nothing for what only ends the state. */
void watch_print(const struct candor_event *event);

#endif
