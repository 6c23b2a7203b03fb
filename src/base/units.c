/* Durations and sizes, read and written. */
#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"TiB", UINT64_C(1) << 40},
                                    {"GiB", UINT64_C(1) << 30},
                                    {"MiB", UINT64_C(1) << 20},
                                    {"KiB", UINT64_C(1) << 10},
                                    {"B", 1},
                                    {NULL, 0}};

static bool whole_number(const char **text, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = *text;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = p;
    *out = value;
    return true;
}

/* Up to nine digits behind the point, as billionths. */
static bool fraction(const char **text, uint64_t *billionths)
{
    *billionths = 0;
    if (**text != '.')
        return true;
    const char *p = *text + 1;
    uint64_t weight = 100000000;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++, weight /= 10)
        *billionths += (uint64_t)(*p - '0') * weight;
    *text = p;
    return true;
}

static bool parse(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t whole;
    uint64_t billionths;
    const char *p = text;
    if (!whole_number(&p, &whole) || !fraction(&p, &billionths))
        return false;
    while (*p == ' ')
        p++;
    if (*p == '\0' && whole == 0 && billionths == 0) {
        *out = 0;
        return true;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(p, unit->name) != 0)
            continue;
        if (whole > UINT64_MAX / unit->factor)
            return false;
        uint64_t value = whole * unit->factor;
        uint64_t part = (uint64_t)((double)billionths / 1e9 * (double)unit->factor);
        if (value > UINT64_MAX - part)
            return false;
        *out = value + part;
        return true;
    }
    return false;
}

bool duration_parse(const char *text, uint64_t *out_ms)
{
    return parse(text, durations, out_ms);
}

bool size_parse(const char *text, uint64_t *out_bytes)
{
    return parse(text, sizes, out_bytes);
}

static char *shortest(uint64_t value, const struct unit *units, char out[UNIT_TEXT_BYTES])
{
    if (value == 0) {
        snprintf(out, UNIT_TEXT_BYTES, "0");
        return out;
    }
    const struct unit *unit = units;
    while (value % unit->factor != 0)
        unit++;
    snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
    return out;
}

char *duration_text(uint64_t ms, char out[UNIT_TEXT_BYTES])
{
    return shortest(ms, durations, out);
}

char *size_text(uint64_t bytes, char out[UNIT_TEXT_BYTES])
{
    return shortest(bytes, sizes, out);
}
