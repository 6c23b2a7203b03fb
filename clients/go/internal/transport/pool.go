package transport

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// pool has one connection to each endpoint, made once however many ask for it at once.
type pool struct {
	settings   Settings
	ctx        context.Context // of all that it has made
	cancel     context.CancelFunc
	goroutines sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	entries map[string]*entry
}

// entry is a connection that is being made, or was.
type entry struct {
	ready      chan struct{} // closed when the rest is there
	connection *connection
	err        error
}

func newPool(settings Settings) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &pool{settings: settings, ctx: ctx, cancel: cancel, entries: map[string]*entry{}}
}

// get waits for the connection until the context ends.
func (p *pool) get(ctx context.Context, endpoint string) (*connection, *Silence) {
	e := p.entry(endpoint)
	if e == nil {
		return nil, &Silence{Why: errClosed.Error(), Closed: true}
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		return nil, timedOut(false)
	}
	if e.err != nil {
		return nil, &Silence{Why: e.err.Error(), Closed: e.err == errClosed}
	}
	return e.connection, nil
}

// entry gives the present one, or begins another; nil: the pool is closed.
func (p *pool) entry(endpoint string) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if e := p.entries[endpoint]; e != nil && e.isOfUse() {
		return e
	}
	p.makeRoom()
	e := &entry{ready: make(chan struct{})}
	p.entries[endpoint] = e
	p.goroutines.Add(1)
	go func() {
		defer p.goroutines.Done()
		defer close(e.ready)
		e.connection, e.err = p.open(endpoint)
	}()
	return e
}

func (e *entry) isOfUse() bool {
	select {
	case <-e.ready:
		return e.err == nil && e.connection.isOpen()
	default:
		return true
	}
}

// makeRoom leaves out what is of no use any more, then who was used longest ago of those that
// nobody uses.
func (p *pool) makeRoom() {
	if len(p.entries) < connectionsMax {
		return
	}
	var oldest string
	for endpoint, e := range p.entries {
		if !e.isOfUse() {
			delete(p.entries, endpoint)
		} else if c := e.unused(); c != nil {
			if oldest == "" || c.idle() > p.entries[oldest].connection.idle() {
				oldest = endpoint
			}
		}
	}
	if len(p.entries) >= connectionsMax && oldest != "" {
		p.entries[oldest].connection.end(errGivenUp)
		delete(p.entries, oldest)
	}
}

// unused gives the connection where it is there and nobody waits for an answer over it.
func (e *entry) unused() *connection {
	select {
	case <-e.ready:
		if e.connection.calls() == 0 {
			return e.connection
		}
	default:
	}
	return nil
}

// open connects and shakes hands. Whoever asked for it first may be gone when it is done.
func (p *pool) open(endpoint string) (*connection, error) {
	ctx, cancel := context.WithTimeout(p.ctx, connectTime)
	defer cancel()
	socket, err := p.settings.Dial(ctx, "tcp", endpoint)
	if err != nil {
		return nil, p.why(err)
	}
	if err := p.shakeHands(ctx, socket); err != nil {
		socket.Close()
		return nil, p.why(err)
	}
	return newConnection(socket, p.settings.MessageBytes, &p.goroutines), nil
}

// why is errClosed where the pool is.
func (p *pool) why(err error) error {
	if p.ctx.Err() != nil {
		return errClosed
	}
	return err
}

// shakeHands is ended by the context, which has nothing to do with the socket afterwards.
func (p *pool) shakeHands(ctx context.Context, socket net.Conn) error {
	stop := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) })
	err := exchangeHandshakes(socket)
	if !stop() {
		return ctx.Err()
	}
	return err
}

func exchangeHandshakes(socket net.Conn) error {
	if _, err := socket.Write(handshake); err != nil {
		return err
	}
	answer := make([]byte, len(expected))
	if _, err := io.ReadFull(socket, answer); err != nil {
		return closedBy(err)
	}
	return checkHandshake(answer)
}

// close ends all connections, those that are being made when they are there.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	for _, e := range p.entries {
		<-e.ready
		if e.err == nil {
			e.connection.end(errClosed)
		}
	}
	p.goroutines.Wait()
}
