/* kvctl import: many writes, in batches, several in flight.
 *
 * Operations go into senders by the hash of their key; a sender has one batch in flight. So two
 * writes of one key keep the order of the file, and different keys do not wait for each other. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "cli/keys/reading.h"
#include "topology/topology.h"

#define SENDERS_MAX 32
/* The largest key and value fit when JSON takes six bytes (\u0001) for each of theirs. */
#define LINE_BYTES_MAX ((size_t)6 * (LIMIT_VALUE_BYTES_MAX + LIMIT_KEY_BYTES) + 1024)
#define PROGRESS_NS (200 * NS_PER_MS)
#define OVERHEAD_BYTES 32 /* of one operation in a message, at most */

struct span {
    size_t at;
    size_t length;
};

/* Operations of one message. */
struct load {
    struct buffer bytes;
    size_t count;
    struct span keys[CANDOR_BATCH_OPS_MAX];
    struct span values[CANDOR_BATCH_OPS_MAX];
    uint64_t first_line;
    uint64_t last_line;
};

enum import_format {
    IMPORT_JSONL, /* as `kvctl export` writes */
    IMPORT_TSV,   /* as `kvctl scan` prints */
    IMPORT_LINES, /* a field is the key, the line the value */
};

struct import;

struct sender {
    struct import *import;
    pthread_t thread;
    bool started;
    struct load *filling; /* reader's */
    struct load *sending; /* thread's while `full` */
    bool full;            /* under import->lock, as all below */
};

struct import {
    struct command_context *ctx;
    struct candor_client *client;
    struct candor_write_options options;
    size_t sender_count;
    struct sender senders[SENDERS_MAX];
    size_t batch_ops;
    size_t batch_bytes;

    /* How lines are read. */
    const char *path;
    enum import_format format;
    const char *separator;
    uint64_t key_field;
    const char *key_prefix;
    uint64_t line;
    uint64_t started_ns;
    uint64_t shown_ns;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending;
    uint64_t acknowledged;
    struct candor_pos last; /* newest position acknowledged */
    bool failed;
    uint64_t failed_first; /* lines of the batch that failed first */
    uint64_t failed_last;
    struct candor_result failure;
};

/* ---- Lanes ---- */

static void send_load(struct import *import, const struct load *load)
{
    struct candor_op *ops = calloc(load->count, sizeof *ops);
    ASSERT(ops != NULL);
    for (size_t i = 0; i < load->count; i++) {
        ops[i].key =
            (struct candor_bytes){load->bytes.bytes + load->keys[i].at, load->keys[i].length};
        ops[i].value =
            (struct candor_bytes){load->bytes.bytes + load->values[i].at, load->values[i].length};
    }
    struct candor_result result;
    enum candor_code code =
        candor_batch(import->client, ops, load->count, &import->options, &result);
    candor_result_free(&result);
    free(ops);

    pthread_mutex_lock(&import->lock);
    if (code == CANDOR_OK) {
        import->acknowledged += load->count;
        if (candor_pos_compare(&result.last, &import->last) > 0)
            import->last = result.last;
    } else if (!import->failed) {
        import->failed = true;
        import->failed_first = load->first_line;
        import->failed_last = load->last_line;
        import->failure = result;
    }
    pthread_mutex_unlock(&import->lock);
}

static void *run_sender(void *argument)
{
    struct sender *sender = argument;
    struct import *import = sender->import;
    pthread_mutex_lock(&import->lock);
    for (;;) {
        while (!sender->full && !import->ending)
            pthread_cond_wait(&import->changed, &import->lock);
        if (!sender->full)
            break;
        bool dropped = import->failed; /* nothing is sent behind a failure */
        pthread_mutex_unlock(&import->lock);
        if (!dropped)
            send_load(import, sender->sending);
        pthread_mutex_lock(&import->lock);
        sender->full = false;
        pthread_cond_broadcast(&import->changed);
    }
    pthread_mutex_unlock(&import->lock);
    return NULL;
}

static void clear_load(struct load *load)
{
    buffer_clear(&load->bytes);
    load->count = 0;
}

/* Hands what is filled to the sender's thread, once that is idle. */
static void hand_over(struct sender *sender)
{
    struct import *import = sender->import;
    if (sender->filling->count == 0)
        return;
    pthread_mutex_lock(&import->lock);
    while (sender->full)
        pthread_cond_wait(&import->changed, &import->lock);
    struct load *idle = sender->sending;
    sender->sending = sender->filling;
    sender->filling = idle;
    sender->full = true;
    pthread_cond_broadcast(&import->changed);
    pthread_mutex_unlock(&import->lock);
    clear_load(sender->filling);
}

