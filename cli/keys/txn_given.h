/* A transaction as the user gives it: as JSON, or line by line. */
#ifndef CLI_TXN_GIVEN_H
#define CLI_TXN_GIVEN_H

#include <candor/client.h>

#include "cli/frame/command.h"

/* Everything that `txn` points to is in `root`, or in `owned`. */
struct txn_given {
    struct command_context *ctx;
    json_t *root; /* NULL: no JSON */
    struct candor_txn txn;
    struct candor_compare *compares;
    struct candor_txn_op *ops[2]; /* then, else */
    uint8_t **owned;
    size_t owned_count;
};

/* Makes the bytes (NULL: none) those of the transaction. */
void txn_own(struct txn_given *given, uint8_t *bytes);
void txn_given_free(struct txn_given *given);

/* False after a report: a usage error. txn_given_free() in either case. */
bool txn_read_json(struct txn_given *given, const uint8_t *bytes, size_t length);

#endif
