/* What a fault proxy can be asked, and who asks.
 *
 * Control: one line of JSON each way on a stream socket.
 *     {"op":"cut","from":"a","to":"b","one_way":true}  one_way: packets from a to b alone
 *     {"op":"heal","from":"a","to":"b","one_way":true}     {"op":"heal","all":true}
 *     {"op":"delay","from":"a","to":"b","ms":100,"one_way":true}
 *     {"op":"list"}
 * Each is answered by
 * {"ok":true,"nodes":["a",...],"paths":[{"from","to","cut","delay_ms","connections","held_bytes",
 * "forwarded_bytes"},...]}, a path for each ordered pair, `connections` being those that `from`
 * dialed; or by {"ok":false,"error":"..."}, and nothing was changed. */
#ifndef CLI_FAULT_ASK_H
#define CLI_FAULT_ASK_H

#include <stdbool.h>
#include <sys/un.h>

#include <candor/status.h>
#include <jansson.h>

/* Asks the proxy of `dir`; drops the reference to `request`. NOT_FOUND: no proxy runs there;
 * INVALID_ARGUMENT: refused, with the proxy's words. The caller drops *reply. */
enum candor_code fault_proxy_ask(const char *dir, json_t *request, json_t **reply,
                                 struct candor_error *err);

/* For the proxy itself: where its socket is (false: *err says why not), and a connection to it; -1:
 * nobody answers. */
bool control_path(const char *dir, struct sockaddr_un *out, struct candor_error *err);
int control_dial(const struct sockaddr_un *address);

#endif
