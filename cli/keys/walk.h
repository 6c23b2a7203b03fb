/* A walk over the pages of a range of keys, one after the other, in bounded memory. */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include <candor/client.h>

#include "cli/frame/command.h"
#include "cli/keys/reading.h"

/* Which keys; goes with KEY_OPTION. */
#define RANGE_OPTIONS                                                                              \
    {"prefix", 'p', "PREFIX", false, "Only keys with this prefix; '' is all"},                     \
        {"start", 0, "KEY", false, "Only keys from this one on"},                                  \
    {                                                                                              \
        "end", 0, "KEY", false, "Only keys before this one"                                        \
    }
#define COUNT_OPTION(what)                                                                         \
    {                                                                                              \
        "count-only", 0, NULL, false, what                                                         \
    }

/* The range that the options say. Its bytes lie on the command line, or in `owned`. */
struct range_given {
    struct candor_range range;
    uint8_t *owned[3];
};
bool range_is_given(const struct command_context *ctx);
/* False after a report; range_free() in either case. */
bool range_read(struct command_context *ctx, struct range_given *out, int *status);
void range_free(struct range_given *given);
/* "with the prefix 'cart:'", "from 'a' to before 'c'", "in the whole cluster"; malloc'd. */
char *range_said(const struct range_given *given);

struct walk {
    struct command_context *ctx;
    struct candor_client *client;
    struct candor_read_options options;
    struct ladder_given ladder; /* of options */
    uint32_t lowest_rung;       /* that a page has met; 0: no ladder */
    struct candor_range range;
    uint32_t page;  /* items of a page; 0: as many as the node gives */
    uint64_t limit; /* items wanted; UINT64_MAX: all */
    uint64_t items;
    uint64_t pages;
    uint64_t applied_first; /* positions that the pages were read at */
    uint64_t applied_last;
    struct candor_result result; /* of the newest page */
    uint8_t last_key[CANDOR_KEY_BYTES_MAX];
    void (*take)(struct walk *walk, const struct candor_item *item); /* NULL: they are counted */
    json_t *list;                                                    /* of take */
};

/* Reads the next page, and calls `take` for each of its items. False: it was the last one, or
 * *status is not EXIT_DONE after a report. `result` is to be freed after the walk. */
bool walk_page(struct walk *walk, int *status);
/* All of them, with the options of a read and its session. */
int walk_run(struct walk *walk);
/* What stands below the items on stderr: how old they are, and that they are of several states. */
void walk_note(const struct walk *walk);

#endif
