//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log"
	"math/rand/v2"
	"time"

	"candor.example/candor"
)

const eraNS = 15_000_000_000 // as ERA_S of chaos_clients.py: keys are left behind after so long

// lane is one process of the history: it has one operation at a time.
type lane struct {
	*load
	name      string
	key       string // its own, with others'
	next      func(*lane)
	client    *candor.Client
	rng       *rand.Rand
	begun     int
	seen      map[string]*string // of a swapper: what was there last; nil: nothing
	inHistory string             // the name of its session there: another one after a loss; "": none
}

func newLane(l *load, name, key string, next func(*lane), client *candor.Client) *lane {
	hash := fnv.New64()
	hash.Write([]byte(name))
	return &lane{load: l, name: name, key: key, next: next, client: client,
		rng: rand.New(rand.NewPCG(l.seed, hash.Sum64())), seen: map[string]*string{}}
}

func (l *lane) work() {
	for {
		l.begun++
		l.next(l)
		select {
		case <-l.stop:
			return
		case <-time.After(l.pause()):
		}
	}
}

// pause leaves the processors to the nodes, and has some lanes begin at once, so that they share
// messages.
func (l *lane) pause() time.Duration {
	const beat = int64(100 * time.Millisecond)
	now := monotonicNS()
	then := (now + l.rng.Int64N(4*beat)) / beat * beat
	return time.Duration(max(0, then-now))
}

func (l *lane) keyOf(kind string) string {
	return fmt.Sprintf("%s-%d-%s", kind, (monotonicNS()-l.startedNS)/eraNS, l.key)
}

// value is written once: that is how a read's write is found.
func (l *lane) value() string { return fmt.Sprintf("%s-%d", l.name, l.begun) }

func (l *lane) chance(percent int) bool { return l.rng.IntN(100) < percent }

// ---- What comes next ----------------------------------------------------------------------------

func (l *lane) register() {
	key := l.keyOf("reg")
	switch {
	case l.chance(45):
		l.get(key, candor.Linearizable, "linearizable")
	case l.chance(2):
		l.put(key, candor.All, "all")
	default:
		l.put(key, candor.Majority, "majority")
	}
}

func (l *lane) counter() {
	key := l.keyOf("count")
	if l.chance(20) {
		l.get(key, candor.Linearizable, "linearizable")
		return
	}
	line := l.line("incr", key, object{"ack": "majority", "delta": 1})
	result, err := l.client.Increment(context.Background(), key, 1, candor.Majority)
	if err == nil {
		line.wrote(&result.WriteResult)
		line.of["value"] = result.Number
	}
	l.end(line, err)
}

func (l *lane) swapper() {
	key := l.keyOf("cas")
	if l.chance(20) {
		l.seen[key] = l.get(key, candor.Linearizable, "linearizable")
		return
	}
	value, expected, expect := l.value(), l.seen[key], candor.Absent
	if expected != nil {
		expect = candor.HasValue([]byte(*expected))
	}
	line := l.line("cas", key, object{"ack": "majority", "value": value, "expected": expected})
	result, err := l.client.CompareAndSwap(context.Background(), key, expect, []byte(value),
		candor.Majority)
	if err == nil {
		line.wrote(&result.WriteResult)
		line.of["swapped"] = result.Succeeded
		l.seen[key] = &value
		if !result.Succeeded {
			l.seen[key] = valueOf(result.Present)
			line.of["found"] = l.seen[key]
		}
	}
	l.end(line, err)
}

func (l *lane) reader() {
	key := l.keyOf([]string{"loc", "reg", "ses"}[l.rng.IntN(3)])
	switch {
	case l.chance(20):
		l.put(l.keyOf("loc"), candor.Local, "local")
	case l.chance(50):
		bound := []time.Duration{50, 200, 1000}[l.rng.IntN(3)] * time.Millisecond
		l.get(key, candor.Bounded(bound), "bounded")
	default:
		l.get(key, candor.Eventual, "eventual")
	}
}

// session goes from node to node with its token as text.
func (l *lane) session() {
	var token candor.Token
	if text := l.client.Session().String(); l.begun > 1 && text != "" {
		parsed, err := candor.ParseToken(text)
		if err != nil {
			log.Fatal(err)
		}
		token = parsed
	}
	l.client = l.clients[l.rng.IntN(len(l.clients))].WithSession(token)
	if l.inHistory == "" {
		l.inHistory = l.name
	}
	key := l.keyOf("ses")
	if l.chance(60) {
		l.get(key, candor.Session, "session")
	} else {
		l.put(key, candor.Local, "local")
	}
}

// ---- Operations ---------------------------------------------------------------------------------

func (l *lane) get(key string, level candor.Level, name string) *string {
	line := l.line("get", key, object{"level": name})
	result, err := l.client.Get(context.Background(), key, level)
	var value *string
	if err == nil {
		value = valueOf(&result.Item)
		line.read(result, value)
	}
	l.end(line, err)
	return value
}

func (l *lane) put(key string, ack candor.Ack, name string) {
	value := l.value()
	line := l.line("put", key, object{"ack": name, "value": value})
	result, err := l.client.Put(context.Background(), key, []byte(value), ack)
	if err == nil {
		line.wrote(result)
		if result.SessionLoss != nil && l.inHistory != "" { // what comes now is another session's
			l.inHistory += "'"
			line.of["session"] = l.inHistory
		}
	}
	l.end(line, err)
}

func valueOf(item *candor.Item) *string {
	if !item.Found {
		return nil
	}
	value := string(item.Value)
	return &value
}

// end writes the line down, and what an error tells.
func (l *lane) end(line *line, err error) {
	var failure *candor.Error
	if err != nil && !errors.As(err, &failure) {
		log.Fatal(err)
	}
	line.end(failure)
	switch {
	case failure == nil || failure.Loss == nil:
	case failure.Reason == candor.ReasonSessionLost:
		l.client.RestartSession(failure.Loss.Token)
	case l.inHistory != "": // the write that was lost went on in another session
		l.inHistory += "'"
	}
}
