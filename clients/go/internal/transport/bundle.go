package transport

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
)

// Calls at once share messages (docs/wire.md, "Many calls in one message"). A call alone is sent at
// once. While messagesInFlight of its group are under way to its node, others wait and go together
// when one is answered, or after `linger`.
const (
	bundleMethod     = "/candor.v1.Rpc/Bundle"
	bundleCalls      = 256
	bundleBytes      = 64 << 10
	bundleCallBytes  = 16 << 10 // a larger call goes alone
	messagesInFlight = 2
	linger           = 5 * time.Millisecond
	groups           = int(Replicated) + 1
	lanesMax         = groups * connectionsMax
)

// sender sends one message.
type sender func(ctx context.Context, ask Ask) Outcome

type bundler struct {
	send       sender
	limit      int             // bytes of the calls of a bundle
	ctx        context.Context // of bundles, which no caller's end stops
	cancel     context.CancelFunc
	goroutines sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	lanes   map[laneKey]*lane
	refuses map[string]bool // endpoints that know no bundles
}

type laneKey struct {
	endpoint string
	group    Group
}

// lane is of one endpoint and one group. Under the bundler's lock.
type lane struct {
	inFlight int
	waiting  []*waiter
	late     *time.Timer // nil: nobody waits
}

type waiter struct {
	ask      Ask
	packed   []byte
	deadline time.Time
	since    time.Time
	outcome  chan Outcome // takes one
}

// newBundler makes no message that is larger than the transport takes.
func newBundler(send sender, messageBytes int) *bundler {
	ctx, cancel := context.WithCancel(context.Background())
	return &bundler{send: send, limit: min(bundleBytes, messageBytes/2), ctx: ctx, cancel: cancel,
		lanes: map[laneKey]*lane{}, refuses: map[string]bool{}}
}

func (b *bundler) ask(ctx context.Context, ask Ask) Outcome {
	if ask.Group == Alone {
		return b.send(ctx, ask)
	}
	b.mu.Lock()
	if b.refuses[ask.Endpoint] || b.closed {
		b.mu.Unlock()
		return b.send(ctx, ask)
	}
	l := b.lane(laneKey{ask.Endpoint, ask.Group})
	if l.inFlight < messagesInFlight && len(l.waiting) == 0 {
		l.inFlight++
		b.mu.Unlock()
		defer b.arrived(l)
		return b.send(ctx, ask)
	}
	w := newWaiter(ctx, ask)
	if w == nil {
		b.mu.Unlock()
		return b.send(ctx, ask)
	}
	b.enqueue(l, w)
	b.mu.Unlock()
	return b.wait(ctx, l, w)
}

// newWaiter gives nil where the call is to go alone.
func newWaiter(ctx context.Context, ask Ask) *waiter {
	deadline, ok := ctx.Deadline()
	if !ok || proto.Size(ask.Request) > bundleCallBytes {
		return nil
	}
	packed, err := proto.Marshal(ask.Request)
	if err != nil {
		return nil
	}
	return &waiter{ask, packed, deadline, time.Now(), make(chan Outcome, 1)}
}

// lane gives that of the key; those that nobody uses are not kept: redirects may name any number of
// endpoints.
func (b *bundler) lane(key laneKey) *lane {
	l := b.lanes[key]
	if l != nil {
		return l
	}
	if len(b.lanes) >= lanesMax {
		for key, l := range b.lanes {
			if l.inFlight == 0 && len(l.waiting) == 0 && l.late == nil {
				delete(b.lanes, key)
			}
		}
		clear(b.refuses)
	}
	l = &lane{}
	b.lanes[key] = l
	return l
}

func (b *bundler) enqueue(l *lane, w *waiter) {
	l.waiting = append(l.waiting, w)
	if l.late == nil {
		l.late = time.AfterFunc(linger, func() { b.tooLate(l) })
	}
}

func (b *bundler) wait(ctx context.Context, l *lane, w *waiter) Outcome {
	select {
	case outcome := <-w.outcome:
		return outcome
	case <-ctx.Done():
		return Outcome{Silence: timedOut(!b.withdraw(l, w))}
	}
}

