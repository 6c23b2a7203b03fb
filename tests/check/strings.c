/* Texts, interned. */
#include "check/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

void strings_free(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->texts[i]);
    free(strings->texts);
    free(strings->table);
    *strings = (struct strings){0};
}

/* FNV-1a: the texts are ours, nobody attacks the table. */
static size_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds `text`, or the free one where it belongs. */
static size_t slot_of(const struct strings *strings, const char *text)
{
    size_t at = hash_of(text) & (strings->table_size - 1);
    while (strings->table[at] != 0 && strcmp(strings->texts[strings->table[at] - 1], text) != 0)
        at = (at + 1) & (strings->table_size - 1);
    return at;
}

static void grow(struct strings *strings)
{
    free(strings->table);
    strings->table_size = strings->table_size == 0 ? 1024 : 2 * strings->table_size;
    strings->table = calloc(strings->table_size, sizeof *strings->table);
    ASSERT(strings->table != NULL);
    for (size_t i = 0; i < strings->count; i++)
        strings->table[slot_of(strings, strings->texts[i])] = (uint32_t)(i + 1);
}

uint32_t strings_add(struct strings *strings, const char *text)
{
    if (strings->count * 2 >= strings->table_size)
        grow(strings);
    size_t slot = slot_of(strings, text);
    if (strings->table[slot] != 0)
        return strings->table[slot];
    memory_grow(strings->texts, strings->capacity, strings->count + 1);
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    ASSERT_U64(strings->count, <, UINT32_MAX);
    strings->texts[strings->count++] = copy;
    strings->table[slot] = (uint32_t)strings->count;
    return strings->table[slot];
}

const char *strings_text(const struct strings *strings, uint32_t id)
{
    ASSERT_U64(id, <=, strings->count);
    return id == 0 ? "" : strings->texts[id - 1];
}
