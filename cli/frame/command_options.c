/* What a command line has given, once it is parsed: looked up, nothing more. */
#include "cli/frame/context.h"

#include <string.h>

#include "base/assert.h"

const struct option_spec common_options[] = {
    {"topology", 't', "FILE", false,
     "The cluster's topology; default: $CANDOR_TOPOLOGY, else that of the last `kvctl up`"},
    {"context", 0, "CONTEXT", false,
     "The cluster of this name, as in `kvctl context`; default: $CANDOR_CONTEXT, else the one in "
     "use"},
    {"node", 'n', "NODE", false,
     "Ask this node first, and follow a redirect; to ask b alone: -n b --no-redirect"},
    {"endpoint", 'e', "ADDRESS", true,
     "Ask at this address, as in tcp://127.0.0.1:7000, without a topology; several apart by "
     "commas, "
     "or one an option; default: $CANDOR_ENDPOINTS"},
    {"deadline", 'd', "DURATION", false, "Give up after this long, as in 500ms or 5s; not 0"},
    {"output", 'o', "text|json", false,
     "How to print; json: one document on stdout, and an error is one on stderr"},
    {"quiet", 'q', NULL, false, "Print no notes"},
    {"help", 'h', NULL, false, "Show this help"},
    {0},
};

bool common_applies(const struct command *command, const struct option_spec *spec)
{
    return !command->local || spec->letter == 'o' || spec->letter == 'q' || spec->letter == 'h';
}

static void check_name(const struct command_context *ctx, const char *name)
{
    for (const struct option_spec *s = ctx->command->options; s != NULL && s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0)
            return;
    }
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0)
            return;
    }
    assert_failed(__FILE__, __LINE__, ctx->command->name,
                  name); /* a command asks for what it has not */
}

size_t option_count(const struct command_context *ctx, const char *name)
{
    check_name(ctx, name);
    size_t count = 0;
    for (size_t i = 0; i < ctx->option_count; i++)
        count += strcmp(ctx->options[i].spec->name, name) == 0;
    return count;
}

const char *option_nth(const struct command_context *ctx, const char *name, size_t n)
{
    check_name(ctx, name);
    for (size_t i = 0; i < ctx->option_count; i++) {
        if (strcmp(ctx->options[i].spec->name, name) == 0 && n-- == 0)
            return ctx->options[i].value;
    }
    return NULL;
}

bool option_given(const struct command_context *ctx, const char *name)
{
    return option_count(ctx, name) > 0;
}

const char *option_text(const struct command_context *ctx, const char *name)
{
    size_t count = option_count(ctx, name);
    return count == 0 ? NULL : option_nth(ctx, name, count - 1);
}

const struct command *context_command(const struct command_context *ctx)
{
    return ctx->command;
}

bool context_json(const struct command_context *ctx)
{
    return ctx->json;
}

bool context_quiet(const struct command_context *ctx)
{
    return ctx->quiet;
}

uint64_t context_deadline_ms(const struct command_context *ctx, uint64_t otherwise)
{
    return ctx->deadline_ms != 0 ? ctx->deadline_ms : otherwise;
}

/* What the command line gives comes first; where it names a place, the defaults' other place does
 * not count. */
const char *context_node(const struct command_context *ctx)
{
    if (ctx->command == NULL || ctx->command->local)
        return NULL;
    const char *given = option_text(ctx, "node");
    return given != NULL || option_given(ctx, "endpoint") ? given : ctx->defaults->node;
}

size_t context_endpoints(const struct command_context *ctx, const char *const **out)
{
    *out = ctx->endpoints;
    return ctx->endpoint_count;
}

const struct command_defaults *context_defaults(const struct command_context *ctx)
{
    return ctx->defaults;
}

const char *context_endpoint(const struct command_context *ctx)
{
    return ctx->endpoint_count > 0 ? ctx->endpoints[0] : NULL;
}
