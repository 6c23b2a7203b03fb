/* Services of a schema, and their methods. */
#ifndef CLI_SCHEMA_SERVICES_H
#define CLI_SCHEMA_SERVICES_H

#include "cli/dynamic/schema_builder.h"

/* How many methods there will be: adds to method_room. */
void schema_count_methods(struct dynamic_schema *schema, const File *file);
/* Those of a file, once all types are there. False after an error. */
bool schema_add_services(struct schema_builder *builder, const File *file);

#endif
