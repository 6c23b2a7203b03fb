package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/fakenode"
)

// What happens to connections, over fake nodes.

func open(t *testing.T, node *fakenode.Node, change func(*Settings)) *Transport {
	settings := Settings{Dial: node.Dial, MessageBytes: 4096, NoBundles: true, Idle: IdleTime}
	if change != nil {
		change(&settings)
	}
	transport := New(settings)
	t.Cleanup(transport.Close)
	return transport
}

// get asks with a deadline; "silent" is a method that nobody answers.
func get(transport *Transport, method string, deadline time.Duration) Outcome {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	request := &candorv1.RpcRequest{Method: method}
	return transport.Ask(ctx, Ask{Endpoint: "a:1", Request: request})
}

// echoes answers each request with its method.
func echoes(request *candorv1.RpcRequest) *candorv1.RpcReply {
	if request.Method == "silent" {
		return nil
	}
	return &candorv1.RpcReply{Message: request.Method}
}

func TestManyCallsShareOneConnectionAndNoneWaitsForAnother(t *testing.T) {
	node := fakenode.New(t, echoes)
	transport := open(t, node, nil)
	ctx, cancel := context.WithCancel(context.Background())
	silent := make(chan Outcome)
	go func() {
		request := &candorv1.RpcRequest{Method: "silent"}
		silent <- transport.Ask(ctx, Ask{Endpoint: "a:1", Request: request})
	}()
	fakenode.Until(t, "it is asked", func() bool { return node.Requests() == 1 })
	var all sync.WaitGroup
	for i := range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			method := fmt.Sprint(i)
			if outcome := get(transport, method, time.Minute); outcome.Reply.GetMessage() != method {
				t.Errorf("%s: %v", method, outcome)
			}
		}()
	}
	all.Wait()
	cancel()
	if outcome := <-silent; !outcome.Silence.TimedOut || !outcome.Silence.Sent {
		t.Errorf("%v", outcome.Silence)
	}
	c := transport.pool.entries["a:1"].connection
	if c.calls() != 0 || c.used.Load() == 0 {
		t.Errorf("%d calls are kept; answered %v after it was made", c.calls(), c.used.Load())
	}
	if node.Dials() != 1 {
		t.Errorf("%d connections", node.Dials())
	}
}

func TestAConnectionThatTheNodeHasClosedIsMadeAnew(t *testing.T) {
	node := fakenode.New(t, echoes)
	transport := open(t, node, nil)
	get(transport, "x", time.Minute)
	node.Hangup()
	var outcome Outcome
	fakenode.Until(t, "another connection", func() bool {
		outcome = get(transport, "y", time.Minute)
		return outcome.Silence == nil
	})
	if outcome.Reply.Message != "y" || node.Dials() != 2 {
		t.Errorf("%v after %d connections", outcome, node.Dials())
	}
}

func TestAnIdleConnectionThatIsGoneWithoutAWordGetsHalfOfTheTime(t *testing.T) {
	node := fakenode.New(t, echoes)
	transport := open(t, node, func(s *Settings) { s.Idle = 0 })
	get(transport, "x", time.Minute)
	begun := time.Now()
	outcome := get(transport, "silent", 2*time.Second)
	if took := time.Since(begun); !outcome.Silence.TimedOut || took >= 2*time.Second {
		t.Errorf("%v after %v", outcome.Silence, took)
	}
	if outcome := get(transport, "y", time.Minute); outcome.Reply.GetMessage() != "y" {
		t.Errorf("%v", outcome)
	}
	if node.Dials() != 2 {
		t.Errorf("%d connections", node.Dials())
	}
}

func TestWhoeverDoesNotSpeakREPIsNotAsked(t *testing.T) {
	node := fakenode.New(t, echoes)
	node.Hello = []byte("HTTP/1.1")
	outcome := get(open(t, node, nil), "x", time.Minute)
	if s := outcome.Silence; s == nil || s.Sent || !strings.Contains(s.Why, "REP") {
		t.Errorf("%v", outcome)
	}
}

func TestWhoAsksWhileNobodyCanBeReachedIsToldThatNothingWasSent(t *testing.T) {
	refused := errors.New("refused")
	transport := New(Settings{MessageBytes: 4096, Idle: IdleTime,
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }})
	defer transport.Close()
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			outcome := get(transport, "x", time.Minute)
			if s := outcome.Silence; s == nil || s.Sent || s.Why != "refused" {
				t.Errorf("%v", outcome)
			}
		}()
	}
	all.Wait()
}

