/* What nodes would answer, as a table and sentences. */
#include <inttypes.h>
#include <string.h>

#include "cli/keys/explain.h"

#define NONE "-"
#define WOULD_BYTES 160

static enum table_colour verdict_colour(Candor__V1__ExplainVerdict verdict)
{
    return verdict == CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_ANSWERS   ? TABLE_GOOD
           : verdict == CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REFUSES ? TABLE_BAD
                                                                             : TABLE_WARN;
}

static void age_cell(struct table *table, bool known, uint64_t ms)
{
    char age[AGE_TEXT_BYTES];
    table_cell(table, known ? TABLE_PLAIN : TABLE_DIM, "%s", known ? age_text(ms, age) : NONE);
}

/* "answers with record 7", "redirects to a: TOO_STALE", "waits: SESSION_BEHIND". */
static void would(const Candor__V1__ExplainResponse *told, char out[WOULD_BYTES])
{
    const char *name = explain_verdict_name(told->verdict);
    const Candor__V1__RetryHint *retry = told->retry;
    if (told->item != NULL && told->item->found)
        snprintf(out, WOULD_BYTES, "%s with record %" PRIu64, name, told->item->mod_seq);
    else if (told->item != NULL)
        snprintf(out, WOULD_BYTES, "%s: no such key", name);
    else if (told->verdict == CANDOR__V1__EXPLAIN_VERDICT__EXPLAIN_VERDICT_REDIRECTS)
        snprintf(out, WOULD_BYTES, "%s to %s: %s", name,
                 retry != NULL ? explain_text(retry->primary) : NONE,
                 explain_reason_name(told->reason));
    else if (told->reason != CANDOR__V1__REASON__REASON_NONE)
        snprintf(out, WOULD_BYTES, "%s: %s", name, explain_reason_name(told->reason));
    else
        snprintf(out, WOULD_BYTES, "%s", name);
}

static void then_cell(struct table *table, const Candor__V1__ExplainResponse *told)
{
    bool ends = told->holds_case == CANDOR__V1__EXPLAIN_RESPONSE__HOLDS_HOLDS_FOR_MS;
    age_cell(table, ends, told->holds_for_ms);
    if (!ends) {
        table_cell(table, TABLE_DIM, "%s", NONE);
        return;
    }
    const char *state = candor_state_name((enum candor_state)told->then_state);
    if (told->then_reason == CANDOR__V1__REASON__REASON_NONE)
        table_cell(table, TABLE_PLAIN, "%s, %s", state, explain_verdict_name(told->then));
    else
        table_cell(table, TABLE_PLAIN, "%s, %s: %s", state, explain_verdict_name(told->then),
                   explain_reason_name(told->then_reason));
}

static void token_cell(struct table *table, const Candor__V1__ExplainResponse *told)
{
    static const char *const names[] = {NONE, "here", "behind", "LOST"};
    unsigned number = (unsigned)told->token;
    table_cell(table, TABLE_PLAIN, "%s", names[number < 4 ? number : 0]);
}

static bool by_session(const struct explained *explained)
{
    return strcmp(explained->level, "SESSION") == 0;
}

static void add_row(struct table *table, const struct explained *explained, size_t n)
{
    char text[WOULD_BYTES];
    const Candor__V1__ExplainResponse *told = explain_told(explained, n);
    const struct candor_freshness *f = &explained->answers[n].result.freshness;
    would(told, text);
    table_cell(table, TABLE_PLAIN, "%s", f->node);
    table_cell(table, TABLE_PLAIN, "%s", candor_role_name(f->role));
    table_cell(table, f->stale ? TABLE_WARN : TABLE_GOOD, "%s", candor_state_name(f->state));
    age_cell(table, f->has_staleness_bound, f->staleness_bound_ms);
    age_cell(table, f->has_heartbeat_age, f->heartbeat_age_ms);
    table_cell(table, TABLE_PLAIN, "%" PRIu64, f->applied_seq);
    if (by_session(explained))
        token_cell(table, told);
    table_cell(table, verdict_colour(told->verdict), "%s", text);
    if (!explained->write)
        then_cell(table, told);
}

static void add_silent(struct table *table, const struct explained *explained, size_t n)
{
    const struct node_target *target = &explained->answers[n].target;
    size_t columns = explained->write ? 7 : by_session(explained) ? 10 : 9;
    table_cell(table, TABLE_PLAIN, "%s", target->id[0] != '\0' ? target->id : target->address);
    for (size_t i = 1; i < columns; i++) {
        bool would_cell = i + (explained->write ? 1 : 3) == columns;
        table_cell(table, would_cell ? TABLE_BAD : TABLE_DIM, "%s",
                   would_cell ? "does not answer" : NONE);
    }
}

