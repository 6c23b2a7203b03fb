package candor

import (
	"math"
	"strings"
	"testing"
	"time"
)

// The pieces by themselves: without a node.

func token(term, seq, origin uint64) Token {
	return Token{1, Pos{Epoch{1, term, "a"}, seq}, origin}
}

func TestATokenSurvivesAHeaderAndACookie(t *testing.T) {
	own := Token{math.MaxUint64, Pos{Epoch{1, 3, "a"}, 12}, 1 << 63}
	text := own.String()
	for _, same := range []string{text, " " + text + "\n",
		strings.NewReplacer("+", "-", "/", "_").Replace(text)} {
		if parsed, err := ParseToken(same); err != nil || parsed != own {
			t.Errorf("%q: %v, %v", same, parsed, err)
		}
	}
	if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != "" {
		t.Errorf("%q", text)
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	for _, text := range []string{"", "=", "zzz", "AAAA", "é", "CQAAAAAAAAAA",
		strings.Repeat("A", 4000), strings.Repeat("Zm9v", 20)} {
		if parsed, err := ParseToken(text); err == nil {
			t.Errorf("%q was taken for %v", text, parsed)
		}
	}
	for _, text := range []string{"", "AAAA", "é", strings.Repeat("A", 4000)} {
		if parsed, err := ParseCursor(text); err == nil {
			t.Errorf("%q was taken for %v", text, parsed)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, text := range []string{"127.0.0.1:7000", "tcp://[::1]:1", "tcp://name:65535"} {
		known, err := normal(text)
		if err != nil || known != "tcp://"+strings.TrimPrefix(text, "tcp://") {
			t.Errorf("%q: %q, %v", text, known, err)
		}
	}
	for _, text := range []string{"", "name", "name:", ":7000", "::1:7000", "name:port", "name:0",
		"name:65536", "tls+tcp://name:1", "name:1/x", "ws://a:1", "a\x00b:1", "name:٣", "a b:1",
		"[name]:1", "[127.0.0.1]:1", "file:///etc/passwd", strings.Repeat("a", 200) + ":1"} {
		if known, err := normal(text); err == nil {
			t.Errorf("%q was taken for %q", text, known)
		}
	}
}

func TestAllNodesAreAskedInTurn(t *testing.T) {
	a, err := newAddresses([]string{"a:1", "b:1", "tcp://a:1", "c:1"})
	if err != nil || len(a.endpoints) != 3 {
		t.Fatal(a, err)
	}
	for from, wanted := range map[string]string{"tcp://a:1": "tcp://b:1", "tcp://c:1": "tcp://a:1",
		"tcp://elsewhere:1": "tcp://a:1"} {
		if next := a.after(from); next != wanted {
			t.Errorf("after %s: %s", from, next)
		}
	}
	a.answered("tcp://p:1", true, false)
	if a.first(true) != "tcp://p:1" || a.first(false) != "tcp://a:1" {
		t.Error("the primary is not asked first")
	}
	a.after("tcp://p:1")
	if a.first(true) != "tcp://a:1" {
		t.Error("a primary that fails is asked again")
	}
}

func TestASessionTakesTheFirstPositionAndThenNewerOnesOfItsEpoch(t *testing.T) {
	s := &session{}
	older, newer := token(3, 10, 0), token(3, 12, 0)
	for _, step := range [][2]Token{{older, older}, {newer, newer}, {older, newer}, {Token{}, newer}} {
		if s.see(Token{}, step[0]); s.get() != step[1] {
			t.Errorf("%v after %v", s.get(), step[0])
		}
	}
}

func TestASessionTakesAnotherEpochOnlyWhereTheNodeHasJudgedItsOwn(t *testing.T) {
	own, newer, other := token(3, 10, 0), token(3, 12, 0), token(4, 15, 0)
	for asked, wanted := range map[Token]Token{{}: own, newer: own, own: other} {
		s := &session{token: own}
		if s.see(asked, other); s.get() != wanted {
			t.Errorf("%v, asked with %v", s.get(), asked)
		}
	}
	s := &session{token: token(3, 10, 5)}
	if s.see(Token{}, token(3, 12, 6)); s.get().Pos.Seq != 10 {
		t.Error("two logs of one epoch pass for one")
	}
	if s.see(Token{}, token(3, 12, 5)); s.get().Pos.Seq != 12 {
		t.Error("one log passes for two")
	}
	s = &session{token: newer}
	if s.lose(own, other); s.get() != newer {
		t.Error("a session that has moved on is set back")
	}
}

func TestAClientIDIsNotStretchedOverMoreThanTheNodesRemember(t *testing.T) {
	ids := &identities{}
	slow := ids.draw()
	newest := uint64(0)
	for range numbersInFlight + 5 {
		other := ids.draw()
		if other.ClientID == slow.ClientID {
			newest = other.Number
		}
		ids.end(other, false)
	}
	if newest-slow.Number >= numbersInFlight {
		t.Errorf("%d and %d under one client id", slow.Number, newest)
	}
	ids.end(slow, false)
	if ids.draw().ClientID != slow.ClientID {
		t.Error("a client id that has room again is not used")
	}
}

func TestAClientIDThatMayStillBeAskedForOrIsSomebodyElsesIsNotUsedOn(t *testing.T) {
	ids := &identities{}
	unknown := ids.draw()
	ids.end(unknown, true)
	next := ids.draw()
	if next.ClientID == unknown.ClientID {
		t.Error("an id whose write may still be asked for is used on")
	}
	ids.retire()
	if ids.draw().ClientID == next.ClientID {
		t.Error("an id that somebody else has is used on")
	}
	if ids.end(next, false); len(ids.lanes) > 2 {
		t.Errorf("%d lanes are kept", len(ids.lanes))
	}
}

func TestTTLsAreNoShorterThanAskedFor(t *testing.T) {
	for ttl, wanted := range map[time.Duration]uint64{1: 1, time.Millisecond: 1, Forever: 0,
		time.Millisecond + 1: 2, time.Hour: 3_600_000, Forever - 1: uint64(Forever/1e6) + 1} {
		if got, err := ttlMS(ttl); got != wanted || err != nil {
			t.Errorf("%v: %d ms, %v", ttl, got, err)
		}
	}
	if _, err := ttlMS(0); err == nil {
		t.Error("a TTL of 0 was taken")
	}
}

func TestWhatNothingProvesIsForever(t *testing.T) {
	for ms, wanted := range map[uint64]time.Duration{0: 0, 5: 5 * time.Millisecond,
		math.MaxUint64: Forever, uint64(Forever / time.Millisecond): Forever} {
		if got := milliseconds(ms); got != wanted {
			t.Errorf("%d ms: %v", ms, got)
		}
	}
	if longer(Forever, time.Hour) != Forever || longer(1, 2) != 3 || longer(Forever-1, 2) != Forever {
		t.Error("sums are wrong")
	}
	f := Freshness{Node: "c", State: StateStale, Role: RoleReplica, StalenessBound: Forever}
	if !strings.Contains(f.String(), "nothing proves how old") {
		t.Error(f)
	}
}

// promised is an answer of node a at this time of the client's clock.
func promised(sent time.Duration, epoch, boundMS uint64) *answered {
	return &answered{sent: sent, received: sent + 1, ok: true, freshness: &Freshness{
		Node: "a", State: StateFresh, Epoch: Epoch{1, epoch, "a"},
		StalenessBound: milliseconds(boundMS),
	}}
}

func TestAReplyThatWasOvertakenBreaksNoPromise(t *testing.T) {
	p := &promises{}
	if said := p.check(promised(10*time.Second, 3, 10)); said != "" {
		t.Error(said)
	}
	before := 9 * time.Second
	for _, late := range []*answered{promised(before, 2, 10), promised(before, 3, 9e4)} {
		if said := p.check(late); said != "" {
			t.Error(said)
		}
	}
	then := 11 * time.Second
	for _, broken := range []*answered{promised(then, 2, 10), promised(then, 3, 9e4)} {
		if said := p.check(broken); said == "" {
			t.Error("a broken promise is not seen")
		}
	}
	if p.violations != 2 {
		t.Errorf("%d violations", p.violations)
	}
}

func TestNodesOfAnyNumberOfNamesAreNotKept(t *testing.T) {
	p := &promises{}
	for i := range 10 * maxNodes {
		a := promised(time.Second, 1, 10)
		a.freshness.Node = strings.Repeat("a", i+1)
		p.check(a)
	}
	if len(p.nodes) > maxNodes {
		t.Errorf("%d nodes are kept", len(p.nodes))
	}
}
