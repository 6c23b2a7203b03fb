/* Foreign text: made safe to show, checked, measured. */
#ifndef BASE_FOREIGN_TEXT_H
#define BASE_FOREIGN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Foreign bytes between quotes, cut when long, with nothing in them that a terminal would obey.
 * Returns `out`. */
#define QUOTE_BYTES 96
char *text_quote(const char *bytes, size_t length, char out[QUOTE_BYTES]);
/* UTF-8 that a YAML file can hold in one line: no control characters, line ends or
 * noncharacters. */
bool text_printable(const char *text);
size_t text_columns(const char *text); /* characters of UTF-8 text */

#endif
