// etcd-load: load for etcd through its own client for Go (Debian's golang-etcd-server-dev), because Debian
// has none of etcd's benchmark. Goroutines that block in calls of clients which share the connections.
//
//	etcd-load -endpoints 127.0.0.1:2379 -op get -level serializable -callers 64 -conns 4 -seconds 5
//
// Keys are those of `kvctl bench`; prints one JSON object, named as that of `kvctl bench -o json`. With -rate
// an operation is sent when it is due, however long answers take, and its latency counts from then.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/bits"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

var (
	endpoints = flag.String("endpoints", "127.0.0.1:2379", "host:port,...")
	op        = flag.String("op", "get", "get, put or load")
	level     = flag.String("level", "linearizable", "get: serializable or linearizable")
	callers   = flag.Int("callers", 64, "goroutines")
	conns     = flag.Int("conns", 1, "connections, shared by the callers")
	keys      = flag.Int64("keys", 10000, "keys bench:0 to bench:N-1")
	value     = flag.Int("value", 128, "bytes of a value")
	seconds   = flag.Float64("seconds", 5, "how long")
	rate      = flag.Float64("rate", 0, "operations a second, sent when they are due; 0: as answers come")
	timeline  = flag.Int("timeline", 0, "milliseconds of a slice in which operations are counted")
	deadline  = flag.Duration("deadline", 5*time.Second, "of a call")
)

const (
	subBits  = 7
	batchOps = 128 // of a transaction: etcd's limit
)

// As cli/tools/histogram.h: each latency told at most 0.8 % too long.
type histogram struct {
	counts [(64 - subBits + 1) << subBits]uint64
	total  uint64
	max    uint64
}

func bucketOf(ns uint64) int {
	if ns < 1<<subBits {
		return int(ns)
	}
	shift := bits.Len64(ns) - 1 - subBits
	return (shift+1)<<subBits + int(ns>>shift) - 1<<subBits
}

func bucketTop(bucket int) uint64 {
	if bucket < 1<<subBits {
		return uint64(bucket)
	}
	shift := bucket>>subBits - 1
	return (uint64(bucket&(1<<subBits-1))+1<<subBits+1)<<shift - 1
}

func (h *histogram) add(ns uint64) {
	h.counts[bucketOf(ns)]++
	h.total++
	if ns > h.max {
		h.max = ns
	}
}

func (h *histogram) merge(from *histogram) {
	for i, count := range from.counts {
		h.counts[i] += count
	}
	h.total += from.total
	if from.max > h.max {
		h.max = from.max
	}
}

func (h *histogram) us(share float64) float64 {
	rank, seen := share*float64(h.total), uint64(0)
	for i, count := range h.counts {
		seen += count
		if count > 0 && float64(seen) >= rank {
			if top := bucketTop(i); top < h.max {
				return float64(top) / 1e3
			}
			break
		}
	}
	return float64(h.max) / 1e3
}

// One goroutine's own.
type caller struct {
	latencies    histogram
	ops, missing uint64
	errors       map[string]int
	done, failed []uint32
}

type run struct {
	clients []*clientv3.Client
	begun   time.Time
	length  time.Duration
	issued  int64
}

// When the next operation is due; false: no more.
func (r *run) take() (time.Time, bool) {
	if *rate == 0 {
		now := time.Now()
		return now, now.Sub(r.begun) < r.length
	}
	n := atomic.AddInt64(&r.issued, 1) - 1
	due := time.Duration(float64(n) * 1e9 / *rate)
	time.Sleep(time.Until(r.begun.Add(due)))
	return r.begun.Add(due), due < r.length && time.Since(r.begun) < r.length
}

func keyOf(n int64) string { return fmt.Sprintf("bench:%010d", n) }

func call(client *clientv3.Client, key, text string) (found bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), *deadline)
	defer cancel()
	if *op == "put" {
		_, err = client.Put(ctx, key, text)
		return true, err
	}
	var options []clientv3.OpOption
	if *level == "serializable" {
		options = append(options, clientv3.WithSerializable())
	}
	answer, err := client.Get(ctx, key, options...)
	return err == nil && len(answer.Kvs) == 1, err
}

