package candor

import (
	"fmt"
	"sync"
	"time"
)

// Every client is a probe: what a node said earlier is held against what it says now
// (docs/wire.md, "Holding nodes to their word"). Calls run at once and replies overtake each other,
// so a reply is only compared with what was known when its request was sent.

// What clocks may differ by before a bound that grew faster than time counts as broken: their
// rates, and the roundings to milliseconds and ticks.
const (
	rateSlackPPM = 10_000
	slack        = 20 * time.Millisecond
)

// answered is one answer, and what was asked for it.
type answered struct {
	freshness      *Freshness
	sent, received time.Duration // on the client's own clock
	ok             bool
	asked          Token // the session's, where the request brought it
	write          bool
	written        *Pos // a write's position
	wrote          bool
	maxStaleness   time.Duration // of a Bounded read
}

// shown is what one node has shown so far.
type shown struct {
	epoch      Epoch
	epochSince time.Duration // when a reply first showed it
	hasHorizon bool
	horizon    time.Duration // every write acknowledged before this was in the node's data
	horizonAt  time.Duration // when the reply that proved it came
}

type promises struct {
	driftPPM int

	mu         sync.Mutex
	nodes      map[string]*shown
	violations uint64
}

// check gives what the node went back on, in words; "": nothing.
func (p *promises) check(a *answered) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := []string{checkSession(a), checkBounded(a), checkFlag(a), checkWrite(a)}
	if s := p.of(a.freshness.Node); s != nil {
		found = append(found, checkEpoch(s, a), p.checkHorizon(s, a))
	}
	for _, violation := range found {
		if violation != "" {
			p.violations++
			return violation
		}
	}
	return ""
}

// of gives nil where there are more ids than a cluster has: nothing to hold this one to.
func (p *promises) of(node string) *shown {
	if p.nodes[node] == nil {
		if len(p.nodes) >= maxNodes {
			return nil
		}
		if p.nodes == nil {
			p.nodes = map[string]*shown{}
		}
		p.nodes[node] = &shown{}
	}
	return p.nodes[node]
}

// slackAfter tells how much further back a true bound may reach: the node's clock runs fast by the
// drift, and the bound is stretched by it once more.
func (p *promises) slackAfter(elapsed time.Duration) time.Duration {
	drift := time.Duration(p.driftPPM)
	return slack + elapsed/1_000_000*(rateSlackPPM+2*drift+drift*drift/1_000_000)
}

// checkHorizon: a bound of b at time t says that nothing acknowledged before t - b is missing. That
// moment never moves back within an epoch (R36).
func (p *promises) checkHorizon(s *shown, a *answered) string {
	bound := a.freshness.StalenessBound
	if bound == Forever || a.freshness.Epoch != s.epoch {
		return ""
	}
	earliest, latest := a.sent-bound, a.received-bound
	broken := ""
	if s.hasHorizon && a.sent >= s.horizonAt {
		elapsed := max(0, a.received-s.horizon)
		if latest+p.slackAfter(elapsed) < s.horizon {
			broken = fmt.Sprintf("node %s had all writes up to %v ago; now it proves only those up to "+
				"%v ago", a.freshness.Node, elapsed, bound)
		}
	}
	if !s.hasHorizon || earliest > s.horizon {
		s.hasHorizon, s.horizon, s.horizonAt = true, earliest, a.received
	}
	return broken
}

func checkSession(a *answered) string {
	node, token := a.freshness.Node, a.freshness.Token
	switch {
	case a.write || a.asked.IsZero() || !a.ok:
		return ""
	case token.ClusterID != a.asked.ClusterID:
		return fmt.Sprintf("node %s answered a session read without a position of its cluster", node)
	case token.Pos.Compare(a.asked.Pos) < 0:
		return fmt.Sprintf("node %s answered a session read at %v, before the session's %v", node,
			token.Pos, a.asked.Pos)
	}
	return ""
}

// checkBounded: the node decided before it packed the reply, so the bound may have grown in
// between, by less than the call took.
func checkBounded(a *answered) string {
	node, bound := a.freshness.Node, a.freshness.StalenessBound
	switch {
	case a.maxStaleness == 0 || !a.ok:
		return ""
	case bound == Forever:
		return fmt.Sprintf("node %s answered a bounded read without a bound", node)
	case bound > longer(a.maxStaleness, a.received-a.sent+slack+time.Millisecond):
		return fmt.Sprintf("node %s answered a read bounded by %d ms with data up to %d ms old", node,
			a.maxStaleness.Milliseconds(), bound.Milliseconds())
	}
	return ""
}

func checkFlag(a *answered) string {
	f := a.freshness
	if f.Stale != (f.State == StateFresh) {
		return ""
	}
	return fmt.Sprintf("node %s says it is %v and stale = %v", f.Node, f.State, f.Stale)
}

// checkWrite: a write does not come before what its session has seen (I8). One that wrote nothing
// answers with the position of what it read: that may be the very one.
func checkWrite(a *answered) string {
	if !a.write || !a.ok || a.written == nil || a.asked.IsZero() ||
		a.freshness.Token.ClusterID != a.asked.ClusterID {
		return ""
	}
	order := a.written.Compare(a.asked.Pos)
	if order > 0 || order == 0 && !a.wrote {
		return ""
	}
	did := "answered a write that had no effect"
	if a.wrote {
		did = "took a write"
	}
	return fmt.Sprintf("node %s %s at %v, although the session has seen %v", a.freshness.Node, did,
		*a.written, a.asked.Pos)
}

// checkEpoch: an adopted epoch is durable (R7), so no node goes back to a lower one.
func checkEpoch(s *shown, a *answered) string {
	epoch := a.freshness.Epoch
	if epoch.Term == 0 {
		return "" // none yet: a blank data directory under a known id (R4)
	}
	order := epoch.Compare(s.epoch)
	if order > 0 {
		s.epoch, s.epochSince = epoch, a.received
		s.hasHorizon = false // evidence is dropped with the epoch (R37)
	} else if order < 0 && a.sent >= s.epochSince {
		return fmt.Sprintf("node %s went back from epoch %v of %s to %v of %s", a.freshness.Node,
			s.epoch, s.epoch.Owner, epoch, epoch.Owner)
	}
	return ""
}
