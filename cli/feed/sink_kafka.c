/* Messages to a topic of Kafka, by librdkafka.
 *
 * A commit is a transaction: a reader of committed records sees all of an answer or nothing, in
 * every partition. The transactional id is the topic's, so that of two feeds the later one fences
 * the earlier one at the brokers. A producer that has failed is not repaired but made anew: its
 * transaction is aborted by the next one's beginning, and the topic says what it has. */
#include "cli/feed/sink.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/memory.h"
#include "cli/feed/feed_settings.h"

/* Records at the end of a partition that are looked at first, for the newest one that counts:
 * markers of transactions, and what was aborted, stand between them. */
#define TAIL_RECORDS 16
#define MESSAGE_BYTES_MAX "33554432" /* a value of the largest size, and its headers */

struct sink {
    const struct feed_arguments *arguments;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topic;
    rd_kafka_conf_t *reading; /* of the consumer that looks for the newest record; NULL: used up */
    int partitions;
    rd_kafka_resp_err_t refused; /* of the first record that was; 0: none */
};

/* ---- Errors ---------------------------------------------------------------------------------- */

/* What can pass, and what a person has to look at. */
static enum candor_code code_of(rd_kafka_resp_err_t why)
{
    switch (why) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return CANDOR_ABORTED;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return CANDOR_RESOURCE_EXHAUSTED;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return CANDOR_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return CANDOR_FAILED_PRECONDITION;
    default:
        return CANDOR_UNAVAILABLE;
    }
}

static enum candor_code fail(const struct sink *sink, rd_kafka_resp_err_t why, const char *what,
                             const char *detail, struct candor_error *err)
{
    enum candor_code code = code_of(why);
    return candor_error_set(err, code, CANDOR_REASON_NONE, "%s, topic %s: %s: %s",
                            sink->arguments->kafka, sink->arguments->topic, what,
                            code == CANDOR_ABORTED ? "another candor-feed of this topic has taken "
                                                     "over: this one ends"
                                                   : detail);
}

/* Takes the error. */
static enum candor_code fail_of(const struct sink *sink, rd_kafka_error_t *error, const char *what,
                                struct candor_error *err)
{
    fail(sink, rd_kafka_error_code(error), what, rd_kafka_error_string(error), err);
    rd_kafka_error_destroy(error);
    return err->code;
}

/* ---- Settings -------------------------------------------------------------------------------- */

/* On a thread of librdkafka. What matters comes as an error, too. */
static void line_told(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    log_debug("librdkafka", "level=%d facility=%s text=\"%s\"", level, facility, text);
}

static void record_told(rd_kafka_t *client, const rd_kafka_message_t *record, void *closure)
{
    (void)client;
    struct sink *sink = closure;
    if (record->err != 0 && sink->refused == 0)
        sink->refused = record->err;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char why[256])
{
    return rd_kafka_conf_set(conf, name, value, why, 256) == RD_KAFKA_CONF_OK;
}

/* What the order and the cursor rest on is not for others to set. */
static bool take_setting(void *closure, const char *name, const char *value, char why[256])
{
    static const char *const own[] = {"bootstrap.servers", "metadata.broker.list",
                                      "enable.idempotence", "isolation.level",
                                      "enable.partition.eof"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(name, own[i]) == 0) {
            snprintf(why, 256, "%s is set by candor-feed itself", name);
            return false;
        }
    return set(closure, name, value, why);
}

static bool set_own(const struct feed_arguments *arguments, rd_kafka_conf_t *conf, char why[256])
{
    char id[512];
    snprintf(id, sizeof id, "candor-feed.%s", arguments->topic);
    return set(conf, "bootstrap.servers", arguments->kafka, why) &&
           set(conf, "client.id", "candor-feed", why) && set(conf, "transactional.id", id, why) &&
           set(conf, "message.max.bytes", MESSAGE_BYTES_MAX, why) &&
           set(conf, "partitioner", "murmur2", why); /* as the clients of Java place keys */
}

/* The same for who writes and who reads; each is told not to mind what is the other's. */
static enum candor_code make_conf(const struct feed_arguments *arguments, rd_kafka_conf_t **out,
                                  struct candor_error *err)
{
    char why[256] = "";
    *out = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(*out, line_told);
    if (!set_own(arguments, *out, why))
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "--kafka: %s",
                                why);
    return feed_settings_read(arguments->settings, take_setting, *out, err);
}

/* Takes the settings. */
static enum candor_code make_client(rd_kafka_type_t type, rd_kafka_conf_t **conf, rd_kafka_t **out,
                                    struct candor_error *err)
{
    char why[256] = "";
    *out = rd_kafka_new(type, *conf, why, sizeof why);
    if (*out == NULL)
        return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "librdkafka: %s",
                                why);
    *conf = NULL;
    return CANDOR_OK;
}

/* ---- The newest record ----------------------------------------------------------------------- */

static struct candor_bytes header_of(const rd_kafka_message_t *record, const char *name)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t length = 0;
    if (rd_kafka_message_headers(record, &headers) != 0 ||
        rd_kafka_header_get_last(headers, name, &value, &length) != 0)
        return (struct candor_bytes){0};
    return (struct candor_bytes){value, length};
}

