/* From a file to a verdict. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "topology/internal.h"

static enum candor_code verdict(const struct draft *draft, struct candor_error *err)
{
    const struct topology_problem *first = draft->problems->list;
    if (draft->error_count == 0)
        return CANDOR_OK;
    while (first->warning) /* an error is always kept: warnings leave room */
        first++;
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                            "%zu error%s in the topology; the first, in line %" PRIu32 ": %s; %s",
                            draft->error_count, draft->error_count == 1 ? "" : "s", first->line,
                            first->what, first->hint);
}

static void too_large(struct draft *draft)
{
    struct topology_problem *problem = problems_report(draft, draft->whole);
    problems_say(problem->what, "the file is too large");
    problems_say(problem->hint, "a topology has at most %u bytes", LIMIT_TOPOLOGY_FILE_BYTES);
}

enum candor_code topology_parse(const char *bytes, size_t length, const char *folder,
                                struct topology *out, struct topology_problems *problems,
                                struct candor_error *err)
{
    struct draft draft = {.topology = out, .problems = problems, .folder = folder};
    ASSERT(folder[0] == '/');
    memset(out, 0, sizeof *out);
    *problems = (struct topology_problems){0};
    draft_defaults(&draft);
    if (length > LIMIT_TOPOLOGY_FILE_BYTES)
        too_large(&draft);
    else
        draft_read(&draft, bytes, length);
    problems_sort(problems);
    return verdict(&draft, err);
}

/* ---- the file ---- */

/* One byte beyond the limit is read, so that topology_parse() sees that there is more. */
static enum candor_code read_file(const char *path, char **bytes, size_t *length,
                                  struct candor_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return candor_error_set(
            err, errno == ENOENT || errno == ENOTDIR ? CANDOR_NOT_FOUND : CANDOR_INVALID_ARGUMENT,
            CANDOR_REASON_NONE, "%s: %s", path, strerror(errno));
    enum candor_code code = CANDOR_OK;
    *bytes = memory_alloc(LIMIT_TOPOLOGY_FILE_BYTES + 1);
    *length = fread(*bytes, 1, LIMIT_TOPOLOGY_FILE_BYTES + 1, file);
    if (ferror(file))
        code = candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "%s: %s", path,
                                strerror(errno));
    fclose(file);
    return code;
}

/* The folder of `path`, absolute and without symbolic links; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return realpath(".", NULL);
    char *folder = strndup(path, (size_t)(slash - path) + 1);
    ASSERT(folder != NULL);
    char *absolute = realpath(folder, NULL);
    free(folder);
    return absolute;
}

enum candor_code topology_load(const char *path, struct topology *out,
                               struct topology_problems *problems, struct candor_error *err)
{
    enum candor_code code;
    char *bytes = NULL;
    char *folder = NULL;
    size_t length = 0;
    *problems = (struct topology_problems){0};
    code = read_file(path, &bytes, &length, err);
    if (code != CANDOR_OK)
        goto cleanup;
    folder = folder_of(path);
    if (folder == NULL) {
        code = candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "the folder of %s: %s",
                                path, strerror(errno));
        goto cleanup;
    }
    code = topology_parse(bytes, length, folder, out, problems, err);
cleanup:
    free(bytes);
    free(folder);
    return code;
}
