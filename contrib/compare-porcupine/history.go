package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

const absent = "" // as a value: there is no such key

// One operation, as its client saw it.
type op struct {
	process          int
	kind             string // get, put, delete, cas, incr
	outcome          string // ok, fail, unknown
	value            string // read or written
	expected         string
	swapped          bool
	found            string // of a cas that did not swap
	tellsFound       bool
	number           int // left by an incr
	invoke, complete int64
	at               int64 // when it took effect; unknown ones: perhaps never
}

type history struct {
	counter bool // one key that is incremented; else one that is written
	delta   int
	ops     []*op
	random  *rand.Rand
}

// ---- Making one ----

// The register (or the counter) as it really was, and with some luck a result that was not so.
func generate(random *rand.Rand) *history {
	h := &history{counter: random.Intn(4) == 0, delta: 1 + random.Intn(3), random: random}
	processes := 2 + random.Intn(4)
	values := []int{2, 3, 1000}[random.Intn(3)] // few: the same value is written again
	var span int64 = []int64{12, 40, 1000}[random.Intn(3)]
	for p := range processes {
		var now int64 = 1 + random.Int63n(span)
		for i := 1 + random.Intn(4); i > 0; i-- {
			o := h.draw(p, values)
			o.invoke = now
			o.complete = now + random.Int63n(span)
			now = o.complete + 1 + random.Int63n(span/4+1)
			o.at = o.invoke + random.Int63n(o.complete-o.invoke+1)
			if o.outcome == "unknown" {
				o.at = o.invoke + random.Int63n(4*span)
			}
			h.ops = append(h.ops, o)
		}
	}
	h.execute()
	if random.Intn(2) == 0 {
		h.spoil(values)
	}
	return h
}

func (h *history) draw(process, values int) *op {
	value := func() string { return "v" + strconv.Itoa(h.random.Intn(values)) }
	kinds := []string{"get", "get", "put", "delete", "cas", "cas"}
	if h.counter {
		kinds = []string{"get", "incr", "incr"}
	}
	o := &op{process: process, kind: kinds[h.random.Intn(len(kinds))], outcome: "ok"}
	switch o.kind {
	case "put":
		o.value = value()
	case "cas":
		o.value = value()
		if h.random.Intn(4) != 0 {
			o.expected = value()
		}
	}
	if n := h.random.Intn(10); n == 0 {
		o.outcome = "fail"
	} else if n <= 2 && o.kind != "get" {
		o.outcome = "unknown"
	}
	return o
}

