package candor

import (
	"crypto/rand"
	"slices"
	"sync"
)

// Request ids: under which client id and number each write goes (docs/protocol.md R46). Writers at
// once share a lane; one that a slow write holds up is passed by in another. A write whose outcome
// stayed unknown retires its lane, so that its id can still be asked for.
type identities struct {
	mu      sync.Mutex
	lanes   []*idLane
	drawn   bool // a client id was
	several bool // client ids were
}

// idLane has the numbers of one client id.
type idLane struct {
	clientID [clientIDBytes]byte
	newest   uint64
	inFlight map[uint64]bool
	retired  bool // draws no more
}

func newIDLane() *idLane {
	l := &idLane{inFlight: map[uint64]bool{}}
	if _, err := rand.Read(l.clientID[:]); err != nil {
		panic("candor: the system has no random bytes: " + err.Error())
	}
	return l
}

// hasRoom: so few numbers stand between the oldest in flight and the next that the nodes remember
// both.
func (l *idLane) hasRoom() bool {
	oldest := l.newest + 1
	for number := range l.inFlight {
		oldest = min(oldest, number)
	}
	return !l.retired && l.newest+1-oldest < numbersInFlight
}

// lane is called under the lock.
func (ids *identities) lane() *idLane {
	ids.lanes = slices.DeleteFunc(ids.lanes, func(l *idLane) bool {
		return l.retired && len(l.inFlight) == 0
	})
	for _, l := range ids.lanes {
		if l.hasRoom() {
			return l
		}
	}
	ids.several = ids.drawn
	ids.drawn = true
	ids.lanes = append(ids.lanes, newIDLane())
	return ids.lanes[len(ids.lanes)-1]
}

// anyID gives that of the next write.
func (ids *identities) anyID() [clientIDBytes]byte {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return ids.lane().clientID
}

// hasSeveral: what a node knows of one client id is not all of this client.
func (ids *identities) hasSeveral() bool {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return ids.several
}

func (ids *identities) draw() RequestID {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	l := ids.lane()
	l.newest++
	l.inFlight[l.newest] = true
	return RequestID{l.clientID, l.newest}
}

// end: the write has ended; `unknown`: nobody could say how.
func (ids *identities) end(request RequestID, unknown bool) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	for _, l := range ids.lanes {
		if l.clientID == request.ClientID {
			delete(l.inFlight, request.Number)
			l.retired = l.retired || unknown
		}
	}
}

// retire: whoever has these ids is not this client alone. The next write draws another.
func (ids *identities) retire() {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	for _, l := range ids.lanes {
		l.retired = true
	}
}
