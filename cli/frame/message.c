/* Epochs and positions out of a node's messages. */
#include "cli/frame/message.h"

bool message_epoch(const Candor__V1__Epoch *from, struct candor_epoch *to)
{
    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    to->generation = from->generation;
    to->term = from->term;
    size_t length = strlen(from->owner);
    if (length >= sizeof to->owner.text)
        return false;
    memcpy(to->owner.text, from->owner, length);
    return true;
}

bool message_pos(const Candor__V1__Pos *from, struct candor_pos *to)
{
    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    to->seq = from->seq;
    return message_epoch(from->epoch, &to->epoch);
}
