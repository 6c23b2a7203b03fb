/* The disk against the model. */
#include <stdlib.h>

#include "storage.h"

/* The disk against the model. */

/* ---- The log --------------------------------------------------------------------------------- */

static void check_record(const struct record *record)
{
    if (record->seq > world->log.last ||
        record_hash(record) != world->log.records[record->seq - 1].hash)
        violate("I2", "the log holds another record at seq %" PRIu64 " than was stored",
                record->seq);
}

void check_log(struct node *node)
{
    uint64_t next = log_first(node->log);
    uint64_t last = log_last(node->log);
    struct buffer batches = {0};
    struct candor_error err = {0};
    if (last != world->log.last)
        violate("I4", "the log ends at seq %" PRIu64 ", %" PRIu64 " was stored", last,
                world->log.last);
    if (next <= last && log_read(node->log, next, last, SIZE_MAX, &batches, &err) != CANDOR_OK)
        violate("log", "%s", err.message);
    struct slice rest = buffer_slice(&batches);
    struct batch batch;
    while (rest.length > 0 && batch_decode(&rest, &batch, &err) == CANDOR_OK) {
        struct record record;
        size_t cursor = 0;
        while (batch_next(&batch, &cursor, &record)) {
            if (record.seq != next++)
                violate("I2", "the log skips to seq %" PRIu64, record.seq);
            check_record(&record);
        }
    }
    buffer_free(&batches);
    if (next != last + 1)
        violate("I2", "the log lacks seq %" PRIu64, next);
    for (uint64_t seq = log_first(node->log) - 1; seq <= last; seq++) {
        struct chain chain;
        if (log_chain_at(node->log, seq, &chain, &err) != CANDOR_OK)
            violate("log", "%s", err.message);
        if (!chain_equal(chain, model_chain(&world->log, seq)))
            violate("R55", "the log has another chain at seq %" PRIu64, seq);
    }
}

/* ---- The state (I13) ------------------------------------------------------------------------- */

struct scan {
    const struct model_state *model;
    uint32_t found;
};

static bool check_item(const struct state_item *item, void *closure)
{
    struct scan *scan = closure;
    const struct model_item *model = &scan->model->items[key_index(item->key)];
    scan->found++;
    if (!model->there || !slice_equal(model->value, item->value) ||
        model->mod_seq != item->mod_seq || model->version != item->version ||
        model->until_ms != item->until_ms)
        violate("I13",
                "key %.*s has mod_seq %" PRIu64 " and version %" PRIu64 ", by the log %" PRIu64
                " and %" PRIu64 "%s",
                (int)item->key.length, (const char *)item->key.bytes, item->mod_seq, item->version,
                model->mod_seq, model->version,
                slice_equal(model->value, item->value) ? "" : ", and another value");
    return true;
}

/* R54: what rotted is told, and not shown. */
static void end_sound_or_told(const struct candor_error *err)
{
    if (!world->rotten)
        violate("R54", "%s", err->message);
    end_with_integrity(err);
}

static void check_sound(const struct state_view *view)
{
    struct candor_error err = {0};
    if (state_view_check(view, &err) != CANDOR_OK)
        end_sound_or_told(&err);
}

static void check_items(struct state_view *view, const struct model_state *model)
{
    struct scan scan = {.model = model};
    uint32_t expected = 0;
    state_scan(view, &(struct state_scan){0}, check_item, &scan);
    check_sound(view);
    for (uint32_t i = 0; i < KEYS; i++)
        expected += model->items[i].there;
    if (scan.found != expected)
        violate("I13", "the state has %u keys, by the log %u", scan.found, expected);
}

static bool same_results(const struct model_request *request, struct slice results)
{
    for (uint32_t i = 0; i < request->parts; i++) {
        size_t length = request->results[i].length;
        if (results.length < length ||
            !slice_equal(slice_of(results.bytes, length), request->results[i]))
            return false;
        results = slice_of(results.bytes + length, results.length - length);
    }
    return results.length == 0;
}

static void check_known(const struct request_id *id, const struct state_request *known,
                        const struct model_request *request)
{
    if (known->first.seq != request->first_seq || known->last.seq != request->last_seq ||
        known->parts != request->parts || known->digest != request->digest ||
        !same_results(request, known->results))
        violate("I13",
                "request %" PRIu64 " of client %u is known at %" PRIu64 "..%" PRIu64
                " with %u parts, by the log %" PRIu64 "..%" PRIu64 " with %u",
                id->number, id->client[0], known->first.seq, known->last.seq, known->parts,
                request->first_seq, request->last_seq, request->parts);
}

