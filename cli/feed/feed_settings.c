/* The file of --settings. */
#include "cli/feed/feed_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

/* Without the blanks around it; `text` is changed. */
static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static bool take_line(char *line,
                      bool (*take)(void *closure, const char *name, const char *value,
                                   char why[256]),
                      void *closure, char why[256])
{
    line = trimmed(line);
    if (line[0] == '\0' || line[0] == '#')
        return true;
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        snprintf(why, 256, "this is not `name = value`");
        return false;
    }
    *equals = '\0';
    return take(closure, trimmed(line), trimmed(equals + 1), why);
}

static enum candor_code read_lines(FILE *file, const char *path,
                                   bool (*take)(void *closure, const char *name, const char *value,
                                                char why[256]),
                                   void *closure, struct candor_error *err)
{
    char text[4096];
    char why[256];
    size_t total = 0;
    for (int line = 1; fgets(text, sizeof text, file) != NULL; line++) {
        size_t length = strlen(text);
        total += length;
        if (length == sizeof text - 1 || total > LIMIT_FEED_SETTINGS_BYTES)
            snprintf(why, sizeof why, "the line, or the file, is too long");
        else if (take_line(text, take, closure, why))
            continue;
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "--settings: %s:%d: %s", path, line, why);
    }
    if (ferror(file))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "--settings: %s: %s", path, strerror(errno));
    return CANDOR_OK;
}

enum candor_code feed_settings_read(const char *path,
                                    bool (*take)(void *closure, const char *name, const char *value,
                                                 char why[256]),
                                    void *closure, struct candor_error *err)
{
    if (path == NULL)
        return CANDOR_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE,
                                "--settings: %s: %s", path, strerror(errno));
    enum candor_code code = read_lines(file, path, take, closure, err);
    fclose(file);
    return code;
}
