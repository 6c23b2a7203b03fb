/* How far something has come that takes its time. */
#include "cli/keys/progress.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"

#define DRAW_NS (200 * NS_PER_MS)
#define NOTE_NS (10 * NS_PER_S) /* where it is no terminal: for a log */

struct progress progress_begin(struct command_context *ctx)
{
    uint64_t now_ns = clock_boot_ns();
    return (struct progress){.ctx = ctx, .started_ns = now_ns, .shown_ns = now_ns};
}

void progress_show(struct progress *progress, uint64_t count, const char *what)
{
    uint64_t now_ns = clock_boot_ns();
    bool terminal = isatty(STDERR_FILENO);
    if (now_ns - progress->shown_ns < (terminal ? DRAW_NS : NOTE_NS) ||
        context_quiet(progress->ctx) || context_json(progress->ctx))
        return;
    progress->shown_ns = now_ns;
    double rate = (double)count / ((double)(now_ns - progress->started_ns) / 1e9);
    if (terminal)
        fprintf(stderr, "\r\033[K%" PRIu64 " %s, %.0f/s", count, what, rate);
    else
        output_note(progress->ctx, "%" PRIu64 " %s, %.0f/s", count, what, rate);
    progress->drawn = terminal;
}

double progress_end(struct progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
    progress->drawn = false;
    return (double)(clock_boot_ns() - progress->started_ns) / 1e9;
}
