/* A group: operations that are evaluated one after the other, each against the effects of those
 * before it, and become visible together. */
#include "state/env.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

struct state_group {
    struct change change;
    int rc; /* of the first step that failed; nothing is done after it */
};

enum candor_code state_group_begin(struct state *state, uint64_t commit, struct state_group **out,
                                   struct candor_error *err)
{
    struct state_group *group = memory_zeroed(1, sizeof *group);
    enum candor_code code = change_begin(&group->change, state, commit, err);
    if (code != CANDOR_OK) {
        free(group);
        return code;
    }
    *out = group;
    return CANDOR_OK;
}

bool state_group_get(struct state_group *group, struct slice key, struct state_item *out)
{
    MDB_val value;
    if (group->rc != 0 || key.length == 0 || key.length > LIMIT_KEY_BYTES)
        return false;
    int rc = change_get(&group->change, TABLE_DATA, key, &value);
    if (rc == 0)
        rc = item_decode(key, &value, out);
    if (rc != 0 && rc != MDB_NOTFOUND)
        group->rc = rc;
    return rc == 0;
}

uint64_t state_group_log_ms(const struct state_group *group)
{
    return group->change.position.log_ms;
}

uint32_t state_group_due(struct state_group *group, uint64_t log_ms, struct slice *keys,
                         uint32_t most, uint64_t *next_ms)
{
    uint32_t count = 0;
    *next_ms = 0;
    if (group->rc == 0)
        group->rc = ends_due(&group->change, log_ms, keys, most, &count, next_ms);
    return group->rc == 0 ? count : 0;
}

enum state_request_standing state_group_request(struct state_group *group,
                                                const struct request_id *id,
                                                struct state_request *out)
{
    enum state_request_standing standing = STATE_REQUEST_NEW;
    *out = (struct state_request){0};
    struct change *change = &group->change;
    MDB_cursor *cursor = NULL;
    if (group->rc == 0 && id->number != 0)
        group->rc = change_cursor(change, TABLE_REQUESTS, &cursor);
    if (cursor != NULL && group->rc == 0)
        group->rc =
            requests_find(change->env, change->txn, cursor, id, out, &change->grown, &standing);
    return standing;
}

enum candor_code state_group_room(struct state_group *group, uint64_t bytes,
                                  struct candor_error *err)
{
    return room_for(&group->change, bytes, err);
}

bool state_group_is_tight(const struct state_group *group)
{
    return room_is_scarce(&group->change);
}

struct chain state_group_chain(const struct state_group *group)
{
    return group->change.position.chain;
}

void state_group_apply(struct state_group *group, const struct record *record)
{
    env_write_begin();
    if (group->rc == 0)
        group->rc = env_write_result(apply_record(&group->change, record));
}

enum candor_code state_group_commit(struct state_group *group, struct candor_error *err)
{
    enum candor_code code = change_end_applied(&group->change, group->rc, err);
    free(group);
    return code;
}

void state_group_abort(struct state_group *group)
{
    change_abort(&group->change);
    free(group);
}

enum candor_code state_group_check(const struct state_group *group, struct candor_error *err)
{
    return group->rc == 0 ? CANDOR_OK
                          : env_failed(group->rc, group->change.state->dir, "apply records", err);
}