// withdraw says whether the call was still waiting: then it was never sent.
func (b *bundler) withdraw(l *lane, w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range l.waiting {
		if other == w {
			l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// ---- Sending ------------------------------------------------------------------------------------

// tooLate: who waits for a message that takes long goes without it.
func (b *bundler) tooLate(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.late = nil
	if len(l.waiting) > 0 && time.Since(l.waiting[0].since) >= linger/2 {
		b.start(l)
	}
	if len(l.waiting) > 0 {
		l.late = time.AfterFunc(linger, func() { b.tooLate(l) })
	}
}

// arrived: a message was answered.
func (b *bundler) arrived(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.inFlight--
	if len(l.waiting) > 0 && l.inFlight < messagesInFlight {
		b.start(l)
	}
}

// start sends those that fit into one message. Of a bundler that is closed each is told so.
func (b *bundler) start(l *lane) {
	count, size := 0, 0
	for count < len(l.waiting) && count < bundleCalls {
		size += len(l.waiting[count].packed)
		if count > 0 && size > b.limit {
			break
		}
		count++
	}
	together := l.waiting[:count:count]
	l.waiting = l.waiting[count:]
	l.inFlight++
	if b.closed {
		l.inFlight--
		for _, w := range together {
			w.outcome <- silent(Silence{Why: errClosed.Error(), Closed: true})
		}
		return
	}
	b.goroutines.Add(1)
	go func() {
		defer b.goroutines.Done()
		outcomes := b.carry(together)
		b.arrived(l)
		for i, w := range together {
			w.outcome <- outcomes[i]
		}
	}()
}

func (b *bundler) carry(together []*waiter) []Outcome {
	if len(together) == 1 {
		return []Outcome{b.alone(together[0])}
	}
	request := &candorv1.RpcRequest{Method: bundleMethod}
	var deadline time.Time
	for _, w := range together {
		request.Body = protowire.AppendTag(request.Body, 1, protowire.BytesType)
		request.Body = protowire.AppendBytes(request.Body, w.packed)
		request.DeadlineMs = max(request.DeadlineMs, w.ask.Request.DeadlineMs)
		if w.deadline.After(deadline) {
			deadline = w.deadline
		}
	}
	ctx, cancel := context.WithDeadline(b.ctx, deadline)
	defer cancel()
	endpoint := together[0].ask.Endpoint
	return b.told(together, b.send(ctx, Ask{Endpoint: endpoint, Request: request}))
}

func (b *bundler) alone(w *waiter) Outcome {
	ctx, cancel := context.WithDeadline(b.ctx, w.deadline)
	defer cancel()
	return b.send(ctx, w.ask)
}

// ---- Replies ------------------------------------------------------------------------------------

// told gives the outcome of each call of a bundle.
func (b *bundler) told(together []*waiter, of Outcome) []Outcome {
	outcomes := make([]Outcome, len(together))
	if of.Silence == nil && of.Reply.Code == candorv1.Code_CODE_UNIMPLEMENTED {
		b.mu.Lock()
		b.refuses[together[0].ask.Endpoint] = true
		b.mu.Unlock()
		b.oneByOne(together, outcomes, func(Outcome) bool { return true })
		return outcomes
	}
	var replies []*candorv1.RpcReply
	if of.Silence == nil && of.Reply.Code == candorv1.Code_CODE_OK {
		replies, of.Silence = repliesIn(of.Reply, len(together))
	}
	for i := range outcomes {
		outcomes[i] = of // lost, or refused as a whole: OVERLOADED, SHUTTING_DOWN
		if replies != nil {
			outcomes[i] = Outcome{Reply: replies[i]}
		}
	}
	b.oneByOne(together, outcomes, isLeftOut)
	return outcomes
}

// isLeftOut: the replies were too large together; the call goes again, alone. It may have been
// executed.
func isLeftOut(o Outcome) bool {
	return o.Silence == nil && o.Reply.Reason == candorv1.Reason_REASON_BUNDLE_FULL
}

// oneByOne sends those again whose outcome is `left`.
func (b *bundler) oneByOne(together []*waiter, outcomes []Outcome, left func(Outcome) bool) {
	var all sync.WaitGroup
	for i, w := range together {
		if !left(outcomes[i]) {
			continue
		}
		all.Add(1)
		go func() {
			defer all.Done()
			again := b.alone(w)
			if outcomes[i].Reply != nil { // left out of the bundle
				again.SentAgain = true
				if again.Silence != nil {
					again.Silence.Sent = true
				}
			}
			outcomes[i] = again
		}()
	}
	all.Wait()
}

func repliesIn(envelope *candorv1.RpcReply, wanted int) ([]*candorv1.RpcReply, *Silence) {
	var response candorv1.BundleResponse
	if err := proto.Unmarshal(envelope.Body, &response); err != nil {
		return nil, &Silence{Why: "the bundle's replies do not decode", Sent: true, Malformed: true}
	}
	if len(response.Replies) != wanted {
		why := fmt.Sprintf("%d replies to a bundle of %d calls", len(response.Replies), wanted)
		return nil, &Silence{Why: why, Sent: true, Malformed: true}
	}
	for _, reply := range response.Replies {
		if reply.Freshness == nil {
			reply.Freshness = envelope.Freshness
		}
	}
	return response.Replies, nil
}

// close is called when the pool is closed: nothing that is under way takes long.
func (b *bundler) close() {
	b.mu.Lock()
	b.closed = true
	for _, l := range b.lanes {
		if l.late != nil {
			l.late.Stop()
		}
		for len(l.waiting) > 0 {
			b.start(l)
		}
	}
	b.mu.Unlock()
	b.cancel()
	b.goroutines.Wait()
}
