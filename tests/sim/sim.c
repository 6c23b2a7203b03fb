/* Options, seeds, workers, the mutation gate. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

/* ---- What the workers share with who started them -------------------------------------------- */

enum { MOST_JOBS = 64 };

struct progress {
    _Atomic uint64_t seeds;
    _Atomic uint64_t failed;
    _Atomic uint64_t events;
    _Atomic uint64_t false_bounds;
    _Atomic uint64_t undecided;
    _Atomic uint64_t digest; /* of all runs, whatever worker had which seed */
};

static struct world world;
static volatile sig_atomic_t running;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- One seed -------------------------------------------------------------------------------- */

static const char *automatic_name(enum automatic automatic)
{
    static const char *const names[] = {"never", "some", "always"};
    return names[automatic];
}

static void print_replay(FILE *to, const struct options *options, uint64_t seed)
{
    fprintf(to, "  replay: build/bin/sim --seeds 1 --from %" PRIu64, seed);
    if (options->automatic != AUTOMATIC_SOME)
        fprintf(to, " --automatic %s", automatic_name(options->automatic));
    if (options->mutation != 0)
        fprintf(to, " --mutation %s", mutation_name(options->mutation));
    fprintf(to, " --trace\n");
    fflush(to);
}

/* An ASSERT has printed what is broken; the run ends as with any violation. */
static void on_signal(int number)
{
    if (!running) {
        signal(number, SIG_DFL);
        raise(number);
    }
    snprintf(world.violation, sizeof world.violation, "%s at %.6f s (see above)",
             number == SIGABRT ? "an ASSERT of the core" : "a crash of the core",
             (double)world.now_ns / 1e9);
    siglongjmp(world.escape, 1);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
}

static void run_seed(const struct options *options, uint64_t seed, struct result *result)
{
    running = 1;
    world_run(&world, options, seed, result);
    running = 0;
}

/* ---- Many seeds ------------------------------------------------------------------------------ */

static void report_failure(const struct options *options, uint64_t seed,
                           const struct result *result)
{
    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, result->violation);
    print_replay(stderr, options, seed);
}

static void show_progress(const struct progress *progress, double began)
{
    static double shown;
    double now = seconds();
    if (!isatty(STDERR_FILENO) || now - shown < 1)
        return;
    shown = now;
    double took = now - began;
    fprintf(stderr, "\r%8" PRIu64 " seeds  %6.0f a minute  %" PRIu64 " failed  %3.0f s ",
            progress->seeds, (double)progress->seeds / took * 60, progress->failed, took);
    fflush(stderr);
}

/* One of `jobs` workers: every jobs-th seed. Returns whether all went well. */
static bool work(const struct options *options, uint32_t worker, struct progress *progress,
                 double began)
{
    double end = began + (double)options->minutes * 60;
    bool ok = true;
    for (uint64_t i = worker; options->minutes > 0 || i < options->seeds; i += options->jobs) {
        if (options->minutes > 0 && seconds() > end)
            break;
        struct result result;
        run_seed(options, options->from + i, &result);
        progress->seeds++;
        progress->events += result.events;
        progress->false_bounds += result.false_bounds;
        progress->undecided += result.undecided;
        progress->digest += result.hash * (2 * (options->from + i) + 1);
        if (options->jobs == 1)
            show_progress(progress, began);
        if (result.ok)
            continue;
        ok = false;
        progress->failed++;
        report_failure(options, options->from + i, &result);
        if (!options->keep_going)
            break;
    }
    return ok;
}

static void start_workers(const struct options *options, struct progress *progress, double began,
                          pid_t *pids)
{
    fflush(NULL);
    for (uint32_t i = 0; i < options->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(work(options, i, progress, began) ? 0 : 1);
    }
}

static bool wait_for_workers(const struct options *options, const struct progress *progress,
                             double began)
{
    bool ok = true;
    uint32_t left = options->jobs;
    while (left > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            left--;
            ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        } else {
            poll(NULL, 0, left > 0 ? 200 : 0);
            show_progress(progress, began);
        }
    }
    return ok;
}

