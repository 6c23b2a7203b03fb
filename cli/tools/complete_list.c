/* Candidates of a completion. */
#include "cli/tools/complete_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

static char *copied(const char *text, size_t length)
{
    char *copy = strndup(text, length);
    ASSERT(copy != NULL);
    return copy;
}

void completion_offer(struct completion *out, const char *word, size_t length, const char *help,
                      const char *prefix)
{
    if (length == 0 || length < strlen(prefix) || strncmp(word, prefix, strlen(prefix)) != 0)
        return;
    if (out->count % 16 == 0)
        out->list = memory_resize(out->list, out->count + 16, sizeof *out->list);
    out->list[out->count++] =
        (struct candidate){copied(word, length), copied(help, strcspn(help, "\n\t"))};
}

static int by_text(const void *left, const void *right)
{
    return strcmp(((const struct candidate *)left)->text, ((const struct candidate *)right)->text);
}

static void free_candidate(struct candidate *candidate)
{
    free(candidate->text);
    free(candidate->help);
}

void completion_sort(struct completion *out)
{
    size_t kept = 0;
    if (out->count > 0)
        qsort(out->list, out->count, sizeof *out->list, by_text);
    for (size_t i = 0; i < out->count; i++) {
        if (kept > 0 && strcmp(out->list[kept - 1].text, out->list[i].text) == 0)
            free_candidate(&out->list[i]);
        else
            out->list[kept++] = out->list[i];
    }
    out->count = kept;
}

void completion_free(struct completion *completion)
{
    for (size_t i = 0; i < completion->count; i++)
        free_candidate(&completion->list[i]);
    free(completion->list);
    *completion = (struct completion){0};
}
