/* What reading commands share: options of a read, and what it brought, shown. */
#include "cli/keys/reading.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool level_options(struct command_context *ctx, struct candor_read_options *out, int *status)
{
    static const char *const names[] = {"default", "eventual", "bounded", "session",
                                        "linearizable"};
    const char *level = option_text(ctx, "level");
    bool bounded = option_given(ctx, "max-staleness");
    *out = (struct candor_read_options){.allow_syncing = option_given(ctx, "allow-syncing"),
                                        .level = CANDOR_READ_EVENTUAL};
    *status = EXIT_USAGE;
    if (!option_duration_ms(ctx, "max-staleness", &out->max_staleness_ms))
        return false;
    if (level == NULL && bounded)
        out->level = CANDOR_READ_BOUNDED;
    else if (level == NULL && option_given(ctx, "session"))
        out->level = CANDOR_READ_SESSION;
    for (int i = CANDOR_READ_EVENTUAL; level != NULL && i <= CANDOR_READ_LINEARIZABLE; i++) {
        if (strcmp(level, names[i]) == 0)
            out->level = (enum candor_read_level)i;
    }
    if (bounded && out->level != CANDOR_READ_BOUNDED) {
        report_usage(ctx, NULL, "--max-staleness goes with --level bounded, not %s", level);
        return false;
    }
    if (!bounded && out->level == CANDOR_READ_BOUNDED) {
        report_usage(ctx, "as in --max-staleness 500ms", "--level bounded needs --max-staleness");
        return false;
    }
    if (out->level == CANDOR_READ_SESSION && !option_given(ctx, "session")) {
        report_usage(ctx, "name the file that keeps its token: --session FILE",
                     "--level session needs a session");
        return false;
    }
    *status = EXIT_DONE;
    return true;
}

/* False after a report. */
static bool route_option(struct command_context *ctx, enum candor_route *out)
{
    static const char *const names[] = {[CANDOR_ROUTE_PRIMARY] = "primary",
                                        [CANDOR_ROUTE_ANY] = "any",
                                        [CANDOR_ROUTE_NEAREST] = "nearest",
                                        [CANDOR_ROUTE_ZONE] = "zone",
                                        [CANDOR_ROUTE_FRESHEST] = "freshest"};
    const char *route = option_text(ctx, "route");
    bool zone = option_given(ctx, "zone");
    *out = CANDOR_ROUTE_DEFAULT;
    for (int i = CANDOR_ROUTE_PRIMARY; route != NULL && i <= CANDOR_ROUTE_FRESHEST; i++)
        if (strcmp(route, names[i]) == 0)
            *out = (enum candor_route)i;
    if (route != NULL && context_node(ctx) != NULL)
        report_usage(ctx, "leave out one of them", "--route excludes --node, which names the node");
    else if (*out == CANDOR_ROUTE_ZONE && !zone)
        report_usage(ctx, "as in --route zone --zone east", "--route zone needs --zone");
    else if (*out != CANDOR_ROUTE_ZONE && zone)
        report_usage(ctx, NULL, "--zone goes with --route zone");
    else
        return true;
    return false;
}

bool read_options(struct command_context *ctx, struct candor_read_options *out,
                  struct ladder_given *ladder, int *status)
{
    enum candor_route route;
    *status = EXIT_USAGE;
    if (!route_option(ctx, &route) || !ladder_read(ctx, ladder))
        return false;
    if (ladder->count == 0 && !level_options(ctx, out, status))
        return false;
    *status = EXIT_DONE;
    if (ladder->count > 0)
        *out = (struct candor_read_options){.ladder = ladder->rungs, .rung_count = ladder->count};
    out->route = route;
    return true;
}

int report_read(struct command_context *ctx, const struct candor_result *result)
{
    int status = report_result(ctx, &result->error, result, NULL);
    ladder_note(ctx, result);
    return status;
}

