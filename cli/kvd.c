/* kvd: one node of a cluster.
 *
 * Its exit statuses are those of base/exit_status.h. */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/logging.h"
#include "base/standard_streams.h"
#include "node/node.h"
#include "topology/topology.h"

struct arguments {
    const char *topology;
    const char *node;
    const char *data;
    enum log_level level;
};

/* ---- Arguments ---------------------------------------------------------------------------------------- */

static const char description[] =
    "Runs one node of a Candor cluster, in the foreground.\n"
    "\n"
    "The topology file says which nodes there are, where they listen and where they keep their "
    "data. "
    "Every node gets the same file. When the node serves, one line is printed:\n"
    "\n"
    "  ready node=a rpc=tcp://127.0.0.1:7000 pid=4711\n"
    "\n"
    "The log goes to standard error. SIGTERM and SIGINT shut the node down cleanly."
    "\v"
    "Examples:\n"
    "  kvd --topology cluster.yaml --node a\n"
    "  kvd -t cluster.yaml -n b --data /tmp/b --log-level debug\n"
    "\n"
    "Exit status: 0 shut down cleanly; 2 wrong usage or topology; 3 the integrity of the data is "
    "in doubt "
    "(the last log line says where, and the way out); 4 cannot start: an address or the data "
    "directory is in use, "
    "or not permitted; 7 no memory, thread or descriptor was to be had: start it again; 1 anything "
    "else.";

static const struct argp_option option_list[] = {
    {"topology", 't', "FILE", 0, "The cluster's topology (YAML); required", 0},
    {"node", 'n', "ID", 0, "Which of its nodes this is; required", 0},
    {"data", 'd', "DIR", 0, "Data directory, instead of the topology's; made if missing", 0},
    {"log-level", 'l', "LEVEL", 0, "debug, info, warn or error (default: info)", 0},
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

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
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
    case 'l':
        if (!parse_level(text, &arguments->level))
            argp_error(state, "--log-level: '%s' is not debug, info, warn or error", text);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return 0;
    case ARGP_KEY_END:
        if (arguments->topology == NULL)
            argp_error(state, "--topology is missing: the cluster's YAML file");
        if (arguments->node == NULL)
            argp_error(state, "--node is missing: the id of one of its nodes");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct argp parser = {
        .options = option_list, .parser = parse_option, .doc = description};
    argp_program_version = "kvd " CANDOR_VERSION;
    argp_err_exit_status = NODE_EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, arguments);
}

/* ---- Topology ----------------------------------------------------------------------------------------- */

static bool load_topology(const struct arguments *arguments, struct topology *topology)
{
    struct topology_problems problems = {0};
    struct candor_error err = {0};
    enum candor_code code = topology_load(arguments->topology, topology, &problems, &err);
    topology_problems_print(&problems, arguments->topology, stderr);
    if (code != CANDOR_OK && problems.count == 0)
        fprintf(stderr, "kvd: %s: %s\n", arguments->topology, err.message);
    topology_problems_free(&problems);
    return code == CANDOR_OK;
}

static bool find_self(const struct arguments *arguments, const struct topology *topology,
                      struct node_id *self)
{
    if (node_id_parse(arguments->node, strlen(arguments->node), self) &&
        topology_find(topology, *self) != NULL)
        return true;
    fprintf(stderr, "kvd: %s has no node '%s'; it has", arguments->topology, arguments->node);
    for (uint32_t i = 0; i < topology->node_count; i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", topology->nodes[i].id.text);
    fprintf(stderr, "\n");
    return false;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static int refuse_start(const struct candor_error *err)
{
    log_error(err->code == CANDOR_DATA_LOSS ? "integrity" : "cannot_start",
              "code=%s what=\"%s\" exit=%d", candor_code_name(err->code), err->message,
              exit_status_of(err));
    return exit_status_of(err);
}

/* Every thread inherits the mask, so that the signals come to this one alone. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk: write() says so */
}

static void wait_for_signal(const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) != 0)
        ;
    log_info("stopping", "signal=%s", number == SIGINT ? "SIGINT" : "SIGTERM");
}

/* Threads that carry requests do not preempt who woke them: on a busy processor every put would cost several switches more (bench/
 * README.md). They inherit it from here. The node thread, which keeps the time, does without (node_thread_start). */
static void prefer_throughput(void)
{
    struct sched_param param = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &param) != 0)
        log_info("no_batch_scheduling", "why=\"%s\"", strerror(errno));
}

static int run(const struct arguments *arguments, const struct topology *topology,
               struct node_id self)
{
    sigset_t signals;
    block_signals(&signals);
    if (!logging_start()) {
        log_error("no_thread", "wanted_by=log exit=%d", NODE_EXIT_SHORTAGE);
        return NODE_EXIT_SHORTAGE;
    }
    struct node_options options = {.data = arguments->data};
    struct node *node = NULL;
    struct candor_error err = {0};
    if (node_open(topology, self, &options, &node, &err) != CANDOR_OK)
        return refuse_start(&err);
    if (node_run(node, &err) != CANDOR_OK) {
        int status = refuse_start(&err);
        node_stop(node);
        return status;
    }
    logging_print("ready node=%s rpc=%s pid=%ld", self.text, topology_find(topology, self)->rpc,
                  (long)getpid());
    wait_for_signal(&signals);
    node_stop(node);
    return NODE_EXIT_CLEAN;
}

int main(int argc, char **argv)
{
    standard_streams_open();
    struct arguments arguments = {.level = LOG_LEVEL_INFO};
    parse(argc, argv, &arguments);
    static struct topology topology; /* outlives the node; large for a stack */
    struct node_id self;
    if (!load_topology(&arguments, &topology) || !find_self(&arguments, &topology, &self))
        return NODE_EXIT_USAGE;
    logging_set_level(arguments.level);
    logging_set_node(self.text);
    prefer_throughput();
    int status = run(&arguments, &topology, self);
    logging_stop(LIMIT_LOG_FLUSH_MS);
    return status;
}
