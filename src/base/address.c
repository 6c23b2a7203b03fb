/* What is an address of a node, and what is wrong with one that is none. */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/foreign_text.h"

#define LIKE_TCP "write it like tcp://10.0.0.1:7000"
#define LIKE_IPV6 "write it like tcp://[fd00::1]:7000"
#define SCHEMES "write tcp://host:port or ipc:///path"

static bool wrong(struct address_problem *why, const char *text, const char *what, const char *hint)
{
    char quoted[QUOTE_BYTES];
    snprintf(why->what, sizeof why->what, "%s %s", text_quote(text, strlen(text), quoted), what);
    snprintf(why->hint, sizeof why->hint, "%s", hint);
    return false;
}

/* "tcp" of tcp://...; what follows is at `*rest`. */
static bool scheme_parse(const char *text, struct address *out, const char **rest,
                         struct address_problem *why)
{
    const char *end = strstr(text, "://");
    if (end == NULL)
        return wrong(why, text, "is not an address", SCHEMES);
    size_t length = (size_t)(end - text);
    *rest = end + 3;
    if ((length == 2 && memcmp(text, "ws", 2) == 0) || (length == 3 && memcmp(text, "wss", 3) == 0))
        return wrong(why, text, "is a WebSocket address",
                     "dialers of WebSockets leak in NNG 1.5.2: write tcp://");
    if (length == 7 && memcmp(text, "tls+tcp", 7) == 0)
        return wrong(
            why, text, "is a TLS address",
            "this version has no TLS, and no key for a certificate: write tcp://, and keep "
            "the ports inside a network you trust");
    if (length == 6 && memcmp(text, "inproc", 6) == 0)
        return wrong(why, text, "does not leave the process", SCHEMES);
    static const char *const known[] = {"tcp", "ipc", NULL};
    for (size_t i = 0; known[i] != NULL; i++)
        if (strlen(known[i]) == length && memcmp(known[i], text, length) == 0)
            memcpy(out->scheme, text, length);
    if (out->scheme[0] == '\0')
        return wrong(why, text, "has an unknown scheme", SCHEMES);
    return true;
}

static bool ipc_parse(const char *text, const char *path, struct address *out,
                      struct address_problem *why)
{
    if (path[0] == '\0')
        return wrong(why, text, "has no path", "write ipc:///path/to/socket");
    if (strlen(path) >= IPC_PATH_BYTES)
        return wrong(why, text, "has too long a path", "a socket's path has at most 107 bytes");
    if (!text_printable(path))
        return wrong(why, text, "has characters that cannot be printed",
                     "write ipc:///path/to/socket");
    out->ipc = true;
    memcpy(out->path, path, strlen(path));
    return true;
}

static bool port_parse(const char *text, const char *digits, struct address *out,
                       struct address_problem *why)
{
    size_t length = strspn(digits, "0123456789");
    uint32_t port = 0;
    if (length == 0)
        return wrong(why, text, "has no port", LIKE_TCP);
    if (digits[length] != '\0')
        return wrong(why, text, "goes on after the port", LIKE_TCP);
    for (size_t i = 0; i < length && port <= UINT16_MAX; i++)
        port = port * 10 + (uint32_t)(digits[i] - '0');
    if (port == 0 || port > UINT16_MAX)
        return wrong(why, text, "has a port out of range", "a port is 1 to 65535");
    out->port = port;
    return true;
}

static bool host_is_name(const char *host)
{
    size_t length = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
    return host[length] == '\0' && host[0] != '-' && host[0] != '.';
}

static bool host_check(const char *text, bool bracketed, struct address *out,
                       struct address_problem *why)
{
    static const char wildcard[] = "name the host that is to be dialled";
    struct in_addr v4;
    struct in6_addr v6;
    if (out->host[0] == '\0')
        return wrong(why, text, "has no host", wildcard);
    if (bracketed) {
        if (inet_pton(AF_INET6, out->host, &v6) != 1)
            return wrong(why, text, "has a malformed IPv6 address", LIKE_IPV6);
        static const struct in6_addr mapped_any = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
        if (memcmp(&v6, &in6addr_any, sizeof v6) == 0 || memcmp(&v6, &mapped_any, sizeof v6) == 0)
            return wrong(why, text, "is a wildcard", wildcard);
        /* ::ffff:10.0.0.1 is 10.0.0.1 in another spelling. */
        const char *canonical =
            IN6_IS_ADDR_V4MAPPED(&v6)
                ? inet_ntop(AF_INET, v6.s6_addr + 12, out->host, sizeof out->host)
                : inet_ntop(AF_INET6, &v6, out->host, sizeof out->host);
        ASSERT(canonical != NULL);
        return true;
    }
    if (strcmp(out->host, "*") == 0 || strcmp(out->host, "0.0.0.0") == 0)
        return wrong(why, text, "is a wildcard", wildcard);
    bool numeric = out->host[strspn(out->host, "0123456789.")] == '\0';
    if (numeric ? inet_pton(AF_INET, out->host, &v4) != 1 : !host_is_name(out->host))
        return wrong(why, text, "has a malformed host", LIKE_TCP);
    return true;
}

static bool tcp_parse(const char *text, const char *rest, struct address *out,
                      struct address_problem *why)
{
    bool bracketed = rest[0] == '[';
    size_t length = strcspn(rest, bracketed ? "]" : ":/");
    const char *after = rest + length + (bracketed && rest[length] == ']');
    for (size_t i = bracketed; i < length; i++)
        out->host[i - bracketed] = (char)tolower((unsigned char)rest[i]);
    if (bracketed && rest[length] != ']')
        return wrong(why, text, "has a malformed IPv6 address", LIKE_IPV6);
    if (!host_check(text, bracketed, out, why))
        return false;
    if (*after != ':')
        return wrong(why, text, "has no port", LIKE_TCP);
    return port_parse(text, after + 1, out, why);
}

bool address_parse(const char *text, struct address *out, struct address_problem *why)
{
    const char *rest;
    memset(out, 0, sizeof *out);
    if (strlen(text) >= LIMIT_ADDRESS_BYTES)
        return wrong(why, text, "is too long", "an address has at most 127 bytes");
    if (!scheme_parse(text, out, &rest, why))
        return false;
    return strcmp(out->scheme, "ipc") == 0 ? ipc_parse(text, rest, out, why)
                                           : tcp_parse(text, rest, out, why);
}

bool address_check(const char *text, struct address_problem *why)
{
    struct address ignored;
    return address_parse(text, &ignored, why);
}
