/* candor-echo: bare NNG REQ/REP, the ceiling of everything that is built on it.
 *
 *     candor-echo --address tcp://127.0.0.1:7000 --callers 64 --size 128 --seconds 5 --json
 *
 * A server process sends each message back from one of its contexts; this process keeps one request
 * in flight per caller. With --role serve or load it is only one of the two. */
#include <argp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/types.h"
#include "cli/tools/histogram.h"

#define CALLERS_MAX 1024
#define MESSAGE_BYTES_MAX ((size_t)16 << 20)
#define REQUEST_PATIENCE_MS 5000

struct settings {
    const char *role;
    const char *address;
    unsigned callers;
    size_t message_bytes;
    unsigned seconds;
    bool json;
};

/* ---- Server ---------------------------------------------------------------------------------- */

struct echo {
    nng_ctx context;
    nng_aio *aio;
    bool sending;
};

static void echo_event(void *closure)
{
    struct echo *echo = closure;
    int error = nng_aio_result(echo->aio);
    if (error == NNG_ECLOSED || error == NNG_ECANCELED)
        return;
    if (error == 0 && !echo->sending) {
        echo->sending = true;
        nng_ctx_send(echo->context, echo->aio); /* the message is still in the aio */
        return;
    }
    if (error != 0 && echo->sending) {
        nng_msg_free(nng_aio_get_msg(echo->aio));
        nng_aio_set_msg(echo->aio, NULL);
    }
    echo->sending = false;
    nng_ctx_recv(echo->context, echo->aio);
}

static int serve(const struct settings *settings)
{
    static struct echo echoes[CALLERS_MAX];
    nng_socket rep;
    ASSERT(nng_rep0_open(&rep) == 0);
    ASSERT(nng_socket_set_size(rep, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX) == 0);
    int error = nng_listen(rep, settings->address, NULL, 0);
    if (error != 0) {
        fprintf(stderr, "candor-echo: cannot listen on %s: %s\n", settings->address,
                nng_strerror(error));
        return 1;
    }
    for (unsigned i = 0; i < settings->callers; i++) {
        ASSERT(nng_ctx_open(&echoes[i].context, rep) == 0);
        ASSERT(nng_aio_alloc(&echoes[i].aio, echo_event, &echoes[i]) == 0);
        nng_ctx_recv(echoes[i].context, echoes[i].aio);
    }
    return 0;
}

/* Serves until SIGINT or SIGTERM. */
static int serve_until_signal(const struct settings *settings)
{
    sigset_t ends;
    int got;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before NNG's threads: sigwait takes them */
    if (serve(settings) != 0)
        return 1;
    sigwait(&ends, &got);
    return 0;
}

/* Before this process uses NNG: threads are not forked. */
static pid_t serve_in_child(const struct settings *settings)
{
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(serve_until_signal(settings));
    }
    return pid;
}

/* ---- Load ------------------------------------------------------------------------------------ */

static struct histogram histogram;
static atomic_uint_fast64_t error_count;
static uint64_t end_ns;
static atomic_uint running;

struct load {
    nng_ctx context;
    nng_aio *aio;
    size_t message_bytes;
    bool receiving;
    uint64_t begun_ns;
};

static void load_next(struct load *load)
{
    nng_msg *message;
    if (clock_boot_ns() >= end_ns) {
        atomic_fetch_sub(&running, 1);
        return;
    }
    ASSERT(nng_msg_alloc(&message, load->message_bytes) == 0);
    memset(nng_msg_body(message), 'e', load->message_bytes);
    load->receiving = false;
    load->begun_ns = clock_boot_ns();
    nng_aio_set_msg(load->aio, message);
    nng_ctx_send(load->context, load->aio);
}

static void load_event(void *closure)
{
    struct load *load = closure;
    int error = nng_aio_result(load->aio);
    if (error == 0 && !load->receiving) {
        load->receiving = true;
        nng_ctx_recv(load->context, load->aio);
        return;
    }
    nng_msg *message = nng_aio_get_msg(load->aio);
    nng_aio_set_msg(load->aio, NULL);
    if (message != NULL)
        nng_msg_free(message);
    if (error == 0) {
        histogram_add(&histogram, clock_boot_ns() - load->begun_ns);
    } else {
        atomic_fetch_add(&error_count, 1);
    }
    load_next(load);
}

static double percentile_us(double share)
{
    return (double)histogram_percentile_ns(&histogram, share) / 1000.0;
}

