/* Addresses of nodes, "tcp://host:port" and "ipc:///path": what a topology takes for one, libcandor
 * dials, and kvctl is told by --endpoint. Others dial them, so none is a wildcard. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define IPC_PATH_BYTES 108 /* sockaddr_un's, with the terminator */

struct address {
    bool ipc;
    char scheme[8];                 /* "tcp", "ipc" */
    char host[LIMIT_ADDRESS_BYTES]; /* lower case, an IPv6 one without brackets */
    uint32_t port;
    char path[LIMIT_ADDRESS_BYTES]; /* of ipc */
};

struct address_problem {
    char what[256]; /* "'tcp://h' has no port" */
    char hint[256]; /* "write it like tcp://10.0.0.1:7000" */
};

/* False: `why` says what is wrong with it, and what to write. */
bool address_parse(const char *text, struct address *out, struct address_problem *why);
/* Whether it is one; likewise. */
bool address_check(const char *text, struct address_problem *why);

#endif
