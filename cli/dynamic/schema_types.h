/* Messages and enums of a schema. */
#ifndef CLI_SCHEMA_TYPES_H
#define CLI_SCHEMA_TYPES_H

#include "cli/dynamic/schema_builder.h"

/* How many there will be: adds to message_room and enum_room. */
void schema_count_types(struct dynamic_schema *schema, const File *file);
/* Those of a file; the types of fields by name alone. False after an error, likewise below. */
bool schema_add_types(struct schema_builder *builder, const File *file);
/* Finds the fields' types, once those of all files are there. */
bool schema_resolve_types(struct schema_builder *builder);

#endif
