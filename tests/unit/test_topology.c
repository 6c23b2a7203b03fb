/* links: topology */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "topology/topology.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- fixtures ---- */

/* Keys of one good node, to be put behind "nodes:\n". */
#define NODE(id, port)                                                                             \
    "  - id: " id "\n"                                                                             \
    "    rpc: tcp://127.0.0.1:" port "0\n"                                                         \
    "    stream: tcp://127.0.0.1:" port "1\n"                                                      \
    "    data: /d/" id "\n"
#define ONE_NODE "nodes:\n" NODE("a", "700")
#define THREE_NODES ONE_NODE NODE("b", "701") NODE("c", "702")

struct loaded {
    struct topology topology;
    struct topology_problems problems;
    struct candor_error err;
    enum candor_code code;
};

static struct loaded parse_bytes(const char *bytes, size_t length)
{
    struct loaded it = {0};
    it.code = topology_parse(bytes, length, "/etc/candor", &it.topology, &it.problems, &it.err);
    return it;
}

static struct loaded parse(const char *yaml)
{
    return parse_bytes(yaml, strlen(yaml));
}

/* What the function prints; the caller frees it. */
static char *printed_problems(const struct topology_problems *problems, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    topology_problems_print(problems, path, to);
    fclose(to);
    return text;
}

static char *written(const struct topology *topology)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    topology_write(topology, to);
    fclose(to);
    return text;
}

static char *drawn(const struct topology *topology)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    topology_draw(topology, to);
    fclose(to);
    return text;
}

/* A path from the project's root. ctest names the root; by hand, this file's own path does, unless
 * the compiler was given a relative one. */
static char *project_path(const char *relative, char out[1024])
{
    const char *named = getenv("CANDOR_SOURCE");
    if (named != NULL) {
        snprintf(out, 1024, "%s/%s", named, relative);
        return out;
    }
    static const char own[] = "tests/unit/test_topology.c";
    size_t root = strlen(__FILE__) - (sizeof own - 1);
    snprintf(out, 1024, "%.*s%s", (int)root, __FILE__, relative);
    return out;
}

static char *file_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1u << 20);
    assert_non_null(text);
    size_t length = fread(text, 1, (1u << 20) - 1, file);
    assert_true(length > 0);
    fclose(file);
    return text;
}

/* ---- what is wrong, and where ---- */

struct faulty {
    const char *yaml;
    const char *says; /* exactly */
};

static void expect_all(const struct faulty *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct loaded it = parse(cases[i].yaml);
        char *says = printed_problems(&it.problems, "t.yaml");
        bool errors = strstr(cases[i].says, " error: ") != NULL;
        if (strcmp(says, cases[i].says) != 0)
            print_message("case %zu:\n%s", i, cases[i].yaml);
        assert_string_equal(says, cases[i].says);
        assert_int_equal(it.code, errors ? CANDOR_INVALID_ARGUMENT : CANDOR_OK);
        assert_int_equal(it.err.code, it.code);
        free(says);
        topology_problems_free(&it.problems);
    }
}

static void text_that_is_no_yaml_is_told_at_its_place(void **state)
{
    (void)state;
    static const struct faulty cases[] = {
        {"", "t.yaml: error: the file says nothing; write at least 'cluster: NAME' and 'nodes:'\n"},
        {"# only a comment\n",
         "t.yaml: error: the file says nothing; write at least 'cluster: NAME' and 'nodes:'\n"},
        {"- a\n",
         "t.yaml:1:1: error: the topology is a list, not a mapping; write at least 'cluster: "
         "NAME' and 'nodes:'\n"},
        {"cluster: [a\nnodes: x\n",
         "t.yaml:2:6: error: not YAML: did not find expected ',' or ']'; while "
         "parsing a flow sequence that begins at 1:10\n"},
        {"cluster: s\n  nodes: 3\n",
         "t.yaml:2:8: error: not YAML: mapping values are not allowed in this "
         "context; look at the indentation of this line and the one before\n"},
        {"cluster: s\n\tnodes:\n",
         "t.yaml:2:1: error: not YAML: found a tab character that violates "
         "indentation; indent with spaces, not with tabs\n"},
        {"cluster: \xff\n",
         "t.yaml:1:10: error: not YAML: invalid leading UTF-8 octet; write plain UTF-8\n"},
        {"cluster: s\n---\ncluster: t\n---\ncluster: u\n",
         "t.yaml:2:1: error: a second document begins here; a topology is one document\n"},
        {"cluster: &x s\ninitial_primary: *x\n" ONE_NODE,
         "t.yaml:2:18: error: aliases are not taken; write the value out\n"},
        {"[[[[[[[[[[[[[[[[[[[[",
         "t.yaml:1:17: error: nested too deeply; a topology needs 3 levels\n"},
    };
    expect_all(cases, COUNT(cases));
}

static void keys_that_are_unknown_twice_or_missing_are_told(void **state)
{
    (void)state;
    static const struct faulty cases[] = {
        {"cluster: s\nhartbeat_interval: 100ms\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key 'hartbeat_interval'; did you mean "
         "'heartbeat_interval'?\n"},
        {"cluster: s\nstael_after: 1s\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key 'stael_after'; did you mean 'stale_after'?\n"},
        {"cluster: s\nheartbeat: 1s\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key 'heartbeat'; it belongs in 'nodes'\n"},
        {"cluster: s\nelection: 1s\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key 'election'; did you mean 'election_timeout'?\n"},
        {"cluster: s\nmax_uncommitted: 5\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key 'max_uncommitted'; it belongs in 'limits'\n"},
        {"cluster: s\n" ONE_NODE "    stale_after: 1s\n",
         "t.yaml:7:5: error: unknown key 'stale_after'; it belongs at the top of the file\n"},
        {"cluster: s\nretention: {colour: red}\n" ONE_NODE,
         "t.yaml:2:13: error: unknown key 'colour'; known here: log\n"},
        {"cluster: s\n\"\\e[31mred\": 1\n" ONE_NODE,
         "t.yaml:2:1: error: unknown key '\\x1b[31mred'; known here: cluster, failover, "
         "initial_primary, "
         "heartbeat_interval, stale_after, reject_after, scrub_interval, election_timeout, "
         "writer_stall, max_lag, "
         "durability, sync_interval, clock_drift_ppm, leases, limits, retention, nodes\n"},
        {"cluster: s\ncluster: t\n" ONE_NODE,
         "t.yaml:2:1: error: duplicate key 'cluster'; remove one; the first value is at 1:10\n"},
        {"cluster: s\nlimits: {value: 1KiB, value: 2KiB}\n" ONE_NODE,
         "t.yaml:2:23: error: duplicate key 'value'; remove one; the first value is at 2:17\n"},
        {"failover: manual\n",
         "t.yaml:1:1: error: the topology has no 'cluster'; add 'cluster:' and a name\n"
         "t.yaml:1:1: error: the topology has no 'nodes'; add 'nodes:' and a list of nodes\n"},
        {"cluster: s\nnodes:\n  - zone: east\n",
         "t.yaml:3:5: error: the node has no 'id'; add 'id:' and a name\n"
         "t.yaml:3:5: error: the node has no 'rpc'; add 'rpc:' and 'tcp://host:port'\n"
         "t.yaml:3:5: error: the node has no 'stream'; add 'stream:' and 'tcp://host:port'\n"
         "t.yaml:3:5: error: the node has no 'data'; add 'data:' and the folder for its log and "
         "state\n"},
        {"cluster: s\n? [a]\n: b\n" ONE_NODE,
         "t.yaml:2:3: error: a key is a list; it must be a word\n"},
    };
    expect_all(cases, COUNT(cases));
}

