/* A history: what clients asked of a cluster and what they were told, one JSON object a line
 * (docs/histories.md).
 *
 * Threads: no shared state. Ownership: history_free() by whoever holds the struct; operations point
 * into it by number. Errors: CANDOR_INVALID_ARGUMENT with "file:line: what is wrong". Out of memory
 * stops the process. */
#ifndef CHECK_HISTORY_H
#define CHECK_HISTORY_H

#include <stdio.h>

#include "base/types.h"
#include "candor/status.h"
#include "check/strings.h"

#define HISTORY_FILES_MAX 1024
#define HISTORY_LINE_BYTES_MAX (4u << 20)
#define HISTORY_ABSENT 0 /* as a value: there is no such key */

enum history_kind { HISTORY_GET, HISTORY_PUT, HISTORY_DELETE, HISTORY_CAS, HISTORY_INCREMENT };

enum history_outcome {
    HISTORY_OK,
    HISTORY_FAIL,    /* certainly not executed */
    HISTORY_UNKNOWN, /* it may or may not have happened, or happen later */
};

enum history_level {
    HISTORY_NO_LEVEL, /* not a read */
    HISTORY_EVENTUAL,
    HISTORY_BOUNDED,
    HISTORY_SESSION,
    HISTORY_LINEARIZABLE,
};

/* What an answer said of its own age. */
struct history_freshness {
    bool given;
    bool stale;
    bool has_heartbeat_age;
    bool has_bound;
    bool bound_counts_call; /* what passed since the request was sent was added to it */
    uint32_t node;          /* in strings */
    uint32_t state;
    uint64_t term;
    uint64_t heartbeat_age_ms;
    uint64_t bound_ms;
    uint64_t applied_seq;
};

struct history_op {
    uint32_t file; /* in files */
    size_t line;
    uint32_t process; /* these five: in strings */
    uint32_t session; /* 0: none */
    uint32_t key;
    uint32_t value;    /* read, written, or left behind; HISTORY_ABSENT */
    uint32_t expected; /* CAS; HISTORY_ABSENT: that there be no such key */
    uint32_t found;    /* CAS that did not swap: what was there */
    enum history_kind kind;
    enum history_outcome outcome;
    enum history_level level;
    enum candor_ack ack; /* CANDOR_ACK_NONE: not a write */
    uint64_t invoke_ns;
    uint64_t complete_ns; /* of an UNKNOWN one: when its client gave up */
    int64_t delta;        /* INCREMENT */
    int64_t number;       /* INCREMENT, OK: what it left */
    bool swapped;         /* CAS, OK */
    bool tells_found;     /* CAS that did not swap: `found` is given */
    bool session_lost;
    bool has_pos;     /* of the write; of a read: of the state that was read */
    bool rolled_back; /* a node archived this position */
    struct candor_pos pos;
    uint64_t mod_seq; /* read: seq of the write that it saw; 0: not given */
    struct history_freshness freshness;
};

struct history {
    struct strings strings;
    const char *files[HISTORY_FILES_MAX]; /* not owned */
    uint32_t file_count;
    struct history_op *ops; /* in the order of the lines */
    size_t count;
    size_t capacity;
    uint64_t stale_after_ms;        /* 0: not stated */
    struct candor_pos *rolled_back; /* sorted once finished */
    size_t rolled_back_count;
    size_t rolled_back_capacity;
};

/* Adds the lines of `in`; `name` is kept and must outlive the history. */
enum candor_code history_read(struct history *history, FILE *in, const char *name,
                              struct candor_error *err);
/* After the last history_read(): marks what was rolled back. */
void history_finish(struct history *history);
void history_free(struct history *history); /* leaves it empty and usable */

/* Whether `op` changed its key: OK and a write, a swap or an increment. */
bool history_wrote(const struct history_op *op);
/* `op` for people, one line without its end. */
void history_print(const struct history *history, const struct history_op *op, FILE *out);

#endif
