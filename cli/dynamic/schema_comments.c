/* Comments, from the source locations of a file's descriptor. */
#include "cli/dynamic/schema_comments.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* ---- Locations ---- */

static int compare_path(const int32_t *a, size_t a_length, const int32_t *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_length > b_length) - (a_length < b_length);
}

static int by_path(const void *left, const void *right)
{
    const Location *a = *(const Location *const *)left;
    const Location *b = *(const Location *const *)right;
    return compare_path(a->path, a->n_path, b->path, b->n_path);
}

bool schema_begin_file(struct schema_builder *builder, const File *file)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    builder->file = file;
    builder->path_length = 0;
    size_t count = info != NULL ? info->n_location : 0;
    builder->location_count = count;
    builder->locations = schema_take(builder, count, POINTER_BYTES);
    if (builder->locations == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        builder->locations[i] = info->location[i];
    if (count > 0)
        qsort(builder->locations, count, POINTER_BYTES, by_path);
    return true;
}

/* ---- The path ---- */

void schema_enter(struct schema_builder *builder, int32_t field, size_t index)
{
    ASSERT_U64(builder->path_length + 2, <=, PATH_NUMBERS); /* check_depth() */
    builder->path[builder->path_length++] = field;
    builder->path[builder->path_length++] = (int32_t)index;
}

void schema_leave(struct schema_builder *builder)
{
    builder->path_length -= 2;
}

/* ---- Comments ---- */

/* Comments are printed: no control bytes but line ends; blanks around are cut. */
static const char *clean_comment(struct schema_builder *builder, const char *text)
{
    while (*text == ' ' || *text == '\n')
        text++;
    size_t length = strlen(text);
    char *out = schema_take(builder, length + 1, 1);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++)
        out[i] = text[i];
    for (char *p = out; p < out + length; p++) {
        if (*p != '\n' && iscntrl((unsigned char)*p))
            *p = ' ';
    }
    while (length > 0 && (out[length - 1] == ' ' || out[length - 1] == '\n'))
        out[--length] = '\0';
    return out;
}

const char *schema_comment(struct schema_builder *builder)
{
    size_t low = 0;
    size_t high = builder->location_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const Location *at = builder->locations[middle];
        int order = compare_path(at->path, at->n_path, builder->path, builder->path_length);
        if (order == 0) {
            const char *text =
                at->leading_comments != NULL ? at->leading_comments : at->trailing_comments;
            return clean_comment(builder, text != NULL ? text : "");
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return "";
}

const char *schema_comment_of(struct schema_builder *builder, int32_t field, size_t index)
{
    schema_enter(builder, field, index);
    const char *text = schema_comment(builder);
    schema_leave(builder);
    return text;
}
