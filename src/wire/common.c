/* Epochs, positions, tokens, freshness and headers. */
#include "wire/internal.h"

#include <string.h>

enum candor_code wire_malformed(struct candor_error *err, const char *field, const char *what)
{
    return candor_error_set(err, CANDOR_INVALID_ARGUMENT, CANDOR_REASON_MALFORMED, "%s: %s", field,
                            what);
}

enum candor_code wire_check_number(uint64_t number, const char *field, struct candor_error *err)
{
    return number < WIRE_NUMBER_END ? CANDOR_OK : wire_malformed(err, field, "number too large");
}

enum candor_code wire_read_node(const char *text, const char *field, struct candor_node_id *out,
                                struct candor_error *err)
{
    if (text == NULL || !node_id_parse(text, strlen(text), out))
        return wire_malformed(err, field, "not a node id");
    return CANDOR_OK;
}

void wire_epoch(const struct candor_epoch *epoch, Candor__V1__Epoch *out)
{
    candor__v1__epoch__init(out);
    out->generation = epoch->generation;
    out->term = epoch->term;
    out->owner = wire_string(epoch->owner.text);
}

Candor__V1__Pos *wire_pos(const struct candor_pos *pos, struct wire_pos *out)
{
    candor__v1__pos__init(&out->pos);
    out->pos.seq = pos->seq;
    if (!epoch_none(pos->epoch)) {
        wire_epoch(&pos->epoch, &out->epoch);
        out->pos.epoch = &out->epoch;
    }
    return &out->pos;
}

static bool is_blank(const Candor__V1__Epoch *epoch)
{
    return epoch->generation == 0 && epoch->term == 0 && epoch->owner[0] == '\0';
}

enum candor_code wire_read_epoch(const Candor__V1__Epoch *epoch, const char *field,
                                 struct candor_epoch *out, struct candor_error *err)
{
    *out = (struct candor_epoch){0};
    if (epoch == NULL || is_blank(epoch))
        return CANDOR_OK;
    enum candor_code code = wire_check_number(epoch->generation, field, err);
    if (code == CANDOR_OK)
        code = wire_check_number(epoch->term, field, err);
    if (code == CANDOR_OK)
        code = wire_read_node(epoch->owner, field, &out->owner, err);
    if (code != CANDOR_OK)
        return code;
    out->generation = epoch->generation;
    out->term = epoch->term;
    return CANDOR_OK;
}

enum candor_code wire_read_pos(const Candor__V1__Pos *pos, const char *field,
                               struct candor_pos *out, struct candor_error *err)
{
    *out = (struct candor_pos){0};
    if (pos == NULL)
        return CANDOR_OK;
    enum candor_code code = wire_read_epoch(pos->epoch, field, &out->epoch, err);
    if (code == CANDOR_OK)
        code = wire_check_number(pos->seq, field, err);
    if (code != CANDOR_OK)
        return code;
    if ((pos->seq == 0) != epoch_none(out->epoch))
        return wire_malformed(err, field, "a position has both an epoch and a seq, or neither");
    out->seq = pos->seq;
    return CANDOR_OK;
}

enum candor_code wire_read_token(const Candor__V1__SessionToken *token, struct candor_token *out,
                                 struct candor_error *err)
{
    *out = (struct candor_token){0};
    if (token == NULL)
        return CANDOR_OK;
    out->cluster_id = token->cluster_id;
    out->origin = token->origin;
    return wire_read_pos(token->pos, "token.pos", &out->pos, err);
}

Candor__V1__SessionToken *wire_token(const struct candor_token *token, struct wire_token *out)
{
    candor__v1__session_token__init(&out->token);
    out->token.cluster_id = token->cluster_id;
    out->token.pos = wire_pos(&token->pos, &out->pos);
    out->token.origin = token->origin;
    return &out->token;
}

