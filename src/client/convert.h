/* Wire messages to and from the public structs of candor/client.h. Everything received is hostile.
 * Any thread. kvctl, which unpacks answers of candor/channel.h itself, has epochs and positions
 * once more (cli/frame/message.h says why). */
#ifndef CLIENT_CONVERT_H
#define CLIENT_CONVERT_H

#include <candor/client.h>

#include "candor/v1/rpc.pb-c.h"

/* Fills freshness and token of the result; without Freshness (NULL, or a malformed one) it has
 * none. */
void convert_freshness(const Candor__V1__Freshness *from, struct candor_result *result);
bool convert_epoch(const Candor__V1__Epoch *from,
                   struct candor_epoch *to); /* NULL: all zero; false: a bad owner */
bool convert_pos(const Candor__V1__Pos *from, struct candor_pos *to);
/* What a reply's envelope says: freshness, token, the redirect. */
void convert_envelope(const Candor__V1__RpcReply *reply, struct candor_result *result);

/* A position, ready to be packed; lives as long as `from` does. Returns `to`. */
Candor__V1__Pos *convert_to_pos(const struct candor_pos *from, Candor__V1__Pos *to,
                                Candor__V1__Epoch *epoch);

/* Messages of a token, ready to be packed; lives as long as `token` does. */
struct token_message {
    Candor__V1__SessionToken token;
    Candor__V1__Pos pos;
    Candor__V1__Epoch epoch;
};
Candor__V1__SessionToken *convert_token(const struct candor_token *token,
                                        struct token_message *message);

#endif
