/* Protobuf's wire format, field by field. */
#ifndef CLI_DYNAMIC_WIRE_H
#define CLI_DYNAMIC_WIRE_H

#include "base/buffer.h"
#include "cli/dynamic/dynamic.h"

#define WIRE_NUMBER_MAX ((1 << 29) - 1)

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP_BEGIN = 3,
    WIRE_GROUP_END = 4,
    WIRE_32 = 5
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;     /* of VARINT, 64 and 32 */
    struct slice bytes; /* of BYTES */
};

/* The next field; reader->ok turns false at bytes that are none. Groups are skipped as a whole, as
 * an unknown field of type WIRE_GROUP_BEGIN. */
struct wire_field dynamic_wire_read(struct reader *reader);
uint64_t dynamic_wire_read_varint(struct reader *reader);
void dynamic_wire_put_varint(struct buffer *buffer, uint64_t value);
void dynamic_wire_put_key(struct buffer *buffer, uint32_t number, enum wire_type type);
/* How an unpacked field of the type is written. */
enum wire_type dynamic_wire_type(enum dynamic_type type);

#endif
