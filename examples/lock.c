/* A lock with a TTL, and the sheet of paper that it guards: no count is lost on it.
 *
 *     example-lock --right --seconds 10 --endpoint tcp://127.0.0.1:7000 --endpoint ... (one for
 *     each node)
 *
 * Workers take the lock, read the number on the sheet, and write the next one. Now and then one
 * falls asleep while it holds the lock, for longer than the TTL: then another holds it, and the
 * sleeper does not know. No lock with a TTL can prevent that, whatever store it is kept in.
 *
 * --right: the sheet is told the mod_seq under which the lock was taken, and refuses a lower one
 * than it has seen (a fencing token: each taking has a higher one). --wrong: the sheet takes
 * whatever comes, and the steps that lost a count. Exit status 0: kept; 1: broken, with the
 * reason. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "story.h"

#define LOCK "lock/sheet"

enum { WORKERS = 4, TTL_MS = 300, SLEEP_ONE_IN = 8, REPORT_MS = 500 };

/* What the lock guards: not in the store, as a file or a printer would not be. */
struct sheet {
    pthread_mutex_t lock;
    bool fenced;
    uint64_t newest_token;
    uint64_t number;
    uint64_t refused;
};

/* False: a newer holder has been here. */
static bool sheet_admits(struct sheet *sheet, uint64_t token)
{
    bool late = sheet->fenced && token < sheet->newest_token;
    sheet->refused += late;
    if (!late)
        sheet->newest_token = token;
    return !late;
}

static bool sheet_read(struct sheet *sheet, uint64_t token, uint64_t *out)
{
    pthread_mutex_lock(&sheet->lock);
    bool admitted = sheet_admits(sheet, token);
    *out = sheet->number;
    pthread_mutex_unlock(&sheet->lock);
    return admitted;
}

static bool sheet_write(struct sheet *sheet, uint64_t token, uint64_t number)
{
    pthread_mutex_lock(&sheet->lock);
    bool admitted = sheet_admits(sheet, token);
    if (admitted)
        sheet->number = number;
    pthread_mutex_unlock(&sheet->lock);
    return admitted;
}

struct office {
    struct story story;
    struct sheet sheet;
    atomic_bool closed;
    atomic_uint_fast64_t written;
    atomic_uint_fast64_t slept;
};

struct worker {
    struct office *office;
    size_t number;
    struct candor_client *client;
    uint64_t attempts;
    char name[64]; /* of this attempt: nobody else writes it */
    pthread_t thread;
};

/* ---- The lock -------------------------------------------------------------------------------- */

/* The token of whoever holds it under this name; 0: nobody does. */
static uint64_t token_of(struct candor_client *client, const char *name)
{
    struct candor_read_options options = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result result;
    uint64_t token = 0;
    if (candor_get(client, candor_text(LOCK), &options, &result) == CANDOR_OK &&
        result.items[0].found && result.items[0].value.length == strlen(name) &&
        memcmp(result.items[0].value.data, name, strlen(name)) == 0)
        token = result.items[0].mod_seq;
    candor_result_free(&result);
    return token;
}

/* Returns the fencing token; 0: another holds the lock. MAJORITY: two may not hold it because a
 * failover took one of the writes back. */
static uint64_t take(struct candor_client *client, const char *name, uint64_t ttl_ms)
{
    struct candor_expect nobody = {.kind = CANDOR_EXPECT_ABSENT};
    struct candor_write_options options = {.ack = CANDOR_ACK_MAJORITY, .ttl_ms = ttl_ms};
    struct candor_result result;
    enum candor_code code =
        candor_cas(client, candor_text(LOCK), &nobody, candor_text(name), &options, &result);
    uint64_t token = code == CANDOR_OK && result.succeeded ? result.last.seq : 0;
    bool unknown = result.error.reason == CANDOR_REASON_OUTCOME_UNKNOWN;
    candor_result_free(&result);
    return unknown ? token_of(client, name) : token;
}

/* Only if it is still ours: a holder whose time was over must not let go of another's lock. */
static void let_go(struct candor_client *client, uint64_t token)
{
    struct candor_compare ours = {
        .key = candor_text(LOCK), .target = CANDOR_COMPARE_MOD_SEQ, .number = token};
    struct candor_txn_op remove = {.kind = CANDOR_TXN_DELETE, .key = candor_text(LOCK)};
    struct candor_txn txn = {
        .compares = &ours, .compare_count = 1, .then_ops = &remove, .then_count = 1};
    struct candor_result result;
    (void)candor_txn(client, &txn, NULL, &result); /* else its time ends it */
    candor_result_free(&result);
}

