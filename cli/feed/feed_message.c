/* What is carried, with its headers. */
#include "cli/feed/feed_message.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

const char *feed_kind_name(enum feed_kind kind)
{
    static const char *const names[] = {
        [FEED_PUT] = "put",          [FEED_DELETE] = "delete", [FEED_STATE] = "state",
        [FEED_BEGIN] = "begin",      [FEED_END] = "end",       [FEED_RESUME] = "resume",
        [FEED_PROGRESS] = "progress"};
    return names[kind];
}

bool feed_kind_has_key(enum feed_kind kind)
{
    return kind == FEED_PUT || kind == FEED_DELETE || kind == FEED_STATE;
}

__attribute__((format(printf, 3, 4))) static void put(struct feed_message *message,
                                                      const char *name, const char *format, ...)
{
    ASSERT(message->header_count < FEED_HEADERS_MAX);
    struct feed_header *header = &message->headers[message->header_count++];
    va_list list;
    va_start(list, format);
    header->name = name;
    vsnprintf(header->value, sizeof header->value, format, list);
    va_end(list);
    /* A node's words are its own: none of them ends the line. */
    for (char *at = header->value; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            *at = '?';
}

void feed_message_begin(struct feed_message *message, enum feed_kind kind, const char *feed)
{
    message->kind = kind;
    message->key = message->value = (struct candor_bytes){0};
    message->id[0] = message->resume[0] = '\0';
    message->header_count = 0;
    put(message, "Candor-Kind", "%s", feed_kind_name(kind));
    put(message, FEED_HEADER_FEED, "%s", feed);
}

void feed_message_freshness(struct feed_message *message, const struct candor_freshness *freshness)
{
    if (freshness->node[0] == '\0')
        return;
    put(message, "Candor-Node", "%s", freshness->node);
    put(message, "Candor-Role", "%s", candor_role_name(freshness->role));
    put(message, "Candor-State", "%s", candor_state_name(freshness->state));
    put(message, "Candor-Applied-Seq", "%" PRIu64, freshness->applied_seq);
    if (freshness->has_heartbeat_age)
        put(message, "Candor-Heartbeat-Age-Ms", "%" PRIu64, freshness->heartbeat_age_ms);
    if (freshness->has_staleness_bound)
        put(message, "Candor-Staleness-Bound-Ms", "%" PRIu64, freshness->staleness_bound_ms);
}

/* A seq alone is not enough: after a forced promotion the same one may stand for another record. */
static void put_position(struct feed_message *message, const struct candor_event *event,
                         uint32_t part)
{
    const struct candor_epoch *epoch = &event->pos.epoch;
    put(message, "Candor-Epoch", "%" PRIu64 ".%" PRIu64 ".%s", epoch->generation, epoch->term,
        epoch->owner.text);
    snprintf(message->id, sizeof message->id, "%" PRIu64 ".%" PRIu64 ".%s.%" PRIu64 ".%" PRIu32,
             epoch->generation, epoch->term, epoch->owner.text, event->pos.seq, part);
    put(message, "Candor-Time-Ms", "%" PRIu64, event->wall_ms);
    if (event->more)
        put(message, "Candor-More", "true");
}

void feed_message_event(struct feed_message *message, const struct candor_event *event,
                        uint32_t part)
{
    message->key = event->key;
    feed_message_seq(message, event->pos.seq);
    if (message->kind == FEED_STATE)
        put(message, "Candor-Version", "%" PRIu64, event->version);
    else
        put_position(message, event, part);
    if (message->kind != FEED_DELETE)
        message->value = event->value;
    if (event->ttl_ms > 0)
        put(message, "Candor-Ttl-Ms", "%" PRIu64, event->ttl_ms);
    if (event->expired)
        put(message, "Candor-Expired", "true");
}

void feed_message_seq(struct feed_message *message, uint64_t seq)
{
    put(message, "Candor-Seq", "%" PRIu64, seq);
}

void feed_message_why(struct feed_message *message, const char *why)
{
    put(message, "Candor-Why", "%s", why);
}

void feed_message_archive(struct feed_message *message, const char *id)
{
    if (id[0] != '\0')
        put(message, "Candor-Archive", "%s", id);
}

void feed_message_mark(struct feed_message *message, const struct mark *mark)
{
    mark_text(mark, message->resume);
}
