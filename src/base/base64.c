/* Base64, both ways. */
#include "base/base64.h"

#include <mbedtls/base64.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

char *base64_encode(const void *bytes, size_t length)
{
    size_t room = (length + 2) / 3 * 4 + 1;
    char *out = malloc(room);
    ASSERT(out != NULL);
    size_t written = 0;
    ASSERT(mbedtls_base64_encode((unsigned char *)out, room, &written, bytes, length) == 0);
    out[written] = '\0';
    return out;
}

uint8_t *base64_decode(const char *text, size_t *out_length)
{
    size_t length = strlen(text);
    size_t room = length / 4 * 3 + 4;
    uint8_t *out = malloc(room);
    ASSERT(out != NULL);
    *out_length = 0;
    if (mbedtls_base64_decode(out, room - 1, out_length, (const unsigned char *)text, length) !=
        0) {
        free(out);
        return NULL;
    }
    out[*out_length] = '\0';
    return out;
}
