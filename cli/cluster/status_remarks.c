/* What the columns of a look do not show. */
#include <inttypes.h>
#include <string.h>

#include "cli/cluster/status_look.h"

static void remark_cut_off(const struct node_row *row, FILE *to)
{
    static const char *const why[] = {
        [CANDOR_CUT_OFF_ME] = "no other node hears it, or it hears none",
        [CANDOR_CUT_OFF_PRIMARY] = "the nodes that it hears do not hear the primary either",
        [CANDOR_CUT_OFF_UNKNOWN] = "it hears other nodes, which may hear the primary",
    };
    enum candor_cut_off cut_off = row->result.freshness.cut_off;
    if (cut_off != CANDOR_CUT_OFF_NO)
        output_line(to, "%s: cut off: %s", row->target.id, why[cut_off]);
}

void status_remarks(const struct status_look *look, FILE *to)
{
    const struct node_row *primary = NULL;
    for (size_t i = 0; i < look->count; i++) {
        const struct node_row *row = &look->rows[i];
        if (!status_reached(look, i)) {
            output_line(to, "%s: %s",
                        row->target.id[0] != '\0' ? row->target.id : row->target.address,
                        row->result.error.message);
            continue;
        }
        remark_cut_off(row, to);
        if (row->status.relay[0] != '\0')
            output_line(to, "%s: hears %s through %s: the link between the two is lost",
                        row->target.id, row->status.primary, row->status.relay);
        if (row->status.differs_seq > 0)
            output_line(
                to,
                "%s: its data differ from the others' since a record after %" PRIu64 ", at %" PRIu64
                " at the latest: it serves nothing; see \"Data that differ\" in docs/operations.md",
                row->target.id, row->status.equal_seq, row->status.differs_seq);
        if (row->status.scrub_finding[0] != '\0')
            output_line(to, "%s: has found rot in its %s", row->target.id,
                        row->status.scrub_finding);
        if (!row->status.admitted)
            output_line(to,
                        "%s: not admitted yet: its disk is new, or another node's. It waits for a "
                        "majority to admit it, and does not count as a voter until then",
                        row->target.id);
        if (row->status.rollback_count > 0)
            output_line(to, "%s: holds %" PRIu64 " rollback archive%s: see `kvctl rollback ls`",
                        row->target.id, row->status.rollback_count,
                        row->status.rollback_count == 1 ? "" : "s");
        if (row->status.no_room)
            output_line(to, "%s: its disk is full: make room%s", row->target.id,
                        row->result.freshness.role == CANDOR_ROLE_PRIMARY
                            ? ", or hand over with `kvctl transfer`"
                            : "");
        if (row->status.at_risk > 0)
            output_line(to,
                        "%s: at risk: %" PRIu64
                        " acknowledged LOCAL %s not committed; a failover may "
                        "roll %s back",
                        row->target.id, row->status.at_risk,
                        row->status.at_risk == 1 ? "write is" : "writes are",
                        row->status.at_risk == 1 ? "it" : "them");
        if (row->result.freshness.role != CANDOR_ROLE_PRIMARY)
            continue;
        if (primary != NULL && strcmp(primary->target.id, row->target.id) != 0) {
            bool newer = candor_epoch_compare(&row->result.freshness.epoch,
                                              &primary->result.freshness.epoch) > 0;
            output_line(
                to, "%s and %s both say that they are primary; the epoch of %s is the newer one",
                primary->target.id, row->target.id, newer ? row->target.id : primary->target.id);
        }
        primary = row;
    }
    drift_print(&look->drift, look->rows, look->count, to);
}
