/* `--ladder`: several levels of one read, the one wanted most first, and which was met. */
#ifndef CLI_LADDER_H
#define CLI_LADDER_H

#include <candor/client.h>

#include "cli/frame/command.h"

#define LADDER_OPTION                                                                              \
    {                                                                                              \
        "ladder", 0, "RUNG,RUNG...", false,                                                        \
            "Several levels, the one wanted most first: `linearizable` and `session`, with "       \
            "`:TIME` to wait for no longer than that; `bounded:TIME`; `eventual`, "                \
            "`eventual:syncing`. The first that can be met counts; the answer says which"          \
    }

struct ladder_given {
    struct candor_rung rungs[CANDOR_RUNGS_MAX];
    size_t count; /* 0: no --ladder */
};

/* From the options. False after a report. */
bool ladder_read(struct command_context *ctx, struct ladder_given *out);
/* A line on stderr for each rung that was not met, and for the one that was. Nothing without
 * --ladder, under --quiet or -o json. */
void ladder_note(struct command_context *ctx, const struct candor_result *result);
/* Adds "ladder", where there is one. */
void ladder_json(const struct command_context *ctx, json_t *object,
                 const struct candor_result *result);

#endif