/* R46: the newest numbers are known; older ones are, or are too old; none is new that had its
 * effect, and none is known that had none. */
static void check_request(struct state_view *view, const struct model_state *model,
                          const struct request_id *id)
{
    const struct model_request *request = model_request(model, id);
    bool old = saturating_sub(model_newest(model, id), id->number) >= LIMIT_REQUESTS_PER_CLIENT;
    struct state_request known;
    enum state_request_standing standing = state_view_request(view, id, &known);
    check_sound(view);
    if (standing == STATE_REQUEST_KNOWN && request != NULL) {
        check_known(id, &known, request);
        return;
    }
    enum state_request_standing right = old               ? STATE_REQUEST_TOO_OLD
                                        : request != NULL ? STATE_REQUEST_KNOWN
                                                          : STATE_REQUEST_NEW;
    if (standing != right)
        violate("I13", "request %" PRIu64 " of client %u has standing %d, by the log %d",
                id->number, id->client[0], standing, right);
}

static void check_requests(struct state_view *view, const struct model_state *model)
{
    for (uint32_t i = 0; i < model->request_count; i++)
        check_request(view, model, &model->requests[i].id);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct request_id id = world->clients[i].id;
        for (uint32_t back = 0; back < 40 && id.number > 0; back++, id.number--)
            check_request(view, model, &id);
    }
}

static void check_position(struct node *node)
{
    struct state_position position;
    struct epoch_history history;
    epoch_history_init(&history);
    struct candor_error err = {0};
    if (state_position_and_history(node->state, &position, &history, &err) != CANDOR_OK)
        end_sound_or_told(&err);
    struct candor_pos expected = {tail_epoch(&world->log), world->log.last};
    char is[POS_TEXT_BYTES];
    char should[POS_TEXT_BYTES];
    if (!pos_equal(position.applied, expected))
        violate("I13", "the state stands at %s, the log at %s", pos_text(position.applied, is),
                pos_text(expected, should));
    if (!chain_equal(position.chain, model_chain(&world->log, expected.seq)) ||
        !chain_equal(log_chain(node->log), position.chain))
        violate("R55", "log and state do not stand behind the same records at %" PRIu64,
                expected.seq);
    if (position.undo_floor > position.applied.seq)
        violate("I4", "the undo begins at %" PRIu64 ", beyond what is applied",
                position.undo_floor);
    for (uint64_t seq = 1; seq <= world->log.last; seq++)
        if (!epoch_equal(epoch_history_at(&history, seq), world->log.records[seq - 1].record.epoch))
            violate("I13", "by the epoch history seq %" PRIu64 " is of another epoch", seq);
    epoch_history_free(&history);
}

void check_state(struct node *node)
{
    static struct model_state model;
    model_replay(&world->log, world->log.last, &model);
    check_position(node);
    struct state_view *view = state_view_begin(node->state);
    check_items(view, &model);
    check_requests(view, &model);
    state_view_end(view);
}

/* Of every entry, and the one that was kept change by change. */
static struct state_digest digest_of(struct state *state)
{
    struct state_digest digest;
    struct candor_error err = {0};
    struct state_view *view = state_view_begin(state);
    if (state_view_digest(view, &digest, &err) != CANDOR_OK)
        violate("I13", "%s", err.message);
    state_view_end(view);
    return digest;
}

/* Byte for byte, whatever it is that records make. */
void check_replayed(struct node *node)
{
    char dir[sizeof world->dir + 16];
    struct candor_error err = {0};
    struct state *anew;
    struct buffer batches = {0};
    world->fail_in = 0; /* the node's syncs alone fail */
    snprintf(dir, sizeof dir, "%s/anew%" PRIu64, world->dir, world->lives);
    struct state_options options = {.dir = dir, .map_bytes = 64 << 20};
    model_encode(&world->log, &batches);
    if (state_open(&options, &anew, &err) != CANDOR_OK ||
        (batches.length > 0 &&
         state_apply(anew, buffer_slice(&batches), world->log.last, &err) != CANDOR_OK))
        violate("replay", "%s", err.message);
    if (!state_digest_equal(digest_of(anew), digest_of(node->state)))
        violate("I13", "the state at seq %" PRIu64 " is not the one that its log makes",
                world->log.last);
    state_close(anew);
    buffer_free(&batches);
}
