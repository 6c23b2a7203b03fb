/* A look at all nodes, as a table. */
#include "cli/cluster/status_table.h"

#include "base/assert.h"
#include "cli/cluster/status_columns.h"

#define HEADER_BYTES 24
#define LIVE_COLUMNS_LEAST 4 /* stay on the narrowest terminal */

const char *status_sort_name(size_t n)
{
    return n < top_column_count ? top_columns[n].name : NULL;
}

/* ---- The table ---- */

static void add_cell(struct table *table, const struct status_column *column,
                     const struct status_line *line)
{
    if (status_reached(line->look, line->n))
        column->cell(table, line);
    else if (column->missing != NULL)
        column->missing(table, line);
    else
        table_cell(table, TABLE_DIM, "-");
}

/* Stable; who cannot be reached stands last whatever the order. */
static bool comes_before(const struct status_view *view, const struct status_line *left,
                         const struct status_line *right)
{
    bool left_there = status_reached(left->look, left->n);
    bool right_there = status_reached(right->look, right->n);
    if (view->sort > 0 && left_there != right_there)
        return left_there;
    if (!left_there || !right_there)
        return false;
    uint64_t left_key = top_columns[view->sort].key(left);
    uint64_t right_key = top_columns[view->sort].key(right);
    return view->reverse ? left_key > right_key : left_key < right_key;
}

static void sort_lines(const struct status_look *look, const struct status_view *view,
                       struct status_line lines[LIMIT_NODES])
{
    ASSERT(status_sort_name(view->sort) != NULL);
    for (size_t i = 0; i < look->count; i++) {
        struct status_line line = {look, i};
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
static struct table *make_table(const struct shape *shape, const struct status_line *lines,
                                size_t count, char headers[][HEADER_BYTES])
{
    struct table *table = table_new();
    ASSERT(shape->count <= STATUS_COLUMNS_MAX);
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
                       const struct status_line *lines, FILE *to)
{
    char headers[STATUS_COLUMNS_MAX][HEADER_BYTES];
    int columns = output_columns(to);
    struct shape shape = {top_columns, top_column_count, columns > 0 ? view->sort : SIZE_MAX,
                          view->reverse ? "\u2193" : "\u2191"};
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
    struct status_line lines[LIMIT_NODES];
    char headers[STATUS_COLUMNS_MAX][HEADER_BYTES];
    struct shape shape = {status_columns, status_column_count, SIZE_MAX, ""};
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
