package candor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/fakenode"
)

// What only this language has: contexts, errors, goroutines, sessions that share a client. What
// every client does is checked by tests/conformance.

func openAt(t *testing.T, node *fakenode.Node, change func(*Options)) *Client {
	t.Helper()
	options := Options{Dial: node.Dial, Deadline: time.Minute,
		OnViolation: func(text string) { t.Error(text) }}
	if change != nil {
		change(&options)
	}
	client, err := Open([]string{"tcp://a:1"}, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// silent answers nobody.
func silent(*candorv1.RpcRequest) *candorv1.RpcReply { return nil }

func TestACancelledContextEndsACallAtOnce(t *testing.T) {
	node := fakenode.New(t, silent)
	client := openAt(t, node, nil)
	for _, write := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		before := node.Requests()
		ended := make(chan error)
		go func() {
			var err error
			if write {
				_, err = client.Put(ctx, "k", nil)
			} else {
				_, err = client.Get(ctx, "k")
			}
			ended <- err
		}()
		fakenode.Until(t, "it is asked", func() bool { return node.Requests() > before })
		cancel()
		err := <-ended
		var failure *Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &failure) {
			t.Fatal(err)
		}
		if failure.Code != CodeCancelled || failure.OutcomeUnknown != write ||
			errors.Is(err, ErrOutcomeUnknown) != write {
			t.Errorf("write: %v: %v", write, failure)
		}
	}
}

func TestACallThatWasCancelledBeforeAsksNobody(t *testing.T) {
	node := fakenode.New(t, silent)
	client := openAt(t, node, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.Put(ctx, "k", nil)
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, context.Canceled) || failure.OutcomeUnknown {
		t.Errorf("%v", err)
	}
	if node.Requests() != 0 {
		t.Errorf("%d requests", node.Requests())
	}
}

func TestTheDeadlineOfTheContextIsThatOfTheCall(t *testing.T) {
	node := fakenode.New(t, silent)
	client := openAt(t, node, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Get(ctx, "k")
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	before := node.Requests()
	for range 50 { // it has passed already
		_, err = client.Put(ctx, "k", nil)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%v", err)
		}
	}
	if node.Requests() != before {
		t.Errorf("%d requests after the deadline", node.Requests()-before)
	}
	if _, err = openAt(t, node, func(o *Options) { o.Deadline = 50 * time.Millisecond }).
		Get(context.Background(), "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorTellsWhatTheNodeSaid(t *testing.T) {
	node := fakenode.New(t, func(*candorv1.RpcRequest) *candorv1.RpcReply {
		reply := fakenode.Refused(candorv1.Code_CODE_FAILED_PRECONDITION,
			candorv1.Reason_REASON_TOO_STALE)
		reply.Retry = &candorv1.RetryHint{Primary: "p", Endpoint: "tcp://p:1"}
		return reply
	})
	client := openAt(t, node, func(o *Options) { o.NoRedirect = true })
	_, err := client.Get(context.Background(), "k", Bounded(time.Second))
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, ErrFailedPrecondition) {
		t.Fatal(err)
	}
	if failure.Reason != ReasonTooStale || failure.Hint.Endpoint != "tcp://p:1" ||
		failure.Freshness.Node != "a" || failure.Freshness.StalenessBound < 10*time.Millisecond {
		t.Errorf("%+v", failure)
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) {
		t.Errorf("%v is too much at once", err)
	}
}

func TestErrorsAreOfTheirKindsAndOfWiderOnes(t *testing.T) {
	for _, one := range []struct {
		code   Code
		reason Reason
		is     []error
	}{
		{CodeUnavailable, ReasonNoPrimary, []error{ErrUnavailable}},
		{CodeDeadlineExceeded, ReasonNone, []error{ErrUnavailable, context.DeadlineExceeded}},
		{CodeDeadlineExceeded, ReasonOutcomeUnknown,
			[]error{ErrOutcomeUnknown, context.DeadlineExceeded}},
		{CodeResourceExhausted, ReasonOverloaded, []error{ErrOverloaded, ErrUnavailable}},
		{CodeResourceExhausted, ReasonStateFull, []error{ErrNoRoom}},
		{CodeInvalidArgument, ReasonRequestIDReused, []error{ErrRequestIDReused, ErrInvalidRequest}},
		{CodeAborted, ReasonRequestTooOld, []error{ErrOutcomeUnknown}},
		{Code(99), Reason(99), nil},
	} {
		err := error(&Error{Code: one.code, Reason: one.reason})
		for _, kind := range []error{ErrUnavailable, ErrOverloaded, ErrOutcomeUnknown, ErrNoRoom,
			ErrInvalidRequest, ErrRequestIDReused, ErrSessionLost, context.DeadlineExceeded} {
			wanted := false
			for _, is := range one.is {
				wanted = wanted || is == kind
			}
			if errors.Is(err, kind) != wanted {
				t.Errorf("%v is %v: %v", err, kind, !wanted)
			}
		}
	}
}

