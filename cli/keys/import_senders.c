/* Threads of an import: each fills one batch while another of its own is in flight. */
#include "cli/keys/import_senders.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"

#define OVERHEAD_BYTES 32 /* of one operation in a message, at most */

struct span {
    size_t at;
    size_t length;
};

/* Operations of one message. */
struct load {
    struct buffer bytes;
    size_t count;
    struct span keys[CANDOR_BATCH_OPS_MAX];
    struct span values[CANDOR_BATCH_OPS_MAX];
    uint64_t ttls_ms[CANDOR_BATCH_OPS_MAX];
    uint64_t first_line;
    uint64_t last_line;
};

struct sender {
    struct import_senders *all;
    pthread_t thread;
    bool started;
    struct load *filling; /* reader's */
    struct load *sending; /* thread's while `full` */
    bool full;            /* under all->lock, as all below */
};

struct import_senders {
    struct candor_client *client;
    struct import_options options;
    struct sender sender[IMPORT_SENDERS_MAX];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending;
    struct import_outcome outcome;
};

/* ---- Sending ---- */

static void send_load(struct import_senders *senders, const struct load *load)
{
    struct candor_op *ops = calloc(load->count, sizeof *ops);
    ASSERT(ops != NULL);
    for (size_t i = 0; i < load->count; i++) {
        ops[i].key =
            (struct candor_bytes){load->bytes.bytes + load->keys[i].at, load->keys[i].length};
        ops[i].value =
            (struct candor_bytes){load->bytes.bytes + load->values[i].at, load->values[i].length};
        ops[i].ttl_ms = load->ttls_ms[i];
    }
    struct candor_result result;
    enum candor_code code =
        candor_batch(senders->client, ops, load->count, &senders->options.write, &result);
    candor_result_free(&result);
    free(ops);

    pthread_mutex_lock(&senders->lock);
    if (code == CANDOR_OK) {
        senders->outcome.acknowledged += load->count;
        if (candor_pos_compare(&result.last, &senders->outcome.last) > 0)
            senders->outcome.last = result.last;
    } else if (!senders->outcome.failed) {
        senders->outcome.failed = true;
        senders->outcome.failed_first = load->first_line;
        senders->outcome.failed_last = load->last_line;
        senders->outcome.failure = result;
    }
    pthread_mutex_unlock(&senders->lock);
}

static void *run_sender(void *argument)
{
    struct sender *sender = argument;
    struct import_senders *senders = sender->all;
    pthread_mutex_lock(&senders->lock);
    for (;;) {
        while (!sender->full && !senders->ending)
            pthread_cond_wait(&senders->changed, &senders->lock);
        if (!sender->full)
            break;
        bool dropped = senders->outcome.failed; /* nothing is sent behind a failure */
        pthread_mutex_unlock(&senders->lock);
        if (!dropped)
            send_load(senders, sender->sending);
        pthread_mutex_lock(&senders->lock);
        sender->full = false;
        pthread_cond_broadcast(&senders->changed);
    }
    pthread_mutex_unlock(&senders->lock);
    return NULL;
}

/* ---- Filling ---- */

static void clear_load(struct load *load)
{
    buffer_clear(&load->bytes);
    load->count = 0;
}

/* Hands what is filled to the sender's thread, once that is idle. */
static void hand_over(struct sender *sender)
{
    struct import_senders *senders = sender->all;
    if (sender->filling->count == 0)
        return;
    pthread_mutex_lock(&senders->lock);
    while (sender->full)
        pthread_cond_wait(&senders->changed, &senders->lock);
    struct load *idle = sender->sending;
    sender->sending = sender->filling;
    sender->filling = idle;
    sender->full = true;
    pthread_cond_broadcast(&senders->changed);
    pthread_mutex_unlock(&senders->lock);
    clear_load(sender->filling);
}

void import_senders_put(struct import_senders *senders, uint64_t line, struct candor_bytes key,
                        struct candor_bytes value, uint64_t ttl_ms)
{
    struct sender *sender =
        &senders->sender[crc32c(0, key.data, key.length) % senders->options.senders];
    size_t wanted = key.length + value.length + OVERHEAD_BYTES;
    size_t used = sender->filling->bytes.length + sender->filling->count * OVERHEAD_BYTES;
    if (sender->filling->count == senders->options.batch_ops ||
        (sender->filling->count > 0 && used + wanted > senders->options.batch_bytes))
        hand_over(sender);
    struct load *load = sender->filling;
    size_t n = load->count++;
    load->keys[n] = (struct span){load->bytes.length, key.length};
    buffer_put(&load->bytes, key.data, key.length);
    load->values[n] = (struct span){load->bytes.length, value.length};
    buffer_put(&load->bytes, value.data, value.length);
    load->ttls_ms[n] = ttl_ms;
    if (n == 0)
        load->first_line = line;
    load->last_line = line;
}

bool import_senders_failed(struct import_senders *senders, uint64_t *acknowledged)
{
    pthread_mutex_lock(&senders->lock);
    bool failed = senders->outcome.failed;
    *acknowledged = senders->outcome.acknowledged;
    pthread_mutex_unlock(&senders->lock);
    return failed;
}

/* ---- From start to end ---- */

static bool start_thread(struct import_senders *senders, struct sender *sender)
{
    sender->all = senders;
    sender->filling = calloc(1, sizeof *sender->filling);
    sender->sending = calloc(1, sizeof *sender->sending);
    ASSERT(sender->filling != NULL && sender->sending != NULL);
    sender->started = pthread_create(&sender->thread, NULL, run_sender, sender) == 0;
    return sender->started;
}

/* Ends the threads; what stands in no batch yet is lost. */
static void stop(struct import_senders *senders)
{
    pthread_mutex_lock(&senders->lock);
    senders->ending = true;
    pthread_cond_broadcast(&senders->changed);
    pthread_mutex_unlock(&senders->lock);
    for (size_t i = 0; i < senders->options.senders; i++) {
        struct sender *sender = &senders->sender[i];
        if (sender->started)
            pthread_join(sender->thread, NULL);
        if (sender->filling != NULL)
            buffer_free(&sender->filling->bytes);
        if (sender->sending != NULL)
            buffer_free(&sender->sending->bytes);
        free(sender->filling);
        free(sender->sending);
    }
    pthread_cond_destroy(&senders->changed);
    pthread_mutex_destroy(&senders->lock);
}

struct import_senders *import_senders_start(struct candor_client *client,
                                            const struct import_options *options)
{
    struct import_senders *senders = calloc(1, sizeof *senders);
    ASSERT(senders != NULL);
    ASSERT_U64(options->senders, <=, IMPORT_SENDERS_MAX);
    senders->client = client;
    senders->options = *options;
    pthread_mutex_init(&senders->lock, NULL);
    pthread_cond_init(&senders->changed, NULL);
    bool started = true;
    for (size_t i = 0; started && i < options->senders; i++)
        started = start_thread(senders, &senders->sender[i]);
    if (started)
        return senders;
    stop(senders);
    free(senders);
    return NULL;
}

void import_senders_end(struct import_senders *senders, struct import_outcome *out)
{
    for (size_t i = 0; i < senders->options.senders; i++)
        hand_over(&senders->sender[i]);
    stop(senders);
    *out = senders->outcome;
    free(senders);
}
