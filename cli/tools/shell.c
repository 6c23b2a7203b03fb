/* kvctl shell: one line, whether of a script or of a terminal. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/tools/complete_value.h"
#include "cli/tools/shell.h"

const char *const shell_commands[] = {"use", "exit", "quit", "help", NULL};

bool shell_topology(const struct shell *shell, struct topology *out)
{
    char room[RUN_PATH_BYTES];
    struct topology_problems problems = {0};
    const char *path = usual_topology_path(&shell->defaults, room);
    bool good = path != NULL && topology_load(path, out, &problems, NULL) == CANDOR_OK;
    topology_problems_free(&problems);
    return good;
}

static int set_node(struct shell *shell, const struct topology *topology, const char *node)
{
    const char *words[LIMIT_NODES + 1] = {NULL};
    for (uint32_t i = 0; i < topology->node_count; i++) {
        words[i] = topology->nodes[i].id.text;
        if (strcmp(words[i], node) != 0)
            continue;
        snprintf(shell->node, sizeof shell->node, "%s", node);
        shell->defaults.node = shell->node;
        return EXIT_DONE;
    }
    char hint[96];
    const char *near = nearest_word(node, words);
    snprintf(hint, sizeof hint, "did you mean '%s'?", near != NULL ? near : "");
    return report_usage(shell->ctx, near != NULL ? hint : "`status` lists the nodes",
                        "no node '%s' in cluster %s", node, topology->cluster);
}

static int run_use(struct shell *shell, int argc, char **argv)
{
    if (argc > 2)
        return report_usage(shell->ctx, "use NODE, or - for any", "use takes one node");
    if (argc == 1) {
        printf("%s\n", shell->node[0] != '\0' ? shell->node : "any node");
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "-") == 0) {
        shell->node[0] = '\0';
        shell->defaults.node = NULL;
        return EXIT_DONE;
    }
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    int status;
    if (shell_topology(shell, topology))
        status = set_node(shell, topology, argv[1]);
    else
        status = report_usage(shell->ctx, "name one by $CANDOR_TOPOLOGY or `kvctl shell -t FILE`",
                              "there is no topology to find '%s' in", argv[1]);
    free(topology);
    return status;
}

static int run_exit(struct shell *shell, int argc, char **argv)
{
    char *end = NULL;
    long status = argc > 1 ? strtol(argv[1], &end, 10) : shell->status;
    if (argc > 2 || (argc > 1 && (*end != '\0' || end == argv[1] || status < 0 || status > 255)))
        return report_usage(shell->ctx, NULL, "exit takes a number from 0 to 255");
    shell->ended = true;
    shell->status = (int)status;
    return EXIT_DONE;
}

static void print_own_help(void)
{
    printf(
        "\nOf the shell alone:\n"
        "  use NODE            Ask this node from now on; - for any\n"
        "  exit [STATUS]       Leave; also quit, or ^D\n"
        "\nCommands are written without `kvctl`. 'single' and \"double\" quotes and backslashes\n"
        "hold words together; # begins a comment. TAB completes.\n");
}

static int run_words(struct shell *shell, int argc, char **argv)
{
    int status;
    if (strcmp(argv[0], "use") == 0)
        return run_use(shell, argc, argv);
    if (strcmp(argv[0], "exit") == 0 || strcmp(argv[0], "quit") == 0)
        return run_exit(shell, argc, argv);
    bool help = argc == 1 && strcmp(argv[0], "help") == 0;
    status = command_execute(&shell->defaults, argc, argv);
    if (help)
        print_own_help();
    return status;
}

/* Commands move the words about in their array: it is a copy, `words` owns what it points to. */
int shell_run(struct shell *shell, const struct shell_words *words)
{
    int skip = words->count > 0 && strcmp(words->list[0], "kvctl") == 0; /* out of habit */
    int argc = words->count - skip;
    if (argc == 0)
        return EXIT_DONE;
    char **argv = calloc((size_t)argc + 1, sizeof *argv);
    ASSERT(argv != NULL);
    memcpy(argv, words->list + skip, (size_t)argc * sizeof *argv);
    int status = run_words(shell, argc, argv);
    report_flush(shell->ctx);
    fflush(stdout);
    free(argv);
    return status;
}
