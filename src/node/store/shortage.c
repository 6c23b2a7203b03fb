/* When the writer lacks room or descriptors: said in the log, now and then, and waited for. */
#include "node/store/shortage.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/watchdog.h"
#include "node/shared/node_state.h"
#include "node/store/writer_state.h"

static const char *shortage_event(enum candor_reason reason)
{
    return reason == CANDOR_REASON_DISK_FULL    ? "disk_full"
           : reason == CANDOR_REASON_STATE_FULL ? "state_full"
                                                : "shortage";
}

void shortage_note(struct node *node, const struct candor_error *err)
{
    struct writer *writer = node->writer;
    uint64_t now_ns = clock_boot_ns();
    writer->shortages++;
    if (writer->shortage_logged_ns != 0 &&
        now_ns - writer->shortage_logged_ns < LIMIT_SHORTAGE_LOG_MS * NS_PER_MS)
        return;
    writer->shortage_logged_ns = now_ns;
    struct statvfs disk = {0};
    struct rlimit files = {0};
    (void)statvfs(node->data, &disk);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    log_error(shortage_event(err->reason),
              "what=\"%s\" times=%" PRIu64 " free_bytes=%" PRIu64 " descriptors_at_most=%" PRIu64
              " way_out=\"give the node what it lacks; nothing is damaged, it tries again\"",
              err->message, writer->shortages, (uint64_t)disk.f_bavail * disk.f_frsize,
              (uint64_t)files.rlim_cur);
    writer->shortages = 0;
}

/* For work that has no way to fail. Meanwhile the core sees the writer stall (R6). */
bool shortage_wait(struct node *node, const struct candor_error *err)
{
    shortage_note(node, err);
    struct timespec pause = {.tv_nsec = 200 * (long)NS_PER_MS};
    nanosleep(&pause, NULL);
    watchdog_step(node->writer->watched);
    return !atomic_load(&node->stopping);
}
