/* One thread for what may block a little, so that neither NNG's threads nor the node thread do. */
#include "node/internal.h"

enum { JOBS_AT_ONCE = 16 };

static void *background_thread(void *closure)
{
    struct node *node = closure;
    void *jobs[JOBS_AT_ONCE];
    for (;;) {
        size_t count = queue_pop(node->background.queue, jobs, JOBS_AT_ONCE, UINT64_MAX);
        if (count == 0 && queue_closed(node->background.queue))
            return NULL;
        for (size_t i = 0; i < count; i++) {
            struct job *job = jobs[i];
            job->run(job);
        }
    }
}

enum candor_code background_start(struct node *node, struct candor_error *err)
{
    if (pthread_create(&node->background.thread, NULL, background_thread, node) != 0)
        return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "cannot start the background thread");
    pthread_setname_np(node->background.thread, "background");
    node->background.running = true;
    return CANDOR_OK;
}

void background_stop(struct node *node)
{
    queue_close(node->background.queue);
    if (node->background.running)
        pthread_join(node->background.thread, NULL);
    node->background.running = false;
}

bool background_push(struct node *node, struct job *job)
{
    return queue_push(node->background.queue, job);
}
