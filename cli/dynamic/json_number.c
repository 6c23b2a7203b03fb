/* Numbers as proto3's JSON has them. */
#include "cli/dynamic/json_number.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_DOUBLE 9007199254740992.0 /* 2^53: whole numbers up to here are exact */

/* A whole number of JSON or of a string, as sign and magnitude. */
static bool whole_number(json_t *json, bool *negative, uint64_t *magnitude)
{
    double real = json_real_value(json);
    const char *text = json_string_value(json);
    if (json_is_integer(json)) {
        json_int_t value = json_integer_value(json);
        *negative = value < 0;
        *magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        return true;
    }
    if (json_is_real(json)) {
        *negative = real < 0;
        *magnitude = fabs(real) <= EXACT_DOUBLE ? (uint64_t)fabs(real) : 0;
        return fabs(real) <= EXACT_DOUBLE && floor(real) == real;
    }
    if (text == NULL)
        return false;
    *negative = text[0] == '-';
    text += *negative;
    if (text[0] == '\0' || strspn(text, "0123456789") != json_string_length(json) - *negative)
        return false;
    errno = 0;
    *magnitude = strtoull(text, NULL, 10);
    return errno == 0;
}

bool json_signed_number(json_t *json, int64_t min, int64_t max, int64_t *out)
{
    bool negative;
    uint64_t magnitude;
    if (!whole_number(json, &negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return *out >= min && *out <= max;
}

bool json_unsigned_number(json_t *json, uint64_t max, uint64_t *out)
{
    bool negative;
    return whole_number(json, &negative, out) && (!negative || *out == 0) && *out <= max;
}

bool json_real_number(json_t *json, double *out)
{
    const char *text = json_string_value(json);
    char *end = NULL;
    if (json_is_number(json)) {
        *out = json_number_value(json);
        return true;
    }
    if (text == NULL || text[0] == '\0' ||
        strspn(text, "0123456789+-.eE") != json_string_length(json)) {
        bool known = text != NULL && (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
                                      strcmp(text, "-Infinity") == 0);
        *out = !known ? 0 : text[0] == 'N' ? NAN : text[0] == '-' ? -INFINITY : INFINITY;
        return known;
    }
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}
