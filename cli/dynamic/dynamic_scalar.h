/* One value of JSON, as the bits of a field that is no message. */
#ifndef CLI_DYNAMIC_SCALAR_H
#define CLI_DYNAMIC_SCALAR_H

#include "cli/dynamic/dynamic.h"

#define PATH_BYTES 256 /* longer ones are cut */

struct encoder {
    struct candor_error *err;
    size_t depth;
    char path[PATH_BYTES]; /* of the member at hand, for errors: "ops[2].put.key" */
};

/* Fills encoder->err, with the path in front. False, always. */
__attribute__((format(printf, 2, 3))) bool dynamic_refuse(const struct encoder *encoder,
                                                          const char *format, ...);
/* Likewise: "int32 takes `wanted`". */
bool dynamic_refuse_value(const struct encoder *encoder, const struct dynamic_field *field,
                          const char *wanted);

/* The bits of a number, a bool or an enum. False after it was refused. */
bool dynamic_scalar(struct encoder *encoder, const struct dynamic_field *field, json_t *json,
                    uint64_t *bits);
/* Of a string of base64, in either alphabet, with padding and without: malloc'd; NULL: it is
 * none. */
uint8_t *dynamic_base64(json_t *json, size_t *out_length);

#endif
