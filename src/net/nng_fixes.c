/* What keeps the bugs of NNG away, each fix at the function that it stands in front of. */
#include "net/nng_fixes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <nng/nng.h>

/* 1. A peer that connects, sends FIN and resets before the SP handshake: sendmsg() gives EPIPE, NNG
 *    makes it NNG_ECLOSED, and the listener takes that for its own closing: it never accepts again.
 *    ECONNRESET is told apart.
 *
 * 2. A stream operation that is submitted again from its own callback (the rest of a message or of
 *    a handshake), on an aio that was closed meanwhile, is refused without a callback. The
 *    operation above it waits for ever: the pipe is never freed, its descriptors leak, nng_close()
 *    hangs. So the wrapper finishes such an aio itself. Only in that case: another refused
 *    operation is told by its caller, and would be finished twice. This thread is inside the
 *    callback of an aio exactly when that aio's result was the last one it read.
 *
 * 3. A message that a socket gives to a pipe in the instant in which that closes is refused
 *    likewise, and stays in the pipe's aio, which is freed without it. Not fatal, but a leak each
 *    time.
 *
 * 4. nni_aio_stop(), nni_aio_close() and nni_aio_abort() call nni_task_abort() where an operation
 *    cannot be cancelled. That is so, too, in the instant in which another thread finishes it: the
 *    task counts as idle while its callback is still to come, nni_aio_stop() does not wait for it,
 *    and the aio is freed under the thread that finishes it. What has begun is always finished, so
 *    nothing needs to be aborted: 1.12 does not do it any more.
 *
 * 5. The thread that ends what takes too long wakes in the millisecond of the earliest time limit,
 *    and takes an operation for late in the next one. Between the two it looks again and again, and
 *    holds its lock: whatever begins or ends beside it waits for up to a millisecond. It waits for
 *    one millisecond longer here.
 *
 * 6. A socket that is made to dial is watched by epoll before it is connected, for nothing: but
 *    that it is not connected, epoll tells all the same, again and again. So a failed attempt keeps
 *    the poller busy until it is freed, for which another thread waits for the poller, one after
 *    the other. Hundreds of dialers without a peer on a busy machine fail faster than that, and
 *    nng_close() waits behind them for ever, at 100 % of a core. Such a socket is watched for one
 *    event alone, as NNG does with all others. */
#if NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION * 100 + NNG_PATCH_VERSION < 502
#error "NNG 1.5.2 or newer is needed: older ones call back themselves what they refuse " \\
    "(2, 3), and would finish it twice"
#endif
#if defined(NNG_UNFIXED) /* tests/unit/test_nng_unfixed.c shows what they do */
#define FIXES false
#else
#define FIXES (NNG_MAJOR_VERSION == 1)
#endif
#define RESETS_END_LISTENERS (FIXES && NNG_MINOR_VERSION < 6)
#define REFUSES_SILENTLY FIXES
#define LOSES_MESSAGES (FIXES && NNG_MINOR_VERSION < 6)
#define SPINS_BEFORE_LATE FIXES
#define WATCHES_THE_UNCONNECTED FIXES
#define ABORTS_TASKS (FIXES && NNG_MINOR_VERSION >= 9 && NNG_MINOR_VERSION < 12)

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __real_nni_aio_begin(nng_aio *aio);
int __wrap_nni_aio_begin(nng_aio *aio);
int __real_nni_aio_result(nng_aio *aio);
int __wrap_nni_aio_result(nng_aio *aio);
struct nng_stream;
void __real_nng_stream_recv(struct nng_stream *stream, nng_aio *aio);
void __wrap_nng_stream_recv(struct nng_stream *stream, nng_aio *aio);
void __real_nng_stream_send(struct nng_stream *stream, nng_aio *aio);
void __wrap_nng_stream_send(struct nng_stream *stream, nng_aio *aio);
struct nni_pipe;
void __real_nni_pipe_send(struct nni_pipe *pipe, nng_aio *aio);
void __wrap_nni_pipe_send(struct nni_pipe *pipe, nng_aio *aio);
void __real_nni_pipe_recv(struct nni_pipe *pipe, nng_aio *aio);
void __wrap_nni_pipe_recv(struct nni_pipe *pipe, nng_aio *aio);
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
struct nni_task;
void __real_nni_task_abort(struct nni_task *task);
void __wrap_nni_task_abort(struct nni_task *task);
struct nni_cv;
int __real_nni_cv_until(struct nni_cv *cv, uint64_t until_ms);
int __wrap_nni_cv_until(struct nni_cv *cv, uint64_t until_ms);
uint32_t nni_pipe_id(struct nni_pipe *pipe);
uint32_t nni_pipe_sock_id(struct nni_pipe *pipe);
void nni_aio_set_input(nng_aio *aio, unsigned index, void *input);
void *nni_aio_get_input(nng_aio *aio, unsigned index);
void nni_aio_finish_error(nng_aio *aio, int error);
nng_msg *nni_aio_get_msg(nng_aio *aio);
void nni_aio_set_msg(nng_aio *aio, nng_msg *message);
void nni_msg_free(nng_msg *message);

static atomic_uint_fast64_t broken_pipes;
static atomic_uint_fast64_t lost_operations;
static atomic_uint_fast64_t lost_messages;

