/* Looks, one after the other. */
#include "cli/cluster/status_repeat.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

void status_clock(char out[32])
{
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &parts);
}

static void show(struct command_context *ctx, const struct status_look *look,
                 const struct status_view *view)
{
    char at[32];
    status_clock(at);
    if (context_json(ctx)) {
        json_t *out = status_json(look);
        json_object_set_new(out, "wall_ms", json_u64(clock_wall_ms()));
        output_json(ctx, out);
        return;
    }
    bool screen = output_screen(stdout);
    printf("%s%s\n", screen ? "\033[H\033[J" : "", at);
    status_print(look, view, stdout);
    if (!screen)
        putchar('\n');
    fflush(stdout);
}

bool status_repeat_options(struct command_context *ctx, uint64_t *interval_ms, uint64_t *looks)
{
    *interval_ms = 1000;
    *looks = UINT64_MAX;
    if (!option_duration_ms(ctx, "interval", interval_ms) ||
        !option_number(ctx, "count", 1, UINT64_MAX, looks))
        return false;
    if (*interval_ms > 0)
        return true;
    report_usage(ctx, NULL, "--interval is 0");
    return false;
}

int status_repeat(struct command_context *ctx, const struct status_view *view)
{
    uint64_t interval_ms;
    uint64_t looks;
    int status;
    struct node_target targets[LIMIT_NODES];
    if (!status_repeat_options(ctx, &interval_ms, &looks))
        return EXIT_USAGE;
    size_t count = node_targets(ctx, targets, &status);
    if (count == 0)
        return status;
    struct status_look *before = NULL;
    interrupt_begin();
    uint64_t next = clock_boot_ns();
    for (uint64_t n = 0; n < looks && !interrupt_seen(); n++) {
        interrupt_wait(-1, next);
        next = clock_boot_ns() + interval_ms * NS_PER_MS;
        if (interrupt_seen())
            break;
        struct status_look *look =
            status_look(targets, count, (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS));
        if (view != NULL)
            status_rate(look, before);
        show(ctx, look, view);
        status = status_outcome(look);
        free(before);
        before = look;
    }
    status = interrupt_seen() ? EXIT_DONE : status;
    interrupt_end();
    free(before);
    return status;
}
