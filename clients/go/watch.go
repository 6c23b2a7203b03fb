package candor

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// WatchOptions say what is watched, and from where on: at most one of Key, Prefix, and a range of
// Start and End (none: every key), and at most one of Cursor, SinceSeq and WithState (none: from
// now on).
type WatchOptions struct {
	Key         string
	Prefix      string
	Start, End  string        // End: the first key not wanted; "": no end
	Cursor      Cursor        // where another watch of the same range stood
	SinceSeq    uint64        // from the record with this seq on
	WithState   bool          // the present state first
	NoPuts      bool          // leaves them out
	NoDeletes   bool          // leaves them out
	Uncommitted bool          // also what may still be rolled back: EventRolledBack tells
	Limit       int           // records in an answer; 0: the node's limit
	Wait        time.Duration // an answer comes after so long at the latest; 0: 10 seconds
}

// Watch follows what happens to a range of keys, in the order of the log. It goes on by itself over
// restarts, failovers and snapshots, at whichever node answers: nothing is left out and nothing is
// told twice, or an event says so (EventCompacted, EventRolledBack). One goroutine at a time may
// use it.
type Watch struct {
	client  *Client
	options WatchOptions
	begun   bool // an answer came, or it goes on from a cursor
	inState bool // until the present state was told
	at      *candorv1.WatchCursor

	pending   []Event    // of the newest answer, not given yet
	used      Cursor     // behind all events that were given
	freshness *Freshness // of the newest answer
	err       error      // that passed by
}

// Watch makes a watch, which asks nobody before it is used.
func (c *Client) Watch(options WatchOptions) (*Watch, error) {
	w := &Watch{client: c, options: options, inState: options.WithState, used: options.Cursor}
	if err := options.check(); err != nil {
		return nil, err
	}
	if w.options.Wait == 0 {
		w.options.Wait = defaultWait
	}
	if !options.Cursor.IsZero() {
		w.at = &candorv1.WatchCursor{}
		if err := proto.Unmarshal([]byte(options.Cursor.packed), w.at); err != nil {
			return nil, invalid("the cursor does not decode")
		}
		w.begun = true
	}
	return w, nil
}

func (o *WatchOptions) check() error {
	if count(o.Key != "", o.Prefix != "", o.Start != "" || o.End != "") > 1 {
		return invalid("at most one of Key, Prefix, and a range of Start and End")
	}
	if count(!o.Cursor.IsZero(), o.SinceSeq > 0, o.WithState) > 1 {
		return invalid("at most one of Cursor, SinceSeq and WithState")
	}
	if o.NoPuts && o.NoDeletes {
		return invalid("NoPuts and NoDeletes: nothing is left to watch")
	}
	if o.Wait < 0 || o.Wait > maxDeadline/2 || o.Wait > 0 && o.Wait < time.Millisecond {
		return invalid("Wait: %v, not within 1 ms and %v", o.Wait, maxDeadline/2)
	}
	_, err := limitOf("Limit", o.Limit)
	return err
}

func count(conditions ...bool) (held int) {
	for _, condition := range conditions {
		if condition {
			held++
		}
	}
	return held
}

// Events gives the events one by one, until the context ends or an error is final: that comes last.
// What passes by (nobody answers) ends nothing. Another Events goes on behind what was given.
func (w *Watch) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			for len(w.pending) > 0 {
				event := w.pending[0]
				w.pending = w.pending[1:]
				if len(w.pending) == 0 {
					w.used = w.cursor()
				}
				if !yield(event, nil) {
					return
				}
			}
			changes, err := w.next(ctx)
			if err != nil {
				yield(Event{}, err)
				return
			}
			w.pending = changes.Events
			if len(w.pending) == 0 {
				w.used = w.cursor()
			}
		}
	}
}

// Changes gives whole answers, those without events, too: they say how far the node has looked, and
// how old that is. It ends as Events does.
func (w *Watch) Changes(ctx context.Context) iter.Seq2[*Changes, error] {
	return func(yield func(*Changes, error) bool) {
		for {
			changes, err := w.next(ctx)
			if err == nil {
				w.pending, w.used = nil, w.cursor()
			}
			if !yield(changes, err) || err != nil {
				return
			}
		}
	}
}

// Cursor is behind all events that were given: another watch of the same range, in any process,
// goes on there. Zero: nowhere yet.
func (w *Watch) Cursor() Cursor { return w.used }

// Freshness of the newest answer; nil: none came yet.
func (w *Watch) Freshness() *Freshness { return w.freshness }

// Err is why there is no answer at present; nil: there is.
func (w *Watch) Err() error { return w.err }

// ---- One poll after the other -------------------------------------------------------------------

func (w *Watch) cursor() Cursor {
	if w.at == nil {
		return Cursor{}
	}
	packed, err := proto.Marshal(w.at)
	if err != nil { // it was decoded just before
		return Cursor{}
	}
	return Cursor{string(packed)}
}

