/* One look at all nodes, as JSON. */
#include <inttypes.h>
#include <string.h>

#include "cli/cluster/status_look.h"

static void set_id(json_t *object, const char *name, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    json_object_set_new(object, name, json_string(text));
}

static void set_status(json_t *object, const struct candor_status *status)
{
    json_object_set_new(object, "zone",
                        status->zone[0] != '\0' ? json_string(status->zone) : json_null());
    json_object_set_new(object, "pid", json_u64(status->pid));
    json_object_set_new(object, "version", json_string(status->version));
    json_object_set_new(object, "uptime_ms", json_u64(status->uptime_ms));
    json_object_set_new(object, "boot", json_u64(status->boot));
    json_object_set_new(object, "lag", json_u64(status->lag));
    json_object_set_new(object, "last_seq", json_u64(status->last.seq));
    json_object_set_new(object, "durable_seq", json_u64(status->durable_seq));
    json_object_set_new(object, "match_seq", json_u64(status->match_seq));
    json_object_set_new(object, "log_first_seq", json_u64(status->log_first_seq));
    json_object_set_new(object, "log_bytes", json_u64(status->log_bytes));
    json_object_set_new(object, "state_bytes", json_u64(status->state_bytes));
    json_object_set_new(object, "keys", json_u64(status->keys));
    json_object_set_new(object, "at_risk", json_u64(status->at_risk));
    json_object_set_new(object, "no_room", json_boolean(status->no_room));
    json_object_set_new(object, "rollbacks", json_u64(status->rollback_count));
    json_object_set_new(object, "digest", json_string(status->digest));
    json_object_set_new(object, "equal_seq", json_u64(status->equal_seq));
    json_object_set_new(object, "differs_seq", json_u64(status->differs_seq));
    json_object_set_new(object, "scrubbed_age_ms",
                        status->has_scrubbed_age ? json_u64(status->scrubbed_age_ms) : json_null());
    json_object_set_new(object, "scrub_findings", json_u64(status->scrub_findings));
    json_object_set_new(object, "scrub_finding",
                        status->scrub_finding[0] != '\0' ? json_string(status->scrub_finding)
                                                         : json_null());
    json_object_set_new(object, "admitted", json_boolean(status->admitted));
    json_object_set_new(object, "primary",
                        status->primary[0] != '\0' ? json_string(status->primary) : json_null());
    json_object_set_new(object, "relay",
                        status->relay[0] != '\0' ? json_string(status->relay) : json_null());
    set_id(object, "cluster_id", status->cluster_id);
    set_id(object, "store_id", status->store_id);
}

static json_t *json_row(const struct node_row *row)
{
    static const char *const unknown[] = {"role",
                                          "epoch",
                                          "pid",
                                          "version",
                                          "heartbeat_age_ms",
                                          "staleness_bound_ms",
                                          "applied_seq",
                                          "primary_seq",
                                          "commit_seq",
                                          "cut_off",
                                          "lag",
                                          "admitted",
                                          NULL};
    json_t *out = json_object();
    json_object_set_new(out, "node",
                        row->target.id[0] != '\0' ? json_string(row->target.id) : json_null());
    if (row->result.error.code != CANDOR_OK || !row->result.has_freshness) {
        json_object_set_new(out, "state", json_string("UNREACHABLE"));
        for (size_t i = 0; unknown[i] != NULL; i++)
            json_object_set_new(out, unknown[i], json_null());
        json_object_set_new(out, "stale", json_null());
        json_set_bytes(out, "error", row->result.error.message, strlen(row->result.error.message));
    } else {
        json_t *freshness = json_freshness(&row->result.freshness);
        json_object_update(out, freshness); /* node, role, state, epoch ... in this order */
        json_decref(freshness);
        set_status(out, &row->status);
    }
    json_object_set_new(out, "address", json_string(row->target.address));
    return out;
}

json_t *status_json(const struct status_look *look)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < look->count; i++) {
        json_t *row = json_row(&look->rows[i]);
        json_object_set_new(row, "unknown_to",
                            drift_json(&look->drift, look->rows, look->count, i));
        if (look->rates[i] >= 0)
            json_object_set_new(row, "records_per_second", json_real(look->rates[i]));
        json_array_append_new(nodes, row);
    }
    json_t *out = json_object();
    json_object_set_new(out, "nodes", nodes);
    return out;
}
