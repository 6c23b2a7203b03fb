/* From a command line to a command. */
#include "cli/frame/context.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

#define COMMANDS_MAX 128
#define NAME_BYTES 64

/* Whether `name`, of one or two words, stands at the front of argv. */
static int words_matched(const char *name, int argc, char **argv)
{
    size_t first = strcspn(name, " ");
    if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
        return 0;
    if (name[first] == '\0')
        return 1;
    return argc >= 2 && strcmp(argv[1], name + first + 1) == 0 ? 2 : 0;
}

const struct command *command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        *words = words_matched(commands[i]->name, argc, argv);
        if (*words > 0)
            return commands[i];
    }
    *words = 0;
    return NULL;
}

/* The first words of families ("rollback"), and all one-word names. */
static bool is_family(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            return true;
    }
    return false;
}

/* Whether an option of a family's commands takes a value that stands in the next word. */
static bool takes_next_word(const char *family, const char *option)
{
    if (strchr(option, '=') != NULL)
        return false;
    bool is_long = strncmp(option, "--", 2) == 0;
    size_t length = strlen(family);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strncmp(commands[i]->name, family, length) != 0 || commands[i]->name[length] != ' ')
            continue;
        const struct option_spec *lists[] = {commands[i]->options, common_options};
        for (size_t j = 0; j < 2; j++) {
            for (const struct option_spec *s = lists[j]; s != NULL && s->name != NULL; s++) {
                bool same = is_long ? strcmp(s->name, option + 2) == 0
                                    : s->letter == option[1] && option[2] == '\0';
                if (same)
                    return s->argument != NULL;
            }
        }
    }
    return false;
}

/* `kvctl rollback -o json ls`: moves a family's second word, where options stand before it, to its
 * place. */
static void gather_name(int argc, char **argv)
{
    if (argc < 3 || argv[1][0] != '-' || !is_family(argv[0]))
        return;
    int at = 1;
    while (at < argc && argv[at][0] == '-')
        at += takes_next_word(argv[0], argv[at]) ? 2 : 1;
    if (at >= argc)
        return;
    char *word = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = word;
}

