/* What sinks share: the mark of the newest message. */
#include "cli/feed/sink.h"

enum candor_code newest_take(const char *resume, const char *where, struct mark *out,
                             struct candor_error *err)
{
    if (resume != NULL && mark_parse(resume, out))
        return CANDOR_OK;
    return candor_error_set(err, CANDOR_FAILED_PRECONDITION, CANDOR_REASON_NONE,
                            "%s holds messages that are not of a feed, which needs one of its own: "
                            "give it another",
                            where);
}
