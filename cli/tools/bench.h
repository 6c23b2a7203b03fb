/* kvctl bench, in parts: cmd_bench.c reads the options and runs it, bench_keys.c writes and deletes
 * the keys, bench_draw.c says what a caller does next and bench_call.c makes a call of it,
 * bench_async.c and bench_blocking.c are the two kinds of callers, bench_processes.c runs several
 * processes of them, bench_report.c tells.
 *
 * Open loop (--rate): operation n is due at begun + n/rate whatever became of those before it, and
 * its latency counts from then. So an operation that a slow answer held up is as late as its user
 * would have seen it ("coordinated omission"). */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <candor/async.h>

#include "base/limits.h"
#include "base/rng.h"
#include "cli/frame/node_call.h"
#include "cli/tools/histogram.h"

#define BENCH_PREFIX "bench:"
#define BENCH_CODES 17
#define BENCH_CALLERS_MAX 10000 /* of a process */
#define BENCH_PROCESSES_MAX 64
#define BENCH_BATCH_MAX 1024   /* keys of a message */
#define BENCH_SLICES_MAX 36000 /* of --timeline; what comes later counts to the last one */

enum bench_op {
    BENCH_GET,
    BENCH_PUT,
    BENCH_MIXED,
    BENCH_SCAN,
    BENCH_TXN,
    BENCH_LAG,
    BENCH_LOAD,
    BENCH_CLEAN,
};

/* What has been asked for. */
struct bench_work {
    enum bench_op op;
    const char *name; /* of op */
    enum candor_read_level level;
    enum candor_ack ack;
    uint64_t max_staleness_ms;
    uint64_t callers; /* of one process */
    uint64_t processes;
    uint64_t keys;
    uint64_t key_bytes;
    uint64_t value_bytes;
    uint64_t batch;
    uint64_t reads_percent; /* mixed */
    uint64_t rate;          /* of one process, messages a second; 0: closed loop */
    uint64_t duration_ns;
    uint64_t slice_ns; /* of the timeline; 0: none */
    uint32_t deadline_ms;
    bool zipf;
    bool blocking;
};

/* What one process has counted. In memory that processes share; any thread adds. */
struct bench_tally {
    struct histogram reads;
    struct histogram writes;
    atomic_uint_fast64_t ops; /* keys read or written, pages, transactions */
    atomic_uint_fast64_t stale;
    atomic_uint_fast64_t missing;
    atomic_uint_fast64_t elsewhere; /* answered by another node than the target */
    atomic_uint_fast64_t unsent;    /* open loop: due, and not sent before the end */
    atomic_uint_fast64_t errors[BENCH_CODES];
    uint64_t begun_wall_ms;
    uint64_t took_ns;
    struct candor_error error; /* why it could not begin */
    atomic_uint_least32_t done[BENCH_SLICES_MAX];
    atomic_uint_least32_t failed[BENCH_SLICES_MAX];
};

/* Draws of Zipf's distribution (theta 0.99, as YCSB's), the frequent keys strewn over all. */
struct bench_zipf {
    double zeta;
    double alpha;
    double eta;
};

/* Where the requests go. */
struct bench_place {
    struct node_target target;
    /* of blocking callers: the target, then the others */
    char endpoints[LIMIT_NODES][CANDOR_ADDRESS_BYTES];
    size_t endpoint_count;
};

struct bench {
    struct bench_work work;
    struct bench_place place;
    struct bench_zipf zipf;
    uint8_t *value;
    struct bench_tally *tally;
    uint64_t seed; /* another in each process */

    /* While it runs. */
    uint64_t begun_ns;
    atomic_bool stopping;
    atomic_uint_fast64_t issued; /* open loop */
};

/* ---- bench_draw.c ---- */

/* What a caller sends next. */
struct bench_draw {
    struct rng rng;
    bool is_write;
    size_t count;              /* of keys */
    struct candor_bytes *keys; /* room for batch, at least 2 */
    struct candor_op *ops;     /* likewise */
    uint8_t *room;
};

