/* A program of somebody else whose memory, threads or descriptors run out inside of libcandor, for
 * test_install.py.
 *
 * shortage ENDPOINT KIND FIRST STEP: in child after child the FIRST-th, then the (FIRST + STEP)-th
 * ... thing of that kind that any thread asks for is refused, in the midst of what a client does;
 * then it works again, and so must the client. KIND: memory, memory-on (that and all after it),
 * threads, descriptors. Status 0: a child got through without a refusal, and none failed. */
#include <candor/async.h>
#include <candor/channel.h>
#include <candor/client.h>
#include <candor/watch.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 20000, PATIENCE_S = 60, DEADLINE_MS = 2000 };

/* ---- What is refused ------------------------------------------------------------------------- */

static atomic_int left; /* until the refusal; 0: none */
static atomic_int refused;
static bool goes_on;
static bool memory;
static bool threads;
static bool descriptors;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static bool fails(bool kind)
{
    int before = kind ? atomic_load(&left) : 0;
    while (before > 0 && !(before == 1 && goes_on) &&
           !atomic_compare_exchange_weak(&left, &before, before - 1))
        ;
    if (before != 1)
        return false;
    atomic_fetch_add(&refused, 1);
    return true;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t bytes)
{
    return fails(memory) ? no_memory() : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails(memory) ? no_memory() : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails(memory) ? no_memory() : __libc_realloc(old, bytes);
}

static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*real_eventfd)(unsigned, int);
static int (*real_socket)(int, int, int);
static int (*real_epoll_create1)(int);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *closure)
{
    return fails(threads) ? EAGAIN : real_pthread_create(thread, attributes, run, closure);
}

static int no_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

int eventfd(unsigned count, int flags)
{
    return fails(descriptors) ? no_descriptor() : real_eventfd(count, flags);
}

int socket(int domain, int type, int protocol)
{
    return fails(descriptors) ? no_descriptor() : real_socket(domain, type, protocol);
}

int epoll_create1(int flags)
{
    return fails(descriptors) ? no_descriptor() : real_epoll_create1(flags);
}

static void find_real(void)
{
    *(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
    *(void **)&real_eventfd = dlsym(RTLD_NEXT, "eventfd");
    *(void **)&real_socket = dlsym(RTLD_NEXT, "socket");
    *(void **)&real_epoll_create1 = dlsym(RTLD_NEXT, "epoll_create1");
}

/* ---- What a client does ---------------------------------------------------------------------- */

static const char *what = "nothing yet";

/* What a shortage may give: codes of its own, and those of time that passes meanwhile. */
static void judge(enum candor_code code, const char *message)
{
    if (code == CANDOR_OK || code == CANDOR_RESOURCE_EXHAUSTED || code == CANDOR_UNAVAILABLE ||
        code == CANDOR_DEADLINE_EXCEEDED)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, candor_code_name(code), message);
    _exit(3);
}

static void end(struct candor_result *result)
{
    judge(result->error.code, result->error.message);
    candor_result_free(result);
}

static void call(struct candor_client *client)
{
    struct candor_txn_op get = {.kind = CANDOR_TXN_GET, .key = candor_text("k")};
    struct candor_txn txn = {.then_ops = &get, .then_count = 1};
    struct candor_op ops[] = {{.key = candor_text("k"), .value = candor_text("v")},
                              {.is_delete = true, .key = candor_text("l")}};
    struct candor_range all = {.limit = 5};
    struct candor_read_options session = {.level = CANDOR_READ_SESSION};
    struct candor_status status;
    struct candor_result result;
    what = "put";
    candor_put(client, candor_text("k"), candor_text("v"), NULL, &result);
    end(&result);
    what = "get";
    candor_get(client, candor_text("k"), &session, &result);
    end(&result);
    what = "batch";
    candor_batch(client, ops, 2, NULL, &result);
    end(&result);
    what = "txn";
    candor_txn(client, &txn, NULL, &result);
    end(&result);
    what = "scan";
    candor_scan(client, &all, NULL, &result);
    end(&result);
    what = "status";
    candor_status(client, NULL, 0, &status, &result);
    end(&result);
}