func TestAClientThatIsClosedEndsItsCallsAndTakesNoMore(t *testing.T) {
	node := fakenode.New(t, silent)
	client := openAt(t, node, nil)
	ended := make(chan error)
	go func() {
		_, err := client.Put(context.Background(), "k", nil)
		ended <- err
	}()
	fakenode.Until(t, "it is asked", func() bool { return node.Requests() == 1 })
	client.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
	_, err := client.Put(context.Background(), "k", nil)
	if !errors.Is(err, ErrClosed) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
}

func TestClosingEndsAPauseBetweenAttempts(t *testing.T) {
	node := fakenode.New(t, func(*candorv1.RpcRequest) *candorv1.RpcReply {
		reply := fakenode.Refused(candorv1.Code_CODE_UNAVAILABLE, candorv1.Reason_REASON_NO_PRIMARY)
		reply.Retry = &candorv1.RetryHint{RetryAfterMs: 590_000}
		return reply
	})
	client := openAt(t, node, func(o *Options) { o.Deadline = time.Hour })
	ended := make(chan error)
	go func() {
		_, err := client.Get(context.Background(), "k")
		ended <- err
	}()
	fakenode.Until(t, "it is asked", func() bool { return node.Requests() == 1 })
	client.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestSessionsOfOneClientDoNotKnowOfEachOther(t *testing.T) {
	node := fakenode.New(t, func(*candorv1.RpcRequest) *candorv1.RpcReply {
		return fakenode.Written(5)
	})
	client := openAt(t, node, nil)
	one, other := client.WithSession(Token{}), client.WithSession(Token{})
	if _, err := one.Put(context.Background(), "k", nil); err != nil {
		t.Fatal(err)
	}
	if one.Session().Pos.Seq != 5 || !other.Session().IsZero() || !client.Session().IsZero() {
		t.Errorf("%v, %v, %v", one.Session(), other.Session(), client.Session())
	}
	token, err := ParseToken(one.Session().String())
	if err != nil || other.JoinSession(token) != nil || other.Session() != one.Session() {
		t.Errorf("%v: %v", other.Session(), err)
	}
	if node.Dials() != 1 {
		t.Errorf("%d connections", node.Dials())
	}
}

func TestGoroutinesShareAClient(t *testing.T) {
	var mu sync.Mutex
	seq := uint64(0)
	numbers := map[string]bool{}
	node := fakenode.New(t, func(request *candorv1.RpcRequest) *candorv1.RpcReply {
		return fakenode.Bundled(request, func(call *candorv1.RpcRequest) *candorv1.RpcReply {
			mu.Lock()
			defer mu.Unlock()
			seq++
			numbers[call.RequestId.String()] = true
			return fakenode.Written(seq)
		})
	})
	client := openAt(t, node, nil)
	const goroutines, writes = 16, 20
	var all sync.WaitGroup
	for range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			session := client.WithSession(Token{})
			for range writes {
				if _, err := session.Put(context.Background(), "k", nil); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	if len(numbers) != goroutines*writes {
		t.Errorf("%d request ids for %d writes", len(numbers), goroutines*writes)
	}
}

func TestWhatIsWrongIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	node := fakenode.New(t, silent)
	client := openAt(t, node, nil)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"no level":    func() error { _, err := client.Get(ctx, "k", Level{}); return err },
		"a bound":     func() error { _, err := client.Get(ctx, "k", Bounded(0)); return err },
		"a TTL of 0":  func() error { _, err := client.Put(ctx, "k", nil, TTL(0)); return err },
		"a TTL below": func() error { _, err := client.Expire(ctx, "k", -1, 0); return err },
		"no Expect": func() error {
			_, err := client.CompareAndSwap(ctx, "k", Expect{}, nil)
			return err
		},
		"no Compare": func() error { _, err := client.Txn(ctx, []Compare{{}}, nil, nil); return err },
		"a nil operation": func() error {
			_, err := client.Txn(ctx, nil, []TxnOp{nil}, nil)
			return err
		},
		"no address": func() error { _, err := client.Status(ctx, "nowhere"); return err },
		"two ranges": func() error {
			_, err := client.Watch(WatchOptions{Key: "k", Prefix: "p"})
			return err
		},
		"no UTF-8": func() error {
			_, err := client.TxnStatusAt(ctx, Pos{Epoch: Epoch{Owner: "\xff"}})
			return err
		},
		"no endpoint": func() error { _, err := Open(nil); return err },
	} {
		if err := call(); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if node.Requests() != 0 {
		t.Errorf("%d requests", node.Requests())
	}
}
