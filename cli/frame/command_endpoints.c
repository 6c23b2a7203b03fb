/* Which addresses a command asks, where no topology names them. */
#include "cli/frame/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/assert.h"

/* Looked at before anybody is asked, so that each command says the same of it. It is an address of
 * a node, so what a topology takes for one. */
static bool add_endpoint(struct command_context *ctx, const char *source, const char *text)
{
    struct address_problem why;
    if (!address_check(text, &why)) {
        report_usage(ctx, why.hint, "%s: %s", source, why.what);
        return false;
    }
    if (ctx->endpoint_count == LIMIT_NODES) {
        report_usage(ctx, "a cluster has no more nodes", "%s: more than %d addresses", source,
                     LIMIT_NODES);
        return false;
    }
    ctx->endpoints[ctx->endpoint_count++] = text;
    return true;
}

/* "a,b", and each option one such list: cut apart in one copy, which the context owns. */
static bool add_list(struct command_context *ctx, const char *source, char *list)
{
    for (char *next = list; next != NULL;) {
        char *one = strsep(&next, ",");
        one += strspn(one, " ");
        one[strcspn(one, " ")] = '\0';
        if (one[0] == '\0') {
            report_usage(ctx, "write addresses apart by single commas", "%s: one of them is empty",
                         source);
            return false;
        }
        if (!add_endpoint(ctx, source, one))
            return false;
    }
    return true;
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

bool context_find_endpoints(struct command_context *ctx)
{
    const struct command_defaults *defaults = ctx->defaults;
    const char *environment = getenv("CANDOR_ENDPOINTS");
    if (option_given(ctx, "endpoint"))
        return take_given(ctx);
    if (option_given(ctx, "topology") || defaults->topology != NULL)
        return true;
    if (defaults->endpoint_count > 0) {
        if (option_given(ctx, "node"))
            return true;
        ctx->endpoint_count = defaults->endpoint_count;
        memcpy(ctx->endpoints, defaults->endpoints,
               defaults->endpoint_count * sizeof ctx->endpoints[0]);
        return true;
    }
    if (environment == NULL || environment[0] == '\0')
        return true;
    ctx->endpoint_text = strdup(environment);
    ASSERT(ctx->endpoint_text != NULL);
    return add_list(ctx, "$CANDOR_ENDPOINTS", ctx->endpoint_text);
}