static const struct faulty wrong_kinds[] = {
    {"cluster: s\nstale_after: 5000\n" ONE_NODE,
     "t.yaml:2:14: error: 5000 has no unit; write 5000ms or 5s\n"},
    {"cluster: s\nstale_after: 1234\n" ONE_NODE,
     "t.yaml:2:14: error: 1234 has no unit; write 1234ms\n"},
    {"cluster: s\nstale_after: soon\n" ONE_NODE,
     "t.yaml:2:14: error: 'soon' is not a duration; write it like 500ms, 1.5s, 2m or 1h\n"},
    {"cluster: s\nstale_after: never\n" ONE_NODE,
     "t.yaml:2:14: error: 'never' is not a duration; write it like 500ms, 1.5s, 2m or 1h\n"},
    {"cluster: s\nstale_after: 25h\n" ONE_NODE,
     "t.yaml:2:14: error: '25h' is out of range; 'stale_after' is 1ms to 24h\n"},
    {"cluster: s\nreject_after: 0\n" ONE_NODE,
     "t.yaml:2:15: error: '0' is out of range; 'reject_after' is 1ms to 8760h, or never\n"},
    {"cluster: s\nlimits: {value: 65536}\n" ONE_NODE,
     "t.yaml:2:17: error: 65536 has no unit; write 65536B or 64KiB\n"},
    {"cluster: s\nlimits: {value: 2MB}\n" ONE_NODE,
     "t.yaml:2:17: error: '2MB' is not a size; write 2MiB (units are B, KiB, MiB, GiB, TiB)\n"},
    {"cluster: s\nlimits: {value: 17MiB}\n" ONE_NODE,
     "t.yaml:2:17: error: '17MiB' is out of range; 'value' is 1B to 16MiB\n"},
    {"cluster: s\nlimits: big\n" ONE_NODE,
     "t.yaml:2:9: error: 'limits' is a single value; it must be a mapping\n"},
    {"cluster: s\nmax_lag: 1e6\n" ONE_NODE,
     "t.yaml:2:10: error: '1e6' is not a whole number; write digits alone, such as 10000\n"},
    {"cluster: s\nmax_lag: 99999999999999999999\n" ONE_NODE,
     "t.yaml:2:10: error: '99999999999999999999' is not a whole number; write digits alone, "
     "such as "
     "10000\n"},
    {"cluster: s\nmax_lag: [1]\n" ONE_NODE,
     "t.yaml:2:10: error: 'max_lag' is a list; it must be a number\n"},
    {"cluster: s\nfailover: automatc\n" ONE_NODE,
     "t.yaml:2:11: error: 'automatc' is no choice for 'failover'; did you mean 'automatic'?\n"},
    {"cluster: s\ndurability: sometimes\n" ONE_NODE,
     "t.yaml:2:13: error: 'sometimes' is no choice for 'durability'; write always, interval or "
     "os\n"},
    {"cluster: s\nstale_after: ~\n" ONE_NODE,
     "t.yaml:2:14: error: 'stale_after' is nothing; it must be a duration\n"},
    {"cluster: a b\n" ONE_NODE, "t.yaml:1:10: error: 'a b' is not a name; a name has 1 to 31 "
                                "of the characters A-Z a-z 0-9 . _ "
                                "-\n"},
    {"cluster: \"a\\0b\"\n" ONE_NODE,
     "t.yaml:1:10: error: the value of 'cluster' has a NUL byte in it; write it without\n"},
    {"cluster: s\nnodes: {}\n", "t.yaml:2:8: error: 'nodes' is a mapping; it must be a list\n"},
    {"cluster: s\nnodes: []\n", "t.yaml:2:8: error: there are no nodes; list at least one\n"},
    {"cluster: s\nnodes:\n  - a\n",
     "t.yaml:3:5: error: a node is a mapping, this is a single value; "
     "write '- id: NAME' and its other keys below\n"},
    {"cluster: s\nnodes:\n  - {id: a, rpc: 'tcp://h:1', stream: 'tcp://h:2', data: ''}\n",
     "t.yaml:3:58: error: the path is empty; write the node's data folder, such as "
     "/var/lib/candor/a\n"},
    {"cluster: s\nnodes:\n  - {id: a, rpc: 'tcp://h:1', stream: 'tcp://h:2', data: ~/a}\n",
     "t.yaml:3:58: error: the path '~/a' begins with '~', which only a shell replaces; write "
     "the whole path, such as /home/me/candor/a\n"},
    {"\xef\xbb\xbf"
     "cluster: s\nnodes: []\n",
     "t.yaml:2:8: error: there are no nodes; list at least one\n"},
    {"cluster: s\nnodes:\n  - {id: a, rpc: 'tcp://h:1', stream: 'tcp://h:2', data: "
     "\"/d/\\e[2J\"}\n",
     "t.yaml:3:58: error: the path '/d/\\x1b[2J' has characters that cannot be printed; name "
     "the "
     "folder in plain UTF-8\n"},
};

static void values_of_the_wrong_kind_are_told_with_the_right_one(void **state)
{
    (void)state;
    expect_all(wrong_kinds, COUNT(wrong_kinds));
}

