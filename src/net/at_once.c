/* What a send has finished is told by the thread that sends; and who has read the length of a
 * message wakes nobody for the rest. */
#include "net/at_once.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "net/nng_fixes.h"

/* Told at once by one sender, those included that its callbacks cause: further ones go the usual
 * way, so that nobody is kept by what others send. */
#define KEPT_MOST 16

void __real_nni_aio_finish(nng_aio *aio, int result, size_t count);
void __wrap_nni_aio_finish(nng_aio *aio, int result, size_t count);
void nni_aio_finish_sync(nng_aio *aio, int result, size_t count);

struct nni_thr;
void __real_nni_thr_set_name(struct nni_thr *thread, const char *name);
void __wrap_nni_thr_set_name(struct nni_thr *thread, const char *name);
struct nni_cv;
void __real_nni_cv_wake1(struct nni_cv *cv);
void __wrap_nni_cv_wake1(struct nni_cv *cv);

/* ---- Sends ----------------------------------------------------------------------------------- */

struct kept {
    nng_aio *aio;
    int result;
    size_t count;
};

/* Of this thread. */
struct sender {
    unsigned depth; /* how many begin() without an end() */
    nng_aio *aio;   /* the innermost one's */
    unsigned count;
    struct kept kept[KEPT_MOST];
};
static _Thread_local struct sender sender;

void at_once_begin(nng_aio *aio)
{
    sender.depth++;
    sender.aio = aio;
}

/* Called by NNG with locks of its own, which the callbacks take, too. Until it is finished the
 * operation counts as under way, but can no longer be cancelled: who stops or frees the aio waits
 * for the callback, as ever. */
void __wrap_nni_aio_finish(nng_aio *aio, int result, size_t count)
{
    bool ours = sender.depth > 0 && (aio == sender.aio || aio == nng_fixes_sending());
    if (!ours || sender.count == KEPT_MOST) {
        __real_nni_aio_finish(aio, result, count);
        return;
    }
    if (aio == sender.aio) /* it may be given to NNG again by its callback */
        sender.aio = NULL;
    sender.kept[sender.count++] = (struct kept){aio, result, count};
}

void at_once_end(void)
{
    sender.aio = NULL;
    if (sender.depth == 1 && sender.count > 0) {
        for (unsigned i = 0; i < sender.count; i++)
            nni_aio_finish_sync(sender.kept[i].aio, sender.kept[i].result, sender.kept[i].count);
        sender.count = 0;
        nng_fixes_leave_callback();
    }
    sender.depth--;
}

/* ---- The rest of a message ------------------------------------------------------------------- */

/* One of those that run NNG's tasks. */
static _Thread_local bool runs_tasks;

void __wrap_nni_thr_set_name(struct nni_thr *thread, const char *name)
{
    if (thread == NULL && strcmp(name, "nng:task") == 0)
        runs_tasks = true;
    __real_nni_thr_set_name(thread, name);
}

/* The length of a message is one task, the rest of it the next one. What has arrived already, as it
 * does mostly, is read within the first, which is over then: this thread looks for further tasks
 * before it sleeps, and is the one that this task wants. Another one would be woken for nothing, or
 * to wait for the locks that this one still holds. */
void __wrap_nni_cv_wake1(struct nni_cv *cv)
{
    if (!runs_tasks || !nng_fixes_receiving_on())
        __real_nni_cv_wake1(cv);
}
