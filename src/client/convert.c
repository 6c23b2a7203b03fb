/* Wire messages to and from the public structs. Everything received is hostile. */
#include "client/convert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bounded_unpack.h"
#include "base/types.h"
#include "client/arguments.h"

bool convert_epoch(const Candor__V1__Epoch *from, struct candor_epoch *to)
{
    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    to->generation = from->generation;
    to->term = from->term;
    if (strlen(from->owner) >= sizeof to->owner.text)
        return false;
    text_copy(to->owner.text, sizeof to->owner.text, from->owner);
    return true;
}

bool convert_pos(const Candor__V1__Pos *from, struct candor_pos *to)
{
    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    to->seq = from->seq;
    return convert_epoch(from->epoch, &to->epoch);
}

static bool token_from(const Candor__V1__SessionToken *from, struct candor_token *to)
{
    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    to->cluster_id = from->cluster_id;
    to->origin = from->origin;
    return convert_pos(from->pos, &to->pos);
}

/* A node that names itself, its epoch or its token badly counts as having said nothing of its
 * age. */
void convert_freshness(const Candor__V1__Freshness *from, struct candor_result *result)
{
    struct candor_freshness *to = &result->freshness;
    memset(to, 0, sizeof *to);
    memset(&result->token, 0, sizeof result->token);
    result->has_freshness = false;
    struct candor_node_id id;
    if (from == NULL || !node_id_parse(from->node, strlen(from->node), &id) ||
        !convert_epoch(from->epoch, &to->epoch) || !token_from(from->token, &result->token))
        return;

    text_copy(to->node, sizeof to->node, id.text);
    if ((int)from->role >= CANDOR_ROLE_PRIMARY && (int)from->role <= CANDOR_ROLE_READER)
        to->role = (enum candor_role)from->role;
    if ((int)from->state >= CANDOR_STATE_FRESH && (int)from->state <= CANDOR_STATE_DOUBTFUL)
        to->state = (enum candor_state)from->state;
    to->has_heartbeat_age =
        from->heartbeat_case == CANDOR__V1__FRESHNESS__HEARTBEAT_HEARTBEAT_AGE_MS;
    to->heartbeat_age_ms = to->has_heartbeat_age ? from->heartbeat_age_ms : 0;
    to->stale = from->stale;
    to->has_staleness_bound = from->bound_case == CANDOR__V1__FRESHNESS__BOUND_STALENESS_BOUND_MS;
    to->staleness_bound_ms = to->has_staleness_bound ? from->staleness_bound_ms : 0;
    to->applied_seq = from->applied_seq;
    to->primary_seq = from->primary_seq;
    to->commit_seq = from->commit_seq;
    if ((int)from->cut_off > CANDOR_CUT_OFF_NO && (int)from->cut_off <= CANDOR_CUT_OFF_UNKNOWN)
        to->cut_off = (enum candor_cut_off)from->cut_off;
    result->has_freshness = true;
}

static void convert_lost(const Candor__V1__LostSession *lost, struct candor_result *result)
{
    text_copy(result->lost_archive, sizeof result->lost_archive, lost->archive_id);
    result->more_lost_writes = lost->more;
    free(result->lost_writes);
    result->lost_writes = calloc(lost->n_writes + 1, sizeof *result->lost_writes);
    if (result->lost_writes == NULL) { /* no memory: that there are some is told */
        result->lost_write_count = 0;
        result->more_lost_writes = true;
        return;
    }
    result->lost_write_count = lost->n_writes;
    for (size_t i = 0; i < lost->n_writes; i++) {
        result->lost_writes[i].number = lost->writes[i]->number;
        convert_pos(lost->writes[i]->pos, &result->lost_writes[i].pos);
    }
}

/* More rungs than a ladder may have are of nobody who is to be believed. */
static void convert_ladder(const Candor__V1__LadderReport *from, struct candor_result *result)
{
    if (from->n_missed > LIMIT_READ_RUNGS)
        return;
    free(result->missed);
    result->missed_count = 0;
    result->missed = calloc(from->n_missed + 1, sizeof *result->missed);
    result->no_memory = result->no_memory || result->missed == NULL;
    if (result->missed == NULL)
        return;
    result->rung = from->met;
    result->missed_count = (uint32_t)from->n_missed;
    for (size_t i = 0; i < from->n_missed; i++) {
        const Candor__V1__MissedRung *rung = from->missed[i];
        result->missed[i] = (struct candor_missed_rung){
            .code = (enum candor_code)rung->code,
            .reason = (enum candor_reason)rung->reason,
            .waited_ms = rung->waited_ms,
            .has_staleness_bound =
                rung->bound_case == CANDOR__V1__MISSED_RUNG__BOUND_STALENESS_BOUND_MS,
            .staleness_bound_ms = rung->staleness_bound_ms};
        result->session_lost =
            result->session_lost || rung->reason == CANDOR__V1__REASON__REASON_SESSION_LOST;
    }
}