/* librdkafka ends each header's value with a zero byte of its own. */
static const char *text_of(struct candor_bytes bytes)
{
    return bytes.data != NULL && strlen(bytes.data) == bytes.length ? bytes.data : NULL;
}

static enum candor_code take_record(const struct sink *sink, const rd_kafka_message_t *record,
                                    struct newest *out, struct candor_error *err)
{
    struct mark mark;
    char where[300];
    snprintf(where, sizeof where, "topic %s", sink->arguments->topic);
    if (newest_take(text_of(header_of(record, FEED_HEADER_RESUME)), where, &mark, err) != CANDOR_OK)
        return err->code;
    if (out->found != NEWEST_FOUND || mark.number > out->mark.number)
        out->mark = mark;
    out->found = NEWEST_FOUND;
    return CANDOR_OK;
}

/* The last record from `start` on. NULL and OK: there is none. */
static enum candor_code read_tail(const struct sink *sink, rd_kafka_topic_t *topic, int partition,
                                  int64_t start, rd_kafka_message_t **last,
                                  struct candor_error *err)
{
    rd_kafka_resp_err_t why = 0;
    uint64_t until_ns = clock_boot_ns() + LIMIT_FEED_ACK_MS * NS_PER_MS;
    *last = NULL;
    if (rd_kafka_consume_start(topic, partition, start) != 0)
        return fail(sink, rd_kafka_last_error(), "reading", "cannot begin", err);
    while (why == 0) {
        rd_kafka_message_t *record = rd_kafka_consume(topic, partition, 500);
        if (record != NULL && record->err == 0) {
            if (*last != NULL)
                rd_kafka_message_destroy(*last);
            *last = record;
            continue;
        }
        if (record != NULL) {
            why = record->err;
            rd_kafka_message_destroy(record);
        } else if (clock_boot_ns() >= until_ns)
            why = RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    rd_kafka_consume_stop(topic, partition);
    if (why == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return CANDOR_OK;
    return fail(sink, why, "reading its last records", rd_kafka_err2str(why), err);
}

static enum candor_code newest_of_partition(const struct sink *sink, rd_kafka_t *reader,
                                            rd_kafka_topic_t *topic, int partition,
                                            struct newest *out, struct candor_error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    rd_kafka_resp_err_t why = rd_kafka_query_watermark_offsets(
        reader, sink->arguments->topic, partition, &low, &high, LIMIT_FEED_ACK_MS);
    if (why != 0)
        return fail(sink, why, "asking how long it is", rd_kafka_err2str(why), err);
    if (high > 0 && out->found == NEWEST_NONE)
        out->found = NEWEST_LOST;
    rd_kafka_message_t *last = NULL;
    for (int64_t wanted = TAIL_RECORDS; last == NULL && high > low; wanted *= 16) {
        int64_t start = high - low > wanted ? high - wanted : low;
        if (read_tail(sink, topic, partition, start, &last, err) != CANDOR_OK)
            break;
        if (last == NULL && start == low)
            return CANDOR_OK;
    }
    if (last == NULL)
        return high > low ? err->code : CANDOR_OK;
    enum candor_code code = take_record(sink, last, out, err);
    rd_kafka_message_destroy(last);
    return code;
}

static enum candor_code kafka_newest(struct sink *sink, struct newest *out,
                                     struct candor_error *err)
{
    rd_kafka_t *reader = NULL;
    *out = (struct newest){.found = NEWEST_NONE};
    *err = (struct candor_error){0};
    if (make_client(RD_KAFKA_CONSUMER, &sink->reading, &reader, err) != CANDOR_OK)
        return err->code;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader, sink->arguments->topic, NULL);
    for (int i = 0; i < sink->partitions && err->code == CANDOR_OK; i++)
        newest_of_partition(sink, reader, topic, i, out, err);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(reader);
    return err->code;
}

/* ---- Records --------------------------------------------------------------------------------- */

static enum candor_code kafka_begin(struct sink *sink, struct candor_error *err)
{
    sink->refused = 0;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(sink->producer);
    return error == NULL ? CANDOR_OK : fail_of(sink, error, "beginning a transaction", err);
}

static rd_kafka_headers_t *headers_of(const struct feed_message *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count + 2);
    for (size_t i = 0; i < message->header_count; i++)
        rd_kafka_header_add(headers, message->headers[i].name, -1, message->headers[i].value, -1);
    if (message->id[0] != '\0')
        rd_kafka_header_add(headers, "Candor-Id", -1, message->id, -1);
    rd_kafka_header_add(headers, FEED_HEADER_RESUME, -1, message->resume, -1);
    return headers;
}

/* A tombstone has no value, an empty value is one. The feed's own messages have an empty key: no
 * key of a cluster is that, and a topic that is compacted takes no record without. */
