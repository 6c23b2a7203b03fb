/* A command that does not exist: which one was meant. */
#include "cli/frame/context.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define COMMANDS_MAX 128
#define NAME_BYTES 64

/* What users of etcdctl, redis-cli and consul write for it. */
static const struct {
    const char *word;
    const char *hint;
} foreign_words[] = {
    {"set", "`kvctl put KEY VALUE` writes a key"},
    {"setnx", "`kvctl cas KEY --expect-absent VALUE` writes a key that is not there"},
    {"getset", "`kvctl cas KEY --expect VALUE NEW` writes a key that has this value"},
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
    {"dbsize", "`kvctl scan --count-only` counts the keys"},
    {"kv", "write `kvctl get`, `put`, `del` or `scan`, without `kv`"},
    {"pttl", "`kvctl ttl KEY` says how long a key will still be there"},
    {"expireat", "`kvctl expire KEY DURATION` counts from now on"},
    {"pexpire", "`kvctl expire KEY DURATION` gives a key a TTL"},
    {"setex", "`kvctl put KEY VALUE --ttl DURATION` writes a key that ends"},
    {"lease", "`kvctl put KEY VALUE --ttl DURATION` writes a key that ends"},
    {"multi", "`kvctl txn` does several operations as one, and asks for them line by line"},
    {"exec", "`kvctl txn` does several operations as one, and asks for them line by line"},
    {"flushall", "`kvctl help del` says how a range of keys is deleted"},
    {"flushdb", "`kvctl help del` says how a range of keys is deleted"},
    {"delrange", "`kvctl help del` says how a range of keys is deleted"},
    {"msetnx", "`kvctl txn` writes several keys if some are not there: absent(KEY)"},
    {"ctx", "`kvctl context` gives clusters names"},
    {"profile", "`kvctl context` gives clusters names"},
    {"htop", "`kvctl top` shows the nodes, live and sorted"},
    {"dashboard", "`kvctl top` shows the nodes, live and sorted"},
    {"hset", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"hget", "a value is bytes; `kvctl get KEY` reads one"},
    {"lpush", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"sadd", "a value is bytes; `kvctl put KEY VALUE` writes one"},
    {"lock", "`kvctl cas KEY --expect-absent VALUE` takes a lock that nobody holds"},
    {"subscribe", "`kvctl watch PREFIX` shows what happens to keys"},
    {"psubscribe", "`kvctl watch PREFIX` shows what happens to keys"},
    {"monitor", "`kvctl watch` shows what happens to keys, `kvctl top` to nodes"},
    {"elect", "`kvctl cas KEY --expect-absent VALUE` takes a lock that nobody holds"},
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
    {"select", "`kvctl context use NAME` means another cluster from now on"},
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

int command_mistyped(struct command_context *ctx, const char *family, const char *word)
{
    char room[NAME_BYTES];
    char hint[160];
    const char *foreign = family == NULL ? foreign_hint(word) : NULL;
    if (family != NULL && strcmp(family, "member") == 0)
        foreign =
            "`kvctl member ls` lists the nodes; `kvctl help voter` says how voters are changed";
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
