/* What stands at an address: sockets that are one, hosts that are one, addresses that follow from
 * another. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "topology/internal.h"

static struct address parsed(const char *text)
{
    struct address address;
    struct address_problem why;
    bool good = address_parse(text, &address, &why);
    ASSERT(good);
    return address;
}

/* However it is spelled, a port is taken once. */
char *address_endpoint(const char *text, char out[ENDPOINT_BYTES])
{
    struct address address = parsed(text);
    char path[LIMIT_PATH_BYTES];
    if (address.ipc) {
        char followed[LIMIT_PATH_BYTES] = "";
        bool relative = address.path[0] != '/';
        bool fits = path_resolve("", address.path, path);
        ASSERT(fits);
        if (!relative)
            path_follow(path, followed);
        snprintf(out, ENDPOINT_BYTES, "ipc %s%s", relative ? "." : "", relative ? path : followed);
        return out;
    }
    size_t length = strlen(address.host);
    /* DNS's way to say: this is the whole name */
    if (length > 1 && address.host[length - 1] == '.')
        address.host[length - 1] = '\0';
    snprintf(out, ENDPOINT_BYTES, "tcp %s %" PRIu32, address.host, address.port);
    return out;
}

static bool local_name_and_number(const char *a, const char *b)
{
    static const char name[] = "tcp localhost ";
    static const char *const numbers[] = {"tcp 127.0.0.1 ", "tcp ::1 "};
    if (strncmp(a, name, sizeof name - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t length = strlen(numbers[i]);
        if (strncmp(b, numbers[i], length) == 0 && strcmp(a + sizeof name - 1, b + length) == 0)
            return true;
    }
    return false;
}

bool address_endpoints_clash(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || local_name_and_number(a, b) || local_name_and_number(b, a);
}

static bool loopback(const struct address *address)
{
    return address->ipc || strncmp(address->host, "127.", 4) == 0 ||
           strcmp(address->host, "localhost") == 0 || strcmp(address->host, "::1") == 0;
}

bool address_same_host(const char *a, const char *b)
{
    struct address one = parsed(a);
    struct address other = parsed(b);
    return (loopback(&one) && loopback(&other)) || strcmp(one.host, other.host) == 0;
}

bool address_beside(const char *address, uint32_t step, const char *name,
                    char out[LIMIT_ADDRESS_BYTES], struct topology_problem *why)
{
    struct address from = parsed(address);
    size_t kept = strlen(address);
    char tail[16];
    memset(out, 0, LIMIT_ADDRESS_BYTES);
    if (from.ipc) {
        snprintf(tail, sizeof tail, ".%s", name);
    } else {
        const char *colon = strrchr(address, ':');
        ASSERT(colon != NULL);
        kept = (size_t)(colon - address) + 1;
        snprintf(tail, sizeof tail, "%" PRIu32, from.port + step);
    }
    bool fits = from.ipc ? strlen(from.path) + strlen(tail) < IPC_PATH_BYTES
                         : from.port + step <= UINT16_MAX;
    if (!fits || kept + strlen(tail) >= LIMIT_ADDRESS_BYTES) {
        char quoted[QUOTE_BYTES];
        problems_say(why->what, "%s gives no %s address",
                     text_quote(address, strlen(address), quoted), name);
        problems_say(why->hint, "write '%s' as well", name);
        return false;
    }
    memcpy(out, address, kept);
    memcpy(out + kept, tail, strlen(tail));
    return true;
}