static const struct {
    const char *address;
    const char *says; /* NULL: good */
} addresses[] = {
    {"tcp://127.0.0.1:7000", NULL},
    {"tcp://[::1]:7000", NULL},
    {"tcp://db.example.org:7000", NULL},
    {"tls+tcp://db.example.org:7000",
     "'tls+tcp://db.example.org:7000' is a TLS address; this version has no TLS, and no key "
     "for a "
     "certificate: write tcp://, and keep the ports inside a network you trust"},
    {"ipc:///run/candor/a", NULL},
    {"ws://h:1", "'ws://h:1' is a WebSocket address; dialers of WebSockets "
                 "leak in NNG 1.5.2: write tcp://"},
    {"inproc://a", "'inproc://a' does not leave the process; write tcp://host:port "
                   "or ipc:///path"},
    {"http://h:1", "'http://h:1' has an unknown scheme; write tcp://host:port or "
                   "ipc:///path"},
    {"127.0.0.1:7000", "'127.0.0.1:7000' is not an address; write tcp://host:port "
                       "or ipc:///path"},
    {"tcp://h", "'tcp://h' has no port; write it like tcp://10.0.0.1:7000"},
    {"tcp://h:", "'tcp://h:' has no port; write it like tcp://10.0.0.1:7000"},
    {"tcp://h:7x", "'tcp://h:7x' goes on after the port; write it like tcp://10.0.0.1:7000"},
    {"tcp://h:1/x", "'tcp://h:1/x' goes on after the port; write it like tcp://10.0.0.1:7000"},
    {"tcp://h:0", "'tcp://h:0' has a port out of range; a port is 1 to 65535"},
    {"tcp://h:65536", "'tcp://h:65536' has a port out of range; a port is 1 to 65535"},
    {"tcp://h:99999999999999999999",
     "'tcp://h:99999999999999999999' has a port out of range; a port is 1 to 65535"},
    {"tcp://:1", "'tcp://:1' has no host; name the host that is to be dialled"},
    {"tcp://*:1", "'tcp://*:1' is a wildcard; name the host that is to be dialled"},
    {"tcp://0.0.0.0:1", "'tcp://0.0.0.0:1' is a wildcard; name the host that is to be dialled"},
    {"tcp://[::]:1", "'tcp://[::]:1' is a wildcard; name the host that is to be dialled"},
    {"tcp://[::1:1",
     "'tcp://[::1:1' has a malformed IPv6 address; write it like tcp://[fd00::1]:7000"},
    {"tcp://300.1.1.1:1",
     "'tcp://300.1.1.1:1' has a malformed host; write it like tcp://10.0.0.1:7000"},
    {"tcp://a b:1", "'tcp://a b:1' has a malformed host; write it like tcp://10.0.0.1:7000"},
    {"ipc://", "'ipc://' has no path; write ipc:///path/to/socket"},
};

static void addresses_that_peers_cannot_dial_are_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        char yaml[512];
        char wanted[512] = "";
        snprintf(yaml, sizeof yaml,
                 "cluster: s\nnodes:\n  - {id: a, data: /d, stream: 'tcp://h:7', rpc: '%s'}\n",
                 addresses[i].address);
        if (addresses[i].says != NULL)
            snprintf(wanted, sizeof wanted, "t.yaml:3:49: error: %s\n", addresses[i].says);
        struct loaded it = parse(yaml);
        char *says = printed_problems(&it.problems, "t.yaml");
        assert_string_equal(says, wanted);
        free(says);
        topology_problems_free(&it.problems);
    }
}

static const struct faulty shared_things[] = {
    /* The same id and the same folder. */
    {"cluster: s\nnodes:\n" NODE("a", "700") NODE("b", "701") NODE("a", "702"),
     "t.yaml:11:9: error: duplicate node id 'a'; give each node its own; the first is at 3:9\n"
     "t.yaml:14:11: error: '/d/a' is the data folder of 'a' already; give each node its own\n"},
    /* A stream at another node's defaulted heartbeat address. */
    {"cluster: s\nnodes:\n"
     "  - {id: a, role: reader, data: a, rpc: 'tcp://h:1', stream: 'tcp://h:2'}\n"
     "  - {id: b, data: b, rpc: 'tcp://h:9', stream: 'tcp://h:3', heartbeat: 'tcp://h:10'}\n",
     "t.yaml:4:48: error: 'tcp://h:3', the stream address of 'b', is the heartbeat address of "
     "'a' "
     "already; give each socket an address of its own\n"},
    /* An rpc address at another node's defaulted peer address. */
    {"cluster: s\nnodes:\n"
     "  - {id: a, role: reader, data: a, rpc: 'tcp://h:1', stream: 'tcp://h:5'}\n"
     "  - {id: b, data: b, rpc: 'tcp://h:4', stream: 'tcp://h:8'}\n",
     "t.yaml:4:27: error: 'tcp://h:4', the rpc address of 'b', is the peer address of 'a' "
     "already; give each socket an address of its own\n"},
    /* One node's own channels; a name or its number. */
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://localhost:1', stream: 'tcp://127.0.0.1:01'}\n",
     "t.yaml:3:56: error: 'tcp://127.0.0.1:01', the stream address of 'a', is the rpc "
     "address of 'a' "
     "already; give each socket an address of its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://127.0.0.1:1', stream: 'tcp://[::ffff:127.0.0.1]:1'}\n",
     "t.yaml:3:56: error: 'tcp://[::ffff:127.0.0.1]:1', the stream address of 'a', is the rpc "
     "address of 'a' already; give each socket an address of its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://[::1]:1', stream: 'tcp://LocalHost:1'}\n",
     "t.yaml:3:52: error: 'tcp://LocalHost:1', the stream address of 'a', is the rpc address "
     "of "
     "'a' already; give each socket an address of its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://[::1]:1', stream: 'tcp://127.0.0.1:1'}\n",
     ""},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://db.example:1', stream: 'tcp://db.example.:1'}\n",
     "t.yaml:3:57: error: 'tcp://db.example.:1', the stream address of 'a', is the rpc address "
     "of 'a' already; give each socket an address of its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'ipc:///run/a', stream: 'ipc:///run/../run//a'}\n",
     "t.yaml:3:51: error: 'ipc:///run/../run//a', the stream address of 'a', is the rpc "
     "address of 'a' "
     "already; give each socket an address of its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://h:1', stream: 'tcp://h:65535'}\n",
     "t.yaml:3:48: error: 'tcp://h:65535' gives no heartbeat address; write 'heartbeat' as "
     "well\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: a, rpc: 'tcp://h:65533', stream: 'tcp://h:2'}\n",
     "t.yaml:3:27: error: 'tcp://h:65533' gives no peer address; write 'peer' as well\n"},
    /* One folder, however it is written, on one machine ... */
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: ./x/../d, rpc: 'tcp://127.0.0.1:1', stream: 'tcp://127.0.0.1:2'}\n"
     "  - {id: b, role: reader, data: /etc/candor/d/, rpc: 'ipc:///b', stream: 'ipc:///s'}\n",
     "t.yaml:4:33: error: '/etc/candor/d' is the data folder of 'a' already; give each node "
     "its own\n"},
    /* ... nor one within the other ... */
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: /d, rpc: 'tcp://127.0.0.1:1', stream: 'tcp://127.0.0.1:2'}\n"
     "  - {id: b, role: reader, data: /d/log, rpc: 'ipc:///b', stream: 'ipc:///s'}\n",
     "t.yaml:4:33: error: '/d/log' lies in the data folder of 'a'; give each node its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: /d/a, rpc: 'tcp://127.0.0.1:1', stream: 'tcp://127.0.0.1:2'}\n"
     "  - {id: b, role: reader, data: /, rpc: 'ipc:///b', stream: 'ipc:///s'}\n",
     "t.yaml:4:33: error: '/' contains the data folder of 'a'; give each node its own\n"},
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: /d/a, rpc: 'tcp://127.0.0.1:1', stream: 'tcp://127.0.0.1:2'}\n"
     "  - {id: b, role: reader, data: /d/ab, rpc: 'ipc:///b', stream: 'ipc:///s'}\n",
     ""},
    /* ... but not on two. */
    {"cluster: s\nnodes:\n"
     "  - {id: a, data: /d, rpc: 'tcp://h1:1', stream: 'tcp://h1:2'}\n"
     "  - {id: b, role: reader, data: /d, rpc: 'tcp://h2:1', stream: 'tcp://h2:2'}\n",
     ""},
    {"cluster: s\nnodes:\n  - {id: a, data: d, rpc: 'ipc://a', stream: 'ipc:///s'}\n",
     "t.yaml:3:27: warning: 'ipc://a' is relative to the folder that each process starts in; "
     "write "
     "ipc:///path, from the root\n"},
};

