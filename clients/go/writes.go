package candor

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// Put writes a key.
func (c *Client) Put(ctx context.Context, key string, value []byte, options ...PutOption) (
	*WriteResult, error) {
	o := putOptions(options)
	ttl, err := o.ttlMS()
	if err != nil {
		return nil, err
	}
	request := &candorv1.PutRequest{Key: []byte(key), Value: value, TtlMs: ttl, Options: o.message()}
	var response candorv1.PutResponse
	return c.write(ctx, o.call("Put", request, &response, request.Options))
}

// Delete deletes a key.
func (c *Client) Delete(ctx context.Context, key string, options ...WriteOption) (*DeleteResult,
	error) {
	o := plainOptions(options)
	request := &candorv1.DeleteRequest{Key: []byte(key), Options: o.message()}
	var response candorv1.DeleteResponse
	done, err := c.write(ctx, o.call("Delete", request, &response, request.Options))
	if err != nil {
		return nil, err
	}
	return &DeleteResult{*done, response.Found}, nil
}

// Batch makes many writes in one message, in order; it is not atomic as a whole: that is Txn.
func (c *Client) Batch(ctx context.Context, ops []BatchOp, options ...WriteOption) (*BatchResult,
	error) {
	o := plainOptions(options)
	request := &candorv1.BatchRequest{Options: o.message()}
	for i, op := range ops {
		if op == nil {
			return nil, invalid("operation %d is nil", i)
		}
		message, err := op.batchOp()
		if err != nil {
			return nil, err
		}
		request.Ops = append(request.Ops, message)
	}
	var response candorv1.BatchResponse
	batch := o.call("Batch", request, batchWritten{&response}, request.Options)
	batch.check = func(Reason) error {
		if len(response.Found) != len(ops) {
			return misfit("%d results for %d operations", len(response.Found), len(ops))
		}
		if response.First == nil || response.Last == nil {
			return misfit("no position")
		}
		return nil
	}
	done, err := c.write(ctx, batch)
	if err != nil {
		return nil, err
	}
	return &BatchResult{*done, posOf(response.First), response.Found}, nil
}

// CompareAndSwap writes a key if it is as expected. That it is not is no error: CASResult tells.
func (c *Client) CompareAndSwap(ctx context.Context, key string, expect Expect, value []byte,
	options ...PutOption) (*CASResult, error) {
	o := putOptions(options)
	ttl, err := o.ttlMS()
	if err != nil {
		return nil, err
	}
	request := &candorv1.CompareAndSwapRequest{
		Key: []byte(key), Value: value, TtlMs: ttl, Options: o.message(),
	}
	if expect.set == nil {
		return nil, invalid("an Expect is one of Absent, Present, HasValue and HasModSeq")
	}
	expect.set(request)
	var response candorv1.CompareAndSwapResponse
	swap := o.call("CompareAndSwap", request, &response, request.Options)
	swap.conditional(func() (bool, *candorv1.KeyValue) { return response.Succeeded, response.Item })
	done, err := c.write(ctx, swap)
	if err != nil {
		return nil, err
	}
	return &CASResult{*done, response.Succeeded, conditionItem(response.Item)}, nil
}

// Expire: from now on the key is there for `ttl`, and no shorter; Forever: it stays. Its value and
// ModSeq do not change. Where `expectModSeq` is not 0, only if that record wrote it last. That
// there is no such key is no error: ExpireResult tells.
//
// Who holds a lock with a TTL cannot know that he still holds it when he acts: what the lock guards
// must be told the ModSeq under which it was taken, and refuse a lower one.
func (c *Client) Expire(ctx context.Context, key string, ttl time.Duration, expectModSeq uint64,
	options ...WriteOption) (*ExpireResult, error) {
	o := plainOptions(options)
	wanted, err := ttlMS(ttl)
	if err != nil {
		return nil, err
	}
	request := &candorv1.ExpireRequest{Key: []byte(key), TtlMs: wanted, Options: o.message()}
	if expectModSeq != 0 {
		request.Expect = &candorv1.ExpireRequest_ExpectModSeq{ExpectModSeq: expectModSeq}
	}
	var response candorv1.ExpireResponse
	expire := o.call("Expire", request, &response, request.Options)
	expire.conditional(func() (bool, *candorv1.KeyValue) { return response.Succeeded, response.Item })
	done, err := c.write(ctx, expire)
	if err != nil {
		return nil, err
	}
	return &ExpireResult{*done, response.Succeeded, conditionItem(response.Item)}, nil
}

