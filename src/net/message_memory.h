/* Memory of the messages that NNG holds for a server: half received, or packed and not sent yet.
 *
 * NNG 1.5.2 takes the length that a peer announces at its word, and holds a message until it is
 * complete, or until its reader reads, without a limit of time or of all connections together.
 * NNG's own allocator is wrapped at link time (src/net/CMakeLists.txt): bodies of messages from 16
 * KiB are counted in the budget of the server whose connection brings or takes them. One that would
 * go over it is refused as if there were no memory: NNG closes its connection. Small messages
 * always pass.
 *
 * Any thread. The table's lock is a leaf. */
#ifndef NET_MESSAGE_MEMORY_H
#define NET_MESSAGE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

#include "base/budget.h"

/* Counts what the socket receives from here on. The budget outlives the socket by what is still to
 * be freed of it, so it is not the caller's memory. */
struct budget *message_memory_begin(nng_socket socket, size_t limit_bytes);
void message_memory_end(struct budget *budget);

/* A message of the caller's own, for the connection `pipe`. NNG_ENOMEM over the budget too: bodies
 * over LIMIT_RPC_REPLY_PASS_BYTES only. */
int message_memory_alloc(nng_msg **out, size_t bytes, struct budget *budget, uint32_t pipe);

/* Up to `most` connections with a message that has been under way for longer than
 * LIMIT_RPC_MESSAGE_MS and the time that LIMIT_RPC_MESSAGE_BYTES_PER_S gives to its length. Returns
 * how many. */
size_t message_memory_stuck(const struct budget *budget, uint64_t now_ns, uint32_t *out,
                            size_t most);

#endif
