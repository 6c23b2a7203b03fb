/* The thread that does chores which may wait inside NNG. */
#include "net/keeper.h"

#include <pthread.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/thread.h"

static struct {
    /* Begins and ends the thread: held over its join, so never taken by the thread. Before
     * `lock`. */
    pthread_mutex_t users_lock;
    unsigned users;
    pthread_t thread;

    /* Of all below; a leaf. */
    pthread_mutex_t lock;
    pthread_cond_t asked;
    pthread_cond_t done;
    bool ending;
    struct chore *first;
    struct chore **last;
    struct chore *running;
} keeper = {
    .users_lock = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .asked = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER,
    .last = &keeper.first,
};

/* Under the lock. */
static struct chore *take_first(void)
{
    struct chore *chore = keeper.first;
    keeper.first = chore->next;
    if (keeper.first == NULL)
        keeper.last = &keeper.first;
    chore->next = NULL;
    chore->waiting = false;
    return chore;
}

static void *keeper_thread(void *closure)
{
    (void)closure;
    pthread_mutex_lock(&keeper.lock);
    while (!keeper.ending) {
        if (keeper.first == NULL) {
            pthread_cond_wait(&keeper.asked, &keeper.lock);
            continue;
        }
        struct chore *chore = take_first();
        keeper.running = chore;
        pthread_mutex_unlock(&keeper.lock);
        chore->run(chore);
        pthread_mutex_lock(&keeper.lock);
        keeper.running = NULL;
        pthread_cond_broadcast(&keeper.done);
    }
    pthread_mutex_unlock(&keeper.lock);
    return NULL;
}

bool keeper_begin(void)
{
    pthread_mutex_lock(&keeper.users_lock);
    bool begun = keeper.users > 0;
    if (!begun) {
        keeper.ending = false;
        begun = thread_begin(&keeper.thread, keeper_thread, NULL);
    }
    if (begun)
        keeper.users++;
    pthread_mutex_unlock(&keeper.users_lock);
    return begun;
}

void keeper_end(void)
{
    pthread_mutex_lock(&keeper.users_lock);
    ASSERT(keeper.users > 0);
    if (--keeper.users == 0) {
        pthread_mutex_lock(&keeper.lock);
        ASSERT(keeper.first == NULL);
        keeper.ending = true;
        pthread_cond_signal(&keeper.asked);
        pthread_mutex_unlock(&keeper.lock);
        pthread_join(keeper.thread, NULL);
    }
    pthread_mutex_unlock(&keeper.users_lock);
}

void keeper_ask(struct chore *chore)
{
    pthread_mutex_lock(&keeper.lock);
    if (!chore->waiting) {
        chore->waiting = true;
        *keeper.last = chore;
        keeper.last = &chore->next;
        pthread_cond_signal(&keeper.asked);
    }
    pthread_mutex_unlock(&keeper.lock);
}

/* Under the lock. */
static void unlink_chore(struct chore *chore)
{
    struct chore **at = &keeper.first;
    while (*at != chore)
        at = &(*at)->next;
    *at = chore->next;
    if (chore->next == NULL)
        keeper.last = at;
    chore->next = NULL;
    chore->waiting = false;
}

void keeper_forget(struct chore *chore)
{
    pthread_mutex_lock(&keeper.lock);
    if (chore->waiting)
        unlink_chore(chore);
    while (keeper.running == chore)
        pthread_cond_wait(&keeper.done, &keeper.lock);
    pthread_mutex_unlock(&keeper.lock);
}
