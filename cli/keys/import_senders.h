/* Writes in batches, several in flight: what `kvctl import` has read.
 *
 * Operations go into senders by the hash of their key; a sender has one batch in flight. So two
 * writes of one key keep the order of the file, and different keys do not wait for each other.
 * Threads: one, and beside it the senders' own. */
#ifndef CLI_IMPORT_SENDERS_H
#define CLI_IMPORT_SENDERS_H

#include <candor/client.h>

#define IMPORT_SENDERS_MAX 32

struct import_options {
    size_t senders; /* 1 to IMPORT_SENDERS_MAX */
    size_t batch_ops;
    size_t batch_bytes;
    struct candor_write_options write;
};

/* What became of it. */
struct import_outcome {
    uint64_t acknowledged;  /* operations */
    struct candor_pos last; /* newest position acknowledged */
    bool failed;
    uint64_t failed_first; /* lines of the batch that failed first */
    uint64_t failed_last;
    struct candor_result failure;
};

struct import_senders;

/* NULL: no threads. The client must outlive it. */
struct import_senders *import_senders_start(struct candor_client *client,
                                            const struct import_options *options);
/* Copies the operation, of line `line`; waits while its sender has a batch filled and one in
 * flight. */
void import_senders_put(struct import_senders *senders, uint64_t line, struct candor_bytes key,
                        struct candor_bytes value, uint64_t ttl_ms);
/* Whether a batch has failed: nothing is sent behind it. */
bool import_senders_failed(struct import_senders *senders, uint64_t *acknowledged);
/* Sends what is left, waits for all, frees. */
void import_senders_end(struct import_senders *senders, struct import_outcome *out);

#endif
