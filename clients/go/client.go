package candor

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/internal/transport"
)

// Client is a client of a cluster. Any goroutine may use it.
type Client struct {
	*shared
	session *session
}

// shared is what the sessions of a client have in common.
type shared struct {
	options    Options
	addresses  *addresses
	identities identities
	promises   promises
	transport  *transport.Transport
}

// Open gives a client of the nodes at these addresses ("tcp://host:port"), the nearest first: reads
// stay with the first that answers, writes go to the primary wherever it is. It connects to nobody
// yet. Close ends it.
func Open(endpoints []string, options ...Options) (*Client, error) {
	if len(options) > 1 {
		return nil, invalid("Options: %d of them, at most one", len(options))
	}
	given := Options{}
	if len(options) == 1 {
		given = options[0]
	}
	checked, err := given.checked()
	if err != nil {
		return nil, err
	}
	known, err := newAddresses(endpoints)
	if err != nil {
		return nil, err
	}
	s := &shared{options: checked, addresses: known, transport: transport.New(transport.Settings{
		Dial: checked.Dial, MessageBytes: checked.MessageBytes, NoBundles: checked.NoBundles,
		Idle: transport.IdleTime,
	})}
	s.promises.driftPPM = checked.ClockDriftPPM
	return &Client{shared: s, session: &session{token: checked.Session}}, nil
}

// Close ends what is under way with ErrClosed, a write that was sent with ErrOutcomeUnknown as
// well, and returns when no goroutine of the client is left. Of clients with sessions of their own
// (WithSession) one Close ends all.
func (c *Client) Close() { c.transport.Close() }

// Violations tells how many broken promises this client has seen.
func (c *Client) Violations() uint64 {
	c.promises.mu.Lock()
	defer c.promises.mu.Unlock()
	return c.promises.violations
}

// CallNode calls any method of one node, once: "/candor.v1.Cluster/Status". No redirects, no
// retries, no session, no request id.
func (c *Client) CallNode(ctx context.Context, endpoint, method string, request,
	response proto.Message) (*Answer, error) {
	only, err := normal(endpoint)
	if err != nil {
		return nil, err
	}
	told, err := c.run(ctx, &call{method: method, request: request, response: response, only: only})
	if err != nil {
		return nil, err
	}
	return &told.Answer, nil
}

// host gives what Dial takes.
func host(endpoint string) string { return strings.TrimPrefix(endpoint, scheme) }
