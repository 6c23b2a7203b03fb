/* A look at all nodes, as a table. */
#include "cli/cluster/status_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define NONE "-"
#define HEADER_BYTES 24
#define LIVE_COLUMNS_LEAST 4 /* stay on the narrowest terminal */

/* One row: the node, and where it stands in its look. */
struct line {
    const struct status_look *look;
    size_t n;
};

static const struct node_row *row_of(const struct line *line)
{
    return &line->look->rows[line->n];
}

static const struct candor_freshness *fresh_of(const struct line *line)
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

static void cell_node(struct table *table, const struct line *line)
{
    table_cell(table, TABLE_PLAIN, "%s", fresh_of(line)->node);
}

static void cell_role(struct table *table, const struct line *line)
{
    bool primary = fresh_of(line)->role == CANDOR_ROLE_PRIMARY;
    table_cell(table, primary ? TABLE_GOOD : TABLE_PLAIN, "%s",
               candor_role_name(fresh_of(line)->role));
}

static void cell_state(struct table *table, const struct line *line)
{
    table_cell(table, state_colour(fresh_of(line)->state), "%s",
               candor_state_name(fresh_of(line)->state));
}

static void cell_age(struct table *table, bool known, uint64_t ms)
{
    char age[AGE_TEXT_BYTES];
    table_cell(table, known ? TABLE_PLAIN : TABLE_DIM, "%s", known ? age_text(ms, age) : NONE);
}

static void cell_heard(struct table *table, const struct line *line)
{
    cell_age(table, fresh_of(line)->has_heartbeat_age, fresh_of(line)->heartbeat_age_ms);
}

static void cell_max_age(struct table *table, const struct line *line)
{
    cell_age(table, fresh_of(line)->has_staleness_bound, fresh_of(line)->staleness_bound_ms);
}

static void cell_number(struct table *table, enum table_colour colour, uint64_t number)
{
    table_cell(table, colour, "%" PRIu64, number);
}

static void cell_epoch(struct table *table, const struct line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->epoch.term);
}

static void cell_applied(struct table *table, const struct line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->applied_seq);
}

static void cell_primary(struct table *table, const struct line *line)
{
    if (fresh_of(line)->primary_seq > 0)
        cell_number(table, TABLE_PLAIN, fresh_of(line)->primary_seq);
    else
        table_cell(table, TABLE_DIM, NONE); /* it has announced nothing yet */
}

static void cell_commit(struct table *table, const struct line *line)
{
    cell_number(table, TABLE_PLAIN, fresh_of(line)->commit_seq);
}

static void cell_lag(struct table *table, const struct line *line)
{
    uint64_t lag = row_of(line)->status.lag;
    cell_number(table, lag > 0 ? TABLE_WARN : TABLE_PLAIN, lag);
}

static void cell_rate(struct table *table, const struct line *line)
{
    double rate = line->look->rates[line->n];
    if (rate >= 0)
        table_cell(table, TABLE_PLAIN, "%.0f", rate);
    else
        table_cell(table, TABLE_DIM, NONE);
}

static void cell_risk(struct table *table, const struct line *line)
{
    uint64_t risk = row_of(line)->status.at_risk;
    cell_number(table, risk > 0 ? TABLE_WARN : TABLE_PLAIN, risk);
}

static void cell_keys(struct table *table, const struct line *line)
{
    cell_number(table, TABLE_PLAIN, row_of(line)->status.keys);
}

static void cell_address(struct table *table, const struct line *line)
{
    table_cell(table, TABLE_PLAIN, "%s", row_of(line)->target.address);
}

/* ---- What rows are sorted by ---- */

static uint64_t key_node(const struct line *line)
{
    return line->n;
}

static uint64_t key_role(const struct line *line)
{
    return fresh_of(line)->role != CANDOR_ROLE_PRIMARY;
}

static uint64_t key_state(const struct line *line)
{
    return (uint64_t)fresh_of(line)->state;
}

static uint64_t key_heard(const struct line *line)
{
    return fresh_of(line)->has_heartbeat_age ? fresh_of(line)->heartbeat_age_ms : UINT64_MAX;
}

static uint64_t key_max_age(const struct line *line)
{
    return fresh_of(line)->has_staleness_bound ? fresh_of(line)->staleness_bound_ms : UINT64_MAX;
}

static uint64_t key_epoch(const struct line *line)
{
    return fresh_of(line)->epoch.term;
}

static uint64_t key_applied(const struct line *line)
{
    return fresh_of(line)->applied_seq;
}

static uint64_t key_commit(const struct line *line)
{
    return fresh_of(line)->commit_seq;
}

static uint64_t key_lag(const struct line *line)
{
    return row_of(line)->status.lag;
}

static uint64_t key_rate(const struct line *line)
{
    double rate = line->look->rates[line->n];
    return rate >= 0 ? (uint64_t)(rate * 1000) : 0;
}

static uint64_t key_risk(const struct line *line)
{
    return row_of(line)->status.at_risk;
}

static uint64_t key_keys(const struct line *line)
{
    return row_of(line)->status.keys;
}

/* ---- The columns ---- */

struct status_column {
    const char *name; /* of --sort; NULL: rows are not sorted by it */
    const char *header;
    enum table_align align;
    void (*cell)(struct table *table, const struct line *line);
    uint64_t (*key)(const struct line *line);
};