// Increment adds to a number, whose value is its decimal text. ErrOutOfRange: the result would not
// be within Least and Most, or 64 bits; nothing was written, and Error.Number is the present one.
func (c *Client) Increment(ctx context.Context, key string, delta int64,
	options ...IncrementOption) (*IncrementResult, error) {
	o := writeOptions{ack: Local}
	for _, option := range options {
		option.increment(&o)
	}
	request := &candorv1.IncrementRequest{
		Key: []byte(key), Delta: delta, Initial: o.initial, Options: o.message(),
	}
	if o.least != nil {
		request.LowerBound = &candorv1.IncrementRequest_Min{Min: *o.least}
	}
	if o.most != nil {
		request.UpperBound = &candorv1.IncrementRequest_Max{Max: *o.most}
	}
	var response candorv1.IncrementResponse
	increment := o.call("Increment", request, &response, request.Options)
	increment.number = func() int64 { return response.Value }
	done, err := c.write(ctx, increment)
	if err != nil {
		return nil, err
	}
	return &IncrementResult{*done, response.Value}, nil
}

// ---- What writes have in common -----------------------------------------------------------------

// written is what the responses of all writes have.
type written interface {
	proto.Message
	GetPos() *candorv1.Pos
	GetAck() candorv1.AckLevel
	GetReplayed() bool
}

// batchWritten: of a batch, the last operation's position counts.
type batchWritten struct{ *candorv1.BatchResponse }

func (b batchWritten) GetPos() *candorv1.Pos { return b.Last }

func plainOptions(options []WriteOption) *writeOptions {
	o := &writeOptions{ack: Local}
	for _, option := range options {
		option.write(o)
	}
	return o
}

func putOptions(options []PutOption) *writeOptions {
	o := &writeOptions{ack: Local}
	for _, option := range options {
		option.put(o)
	}
	return o
}

func (o *writeOptions) ttlMS() (uint64, error) {
	if !o.ttlIsGiven {
		return 0, nil
	}
	return ttlMS(o.ttl)
}

func (o *writeOptions) message() *candorv1.WriteOptions {
	return &candorv1.WriteOptions{Ack: candorv1.AckLevel(o.ack)}
}

// call is of a write, whose session's token c.write puts into `options`, those of the request.
func (o *writeOptions) call(name string, request proto.Message, response written,
	options *candorv1.WriteOptions) *call {
	made := &call{
		method: kvMethod(name), request: request, response: response, group: transport.Disk,
		write: true, atPrimary: true,
		bring: func(token Token) { options.Token = tokenMessage(token) },
		effect: func() effect {
			return effect{posOf(response.GetPos()), true, response.GetReplayed()}
		},
		check: func(Reason) error {
			if response.GetPos() == nil {
				return misfit("no position")
			}
			return nil
		},
	}
	if o.ack > Local {
		made.group = transport.Replicated
	}
	return made
}

// conditional: what is there stands beside a condition that did not hold, and nowhere else.
func (c *call) conditional(present func() (succeeded bool, item *candorv1.KeyValue)) {
	check, did := c.check, c.effect
	c.check = func(reason Reason) error {
		if succeeded, item := present(); succeeded == (item != nil) {
			return misfit("an item stands beside a success, or is missing")
		}
		return check(reason)
	}
	c.effect = func() effect {
		e := did()
		e.wrote, _ = present()
		return e
	}
}

// write carries it out with the session's token: writes follow what the session has seen.
func (c *Client) write(ctx context.Context, write *call) (*WriteResult, error) {
	write.asked = c.session.get()
	write.bring(write.asked)
	done, err := c.run(ctx, write)
	if err != nil {
		return nil, err
	}
	did := write.effect()
	ack := ackOf(write.response.(written).GetAck())
	return &WriteResult{
		Answer: done.Answer, Request: done.request, Pos: did.pos, Ack: ack,
		Replayed: did.replayed, Wrote: did.wrote, SessionLoss: done.loss,
	}, nil
}
