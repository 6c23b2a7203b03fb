/* A transaction in lines. */
#include "cli/keys/txn_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/frame/shell_words.h"
#include "cli/keys/value.h"

struct lines {
    struct txn_given *given;
    bool asks; /* a person answers */
    size_t number;
};

__attribute__((format(printf, 3, 4))) static bool wrong(const struct lines *lines, const char *hint,
                                                        const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (lines->asks)
        output_line(stderr, "%s; %s", what, hint);
    else
        report_usage(lines->given->ctx, hint, "line %zu: %s", lines->number, what);
    return false;
}

/* A copy that the transaction owns: the words of the line go. */
static struct candor_bytes kept(struct txn_given *given, const char *text)
{
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    txn_own(given, (uint8_t *)copy);
    return candor_text(copy);
}

static bool take_key(const struct lines *lines, const char *text, struct candor_bytes *out)
{
    size_t length = strlen(text);
    if (length == 0 || length > CANDOR_KEY_BYTES_MAX)
        return wrong(lines, "name a key", "a key has 1 to %d bytes, not %zu", CANDOR_KEY_BYTES_MAX,
                     length);
    *out = kept(lines->given, text);
    return true;
}

static bool take_value(const struct lines *lines, const char *text, struct candor_bytes *out)
{
    int status;
    struct value value;
    if (!value_take(lines->given->ctx, text, &value, &status))
        return false;
    txn_own(lines->given, value.owned);
    *out = value.owned != NULL ? value.bytes : kept(lines->given, value.bytes.data);
    return true;
}

/* ---- Comparisons ---- */

#define COMPARE_HINT                                                                               \
    "write value(KEY) = VALUE, mod_seq(KEY) > N, version(KEY) != N, exists(KEY) or absent(KEY)"

static bool take_relation(const struct lines *lines, const char *sign, enum candor_relation *out)
{
    static const char *const signs[] = {"=", "!=", "<", ">"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(signs[i], sign) == 0 || (i == 0 && strcmp(sign, "==") == 0)) {
            *out = (enum candor_relation)i;
            return true;
        }
    }
    return wrong(lines, COMPARE_HINT, "'%.40s' is none of =, !=, <, >", sign);
}

static bool take_number(const struct lines *lines, const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text) || errno != 0)
        return wrong(lines, COMPARE_HINT, "'%.40s' is no whole number from 0 on", text);
    *out = value;
    return true;
}

/* What is compared of a key, by what etcdctl calls it, too. */
static bool take_target(const struct lines *lines, const char *name, struct candor_compare *out)
{
    static const struct {
        const char *name;
        enum candor_target target;
        bool exists;
    } targets[] = {
        {"value", CANDOR_COMPARE_VALUE, false},     {"val", CANDOR_COMPARE_VALUE, false},
        {"mod_seq", CANDOR_COMPARE_MOD_SEQ, false}, {"mod", CANDOR_COMPARE_MOD_SEQ, false},
        {"version", CANDOR_COMPARE_VERSION, false}, {"ver", CANDOR_COMPARE_VERSION, false},
        {"exists", CANDOR_COMPARE_EXISTS, true},    {"absent", CANDOR_COMPARE_EXISTS, false},
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (strcmp(targets[i].name, name) != 0)
            continue;
        out->target = targets[i].target;
        out->exists = targets[i].exists;
        return true;
    }
    return wrong(lines, COMPARE_HINT, "'%.40s' is nothing that can be compared", name);
}

static bool read_compare(const struct lines *lines, const struct shell_words *words,
                         struct candor_compare *out)
{
    char *first = words->list[0];
    char *open = strchr(first, '(');
    size_t length = strlen(first);
    *out = (struct candor_compare){.relation = CANDOR_EQUAL};
    if (open == NULL || first[length - 1] != ')')
        return wrong(lines, COMPARE_HINT, "'%.40s' is no comparison", first);
    first[length - 1] = '\0';
    *open = '\0';
    if (!take_target(lines, first, out) || !take_key(lines, open + 1, &out->key))
        return false;
    bool alone = out->target == CANDOR_COMPARE_EXISTS;
    if (words->count != (alone ? 1 : 3))
        return wrong(lines, COMPARE_HINT, "%s(...) takes %s behind it", first,
                     alone ? "nothing" : "a sign and what it is compared with, apart by blanks,");
    if (alone)
        return true;
    if (!take_relation(lines, words->list[1], &out->relation))
        return false;
    return out->target == CANDOR_COMPARE_VALUE ? take_value(lines, words->list[2], &out->value)
                                               : take_number(lines, words->list[2], &out->number);
}

/* ---- Operations ---- */

#define OP_HINT "write put KEY VALUE, get KEY or del KEY"

static bool read_op(const struct lines *lines, const struct shell_words *words,
                    struct candor_txn_op *out)
{
    const char *name = words->list[0];
    bool put = strcmp(name, "put") == 0;
    bool get = strcmp(name, "get") == 0;
    bool del = strcmp(name, "del") == 0 || strcmp(name, "delete") == 0;
    *out = (struct candor_txn_op){.kind = put   ? CANDOR_TXN_PUT
                                          : get ? CANDOR_TXN_GET
                                                : CANDOR_TXN_DELETE};
    if (!put && !get && !del)
        return wrong(lines, OP_HINT, "'%.40s' is no operation", name);
    if (words->count != (put ? 3 : 2))
        return wrong(lines, OP_HINT, "%s takes %s", name,
                     put ? "a key and a value (one with blanks needs quotes)" : "one key");
    return take_key(lines, words->list[1], &out->key) &&
           (!put || take_value(lines, words->list[2], &out->value));
}

