/* Text off the wire: whether it can be printed, and made so. */
#include "rpc/text.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `at`; 0: none starts there. Never reads past the terminator. */
static size_t character_bytes(const uint8_t *at)
{
    if (at[0] < 0x80)
        return at[0] >= 0x20 && at[0] != 0x7f ? 1 : 0;
    size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
    bool control = at[0] == 0xc2 && at[1] < 0xa0;
    return overlong || surrogate || beyond || control ? 0 : bytes;
}

bool text_is_printable(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    while (*at != 0) {
        size_t bytes = character_bytes(at);
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}

void text_make_printable(char *text)
{
    uint8_t *at = (uint8_t *)text;
    while (*at != 0) {
        size_t bytes = character_bytes(at);
        if (bytes == 0) {
            *at = '?';
            bytes = 1;
        }
        at += bytes;
    }
}
