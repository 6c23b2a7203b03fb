/* Scenarios that a person wrote: commands, and what every node did then (tests/sim/scenarios).
 *
 *   main.c        options; one file after another: compare, or write anew
 *   script.c      a file's comments, commands and expected lines
 *   words.c       a command line, taken apart
 *   commands.c    what can be said, and about what: nodes, network, disks
 *   cluster.c     the cluster: its settings, its founding
 *   operations.c  what clients and operators ask for, by name; the wait for the answer
 *   writes.c      clients that write
 *   reads.c       clients that read
 *   awaits.c      clients that ask later what became of a write
 *   orders.c      operators
 *   watch.c       what a node did, as a line
 *   phrases.c     positions, records and messages in words
 *
 * It runs in the simulator's world, with its disks, network and judges: a scenario that breaks an
 * invariant fails. But nothing is left to chance: a message takes `latency`, an fsync takes
 * `fsync`, and nothing is lost unless a command says so.
 * One thread. */
#ifndef TRANSCRIPT_TRANSCRIPT_H
#define TRANSCRIPT_TRANSCRIPT_H

#include "sim.h"

enum {
    NAME_BYTES = 16,
    MOST_OPERATIONS = 256,
    MOST_VALUES = 4096,
    MOST_WORDS = 16,
    LINE_BYTES = 512,
};

/* ---- A command line (words.c) ---------------------------------------------------------------- */

struct words {
    char text[LINE_BYTES];
    uint32_t count;
    char *list[MOST_WORDS]; /* NULL: taken */
    char error[LINE_BYTES]; /* "": none */
};

/* What is wrong with the line; the first one stays. */
__attribute__((format(printf, 2, 3))) void words_wrong(struct words *words, const char *format,
                                                       ...);
void words_split(struct words *words, const char *line);
const char *words_next(struct words *words, const char *what); /* "" when there is none */
bool words_flag(struct words *words, const char *word);
const char *words_after(struct words *words, const char *word);  /* as in "at a"; NULL: not there */
const char *words_option(struct words *words, const char *name); /* as in "ack=all"; NULL */
/* A duration such as 500ms or 2s. */
uint64_t words_duration_ns(struct words *words, const char *text);
uint64_t words_number(struct words *words, const char *text);
/* Which of the names, ended by NULL. */
uint32_t words_choice(struct words *words, const char *text, const char *const *names);
void words_end(struct words *words); /* nothing is left */

/* ---- The transcript -------------------------------------------------------------------------- */

enum operation_kind {
    OPERATION_WRITE,
    OPERATION_FILL,
    OPERATION_READ,
    OPERATION_ORDER,
    OPERATION_AWAIT,
    OPERATION_KINDS
};

struct operation {
    char name[NAME_BYTES]; /* w1, r2, o3 */
    enum operation_kind kind;
    uint64_t ticket; /* of the attempt or wait that is open; FILL: the first of them */
    uint32_t node;
    bool open;
    struct request *request; /* WRITE */
    char text[NAME_BYTES];   /* WRITE: the value */
    struct read *read;
    uint32_t key;              /* READ */
    uint64_t deadline_ns;      /* READ, AWAIT: on the node's clock */
    uint64_t value;            /* READ: the number of the write that it shows; 0: there is none */
    uint64_t count;            /* FILL: how many there are */
    uint64_t left;             /* and are not answered yet */
    struct candor_pos last;    /* FILL: the newest that was answered */
    struct candor_pos awaited; /* AWAIT */
    enum candor_ack ack;       /* AWAIT: for which level */
};

struct seen { /* of a node, in the lines so far */
    enum candor_role role;
    enum candor_state state;
    bool accepts_writes;
    bool admitted;
    struct candor_epoch saved;
    uint64_t stored;
    uint64_t staged;   /* published, and to be stored (R68) */
    uint64_t answered; /* of a group of writes, which one line shows: up to which write */
    struct candor_node_id successor;
    struct candor_node_id relay; /* through whom it hears its primary */
    enum candor_cut_off cut_off;
    uint64_t differs[SIM_NODES]; /* as its heartbeats say: since where; 0: they do not */
};

enum shown { SHOW_STREAM = 1, SHOW_LIVES = 2, SHOW_LOG = 4 };

struct transcript {
    struct watcher watcher; /* first: world->watcher points here */
    struct world *world;
    struct buffer out;
    uint32_t shown;
    bool quiet; /* while a cluster is founded */
    struct seen seen[SIM_NODES];
    struct operation operations[MOST_OPERATIONS];
    uint32_t operation_count;
    uint32_t counts[OPERATION_KINDS]; /* of operations, by kind */
    char keys[SIM_KEYS][NAME_BYTES];
    uint32_t key_count;
    char values[MOST_VALUES][NAME_BYTES]; /* by the number of the write */
    char sessions[SIM_CLIENTS][NAME_BYTES];
    uint32_t session_count;
    uint64_t born_ns;
};

struct transcript *transcript_of(struct world *world);

