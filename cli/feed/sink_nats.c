/* Messages to a stream of NATS JetStream, by libnats.
 *
 * Each message says which one it expects to be the stream's last: so all of a commit stand behind
 * each other, a lost one lets none pass that comes behind it, and whoever else writes to the stream
 * is noticed by the server, whatever was delayed on its way. libnats does not dial again by itself:
 * what a connection held is gone with it, and the stream says what it has. */
#include "cli/feed/sink.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/feed/feed_settings.h"

#define HEADER_ID "Nats-Msg-Id"
#define HEADER_STREAM "Nats-Expected-Stream"
#define HEADER_LAST "Nats-Expected-Last-Sequence"

struct sink {
    const struct feed_arguments *arguments;
    const char *feed;
    natsOptions *options;
    natsConnection *connection;
    jsCtx *jetstream;
    uint64_t last;  /* the stream's, when all that was added is there */
    bool committed; /* something of this process, by this connection */
    char *subject;  /* FEED_SUBJECT_BYTES */
};

/* The first message that the server refused, as libnats's threads tell it. They may do so when the
 * sink is gone: it is the process's. */
static struct {
    pthread_mutex_t lock;
    natsStatus status; /* NATS_OK: none */
    jsErrCode code;
    char why[200];
} refused = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Errors ---------------------------------------------------------------------------------- */

/* What can pass, and what a person has to look at. */
static enum candor_code code_of(natsStatus status, jsErrCode why)
{
    if (why == JSStreamMessageExceedsMaximumErr || status == NATS_MAX_PAYLOAD)
        return CANDOR_RESOURCE_EXHAUSTED;
    if (why == JSStreamNotFoundErr)
        return CANDOR_NOT_FOUND;
    if (why == JSNotEnabledErr || why == JSNotEnabledForAccountErr ||
        status == NATS_CONNECTION_AUTH_FAILED || status == NATS_NOT_PERMITTED)
        return CANDOR_FAILED_PRECONDITION;
    return CANDOR_UNAVAILABLE;
}

/* What libnats says more of it than its status, without the place in its source. */
static const char *detail_of(natsStatus status)
{
    natsStatus last;
    const char *detail = nats_GetLastError(&last);
    if (detail == NULL || detail[0] == '\0' || last != status)
        return natsStatus_GetText(status);
    const char *behind = detail[0] == '(' ? strstr(detail, "): ") : NULL;
    return behind == NULL ? detail : behind + 3;
}

static enum candor_code fail(const struct sink *sink, natsStatus status, jsErrCode why,
                             const char *what, struct candor_error *err)
{
    return candor_error_set(err, code_of(status, why), CANDOR_REASON_NONE, "%s, stream %s: %s: %s",
                            sink->arguments->nats, sink->arguments->stream, what,
                            detail_of(status));
}

/* ---- Settings -------------------------------------------------------------------------------- */

/* Of two lines; kept until the connection's options are complete. */
struct nats_settings {
    char user[256];
    char password[1024];
    char certificate[1024];
    char key[1024];
    bool secure; /* one of tls.*: never without it */
    natsOptions *options;
};

static bool keep(char *to, size_t room, const char *value, char why[256])
{
    if (strlen(value) < room) {
        memcpy(to, value, strlen(value) + 1);
        return true;
    }
    snprintf(why, 256, "the value is too long");
    return false;
}

