/* Flipped bytes. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage.h"

/* Bit rot: one byte of what is durable is another (R3). */

/* Anywhere, or among the last bytes that were used: there ends what was written last. */
static bool flip(const char *path, bool at_end)
{
    enum { END_BYTES = 64 };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return false;
    uint8_t *bytes = fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    uint64_t end = 0;
    if (bytes != NULL && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size)
        end = (uint64_t)st.st_size;
    while (end > 0 && bytes[end - 1] == 0) /* room that was never used */
        end--;
    bool any = end > 0;
    if (any) {
        uint64_t at = between(at_end && end > END_BYTES ? end - END_BYTES : 0, end - 1);
        uint8_t other = bytes[at] ^ (uint8_t)(1u << between(0, 7));
        any = pwrite(fd, &other, 1, (off_t)at) == 1;
        TRACE("rot at %" PRIu64 " of %s, used to %" PRIu64 "\n", at, path, end);
    }
    free(bytes);
    close(fd);
    return any;
}

/* One byte behind the check of a key's value, wherever a page holds it: of the present state and of
 * older ones. Few of a file's bytes are values; a byte drawn from all would mostly be of no page in
 * use. */
static bool flip_value(const char *path)
{
    enum { CHECK = 8, LEAST_VALUE = 16 };
    struct slice key = key_name((uint32_t)between(0, KEYS - 1));
    size_t offset = key.length + CHECK + (size_t)between(0, LEAST_VALUE - 1);
    bool any = false;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return false;
    uint8_t *bytes = fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    size_t length = bytes != NULL && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size
                        ? (size_t)st.st_size
                        : 0;
    for (size_t at = 0; length > offset && at < length - offset;) {
        const uint8_t *found = memmem(bytes + at, length - offset - at, key.bytes, key.length);
        if (found == NULL)
            break;
        at = (size_t)(found - bytes);
        uint8_t other = bytes[at + offset] ^ 1;
        any = pwrite(fd, &other, 1, (off_t)(at + offset)) == 1 || any;
        at++;
    }
    TRACE("rot of %.*s in %s\n", (int)key.length, (const char *)key.bytes, path);
    free(bytes);
    close(fd);
    return any;
}

/* The names are drawn by number, in order: a directory's own order is not the same everywhere. */
static bool segment_path(char *out, size_t bytes)
{
    char dir[200];
    snprintf(dir, sizeof dir, "%s/log", world->data);
    struct dirent **names;
    int count = scandir(dir, &names, NULL, alphasort);
    uint32_t segments = 0;
    for (int i = 0; i < count; i++)
        segments += strstr(names[i]->d_name, ".log") != NULL;
    uint64_t drawn = segments > 0 ? between(1, segments) : 0;
    for (int i = 0; i < count; i++) {
        if (strstr(names[i]->d_name, ".log") != NULL && drawn-- == 1)
            snprintf(out, bytes, "%s/%s", dir, names[i]->d_name);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return segments > 0;
}

/* As when the last life had not ended cleanly. */
static void forget_end(void)
{
    struct hard_state hard;
    struct candor_error err = {0};
    if (hard_state_load(world->data, &hard, &err) != CANDOR_OK)
        return;
    hard.end_seq = 0;
    if (hard_state_save(world->data, &hard, &err) != CANDOR_OK)
        note_violation("hard state: %s", err.message);
}

static bool flip_log(void)
{
    char path[512];
    if (world->log.last == 0 || !segment_path(path, sizeof path))
        return false;
    bool flipped = flip(path, chance(30));
    if (!flipped || chance(50))
        return flipped;
    /* The log alone must tell, and what the last life said of its end (R65). After a crash the
     * newest append is like a torn tail: nothing behind it says that it was durable. */
    crash_lose_machine();
    if (chance(50)) {
        forget_end();
        world->sound_to = world->log.records[world->log.last - 1].append_first - 1;
    }
    return true;
}

bool rot_flip(void)
{
    char path[256];
    world->rotten = true;
    world->sound_to = world->log.last;
    switch (between(0, 9)) {
    case 0:
        snprintf(path, sizeof path, "%s/hard_state", world->data);
        return flip(path, false);
    case 1:
        snprintf(path, sizeof path, "%s/state/checkpoint/data.mdb", world->data);
        if (!flip(path, false))
            return false;
        crash_lose_machine();
        return true;
    case 2:
    case 3:
        snprintf(path, sizeof path, "%s/state/current/data.mdb", world->data);
        return chance(50) ? flip(path, false) : flip_value(path);
    default:
        return flip_log();
    }
}
