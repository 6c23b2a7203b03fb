package transport

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/fakenode"
)

// Which calls share a message, and what each is told: without a node.

// gate is a sender that answers when it is told to.
type gate struct {
	answer func(Ask) Outcome
	open   chan struct{}

	mu   sync.Mutex
	asks []Ask
}

func newGate(answer func(Ask) Outcome) *gate {
	return &gate{answer: answer, open: make(chan struct{})}
}

func (g *gate) send(ctx context.Context, ask Ask) Outcome {
	g.mu.Lock()
	g.asks = append(g.asks, ask)
	g.mu.Unlock()
	select {
	case <-g.open:
		return g.answer(ask)
	case <-ctx.Done():
		return Outcome{Silence: timedOut(true)}
	}
}

func (g *gate) sent() []Ask {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asks)
}

// named is a call whose method is its name.
func named(name string, group Group) Ask {
	return Ask{Endpoint: "a:1", Group: group,
		Request: &candorv1.RpcRequest{Method: name, DeadlineMs: 1000}}
}

// callsIn gives the names of the calls that a message holds.
func callsIn(ask Ask) []string {
	if ask.Request.Method != bundleMethod {
		return []string{ask.Request.Method}
	}
	var bundle candorv1.BundleRequest
	if err := proto.Unmarshal(ask.Request.Body, &bundle); err != nil {
		panic(err)
	}
	var names []string
	for _, call := range bundle.Calls {
		names = append(names, call.Method)
	}
	return names
}

// echo answers each call with its own name; a bundle's replies leave their freshness out.
func echo(ask Ask) Outcome {
	freshness := &candorv1.Freshness{Node: "a"}
	if ask.Request.Method != bundleMethod {
		return Outcome{Reply: &candorv1.RpcReply{Message: ask.Request.Method, Freshness: freshness}}
	}
	response := &candorv1.BundleResponse{}
	for _, name := range callsIn(ask) {
		response.Replies = append(response.Replies, &candorv1.RpcReply{Message: name})
	}
	return Outcome{Reply: bundled(response, freshness)}
}

func bundled(response *candorv1.BundleResponse, freshness *candorv1.Freshness) *candorv1.RpcReply {
	body, err := proto.Marshal(response)
	if err != nil {
		panic(err)
	}
	return &candorv1.RpcReply{Body: body, Freshness: freshness}
}

// asked has calls under way; the first two leave alone.
type asked struct {
	t        *testing.T
	b        *bundler
	g        *gate
	outcomes []Outcome
	all      sync.WaitGroup
}