func (h *history) execute() {
	order := append([]*op(nil), h.ops...)
	h.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for i := range order { // by time; few operations
		for j := i + 1; j < len(order); j++ {
			if order[j].at < order[i].at {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	state, number := absent, 0
	for _, o := range order {
		if o.outcome == "fail" || (o.outcome == "unknown" && h.random.Intn(3) == 0) {
			continue
		}
		switch o.kind {
		case "get":
			o.value = state
			if h.counter && number > 0 {
				o.value = strconv.Itoa(number)
			}
		case "put":
			state = o.value
		case "delete":
			state = absent
		case "cas":
			o.swapped = state == o.expected
			o.found, o.tellsFound = state, h.random.Intn(2) == 0
			if o.swapped {
				state = o.value
			}
		case "incr":
			number += h.delta
			o.number = number
		}
	}
}

// One answer becomes another one.
func (h *history) spoil(values int) {
	o := h.ops[h.random.Intn(len(h.ops))]
	if o.outcome != "ok" {
		return
	}
	other := absent
	if h.random.Intn(4) != 0 {
		other = "v" + strconv.Itoa(h.random.Intn(values))
	}
	switch o.kind {
	case "get":
		o.value = other
		if h.counter {
			o.value = strconv.Itoa(h.delta * (1 + h.random.Intn(4)))
		}
	case "cas":
		if h.random.Intn(2) == 0 {
			o.swapped = !o.swapped
		} else {
			o.found = other
		}
	case "incr":
		o.number = h.delta * (1 + h.random.Intn(4))
	case "put", "delete":
		o.complete = o.invoke + (o.complete-o.invoke)/2
		if o.at > o.complete {
			o.at = o.complete
		}
	}
}

// ---- As lines for check-history ----

func nullable(value string) any {
	if value == absent {
		return nil
	}
	return value
}

// Members that docs/histories.md calls optional, each there or not; they say nothing of linearizability.
func (h *history) optional(o *op, line map[string]any) {
	some := func() bool { return h.random.Intn(2) == 0 }
	if some() {
		line["pos"] = map[string]any{"generation": 1, "term": 1, "owner": "a", "seq": o.at}
	}
	if some() {
		line["session"] = fmt.Sprintf("s%d", o.process)
	}
	if o.kind == "get" && some() {
		line["mod_seq"] = 1 + h.random.Intn(9)
	}
	if o.outcome != "ok" && some() {
		line["reason"] = "NO_PRIMARY"
	}
	if some() {
		freshness := map[string]any{"node": "a", "epoch": 1, "state": "FRESH", "stale": false, "applied_seq": o.at}
		if some() {
			freshness["heartbeat_age_ms"] = 1
		}
		if some() {
			freshness["staleness_bound_ms"] = 5
		}
		line["freshness"] = freshness
	}
}

func (h *history) line(o *op) map[string]any {
	line := map[string]any{"process": fmt.Sprintf("p%d", o.process), "op": o.kind, "key": "k", "outcome": o.outcome,
		"invoke_ns": o.invoke, "complete_ns": o.complete}
	if o.kind == "get" {
		line["level"] = "linearizable"
	} else {
		line["ack"] = []string{"majority", "all"}[h.random.Intn(2)]
	}
	switch o.kind {
	case "get":
		if o.outcome == "ok" {
			line["value"] = nullable(o.value)
		}
	case "put":
		line["value"] = o.value
	case "cas":
		line["expected"], line["value"] = nullable(o.expected), nullable(o.value)
		if o.outcome == "ok" {
			line["swapped"] = o.swapped
			if !o.swapped && o.tellsFound {
				line["found"] = nullable(o.found)
			}
		}
	case "incr":
		line["delta"] = h.delta
		if o.outcome == "ok" {
			line["value"] = o.number
		}
	}
	h.optional(o, line)
	return line
}

func (h *history) lines() string {
	var out strings.Builder
	for _, i := range h.random.Perm(len(h.ops)) {
		bytes, err := json.Marshal(h.line(h.ops[i]))
		if err != nil {
			panic(err)
		}
		out.Write(bytes)
		out.WriteByte('\n')
	}
	return out.String()
}

// ---- As Porcupine's model ----

func (h *history) operations() []porcupine.Operation {
	var operations []porcupine.Operation
	for _, o := range h.ops {
		if o.outcome == "fail" {
			continue
		}
		complete := o.complete
		if o.outcome == "unknown" {
			complete = math.MaxInt64 // at any time, or after all others: as good as never
		}
		operations = append(operations, porcupine.Operation{ClientId: o.process, Input: o, Call: o.invoke, Return: complete})
	}
	return operations
}

func (h *history) model() porcupine.Model {
	if h.counter {
		return porcupine.Model{
			Init: func() any { return 0 },
			Step: func(state, input, _ any) (bool, any) {
				number, o := state.(int), input.(*op)
				if o.kind == "get" {
					return o.value == strconv.Itoa(number) || (o.value == absent && number == 0), number
				}
				number += h.delta
				return o.outcome == "unknown" || o.number == number, number
			},
		}
	}
	return porcupine.Model{
		Init: func() any { return absent },
		Step: func(state, input, _ any) (bool, any) { return step(state.(string), input.(*op)) },
	}
}

func step(state string, o *op) (bool, any) {
	switch o.kind {
	case "get":
		return state == o.value, state
	case "put":
		return true, o.value
	case "delete":
		return true, absent
	}
	swaps := state == o.expected
	after := state
	if swaps {
		after = o.value
	}
	if o.outcome == "unknown" {
		return true, after
	}
	told := o.swapped || !o.tellsFound || o.found == state
	return o.swapped == swaps && told, after
}