static bool take_setting(void *closure, const char *name, const char *value, char why[256])
{
    struct nats_settings *settings = closure;
    natsStatus status = NATS_OK;
    settings->secure |= strncmp(name, "tls.", 4) == 0;
    if (strcmp(name, "user") == 0)
        return keep(settings->user, sizeof settings->user, value, why);
    if (strcmp(name, "password") == 0)
        return keep(settings->password, sizeof settings->password, value, why);
    if (strcmp(name, "tls.certificate") == 0)
        return keep(settings->certificate, sizeof settings->certificate, value, why);
    if (strcmp(name, "tls.key") == 0)
        return keep(settings->key, sizeof settings->key, value, why);
    if (strcmp(name, "token") == 0)
        status = natsOptions_SetToken(settings->options, value);
    else if (strcmp(name, "credentials") == 0)
        status = natsOptions_SetUserCredentialsFromFiles(settings->options, value, NULL);
    else if (strcmp(name, "tls.ca") == 0)
        status = natsOptions_LoadCATrustedCertificates(settings->options, value);
    else {
        snprintf(why, 256,
                 "unknown setting; there are user, password, token, credentials, tls.ca, "
                 "tls.certificate, tls.key");
        return false;
    }
    if (status != NATS_OK)
        snprintf(why, 256, "%s: %s", name, natsStatus_GetText(status));
    return status == NATS_OK;
}

static enum candor_code take_settings(struct sink *sink, struct candor_error *err)
{
    struct nats_settings *settings = memory_zeroed(1, sizeof *settings);
    settings->options = sink->options;
    enum candor_code code =
        feed_settings_read(sink->arguments->settings, take_setting, settings, err);
    natsStatus status = NATS_OK;
    if (code == CANDOR_OK && settings->user[0] != '\0')
        status = natsOptions_SetUserInfo(sink->options, settings->user, settings->password);
    if (code == CANDOR_OK && status == NATS_OK && settings->secure)
        status = natsOptions_SetSecure(sink->options, true);
    if (code == CANDOR_OK && status == NATS_OK && settings->certificate[0] != '\0')
        status =
            natsOptions_LoadCertificatesChain(sink->options, settings->certificate, settings->key);
    if (status != NATS_OK)
        code =
            candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_NONE, "--settings: %s: %s",
                             sink->arguments->settings, natsStatus_GetText(status));
    free(settings);
    return code;
}

/* ---- The connection -------------------------------------------------------------------------- */

static void refuse(natsStatus status, jsErrCode code, const char *why)
{
    pthread_mutex_lock(&refused.lock);
    if (refused.status == NATS_OK) {
        refused.status = status;
        refused.code = code;
        snprintf(refused.why, sizeof refused.why, "%s", why);
    }
    pthread_mutex_unlock(&refused.lock);
}

/* On a thread of libnats. The first refusal says why; the others follow from it. A message that is
 * there already has not come behind the one that was expected: somebody else has sent it. */
static void message_told(jsCtx *jetstream, natsMsg *message, jsPubAck *there, jsPubAckErr *error,
                         void *closure)
{
    (void)jetstream;
    (void)closure;
    if (error != NULL)
        refuse(error->Err, error->ErrCode,
               error->ErrText == NULL ? natsStatus_GetText(error->Err) : error->ErrText);
    else if (there != NULL && there->Duplicate)
        refuse(NATS_ERR, JSStreamWrongLastSequenceErr, "it has the message already");
    natsMsg_Destroy(message);
}

/* Told by what is called; libnats would print it. */
static void error_told(natsConnection *connection, natsSubscription *subscription,
                       natsStatus status, void *closure)
{
    (void)connection;
    (void)subscription;
    (void)status;
    (void)closure;
}

static natsStatus set_servers(struct sink *sink)
{
    char *list = memory_given(strdup(sink->arguments->nats));
    const char *servers[LIMIT_FEED_SERVERS];
    int count = 0;
    for (char *next = list; next != NULL && count < LIMIT_FEED_SERVERS;)
        servers[count++] = strsep(&next, ",");
    natsStatus status = natsOptions_SetServers(sink->options, servers, count);
    free(list);
    return status;
}

