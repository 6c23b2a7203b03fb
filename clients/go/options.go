package candor

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Options of a client; the zero value of each is its default.
type Options struct {
	// Session is the token of a session to go on with.
	Session Token
	// Deadline is of a call whose context has none; 0: 5 seconds. No call takes longer than 10
	// minutes.
	Deadline time.Duration
	// NoRedirect: a redirect ends the call with ErrFailedPrecondition, and Error.Hint names the
	// primary.
	NoRedirect bool
	// NoBundles: each call is a message of its own. Else calls at once to one node that wait for the
	// same kind of thing share messages (docs/wire.md); a call alone never waits for another.
	NoBundles bool
	// MessageBytes is the topology's limits.message where it is not 4 MiB.
	MessageBytes int
	// ClockDriftPPM is the topology's clock_drift_ppm, where it is above its default.
	ClockDriftPPM int
	// OnViolation is told when a node breaks a promise, on the goroutine of the call that found it;
	// nil: it is logged as an error.
	OnViolation func(text string)
	// Dial makes a connection to "host:port"; nil: net.Dialer. TLS or a proxy goes here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// checked fills in the defaults.
func (o Options) checked() (Options, error) {
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.MessageBytes == 0 {
		o.MessageBytes = defaultMessageBytes
	}
	if o.OnViolation == nil {
		o.OnViolation = func(text string) { slog.Error("candor: a broken promise: " + text) }
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	switch {
	case o.Deadline < 0:
		return o, invalid("Options.Deadline: %v", o.Deadline)
	case o.MessageBytes < 2*envelopeBytes || o.MessageBytes > maxMessageBytes:
		return o, invalid("Options.MessageBytes: %d, not within %d and %d", o.MessageBytes,
			2*envelopeBytes, maxMessageBytes)
	case o.ClockDriftPPM < 0 || o.ClockDriftPPM > 1_000_000:
		return o, invalid("Options.ClockDriftPPM: %d", o.ClockDriftPPM)
	}
	return o, nil
}

// ReadOption is an option of a read: a Level.
type ReadOption interface{ read(*readOptions) }

// WriteOption is an option of any write: an Ack.
type WriteOption interface {
	PutOption
	IncrementOption
	write(*writeOptions)
}

// PutOption is an option of Put and CompareAndSwap: an Ack or a TTL.
type PutOption interface{ put(*writeOptions) }

// IncrementOption is an option of Increment: an Ack, Least, Most or Initial.
type IncrementOption interface{ increment(*writeOptions) }

// TTL: the key is there for so long from the moment in which the primary takes the write, and no
// shorter; then it is deleted. Without it, or with Forever, the key stays, and a TTL that it had
// ends.
type TTL time.Duration

// Least is the least number that Increment may leave.
type Least int64

// Most is the greatest number that Increment may leave.
type Most int64

// Initial is what an absent key counts as, before Increment adds to it.
type Initial int64

type readOptions struct {
	level Level
}

type writeOptions struct {
	ack         Ack
	ttl         time.Duration // 0: none
	ttlIsGiven  bool
	least, most *int64
	initial     int64
}

func (l Level) read(o *readOptions)         { o.level = l }
func (a Ack) write(o *writeOptions)         { o.ack = a }
func (a Ack) put(o *writeOptions)           { o.ack = a }
func (a Ack) increment(o *writeOptions)     { o.ack = a }
func (t TTL) put(o *writeOptions)           { o.ttl, o.ttlIsGiven = time.Duration(t), true }
func (n Least) increment(o *writeOptions)   { least := int64(n); o.least = &least }
func (n Most) increment(o *writeOptions)    { most := int64(n); o.most = &most }
func (n Initial) increment(o *writeOptions) { o.initial = int64(n) }

// ttlMS gives whole milliseconds, no shorter than was asked for; 0: the key does not end.
func ttlMS(ttl time.Duration) (uint64, error) {
	switch {
	case ttl == Forever:
		return 0, nil
	case ttl <= 0:
		return 0, invalid("a TTL of %v: it is more than 0, or Forever", ttl)
	}
	return uint64((ttl-1)/time.Millisecond) + 1, nil
}
