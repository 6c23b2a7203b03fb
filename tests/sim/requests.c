/* The table of known requests, part of the state. */
#include "sim.h"

/* The known requests (R46): of each client the newest SIM_REQUESTS numbers, each in the place of
 * the one that it makes too old. They follow from the log alone, and are taken back record by
 * record. */

static const struct known *place_of(const struct requests *requests, const struct request *request)
{
    return &requests->list[request->client][request->number % SIM_REQUESTS];
}

static uint64_t newest_number(const struct requests *requests, uint32_t client)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < SIM_REQUESTS; i++)
        newest = max_u64(newest, requests->list[client][i].number);
    return newest;
}

enum standing requests_find(const struct requests *requests, const struct request *request,
                            struct known *out)
{
    *out = *place_of(requests, request);
    if (out->number == request->number)
        return out->content == request->content ? REQUEST_KNOWN : REQUEST_OF_ANOTHER;
    uint64_t newest = newest_number(requests, request->client);
    return saturating_sub(newest, request->number) >= SIM_REQUESTS ? REQUEST_TOO_OLD : REQUEST_NEW;
}

struct known requests_note(struct requests *requests, const struct request *request, uint32_t part,
                           uint64_t seq)
{
    if (request->number == 0)
        return (struct known){0};
    struct known *known = &requests->list[request->client][request->number % SIM_REQUESTS];
    struct known before = *known;
    bool follows = known->number == request->number && known->parts == part;
    *known = (struct known){
        .number = request->number,
        .first_seq = follows ? known->first_seq : seq,
        .last_seq = seq,
        .parts = part + 1,
        .content = request->content,
    };
    return before;
}

void requests_undo(struct requests *requests, const struct request *request, struct known before)
{
    if (request->number == 0)
        return;
    requests->list[request->client][request->number % SIM_REQUESTS] = before;
}

struct request_id requests_id(const struct request *request)
{
    struct request_id id = {.number = request->number};
    if (request->number != 0) /* nobody's: a key's time was over */
        id.client[0] = (uint8_t)(request->client + 1);
    return id;
}
