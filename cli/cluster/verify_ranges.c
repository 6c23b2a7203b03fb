/* kvctl verify: digests of ranges compared; those that differ are split until they can be
 * listed. */
#include <inttypes.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "cli/cluster/verify.h"

#define CHUNK_ENTRIES 16384
/* What is listed rather than split again. */
#define LIST_ENTRIES 256
#define SPLIT 16

static bool digests_agree(const struct node_answer *answers, size_t count)
{
    const Candor__V1__RangeDigestResponse *first = verify_answer(&answers[0]);
    for (size_t i = 1; i < count; i++) {
        const Candor__V1__RangeDigestResponse *other = verify_answer(&answers[i]);
        if (other->more || other->entries != first->entries ||
            other->digest_high != first->digest_high || other->digest_low != first->digest_low)
            return false;
    }
    return !first->more;
}

static bool compare_whole(struct verify *verify, struct verify_range range, bool *agree)
{
    struct node_answer answers[LIMIT_NODES];
    size_t asked = 0;
    bool whole = verify_ask(verify, LIMIT_NODES, range, 0, false, answers, &asked);
    *agree = whole && digests_agree(answers, asked);
    node_answers_free(answers, asked);
    return whole;
}

static void show_progress(struct verify *verify)
{
    uint64_t now_ns = clock_boot_ns();
    bool person =
        isatty(STDERR_FILENO) && !context_quiet(verify->ctx) && !context_json(verify->ctx);
    if (!person || now_ns - verify->shown_ns < NS_PER_S / 4)
        return;
    verify->shown_ns = now_ns;
    fprintf(stderr, "\r\033[K%" PRIu64 " entries compared, %" PRIu64 " keys differ",
            verify->entries, verify->differing);
}

/* Takes `most` entries at a time, as the first node holds them; those whose digests differ are
 * split. Recursion: each level has a SPLITth of the entries of the one above. */
static void compare_range(struct verify *verify, struct verify_range range, uint32_t most)
{
    struct buffer start = {0};
    struct buffer end = {0};
    buffer_put(&start, range.start.bytes, range.start.length);
    bool more = true;
    while (more && verify->count > 1) {
        struct node_answer first;
        size_t asked = 0;
        struct verify_range rest = {buffer_slice(&start), range.end};
        uint64_t entries = 0;
        if (verify_ask(verify, 1, rest, most, false, &first, &asked)) {
            const Candor__V1__RangeDigestResponse *answer = verify_answer(&first);
            more = answer->more;
            entries = answer->entries;
            struct slice upto = more ? verify_slice(answer->next) : range.end;
            buffer_clear(&end);
            buffer_put(&end, upto.bytes, upto.length);
        }
        bool answered = asked > 0 && first.message != NULL;
        node_answers_free(&first, asked);
        struct verify_range piece = {buffer_slice(&start), buffer_slice(&end)};
        bool agree = false;
        /* with those that are left */
        if (!answered || !compare_whole(verify, piece, &agree))
            continue;
        if (!agree && entries <= LIST_ENTRIES)
            verify_lists(verify, piece);
        else if (!agree)
            compare_range(verify, piece, (uint32_t)(entries / SPLIT + 1));
        verify->entries += most == CHUNK_ENTRIES ? entries : 0;
        show_progress(verify);
        buffer_clear(&start);
        buffer_put(&start, end.bytes, end.length);
    }
    buffer_free(&start);
    buffer_free(&end);
}

void verify_everything(struct verify *verify)
{
    compare_range(verify, (struct verify_range){0}, CHUNK_ENTRIES);
}
