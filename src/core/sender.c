/* Who sent a message: by its channel, never by its own word (R8, R49, R50). */
#include "core/sender.h"

#include "core/act.h"
#include "core/lives.h"
#include "core/who.h"

static bool same_cluster(const struct core *core, const struct core_header *header)
{
    if (header->config_hash != core->config.config_hash)
        return false;
    /* The blank belong to nobody yet, on either side. */
    return header->cluster_id == core->cluster_id || header->cluster_id == 0 || who_is_blank(core);
}

static void note_foreign(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (peer->foreign_logged)
        return;
    peer->foreign_logged = true;
    act_log(core, LOG_LEVEL_WARN,
            "foreign_peer node=%s its_cluster=%016" PRIx64 " our_cluster=%016" PRIx64
            " same_topology_name=%s",
            peer->id.text, header->cluster_id, core->cluster_id,
            header->config_hash == core->config.config_hash ? "yes" : "no");
}

static bool is_lost_disk(const struct peer *peer, const struct core_header *header)
{
    for (uint32_t i = 0; i < LOST_DISKS; i++)
        if (peer->lost[i].store_id == header->store_id && header->boot <= peer->lost[i].boot)
            return true;
    return false;
}

/* Since when the peer could be heard and was not. Who slept (a machine that was paused) finds old
 * and new messages waiting, in whatever order: of its own silence nothing follows. */
static uint64_t silent_ns(const struct core *core, const struct peer *peer)
{
    return core->now_ns - max_u64(peer->heard_ns, core->woke_ns);
}

static bool long_silent(const struct core *core, const struct peer *peer)
{
    uint64_t long_ns = LIMIT_FORMER_LIFE_BEATS * core->config.heartbeat_interval_ns;
    return silent_ns(core, peer) > long_ns && !mutated(core, LIFE_FOR_EVER);
}

/* A late message of an earlier life, or of a disk that another has replaced. Which of two disks is
 * the newer no message can tell: the one that speaks all the time is the present one. The same
 * holds for a boot number, once no message can be on its way any more: somebody who sat at the
 * peer's address may have invented it. */
static bool of_former_life(const struct core *core, const struct peer *peer,
                           const struct core_header *header)
{
    if (lives_is_over(core, peer, header))
        return true;
    if (peer->store_id == header->store_id)
        return header->boot < peer->boot && !long_silent(core, peer);
    bool present_speaks = silent_ns(core, peer) < who_silence_ns(core);
    return is_lost_disk(peer, header) && present_speaks;
}

/* A new life or a new disk of a peer: what its former self said no longer counts (R4, R8). */
static void peer_reborn(struct core *core, struct peer *peer, const struct core_header *header)
{
    if (peer->store_id != 0 && peer->store_id != header->store_id) {
        uint32_t i = peer->lost_count++ % LOST_DISKS;
        peer->lost[i].store_id = peer->store_id;
        peer->lost[i].boot = peer->boot;
    }
    peer->store_id = header->store_id;
    peer->boot = header->boot;
    peer->life_since_ns = core->now_ns;
    peer->older_logged = false;
    peer->epoch = (struct candor_epoch){0};
    peer->match = 0;
    peer->answered_hb = 0;
    peer->promise_ns = 0;
    peer->no_room = false;
    peer->shown = (struct digest_at){0};
    peer->equal_seq = peer->differs_seq = 0;
    peer->voice.store_id = header->store_id;
    peer->voice.boot = header->boot;
    peer->sample_count = 0;
    peer->has_echo = peer->echo_relayed = false;
    peer->echo_ts_ns = peer->announced_ts_ns = peer->recorded_ts_ns = 0;
    peer->seen_hb = peer->relayed_ns = 0;
    peer->hearing = CORE_HEARING_UNSAID;
    peer->relay = (struct candor_node_id){0};
    peer->misses_me = false;
}

static void note_impostor(struct core *core, struct peer *at, const struct core_header *header)
{
    if (at->impostor_logged)
        return;
    at->impostor_logged = true;
    act_log(core, LOG_LEVEL_WARN,
            "wrong_sender at_address_of=%s says_it_is=%s way_out=\"compare the addresses in both "
            "topology files; else somebody sits at that address\"",
            at->id.text, header->node.text);
}

/* R49: who speaks is who was dialled, and says so itself; what it says of who it is settles
 * nothing. NULL drops the message. */
struct peer *sender_known(struct core *core, struct candor_node_id dialled,
                          const struct core_header *header)
{
    struct peer *peer = who_peer(core, dialled);
    if (mutated(core, SENDER_UNCHECKED))
        peer = who_peer(core, header->node);
    if (peer == NULL || header->store_id == 0)
        return NULL;
    if (!node_id_equal(peer->id, header->node)) {
        note_impostor(core, peer, header);
        return NULL;
    }
    if (!same_cluster(core, header)) {
        note_foreign(core, peer, header);
        return NULL;
    }
    bool old_life = of_former_life(core, peer, header);
    if (old_life && !mutated(core, OLD_BOOT_ACCEPTED))
        return NULL;
    if (!old_life && (peer->store_id != header->store_id || peer->boot != header->boot))
        peer_reborn(core, peer, header);
    /* it lasts while it is heard all the time (R62) */
    if (!who_speaks(core, peer))
        peer->life_since_ns = core->now_ns;
    peer->heard = true;
    peer->heard_ns = core->now_ns;
    return peer;
}

/* Whom the header of a request names. Nobody knows who sent it, so nothing that it says is noted
 * (R50): what is true of it the node's own stream says, too. NULL: it is refused. */
struct peer *sender_named(struct core *core, const struct core_header *header)
{
    if (mutated(core, REQUEST_TEACHES))
        return sender_known(core, header->node, header);
    struct peer *peer = who_peer(core, header->node);
    bool ours = peer != NULL && header->store_id != 0 && same_cluster(core, header);
    return ours ? peer : NULL;
}
