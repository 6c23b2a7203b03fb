package candor

import (
	"strings"

	"candor.example/candor/candorv1"
)

// Code is the outcome of a call. The numbers are those of google.rpc.Code; a newer node may send
// one that this version has no name for.
type Code int32

const (
	CodeOK                 = Code(candorv1.Code_CODE_OK)
	CodeCancelled          = Code(candorv1.Code_CODE_CANCELLED)
	CodeUnknown            = Code(candorv1.Code_CODE_UNKNOWN)
	CodeInvalidArgument    = Code(candorv1.Code_CODE_INVALID_ARGUMENT)
	CodeDeadlineExceeded   = Code(candorv1.Code_CODE_DEADLINE_EXCEEDED)
	CodeNotFound           = Code(candorv1.Code_CODE_NOT_FOUND)
	CodeAlreadyExists      = Code(candorv1.Code_CODE_ALREADY_EXISTS)
	CodePermissionDenied   = Code(candorv1.Code_CODE_PERMISSION_DENIED)
	CodeResourceExhausted  = Code(candorv1.Code_CODE_RESOURCE_EXHAUSTED)
	CodeFailedPrecondition = Code(candorv1.Code_CODE_FAILED_PRECONDITION)
	CodeAborted            = Code(candorv1.Code_CODE_ABORTED)
	CodeOutOfRange         = Code(candorv1.Code_CODE_OUT_OF_RANGE)
	CodeUnimplemented      = Code(candorv1.Code_CODE_UNIMPLEMENTED)
	CodeInternal           = Code(candorv1.Code_CODE_INTERNAL)
	CodeUnavailable        = Code(candorv1.Code_CODE_UNAVAILABLE)
	CodeDataLoss           = Code(candorv1.Code_CODE_DATA_LOSS)
	CodeUnauthenticated    = Code(candorv1.Code_CODE_UNAUTHENTICATED)
)

// String gives the name as the protocol has it: "UNAVAILABLE".
func (c Code) String() string {
	return strings.TrimPrefix(candorv1.Code(c).String(), "CODE_")
}

// Reason tells why, where the code alone is too coarse to act on. proto/candor/v1/rpc.proto says
// what each means.
type Reason int32

const (
	ReasonNone             = Reason(candorv1.Reason_REASON_NONE)
	ReasonNotPrimary       = Reason(candorv1.Reason_REASON_NOT_PRIMARY)
	ReasonTooStale         = Reason(candorv1.Reason_REASON_TOO_STALE)
	ReasonSessionBehind    = Reason(candorv1.Reason_REASON_SESSION_BEHIND)
	ReasonSessionLost      = Reason(candorv1.Reason_REASON_SESSION_LOST)
	ReasonSyncing          = Reason(candorv1.Reason_REASON_SYNCING)
	ReasonExpired          = Reason(candorv1.Reason_REASON_EXPIRED)
	ReasonForked           = Reason(candorv1.Reason_REASON_FORKED)
	ReasonNoPrimary        = Reason(candorv1.Reason_REASON_NO_PRIMARY)
	ReasonMaxHops          = Reason(candorv1.Reason_REASON_MAX_HOPS)
	ReasonOverloaded       = Reason(candorv1.Reason_REASON_OVERLOADED)
	ReasonDiskFull         = Reason(candorv1.Reason_REASON_DISK_FULL)
	ReasonTooLarge         = Reason(candorv1.Reason_REASON_TOO_LARGE)
	ReasonMalformed        = Reason(candorv1.Reason_REASON_MALFORMED)
	ReasonUnknownMethod    = Reason(candorv1.Reason_REASON_UNKNOWN_METHOD)
	ReasonOutcomeUnknown   = Reason(candorv1.Reason_REASON_OUTCOME_UNKNOWN)
	ReasonForeignCluster   = Reason(candorv1.Reason_REASON_FOREIGN_CLUSTER)
	ReasonShuttingDown     = Reason(candorv1.Reason_REASON_SHUTTING_DOWN)
	ReasonNoMajority       = Reason(candorv1.Reason_REASON_NO_MAJORITY)
	ReasonLevelUnavailable = Reason(candorv1.Reason_REASON_LEVEL_UNAVAILABLE)
	ReasonRequestTooOld    = Reason(candorv1.Reason_REASON_REQUEST_TOO_OLD)
	ReasonRequestIDReused  = Reason(candorv1.Reason_REASON_REQUEST_ID_REUSED)
	ReasonStateFull        = Reason(candorv1.Reason_REASON_STATE_FULL)
	ReasonStateDamaged     = Reason(candorv1.Reason_REASON_STATE_DAMAGED)
	ReasonDoubtful         = Reason(candorv1.Reason_REASON_DOUBTFUL)
	ReasonOlderCopy        = Reason(candorv1.Reason_REASON_OLDER_COPY)
	ReasonAnotherProcess   = Reason(candorv1.Reason_REASON_ANOTHER_PROCESS)
	ReasonBundleFull       = Reason(candorv1.Reason_REASON_BUNDLE_FULL)
	ReasonCompacted        = Reason(candorv1.Reason_REASON_COMPACTED)
	ReasonRolledBack       = Reason(candorv1.Reason_REASON_ROLLED_BACK)
)

// String gives the name as the protocol has it: "TOO_STALE".
func (r Reason) String() string {
	return strings.TrimPrefix(candorv1.Reason(r).String(), "REASON_")
}
