/* What the nodes of one topology do not agree on: found, shown. */
#include "cli/cluster/drift.h"

#include <string.h>

#include "candor/v1/cluster.pb-c.h"

static bool answered(const struct node_row *row)
{
    return row->result.error.code == CANDOR_OK && row->result.has_freshness;
}

static bool all_fresh(const struct node_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!answered(&rows[i]) || rows[i].result.freshness.state != CANDOR_STATE_FRESH)
            return false;
    }
    return true;
}

static bool names(const Candor__V1__StatusResponse *status, const char *id)
{
    for (size_t i = 0; i < status->n_peers; i++) {
        if (strcmp(status->peers[i]->node, id) == 0)
            return true;
    }
    return strcmp(status->node, id) == 0;
}

void drift_find(const struct node_row *rows, size_t count, uint32_t deadline_ms, struct drift *out)
{
    struct node_target targets[LIMIT_NODES];
    struct node_answer answers[LIMIT_NODES];
    Candor__V1__StatusRequest request = CANDOR__V1__STATUS_REQUEST__INIT;
    memset(out, 0, sizeof *out);
    if (count < 2 || all_fresh(rows, count))
        return;
    for (size_t i = 0; i < count; i++)
        targets[i] = rows[i].target;
    node_call_all(targets, count, "/candor.v1.Cluster/Status", &request.base,
                  &candor__v1__status_response__descriptor, deadline_ms, answers);
    for (size_t i = 0; i < count; i++) {
        const Candor__V1__StatusResponse *status =
            (const Candor__V1__StatusResponse *)answers[i].message;
        for (size_t j = 0; status != NULL && j < count; j++)
            out->unknown[i][j] = !names(status, targets[j].id);
    }
    node_answers_free(answers, count);
}

/* The cluster that most of those who answer hold; 0: none holds one. */
static uint64_t usual_cluster(const struct node_row *rows, size_t count)
{
    uint64_t usual = 0;
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t j = 0; j < count; j++)
            same += answered(&rows[j]) && rows[j].status.cluster_id == rows[i].status.cluster_id;
        if (answered(&rows[i]) && rows[i].status.cluster_id != 0 && same > most) {
            most = same;
            usual = rows[i].status.cluster_id;
        }
    }
    return usual;
}

void drift_print(const struct drift *drift, const struct node_row *rows, size_t count, FILE *to)
{
    uint64_t usual = usual_cluster(rows, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t own = rows[i].status.cluster_id;
        if (answered(&rows[i]) && own != 0 && own != usual)
            output_line(to,
                        "%s: it holds the data of another cluster of this name: was its data "
                        "directory moved here? The others ignore it",
                        rows[i].target.id);
        for (size_t j = 0; j < count; j++) {
            if (drift->unknown[i][j])
                output_line(to,
                            "%s: its topology file does not name %s: write the same file on every "
                            "machine, and restart %s",
                            rows[i].target.id, rows[j].target.id, rows[i].target.id);
        }
    }
}

json_t *drift_json(const struct drift *drift, const struct node_row *rows, size_t count,
                   size_t which)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        if (drift->unknown[i][which])
            json_array_append_new(out, json_string(rows[i].target.id));
    }
    return out;
}
