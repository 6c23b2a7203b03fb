package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"candor.example/candor"
)

// command is any of them; tests/conformance/README.md says what each has.
type command struct {
	Op              string
	Endpoints       []string
	DeadlineMS      int   `json:"deadline_ms"`
	MessageBytes    int   `json:"message_bytes"`
	FollowRedirects *bool `json:"follow_redirects"`
	Session, Token  string
	Commands        []*command

	Key, Prefix, Start, End, After string
	Keys                           []string
	Value                          string
	Reverse                        bool
	KeysOnly                       bool `json:"keys_only"`
	Page                           int
	Level, Ack                     string
	MaxStalenessMS                 int    `json:"max_staleness_ms"`
	TTLMS                          *int64 `json:"ttl_ms"`
	ExpectModSeq                   uint64 `json:"expect_mod_seq"`
	Expect                         *target
	Ops, Then, Else                []operation
	Compare                        []compare
	Delta                          int64
	Least, Most, Initial           *int64
	Request                        struct {
		ClientID string `json:"client_id"`
		Number   uint64
	}

	Pos *struct {
		Generation, Term, Seq uint64
		Owner                 string
	}
	Seq uint64

	Cursor      string
	SinceSeq    uint64 `json:"since_seq"`
	WithState   bool   `json:"with_state"`
	NoPuts      bool   `json:"no_puts"`
	NoDeletes   bool   `json:"no_deletes"`
	Uncommitted bool
	Limit       int
	WaitMS      int `json:"wait_ms"`
}

// target is what a condition compares with: one of them.
type target struct {
	Value   *string
	Exists  *bool
	ModSeq  *uint64 `json:"mod_seq"`
	Version *uint64
}

type compare struct {
	Key, Relation string
	target
}

// operation is {"put": {"key": ..., "value": ...}} or the like.
type operation map[string]struct {
	Key, Value string
	TTLMS      int64 `json:"ttl_ms"`
}

func (c *command) deadline() time.Duration { return milliseconds(int64(c.DeadlineMS)) }

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// ---- Options ------------------------------------------------------------------------------------

func (c *command) level() candor.ReadOption {
	switch c.Level {
	case "SESSION":
		return candor.Session
	case "LINEARIZABLE":
		return candor.Linearizable
	case "BOUNDED":
		return candor.Bounded(milliseconds(int64(c.MaxStalenessMS)))
	}
	return candor.Eventual
}

func (c *command) ack() candor.Ack {
	switch c.Ack {
	case "MAJORITY":
		return candor.Majority
	case "ALL":
		return candor.All
	}
	return candor.Local
}

func (c *command) putOptions() []candor.PutOption {
	options := []candor.PutOption{c.ack()}
	if c.TTLMS != nil {
		options = append(options, candor.TTL(milliseconds(*c.TTLMS)))
	}
	return options
}

func (c *command) incrementOptions() []candor.IncrementOption {
	options := []candor.IncrementOption{c.ack()}
	if c.Least != nil {
		options = append(options, candor.Least(*c.Least))
	}
	if c.Most != nil {
		options = append(options, candor.Most(*c.Most))
	}
	if c.Initial != nil {
		options = append(options, candor.Initial(*c.Initial))
	}
	return options
}

func (t *target) expect() candor.Expect {
	switch {
	case t.Value != nil:
		return candor.HasValue([]byte(*t.Value))
	case t.ModSeq != nil:
		return candor.HasModSeq(*t.ModSeq)
	case t.Exists != nil && *t.Exists:
		return candor.Present
	}
	return candor.Absent
}

var relations = map[string]candor.Relation{
	"": candor.Equal, "EQUAL": candor.Equal, "NOT_EQUAL": candor.NotEqual, "LESS": candor.Less,
	"GREATER": candor.Greater,
}

func (c *compare) condition() candor.Compare {
	relation := relations[c.Relation]
	switch {
	case c.Value != nil:
		return candor.IfValue(c.Key, relation, []byte(*c.Value))
	case c.ModSeq != nil:
		return candor.IfModSeq(c.Key, relation, *c.ModSeq)
	case c.Version != nil:
		return candor.IfVersion(c.Key, relation, *c.Version)
	case c.Exists != nil && *c.Exists:
		return candor.IfExists(c.Key)
	}
	return candor.IfAbsent(c.Key)
}

func batchOps(operations []operation) (ops []candor.BatchOp) {
	for _, one := range operations {
		for name, of := range one {
			if name == "put" {
				ops = append(ops, candor.Put{Key: of.Key, Value: []byte(of.Value), TTL: milliseconds(of.TTLMS)})
			} else {
				ops = append(ops, candor.Delete{Key: of.Key})
			}
		}
	}
	return ops
}

