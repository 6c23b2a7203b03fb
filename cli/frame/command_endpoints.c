/* Which addresses a command asks, where no topology names them. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/assert.h"

static bool is_in(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}

/* Looked at before anybody is asked, so that each command says the same of it. It is an address of
 * a node, so what a topology takes for one. `list` is cut apart; what stands in it twice counts
 * once. */
static bool cut_list(struct command_context *ctx, const char *source, char *list,
                     const char *out[LIMIT_NODES], size_t *count)
{
    struct address_problem why;
    for (char *next = list; next != NULL;) {
        char *one = strsep(&next, ",");
        one += strspn(one, " ");
        one[strcspn(one, " ")] = '\0';
        if (one[0] == '\0') {
            report_usage(ctx, "write addresses apart by single commas", "%s: one of them is empty",
                         source);
            return false;
        }
        if (!address_check(one, &why)) {
            report_usage(ctx, why.hint, "%s: %s", source, why.what);
            return false;
        }
        if (is_in(one, out, *count))
            continue;
        if (*count == LIMIT_NODES) {
            report_usage(ctx, "a cluster has no more nodes", "%s: more than %d addresses", source,
                         LIMIT_NODES);
            return false;
        }
        out[(*count)++] = one;
    }
    return true;
}

bool endpoints_check(struct command_context *ctx, const char *source, const char *list)
{
    const char *cut[LIMIT_NODES];
    size_t count = 0;
    char *copy = strdup(list);
    ASSERT(copy != NULL);
    bool good = cut_list(ctx, source, copy, cut, &count);
    free(copy);
    return good;
}

static bool add_list(struct command_context *ctx, const char *source, char *list)
{
    return cut_list(ctx, source, list, ctx->endpoints, &ctx->endpoint_count);
}

static bool take_given(struct command_context *ctx)
{
    size_t room = 1;
    size_t at = 0;
    for (size_t i = 0; i < option_count(ctx, "endpoint"); i++)
        room += strlen(option_nth(ctx, "endpoint", i)) + 1;
    ctx->endpoint_text = malloc(room);
    ASSERT(ctx->endpoint_text != NULL);
    for (size_t i = 0; i < option_count(ctx, "endpoint"); i++) {
        char *list = ctx->endpoint_text + at;
        at += (size_t)snprintf(list, room - at, "%s", option_nth(ctx, "endpoint", i)) + 1;
        if (!add_list(ctx, "--endpoint", list))
            return false;
    }
    return true;
}

/* Two of them would say two things. */
static bool one_is_given(struct command_context *ctx)
{
    const char *other = option_given(ctx, "endpoint")   ? "endpoint"
                        : option_given(ctx, "topology") ? "topology"
                                                        : NULL;
    if (!option_given(ctx, "context") || other == NULL)
        return true;
    report_usage(ctx, "give one of them", "--context and --%s both say which cluster", other);
    return false;
}

bool context_find_place(struct command_context *ctx)
{
    struct contexts_problem why;
    if (!one_is_given(ctx))
        return false;
    if (option_given(ctx, "endpoint"))
        return take_given(ctx);
    if (option_given(ctx, "topology"))
        return true;
    if (!place_find(ctx->defaults, option_text(ctx, "context"), &ctx->place, &why)) {
        report_usage(ctx, why.hint, "%s", why.what);
        return false;
    }
    return ctx->place.endpoints == NULL || add_list(ctx, ctx->place.source, ctx->place.endpoints);
}
