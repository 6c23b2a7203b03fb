/* Where a feed stands, as text and back. */
#include "cli/feed/feed_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/crc32c.h"
#include "base/memory.h"

static const char from_state[] = " state";
static const char from_since[] = " since";
static const char from_cursor[] = "cursor:";
static const char from_within[] = "within:"; /* the present state */
static const char key_word[] = "key:";

uint32_t mark_range(struct candor_bytes prefix)
{
    return crc32c(0, prefix.data, prefix.length);
}

/* ---- There ----------------------------------------------------------------------------------- */

/* A word behind those that are there. */
static void put_word(char out[MARK_BYTES], const char *name, const void *bytes, size_t length)
{
    size_t filled = strlen(out);
    char *text = base64_encode(bytes, length);
    int wanted = snprintf(out + filled, MARK_BYTES - filled, " %s%s", name, text);
    ASSERT(wanted > 0 && (size_t)wanted < MARK_BYTES - filled);
    free(text);
}

char *mark_text(const struct mark *mark, char out[MARK_BYTES])
{
    static const char *const words[] = {
        [MARK_STATE] = from_state, [MARK_SINCE] = from_since, [MARK_CURSOR] = ""};
    ASSERT(mark->from != MARK_NOW);
    snprintf(out, MARK_BYTES, "%" PRIu64 " %" PRIu64 ".%" PRIu32 " %08" PRIx32 "%s", mark->number,
             mark->told_seq, mark->told_part, mark->range, words[mark->from]);
    if (mark->from == MARK_CURSOR)
        put_word(out, mark->telling ? from_within : from_cursor, mark->cursor, mark->cursor_length);
    if (mark->key_length > 0)
        put_word(out, key_word, mark->key, mark->key_length);
    return out;
}

/* ---- And back -------------------------------------------------------------------------------- */

/* `text` up to a blank or its end; `out` has `room` bytes. The length; 0: that is none. */
static size_t take_bytes(const char *text, uint8_t *out, size_t room)
{
    size_t length = strcspn(text, " ");
    size_t decoded = 0;
    char *word = memory_given(strndup(text, length));
    uint8_t *bytes = base64_decode(word, &decoded);
    if (bytes == NULL || decoded > room)
        decoded = 0;
    if (decoded > 0)
        memcpy(out, bytes, decoded);
    free(bytes);
    free(word);
    return decoded;
}

static bool begins(const char **at, const char *word)
{
    if (strncmp(*at, word, strlen(word)) != 0)
        return false;
    *at += strlen(word);
    return true;
}

/* `at` moves behind the word. */
static bool take_cursor(const char **at, struct mark *out)
{
    out->telling = begins(at, from_within);
    if (!out->telling && !begins(at, from_cursor))
        return false;
    out->from = MARK_CURSOR;
    out->cursor_length = take_bytes(*at, out->cursor, sizeof out->cursor);
    *at += strcspn(*at, " ");
    return out->cursor_length > 0;
}

/* The words behind the numbers. */
static bool take_words(const char *at, struct mark *out)
{
    if (begins(&at, from_state)) {
        out->from = MARK_STATE;
        out->telling = true;
    } else if (begins(&at, from_since))
        out->from = MARK_SINCE;
    else if (!begins(&at, " ") || !take_cursor(&at, out))
        return false;
    if (*at == '\0')
        return true;
    if (!begins(&at, " ") || !begins(&at, key_word))
        return false;
    out->key_length = take_bytes(at, out->key, sizeof out->key);
    return out->key_length > 0 && strchr(at, ' ') == NULL;
}

bool mark_parse(const char *text, struct mark *out)
{
    struct mark mark = {0};
    int end = 0;
    if (strlen(text) >= MARK_BYTES ||
        sscanf(text, "%" SCNu64 " %" SCNu64 ".%" SCNu32 " %8" SCNx32 "%n", &mark.number,
               &mark.told_seq, &mark.told_part, &mark.range, &end) != 4 ||
        end == 0 || mark.number == 0 || !take_words(text + end, &mark))
        return false;
    *out = mark;
    return true;
}

/* ---- What the target has --------------------------------------------------------------------- */

bool mark_has_change(const struct mark *mark, uint64_t seq, uint32_t part)
{
    return seq < mark->told_seq || (seq == mark->told_seq && part <= mark->told_part);
}

bool mark_has_state(const struct mark *mark, struct candor_bytes key)
{
    size_t length = key.length < mark->key_length ? key.length : mark->key_length;
    int order = length == 0 ? 0 : memcmp(key.data, mark->key, length);
    return order < 0 || (order == 0 && key.length <= mark->key_length);
}

void mark_set_key(struct mark *mark, struct candor_bytes key)
{
    ASSERT(key.length <= sizeof mark->key);
    if (key.length > 0)
        memcpy(mark->key, key.data, key.length);
    mark->key_length = key.length;
}
