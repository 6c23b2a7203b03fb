/* kvctl import: many writes from a file. */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "cli/keys/import_lines.h"
#include "cli/keys/import_senders.h"
#include "cli/keys/progress.h"
#include "cli/keys/writing.h"

struct import {
    struct command_context *ctx;
    const char *path;
    struct import_form form;
    struct import_options options;
    struct import_senders *senders;
    struct import_outcome outcome;
    uint64_t line;
    struct progress progress;
    double seconds;
};

/* ---- Reading ---- */

/* Hands the operation to the senders. NULL, or what is wrong with the line. */
static const char *take_line(struct import *import, struct buffer *line, enum line_end end)
{
    struct import_pair pair;
    if (line->length == 0)
        return NULL;
    const char *problem = import_read_pair(&import->form, line, end, import->line == 1, &pair);
    if (problem == NULL)
        import_senders_put(import->senders, import->line, pair.key, pair.value, pair.ttl_ms);
    import_pair_free(&pair);
    return problem;
}

/* Reads to the end or to the first failure. Returns what is wrong with line import->line; NULL:
 * nothing. */
static const char *read_lines(struct import *import, FILE *file)
{
    struct buffer line = {0};
    const char *problem = NULL;
    uint64_t acknowledged;
    enum line_end end;
    while (problem == NULL && !import_senders_failed(import->senders, &acknowledged) &&
           (end = import_read_line(file, &line)) != LINE_NONE) {
        if (import->line++ == 0)
            import_skip_byte_order_mark(&line);
        problem = take_line(import, &line, end);
        if (import->line % 256 == 0)
            progress_show(&import->progress, acknowledged, "acknowledged");
    }
    if (problem == NULL && ferror(file))
        problem = "the file cannot be read any further";
    buffer_free(&line);
    return problem;
}

/* ---- What became of it ---- */

static int report_done(struct import *import)
{
    double seconds = import->seconds;
    double rate = seconds > 0 ? (double)import->outcome.acknowledged / seconds : 0;
    if (context_json(import->ctx)) {
        json_t *out = json_object();
        json_object_set_new(out, "imported", json_u64(import->outcome.acknowledged));
        json_object_set_new(out, "lines", json_u64(import->line));
        json_object_set_new(out, "seconds", json_real(seconds));
        json_object_set_new(out, "per_second", json_real(rate));
        json_object_set_new(out, "last", json_pos(&import->outcome.last));
        output_json(import->ctx, out);
    } else {
        printf("imported %" PRIu64 " key%s in %.1f s (%.0f/s), last seq %" PRIu64 "\n",
               import->outcome.acknowledged, import->outcome.acknowledged == 1 ? "" : "s", seconds,
               rate, import->outcome.last.seq);
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
                            import->path, import->line, problem, import->outcome.acknowledged);
    char message[CANDOR_ERROR_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", import->outcome.failure.error.message);
    candor_error_set(
        &error, import->outcome.failure.error.code, import->outcome.failure.error.reason,
        "%s: a batch from lines %" PRIu64 " to %" PRIu64 ": %.300s; %" PRIu64 " operations were "
        "acknowledged, some of them "
        "perhaps behind it",
        import->path, import->outcome.failed_first, import->outcome.failed_last, message,
        import->outcome.acknowledged);
    return report_result(import->ctx, &error, &import->outcome.failure,
                         "import again: putting a key twice does no harm");
}

static int import_file(struct import *import, struct candor_client *client, FILE *file)
{
    import->progress = progress_begin(import->ctx);
    import->senders = import_senders_start(client, &import->options);
    if (import->senders == NULL)
        return report_usage(import->ctx, "ask for fewer --parallel", "no threads for %zu senders",
                            import->options.senders);
    const char *problem = read_lines(import, file);
    /* what stands before a bad line is imported */
    import_senders_end(import->senders, &import->outcome);
    import->seconds = progress_end(&import->progress);
    return problem != NULL || import->outcome.failed ? report_failure(import, problem)
                                                     : report_done(import);
}

/* ---- The command ---- */

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
        !option_number(ctx, "parallel", 1, IMPORT_SENDERS_MAX, &senders) ||
        !option_number(ctx, "key-field", 1, UINT32_MAX, &import->form.key_field))
        return false;
    import->form.format = format_of(ctx, import->path, fields);
    if (import->form.format != IMPORT_LINES && fields) {
        report_usage(ctx, NULL, "--key-field and --separator go with --format lines");
        return false;
    }
    import->form.separator = separator_of(option_text(ctx, "separator"));
    if (import->form.separator[0] == '\0') {
        report_usage(ctx, "name what stands between fields", "--separator is empty");
        return false;
    }
    const char *prefix = option_text(ctx, "key-prefix");
    import->form.key_prefix = prefix != NULL ? prefix : "";
    import->options.batch_ops = ops;
    import->options.senders = senders;
    return true;
}

static int run_on_file(struct import *import, FILE *file)
{
    int status;
    struct session session;
    struct candor_client *client = context_client(import->ctx, &status);
    if (client == NULL || !session_begin(import->ctx, client, &session, &status))
        return status;
    import->options.batch_bytes = write_batch_bytes(import->ctx);
    import->options.write.deadline_ms = (uint32_t)context_deadline_ms(import->ctx, 30000);
    status = import_file(import, client, file);
    return session_end(import->ctx, client, &session, status);
}

static int run_import(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct import import = {.ctx = ctx, .path = argv[0], .form.key_field = 1};
    if (!take_options(&import))
        return EXIT_USAGE;
    int status;
    bool standard = strcmp(argv[0], "-") == 0;
    if (standard && !input_take(ctx, &status))
        return status;
    FILE *file = standard ? stdin : fopen(argv[0], "rb");
    if (file == NULL)
        return report_usage(ctx, NULL, "%s: %m", argv[0]);
    status = run_on_file(&import, file);
    if (!standard)
        fclose(file);
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
