/* The library's lines, to its host. */
#include <candor/log.h>

#include <pthread.h>

#include "base/logging.h"

_Static_assert((int)CANDOR_LOG_DEBUG == (int)LOG_LEVEL_DEBUG &&
                   (int)CANDOR_LOG_ERROR == (int)LOG_LEVEL_ERROR,
               "the levels are those of base/logging.h");

/* Of both, and of what `tell` reads. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static void (*callback)(void *closure, enum candor_log_level level, const char *text);
static void *callback_closure;

static void tell(enum log_level level, const char *text)
{
    pthread_rwlock_rdlock(&lock);
    if (callback != NULL)
        callback(callback_closure, (enum candor_log_level)level, text);
    pthread_rwlock_unlock(&lock);
}

void candor_log_to(void (*log)(void *closure, enum candor_log_level level, const char *text),
                   void *closure, enum candor_log_level least)
{
    pthread_rwlock_wrlock(&lock);
    callback = log;
    callback_closure = closure;
    logging_set_level((enum log_level)least);
    logging_set_sink(log != NULL ? tell : NULL);
    pthread_rwlock_unlock(&lock);
}
