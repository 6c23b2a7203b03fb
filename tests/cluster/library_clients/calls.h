/* An operation of a lane, as libcandor is asked for it. */
#ifndef LIBRARY_CLIENTS_CALLS_H
#define LIBRARY_CLIENTS_CALLS_H

#include <candor/async.h>

#include "lane.h"

/* Waits for the answer to lane->operation. */
void call_wait(struct lane *lane, struct candor_result *result);
/* Does not; the result comes to `sink`. */
enum candor_code call_submit(struct lane *lane, const struct candor_sink *sink,
                             struct candor_error *error);

#endif
