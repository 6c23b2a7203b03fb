/* What NNG would do on a further thread, done by the one that is there. What is received needs no
 * call for it: who has read the length of a message wakes nobody for the rest.
 *
 * When a send ends before nng_ctx_send() or nng_send_aio() returns, as most do, NNG tells so by two
 * tasks, each on a thread that may have to wake for it: one for the sender, one for the connection,
 * which takes no other message before. Between at_once_begin() and at_once_end() both are kept, and
 * at_once_end() runs them. */
#ifndef NET_AT_ONCE_H
#define NET_AT_ONCE_H

#include <nng/nng.h>

/* Before a send on this thread; `aio` is the one that is about to be sent with, or NULL when nobody
 * hears of its end. May be nested: a callback may send. */
void at_once_begin(nng_aio *aio);
/* After it, with no lock held that a callback takes: callbacks of sends run within, that of `aio`
 * and of others that waited for the same connection. */
void at_once_end(void);

#endif
