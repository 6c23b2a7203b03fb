/* A key's value, and what stands before it: who wrote it last, and until when it is there. */
#include "state/env.h"

/* In the version: the place among the ends follows. Few keys have one. */
#define ENDS (UINT64_C(1) << 63)

bool item_read(struct slice stored, struct item_head *head, struct slice *value)
{
    struct reader reader = reader_of(stored);
    head->mod_seq = read_u64(&reader);
    uint64_t version = read_u64(&reader);
    head->version = version & ~ENDS;
    head->end = (struct item_end){0};
    if ((version & ENDS) != 0) {
        head->end.until_ms = read_u64(&reader);
        head->end.seq = read_u64(&reader);
        head->end.op = read_u32(&reader);
    }
    *value = read_bytes(&reader, reader_left(&reader));
    return reader.ok;
}

size_t item_write_head(uint8_t out[ITEM_HEADER_BYTES + ITEM_END_BYTES],
                       const struct item_head *head)
{
    bool ends = head->end.until_ms != 0;
    put_u64(out, head->mod_seq);
    put_u64(out + 8, head->version | (ends ? ENDS : 0));
    if (!ends)
        return ITEM_HEADER_BYTES;
    put_u64(out + ITEM_HEADER_BYTES, head->end.until_ms);
    put_u64(out + ITEM_HEADER_BYTES + 8, head->end.seq);
    put_u32(out + ITEM_HEADER_BYTES + 16, head->end.op);
    return ITEM_HEADER_BYTES + ITEM_END_BYTES;
}
