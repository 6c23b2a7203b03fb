/* The registry: every command, by group, in the order of `kvctl --help`. */
#include "cli/command.h"

/* Reading and writing. */
extern const struct command command_get;
extern const struct command command_put;
extern const struct command command_del;
extern const struct command command_scan;
extern const struct command command_mget;
extern const struct command command_import;
extern const struct command command_export;
/* Looking at a cluster. */
extern const struct command command_status;
extern const struct command command_watch_status;
extern const struct command command_health;
/* Operating a cluster. */
extern const struct command command_promote;
extern const struct command command_rollback_ls;
extern const struct command command_rollback_show;
extern const struct command command_rollback_drop;
extern const struct command command_accept_history;
/* Tools. */
extern const struct command command_bench;

const struct command *const commands[] = {
    &command_get,
    &command_put,
    &command_del,
    &command_scan,
    &command_mget,
    &command_import,
    &command_export,

    &command_status,
    &command_watch_status,
    &command_health,

    &command_promote,
    &command_rollback_ls,
    &command_rollback_show,
    &command_rollback_drop,
    &command_accept_history,

    &command_bench,

    NULL,
};