/* ---- Right ----------------------------------------------------------------------------------- */

static void work(struct worker *worker)
{
    struct office *office = worker->office;
    uint64_t number;
    snprintf(worker->name, sizeof worker->name, "worker %zu, %" PRIu64 " at %" PRIu64,
             worker->number, ++worker->attempts, story_now_ms());
    uint64_t token = take(worker->client, worker->name, TTL_MS);
    if (token == 0) {
        story_pause_ms(10);
        return;
    }
    if (sheet_read(&office->sheet, token, &number)) {
        bool sleeps = worker->attempts % SLEEP_ONE_IN == 0;
        if (sleeps)
            story_pause_ms(2 * TTL_MS);
        atomic_fetch_add(&office->slept, sleeps);
        if (sheet_write(&office->sheet, token, number + 1))
            atomic_fetch_add(&office->written, 1);
    }
    let_go(worker->client, token);
}

static void *working(void *closure)
{
    struct worker *worker = closure;
    while (!atomic_load(&worker->office->closed))
        work(worker);
    return NULL;
}

static int run_right(struct office *office)
{
    struct worker workers[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){
            .office = office, .number = i, .client = story_client(&office->story, i)};
        if (pthread_create(&workers[i].thread, NULL, working, &workers[i]) != 0)
            story_fail("no thread for a worker");
    }
    while (!story_over(&office->story)) {
        printf("so far: %" PRIuFAST64 " counts\n", atomic_load(&office->written));
        story_pause_ms(REPORT_MS);
    }
    atomic_store(&office->closed, true);
    uint64_t violations = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        violations += candor_client_violations(workers[i].client);
        candor_client_close(workers[i].client);
    }
    uint64_t written = atomic_load(&office->written);
    if (office->sheet.number != written || violations > 0) {
        printf("BROKEN: the sheet says %" PRIu64 ", %" PRIu64 " were written; %" PRIu64
               " violations\n",
               office->sheet.number, written, violations);
        return STORY_BROKEN;
    }
    printf("kept: %" PRIu64 " counts, none lost; %" PRIuFAST64
           " slept longer than their lock, and the sheet refused %" PRIu64 " late hands\n",
           written, atomic_load(&office->slept), office->sheet.refused);
    return STORY_KEPT;
}

/* ---- Wrong ----------------------------------------------------------------------------------- */

static uint64_t must_take(struct office *office, const char *name)
{
    uint64_t end_ms = story_now_ms() + STORY_CALL_MS;
    uint64_t token;
    while ((token = take(office->story.client, name, TTL_MS)) == 0 && story_now_ms() < end_ms)
        story_pause_ms(10);
    if (token == 0)
        story_fail("%s never got the lock", name);
    printf("%s has the lock, under mod_seq %" PRIu64 "\n", name, token);
    return token;
}

static int run_wrong(struct office *office)
{
    struct sheet *sheet = &office->sheet;
    uint64_t ann_sees;
    uint64_t ben_sees;
    uint64_t ann = must_take(office, "ann");
    (void)sheet_read(sheet, ann, &ann_sees);
    printf("ann reads %" PRIu64 " from the sheet, and falls asleep\n", ann_sees);
    uint64_t ben = must_take(office, "ben");
    printf("  (ann's time was over: the primary has deleted her lock)\n");
    (void)sheet_read(sheet, ben, &ben_sees);
    (void)sheet_write(sheet, ben, ben_sees + 1);
    printf("ben reads %" PRIu64 " and writes %" PRIu64 "\n", ben_sees, ben_sees + 1);
    (void)sheet_write(sheet, ann, ann_sees + 1);
    printf("ann wakes up and writes %" PRIu64 "\n", ann_sees + 1);
    printf("BREAKS: it overwrites ben's, whom ann has not seen: the sheet did not ask for her "
           "mod_seq %" PRIu64 ", which is lower than ben's %" PRIu64 "\n",
           ann, ben);
    let_go(office->story.client, ben);
    if (sheet->number == ann_sees + 2)
        return STORY_KEPT;
    printf("BROKEN: two have counted, and the sheet says %" PRIu64 "\n", sheet->number);
    return STORY_BROKEN;
}

int main(int argc, char **argv)
{
    static struct office office = {.sheet = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    story_open(&office.story, argc, argv);
    office.sheet.fenced = !office.story.wrong;
    int status = office.story.wrong ? run_wrong(&office) : run_right(&office);
    story_close(&office.story);
    return status;
}
