/* The core's view, published by the node thread, copied by any thread: a sequence lock over atomic
 * words. The words are stored with release and loaded with acquire order, so that no fence is
 * needed: a reader that saw any word of a newer view also sees its odd sequence. */
#include "node/shared/view.h"

#include <sched.h>
#include <string.h>

#include "core/core.h"

enum { SPINS = 100 };

void view_publish(struct published_view *published, const struct core_view *view)
{
    uint64_t words[VIEW_WORDS] = {0};
    memcpy(words, view, sizeof *view);
    uint64_t sequence = atomic_load_explicit(&published->sequence, memory_order_relaxed);
    atomic_store_explicit(&published->sequence, sequence + 1, memory_order_relaxed);
    for (size_t i = 0; i < VIEW_WORDS; i++)
        atomic_store_explicit(&published->words[i], words[i], memory_order_release);
    atomic_store_explicit(&published->sequence, sequence + 2, memory_order_release);
}

/* It writes for well under a microsecond, unless it lost its core in the middle: then spinning
 * keeps it from it. */
static void wait_for_publisher(uint32_t spins)
{
    if (spins > SPINS)
        sched_yield();
}

static void read_words(const struct published_view *published, struct core_view *out, size_t bytes)
{
    uint64_t words[VIEW_WORDS];
    size_t count = (bytes + 7) / 8;
    uint32_t spins = 0;
    for (;;) {
        uint64_t before = atomic_load_explicit(&published->sequence, memory_order_acquire);
        if (before % 2 != 0) {
            wait_for_publisher(++spins);
            continue;
        }
        for (size_t i = 0; i < count; i++)
            words[i] = atomic_load_explicit(&published->words[i], memory_order_acquire);
        if (atomic_load_explicit(&published->sequence, memory_order_relaxed) == before)
            break;
        wait_for_publisher(++spins);
    }
    memcpy(out, words, bytes);
}

void view_read(const struct published_view *published, struct core_view *out)
{
    read_words(published, out, sizeof *out);
}

/* The peers stand last and are most of it; a read needs none of them. */
void view_read_without_peers(const struct published_view *published, struct core_view *out)
{
    read_words(published, out, offsetof(struct core_view, peer_count));
    out->peer_count = 0;
}