static void add_op(struct import *import, struct candor_bytes key, struct candor_bytes value)
{
    struct sender *sender =
        &import->senders[crc32c(0, key.data, key.length) % import->sender_count];
    size_t wanted = key.length + value.length + OVERHEAD_BYTES;
    size_t used = sender->filling->bytes.length + sender->filling->count * OVERHEAD_BYTES;
    if (sender->filling->count == import->batch_ops ||
        (sender->filling->count > 0 && used + wanted > import->batch_bytes))
        hand_over(sender);
    struct load *load = sender->filling;
    size_t n = load->count++;
    load->keys[n] = (struct span){load->bytes.length, key.length};
    buffer_put(&load->bytes, key.data, key.length);
    load->values[n] = (struct span){load->bytes.length, value.length};
    buffer_put(&load->bytes, value.data, value.length);
    if (n == 0)
        load->first_line = import->line;
    load->last_line = import->line;
}

static bool start_senders(struct import *import)
{
    pthread_mutex_init(&import->lock, NULL);
    pthread_cond_init(&import->changed, NULL);
    for (size_t i = 0; i < import->sender_count; i++) {
        struct sender *sender = &import->senders[i];
        sender->import = import;
        sender->filling = calloc(1, sizeof *sender->filling);
        sender->sending = calloc(1, sizeof *sender->sending);
        ASSERT(sender->filling != NULL && sender->sending != NULL);
        sender->started = pthread_create(&sender->thread, NULL, run_sender, sender) == 0;
        if (!sender->started)
            return false;
    }
    return true;
}

/* Sends what is left (not after a bad line), waits for all, frees. */
static void end_senders(struct import *import, bool flush)
{
    for (size_t i = 0; flush && i < import->sender_count; i++)
        hand_over(&import->senders[i]);
    pthread_mutex_lock(&import->lock);
    import->ending = true;
    pthread_cond_broadcast(&import->changed);
    pthread_mutex_unlock(&import->lock);
    for (size_t i = 0; i < import->sender_count; i++) {
        struct sender *sender = &import->senders[i];
        if (sender->started)
            pthread_join(sender->thread, NULL);
        if (sender->filling != NULL)
            buffer_free(&sender->filling->bytes);
        if (sender->sending != NULL)
            buffer_free(&sender->sending->bytes);
        free(sender->filling);
        free(sender->sending);
    }
    pthread_cond_destroy(&import->changed);
    pthread_mutex_destroy(&import->lock);
}

/* ---- Lines ---- */

enum line_end {
    LINE_WHOLE,
    LINE_CUT, /* the file ends without a newline */
    LINE_TOO_LONG,
    LINE_NONE,
};

/* Without its newline. */
static enum line_end read_line(FILE *file, struct buffer *line)
{
    buffer_clear(line);
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (line->length == LINE_BYTES_MAX)
            return LINE_TOO_LONG;
        buffer_put_u8(line, (uint8_t)c);
    }
    return c == '\n' ? LINE_WHOLE : line->length > 0 ? LINE_CUT : LINE_NONE;
}

/* Some editors write U+FEFF in front of UTF-8. */
static void skip_byte_order_mark(struct buffer *line)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (line->length < sizeof mark || memcmp(line->bytes, mark, sizeof mark) != 0)
        return;
    line->length -= sizeof mark;
    memmove(line->bytes, line->bytes + sizeof mark, line->length);
}

/* The n-th field of a line, counted from 1. */
static bool field_of(const struct import *import, const struct buffer *line,
                     struct candor_bytes *out)
{
    const uint8_t *at = line->bytes;
    const uint8_t *end = line->bytes + line->length;
    size_t width = strlen(import->separator);
    for (uint64_t n = 1;; n++) {
        const uint8_t *stop = memmem(at, (size_t)(end - at), import->separator, width);
        if (n == import->key_field) {
            *out = (struct candor_bytes){at, (size_t)((stop != NULL ? stop : end) - at)};
            return true;
        }
        if (stop == NULL)
            return false;
        at = stop + width;
    }
}

