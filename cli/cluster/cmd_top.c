/* kvctl top: the status, live, sorted by what is asked for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cluster/status_repeat.h"
#include "cli/cluster/top_looks.h"
#include "cli/cluster/top_screen.h"

struct top {
    struct command_context *ctx;
    struct status_view view;
    struct top_looks *looks;
    struct status_look *look; /* that is shown; NULL: none came yet */
    uint64_t interval_ms;
    uint64_t left; /* looks to be shown */
    size_t scroll; /* lines below the head that are left out */
    bool help;
};

/* ---- Drawing ---- */

static void print_head(const struct top *top, FILE *to)
{
    char at[32];
    char interval[AGE_TEXT_BYTES];
    size_t reached = 0;
    for (size_t i = 0; i < top->look->count; i++)
        reached += status_reached(top->look, i);
    status_clock(at);
    output_line(to, "%s, every %s: %zu of %zu nodes answer; by %s%s. q quits, ? helps", at,
                age_text(top->interval_ms, interval), reached, top->look->count,
                status_sort_name(top->view.sort), top->view.reverse ? ", descending" : "");
    if (top->help)
        output_line(to, "left and right (or < and >): the column to sort by. r: the other way "
                        "round. up and down: scroll. space: look now. q or ^C: quit. "
                        "SEQ/S: records applied in a second. " STATUS_COLUMNS);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* What is written into `*text`, for a terminal of so many columns. */
static FILE *begin_text(char **text, size_t *length, const struct top_size *size)
{
    FILE *to = open_memstream(text, length);
    ASSERT(to != NULL);
    output_pretend(to, size->columns, output_colours(stdout));
    return to;
}

static void end_text(FILE *to)
{
    output_pretend(NULL, 0, false);
    fclose(to);
}

/* Scrolls the body by whole lines, no further than to its last ones. */
static const char *scrolled(struct top *top, const char *body, size_t room)
{
    size_t lines = count_lines(body);
    size_t most = lines > room ? lines - room : 0;
    top->scroll = top->scroll < most ? top->scroll : most;
    for (size_t i = 0; i < top->scroll; i++)
        body = strchr(body, '\n') + 1;
    return body;
}

static void draw(struct top *top)
{
    struct top_size size = top_screen_size();
    char *head = NULL;
    char *body = NULL;
    char *all = NULL;
    size_t length;
    if (top->look == NULL) {
        top_screen_draw("asking the nodes ...", size);
        return;
    }
    FILE *to = begin_text(&head, &length, &size);
    print_head(top, to);
    end_text(to);
    to = begin_text(&body, &length, &size);
    status_print(top->look, &top->view, to);
    end_text(to);
    size_t used = count_lines(head);
    size_t room = (size_t)size.rows > used ? (size_t)size.rows - used : 1;
    ASSERT(asprintf(&all, "%s%s", head, scrolled(top, body, room)) >= 0);
    top_screen_draw(all, size);
    free(all);
    free(head);
    free(body);
}

/* ---- Keys ---- */

static void sort_by_next(struct top *top, bool right)
{
    size_t count = 0;
    while (status_sort_name(count) != NULL)
        count++;
    ASSERT(count > 0);
    top->view.sort = (top->view.sort + (right ? 1 : count - 1)) % count;
}

/* False: quit. */
static bool press(struct top *top, enum top_key key)
{
    switch (key) {
    case TOP_KEY_QUIT:
        return false;
    case TOP_KEY_LEFT:
    case TOP_KEY_RIGHT:
        sort_by_next(top, key == TOP_KEY_RIGHT);
        break;
    case TOP_KEY_UP:
        top->scroll -= top->scroll > 0;
        break;
    case TOP_KEY_DOWN:
        top->scroll++;
        break;
    case TOP_KEY_REVERSE:
        top->view.reverse = !top->view.reverse;
        break;
    case TOP_KEY_NOW:
        top_looks_hurry(top->looks);
        break;
    case TOP_KEY_HELP:
        top->help = !top->help;
        break;
    case TOP_KEY_SUSPEND:
        top_screen_suspend();
        break;
    case TOP_KEY_NONE:
        break;
    }
    return true;
}

static void take_look(struct top *top)
{
    struct status_look *newer = top_looks_take(top->looks);
    if (newer == NULL)
        return;
    free(top->look);
    top->look = newer;
    top->left--;
}

static void go_on(struct top *top)
{
    do {
        take_look(top);
        draw(top);
    } while (top->left > 0 && !interrupt_seen() &&
             press(top, top_screen_wait(top_looks_fd(top->looks))) && !interrupt_seen());
}

/* What was shown last stays on the terminal. */
static int end(struct top *top)
{
    int status = EXIT_DONE;
    if (top->look != NULL) {
        status_print(top->look, &top->view, stdout);
        status = interrupt_seen() ? EXIT_DONE : status_outcome(top->look);
    }
    free(top->look);
    return status;
}

/* ---- The command ---- */

static int run_live(struct top *top)
{
    int status;
    struct node_target targets[LIMIT_NODES];
    struct command_context *ctx = top->ctx;
    if (!status_repeat_options(ctx, &top->interval_ms, &top->left))
        return EXIT_USAGE;
    size_t count = node_targets(ctx, targets, &status);
    if (count == 0)
        return status;
    interrupt_begin();
    top_screen_begin();
    top->looks = top_looks_start(
        targets, count, (uint32_t)context_deadline_ms(ctx, STATUS_DEADLINE_MS), top->interval_ms);
    if (top->looks != NULL)
        go_on(top);
    top_screen_end();
    if (top->looks == NULL) {
        status = report_usage(ctx, "`kvctl watch-status` needs none", "no thread is to be had");
    } else {
        top_looks_end(top->looks); /* the look under way is over first */
        status = end(top);
    }
    interrupt_end();
    return status;
}

static int run_top(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct top top = {.ctx = ctx, .view = {.live = true, .reverse = option_given(ctx, "reverse")}};
    const char *sort = option_text(ctx, "sort");
    while (sort != NULL && strcmp(status_sort_name(top.view.sort), sort) != 0)
        top.view.sort++;
    if (context_json(ctx) || !output_screen(stdout))
        return status_repeat(ctx, &top.view);
    return run_live(&top);
}

static const struct option_spec top_options[] = {
    {"sort", 0, STATUS_SORT_NAMES, false, "What rows are sorted by; default: node"},
    {"reverse", 'r', NULL, false, "Descending: the greatest lag, age ... first"},
    STATUS_REPEAT_OPTIONS,
    {0},
};

const struct command command_top = {
    .name = "top",
    .group = GROUP_CLUSTER,
    .args = "",
    .summary = "The status, live and sorted",
    .description =
        "Draws what `kvctl status` shows, with the rate of records and the number of keys, in "
        "place "
        "every --interval, in the size of the terminal. Keys: left and right choose the column to "
        "sort by, r turns the order, up and down scroll, space looks now, ? explains the columns, "
        "q "
        "quits. Columns that do not fit are left out, the last ones first. Where nobody can press "
        "a "
        "key, in a pipe and on a dumb terminal, one table follows the other; with -o json each "
        "look "
        "is one line.\n\nExit status 5: no node answered the last look.",
    .examples = "kvctl top\n"
                "kvctl top --sort lag --reverse --interval 500ms\n"
                "kvctl top --count 3 | cat\tthree tables\n",
    .options = top_options,
    .min_args = 0,
    .max_args = 0,
    .run = run_top,
};
