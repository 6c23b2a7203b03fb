/* Where ranges of keys end. */
#include "node/serve/key_range.h"

#include <string.h>

bool key_after_prefix(struct slice prefix, struct key_bound *out)
{
    memcpy(out->bytes, prefix.bytes, prefix.length);
    out->length = prefix.length;
    while (out->length > 0 && out->bytes[out->length - 1] == 0xff)
        out->length--;
    if (out->length == 0)
        return false;
    out->bytes[out->length - 1]++;
    return true;
}

bool key_after(struct slice key, struct key_bound *out)
{
    if (key.length == LIMIT_KEY_BYTES)
        return key_after_prefix(key, out);
    memcpy(out->bytes, key.bytes, key.length);
    out->bytes[key.length] = 0;
    out->length = key.length + 1;
    return true;
}
