/* Bytes as text. Without memory the process stops: for the command line. Any thread. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Malloc'd and terminated (the terminator is not counted); NULL when `text` is not base64. */
uint8_t *base64_decode(const char *text, size_t *out_length);
char *base64_encode(const void *bytes, size_t length); /* malloc'd */

#endif
