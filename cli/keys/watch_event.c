/* One event of a watch, shown. */
#include "cli/keys/watch_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/keys/reading.h"

static const char *type_name(const struct candor_event *event)
{
    switch (event->type) {
    case CANDOR_EVENT_PUT:
        return "put";
    case CANDOR_EVENT_DELETE:
        return "delete";
    case CANDOR_EVENT_STATE:
        return "state";
    case CANDOR_EVENT_STATE_END:
        return "state_end";
    case CANDOR_EVENT_ROLLED_BACK:
        return "rolled_back";
    case CANDOR_EVENT_COMPACTED:
        return "compacted";
    }
    return "unknown";
}

json_t *watch_json(const struct candor_event *event)
{
    json_t *out = json_object();
    json_object_set_new(out, "type", json_string(type_name(event)));
    json_object_set_new(out, "seq", json_u64(event->pos.seq));
    if (event->key.length > 0) {
        json_set_bytes(out, "key", event->key.data, event->key.length);
        if (event->type != CANDOR_EVENT_DELETE)
            json_set_bytes(out, "value", event->value.data, event->value.length);
        json_object_set_new(out, "taken_back", json_boolean(event->taken_back));
        json_object_set_new(out, "more", json_boolean(event->more));
        json_object_set_new(out, "wall_ms", json_u64(event->wall_ms));
        json_object_set_new(out, "expired", json_boolean(event->expired));
        json_object_set_new(out, "ttl_ms",
                            event->ttl_ms != 0 ? json_u64(event->ttl_ms) : json_null());
    }
    return out;
}

void watch_print(const struct candor_event *event)
{
    static const char *const words[] = {[CANDOR_EVENT_PUT] = "PUT",
                                        [CANDOR_EVENT_DELETE] = "DELETE",
                                        [CANDOR_EVENT_STATE] = "STATE"};
    switch (event->type) {
    case CANDOR_EVENT_STATE_END:
        return;
    case CANDOR_EVENT_ROLLED_BACK:
        printf("ROLLED BACK: what was shown from seq %" PRIu64 " on has not happened\n",
               event->pos.seq);
        return;
    case CANDOR_EVENT_COMPACTED:
        printf("COMPACTED: changes before seq %" PRIu64
               " may be missing; what is there now follows\n",
               event->pos.seq);
        return;
    default:
        printf("%" PRIu64 "\t%s%s\t", event->pos.seq, event->taken_back ? "NOT " : "",
               event->expired ? "EXPIRE" : words[event->type]);
        print_escaped(event->key, stdout);
        if (event->type != CANDOR_EVENT_DELETE) {
            putchar('\t');
            print_escaped(event->value, stdout);
        }
        putchar('\n');
    }
}
