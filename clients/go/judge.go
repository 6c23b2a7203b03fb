package candor

import (
	"math/rand/v2"
	"time"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// What the end of an attempt means: answered, redirected, to be repeated, or final
// (docs/wire.md, "What to do with a reply").

type next int

const (
	end    next = iota
	follow      // a redirect: ask hint.Endpoint at once
	retry       // ask elsewhere, after a pause
)

// refusal is an attempt that did not give the answer.
type refusal struct {
	code      Code
	reason    Reason
	message   string
	answered  bool // by a node, whatever it said
	freshness *Freshness
	hint      *Hint
	body      []byte
	loss      *SessionLoss
	cause     error // of the caller's context, or ErrClosed
}

func refusalOf(reply *candorv1.RpcReply, freshness *Freshness) *refusal {
	r := &refusal{
		code: Code(reply.Code), reason: Reason(reply.Reason), message: reply.Message,
		answered: true, freshness: freshness, body: reply.Body,
	}
	if hint := reply.Retry; hint != nil {
		r.hint = &Hint{hint.Primary, hint.Endpoint, milliseconds(uint64(hint.RetryAfterMs))}
	}
	if (r.reason == ReasonSessionLost || r.reason == ReasonRolledBack) && freshness != nil {
		r.loss = &SessionLoss{
			Token: freshness.Token, Node: freshness.Node,
			ArchiveID: reply.Lost.GetArchiveId(), More: reply.Lost.GetMore(),
		}
		for _, w := range reply.Lost.GetWrites() {
			r.loss.Writes = append(r.loss.Writes, LostWrite{w.Number, posOf(w.Pos)})
		}
	}
	return r
}

func refusalOfSilence(s *transport.Silence, endpoint string, write bool) *refusal {
	r := &refusal{code: CodeUnavailable, message: endpoint + ": " + s.Why}
	if write && s.Sent {
		r.reason = ReasonOutcomeUnknown
	}
	switch {
	case s.Closed:
		r.code, r.message, r.cause = CodeCancelled, "the client is closed", ErrClosed
	case s.TooLarge:
		r.code, r.reason = CodeResourceExhausted, ReasonTooLarge
	case s.Malformed:
		r.code, r.reason = CodeInternal, ReasonMalformed
	case s.TimedOut:
		r.code = CodeDeadlineExceeded
	}
	return r
}

// isSure: a node that says so has not executed the write, and never will; nor was it executed when
// it was never sent.
func (r *refusal) isSure() bool {
	if !r.answered {
		neverSent := r.reason == ReasonNone || r.reason == ReasonTooLarge
		return neverSent && r.code != CodeInternal
	}
	switch r.reason {
	case ReasonNotPrimary, ReasonNoPrimary, ReasonNoMajority, ReasonSessionBehind, ReasonSyncing,
		ReasonExpired, ReasonForked, ReasonDoubtful, ReasonOverloaded, ReasonDiskFull, ReasonMaxHops:
		return true
	}
	return false
}

// isPassing: another attempt may succeed.
func (r *refusal) isPassing() bool {
	switch {
	case r.code == CodeCancelled || r.reason == ReasonMaxHops:
		return false
	case r.reason == ReasonOutcomeUnknown:
		return true
	}
	switch r.code {
	case CodeUnavailable, CodeDeadlineExceeded:
		return true
	case CodeResourceExhausted:
		pauses := r.hint != nil && r.hint.RetryAfter > 0
		return r.reason == ReasonOverloaded || r.reason == ReasonDiskFull && pauses
	case CodeDataLoss:
		return r.reason == ReasonStateDamaged // of that node: another has the data
	case CodeFailedPrecondition:
		return r.reason != ReasonNone && r.reason != ReasonSessionLost
	}
	return false
}

func (r *refusal) judge(follows, single bool) next {
	switch {
	case single || !r.isPassing():
		return end
	case r.code != CodeFailedPrecondition:
		return retry
	case !follows:
		return end
	case r.hint != nil && r.hint.Endpoint != "":
		return follow
	}
	return retry
}

// settles: it also says what became of the attempts before it: none was executed, or this is the
// answer. No other refusal does: its node, or its epoch, may be overruled by one that has the
// write.
func (r *refusal) settles() bool {
	switch r.code {
	case CodeOutOfRange:
		return true
	case CodeFailedPrecondition:
		return r.reason == ReasonNone
	}
	return r.reason == ReasonTooLarge || r.reason == ReasonRequestIDReused
}

// saysItself: its own reason tells that the write may have been executed, and why nobody knows.
func (r *refusal) saysItself() bool {
	return r.reason == ReasonRequestTooOld || r.code == CodeInternal && r.reason == ReasonMalformed
}

// pause has full jitter: clients that failed together do not come back together.
func (r *refusal) pause(failures, endpoints int) time.Duration {
	most := min(firstBackoff<<min(failures/endpoints, 16), maxBackoff)
	drawn := rand.N(most)
	if r.hint != nil {
		drawn += r.hint.RetryAfter
	}
	return drawn
}
