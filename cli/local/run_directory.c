/* Where `kvctl up` keeps what it knows of running clusters. */
#include "cli/frame/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "disk/disk.h"

#define LAST_TOPOLOGY "last-topology"

static void base_path(char out[RUN_PATH_BYTES])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime != NULL && runtime[0] == '/')
        snprintf(out, RUN_PATH_BYTES, "%s/candor", runtime);
    else
        snprintf(out, RUN_PATH_BYTES, "/tmp/candor-%u", (unsigned)getuid());
}

/* /tmp is everybody's: a directory that somebody else made there could feed us his topology. */
static bool is_ours(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool run_base(char out[RUN_PATH_BYTES], struct candor_error *err)
{
    base_path(out);
    struct candor_error why;
    if (disk_make_dir(out, 0700, &why) != CANDOR_OK) {
        bool named = getenv("XDG_RUNTIME_DIR") != NULL;
        candor_error_set(err, why.code, why.reason, "%s%s", why.message,
                         named ? "; XDG_RUNTIME_DIR must name a directory that can be written, or "
                                 "be unset"
                               : "");
        return false;
    }
    if (!is_ours(out)) {
        candor_error_set(err, CANDOR_PERMISSION_DENIED, CANDOR_REASON_NONE,
                         "%s: not a directory of this user alone", out);
        return false;
    }
    return true;
}

static bool last_path(char out[RUN_PATH_BYTES])
{
    char base[RUN_PATH_BYTES];
    base_path(base);
    int length = snprintf(out, RUN_PATH_BYTES, "%s/" LAST_TOPOLOGY, base);
    return length < RUN_PATH_BYTES && is_ours(base);
}

bool run_remember_topology(const char *path, struct candor_error *err)
{
    char base[RUN_PATH_BYTES];
    char name[RUN_PATH_BYTES];
    char *absolute = realpath(path, NULL);
    if (absolute == NULL) {
        disk_find_failed(err, errno, "find", path);
        return false;
    }
    struct buffer line = {0};
    buffer_put(&line, absolute, strlen(absolute));
    buffer_put_u8(&line, '\n');
    free(absolute);
    bool good = run_base(base, err) && last_path(name) &&
                disk_replace_shared(name, buffer_slice(&line), err) == CANDOR_OK;
    buffer_free(&line);
    return good;
}

bool run_last_topology(char out[RUN_PATH_BYTES])
{
    char name[RUN_PATH_BYTES];
    if (!last_path(name))
        return false;
    FILE *file = fopen(name, "r");
    if (file == NULL)
        return false;
    bool good = fgets(out, RUN_PATH_BYTES, file) != NULL;
    fclose(file);
    if (good)
        out[strcspn(out, "\n")] = '\0';
    return good && out[0] == '/';
}

bool run_forget_topology(const char *path)
{
    char last[RUN_PATH_BYTES];
    char name[RUN_PATH_BYTES];
    char *absolute = realpath(path, NULL);
    bool same = run_last_topology(last) && strcmp(last, absolute != NULL ? absolute : path) == 0;
    free(absolute);
    return same && last_path(name) && unlink(name) == 0;
}
