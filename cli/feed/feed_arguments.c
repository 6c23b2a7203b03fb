/* candor-feed's command line, by argp. */
#include "cli/feed/feed_arguments.h"

#include <argp.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "base/units.h"

#if defined(FEED_NATS) && defined(FEED_KAFKA)
#define FEED_SINKS "NATS JetStream and Kafka"
#elif defined(FEED_NATS)
#define FEED_SINKS "NATS JetStream (it was built without librdkafka, hence without Kafka)"
#elif defined(FEED_KAFKA)
#define FEED_SINKS "Kafka (it was built without libnats, hence without NATS JetStream)"
#else
#define FEED_SINKS "nothing: it was built without libnats and without librdkafka"
#endif

static const char description[] =
    "Carries the committed changes of a Candor cluster's keys into a stream of NATS JetStream or a "
    "topic of Kafka, in the foreground.\n"
    "\n"
    "Each change is a message, in order for each key, with its position as id and how old the data "
    "may be. The target keeps the cursor: started again, candor-feed goes on behind what is there, "
    "over failovers, outages and compaction of the log, which it tells with a message of its own. "
    "A second one of the same target takes over from the first, which ends. When it feeds, one "
    "line is printed:\n"
    "\n"
    "  ready feeds=ORDERS\n"
    "\n"
    "The log goes to standard error. SIGTERM and SIGINT end it when the target has what was read. "
    "This build feeds " FEED_SINKS ".\v"
    "Examples:\n"
    "  candor-feed --topology cluster.yaml --prefix order: --nats nats://127.0.0.1:4222 --stream "
    "ORDERS --subject-prefix orders\n"
    "  candor-feed --topology cluster.yaml --kafka broker:9092 --topic changes --settings "
    "kafka.properties\n"
    "\n"
    "Exit status: 0 ended by a signal; 2 wrong usage, topology or settings, or a target that "
    "cannot be fed as it is; 6 another feed of this target has taken over; 1 anything else, as a "
    "value that is larger than the target takes.";

enum {
    KEY_PREFIX = 256,
    KEY_NATS,
    KEY_STREAM,
    KEY_CREATE_STREAM,
    KEY_SUBJECT_PREFIX,
    KEY_SEPARATOR,
    KEY_KAFKA,
    KEY_TOPIC,
    KEY_SETTINGS,
    KEY_PRESENT,
    KEY_SINCE,
    KEY_FROM_NOW,
    KEY_PROGRESS,
};

static const struct argp_option option_list[] = {
    {"topology", 't', "FILE", 0, "The cluster's topology (YAML); default: $CANDOR_TOPOLOGY", 0},
    {"endpoint", 'e', "LIST", 0,
     "Addresses of the cluster's nodes, apart by commas; default: $CANDOR_ENDPOINTS", 0},
    {"prefix", KEY_PREFIX, "PREFIX", 0, "Feed the keys that begin with it (default: all)", 0},
    {"nats", KEY_NATS, "LIST", 0, "Feed NATS: its servers, nats://host:port, apart by commas", 0},
    {"stream", KEY_STREAM, "NAME", 0, "The stream of JetStream, which is this feed's own", 0},
    {"create-stream", KEY_CREATE_STREAM, NULL, 0,
     "Make the stream when it is not there: on disk, without limits, of one replica", 0},
    {"subject-prefix", KEY_SUBJECT_PREFIX, "PREFIX", 0,
     "Subjects are PREFIX, a dot, and the key (default: candor)", 0},
    {"separator", KEY_SEPARATOR, "CHARACTER", 0,
     "What stands between the parts of a key, and becomes the dot between tokens (default: ':'); "
     "none: a key is one token",
     0},
    {"kafka", KEY_KAFKA, "LIST", 0, "Feed Kafka: its brokers, host:port, apart by commas", 0},
    {"topic", KEY_TOPIC, "NAME", 0, "The topic, which is this feed's own", 0},
    {"settings", KEY_SETTINGS, "FILE", 0,
     "Lines `name = value`. For NATS: user, password, token, credentials, tls.ca, "
     "tls.certificate, tls.key. For Kafka: those of librdkafka",
     0},
    {"present", KEY_PRESENT, NULL, 0,
     "In a target that has nothing yet, begin with the present state (the default)", 0},
    {"since", KEY_SINCE, "SEQ", 0,
     "In a target that has nothing yet, begin with the change of this seq", 0},
    {"from-now", KEY_FROM_NOW, NULL, 0,
     "In a target that has nothing yet, begin with what happens from now on", 0},
    {"progress", KEY_PROGRESS, "DURATION", 0,
     "How often to tell how far all was seen, where no change tells it (default: 1m)", 0},
    {"log-level", 'l', "LEVEL", 0, "debug, info, warn or error (default: info)", 0},
    {0},
};

