package candor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// operation is a call over as many attempts as its deadline allows (docs/wire.md, "What to do with
// a reply").
type operation struct {
	*Client
	call     *call
	caller   context.Context
	ctx      context.Context // the caller's, with the operation's deadline
	begun    time.Time
	deadline time.Time

	body      []byte // of the request
	target    string
	hops      []string // who redirected, oldest first
	request   RequestID
	uncertain bool // an attempt may have been executed without our hearing of it
	attempts  int
	redirects int
	failures  int
	sent      time.Duration // the newest attempt, on the client's own clock
	loss      *SessionLoss
	refused   *refusal // what a node said of itself when it refused
	violation string
}

// run carries out one call.
func (c *Client) run(caller context.Context, call *call) (*told, error) {
	o := &operation{Client: c, call: call, caller: caller, begun: time.Now()}
	o.deadline = o.begun.Add(maxDeadline)
	if deadline, ok := caller.Deadline(); !ok {
		o.deadline = o.begun.Add(min(c.options.Deadline, maxDeadline))
	} else if deadline.Before(o.deadline) {
		o.deadline = deadline
	}
	ctx, cancel := context.WithDeadline(caller, o.deadline)
	defer cancel()
	o.ctx = ctx
	return o.run()
}

// ---- From the first attempt to the end ----------------------------------------------------------

func (o *operation) run() (*told, error) {
	if err := o.pack(); err != nil {
		return nil, err
	}
	o.target = o.call.only
	if o.target == "" {
		o.target = o.addresses.first(o.call.atPrimary)
	}
	if !o.call.write {
		return o.repeat()
	}
	o.request = o.identities.draw()
	done, err := o.repeat()
	var failure *Error
	errors.As(err, &failure)
	o.identities.end(o.request, failure != nil && failure.OutcomeUnknown)
	if failure != nil && failure.Reason == ReasonRequestIDReused {
		o.identities.retire()
	}
	return done, err
}

// pack makes the bytes of the request, which has text that came from the caller.
func (o *operation) pack() error {
	body, err := proto.Marshal(o.call.request)
	if err != nil || !utf8.ValidString(o.call.method) {
		return invalid("a text of the request is not UTF-8")
	}
	if size := len(body) + envelopeBytes; size > o.options.MessageBytes {
		text := fmt.Sprintf("the request's %d bytes are more than one message takes", size)
		return o.failed(&refusal{code: CodeResourceExhausted, reason: ReasonTooLarge, message: text})
	}
	o.body = body
	return nil
}

func (o *operation) repeat() (*told, error) {
	for {
		outcome := o.attempt()
		done, refused := o.take(outcome)
		if refused == nil {
			return done, nil
		}
		if o.renewSession(refused) {
			continue
		}
		if err := o.goOn(refused); err != nil {
			return nil, err
		}
	}
}

// goOn goes to the next attempt; an error is final.
func (o *operation) goOn(r *refusal) error {
	if !o.call.write && r.reason == ReasonOutcomeUnknown {
		r.reason = ReasonNone // a read has no outcome but its answer
	}
	step := r.judge(!o.options.NoRedirect, o.call.only != "")
	nobodyKnows := r.reason == ReasonOutcomeUnknown || r.reason == ReasonRequestTooOld
	if final := step == end && r.answered; o.call.write && !r.isSure() {
		o.uncertain = o.uncertain || !final || nobodyKnows
	}
	if step == end {
		return o.failed(r)
	}
	if r.freshness != nil {
		o.refused = r
	}
	if step == follow {
		return o.follow(r)
	}
	return o.pause(r)
}

// ---- One attempt --------------------------------------------------------------------------------

// attempt asks one node. What it does not answer is asked elsewhere while there is time.
func (o *operation) attempt() transport.Outcome {
	if o.ctx.Err() != nil {
		return transport.Outcome{Silence: &transport.Silence{Why: "no time is left", TimedOut: true}}
	}
	left := time.Until(o.deadline)
	alone := len(o.addresses.endpoints) == 1 && len(o.hops) == 0
	if !alone && o.call.only == "" {
		left /= 2
	}
	left = max(left, time.Millisecond)
	ctx, cancel := context.WithTimeout(o.ctx, left)
	defer cancel()
	tell := left - min(onTheWay, left/10)
	request := o.envelope(uint32(max(1, tell.Milliseconds())))
	o.attempts++
	o.sent = now()
	ask := transport.Ask{Endpoint: host(o.target), Request: request, Group: o.call.group}
	return o.transport.Ask(ctx, ask)
}

