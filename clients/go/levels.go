package candor

import (
	"fmt"
	"strings"
	"time"

	"candor.example/candor/candorv1"
)

// Level is what a read promises (docs/consistency.md).
type Level struct {
	level        candorv1.ReadLevel
	maxStaleness time.Duration
	allowSyncing bool
}

var (
	// Eventual: whatever the node holds, flagged; the default.
	Eventual = Level{level: candorv1.ReadLevel_READ_LEVEL_EVENTUAL}
	// EventualAlsoSyncing: also from a node that is catching up.
	EventualAlsoSyncing = Level{level: candorv1.ReadLevel_READ_LEVEL_EVENTUAL, allowSyncing: true}
	// Session: at least what this session wrote and read.
	Session = Level{level: candorv1.ReadLevel_READ_LEVEL_SESSION}
	// Linearizable: every write acknowledged before the read began, nothing that can be rolled back.
	Linearizable = Level{level: candorv1.ReadLevel_READ_LEVEL_LINEARIZABLE}
)

// Bounded: provably no older than that when the node answered. It counts in whole milliseconds, of
// which there must be at least one.
func Bounded(maxStaleness time.Duration) Level {
	return Level{candorv1.ReadLevel_READ_LEVEL_BOUNDED, maxStaleness, false}
}

func (l Level) String() string {
	name := strings.TrimPrefix(l.level.String(), "READ_LEVEL_")
	if l.level == candorv1.ReadLevel_READ_LEVEL_BOUNDED {
		return fmt.Sprintf("%s(%v)", name, l.maxStaleness)
	}
	return name
}

// Ack is how safe a write is asked to be, or has become.
type Ack int32

const (
	AckNone  Ack = iota // reached: none
	Local               // durable on the primary; the default
	Majority            // durable on a majority of the voters: no failover takes it back unless forced
	All                 // durable on every voter
)

// ackOf gives AckNone for a level of a later version.
func ackOf(level candorv1.AckLevel) Ack {
	if ack := Ack(level); ack >= AckNone && ack <= All {
		return ack
	}
	return AckNone
}

func (a Ack) String() string {
	return nameOf([]string{"NONE", "LOCAL", "MAJORITY", "ALL"}, int32(a))
}