func ask(t *testing.T, g *gate, asks ...Ask) *asked {
	b := newBundler(g.send, 4<<20)
	t.Cleanup(b.close)
	a := &asked{t: t, b: b, g: g, outcomes: make([]Outcome, len(asks))}
	for i, one := range asks {
		a.all.Add(1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		go func() {
			defer a.all.Done()
			defer cancel()
			a.outcomes[i] = b.ask(ctx, one)
		}()
		fakenode.Until(t, "it is sent, or waits", func() bool { return a.held() >= i+1 })
	}
	return a
}

// held counts the calls that were sent or wait.
func (a *asked) held() int {
	a.b.mu.Lock()
	held := 0
	for _, l := range a.b.lanes {
		held += len(l.waiting)
	}
	a.b.mu.Unlock()
	for _, one := range a.g.sent() {
		held += len(callsIn(one))
	}
	return held
}

func (a *asked) end() []Outcome {
	close(a.g.open)
	a.all.Wait()
	return a.outcomes
}

func names(count int, group Group) []Ask {
	asks := make([]Ask, count)
	for i := range asks {
		asks[i] = named(string(rune('A'+i)), group)
	}
	return asks
}

func TestCallsWaitWhileTwoMessagesAreUnderWayAndThenGoTogether(t *testing.T) {
	g := newGate(echo)
	a := ask(t, g, names(7, Disk)...)
	for i, outcome := range a.end() {
		if outcome.Reply.GetMessage() != string(rune('A'+i)) || outcome.Reply.Freshness.Node != "a" {
			t.Errorf("call %d: %v", i, outcome.Reply)
		}
	}
	var sizes []int
	for _, one := range g.sent() {
		sizes = append(sizes, len(callsIn(one)))
	}
	// Who waited for long goes without an answer: so there may be more than one bundle.
	if len(sizes) < 3 || len(sizes) > 6 || sizes[0] != 1 || sizes[1] != 1 {
		t.Errorf("messages of %v calls", sizes)
	}
}

func TestGroupsAndThoseThatGoAloneDoNotWaitForEachOther(t *testing.T) {
	g := newGate(echo)
	groups := []Group{Disk, Replicated, AtOnce, Session, Confirmed, Alone, Alone, Alone}
	var asks []Ask
	for _, group := range groups {
		asks = append(asks, named("x", group), named("y", group))
	}
	a := ask(t, g, asks...)
	if sent := g.sent(); len(sent) != len(asks) {
		t.Errorf("%d messages for %d calls", len(sent), len(asks))
	}
	a.end()
}

func TestACallDoesNotWaitLongForAMessageThatIsNotAnswered(t *testing.T) {
	g := newGate(echo)
	a := ask(t, g, names(4, Disk)...)
	fakenode.Until(t, "all are sent", func() bool {
		sent := 0
		for _, one := range g.sent() {
			sent += len(callsIn(one))
		}
		return sent == 4
	})
	a.end()
}

func TestWhatDidNotFitInGoesAgainAlone(t *testing.T) {
	g := newGate(func(one Ask) Outcome {
		outcome := echo(one)
		if one.Request.Method != bundleMethod {
			return outcome
		}
		var response candorv1.BundleResponse
		if err := proto.Unmarshal(outcome.Reply.Body, &response); err != nil {
			panic(err)
		}
		for _, reply := range response.Replies {
			reply.Code = candorv1.Code_CODE_RESOURCE_EXHAUSTED
			reply.Reason = candorv1.Reason_REASON_BUNDLE_FULL
		}
		return Outcome{Reply: bundled(&response, nil)}
	})
	outcomes := ask(t, g, names(20, Disk)...).end()
	again := 0
	for i, outcome := range outcomes {
		if outcome.Reply.GetMessage() != string(rune('A'+i)) || outcome.Reply.Reason != 0 {
			t.Errorf("call %d: %v", i, outcome.Reply)
		}
		if outcome.SentAgain {
			again++
		}
	}
	bundledCalls := 0
	for _, one := range g.sent() {
		if one.Request.Method == bundleMethod {
			bundledCalls += len(callsIn(one))
		}
	}
	if again != bundledCalls || again == 0 {
		t.Errorf("%d were sent again, of %d in bundles", again, bundledCalls)
	}
}

func TestANodeWithoutBundlesGetsNone(t *testing.T) {
	g := newGate(func(one Ask) Outcome {
		if one.Request.Method == bundleMethod {
			return Outcome{Reply: &candorv1.RpcReply{Code: candorv1.Code_CODE_UNIMPLEMENTED}}
		}
		return echo(one)
	})
	for i, outcome := range ask(t, g, names(10, Disk)...).end() {
		if outcome.Reply.GetMessage() != string(rune('A'+i)) || outcome.SentAgain {
			t.Errorf("call %d: %v, sent again: %v", i, outcome.Reply, outcome.SentAgain)
		}
	}
}

func TestAFailedBundleFailsEachOfItsCalls(t *testing.T) {
	overloaded := Outcome{Reply: &candorv1.RpcReply{Code: candorv1.Code_CODE_RESOURCE_EXHAUSTED}}
	lost := Outcome{Silence: &Silence{Why: "gone", Sent: true}}
	short := Outcome{Reply: &candorv1.RpcReply{}}
	garbage := Outcome{Reply: &candorv1.RpcReply{Body: []byte{0xff}}}
	for _, failed := range []Outcome{overloaded, lost, short, garbage} {
		g := newGate(func(one Ask) Outcome {
			if one.Request.Method == bundleMethod {
				return failed
			}
			return echo(one)
		})
		sawOne := false
		for _, outcome := range ask(t, g, names(12, Disk)...).end() {
			if outcome.Silence == nil && outcome.Reply.Code == candorv1.Code_CODE_OK {
				continue // alone
			}
			sawOne = true
			malformed := outcome.Silence != nil && outcome.Silence.Malformed
			if isWhole := failed.Silence != nil || failed.Reply.Code != 0; malformed == isWhole {
				t.Errorf("%v: %v", failed, outcome)
			}
		}
		if !sawOne {
			t.Errorf("%v: no call was told", failed)
		}
	}
}

func TestACallThatIsGivenUpTakesNothingWithIt(t *testing.T) {
	g := newGate(echo)
	a := ask(t, g, names(3, Disk)...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ended := make(chan Outcome)
	go func() { ended <- a.b.ask(ctx, named("given up", Disk)) }()
	fakenode.Until(t, "it waits, or was sent", func() bool { return a.held() == 4 })
	cancel()
	if outcome := <-ended; outcome.Silence == nil || !outcome.Silence.TimedOut {
		t.Errorf("%v", outcome)
	}
	for i, outcome := range a.end() {
		if outcome.Reply.GetMessage() != string(rune('A'+i)) {
			t.Errorf("call %d: %v", i, outcome)
		}
	}
}

func TestALargeCallGoesAlone(t *testing.T) {
	g := newGate(echo)
	a := ask(t, g, names(2, Disk)...)
	large := named(strings.Repeat("x", bundleCallBytes+1), Disk)
	a.all.Add(1)
	go func() {
		defer a.all.Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		a.b.ask(ctx, large)
	}()
	fakenode.Until(t, "it is sent", func() bool { return len(g.sent()) == 3 })
	a.end()
}

func TestABundleFitsIntoAMessage(t *testing.T) {
	g := newGate(echo)
	b := newBundler(g.send, 4096)
	defer b.close()
	var all sync.WaitGroup
	for i := range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			b.ask(ctx, named(strings.Repeat(string(rune('A'+i)), 1000), Disk))
		}()
	}
	fakenode.Until(t, "two are sent", func() bool { return len(g.sent()) >= 2 })
	close(g.open)
	all.Wait()
	for _, one := range g.sent() {
		if size := proto.Size(one.Request); size > 4096 {
			t.Errorf("a message of %d bytes", size)
		}
	}
}

func TestLanesOfEverOtherEndpointsAreNotKept(t *testing.T) {
	g := newGate(echo)
	close(g.open)
	b := newBundler(g.send, 4<<20)
	defer b.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 2 * lanesMax {
		one := named("x", Disk)
		one.Endpoint = strings.Repeat("a", i)
		b.ask(ctx, one)
	}
	if len(b.lanes) > lanesMax {
		t.Errorf("%d lanes", len(b.lanes))
	}
}