func txnOps(operations []operation) (ops []candor.TxnOp) {
	for _, one := range operations {
		for name, of := range one {
			switch name {
			case "put":
				ops = append(ops, candor.Put{Key: of.Key, Value: []byte(of.Value), TTL: milliseconds(of.TTLMS)})
			case "get":
				ops = append(ops, candor.Get{Key: of.Key})
			default:
				ops = append(ops, candor.Delete{Key: of.Key})
			}
		}
	}
	return ops
}

// ---- Operations ---------------------------------------------------------------------------------

func (d *driver) operation(ctx context.Context, c *command) (object, error) {
	switch c.Op {
	case "get":
		r, err := d.client.Get(ctx, c.Key, c.level())
		return answered(r, err, getJSON)
	case "multi_get":
		r, err := d.client.MultiGet(ctx, c.Keys, c.level())
		return answered(r, err, multiGetJSON)
	case "scan":
		return d.scan(ctx, c)
	case "put":
		r, err := d.client.Put(ctx, c.Key, []byte(c.Value), c.putOptions()...)
		return answered(r, err, writeJSON)
	case "delete":
		r, err := d.client.Delete(ctx, c.Key, c.ack())
		return answered(r, err, deleteJSON)
	case "batch":
		r, err := d.client.Batch(ctx, batchOps(c.Ops), c.ack())
		return answered(r, err, batchJSON)
	case "cas":
		r, err := d.client.CompareAndSwap(ctx, c.Key, c.Expect.expect(), []byte(c.Value),
			c.putOptions()...)
		return answered(r, err, casJSON)
	case "expire":
		return d.expire(ctx, c)
	case "increment":
		r, err := d.client.Increment(ctx, c.Key, c.Delta, c.incrementOptions()...)
		return answered(r, err, incrementJSON)
	case "txn":
		conditions := make([]candor.Compare, len(c.Compare))
		for i := range c.Compare {
			conditions[i] = c.Compare[i].condition()
		}
		r, err := d.client.Txn(ctx, conditions, txnOps(c.Then), txnOps(c.Else), c.ack())
		return answered(r, err, txnJSON)
	case "txn_status":
		return d.txnStatus(ctx, c)
	case "await_commit":
		return d.awaitCommit(ctx, c)
	case "watch_next":
		changes, err, goesOn := d.next()
		if !goesOn {
			err = errors.New("the watch has ended")
		}
		return answered(changes, err, changesJSON)
	}
	return nil, fmt.Errorf("op %q", c.Op)
}

func answered[R any](result *R, err error, form func(*R) object) (object, error) {
	if err != nil {
		return nil, err
	}
	return form(result), nil
}

func (d *driver) scan(ctx context.Context, c *command) (object, error) {
	of := candor.Range{
		Prefix: c.Prefix, Start: c.Start, End: c.End, After: c.After, Reverse: c.Reverse,
		KeysOnly: c.KeysOnly, Page: c.Page,
	}
	items := []object{}
	for item, err := range d.client.Scan(ctx, of, c.level()) {
		if err != nil {
			return nil, err
		}
		items = append(items, itemJSON(&item))
	}
	return object{"ok": true, "items": items}, nil
}

func (d *driver) expire(ctx context.Context, c *command) (object, error) {
	ttl := candor.Forever
	if c.TTLMS != nil {
		ttl = milliseconds(*c.TTLMS)
	}
	r, err := d.client.Expire(ctx, c.Key, ttl, c.ExpectModSeq, c.ack())
	return answered(r, err, expireJSON)
}

func (d *driver) txnStatus(ctx context.Context, c *command) (object, error) {
	of := candor.RequestID{Number: c.Request.Number}
	if _, err := hex.Decode(of.ClientID[:], []byte(c.Request.ClientID)); err != nil {
		return nil, err
	}
	r, err := d.client.TxnStatus(ctx, of)
	return answered(r, err, txnStatusJSON)
}

func (d *driver) awaitCommit(ctx context.Context, c *command) (object, error) {
	var of candor.Awaited
	switch {
	case c.Token != "":
		token, err := candor.ParseToken(c.Token)
		if err != nil {
			return nil, err
		}
		of = candor.AwaitToken(token)
	case c.Pos != nil:
		epoch := candor.Epoch{Generation: c.Pos.Generation, Term: c.Pos.Term, Owner: c.Pos.Owner}
		of = candor.AwaitPos(candor.Pos{Epoch: epoch, Seq: c.Pos.Seq})
	case c.Seq != 0:
		of = candor.AwaitSeq(c.Seq)
	}
	level := candor.Majority
	if c.Level == "ALL" {
		level = candor.All
	}
	r, err := d.client.AwaitCommit(ctx, of, level)
	return answered(r, err, awaitJSON)
}
