/* The clocks of the system, and the identity of its boot. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct timespec now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t;
}

uint64_t clock_boot_ns(void)
{
    struct timespec t = now(CLOCK_BOOTTIME);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
    struct timespec t = now(CLOCK_REALTIME);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

bool clock_boot_id(char out[CLOCK_BOOT_ID_BYTES])
{
    char line[CLOCK_BOOT_ID_BYTES] = "";
    memset(out, 0, CLOCK_BOOT_ID_BYTES);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return false;
    bool good = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (good)
        memcpy(out, line, strcspn(line, "\n"));
    return good;
}
