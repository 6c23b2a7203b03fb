// Package transport carries requests to nodes and brings their replies: SP over TCP, one connection
// to a node with many requests in flight, and bundles. It knows nothing of what they ask.
package transport

import (
	"context"
	"net"
	"time"

	"candor.example/candor/candorv1"
)

// Group is what a call waits for: those of one group may share a message.
type Group int

const (
	Alone      Group = iota // with nobody
	AtOnce                  // reads that are answered at once
	Session                 // until the node has the session's position
	Confirmed               // a majority's confirmation
	Disk                    // the primary's disk
	Replicated              // other nodes' disks
)

// Ask is one request to one node.
type Ask struct {
	Endpoint string // "host:port"
	Request  *candorv1.RpcRequest
	Group    Group
}

// Outcome is a reply, or why there is none.
type Outcome struct {
	Reply *candorv1.RpcReply
	// The request went out twice, so its first copy may have been executed.
	SentAgain bool
	Silence   *Silence // nil: there is a reply
}

// Silence tells why there is no reply, or none that can be read.
type Silence struct {
	Why       string
	Sent      bool // some of the request may have reached the node
	TimedOut  bool
	Malformed bool // what came breaks the protocol
	Closed    bool // the transport is
	TooLarge  bool // the request was not sent: it is over the limit of a message
}

// Settings of a transport. Limits stand here so that tests can change them.
type Settings struct {
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
	MessageBytes int
	NoBundles    bool
	Idle         time.Duration // a connection without an answer for so long may be gone
}

// What the protocol or good manners set.
const (
	IdleTime       = time.Second
	connectTime    = 5 * time.Second
	connectionsMax = 64 // kept; redirects may name any number of addresses
)

// Transport may be used by any goroutine.
type Transport struct {
	settings Settings
	pool     *pool
	bundler  *bundler
}

// New gives a transport that Close must end.
func New(settings Settings) *Transport {
	t := &Transport{settings: settings, pool: newPool(settings)}
	t.bundler = newBundler(t.send, settings.MessageBytes)
	return t
}

// Ask sends the request and waits for its reply until the context ends.
func (t *Transport) Ask(ctx context.Context, ask Ask) Outcome {
	if t.settings.NoBundles {
		return t.send(ctx, ask)
	}
	return t.bundler.ask(ctx, ask)
}

// Done is closed when the transport is.
func (t *Transport) Done() <-chan struct{} { return t.pool.ctx.Done() }

// Close ends what is under way, and returns when no goroutine of the transport is left.
func (t *Transport) Close() {
	t.pool.close()
	t.bundler.close()
}

// send sends one message.
func (t *Transport) send(ctx context.Context, ask Ask) Outcome {
	payload, err := pack(ask.Request)
	if err != nil {
		return silent(Silence{Why: err.Error(), Malformed: true})
	}
	if len(payload) > t.settings.MessageBytes {
		return silent(tooLarge(len(payload), t.settings.MessageBytes))
	}
	data, connection, silence := t.exchange(ctx, ask.Endpoint, payload)
	if silence != nil {
		return Outcome{Silence: silence}
	}
	reply, err := unpack(data)
	if err != nil {
		connection.end(err)
		return silent(Silence{Why: err.Error(), Sent: true, Malformed: true})
	}
	return Outcome{Reply: reply}
}

// exchange gives a connection that was idle, which may be gone without a word, half of the time.
func (t *Transport) exchange(ctx context.Context, endpoint string, payload []byte) ([]byte,
	*connection, *Silence) {
	c, silence := t.pool.get(ctx, endpoint)
	if silence != nil {
		return nil, nil, silence
	}
	if deadline, ok := ctx.Deadline(); ok && c.idle() > t.settings.Idle {
		shorter, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		ctx = shorter
	}
	data, silence := c.call(ctx, payload)
	if silence != nil && silence.TimedOut && c.idle() > t.settings.Idle {
		c.end(errGivenUp)
	}
	return data, c, silence
}

func silent(silence Silence) Outcome { return Outcome{Silence: &silence} }
