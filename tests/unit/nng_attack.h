/* What test_nng_fixes.c and test_nng_unfixed.c share: programs that NNG does not survive unfixed.
 *
 * A victim is a forked child that uses NNG; the parent never does (a fork would not copy NNG's
 * threads), it only attacks over plain sockets and looks. Everything waits for a condition with a
 * deadline. */
#ifndef NNG_ATTACK_H
#define NNG_ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/types.h"
#include "net/nng_fixes.h"
#include "rpc/rpc.h"

#include "sp_socket.h"

/* ---- Victims --------------------------------------------------------------------------------- */

struct victim {
    pid_t pid;
    int to;   /* closing it asks the victim to end */
    int from; /* what the victim says */
};

/* Runs `body` in a child; it says what it likes on `out`, ends when `in` is at its end, and returns
 * its status. */
static inline struct victim victim_start(int (*body)(int in, int out, void *closure), void *closure)
{
    int to[2];
    int from[2];
    ASSERT(pipe(to) == 0 && pipe(from) == 0);
    fflush(NULL);
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        /* Nothing else of the parent's: another victim's pipe held open here would never end. */
        int in = fcntl(to[0], F_DUPFD, 100);
        int said = fcntl(from[1], F_DUPFD, 100);
        ASSERT(dup2(in, 3) == 3 && dup2(said, 4) == 4 && close_range(5, UINT_MAX, 0) == 0);
        _exit(body(3, 4, closure));
    }
    close(to[0]);
    close(from[1]);
    return (struct victim){pid, to[1], from[0]};
}

/* False: nothing came in time. */
static inline bool victim_says(const struct victim *victim, void *out, size_t bytes)
{
    struct pollfd waiting = {.fd = victim->from, .events = POLLIN};
    return poll(&waiting, 1, (int)(2 * PATIENCE_NS / NS_PER_MS)) == 1 &&
           read(victim->from, out, bytes) == (ssize_t)bytes;
}

