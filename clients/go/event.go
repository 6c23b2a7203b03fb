package candor

import (
	"time"

	"candor.example/candor/candorv1"
)

// EventType is what an Event tells.
type EventType int32

const (
	_           EventType = iota
	EventPut              // the key was written
	EventDelete           // the key was deleted, or its time was over
	// EventState: the key is there with this value; from the present state.
	EventState
	// EventStateEnd: all of the range was told; what was not is not there.
	EventStateEnd
	// EventRolledBack: what was told from Pos.Seq on has not happened; 0: nobody knows from where on,
	// and the present state follows. Events with TakenBack may follow: what it was, as far as the node
	// knows.
	EventRolledBack
	// EventCompacted: the log no longer reaches back; what happened before Pos.Seq may be missing.
	// The present state follows, as if the watch had just begun with it.
	EventCompacted
)

func (t EventType) String() string {
	names := []string{"UNKNOWN", "PUT", "DELETE", "STATE", "STATE_END", "ROLLED_BACK", "COMPACTED"}
	return nameOf(names, int32(t))
}

// Event is what a Watch tells.
type Event struct {
	Type      EventType
	Pos       Pos // of the record; of EventState: the seq of the one that wrote the key last
	Key       string
	Value     []byte    // of EventPut and EventState
	Version   uint64    // of EventState
	More      bool      // the next event is of the same operation: a Txn is told as a whole
	TakenBack bool      // behind EventRolledBack
	At        time.Time // of EventPut and EventDelete: by the primary's clock, for people
	Expired   bool      // of EventDelete: nobody deleted it, its time was over
	// Of EventPut: the TTL that it was given; of EventState: how long the key will still be there.
	// Forever: it does not end.
	TTL time.Duration
}

// Changes is one answer of a Watch.
type Changes struct {
	Events    []Event
	SeenSeq   uint64 // all that was recorded up to there was told
	Freshness Freshness
	Cursor    Cursor // where the watch goes on; zero: anew, with the present state
	ArchiveID string // of EventRolledBack, at Freshness.Node
}

// happened gives the events of an answer: the records, then the present state behind them.
func happened(response *candorv1.WatchResponse) []Event {
	var events []Event
	for _, record := range response.Records {
		events = append(events, eventsOf(record, false)...)
	}
	for _, message := range response.State {
		item := itemOf(message)
		events = append(events, Event{
			Type: EventState, Pos: Pos{Seq: item.ModSeq}, Key: item.Key, Value: message.Value,
			Version: item.Version, TTL: item.TTL,
		})
	}
	return events
}

func eventsOf(record *candorv1.WatchRecord, takenBack bool) []Event {
	events := make([]Event, len(record.Events))
	for i, event := range record.Events {
		events[i] = Event{
			Type: EventDelete, Pos: posOf(record.Pos), Key: string(event.Key), Expired: event.Expired,
			More: i < len(events)-1, TakenBack: takenBack, TTL: Forever,
			At: time.UnixMilli(int64(record.WallMs)),
		}
		if event.Type == candorv1.WatchEventType_WATCH_EVENT_TYPE_PUT {
			events[i].Type, events[i].Value = EventPut, event.Value
		}
		if event.TtlMs != 0 {
			events[i].TTL = milliseconds(event.TtlMs)
		}
	}
	return events
}

func rolledBack(rollback *candorv1.WatchRollback) []Event {
	events := []Event{{Type: EventRolledBack, Pos: Pos{Seq: rollback.FromSeq}}}
	for _, record := range rollback.Records {
		events = append(events, eventsOf(record, true)...)
	}
	return events
}