static void print_table(const struct explained *explained)
{
    struct table *table = table_new();
    table_column(table, "NODE", TABLE_LEFT);
    table_column(table, "ROLE", TABLE_LEFT);
    table_column(table, "STATE", TABLE_LEFT);
    table_column(table, "MAX AGE", TABLE_RIGHT);
    table_column(table, "HEARD", TABLE_RIGHT);
    table_column(table, "APPLIED", TABLE_RIGHT);
    if (by_session(explained))
        table_column(table, "TOKEN", TABLE_LEFT);
    table_column(table, "WOULD", TABLE_LEFT);
    if (!explained->write) {
        table_column(table, "FOR", TABLE_RIGHT);
        table_column(table, "THEN", TABLE_LEFT);
    }
    for (size_t i = 0; i < explained->count; i++) {
        if (explain_told(explained, i) != NULL)
            add_row(table, explained, i);
        else
            add_silent(table, explained, i);
    }
    table_print(table, stdout);
    table_free(table);
}

/* ---- Sentences ---- */

/* The nodes that say the same as the n-th; "": an earlier one has said it. */
static void who_says(const struct explained *explained, size_t n, char *out, size_t bytes)
{
    const char *contract = explain_told(explained, n)->contract;
    out[0] = '\0';
    for (size_t i = 0; i < explained->count; i++) {
        const Candor__V1__ExplainResponse *told = explain_told(explained, i);
        if (told == NULL || strcmp(told->contract, contract) != 0)
            continue;
        if (i < n) {
            out[0] = '\0';
            return;
        }
        size_t used = strlen(out);
        snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "",
                 explained->answers[i].result.freshness.node);
    }
}

static void print_contract(const struct explained *explained)
{
    char who[LIMIT_NODES * (CANDOR_NODE_ID_BYTES + 2)];
    const char *worst = NULL;
    for (size_t i = 0; i < explained->count; i++) {
        const Candor__V1__ExplainResponse *told = explain_told(explained, i);
        if (told == NULL || told->contract[0] == '\0')
            continue;
        worst = told->worst_case;
        who_says(explained, i, who, sizeof who);
        if (who[0] != '\0')
            output_line(stdout, "%s: %s", who, explain_text(told->contract));
    }
    if (worst != NULL && worst[0] != '\0')
        output_line(stdout, "%s, at worst: %s", explained->level, explain_text(worst));
}

static void print_messages(const struct explained *explained)
{
    for (size_t i = 0; i < explained->count; i++) {
        const struct node_answer *answer = &explained->answers[i];
        const Candor__V1__ExplainResponse *told = explain_told(explained, i);
        const char *said = told != NULL ? told->message : answer->result.error.message;
        const char *name = told != NULL                ? answer->result.freshness.node
                           : answer->target.id[0] != 0 ? answer->target.id
                                                       : answer->target.address;
        if (said[0] != '\0')
            output_line(stdout, "%s says: %s", name, explain_text(said));
    }
}

/* ---- Voters ---- */

static void add_voter(struct table *table, const Candor__V1__ExplainVoter *voter, uint64_t last)
{
    bool heard = voter->heard_case == CANDOR__V1__EXPLAIN_VOTER__HEARD_HEARD_AGE_MS;
    uint64_t lacks = last > voter->match_seq ? last - voter->match_seq : 0;
    table_cell(table, TABLE_PLAIN, "%s", explain_text(voter->node));
    table_cell(table, TABLE_PLAIN, "%s", candor_state_name((enum candor_state)voter->state));
    table_cell(table, TABLE_PLAIN, "%" PRIu64, voter->match_seq);
    table_cell(table, lacks > 0 ? TABLE_WARN : TABLE_PLAIN, "%" PRIu64, lacks);
    age_cell(table, heard, voter->heard_age_ms);
    table_cell(table, voter->answers ? TABLE_GOOD : TABLE_BAD, "%s", voter->answers ? "yes" : "no");
}

static void print_voters(const struct explained *explained)
{
    const Candor__V1__ExplainResponse *told = explain_of_primary(explained);
    if (told == NULL)
        return;
    struct table *table = table_new();
    table_column(table, "VOTER", TABLE_LEFT);
    table_column(table, "STATE", TABLE_LEFT);
    table_column(table, "HAS", TABLE_RIGHT);
    table_column(table, "LACKS", TABLE_RIGHT);
    table_column(table, "HEARD", TABLE_RIGHT);
    table_column(table, "ANSWERS", TABLE_LEFT);
    for (size_t i = 0; i < told->n_voters; i++)
        add_voter(table, told->voters[i], told->last_seq);
    putchar('\n');
    table_print(table, stdout);
    table_free(table);
    output_line(stdout,
                "%s needs %u of %zu voters, %u can be expected to answer; a failover now puts "
                "%" PRIu64 " LOCAL writes at risk",
                explained->level, told->needed, told->n_voters, told->answering, told->at_risk);
}

void explain_print(const struct explained *explained)
{
    print_table(explained);
    print_messages(explained);
    print_contract(explained);
    print_voters(explained);
}
