/* Paths of a topology: made absolute, and compared. */
#include <stdlib.h>
#include <string.h>

#include "topology/internal.h"

/* Adds one part of a path; "." adds nothing, ".." takes the last one off. False when it does not
 * fit. */
static bool add_part(char *out, size_t *used, const char *part, size_t length)
{
    if (length == 0 || (length == 1 && part[0] == '.'))
        return true;
    if (length == 2 && part[0] == '.' && part[1] == '.') {
        while (*used > 0 && out[--*used] != '/')
            continue;
        return true;
    }
    if (length + 2 > LIMIT_PATH_BYTES - *used)
        return false;
    out[(*used)++] = '/';
    memcpy(out + *used, part, length);
    *used += length;
    return true;
}

static bool add_path(char *out, size_t *used, const char *path)
{
    bool fits = true;
    while (fits && *path != '\0') {
        size_t length = strcspn(path, "/");
        fits = add_part(out, used, path, length);
        path += length + (path[length] == '/');
    }
    return fits;
}

bool path_resolve(const char *folder, const char *text, char out[LIMIT_PATH_BYTES])
{
    size_t used = 0;
    bool fits = (text[0] == '/' || add_path(out, &used, folder)) && add_path(out, &used, text);
    if (used == 0)
        out[used++] = '/';
    memset(out + used, 0,
           LIMIT_PATH_BYTES - used); /* no rest of longer attempts: equal paths, equal bytes */
    return fits;
}

void path_follow(const char *path, char out[LIMIT_PATH_BYTES])
{
    char known[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    char *real = NULL;
    memcpy(known, path, length + 1);
    while (length > 0 && (real = realpath(known, NULL)) == NULL) {
        while (length > 0 && known[--length] != '/')
            continue;
        known[length] = '\0';
    }
    if (real == NULL || !path_resolve(real, path[length] == '/' ? path + length + 1 : "", out))
        memcpy(out, path, strlen(path) + 1);
    free(real);
}