static void sockets_folders_and_ids_belong_to_one_node(void **state)
{
    (void)state;
    expect_all(shared_things, COUNT(shared_things));
}

/* Two nodes on one machine, with their data in `first` and `second` below `folder`. `wanted`: a
 * part of the problem. */
static void expect_linked(const char *folder, const char *first, const char *second,
                          const char *wanted)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "cluster: s\nnodes:\n"
             "  - {id: a, rpc: 'tcp://h:10', stream: 'tcp://h:20', data: '%s/%s'}\n"
             "  - {id: b, role: reader, rpc: 'tcp://h:30', stream: 'tcp://h:40', data: '%s/%s'}\n",
             folder, first, folder, second);
    struct loaded it = parse(yaml);
    char *says = printed_problems(&it.problems, "t.yaml");
    if (wanted[0] == '\0')
        assert_string_equal(says, "");
    else
        assert_non_null(strstr(says, wanted));
    free(says);
    topology_problems_free(&it.problems);
}

static void links_lead_to_the_folder_or_socket_that_they_name(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_topology.XXXXXX";
    char real[64];
    char link[64];
    assert_non_null(mkdtemp(folder));
    snprintf(real, sizeof real, "%s/real", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(mkdir(real, 0700), 0);
    assert_int_equal(symlink("real", link), 0);
    expect_linked(folder, "real/a", "link/b", "");
    expect_linked(folder, "real/a", "link/a",
                  "/link/a' is the data folder of 'a' already, by a symbolic link; ");
    expect_linked(folder, "link", "real/log/x",
                  "/real/log/x' lies in the data folder of 'a', by a symbolic link; ");
    expect_linked(folder, "real/a/b", "link/a",
                  "/link/a' contains the data folder of 'a', by a symbolic link; ");
    char yaml[512];
    snprintf(yaml, sizeof yaml,
             "cluster: s\nnodes:\n"
             "  - {id: a, data: /d, rpc: 'ipc://%s/socket', stream: 'ipc://%s/socket'}\n",
             real, link);
    struct loaded it = parse(yaml);
    char *says = printed_problems(&it.problems, "t.yaml");
    assert_non_null(strstr(says, "/link/socket', the stream address of 'a', is the rpc address"));
    free(says);
    topology_problems_free(&it.problems);
    unlink(link);
    rmdir(real);
    rmdir(folder);
}

static const struct faulty timings[] = {
    {"cluster: s\nstale_after: 50ms\n" ONE_NODE,
     "t.yaml:2:14: error: stale_after is shorter than heartbeat_interval: a healthy replica "
     "would be "
     "stale between any two heartbeats; raise stale_after to at least 200ms, or send "
     "heartbeats "
     "more often\n"},
    {"cluster: s\nstale_after: 199ms\n" ONE_NODE,
     "t.yaml:2:14: error: stale_after is less than 2 heartbeat intervals: one late heartbeat "
     "would make "
     "a healthy replica stale; raise stale_after to at least 200ms, or send heartbeats "
     "more "
     "often\n"},
    {"cluster: s\nstale_after: 399ms\n" ONE_NODE,
     "t.yaml:2:14: warning: stale_after is less than 4 heartbeat intervals: evidence comes "
     "once "
     "an interval, so a healthy replica on a busy machine may flap between FRESH and STALE; "
     "raise stale_after to at least 400ms, or send heartbeats more often\n"},
    {"cluster: s\nstale_after: 400ms\n" ONE_NODE, ""},
    /* The default is told at the key that is given. */
    {"cluster: s\nheartbeat_interval: 600ms\nelection_timeout: 2s\n" ONE_NODE,
     "t.yaml:2:21: error: stale_after is less than 2 heartbeat intervals: one late heartbeat "
     "would make "
     "a healthy replica stale; raise stale_after to at least 1200ms, or send heartbeats "
     "more "
     "often\n"},
    {"cluster: s\nelection_timeout: 299ms\n" ONE_NODE,
     "t.yaml:2:19: error: election_timeout is less than 3 heartbeat intervals: late heartbeats "
     "would call "
     "elections; raise election_timeout to at least 300ms, or send heartbeats more "
     "often\n"},
    {"cluster: s\nelection_timeout: 300ms\n" ONE_NODE, ""},
    {"cluster: s\nreject_after: 1s\n" ONE_NODE,
     "t.yaml:2:15: error: reject_after is not longer than stale_after: a replica would refuse "
     "before it "
     "may say that it is stale; write never, or more than 1s\n"},
    {"cluster: s\nreject_after: 1001ms\n" ONE_NODE, ""},
    {"cluster: s\nleases: on\n" ONE_NODE,
     "t.yaml:2:9: error: leases are on without a stated bound of the clocks' drift; add "
     "'clock_drift_ppm:' and how far any two of the clocks may run apart, or switch leases "
     "off\n"},
    {"cluster: s\nclock_drift_ppm: 200\nleases: on\n" ONE_NODE, ""},
    /* Not told of a value that could not be read. */
    {"cluster: s\nheartbeat_interval: 1h\nstale_after: x\nelection_timeout: 3h\n" ONE_NODE,
     "t.yaml:3:14: error: 'x' is not a duration; write it like 500ms, 1.5s, 2m or 1h\n"
     "t.yaml:4:19: error: '3h' is out of range; 'election_timeout' is 1ms to 1h\n"},
    {"cluster: s\nlimits: {value: 4MiB}\n" ONE_NODE,
     "t.yaml:2:17: error: a value of the size that limits.value allows does not fit into "
     "limits.message; "
     "raise limits.message to at least 4160KiB\n"},
};

static void timings_that_would_mislead_are_refused_and_poor_ones_warned_of(void **state)
{
    (void)state;
    expect_all(timings, COUNT(timings));
}

static void voters_that_cannot_serve_are_refused_and_poor_sets_warned_of(void **state)
{
    (void)state;
    static const struct faulty cases[] = {
        {"cluster: s\n" ONE_NODE "    role: reader\n",
         "t.yaml:3:3: error: no node is a voter; write 'role: voter' at one node at least\n"},
        {"cluster: s\ninitial_primary: z\n" ONE_NODE,
         "t.yaml:2:18: error: initial_primary 'z' is not a node; name one of the voters\n"},
        {"cluster: s\ninitial_primary: b\n" ONE_NODE NODE("b", "701") "    role: reader\n",
         "t.yaml:2:18: error: initial_primary 'b' is a reader; name one of the voters, or make 'b' "
         "one\n"},
        {"cluster: s\n" ONE_NODE NODE("b", "701"),
         "t.yaml:3:3: warning: 2 voters survive no more failures than 1; make one a "
         "reader, or add "
         "a voter\n"},
        {"cluster: s\nfailover: automatic\n" ONE_NODE,
         "t.yaml:2:11: warning: automatic failover with 1 voter: when one is lost, no majority is "
         "left to "
         "elect; use 3 voters, or 'failover: manual'\n"},
        {"cluster: s\nfailover: automatic\n" ONE_NODE NODE("b", "701"),
         "t.yaml:2:11: warning: automatic failover with 2 voters: when one is lost, no majority is "
         "left to "
         "elect; use 3 voters, or 'failover: manual'\n"
         "t.yaml:4:3: warning: 2 voters survive no more failures than 1; make one a "
         "reader, or add "
         "a voter\n"},
        {"cluster: s\nfailover: automatic\n" THREE_NODES, ""},
        /* A role that cannot be read is not taken for a missing voter, nor an id for a missing
         * node. */
        {"cluster: s\ninitial_primary: a\n" ONE_NODE "    role: votre\n",
         "t.yaml:8:11: error: 'votre' is no choice for 'role'; did you mean 'voter'?\n"},
    };
    expect_all(cases, COUNT(cases));
}

static void every_problem_is_told_at_once_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct loaded it =
        parse("stale_after: 5\ncluster: a b\nx: 1\nnodes:\n  - id: 1\n    data: /d\n");
    char *says = printed_problems(&it.problems, "dir/t.yaml");
    assert_int_equal(it.problems.count, 5);
    assert_non_null(strstr(says, "dir/t.yaml:1:14: error: 5 has no unit; write 5ms\n"));
    for (size_t i = 1; i < it.problems.count; i++)
        assert_true(it.problems.list[i - 1].line <= it.problems.list[i].line);
    assert_string_equal(it.err.message,
                        "5 errors in the topology; the first, in line 1: 5 has no unit; write 5ms");
    free(says);
    topology_problems_free(&it.problems);
}

