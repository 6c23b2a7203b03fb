/* A socket that one dialer keeps connected: dropped, dialled anew. */
#include "net/dialed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logging.h"
#include "net/resolver.h"

#define RECONNECT_FIRST_MS 10
#define RECONNECT_MOST_MS 250
/* One alone may be a dialer that was closed in mid-handshake. */
#define FOREIGN_LEAST 2

static void set_pipe(struct dialed *dialed, uint32_t pipe)
{
    atomic_store(&dialed->since_ns, clock_boot_ns());
    atomic_store(&dialed->pipe, pipe);
    if (dialed->changed != NULL)
        dialed->changed(dialed->closure, pipe != 0);
}

/* The next attempts begin with this address of the host. */
static void remember_address(struct dialed *dialed, nng_pipe pipe)
{
    nng_sockaddr address;
    struct sockaddr_storage worked;
    if (dialed->host[0] != '\0' && nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) == 0 &&
        resolver_address(&address, &worked))
        names_worked(dialed->host, &worked);
}

/* A removal may overtake the addition of the same pipe: they run on two threads. */
static void pipe_added(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    struct dialed *dialed = closure;
    (void)event;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    remember_address(dialed, pipe);
    pthread_mutex_lock(&dialed->lock);
    atomic_store(&dialed->foreign, 0);
    atomic_fetch_add(&dialed->connections, 1);
    if (id != dialed->removed)
        set_pipe(dialed, id);
    pthread_mutex_unlock(&dialed->lock);
    log_debug("connected", "address=%s", dialed->address);
}

static void pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *closure)
{
    struct dialed *dialed = closure;
    (void)event;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    pthread_mutex_lock(&dialed->lock);
    dialed->removed = id;
    bool lost = atomic_load(&dialed->pipe) == id;
    if (lost)
        set_pipe(dialed, 0);
    /* greeted and was refused, or is seen as added soon */
    else if (atomic_load(&dialed->pipe) == 0)
        atomic_fetch_add(&dialed->foreign, 1);
    pthread_mutex_unlock(&dialed->lock);
    if (lost)
        log_debug("disconnected", "address=%s", dialed->address);
}

static int dial(struct dialed *dialed)
{
    atomic_store(&dialed->dialed_ns, clock_boot_ns());
    int error = nng_dialer_create(&dialed->dialer, dialed->socket, dialed->address);
    if (error == 0)
        error = nng_dialer_start(dialed->dialer, NNG_FLAG_NONBLOCK);
    return error;
}

/* ---- What the keeper does -------------------------------------------------------------------- */

static void drop(struct dialed *dialed, uint32_t pipe)
{
    if (pipe != atomic_load(&dialed->pipe))
        return;
    if (nng_pipe_close((nng_pipe){.id = pipe}) != NNG_ENOENT)
        return;
    /* Gone long ago: its two events came in the wrong order, with those of another one between
     * them. */
    pthread_mutex_lock(&dialed->lock);
    if (atomic_load(&dialed->pipe) == pipe)
        set_pipe(dialed, 0);
    pthread_mutex_unlock(&dialed->lock);
}

static bool waits_too_long(struct dialed *dialed)
{
    uint64_t now_ns = clock_boot_ns();
    uint64_t patience_ns = atomic_load(&dialed->patience_ns);
    if (names_several(dialed->host))
        patience_ns = min_u64(patience_ns, LIMIT_CONNECT_ATTEMPT_MS * NS_PER_MS);
    return atomic_load(&dialed->pipe) == 0 &&
           saturating_sub(now_ns, atomic_load(&dialed->dialed_ns)) >= patience_ns &&
           saturating_sub(now_ns, atomic_load(&dialed->since_ns)) >= patience_ns;
}

/* A connection that comes in this very instant is lost with its dialer, and the next one dials. */
static void redial(struct dialed *dialed)
{
    if (!waits_too_long(dialed))
        return;
    nng_dialer_close(dialed->dialer);
    names_doubt(dialed->host);
    atomic_store(&dialed->foreign, 0); /* the dialer's end may have looked so */
    int error = dial(dialed); /* it was well-formed before: only memory or descriptors can lack */
    if (error != 0)
        log_warn("dial_failed", "address=%s error=\"%s\"", dialed->address, nng_strerror(error));
}