func (c *caller) count(r *run, due time.Time, found bool, err error) {
	now := time.Now()
	slice := -1
	if *timeline > 0 {
		slice = int(now.Sub(r.begun) / (time.Duration(*timeline) * time.Millisecond))
		if slice >= len(c.done) {
			slice = len(c.done) - 1
		}
	}
	if err != nil {
		c.errors[strings.SplitN(err.Error(), ":", 2)[0]]++
		if slice >= 0 {
			c.failed[slice]++
		}
		time.Sleep(10 * time.Millisecond) // a failing cluster is not asked in a tight loop
		return
	}
	if *rate == 0 && now.Sub(r.begun) > r.length {
		return // belongs to no second that is measured
	}
	c.latencies.add(uint64(now.Sub(due)))
	c.ops++
	if !found {
		c.missing++
	}
	if slice >= 0 {
		c.done[slice]++
	}
}

func (c *caller) work(r *run, n int) {
	random := rand.New(rand.NewSource(int64(n)))
	client := r.clients[n%len(r.clients)]
	text := strings.Repeat("v", *value)
	for {
		due, more := r.take()
		if !more {
			return
		}
		found, err := call(client, keyOf(random.Int63n(*keys)), text)
		c.count(r, due, found, err)
	}
}

// Callers write transactions of many keys until all are there.
func (c *caller) load(r *run, n int) {
	client := r.clients[n%len(r.clients)]
	text := strings.Repeat("v", *value)
	for {
		from := atomic.AddInt64(&r.issued, batchOps) - batchOps
		if from >= *keys {
			return
		}
		var ops []clientv3.Op
		for i := from; i < from+batchOps && i < *keys; i++ {
			ops = append(ops, clientv3.OpPut(keyOf(i), text))
		}
		if _, err := client.Txn(context.Background()).Then(ops...).Commit(); err != nil {
			fmt.Fprintln(os.Stderr, "etcd-load:", err)
			os.Exit(1)
		}
		c.ops += uint64(len(ops))
	}
}

func (r *run) all() *caller {
	slices := 0
	if *timeline > 0 {
		slices = int(r.length/time.Millisecond) / *timeline
	}
	list := make([]caller, *callers)
	var group sync.WaitGroup
	for n := range list {
		c := &list[n]
		c.errors = map[string]int{}
		c.done, c.failed = make([]uint32, slices), make([]uint32, slices)
		group.Add(1)
		go func(n int) {
			defer group.Done()
			if *op == "load" {
				c.load(r, n)
			} else {
				c.work(r, n)
			}
		}(n)
	}
	group.Wait()
	sum := &caller{errors: map[string]int{}, done: make([]uint32, slices), failed: make([]uint32, slices)}
	for n := range list {
		c := &list[n]
		sum.latencies.merge(&c.latencies)
		sum.ops += c.ops
		sum.missing += c.missing
		for what, count := range c.errors {
			sum.errors[what] += count
		}
		for i := 0; i < slices; i++ {
			sum.done[i] += c.done[i]
			sum.failed[i] += c.failed[i]
		}
	}
	return sum
}

func report(r *run, sum *caller) {
	took := r.length.Seconds()
	if *op == "load" {
		took = time.Since(r.begun).Seconds()
	}
	unsent := int64(*rate*r.length.Seconds()) - r.issued
	if *rate == 0 || unsent < 0 {
		unsent = 0
	}
	latency := map[string]float64{"max": float64(sum.latencies.max) / 1e3}
	for name, share := range map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999, "p99_99": 0.9999} {
		latency[name] = sum.latencies.us(share)
	}
	out := map[string]interface{}{
		"callers": *callers, "conns": *conns, "seconds": took, "ops": sum.ops, "ops_per_second": float64(sum.ops) / took,
		"latency_us": latency, "not_found": sum.missing, "unsent": unsent, "errors": sum.errors,
	}
	if *timeline > 0 {
		out["timeline"] = map[string]interface{}{"begun_wall_ms": r.begun.UnixNano() / 1e6, "slice_ms": *timeline,
			"done": sum.done, "failed": sum.failed}
	}
	json.NewEncoder(os.Stdout).Encode(out)
}

func main() {
	flag.Parse()
	r := &run{length: time.Duration(*seconds * 1e9)}
	for i := 0; i < *conns; i++ {
		client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(*endpoints, ","), DialTimeout: 5 * time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, "etcd-load:", err)
			os.Exit(1)
		}
		defer client.Close()
		if _, err := client.Get(context.Background(), "x"); err != nil { // connects
			fmt.Fprintln(os.Stderr, "etcd-load:", err)
			os.Exit(1)
		}
		r.clients = append(r.clients, client)
	}
	r.begun = time.Now()
	report(r, r.all())
}