/* ---- limits ---- */

static char *with_nodes(size_t count)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    fprintf(to, "cluster: s\nnodes:\n");
    for (size_t i = 0; i < count; i++)
        fprintf(to,
                "  - {id: n%zu, data: d%zu, rpc: 'tcp://h:%zu', stream: 'tcp://h:%zu', role: %s}\n",
                i, i, 1000 + 10 * i, 1001 + 10 * i, i == 0 ? "voter" : "reader");
    fclose(to);
    return text;
}

static void as_many_nodes_as_the_limit_load_and_one_more_is_refused(void **state)
{
    (void)state;
    char *fits = with_nodes(LIMIT_NODES);
    char *over = with_nodes(LIMIT_NODES + 40);
    struct loaded good = parse(fits);
    struct loaded bad = parse(over);
    assert_int_equal(good.code, CANDOR_OK);
    assert_int_equal(good.problems.count, 0);
    assert_int_equal(good.topology.node_count, LIMIT_NODES);
    char *says = printed_problems(&bad.problems, "t.yaml");
    assert_string_equal(says, "t.yaml:35:5: error: too many nodes; a cluster has at most 32\n");
    free(says);
    free(fits);
    free(over);
    topology_problems_free(&good.problems);
    topology_problems_free(&bad.problems);
}

/* What is said of a file whose one node has paths of these lengths; "" when it is good. */
static void expect_lengths(size_t rpc, size_t stream, size_t data, const char *wanted)
{
    char name[2 * LIMIT_PATH_BYTES];
    char yaml[4 * LIMIT_PATH_BYTES];
    memset(name, 'x', sizeof name);
    snprintf(yaml, sizeof yaml,
             "cluster: s\nnodes:\n  - {id: a, rpc: 'ipc:///%.*s', stream: 'ipc:///%.*s', data: "
             "'/%.*s'}\n",
             (int)rpc - 1, name, (int)stream - 1, name + 1, (int)data - 1, name);
    struct loaded it = parse(yaml);
    assert_int_equal(it.problems.count, wanted[0] == '\0' ? 0 : 1);
    if (wanted[0] != '\0')
        assert_non_null(strstr(it.problems.list[0].what, wanted));
    topology_problems_free(&it.problems);
}

static void paths_that_the_kernel_would_refuse_are_refused(void **state)
{
    (void)state;
    expect_lengths(102, 97, LIMIT_PATH_BYTES - 1, "");
    expect_lengths(103, 97, 10, "gives no peer address");
    expect_lengths(108, 97, 10, "has too long a path");
    expect_lengths(125, 97, 10, "is too long");
    expect_lengths(10, 98, 10, "gives no heartbeat address");
    expect_lengths(10, 20, LIMIT_PATH_BYTES, "is too long");
}

