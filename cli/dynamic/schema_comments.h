/* The comments of a .proto file, by the path that leads to what they stand at. */
#ifndef CLI_SCHEMA_COMMENTS_H
#define CLI_SCHEMA_COMMENTS_H

#include "cli/dynamic/schema_builder.h"

/* Its comments are found from now on; the path begins anew. False after an error. */
bool schema_begin_file(struct schema_builder *builder, const File *file);

/* A step of the path to what is built: its list's field number, and its index. */
void schema_enter(struct schema_builder *builder, int32_t field, size_t index);
void schema_leave(struct schema_builder *builder);

/* Of what the path leads to; "" when there is none, NULL after an error. */
const char *schema_comment(struct schema_builder *builder);
/* Likewise, one step on. */
const char *schema_comment_of(struct schema_builder *builder, int32_t field, size_t index);

#endif
