/* Time. CLOCK_BOOTTIME for everything that is compared (R35); wall time for people only.
 * Inside the project times are nanoseconds; the wire and YAML say milliseconds. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_boot_ns(void);
uint64_t clock_wall_ms(void);

/* Which boot of the machine this is: CLOCK_BOOTTIME, and the start times of processes, mean nothing
 * in another. Zeros to the end of `out`. False, and "", when it is not known. */
#define CLOCK_BOOT_ID_BYTES 40
bool clock_boot_id(char out[CLOCK_BOOT_ID_BYTES]);

/* Rounded up: an age or a bound is never told shorter than it is. */
static inline uint64_t ns_to_ms_up(uint64_t ns)
{
    return ns / NS_PER_MS + (ns % NS_PER_MS != 0);
}

/* What a clock that runs off by `ppm` millionths is off after `ns` (R30, R36). Rounded down. */
static inline uint64_t drift_ns(uint64_t ns, uint64_t ppm)
{
    return ns / 1000000 * ppm + ns % 1000000 * ppm / 1000000;
}

#endif