static natsStatus set_options(struct sink *sink)
{
    natsStatus status = set_servers(sink);
    status = status == NATS_OK ? natsOptions_SetAllowReconnect(sink->options, false) : status;
    status = status == NATS_OK ? natsOptions_SetTimeout(sink->options, 2000) : status;
    status =
        status == NATS_OK ? natsOptions_SetWriteDeadline(sink->options, LIMIT_FEED_ACK_MS) : status;
    status = status == NATS_OK ? natsOptions_SetName(sink->options, "candor-feed") : status;
    return status == NATS_OK ? natsOptions_SetErrorHandler(sink->options, error_told, NULL)
                             : status;
}

static enum candor_code dial(struct sink *sink, struct candor_error *err)
{
    natsStatus status = natsOptions_Create(&sink->options);
    status = status == NATS_OK ? set_options(sink) : status;
    if (status != NATS_OK)
        return fail(sink, status, 0, "options", err);
    if (take_settings(sink, err) != CANDOR_OK)
        return err->code;
    status = natsConnection_Connect(&sink->connection, sink->options);
    if (status != NATS_OK)
        return fail(sink, status, 0, "connecting", err);
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = LIMIT_FEED_ACK_MS;
    options.PublishAsync.AckHandler = message_told;
    status = natsConnection_JetStream(&sink->jetstream, sink->connection, &options);
    return status == NATS_OK ? CANDOR_OK : fail(sink, status, 0, "JetStream", err);
}

/* ---- The stream ------------------------------------------------------------------------------ */

static enum candor_code create_stream(struct sink *sink, jsStreamInfo **info,
                                      struct candor_error *err)
{
    char all[FEED_SUBJECT_BYTES];
    snprintf(all, sizeof all, "%s.>", sink->arguments->subjects.prefix);
    const char *subjects[] = {all};
    jsStreamConfig config;
    jsErrCode why = 0;
    jsStreamConfig_Init(&config);
    config.Name = sink->arguments->stream;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    natsStatus status = js_AddStream(info, sink->jetstream, &config, NULL, &why);
    return status == NATS_OK ? CANDOR_OK : fail(sink, status, why, "making it", err);
}

static bool covers(const jsStreamConfig *config, const char *prefix)
{
    for (int i = 0; i < config->SubjectsLen; i++)
        if (feed_subject_covered(config->Subjects[i], prefix))
            return true;
    return false;
}

/* A stream that forgets its newest message, or does not say what it has stored, keeps no cursor. */
static enum candor_code check_stream(const struct sink *sink, const jsStreamConfig *config,
                                     struct candor_error *err)
{
    const char *wrong = NULL;
    if (!covers(config, sink->arguments->subjects.prefix))
        wrong = "its subjects are not those below --subject-prefix";
    else if (config->Retention != js_LimitsPolicy)
        wrong = "its retention is not `limits`: what is consumed would take the cursor along";
    else if (config->NoAck)
        wrong = "it acknowledges nothing (no_ack)";
    else if (config->Mirror != NULL || config->SourcesLen > 0)
        wrong = "it has messages of other streams (a mirror, or sources)";
    if (wrong == NULL)
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "%s, stream %s cannot be fed: %s", sink->arguments->nats,
                            sink->arguments->stream, wrong);
}

static enum candor_code stream_info(struct sink *sink, jsStreamInfo **info,
                                    struct candor_error *err)
{
    jsErrCode why = 0;
    natsStatus status =
        js_GetStreamInfo(info, sink->jetstream, sink->arguments->stream, NULL, &why);
    if (status == NATS_OK)
        return check_stream(sink, (*info)->Config, err);
    if (why == JSStreamNotFoundErr && sink->arguments->create_stream)
        return create_stream(sink, info, err);
    fail(sink, status, why,
         why == JSStreamNotFoundErr ? "make it, or give --create-stream" : "asking for it", err);
    return err->code;
}

/* ---- The newest message ---------------------------------------------------------------------- */