/* A member as bytes: `name`, or `name`_b64 decoded (then *owned). False: neither, or both. */
static bool json_bytes(json_t *object, const char *name, struct candor_bytes *out, uint8_t **owned)
{
    char encoded[32];
    snprintf(encoded, sizeof encoded, "%s_b64", name);
    json_t *text = json_object_get(object, name);
    json_t *b64 = json_object_get(object, encoded);
    *owned = NULL;
    if (json_is_string(text) && b64 == NULL) {
        *out = (struct candor_bytes){json_string_value(text), json_string_length(text)};
        return true;
    }
    if (!json_is_string(b64) || text != NULL)
        return false;
    *owned = base64_decode(json_string_value(b64), &out->length);
    out->data = *owned;
    return *owned != NULL;
}

/* Adds the operation. NULL, or what is wrong with the line. */
static const char *take_pair(struct import *import, struct candor_bytes key,
                             struct candor_bytes value)
{
    uint8_t joined[CANDOR_KEY_BYTES_MAX];
    size_t prefix = strlen(import->key_prefix);
    if (prefix + key.length == 0)
        return "the key is empty";
    if (prefix + key.length > sizeof joined)
        return "the key is longer than 511 bytes";
    if (value.length > LIMIT_VALUE_BYTES_MAX)
        return "the value is longer than 16 MiB";
    memcpy(joined, import->key_prefix, prefix);
    memcpy(joined + prefix, key.data, key.length);
    add_op(import, (struct candor_bytes){joined, prefix + key.length}, value);
    return NULL;
}