func TestACallDoesNotWaitForAConnectionBeyondItsTime(t *testing.T) {
	transport := New(Settings{MessageBytes: 4096, Idle: IdleTime,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
	outcome := get(transport, "x", 10*time.Millisecond)
	if s := outcome.Silence; s == nil || s.Sent || !s.TimedOut {
		t.Errorf("%v", outcome)
	}
	transport.Close() // ends the attempt
}

func TestAMessageOverTheLimitIsNotSentAndNotTaken(t *testing.T) {
	node := fakenode.New(t, func(request *candorv1.RpcRequest) *candorv1.RpcReply {
		return &candorv1.RpcReply{Message: strings.Repeat("x", 5000)}
	})
	transport := open(t, node, nil)
	outcome := get(transport, strings.Repeat("x", 5000), time.Minute)
	if s := outcome.Silence; s == nil || s.Sent || !s.TooLarge {
		t.Errorf("%v", outcome)
	}
	outcome = get(transport, "x", time.Minute)
	if s := outcome.Silence; s == nil || !s.Sent || !strings.Contains(s.Why, "over the limit") {
		t.Errorf("%v", outcome)
	}
}

func TestRedirectsToEverOtherAddressesDoNotFillThePool(t *testing.T) {
	node := fakenode.New(t, echoes)
	transport := open(t, node, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 3 * connectionsMax {
		request := &candorv1.RpcRequest{Method: "x"}
		outcome := transport.Ask(ctx, Ask{Endpoint: fmt.Sprintf("a:%d", i), Request: request})
		if outcome.Silence != nil {
			t.Fatal(outcome.Silence)
		}
	}
	if kept := len(transport.pool.entries); kept > connectionsMax {
		t.Errorf("%d connections are kept", kept)
	}
}

func TestClosingEndsWhatIsUnderWay(t *testing.T) {
	node := fakenode.New(t, func(*candorv1.RpcRequest) *candorv1.RpcReply { return nil })
	transport := open(t, node, func(s *Settings) { s.NoBundles = false })
	outcomes := make(chan Outcome, 10)
	for range cap(outcomes) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			request := &candorv1.RpcRequest{Method: "silent"}
			outcomes <- transport.Ask(ctx, Ask{Endpoint: "a:1", Request: request, Group: Disk})
		}()
	}
	fakenode.Until(t, "some are asked", func() bool { return node.Requests() >= 2 })
	transport.Close()
	for range cap(outcomes) {
		if outcome := <-outcomes; outcome.Silence == nil || !outcome.Silence.Closed {
			t.Errorf("%v", outcome)
		}
	}
	if outcome := get(transport, "x", time.Minute); !outcome.Silence.Closed || outcome.Silence.Sent {
		t.Errorf("%v", outcome.Silence)
	}
}

func TestHeads(t *testing.T) {
	id, length, err := parseHead(head(5, []byte("abc")), 3)
	if id != 5 || length != 3 || err != nil {
		t.Errorf("%d, %d, %v", id, length, err)
	}
	for _, bad := range [][]byte{
		append(make([]byte, 8), 0x80, 0, 0, 1), // no length
		{0, 0, 0, 0, 0, 0, 0, 3, 0x80, 0, 0, 1},
		bytes.Repeat([]byte{0xff}, headBytes),
		head(5, []byte("abcd")),
		{0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}, // an id without its highest bit
	} {
		if _, _, err := parseHead(bad, 3); err == nil {
			t.Errorf("% x was taken", bad)
		}
	}
}

func TestAReplyThatWasDamagedIsNone(t *testing.T) {
	sound := fakenode.Frame(nil, fakenode.Found(3, "value"))[8:]
	if _, err := unpack(sound); err != nil {
		t.Fatal(err)
	}
	for bit := range len(sound) * 8 {
		damaged := bytes.Clone(sound)
		damaged[bit/8] ^= 1 << (bit % 8)
		if reply, err := unpack(damaged); err == nil && reply.Checksum != 0 {
			t.Errorf("bit %d: %v", bit, reply)
		}
	}
	for size := range sound {
		if reply, err := unpack(sound[:size]); err == nil && reply.Checksum != 0 {
			t.Errorf("%d bytes: %v", size, reply)
		}
	}
}

// FuzzConnection: whatever a node sends, the call ends, and the connection does, too.
func FuzzConnection(f *testing.F) {
	f.Add([]byte{}, uint32(1))
	f.Add(fakenode.Frame([]byte{0x80, 0, 0, 1}, fakenode.Found(3, "v")), uint32(1))
	f.Add(bytes.Repeat([]byte{0xff}, 40), uint32(7))
	f.Fuzz(func(t *testing.T, sent []byte, last uint32) {
		client, server := net.Pipe()
		var goroutines sync.WaitGroup
		c := newConnection(client, 4096, &goroutines)
		c.last = last &^ idBit
		go func() {
			io.CopyN(io.Discard, server, headBytes+1)
			server.Write(sent)
			server.Close()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if data, silence := c.call(ctx, []byte("x")); silence == nil {
			unpack(data)
		} else if silence.TimedOut {
			t.Error(silence.Why)
		}
		c.end(errGivenUp)
		goroutines.Wait()
	})
}
