/* One key's history: each request executed once. */
#include "sim.h"

/* I11: a request id takes effect at most once in any one log. */

/* A record stands where none stood: the log that it ends must not have had the same part before.
 * All below it was looked at when it was stored. */
void check_once(struct world *world, const struct node *node, struct epoch_log *epoch, uint64_t seq,
                const struct registered *what)
{
    if (what->request == NULL)
        return;
    struct request *request = what->request->first;
    for (const struct place *place = request->places; place != NULL; place = place->next) {
        if (place->part != what->part || registry_branch(epoch, place->seq) != place->epoch)
            continue;
        char before[POS_TEXT_BYTES];
        char pos[POS_TEXT_BYTES];
        violate(world, "I11",
                "node %s stores request %" PRIu64 " of client %u at %s, it has its effect at %s",
                node->id.text, request->number, request->client,
                pos_text((struct candor_pos){epoch->epoch, seq}, pos),
                pos_text((struct candor_pos){place->epoch->epoch, place->seq}, before));
    }
    struct place *place = world_alloc(world, sizeof *place);
    *place = (struct place){request->places, epoch, seq, what->part};
    request->places = place;
}

/* What is acknowledged is what was asked for, not what somebody else has done under its id. */
void check_answered(struct world *world, const struct node *node, const struct request *request,
                    struct candor_pos pos)
{
    const struct registered *what = record_what(&node->disk, pos.seq);
    char text[POS_TEXT_BYTES];
    if (what->request != request)
        violate(world, "I11",
                "node %s acknowledges request %" PRIu64 " of client %u at %s, where another stands",
                node->id.text, request->number, request->client, pos_text(pos, text));
}

/* At the end, the whole log once more, without what was remembered on the way. */
void check_log_once(struct world *world, const struct node *node)
{
    for (uint64_t seq = 1; seq <= node->disk.last; seq++) {
        const struct registered *what = record_what(&node->disk, seq);
        if (what->request == NULL)
            continue;
        struct request *request = what->request->first;
        uint32_t bit = UINT32_C(1) << what->part;
        if ((request->seen & bit) != 0)
            violate(world, "I11", "request %" PRIu64 " of client %u is in the log twice",
                    request->number, request->client);
        request->seen |= bit;
    }
}
