package candor

import (
	"context"
	"time"

	"candor.example/candor/candorv1"
)

// Put is an operation of Batch and Txn.
type Put struct {
	Key   string
	Value []byte
	TTL   time.Duration // 0 or Forever: none
}

// Delete is an operation of Batch and Txn.
type Delete struct{ Key string }

// Get is an operation of Txn: it sees what those before it did.
type Get struct{ Key string }

// BatchOp is a Put or a Delete.
type BatchOp interface {
	batchOp() (*candorv1.BatchOp, error)
}

// TxnOp is a Put, a Delete or a Get.
type TxnOp interface {
	txnOp() (*candorv1.TxnOp, error)
}

func (p Put) message() (*candorv1.PutRequest, error) {
	request := &candorv1.PutRequest{Key: []byte(p.Key), Value: p.Value}
	if p.TTL == 0 {
		return request, nil
	}
	ttl, err := ttlMS(p.TTL)
	request.TtlMs = ttl
	return request, err
}

func (p Put) batchOp() (*candorv1.BatchOp, error) {
	put, err := p.message()
	return &candorv1.BatchOp{Op: &candorv1.BatchOp_Put{Put: put}}, err
}

func (p Put) txnOp() (*candorv1.TxnOp, error) {
	put, err := p.message()
	return &candorv1.TxnOp{Op: &candorv1.TxnOp_Put{Put: put}}, err
}

func (d Delete) message() *candorv1.DeleteRequest {
	return &candorv1.DeleteRequest{Key: []byte(d.Key)}
}

func (d Delete) batchOp() (*candorv1.BatchOp, error) {
	return &candorv1.BatchOp{Op: &candorv1.BatchOp_Delete{Delete: d.message()}}, nil
}

func (d Delete) txnOp() (*candorv1.TxnOp, error) {
	return &candorv1.TxnOp{Op: &candorv1.TxnOp_Delete{Delete: d.message()}}, nil
}

func (g Get) txnOp() (*candorv1.TxnOp, error) {
	get := &candorv1.GetRequest{Key: []byte(g.Key)}
	return &candorv1.TxnOp{Op: &candorv1.TxnOp_Get{Get: get}}, nil
}

// Expect is what CompareAndSwap expects: Absent, Present, HasValue or HasModSeq.
type Expect struct {
	set func(*candorv1.CompareAndSwapRequest)
}

var (
	// Absent: there is no such key.
	Absent = expectAbsent(true)
	// Present: there is one.
	Present = expectAbsent(false)
)

func expectAbsent(absent bool) Expect {
	return Expect{func(request *candorv1.CompareAndSwapRequest) {
		request.Expect = &candorv1.CompareAndSwapRequest_ExpectAbsent{ExpectAbsent: absent}
	}}
}

// HasValue: the key exists and has this value.
func HasValue(value []byte) Expect {
	return Expect{func(request *candorv1.CompareAndSwapRequest) {
		request.Expect = &candorv1.CompareAndSwapRequest_ExpectValue{ExpectValue: value}
	}}
}

// HasModSeq: the record with this seq wrote the key last; 0: there is no such key.
func HasModSeq(seq uint64) Expect {
	return Expect{func(request *candorv1.CompareAndSwapRequest) {
		request.Expect = &candorv1.CompareAndSwapRequest_ExpectModSeq{ExpectModSeq: seq}
	}}
}

// Relation is of what is there to what is given.
type Relation int32

const (
	Equal    = Relation(candorv1.Relation_RELATION_EQUAL)
	NotEqual = Relation(candorv1.Relation_RELATION_NOT_EQUAL)
	Less     = Relation(candorv1.Relation_RELATION_LESS)
	Greater  = Relation(candorv1.Relation_RELATION_GREATER)
)

// Compare is a condition of a Txn: what one of the If functions gives.
type Compare struct {
	message *candorv1.Compare
}

// IfExists: there is such a key.
func IfExists(key string) Compare { return ifExists(key, true) }

