/* A cluster of Kafka for tests: librdkafka's mock, which speaks Kafka's protocol on loopback.
 *
 * kafka-mock BROKERS prints the brokers' addresses, then takes commands on stdin and ends with it:
 *   topic NAME PARTITIONS   makes a topic
 *   read NAME PARTITIONS    prints its records, a line of JSON each, then an empty line
 *   down, up                all brokers, and again
 *   fence                   the next commit finds that another producer has taken over
 * After each command but `read` an empty line is printed. What of a transaction that was not
 * committed stays visible: the mock has no markers. */
#include <inttypes.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { END_TXN = 26, ADD_PARTITIONS_TO_TXN = 24 };

static rd_kafka_t *client_of(rd_kafka_type_t type, const char *servers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    if (servers != NULL)
        rd_kafka_conf_set(conf, "bootstrap.servers", servers, NULL, 0);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL) {
        fprintf(stderr, "kafka-mock: %s\n", why);
        exit(1);
    }
    return client;
}

/* ---- Records --------------------------------------------------------------------------------- */

static json_t *text(const void *bytes, size_t length)
{
    return bytes == NULL ? json_null() : json_stringn(bytes, length);
}

static json_t *headers_of(const rd_kafka_message_t *record)
{
    rd_kafka_headers_t *headers = NULL;
    json_t *out = json_object();
    const char *name;
    const void *value;
    size_t length;
    if (rd_kafka_message_headers(record, &headers) != 0)
        return out;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &length) == 0; i++)
        json_object_set_new(out, name, text(value, length));
    return out;
}

static void print_record(const rd_kafka_message_t *record)
{
    json_t *out = json_object();
    json_object_set_new(out, "partition", json_integer(record->partition));
    json_object_set_new(out, "offset", json_integer(record->offset));
    json_object_set_new(out, "key", text(record->key, record->key_len));
    json_object_set_new(out, "value", text(record->payload, record->len));
    json_object_set_new(out, "headers", headers_of(record));
    char *line = json_dumps(out, JSON_COMPACT);
    puts(line);
    free(line);
    json_decref(out);
}

static void read_partition(rd_kafka_topic_t *topic, int partition)
{
    bool more = rd_kafka_consume_start(topic, partition, RD_KAFKA_OFFSET_BEGINNING) == 0;
    while (more) {
        rd_kafka_message_t *record = rd_kafka_consume(topic, partition, 10000);
        if (record == NULL) {
            fprintf(stderr, "kafka-mock: no end of partition %d\n", partition);
            exit(1);
        }
        more = record->err == 0;
        if (more)
            print_record(record);
        rd_kafka_message_destroy(record);
    }
    rd_kafka_consume_stop(topic, partition);
}

static void read_topic(const char *servers, const char *name, int partitions)
{
    rd_kafka_t *reader = client_of(RD_KAFKA_CONSUMER, servers);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader, name, NULL);
    for (int i = 0; i < partitions; i++)
        read_partition(topic, i);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(reader);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void all_brokers(rd_kafka_mock_cluster_t *cluster, int brokers, bool up)
{
    for (int i = 1; i <= brokers; i++)
        up ? rd_kafka_mock_broker_set_up(cluster, i) : rd_kafka_mock_broker_set_down(cluster, i);
}

static void obey(rd_kafka_mock_cluster_t *cluster, int brokers, const char *line)
{
    char name[256];
    int partitions = 0;
    if (sscanf(line, "topic %255s %d", name, &partitions) == 2)
        rd_kafka_mock_topic_create(cluster, name, partitions, 1);
    else if (sscanf(line, "read %255s %d", name, &partitions) == 2)
        read_topic(rd_kafka_mock_cluster_bootstraps(cluster), name, partitions);
    else if (strcmp(line, "down\n") == 0 || strcmp(line, "up\n") == 0)
        all_brokers(cluster, brokers, line[0] == 'u');
    else if (strcmp(line, "fence\n") == 0) {
        rd_kafka_mock_push_request_errors(cluster, ADD_PARTITIONS_TO_TXN, 1,
                                          RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
        rd_kafka_mock_push_request_errors(cluster, END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    } else
        fprintf(stderr, "kafka-mock: what is %s", line);
    puts("");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int brokers = argc == 2 ? atoi(argv[1]) : 0;
    if (brokers < 1) {
        fprintf(stderr, "usage: kafka-mock BROKERS\n");
        return 2;
    }
    rd_kafka_t *owner = client_of(RD_KAFKA_PRODUCER, NULL);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(owner, brokers);
    char line[512];
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(cluster, brokers, line);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
