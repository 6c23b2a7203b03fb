/* Threads with all signals blocked. */
#include "base/thread.h"

#include <signal.h>
#include <stddef.h>

bool thread_begin(pthread_t *thread, void *(*body)(void *closure), void *closure)
{
    sigset_t all;
    sigset_t before;
    pthread_t detached;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool begun = pthread_create(thread == NULL ? &detached : thread, NULL, body, closure) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (begun && thread == NULL)
        pthread_detach(detached);
    return begun;
}
