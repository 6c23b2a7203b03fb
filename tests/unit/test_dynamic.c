/* links: dynamic */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "candor/v1/cluster.pb-c.h"
#include "candor/v1/kv.pb-c.h"
#include "candor/v1/replication.pb-c.h"
#include "candor/v1/rpc.pb-c.h"
#include "cli/dynamic/dynamic.h"
#include "cli/dynamic/dynamic_wire.h"
#include "google/protobuf/descriptor.pb-c.h"

/* What protoc wrote at build time. */
extern const unsigned char candor_descriptors[];
extern const unsigned long candor_descriptors_bytes;

static struct dynamic_schema *schema; /* of Candor */
static struct dynamic_schema *odd;    /* of what Candor does not use; see open_odd() */

/* ---- A schema with every type, built by hand ---- */

#define TYPE(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define SINGLE GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL
#define MANY GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED

static char word_package[] = "odd";
static char word_all[] = "All";
static char word_colour[] = "Colour";
static char word_colour_type[] = ".odd.Colour";
static char word_all_type[] = ".odd.All";
static char word_same[] = "Same";
static char word_one[] = "One";
static char word_two[] = "Two";

static const struct {
    const char *name;
    Google__Protobuf__FieldDescriptorProto__Type type;
} kinds[] = {
    {"a_double", TYPE(DOUBLE)},   {"a_float", TYPE(FLOAT)},       {"an_int64", TYPE(INT64)},
    {"a_uint64", TYPE(UINT64)},   {"an_int32", TYPE(INT32)},      {"a_fixed64", TYPE(FIXED64)},
    {"a_fixed32", TYPE(FIXED32)}, {"a_bool", TYPE(BOOL)},         {"a_string", TYPE(STRING)},
    {"a_message", TYPE(MESSAGE)}, {"some_bytes", TYPE(BYTES)},    {"a_uint32", TYPE(UINT32)},
    {"an_enum", TYPE(ENUM)},      {"a_sfixed32", TYPE(SFIXED32)}, {"a_sfixed64", TYPE(SFIXED64)},
    {"a_sint32", TYPE(SINT32)},   {"a_sint64", TYPE(SINT64)},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* message All { one field of each type, 1..17; the same repeated, "many_...", 101..117; }
 * enum Colour {...}  service One { rpc Same(All) returns (All); }  service Two { the same } */
static struct buffer odd_descriptors(void)
{
    static Google__Protobuf__FieldDescriptorProto fields[2 * KINDS];
    static Google__Protobuf__FieldDescriptorProto *field_list[2 * KINDS];
    static char names[2 * KINDS][32];
    Google__Protobuf__EnumValueDescriptorProto values[3];
    Google__Protobuf__EnumValueDescriptorProto *value_list[3];
    static char value_names[3][8] = {"RED", "GREEN", "BLUE"};
    static const int32_t numbers[3] = {0, 1, -7};
    for (size_t i = 0; i < 2 * KINDS; i++) {
        bool many = i >= KINDS;
        google__protobuf__field_descriptor_proto__init(&fields[i]);
        snprintf(names[i], sizeof names[i], "%s%s", many ? "many_" : "", kinds[i % KINDS].name);
        fields[i].name = names[i];
        fields[i].has_number = fields[i].has_type = fields[i].has_label = true;
        fields[i].number = (int32_t)(i % KINDS + (many ? 101 : 1));
        fields[i].type = kinds[i % KINDS].type;
        fields[i].label = many ? MANY : SINGLE;
        fields[i].type_name = fields[i].type == TYPE(MESSAGE) ? word_all_type
                              : fields[i].type == TYPE(ENUM)  ? word_colour_type
                                                              : NULL;
        field_list[i] = &fields[i];
    }
    for (size_t i = 0; i < 3; i++) {
        google__protobuf__enum_value_descriptor_proto__init(&values[i]);
        values[i].name = value_names[i];
        values[i].has_number = true;
        values[i].number = numbers[i];
        value_list[i] = &values[i];
    }
    Google__Protobuf__DescriptorProto message = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__DescriptorProto *messages[] = {&message};
    Google__Protobuf__EnumDescriptorProto colour = GOOGLE__PROTOBUF__ENUM_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__EnumDescriptorProto *enums[] = {&colour};
    Google__Protobuf__FileDescriptorProto file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__FileDescriptorProto *files[] = {&file};
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    Google__Protobuf__MethodDescriptorProto method =
        GOOGLE__PROTOBUF__METHOD_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__MethodDescriptorProto *methods[] = {&method};
    Google__Protobuf__ServiceDescriptorProto one = GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__ServiceDescriptorProto two = GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__ServiceDescriptorProto *services[] = {&one, &two};
    method.name = word_same;
    method.input_type = method.output_type = word_all_type;
    one.name = word_one;
    two.name = word_two;
    one.method = two.method = methods;
    one.n_method = two.n_method = 1;
    file.service = services;
    file.n_service = 2;
    message.name = word_all;
    message.field = field_list;
    message.n_field = 2 * KINDS;
    colour.name = word_colour;
    colour.value = value_list;
    colour.n_value = 3;
    file.package = word_package;
    file.message_type = messages;
    file.n_message_type = 1;
    file.enum_type = enums;
    file.n_enum_type = 1;
    set.file = files;
    set.n_file = 1;
    struct buffer out = {0};
    size_t size = google__protobuf__file_descriptor_set__get_packed_size(&set);
    google__protobuf__file_descriptor_set__pack(&set, buffer_grow(&out, size));
    return out;
}

static int open_schemas(void **state)
{
    (void)state;
    struct candor_error err = {0};
    struct buffer bytes = odd_descriptors();
    assert_int_equal(
        dynamic_schema_open(slice_of(candor_descriptors, candor_descriptors_bytes), &schema, &err),
        CANDOR_OK);
    assert_int_equal(dynamic_schema_open(buffer_slice(&bytes), &odd, &err), CANDOR_OK);
    buffer_free(&bytes);
    return 0;
}

static int close_schemas(void **state)
{
    (void)state;
    dynamic_schema_close(schema);
    dynamic_schema_close(odd);
    return 0;
}

static const struct dynamic_message *all(void)
{
    const struct dynamic_message *message = dynamic_message_find(odd, "odd.All");
    assert_non_null(message);
    return message;
}

static json_t *json_of(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_ALLOW_NUL, &why);
    if (json == NULL)
        fail_msg("%s: %s", text, why.text);
    return json;
}