/* ---- Values ---------------------------------------------------------------------------------- */

static enum log_level level_of(const char *text, struct argp_state *state)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum log_level)i;
    argp_error(state, "--log-level: '%s' is not debug, info, warn or error", text);
    return LOG_LEVEL_INFO;
}

static uint64_t seq_of(const char *text, struct argp_state *state)
{
    char *end = NULL;
    errno = 0;
    unsigned long long seq = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || seq == 0)
        argp_error(state, "--since: '%s' is no seq: a number from 1 on", text);
    return seq;
}

static char separator_of(const char *text, struct argp_state *state)
{
    if (strcmp(text, "none") == 0)
        return '\0';
    if (strlen(text) != 1 || !feed_subject_separator_good(text[0]))
        argp_error(state,
                   "--separator: '%s' is not one printable character (no letter, digit or '%%'), "
                   "nor none",
                   text);
    return text[0];
}

static uint64_t progress_of(const char *text, struct argp_state *state)
{
    uint64_t ms = 0;
    if (!duration_parse(text, &ms) || ms < LIMIT_FEED_PROGRESS_MS_MIN ||
        ms > LIMIT_FEED_PROGRESS_MS_MAX)
        argp_error(state, "--progress: '%s' is no duration from %dms to %dm", text,
                   LIMIT_FEED_PROGRESS_MS_MIN, LIMIT_FEED_PROGRESS_MS_MAX / 60000);
    return ms;
}

static void take_prefix(struct feed_arguments *arguments, char *text, struct argp_state *state)
{
    if (strlen(text) > LIMIT_KEY_BYTES)
        argp_error(state, "--prefix: longer than a key, which has at most %d bytes",
                   LIMIT_KEY_BYTES);
    arguments->prefix = text[0] == '\0' ? NULL : text;
}

static void take_subject_prefix(struct feed_arguments *arguments, const char *text,
                                struct argp_state *state)
{
    if (!feed_subject_prefix_good(text))
        argp_error(state,
                   "--subject-prefix: '%s' is no subject: tokens of printable ASCII without "
                   "wildcards and '%%', apart by dots, not NATS's own ($..., _INBOX), at most %d "
                   "bytes",
                   text, LIMIT_FEED_SUBJECT_PREFIX_BYTES - 1);
    text_copy(arguments->subjects.prefix, sizeof arguments->subjects.prefix, text);
}

/* What is in an address stands in every list of processes. */
static void refuse_secret(const char *list, struct argp_state *state)
{
    if (strchr(list, '@') != NULL)
        argp_error(state, "--nats: give user and password in the file of --settings: everybody on "
                          "this machine can read a command line");
}

static void refuse_many(const char *list, struct argp_state *state)
{
    size_t count = 1;
    for (const char *comma = list; (comma = strchr(comma, ',')) != NULL; comma++)
        count++;
    if (count > LIMIT_FEED_SERVERS)
        argp_error(state, "--nats: more than %d servers", LIMIT_FEED_SERVERS);
}