/* ---- Lines ---- */

enum line { LINE_WORDS, LINE_EMPTY, LINE_END, LINE_WRONG };

/* A line's words; SHELL_WORDS are to be freed after LINE_WORDS. */
static enum line read_line(struct lines *lines, const char *prompt, struct shell_words *words)
{
    char *line = NULL;
    size_t room = 0;
    if (lines->asks)
        fprintf(stderr, "%s> ", prompt);
    fflush(stderr);
    ssize_t length = getline(&line, &room, stdin);
    if (length > 0 && line[length - 1] == '\n')
        line[--length] = '\0';
    lines->number++;
    enum line result = LINE_WORDS;
    if (length < 0)
        result = LINE_END;
    else if (strlen(line) != (size_t)length || shell_split(line, words) != SHELL_SPLIT_DONE)
        result = LINE_WRONG;
    else if (words->count == 0)
        result = LINE_EMPTY;
    free(line);
    if (result == LINE_EMPTY)
        shell_words_free(words);
    if (result == LINE_WRONG)
        wrong(lines, "write it again", "the line is no text, is too long, or a quote is open");
    return result;
}

/* One list: `take` gets its lines. False: it is over, with nothing to be done. `*ended`: there are
 * no more lines. */
static bool read_list(struct lines *lines, const char *name,
                      bool (*take)(struct lines *lines, const struct shell_words *words),
                      bool *ended)
{
    while (!*ended) {
        struct shell_words words;
        enum line line = read_line(lines, name, &words);
        bool good = line != LINE_WRONG;
        if (line == LINE_EMPTY)
            return true;
        *ended = line == LINE_END;
        if (line == LINE_WORDS) {
            good = take(lines, &words);
            shell_words_free(&words);
        }
        if (!good && !lines->asks)
            return false;
    }
    return true;
}

static bool take_compare(struct lines *lines, const struct shell_words *words)
{
    struct txn_given *given = lines->given;
    struct candor_compare compare;
    if (!read_compare(lines, words, &compare))
        return false;
    if (given->txn.compare_count == CANDOR_BATCH_OPS_MAX)
        return wrong(lines, "give fewer", "more than %d comparisons", CANDOR_BATCH_OPS_MAX);
    given->compares =
        memory_resize(given->compares, given->txn.compare_count + 1, sizeof *given->compares);
    given->compares[given->txn.compare_count++] = compare;
    return true;
}

static bool take_op(struct lines *lines, const struct shell_words *words, int which, size_t *count)
{
    struct txn_given *given = lines->given;
    struct candor_txn_op op;
    if (!read_op(lines, words, &op))
        return false;
    if (*count == CANDOR_BATCH_OPS_MAX)
        return wrong(lines, "give fewer", "more than %d operations", CANDOR_BATCH_OPS_MAX);
    given->ops[which] = memory_resize(given->ops[which], *count + 1, sizeof *given->ops[which]);
    given->ops[which][(*count)++] = op;
    return true;
}

static bool take_then(struct lines *lines, const struct shell_words *words)
{
    return take_op(lines, words, 0, &lines->given->txn.then_count);
}

static bool take_else(struct lines *lines, const struct shell_words *words)
{
    return take_op(lines, words, 1, &lines->given->txn.else_count);
}

static bool read_lists(struct lines *lines, int *status)
{
    struct txn_given *given = lines->given;
    bool ended = false;
    bool good = read_list(lines, "compare", take_compare, &ended) && (!ended || !lines->asks) &&
                read_list(lines, "then", take_then, &ended) && (!ended || !lines->asks) &&
                read_list(lines, "else", take_else, &ended);
    *status = EXIT_USAGE;
    if (lines->asks && (!good || ferror(stdin))) {
        clearerr(stdin); /* for the commands that come behind, in a shell */
        fputc('\n', stderr);
        output_note(given->ctx, "nothing was done");
        *status = EXIT_OTHER;
        return false;
    }
    if (lines->asks)
        clearerr(stdin);
    given->txn.compares = given->compares;
    given->txn.then_ops = given->ops[0];
    given->txn.else_ops = given->ops[1];
    if (!good || given->txn.then_count + given->txn.else_count > 0)
        return good;
    report_usage(given->ctx, OP_HINT, "there is nothing to do");
    return false;
}

bool txn_lines_are_there(struct command_context *ctx)
{
    return isatty(STDIN_FILENO) || input_is_piped(ctx);
}

bool txn_read_lines(struct txn_given *given, int *status)
{
    struct lines lines = {.given = given, .asks = isatty(STDIN_FILENO)};
    if (lines.asks)
        output_note(given->ctx, "comparisons, then operations if all hold, then others if not; an "
                                "empty line ends each list, ^C gives up");
    else if (!input_take(given->ctx, status))
        return false;
    return read_lists(&lines, status);
}
