/* Strings off the wire: protobuf-c does not check them. Any thread. */
#ifndef RPC_TEXT_H
#define RPC_TEXT_H

#include <stdbool.h>

/* Whether `text` is UTF-8 (no surrogates, no overlong forms) without control characters. */
bool text_is_printable(const char *text);
/* Makes it so, byte by byte: what does not belong becomes '?'. */
void text_make_printable(char *text);

#endif
