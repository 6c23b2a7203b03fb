/* How often NNG asks for the time: programs that are linked with --wrap=nni_clock. */
#ifndef NNG_CLOCK_H
#define NNG_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <nng/nng.h>

#include "base/assert.h"

uint64_t __real_nni_clock(void);
uint64_t __wrap_nni_clock(void);
static atomic_int clock_looks;

uint64_t __wrap_nni_clock(void)
{
    atomic_fetch_add(&clock_looks, 1);
    return __real_nni_clock();
}

#define SHORT_SLEEPS 200
/* Between one look a sleep and thousands: where the machine is busy, its thread comes so late now
 * and then that it waits for the clock all the same. */
#define LOOKS_BETWEEN (SHORT_SLEEPS * 250)

/* Says how often NNG looked at the clock while that many operations ran into their time limits. */
static inline int sleep_shortly(int in, int out, void *closure)
{
    nng_aio *aio;
    ASSERT(nng_aio_alloc(&aio, NULL, NULL) == 0);
    for (int i = 0; i < SHORT_SLEEPS; i++) {
        nng_sleep_aio(2, aio);
        nng_aio_wait(aio);
    }
    int looks = atomic_load(&clock_looks);
    nng_aio_free(aio);
    ASSERT(write(out, &looks, sizeof looks) == sizeof looks);
    (void)in;
    (void)closure;
    return 0;
}

#endif
