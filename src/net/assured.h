/* Memory for what NNG does not survive to have none for: its start, opening a socket
 * (nng_req0_open() frees what it has not set up), dialling (nni_tcp_dial(), and its like for files,
 * unlock what they have not locked), and a connection that a dialer has made (pipe_create() closes
 * what the protocol has not set up).
 *
 * Between begin and end, what malloc() refuses to NNG on this thread is given from a reserve that
 * was taken before: where that cannot be had, nothing was begun, and its caller says so. May nest.
 * Any thread. */
#ifndef NET_ASSURED_H
#define NET_ASSURED_H

#include <stdbool.h>
#include <stddef.h>

/* False: there is no memory. */
bool assured_begin(size_t reserve_bytes);
void assured_end(void);

/* For NNG's allocator (message_memory.c). Zeros; NULL: not between begin and end, or the reserve is
 * used up. */
void *assured_memory(size_t bytes);
/* This thread is to be given no memory at all: the very first refusal is one that NNG survives. */
bool assured_refuses(void);
/* Whether it was of a reserve, and is given back. */
bool assured_return(void *memory);

#endif
