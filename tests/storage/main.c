/* Options, seeds, the mutation gate. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "storage.h"

struct world *world;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Many seeds ------------------------------------------------------------------------------ */

static void report_failure(uint64_t seed)
{
    fflush(stdout);
    fprintf(stderr,
            "seed %" PRIu64 ": %s\n  replay: build/bin/sim-storage --seeds 1 --from %" PRIu64, seed,
            world->violation, seed);
    if (world->options.mutation != MUTATION_NONE)
        fprintf(stderr, " --mutation %s", mutation_name(world->options.mutation));
    fprintf(stderr, " --trace\n");
}

static int run_seeds(void)
{
    const struct options options = world->options;
    double began = seconds();
    uint64_t failed = 0;
    uint64_t lives = 0;
    uint64_t steps = 0;
    uint64_t done = 0;
    while (done < options.seeds && (failed == 0 || options.keep_going)) {
        bool ok = run_seed(options.from + done);
        done++;
        lives += world->lives;
        steps += world->steps;
        if (ok)
            continue;
        failed++;
        report_failure(options.from + done - 1);
    }
    double took = seconds() - began;
    fprintf(stderr,
            "%" PRIu64 " seeds, %" PRIu64 " failed, %.1f s (%.0f seeds a second); %" PRIu64
            " lives, %" PRIu64 " steps\n",
            done, failed, took, (double)done / took, lives, steps);
    return failed == 0 ? 0 : 1;
}

/* ---- The mutation gate: each rule is left out once, and must be missed ----------------------- */

static bool hunt(uint32_t mutation)
{
    const struct options options = world->options;
    world->options.mutation = mutation;
    uint64_t i = 0;
    while (i < options.seeds && run_seed(options.from + i))
        i++;
    bool caught = i < options.seeds;
    if (caught)
        printf("%-24s caught by seed %-6" PRIu64 " (of %" PRIu64 ")  %s\n", mutation_name(mutation),
               options.from + i, i + 1, world->violation);
    else
        printf("%-24s NOT CAUGHT in %" PRIu64 " seeds\n", mutation_name(mutation), i);
    fflush(stdout);
    world->options = options;
    return caught;
}

static int run_mutations(void)
{
    bool all = true;
    if (freopen("/dev/null", "w", stderr) == NULL) /* an ASSERT that is caught is no news */
        return 2;
    for (uint32_t i = 1; i < MUTATION_COUNT; i++)
        all = hunt(i) && all;
    return all ? 0 : 1;
}

static int list_mutations(void)
{
    mutations_list(stdout);
    return 0;
}

/* ---- The command line ------------------------------------------------------------------------ */

enum { OPT_FROM = 1, OPT_MUTATION, OPT_MUTATIONS, OPT_LIST, OPT_KEEP_GOING, OPT_TRACE };

static int (*mode)(void) = run_seeds;

static const struct argp_option known_options[] = {
    {"seeds", 'n', "N", 0, "run N seeds (100); with --mutations: at most N for each", 0},
    {"from", OPT_FROM, "SEED", 0, "the first seed (1)", 0},
    {"trace", OPT_TRACE, NULL, 0, "print what is done", 0},
    {"keep-going", OPT_KEEP_GOING, NULL, 0, "go on after a seed that failed", 0},
    {"mutation", OPT_MUTATION, "NAME", 0, "leave a rule out", 0},
    {"mutations", OPT_MUTATIONS, NULL, 0, "leave each rule out and see that it is missed", 0},
    {"list-mutations", OPT_LIST, NULL, 0, "print the rules that can be left out", 0},
    {0},
};

static uint64_t number_of(const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > UINT64_MAX / 2)
        argp_error(state, "\"%s\" is not a number", text);
    return value;
}

static uint32_t mutation_of(const char *name, struct argp_state *state)
{
    for (uint32_t i = 0; i < MUTATION_COUNT; i++)
        if (strcmp(mutation_name(i), name) == 0)
            return i;
    argp_error(state, "no mutation is called \"%s\"; see --list-mutations", name);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = &world->options;
    switch (key) {
    case 'n':
        options->seeds = number_of(arg, state);
        break;
    case OPT_FROM:
        options->from = number_of(arg, state);
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
        mode = run_mutations;
        break;
    case OPT_LIST:
        mode = list_mutations;
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
    static const struct argp argp = {known_options,
                                     parse,
                                     NULL,
                                     "Simulates the life of one node's disk, crashes and bit rot "
                                     "included, and checks it against a model.",
                                     NULL,
                                     NULL,
                                     NULL};
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(world != MAP_FAILED);
    world->options = (struct options){.from = 1, .seeds = 100};
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    return mode();
}