func (o *operation) envelope(deadlineMS uint32) *candorv1.RpcRequest {
	request := &candorv1.RpcRequest{
		Method: o.call.method, DeadlineMs: deadlineMS, Body: o.body, Hops: o.hops,
	}
	if o.call.write {
		request.RequestId = &candorv1.RequestId{ClientId: o.request.ClientID[:],
			Number: o.request.Number}
	} else if o.call.namesClient {
		id := o.identities.anyID()
		request.RequestId = &candorv1.RequestId{ClientId: id[:]}
	}
	return request
}

// take gives the result, or what came instead.
func (o *operation) take(outcome transport.Outcome) (*told, *refusal) {
	received := now()
	if outcome.Silence != nil {
		return nil, o.silence(outcome.Silence)
	}
	o.uncertain = o.uncertain || o.call.write && outcome.SentAgain
	reply := outcome.Reply
	freshness := freshnessOf(reply.Freshness)
	reason := Reason(reply.Reason)
	ok := reply.Code == candorv1.Code_CODE_OK
	if !ok && (len(reply.Body) == 0 || !slices.Contains(o.call.also, reason)) {
		r := refusalOf(reply, freshness)
		if r.loss != nil && r.loss.ArchiveID != "" && o.identities.hasSeveral() {
			r.loss.More = true // of the other ids
		}
		if freshness != nil {
			o.check(freshness, received, nil, false)
		}
		return nil, r
	}
	if err := o.decode(reply.Body, reason); err != nil {
		return nil, o.malformed(freshness, err)
	}
	if freshness == nil {
		return nil, o.malformed(nil, errors.New("it says nothing of its age"))
	}
	return o.finish(freshness, received, reason, ok)
}

// silence is of an attempt without a reply. Who cancelled its context is told that, not what it
// looked like.
func (o *operation) silence(s *transport.Silence) *refusal {
	r := refusalOfSilence(s, o.target, o.call.write)
	if err := o.caller.Err(); err != nil {
		r.cause = err
		if errors.Is(err, context.Canceled) {
			r.code, r.message = CodeCancelled, "the caller's context was cancelled"
		}
	}
	return r
}

func (o *operation) decode(body []byte, reason Reason) error {
	if err := proto.Unmarshal(body, o.call.response); err != nil {
		return errors.New("its body does not decode")
	}
	if o.call.check == nil {
		return nil
	}
	return o.call.check(reason)
}

func (o *operation) malformed(freshness *Freshness, why error) *refusal {
	node := o.target
	if freshness != nil {
		node = freshness.Node
	}
	text := fmt.Sprintf("the answer of %s to %s is none: %v", node, o.call.method, why)
	return &refusal{code: CodeInternal, reason: ReasonMalformed, message: text, freshness: freshness}
}

func (o *operation) finish(f *Freshness, received time.Duration, reason Reason, ok bool) (*told,
	*refusal) {
	var did *effect
	if o.call.effect != nil {
		e := o.call.effect()
		did = &e
	}
	if did != nil && did.replayed && !o.uncertain {
		// What no attempt of this operation may have done was done by another process.
		text := fmt.Sprintf("node %s has executed this request for another process that uses this "+
			"client's id; this write was not executed", f.Node)
		return nil, &refusal{code: CodeInvalidArgument, reason: ReasonRequestIDReused, message: text,
			answered: true, freshness: f}
	}
	f.Token = ownWrite(f.Token, did)
	o.check(f, received, did, ok)
	if ok {
		o.remember(f)
	}
	answer := Answer{*f, o.attempts, o.redirects, o.violation}
	return &told{answer, reason, o.request, o.loss}, nil
}

// ownWrite: the write's position is what the session has now seen.
func ownWrite(token Token, did *effect) Token {
	if token.IsZero() || did == nil || did.pos.Compare(token.Pos) <= 0 {
		return token
	}
	if did.pos.Epoch != token.Pos.Epoch {
		token.Origin = 0
	}
	token.Pos = did.pos
	return token
}

// check holds the answer against the node's promises, and adds to the bound what passed since the
// request was sent.
func (o *operation) check(f *Freshness, received time.Duration, did *effect, ok bool) {
	a := &answered{
		freshness: f, sent: o.sent, received: received, ok: ok, asked: o.call.asked,
		write: o.call.write, maxStaleness: o.call.maxStaleness,
	}
	if did != nil {
		a.written, a.wrote = &did.pos, did.wrote
	}
	o.violation = o.promises.check(a)
	if o.violation != "" {
		o.options.OnViolation(o.violation)
	}
	f.StalenessBound = longer(f.StalenessBound, now()-o.sent)
}