static int run_seeds(const struct options *options)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(progress != MAP_FAILED);
    double began = seconds();
    bool ok;
    if (options->jobs == 1) {
        ok = work(options, 0, progress, began);
    } else {
        pid_t pids[MOST_JOBS];
        start_workers(options, progress, began, pids);
        ok = wait_for_workers(options, progress, began);
    }
    double took = seconds() - began;
    fprintf(stderr,
            "%s%" PRIu64 " seeds, %" PRIu64 " failed, %.1f s (%.0f seeds a minute, %.0f events a "
            "seed); beyond the drift bound %" PRIu64 " bounds were false; "
            "%" PRIu64 " histories were too hard to judge\n",
            isatty(STDERR_FILENO) ? "\r" : "", progress->seeds, progress->failed, took,
            (double)progress->seeds / took * 60,
            (double)progress->events / (double)max_u64(progress->seeds, 1), progress->false_bounds,
            progress->undecided);
    printf("digest %016" PRIx64 "\n", progress->digest);
    return ok ? 0 : 1;
}

/* ---- Determinism ----------------------------------------------------------------------------- */

static int run_twice(const struct options *options)
{
    for (uint64_t i = 0; i < options->seeds; i++) {
        struct result first;
        struct result second;
        run_seed(options, options->from + i, &first);
        run_seed(options, options->from + i, &second);
        if (first.hash == second.hash && first.events == second.events)
            continue;
        fprintf(stderr,
                "seed %" PRIu64 " is not deterministic: %" PRIu64 " events with hash %016" PRIx64
                ", then %" PRIu64 " with %016" PRIx64 "\n",
                options->from + i, first.events, first.hash, second.events, second.hash);
        return 1;
    }
    printf("%" PRIu64 " seeds ran twice, alike\n", options->seeds);
    return 0;
}

/* ---- The mutation gate: each rule is left out once, and must be missed ----------------------- */

struct caught {
    bool caught;
    uint64_t seed;
    uint64_t seeds;
    char violation[SIM_VIOLATION_BYTES];
};

static void hunt(const struct options *options, uint32_t mutation, struct caught *caught)
{
    struct options mutated = *options;
    mutated.mutation = mutation;
    for (uint64_t i = 0; i < options->seeds; i++) {
        struct result result;
        run_seed(&mutated, options->from + i, &result);
        caught->seeds = i + 1;
        if (result.ok)
            continue;
        caught->seed = options->from + i;
        memcpy(caught->violation, result.violation, sizeof caught->violation);
        caught->caught = true;
        return;
    }
}

static void hunt_in_child(const struct options *options, uint32_t mutation, struct caught *caught)
{
    if (freopen("/dev/null", "w", stderr) == NULL) /* an ASSERT that is caught is no news */
        _exit(2);
    hunt(options, mutation, caught);
    _exit(0);
}

static void print_caught(uint32_t mutation, const struct caught *caught)
{
    if (caught->caught)
        printf("%-22s caught by seed %-6" PRIu64 " (of %" PRIu64 ")  %s\n", mutation_name(mutation),
               caught->seed, caught->seeds, caught->violation);
    else
        printf("%-22s NOT CAUGHT in %" PRIu64 " seeds\n", mutation_name(mutation), caught->seeds);
}

