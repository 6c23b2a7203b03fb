/* What reading commands share: levels, the note on an answer's age, items as text and JSON. */
#ifndef CLI_READING_H
#define CLI_READING_H

#include <candor/client.h>

#include "cli/frame/command.h"
#include "cli/keys/ladder.h"
#include "cli/keys/session.h"

#define READ_OPTIONS                                                                               \
    {"level", 'l', "eventual|bounded|session|linearizable", false,                                 \
     "What the read asks for; default: eventual, with --max-staleness bounded, with --session "    \
     "session"},                                                                                   \
        {"max-staleness", 'm', "DURATION", false,                                                  \
         "Only data that are provably no older than this, as in 500ms"},                           \
        LADDER_OPTION,                                                                             \
        {"route", 0, "primary|any|nearest|zone|freshest", false,                                   \
         "Which of the nodes is asked, by what is seen of them; default: the first of the list, "  \
         "or the primary; with --ladder the one that most likely meets its first rung"},           \
        {"zone", 0, "NAME", false, "Where this command stands, for --route zone"},                 \
        SESSION_OPTIONS,                                                                           \
        {"no-redirect", 0, NULL, false, "Report a redirect instead of following it"},              \
    {                                                                                              \
        "allow-syncing", 0, NULL, false, "Take an answer even from a node that is catching up"     \
    }

/* From the options of one level. False after a report. */
bool level_options(struct command_context *ctx, struct candor_read_options *out, int *status);
/* From the options; `out` points into `ladder`. False after a report. */
bool read_options(struct command_context *ctx, struct candor_read_options *out,
                  struct ladder_given *ladder, int *status);

/* One line on stderr: who answered, and how old it may be; more of a ladder. Nothing under --quiet
 * or -o json. Warns of lost writes. */
void note_freshness(struct command_context *ctx, const struct candor_result *result);

/* As report_result(), of a read; says of its ladder why no rung was met. */
int report_read(struct command_context *ctx, const struct candor_result *result);

/* {"key","value","found","mod_seq","ttl_ms"}; without a value member under keys_only. */
json_t *json_item(const struct candor_item *item, bool keys_only);
/* {"epoch","generation","owner","seq"}. */
json_t *json_pos(const struct candor_pos *pos);
/* Adds "freshness", and "session_lost" and "violation" where there are any. */
void json_set_answer(json_t *object, const struct candor_result *result);

/* Text that fits a line: control bytes, backslashes and bytes that are not UTF-8 as \t, \n, \\ or
 * \xNN. */
void print_escaped(struct candor_bytes bytes, FILE *to);

/* An operand as a key: as it is, or decoded under --key-b64 (the result is then *owned; free it).
 * False after a report. */
bool key_operand(struct command_context *ctx, const char *text, struct candor_bytes *key,
                 uint8_t **owned, int *status);
#define KEY_OPTION                                                                                 \
    {                                                                                              \
        "key-b64", 0, NULL, false, "Keys on the command line are base64"                           \
    }

#endif
