/* kvctl rpc: any method of a node, by what the node says of itself. */
#include <stdlib.h>
#include <string.h>

#include <candor/channel.h>

#include "base/assert.h"
#include "base/bounded_unpack.h"
#include "base/rng.h"
#include "candor/v1/rpc.pb-c.h"
#include "cli/dynamic/dynamic.h"
#include "cli/frame/command.h"

#define DEADLINE_MS 5000
#define EXAMPLE_DEPTH 4 /* messages within messages that an example spells out */

static const struct option_spec rpc_options[] = {
    {"list", 0, NULL, false, "List the methods of the node"},
    {"describe", 'D', NULL, false, "Show what a method takes and gives, with comments"},
    {0},
};

/* A node and what it says of itself. */
struct peer {
    struct candor_channel *channel;
    struct dynamic_schema *schema;
    uint32_t deadline_ms;
};

static enum candor_code take_schema(struct peer *peer, struct slice bytes, struct candor_error *err)
{
    Candor__V1__DescriptorsResponse *response =
        bounded_unpack(&candor__v1__descriptors_response__descriptor, bytes, NULL);
    if (response == NULL)
        return candor_error_set(err, CANDOR_INTERNAL, CANDOR_REASON_MALFORMED,
                                "the node's descriptors do not decode");
    enum candor_code code = dynamic_schema_open(
        slice_of(response->file_descriptor_set.data, response->file_descriptor_set.len),
        &peer->schema, err);
    candor__v1__descriptors_response__free_unpacked(response, NULL);
    return code;
}

static struct slice slice_from(struct candor_bytes bytes)
{
    return slice_of(bytes.data, bytes.length);
}

static enum candor_code fetch_schema(struct peer *peer, struct candor_error *err)
{
    struct candor_channel_options options = {.deadline_ms = peer->deadline_ms};
    struct candor_answer answer;
    enum candor_code code = candor_channel_call(peer->channel, "/candor.v1.Reflection/Descriptors",
                                                candor_text(""), &options, &answer);
    if (code == CANDOR_OK)
        code = take_schema(peer, slice_from(answer.response), err);
    else
        *err = answer.result.error;
    candor_answer_free(&answer);
    return code;
}

static bool open_peer(struct command_context *ctx, struct peer *peer, int *status)
{
    struct candor_error error;
    uint64_t deadline_ms = context_deadline_ms(ctx, DEADLINE_MS);
    *peer = (struct peer){.deadline_ms = (uint32_t)min_u64(deadline_ms, LIMIT_RPC_DEADLINE_MS_MAX)};
    const char *address = context_address(ctx, NULL, status);
    if (address == NULL)
        return false;
    if (candor_channel_open(address, &peer->channel, &error) != CANDOR_OK ||
        fetch_schema(peer, &error) != CANDOR_OK) {
        *status = report_error(ctx, &error, NULL);
        return false;
    }
    return true;
}

static void close_peer(struct peer *peer)
{
    dynamic_schema_close(peer->schema);
    candor_channel_close(peer->channel);
}

/* ---- Methods ---- */

static const char *after_slash(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static const char *after_dot(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

static size_t service_length(const char *path)
{
    return (size_t)(after_slash(path) - path);
}

/* The nearest of all, by the method's own name. */
static const struct dynamic_method *find_method(struct command_context *ctx,
                                                const struct dynamic_schema *schema,
                                                const char *name, int *status)
{
    const struct dynamic_method *method = dynamic_method_find(schema, name);
    if (method != NULL)
        return method;
    size_t count = dynamic_method_count(schema);
    const char **words = calloc(count + 1, sizeof *words);
    ASSERT(words != NULL);
    for (size_t i = 0; i < count; i++)
        words[i] = after_slash(dynamic_method_at(schema, i)->path);
    const char *near = nearest_word(after_dot(after_slash(name)), words);
    char hint[384] = "`kvctl rpc --list` lists the methods";
    for (size_t i = 0; i < count && near != NULL; i++) {
        if (words[i] != near)
            continue;
        snprintf(hint, sizeof hint, "did you mean '%s'?", dynamic_method_at(schema, i)->path);
    }
    free(words);
    *status = report_usage(ctx, hint, "no method '%s', or several that end so", name);
    return NULL;
}

/* ---- --list ---- */

/* Its lines as one: a comment breaks them anywhere. */
static void print_first_sentence(const char *comment)
{
    for (const char *p = comment; *p != '\0'; p++) {
        bool ends = *p == '.' && (p[1] == '\0' || p[1] == ' ' || p[1] == '\n');
        if (*p != '\n' || p[1] != ' ')
            putchar(*p == '\n' ? ' ' : *p);
        if (ends)
            return;
    }
}

static int list_methods(struct command_context *ctx, const struct dynamic_schema *schema)
{
    json_t *list = json_array();
    const char *service = "";
    for (size_t i = 0; i < dynamic_method_count(schema); i++) {
        const struct dynamic_method *method = dynamic_method_at(schema, i);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "method", method->path, "input",
                                              method->input->name, "output", method->output->name,
                                              "comment", method->comment));
        if (context_json(ctx))
            continue;
        if (strncmp(service, method->path, service_length(method->path)) != 0) {
            service = method->path;
            printf("%s%.*s", i == 0 ? "" : "\n", (int)service_length(service) - 2, service + 1);
            printf("%s", method->service_comment[0] != '\0' ? "    // " : "");
            print_first_sentence(method->service_comment);
            putchar('\n');
        }
        printf("  %-14s %s -> %s%s", after_slash(method->path), after_dot(method->input->name),
               after_dot(method->output->name), method->comment[0] != '\0' ? "  // " : "");
        print_first_sentence(method->comment);
        putchar('\n');
    }
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:O}", "methods", list));
    json_decref(list);
    return EXIT_DONE;
}

