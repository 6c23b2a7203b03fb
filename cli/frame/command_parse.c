/* Options: getopt_long over the tables of option_spec. */
#include "cli/frame/context.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/units.h"

#define LONG_BASE 256 /* getopt's value of the n-th option is LONG_BASE + n: no letter */

/* Everything a command line may hold. */
struct grammar {
    size_t count;
    const struct option_spec *specs[SPECS_MAX];
    struct option longs[SPECS_MAX + 1];
    char shorts[2 * SPECS_MAX + 2];
};

static void add_spec(struct grammar *grammar, const struct option_spec *spec)
{
    ASSERT_U64(grammar->count, <, SPECS_MAX);
    size_t n = grammar->count++;
    grammar->specs[n] = spec;
    grammar->longs[n] = (struct option){
        .name = spec->name, .has_arg = spec->argument != NULL, .val = LONG_BASE + (int)n};
    if (spec->letter == '\0')
        return;
    size_t at = strlen(grammar->shorts);
    grammar->shorts[at++] = spec->letter;
    if (spec->argument != NULL)
        grammar->shorts[at++] = ':';
    grammar->shorts[at] = '\0';
}

static void make_grammar(struct grammar *grammar, const struct command *command)
{
    memset(grammar, 0, sizeof *grammar);
    grammar->shorts[0] = ':';
    for (const struct option_spec *s = command->options; s != NULL && s->name != NULL; s++)
        add_spec(grammar, s);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (common_applies(command, s))
            add_spec(grammar, s);
    }
}

static const struct option_spec *spec_of(const struct grammar *grammar, int value)
{
    if (value >= LONG_BASE && (size_t)(value - LONG_BASE) < grammar->count)
        return grammar->specs[value - LONG_BASE];
    for (size_t i = 0; i < grammar->count; i++) {
        if (value != 0 && grammar->specs[i]->letter == value)
            return grammar->specs[i];
    }
    return NULL;
}

static bool is_choice(const char *argument)
{
    return argument != NULL && strchr(argument, '|') != NULL;
}

static bool choice_holds(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *p = choices; p != NULL; p = strchr(p, '|')) {
        p += *p == '|';
        if (length > 0 && strncmp(p, value, length) == 0 && (p[length] == '|' || p[length] == '\0'))
            return true;
    }
    return false;
}

/* Texts may be empty; a name, a number or a time may not. */
static bool may_be_empty(const char *argument)
{
    static const char *const kinds[] = {"VALUE", "PREFIX", "KEY", "TEXT"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(argument, kinds[i]) == 0)
            return true;
    }
    return false;
}

static bool take_option(struct command_context *ctx, const struct option_spec *spec,
                        const char *value)
{
    if (spec->argument != NULL && value[0] == '\0' && !may_be_empty(spec->argument)) {
        char hint[160];
        snprintf(hint, sizeof hint, "write --%s %s", spec->name, spec->argument);
        report_usage(ctx, hint, "--%s is empty", spec->name);
        return false;
    }
    if (is_choice(spec->argument) && !choice_holds(spec->argument, value)) {
        report_usage(ctx, NULL, "--%s takes one of %s, not '%s'", spec->name, spec->argument,
                     value);
        return false;
    }
    if (!spec->repeat && option_given(ctx, spec->name)) {
        report_usage(ctx, "give it once", "--%s is given twice", spec->name);
        return false;
    }
    if (ctx->option_count == OPTIONS_MAX) {
        report_usage(ctx, "give fewer", "more than %d options", OPTIONS_MAX);
        return false;
    }
    ctx->options[ctx->option_count++] = (struct parsed_option){spec, value};
    return true;
}

/* The word of the long option that getopt_long has just taken, as it was typed. */
static const char *typed_word(char *const *words)
{
    bool apart = optarg != NULL && optarg == words[optind - 1];
    return words[optind - (apart ? 2 : 1)];
}

/* getopt_long takes any beginning of a name for the name: what a script means by it would change
 * with the next option. */
static bool is_whole(const struct option_spec *spec, const char *word)
{
    size_t length = strlen(spec->name);
    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, spec->name, length) == 0 &&
           (word[2 + length] == '\0' || word[2 + length] == '=');
}

/* ---- Options before the command ---- */

static const struct option_spec *common_letter(char letter)
{
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (s->letter == letter)
            return s;
    }
    return NULL;
}

/* Letters may stand together; the first that takes a value takes the rest of the word for it. */
static const struct option_spec *common_letters(const char *word, bool *next)
{
    const struct option_spec *spec = NULL;
    for (const char *p = word + 1; *p != '\0'; p++) {
        spec = common_letter(*p);
        if (spec == NULL)
            return NULL;
        *next = spec->argument != NULL && p[1] == '\0';
        if (spec->argument != NULL)
            return spec;
    }
    return spec;
}

const struct option_spec *common_option(const char *word, bool *next)
{
    *next = false;
    if (strncmp(word, "--", 2) != 0)
        return common_letters(word, next);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (!is_whole(s, word))
            continue;
        *next = s->argument != NULL && strchr(word, '=') == NULL;
        return s;
    }
    return NULL;
}

/* ---- What is wrong with an option ---- */

static void report_no_option(struct command_context *ctx, const char *option, int length)
{
    char hint[160];
    snprintf(hint, sizeof hint,
             "`kvctl help %s` lists the options; write -- before operands that begin with a dash",
             ctx->command->name);
    report_usage(ctx, hint, "unknown option %.*s", length, option);
}

