// Command conformance is the driver of tests/conformance for this client: commands in, answers out,
// one JSON line each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"iter"
	"log"
	"os"
	"sync"
	"time"

	"candor.example/candor"
)

var can = []string{"reads", "writes", "txn", "txn_status", "await", "watch", "sessions", "many",
	"ttl"}

// driver has what the commands before have made.
type driver struct {
	client *candor.Client
	next   func() (*candor.Changes, error, bool) // of the watch
	stop   func()
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	d := &driver{}
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(d.answer(&c)); err != nil {
			log.Fatal(err)
		}
	}
	d.close()
}

func (d *driver) answer(c *command) any {
	switch c.Op {
	case "hello":
		return object{"ok": true, "client": "go", "can": can}
	case "open":
		return told(d.open(c))
	case "close":
		d.close()
		return told(nil)
	case "session":
		return sessionJSON(d.client.Session())
	case "join_session":
		token, err := candor.ParseToken(c.Token)
		if err == nil {
			err = d.client.JoinSession(token)
		}
		return told(err)
	case "restart_session":
		var token candor.Token
		var err error
		if c.Token != "" {
			token, err = candor.ParseToken(c.Token)
		}
		d.client.RestartSession(token)
		return told(err)
	case "violations":
		return object{"ok": true, "count": d.client.Violations()}
	case "watch_open":
		return told(d.watch(c))
	case "many":
		return d.many(c.Commands)
	}
	return d.operate(c)
}

func (d *driver) open(c *command) error {
	options := candor.Options{
		Deadline: c.deadline(), MessageBytes: c.MessageBytes,
		NoRedirect:  c.FollowRedirects != nil && !*c.FollowRedirects,
		OnViolation: func(string) {}, // answers have it
	}
	if c.Session != "" {
		token, err := candor.ParseToken(c.Session)
		if err != nil {
			return err
		}
		options.Session = token
	}
	client, err := candor.Open(c.Endpoints, options)
	d.client = client
	return err
}

func (d *driver) close() {
	d.endWatch()
	if d.client != nil {
		d.client.Close()
	}
	d.client = nil
}

func (d *driver) endWatch() {
	if d.stop != nil {
		d.stop()
	}
	d.next, d.stop = nil, nil
}

func (d *driver) watch(c *command) error {
	d.endWatch()
	options := candor.WatchOptions{
		Key: c.Key, Prefix: c.Prefix, Start: c.Start, End: c.End, SinceSeq: c.SinceSeq,
		WithState: c.WithState, NoPuts: c.NoPuts, NoDeletes: c.NoDeletes,
		Uncommitted: c.Uncommitted, Limit: c.Limit,
		Wait: time.Duration(c.WaitMS) * time.Millisecond,
	}
	if c.WaitMS == 0 {
		options.Wait = time.Second
	}
	if c.Cursor != "" {
		cursor, err := candor.ParseCursor(c.Cursor)
		if err != nil {
			return err
		}
		options.Cursor = cursor
	}
	watch, err := d.client.Watch(options)
	if err != nil {
		return err
	}
	d.next, d.stop = iter.Pull2(watch.Changes(context.Background()))
	return nil
}

// many carries out all of them at once.
func (d *driver) many(commands []*command) any {
	answers := make([]any, len(commands))
	var all sync.WaitGroup
	for i, c := range commands {
		all.Add(1)
		go func() {
			defer all.Done()
			answers[i] = d.operate(c)
		}()
	}
	all.Wait()
	return object{"ok": true, "answers": answers}
}

func (d *driver) operate(c *command) any {
	ctx := context.Background()
	if c.DeadlineMS > 0 {
		limited, cancel := context.WithTimeout(ctx, c.deadline())
		defer cancel()
		ctx = limited
	}
	answer, err := d.operation(ctx, c)
	if err != nil {
		return errorJSON(err)
	}
	return answer
}