/* Asks it to end. True when it did, in time and with status 0; kills it otherwise. */
static inline bool victim_ends(struct victim *victim, uint64_t patience_ns)
{
    uint64_t until_ns = clock_boot_ns() + patience_ns;
    int status = -1;
    close(victim->to);
    pid_t ended = waitpid(victim->pid, &status, WNOHANG);
    while (ended == 0 && clock_boot_ns() < until_ns) {
        pause_ms(5);
        ended = waitpid(victim->pid, &status, WNOHANG);
    }
    if (ended == 0) {
        kill(victim->pid, SIGKILL);
        waitpid(victim->pid, NULL, 0);
    }
    close(victim->from);
    return ended == victim->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline void await_end_of(int in)
{
    char byte;
    while (read(in, &byte, 1) > 0 || errno == EINTR)
        ;
}

/* ---- A server to be attacked ----------------------------------------------------------------- */

static inline int serve(int in, int out, void *closure)
{
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", *(int *)closure);
    struct rpc_server_options options = {.address = address, .message_bytes = 1 << 16, .calls = 16};
    struct rpc_server *server;
    if (rpc_server_open(&options, &server, NULL) != CANDOR_OK)
        return 2;
    int ready = 1;
    if (write(out, &ready, sizeof ready) != sizeof ready)
        return 3;
    await_end_of(in);
    rpc_server_close(server);
    return 0;
}

static inline struct victim server_start(int *port)
{
    if (*port == 0)
        *port = free_port();
    struct victim victim = victim_start(serve, port);
    int ready = 0;
    ASSERT(victim_says(&victim, &ready, sizeof ready) && ready == 1);
    return victim;
}

/* ---- Attacks --------------------------------------------------------------------------------- */

/* One request as any stranger would send it. True when some reply came: the server lives. */
static inline bool server_answers(int port)
{
    int fd = sp_connect(port);
    if (fd < 0)
        return false;
    uint8_t request[8 + 4 + 5];
    size_t at = frame_put(request, 9);
    memcpy(request + at, "\x80\0\0\1hello", 9);
    uint8_t reply[8 + 8 + 4];
    bool answered = send_all(fd, HANDSHAKE_REQ, sizeof HANDSHAKE_REQ) &&
                    send_all(fd, request, sizeof request) && receive_all(fd, reply, sizeof reply) &&
                    reply[16] == 0x80 && reply[19] == 1;
    close(fd);
    return answered;
}

/* FIN and reset while the server cannot run: when it accepts, all has come already (bug 1). */
static inline void attack_fin_and_reset(const struct victim *server, int port, int count)
{
    int status;
    kill(server->pid, SIGSTOP);
    ASSERT(waitpid(server->pid, &status, WUNTRACED) == server->pid && WIFSTOPPED(status));
    for (int i = 0; i < count; i++) {
        int fd = sp_connect(port);
        ASSERT(fd >= 0);
        shutdown(fd, SHUT_WR);
        sp_reset(fd);
    }
    kill(server->pid, SIGCONT);
}

/* ---- Bug 2: a subscriber that drops its connections in mid-message --------------------------- */

struct subscriber_report {
    int descriptors_before;
    int descriptors_after;
    int dropped;       /* connections that another one followed */
    uint64_t received; /* messages */
};

static atomic_bool publishing;

static inline void *publish_large(void *closure)
{
    nng_socket *pub = closure;
    while (atomic_load(&publishing)) {
        nng_msg *message;
        ASSERT(nng_msg_alloc(&message, 100000) == 0);
        memset(nng_msg_body(message), 7, 100000);
        if (nng_sendmsg(*pub, message, 0) != 0)
            nng_msg_free(message);
        pause_ms(1);
    }
    return NULL;
}

static atomic_uint_fast32_t current_pipe;

static inline void pipe_came(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    (void)event;
    (void)closure;
    atomic_store(&current_pipe, (uint32_t)nng_pipe_id(pipe));
}

static inline uint32_t next_pipe(uint32_t last)
{
    uint64_t until_ns = clock_boot_ns() + 3 * NS_PER_S;
    uint32_t pipe = (uint32_t)atomic_load(&current_pipe);
    while (pipe == last && clock_boot_ns() < until_ns) {
        pause_ms(1);
        pipe = (uint32_t)atomic_load(&current_pipe);
    }
    return pipe;
}

static inline uint64_t drain(nng_socket sub)
{
    uint64_t count = 0;
    nng_msg *message;
    while (nng_recvmsg(sub, &message, NNG_FLAG_NONBLOCK) == 0) {
        nng_msg_free(message);
        count++;
    }
    return count;
}

/* Drops `*closure` connections in the middle of large messages, reports, and closes its sockets. */
static inline int subscribe_and_drop(int in, int out, void *closure)
{
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", free_port());
    nng_socket pub;
    nng_socket sub;
    ASSERT(nng_pub0_open(&pub) == 0 && nng_listen(pub, address, NULL, 0) == 0);
    ASSERT(nng_sub0_open(&sub) == 0 && nng_socket_set(sub, NNG_OPT_SUB_SUBSCRIBE, "", 0) == 0);
    ASSERT(nng_socket_set_ms(sub, NNG_OPT_RECONNMINT, 1) == 0);
    ASSERT(nng_socket_set_ms(sub, NNG_OPT_RECONNMAXT, 5) == 0);
    ASSERT(nng_pipe_notify(sub, NNG_PIPE_EV_ADD_POST, pipe_came, NULL) == 0);
    ASSERT(nng_dial(sub, address, NULL, NNG_FLAG_NONBLOCK) == 0);
    atomic_store(&publishing, true);
    pthread_t publisher;
    pthread_create(&publisher, NULL, publish_large, &pub);

    uint32_t pipe = next_pipe(0);
    struct subscriber_report report = {.descriptors_before = descriptors_of(getpid())};
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < *(int *)closure; i++) {
        struct timespec while_reading = {.tv_nsec = (long)rng_below(&rng, 2000000)};
        nanosleep(&while_reading, NULL);
        nng_pipe_close((nng_pipe){.id = pipe});
        uint32_t next = next_pipe(pipe);
        report.received += drain(sub);
        /* never reaped: its dialer waits for ever */
        if (next == pipe)
            break;
        pipe = next;
        report.dropped++;
    }
    report.descriptors_after = descriptors_at_most(getpid(), report.descriptors_before + 4);
    ASSERT(write(out, &report, sizeof report) == sizeof report);
    await_end_of(in);
    atomic_store(&publishing, false);
    pthread_join(publisher, NULL);
    nng_close(sub);
    nng_close(pub);
    return 0;
}

