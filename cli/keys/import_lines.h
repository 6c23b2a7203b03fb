/* Lines of a file, and the key and value that each of them is: `kvctl import`. */
#ifndef CLI_IMPORT_LINES_H
#define CLI_IMPORT_LINES_H

#include <stdio.h>

#include <candor/client.h>
#include <jansson.h>

#include "base/buffer.h"

enum import_format {
    IMPORT_JSONL, /* as `kvctl export` writes */
    IMPORT_TSV,   /* as `kvctl scan` prints */
    IMPORT_LINES, /* a field is the key, the line the value */
};

/* How lines are read. */
struct import_form {
    enum import_format format;
    const char *separator; /* IMPORT_LINES: of fields; not empty */
    uint64_t key_field;    /* IMPORT_LINES: counted from 1 */
    const char *key_prefix;
};

enum line_end {
    LINE_WHOLE,
    LINE_CUT, /* the file ends without a newline */
    LINE_TOO_LONG,
    LINE_NONE,
};

/* Without its newline. */
enum line_end import_read_line(FILE *file, struct buffer *line);
/* Some editors write U+FEFF in front of UTF-8: cuts it off. */
void import_skip_byte_order_mark(struct buffer *line);

struct import_pair {
    struct candor_bytes key;
    struct candor_bytes value; /* may lie in the line, or in `owned` */
    uint64_t ttl_ms;           /* 0: none */
    uint8_t joined[CANDOR_KEY_BYTES_MAX];
    json_t *object;
    uint8_t *owned;
};

/* What the line is; not to be asked about an empty one. NULL, or what is wrong with it. The line is
 * spoilt; `out` is to be freed in either case. `first`: of the file. */
const char *import_read_pair(const struct import_form *form, struct buffer *line, enum line_end end,
                             bool first, struct import_pair *out);
void import_pair_free(struct import_pair *pair);

#endif
