/* A file's comments, commands and expected lines. */
#include <errno.h>

#include "transcript.h"

/* A scenario's file: comments (#), and blocks of commands, "----", and what the nodes did. An empty
 * line ends a block. */

static void put_text(struct buffer *out, const char *text)
{
    buffer_put(out, text, strlen(text));
}

static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_put(out, chunk, got);
    bool good = ferror(file) == 0;
    if (!good)
        fprintf(stderr, "%s: cannot be read\n", path);
    fclose(file);
    return good;
}

struct script {
    struct transcript *transcript;
    const char *path;
    uint32_t line;
    bool in_block;    /* commands were read, and no empty line since */
    bool in_expected; /* behind the "----" */
    struct buffer *out;
};

/* What the block's commands did, in the place of what was expected. */
static void end_block(struct script *script)
{
    struct buffer *did = &script->transcript->out;
    if (!script->in_block)
        return;
    put_text(script->out, "----\n");
    if (did->length == 0)
        put_text(script->out, "ok\n");
    buffer_put(script->out, did->bytes, did->length);
    buffer_clear(did);
    script->in_block = script->in_expected = false;
}

static bool run_line(struct script *script, const char *line)
{
    struct words words;
    words_split(&words, line);
    script->in_block = true;
    put_text(script->out, line);
    put_text(script->out, "\n");
    if (words.error[0] == '\0' && command_run(script->transcript, &words))
        return true;
    fprintf(stderr, "%s:%u: error: %s\n", script->path, script->line, words.error);
    return false;
}

static bool take_line(struct script *script, const char *line)
{
    script->line++;
    if (line[0] == '\0') {
        end_block(script);
        put_text(script->out, "\n");
    } else if (script->in_expected) {
        return true;
    } else if (script->in_block && strcmp(line, "----") == 0) {
        script->in_expected = true;
    } else if (line[0] == '#') {
        put_text(script->out, line);
        put_text(script->out, "\n");
    } else {
        return run_line(script, line);
    }
    return true;
}

bool script_run(struct transcript *transcript, const char *path, struct buffer *before,
                struct buffer *after)
{
    struct script script = {.transcript = transcript, .path = path, .out = after};
    if (!read_file(path, before))
        return false;
    struct slice rest = buffer_slice(before);
    if (sigsetjmp(transcript->world->escape, 1) != 0) {
        fprintf(stderr, "%s:%u: error: %s\n", path, script.line, transcript->world->violation);
        return false;
    }
    while (rest.length > 0) {
        char line[LINE_BYTES];
        const uint8_t *end = memchr(rest.bytes, '\n', rest.length);
        size_t length = end != NULL ? (size_t)(end - rest.bytes) : rest.length;
        snprintf(line, sizeof line, "%.*s", (int)length, (const char *)rest.bytes);
        if (!take_line(&script, line))
            return false;
        size_t taken = end != NULL ? length + 1 : length;
        rest = slice_of(rest.bytes + taken, rest.length - taken);
    }
    end_block(&script);
    return true;
}