/* ---- --describe ---- */

/* Names of types that were shown, and of those still to be. */
struct described {
    size_t count;
    const struct dynamic_message *messages[256];
    size_t enum_count;
    const struct dynamic_enum *enums[256];
};

static void want_message(struct described *all, const struct dynamic_message *message)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->messages[i] == message)
            return;
    }
    if (all->count < sizeof all->messages / sizeof all->messages[0])
        all->messages[all->count++] = message;
}

static void want_enum(struct described *all, const struct dynamic_enum *one)
{
    for (size_t i = 0; i < all->enum_count; i++) {
        if (all->enums[i] == one)
            return;
    }
    if (all->enum_count < sizeof all->enums / sizeof all->enums[0])
        all->enums[all->enum_count++] = one;
}

/* All that a method's messages are made of; what stands for itself is asked for once. */
static void gather(struct described *all, const struct dynamic_method *method)
{
    memset(all, 0, sizeof *all);
    want_message(all, method->input);
    want_message(all, method->output);
    for (size_t i = 0; i < all->count; i++) {
        for (size_t j = 0; j < all->messages[i]->field_count; j++) {
            const struct dynamic_field *field = &all->messages[i]->fields[j];
            if (field->message != NULL)
                want_message(all, field->message);
            if (field->enumeration != NULL)
                want_enum(all, field->enumeration);
        }
    }
}

static void print_comment(const char *comment, const char *lead)
{
    while (comment[0] != '\0') {
        size_t length = strcspn(comment, "\n");
        size_t blanks = strspn(comment, " ");
        printf("%s// %.*s\n", lead, (int)(length - min_u64(blanks, length)),
               comment + min_u64(blanks, length));
        comment += length + (comment[length] == '\n');
    }
}

static void print_message(const struct dynamic_message *message)
{
    int32_t oneof = -1;
    putchar('\n');
    print_comment(message->comment, "");
    printf("message %s {\n", message->name);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        if (oneof >= 0 && field->oneof != oneof)
            printf("  }\n");
        if (field->oneof >= 0 && field->oneof != oneof)
            printf("  oneof %s {\n", message->oneofs[field->oneof]);
        oneof = field->oneof;
        const char *lead = oneof >= 0 ? "    " : "  ";
        print_comment(field->comment, lead);
        printf("%s%s%s %s = %u;\n", lead, field->repeated ? "repeated " : "",
               dynamic_type_name(field), field->name, field->number);
    }
    printf("%s}\n", oneof >= 0 ? "  }\n" : "");
}

static void print_enum(const struct dynamic_enum *one)
{
    putchar('\n');
    print_comment(one->comment, "");
    printf("enum %s {\n", one->name);
    for (size_t i = 0; i < one->value_count; i++) {
        print_comment(one->values[i].comment, "  ");
        printf("  %s = %d;\n", one->values[i].name, one->values[i].number);
    }
    printf("}\n");
}

