/* What a promotion would cost: asked of the nodes, weighed, shown as text and as JSON. */
#include "cli/cluster/forecast.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/keys/reading.h"

#define FORECAST_DEADLINE_MS 1000

static bool answered(const struct node_row *row)
{
    return row->result.error.code == CANDOR_OK && row->result.has_freshness;
}

/* ---- Weighing -------------------------------------------------------------------------------- */

static uint64_t beyond(uint64_t seq, uint64_t own)
{
    return seq > own ? seq - own : 0;
}

static bool newer(const struct node_row *a, const struct node_row *b, bool by_log)
{
    if (b == NULL)
        return true;
    return by_log
               ? candor_pos_compare(&a->status.last, &b->status.last) > 0
               : candor_epoch_compare(&a->result.freshness.epoch, &b->result.freshness.epoch) > 0;
}

static void weigh(struct forecast *forecast, const char *target)
{
    const struct node_row *longest = NULL;
    for (size_t i = 0; i < forecast->count; i++) {
        if (strcmp(forecast->rows[i].target.id, target) == 0 && answered(&forecast->rows[i]))
            forecast->target = &forecast->rows[i];
    }
    uint64_t own = forecast->target != NULL ? forecast->target->status.last.seq : 0;
    for (size_t i = 0; i < forecast->count; i++) {
        const struct node_row *row = &forecast->rows[i];
        if (!answered(row)) {
            forecast->unreachable++;
            continue;
        }
        if (row->result.freshness.role == CANDOR_ROLE_PRIMARY &&
            newer(row, forecast->primary, false))
            forecast->primary = row;
        if (row == forecast->target)
            continue;
        if (newer(row, longest, true))
            longest = row;
        if (beyond(row->status.last.seq, own) > forecast->beyond)
            forecast->beyond = beyond(row->status.last.seq, own);
        if (beyond(row->result.freshness.commit_seq, own) > forecast->committed)
            forecast->committed = beyond(row->result.freshness.commit_seq, own);
    }
    forecast->witness = forecast->primary != NULL ? forecast->primary : longest;
}

/* Of what the witness holds, the target's newest record and all below it are no loss. */
static void ask_witness(struct forecast *forecast, uint32_t keys)
{
    const struct node_row *target = forecast->target;
    Candor__V1__AtRiskRequest request = CANDOR__V1__AT_RISK_REQUEST__INIT;
    Candor__V1__Pos above = CANDOR__V1__POS__INIT;
    Candor__V1__Epoch epoch = CANDOR__V1__EPOCH__INIT;
    struct candor_result result;
    char owner[CANDOR_NODE_ID_BYTES];
    if (forecast->witness == NULL || forecast->witness == target)
        return;
    if (target != NULL) {
        memcpy(owner, target->status.last.epoch.owner.text, sizeof owner);
        epoch.generation = target->status.last.epoch.generation;
        epoch.term = target->status.last.epoch.term;
        epoch.owner = owner;
        above.epoch = &epoch;
        above.seq = target->status.last.seq;
        request.above = &above;
    }
    request.limit = keys;
    forecast->at_risk = (Candor__V1__AtRiskResponse *)node_call(
        forecast->witness->target.address, "/candor.v1.Cluster/AtRisk", &request.base,
        &candor__v1__at_risk_response__descriptor, FORECAST_DEADLINE_MS, &result);
}

bool forecast_make(struct command_context *ctx, const char *target, uint32_t keys,
                   struct forecast *out, int *status)
{
    struct node_target targets[LIMIT_NODES];
    memset(out, 0, sizeof *out);
    out->count = node_targets(ctx, targets, status);
    if (out->count == 0)
        return false;
    out->rows = calloc(out->count, sizeof *out->rows);
    ASSERT(out->rows != NULL);
    node_rows(targets, out->count, FORECAST_DEADLINE_MS, out->rows);
    weigh(out, target);
    ask_witness(out, keys);
    return true;
}

void forecast_free(struct forecast *forecast)
{
    if (forecast->at_risk != NULL)
        candor__v1__at_risk_response__free_unpacked(forecast->at_risk, NULL);
    free(forecast->rows);
}

/* ---- As text --------------------------------------------------------------------------------- */

static void print_nodes(const struct forecast *forecast, const char *target, FILE *to)
{
    if (forecast->target == NULL)
        output_line(to, "%s does not answer: it cannot be promoted now.", target);
    else
        output_line(to, "%s holds records up to %" PRIu64 ", committed up to %" PRIu64 ".", target,
                    forecast->target->status.last.seq,
                    forecast->target->result.freshness.commit_seq);
    for (size_t i = 0; i < forecast->count; i++) {
        const struct node_row *row = &forecast->rows[i];
        if (row == forecast->target || strcmp(row->target.id, target) == 0)
            continue;
        if (!answered(row))
            output_line(to, "%s does not answer: what it acknowledged meanwhile is not known.",
                        row->target.id);
        else
            output_line(to, "%s (%s) holds records up to %" PRIu64 "%s.", row->target.id,
                        candor_role_name(row->result.freshness.role), row->status.last.seq,
                        forecast->target != NULL &&
                                row->status.last.seq > forecast->target->status.last.seq
                            ? ": those beyond would be archived"
                            : "");
    }
}