/* ---- Operations of a closed aio, one by one -------------------------------------------------- */

void nni_aio_close(nng_aio *aio);
int nni_aio_begin(nng_aio *aio);
void nni_aio_finish(nng_aio *aio, int error, size_t count);

struct receiver {
    nng_stream *stream;
    nng_aio *aio;
    uint8_t byte;
    int callbacks;
};

static inline void receive_byte(struct receiver *receiver)
{
    nng_iov iov = {.iov_buf = &receiver->byte, .iov_len = 1};
    ASSERT(nng_aio_set_iov(receiver->aio, 1, &iov) == 0);
    nng_stream_recv(receiver->stream, receiver->aio);
}

/* As a transport does with the rest of a message; its aio is closed before it comes to that. */
static inline void close_and_receive_on(void *closure)
{
    struct receiver *receiver = closure;
    receiver->callbacks++;
    if (nng_aio_result(receiver->aio) != 0)
        return;
    nni_aio_close(receiver->aio);
    receive_byte(receiver);
}

static inline nng_stream *stream_to(int port)
{
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    nng_stream_dialer *dialer;
    nng_aio *aio;
    ASSERT(nng_stream_dialer_alloc(&dialer, address) == 0 && nng_aio_alloc(&aio, NULL, NULL) == 0);
    nng_stream_dialer_dial(dialer, aio);
    nng_aio_wait(aio);
    ASSERT(nng_aio_result(aio) == 0);
    nng_stream *stream = nng_aio_get_output(aio, 0);
    nng_aio_free(aio);
    nng_stream_dialer_free(dialer);
    return stream;
}

/* Says how often the aio's callback has run once the aio is idle: 2, if the second operation was
 * told that it failed. */
static inline int resubmit_on_a_closed_aio(int in, int out, void *closure)
{
    int port = free_port();
    int listener = sp_listen_at("127.0.0.1", port, 1);
    struct receiver receiver = {.stream = stream_to(port)};
    int peer = accept(listener, NULL, NULL);
    ASSERT(peer >= 0 && nng_aio_alloc(&receiver.aio, close_and_receive_on, &receiver) == 0);
    receive_byte(&receiver);
    ASSERT(send_all(peer, "x", 1));
    nng_aio_wait(receiver.aio);
    ASSERT(write(out, &receiver.callbacks, sizeof receiver.callbacks) == sizeof receiver.callbacks);
    nng_aio_free(receiver.aio);
    nng_stream_free(receiver.stream);
    close(peer);
    close(listener);
    (void)in;
    (void)closure;
    return 0;
}

#if NNG_MINOR_VERSION >= 9 /* bug 4 came with it */
/* Says whether an operation that has begun, and that somebody tries to cancel, still counts as
 * under way. */
static inline int cancel_what_will_be_finished(int in, int out, void *closure)
{
    nng_aio *aio;
    ASSERT(nng_aio_alloc(&aio, NULL, NULL) == 0 && nni_aio_begin(aio) == 0);
    nng_aio_cancel(aio);
    int busy = nng_aio_busy(aio);
    nni_aio_finish(aio, 0, 0);
    ASSERT(write(out, &busy, sizeof busy) == sizeof busy);
    nng_aio_free(aio);
    (void)in;
    (void)closure;
    return 0;
}
#endif

static inline int answer_of(int (*body)(int in, int out, void *closure))
{
    int answer = -1;
    struct victim victim = victim_start(body, NULL);
    bool said = victim_says(&victim, &answer, sizeof answer);
    return victim_ends(&victim, PATIENCE_NS) && said ? answer : -1;
}

#endif
