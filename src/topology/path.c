#include <stdio.h>
#include <string.h>

#include "topology/internal.h"

/* Adds one part of a path; "." adds nothing, ".." takes the last one off. False when it does not fit. */
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
