/* A line into words, by libedit's tokenizer. */
#include <histedit.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/frame/shell_words.h"

/* Where a comment begins: at a # that begins a word outside of quotes; else the line's length. */
static size_t find_comment(const char *line)
{
    char quote = '\0';
    bool begins = true;
    size_t i = 0;
    for (; line[i] != '\0'; i++) {
        char byte = line[i];
        if (quote == '\0' && byte == '#' && begins)
            return i;
        begins = quote == '\0' && (byte == ' ' || byte == '\t' || byte == '\n');
        if (byte == '\\' && quote != '\'' && line[i + 1] != '\0')
            i++;
        else if (quote == '\0' && (byte == '\'' || byte == '"'))
            quote = byte;
        else if (byte == quote)
            quote = '\0';
    }
    return i;
}

static void copy_words(struct shell_words *out, int count, const char **words)
{
    out->list = calloc((size_t)count + 1, sizeof *out->list);
    ASSERT(out->list != NULL);
    for (out->count = 0; out->count < count; out->count++) {
        out->list[out->count] = strdup(words[out->count]);
        ASSERT(out->list[out->count] != NULL);
    }
}

enum shell_split shell_split(const char *line, struct shell_words *out)
{
    *out = (struct shell_words){0};
    size_t length = find_comment(line);
    if (length > LIMIT_SHELL_LINE_BYTES)
        return SHELL_SPLIT_TOO_LONG;
    Tokenizer *tokenizer = tok_init(NULL);
    char *text = strndup(line, length);
    int count = 0;
    const char **words = NULL;
    ASSERT(tokenizer != NULL && text != NULL);
    bool done = tok_str(tokenizer, text, &count, &words) == 0;
    if (done)
        copy_words(out, count, words);
    tok_end(tokenizer);
    free(text);
    return done ? SHELL_SPLIT_DONE : SHELL_SPLIT_OPEN;
}

void shell_words_free(struct shell_words *words)
{
    for (int i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
    *words = (struct shell_words){0};
}
