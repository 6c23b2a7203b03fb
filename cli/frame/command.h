/* What a kvctl command is, and what the framework does for it.
 *
 * A command lives in cli/<group>/cmd_<name>.c as one `const struct command command_<name>` and is
 * listed in cli/frame/commands.def. The framework parses options (the common ones for every
 * command), prints --help, and turns errors into messages and exit statuses; the command gets its
 * operands alone.
 *
 * Rules for a command:
 * - It returns a status; it never calls exit(): `kvctl shell` runs many commands in one process.
 * - What the user asked for goes to stdout, notes and errors to stderr. Under -o json stdout is
 *   JSON alone: build one json_t and give it to output_json(); text is rendered from the same
 *   values.
 * - An error says what is wrong and what to do: report_*().
 * Threads: the main thread only, unless a function says otherwise. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <candor/status.h>
#include <jansson.h>

#include "base/base64.h"
#include "base/nearest.h"

struct command_defaults;
struct candor_client;    /* candor/client.h */
struct candor_freshness; /* candor/client.h */
struct candor_result;    /* candor/client.h */
struct topology;         /* topology/topology.h */
struct topology_node;

/* ---- Statuses -------------------------------------------------------------------------------- */

enum command_status {
    EXIT_DONE = 0,
    EXIT_OTHER = 1,       /* anything without a number of its own */
    EXIT_NOT_FOUND = 1,   /* no such key, node, archive ... */
    EXIT_USAGE = 2,       /* wrong usage or bad input: repeating it cannot help */
    EXIT_INTEGRITY = 3,   /* what is stored is not what was put there, or differs between nodes */
    EXIT_REDIRECTED = 4,  /* refused with a redirect, under --no-redirect */
    EXIT_UNAVAILABLE = 5, /* nobody answered in time, or nobody may answer now */
    /* What is there does not allow it: lost against another write or a rollback, or a state that
     * the command cannot start from. */
    EXIT_CONFLICT = 6,
    /* the file of --session cannot be written; the message says whether the command was done */
    EXIT_SESSION = 7,
};

/* ---- A command ------------------------------------------------------------------------------- */

/* --name, and -letter when not 0. `argument` NULL: a flag. `repeat`: may be given more than once
 * (otherwise the second one is a usage error). A list ends with a zero entry. */
struct option_spec {
    const char *name; /* without the dashes */
    char letter;
    /* "FILE"; "a|b|c" is checked and completed as a choice; "NODE" completes node ids, "FILE" and
     * "DIR" paths. */
    const char *argument;
    bool repeat;
    const char *help; /* one sentence, no full stop; wrapped by the framework */
};

/* In the order of `kvctl --help`. */
enum command_group {
    GROUP_KEYS,    /* Reading and writing */
    GROUP_CLUSTER, /* Looking at a cluster */
    GROUP_OPERATE, /* Operating a cluster */
    GROUP_LOCAL,   /* Running a cluster on this machine */
    GROUP_TOOLS,   /* Tools */
    GROUP_COUNT
};

struct command_context;

struct command {
    const char *name; /* "get"; two words for one of a family: "rollback ls" */
    enum command_group group;
    const char *args;    /* operands as help shows them: "KEY...", "NODE", ""; [X] is optional */
    const char *summary; /* one line for the list, no full stop */
    const char *description; /* paragraphs apart by "\n\n"; wrapped by the framework */
    /* Lines "kvctl get k\tWhat it shows\n"; the part behind the tab may be missing. NULL: the
     * command's name, for one without operands. */
    const char *examples;
    const struct option_spec *options; /* its own; NULL: none */
    bool local; /* talks to no cluster: of the common options only -o and --quiet apply */
    /* it calls context_find_place() itself, if it asks a cluster at all */
    bool places_itself;
    /* its effect cannot be taken back, or ends something: never suggested for a misspelt word */
    bool careful;
    int min_args; /* operands; fewer or more are a usage error before run() */
    int max_args; /* -1: any number */
    /* argv[0..argc-1] are the operands, in order; what followed `--` too. */
    int (*run)(struct command_context *ctx, int argc, char **argv);
};

/* Every command, by group, in the order of the help. Ends with NULL. cli/frame/commands.def names
 * them. */
extern const struct command *const commands[];
/* The options that every command takes. Ends with a zero entry. */
extern const struct option_spec common_options[];

/* ---- Options --------------------------------------------------------------------------------- */

/* By long name. A name that the command does not have is a bug and stops the process. */
bool option_given(const struct command_context *ctx, const char *name);
const char *option_text(const struct command_context *ctx,
                        const char *name); /* the last one; NULL: not given */
