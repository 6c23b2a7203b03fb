/* A transaction as the user gives it. */
#include "cli/keys/txn_given.h"

#include <stdlib.h>

#include "base/memory.h"

void txn_own(struct txn_given *given, uint8_t *bytes)
{
    if (bytes == NULL)
        return;
    given->owned = memory_resize(given->owned, given->owned_count + 1, sizeof *given->owned);
    given->owned[given->owned_count++] = bytes;
}

void txn_given_free(struct txn_given *given)
{
    for (size_t i = 0; i < given->owned_count; i++)
        free(given->owned[i]);
    free(given->owned);
    free(given->compares);
    free(given->ops[0]);
    free(given->ops[1]);
    json_decref(given->root);
}
