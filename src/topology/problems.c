/* What is wrong with a file: collected, ordered, printed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "topology/internal.h"

void problems_say(char out[SAY_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, SAY_BYTES, format, arguments);
    va_end(arguments);
}

/* A hostile file may have a problem a byte: beyond the limit they only count. Warnings take no more
 * than half of it, so that an error, where there is one, is always told. */
static struct topology_problem *add(struct draft *draft, struct place at, bool warning)
{
    struct topology_problems *problems = draft->problems;
    struct topology_problem *problem = &draft->unkept;
    if (problems->list == NULL) {
        problems->list = memory_zeroed(LIMIT_TOPOLOGY_PROBLEMS, sizeof *problems->list);
    }
    if (problems->count < LIMIT_TOPOLOGY_PROBLEMS / (warning ? 2 : 1))
        problem = &problems->list[problems->count++];
    *problem = (struct topology_problem){.warning = warning, .line = at.line, .column = at.column};
    return problem;
}

struct topology_problem *problems_report(struct draft *draft, struct place at)
{
    draft->error_count++;
    return add(draft, at, false);
}

struct topology_problem *problems_warn(struct draft *draft, struct place at)
{
    draft->warning_count++;
    return add(draft, at, true);
}

static bool stands_after(const struct topology_problem *a, const struct topology_problem *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* By insertion: few, nearly in order, and those of one place keep their order. */
void problems_sort(struct topology_problems *problems)
{
    for (size_t i = 1; i < problems->count; i++) {
        struct topology_problem moving = problems->list[i];
        size_t at = i;
        for (; at > 0 && stands_after(&problems->list[at - 1], &moving); at--)
            problems->list[at] = problems->list[at - 1];
        problems->list[at] = moving;
    }
}

void topology_problems_free(struct topology_problems *problems)
{
    free(problems->list);
    *problems = (struct topology_problems){0};
}

void topology_problems_print(const struct topology_problems *problems, const char *path, FILE *to)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct topology_problem *problem = &problems->list[i];
        fprintf(to, "%s:", path);
        if (problem->line != 0)
            fprintf(to, "%" PRIu32 ":%" PRIu32 ":", problem->line, problem->column);
        fprintf(to, " %s: %s%s%s\n", problem->warning ? "warning" : "error", problem->what,
                problem->hint[0] == '\0' ? "" : "; ", problem->hint);
    }
    if (problems->count == LIMIT_TOPOLOGY_PROBLEMS)
        fprintf(to, "%s: no more than %d problems are shown; correct these first\n", path,
                LIMIT_TOPOLOGY_PROBLEMS);
}