/* ---- Round trips with the generated code ---- */

/* Packed by protobuf-c, decoded, encoded and unpacked again it must be the same. */
static void round_trip(const ProtobufCMessage *message)
{
    const char *name = message->descriptor->name;
    const struct dynamic_message *dynamic = dynamic_message_find(schema, name);
    struct candor_error err = {0};
    struct buffer packed = {0};
    struct buffer encoded = {0};
    struct buffer again = {0};
    json_t *json = NULL;
    assert_non_null(dynamic);
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, buffer_grow(&packed, size));
    if (dynamic_decode(dynamic, buffer_slice(&packed), &json, &err) != CANDOR_OK ||
        dynamic_encode(dynamic, json, &encoded, &err) != CANDOR_OK)
        fail_msg("%s: %s", name, err.message);
    ProtobufCMessage *back =
        protobuf_c_message_unpack(message->descriptor, NULL, encoded.length, encoded.bytes);
    assert_non_null(back);
    size_t back_size = protobuf_c_message_get_packed_size(back);
    protobuf_c_message_pack(back, buffer_grow(&again, back_size));
    if (back_size != size || memcmp(again.bytes, packed.bytes, size) != 0) {
        char *text = json_dumps(json, 0);
        fail_msg("%s differs after a round trip over %s", name, text);
    }
    protobuf_c_message_free_unpacked(back, NULL);
    json_decref(json);
    buffer_free(&packed);
    buffer_free(&encoded);
    buffer_free(&again);
}

static uint8_t binary[] = {0, 255, 1, 128, '"', '\\', 7};
static char owner[] = "a";

static void writes_survive_a_round_trip(void **state)
{
    (void)state;
    Candor__V1__PutRequest put = CANDOR__V1__PUT_REQUEST__INIT;
    Candor__V1__DeleteRequest del = CANDOR__V1__DELETE_REQUEST__INIT;
    Candor__V1__WriteOptions options = CANDOR__V1__WRITE_OPTIONS__INIT;
    Candor__V1__BatchOp ops[2] = {CANDOR__V1__BATCH_OP__INIT, CANDOR__V1__BATCH_OP__INIT};
    Candor__V1__BatchOp *list[] = {&ops[0], &ops[1], &ops[0]};
    Candor__V1__BatchRequest batch = CANDOR__V1__BATCH_REQUEST__INIT;
    put.key = put.value = del.key = (ProtobufCBinaryData){sizeof binary, binary};
    options.ack = CANDOR__V1__ACK_LEVEL__ACK_LEVEL_MAJORITY;
    put.options = &options;
    ops[0].op_case = CANDOR__V1__BATCH_OP__OP_PUT;
    ops[0].put = &put;
    ops[1].op_case = CANDOR__V1__BATCH_OP__OP_DELETE;
    ops[1].delete_ = &del;
    batch.ops = list;
    batch.n_ops = 3;
    round_trip(&put.base);
    round_trip(&del.base);
    round_trip(&batch.base);
    protobuf_c_boolean found[] = {1, 0, 0, 1, 1};
    Candor__V1__BatchResponse response = CANDOR__V1__BATCH_RESPONSE__INIT;
    response.found = found;
    response.n_found = 5;
    round_trip(&response.base);
}