size_t option_count(const struct command_context *ctx, const char *name);
const char *option_nth(const struct command_context *ctx, const char *name, size_t n);
/* Parsed; `out` keeps its value (the default) when not given. False after a usage error was
 * reported: return EXIT_USAGE. */
bool option_duration_ms(struct command_context *ctx, const char *name, uint64_t *out_ms);
bool option_size_bytes(struct command_context *ctx, const char *name, uint64_t *out_bytes);
bool option_number(struct command_context *ctx, const char *name, uint64_t min, uint64_t max,
                   uint64_t *out);

/* ---- The cluster ----------------------------------------------------------------------------- */

const struct command *context_command(const struct command_context *ctx);
bool context_json(const struct command_context *ctx);  /* -o json */
bool context_quiet(const struct command_context *ctx); /* --quiet: no notes */
/* --deadline, or `otherwise`. */
uint64_t context_deadline_ms(const struct command_context *ctx, uint64_t otherwise);
/* Which cluster that is: place.h says in which order is looked. */
/* Looks for it, for a command that places itself. False after a report. */
bool context_find_place(struct command_context *ctx);
/* --node, as given; NULL: not given. */
const char *context_node(const struct command_context *ctx);
/* The addresses to ask without a topology; 0: there is one. */
size_t context_endpoints(const struct command_context *ctx, const char *const **out);
/* Whether a list of addresses ("a,b") is one; false after a report, in which `source` says where it
 * stands. */
bool endpoints_check(struct command_context *ctx, const char *source, const char *list);
/* What the shell that runs the command was given. */
const struct command_defaults *context_defaults(const struct command_context *ctx);
/* The first of them; NULL: none. */
const char *context_endpoint(const struct command_context *ctx);

/* The topology. Loaded once; its warnings are not printed. NULL after an error was reported, with
 * the status in *status (which may be NULL). With addresses to ask and no --topology there is none:
 * NULL, and *status is EXIT_DONE. Lives as long as the context. */
const struct topology *context_topology(struct command_context *ctx, int *status);
/* The file it came from; NULL before context_topology(), or without one. */
const char *context_topology_path(const struct command_context *ctx);
/* Where to reach one node: `node` (NULL: --node, else the first of the addresses, else the
 * topology's initial primary). NULL after an error was reported (an unknown node with the nearest
 * one). */
const char *context_address(struct command_context *ctx, const char *node, int *status);
/* A client for what the options say: all nodes of the topology; with --endpoint or --node those to
 * begin with. Redirects are followed unless the command has a --no-redirect and it was given.
 * NULL after an error was reported. Opened once; closed by the framework. */
struct candor_client *context_client(struct command_context *ctx, int *status);

/* ---- Output ---------------------------------------------------------------------------------- */

/* Prints one line of JSON to stdout and drops the reference. Keys keep their order. */
void output_json(struct command_context *ctx, json_t *value);
/* What `print` writes, as a JSON string. */
json_t *output_captured(void (*print)(FILE *to));
/* A note on stderr, "kvctl: ...": nothing under --quiet or -o json. */
__attribute__((format(printf, 2, 3))) void output_note(struct command_context *ctx,
                                                       const char *format, ...);
/* Whether `stream` may get colours: a tty, and neither NO_COLOR nor TERM=dumb. */
bool output_colours(FILE *stream);
/* Whether `stream` is a terminal that a screen can be drawn on. */
bool output_screen(FILE *stream);
/* From now on `stream` (NULL: none) counts as a terminal: what is written to it goes to one later,
 * as a whole. One at a time. */
void output_pretend(FILE *stream, int columns, bool colours);
/* Columns of the terminal that `stream` is; 0: it is none, and lines may have any length. */
int output_columns(FILE *stream);
/* Prints a line; on a terminal it breaks between words, and what follows is indented. Escape
 * sequences count as no column. */
__attribute__((format(printf, 2, 3))) void output_line(FILE *stream, const char *format, ...);

/* A table: cells are copied, columns aligned (numbers to the right), a header in bold on a tty.
 * On a terminal that is too narrow for it each row becomes a paragraph of `COLUMN cell` pairs. */
struct table;
enum table_align { TABLE_LEFT, TABLE_RIGHT };
enum table_colour { TABLE_PLAIN, TABLE_GOOD, TABLE_WARN, TABLE_BAD, TABLE_DIM };
struct table *table_new(void);
void table_column(struct table *table, const char *header, enum table_align align);
__attribute__((format(printf, 3, 4))) void
table_cell(struct table *table, enum table_colour colour, const char *format,
           ...); /* the next cell; rows follow by themselves */
/* Columns that it takes when no row is broken. */
int table_width(const struct table *table);
void table_print(const struct table *table, FILE *to);
void table_free(struct table *table);

/* ---- Errors ---------------------------------------------------------------------------------- */