static const char *take_json(struct import *import, const struct buffer *line)
{
    struct candor_bytes key;
    struct candor_bytes value;
    uint8_t *key_owned = NULL;
    uint8_t *value_owned = NULL;
    const char *problem = NULL;
    json_t *object = json_loadb((const char *)line->bytes, line->length, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(object))
        problem = memchr(line->bytes, '\t', line->length) != NULL
                      ? "not a JSON object; --format tsv reads what `kvctl scan` prints"
                  : import->line == 1
                      ? "not a JSON object; --separator TEXT reads lines of fields, as in a .csv"
                      : "not a JSON object";
    else if (!json_bytes(object, "key", &key, &key_owned))
        problem = "it needs a string \"key\" or base64 \"key_b64\"";
    else if (!json_bytes(object, "value", &value, &value_owned))
        problem = "it needs a string \"value\" or base64 \"value_b64\"";
    else
        problem = take_pair(import, key, value);
    free(key_owned);
    free(value_owned);
    json_decref(object);
    return problem;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One escape of print_escaped(), without its backslash. Returns how many bytes it takes; 0: it is
 * none. */
static size_t read_escape(const uint8_t *at, size_t left, uint8_t *out)
{
    if (left == 0)
        return 0;
    if (at[0] == 't' || at[0] == 'n' || at[0] == '\\') {
        *out = at[0] == 't' ? '\t' : at[0] == 'n' ? '\n' : '\\';
        return 1;
    }
    if (at[0] != 'x' || left < 3 || hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
        return 0;
    *out = (uint8_t)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
    return 3;
}

/* In place: what print_escaped() wrote. False: a backslash that begins no escape. */
static bool unescape(uint8_t *bytes, size_t length, struct candor_bytes *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < length;) {
        uint8_t byte = bytes[i++];
        if (byte == '\\') {
            size_t taken = read_escape(bytes + i, length - i, &byte);
            if (taken == 0)
                return false;
            i += taken;
        }
        bytes[kept++] = byte;
    }
    *out = (struct candor_bytes){bytes, kept};
    return true;
}

static const char *take_tsv(struct import *import, struct buffer *line)
{
    struct candor_bytes key;
    struct candor_bytes value;
    uint8_t *end = line->bytes + line->length;
    uint8_t *tab = memchr(line->bytes, '\t', line->length);
    if (tab == NULL)
        return "no tab between key and value";
    if (memchr(tab + 1, '\t', (size_t)(end - tab - 1)) != NULL)
        return "a second tab: a value has it as \\t, and --format lines reads more fields";
    if (!unescape(line->bytes, (size_t)(tab - line->bytes), &key) ||
        !unescape(tab + 1, (size_t)(end - tab - 1), &value))
        return "a backslash begins none of \\t, \\n, \\\\ and \\xNN";
    return take_pair(import, key, value);
}

static const char *take_line(struct import *import, struct buffer *line, enum line_end end)
{
    struct candor_bytes key;
    if (end == LINE_TOO_LONG)
        return "it is longer than the largest key and value";
    if (line->length == 0)
        return NULL;
    /* Of JSON a part is no object; of text it would be a key with half a value. */
    if (end == LINE_CUT && import->format != IMPORT_JSONL)
        return "no newline ends it, so it may be cut";
    if (import->format == IMPORT_JSONL)
        return take_json(import, line);
    if (import->format == IMPORT_TSV)
        return take_tsv(import, line);
    if (!field_of(import, line, &key))
        return "it has no such field (--key-field)";
    return take_pair(import, key, (struct candor_bytes){line->bytes, line->length});
}

static bool has_failed(struct import *import, uint64_t *acknowledged)
{
    pthread_mutex_lock(&import->lock);
    bool failed = import->failed;
    *acknowledged = import->acknowledged;
    pthread_mutex_unlock(&import->lock);
    return failed;
}

static void show_progress(struct import *import, uint64_t acknowledged)
{
    uint64_t now = clock_boot_ns();
    if (now - import->shown_ns < PROGRESS_NS || !isatty(STDERR_FILENO) ||
        context_quiet(import->ctx) || context_json(import->ctx))
        return;
    import->shown_ns = now;
    double seconds = (double)(now - import->started_ns) / 1e9;
    fprintf(stderr, "\r\033[K%" PRIu64 " acknowledged, %.0f/s", acknowledged,
            (double)acknowledged / seconds);
}

/* Reads to the end or to the first failure. Returns what is wrong with line import->line; NULL:
 * nothing. */
static const char *read_lines(struct import *import, FILE *file)
{
    struct buffer line = {0};
    const char *problem = NULL;
    uint64_t acknowledged;
    enum line_end end;
    while (problem == NULL && !has_failed(import, &acknowledged) &&
           (end = read_line(file, &line)) != LINE_NONE) {
        if (import->line++ == 0)
            skip_byte_order_mark(&line);
        problem = take_line(import, &line, end);
        if (import->line % 256 == 0)
            show_progress(import, acknowledged);
    }
    if (problem == NULL && ferror(file))
        problem = "the file cannot be read any further";
    buffer_free(&line);
    return problem;
}

/* ---- The command ---- */

static int report_done(struct import *import)
{
    double seconds = (double)(clock_boot_ns() - import->started_ns) / 1e9;
    double rate = seconds > 0 ? (double)import->acknowledged / seconds : 0;
    if (context_json(import->ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "imported", json_u64(import->acknowledged));
        json_object_set_new(out, "lines", json_u64(import->line));
        json_object_set_new(out, "seconds", json_real(seconds));
        json_object_set_new(out, "per_second", json_real(rate));
        json_object_set_new(out, "last", json_pos(&import->last));
        output_json(import->ctx, out);
    } else {
        printf("imported %" PRIu64 " key%s in %.1f s (%.0f/s), last seq %" PRIu64 "\n",
               import->acknowledged, import->acknowledged == 1 ? "" : "s", seconds, rate,
               import->last.seq);
    }
    return EXIT_DONE;
}

static int report_failure(struct import *import, const char *problem)
{
    struct candor_error error;
    if (problem != NULL)
        return report_usage(import->ctx,
                            "correct the line and import again: putting a key twice does no harm",
                            "%s:%" PRIu64 ": %s; %" PRIu64 " operations were acknowledged before",
                            import->path, import->line, problem, import->acknowledged);
    char message[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", import->failure.error.message);
    candor_error_set(
        &error, import->failure.error.code, import->failure.error.reason,
        "%s: a batch from lines %" PRIu64 " to %" PRIu64 ": %.300s; %" PRIu64 " operations were "
        "acknowledged, some of them "
        "perhaps behind it",
        import->path, import->failed_first, import->failed_last, message, import->acknowledged);
    return report_result(import->ctx, &error, &import->failure,
                         "import again: putting a key twice does no harm");
}

static int import_file(struct import *import, FILE *file)
{
    const char *problem = NULL;
    import->started_ns = clock_boot_ns();
    if (!start_senders(import)) {
        end_senders(import, false);
        return report_usage(import->ctx, "ask for fewer --parallel", "no threads for %zu senders",
                            import->sender_count);
    }
    problem = read_lines(import, file);
    end_senders(import, true); /* what stands before a bad line is imported */
    if (import->shown_ns != 0)
        fprintf(stderr, "\r\033[K");
    return problem != NULL || import->failed ? report_failure(import, problem)
                                             : report_done(import);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* "\t" as people write it. */
static const char *separator_of(const char *text)
{
    return text == NULL || strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0 ? "\t" : text;
}

static enum import_format format_of(const struct command_context *ctx, const char *path,
                                    bool fields)
{
    const char *given = option_text(ctx, "format");
    if (given != NULL)
        return strcmp(given, "jsonl") == 0 ? IMPORT_JSONL
               : strcmp(given, "tsv") == 0 ? IMPORT_TSV
                                           : IMPORT_LINES;
    if (fields || ends_with(path, ".txt"))
        return IMPORT_LINES;
    return ends_with(path, ".tsv") ? IMPORT_TSV : IMPORT_JSONL;
}

static bool take_options(struct import *import)
{
    struct command_context *ctx = import->ctx;
    uint64_t ops = 512;
    uint64_t senders = 4;
    bool fields = option_given(ctx, "key-field") || option_given(ctx, "separator");
    if (!option_number(ctx, "batch", 1, CANDOR_BATCH_OPS_MAX, &ops) ||
        !option_number(ctx, "parallel", 1, SENDERS_MAX, &senders) ||
        !option_number(ctx, "key-field", 1, UINT32_MAX, &import->key_field))
        return false;
    import->format = format_of(ctx, import->path, fields);
    if (import->format != IMPORT_LINES && fields) {
        report_usage(ctx, NULL, "--key-field and --separator go with --format lines");
        return false;
    }
    import->separator = separator_of(option_text(ctx, "separator"));
    if (import->separator[0] == '\0') {
        report_usage(ctx, "name what stands between fields", "--separator is empty");
        return false;
    }
    const char *prefix = option_text(ctx, "key-prefix");
    import->key_prefix = prefix != NULL ? prefix : "";
    import->batch_ops = ops;
    import->sender_count = senders;
    return true;
}

static int run_import(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    int status;
    FILE *file = NULL;
    struct session session;
    struct import *import = calloc(1, sizeof *import);
    ASSERT(import != NULL);
    import->ctx = ctx;
    import->path = argv[0];
    import->key_field = 1;
    status = EXIT_USAGE;
    if (!take_options(import))
        goto cleanup;
    bool standard = strcmp(argv[0], "-") == 0;
    file = standard ? stdin : fopen(argv[0], "rb");
    if (file == NULL) {
        status = report_usage(ctx, NULL, "%s: %m", argv[0]);
        goto cleanup;
    }
    import->client = context_client(ctx, &status);
    if (import->client == NULL || !session_begin(ctx, import->client, &session, &status))
        goto cleanup;
    const struct topology *topology = context_topology(ctx, NULL);
    uint64_t message =
        topology != NULL ? topology->limit_message_bytes : LIMIT_MESSAGE_BYTES_DEFAULT;
    import->batch_bytes = (size_t)message / 4;
    import->options.deadline_ms = (uint32_t)context_deadline_ms(ctx, 30000);
    status = import_file(import, file);
    status = session_end(ctx, import->client, &session, status);
cleanup:
    if (file != NULL && file != stdin)
        fclose(file);
    free(import);
    return status;
}

static const struct option_spec import_options[] = {
    {"format", 0, "jsonl|tsv|lines", false,
     "jsonl: what `kvctl export` writes; tsv: what `kvctl scan` prints, key<TAB>value with its "
     "escapes; lines: a field is the key, the whole line the value. Default: lines with "
     "--key-field or --separator or for *.txt, tsv for *.tsv, else jsonl"},
    {"key-field", 0, "N", false, "lines: the field that is the key, counted from 1; default: 1"},
    {"separator", 'S', "TEXT", false,
     "lines: what stands between fields; default: a tab, also written \\t"},
    {"key-prefix", 0, "PREFIX", false, "Put this before each key"},
    {"batch", 'b', "COUNT", false, "Operations in one message; default: 512"},
    {"parallel", 'P', "COUNT", false, "Messages in flight; default: 4"},
    SESSION_OPTIONS,
    {0},
};

const struct command command_import = {
    .name = "import",
    .group = GROUP_KEYS,
    .args = "FILE",
    .summary = "Write many keys from a file",
    .description =
        "Puts the keys of FILE (- is standard input) in batches, several in flight. Writes "
        "of the same key keep their order. It stops at the first line or batch that fails, "
        "names it, and says how many operations were acknowledged; importing the file again "
        "does no harm. Empty lines are skipped. In tsv and lines the last line needs its newline, "
        "too: without one the file may be cut.",
    .examples =
        "kvctl import all.jsonl\twhat `kvctl export` wrote\n"
        "kvctl import UnicodeData.txt --separator ';' --key-prefix u:\tthe first field is the key\n"
        "kvctl scan --prefix cart: | kvctl import - --format tsv -t other.yaml\tcopies keys\n"
        "zcat events.tsv.gz | kvctl import - --format lines --key-field 3\n",
    .options = import_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_import,
};
