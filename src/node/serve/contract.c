/* The contract in words. A test compares them with docs/consistency.md. */
#include "node/serve/contract.h"

static const char *of_refusal(enum candor_reason reason)
{
    switch (reason) {
    case CANDOR_REASON_SYNCING:
        return "the primary is there, this node is catching up";
    case CANDOR_REASON_EXPIRED:
        return "older than reject_after (default: never)";
    case CANDOR_REASON_FORKED:
        return "holds records of a history that a forced promotion overruled, and knows that they "
               "were committed";
    case CANDOR_REASON_DOUBTFUL:
        return "its data differ from those of the others at the same position";
    case CANDOR_REASON_TOO_STALE:
        return "no write acknowledged longer ago than the bound is missing";
    case CANDOR_REASON_SESSION_BEHIND:
        return "waits up to the deadline, then redirect SESSION_BEHIND";
    case CANDOR_REASON_SESSION_LOST:
        return "SESSION_LOST when the position was rolled back";
    case CANDOR_REASON_NO_PRIMARY:
        return "redirect while cut off or catching up";
    case CANDOR_REASON_NO_MAJORITY:
        return "UNAVAILABLE when no majority confirms the primary before the deadline";
    default:
        return "";
    }
}

const char *contract_of_read(enum candor_read_level level, enum candor_reason reason)
{
    if (reason != CANDOR_REASON_NONE)
        return of_refusal(reason);
    switch (level) {
    case CANDOR_READ_BOUNDED:
        return "no write acknowledged longer ago than the bound is missing";
    case CANDOR_READ_SESSION:
        return "at least the token's position: read-your-writes, monotonic reads, "
               "writes-follow-reads";
    case CANDOR_READ_LINEARIZABLE:
        return "sees every write acknowledged before it was sent, and nothing that a rollback can "
               "take back; at every node, by read index";
    default:
        return "what this node holds, flagged";
    }
}

const char *contract_worst_read(enum candor_read_level level)
{
    switch (level) {
    case CANDOR_READ_BOUNDED:
        return "one bound old";
    case CANDOR_READ_SESSION:
        return "another session's newer writes are missing";
    case CANDOR_READ_LINEARIZABLE:
        return "waits for a round trip to a majority";
    default:
        return "data as old as the node's last contact, and data that a rollback later takes back";
    }
}

const char *contract_of_write(enum candor_ack ack, enum candor_reason reason)
{
    if (reason == CANDOR_REASON_NOT_PRIMARY || reason == CANDOR_REASON_NO_PRIMARY)
        return "The primary alone takes writes";
    if (reason == CANDOR_REASON_SESSION_LOST)
        return "SESSION_LOST when the position was rolled back";
    if (reason != CANDOR_REASON_NONE && reason != CANDOR_REASON_OUTCOME_UNKNOWN)
        return "";
    switch (ack) {
    case CANDOR_ACK_MAJORITY:
        return "durable on a majority of the voters of this epoch";
    case CANDOR_ACK_ALL:
        return "durable on every voter";
    default:
        return "durable on the primary's disk";
    }
}

const char *contract_worst_write(enum candor_ack ack)
{
    switch (ack) {
    case CANDOR_ACK_MAJORITY:
        return "no failover loses it, unless an operator forces one";
    case CANDOR_ACK_ALL:
        return "waits for the slowest; one voter that is away makes every outcome unknown";
    default:
        return "a failover to a replica that had not received it: it is rolled back, archived, and "
               "listed by kvctl rollback ls";
    }
}