void convert_envelope(const Candor__V1__RpcReply *reply, struct candor_result *result)
{
    convert_freshness(reply->freshness, result);
    if (reply->ladder != NULL)
        convert_ladder(reply->ladder, result);
    bool lost = result->error.reason == CANDOR_REASON_SESSION_LOST ||
                result->error.reason == CANDOR_REASON_ROLLED_BACK;
    if (reply->lost != NULL && lost)
        convert_lost(reply->lost, result);
    if (reply->retry == NULL)
        return;
    text_copy(result->primary, sizeof result->primary, reply->retry->primary);
    text_copy(result->endpoint, sizeof result->endpoint, reply->retry->endpoint);
    result->retry_after_ms = reply->retry->retry_after_ms;
}

/* Packing does not write through these pointers; protobuf-c only lacks the const. */
static char *wire_text(const char *text)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = text};
    return cast.out;
}

Candor__V1__Pos *convert_to_pos(const struct candor_pos *from, Candor__V1__Pos *to,
                                Candor__V1__Epoch *epoch)
{
    candor__v1__epoch__init(epoch);
    epoch->generation = from->epoch.generation;
    epoch->term = from->epoch.term;
    epoch->owner = wire_text(from->epoch.owner.text);
    candor__v1__pos__init(to);
    to->epoch = epoch;
    to->seq = from->seq;
    return to;
}

Candor__V1__SessionToken *convert_token(const struct candor_token *token,
                                        struct token_message *message)
{
    if (token->cluster_id == 0)
        return NULL;
    candor__v1__session_token__init(&message->token);
    message->token.cluster_id = token->cluster_id;
    message->token.pos = convert_to_pos(&token->pos, &message->pos, &message->epoch);
    message->token.origin = token->origin;
    return &message->token;
}

size_t candor_token_export(const struct candor_token *token, uint8_t out[CANDOR_TOKEN_BYTES_MAX])
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "token", token);
    if (token != NULL)
        arguments_epoch(&arguments, "token", &token->pos.epoch);
    if (arguments.what != NULL || out == NULL)
        return 0;
    struct token_message message;
    Candor__V1__SessionToken *wire = convert_token(token, &message);
    if (wire == NULL || candor__v1__session_token__get_packed_size(wire) > CANDOR_TOKEN_BYTES_MAX)
        return 0;
    return candor__v1__session_token__pack(wire, out);
}

enum candor_code candor_token_import(struct candor_bytes bytes, struct candor_token *out,
                                     struct candor_error *err)
{
    struct arguments arguments = {0};
    arguments_need(&arguments, "out", out);
    arguments_bytes(&arguments, "bytes", bytes);
    if (!arguments_good(&arguments, err))
        return CANDOR_INVALID_ARGUMENT;
    memset(out, 0, sizeof *out);
    if (bytes.length == 0)
        return CANDOR_OK;
    Candor__V1__SessionToken *wire = NULL;
    if (bytes.length <= CANDOR_TOKEN_BYTES_MAX)
        wire = bounded_unpack(&candor__v1__session_token__descriptor,
                              slice_of(bytes.data, bytes.length), NULL);
    bool good = wire != NULL && token_from(wire, out) && out->cluster_id != 0;
    if (wire != NULL)
        candor__v1__session_token__free_unpacked(wire, NULL);
    if (good)
        return CANDOR_OK;
    memset(out, 0, sizeof *out);
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED,
                            "these %zu bytes are not a session token", bytes.length);
}

int candor_epoch_compare(const struct candor_epoch *a, const struct candor_epoch *b)
{
    return epoch_compare(*a, *b);
}

int candor_pos_compare(const struct candor_pos *a, const struct candor_pos *b)
{
    return pos_compare(*a, *b);
}