static const char *header_of(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

static enum candor_code take_message(struct sink *sink, natsMsg *message, struct newest *out,
                                     struct candor_error *err)
{
    char where[200];
    snprintf(where, sizeof where, "stream %s", sink->arguments->stream);
    out->found = NEWEST_FOUND;
    return newest_take(header_of(message, FEED_HEADER_RESUME), where, &out->mark, err);
}

/* From the end back: single messages may have been deleted. `message` NULL: there is none. */
static enum candor_code last_message(struct sink *sink, uint64_t first, uint64_t last,
                                     natsMsg **message, struct candor_error *err)
{
    *message = NULL;
    for (uint64_t seq = last; seq >= first && seq > 0 && last - seq < LIMIT_FEED_LOOK_BACK; seq--) {
        jsErrCode why = 0;
        natsStatus status =
            js_GetMsg(message, sink->jetstream, sink->arguments->stream, seq, NULL, &why);
        if (status == NATS_OK)
            return CANDOR_OK;
        *message = NULL;
        if (status != NATS_NOT_FOUND && why != JSNoMessageFoundErr)
            return fail(sink, status, why, "reading its last message", err);
    }
    return CANDOR_OK;
}

static enum candor_code nats_newest(struct sink *sink, struct newest *out, struct candor_error *err)
{
    jsStreamInfo *info = NULL;
    natsMsg *message = NULL;
    *out = (struct newest){.found = NEWEST_NONE};
    enum candor_code code = stream_info(sink, &info, err);
    if (code != CANDOR_OK)
        goto cleanup;
    sink->last = info->State.LastSeq;
    if (sink->last == 0)
        goto cleanup;
    if (info->State.Msgs > 0)
        code = last_message(sink, info->State.FirstSeq, sink->last, &message, err);
    out->found = NEWEST_LOST;
    if (code == CANDOR_OK && message != NULL)
        code = take_message(sink, message, out, err);
cleanup:
    natsMsg_Destroy(message);
    jsStreamInfo_Destroy(info);
    return code;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static enum candor_code nats_begin(struct sink *sink, struct candor_error *err)
{
    (void)sink;
    (void)err;
    pthread_mutex_lock(&refused.lock);
    refused.status = NATS_OK;
    pthread_mutex_unlock(&refused.lock);
    return CANDOR_OK;
}

static natsStatus set_headers(const struct sink *sink, natsMsg *out,
                              const struct feed_message *message)
{
    char last[24];
    snprintf(last, sizeof last, "%" PRIu64, sink->last);
    natsStatus status = natsMsgHeader_Set(out, HEADER_LAST, last);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(out, HEADER_STREAM, sink->arguments->stream);
    if (status == NATS_OK && message->id[0] != '\0')
        status = natsMsgHeader_Set(out, HEADER_ID, message->id);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(out, FEED_HEADER_RESUME, message->resume);
    for (size_t i = 0; i < message->header_count && status == NATS_OK; i++)
        status = natsMsgHeader_Set(out, message->headers[i].name, message->headers[i].value);
    return status;
}

static enum candor_code nats_add(struct sink *sink, const struct feed_message *message,
                                 struct candor_error *err)
{
    natsMsg *out = NULL;
    if (feed_kind_has_key(message->kind))
        feed_subject_of_key(&sink->arguments->subjects, message->key, sink->subject);
    else
        feed_subject_of_control(&sink->arguments->subjects, sink->subject);
    natsStatus status =
        natsMsg_Create(&out, sink->subject, NULL, message->value.data, (int)message->value.length);
    status = status == NATS_OK ? set_headers(sink, out, message) : status;
    status = status == NATS_OK ? js_PublishMsgAsync(sink->jetstream, &out, NULL) : status;
    natsMsg_Destroy(out);
    if (status == NATS_OK) {
        sink->last++;
        return CANDOR_OK;
    }
    if (status != NATS_MAX_PAYLOAD)
        return fail(sink, status, 0, "publishing", err);
    return candor_error_set(err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_TOO_LARGE,
                            "%s: a value of %zu bytes and its headers are more than the server "
                            "takes in a message, %" PRId64 " bytes: raise its max_payload",
                            sink->subject, message->value.length,
                            natsConnection_GetMaxPayload(sink->connection));
}

/* The stream's last message is not the one that was expected: an acknowledgement of ours was lost,
 * or somebody else writes. */
static enum candor_code judge_last(struct sink *sink, struct candor_error *err)
{
    jsStreamInfo *info = NULL;
    natsMsg *message = NULL;
    bool other = false;
    if (sink->committed && stream_info(sink, &info, err) == CANDOR_OK &&
        last_message(sink, info->State.FirstSeq, info->State.LastSeq, &message, err) == CANDOR_OK &&
        message != NULL) {
        const char *feed = header_of(message, FEED_HEADER_FEED);
        other = feed == NULL || strcmp(feed, sink->feed) != 0;
    }
    natsMsg_Destroy(message);
    jsStreamInfo_Destroy(info);
    if (other)
        return candor_error_set(err, CANDOR_ABORTED, CANDOR_REASON_NONE,
                                "another candor-feed, or somebody else, writes to stream %s: this "
                                "one ends",
                                sink->arguments->stream);
    return candor_error_set(err, CANDOR_UNAVAILABLE, CANDOR_REASON_NONE,
                            "stream %s has another last message than expected",
                            sink->arguments->stream);
}

static enum candor_code judge_refused(struct sink *sink, struct candor_error *err)
{
    pthread_mutex_lock(&refused.lock);
    jsErrCode why = refused.code;
    candor_error_set(err, code_of(refused.status, why), CANDOR_REASON_NONE, "%s, stream %s: %s",
                     sink->arguments->nats, sink->arguments->stream, refused.why);
    pthread_mutex_unlock(&refused.lock);
    if (why == JSStreamWrongLastSequenceErr)
        return judge_last(sink, err);
    return err->code;
}

/* In slices: libnats goes on waiting when the connection is lost. */
static natsStatus wait_for_all(struct sink *sink)
{
    uint64_t until_ns = clock_boot_ns() + LIMIT_FEED_ACK_MS * NS_PER_MS;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = 100;
    for (;;) {
        natsStatus status = js_PublishAsyncComplete(sink->jetstream, &options);
        if (status != NATS_TIMEOUT || clock_boot_ns() >= until_ns)
            return status;
        if (natsConnection_IsClosed(sink->connection))
            return NATS_CONNECTION_CLOSED;
    }
}

static enum candor_code nats_commit(struct sink *sink, struct candor_error *err)
{
    natsStatus status = wait_for_all(sink);
    pthread_mutex_lock(&refused.lock);
    bool some = refused.status != NATS_OK;
    pthread_mutex_unlock(&refused.lock);
    if (some)
        return judge_refused(sink, err);
    if (status != NATS_OK)
        return fail(sink, status, 0, "waiting for its acknowledgements", err);
    sink->committed = true;
    return CANDOR_OK;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static void nats_close(struct sink *sink)
{
    if (sink->connection != NULL)
        natsConnection_Close(sink->connection);
    jsCtx_Destroy(sink->jetstream);
    natsConnection_Destroy(sink->connection);
    natsOptions_Destroy(sink->options);
    free(sink->subject);
    free(sink);
}

static enum candor_code nats_open(const struct feed_arguments *arguments, const char *feed,
                                  struct sink **out, struct candor_error *err)
{
    struct sink *sink = memory_zeroed(1, sizeof *sink);
    sink->arguments = arguments;
    sink->feed = feed;
    sink->subject = memory_alloc(FEED_SUBJECT_BYTES);
    if (dial(sink, err) != CANDOR_OK) {
        nats_close(sink);
        return err->code;
    }
    *out = sink;
    return CANDOR_OK;
}

const struct sink_ops sink_nats = {.open = nats_open,
                                   .newest = nats_newest,
                                   .begin = nats_begin,
                                   .add = nats_add,
                                   .commit = nats_commit,
                                   .close = nats_close};
