/* Keys as subjects of NATS. */
#include "cli/feed/feed_subject.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char digits[] = "0123456789ABCDEF";

static bool is_plain(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && strchr(".*>%", byte) == NULL;
}

/* ---- What may be asked for ------------------------------------------------------------------- */

static bool token_good(const char *token, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_plain((uint8_t)token[i]))
            return false;
    return length > 0;
}

bool feed_subject_prefix_good(const char *prefix)
{
    if (strlen(prefix) >= LIMIT_FEED_SUBJECT_PREFIX_BYTES || prefix[0] == '$' ||
        strncmp(prefix, "_INBOX", 6) == 0)
        return false;
    for (const char *token = prefix;; token++) {
        size_t length = strcspn(token, ".");
        if (!token_good(token, length))
            return false;
        token += length;
        if (*token == '\0')
            return true;
    }
}

bool feed_subject_separator_good(char separator)
{
    return separator > ' ' && separator < 0x7f && !isalnum((unsigned char)separator) &&
           separator != '%';
}

/* ---- There ----------------------------------------------------------------------------------- */

static char *put_byte(char *at, uint8_t byte)
{
    if (is_plain(byte)) {
        *at++ = (char)byte;
        return at;
    }
    *at++ = '%';
    *at++ = digits[byte >> 4];
    *at++ = digits[byte & 15];
    return at;
}

char *feed_subject_of_key(const struct feed_subjects *subjects, struct candor_bytes key,
                          char out[FEED_SUBJECT_BYTES])
{
    const uint8_t *bytes = key.data;
    char *at = stpcpy(out, subjects->prefix);
    *at++ = '.';
    const char *token = at;
    for (size_t i = 0; i <= key.length; i++) {
        bool ends = i == key.length ||
                    (subjects->separator != '\0' && bytes[i] == (uint8_t)subjects->separator);
        if (!ends) {
            at = put_byte(at, bytes[i]);
            continue;
        }
        if (at == token)
            *at++ = '%';
        if (i < key.length)
            *at++ = '.';
        token = at;
    }
    *at = '\0';
    return out;
}

char *feed_subject_of_control(const struct feed_subjects *subjects, char out[FEED_SUBJECT_BYTES])
{
    snprintf(out, FEED_SUBJECT_BYTES, "%s.%s", subjects->prefix, FEED_SUBJECT_CONTROL);
    return out;
}

/* ---- Streams --------------------------------------------------------------------------------- */

bool feed_subject_covered(const char *pattern, const char *prefix)
{
    for (;;) {
        size_t of_pattern = strcspn(pattern, ".");
        size_t of_prefix = strcspn(prefix, ".");
        if (strcmp(pattern, ">") == 0)
            return true;
        bool equal = of_pattern == of_prefix && strncmp(pattern, prefix, of_pattern) == 0;
        if (of_prefix == 0 || pattern[of_pattern] == '\0' ||
            !(equal || (of_pattern == 1 && pattern[0] == '*')))
            return false;
        pattern += of_pattern + 1;
        prefix += of_prefix + (prefix[of_prefix] == '.');
    }
}
