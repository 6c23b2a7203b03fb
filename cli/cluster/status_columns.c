/* The columns of a look at all nodes. */
#include "cli/cluster/status_columns.h"

#include <inttypes.h>

#define NONE "-"

static const struct node_row *row_of(const struct status_line *line)
{
    return &line->look->rows[line->n];
}

static const struct candor_freshness *fresh_of(const struct status_line *line)
{
    return &row_of(line)->result.freshness;
}

/* ---- Cells of a node that answers ---- */

static enum table_colour state_colour(enum candor_state state)
{
    switch (state) {
    case CANDOR_STATE_FRESH:
        return TABLE_GOOD;
    case CANDOR_STATE_STALE:
    case CANDOR_STATE_SYNCING:
        return TABLE_WARN;
    default:
        return TABLE_BAD;
    }
}

static void cell_node(struct table *table, const struct status_line *line)
{
    table_cell(table, TABLE_PLAIN, "%s", fresh_of(line)->node);
}

static void cell_role(struct table *table, const struct status_line *line)
{
    bool primary = fresh_of(line)->role == CANDOR_ROLE_PRIMARY;
    table_cell(table, primary ? TABLE_GOOD : TABLE_PLAIN, "%s",
               candor_role_name(fresh_of(line)->role));
}

static void cell_state(struct table *table, const struct status_line *line)
{
    table_cell(table, state_colour(fresh_of(line)->state), "%s",
               candor_state_name(fresh_of(line)->state));
}

static void cell_age(struct table *table, bool known, uint64_t ms)
{
    char age[AGE_TEXT_BYTES];
    table_cell(table, known ? TABLE_PLAIN : TABLE_DIM, "%s", known ? age_text(ms, age) : NONE);
}

static void cell_heard(struct table *table, const struct status_line *line)
{
    cell_age(table, fresh_of(line)->has_heartbeat_age, fresh_of(line)->heartbeat_age_ms);
}

static void cell_max_age(struct table *table, const struct status_line *line)
{
    cell_age(table, fresh_of(line)->has_staleness_bound, fresh_of(line)->staleness_bound_ms);
}

static void cell_number(struct table *table, enum table_colour colour, uint64_t number)
{
    table_cell(table, colour, "%" PRIu64, number);
}

static void cell_epoch(struct table *table, const struct status_line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->epoch.term);
}

static void cell_applied(struct table *table, const struct status_line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->applied_seq);
}

static void cell_primary(struct table *table, const struct status_line *line)
{
    if (fresh_of(line)->primary_seq > 0)
        cell_number(table, TABLE_PLAIN, fresh_of(line)->primary_seq);
    else
        table_cell(table, TABLE_DIM, NONE); /* it has announced nothing yet */
}

static void cell_commit(struct table *table, const struct status_line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->commit_seq);
}

static void cell_lag(struct table *table, const struct status_line *line)
{
    uint64_t lag = row_of(line)->status.lag;
    cell_number(table, lag > 0 ? TABLE_WARN : TABLE_PLAIN, lag);
}

static void cell_rate(struct table *table, const struct status_line *line)
{
    double rate = line->look->rates[line->n];
    if (rate >= 0)
        table_cell(table, TABLE_PLAIN, "%.0f", rate);
    else
        table_cell(table, TABLE_DIM, NONE);
}

static void cell_risk(struct table *table, const struct status_line *line)
{
    uint64_t risk = row_of(line)->status.at_risk;
    cell_number(table, risk > 0 ? TABLE_WARN : TABLE_PLAIN, risk);
}

static void cell_keys(struct table *table, const struct status_line *line)
{
    cell_number(table, TABLE_PLAIN, row_of(line)->status.keys);
}

static void cell_address(struct table *table, const struct status_line *line)
{
    table_cell(table, TABLE_PLAIN, "%s", row_of(line)->target.address);
}

/* ---- Cells of one that does not ---- */

static void missing_node(struct table *table, const struct status_line *line)
{
    const char *id = row_of(line)->target.id;
    table_cell(table, TABLE_PLAIN, "%s", id[0] != '\0' ? id : NONE);
}

static void missing_state(struct table *table, const struct status_line *line)
{
    (void)line;
    table_cell(table, TABLE_BAD, "UNREACHABLE");
}