static void submit(struct candor_client *client)
{
    struct candor_queue *queue;
    struct candor_error error;
    what = "queue";
    judge(candor_queue_open(&queue, &error), error.message);
    if (queue == NULL)
        return;
    struct candor_sink sink = {.queue = queue};
    size_t taken = 0, submitted = 0;
    what = "submit";
    for (int i = 0; i < 8; i++) {
        enum candor_code code =
            candor_submit_put(client, candor_text("k"), candor_text("v"), NULL, &sink, &error);
        judge(code, error.message);
        submitted += code == CANDOR_OK;
    }
    while (taken < submitted) {
        struct candor_completion completion;
        taken += candor_queue_wait(queue, &completion, 1, -1);
        end(&completion.result);
    }
    candor_queue_close(queue);
}

static void watch_keys(struct candor_client *client)
{
    struct candor_watch_options options = {.prefix = candor_text("k"), .with_state = true};
    struct candor_watch *watch;
    struct candor_changes changes;
    struct candor_error error;
    what = "watch";
    enum candor_code code = candor_watch_open(client, &options, &watch, &error);
    judge(code, error.message);
    if (code != CANDOR_OK)
        return;
    judge(candor_watch_next(watch, 100, &changes, &error), error.message);
    candor_watch_close(watch);
}

static void use_channel(const char *endpoint)
{
    struct candor_channel *channel;
    struct candor_answer answer;
    struct candor_error error;
    what = "channel";
    judge(candor_channel_open(endpoint, &channel, &error), error.message);
    if (channel == NULL)
        return;
    struct candor_channel_options options = {.deadline_ms = DEADLINE_MS};
    judge(candor_channel_call(channel, "/candor.v1.Cluster/Status", candor_text(""), &options,
                              &answer),
          answer.result.error.message);
    candor_answer_free(&answer);
    candor_channel_close(channel);
}

static struct candor_client *open_client(const char *endpoint)
{
    struct candor_client_options options = {
        .endpoints = &endpoint, .endpoint_count = 1, .deadline_ms = DEADLINE_MS};
    struct candor_client *client;
    struct candor_error error;
    what = "open";
    judge(candor_client_open(&options, &client, &error), error.message);
    return client;
}

static int child(const char *endpoint, int nth)
{
    alarm(PATIENCE_S);
    atomic_store(&left, nth);
    struct candor_client *client = open_client(endpoint);
    if (client != NULL) {
        call(client);
        submit(client);
        watch_keys(client);
    }
    use_channel(endpoint);
    atomic_store(&left, 0); /* there is enough again */
    int refusals = atomic_load(&refused);
    if (client == NULL)
        client = open_client(endpoint);
    struct candor_result result;
    what = "get, after all";
    if (candor_get(client, candor_text("k"), NULL, &result) != CANDOR_OK) {
        fprintf(stderr, "%s: %s\n", what, result.error.message);
        return 3;
    }
    candor_result_free(&result);
    candor_client_close(client);
    return refusals > 0 ? 1 : 0;
}

/* ---- Children -------------------------------------------------------------------------------- */

static int run(const char *endpoint, int first, int step)
{
    int failed = 0;
    for (int nth = first; nth < MOST; nth += step) {
        fflush(NULL); /* the child writes none of it again */
        pid_t pid = fork();
        if (pid == 0)
            exit(child(endpoint, nth));
        int status;
        waitpid(pid, &status, 0);
        bool ended = WIFEXITED(status) && WEXITSTATUS(status) <= 1;
        if (!ended)
            printf("refusal %d: %s %d\n", nth, WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failed += !ended;
        if (ended && WEXITSTATUS(status) == 0) {
            printf("%d refusals\n", nth - first);
            return failed > 0 ? 1 : 0;
        }
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    find_real();
    goes_on = strcmp(argv[2], "memory-on") == 0;
    memory = goes_on || strcmp(argv[2], "memory") == 0;
    threads = strcmp(argv[2], "threads") == 0;
    descriptors = strcmp(argv[2], "descriptors") == 0;
    return run(argv[1], atoi(argv[3]), atoi(argv[4]));
}
