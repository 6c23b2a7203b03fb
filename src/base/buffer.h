/* A growable byte buffer, and little-endian coding into and out of bytes.
 * Ownership: buffer_free() by whoever holds the struct. Without memory the process ends
 * (base/memory.h). */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/types.h"

struct buffer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

void buffer_free(struct buffer *buffer);  /* leaves an empty, usable buffer */
void buffer_clear(struct buffer *buffer); /* keeps the memory */
uint8_t *buffer_grow(struct buffer *buffer,
                     size_t more); /* room for `more` at the end, counted as used */
void buffer_put(struct buffer *buffer, const void *bytes, size_t length);
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u16(struct buffer *buffer, uint16_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);
/* As read_node_id(), read_epoch() and read_pos() read them. */
void buffer_put_node_id(struct buffer *buffer, struct candor_node_id id);
void buffer_put_epoch(struct buffer *buffer, struct candor_epoch epoch);
void buffer_put_pos(struct buffer *buffer, struct candor_pos pos);
void buffer_set_u32(struct buffer *buffer, size_t at, uint32_t value);
struct slice buffer_slice(const struct buffer *buffer);

uint16_t get_u16(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);
uint64_t get_u64(const uint8_t *p);
void put_u32(uint8_t *p, uint32_t value);
void put_u64(uint8_t *p, uint64_t value);

/* Reads hostile bytes: after the first read past the end `ok` is false and every read gives
 * zero. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
};

struct reader reader_of(struct slice bytes);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
struct slice read_bytes(struct reader *reader, size_t length); /* points into the reader's bytes */
/* An id, or nobody, as it is stored: LIMIT_NODE_ID_BYTES, its text and then zeros. False: it is
 * none, or cut short. */
bool read_node_id(struct reader *reader, struct candor_node_id *out);
/* Generation, term and owner; and the seq. False as above. */
bool read_epoch(struct reader *reader, struct candor_epoch *out);
bool read_pos(struct reader *reader, struct candor_pos *out);
size_t reader_left(const struct reader *reader);

#endif