/* ---- What rows are sorted by ---- */

static uint64_t key_node(const struct status_line *line)
{
    return line->n;
}

static uint64_t key_role(const struct status_line *line)
{
    return fresh_of(line)->role != CANDOR_ROLE_PRIMARY;
}

static uint64_t key_state(const struct status_line *line)
{
    return (uint64_t)fresh_of(line)->state;
}

static uint64_t key_heard(const struct status_line *line)
{
    return fresh_of(line)->has_heartbeat_age ? fresh_of(line)->heartbeat_age_ms : UINT64_MAX;
}

static uint64_t key_max_age(const struct status_line *line)
{
    return fresh_of(line)->has_staleness_bound ? fresh_of(line)->staleness_bound_ms : UINT64_MAX;
}

static uint64_t key_epoch(const struct status_line *line)
{
    return fresh_of(line)->epoch.term;
}

static uint64_t key_applied(const struct status_line *line)
{
    return fresh_of(line)->applied_seq;
}

static uint64_t key_commit(const struct status_line *line)
{
    return fresh_of(line)->commit_seq;
}

static uint64_t key_lag(const struct status_line *line)
{
    return row_of(line)->status.lag;
}

static uint64_t key_rate(const struct status_line *line)
{
    double rate = line->look->rates[line->n];
    return rate >= 0 ? (uint64_t)(rate * 1000) : 0;
}

static uint64_t key_risk(const struct status_line *line)
{
    return row_of(line)->status.at_risk;
}

static uint64_t key_keys(const struct status_line *line)
{
    return row_of(line)->status.keys;
}

/* ---- The columns ---- */

const struct status_column status_columns[] = {
    {NULL, "NODE", TABLE_LEFT, NULL, cell_node, missing_node},
    {NULL, "ROLE", TABLE_LEFT, NULL, cell_role, NULL},
    {NULL, "STATE", TABLE_LEFT, NULL, cell_state, missing_state},
    {NULL, "EPOCH", TABLE_RIGHT, NULL, cell_epoch, NULL},
    {NULL, "HEARD", TABLE_RIGHT, NULL, cell_heard, NULL},
    {NULL, "MAX AGE", TABLE_RIGHT, NULL, cell_max_age, NULL},
    {NULL, "APPLIED", TABLE_RIGHT, NULL, cell_applied, NULL},
    {NULL, "PRIMARY", TABLE_RIGHT, NULL, cell_primary, NULL},
    {NULL, "COMMIT", TABLE_RIGHT, NULL, cell_commit, NULL},
    {NULL, "LAG", TABLE_RIGHT, NULL, cell_lag, NULL},
    {NULL, "ADDRESS", TABLE_LEFT, NULL, cell_address, cell_address},
};

const struct status_column top_columns[] = {
    {"node", "NODE", TABLE_LEFT, key_node, cell_node, missing_node},
    {"role", "ROLE", TABLE_LEFT, key_role, cell_role, NULL},
    {"state", "STATE", TABLE_LEFT, key_state, cell_state, missing_state},
    {"lag", "LAG", TABLE_RIGHT, key_lag, cell_lag, NULL},
    {"age", "MAX AGE", TABLE_RIGHT, key_max_age, cell_max_age, NULL},
    {"heard", "HEARD", TABLE_RIGHT, key_heard, cell_heard, NULL},
    {"rate", "SEQ/S", TABLE_RIGHT, key_rate, cell_rate, NULL},
    {"applied", "APPLIED", TABLE_RIGHT, key_applied, cell_applied, NULL},
    {"commit", "COMMIT", TABLE_RIGHT, key_commit, cell_commit, NULL},
    {"risk", "AT RISK", TABLE_RIGHT, key_risk, cell_risk, NULL},
    {"keys", "KEYS", TABLE_RIGHT, key_keys, cell_keys, NULL},
    {"epoch", "EPOCH", TABLE_RIGHT, key_epoch, cell_epoch, NULL},
    {NULL, "ADDRESS", TABLE_LEFT, NULL, cell_address, cell_address},
};

const size_t status_column_count = sizeof status_columns / sizeof status_columns[0];
const size_t top_column_count = sizeof top_columns / sizeof top_columns[0];