void note_freshness(struct command_context *ctx, const struct candor_result *result)
{
    const struct candor_freshness *f = &result->freshness;
    if (!result->has_freshness || context_quiet(ctx) || context_json(ctx))
        return;
    char age[AGE_TEXT_BYTES];
    char bound[64] = "nothing proves how old";
    char heard[64] = "";
    char cut_off[32] = "";
    char of[32] = ""; /* nothing that the primary announced is known: 0 */
    bool colours = output_colours(stderr);
    fflush(stdout);
    if (f->has_staleness_bound)
        snprintf(bound, sizeof bound, "at most %s old", age_text(f->staleness_bound_ms, age));
    if (f->role != CANDOR_ROLE_PRIMARY && f->has_heartbeat_age)
        snprintf(heard, sizeof heard, ", primary heard %s ago", age_text(f->heartbeat_age_ms, age));
    else if (f->role != CANDOR_ROLE_PRIMARY)
        snprintf(heard, sizeof heard, ", primary never heard in this epoch");
    if (f->cut_off != CANDOR_CUT_OFF_NO)
        snprintf(cut_off, sizeof cut_off, ", cut off: %s", candor_cut_off_name(f->cut_off));
    if (f->primary_seq > 0)
        snprintf(of, sizeof of, " of %" PRIu64, f->primary_seq);
    output_line(stderr,
                "%s%s%s from %s (%s, epoch %" PRIu64 "): %s%s%s; applied %" PRIu64
                "%s, committed %" PRIu64,
                colours ? (f->stale ? "\033[33m" : "\033[32m") : "", candor_state_name(f->state),
                colours ? "\033[0m" : "", f->node, candor_role_name(f->role), f->epoch.term, bound,
                heard, cut_off, f->applied_seq, of, f->commit_seq);
    ladder_note(ctx, result);
    if (result->session_lost)
        output_note(
            ctx, "part of what this session saw was rolled back; `kvctl rollback ls` shows what");
}

json_t *json_item(const struct candor_item *item, bool keys_only)
{
    json_t *out = json_object();
    json_set_bytes(out, "key", item->key.data, item->key.length);
    if (!keys_only && item->found)
        json_set_bytes(out, "value", item->value.data, item->value.length);
    else if (!keys_only)
        json_object_set_new(out, "value", json_null());
    json_object_set_new(out, "found", json_boolean(item->found));
    json_object_set_new(out, "mod_seq", item->found ? json_u64(item->mod_seq) : json_null());
    json_object_set_new(out, "ttl_ms", item->has_ttl ? json_u64(item->ttl_ms) : json_null());
    return out;
}

json_t *json_pos(const struct candor_pos *pos)
{
    json_t *out = json_object();
    json_object_set_new(out, "epoch", json_u64(pos->epoch.term));
    json_object_set_new(out, "generation", json_u64(pos->epoch.generation));
    json_object_set_new(out, "owner", json_string(pos->epoch.owner.text));
    json_object_set_new(out, "seq", json_u64(pos->seq));
    return out;
}

void json_set_answer(json_t *object, const struct candor_result *result)
{
    json_object_set_new(object, "freshness",
                        result->has_freshness ? json_freshness(&result->freshness) : json_null());
    if (result->session_lost)
        json_object_set_new(object, "session_lost", json_true());
    if (result->violation[0] != '\0')
        json_object_set_new(object, "violation", json_string(result->violation));
}

/* Length of the UTF-8 sequence that `bytes` begins with; 0: none. jansson knows what is valid. */
static size_t utf8_length(const uint8_t *bytes, size_t length)
{
    size_t wanted = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : bytes[0] >= 0xC0 ? 2 : 0;
    if (wanted == 0 || wanted > length)
        return 0;
    json_t *text = json_stringn((const char *)bytes, wanted);
    json_decref(text);
    return text != NULL ? wanted : 0;
}

/* U+FEFF is escaped: in front of a file it would be taken for the editor's. */
static size_t shown_as_is(const uint8_t *bytes, size_t length)
{
    size_t sequence = utf8_length(bytes, length);
    return sequence == 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 0 : sequence;
}

void print_escaped(struct candor_bytes bytes, FILE *to)
{
    const uint8_t *data = bytes.data;
    for (size_t i = 0; i < bytes.length;) {
        size_t sequence = data[i] >= 0x80 ? shown_as_is(data + i, bytes.length - i) : 0;
        if (sequence > 0) {
            fwrite(data + i, 1, sequence, to);
            i += sequence;
            continue;
        }
        if (data[i] == '\\')
            fputs("\\\\", to);
        else if (data[i] == '\t')
            fputs("\\t", to);
        else if (data[i] == '\n')
            fputs("\\n", to);
        else if (data[i] < 0x20 || data[i] >= 0x7F)
            fprintf(to, "\\x%02x", data[i]);
        else
            fputc(data[i], to);
        i++;
    }
}

bool key_operand(struct command_context *ctx, const char *text, struct candor_bytes *key,
                 uint8_t **owned, int *status)
{
    *owned = NULL;
    *key = candor_text(text);
    *status = EXIT_DONE;
    if (option_given(ctx, "key-b64")) {
        *owned = base64_decode(text, &key->length);
        key->data = *owned;
        if (*owned == NULL) {
            *status = report_usage(ctx, NULL, "--key-b64: '%s' is not base64", text);
            return false;
        }
    }
    if (key->length == 0 || key->length > CANDOR_KEY_BYTES_MAX) {
        *status = report_usage(ctx, NULL, "a key has 1 to %d bytes, not %zu", CANDOR_KEY_BYTES_MAX,
                               key->length);
        free(*owned);
        *owned = NULL;
        return false;
    }
    return true;
}