static rd_kafka_resp_err_t produce(struct sink *sink, const struct feed_message *message,
                                   int32_t partition)
{
    rd_kafka_headers_t *headers = headers_of(message);
    bool empty = message->value.length == 0;
    const void *value = message->kind == FEED_DELETE ? NULL : empty ? "" : message->value.data;
    const void *key = message->key.length == 0 ? "" : message->key.data;
    rd_kafka_resp_err_t why = rd_kafka_producev(
        sink->producer, RD_KAFKA_V_RKT(sink->topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key, message->key.length),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, message->value.length),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (why != 0)
        rd_kafka_headers_destroy(headers);
    return why;
}

static enum candor_code send_to(struct sink *sink, const struct feed_message *message,
                                int32_t partition, struct candor_error *err)
{
    uint64_t until_ns = clock_boot_ns() + LIMIT_FEED_ACK_MS * NS_PER_MS;
    rd_kafka_resp_err_t why = produce(sink, message, partition);
    while (why == RD_KAFKA_RESP_ERR__QUEUE_FULL && clock_boot_ns() < until_ns) {
        rd_kafka_poll(sink->producer, 100);
        why = produce(sink, message, partition);
    }
    return why == 0 ? CANDOR_OK : fail(sink, why, "sending", rd_kafka_err2str(why), err);
}

/* Whoever reads one partition is told, too. */
static enum candor_code kafka_add(struct sink *sink, const struct feed_message *message,
                                  struct candor_error *err)
{
    if (feed_kind_has_key(message->kind))
        return send_to(sink, message, RD_KAFKA_PARTITION_UA, err);
    for (int i = 0; i < sink->partitions; i++)
        if (send_to(sink, message, i, err) != CANDOR_OK)
            return err->code;
    return CANDOR_OK;
}

static enum candor_code kafka_commit(struct sink *sink, struct candor_error *err)
{
    rd_kafka_error_t *error = rd_kafka_commit_transaction(sink->producer, LIMIT_FEED_ACK_MS);
    rd_kafka_resp_err_t why = sink->refused;
    if (error == NULL)
        return CANDOR_OK;
    /* What a record was refused for says more than that the transaction failed. */
    if (why == 0 || code_of(rd_kafka_error_code(error)) == CANDOR_ABORTED)
        return fail_of(sink, error, "committing", err);
    rd_kafka_error_destroy(error);
    return fail(sink, why, "sending", rd_kafka_err2str(why), err);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static void kafka_close(struct sink *sink)
{
    if (sink->topic != NULL)
        rd_kafka_topic_destroy(sink->topic);
    if (sink->producer != NULL) {
        rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                           RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(sink->producer);
    }
    if (sink->reading != NULL)
        rd_kafka_conf_destroy(sink->reading);
    free(sink);
}

static enum candor_code count_partitions(struct sink *sink, struct candor_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t why =
        rd_kafka_metadata(sink->producer, 0, sink->topic, &metadata, LIMIT_FEED_ACK_MS);
    if (why == 0 && metadata->topic_cnt == 1) {
        why = metadata->topics[0].err;
        sink->partitions = metadata->topics[0].partition_cnt;
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (why == 0 && sink->partitions > 0)
        return CANDOR_OK;
    why = why == 0 ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : why;
    return fail(sink, why, "asking for its partitions", rd_kafka_err2str(why), err);
}

/* From here on an earlier producer of this topic is fenced, and what it has not committed is
 * aborted. */
static enum candor_code start(struct sink *sink, struct candor_error *err)
{
    rd_kafka_conf_t *writing = NULL;
    if (make_conf(sink->arguments, &sink->reading, err) != CANDOR_OK)
        return err->code;
    writing = rd_kafka_conf_dup(sink->reading);
    rd_kafka_conf_set_opaque(writing, sink);
    rd_kafka_conf_set_dr_msg_cb(writing, record_told);
    char why[256];
    set(sink->reading, "isolation.level", "read_committed", why);
    set(sink->reading, "enable.partition.eof", "true", why);
    if (make_client(RD_KAFKA_PRODUCER, &writing, &sink->producer, err) != CANDOR_OK) {
        rd_kafka_conf_destroy(writing);
        return err->code;
    }
    sink->topic = rd_kafka_topic_new(sink->producer, sink->arguments->topic, NULL);
    if (sink->topic == NULL)
        return fail(sink, rd_kafka_last_error(), "opening it",
                    rd_kafka_err2str(rd_kafka_last_error()), err);
    rd_kafka_error_t *error = rd_kafka_init_transactions(sink->producer, LIMIT_FEED_ACK_MS);
    if (error != NULL)
        return fail_of(sink, error, "beginning", err);
    return count_partitions(sink, err);
}

static enum candor_code kafka_open(const struct feed_arguments *arguments, const char *feed,
                                   struct sink **out, struct candor_error *err)
{
    (void)feed;
    struct sink *sink = memory_zeroed(1, sizeof *sink);
    sink->arguments = arguments;
    if (start(sink, err) != CANDOR_OK) {
        kafka_close(sink);
        return err->code;
    }
    *out = sink;
    return CANDOR_OK;
}

const struct sink_ops sink_kafka = {.open = kafka_open,
                                    .newest = kafka_newest,
                                    .begin = kafka_begin,
                                    .add = kafka_add,
                                    .commit = kafka_commit,
                                    .close = kafka_close};
