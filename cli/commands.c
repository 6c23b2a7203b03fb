/* The registry: every command, by group, in the order of `kvctl --help`. */
#include "cli/command.h"

/* Reading and writing. */
extern const struct command command_get;
extern const struct command command_put;
extern const struct command command_del;
extern const struct command command_cas;
extern const struct command command_incr;
extern const struct command command_txn;
extern const struct command command_scan;
extern const struct command command_mget;
extern const struct command command_import;
extern const struct command command_export;
/* Looking at a cluster. */
extern const struct command command_status;
extern const struct command command_watch_status;
extern const struct command command_health;
extern const struct command command_verify;
/* Operating a cluster. */
extern const struct command command_promote;
extern const struct command command_transfer;
extern const struct command command_voter_add;
extern const struct command command_voter_remove;
extern const struct command command_failover_last;
extern const struct command command_failover_ls;
extern const struct command command_rollback_ls;
extern const struct command command_rollback_show;
extern const struct command command_rollback_replay;
extern const struct command command_rollback_drop;
extern const struct command command_accept_history;
/* Running a cluster on this machine. */
extern const struct command command_up;
extern const struct command command_down;
extern const struct command command_logs;
extern const struct command command_node_ls;
extern const struct command command_node_start;
extern const struct command command_node_stop;
extern const struct command command_node_kill;
extern const struct command command_node_pause;
extern const struct command command_node_continue;
extern const struct command command_fault_show;
extern const struct command command_fault_cut;
extern const struct command command_fault_heal;
extern const struct command command_fault_delay;
extern const struct command command_fault_proxy;
/* Tools. */
extern const struct command command_topology_check;
extern const struct command command_topology_show;
extern const struct command command_topology_reference;
extern const struct command command_rpc;
extern const struct command command_bench;
extern const struct command command_shell;
extern const struct command command_completion;

const struct command *const commands[] = {
    &command_get,
    &command_put,
    &command_del,
    &command_cas,
    &command_incr,
    &command_txn,
    &command_scan,
    &command_mget,
    &command_import,
    &command_export,

    &command_status,
    &command_watch_status,
    &command_health,
    &command_verify,

    &command_promote,
    &command_transfer,
    &command_voter_add,
    &command_voter_remove,
    &command_failover_last,
    &command_failover_ls,
    &command_rollback_ls,
    &command_rollback_show,
    &command_rollback_replay,
    &command_rollback_drop,
    &command_accept_history,

    &command_up,
    &command_down,
    &command_logs,
    &command_node_ls,
    &command_node_start,
    &command_node_stop,
    &command_node_kill,
    &command_node_pause,
    &command_node_continue,
    &command_fault_show,
    &command_fault_cut,
    &command_fault_heal,
    &command_fault_delay,
    &command_fault_proxy,

    &command_topology_check,
    &command_topology_show,
    &command_topology_reference,
    &command_rpc,
    &command_bench,
    &command_shell,
    &command_completion,

    NULL,
};
