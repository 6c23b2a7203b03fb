/* Output: JSON, notes and tables. */
#include "cli/frame/context.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"

#define WIDTH_USUAL 80     /* of a terminal that does not say */
#define NARROWEST 20       /* columns; less is no terminal that somebody reads */
#define CONTINUED_INDENT 4 /* of a line that did not fit */

void output_json(struct command_context *ctx, json_t *value)
{
    (void)ctx;
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    putchar('\n');
    fflush(stdout);
    json_decref(value);
}

json_t *output_captured(void (*print)(FILE *to))
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    ASSERT(memory != NULL);
    print(memory);
    fclose(memory);
    json_t *captured = json_stringn(text, length);
    free(text);
    return captured;
}

void output_note(struct command_context *ctx, const char *format, ...)
{
    if (ctx->quiet || ctx->json)
        return;
    fflush(stdout);
    char *text = NULL;
    va_list list;
    va_start(list, format);
    ASSERT(vasprintf(&text, format, list) >= 0);
    va_end(list);
    output_line(stderr, "kvctl: %s", text);
    free(text);
}

/* A stream into memory, whose text a terminal will show. */
static struct {
    FILE *stream; /* NULL: none */
    int columns;
    bool colours;
} pretended;

void output_pretend(FILE *stream, int columns, bool colours)
{
    pretended.stream = stream;
    pretended.columns = columns;
    pretended.colours = colours;
}

