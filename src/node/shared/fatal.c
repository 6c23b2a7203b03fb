/* The end of a node that cannot go on (R3). */
#include "node/shared/fatal.h"

#include "base/exit_status.h"
#include "base/logging.h"
#include "node/shared/node_state.h"
#include "state/state.h"

_Noreturn void node_fatal(struct node *node, const struct candor_error *err)
{
    if (err->reason == CANDOR_REASON_STATE_DAMAGED)
        state_mark_suspect(node->state_dir);
    if (node->options.fatal != NULL)
        node->options.fatal(node->options.closure, err);
    int status = exit_status_of(err);
    log_error(status == NODE_EXIT_INTEGRITY ? "integrity" : "fatal", "code=%s what=\"%s\" exit=%d",
              candor_code_name(err->code), err->message, status);
    logging_exit(status); /* no data is flushed: what is on the disk is what is known */
}

void node_state_failed(struct node *node, const struct candor_error *err)
{
    /* a shortage: the call alone fails */
    if (err->code != CANDOR_DATA_LOSS)
        return;
    node_fatal(node, err);
}
