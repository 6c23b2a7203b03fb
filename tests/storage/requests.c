/* Clients: operations, and requests that are tried again. */
#include <stdlib.h>

#include "eval/digest.h"

#include "storage.h"

/* Clients: one request at a time, tried again until it is answered; and what an operation does,
 * said once more in few words to compare src/eval with. */

struct slice key_name(uint32_t key)
{
    static char names[KEYS][4];
    snprintf(names[key], sizeof names[key], "k%02u", key);
    return slice_of(names[key], 3);
}

uint32_t key_index(struct slice name)
{
    ASSERT_U64(name.length, ==, 3);
    uint32_t key = (uint32_t)(name.bytes[1] - '0') * 10 + (uint32_t)(name.bytes[2] - '0');
    ASSERT_U64(key, <, KEYS);
    return key;
}

static struct slice draw_number(void)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, between(0, 99));
    return arena_copy(slice_of(text, (size_t)length));
}

/* Now and then a large one, so that segments end and the undo is not all of one page. */
static struct slice draw_value(uint32_t key)
{
    if (key < NUMBER_KEYS)
        return draw_number();
    size_t length = chance(8) ? between(1000, 6000) : between(0, 40);
    uint8_t *bytes = arena_take(length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)between('a', 'z');
    return slice_of(bytes, length);
}

static uint32_t other_key(uint32_t key)
{
    return (key + 1 + (uint32_t)between(0, KEYS - 2)) % KEYS;
}

static struct operation draw_operation(const struct model_state *state, bool alone)
{
    static const enum eval_kind kinds[] = {EVAL_PUT,       EVAL_DELETE, EVAL_PUT,   EVAL_CAS,
                                           EVAL_INCREMENT, EVAL_TXN,    EVAL_EXPIRE};
    struct operation operation = {.kind = kinds[between(0, alone ? 6 : 2)]};
    operation.key =
        (uint32_t)between(0, operation.kind == EVAL_INCREMENT ? NUMBER_KEYS - 1 : KEYS - 1);
    operation.other_key = other_key(operation.key);
    operation.value = draw_value(operation.kind == EVAL_TXN ? operation.other_key : operation.key);
    operation.delta = (int64_t)between(1, 9);
    operation.expected = chance(80) ? state->items[operation.key].mod_seq : between(0, 50);
    operation.exists = state->items[operation.key].there != chance(20);
    operation.ttl_ms = chance(40) ? between(1, 900) : 0;
    return operation;
}

static void draw_content(struct client *client)
{
    static struct model_state state;
    model_replay(&world->log, world->log.last, &state);
    client->count = chance(30) ? (uint32_t)between(2, PARTS) : 1;
    for (uint32_t i = 0; i < client->count; i++)
        client->operations[i] = draw_operation(&state, client->count == 1);
}

struct client *client_next(void)
{
    struct client *client = &world->clients[between(0, CLIENTS - 1)];
    client->id.client[0] = (uint8_t)(client - world->clients + 1);
    bool first = client->id.number == 0;
    /* a twin, as after fork() or from a snapshot of the machine: the same id for something else */
    if (!first && chance(5)) {
        draw_content(client);
    } else if (!client->unanswered &&
               (first || !chance(15))) { /* else once more, as after a lost answer */
        /* A leap makes old numbers too old to be known. */
        client->id.number += chance(2) ? LIMIT_REQUESTS_PER_CLIENT + 40 : 1;
        draw_content(client);
    }
    client->unanswered = true;
    return client;
}

uint64_t client_digest(const struct client *client)
{
    struct eval_op ops[PARTS];
    struct eval_compare compares[PARTS];
    struct eval_step steps[PARTS][2];
    for (uint32_t i = 0; i < client->count; i++)
        operation_fill(&client->operations[i], &ops[i], &compares[i], steps[i]);
    return eval_digest((struct slice){0}, ops, client->count);
}

void operation_fill(const struct operation *operation, struct eval_op *out,
                    struct eval_compare *compare, struct eval_step steps[2])
{
    *out = (struct eval_op){
        .kind = operation->kind,
        .key = key_name(operation->key),
        .value = operation->value,
        .ttl_ms = operation->ttl_ms,
        .delta = operation->delta,
        .min = INT64_MIN,
        .max = INT64_MAX,
    };
    out->expect = (struct eval_compare){.key = out->key,
                                        .target = EVAL_MOD_SEQ,
                                        .relation = EVAL_EQUAL,
                                        .number = operation->expected};
    if (operation->kind != EVAL_TXN)
        return;
    *compare =
        (struct eval_compare){.key = out->key, .target = EVAL_EXISTS, .exists = operation->exists};
    steps[0] = (struct eval_step){EVAL_STEP_PUT, key_name(operation->other_key), operation->value,
                                  operation->ttl_ms};
    steps[1] = (struct eval_step){.kind = EVAL_STEP_DELETE, .key = out->key};
    out->compares = compare;
    out->compare_count = 1;
    out->then_steps = (struct eval_steps){steps, 2};
}

static struct slice incremented(const struct model_item *item, int64_t delta)
{
    char text[24];
    char present[24] = "0";
    if (item->there)
        snprintf(present, sizeof present, "%.*s", (int)item->value.length,
                 (const char *)item->value.bytes);
    int64_t number = strtoll(present, NULL, 10) + delta;
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    return arena_copy(slice_of(text, (size_t)length));
}

uint32_t operation_effects(const struct model_state *state, const struct operation *operation,
                           uint64_t log_ms, struct record_op out[2])
{
    const struct model_item *item = &state->items[operation->key];
    struct slice key = key_name(operation->key);
    uint64_t until_ms = operation->ttl_ms != 0 ? log_ms + operation->ttl_ms : 0;
    out[0] = (struct record_op){RECORD_PUT, key, operation->value, until_ms};
    switch (operation->kind) {
    case EVAL_PUT:
        return 1;
    case EVAL_DELETE:
        out[0] = (struct record_op){.kind = RECORD_DELETE, .key = key};
        return 1;
    case EVAL_CAS:
        return item->mod_seq == operation->expected ? 1 : 0;
    case EVAL_INCREMENT:
        out[0].value = incremented(item, operation->delta);
        out[0].until_ms = item->until_ms;
        return 1;
    case EVAL_EXPIRE:
        out[0] = (struct record_op){.kind = RECORD_KEEP, .key = key, .until_ms = until_ms};
        return item->there && item->mod_seq == operation->expected &&
               (until_ms != 0 || item->until_ms != 0);
    case EVAL_TXN:
        out[0].key = key_name(operation->other_key);
        out[1] = (struct record_op){.kind = RECORD_DELETE, .key = key};
        return item->there == operation->exists ? 2 : 0;
    }
    return 0;
}