/* All print `kvctl: <command>: <what>; <what to do>` to stderr and return the exit status. Under -o
 * json, instead, one line
 * {"error":{"command","code","reason","message","hint","primary","endpoint","freshness"}} is
 * printed when the command has ended: the first error, with those that followed in a list "more".
 * It stands beside the document on stdout where a part of the command was done. An answer that
 * broke a promise adds "violation": with no error {"violation"} is the whole line, and the exit
 * status that of the command. `hint` (what to do) may be NULL. */
__attribute__((format(printf, 3, 4))) int report_usage(struct command_context *ctx,
                                                       const char *hint, const char *format,
                                                       ...); /* EXIT_USAGE */
/* What to do about a topology that topology_load() refuses with `code`. */
const char *topology_hint(enum candor_code code);
int report_error(struct command_context *ctx, const struct candor_error *error, const char *hint);
/* With what the reply said: the redirect and Freshness. */
int report_result(struct command_context *ctx, const struct candor_error *error,
                  const struct candor_result *result, const char *hint);
int status_of(const struct candor_error *error);
/* Prints now what -o json has put off. */
void report_flush(struct command_context *ctx);

/* ---- JSON pieces ----------------------------------------------------------------------------- */

/* Sets `name` to a string, or `name`_b64 to base64 when the bytes are not UTF-8 (or hold a NUL). */
void json_set_bytes(json_t *object, const char *name, const void *bytes, size_t length);
/* An integer; beyond 2^63 - 1 it stays there. */
json_t *json_u64(uint64_t value);
/* The object of a read's "freshness". */
json_t *json_freshness(const struct candor_freshness *freshness);
/* A list of the rungs of a read's ladder that were not met:
 * {"code","reason","waited_ms","staleness_bound_ms"}. */
json_t *json_missed(const struct candor_result *result);
/* "1h2m", "350ms": ages for people, two units at most. Returns `out`. */
#define AGE_TEXT_BYTES 32
char *age_text(uint64_t ms, char out[AGE_TEXT_BYTES]);

/* Takes standard input for this command. False after a report: it was taken already, or is that of
 * the shell's own lines. */
bool input_take(struct command_context *ctx, int *status);
/* Whether somebody gives something there, and nobody has taken it: a pipe, a file, a socket. */
bool input_is_piped(const struct command_context *ctx);
/* Whole of a file, or of stdin for "-"; a limit of `limit_bytes`. Malloc'd, terminated; NULL after
 * a report. */
uint8_t *read_whole_file(struct command_context *ctx, const char *path, size_t limit_bytes,
                         size_t *out_length, int *status);

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* Between begin and end ^C and SIGTERM set a flag instead of ending the process; none is set
 * outside of them. May not nest. */
void interrupt_begin(void);
void interrupt_end(void);
bool interrupt_seen(void);
/* Waits until `fd` (-1: nothing) can be read. False: it was interrupted, before or meanwhile, or
 * `until_ns` of clock_boot_ns() has come. */
bool interrupt_wait(int fd, uint64_t until_ns);

/* ---- Running commands ------------------------------------------------------------------------ */

/* Common options that hold where a command line gives none (the shell's `use`); NULLs: none. */
struct command_defaults {
    const char *topology;
    const char *endpoints; /* a list, checked */
    const char *context;
    const char *node;
    bool json;
    bool owns_input; /* standard input holds command lines */
};

/* Runs one command line without the program's name: {"get", "k"}. argv[argc] is NULL; argv may be
 * permuted. */
int command_execute(const struct command_defaults *defaults, int argc, char **argv);
/* Asks on the terminal; true for "y" or "yes", or when `yes` is set. Without a terminal: a usage
 * error (EXIT_USAGE in *status) that names --yes. A no gives EXIT_OTHER. */
bool command_confirm(struct command_context *ctx, bool yes, const char *question, int *status);

/* The command that argv begins with; *words is how many words its name took. NULL: none. */
const struct command *command_find(int argc, char **argv, int *words);

/* ---- The run directory of `kvctl up` (run_directory.c) --------------------------------------- */

#define RUN_PATH_BYTES 1024
/* $XDG_RUNTIME_DIR/candor, else /tmp/candor-$UID: made (0700) if missing, and refused when it
 * belongs to somebody else. False: *err says why. A cluster's run directory is <base>/<cluster>. */
bool run_base(char out[RUN_PATH_BYTES], struct candor_error *err);
/* <base>/last-topology holds the absolute path of the topology that was started last. `kvctl up`
 * remembers it; `kvctl down` of all nodes forgets it when it is the remembered one. */
bool run_remember_topology(const char *path, struct candor_error *err);
bool run_forget_topology(const char *path);
bool run_last_topology(char out[RUN_PATH_BYTES]); /* false: none */

#endif
