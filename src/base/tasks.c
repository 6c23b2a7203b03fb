/* The threads of this process, read from /proc. */
#include "base/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"

/* The beginning of a small file; "" when it cannot be read. */
static void read_file(pid_t task, const char *name, char *out, size_t room)
{
    char path[64];
    out[0] = '\0';
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)task, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t got = read(fd, out, room - 1);
    out[got > 0 ? got : 0] = '\0';
    close(fd);
}

/* opendir() would allocate. */
uint32_t tasks_list(pid_t *out, uint32_t most)
{
    _Alignas(8) char entries[4096];
    uint32_t count = 0;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got;
    while ((got = getdents64(fd, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const void *)&entries[at];
            if (entry->d_name[0] != '.' && count < most)
                out[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
            at += entry->d_reclen;
        }
    close(fd);
    return count;
}

char *task_name(pid_t task, char out[TASK_NAME_BYTES])
{
    read_file(task, "comm", out, TASK_NAME_BYTES);
    out[strcspn(out, "\n")] = '\0';
    if (out[0] == '\0')
        memcpy(out, "?", 2);
    return out;
}

char task_state(pid_t task)
{
    char text[256];
    read_file(task, "stat", text, sizeof text);
    /* Behind the name, which may hold anything. */
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ')
        return '?';
    return at[2];
}

bool task_waits_for_lock(pid_t task)
{
    char text[256];
    char *end;
    read_file(task, "syscall", text, sizeof text);
    long number = strtol(text, &end, 10);
    return end != text && *end == ' ' && number == SYS_futex;
}
