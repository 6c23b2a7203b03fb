package candor

import "time"

// Numbers that the protocol or good manners set (docs/wire.md).
const (
	defaultMessageBytes = 4 << 20 // limits.message, unless the topology says otherwise
	maxMessageBytes     = 64 << 20
	envelopeBytes       = 1024 // around a request's body: method, ids, hops
	maxHops             = 8
	defaultDeadline     = 5 * time.Second
	maxDeadline         = 600 * time.Second
	// A node is told a little less than what is waited for, so that its refusal comes in time.
	onTheWay       = 20 * time.Millisecond
	firstBackoff   = 10 * time.Millisecond
	maxBackoff     = 500 * time.Millisecond
	maxNodes       = 32
	nodeIDBytes    = 31
	clientIDBytes  = 16
	maxTokenBytes  = 96
	maxCursorBytes = 96 + 511 + 16
	// Numbers in flight under one client id: half of what the nodes remember of it, so that no write
	// falls out of that however long it takes.
	numbersInFlight = 128
	defaultWait     = 10 * time.Second // of a watch's poll
	maxWatchPause   = 500 * time.Millisecond
)