/* What users of etcdctl, redis-cli and consul write for it. */
static const struct {
    const char *word;
    const char *hint;
} foreign_words[] = {
    {"set", "`kvctl put KEY VALUE` writes a key"},
    {"setnx", "`kvctl cas KEY --expect-absent VALUE` writes a key that is not there"},
    {"getset", "`kvctl cas KEY --expect VALUE NEW` writes a key that has this value"},
    {"mset", "`kvctl import FILE` writes many keys, `kvctl txn FILE` writes several as one"},
    {"append", "`kvctl get KEY`, then `kvctl cas KEY --expect OLD NEW`, changes a value"},
    {"cat", "`kvctl get KEY` reads a key"},
    {"delete", "`kvctl del KEY` deletes a key"},
    {"remove", "`kvctl del KEY` deletes a key"},
    {"unlink", "`kvctl del KEY` deletes a key"},
    {"rm", "`kvctl del KEY` deletes a key"},
    {"unset", "`kvctl del KEY` deletes a key"},
    {"incrby", "`kvctl incr KEY DELTA` adds to a number"},
    {"decr", "`kvctl incr KEY -- -1` takes one from a number"},
    {"decrby", "`kvctl incr KEY -- -DELTA` takes from a number"},
    {"exists", "`kvctl get KEY` ends with status 1 when there is no such key"},
    {"keys", "`kvctl scan --keys-only` lists the keys"},
    {"ls", "`kvctl scan --keys-only` lists the keys"},
    {"list", "`kvctl scan --keys-only` lists the keys"},
    {"dbsize", "`kvctl scan --keys-only | wc -l` counts the keys"},
    {"kv", "write `kvctl get`, `put`, `del` or `scan`, without `kv`"},
    {"ttl", "keys do not expire in this version"},
    {"pttl", "keys do not expire in this version"},
    {"expire", "keys do not expire in this version"},
    {"expireat", "keys do not expire in this version"},
    {"pexpire", "keys do not expire in this version"},
    {"persist", "keys do not expire in this version"},
    {"setex", "keys do not expire in this version; `kvctl put KEY VALUE` writes one"},
    {"lease", "keys do not expire in this version"},
    {"multi", "`kvctl txn FILE` does several operations as one"},
    {"exec", "`kvctl txn FILE` does several operations as one"},
    {"hset", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"hget", "a value is bytes; `kvctl get KEY` reads one"},
    {"lpush", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"sadd", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"lock", "`kvctl cas KEY --expect-absent VALUE` takes a lock that nobody holds"},
    {"subscribe", "`kvctl watch PREFIX` shows what happens to keys"},
    {"psubscribe", "`kvctl watch PREFIX` shows what happens to keys"},
    {"monitor", "`kvctl watch` shows what happens to keys, `kvctl watch-status` to nodes"},
    {"elect", "`kvctl cas KEY --expect-absent VALUE` takes a lock that nobody holds"},
    {"member", "`kvctl status` lists the nodes; `kvctl help voter` says how voters are changed"},
    {"members", "`kvctl status` lists the nodes"},
    {"cluster", "`kvctl status` lists the nodes"},
    {"catalog", "`kvctl status` lists the nodes"},
    {"services", "`kvctl status` lists the nodes"},
    {"agent", "`kvctl help up` says how nodes are started here, docs/three-machines.md elsewhere"},
    {"join", "write the node in the topology file of each; docs/topology.md says how"},
    {"leave", "`kvctl help voter remove` says how a voter is taken out"},
    {"nodes", "`kvctl status` lists the nodes"},
    {"endpoint", "`kvctl status` and `kvctl health` ask the nodes"},
    {"info", "`kvctl status` shows the nodes"},
    {"role", "`kvctl status` shows who is primary"},
    {"leader", "`kvctl status` shows who is primary"},
    {"ping", "`kvctl health` says whether the nodes serve"},
    {"alarm", "`kvctl status` shows what is wrong"},
    {"check", "`kvctl verify` compares the nodes, `kvctl topology check FILE` checks a topology"},
    {"operator", "`kvctl status` shows the nodes"},
    {"move-leader", "`kvctl help transfer` says how a primary hands over"},
    {"failover-to", "`kvctl help transfer` says how a primary hands over"},
    {"step-down", "`kvctl help transfer` says how a primary hands over"},
    {"demote", "`kvctl help transfer` says how a primary hands over"},
    {"compact", "what was overwritten is given up by itself"},
    {"compaction", "what was overwritten is given up by itself"},
    {"defrag", "the room of deleted keys is used again for new ones"},
    {"snapshot", "`kvctl export > FILE` writes all keys to a file"},
    {"dump", "`kvctl export > FILE` writes all keys to a file"},
    {"backup", "`kvctl export > FILE` writes all keys to a file"},
    {"restore", "`kvctl help import` says how keys are read from a file"},
    {"save", "every write is on disk when it is acknowledged; `kvctl export > FILE` makes a copy"},
    {"bgsave",
     "every write is on disk when it is acknowledged; `kvctl export > FILE` makes a copy"},
    {"auth", "there are no users in this version"},
    {"user", "there are no users in this version"},
    {"acl", "there are no users in this version"},
    {"select", "`--topology FILE` names another cluster"},
    {"config", "`kvctl topology show FILE` shows the settings"},
    {"restart", "`kvctl node stop NODE`, then `kvctl node start NODE`, restart one"},
    {"kill", "`kvctl help node kill` says how a node is killed"},
    {"pause", "`kvctl help node pause` says how a node is frozen"},
    {"start", "`kvctl help up` says how a cluster is started"},
    {"stop", "`kvctl help down` says how a cluster is ended"},
    {"shutdown", "`kvctl help down` says how a cluster is ended"},
};