static void a_file_over_its_limit_is_refused_unread(void **state)
{
    (void)state;
    size_t length = LIMIT_TOPOLOGY_FILE_BYTES + 1;
    char *blank = malloc(length);
    assert_non_null(blank);
    memset(blank, ' ', length);
    memcpy(blank, "cluster: s\n" ONE_NODE, sizeof("cluster: s\n" ONE_NODE) - 1);
    struct loaded it = parse_bytes(blank, length);
    char *says = printed_problems(&it.problems, "t.yaml");
    assert_string_equal(
        says, "t.yaml: error: the file is too large; a topology has at most 1048576 bytes\n");
    free(says);
    topology_problems_free(&it.problems);
    it = parse_bytes(blank, length - 1);
    assert_int_equal(it.code, CANDOR_OK);
    topology_problems_free(&it.problems);
    free(blank);
}

static void a_hostile_file_costs_no_more_than_the_limits(void **state)
{
    (void)state;
    char *keys = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&keys, &length);
    for (size_t i = 0; i < 4000; i++)
        fprintf(to, "key%zu: 1\n", i);
    fclose(to);
    struct loaded it = parse_bytes(keys, length);
    assert_int_equal(it.code, CANDOR_INVALID_ARGUMENT);
    assert_int_equal(it.problems.count, LIMIT_TOPOLOGY_PROBLEMS);
    topology_problems_free(&it.problems);
    free(keys);

    char *items = malloc(LIMIT_TOPOLOGY_FILE_BYTES);
    assert_non_null(items);
    for (size_t i = 0; i < LIMIT_TOPOLOGY_FILE_BYTES; i += 4)
        memcpy(items + i, "- a\n", 4);
    it = parse_bytes(items, LIMIT_TOPOLOGY_FILE_BYTES);
    char *says = printed_problems(&it.problems, "t.yaml");
    assert_string_equal(says, "t.yaml:10000:3: error: too many values; is this a topology?\n");
    free(says);
    topology_problems_free(&it.problems);
    free(items);
}

/* Warnings must not crowd out the errors that make the topology unusable. */
static void errors_are_told_however_many_warnings_there_are(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    size_t errors = 0;
    FILE *to = open_memstream(&text, &length);
    fprintf(to, "cluster: s\nstale_after: 300ms\nnodes:\n");
    for (size_t i = 0; i < LIMIT_NODES; i++)
        fprintf(to, "  - {id: n%zu, data: d%zu, rpc: 'ipc://r%zu', stream: 'ipc://s%zu'}\n", i, i,
                i, i >= LIMIT_NODES - 2 ? 0 : i);
    fclose(to);
    struct loaded it = parse(text);
    assert_int_equal(it.code, CANDOR_INVALID_ARGUMENT);
    for (size_t i = 0; i < it.problems.count; i++)
        errors += !it.problems.list[i].warning;
    assert_int_equal(errors, 4); /* two nodes, each with its stream and its heartbeats */
    assert_int_equal(it.problems.count - errors, LIMIT_TOPOLOGY_PROBLEMS / 2);
    assert_non_null(strstr(it.err.message, "'ipc://s0', the stream address of 'n30'"));
    topology_problems_free(&it.problems);
    free(text);
}

/* ---- what a good file means ---- */

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    struct loaded it =
        parse("cluster: s\ndurability: os\nelection_timeout: 2s\nnodes:\n"
              "  - {id: r, role: reader, data: d/r, rpc: 'ipc:///r', stream: 'ipc:///s'}\n"
              "  - {id: a, data: ../a, rpc: 'tcp://h:1', stream: 'tcp://[::1]:65534', zone: "
              "east, durability: interval}\n");
    const struct topology *t = &it.topology;
    assert_int_equal(it.code, CANDOR_OK);
    assert_string_equal(t->cluster, "s");
    assert_false(t->automatic_failover);
    assert_string_equal(t->initial_primary.text, "a");
    assert_int_equal(t->heartbeat_interval_ms, 100);
    assert_int_equal(t->stale_after_ms, 1000);
    assert_int_equal(t->reject_after_ms, 0);
    assert_int_equal(t->election_timeout_ms, 2000);
    assert_int_equal(t->writer_stall_ms, 2000);
    assert_int_equal(t->max_lag, 10000);
    assert_int_equal(t->sync_interval_ms, 100);
    assert_int_equal(t->clock_drift_ppm, 200);
    assert_int_equal(t->limit_value_bytes, LIMIT_VALUE_BYTES_DEFAULT);
    assert_int_equal(t->limit_message_bytes, LIMIT_MESSAGE_BYTES_DEFAULT);
    assert_int_equal(t->max_uncommitted, LIMIT_UNCOMMITTED_RECORDS_DEFAULT);
    assert_int_equal(t->state_bytes, LIMIT_STATE_BYTES_DEFAULT);
    assert_int_equal(t->retention_log_bytes, UINT64_C(1) << 30);
    assert_false(t->nodes[0].voter);
    assert_string_equal(t->nodes[0].peer, "ipc:///r.peer");
    assert_string_equal(t->nodes[0].heartbeat, "ipc:///s.heartbeat");
    assert_string_equal(t->nodes[0].data, "/etc/candor/d/r");
    assert_int_equal(t->nodes[0].durability, TOPOLOGY_OS);
    assert_string_equal(t->nodes[0].zone, "");
    assert_true(t->nodes[1].voter);
    assert_string_equal(t->nodes[1].peer, "tcp://h:4");
    assert_string_equal(t->nodes[1].heartbeat, "tcp://[::1]:65535");
    assert_string_equal(t->nodes[1].data, "/etc/a");
    assert_string_equal(t->nodes[1].zone, "east");
    assert_int_equal(t->nodes[1].durability, TOPOLOGY_INTERVAL);
    topology_problems_free(&it.problems);
}

static void nodes_are_found_counted_and_told_from_foreign_ones(void **state)
{
    (void)state;
    struct loaded it = parse("cluster: s\n" THREE_NODES "    role: reader\n");
    struct loaded same = parse("cluster: s\nstale_after: 1s\n" ONE_NODE);
    struct loaded other = parse("cluster: t\n" ONE_NODE);
    struct members members;
    assert_ptr_equal(topology_find(&it.topology, node_id_of("b")), &it.topology.nodes[1]);
    assert_null(topology_find(&it.topology, node_id_of("z")));
    topology_members(&it.topology, &members);
    assert_int_equal(members.count, 3);
    assert_int_equal(members_voters(&members), 2);
    assert_int_equal(members_find(&members, node_id_of("c"))->store_id, 0);
    assert_true(topology_hash(&it.topology) == topology_hash(&same.topology));
    assert_true(topology_hash(&it.topology) != topology_hash(&other.topology));
    topology_problems_free(&it.problems);
    topology_problems_free(&same.problems);
    topology_problems_free(&other.problems);
}