// IfAbsent: there is no such key.
func IfAbsent(key string) Compare { return ifExists(key, false) }

func ifExists(key string, exists bool) Compare {
	return Compare{&candorv1.Compare{Key: []byte(key),
		Target: &candorv1.Compare_Exists{Exists: exists}}}
}

// IfValue compares bytewise, shorter first. Of an absent key no relation holds, NotEqual neither.
func IfValue(key string, is Relation, value []byte) Compare {
	return Compare{&candorv1.Compare{Key: []byte(key), Relation: candorv1.Relation(is),
		Target: &candorv1.Compare_Value{Value: value}}}
}

// IfModSeq compares the seq of the record that wrote the key last; 0 of an absent key.
func IfModSeq(key string, is Relation, seq uint64) Compare {
	return Compare{&candorv1.Compare{Key: []byte(key), Relation: candorv1.Relation(is),
		Target: &candorv1.Compare_ModSeq{ModSeq: seq}}}
}

// IfVersion compares how often the key was written since it was created; 0 of an absent key.
func IfVersion(key string, is Relation, version uint64) Compare {
	return Compare{&candorv1.Compare{Key: []byte(key), Relation: candorv1.Relation(is),
		Target: &candorv1.Compare_Version{Version: version}}}
}

// Txn executes `then` if all conditions hold, otherwise `otherwise`: atomically, in order. That
// they do not hold is no error: TxnResult tells.
func (c *Client) Txn(ctx context.Context, conditions []Compare, then, otherwise []TxnOp,
	options ...WriteOption) (*TxnResult, error) {
	o := plainOptions(options)
	request := &candorv1.TxnRequest{Options: o.message()}
	for _, condition := range conditions {
		if condition.message == nil {
			return nil, invalid("a Compare is what one of the If functions gives")
		}
		request.Compare = append(request.Compare, condition.message)
	}
	var err error
	if request.ThenOps, err = txnOps(then); err != nil {
		return nil, err
	}
	if request.ElseOps, err = txnOps(otherwise); err != nil {
		return nil, err
	}
	var response candorv1.TxnResponse
	txn := o.call("Txn", request, &response, request.Options)
	executed := func() []*candorv1.TxnOp {
		if response.Succeeded {
			return request.ThenOps
		}
		return request.ElseOps
	}
	txn.checkTxn(&response, executed)
	done, err := c.write(ctx, txn)
	if err != nil {
		return nil, err
	}
	results := make([]TxnOpResult, len(response.Results))
	for i, op := range executed() {
		results[i].Found = response.Results[i].Found
		if op.GetGet() != nil {
			results[i].Item = conditionItem(response.Results[i].Item)
		}
	}
	return &TxnResult{*done, response.Succeeded, results}, nil
}

func txnOps(ops []TxnOp) ([]*candorv1.TxnOp, error) {
	messages := make([]*candorv1.TxnOp, len(ops))
	for i, op := range ops {
		if op == nil {
			return nil, invalid("operation %d is nil", i)
		}
		message, err := op.txnOp()
		if err != nil {
			return nil, err
		}
		messages[i] = message
	}
	return messages, nil
}

// checkTxn: each operation of the list that was executed has its result. Gets alone make no record.
func (c *call) checkTxn(response *candorv1.TxnResponse, executed func() []*candorv1.TxnOp) {
	check, did := c.check, c.effect
	c.check = func(reason Reason) error {
		ops := executed()
		if len(response.Results) != len(ops) {
			return misfit("%d results for %d operations", len(response.Results), len(ops))
		}
		for i, op := range ops {
			if op.GetGet() != nil && response.Results[i].Item == nil {
				return misfit("no item for a get")
			}
		}
		return check(reason)
	}
	c.effect = func() effect {
		e := did()
		e.wrote = false
		for _, op := range executed() {
			e.wrote = e.wrote || op.GetGet() == nil
		}
		return e
	}
}
