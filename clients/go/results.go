package candor

import (
	"encoding/hex"
	"fmt"
	"time"

	"candor.example/candor/candorv1"
)

// NotTold is the TTL of an item that a conditional write answered with.
const NotTold = time.Duration(-1)

// Item is a key as it was read.
type Item struct {
	Key     string
	Value   []byte // nil: there is no such key, or the scan left values out
	Found   bool
	ModSeq  uint64 // seq of the record that wrote it last
	Version uint64 // 1 when created, counted up by each write since
	// How long it will still be there, as far as the node knew when it answered; 0: its delete is on
	// its way. Forever: it does not end. NotTold: in results of CompareAndSwap, Expire and Txn.
	TTL time.Duration
}

func itemOf(message *candorv1.KeyValue) Item {
	item := Item{
		Key: string(message.GetKey()), Value: message.GetValue(), Found: message.GetFound(),
		ModSeq: message.GetModSeq(), Version: message.GetVersion(), TTL: Forever,
	}
	if !item.Found {
		item.Value = nil
	} else if item.Value == nil {
		item.Value = []byte{}
	}
	if message.End != nil {
		item.TTL = milliseconds(message.GetTtlMs())
	}
	return item
}

// conditionItem is of a result that tells no TTL; nil: there is none.
func conditionItem(message *candorv1.KeyValue) *Item {
	if message == nil {
		return nil
	}
	item := itemOf(message)
	item.TTL = NotTold
	return &item
}

// RequestID names one write over all its attempts: Client.TxnStatus tells what became of it. The
// zero RequestID is none.
type RequestID struct {
	ClientID [clientIDBytes]byte
	Number   uint64
}

func (r RequestID) String() string {
	return fmt.Sprintf("%s/%d", hex.EncodeToString(r.ClientID[:]), r.Number)
}

// LostWrite is a write that a rollback took back.
type LostWrite struct {
	Number uint64 // of its request id
	Pos    Pos    // where it had been
}

// SessionLoss tells that part of what a session had seen was rolled back.
type SessionLoss struct {
	Token     Token       // where the session goes on; zero: the node named no place
	Node      string      // who told it
	ArchiveID string      // of the rollback archive at that node; "": another node may hold it
	Writes    []LostWrite // of this client, as far as the archive was searched
	More      bool        // there may be others
}

// Answer is what all results have.
type Answer struct {
	Freshness Freshness
	Attempts  int    // requests sent for it
	Redirects int    // followed for it
	Violation string // what the node went back on; "", as it should be: nothing
}

// GetResult is of Get.
type GetResult struct {
	Answer
	Item
}

// MultiGetResult is of MultiGet: all items from one state, in the order of the keys.
type MultiGetResult struct {
	Answer
	Items []Item
}

// ScanPage is one page of a scan, from one state.
type ScanPage struct {
	Answer
	Items []Item
	More  bool // a limit ended it: more keys are behind the last item's
}

// WriteResult is of every write.
type WriteResult struct {
	Answer
	Request RequestID
	// Pos of the write, of a batch that of the last operation; where it had no effect, of the data
	// that were compared.
	Pos      Pos
	Ack      Ack  // the level that Pos has reached
	Replayed bool // an earlier attempt had done it: the answer is of then
	Wrote    bool // false: it had no effect
	// What the session had seen was rolled back; it went on from SessionLoss.Token, and this write
	// was made after that. nil, as it should be: no.
	SessionLoss *SessionLoss
}

// DeleteResult is of Delete.
type DeleteResult struct {
	WriteResult
	Found bool // there was something to delete
}

// BatchResult is of Batch.
type BatchResult struct {
	WriteResult
	First Pos    // of the first operation
	Found []bool // per operation: the key existed before it
}

// CASResult is of CompareAndSwap.
type CASResult struct {
	WriteResult
	Succeeded bool
	Present   *Item // not succeeded: what is there instead
}

// ExpireResult is of Expire.
type ExpireResult struct {
	WriteResult
	Succeeded bool  // false: there is no such key, or another record has written it
	Present   *Item // not succeeded: what is there instead
}

// IncrementResult is of Increment.
type IncrementResult struct {
	WriteResult
	Number int64 // the new one
}

// TxnOpResult is of one operation of a Txn.
type TxnOpResult struct {
	Found bool  // Put, Delete: the key existed before; Get: it exists
	Item  *Item // of a Get
}

// TxnResult is of Txn.
type TxnResult struct {
	WriteResult
	Succeeded bool          // the conditions held
	Results   []TxnOpResult // of the list that was executed, in order
}

// TxnState is what became of a write.
type TxnState int32

const (
	TxnUnknown    TxnState = iota // no effect there, rolled back, or forgotten
	TxnCommitted                  // no failover that is not forced takes it back
	TxnRolledBack                 // by position only
	TxnPending                    // not decided yet: ask again
)

func (s TxnState) String() string {
	return nameOf([]string{"UNKNOWN", "COMMITTED", "ROLLED_BACK", "PENDING"}, int32(s))
}

// TxnStatusResult is of TxnStatus.
type TxnStatusResult struct {
	Answer
	State TxnState
	Pos   Pos // of the write's last record; zero: not known
	Parts int // operations of a batch that are in the log
}