func (o *operation) remember(f *Freshness) {
	if o.call.only != "" {
		return
	}
	if !o.call.aside {
		o.session.see(o.call.asked, f.Token)
	}
	o.addresses.answered(o.target, o.call.write || f.Role == RolePrimary,
		!o.call.write && len(o.hops) == 0)
}

// ---- To the next one ----------------------------------------------------------------------------

// renewSession is of a write that was refused because its session lost what it saw: the loss is
// told with the answer, and the write goes again from where the session can go on.
func (o *operation) renewSession(r *refusal) bool {
	if !o.call.write || r.reason != ReasonSessionLost || o.loss != nil || r.loss == nil ||
		r.loss.Token.IsZero() {
		return false
	}
	o.loss = r.loss
	o.session.lose(o.call.asked, r.loss.Token)
	o.call.asked = o.session.get()
	o.call.bring(o.call.asked)
	return o.pack() == nil // a token is not much longer than another
}

func (o *operation) follow(r *refusal) error {
	node := "?"
	if r.freshness != nil {
		node = r.freshness.Node
	}
	if len(o.hops) >= maxHops {
		text := fmt.Sprintf("redirected more than %d times: ", maxHops)
		for _, hop := range o.hops {
			text += hop + " -> "
		}
		r.code, r.reason, r.message = CodeUnavailable, ReasonMaxHops, text+node+" -> "+r.hint.Primary
		return o.failed(r)
	}
	target, err := normal(r.hint.Endpoint)
	if err != nil {
		r.message = fmt.Sprintf("redirected to %.140q, which is no address", r.hint.Endpoint)
		return o.failed(r)
	}
	o.target = target
	o.hops = append(o.hops, node)
	o.redirects++
	return nil
}

// pause waits before the next attempt, which begins a new trail; it is not waited for what would
// come too late.
func (o *operation) pause(r *refusal) error {
	pause := r.pause(o.failures, len(o.addresses.endpoints))
	o.failures++
	o.hops = nil
	if pause >= time.Until(o.deadline) {
		return o.gaveUp(r)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.ctx.Done():
		r.cause = o.caller.Err()
		return o.gaveUp(r)
	case <-o.transport.Done():
		r.code, r.cause = CodeCancelled, ErrClosed
		return o.gaveUp(r)
	}
	if r.code != CodeResourceExhausted {
		o.target = o.addresses.after(o.target)
	}
	return nil
}

// ---- What is told at the end --------------------------------------------------------------------

// gaveUp tells what a node said of itself before, where the last one said nothing.
func (o *operation) gaveUp(r *refusal) error {
	last := *r
	if before := o.refused; r.freshness == nil && before != nil {
		last.message = fmt.Sprintf("%s: %s; %s", before.freshness.Node, before.message, r.message)
		last.reason, last.freshness = before.reason, before.freshness
		last.hint, last.loss, last.body = before.hint, before.loss, before.body
	}
	last.message += fmt.Sprintf(" (gave up after %v and %d attempts)",
		time.Since(o.begun).Round(time.Millisecond), o.attempts)
	return o.failed(&last)
}

func (o *operation) failed(r *refusal) *Error {
	tells := r.code == CodeOutOfRange && o.call.number != nil ||
		r.reason == ReasonNoMajority && o.call.reached != nil
	if tells = tells && len(r.body) > 0; tells {
		if err := proto.Unmarshal(r.body, o.call.response); err != nil {
			tells, r = false, o.malformed(r.freshness, errors.New("its body does not decode"))
		}
	}
	e := &Error{
		Code: r.code, Reason: r.reason, Message: r.message, Freshness: r.freshness, Hint: r.hint,
		Request: o.request, Attempts: o.attempts, Redirects: o.redirects, Violation: o.violation,
		Loss: r.loss, cause: r.cause,
	}
	if tells && o.call.number != nil {
		number := o.call.number()
		e.Number = &number
	} else if tells {
		reached := o.call.reached()
		e.Reached = &reached
	}
	e.OutcomeUnknown = o.uncertain && !r.settles()
	if e.OutcomeUnknown && !r.saysItself() {
		e.Reason = ReasonOutcomeUnknown
	}
	if e.Loss == nil {
		e.Loss = o.loss
	}
	return e
}
