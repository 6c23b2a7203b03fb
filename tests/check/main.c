/* check-history FILE...: judges histories of clients (docs/histories.md).
 * Exit status: 0 nothing wrong; 1 a violation, or something not proven; 2 bad input. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/count.h"
#include "check/judge.h"

enum { STATUS_GOOD = 0, STATUS_VIOLATION = 1, STATUS_BAD_INPUT = 2 };

const char *argp_program_version = "check-history " CANDOR_VERSION;

struct arguments {
    uint64_t budget; /* configurations that the search of one key may visit */
    char **files;
    int file_count;
};

static const struct argp_option options[] = {
    {"budget", 'b', "STEPS", 0, "Steps that the search may take for one key (default 2000000)", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;
    switch (key) {
    case 'b':
        arguments->budget = strtoull(argument, &end, 10);
        if (*argument < '0' || *argument > '9' || *end != '\0' || arguments->budget == 0)
            argp_error(state, "--budget takes a whole number from 1, not '%s'", argument);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->files = state->argv + state->next;
        arguments->file_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum candor_code read_files(const struct arguments *arguments, struct history *history,
                                   struct candor_error *err)
{
    enum candor_code code = CANDOR_OK;
    for (int i = 0; code == CANDOR_OK && i < arguments->file_count; i++) {
        FILE *in = fopen(arguments->files[i], "re");
        if (in == NULL)
            return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: %s",
                                    arguments->files[i], strerror(errno));
        code = history_read(history, in, arguments->files[i], err);
        fclose(in);
    }
    history_finish(history);
    return code;
}

static enum candor_code judge(const struct history *history, uint64_t budget, size_t *violations,
                              struct candor_error *err)
{
    size_t registers = 0;
    size_t sessions = 0;
    size_t others = judge_values(history, stdout);
    enum candor_code code = judge_registers(history, budget, stdout, &registers, err);
    if (code == CANDOR_OK)
        code = judge_sessions(history, stdout, &sessions, err);
    if (code != CANDOR_OK)
        return code;
    others += judge_bounds(history, stdout);
    others += judge_flags(history, stdout);
    others += judge_durability(history, stdout);
    *violations = registers + sessions + others;
    return CANDOR_OK;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.budget = 2000000};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE...",
        .doc = "Judges histories of a cluster's clients: linearizability, sessions, "
               "staleness bounds, flags, durability."};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct history history = {0};
    struct candor_error err = {0};
    size_t violations = 0;
    enum candor_code code = read_files(&arguments, &history, &err);
    if (code == CANDOR_OK)
        code = judge(&history, arguments.budget, &violations, &err);
    if (code != CANDOR_OK)
        fprintf(stderr, "check-history: %s\n", err.message);
    else if (violations > 0)
        printf("%zu violations\n", violations);
    history_free(&history);
    if (code != CANDOR_OK)
        return STATUS_BAD_INPUT;
    return violations > 0 ? STATUS_VIOLATION : STATUS_GOOD;
}
