/* Numbers as proto3's JSON has them: as numbers, or as strings. */
#ifndef CLI_JSON_NUMBER_H
#define CLI_JSON_NUMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* False: it is no such number. A real one that is whole counts as whole, as far as it is exact. */
bool json_signed_number(json_t *json, int64_t min, int64_t max, int64_t *out);
bool json_unsigned_number(json_t *json, uint64_t max, uint64_t *out);
/* Also "NaN", "Infinity" and "-Infinity". */
bool json_real_number(json_t *json, double *out);

#endif
