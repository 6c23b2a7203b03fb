/* CRC32C: by the processor's instruction where it has one, else by a table. */
#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t length)
{
    static const uint32_t nibble[16] = {
        /* of the reflected polynomial 0x82f63b78 */
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (size_t i = 0; i < length; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_sse42(uint32_t crc, const uint8_t *p,
                                                           size_t length)
{
    uint64_t wide = crc;
    for (; length >= 8; length -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    uint32_t narrow = (uint32_t)wide;
    for (; length > 0; length--, p++)
        narrow = __builtin_ia32_crc32qi(narrow, *p);
    return narrow;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_sse42(crc, bytes, length);
#endif
    return ~by_table(crc, bytes, length);
}
