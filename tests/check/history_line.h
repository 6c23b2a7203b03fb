/* One line of a history: its members, their types, and which belong together. */
#ifndef CHECK_HISTORY_LINE_H
#define CHECK_HISTORY_LINE_H

#include "check/history.h"

enum history_line_type { HISTORY_LINE_OP, HISTORY_LINE_SETTINGS, HISTORY_LINE_ROLLED_BACK };

struct history_line {
    enum history_line_type type;
    struct history_op op;          /* OP; without file and line */
    uint64_t stale_after_ms;       /* SETTINGS */
    struct candor_pos rolled_back; /* ROLLED_BACK */
};

/* False: err->message says what is wrong, without file and line. */
bool history_line_parse(struct strings *strings, const char *text, size_t length,
                        struct history_line *out, struct candor_error *err);

#endif
