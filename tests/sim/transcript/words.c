/* A command line, taken apart. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "transcript.h"

/* Words are taken one by one; what is left at the end was not understood. */

void words_wrong(struct words *words, const char *format, ...)
{
    if (words->error[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(words->error, sizeof words->error, format, args);
    va_end(args);
}

void words_split(struct words *words, const char *line)
{
    *words = (struct words){0};
    if (strlen(line) >= sizeof words->text) {
        words_wrong(words, "the line is longer than %d bytes", LINE_BYTES - 1);
        return;
    }
    memcpy(words->text, line, strlen(line) + 1);
    char *rest = words->text;
    for (char *word = strtok_r(rest, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (words->count == MOST_WORDS) {
            words_wrong(words, "the line has more than %d words", MOST_WORDS);
            return;
        }
        words->list[words->count++] = word;
    }
}

const char *words_next(struct words *words, const char *what)
{
    for (uint32_t i = 0; i < words->count; i++) {
        char *word = words->list[i];
        if (word == NULL || strchr(word, '=') != NULL)
            continue;
        words->list[i] = NULL;
        return word;
    }
    words_wrong(words, "%s is missing", what);
    return "";
}

bool words_flag(struct words *words, const char *word)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (words->list[i] != NULL && strcmp(words->list[i], word) == 0) {
            words->list[i] = NULL;
            return true;
        }
    return false;
}

const char *words_after(struct words *words, const char *word)
{
    for (uint32_t i = 0; i + 1 < words->count; i++) {
        char *next = words->list[i + 1];
        if (words->list[i] == NULL || next == NULL || strcmp(words->list[i], word) != 0)
            continue;
        words->list[i] = words->list[i + 1] = NULL;
        return next;
    }
    return NULL;
}

const char *words_option(struct words *words, const char *name)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < words->count; i++) {
        char *word = words->list[i];
        if (word == NULL || strncmp(word, name, length) != 0 || word[length] != '=')
            continue;
        words->list[i] = NULL;
        return word + length + 1;
    }
    return NULL;
}

static uint64_t number_before(const char *text, char **end)
{
    errno = 0;
    uint64_t number = strtoull(text, end, 10);
    bool good =
        errno == 0 && *end != text && text[0] >= '0' && text[0] <= '9' && number < 1000000000;
    if (!good)
        *end = NULL;
    return number;
}

uint64_t words_duration_ns(struct words *words, const char *text)
{
    char *end;
    uint64_t number = number_before(text, &end);
    if (end != NULL && strcmp(end, "ms") == 0)
        return number * NS_PER_MS;
    if (end != NULL && strcmp(end, "s") == 0)
        return number * NS_PER_S;
    words_wrong(words, "'%s' is no duration such as 500ms or 2s", text);
    return 0;
}

uint64_t words_number(struct words *words, const char *text)
{
    char *end;
    uint64_t number = number_before(text, &end);
    if (end != NULL && *end == '\0')
        return number;
    words_wrong(words, "'%s' is no number", text);
    return 0;
}

uint32_t words_choice(struct words *words, const char *text, const char *const *names)
{
    char all[LINE_BYTES] = "";
    for (uint32_t i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0)
            return i;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    words_wrong(words, "'%s' is none of %s", text, all);
    return 0;
}

void words_end(struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (words->list[i] != NULL)
            words_wrong(words, "'%s' is not understood here", words->list[i]);
}