static void absent_and_zero_stay_apart_in_a_oneof(void **state)
{
    (void)state;
    Candor__V1__Epoch epoch = CANDOR__V1__EPOCH__INIT;
    Candor__V1__Freshness freshness = CANDOR__V1__FRESHNESS__INIT;
    epoch.generation = UINT64_MAX;
    epoch.term = 7;
    epoch.owner = owner;
    freshness.epoch = &epoch;
    round_trip(&freshness.base);
    freshness.bound_case = CANDOR__V1__FRESHNESS__BOUND_STALENESS_BOUND_MS;
    freshness.staleness_bound_ms = 0;
    freshness.heartbeat_case = CANDOR__V1__FRESHNESS__HEARTBEAT_HEARTBEAT_AGE_MS;
    freshness.heartbeat_age_ms = UINT64_MAX;
    round_trip(&freshness.base);
    json_t *json = NULL;
    uint8_t bytes[64];
    size_t size = protobuf_c_message_pack(&freshness.base, bytes);
    assert_int_equal(dynamic_decode(dynamic_message_find(schema, "candor.v1.Freshness"),
                                    slice_of(bytes, size), &json, NULL),
                     CANDOR_OK);
    assert_true(json_is_integer(json_object_get(json, "staleness_bound_ms")));
    assert_true(json_integer_value(json_object_get(json, "staleness_bound_ms")) == 0);
    /* Beyond what a number of jansson holds. */
    assert_string_equal(json_string_value(json_object_get(json, "heartbeat_age_ms")),
                        "18446744073709551615");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "epoch"), "generation")),
        "18446744073709551615");
    json_decref(json);
}

static void replication_messages_survive_a_round_trip(void **state)
{
    (void)state;
    Candor__V1__Echo echo = CANDOR__V1__ECHO__INIT;
    Candor__V1__Echo *echoes[] = {&echo, &echo};
    Candor__V1__Heartbeat heartbeat = CANDOR__V1__HEARTBEAT__INIT;
    Candor__V1__StreamMessage message = CANDOR__V1__STREAM_MESSAGE__INIT;
    echo.node = owner;
    echo.ts_ns = 1ull << 63;
    heartbeat.echoes = echoes;
    heartbeat.n_echoes = 2;
    heartbeat.commit = 12345678901234ull;
    message.kind_case = CANDOR__V1__STREAM_MESSAGE__KIND_HEARTBEAT;
    message.heartbeat = &heartbeat;
    round_trip(&message.base);
    Candor__V1__StatusResponse status = CANDOR__V1__STATUS_RESPONSE__INIT;
    status.cluster_id = UINT64_MAX;
    status.pid = UINT32_MAX;
    status.admitted = 1;
    round_trip(&status.base);
}

/* ---- Every type ---- */

static void every_type_survives_a_round_trip_at_its_ends(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"a_double\":1.5,\"a_float\":-0.25,\"an_int64\":-9223372036854775808,"
        "\"a_uint64\":\"18446744073709551615\",\"an_int32\":-2147483648,"
        "\"a_fixed64\":\"18446744073709551615\",\"a_fixed32\":4294967295,\"a_bool\":true,"
        "\"a_string\":\"h\\u00e9\\u0000llo\",\"a_message\":{\"a_bool\":true},"
        "\"some_bytes\":\"AP8B\",\"a_uint32\":4294967295,\"an_enum\":\"BLUE\","
        "\"a_sfixed32\":-2147483648,\"a_sfixed64\":\"-9223372036854775808\","
        "\"a_sint32\":-2147483648,\"a_sint64\":-9223372036854775808}",
        "{\"an_int64\":9223372036854775807,\"an_int32\":2147483647,\"a_sfixed32\":2147483647,"
        "\"a_sfixed64\":\"9223372036854775807\",\"a_sint32\":2147483647,"
        "\"a_sint64\":9223372036854775807,\"a_double\":\"NaN\",\"a_float\":\"-Infinity\"}",
        "{\"many_a_double\":[1.5,\"Infinity\"],\"many_a_float\":[0.5],\"many_an_int64\":[-1,"
        "0],\"many_a_uint64\":[0,1,9223372036854775807],\"many_an_int32\":[0,-1],\"many_a_"
        "fixed64\":[\"3\"]"
        ",\"many_a_fixed32\":[0],\"many_a_bool\":[true,false],\"many_a_string\":[\"\",\"x\"],"
        "\"many_a_message\":[{},{\"a_bool\":true}],\"many_some_bytes\":[\"\",\"AA==\"],"
        "\"many_a_uint32\":[9],\"many_an_enum\":[\"RED\",\"BLUE\",99],\"many_a_sfixed32\":[-3],"
        "\"many_a_sfixed64\":[\"-3\"],\"many_a_sint32\":[-3,3],\"many_a_sint64\":[-3]}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct candor_error err = {0};
        struct buffer bytes = {0};
        struct buffer again = {0};
        json_t *in = json_of(cases[i]);
        json_t *out = NULL;
        if (dynamic_encode(all(), in, &bytes, &err) != CANDOR_OK ||
            dynamic_decode(all(), buffer_slice(&bytes), &out, &err) != CANDOR_OK)
            fail_msg("case %zu: %s", i, err.message);
        void *at;
        const char *name;
        json_t *value;
        json_object_foreach_safe(in, at, name, value)
        {
            if (strcmp(name, "a_message") != 0 && strcmp(name, "many_a_message") != 0 &&
                !json_equal(json_object_get(out, name), value))
                fail_msg("case %zu: %s differs", i, name);
        }
        assert_int_equal(dynamic_encode(all(), out, &again, &err), CANDOR_OK);
        assert_true(again.length == bytes.length);
        json_decref(in);
        json_decref(out);
        buffer_free(&bytes);
        buffer_free(&again);
    }
}

