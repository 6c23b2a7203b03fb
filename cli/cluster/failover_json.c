/* A change of primary as JSON. */
#include <string.h>

#include "cli/cluster/failover.h"
#include "cli/frame/command.h"

static void set_epoch(json_t *object, const struct candor_epoch *epoch)
{
    json_object_set_new(object, "epoch", json_u64(epoch->term));
    json_object_set_new(object, "generation", json_u64(epoch->generation));
    json_object_set_new(object, "owner", json_string(epoch->owner.text));
}

static json_t *json_previous(const struct candor_epoch *epoch)
{
    if (epoch->term == 0)
        return json_null();
    json_t *out = json_object();
    set_epoch(out, epoch);
    return out;
}

static json_t *json_gap(const struct sighting *sighting)
{
    return failover_has_gap(sighting) ? json_u64(sighting->seen->gap_ms) : json_null();
}

static json_t *json_sighting(const struct sighting *sighting)
{
    static const Candor__V1__ClientCounts none = CANDOR__V1__CLIENT_COUNTS__INIT;
    const Candor__V1__ClientCounts *clients =
        sighting->seen->clients != NULL ? sighting->seen->clients : &none;
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(sighting->node));
    json_object_set_new(out, "opened_here", json_boolean(sighting->seen->opened_here));
    json_object_set_new(out, "wall_ms", json_u64(sighting->seen->wall_ms));
    json_object_set_new(out, "gap_ms", json_gap(sighting));
    json_object_set_new(out, "refused_not_primary", json_u64(clients->not_primary));
    json_object_set_new(out, "refused_no_primary", json_u64(clients->no_primary));
    json_object_set_new(out, "outcome_unknown", json_u64(clients->outcome_unknown));
    json_object_set_new(out, "redirects", json_u64(clients->redirects));
    return out;
}

static json_t *json_discarded(const struct discarded *discarded)
{
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(discarded->node));
    json_set_bytes(out, "id", discarded->archive->id, strlen(discarded->archive->id));
    json_object_set_new(out, "records", json_u64(discarded->archive->records));
    json_object_set_new(out, "writes", json_u64(discarded->archive->writes));
    json_object_set_new(out, "local", json_u64(discarded->archive->local));
    return out;
}

static json_t *json_silent(const struct failover_report *report)
{
    json_t *out = json_array();
    for (size_t i = 0; i < report->node_count; i++)
        if (report->failovers[i].message == NULL || report->archives[i].message == NULL)
            json_array_append_new(out, json_string(report->failovers[i].target.id));
    return out;
}

json_t *failover_json(const struct failover_report *report, const struct incident *incident)
{
    const struct sighting *dated = failover_dated_by(incident);
    json_t *out = json_object();
    json_t *nodes = json_array();
    json_t *archives = json_array();
    for (size_t i = 0; i < incident->sighting_count; i++)
        json_array_append_new(nodes, json_sighting(&incident->sightings[i]));
    for (size_t i = 0; i < incident->discarded_count; i++)
        json_array_append_new(archives, json_discarded(&incident->discarded[i]));
    set_epoch(out, &incident->epoch);
    json_object_set_new(out, "previous", json_previous(&incident->previous));
    json_object_set_new(out, "cause", json_string(failover_cause(incident)));
    json_object_set_new(out, "wall_ms", json_u64(dated->seen->wall_ms));
    json_object_set_new(out, "wall_clock_of", json_string(dated->node));
    json_object_set_new(out, "unavailable_ms", json_gap(incident->opener));
    json_object_set_new(out, "nodes", nodes);
    json_t *discarded = json_object();
    json_object_set_new(discarded, "local", json_u64(incident->local));
    json_object_set_new(discarded, "writes", json_u64(incident->writes));
    json_object_set_new(discarded, "archives", archives);
    json_object_set_new(out, "discarded", discarded);
    json_object_set_new(out, "old_primary_is_out",
                        json_boolean(failover_old_primary_is_out(incident)));
    json_object_set_new(out, "unreachable", json_silent(report));
    return out;
}
