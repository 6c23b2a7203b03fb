/* Shared by the files of this folder alone: the table of keys, a topology while it is being loaded,
 * and the texts of problems. One thread. */
#ifndef TOPOLOGY_INTERNAL_H
#define TOPOLOGY_INTERNAL_H

#include <yaml.h>

#include "base/address.h"
#include "base/foreign_text.h"
#include "topology/topology.h"

/* Where a key may stand. */
enum section { SECTION_CLUSTER, SECTION_LIMITS, SECTION_RETENTION, SECTION_NODE };
#define SECTION_COUNT 4

enum kind {
    KIND_NAME,              /* [A-Za-z0-9._-], kept zero-padded */
    KIND_DURATION,          /* kept in milliseconds */
    KIND_DURATION_OR_NEVER, /* "never" is kept as 0 */
    KIND_SIZE,              /* kept in bytes */
    KIND_COUNT,
    KIND_CHOICE, /* kept as its place among the choices */
    KIND_ADDRESS,
    KIND_PATH,    /* kept absolute */
    KIND_SECTION, /* a mapping with keys of its own */
    KIND_NODES    /* the list of nodes */
};

enum need {
    NEED_VALUE,   /* the file must give it */
    NEED_DEFAULT, /* `fallback` is taken as if it had been written */
    NEED_DERIVED, /* worked out from other keys; `fallback` says how, in words */
    NEED_NOTHING  /* stays empty */
};

/* How the value of a running cluster may change; docs/topology.md explains each. */
enum change {
    CHANGE_ROLLING,  /* node after node */
    CHANGE_OWN,      /* while the one node is stopped */
    CHANGE_VOTER,    /* by `kvctl voter`, then here */
    CHANGE_NODES,    /* nodes come and go in an order of their own */
    CHANGE_STOPPED,  /* while all nodes are stopped */
    CHANGE_FOUNDING, /* has no effect any more */
    CHANGE_NEVER,
    CHANGE_INSIDE /* each key inside says it */
};

struct key {
    enum section section;
    const char *name;
    enum kind kind;
    enum need need;
    size_t offset; /* of the field in struct topology or struct topology_node */
    size_t size;   /* of the field */
    uint64_t min;  /* of numbers */
    uint64_t max;
    const char *const *choices; /* ends with NULL */
    enum section inside;        /* of a KIND_SECTION */
    const char *fallback;
    enum change change;
    const char *doc;
};

/* The truth about what a file may say, in the order in which it is written and documented. */
#define KEY_COUNT 31
extern const struct key topology_keys[KEY_COUNT];

const struct key *key_find(enum section section, const char *name); /* NULL when there is none */
const char *section_title(enum section section); /* "limits"; "" for the cluster's own */
/* The value as a file would have it, for people and for topology_write(). Returns `out`. */
#define VALUE_TEXT_BYTES (2 * LIMIT_PATH_BYTES + 16) /* a path with every byte escaped */
char *value_text(const struct key *key, const void *base, char out[VALUE_TEXT_BYTES]);
/* "10ms to 1h"; "" when the kind says it all. Returns `out`. */
char *range_text(const struct key *key, char out[VALUE_TEXT_BYTES]);

/* A key's place in the file and what became of it. Positions count from 1. */
enum given { GIVEN_NOT, GIVEN_WELL, GIVEN_BADLY };
struct place {
    uint32_t line;
    uint32_t column;
    enum given given;
};

struct draft {
    struct topology *topology;
    struct topology_problems *problems;
    const char *folder;             /* that of the file */
    size_t error_count;             /* kept or not */
    size_t warning_count;           /* kept or not */
    struct topology_problem unkept; /* takes the texts of problems beyond the limit */
    struct place whole;
    struct place keys[KEY_COUNT]; /* outside nodes */
    struct place node[LIMIT_NODES];
    struct place node_keys[LIMIT_NODES][KEY_COUNT];
};

/* A new problem at `at`, for the caller to fill in with problems_say(). */
struct topology_problem *problems_report(struct draft *draft, struct place at);
struct topology_problem *problems_warn(struct draft *draft, struct place at);
void problems_sort(struct topology_problems *problems);

#define SAY_BYTES 256
__attribute__((format(printf, 2, 3))) void problems_say(char out[SAY_BYTES], const char *format,
                                                        ...);

/* The key of `section` that `name` may have meant; NULL when none is near. */
const struct key *nearest_key(enum section section, const char *name);

/* Reads a scalar into key's field of `base`. False: `why` says what is wrong and what would be
 * right. */
bool value_read(const struct key *key, const char *text, const char *folder, void *base,
                struct topology_problem *why);

/* `text` below `folder` when it is relative; without "." , ".." and doubled slashes. False when too
 * long. */
bool path_resolve(const char *folder, const char *text, char out[LIMIT_PATH_BYTES]);

/* `path`, an absolute one that path_resolve() gave, with the symbolic links of its part that exists
 * followed. */
void path_follow(const char *path, char out[LIMIT_PATH_BYTES]);

/* What is listened at, in one spelling. Returns `out`. */
#define ENDPOINT_BYTES (LIMIT_PATH_BYTES + 32)
char *address_endpoint(const char *text, char out[ENDPOINT_BYTES]);
/* Whether two of these may be one socket: they are equal, or "localhost" is the other's number. */
bool address_endpoints_clash(const char *a, const char *b);
/* Whether two addresses are surely on one machine. */
bool address_same_host(const char *a, const char *b);
/* An address that follows from another one of the node: its port + `step`, or its path + ".name".
 * False when there is no such address: `why` asks for the key `name`. */
bool address_beside(const char *address, uint32_t step, const char *name,
                    char out[LIMIT_ADDRESS_BYTES], struct topology_problem *why);

static inline struct place place_of(yaml_mark_t mark)
{
    return (struct place){.line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
}

/* The steps of a load, in their order; each reports what it finds wrong. */
void draft_defaults(struct draft *draft); /* outside nodes */
void draft_read(struct draft *draft, const char *bytes,
                size_t length); /* parses, then calls draft_load() */
void draft_load(struct draft *draft, yaml_document_t *document); /* then derives and checks */
/* Fills what the file left out and follows from the rest, then checks what no single key can
 * show. */
void draft_derive(struct draft *draft);
void draft_check(struct draft *draft);

#endif
