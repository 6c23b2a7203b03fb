/* CRC32C (Castagnoli), as in iSCSI and ext4: crc32c(0, "123456789") = 0xe3069283. Any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `length` bytes. Uses SSE4.2 where the processor has it. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