bool output_screen(FILE *stream)
{
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool output_colours(FILE *stream)
{
    if (stream == pretended.stream)
        return pretended.colours;
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && (no == NULL || no[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

int output_columns(FILE *stream)
{
    struct winsize size;
    if (stream == pretended.stream)
        return pretended.columns;
    if (!isatty(fileno(stream)))
        return 0;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col < NARROWEST)
        return WIDTH_USUAL;
    return size.ws_col;
}

/* Columns that a text takes on a terminal: UTF-8 continuation bytes and escape sequences take
 * none. */
static int shown_width(const char *text, size_t length)
{
    int width = 0;
    bool escape = false;
    for (size_t i = 0; i < length; i++) {
        escape = escape || text[i] == '\033';
        width += !escape && ((unsigned char)text[i] & 0xC0) != 0x80;
        escape = escape && text[i] != 'm';
    }
    return width;
}

static void print_words(FILE *stream, const char *text, int columns)
{
    int column = 0;
    bool first = true;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        int shown = shown_width(text, length);
        if (!first && column + 1 + shown > columns) {
            fprintf(stream, "\n%*s", CONTINUED_INDENT, "");
            column = CONTINUED_INDENT;
        } else if (!first) {
            fputc(' ', stream);
            column++;
        }
        fwrite(text, 1, length, stream);
        column += shown;
        first = false;
        text += length;
        text += *text == ' ';
    }
    fputc('\n', stream);
}

void output_line(FILE *stream, const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    ASSERT(vasprintf(&text, format, list) >= 0);
    va_end(list);
    int columns = output_columns(stream);
    if (columns > 0)
        print_words(stream, text, columns);
    else
        fprintf(stream, "%s\n", text);
    free(text);
}

/* ---- JSON pieces ---- */

json_t *json_u64(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

void json_set_bytes(json_t *object, const char *name, const void *bytes, size_t length)
{
    json_t *text = NULL;
    if (length == 0)
        text = json_string("");
    /* NULL: not UTF-8 */
    else if (memchr(bytes, '\0', length) == NULL)
        text = json_stringn(bytes, length);
    if (text != NULL) {
        json_object_set_new(object, name, text);
        return;
    }
    char member[64];
    snprintf(member, sizeof member, "%s_b64", name);
    char *encoded = base64_encode(bytes, length);
    json_object_set_new(object, member, json_string(encoded));
    free(encoded);
}

json_t *json_freshness(const struct candor_freshness *freshness)
{
    json_t *out = json_object();
    json_object_set_new(out, "node", json_string(freshness->node));
    json_object_set_new(out, "role", json_string(candor_role_name(freshness->role)));
    json_object_set_new(out, "state", json_string(candor_state_name(freshness->state)));
    json_object_set_new(out, "epoch", json_u64(freshness->epoch.term));
    json_object_set_new(out, "generation", json_u64(freshness->epoch.generation));
    json_object_set_new(out, "owner", json_string(freshness->epoch.owner.text));
    json_object_set_new(out, "heartbeat_age_ms",
                        freshness->has_heartbeat_age ? json_u64(freshness->heartbeat_age_ms)
                                                     : json_null());
    json_object_set_new(out, "stale", json_boolean(freshness->stale));
    json_object_set_new(out, "staleness_bound_ms",
                        freshness->has_staleness_bound ? json_u64(freshness->staleness_bound_ms)
                                                       : json_null());
    json_object_set_new(out, "applied_seq", json_u64(freshness->applied_seq));
    json_object_set_new(out, "primary_seq", json_u64(freshness->primary_seq));
    json_object_set_new(out, "commit_seq", json_u64(freshness->commit_seq));
    bool cut_off = freshness->cut_off != CANDOR_CUT_OFF_NO;
    json_object_set_new(out, "cut_off",
                        cut_off ? json_string(candor_cut_off_name(freshness->cut_off))
                                : json_null());
    return out;
}

json_t *json_missed(const struct candor_result *result)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < result->missed_count; i++) {
        const struct candor_missed_rung *missed = &result->missed[i];
        json_t *out = json_object();
        json_object_set_new(out, "code", json_string(candor_code_name(missed->code)));
        json_object_set_new(out, "reason", json_string(candor_reason_name(missed->reason)));
        json_object_set_new(out, "waited_ms", json_u64(missed->waited_ms));
        json_object_set_new(out, "staleness_bound_ms",
                            missed->has_staleness_bound ? json_u64(missed->staleness_bound_ms)
                                                        : json_null());
        json_array_append_new(list, out);
    }
    return list;
}

char *age_text(uint64_t ms, char out[AGE_TEXT_BYTES])
{
    uint64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(out, AGE_TEXT_BYTES, "%" PRIu64 "ms", ms);
    else if (s < 60)
        snprintf(out, AGE_TEXT_BYTES, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
    else if (s < 3600)
        snprintf(out, AGE_TEXT_BYTES, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, AGE_TEXT_BYTES, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(out, AGE_TEXT_BYTES, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s % 86400 / 3600);
    return out;
}

/* ---- Tables ---- */

#define TABLE_COLUMNS_MAX 32

struct cell {
    char *text;
    enum table_colour colour;
};

struct table {
    size_t columns;
    const char *headers[TABLE_COLUMNS_MAX];
    enum table_align aligns[TABLE_COLUMNS_MAX];
    size_t count;
    size_t capacity;
    struct cell *cells; /* row by row */
};

struct table *table_new(void)
{
    struct table *table = calloc(1, sizeof *table);
    ASSERT(table != NULL);
    return table;
}

void table_column(struct table *table, const char *header, enum table_align align)
{
    ASSERT_U64(table->columns, <, TABLE_COLUMNS_MAX);
    table->headers[table->columns] = header;
    table->aligns[table->columns++] = align;
}

void table_cell(struct table *table, enum table_colour colour, const char *format, ...)
{
    memory_grow(table->cells, table->capacity, table->count + 1);
    struct cell *cell = &table->cells[table->count++];
    cell->colour = colour;
    va_list list;
    va_start(list, format);
    ASSERT(vasprintf(&cell->text, format, list) >= 0);
    va_end(list);
}

static int cell_width(const char *text)
{
    return shown_width(text, strlen(text));
}

static int column_width(const struct table *table, size_t column)
{
    int widest = cell_width(table->headers[column]);
    for (size_t i = column; i < table->count; i += table->columns) {
        int width = cell_width(table->cells[i].text);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_cell(const struct table *table, size_t column, const char *text,
                       const char *colour, FILE *to)
{
    int gap = column_width(table, column) - cell_width(text);
    bool last = column + 1 == table->columns;
    bool right = table->aligns[column] == TABLE_RIGHT;
    fprintf(to, "%*s%s%s%s%*s%s", right ? gap : 0, "", colour, text, colour[0] ? "\033[0m" : "",
            right || last ? 0 : gap, "", last ? "\n" : "  ");
}

int table_width(const struct table *table)
{
    int width = 2 * ((int)table->columns - 1);
    for (size_t i = 0; i < table->columns; i++)
        width += column_width(table, i);
    return width;
}

/* A row as a paragraph of pairs, none of which is torn. */
static void print_paragraph(const struct table *table, size_t row, const char *const *colours,
                            int columns, FILE *to)
{
    int column = 0;
    for (size_t i = 0; i < table->columns; i++) {
        const struct cell *cell = &table->cells[row * table->columns + i];
        int wanted = cell_width(table->headers[i]) + 1 + cell_width(cell->text);
        const char *colour = colours[cell->colour];
        if (i > 0 && column + 2 + wanted > columns) {
            fprintf(to, "\n%*s", CONTINUED_INDENT, "");
            column = CONTINUED_INDENT;
        } else if (i > 0) {
            fputs("  ", to);
            column += 2;
        }
        fprintf(to, "%s %s%s%s", table->headers[i], colour, cell->text, colour[0] ? "\033[0m" : "");
        column += wanted;
    }
    fputc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
    ASSERT(table->columns > 0);
    static const char *const colours[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};
    static const char *const plain[] = {"", "", "", "", ""};
    bool coloured = output_colours(to);
    int columns = output_columns(to);
    if (columns > 0 && table_width(table) > columns) {
        for (size_t row = 0; row < table->count / table->columns; row++)
            print_paragraph(table, row, coloured ? colours : plain, columns, to);
        return;
    }
    for (size_t i = 0; i < table->columns; i++)
        print_cell(table, i, table->headers[i], coloured ? "\033[1m" : "", to);
    for (size_t i = 0; i < table->count; i++)
        print_cell(table, i % table->columns, table->cells[i].text,
                   coloured ? colours[table->cells[i].colour] : "", to);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}
