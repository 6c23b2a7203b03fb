/* kvctl verify: whether what nodes hold of a key can be of one history. They stand at different
 * positions. */
#include "cli/cluster/verify.h"

bool verify_equal(const struct verify_held *a, const struct verify_held *b)
{
    return a->present == b->present &&
           (!a->present || (a->mod_seq == b->mod_seq && a->check == b->check));
}

/* Whether no history leads to both: the one that lags must have come as far as the other's
 * write. */
static bool contradict(const struct verify_held *a, const struct verify_held *b)
{
    if (verify_equal(a, b))
        return false;
    if (a->present && b->present && a->mod_seq == b->mod_seq)
        return true;
    const struct verify_held *newer =
        a->present && (!b->present || a->mod_seq > b->mod_seq) ? a : b;
    const struct verify_held *other = newer == a ? b : a;
    /* on its way */
    if (other->applied < newer->mod_seq)
        return false;
    /* It may have been deleted since: then whoever stands there, too, must not have it any more. */
    return other->present || newer->applied >= other->applied;
}

enum verify_finding verify_judge(const struct verify_held *held, size_t count)
{
    bool equal = true;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (contradict(&held[i], &held[j]))
                return VERIFY_DIFFERENT;
            equal = equal && verify_equal(&held[i], &held[j]);
        }
    }
    return equal ? VERIFY_SAME : VERIFY_NOT_SETTLED;
}
