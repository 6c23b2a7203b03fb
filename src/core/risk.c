/* Which records above the commit say LOCAL: what a failover may take back although a client was told that it is done (R42). It goes by
 * what the log says, so records of a former primary count as one's own, and a count of the log agrees with this one. */
#include "core/internal.h"

void risk_note(struct core *core, struct slice batches)
{
    struct batch batch;
    struct candor_error err;
    struct record record;
    while (batches.length > 0 && batch_decode(&batches, &batch, &err) == CANDOR_OK) {
        size_t cursor = 0;
        if (batch.type != RECORD_WRITE || batch_last_seq(&batch) <= core->commit)
            continue;
        while (batch_next(&batch, &cursor, &record))
            if (record.ack == ACK_LOCAL)
                seq_bits_add(&core->local, record.seq);
    }
}

void risk_committed(struct core *core)
{
    seq_bits_raise_floor(&core->local, core->commit);
}

void risk_cut(struct core *core)
{
    seq_bits_drop_above(&core->local, core->last);
    if (core->commit < core->local.floor) /* a forced promotion went back behind it */
        seq_bits_clear(&core->local, core->commit);
}

uint64_t risk_count(const struct core *core)
{
    if (mutated(core, AT_RISK_COUNTS_ALL))
        return saturating_sub(core->durable, core->commit);
    return seq_bits_count_upto(&core->local, core->durable);
}