/* The stream operation that this thread is submitting. */
struct submission {
    nng_aio *aio;
    bool sends;
    bool goes_on; /* it receives, from the callback of what it has received */
    bool refused;
};
static _Thread_local struct submission submission;
static _Thread_local nng_aio *last_result;

struct nng_fixes_counts nng_fixes_counts(void)
{
    return (struct nng_fixes_counts){atomic_load(&broken_pipes), atomic_load(&lost_operations),
                                     atomic_load(&lost_messages)};
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = __real_sendmsg(fd, message, flags);
    if (sent < 0 && errno == EPIPE && RESETS_END_LISTENERS) {
        atomic_fetch_add(&broken_pipes, 1);
        errno = ECONNRESET;
    }
    return sent;
}

int __wrap_nni_aio_begin(nng_aio *aio)
{
    int error = __real_nni_aio_begin(aio);
    if (error != 0 && aio == submission.aio)
        submission.refused = true;
    return error;
}

int __wrap_nni_aio_result(nng_aio *aio)
{
    last_result = aio;
    return __real_nni_aio_result(aio);
}

nng_aio *nng_fixes_sending(void)
{
    return submission.sends ? submission.aio : NULL;
}

bool nng_fixes_receiving_on(void)
{
    return submission.goes_on;
}

void nng_fixes_leave_callback(void)
{
    last_result = NULL;
}

void __wrap_nni_task_abort(struct nni_task *task)
{
    if (!ABORTS_TASKS)
        __real_nni_task_abort(task);
}

static void stream_recv(void *stream, nng_aio *aio)
{
    __real_nng_stream_recv(stream, aio);
}

static void stream_send(void *stream, nng_aio *aio)
{
    __real_nng_stream_send(stream, aio);
}

static void pipe_send(void *pipe, nng_aio *aio)
{
    __real_nni_pipe_send(pipe, aio);
}

/* Tells whether begin refused the aio. */
static bool submit(void (*operation)(void *, nng_aio *), void *target, nng_aio *aio)
{
    struct submission outer = submission; /* TLS submits to TCP inside its own submission */
    submission = (struct submission){
        .aio = aio,
        .sends = operation == stream_send,
        .goes_on = operation == stream_recv && last_result == aio,
    };
    operation(target, aio);
    bool refused = submission.refused;
    submission = outer;
    return refused;
}

static void submit_to_stream(void (*operation)(void *, nng_aio *), struct nng_stream *stream,
                             nng_aio *aio)
{
    bool in_callback = last_result == aio;
    if (!submit(operation, stream, aio) || !in_callback || !REFUSES_SILENTLY)
        return;
    atomic_fetch_add(&lost_operations, 1);
    nni_aio_finish_error(aio, NNG_ECLOSED);
}

/* The stream's aio is told whose it is when its pipe first receives: transports do not use these
 * inputs. */
enum { INPUT_SOCKET = 2, INPUT_PIPE = 3 };
static _Thread_local struct nni_pipe *receiving;

void __wrap_nni_pipe_recv(struct nni_pipe *pipe, nng_aio *aio)
{
    struct nni_pipe *outer = receiving;
    receiving = pipe;
    __real_nni_pipe_recv(pipe, aio);
    receiving = outer;
}

static void tell_whose(nng_aio *aio)
{
    nni_aio_set_input(aio, INPUT_SOCKET, (void *)(uintptr_t)nni_pipe_sock_id(receiving));
    nni_aio_set_input(aio, INPUT_PIPE, (void *)(uintptr_t)nni_pipe_id(receiving));
}

bool nng_fixes_receiving(uint32_t *socket, uint32_t *pipe)
{
    if (last_result == NULL)
        return false;
    *socket = (uint32_t)(uintptr_t)nni_aio_get_input(last_result, INPUT_SOCKET);
    *pipe = (uint32_t)(uintptr_t)nni_aio_get_input(last_result, INPUT_PIPE);
    return *pipe != 0;
}

void __wrap_nng_stream_recv(struct nng_stream *stream, nng_aio *aio)
{
    if (receiving != NULL)
        tell_whose(aio);
    submit_to_stream(stream_recv, stream, aio);
}

void __wrap_nng_stream_send(struct nng_stream *stream, nng_aio *aio)
{
    submit_to_stream(stream_send, stream, aio);
}

void __wrap_nni_pipe_send(struct nni_pipe *pipe, nng_aio *aio)
{
    if (!submit(pipe_send, pipe, aio) || !LOSES_MESSAGES || nni_aio_get_msg(aio) == NULL)
        return;
    atomic_fetch_add(&lost_messages, 1);
    nni_msg_free(nni_aio_get_msg(aio));
    nni_aio_set_msg(aio, NULL);
}

/* 0 and the largest number mean at once and never. */
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (!WATCHES_THE_UNCONNECTED || operation != EPOLL_CTL_ADD || event->events != 0)
        return __real_epoll_ctl(epoll, operation, fd, event);
    struct epoll_event once = *event;
    once.events = EPOLLONESHOT;
    return __real_epoll_ctl(epoll, operation, fd, &once);
}

int __wrap_nni_cv_until(struct nni_cv *cv, uint64_t until_ms)
{
    bool is_time = until_ms != 0 && until_ms != UINT64_MAX;
    return __real_nni_cv_until(cv, SPINS_BEFORE_LATE && is_time ? until_ms + 1 : until_ms);
}
