/* What a client has in flight: so many operations, and so many bytes of requests and results. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "client/submitted.h"

struct account {
    atomic_uint holders; /* the client, and all that counts */
    atomic_uint operations;
    atomic_size_t bytes;
    uint32_t operation_limit;
    size_t byte_limit;
};

struct account *account_new(uint32_t operations, size_t bytes)
{
    struct account *account = calloc(1, sizeof *account);
    if (account == NULL)
        return NULL;
    account->operation_limit = operations;
    account->byte_limit = bytes;
    atomic_init(&account->holders, 1);
    return account;
}

void account_release(struct account *account)
{
    if (account != NULL && atomic_fetch_sub(&account->holders, 1) == 1)
        free(account);
}

bool account_take(struct account *account, size_t bytes, struct candor_error *err)
{
    uint32_t operations = atomic_fetch_add(&account->operations, 1);
    size_t before = atomic_fetch_add(&account->bytes, bytes);
    bool full = operations >= account->operation_limit;
    bool heavy = operations > 0 && (before > account->byte_limit || /* results may go over it */
                                    bytes > account->byte_limit - before);
    if (!full && !heavy) {
        atomic_fetch_add(&account->holders, 1);
        return true;
    }
    atomic_fetch_sub(&account->bytes, bytes);
    atomic_fetch_sub(&account->operations, 1);
    candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_OVERLOADED,
                     "%u operations of %zu bytes are in flight; this client's limits are %u and "
                     "%zu",
                     operations, before, account->operation_limit, account->byte_limit);
    return false;
}

void account_grow(struct account *account, size_t bytes)
{
    atomic_fetch_add(&account->bytes, bytes);
}

void account_give(struct account *account, size_t bytes)
{
    ASSERT(atomic_load(&account->operations) > 0);
    ASSERT(atomic_load(&account->bytes) >= bytes);
    atomic_fetch_sub(&account->bytes, bytes);
    atomic_fetch_sub(&account->operations, 1);
    account_release(account);
}