Candor__V1__Freshness *wire_freshness(const struct core_freshness *fresh,
                                      const struct candor_token *token, struct wire_freshness *out)
{
    Candor__V1__Freshness *f = &out->freshness;
    candor__v1__freshness__init(f);
    f->node = wire_string(fresh->node.text);
    f->role = (Candor__V1__Role)fresh->role;
    f->state = (Candor__V1__NodeState)fresh->state;
    if (!epoch_none(fresh->epoch)) {
        wire_epoch(&fresh->epoch, &out->epoch);
        f->epoch = &out->epoch;
    }
    if (fresh->has_heartbeat_age) {
        f->heartbeat_case = CANDOR__V1__FRESHNESS__HEARTBEAT_HEARTBEAT_AGE_MS;
        f->heartbeat_age_ms = fresh->heartbeat_age_ms;
    }
    f->stale = fresh->stale;
    if (fresh->has_bound) {
        f->bound_case = CANDOR__V1__FRESHNESS__BOUND_STALENESS_BOUND_MS;
        f->staleness_bound_ms = fresh->bound_ms;
    }
    f->applied_seq = fresh->applied_seq;
    f->primary_seq = fresh->primary_seq;
    f->commit_seq = fresh->commit_seq;
    f->cut_off = (Candor__V1__CutOff)fresh->cut_off;
    if (token->pos.seq > 0)
        f->token = wire_token(token, &out->token);
    return f;
}

static bool known_role(Candor__V1__Role role)
{
    return (int)role >= CANDOR_ROLE_UNKNOWN && (int)role <= CANDOR_ROLE_READER;
}

static bool known_state(Candor__V1__NodeState state)
{
    return (int)state >= CANDOR_STATE_UNKNOWN && (int)state <= CANDOR_STATE_DOUBTFUL;
}

enum candor_code wire_read_freshness(const Candor__V1__Freshness *freshness,
                                     struct core_freshness *out, struct candor_error *err)
{
    *out = (struct core_freshness){0};
    if (freshness == NULL)
        return wire_malformed(err, "freshness", "missing");
    enum candor_code code = wire_read_node(freshness->node, "freshness.node", &out->node, err);
    if (code == CANDOR_OK)
        code = wire_read_epoch(freshness->epoch, "freshness.epoch", &out->epoch, err);
    if (code != CANDOR_OK)
        return code;
    if (!known_role(freshness->role) || !known_state(freshness->state))
        return wire_malformed(err, "freshness", "unknown role or state");
    out->role = (enum candor_role)freshness->role;
    out->state = (enum candor_state)freshness->state;
    out->has_heartbeat_age =
        freshness->heartbeat_case == CANDOR__V1__FRESHNESS__HEARTBEAT_HEARTBEAT_AGE_MS;
    if (out->has_heartbeat_age)
        out->heartbeat_age_ms = freshness->heartbeat_age_ms;
    out->stale = freshness->stale;
    out->has_bound = freshness->bound_case == CANDOR__V1__FRESHNESS__BOUND_STALENESS_BOUND_MS;
    if (out->has_bound)
        out->bound_ms = freshness->staleness_bound_ms;
    out->applied_seq = freshness->applied_seq;
    out->primary_seq = freshness->primary_seq;
    out->commit_seq = freshness->commit_seq;
    /* a word of a later version says as much as none */
    if ((int)freshness->cut_off > CANDOR_CUT_OFF_NO &&
        (int)freshness->cut_off <= CANDOR_CUT_OFF_UNKNOWN)
        out->cut_off = (enum candor_cut_off)freshness->cut_off;
    return CANDOR_OK;
}

Candor__V1__PeerHeader *wire_header(const struct core_header *header, struct wire_header *out)
{
    Candor__V1__PeerHeader *h = &out->header;
    candor__v1__peer_header__init(h);
    h->cluster_id = header->cluster_id;
    h->config_hash = header->config_hash;
    h->node = wire_string(header->node.text);
    h->store_id = header->store_id;
    h->boot = header->boot;
    if (!epoch_none(header->epoch)) {
        wire_epoch(&header->epoch, &out->epoch);
        h->epoch = &out->epoch;
    }
    return h;
}

enum candor_code wire_read_header(const Candor__V1__PeerHeader *header, struct core_header *out,
                                  struct candor_error *err)
{
    *out = (struct core_header){0};
    if (header == NULL)
        return wire_malformed(err, "header", "missing");
    enum candor_code code = wire_read_node(header->node, "header.node", &out->node, err);
    if (code == CANDOR_OK)
        code = wire_read_epoch(header->epoch, "header.epoch", &out->epoch, err);
    if (code == CANDOR_OK)
        code = wire_check_number(header->boot, "header.boot", err);
    if (code != CANDOR_OK)
        return code;
    out->cluster_id = header->cluster_id;
    out->config_hash = header->config_hash;
    out->store_id = header->store_id;
    out->boot = header->boot;
    return CANDOR_OK;
}
