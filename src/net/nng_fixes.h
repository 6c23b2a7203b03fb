/* Fixes for fatal bugs of NNG 1 (docs/architecture.md) and of a leak, at link time, each where the
 * version has it. */
#ifndef NET_NNG_FIXES_H
#define NET_NNG_FIXES_H

#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

struct nng_fixes_counts {
    uint64_t broken_pipes;    /* EPIPE told as ECONNRESET */
    uint64_t lost_operations; /* finished here, because nobody else would have */
    uint64_t lost_messages;   /* freed here, likewise */
};

/* How often each would have struck since the start of the process. Any thread. */
struct nng_fixes_counts nng_fixes_counts(void);

/* Within NNG's callback for bytes that a connection has brought: whose. False elsewhere, and while
 * a connection is made. Only there: what it looks at may be gone later. */
bool nng_fixes_receiving(uint32_t *socket, uint32_t *pipe);

/* What this thread is giving to a connection to send, right now; NULL: nothing. */
nng_aio *nng_fixes_sending(void);
/* This thread is in NNG's callback for bytes of a message, and receives the rest of it. */
bool nng_fixes_receiving_on(void);
/* This thread has run callbacks of NNG, and runs none any more. */
void nng_fixes_leave_callback(void);

#endif
