package candor

import (
	"fmt"
	"math"
	"time"

	"candor.example/candor/candorv1"
)

// Forever is an age that nothing proves, and the TTL of a key that does not end. It is above every
// other duration, so that a comparison is right without a look at it.
const Forever = time.Duration(math.MaxInt64)

// Role is what a node is in its cluster.
type Role int32

const (
	RoleUnknown Role = iota
	RolePrimary
	RoleReplica // votes
	RoleReader  // replicates, does not vote
)

func (r Role) String() string {
	return nameOf([]string{"UNKNOWN", "PRIMARY", "REPLICA", "READER"}, int32(r))
}

// NodeState is what a node says of its data (docs/consistency.md).
type NodeState int32

const (
	StateUnknown  NodeState = iota
	StateFresh              // heard its primary and proven recent, within stale_after
	StateStale              // nothing proves that the data are recent
	StateSyncing            // catching up: redirects
	StateExpired            // older than the operator's reject_after: refuses
	StateForked             // serves nothing until an operator has decided
	StateDoubtful           // its data differ from the others': redirects
)

func (s NodeState) String() string {
	names := []string{"UNKNOWN", "FRESH", "STALE", "SYNCING", "EXPIRED", "FORKED", "DOUBTFUL"}
	return nameOf(names, int32(s))
}

// CutOff is who is cut off, where a node does not hear its primary or is not heard by it: as far as
// it knows by other nodes' words.
type CutOff int32

const (
	CutOffNo      CutOff = iota // it is not; or it does not say
	CutOffMe                    // no other node hears it, or it hears none
	CutOffPrimary               // those that it hears do not hear the primary either
	CutOffUnknown
)

func (c CutOff) String() string {
	return nameOf([]string{"NO", "ME", "PRIMARY", "UNKNOWN"}, int32(c))
}

func nameOf(names []string, number int32) string {
	if number < 0 || int(number) >= len(names) {
		return names[0]
	}
	return names[number]
}

// Freshness says who answered, and how old that may be. It is on every result, and on the Error of
// every node that refused.
type Freshness struct {
	Node  string // who answered
	Role  Role
	State NodeState
	Epoch Epoch // newest one that the node has adopted
	// Since the newest heartbeat came, when the node answered; 0 at the primary; Forever: none came
	// yet.
	HeartbeatAge time.Duration
	Stale        bool // the state is not FRESH
	// No write acknowledged longer ago than this, counted back from when the answer came, is missing.
	// What passed since the request was sent is added already. Forever: nothing proves it.
	StalenessBound time.Duration
	AppliedSeq     uint64 // newest record in the data that were read
	PrimarySeq     uint64 // newest record that the primary announced
	CommitSeq      uint64 // newest record known to be committed
	Token          Token  // position of this answer
	CutOff         CutOff
}

func (f Freshness) String() string {
	age := "nothing proves how old"
	if f.StalenessBound != Forever {
		age = fmt.Sprintf("at most %v old", f.StalenessBound.Round(time.Millisecond))
	}
	if f.CutOff != CutOffNo {
		age += fmt.Sprintf(", cut off: %v", f.CutOff)
	}
	return fmt.Sprintf("%v from %s (%v, epoch %v): %s; applied %d of %d, committed %d", f.State,
		f.Node, f.Role, f.Epoch, age, f.AppliedSeq, f.PrimarySeq, f.CommitSeq)
}

// freshnessOf gives nil where the node said nothing of its age, or named itself or its epoch badly.
func freshnessOf(message *candorv1.Freshness) *Freshness {
	node, owner := message.GetNode(), message.GetEpoch().GetOwner()
	if node == "" || len(node) > nodeIDBytes || len(owner) > nodeIDBytes {
		return nil
	}
	f := &Freshness{
		Node: node, Role: Role(message.Role), State: NodeState(message.State),
		Epoch: epochOf(message.Epoch), Stale: message.Stale,
		HeartbeatAge: Forever, StalenessBound: Forever,
		AppliedSeq: message.AppliedSeq, PrimarySeq: message.PrimarySeq,
		CommitSeq: message.CommitSeq, Token: tokenOf(message.Token),
		CutOff: CutOff(message.CutOff),
	}
	if f.Role.String() == RoleUnknown.String() {
		f.Role = RoleUnknown // a number of a later version
	}
	if f.State.String() == StateUnknown.String() {
		f.State = StateUnknown
	}
	if f.CutOff.String() == CutOffNo.String() {
		f.CutOff = CutOffNo
	}
	if message.Heartbeat != nil {
		f.HeartbeatAge = milliseconds(message.GetHeartbeatAgeMs())
	}
	if message.Bound != nil {
		f.StalenessBound = milliseconds(message.GetStalenessBoundMs())
	}
	return f
}

// milliseconds of a message; Forever where they are so many that sums of two would not fit.
func milliseconds(ms uint64) time.Duration {
	if ms >= uint64(Forever/2/time.Millisecond) {
		return Forever
	}
	return time.Duration(ms) * time.Millisecond
}

// longer adds to a duration that may be Forever.
func longer(d, by time.Duration) time.Duration {
	if d > Forever-by {
		return Forever
	}
	return d + by
}