static void expect_round_trip(const struct topology *topology)
{
    char *yaml = written(topology);
    struct loaded again = parse(yaml);
    if (again.code != CANDOR_OK || memcmp(topology, &again.topology, sizeof *topology) != 0)
        print_message("%s\n%s", again.err.message, yaml);
    assert_int_equal(again.code, CANDOR_OK);
    assert_memory_equal(topology, &again.topology, sizeof *topology);
    topology_problems_free(&again.problems);
    free(yaml);
}

static void what_is_written_loads_as_the_same(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "cluster: s\n" ONE_NODE,
        "cluster: s\nfailover: automatic\ninitial_primary: b\nheartbeat_interval: "
        "1ms\nstale_after: 1.5s\n"
        "reject_after: 90m\nelection_timeout: 77ms\nwriter_stall: 3m\nmax_lag: 0\ndurability: "
        "interval\n"
        "sync_interval: 7ms\nclock_drift_ppm: 0\nleases: on\nlimits: {value: 3B, message: 1MiB, "
        "max_uncommitted: 9, "
        "state: 1.5TiB}\nretention: {log: 0}\n" THREE_NODES "    zone: x\n    durability: os\n",
        /* Words that YAML would take for something else. */
        "cluster: 'null'\nnodes:\n  - {id: '-', data: \"/d \\\" \\\\ # : \\u00e4\", zone: '...', "
        "rpc: "
        "'tcp://h:1', stream: 'ipc:///a \"b\" #c'}\n",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct loaded it = parse(cases[i]);
        assert_int_equal(it.code, CANDOR_OK);
        expect_round_trip(&it.topology);
        topology_problems_free(&it.problems);
    }
}

/* ---- files ---- */

static void every_example_loads_without_a_problem(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t nodes;
        uint32_t voters;
    } examples[] = {{"examples/topologies/single.yaml", 1, 1},
                    {"examples/topologies/primary-replica.yaml", 2, 1},
                    {"examples/topologies/three.yaml", 3, 3},
                    {"examples/topologies/five-with-readers-over-two-zones.yaml", 9, 5}};
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct loaded it = {0};
        struct members members;
        char path[1024];
        it.code = topology_load(project_path(examples[i].path, path), &it.topology, &it.problems,
                                &it.err);
        topology_problems_print(&it.problems, path, stderr);
        assert_int_equal(it.code, CANDOR_OK);
        assert_int_equal(it.problems.count, 0);
        topology_members(&it.topology, &members);
        assert_int_equal(members.count, examples[i].nodes);
        assert_int_equal(members_voters(&members), examples[i].voters);
        expect_round_trip(&it.topology);
        topology_problems_free(&it.problems);
    }
}

static void files_that_cannot_be_read_say_why(void **state)
{
    (void)state;
    struct loaded it = {0};
    it.code = topology_load("/nowhere/t.yaml", &it.topology, &it.problems, &it.err);
    assert_int_equal(it.code, CANDOR_NOT_FOUND);
    assert_string_equal(it.err.message, "/nowhere/t.yaml: No such file or directory");
    assert_int_equal(it.problems.count, 0);
    it.code = topology_load("/tmp", &it.topology, &it.problems, &it.err);
    assert_int_equal(it.code, CANDOR_INVALID_ARGUMENT);
    assert_string_equal(it.err.message, "/tmp: Is a directory");
    topology_problems_free(&it.problems);
}

static void relative_data_paths_start_at_the_files_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/candor-topology-XXXXXX";
    char path[64];
    char wanted[64];
    struct loaded it = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.yaml", folder);
    snprintf(wanted, sizeof wanted, "%s/data/a", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("cluster: s\nnodes:\n  - {id: a, data: data/a, rpc: 'tcp://h:1', stream: 'tcp://h:2'}\n",
          file);
    fclose(file);
    it.code = topology_load(path, &it.topology, &it.problems, &it.err);
    assert_int_equal(it.code, CANDOR_OK);
    assert_string_equal(it.topology.nodes[0].data, wanted);
    topology_problems_free(&it.problems);
    unlink(path);
    rmdir(folder);
}

static void the_documented_keys_are_those_of_the_table(void **state)
{
    (void)state;
    char path[1024];
    char *reference = NULL;
    size_t length = 0;
    char *document = file_text(project_path("docs/topology.md", path));
    FILE *to = open_memstream(&reference, &length);
    topology_reference(to);
    fclose(to);
    assert_true(length > 1000);
    if (strstr(document, reference) == NULL)
        fail_msg("docs/topology.md does not hold what topology_reference() prints:\n%s", reference);
    free(reference);
    free(document);
}

/* ---- the picture ---- */