static const char *foreign_hint(const char *word)
{
    for (size_t i = 0; i < sizeof foreign_words / sizeof foreign_words[0]; i++) {
        if (strcasecmp(foreign_words[i].word, word) == 0)
            return foreign_words[i].hint;
    }
    return NULL;
}

/* The command that was probably meant: the n-th words of those that begin with `family`. Never one
 * that ends or discards something. */
static const char *nearest_command(const char *family, const char *word, char out[NAME_BYTES])
{
    const char *words[COMMANDS_MAX + 1] = {NULL};
    char names[COMMANDS_MAX][NAME_BYTES];
    size_t count = 0;
    size_t skip = family == NULL ? 0 : strlen(family) + 1;
    for (size_t i = 0; commands[i] != NULL && count < COMMANDS_MAX; i++) {
        const char *name = commands[i]->name;
        if (commands[i]->careful ||
            (skip > 0 && (strncmp(name, family, skip - 1) != 0 || name[skip - 1] != ' ')))
            continue;
        snprintf(names[count], NAME_BYTES, "%.*s", (int)strcspn(name + skip, " "), name + skip);
        words[count] = names[count];
        count++;
    }
    char lower[NAME_BYTES]; /* GET, as redis-cli is typed */
    snprintf(lower, sizeof lower, "%s", word);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    const char *near = strlen(word) < sizeof lower ? nearest_word(lower, words) : NULL;
    if (near != NULL)
        snprintf(out, NAME_BYTES, "%s", near);
    return near != NULL ? out : NULL;
}

static int report_unknown(struct command_context *ctx, const char *family, const char *word)
{
    char room[NAME_BYTES];
    char hint[160];
    const char *foreign = family == NULL ? foreign_hint(word) : NULL;
    const char *near = foreign == NULL ? nearest_command(family, word, room) : NULL;
    if (foreign != NULL)
        snprintf(hint, sizeof hint, "%s", foreign);
    else if (near != NULL)
        snprintf(hint, sizeof hint, "did you mean `kvctl %s%s%s`?", family != NULL ? family : "",
                 family != NULL ? " " : "", near);
    else
        snprintf(hint, sizeof hint, "`kvctl help%s%s` lists the commands",
                 family != NULL ? " " : "", family != NULL ? family : "");
    return report_usage(ctx, hint, "unknown command '%s%s%s'", family != NULL ? family : "",
                        family != NULL ? " " : "", word);
}

/* ---- help, version ---- */

static int run_help(struct command_context *ctx, int argc, char **argv)
{
    int words;
    if (argc == 0) {
        help_all(ctx);
        return EXIT_DONE;
    }
    const struct command *command = command_find(argc, argv, &words);
    if (command != NULL && words == argc) {
        help_command(ctx, command);
        return EXIT_DONE;
    }
    if (command != NULL)
        return report_usage(ctx, "name one command", "'%s' is one too many", argv[words]);
    if (!is_family(argv[0]))
        return report_unknown(ctx, NULL, argv[0]);
    if (argc > 1)
        return report_unknown(ctx, argv[0], argv[1]);
    help_family(ctx, argv[0]);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .group = GROUP_TOOLS,
    .args = "[COMMAND...]",
    .summary = "Show what a command does, or list all of them",
    .description = "Without COMMAND: all commands, by subject. With the first word of several, as "
                   "in `rollback`: those.",
    .examples = "kvctl help\nkvctl help get\nkvctl help rollback show\n",
    .local = true,
    .min_args = 0,
    .max_args = 2,
    .run = run_help,
};

static int run_version(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:s}", "version", CANDOR_VERSION));
    else
        printf("kvctl %s\n", CANDOR_VERSION);
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .group = GROUP_TOOLS,
    .args = "",
    .summary = "Show the version of kvctl",
    .description = "Prints it, and asks no node: `kvctl status -o json` has the version of each.",
    .examples = "kvctl version\nkvctl --version\n",
    .local = true,
    .min_args = 0,
    .max_args = 0,
    .run = run_version,
};

