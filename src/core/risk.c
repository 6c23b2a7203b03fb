/* Which records above the commit say LOCAL: what a failover may take back although a client was
 * told that it is done (R42). It goes by what the log says, so records of a former primary count as
 * one's own, and a count of the log agrees with this one. */
#include "core/risk.h"

void risk_note(struct core *core, struct slice batches)
{
    struct batch batch;
    struct candor_error err;
    struct record record;
    while (batches.length > 0 && batch_decode(&batches, &batch, &err) == CANDOR_OK) {
        size_t cursor = 0;
        if (batch.type != RECORD_WRITE || batch_last_seq(&batch) <= core->log.commit)
            continue;
        while (batch_next(&batch, &cursor, &record))
            if (record.ack == CANDOR_ACK_LOCAL)
                seq_bits_add(&core->log.local, record.seq);
    }
}

void risk_committed(struct core *core)
{
    seq_bits_raise_floor(&core->log.local, core->log.commit);
}

void risk_cut(struct core *core)
{
    seq_bits_drop_above(&core->log.local, core->log.last);
    if (core->log.commit < core->log.local.floor) /* a forced promotion went back behind it */
        seq_bits_clear(&core->log.local, core->log.commit);
}

uint64_t risk_count(const struct core *core)
{
    if (mutated(core, AT_RISK_COUNTS_ALL))
        return saturating_sub(core->log.durable, core->log.commit);
    return seq_bits_count_upto(&core->log.local, core->log.durable);
}