/* A request with every field, to be cut down. Of a oneof, the first member. */
static json_t *example(const struct dynamic_message *message, int depth)
{
    json_t *out = json_object();
    int32_t oneof = -1;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        json_t *value;
        if (field->oneof >= 0 && field->oneof == oneof)
            continue;
        oneof = field->oneof;
        if (field->type == DYNAMIC_MESSAGE)
            value = depth < EXAMPLE_DEPTH ? example(field->message, depth + 1) : json_object();
        else if (field->type == DYNAMIC_ENUM)
            value = json_string(
                field->enumeration->value_count > 0 ? field->enumeration->values[0].name : "");
        else if (field->type == DYNAMIC_BOOL)
            value = json_false();
        else if (field->type == DYNAMIC_STRING || field->type == DYNAMIC_BYTES)
            value = json_string("");
        else
            value = json_integer(0);
        if (field->repeated)
            value = json_pack("[o]", value);
        json_object_set_new(out, field->name, value);
    }
    return out;
}

static json_t *message_json(const struct dynamic_message *message)
{
    json_t *fields = json_array();
    for (size_t i = 0; i < message->field_count; i++) {
        const struct dynamic_field *field = &message->fields[i];
        json_array_append_new(
            fields, json_pack("{s:s,s:s,s:b,s:s*,s:s}", "name", field->name, "type",
                              dynamic_type_name(field), "repeated", field->repeated, "oneof",
                              field->oneof >= 0 ? message->oneofs[field->oneof] : NULL, "comment",
                              field->comment));
    }
    return json_pack("{s:s,s:o}", "comment", message->comment, "fields", fields);
}

static json_t *enum_json(const struct dynamic_enum *one)
{
    json_t *values = json_array();
    for (size_t i = 0; i < one->value_count; i++)
        json_array_append_new(values,
                              json_pack("{s:s,s:i,s:s}", "name", one->values[i].name, "number",
                                        one->values[i].number, "comment", one->values[i].comment));
    return json_pack("{s:s,s:o}", "comment", one->comment, "values", values);
}

