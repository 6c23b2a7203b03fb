/* kvd's command line, by argp. */
#include "cli/kvd/kvd_arguments.h"

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/exit_status.h"
#include "base/limits.h"
#include "base/units.h"

static const char description[] =
    "Runs one node of a Candor cluster, in the foreground.\n"
    "\n"
    "The topology file says which nodes there are, where they listen and where they keep their "
    "data. Every node gets the same file. When the node serves, one line is printed:\n"
    "\n"
    "  ready node=a rpc=tcp://127.0.0.1:7000 pid=4711\n"
    "\n"
    "The log goes to standard error, or to --log-file. SIGTERM and SIGINT shut the node down "
    "cleanly; SIGHUP opens the log file anew."
    "\v"
    "Examples:\n"
    "  kvd --topology cluster.yaml --node a\n"
    "  kvd -t cluster.yaml -n b --data /tmp/b --log-level debug\n"
    "\n"
    "Exit status: 0 shut down cleanly; 2 wrong usage or topology; 3 the integrity of the data is "
    "in doubt (the last log line says where, and the way out); 4 cannot start: an address or the "
    "data directory is in use, not permitted, or another node's; 5 a thread made no progress; 6 "
    "the shutdown took "
    "longer than --stop-timeout; "
    "7 no memory, thread or descriptor was to be had: start it again; 1 anything else.";

enum { KEY_ADOPT = 256, KEY_NO_REJOIN, KEY_LOG_FILE, KEY_STOP_TIMEOUT, KEY_HANG_TIMEOUT };

static const struct argp_option option_list[] = {
    {"topology", 't', "FILE", 0, "The cluster's topology (YAML); required", 0},
    {"node", 'n', "ID", 0, "Which of its nodes this is; required", 0},
    {"data", 'd', "DIR", 0, "Data directory, instead of the topology's; made if missing", 0},
    {"adopt", KEY_ADOPT, NULL, 0,
     "Take another node's data directory, or one of a cluster that was renamed, for this node's "
     "own: as a new disk, "
     "which the others must admit first",
     0},
    {"no-rejoin", KEY_NO_REJOIN, NULL, 0,
     "When what is stored is damaged beyond repair, end with status 3 even if the others could "
     "give "
     "it back: by default the directory is then renamed to DIR.damaged, and the node comes back "
     "as a new disk",
     0},
    {"log-level", 'l', "LEVEL", 0, "debug, info, warn or error (default: info)", 0},
    {"log-file", KEY_LOG_FILE, "FILE", 0, "Append the log to this file", 0},
    {"stop-timeout", KEY_STOP_TIMEOUT, "DURATION", 0,
     "How long a shutdown may take before it is cut short (default: 10s)", 0},
    {"hang-timeout", KEY_HANG_TIMEOUT, "DURATION", 0,
     "How long a thread may make no progress before the process ends; 0: for ever (default: 10s)",
     0},
    {0},
};

static bool parse_level(const char *text, enum log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

static void parse_stop_timeout(const char *text, uint64_t *out_ms, struct argp_state *state)
{
    if (!duration_parse(text, out_ms) || *out_ms < LIMIT_STOP_MS_MIN || *out_ms > LIMIT_STOP_MS_MAX)
        argp_error(state, "--stop-timeout: '%s' is no duration from %dms to %ds", text,
                   LIMIT_STOP_MS_MIN, LIMIT_STOP_MS_MAX / 1000);
}

static void parse_hang_timeout(const char *text, uint64_t *out_ms, struct argp_state *state)
{
    bool good = duration_parse(text, out_ms);
    if (!good || (*out_ms != 0 && *out_ms < LIMIT_HANG_MS_MIN) || *out_ms > LIMIT_HANG_MS_MAX)
        argp_error(state, "--hang-timeout: '%s' is neither 0 nor a duration from %dms to %ds", text,
                   LIMIT_HANG_MS_MIN, LIMIT_HANG_MS_MAX / 1000);
}

static void require(const struct kvd_arguments *arguments, struct argp_state *state)
{
    if (arguments->topology == NULL)
        argp_error(state, "--topology is missing: the cluster's YAML file");
    if (arguments->node == NULL)
        argp_error(state, "--node is missing: the id of one of its nodes");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct kvd_arguments *arguments = state->input;
    switch (key) {
    case 't':
        arguments->topology = text;
        return 0;
    case 'n':
        arguments->node = text;
        return 0;
    case 'd':
        arguments->data = text;
        return 0;
    case KEY_NO_REJOIN:
        arguments->no_rejoin = true;
        return 0;
    case KEY_ADOPT:
        arguments->adopt = true;
        return 0;
    case 'l':
        if (!parse_level(text, &arguments->level))
            argp_error(state, "--log-level: '%s' is not debug, info, warn or error", text);
        return 0;
    case KEY_LOG_FILE:
        arguments->log_file = text;
        return 0;
    case KEY_STOP_TIMEOUT:
        parse_stop_timeout(text, &arguments->stop_timeout_ms, state);
        return 0;
    case KEY_HANG_TIMEOUT:
        parse_hang_timeout(text, &arguments->hang_timeout_ms, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return 0;
    case ARGP_KEY_END:
        require(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void kvd_arguments_parse(int argc, char **argv, struct kvd_arguments *out)
{
    static const struct argp parser = {
        .options = option_list, .parser = parse_option, .doc = description};
    *out = (struct kvd_arguments){
        .level = LOG_LEVEL_INFO,
        .stop_timeout_ms = LIMIT_STOP_MS_DEFAULT,
        .hang_timeout_ms = LIMIT_HANG_MS_DEFAULT,
    };
    argp_program_version = "kvd " CANDOR_VERSION;
    argp_err_exit_status = NODE_EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, out);
}
