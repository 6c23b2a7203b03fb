package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errGivenUp = errors.New("the connection was given up")
	errClosed  = errors.New("the client is closed")
)

const bufferBytes = 64 << 10

// connection is one that is open. Its reader gives each reply to who waits for it, and leaves out
// those of nobody; its writer puts together what comes at once. When it ends, all who wait are
// told.
type connection struct {
	socket net.Conn
	limit  int
	queue  chan request  // to the writer; who puts something into it may have sent it
	ended  chan struct{} // closed at the end
	used   atomic.Int64  // when it was made, or answered last: time since `made`
	made   time.Time

	mu      sync.Mutex
	why     error // it ended
	waiting map[uint32]chan []byte
	last    uint32
}

type request struct{ head, payload []byte }

// newConnection is of a socket over which the handshake was made; `goroutines` counts its own.
func newConnection(socket net.Conn, limit int, goroutines *sync.WaitGroup) *connection {
	c := &connection{
		socket: socket, limit: limit, queue: make(chan request), ended: make(chan struct{}),
		made: time.Now(), waiting: map[uint32]chan []byte{}, last: rand.Uint32() &^ idBit,
	}
	goroutines.Add(2)
	go func() {
		defer goroutines.Done()
		c.end(c.read())
	}()
	go func() {
		defer goroutines.Done()
		c.end(c.write())
	}()
	return c
}

// idle tells for how long nothing was answered.
func (c *connection) idle() time.Duration {
	return time.Since(c.made) - time.Duration(c.used.Load())
}

// calls tells how many wait.
func (c *connection) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

func (c *connection) isOpen() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// end closes it, once.
func (c *connection) end(why error) {
	c.mu.Lock()
	first := c.why == nil
	if first {
		c.why = why
		close(c.ended)
	}
	c.mu.Unlock()
	if first {
		c.socket.Close()
	}
}

// call sends the payload and waits for its reply.
func (c *connection) call(ctx context.Context, payload []byte) ([]byte, *Silence) {
	id, reply := c.expect()
	defer c.forget(id)
	select {
	case c.queue <- request{head(id, payload), payload}:
	case <-ctx.Done():
		return nil, timedOut(false)
	case <-c.ended:
		return nil, c.lost(false)
	}
	select {
	case data := <-reply:
		return data, nil
	case <-ctx.Done():
		return nil, timedOut(true)
	case <-c.ended:
	}
	select {
	case data := <-reply: // the last one
		return data, nil
	default:
		return nil, c.lost(true)
	}
}

func timedOut(sent bool) *Silence {
	return &Silence{Why: "no reply in time", Sent: sent, TimedOut: true}
}

func (c *connection) lost(sent bool) *Silence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Silence{Why: c.why.Error(), Sent: sent, Closed: c.why == errClosed}
}

func (c *connection) expect() (uint32, chan []byte) {
	reply := make(chan []byte, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		c.last = (c.last + 1) &^ idBit
		if _, used := c.waiting[c.last]; !used {
			c.waiting[c.last] = reply
			return c.last, reply
		}
	}
}

func (c *connection) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// taken gives who waits for this id, once; nil: nobody.
func (c *connection) taken(id uint32) chan []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := c.waiting[id]
	delete(c.waiting, id)
	return reply
}

func (c *connection) read() error {
	in := bufio.NewReaderSize(c.socket, bufferBytes)
	head := make([]byte, headBytes)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return closedBy(err)
		}
		id, length, err := parseHead(head, c.limit)
		if err != nil {
			return err
		}
		reply := c.taken(id)
		if reply == nil {
			_, err = in.Discard(length)
		} else {
			data := make([]byte, length)
			if _, err = io.ReadFull(in, data); err == nil {
				reply <- data
			}
		}
		if err != nil {
			return closedBy(err)
		}
		c.used.Store(int64(time.Since(c.made)))
	}
}

func closedBy(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed")
	}
	return err
}

func (c *connection) write() error {
	out := bufio.NewWriterSize(c.socket, bufferBytes)
	for {
		var next request
		select {
		case next = <-c.queue:
		default: // nobody has something to add
			if err := out.Flush(); err != nil {
				return err
			}
			select {
			case next = <-c.queue:
			case <-c.ended:
				return errGivenUp
			}
		}
		if _, err := out.Write(next.head); err != nil {
			return err
		}
		if _, err := out.Write(next.payload); err != nil {
			return err
		}
	}
}