// next asks until there is an answer.
func (w *Watch) next(ctx context.Context) (*Changes, error) {
	for {
		changes, err := w.poll(ctx)
		if err == nil || ctx.Err() != nil || !passesBy(err) {
			return changes, err
		}
		w.err = err
		timer := time.NewTimer(rand.N(maxWatchPause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-w.client.transport.Done(): // the next poll tells
			timer.Stop()
		}
	}
}

// passesBy: the next poll may succeed, and nothing is lost by the failure of this one.
func passesBy(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && (failure.Code == CodeUnavailable ||
		failure.Code == CodeDeadlineExceeded || failure.Reason == ReasonOverloaded)
}

// poll: an attempt has half of the time, so that one that waits in vain leaves some for another.
func (w *Watch) poll(ctx context.Context) (*Changes, error) {
	o, longest := &w.options, 2*w.options.Wait+w.client.options.Deadline
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	limit, err := limitOf("Limit", o.Limit)
	if err != nil {
		return nil, err
	}
	request := &candorv1.WatchRequest{
		Key: []byte(o.Key), Prefix: []byte(o.Prefix), Start: []byte(o.Start), End: []byte(o.End),
		From: w.at, WithState: w.inState && w.at == nil, NoPuts: o.NoPuts, NoDeletes: o.NoDeletes,
		Uncommitted: o.Uncommitted, Limit: limit, WaitMs: uint32(o.Wait.Milliseconds()),
	}
	if !w.begun {
		request.SinceSeq = o.SinceSeq
	}
	var response candorv1.WatchResponse
	done, err := w.client.run(ctx, &call{
		method: kvMethod("Watch"), request: request, response: &response, group: transport.Alone,
		also:  []Reason{ReasonCompacted, ReasonRolledBack},
		check: func(reason Reason) error { return w.check(&response, reason) },
	})
	if err != nil {
		return nil, err
	}
	w.err, w.freshness = nil, &done.Freshness
	return w.take(&response, done), nil
}

// check: a node that goes back, or tells what it does not know the order of, is not believed.
func (w *Watch) check(response *candorv1.WatchResponse, reason Reason) error {
	switch {
	case reason == ReasonCompacted:
		return nil
	case reason == ReasonRolledBack && response.RolledBack == nil:
		return misfit("it does not say what was rolled back")
	case reason == ReasonRolledBack:
		return nil
	case response.Next == nil:
		return misfit("no cursor to go on from")
	}
	seen := seqOf(w.at)
	for _, record := range response.Records {
		seq := record.Pos.GetSeq()
		if seq <= seen {
			return misfit("record %d comes after %d", seq, seen)
		}
		seen = seq
	}
	if next := seqOf(response.Next); next < seen {
		return misfit("the cursor goes back from %d to %d", seen, next)
	}
	return nil
}

func seqOf(cursor *candorv1.WatchCursor) uint64 { return cursor.GetToken().GetPos().GetSeq() }

// take moves the watch on.
func (w *Watch) take(response *candorv1.WatchResponse, done *told) *Changes {
	var events []Event
	wasInState := w.inState || w.at.GetInState()
	w.begun, w.at, w.inState = true, response.Next, false
	switch done.reason {
	case ReasonCompacted:
		events = []Event{{Type: EventCompacted, Pos: Pos{Seq: response.FirstSeq}}}
		w.at, w.inState = nil, true
	case ReasonRolledBack:
		events = rolledBack(response.RolledBack)
		w.inState = w.at == nil
	default:
		events = happened(response)
		if wasInState && !response.Next.InState {
			events = append(events, Event{Type: EventStateEnd})
		}
	}
	return &Changes{
		Events: events, SeenSeq: seqOf(w.at), Freshness: done.Freshness, Cursor: w.cursor(),
		ArchiveID: response.GetRolledBack().GetArchiveId(),
	}
}

// ---- Cursors ------------------------------------------------------------------------------------

// Cursor is how far a watch has come. The zero Cursor is nowhere.
type Cursor struct{ packed string }

// IsZero says whether it is nowhere.
func (c Cursor) IsZero() bool { return c.packed == "" }

// String gives text to keep, which ParseCursor reads; "" for the zero Cursor.
func (c Cursor) String() string { return base64.StdEncoding.EncodeToString([]byte(c.packed)) }

// ParseCursor reads what Cursor.String wrote.
func ParseCursor(text string) (Cursor, error) {
	packed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	var message candorv1.WatchCursor
	if err == nil {
		err = proto.Unmarshal(packed, &message)
	}
	if err != nil || len(packed) > maxCursorBytes || message.Token == nil {
		return Cursor{}, invalid("%.140q is no cursor of a watch", text)
	}
	return Cursor{string(packed)}, nil
}
