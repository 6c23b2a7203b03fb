/* Values as commands take them: the text itself, @FILE, or - for standard input. */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <candor/client.h>

#include "cli/frame/command.h"

#define VALUE_OPTION                                                                               \
    {                                                                                              \
        "literal", 0, NULL, false,                                                                 \
            "Values are what is written, also where they begin with @ or "                         \
            "are -"                                                                                \
    }
/* For the description of a command that takes values. */
#define VALUE_HELP                                                                                 \
    "A value @FILE is what the file holds, - what standard input holds; @@x is the value @x, and " \
    "with --literal each value is what is written."

struct value {
    struct candor_bytes bytes;
    uint8_t *owned; /* free it */
};

/* Of an operand or an option. False after a report; nothing is to be freed then. */
bool value_take(struct command_context *ctx, const char *text, struct value *out, int *status);
/* Of operands "KEY [VALUE]" and --value-file; without either, what is piped in. Likewise. */
bool value_of_operands(struct command_context *ctx, int argc, char **argv, struct value *out,
                       int *status);

#endif