static void keep(struct chore *chore)
{
    struct dialed *dialed = (struct dialed *)chore;
    if (atomic_load(&dialed->closing))
        return;
    uint32_t unwanted = (uint32_t)atomic_exchange(&dialed->unwanted, 0);
    if (unwanted != 0)
        drop(dialed, unwanted);
    if (atomic_exchange(&dialed->redial, false))
        redial(dialed);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int set_options(struct dialed *dialed)
{
    int error = nng_socket_set_ms(dialed->socket, NNG_OPT_RECONNMINT, RECONNECT_FIRST_MS);
    if (error == 0)
        error = nng_socket_set_ms(dialed->socket, NNG_OPT_RECONNMAXT, RECONNECT_MOST_MS);
    if (error == 0)
        error = nng_pipe_notify(dialed->socket, NNG_PIPE_EV_ADD_POST, pipe_added, dialed);
    if (error == 0)
        error = nng_pipe_notify(dialed->socket, NNG_PIPE_EV_REM_POST, pipe_removed, dialed);
    return error;
}

int dialed_start(struct dialed *dialed, nng_socket socket, const char *address,
                 void (*changed)(void *closure, bool up), void *closure)
{
    *dialed = (struct dialed){
        .chore = {.run = keep}, .socket = socket, .changed = changed, .closure = closure};
    pthread_mutex_init(&dialed->lock, NULL);
    atomic_store(&dialed->since_ns, clock_boot_ns());
    int length = snprintf(dialed->address, sizeof dialed->address, "%s", address);
    if (length < 0 || (size_t)length >= sizeof dialed->address)
        return NNG_EADDRINVAL;
    /* ws:// dialers leak and may panic in 1.5.2 (docs/architecture.md). */
    if (address[0] == 'w' && address[1] == 's')
        return NNG_ENOTSUP;
    if (!names_host_of(address, dialed->host))
        dialed->host[0] = '\0';
    int error = set_options(dialed);
    if (error != 0)
        return error;
    dialed->keeps = keeper_begin();
    return dialed->keeps ? dial(dialed) : NNG_ENOMEM;
}

void dialed_close(struct dialed *dialed)
{
    atomic_store(&dialed->closing, true);
    if (dialed->keeps)
        keeper_forget(&dialed->chore);
    nng_close(dialed->socket);
    if (dialed->keeps) {
        keeper_forget(&dialed->chore); /* callbacks may have asked up to here */
        keeper_end();
    }
    pthread_mutex_destroy(&dialed->lock);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

uint32_t dialed_pipe(struct dialed *dialed, uint64_t *since_ns)
{
    uint32_t pipe = (uint32_t)atomic_load(&dialed->pipe);
    *since_ns = atomic_load(&dialed->since_ns);
    return pipe;
}

/* A socket in the file system whose rights, or whose folder's, keep this process out. */
static bool forbidden(const char *address)
{
    static const char scheme[] = "ipc://";
    size_t length = sizeof scheme - 1;
    return strncmp(address, scheme, length) == 0 &&
           faccessat(AT_FDCWD, address + length, W_OK, AT_EACCESS) != 0 && errno == EACCES;
}

enum dialed_obstacle dialed_obstacle(struct dialed *dialed, char *text, size_t size)
{
    if (atomic_load(&dialed->pipe) != 0)
        return OBSTACLE_NONE;
    int failure = names_failure(dialed->host);
    if (failure != 0) {
        bool lasting = failure == EAI_NONAME || failure == EAI_NODATA;
        snprintf(text, size, "%s does not resolve: %s", dialed->host, gai_strerror(failure));
        return lasting ? OBSTACLE_LASTING : OBSTACLE_PASSING;
    }
    if (forbidden(dialed->address)) {
        snprintf(text, size, "%s: no permission to write to this socket", dialed->address);
        return OBSTACLE_LASTING;
    }
    if (atomic_load(&dialed->foreign) < FOREIGN_LEAST)
        return OBSTACLE_NONE;
    snprintf(text, size, "what answers at %s is another kind of address", dialed->address);
    return OBSTACLE_LASTING;
}

void dialed_drop(struct dialed *dialed, uint32_t pipe)
{
    if (pipe == 0 || pipe != atomic_load(&dialed->pipe))
        return;
    atomic_store(&dialed->unwanted, pipe);
    keeper_ask(&dialed->chore);
}

void dialed_redial(struct dialed *dialed, uint64_t patience_ns)
{
    atomic_store(&dialed->patience_ns, patience_ns);
    if (!waits_too_long(dialed))
        return;
    atomic_store(&dialed->redial, true);
    keeper_ask(&dialed->chore);
}