/* ---- Running ---- */

/* The first operand that is missing, out of "KEY [VALUE]". */
static void missing_operand(const char *args, int given, char out[NAME_BYTES])
{
    const char *at = args;
    for (int i = 0; i < given && strchr(at, ' ') != NULL; i++)
        at = strchr(at, ' ') + 1;
    size_t length = strcspn(at, " .");
    snprintf(out, NAME_BYTES, "%.*s", (int)length, at);
}

static void usage_hint(const struct command *command, char *out, size_t room)
{
    const char *example = command->examples != NULL ? command->examples : "";
    int length = (int)strcspn(example, "\t\n");
    snprintf(out, room, "usage: kvctl %s%s%s%s%.*s%s", command->name, command->args[0] ? " " : "",
             command->args, length > 0 ? ", as in `" : "", length, example, length > 0 ? "`" : "");
}

static int check_count(struct command_context *ctx, int argc, char **argv)
{
    const struct command *command = ctx->command;
    char hint[320];
    char missing[NAME_BYTES];
    usage_hint(command, hint, sizeof hint);
    if (argc < command->min_args) {
        missing_operand(command->args, argc, missing);
        return report_usage(ctx, hint, "missing %s", missing);
    }
    if (command->max_args < 0 || argc <= command->max_args)
        return EXIT_DONE;
    return report_usage(ctx, hint, "'%s' is one too many%s", argv[command->max_args],
                        command->group == GROUP_KEYS && command->max_args > 0
                            ? " (a value with spaces needs quotes)"
                            : "");
}

static int run_command(struct command_context *ctx, int argc, char **argv)
{
    if (!context_parse(ctx, &argc, argv))
        return EXIT_USAGE;
    if (ctx->help) {
        help_command(ctx, ctx->command);
        return EXIT_DONE;
    }
    int status = check_count(ctx, argc, argv);
    return status != EXIT_DONE ? status : ctx->command->run(ctx, argc, argv);
}

/* A line whose first word is no command. */
static int run_other(struct command_context *ctx, int argc, char **argv)
{
    if (argc == 0)
        return report_usage(ctx, "`kvctl help` lists the commands", "no command");
    if (argv[0][0] == '-')
        return report_usage(ctx, "options stand behind the command: kvctl COMMAND [OPTIONS] ...",
                            "no command before %s", argv[0]);
    if (!is_family(argv[0]))
        return report_unknown(ctx, NULL, argv[0]);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        help_family(ctx, argv[0]);
        return EXIT_DONE;
    }
    if (argc > 1 && argv[1][0] != '-')
        return report_unknown(ctx, argv[0], argv[1]);
    char hint[NAME_BYTES];
    snprintf(hint, sizeof hint, "`kvctl help %.20s` lists them", argv[0]);
    return report_usage(ctx, hint, "%s is several commands: a second word is missing", argv[0]);
}

/* `kvctl --help` and `kvctl --version` are the commands of these names. */
static void take_own_options(int argc, char **argv)
{
    static char help[] = "help";
    static char version[] = "version";
    if (argc == 0)
        return;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        argv[0] = help;
    else if (strcmp(argv[0], "--version") == 0)
        argv[0] = version;
}

int command_execute(const struct command_defaults *defaults, int argc, char **argv)
{
    static const struct command_defaults none;
    struct command_context *ctx = calloc(1, sizeof *ctx);
    ASSERT(ctx != NULL);
    ctx->defaults = defaults != NULL ? defaults : &none;
    ctx->json = ctx->defaults->json;
    int words = 0;
    take_own_options(argc, argv);
    gather_name(argc, argv);
    context_look_for_output(ctx, argc, argv);
    ctx->command = command_find(argc, argv, &words);
    int status = ctx->command != NULL ? run_command(ctx, argc - words, argv + words)
                                      : run_other(ctx, argc, argv);
    report_flush(ctx);
    context_free(ctx);
    free(ctx);
    return status;
}