static size_t columns_of(const char *line, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

/* Every line of a box ends in the same column. */
static void expect_aligned(const char *picture)
{
    size_t width = 0;
    size_t lines = 0;
    for (const char *line = picture; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        bool of_box =
            strncmp(line, "┌", 3) == 0 || strncmp(line, "│", 3) == 0 || strncmp(line, "└", 3) == 0;
        if (of_box) {
            size_t columns = columns_of(line, length);
            assert_true(width == 0 || width == columns);
            width = columns;
            lines++;
        }
        line += length + (line[length] == '\n');
    }
    assert_true(lines >= 6);
}

static void the_picture_shows_zones_roles_and_what_the_timings_mean(void **state)
{
    (void)state;
    struct loaded it = parse("cluster: shop\ninitial_primary: b\n" THREE_NODES
                             "    role: reader\n    zone: a-zone-with-a-rather-long-name\n");
    char *picture = drawn(&it.topology);
    expect_aligned(picture);
    assert_non_null(strstr(picture, "shop: 2 voters, 1 reader\n"));
    assert_non_null(strstr(picture, "┌─ no zone ─"));
    assert_non_null(strstr(picture, "┌─ a-zone-with-a-rather-long-name ─"));
    assert_non_null(strstr(picture, "│ * b  voter   rpc        tcp://127.0.0.1:7010 "));
    assert_non_null(strstr(picture, "│   c  reader  rpc        tcp://127.0.0.1:7020 "));
    assert_non_null(strstr(picture, "a replica cut off says stale after 1 s (+ up to 100 ms)\n"));
    free(picture);
    topology_problems_free(&it.problems);
}

/* ---- hostile hands ---- */

struct text {
    char bytes[8192];
    size_t length;
};

static void replace(struct text *text, size_t at, size_t removed, const char *bytes, size_t added)
{
    if (text->length - removed + added > sizeof text->bytes)
        return;
    memmove(text->bytes + at + added, text->bytes + at + removed, text->length - at - removed);
    memcpy(text->bytes + at, bytes, added);
    text->length = text->length - removed + added;
}

/* What a fuzzed topology gets. */
static const char *const fuzz_words[] = {
    "\n",
    "  ",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "\"",
    "'",
    "!!str ",
    "? ",
    "| \n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML",
    "#",
    "\t",
    "null",
    "~",
    "never",
    "99999999",
    "0",
    "-1",
    "1e9",
    "ms",
    "KiB",
    "tcp://",
    "ipc://",
    "ws://",
    "[::1]:1",
    ":65535",
    "\\0",
    "\\e",
    "\xff",
    "\xc2",
    "\xe2\x80\xa8",
    "<<: ",
    "nodes:\n",
    "  - id: a\n",
    "limits: {value: 1B}\n",
    "..",
    "/../",
    "reader",
    "automatic",
    "stale_after: 1h\n",
    "data: ",
    "zone: \"\xc3\xa4\"\n",
};

static void mutate(struct text *text, struct rng *rng)
{
    char copy[256];
    size_t at = rng_below(rng, text->length + 1);
    size_t left = text->length - at;
    size_t span = rng_below(rng, (left < sizeof copy ? left : sizeof copy) + 1);
    char byte = (char)rng_next(rng);
    const char *word = fuzz_words[rng_below(rng, COUNT(fuzz_words))];
    memcpy(copy, text->bytes + at, span);
    switch (rng_below(rng, 6)) {
    case 0: /* one byte becomes another */
        replace(text, at, left > 0, &byte, 1);
        break;
    case 1:
        replace(text, at, span, "", 0);
        break;
    case 2: /* a piece moves or is repeated elsewhere */
        replace(text, rng_below(rng, text->length + 1), 0, copy, span);
        break;
    case 3:
        replace(text, at, span % 16, word, strlen(word));
        break;
    default:
        replace(text, at, 0, word, strlen(word));
    }
}

/* Whatever the bytes: a verdict, printable problems in order; and what loads survives being
 * written. */
static bool survives(const struct text *text)
{
    struct loaded it = parse_bytes(text->bytes, text->length);
    char *says = printed_problems(&it.problems, "t.yaml");
    for (const char *p = says; *p != '\0'; p++)
        assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
    bool good = it.code == CANDOR_OK;
    if (good) {
        expect_round_trip(&it.topology);
        char *picture = drawn(&it.topology);
        expect_aligned(picture);
        free(picture);
    } else {
        assert_int_equal(it.code, CANDOR_INVALID_ARGUMENT);
        assert_true(it.problems.count > 0);
    }
    free(says);
    topology_problems_free(&it.problems);
    return good;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

/* CANDOR_SEED and CANDOR_MUTATIONS repeat or lengthen the run. */
static void no_mutation_of_a_file_crashes_or_goes_unanswered(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "examples/topologies/single.yaml", "examples/topologies/primary-replica.yaml",
        "examples/topologies/three.yaml",
        "examples/topologies/five-with-readers-over-two-zones.yaml"};
    uint64_t seed = from_environment("CANDOR_SEED", 1);
    uint64_t rounds = from_environment("CANDOR_MUTATIONS", 20000);
    uint64_t good = 0;
    struct text originals[COUNT(seeds)];
    struct rng rng;
    rng_seed(&rng, seed);
    print_message("CANDOR_SEED=%" PRIu64 " CANDOR_MUTATIONS=%" PRIu64 " test_topology\n", seed,
                  rounds);
    for (size_t i = 0; i < COUNT(seeds); i++) {
        char path[1024];
        char *text = file_text(project_path(seeds[i], path));
        originals[i].length = strlen(text);
        assert_true(originals[i].length <= sizeof originals[i].bytes);
        memcpy(originals[i].bytes, text, originals[i].length);
        free(text);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        struct text text = originals[rng_below(&rng, COUNT(seeds))];
        for (uint64_t changes = 1 + rng_below(&rng, 6); changes > 0; changes--)
            mutate(&text, &rng);
        good += survives(&text);
    }
    /* A loop in which all were refused early, or none, would have shown nothing. */
    assert_in_range(good, rounds / 100, rounds - rounds / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_no_yaml_is_told_at_its_place),
        cmocka_unit_test(keys_that_are_unknown_twice_or_missing_are_told),
        cmocka_unit_test(values_of_the_wrong_kind_are_told_with_the_right_one),
        cmocka_unit_test(addresses_that_peers_cannot_dial_are_refused_with_the_reason),
        cmocka_unit_test(sockets_folders_and_ids_belong_to_one_node),
        cmocka_unit_test(links_lead_to_the_folder_or_socket_that_they_name),
        cmocka_unit_test(timings_that_would_mislead_are_refused_and_poor_ones_warned_of),
        cmocka_unit_test(voters_that_cannot_serve_are_refused_and_poor_sets_warned_of),
        cmocka_unit_test(every_problem_is_told_at_once_in_the_order_of_the_file),
        cmocka_unit_test(as_many_nodes_as_the_limit_load_and_one_more_is_refused),
        cmocka_unit_test(paths_that_the_kernel_would_refuse_are_refused),
        cmocka_unit_test(a_file_over_its_limit_is_refused_unread),
        cmocka_unit_test(a_hostile_file_costs_no_more_than_the_limits),
        cmocka_unit_test(errors_are_told_however_many_warnings_there_are),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(nodes_are_found_counted_and_told_from_foreign_ones),
        cmocka_unit_test(what_is_written_loads_as_the_same),
        cmocka_unit_test(every_example_loads_without_a_problem),
        cmocka_unit_test(files_that_cannot_be_read_say_why),
        cmocka_unit_test(relative_data_paths_start_at_the_files_folder),
        cmocka_unit_test(the_documented_keys_are_those_of_the_table),
        cmocka_unit_test(the_picture_shows_zones_roles_and_what_the_timings_mean),
        cmocka_unit_test(no_mutation_of_a_file_crashes_or_goes_unanswered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
