/* kvctl rpc: any method of a node, by what the node says of itself. */
#include "cli/frame/command.h"
#include "cli/tools/method_call.h"
#include "cli/tools/method_describe.h"
#include "cli/tools/method_list.h"
#include "cli/tools/method_peer.h"

static int run_rpc(struct command_context *ctx, int argc, char **argv)
{
    struct method_peer peer = {0};
    int status = EXIT_DONE;
    bool list = option_given(ctx, "list");
    bool only_describe = option_given(ctx, "describe");
    if (list && (only_describe || argc > 0))
        return report_usage(ctx, "as in `kvctl rpc --list`", "--list takes nothing beside it");
    if (!list && argc == 0)
        return report_usage(ctx, "`kvctl rpc --list` lists the methods", "missing METHOD");
    if (only_describe && argc > 1)
        return report_usage(ctx, "as in `kvctl rpc --describe KV/Put`",
                            "--describe takes a METHOD alone");
    if (method_peer_open(ctx, &peer, &status)) {
        const struct dynamic_method *method =
            list ? NULL : method_find(ctx, peer.schema, argv[0], &status);
        if (list)
            status = method_list(ctx, peer.schema);
        else if (method != NULL && only_describe)
            status = method_describe(ctx, method);
        else if (method != NULL)
            status = method_call(ctx, &peer, method, argc > 1 ? argv[1] : NULL);
    }
    method_peer_close(&peer);
    return status;
}

static const struct option_spec rpc_options[] = {
    {"list", 0, NULL, false, "List the methods of the node"},
    {"describe", 'D', NULL, false, "Show what a method takes and gives, with comments"},
    {0},
};

const struct command command_rpc = {
    .name = "rpc",
    .group = GROUP_TOOLS,
    .args = "[METHOD [JSON]]",
    .summary = "Call any method of a node, with JSON in and out",
    .description =
        "Asks the node for its descriptors, turns JSON into the method's request and the response "
        "into JSON. The node that is named answers, or the initial primary; nothing is retried "
        "and no redirect is followed.\n\n"
        "JSON is that of proto3: bytes as base64, enums by name. Integers are numbers, as in all "
        "of "
        "kvctl's JSON (64-bit ones may be strings in what is sent); ids and digests (fixed64) are "
        "strings. "
        "METHOD may be cut in front as long as it is the only one: KV/Get, Get. JSON may be - for "
        "standard input; without it the request is empty. The answer is printed whole: code, "
        "freshness, where to retry, response; an error of the node as well, with its exit status.",
    .examples = "kvctl rpc --list\n"
                "kvctl rpc --describe KV/Put\n"
                "kvctl rpc KV/Put '{\"key\":\"Z3JlZXRpbmc=\",\"value\":\"aGVsbG8=\"}'\n"
                "kvctl rpc Cluster/Status --node b\n",
    .options = rpc_options,
    .min_args = 0,
    .max_args = 2,
    .run = run_rpc,
};
