/* Durations ("500ms", "5s", "2m", "1h", "0") and sizes ("64KiB", "1MiB", "16GiB", "512B") as people
 * write them. A bare number other than 0 is refused: it has no unit. Fractions are taken ("1.5s").
 * Any thread. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False on a malformed, negative or overflowing text; `out` is then untouched. */
bool duration_parse(const char *text, uint64_t *out_ms);
bool size_parse(const char *text, uint64_t *out_bytes);

/* The shortest exact form: "1500ms", "5s", "2m", "64KiB". Returns `out`. */
#define UNIT_TEXT_BYTES 32
char *duration_text(uint64_t ms, char out[UNIT_TEXT_BYTES]);
char *size_text(uint64_t bytes, char out[UNIT_TEXT_BYTES]);

#endif