static void report_unknown_long(struct command_context *ctx, const char *word)
{
    char near[96];
    const char *hint = option_meant(ctx->command, word, near, sizeof near);
    int length = (int)strcspn(word, "=");
    if (hint == NULL)
        report_no_option(ctx, word, length);
    else
        report_usage(ctx, hint, "unknown option %.*s", length, word);
}

static void report_unknown(struct command_context *ctx, const struct grammar *grammar,
                           const char *word)
{
    const struct option_spec *spec = spec_of(grammar, optopt);
    if (spec != NULL && optopt >= LONG_BASE) {
        report_usage(ctx, "leave the value out", "--%s takes no value", spec->name);
    } else if (optopt != 0) {
        report_no_option(ctx, (char[]){'-', (char)optopt, '\0'}, 2);
    } else {
        report_unknown_long(ctx, word);
    }
}

/* `word`: the option as it was typed. */
static void report_missing_value(struct command_context *ctx, const struct option_spec *spec,
                                 const char *word)
{
    char hint[160];
    if (strncmp(word, "--", 2) == 0 && !is_whole(spec, word)) {
        report_unknown_long(ctx, word);
        return;
    }
    snprintf(hint, sizeof hint, "write --%s %s", spec->name, spec->argument);
    report_usage(ctx, hint, "--%s needs a value", spec->name);
}

void context_look_for_output(struct command_context *ctx, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-ojson") == 0 || strcmp(argv[i], "--output=json") == 0 ||
            (i + 1 < argc && strcmp(argv[i + 1], "json") == 0 &&
             (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0)))
            ctx->json = true;
        if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0)
            ctx->quiet = true;
    }
}

static bool take_common(struct command_context *ctx)
{
    const char *output = option_text(ctx, "output");
    ctx->json = output == NULL ? ctx->defaults->json : strcmp(output, "json") == 0;
    ctx->quiet = option_given(ctx, "quiet");
    ctx->help = option_given(ctx, "help");
    if (ctx->command->local)
        return true;
    if (option_given(ctx, "node") && option_given(ctx, "endpoint")) {
        report_usage(ctx, "give one of them: -n finds the address in the topology",
                     "--node and --endpoint both say whom to ask");
        return false;
    }
    if (!ctx->help && !ctx->command->places_itself && !context_find_place(ctx))
        return false;
    if (!option_duration_ms(ctx, "deadline", &ctx->deadline_ms))
        return false;
    if (option_given(ctx, "deadline") && ctx->deadline_ms == 0) {
        report_usage(ctx, "allow some time, as in --deadline 500ms, or leave it out",
                     "--deadline is 0: nobody can answer in no time");
        return false;
    }
    return true;
}

/* getopt_long wants the program's name in front and permutes operands to the end. */
bool context_parse(struct command_context *ctx, int *argc, char **argv)
{
    struct grammar grammar;
    make_grammar(&grammar, ctx->command);
    char name[] = "kvctl";
    char **words = calloc((size_t)*argc + 2, sizeof *words);
    ASSERT(words != NULL);
    words[0] = name;
    memcpy(words + 1, argv, (size_t)*argc * sizeof *words);

    bool good = true;
    optind = 0; /* begins anew: a shell parses many lines */
    opterr = 0;
    while (good) {
        int at = optind == 0 ? 1 : optind;
        int value = getopt_long(*argc + 1, words, grammar.shorts, grammar.longs, NULL);
        if (value == -1)
            break;
        const struct option_spec *spec = spec_of(&grammar, value);
        if (value == ':') {
            spec = spec_of(&grammar, optopt);
            ASSERT(spec != NULL);
            report_missing_value(ctx, spec, words[optind - 1]);
            good = false;
        } else if (spec == NULL) {
            report_unknown(ctx, &grammar, words[optind > at ? optind - 1 : at]);
            good = false;
        } else if (value >= LONG_BASE && !is_whole(spec, typed_word(words))) {
            report_unknown_long(ctx, typed_word(words));
            good = false;
        } else {
            good = take_option(ctx, spec, optarg);
        }
    }
    if (good) {
        int left = *argc + 1 - optind;
        memcpy(argv, words + optind, (size_t)left * sizeof *argv);
        argv[left] = NULL;
        *argc = left;
        good = take_common(ctx);
    }
    free(words);
    return good;
}

/* ---- What a command reads ---- */

bool option_duration_ms(struct command_context *ctx, const char *name, uint64_t *out_ms)
{
    const char *text = option_text(ctx, name);
    if (text == NULL || duration_parse(text, out_ms))
        return true;
    report_usage(ctx, "write a number and its unit, as in 500ms, 5s or 2m",
                 "--%s: '%s' is not a duration", name, text);
    return false;
}

bool option_size_bytes(struct command_context *ctx, const char *name, uint64_t *out_bytes)
{
    const char *text = option_text(ctx, name);
    if (text == NULL || size_parse(text, out_bytes))
        return true;
    report_usage(ctx, "write a number and its unit, as in 128B, 64KiB or 1MiB",
                 "--%s: '%s' is not a size", name, text);
    return false;
}

bool option_number(struct command_context *ctx, const char *name, uint64_t min, uint64_t max,
                   uint64_t *out)
{
    const char *text = option_text(ctx, name);
    if (text == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool digits = text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
    if (digits && errno == 0 && value >= min && value <= max) {
        *out = value;
        return true;
    }
    if (max >= UINT64_MAX - 1)
        report_usage(ctx, NULL, "--%s takes a number of at least %" PRIu64 ", not '%s'", name, min,
                     text);
    else
        report_usage(ctx, NULL, "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                     name, min, max, text);
    return false;
}