void bench_zipf_init(struct bench_zipf *zipf, uint64_t keys);
void bench_draw_init(struct bench_draw *draw, const struct bench *bench, uint64_t caller);
void bench_draw_free(struct bench_draw *draw);
void bench_draw_next(struct bench_draw *draw, const struct bench *bench);
/* Key number n; `out` has room for key_bytes + 1. */
void bench_key(const struct bench_work *work, uint64_t n, char *out);

/* The clock of a run starts; and stops: nothing is claimed any more. */
void bench_begin(struct bench *bench);
void bench_end(struct bench *bench);
/* Whether it is not over yet: the time, but at least until one was answered, or its deadline. */
bool bench_goes_on(const struct bench *bench);
/* When the next operation is due: `now` in the closed loop. False: none is due yet, or no more. */
bool bench_claim(struct bench *bench, uint64_t now_ns, uint64_t *due_ns);
/* Open loop: the next operation, due or not; its caller waits for it. False: no more. */
bool bench_take(struct bench *bench, uint64_t *due_ns);
/* When the next one will be; UINT64_MAX: never. */
uint64_t bench_next_due_ns(struct bench *bench);
/* Of a message that was due at due_ns and is answered now. */
void bench_count(struct bench *bench, const struct bench_draw *draw, uint64_t due_ns,
                 const struct candor_result *result);
void bench_pause_ns(uint64_t ns);

/* ---- bench_call.c ---- */

enum bench_call_kind {
    BENCH_CALL_GET,
    BENCH_CALL_MGET,
    BENCH_CALL_SCAN,
    BENCH_CALL_PUT,
    BENCH_CALL_BATCH,
    BENCH_CALL_TXN,
};

/* The arguments of a call. Not to be copied: it points into itself. */
struct bench_call {
    const struct bench_draw *draw;
    enum bench_call_kind kind;
    struct candor_bytes value;
    struct candor_read_options read;
    struct candor_write_options write;
    struct candor_range range;
    struct candor_compare there;
    struct candor_txn_op txn_ops[2];
    struct candor_txn txn;
};

void bench_call_make(struct bench_call *call, const struct bench_draw *draw,
                     const struct bench *bench);
void bench_call_wait(const struct bench_call *call, struct candor_client *client,
                     struct candor_result *result);
enum candor_code bench_call_submit(const struct bench_call *call, struct candor_client *client,
                                   const struct candor_sink *sink, struct candor_error *err);
/* For the place of the benchmark. False: the tally has the error. */
bool bench_open_client(struct bench *bench, struct candor_client **out);

/* ---- Callers: each runs until the duration is over or ^C, and fills the tally ---- */

void bench_run_async(struct bench *bench);
void bench_run_blocking(struct bench *bench);

/* ---- bench_processes.c ---- */

struct bench_processes;

/* Before this process uses the library: children could not use it afterwards. They wait. */
struct bench_processes *bench_processes_fork(struct bench *bench);
/* Lets them run, each with a tally, and adds these up. */
void bench_processes_run(struct bench_processes *processes, struct bench *bench);
/* Ends those that still wait. NULL is fine. */
void bench_processes_free(struct bench_processes *processes);

/* ---- bench_keys.c ---- */

/* Whether none of the keys is there; else, and after a failure, *status after a report. */
bool bench_none_there(struct command_context *ctx, int *status);
/* Writes the keys from the first; stops at ^C. *made: those that may be there now. False after a
 * report. */
bool bench_load(struct command_context *ctx, const struct bench *bench, uint64_t *made,
                int *status);
/* Waits until the target has what was loaded. */
void bench_await_keys(struct command_context *ctx, const struct bench *bench);
/* Deletes the first `made` keys. */
bool bench_unload(struct command_context *ctx, const struct bench *bench, uint64_t made,
                  int *status);
/* Deletes all keys that look like those of a benchmark. */
bool bench_clean(struct command_context *ctx, uint64_t *deleted, int *status);

/* ---- bench_report.c ---- */

void bench_report_json(struct command_context *ctx, const struct bench *bench);
void bench_report_text(const struct bench *bench);
uint64_t bench_failed(const struct bench_tally *tally);

#endif
