/* Answers of operations, as bytes of a record: written, read. */
#include "eval/answer.h"

#include "base/assert.h"

size_t eval_answer_item_bytes(bool found, const struct eval_item *item)
{
    return found ? 1 + 8 + 8 + 4 + item->value.length : 1;
}

void eval_answer_put_item(struct buffer *out, bool found, const struct eval_item *item)
{
    buffer_put_u8(out, found);
    if (!found)
        return;
    ASSERT_U64(item->value.length, <=, LIMIT_VALUE_BYTES_MAX);
    buffer_put_u64(out, item->mod_seq);
    buffer_put_u64(out, item->version);
    buffer_put_u32(out, (uint32_t)item->value.length);
    buffer_put(out, item->value.bytes, item->value.length);
}

static bool read_flag(struct reader *reader)
{
    uint8_t flag = read_u8(reader);
    if (flag > 1)
        reader->ok = false;
    return flag == 1;
}

static bool read_item(struct reader *reader, struct eval_item *out)
{
    *out = (struct eval_item){0};
    if (!read_flag(reader))
        return false;
    out->mod_seq = read_u64(reader);
    out->version = read_u64(reader);
    out->value = read_bytes(reader, read_u32(reader));
    return true;
}

static void read_step(struct reader *reader, struct eval_step_answer *out)
{
    *out = (struct eval_step_answer){0};
    uint8_t kind = read_u8(reader);
    if (kind < EVAL_STEP_PUT || kind > EVAL_STEP_GET)
        reader->ok = false;
    out->kind = (enum eval_step_kind)kind;
    out->found = kind == EVAL_STEP_GET ? read_item(reader, &out->item) : read_flag(reader);
}

static void read_steps(struct reader *reader, struct eval_answer *out)
{
    out->step_count = read_u16(reader);
    out->steps = *reader;
    struct eval_step_answer step;
    for (uint32_t i = 0; reader->ok && i < out->step_count; i++)
        read_step(reader, &step);
}

static void read_answer(struct reader *reader, struct eval_answer *out)
{
    out->kind = (enum eval_kind)read_u8(reader);
    bool flag = read_flag(reader);
    out->succeeded = flag;
    switch (out->kind) {
    case EVAL_PUT:
    case EVAL_DELETE:
        out->existed = flag;
        return;
    case EVAL_CAS:
    case EVAL_EXPIRE:
        out->existed = !flag && read_item(reader, &out->item);
        return;
    case EVAL_INCREMENT:
        out->number = (int64_t)read_u64(reader);
        return;
    case EVAL_TXN:
        read_steps(reader, out);
        return;
    }
    reader->ok = false;
}

bool eval_answer_read(struct slice *bytes, struct eval_answer *out)
{
    *out = (struct eval_answer){0};
    struct reader reader = reader_of(*bytes);
    read_answer(&reader, out);
    if (!reader.ok)
        return false;
    *bytes = slice_of(reader.at, reader_left(&reader));
    return true;
}

void eval_answer_step(struct eval_answer *answer, struct eval_step_answer *out)
{
    read_step(&answer->steps, out);
    ASSERT(answer->steps.ok);
}
