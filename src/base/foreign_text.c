/* Foreign text: quoted, and told from what cannot be printed. */
#include "base/foreign_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

char *text_quote(const char *bytes, size_t length, char out[QUOTE_BYTES])
{
    static const char more[] = "...";
    size_t used = 0;
    out[used++] = '\'';
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        /* Room for this byte at its longest, what says that it was cut, the quote and the end. */
        if (used + 4 + sizeof more + 1 > QUOTE_BYTES) {
            memcpy(out + used, more, sizeof more - 1);
            used += sizeof more - 1;
            break;
        }
        if (byte >= 0x20 && byte < 0x7f)
            out[used++] = (char)byte;
        else
            used += (size_t)snprintf(out + used, QUOTE_BYTES - used, "\\x%02x", byte);
    }
    out[used++] = '\'';
    out[used] = '\0';
    return out;
}

/* Takes one character off `*at`; UINT32_MAX when it is not well-formed UTF-8. */
static uint32_t utf8_next(const unsigned char **at)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } lengths[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const unsigned char *p = *at;
    size_t more = 0;
    while (more < 4 && (*p & lengths[more].mask) != lengths[more].lead)
        more++;
    if (more == 4)
        return UINT32_MAX;
    uint32_t c = *p & (unsigned char)~lengths[more].mask;
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) /* the terminator, too, ends here */
            return UINT32_MAX;
        c = c << 6 | (p[i] & 0x3fu);
    }
    *at = p + more + 1;
    return c < lengths[more].least ? UINT32_MAX : c;
}

static bool printable(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool line_end = c == 0x2028 || c == 0x2029;
    bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    bool none =
        (c >= 0xd800 && c < 0xe000) || c == 0xfeff || c == 0xfffe || c == 0xffff || c > 0x10ffff;
    return !control && !line_end && !direction && !none;
}

bool text_printable(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0')
        if (!printable(utf8_next(&at)))
            return false;
    return true;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}