static void expect_equal(const char *one, const char *other)
{
    struct candor_error err = {0};
    struct buffer a = {0};
    struct buffer b = {0};
    json_t *left = json_of(one);
    json_t *right = json_of(other);
    if (dynamic_encode(all(), left, &a, &err) != CANDOR_OK ||
        dynamic_encode(all(), right, &b, &err) != CANDOR_OK)
        fail_msg("%s or %s: %s", one, other, err.message);
    if (!slice_equal(buffer_slice(&a), buffer_slice(&b)))
        fail_msg("%s and %s differ", one, other);
    json_decref(left);
    json_decref(right);
    buffer_free(&a);
    buffer_free(&b);
}

static void other_spellings_mean_the_same(void **state)
{
    (void)state;
    expect_equal("{\"aUint64\":\"5\"}", "{\"a_uint64\":5}");
    expect_equal("{\"a_uint64\":5.0}", "{\"a_uint64\":5}");
    expect_equal("{\"an_int32\":\"-5\"}", "{\"an_int32\":-5}");
    expect_equal("{\"an_int32\":1e3}", "{\"an_int32\":1000}");
    expect_equal("{\"an_enum\":-7}", "{\"an_enum\":\"BLUE\"}");
    expect_equal("{\"some_bytes\":\"-_8\"}", "{\"some_bytes\":\"+/8=\"}");
    expect_equal("{\"some_bytes\":\"AA\"}", "{\"some_bytes\":\"AA==\"}");
    expect_equal("{\"a_double\":\"1.5\"}", "{\"a_double\":1.5}");
    expect_equal("{\"a_double\":3}", "{\"a_double\":3.0}");
    expect_equal("{\"a_bool\":null,\"many_a_bool\":null,\"a_message\":null}", "{}");
    expect_equal("{\"a_uint64\":0,\"a_string\":\"\",\"a_bool\":false,\"many_a_bool\":[]}", "{}");
}

static const struct {
    const char *json;
    const char *says; /* a piece of the message */
} wrong_values[] = {
    {"[]", "odd.All takes an object"},
    {"{\"a_bol\":true}", "no field 'a_bol'; did you mean 'a_bool'?"},
    {"{\"a_message\":{\"zzzzzz\":1}}", "a_message: odd.All has no field 'zzzzzz'"},
    {"{\"many_a_message\":[{},{\"a_bool\":1}]}", "many_a_message[1].a_bool: bool takes"},
    {"{\"an_int32\":2147483648}", "an_int32: int32 takes a whole number"},
    {"{\"an_int32\":-2147483649}", "an_int32"},
    {"{\"an_int32\":1.5}", "an_int32"},
    {"{\"an_int32\":\"\"}", "an_int32"},
    {"{\"an_int32\":\"5 \"}", "an_int32"},
    {"{\"an_int32\":\"--5\"}", "an_int32"},
    {"{\"an_int32\":\"5\\u0000\"}", "an_int32"},
    {"{\"an_int64\":\"9223372036854775808\"}", "an_int64"},
    {"{\"an_int64\":\"-9223372036854775809\"}", "an_int64"},
    {"{\"an_int64\":1e300}", "an_int64"},
    {"{\"a_uint64\":-1}", "a_uint64"},
    {"{\"a_uint64\":\"18446744073709551616\"}", "a_uint64"},
    {"{\"a_uint32\":4294967296}", "a_uint32"},
    {"{\"a_float\":1e300}", "a_float"},
    {"{\"a_double\":\"fast\"}", "a_double"},
    {"{\"a_double\":\"1e999\"}", "a_double"},
    {"{\"a_double\":\"nan\"}", "a_double"},
    {"{\"a_bool\":\"true\"}", "a_bool"},
    {"{\"a_string\":5}", "a_string"},
    {"{\"some_bytes\":\"A\"}", "some_bytes: bytes takes a string of base64"},
    {"{\"some_bytes\":\"AA=\\u0000\"}", "some_bytes"},
    {"{\"some_bytes\":\"A A=\"}", "some_bytes"},
    {"{\"some_bytes\":\"A===\"}", "some_bytes"},
    {"{\"some_bytes\":\"h\\u00e9ll\"}", "some_bytes"},
    {"{\"an_enum\":\"GREN\"}", "no value 'GREN'; did you mean 'GREEN'?"},
    {"{\"an_enum\":2147483648}", "an_enum"},
    {"{\"many_a_bool\":true}", "many_a_bool: it is repeated"},
    {"{\"many_a_bool\":[true,null]}", "many_a_bool[1]: null is no element"},
    {"{\"a_message\":[]}", "a_message: odd.All takes an object"},
    {"{\"a_bool\":true,\"aBool\":true}", "are the same field"},
};