static int run_mutations(const struct options *options)
{
    struct caught *caught = mmap(NULL, SIM_MUTATION_COUNT * sizeof *caught, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(caught != MAP_FAILED);
    uint32_t children = 0;
    bool all = true;
    fflush(NULL);
    for (uint32_t i = 1; i < SIM_MUTATION_COUNT; i++) {
        if (children == options->jobs) {
            wait(NULL);
            children--;
        }
        children++;
        if (fork() == 0)
            hunt_in_child(options, i, &caught[i]);
    }
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    for (uint32_t i = 1; i < SIM_MUTATION_COUNT; i++) {
        print_caught(i, &caught[i]);
        all = all && caught[i].caught;
    }
    return all ? 0 : 1;
}

/* ---- The command line ------------------------------------------------------------------------ */

enum mode { MODE_SEEDS, MODE_MUTATIONS, MODE_TWICE, MODE_LIST };

struct arguments {
    struct options options;
    enum mode mode;
};

enum {
    OPT_FROM = 1,
    OPT_MUTATION,
    OPT_MUTATIONS,
    OPT_LIST,
    OPT_AUTOMATIC,
    OPT_MINUTES,
    OPT_TWICE,
    OPT_KEEP_GOING,
    OPT_TRACE
};

static const struct argp_option known_options[] = {
    {"seeds", 'n', "N", 0, "run N seeds (1000); with --mutations: at most N for each", 0},
    {"from", OPT_FROM, "SEED", 0, "the first seed (1)", 0},
    {"jobs", 'j', "N", 0, "worker processes (1)", 0},
    {"minutes", OPT_MINUTES, "M", 0, "run seeds for M minutes", 0},
    {"automatic", OPT_AUTOMATIC, "never|some|always", 0, "automatic failover (some)", 0},
    {"trace", OPT_TRACE, NULL, 0, "print one line an event", 0},
    {"keep-going", OPT_KEEP_GOING, NULL, 0, "go on after a seed that failed", 0},
    {"mutation", OPT_MUTATION, "NAME", 0, "leave a rule out", 0},
    {"mutations", OPT_MUTATIONS, NULL, 0, "leave each rule out and see that it is missed", 0},
    {"list-mutations", OPT_LIST, NULL, 0, "print the rules that can be left out", 0},
    {"twice", OPT_TWICE, NULL, 0, "run each seed twice and compare the traces", 0},
    {0},
};

static uint64_t number_of(const char *text, struct argp_state *state, uint64_t most)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > most)
        argp_error(state, "\"%s\" is not a number of at most %" PRIu64, text, most);
    return value;
}

static uint32_t mutation_of(const char *name, struct argp_state *state)
{
    for (uint32_t i = 0; i < SIM_MUTATION_COUNT; i++)
        if (strcmp(mutation_name(i), name) == 0)
            return i;
    argp_error(state, "no mutation is called \"%s\"; see --list-mutations", name);
    return 0;
}

static enum automatic automatic_of(const char *name, struct argp_state *state)
{
    for (int i = AUTOMATIC_NEVER; i <= AUTOMATIC_ALWAYS; i++)
        if (strcmp(automatic_name((enum automatic)i), name) == 0)
            return (enum automatic)i;
    argp_error(state, "--automatic takes never, some or always");
    return AUTOMATIC_SOME;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct options *options = &arguments->options;
    switch (key) {
    case 'n':
        options->seeds = number_of(arg, state, UINT64_MAX / 2);
        break;
    case OPT_FROM:
        options->from = number_of(arg, state, UINT64_MAX / 2);
        break;
    case 'j':
        options->jobs = (uint32_t)max_u64(number_of(arg, state, MOST_JOBS), 1);
        break;
    case OPT_MINUTES:
        options->minutes = number_of(arg, state, 100000);
        break;
    case OPT_AUTOMATIC:
        options->automatic = automatic_of(arg, state);
        break;
    case OPT_TRACE:
        options->trace = true;
        break;
    case OPT_KEEP_GOING:
        options->keep_going = true;
        break;
    case OPT_MUTATION:
        options->mutation = mutation_of(arg, state);
        break;
    case OPT_MUTATIONS:
        arguments->mode = MODE_MUTATIONS;
        break;
    case OPT_LIST:
        arguments->mode = MODE_LIST;
        break;
    case OPT_TWICE:
        arguments->mode = MODE_TWICE;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\": there are no arguments, only options", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .options = {.from = 1, .seeds = 1000, .jobs = 1, .automatic = AUTOMATIC_SOME}};
    static const struct argp argp = {known_options,
                                     parse,
                                     NULL,
                                     "Runs simulated clusters of the replication core and checks "
                                     "docs/protocol.md §12 after every step.",
                                     NULL,
                                     NULL,
                                     NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    world_init(&world);
    catch_signals();
    int status = 2;
    switch (arguments.mode) {
    case MODE_SEEDS:
        status = run_seeds(&arguments.options);
        break;
    case MODE_MUTATIONS:
        status = run_mutations(&arguments.options);
        break;
    case MODE_TWICE:
        status = run_twice(&arguments.options);
        break;
    case MODE_LIST:
        mutations_list(stdout);
        status = 0;
        break;
    }
    world_free(&world);
    return status;
}