static void take_begin(struct feed_arguments *arguments, enum feed_begin begin, bool *given,
                       struct argp_state *state)
{
    if (*given && arguments->begin != begin)
        argp_error(state, "--present, --since and --from-now: at most one of them");
    *given = true;
    arguments->begin = begin;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void require_nats(const struct feed_arguments *arguments, struct argp_state *state)
{
#ifndef FEED_NATS
    argp_error(state, "--nats: this candor-feed was built without libnats (Debian: libnats-dev)");
#endif
    refuse_secret(arguments->nats, state);
    refuse_many(arguments->nats, state);
    if (arguments->stream == NULL || arguments->stream[0] == '\0' ||
        strpbrk(arguments->stream, ".*> \t/\\") != NULL)
        argp_error(state, "--stream: the stream's name, without blanks, dots, '*', '>', '/'");
    if (arguments->topic != NULL)
        argp_error(state, "--topic is for --kafka");
}

static void require_kafka(const struct feed_arguments *arguments, struct argp_state *state)
{
#ifndef FEED_KAFKA
    argp_error(state,
               "--kafka: this candor-feed was built without librdkafka (Debian: librdkafka-dev)");
#endif
    if (arguments->topic == NULL || arguments->topic[0] == '\0' || strlen(arguments->topic) > 249)
        argp_error(state, "--topic: the topic's name, at most 249 characters");
    if (arguments->stream != NULL || arguments->create_stream)
        argp_error(state, "--stream and --create-stream are for --nats");
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static void require(struct feed_arguments *arguments, struct argp_state *state)
{
    if (arguments->topology != NULL && arguments->endpoints != NULL)
        argp_error(state, "--topology and --endpoint both say which cluster: give one of them");
    if (arguments->topology == NULL && arguments->endpoints == NULL)
        arguments->endpoints = variable("CANDOR_ENDPOINTS");
    if (arguments->topology == NULL && arguments->endpoints == NULL)
        arguments->topology = variable("CANDOR_TOPOLOGY");
    if (arguments->topology == NULL && arguments->endpoints == NULL)
        argp_error(state, "--topology is missing: the cluster's YAML file (or --endpoint)");
    if ((arguments->nats == NULL) == (arguments->kafka == NULL))
        argp_error(state, "give one of --nats and --kafka: what is to be fed");
    if (arguments->nats != NULL)
        require_nats(arguments, state);
    else
        require_kafka(arguments, state);
}

struct parsing {
    struct feed_arguments *arguments;
    bool begin_given;
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct feed_arguments *arguments = parsing->arguments;
    switch (key) {
    case 't':
        arguments->topology = text;
        return 0;
    case 'e':
        arguments->endpoints = text;
        return 0;
    case KEY_PREFIX:
        take_prefix(arguments, text, state);
        return 0;
    case KEY_NATS:
        arguments->nats = text;
        return 0;
    case KEY_STREAM:
        arguments->stream = text;
        return 0;
    case KEY_CREATE_STREAM:
        arguments->create_stream = true;
        return 0;
    case KEY_SUBJECT_PREFIX:
        take_subject_prefix(arguments, text, state);
        return 0;
    case KEY_SEPARATOR:
        arguments->subjects.separator = separator_of(text, state);
        return 0;
    case KEY_KAFKA:
        arguments->kafka = text;
        return 0;
    case KEY_TOPIC:
        arguments->topic = text;
        return 0;
    case KEY_SETTINGS:
        arguments->settings = text;
        return 0;
    case KEY_PRESENT:
        take_begin(arguments, FEED_BEGIN_PRESENT, &parsing->begin_given, state);
        return 0;
    case KEY_SINCE:
        take_begin(arguments, FEED_BEGIN_SINCE, &parsing->begin_given, state);
        arguments->since_seq = seq_of(text, state);
        return 0;
    case KEY_FROM_NOW:
        take_begin(arguments, FEED_BEGIN_NOW, &parsing->begin_given, state);
        return 0;
    case KEY_PROGRESS:
        arguments->progress_ms = progress_of(text, state);
        return 0;
    case 'l':
        arguments->level = level_of(text, state);
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

void feed_arguments_parse(int argc, char **argv, struct feed_arguments *out)
{
    static const struct argp parser = {
        .options = option_list, .parser = parse_option, .doc = description};
    *out = (struct feed_arguments){.level = LOG_LEVEL_INFO,
                                   .progress_ms = LIMIT_FEED_PROGRESS_MS_DEFAULT,
                                   .subjects = {.prefix = "candor", .separator = ':'}};
    struct parsing parsing = {.arguments = out};
    argp_program_version = "candor-feed " CANDOR_VERSION;
    argp_err_exit_status = FEED_EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, &parsing);
}
