/* links: record */
#include "base/crc32c.h"
#include "record/batch.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A batch as a hostile peer may send it: with a right checksum, so that what lies behind it is
 * reached. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < BATCH_HEADER_BYTES)
        return 0;
    uint8_t *copy = malloc(length);
    memcpy(copy, bytes, length);
    memcpy(copy, "CBR2", 4);
    put_u32(copy + 8, (uint32_t)length);
    put_u32(copy + 4, crc32c(0, copy + 8, length - 8));

    struct slice rest = slice_of(copy, length);
    struct batch batch;
    if (batch_decode(&rest, &batch, NULL) == CANDOR_OK) {
        size_t cursor = 0;
        struct record record;
        while (batch_next(&batch, &cursor, &record)) {
            struct slice ops = record.ops;
            struct record_op op;
            while (batch.type == RECORD_WRITE && record_op_next(&ops, &op))
                ;
        }
        struct buffer out = {0};
        batch_tail(&batch, batch.first_seq + batch.count / 2, &out);
        batch_head(&batch, batch.first_seq + batch.count / 2, &out);
        buffer_free(&out);
    }
    free(copy);
    return 0;
}