/* commands.c. False: the command is wrong, and words->error says what. */
bool command_run(struct transcript *transcript, struct words *words);
void transcript_run_for(struct transcript *transcript, uint64_t ns);
uint32_t node_named(struct transcript *transcript, struct words *words, const char *name);
void transcript_status(struct transcript *transcript);

/* cluster.c */
void do_cluster(struct transcript *transcript, struct words *words);

/* operations.c */
struct operation *operation_new(struct transcript *transcript, struct words *words,
                                enum operation_kind kind, uint32_t node);
struct operation *operation_named(struct transcript *transcript, struct words *words,
                                  const char *name);
uint32_t key_named(struct transcript *transcript, struct words *words, const char *name);
/* SIM_CLIENTS, who is nobody's session: none was named. */
uint32_t session_named(struct transcript *transcript, struct words *words);
/* The node that is meant; at() takes "at NODE" from the words. */
uint32_t node_at(struct transcript *transcript, struct words *words);
struct node *node_up(struct transcript *transcript, struct words *words, uint32_t index);
struct node *node_awake(struct transcript *transcript, struct words *words, uint32_t index);
void say_answer(struct transcript *transcript, const struct operation *operation, const char *text);
void say_error(struct transcript *transcript, const struct operation *operation,
               enum candor_code code, enum candor_reason reason, struct candor_pos pos);
/* What was just asked for takes place; and is waited for, unless the command ended with "&". */
void finish_command(struct transcript *transcript, const struct operation *operation, bool later);
void operation_wait(struct transcript *transcript, struct words *words);
void operation_cancel(struct transcript *transcript, struct words *words);
void operation_finished(struct world *world, struct node *node, const struct ticket *ticket,
                        const struct core_action_finish *finish);
void operation_lost(struct world *world, struct node *node, const struct ticket *ticket);

/* writes.c */
void operation_put(struct transcript *transcript, struct words *words, bool deletes);
void operation_fill(struct transcript *transcript, struct words *words);
void operation_retry(struct transcript *transcript, struct words *words);
void operation_reuse(struct transcript *transcript, struct words *words);
void write_finished(struct transcript *transcript, struct operation *operation,
                    const struct node *node, const struct core_action_finish *finish);
void fill_finished(struct transcript *transcript, struct operation *operation,
                   const struct core_action_finish *finish);

/* reads.c */
void operation_get(struct transcript *transcript, struct words *words);
void read_finished(struct transcript *transcript, struct operation *operation, struct node *node,
                   const struct core_action_finish *finish);

/* awaits.c */
void operation_await(struct transcript *transcript, struct words *words);
void await_told(struct transcript *transcript, struct operation *operation, struct node *node,
                const struct core_action_finish *finish);

/* orders.c */
void operation_promote(struct transcript *transcript, struct words *words);
void operation_accept(struct transcript *transcript, struct words *words);
void operation_transfer(struct transcript *transcript, struct words *words);
void operation_voter(struct transcript *transcript, struct words *words);
void order_finished(struct transcript *transcript, struct operation *operation,
                    const struct core_action_finish *finish);

/* watch.c */
void watch_started(struct world *world, struct node *node);
void watch_stepped(struct world *world, struct node *node, const struct core_event *event);
void watch_acts(struct world *world, struct node *node, const struct core_action *action);
void watch_served(struct world *world, struct node *node, uint32_t caller,
                  const struct core_msg *msg);
void watch_archived(struct world *world, struct node *node, uint64_t seq);
/* Of each node that is up, after time has passed. */
void watch_states(struct transcript *transcript);
/* "   1203  a>b   what": when, who, what. */
__attribute__((format(printf, 3, 4))) void say(struct transcript *transcript, const char *who,
                                               const char *format, ...);
__attribute__((format(printf, 3, 4))) void say_to(struct transcript *transcript, const char *who[2],
                                                  const char *format, ...);
__attribute__((format(printf, 2, 3))) void say_line(struct transcript *transcript,
                                                    const char *format, ...);

/* phrases.c: each returns `out`, or a text that stays. */
#define PHRASE_BYTES 256
char *phrase_ms(const struct transcript *transcript, uint64_t ns, char out[PHRASE_BYTES]);
/* The records of a node's disk: "g1.t1.a:2..4 (x=1, y=2, del x)". */
char *phrase_records(const struct transcript *transcript, const struct disk *disk, uint64_t first,
                     uint64_t last, char out[PHRASE_BYTES]);
char *phrase_data(const struct transcript *transcript, const struct disk *disk,
                  char out[PHRASE_BYTES]);
/* 0, 0: there are none. */
void batches_range(struct slice batches, uint64_t *first, uint64_t *last);
char *phrase_freshness(const struct core_freshness *fresh, char out[PHRASE_BYTES]);
char *phrase_message(const struct transcript *transcript, const struct core_msg *msg,
                     char out[PHRASE_BYTES]);

/* script.c: runs the file's commands. `before`: the file; `after`: with what the nodes did now.
 * Both are the caller's to free. False: a line is wrong, or breaks an invariant; stderr says so. */
bool script_run(struct transcript *transcript, const char *path, struct buffer *before,
                struct buffer *after);

#endif
