/* Positions on the command line. */
#include "cli/keys/position.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/types.h"

/* Digits up to `end`; the wire takes no number of 2^62 or more. */
static bool take_number(const char **text, char end, uint64_t *out)
{
    const char *at = *text;
    uint64_t number = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > (UINT64_C(1) << 62) / 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *text = *at == '\0' ? at : at + 1;
    *out = number;
    return *at == end;
}

static bool take_seq(const char *text, uint64_t *out)
{
    return take_number(&text, '\0', out) && *out > 0;
}

/* g<generation>.t<term>.<owner>:<seq>, as pos_text() writes it. */
static bool parse_pos(const char *text, struct candor_pos *out)
{
    if (*text++ != 'g' || !take_number(&text, '.', &out->epoch.generation) || *text++ != 't' ||
        !take_number(&text, '.', &out->epoch.term) || out->epoch.term == 0)
        return false;
    const char *colon = strrchr(text, ':');
    return colon != NULL && node_id_parse(text, (size_t)(colon - text), &out->epoch.owner) &&
           take_seq(colon + 1, &out->seq);
}

static bool parse_token(const char *text, struct candor_token *out)
{
    size_t length = 0;
    uint8_t *bytes = base64_decode(text, &length);
    struct candor_bytes view = {bytes, length};
    bool good = bytes != NULL && length > 0 && candor_token_import(view, out, NULL) == CANDOR_OK;
    free(bytes);
    return good;
}

bool position_parse(const char *text, struct position *out)
{
    *out = (struct position){0};
    out->is_pos = take_seq(text, &out->token.pos.seq) || parse_pos(text, &out->token.pos);
    if (out->is_pos)
        return true;
    *out = (struct position){0};
    out->is_token = parse_token(text, &out->token);
    return out->is_token;
}
