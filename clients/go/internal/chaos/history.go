//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"candor.example/candor"
)

type object map[string]any

// history is a file of lines (docs/histories.md).
type history struct {
	mu         sync.Mutex
	file       *os.File
	out        *bufio.Writer
	operations int
}

func openHistory(path string, staleAfterMS int) *history {
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	h := &history{file: file, out: bufio.NewWriter(file)}
	h.write(object{"history": 1, "stale_after_ms": staleAfterMS})
	h.operations = 0
	return h
}

func (h *history) write(line object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations++
	if err := json.NewEncoder(h.out).Encode(line); err != nil {
		log.Fatal(err)
	}
}

// close gives how many operations were written.
func (h *history) close() int {
	if err := h.out.Flush(); err != nil {
		log.Fatal(err)
	}
	if err := h.file.Close(); err != nil {
		log.Fatal(err)
	}
	return h.operations
}

// monotonicNS is the time that all histories of a machine have in common.
func monotonicNS() int64 {
	var t syscall.Timespec
	const clockMonotonic = 1
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic,
		uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		log.Fatal(errno)
	}
	return t.Nano()
}

// ---- One operation ------------------------------------------------------------------------------

type line struct {
	of      object
	history *history
}

// line begins an operation of this lane.
func (l *lane) line(op, key string, more object) *line {
	more["process"], more["op"], more["key"] = l.name, op, key
	more["invoke_ns"] = monotonicNS()
	if l.inHistory != "" {
		more["session"] = l.inHistory
	}
	return &line{more, l.history}
}

func (l *line) read(result *candor.GetResult, value *string) {
	l.of["value"] = value
	if result.Found {
		l.of["mod_seq"] = result.ModSeq
	}
	if token := result.Freshness.Token; !token.IsZero() {
		l.of["pos"] = posJSON(token.Pos)
	}
	l.of["freshness"] = freshnessJSON(&result.Freshness)
}

func (l *line) wrote(result *candor.WriteResult) {
	l.of["pos"] = posJSON(result.Pos)
	l.of["freshness"] = freshnessJSON(&result.Freshness)
}

// end: reads have no outcome but their answer.
func (l *line) end(failure *candor.Error) {
	l.of["outcome"] = "ok"
	if failure != nil {
		l.of["outcome"], l.of["reason"] = "fail", failure.Reason.String()
		if failure.OutcomeUnknown && l.of["op"] != "get" {
			l.of["outcome"] = "unknown"
		}
		if failure.Freshness != nil {
			l.of["freshness"] = freshnessJSON(failure.Freshness)
		}
	}
	l.of["complete_ns"] = monotonicNS()
	l.history.write(l.of)
}

func posJSON(p candor.Pos) object {
	return object{"generation": p.Epoch.Generation, "term": p.Epoch.Term, "owner": p.Epoch.Owner,
		"seq": p.Seq}
}

func freshnessJSON(f *candor.Freshness) object {
	return object{"node": f.Node, "epoch": f.Epoch.Term, "state": f.State.String(),
		"stale": f.Stale, "heartbeat_age_ms": ms(f.HeartbeatAge),
		"staleness_bound_ms": ms(f.StalenessBound), "bound_counts_call": true,
		"applied_seq": f.AppliedSeq}
}

// ms rounds up; null: nothing proves it.
func ms(d time.Duration) any {
	if d == candor.Forever {
		return nil
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
