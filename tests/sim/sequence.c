/* What a group of writes makes of the log: known requests, new records. */
#include "sim.h"

/* As src/node/store/sequence.c: each write of a group is looked up among the known requests, those
 * of the group before it included; what is not known of it makes records. */

struct group {
    struct world *world;
    struct candor_epoch epoch;
    struct batch_writer batch;
    struct chain before; /* at the log's end */
    uint64_t first_seq;
    uint64_t next_seq;
    uint64_t log_ms;
    struct requests requests; /* with what the group has done so far */
};

static void add_record(struct group *group, const struct request *request, uint32_t part,
                       uint64_t number)
{
    struct world *world = group->world;
    uint8_t key = (uint8_t)request->ops[part].key;
    uint64_t ttl_ms = request->ops[part].ttl_ms;
    bool deletes = request->ops[part].deletes;
    bool expires = request->number == 0;
    struct slice bytes = slice_of(&number, sizeof number);
    struct record_op op = {
        .kind = expires   ? RECORD_EXPIRE
                : deletes ? RECORD_DELETE
                          : RECORD_PUT,
        .key = slice_of(&key, 1),
        .value = deletes ? (struct slice){0} : bytes,
        .until_ms = ttl_ms != 0 ? group->log_ms + ttl_ms : 0,
    };
    struct record_write record = {
        .ack = request->ack,
        .wall_ms = world->now_ns / NS_PER_MS,
        .log_ms = group->log_ms,
        .request = requests_id(request),
        .result = bytes,
        .part = (uint16_t)part,
        .digest = request->content,
    };
    if (group->next_seq == group->first_seq)
        group->batch = batch_begin(&world->scratch, RECORD_WRITE, group->epoch, group->first_seq,
                                   group->before);
    batch_add_write(&group->batch, &record, &op, 1);
    (void)requests_note(&group->requests, request, part, group->next_seq);
    group->next_seq++;
}

/* R69: first of all, what has ended goes. A record for each key: the registry knows no others. */
static void expire(struct group *group, const struct node *node)
{
    for (uint32_t key = 0; key < SIM_KEYS; key++) {
        const struct entry *entry = &node->disk.state.keys[key];
        if (entry->until_ms == 0 || entry->until_ms >= group->log_ms)
            continue;
        TRACE(group->world, node, "expires key=%u until=%" PRIu64 " log_ms=%" PRIu64, key,
              entry->until_ms, group->log_ms);
        rules_expired(group->world, node, entry);
        struct request *request = expiry_request(group->world, key);
        add_record(group, request, 0, expiry_number(group->world, request));
    }
}

static enum standing look_up(const struct group *group, const struct request *request,
                             struct known *out)
{
    if (!mutated(group->world, SIM_MUTATION_DEDUPE_SKIPPED)) {
        enum standing standing = requests_find(&group->requests, request, out);
        bool ignored = mutated(group->world, SIM_MUTATION_CONTENT_IGNORED);
        return standing == REQUEST_OF_ANOTHER && ignored ? REQUEST_KNOWN : standing;
    }
    *out = (struct known){0};
    return REQUEST_NEW;
}

/* Of a write that a failover cut in two, the rest is still to be done. */
static struct sequenced run_write(struct group *group, const struct ticket *ticket)
{
    const struct request *request = ticket->request;
    struct known known;
    enum standing standing = look_up(group, request, &known);
    if (standing == REQUEST_TOO_OLD || standing == REQUEST_OF_ANOTHER)
        return (struct sequenced){.code = CANDOR_ABORTED};
    uint32_t done = standing == REQUEST_KNOWN ? (uint32_t)min_u64(known.parts, request->parts) : 0;
    struct sequenced result = {
        .replayed = done == request->parts,
        .first_seq = done > 0 ? known.first_seq : group->next_seq,
    };
    for (uint32_t part = done; part < request->parts; part++)
        add_record(group, request, part, ticket->first_number + part);
    result.last_seq = result.replayed ? known.last_seq : group->next_seq - 1;
    TRACE(group->world, NULL, "sequenced request=%u/%" PRIu64 " known=%u of %u last=%" PRIu64,
          request->client, request->number, done, request->parts, result.last_seq);
    return result;
}

struct slice sequence_group(struct world *world, const struct node *node, struct candor_epoch epoch,
                            uint64_t log_ms, const struct ticket *const *tickets, uint32_t count,
                            struct sequenced *out, uint64_t *last_seq)
{
    struct group group = {
        .world = world,
        .epoch = epoch,
        .before = disk_chain(&node->disk, node->disk.last),
        .first_seq = node->disk.last + 1,
        .next_seq = node->disk.last + 1,
        .log_ms = max_u64(log_ms, node->disk.log_ms),
        .requests = node->disk.state.requests,
    };
    buffer_clear(&world->scratch);
    expire(&group, node);
    for (uint32_t i = 0; i < count; i++) {
        if (tickets[i] != NULL)
            out[i] = run_write(&group, tickets[i]);
        else /* an EXPIRE */
            out[i] = (struct sequenced){.last_seq = group.next_seq - 1};
    }
    *last_seq = group.next_seq - 1;
    if (group.next_seq == group.first_seq)
        return (struct slice){0};
    batch_end(&group.batch);
    const struct buffer *bytes = &world->scratch;
    return slice_of(world_copy(world, bytes->bytes, bytes->length), bytes->length);
}