static const struct status_column columns_of_status[] = {
    {NULL, "NODE", TABLE_LEFT, cell_node, NULL},
    {NULL, "ROLE", TABLE_LEFT, cell_role, NULL},
    {NULL, "STATE", TABLE_LEFT, cell_state, NULL},
    {NULL, "EPOCH", TABLE_RIGHT, cell_epoch, NULL},
    {NULL, "HEARD", TABLE_RIGHT, cell_heard, NULL},
    {NULL, "MAX AGE", TABLE_RIGHT, cell_max_age, NULL},
    {NULL, "APPLIED", TABLE_RIGHT, cell_applied, NULL},
    {NULL, "PRIMARY", TABLE_RIGHT, cell_primary, NULL},
    {NULL, "COMMIT", TABLE_RIGHT, cell_commit, NULL},
    {NULL, "LAG", TABLE_RIGHT, cell_lag, NULL},
    {NULL, "ADDRESS", TABLE_LEFT, cell_address, NULL},
};

/* The most important ones first: a narrow terminal has no room for the others. */
static const struct status_column columns_of_top[] = {
    {"node", "NODE", TABLE_LEFT, cell_node, key_node},
    {"role", "ROLE", TABLE_LEFT, cell_role, key_role},
    {"state", "STATE", TABLE_LEFT, cell_state, key_state},
    {"lag", "LAG", TABLE_RIGHT, cell_lag, key_lag},
    {"age", "MAX AGE", TABLE_RIGHT, cell_max_age, key_max_age},
    {"heard", "HEARD", TABLE_RIGHT, cell_heard, key_heard},
    {"rate", "SEQ/S", TABLE_RIGHT, cell_rate, key_rate},
    {"applied", "APPLIED", TABLE_RIGHT, cell_applied, key_applied},
    {"commit", "COMMIT", TABLE_RIGHT, cell_commit, key_commit},
    {"risk", "AT RISK", TABLE_RIGHT, cell_risk, key_risk},
    {"keys", "KEYS", TABLE_RIGHT, cell_keys, key_keys},
    {"epoch", "EPOCH", TABLE_RIGHT, cell_epoch, key_epoch},
    {NULL, "ADDRESS", TABLE_LEFT, cell_address, NULL},
};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

const char *status_sort_name(size_t n)
{
    return n < COUNT(columns_of_top) ? columns_of_top[n].name : NULL;
}

/* ---- The table ---- */

static void add_cell(struct table *table, const struct status_column *column,
                     const struct line *line)
{
    const struct node_row *row = row_of(line);
    if (status_reached(line->look, line->n) || column->cell == cell_address)
        column->cell(table, line);
    else if (column->cell == cell_node)
        table_cell(table, TABLE_PLAIN, "%s", row->target.id[0] != '\0' ? row->target.id : NONE);
    else if (column->cell == cell_state)
        table_cell(table, TABLE_BAD, "UNREACHABLE");
    else
        table_cell(table, TABLE_DIM, NONE);
}

/* Stable; who cannot be reached stands last whatever the order. */
static bool comes_before(const struct status_view *view, const struct line *left,
                         const struct line *right)
{
    bool left_there = status_reached(left->look, left->n);
    bool right_there = status_reached(right->look, right->n);
    if (view->sort > 0 && left_there != right_there)
        return left_there;
    if (!left_there || !right_there)
        return false;
    uint64_t left_key = columns_of_top[view->sort].key(left);
    uint64_t right_key = columns_of_top[view->sort].key(right);
    return view->reverse ? left_key > right_key : left_key < right_key;
}

static void sort_lines(const struct status_look *look, const struct status_view *view,
                       struct line lines[LIMIT_NODES])
{
    ASSERT(status_sort_name(view->sort) != NULL);
    for (size_t i = 0; i < look->count; i++) {
        struct line line = {look, i};
        size_t at = i;
        while (at > 0 && comes_before(view, &line, &lines[at - 1])) {
            lines[at] = lines[at - 1];
            at--;
        }
        lines[at] = line;
    }
}

struct shape {
    const struct status_column *columns;
    size_t count;
    size_t marked; /* the column that rows are sorted by; SIZE_MAX: none */
    const char *mark;
};

/* `headers` last as long as the table. */
static struct table *make_table(const struct shape *shape, const struct line *lines, size_t count,
                                char headers[][HEADER_BYTES])
{
    struct table *table = table_new();
    for (size_t i = 0; i < shape->count; i++) {
        snprintf(headers[i], HEADER_BYTES, "%s%s", shape->columns[i].header,
                 i == shape->marked ? shape->mark : "");
        table_column(table, headers[i], shape->columns[i].align);
    }
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < shape->count; i++)
            add_cell(table, &shape->columns[i], &lines[n]);
    }
    return table;
}

static void print_live(const struct status_look *look, const struct status_view *view,
                       const struct line *lines, FILE *to)
{
    char headers[COUNT(columns_of_top)][HEADER_BYTES];
    int columns = output_columns(to);
    struct shape shape = {columns_of_top, COUNT(columns_of_top),
                          columns > 0 ? view->sort : SIZE_MAX, view->reverse ? "\u2193" : "\u2191"};
    struct table *table = make_table(&shape, lines, look->count, headers);
    while (columns > 0 && table_width(table) > columns && shape.count > LIVE_COLUMNS_LEAST) {
        table_free(table);
        shape.count--;
        table = make_table(&shape, lines, look->count, headers);
    }
    table_print(table, to);
    table_free(table);
}

void status_print(const struct status_look *look, const struct status_view *view, FILE *to)
{
    static const struct status_view plain;
    struct line lines[LIMIT_NODES];
    char headers[COUNT(columns_of_status)][HEADER_BYTES];
    struct shape shape = {columns_of_status, COUNT(columns_of_status), SIZE_MAX, ""};
    view = view != NULL ? view : &plain;
    sort_lines(look, view, lines);
    if (view->live) {
        print_live(look, view, lines, to);
    } else {
        struct table *table = make_table(&shape, lines, look->count, headers);
        table_print(table, to);
        table_free(table);
    }
    status_remarks(look, to);
}
