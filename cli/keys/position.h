/* Positions on the command line: of a write, for `kvctl await`. */
#ifndef CLI_POSITION_H
#define CLI_POSITION_H

#include <candor/client.h>

struct position {
    bool is_token; /* the token is whole */
    bool is_pos;   /* token.pos alone is set; without an epoch: its seq alone */
    struct candor_token token;
};

/* A session's token (base64), a position as messages show it ("g1.t3.a:17"), or a seq. False: none
 * of these. */
bool position_parse(const char *text, struct position *out);

#endif