static void wrong_values_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_values / sizeof wrong_values[0]; i++) {
        struct candor_error err = {0};
        struct buffer out = {0};
        json_t *json = json_of(wrong_values[i].json);
        enum candor_code code = dynamic_encode(all(), json, &out, &err);
        if (code != CANDOR_INVALID_ARGUMENT || strstr(err.message, wrong_values[i].says) == NULL)
            fail_msg("%s: code %d, '%s' instead of '%s'", wrong_values[i].json, code, err.message,
                     wrong_values[i].says);
        json_decref(json);
        buffer_free(&out);
    }
}

static void two_members_of_a_oneof_are_refused(void **state)
{
    (void)state;
    struct candor_error err = {0};
    struct buffer out = {0};
    json_t *json = json_of("{\"ops\":[{\"put\":{\"key\":\"\"},\"delete\":{}}]}");
    assert_int_equal(
        dynamic_encode(dynamic_message_find(schema, "candor.v1.BatchRequest"), json, &out, &err),
        CANDOR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "ops[0]: only one of 'put' and 'delete' may be set"));
    json_decref(json);
    buffer_free(&out);
}

/* ---- The wire ---- */

/* Decodes bytes as odd.All and compares one member. */
static void expect_member(struct slice bytes, const char *name, const char *json)
{
    struct candor_error err = {0};
    json_t *out = NULL;
    json_t *wanted = json_loads(json, JSON_DECODE_ANY, NULL);
    if (dynamic_decode(all(), bytes, &out, &err) != CANDOR_OK)
        fail_msg("%s", err.message);
    if (!json_equal(json_object_get(out, name), wanted)) {
        char *text = json_dumps(json_object_get(out, name), JSON_ENCODE_ANY);
        fail_msg("%s is %s instead of %s", name, text, json);
    }
    json_decref(out);
    json_decref(wanted);
}

static void numbers_are_taken_packed_and_unpacked(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    dynamic_wire_put_key(&bytes, 105, WIRE_VARINT); /* many_an_int32 */
    dynamic_wire_put_varint(&bytes, 1);
    dynamic_wire_put_key(&bytes, 105, WIRE_BYTES);
    dynamic_wire_put_varint(&bytes, 2);
    dynamic_wire_put_varint(&bytes, 2);
    dynamic_wire_put_varint(&bytes, 3);
    dynamic_wire_put_key(&bytes, 105, WIRE_VARINT);
    dynamic_wire_put_varint(&bytes, UINT64_MAX);
    expect_member(buffer_slice(&bytes), "many_an_int32", "[1,2,3,-1]");
    buffer_free(&bytes);
}

static void the_last_value_counts_and_messages_merge(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        8 << 3,      1, 8 << 3, 0, /* a_bool: true, then false */
        10 << 3 | 2, 2, 8 << 3, 1, /* a_message {a_bool: true} */
        10 << 3 | 2, 2, 5 << 3, 9, /* a_message {an_int32: 9} */
    };
    json_t *out = NULL;
    assert_int_equal(dynamic_decode(all(), slice_of(bytes, sizeof bytes), &out, NULL), CANDOR_OK);
    assert_true(json_is_false(json_object_get(out, "a_bool")));
    const json_t *inner = json_object_get(out, "a_message");
    assert_true(json_is_true(json_object_get(inner, "a_bool")));
    assert_int_equal(json_integer_value(json_object_get(inner, "an_int32")), 9);
    json_decref(out);
}

