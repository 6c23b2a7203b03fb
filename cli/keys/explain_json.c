/* What nodes would answer, as JSON. Every field is always there. */
#include <string.h>

#include "cli/keys/explain.h"
#include "cli/keys/reading.h"

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(explain_text(text)) : json_null();
}

static json_t *reason_or_null(Candor__V1__Reason reason)
{
    return reason != CANDOR__V1__REASON__REASON_NONE ? json_string(explain_reason_name(reason))
                                                     : json_null();
}

static json_t *item_json(const Candor__V1__KeyValue *item)
{
    if (item == NULL)
        return json_null();
    bool ends = item->end_case == CANDOR__V1__KEY_VALUE__END_TTL_MS;
    json_t *out = json_object();
    json_object_set_new(out, "found", json_boolean(item->found));
    json_object_set_new(out, "mod_seq", item->found ? json_u64(item->mod_seq) : json_null());
    json_object_set_new(out, "ttl_ms", ends ? json_u64(item->ttl_ms) : json_null());
    return out;
}

static json_t *token_json(const Candor__V1__ExplainResponse *told)
{
    static const char *const names[] = {"", "here", "behind", "lost"};
    unsigned number = (unsigned)told->token;
    return number == 0 || number > 3 ? json_null() : json_string(names[number]);
}

static json_t *then_json(const Candor__V1__ExplainResponse *told)
{
    if (told->holds_case != CANDOR__V1__EXPLAIN_RESPONSE__HOLDS_HOLDS_FOR_MS)
        return json_null();
    json_t *out = json_object();
    json_object_set_new(out, "state",
                        json_string(candor_state_name((enum candor_state)told->then_state)));
    json_object_set_new(out, "verdict", json_string(explain_verdict_name(told->then)));
    json_object_set_new(out, "reason", reason_or_null(told->then_reason));
    return out;
}

static json_t *voters_json(const Candor__V1__ExplainResponse *told)
{
    json_t *out = json_array();
    for (size_t i = 0; i < told->n_voters; i++) {
        const Candor__V1__ExplainVoter *voter = told->voters[i];
        bool heard = voter->heard_case == CANDOR__V1__EXPLAIN_VOTER__HEARD_HEARD_AGE_MS;
        json_t *one = json_object();
        json_object_set_new(one, "node", json_string(explain_text(voter->node)));
        json_object_set_new(one, "state",
                            json_string(candor_state_name((enum candor_state)voter->state)));
        json_object_set_new(one, "match_seq", json_u64(voter->match_seq));
        json_object_set_new(one, "heard_age_ms",
                            heard ? json_u64(voter->heard_age_ms) : json_null());
        json_object_set_new(one, "answers", json_boolean(voter->answers));
        json_array_append_new(out, one);
    }
    return out;
}

static void set_decision(json_t *out, const Candor__V1__ExplainResponse *told)
{
    const Candor__V1__RetryHint *retry = told->retry;
    bool holds = told->holds_case == CANDOR__V1__EXPLAIN_RESPONSE__HOLDS_HOLDS_FOR_MS;
    json_object_set_new(out, "verdict", json_string(explain_verdict_name(told->verdict)));
    json_object_set_new(out, "code", json_string(candor_code_name((enum candor_code)told->code)));
    json_object_set_new(out, "reason", reason_or_null(told->reason));
    json_object_set_new(out, "message", text_or_null(told->message));
    json_object_set_new(out, "primary", text_or_null(retry != NULL ? retry->primary : ""));
    json_object_set_new(out, "endpoint", text_or_null(retry != NULL ? retry->endpoint : ""));
    json_object_set_new(out, "retry_after_ms", json_u64(retry != NULL ? retry->retry_after_ms : 0));
    json_object_set_new(out, "contract", text_or_null(told->contract));
    json_object_set_new(out, "worst_case", text_or_null(told->worst_case));
    json_object_set_new(out, "token", token_json(told));
    json_object_set_new(out, "item", item_json(told->item));
    json_object_set_new(out, "waited_ms", json_u64(told->waited_ms));
    json_object_set_new(out, "holds_for_ms", holds ? json_u64(told->holds_for_ms) : json_null());
    json_object_set_new(out, "then", then_json(told));
    json_object_set_new(out, "stale_after_ms", json_u64(told->stale_after_ms));
    json_object_set_new(out, "reject_after_ms", json_u64(told->reject_after_ms));
}

static void set_voters(json_t *out, const Candor__V1__ExplainResponse *told)
{
    json_object_set_new(out, "voters", voters_json(told));
    json_object_set_new(out, "needed", json_u64(told->needed));
    json_object_set_new(out, "answering", json_u64(told->answering));
    json_object_set_new(out, "last_seq", json_u64(told->last_seq));
    json_object_set_new(out, "at_risk", json_u64(told->at_risk));
}

static json_t *node_json(const struct explained *explained, size_t n)
{
    const struct node_answer *answer = &explained->answers[n];
    const struct candor_error *error = &answer->result.error;
    const Candor__V1__ExplainResponse *told = explain_told(explained, n);
    Candor__V1__ExplainResponse nothing = CANDOR__V1__EXPLAIN_RESPONSE__INIT;
    json_t *out = json_object();
    json_object_set_new(out, "node", text_or_null(answer->target.id));
    json_object_set_new(out, "address", json_string(answer->target.address));
    json_object_set_new(out, "answered", json_boolean(told != NULL));
    json_object_set_new(out, "error", told != NULL ? json_null() : text_or_null(error->message));
    set_decision(out, told != NULL ? told : &nothing);
    if (explained->write)
        set_voters(out, told != NULL ? told : &nothing);
    json_object_set_new(out, "freshness",
                        answer->result.has_freshness ? json_freshness(&answer->result.freshness)
                                                     : json_null());
    return out;
}

json_t *explain_json(const struct explained *explained)
{
    json_t *out = json_object();
    json_t *nodes = json_array();
    json_set_bytes(out, "key", explained->key.data, explained->key.length);
    json_object_set_new(out, "op", json_string(explained->write ? "put" : "get"));
    json_object_set_new(out, "level", json_string(explained->level));
    for (size_t i = 0; i < explained->count; i++)
        json_array_append_new(nodes, node_json(explained, i));
    json_object_set_new(out, "nodes", nodes);
    return out;
}
