/* What nodes would answer: words for it. */
#include "cli/keys/explain.h"

#include "base/foreign_text.h"

const Candor__V1__ExplainResponse *explain_told(const struct explained *explained, size_t n)
{
    return (const Candor__V1__ExplainResponse *)explained->answers[n].message;
}

const Candor__V1__ExplainResponse *explain_of_primary(const struct explained *explained)
{
    for (size_t i = 0; i < explained->count; i++)
        if (explain_told(explained, i) != NULL && explain_told(explained, i)->n_voters > 0)
            return explain_told(explained, i);
    return NULL;
}

const char *explain_verdict_name(Candor__V1__ExplainVerdict verdict)
{
    static const char *const names[] = {"unknown", "answers", "redirects", "refuses", "waits"};
    unsigned number = (unsigned)verdict;
    return names[number < sizeof names / sizeof names[0] ? number : 0];
}

const char *explain_reason_name(Candor__V1__Reason reason)
{
    return candor_reason_name((enum candor_reason)reason);
}

const char *explain_text(const char *said)
{
    return text_printable(said) ? said : "?";
}
