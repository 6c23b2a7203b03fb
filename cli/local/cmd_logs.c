/* kvctl logs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/local/local.h"
#include "disk/disk.h"

static const struct option_spec logs_options[] = {
    {"follow", 'f', NULL, false, "Go on printing what is logged, until ^C"},
    {"lines", 0, "NUMBER", false, "Only this many of the last lines"},
    {"fault-proxy", 0, NULL, false, "The log of the fault proxy instead of a node's"},
    CLUSTER_OPTIONS,
    {0},
};

/* Where the last `lines` lines begin. */
static off_t find_tail(int fd, uint64_t lines)
{
    char block[4096];
    off_t at = lseek(fd, 0, SEEK_END);
    off_t end = at;
    while (at > 0) {
        off_t from = at > (off_t)sizeof block ? at - (off_t)sizeof block : 0;
        size_t got = 0;
        (void)disk_read(fd, block, (size_t)(at - from), (uint64_t)from, &got);
        for (off_t i = (off_t)got - 1; i >= 0; i--) {
            if (block[i] == '\n' && from + i + 1 < end && lines-- == 1)
                return from + i + 1;
        }
        at = got > 0 ? from : 0;
    }
    return 0;
}

static bool copy_rest(int fd)
{
    char block[65536];
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) > 0) {
        if (fwrite(block, 1, (size_t)got, stdout) != (size_t)got)
            return false;
    }
    return fflush(stdout) == 0 && got == 0;
}

static bool same_file(int fd, const char *path)
{
    struct stat open_one;
    struct stat named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev &&
           named.st_size >= lseek(fd, 0, SEEK_CUR);
}

/* A node that is started by another `up` writes a new file of the same name. */
static void follow(int *fd, const char *path, const char *dir)
{
    char events[4096];
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0)
        inotify_add_watch(watch, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    while (!interrupt_seen() && copy_rest(*fd)) {
        struct pollfd wait = {.fd = watch, .events = POLLIN};
        if (!same_file(*fd, path)) {
            int other = open(path, O_RDONLY | O_CLOEXEC);
            if (other >= 0) {
                close(*fd);
                *fd = other;
                continue;
            }
        }
        poll(&wait, 1, 1000);
        ssize_t ignored = read(watch, events, sizeof events);
        (void)ignored;
    }
    if (watch >= 0)
        close(watch);
}

/* A line; what is not UTF-8 has question marks in the place of its bytes. */
static json_t *line_json(char *line, size_t length)
{
    json_t *text = json_stringn(line, length);
    for (size_t i = 0; text == NULL && i < length; i++) {
        if ((unsigned char)line[i] >= 0x80)
            line[i] = '?';
    }
    return text != NULL ? text : json_stringn(line, length);
}

/* What is left of the file, as a list of lines. */
static json_t *rest_json(int fd)
{
    json_t *lines = json_array();
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *file = fdopen(dup(fd), "r");
    while (file != NULL && (length = getline(&line, &room, file)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            length--;
        json_array_append_new(lines, line_json(line, (size_t)length));
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return lines;
}

static int print_log(struct command_context *ctx, const char *path, uint64_t lines)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        struct candor_error error;
        candor_error_set(&error, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "%s: %s", path,
                         strerror(errno));
        return report_error(ctx, &error, "`kvctl node ls` lists the nodes");
    }
    lseek(fd, lines > 0 ? find_tail(fd, lines) : 0, SEEK_SET);
    if (context_json(ctx)) {
        output_json(ctx, json_pack("{s:s,s:o}", "log", path, "lines", rest_json(fd)));
    } else if (option_given(ctx, "follow")) {
        char dir[LOCAL_PATH_BYTES];
        snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
        interrupt_begin();
        follow(&fd, path, dir);
        interrupt_end();
    } else {
        copy_rest(fd);
    }
    close(fd);
    return EXIT_DONE;
}

static int run_logs(struct command_context *ctx, int argc, char **argv)
{
    int status = EXIT_DONE;
    uint64_t lines = 0;
    char path[LOCAL_PATH_BYTES];
    bool proxy = option_given(ctx, "fault-proxy");
    if (!option_number(ctx, "lines", 1, UINT32_MAX, &lines))
        return EXIT_USAGE;
    if (proxy && argc == 1)
        return report_usage(ctx, "give one of them", "both a NODE and --fault-proxy are given");
    if (!proxy && argc == 0)
        return report_usage(ctx, "usage: kvctl logs NODE, as in `kvctl logs b`", "missing NODE");
    if (option_given(ctx, "follow") && context_json(ctx))
        return report_usage(ctx, "leave one of them out",
                            "--follow prints text, and -o json one document");
    struct local_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL);
    if (local_open(ctx, false, cluster, &status)) {
        if (proxy) {
            status = print_log(ctx, local_proxy_log_path(cluster, path), lines);
        } else {
            const struct local_node *node = local_find_node(ctx, cluster, argv[0], &status);
            if (node != NULL)
                status = print_log(ctx, local_log_path(cluster, node->id, path), lines);
        }
        local_close(cluster);
    }
    free(cluster);
    return status;
}

const struct command command_logs = {
    .name = "logs",
    .group = GROUP_LOCAL,
    .args = "[NODE]",
    .summary = "Print the log of a node that `kvctl up` started",
    .description = "Prints what the node has logged since it was last brought up; the log of the "
                   "run before is beside it, as NODE.log.1.",
    .examples = "kvctl logs b --lines 20\nkvctl logs b -f\tand whatever is logged from now on\n",
    .options = logs_options,
    .local = true,
    .min_args = 0,
    .max_args = 1,
    .run = run_logs,
};
