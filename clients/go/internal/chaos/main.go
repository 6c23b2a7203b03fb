//go:build linux

// Command chaos has clients for the chaos run (docs/histories.md): goroutines that share a few
// clients, so that calls share connections and messages. Each lane is a process of the history.
//
//	go-clients --history FILE --stale-after-ms N --started-ns N --seed N --drift-ppm N \
//	    --endpoint tcp://127.0.0.1:7000 ...
//
// It works until its stdin ends, then closes the clients with calls in flight, writes down how they
// ended, and prints how many operations it has recorded. Exit status 1, with a line on stderr: a
// node broke a promise, or a goroutine was left.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"candor.example/candor"
)

type endpoints []string

func (e *endpoints) String() string        { return strings.Join(*e, ",") }
func (e *endpoints) Set(text string) error { *e = append(*e, text); return nil }

// load is what all lanes have in common.
type load struct {
	endpoints endpoints
	driftPPM  int
	startedNS int64
	seed      uint64
	history   *history
	clients   []*candor.Client // each begins with another node
	stop      chan struct{}
	broken    atomic.Int64
}

func main() {
	log.SetFlags(0)
	l := &load{stop: make(chan struct{})}
	path := flag.String("history", "", "the file to write")
	staleAfterMS := flag.Int("stale-after-ms", 0, "of the topology")
	flag.Int64Var(&l.startedNS, "started-ns", 0, "beginning of the run")
	flag.Uint64Var(&l.seed, "seed", 0, "of what is drawn")
	flag.IntVar(&l.driftPPM, "drift-ppm", 0, "of the topology")
	flag.Var(&l.endpoints, "endpoint", "address of a node")
	flag.Parse()
	if *path == "" || *staleAfterMS == 0 || len(l.endpoints) == 0 {
		log.Fatal("--history, --stale-after-ms and --endpoint are needed")
	}
	l.history = openHistory(*path, *staleAfterMS)
	l.openClients()
	var all sync.WaitGroup
	for _, lane := range l.lanes() {
		all.Add(1)
		go func() {
			defer all.Done()
			lane.work()
		}()
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		log.Fatal(err)
	}
	close(l.stop)
	for _, client := range l.clients { // with calls in flight: each ends
		client.Close()
	}
	all.Wait()
	fmt.Println(l.history.close())
	if l.broken.Load() > 0 {
		os.Exit(1)
	}
}

func (l *load) openClients() {
	for i := range l.endpoints {
		nearest := slices.Concat(l.endpoints[i:], l.endpoints[:i])
		client, err := candor.Open(nearest, candor.Options{
			Deadline: 2 * time.Second, ClockDriftPPM: l.driftPPM,
			OnViolation: func(text string) {
				l.broken.Add(1)
				log.Print("broken promise: ", text)
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		l.clients = append(l.clients, client)
	}
}

// lanes gives some a key, so that they meet and the search for an order stays short.
func (l *load) lanes() []*lane {
	var lanes []*lane
	for _, group := range []struct {
		kind      string
		count     int
		lanesAKey int
		next      func(*lane)
	}{
		{"register", 24, 6, (*lane).register}, {"swapper", 6, 6, (*lane).swapper},
		{"counter", 12, 6, (*lane).counter}, {"reader", 8, 4, (*lane).reader},
		{"session", 8, 4, (*lane).session},
	} {
		for i := range group.count {
			lanes = append(lanes, newLane(l, fmt.Sprintf("go-%s%d", group.kind, i),
				fmt.Sprintf("g%d", i/group.lanesAKey), group.next, l.clients[i%len(l.clients)]))
		}
	}
	return lanes
}
