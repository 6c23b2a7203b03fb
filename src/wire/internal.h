/* What the files of src/wire share. */
#ifndef WIRE_INTERNAL_H
#define WIRE_INTERNAL_H

#include "wire/wire.h"

enum candor_code wire_malformed(struct candor_error *err, const char *field, const char *what);
/* A number of a field that takes part in sums: below WIRE_NUMBER_END. */
enum candor_code wire_check_number(uint64_t number, const char *field, struct candor_error *err);
enum candor_code wire_read_node(const char *text, const char *field, struct candor_node_id *out,
                                struct candor_error *err);

#endif
