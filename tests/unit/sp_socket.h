/* Plain TCP to and from NNG, its SP framing by hand: what tests do that NNG itself would not. */
#ifndef SP_SOCKET_H
#define SP_SOCKET_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/types.h"

#define PATIENCE_NS (60 * NS_PER_S) /* under sanitizers, on a machine that has other things to do */

/* A known leak of NNG 1.5.2 and 1.10.1, not fixed (docs/architecture.md): a dialer or listener that
 * is closed in the instant in which a handshake ends keeps itself and that connection. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:tcptran_dialer_init\nleak:tcptran_dial_cb\nleak:tcp_dial_res_cb\n"
           "leak:tcptran_listener_init\nleak:tcptran_accept_cb\n";
}

/* ---- Ports, waiting, descriptors ------------------------------------------------------------- */

/* This process alone holds it until it ends: the byte of the port's number is locked in a file that
 * all tests of this user share, those in Python too (tests/cluster/ports.py). */
static inline bool port_is_locked(uint16_t port)
{
    static int file = -1;
    if (file < 0) {
        char path[256];
        const char *directory = getenv("TMPDIR");
        snprintf(path, sizeof path, "%s/candor-test-ports.%u", directory ? directory : "/tmp",
                 getuid());
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ASSERT(file >= 0);
    }
    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = port, .l_len = 1};
    return fcntl(file, F_OFD_SETLK, &byte) == 0;
}

/* Drawn below the range that the kernel gives to outgoing connections: nobody takes it by chance
 * while it is free, and a dialer that finds no listener does not meet itself. */
static inline int free_port(void)
{
    static uint8_t held[(1 << 16) / 8]; /* one's own lock does not keep one out */
    for (;;) {
        uint16_t port;
        random_bytes(&port, sizeof port);
        port = (uint16_t)(10000 + port % 20000);
        if (held[port / 8] & 1 << port % 8 || !port_is_locked(port))
            continue;
        held[port / 8] |= (uint8_t)(1 << port % 8);
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT(fd >= 0);
        bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
}

static inline void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static inline int descriptors_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

/* Waits until the process has at most that many; returns what it has then. */
static inline int descriptors_at_most(pid_t pid, int most)
{
    uint64_t until_ns = clock_boot_ns() + PATIENCE_NS;
    int count = descriptors_of(pid);
    while (count > most && clock_boot_ns() < until_ns) {
        pause_ms(10);
        count = descriptors_of(pid);
    }
    return count;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static const uint8_t HANDSHAKE_REQ[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

static inline int sp_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    struct timeval patience = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int sp_local_port(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    (void)getsockname(fd, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

static inline void sp_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd); /* RST */
}

static inline bool send_all(int fd, const void *bytes, size_t length)
{
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static inline bool receive_all(int fd, uint8_t *out, size_t length)
{
    size_t got = 0;
    while (got < length) {
        ssize_t n = recv(fd, out + got, length - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static inline size_t frame_put(uint8_t *out, uint64_t length)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(length >> (56 - 8 * i));
    return 8;
}

/* Waits for the next connection to a listening socket; -1: none came. */
static inline int sp_accept(int listener)
{
    struct timeval patience = {.tv_sec = 5};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline int sp_listen_at(const char *host, int port, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    ASSERT(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int understood = inet_pton(AF_INET, host, &address.sin_addr);
    ASSERT(understood == 1);
    int error = bind(fd, (struct sockaddr *)&address, sizeof address);
    ASSERT(error == 0);
    error = listen(fd, backlog);
    ASSERT(error == 0);
    return fd;
}

static inline int sp_listen(int port, int backlog)
{
    return sp_listen_at("127.0.0.1", port, backlog);
}

/* One SP message with a request id before it. */
static inline bool sp_send(int fd, uint32_t id, const void *bytes, size_t length)
{
    uint8_t head[12];
    frame_put(head, length + 4);
    for (int i = 0; i < 4; i++)
        head[8 + i] = (uint8_t)(id >> (24 - 8 * i));
    return send_all(fd, head, sizeof head) && (length == 0 || send_all(fd, bytes, length));
}

/* Returns the length of the next message's body, at most `capacity`; -1: none came, or a longer
 * one. */
static inline long sp_receive(int fd, uint32_t *id, uint8_t *out, size_t capacity)
{
    uint8_t head[12];
    if (!receive_all(fd, head, sizeof head))
        return -1;
    uint64_t length = 0;
    for (int i = 0; i < 8; i++)
        length = length << 8 | head[i];
    *id = (uint32_t)head[8] << 24 | (uint32_t)head[9] << 16 | (uint32_t)head[10] << 8 | head[11];
    if (length < 4 || length - 4 > capacity || !receive_all(fd, out, length - 4))
        return -1;
    return (long)length - 4;
}

#endif