static json_t *describe_json(const struct dynamic_method *method, const struct described *all)
{
    json_t *messages = json_object();
    json_t *enums = json_object();
    for (size_t i = 0; i < all->count; i++)
        json_object_set_new(messages, all->messages[i]->name, message_json(all->messages[i]));
    for (size_t i = 0; i < all->enum_count; i++)
        json_object_set_new(enums, all->enums[i]->name, enum_json(all->enums[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "method", method->path, "input",
                     method->input->name, "output", method->output->name, "comment",
                     method->comment, "example", example(method->input, 0), "messages", messages,
                     "enums", enums);
}

static int describe(struct command_context *ctx, const struct dynamic_method *method)
{
    struct described *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    gather(all, method);
    if (context_json(ctx)) {
        output_json(ctx, describe_json(method, all));
        free(all);
        return EXIT_DONE;
    }
    print_comment(method->comment, "");
    printf("rpc %s(%s) returns (%s)%s\n", method->path, method->input->name, method->output->name,
           method->streaming ? " // streaming: cannot be called here" : "");
    for (size_t i = 0; i < all->count; i++)
        print_message(all->messages[i]);
    for (size_t i = 0; i < all->enum_count; i++)
        print_enum(all->enums[i]);
    json_t *request = example(method->input, 0);
    char *text = json_dumps(request, JSON_COMPACT);
    printf("\nA request, every field spelled out (bytes are base64):\n  kvctl rpc %s '%s'\n",
           method->path, text != NULL ? text : "{}");
    free(text);
    json_decref(request);
    free(all);
    return EXIT_DONE;
}

/* ---- Calling ---- */

/* The operand, or all of stdin for "-". */
static json_t *read_request(struct command_context *ctx, const char *operand, int *status)
{
    json_error_t why;
    size_t length = operand != NULL ? strlen(operand) : 2;
    uint8_t *owned = NULL;
    const char *text = operand != NULL ? operand : "{}";
    if (strcmp(text, "-") == 0) {
        owned = read_whole_file(ctx, "-", (size_t)2 * LIMIT_MESSAGE_BYTES_MAX, &length, status);
        if (owned == NULL)
            return NULL;
        text = (const char *)owned;
    }
    json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    free(owned);
    if (request == NULL)
        *status = report_usage(ctx, "write it like '{\"key\":\"a2V5\"}', in single quotes",
                               "the request is not JSON: line %d, column %d: %s", why.line,
                               why.column, why.text);
    return request;
}

/* A part of the envelope, as the node's own schema shows it; null when it is absent. */
static json_t *part_json(const struct peer *peer, const char *name, const ProtobufCMessage *part)
{
    const struct dynamic_message *message = dynamic_message_find(peer->schema, name);
    json_t *out = NULL;
    if (part == NULL || message == NULL)
        return json_null();
    size_t size = protobuf_c_message_get_packed_size(part);
    uint8_t *bytes = malloc(size + 1);
    ASSERT(bytes != NULL);
    protobuf_c_message_pack(part, bytes);
    if (dynamic_decode(message, slice_of(bytes, size), &out, NULL) != CANDOR_OK)
        out = json_null();
    free(bytes);
    return out;
}

static json_t *reply_json(const struct peer *peer, const struct candor_error *error,
                          const Candor__V1__RpcReply *reply)
{
    json_t *out = json_object();
    json_object_set_new(out, "code", json_string(candor_code_name(error->code)));
    json_object_set_new(out, "reason", json_string(candor_reason_name(error->reason)));
    json_set_bytes(out, "message", error->message, strlen(error->message));
    json_object_set_new(out, "freshness",
                        part_json(peer, "candor.v1.Freshness",
                                  reply->freshness != NULL ? &reply->freshness->base : NULL));
    json_object_set_new(
        out, "retry",
        part_json(peer, "candor.v1.RetryHint", reply->retry != NULL ? &reply->retry->base : NULL));
    return out;
}

static void print_reply(struct command_context *ctx, json_t *out)
{
    if (context_json(ctx)) {
        output_json(ctx, out);
        return;
    }
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
}

/* An answer of a node, errors too, is what was asked for: it goes to stdout. */
static int print_answer(struct command_context *ctx, const struct peer *peer,
                        const struct dynamic_method *method, const struct candor_error *error,
                        const Candor__V1__RpcReply *reply, struct slice body)
{
    json_t *response = json_null();
    struct candor_error unreadable = {0};
    if (error->code == CANDOR_OK &&
        dynamic_decode(method->output, body, &response, &unreadable) != CANDOR_OK)
        return report_error(ctx, &unreadable, NULL);
    json_t *out = reply_json(peer, error, reply);
    json_object_set_new(out, "response", response);
    print_reply(ctx, out);
    return status_of(error);
}

static int print_envelope(struct command_context *ctx, const struct peer *peer,
                          const struct dynamic_method *method, const struct candor_answer *answer)
{
    Candor__V1__RpcReply *reply =
        bounded_unpack(&candor__v1__rpc_reply__descriptor, slice_from(answer->envelope), NULL);
    ASSERT(reply != NULL); /* libcandor has packed it */
    int status =
        print_answer(ctx, peer, method, &answer->result.error, reply, slice_from(answer->response));
    candor__v1__rpc_reply__free_unpacked(reply, NULL);
    return status;
}

static int call(struct command_context *ctx, const struct peer *peer,
                const struct dynamic_method *method, const struct buffer *body)
{
    struct candor_request_id id = {.number = 1};
    random_bytes(id.client_id, sizeof id.client_id);
    struct candor_channel_options options = {.deadline_ms = peer->deadline_ms, .request = &id};
    struct candor_answer answer;
    candor_channel_call(peer->channel, method->path,
                        (struct candor_bytes){body->bytes, body->length}, &options, &answer);
    int status = answer.envelope.data == NULL ? report_error(ctx, &answer.result.error, NULL)
                                              : print_envelope(ctx, peer, method, &answer);
    candor_answer_free(&answer);
    return status;
}

static int encode_and_call(struct command_context *ctx, const struct peer *peer,
                           const struct dynamic_method *method, const char *operand)
{
    int status = EXIT_DONE;
    struct candor_error error;
    struct buffer body = {0};
    if (method->streaming)
        return report_usage(ctx, NULL, "%s streams: it cannot be called", method->path);
    json_t *request = read_request(ctx, operand, &status);
    if (request == NULL)
        return status;
    if (dynamic_encode(method->input, request, &body, &error) != CANDOR_OK) {
        char hint[320];
        snprintf(hint, sizeof hint, "`kvctl rpc --describe %s` shows what it takes", method->path);
        status = report_usage(ctx, hint, "%s", error.message);
    } else {
        status = call(ctx, peer, method, &body);
    }
    buffer_free(&body);
    json_decref(request);
    return status;
}

static int run_rpc(struct command_context *ctx, int argc, char **argv)
{
    struct peer peer = {0};
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
    if (open_peer(ctx, &peer, &status)) {
        const struct dynamic_method *method =
            list ? NULL : find_method(ctx, peer.schema, argv[0], &status);
        if (list)
            status = list_methods(ctx, peer.schema);
        else if (method != NULL && only_describe)
            status = describe(ctx, method);
        else if (method != NULL)
            status = encode_and_call(ctx, &peer, method, argc > 1 ? argv[1] : NULL);
    }
    close_peer(&peer);
    return status;
}

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