static void print_keys(const Candor__V1__AtRiskResponse *at_risk, FILE *to)
{
    for (size_t i = 0; i < at_risk->n_keys; i++) {
        fprintf(to, "%s", i == 0 ? "  keys: " : ", ");
        print_escaped((struct candor_bytes){at_risk->keys[i].data, at_risk->keys[i].len}, to);
    }
    if (at_risk->n_keys > 0)
        fprintf(to, "%s\n", at_risk->more_keys ? ", and others" : "");
}

static void print_at_risk(const struct forecast *forecast, const char *target, FILE *to)
{
    const Candor__V1__AtRiskResponse *at_risk = forecast->at_risk;
    const char *witness = forecast->witness->target.id;
    char age[AGE_TEXT_BYTES];
    /* what it holds is not known: all that is not committed counts */
    bool silent = forecast->target == NULL;
    char whose[96] = "";
    if (at_risk->oldest_case == CANDOR__V1__AT_RISK_RESPONSE__OLDEST_OLDEST_AGE_MS)
        snprintf(whose, sizeof whose, ", of %s%u client%s, the oldest %s old",
                 at_risk->more_clients ? "more than " : "", at_risk->clients,
                 at_risk->clients == 1 ? "" : "s", age_text(at_risk->oldest_age_ms, age));
    output_line(
        to, "At risk, by the log of %s%s: %s%" PRIu64 " acknowledged LOCAL write%s that %s%s%s.",
        witness, forecast->primary == NULL ? ", which is not the primary" : "",
        at_risk->more_records ? "at least " : "", at_risk->local, at_risk->local == 1 ? "" : "s",
        silent ? (at_risk->local == 1 ? "is not committed" : "are not committed") : target,
        silent ? "" : " lacks", whose);
    print_keys(at_risk, to);
    if (at_risk->waiting > 0)
        output_line(to,
                    "%" PRIu64 " more wait%s for a majority: a failover would leave their outcome "
                    "unknown.",
                    at_risk->waiting, at_risk->waiting == 1 ? "s" : "");
}

void forecast_print(const struct forecast *forecast, const char *target, FILE *to)
{
    print_nodes(forecast, target, to);
    if (forecast->target != NULL && forecast->primary == forecast->target) {
        output_line(to, "%s is the primary: nothing is at risk.", target);
        return;
    }
    if (forecast->primary == NULL)
        output_line(to,
                    "No primary answers: what it acknowledged, and no other node received, is not "
                    "known.");
    if (forecast->target != NULL && forecast->committed > 0)
        output_line(to,
                    "%s lacks %" PRIu64
                    " committed record%s: until it has them the voters refuse it, and "
                    "--force would discard them.",
                    target, forecast->committed, forecast->committed == 1 ? "" : "s");
    if (forecast->at_risk != NULL)
        print_at_risk(forecast, target, to);
    else
        output_line(to, "What is at risk could not be counted: no node that could tell answers.");
}

/* ---- As JSON --------------------------------------------------------------------------------- */

static json_t *json_keys(const Candor__V1__AtRiskResponse *at_risk)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < at_risk->n_keys; i++) {
        json_t *key = json_object();
        json_set_bytes(key, "key", at_risk->keys[i].data, at_risk->keys[i].len);
        json_array_append_new(keys, key);
    }
    return keys;
}

/* What the witness counted; null: nobody could be asked. */
static json_t *json_at_risk(const struct forecast *forecast)
{
    const Candor__V1__AtRiskResponse *at_risk = forecast->at_risk;
    if (at_risk == NULL)
        return json_null();
    bool aged = at_risk->oldest_case == CANDOR__V1__AT_RISK_RESPONSE__OLDEST_OLDEST_AGE_MS;
    json_t *out = json_object();
    json_object_set_new(out, "by", json_string(forecast->witness->target.id));
    json_object_set_new(out, "above_seq", json_u64(at_risk->above_seq));
    json_object_set_new(out, "last_seq", json_u64(at_risk->last_seq));
    json_object_set_new(out, "local", json_u64(at_risk->local));
    json_object_set_new(out, "waiting", json_u64(at_risk->waiting));
    json_object_set_new(out, "more_records", json_boolean(at_risk->more_records));
    json_object_set_new(out, "keys", json_keys(at_risk));
    json_object_set_new(out, "more_keys", json_boolean(at_risk->more_keys));
    json_object_set_new(out, "clients", json_u64(at_risk->clients));
    json_object_set_new(out, "more_clients", json_boolean(at_risk->more_clients));
    json_object_set_new(out, "oldest_age_ms",
                        aged ? json_u64(at_risk->oldest_age_ms) : json_null());
    return out;
}

json_t *forecast_json(const struct forecast *forecast, const char *target)
{
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(target));
    json_object_set_new(out, "reachable", json_boolean(forecast->target != NULL));
    json_object_set_new(out, "primary",
                        forecast->primary != NULL ? json_string(forecast->primary->target.id)
                                                  : json_null());
    json_object_set_new(out, "last_seq",
                        forecast->target != NULL ? json_u64(forecast->target->status.last.seq)
                                                 : json_null());
    bool known = forecast->target != NULL;
    json_object_set_new(out, "records_beyond", known ? json_u64(forecast->beyond) : json_null());
    json_object_set_new(out, "committed_beyond",
                        known ? json_u64(forecast->committed) : json_null());
    json_object_set_new(out, "at_risk", json_at_risk(forecast));
    json_object_set_new(out, "unreachable_nodes", json_u64(forecast->unreachable));
    return out;
}