static void the_last_member_of_a_oneof_counts(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1 << 3 | 2, 0, 2 << 3 | 2, 0}; /* put {}, delete {} */
    json_t *out = NULL;
    assert_int_equal(dynamic_decode(dynamic_message_find(schema, "candor.v1.BatchOp"),
                                    slice_of(bytes, sizeof bytes), &out, NULL),
                     CANDOR_OK);
    assert_null(json_object_get(out, "put"));
    assert_non_null(json_object_get(out, "delete"));
    json_decref(out);
}

static void unknown_fields_and_groups_are_skipped(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    dynamic_wire_put_key(&bytes, 999, WIRE_VARINT);
    dynamic_wire_put_varint(&bytes, 5);
    dynamic_wire_put_key(&bytes, 999, WIRE_GROUP_BEGIN);
    dynamic_wire_put_key(&bytes, 3, WIRE_GROUP_BEGIN);
    dynamic_wire_put_key(&bytes, 8, WIRE_VARINT);
    dynamic_wire_put_varint(&bytes, 1);
    dynamic_wire_put_key(&bytes, 3, WIRE_GROUP_END);
    dynamic_wire_put_key(&bytes, 999, WIRE_GROUP_END);
    dynamic_wire_put_key(&bytes, 8, WIRE_32); /* a_bool, but not as a varint */
    buffer_put_u32(&bytes, 1);
    dynamic_wire_put_key(&bytes, 5, WIRE_VARINT);
    dynamic_wire_put_varint(&bytes, 6);
    expect_member(buffer_slice(&bytes), "an_int32", "6");
    expect_member(buffer_slice(&bytes), "a_bool", "false");
    buffer_free(&bytes);
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"\x00\x01", 2},                                          /* field 0 */
        {"\x40", 1},                                              /* a varint that ends early */
        {"\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* of eleven bytes */
        {"\x52\x05\x40", 3},                                      /* a length beyond the end */
        {"\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* of 2^64 - 1 */
        {"\x44", 1},                                              /* an end without a group */
        {"\x43", 1},                                              /* a group without an end */
        {"\x43\x4c", 2},                                          /* that ends as another */
        {"\x46\x01", 2},                                          /* wire type 6 */
        {"\x4a\x01\xff", 3},                                      /* a string that is not UTF-8 */
        {"\xd2\x06\x01\x40", 4}, /* in a packed field: field 106, three bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct candor_error err = {0};
        json_t *out = NULL;
        enum candor_code code =
            dynamic_decode(all(), slice_of(cases[i].bytes, cases[i].length), &out, &err);
        if (code != CANDOR_INTERNAL || err.reason != CANDOR_REASON_MALFORMED)
            fail_msg("case %zu: code %d", i, code);
        assert_null(out);
    }
}

/* ---- Bombs ---- */

/* odd.All within odd.All, `depth` messages in all. */
static struct buffer nested(size_t depth)
{
    struct buffer bytes = {0};
    for (size_t i = 1; i < depth; i++) {
        struct buffer outer = {0};
        dynamic_wire_put_key(&outer, 10, WIRE_BYTES);
        dynamic_wire_put_varint(&outer, bytes.length);
        buffer_put(&outer, bytes.bytes, bytes.length);
        buffer_free(&bytes);
        bytes = outer;
    }
    return bytes;
}

static void messages_that_nest_too_deep_are_refused(void **state)
{
    (void)state;
    static const size_t depths[] = {LIMIT_DYNAMIC_DEPTH, LIMIT_DYNAMIC_DEPTH + 1, 5000};
    for (size_t i = 0; i < 3; i++) {
        struct buffer bytes = nested(depths[i]);
        struct candor_error err = {0};
        json_t *out = NULL;
        assert_int_equal(dynamic_decode(all(), buffer_slice(&bytes), &out, &err),
                         i == 0 ? CANDOR_OK : CANDOR_RESOURCE_EXHAUSTED);
        json_decref(out);
        buffer_free(&bytes);
    }
}

static void json_that_nests_too_deep_is_refused(void **state)
{
    (void)state;
    for (size_t depth = LIMIT_DYNAMIC_DEPTH; depth <= LIMIT_DYNAMIC_DEPTH + 1; depth++) {
        struct candor_error err = {0};
        struct buffer out = {0};
        json_t *json = json_object();
        for (size_t i = 1; i < depth; i++)
            json = json_pack("{s:o}", "a_message", json);
        assert_int_equal(dynamic_encode(all(), json, &out, &err),
                         depth == LIMIT_DYNAMIC_DEPTH ? CANDOR_OK : CANDOR_INVALID_ARGUMENT);
        json_decref(json);
        buffer_free(&out);
    }
}

static void bytes_that_unfold_to_too_much_are_refused(void **state)
{
    (void)state;
    struct candor_error err = {0};
    struct buffer empties = {0};
    struct buffer bools = {0};
    json_t *out = NULL;
    for (size_t i = 0; i < 200000; i++) {
        dynamic_wire_put_key(&empties, 110, WIRE_BYTES); /* many_a_message: {}, and its defaults */
        dynamic_wire_put_varint(&empties, 0);
    }
    assert_int_equal(dynamic_decode(all(), buffer_slice(&empties), &out, &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    dynamic_wire_put_key(&bools, 108, WIRE_BYTES);
    dynamic_wire_put_varint(&bools, LIMIT_DYNAMIC_VALUES + 1);
    memset(buffer_grow(&bools, LIMIT_DYNAMIC_VALUES + 1), 1, LIMIT_DYNAMIC_VALUES + 1);
    assert_int_equal(dynamic_decode(all(), buffer_slice(&bools), &out, &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_null(out);
    buffer_free(&empties);
    buffer_free(&bools);
}

/* Every truncation, and many random changes, of a message with something in every field. */
static void changed_bytes_never_crash(void **state)
{
    (void)state;
    struct rng rng;
    struct buffer bytes = {0};
    json_t *json = json_of("{\"a_double\":1.5,\"a_uint64\":7,\"a_string\":\"hello\",\"a_message\":"
                           "{\"many_a_message\":[{\"some_bytes\":\"AAAA\"},{}]},\"many_an_int32\":"
                           "[1,2,3],\"many_a_string\":[\"x\",\"y\"],\"many_an_enum\":[0,1,-7]}");
    assert_int_equal(dynamic_encode(all(), json, &bytes, NULL), CANDOR_OK);
    json_decref(json);
    for (size_t length = 0; length < bytes.length; length++) {
        json_t *out = NULL;
        uint8_t *exact = malloc(length + 1); /* so that a sanitizer sees a read beyond it */
        memcpy(exact, bytes.bytes, length);
        dynamic_decode(all(), slice_of(exact, length), &out, NULL);
        json_decref(out);
        free(exact);
    }
    rng_seed(&rng, 42);
    for (int round = 0; round < 20000; round++) {
        json_t *out = NULL;
        uint8_t *copy = malloc(bytes.length + 1);
        memcpy(copy, bytes.bytes, bytes.length);
        for (uint64_t changes = 1 + rng_below(&rng, 4); changes > 0; changes--)
            copy[rng_below(&rng, bytes.length)] = (uint8_t)rng_next(&rng);
        dynamic_decode(all(), slice_of(copy, bytes.length), &out, NULL);
        json_decref(out);
        free(copy);
    }
    buffer_free(&bytes);
}

/* ---- Schemas ---- */

static void methods_are_found_by_any_end_that_is_theirs_alone(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *path; /* NULL: none */
    } cases[] = {
        {"/candor.v1.KV/Get", "/candor.v1.KV/Get"},
        {"candor.v1.KV/Get", "/candor.v1.KV/Get"},
        {"candor.v1.KV.Get", "/candor.v1.KV/Get"},
        {"KV/Get", "/candor.v1.KV/Get"},
        {"KV.Get", "/candor.v1.KV/Get"},
        {"Get", "/candor.v1.KV/Get"},
        {"Status", "/candor.v1.Cluster/Status"},
        {"et", NULL},
        {"V/Get", NULL},
        {"", NULL},
        {"/", NULL},
        {"/x/candor.v1.KV/Get", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct dynamic_method *method = dynamic_method_find(schema, cases[i].name);
        if ((method == NULL) != (cases[i].path == NULL))
            fail_msg("'%s' finds %s", cases[i].name, method != NULL ? method->path : "nothing");
        if (method != NULL)
            assert_string_equal(method->path, cases[i].path);
    }
}

static void a_method_that_two_services_have_needs_its_service(void **state)
{
    (void)state;
    assert_int_equal(dynamic_method_count(odd), 2);
    assert_null(dynamic_method_find(odd, "Same"));
    assert_string_equal(dynamic_method_find(odd, "Two.Same")->path, "/odd.Two/Same");
}

static void comments_of_the_proto_files_are_kept(void **state)
{
    (void)state;
    const struct dynamic_message *message = dynamic_message_find(schema, "candor.v1.Freshness");
    assert_non_null(strstr(message->comment, "How old an answer may be."));
    assert_string_equal(message->fields[0].comment, "id of the node that answered");
    assert_non_null(strstr(dynamic_method_find(schema, "Promote")->comment, "by a vote"));
    const struct dynamic_message *health = dynamic_message_find(schema, "candor.v1.HealthResponse");
    assert_string_equal(health->fields[0].enumeration->name,
                        "candor.v1.HealthResponse.ServingStatus");
    assert_string_equal(health->fields[0].enumeration->values[2].comment,
                        "EXPIRED, FORKED, DOUBTFUL, SYNCING");
}

static void descriptors_that_nest_too_deep_are_refused(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    struct candor_error err = {0};
    struct dynamic_schema *out = NULL;
    /* From the inside out, written backwards: linear in the depth. */
    enum { DEPTH = 100000 };
    struct buffer heads = {0};
    size_t *starts = malloc(DEPTH * sizeof *starts);
    size_t length = 0;
    for (size_t i = 0; i < DEPTH; i++) {
        starts[i] = heads.length;
        dynamic_wire_put_key(&heads, i == DEPTH - 1 ? 1 : i == DEPTH - 2 ? 4 : 3, WIRE_BYTES);
        dynamic_wire_put_varint(&heads, length);
        length += heads.length - starts[i];
    }
    for (size_t i = DEPTH; i-- > 0;)
        buffer_put(&bytes, heads.bytes + starts[i],
                   (i + 1 < DEPTH ? starts[i + 1] : heads.length) - starts[i]);
    assert_int_equal(dynamic_schema_open(buffer_slice(&bytes), &out, &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    assert_null(out);
    free(starts);
    buffer_free(&heads);
    buffer_free(&bytes);
}

static void descriptors_that_unfold_to_too_much_are_refused(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    struct candor_error err = {0};
    struct dynamic_schema *out = NULL;
    /* an empty file */
    for (size_t i = 0; i < 1000000; i++)
        buffer_put(&bytes, "\x0a\x00", 2);
    assert_int_equal(dynamic_schema_open(buffer_slice(&bytes), &out, &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    memset(buffer_grow(&bytes, LIMIT_DYNAMIC_SCHEMA_BYTES), 0, LIMIT_DYNAMIC_SCHEMA_BYTES);
    assert_int_equal(dynamic_schema_open(buffer_slice(&bytes), &out, &err),
                     CANDOR_RESOURCE_EXHAUSTED);
    buffer_free(&bytes);
}

static void try_schema(const uint8_t *bytes, size_t length)
{
    struct dynamic_schema *out = NULL;
    struct candor_error err = {0};
    json_t *json = NULL;
    if (dynamic_schema_open(slice_of(bytes, length), &out, &err) != CANDOR_OK) {
        assert_null(out);
        assert_int_not_equal(err.code, CANDOR_OK);
        return;
    }
    for (size_t i = 0; i < dynamic_method_count(out); i++) {
        const struct dynamic_method *method = dynamic_method_at(out, i);
        dynamic_decode(method->output, slice_of(bytes, length < 200 ? length : 200), &json, &err);
        json_decref(json);
        json = NULL;
    }
    dynamic_schema_close(out);
}

static void changed_descriptors_never_crash(void **state)
{
    (void)state;
    size_t length = candor_descriptors_bytes;
    struct rng rng;
    rng_seed(&rng, 3);
    for (size_t cut = 0; cut < length; cut += 97) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, candor_descriptors, cut);
        try_schema(exact, cut);
        free(exact);
    }
    for (int round = 0; round < 1500; round++) {
        uint8_t *copy = malloc(length + 1);
        memcpy(copy, candor_descriptors, length);
        for (uint64_t changes = 1 + rng_below(&rng, 3); changes > 0; changes--)
            copy[rng_below(&rng, length)] = (uint8_t)rng_next(&rng);
        try_schema(copy, length);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_survive_a_round_trip),
        cmocka_unit_test(absent_and_zero_stay_apart_in_a_oneof),
        cmocka_unit_test(replication_messages_survive_a_round_trip),
        cmocka_unit_test(every_type_survives_a_round_trip_at_its_ends),
        cmocka_unit_test(other_spellings_mean_the_same),
        cmocka_unit_test(wrong_values_are_refused_by_name),
        cmocka_unit_test(two_members_of_a_oneof_are_refused),
        cmocka_unit_test(numbers_are_taken_packed_and_unpacked),
        cmocka_unit_test(the_last_value_counts_and_messages_merge),
        cmocka_unit_test(the_last_member_of_a_oneof_counts),
        cmocka_unit_test(unknown_fields_and_groups_are_skipped),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(messages_that_nest_too_deep_are_refused),
        cmocka_unit_test(json_that_nests_too_deep_is_refused),
        cmocka_unit_test(bytes_that_unfold_to_too_much_are_refused),
        cmocka_unit_test(changed_bytes_never_crash),
        cmocka_unit_test(methods_are_found_by_any_end_that_is_theirs_alone),
        cmocka_unit_test(a_method_that_two_services_have_needs_its_service),
        cmocka_unit_test(comments_of_the_proto_files_are_kept),
        cmocka_unit_test(descriptors_that_nest_too_deep_are_refused),
        cmocka_unit_test(descriptors_that_unfold_to_too_much_are_refused),
        cmocka_unit_test(changed_descriptors_never_crash),
    };
    return cmocka_run_group_tests(tests, open_schemas, close_schemas);
}
