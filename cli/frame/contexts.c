/* The file of named contexts: found, read, replaced. */
#include "cli/frame/contexts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "disk/disk.h"

#define FILE_BYTES_MAX (1 << 20)

__attribute__((format(printf, 3, 4))) static bool fail(struct contexts_problem *why,
                                                       const char *hint, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why->what, sizeof why->what, format, list);
    va_end(list);
    snprintf(why->hint, sizeof why->hint, "%s", hint);
    return false;
}

/* False: there is no place for it. */
static bool find_path(char out[CONTEXT_PATH_BYTES])
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (config != NULL && config[0] == '/')
        length = snprintf(out, CONTEXT_PATH_BYTES, "%s/candor/contexts", config);
    else if (home != NULL && home[0] == '/')
        length = snprintf(out, CONTEXT_PATH_BYTES, "%s/.config/candor/contexts", home);
    if (length >= 0 && length < CONTEXT_PATH_BYTES)
        return true;
    out[0] = '\0';
    return false;
}

/* Who may write into it could send this user's keys and values elsewhere. */
static bool check_file(const char *path, int fd, struct contexts_problem *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(why, "make it readable, or remove it", "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(why, "remove it", "%s: it is no file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return fail(why, "remove it, or give it to this user", "%s: it belongs to another user",
                    path);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fail(why, "look at it, then chmod go-w it", "%s: others may write into it", path);
    if (st.st_size > FILE_BYTES_MAX)
        return fail(why, "remove it", "%s: it has more than %d bytes", path, FILE_BYTES_MAX);
    return true;
}

static bool read_file(int fd, struct contexts *out, struct contexts_problem *why)
{
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t got = 0;
    int failed = text == NULL ? ENOMEM : disk_read(fd, text, FILE_BYTES_MAX, 0, &got);
    bool good = failed == 0;
    if (good)
        text[got] = '\0';
    good = good
               ? contexts_read(text, got, out, why)
               : fail(why, "make it readable, or remove it", "%s: %s", out->path, strerror(failed));
    free(text);
    return good;
}

bool contexts_load(struct contexts *out, struct contexts_problem *why)
{
    memset(out, 0, sizeof *out);
    if (!find_path(out->path))
        return true;
    int fd = open(out->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo would wait */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0)
        return fail(why, "make it readable, or remove it", "%s: %s", out->path, strerror(errno));
    bool good = check_file(out->path, fd, why) && read_file(fd, out, why);
    close(fd);
    return good;
}

void contexts_free(struct contexts *contexts)
{
    free(contexts->list);
    contexts->list = NULL;
    contexts->count = 0;
}

/* ---- Changing it ---- */

void contexts_remove(struct contexts *contexts, const struct named_context *context)
{
    size_t at = (size_t)(context - contexts->list);
    if (strcmp(contexts->use, context->name) == 0)
        contexts->use[0] = '\0';
    contexts->count--;
    memmove(&contexts->list[at], &contexts->list[at + 1],
            (contexts->count - at) * sizeof *contexts->list);
}

static bool make_folder(const char *path, struct contexts_problem *why)
{
    struct candor_error error;
    char folder[CONTEXT_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    if (disk_make_dirs(folder, 0700, &error) == CANDOR_OK)
        return true;
    return fail(why, "make the folder, or set XDG_CONFIG_HOME", "%s", error.message);
}

bool contexts_open(struct contexts *out, int *lock_fd, struct contexts_problem *why)
{
    char lock[CONTEXT_PATH_BYTES + 8];
    *lock_fd = -1;
    memset(out, 0, sizeof *out);
    if (!find_path(out->path))
        return fail(why, "set HOME, or XDG_CONFIG_HOME", "there is no place to keep contexts in");
    if (!make_folder(out->path, why))
        return false;
    snprintf(lock, sizeof lock, "%s.lock", out->path);
    *lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int failed = *lock_fd < 0 ? errno : disk_wait_lock(*lock_fd, NULL);
    if (failed != 0)
        return fail(why, "make the folder writable, or set XDG_CONFIG_HOME", "%s: %s", lock,
                    strerror(failed));
    return contexts_load(out, why);
}

void contexts_close(struct contexts *contexts, int lock_fd)
{
    contexts_free(contexts);
    if (lock_fd >= 0)
        close(lock_fd);
}

static void put_text(struct buffer *buffer, const char *key, const char *value)
{
    char line[CONTEXT_LIST_BYTES + 32];
    if (value[0] == '\0')
        return;
    int length = snprintf(line, sizeof line, "%s = %s\n", key, value);
    buffer_put(buffer, line, (size_t)length);
}

static void write_text(const struct contexts *contexts, struct buffer *out)
{
    static const char head[] = "# Contexts of kvctl. `kvctl context` writes this file anew: "
                               "comments are lost.\n";
    buffer_put(out, head, strlen(head));
    put_text(out, "use", contexts->use);
    for (size_t i = 0; i < contexts->count; i++) {
        const struct named_context *one = &contexts->list[i];
        char name[CONTEXT_NAME_BYTES + 8];
        int length = snprintf(name, sizeof name, "\n[%s]\n", one->name);
        buffer_put(out, name, (size_t)length);
        put_text(out, "topology", one->topology);
        put_text(out, "endpoints", one->endpoints);
        put_text(out, "secret-file", one->secret_file);
    }
}

/* A symbolic link to it stays one: the file that it leads to is replaced. */
bool contexts_store(const struct contexts *contexts, struct contexts_problem *why)
{
    struct candor_error error;
    struct buffer text = {0};
    char *target = realpath(contexts->path, NULL);
    write_text(contexts, &text);
    mode_t former = umask(0077);
    bool good = disk_replace_shared(target != NULL ? target : contexts->path,
                                    slice_of(text.bytes, text.length), &error) == CANDOR_OK;
    umask(former);
    buffer_free(&text);
    free(target);
    return good || fail(why, "the former contexts are as they were", "%s", error.message);
}