static void report(const struct settings *settings, double seconds)
{
    uint64_t done = atomic_load(&histogram.total);
    uint64_t errors = atomic_load(&error_count);
    double ops = (double)done / seconds;
    const char *format = settings->json
                             ? "{\"callers\":%u,\"size\":%zu,\"seconds\":%.3f,\"requests\":%" PRIu64
                               ",\"errors\":%" PRIu64
                               ",\"ops_per_second\":%.0f,\"latency_us\":{\"p50\":%.1f,"
                               "\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}\n"
                             : "%u callers, messages of %zu bytes, %.3f s: %" PRIu64
                               " requests, %" PRIu64 " errors\n%.0f/s; latency in us: p50 %.1f, "
                               "p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    printf(format, settings->callers, settings->message_bytes, seconds, done, errors, ops,
           percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), percentile_us(0.999),
           (double)atomic_load(&histogram.max_ns) / 1000.0);
#pragma GCC diagnostic pop
}

/* The server may just be starting. */
static int dial_patiently(nng_socket req, const char *address)
{
    uint64_t until_ns = clock_boot_ns() + 5 * NS_PER_S;
    int error = nng_dial(req, address, NULL, 0);
    while (error == NNG_ECONNREFUSED && clock_boot_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        error = nng_dial(req, address, NULL, 0);
    }
    return error;
}

static int load_run(const struct settings *settings)
{
    static struct load loads[CALLERS_MAX];
    nng_socket req;
    ASSERT(nng_req0_open(&req) == 0);
    ASSERT(nng_socket_set_ms(req, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) == 0);
    int error = dial_patiently(req, settings->address);
    if (error != 0) {
        fprintf(stderr, "candor-echo: cannot dial %s: %s\n", settings->address,
                nng_strerror(error));
        return 1;
    }
    uint64_t begun_ns = clock_boot_ns();
    end_ns = begun_ns + settings->seconds * NS_PER_S;
    atomic_store(&running, settings->callers);
    for (unsigned i = 0; i < settings->callers; i++) {
        loads[i].message_bytes = settings->message_bytes;
        ASSERT(nng_ctx_open(&loads[i].context, req) == 0);
        ASSERT(nng_aio_alloc(&loads[i].aio, load_event, &loads[i]) == 0);
        nng_aio_set_timeout(loads[i].aio, REQUEST_PATIENCE_MS);
        load_next(&loads[i]);
    }
    while (atomic_load(&running) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    report(settings, (double)(clock_boot_ns() - begun_ns) / (double)NS_PER_S);
    for (unsigned i = 0; i < settings->callers; i++)
        nng_aio_stop(loads[i].aio);
    for (unsigned i = 0; i < settings->callers; i++)
        nng_aio_free(loads[i].aio);
    nng_close(req);
    return atomic_load(&error_count) == 0 ? 0 : 1;
}

/* ---- Command line ---------------------------------------------------------------------------- */

enum { KEY_JSON = 256 };

static unsigned long number(struct argp_state *state, const char *text, unsigned long least,
                            unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < least || value > most)
        argp_error(state, "\"%s\" is not a number from %lu to %lu", text, least, most);
    return value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct settings *settings = state->input;
    switch (key) {
    case 'a':
        settings->address = argument;
        return 0;
    case 'r':
        settings->role = argument;
        return 0;
    case 'c':
        settings->callers = (unsigned)number(state, argument, 1, CALLERS_MAX);
        return 0;
    case 'z':
        settings->message_bytes = number(state, argument, 0, MESSAGE_BYTES_MAX - 64);
        return 0;
    case 's':
        settings->seconds = (unsigned)number(state, argument, 1, 3600);
        return 0;
    case KEY_JSON:
        settings->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    case ARGP_KEY_END:
        if (settings->address == NULL)
            argp_error(state, "--address is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"address", 'a', "URL", 0, "where the server listens", 0},
        {"callers", 'c', "N", 0, "requests in flight, contexts at either side (64)", 0},
        {"size", 'z', "BYTES", 0, "message size (128)", 0},
        {"seconds", 's', "N", 0, "how long (5)", 0},
        {"role", 'r', "ROLE", 0, "serve, load or both (both: the server is a child process)", 0},
        {"json", KEY_JSON, NULL, 0, "one JSON object", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .doc = "Bare NNG request/reply, measured."};
    struct settings settings = {.role = "both", .callers = 64, .message_bytes = 128, .seconds = 5};
    argp_parse(&argp, argc, argv, 0, NULL, &settings);

    if (strcmp(settings.role, "serve") == 0)
        return serve_until_signal(&settings);
    if (strcmp(settings.role, "load") == 0)
        return load_run(&settings);
    if (strcmp(settings.role, "both") != 0) {
        fprintf(stderr, "candor-echo: \"%s\" is none of serve, load, both\n", settings.role);
        return 2;
    }
    pid_t server = serve_in_child(&settings);
    int status = load_run(&settings);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    return status;
}
