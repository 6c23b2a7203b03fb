package candor

import (
	"context"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// Awaited names what AwaitCommit waits for: AwaitToken, AwaitPos, AwaitSeq, or the zero Awaited,
// all that the session has written and read.
type Awaited struct {
	set func(*candorv1.AwaitCommitRequest)
	pos Pos // what an answer must tell of; without an epoch: any
}

// AwaitToken: the write whose answer had this token, or all that a session has seen.
func AwaitToken(token Token) Awaited {
	return Awaited{func(request *candorv1.AwaitCommitRequest) {
		request.Of = &candorv1.AwaitCommitRequest_Token{Token: tokenMessage(token)}
	}, token.Pos}
}

// AwaitPos: the write with this position. A token tells more.
func AwaitPos(pos Pos) Awaited {
	return Awaited{func(request *candorv1.AwaitCommitRequest) {
		request.Of = &candorv1.AwaitCommitRequest_Pos{Pos: posMessage(pos)}
	}, pos}
}

// AwaitSeq: whatever is committed there.
func AwaitSeq(seq uint64) Awaited {
	return Awaited{func(request *candorv1.AwaitCommitRequest) {
		request.Of = &candorv1.AwaitCommitRequest_Seq{Seq: seq}
	}, Pos{Seq: seq}}
}

// AwaitResult is of AwaitCommit.
type AwaitResult struct {
	Answer
	Pos Pos
	Ack Ack // the level that it has reached, for good
}

// AwaitCommit waits until a write is safe: Majority, or All. Any client may ask, at any time, also
// after failovers. ErrRolledBack: another history is committed in its place, and Error.Loss tells
// where it is archived, as far as the node knows. At the deadline Error.Reached tells how far it
// has come.
func (c *Client) AwaitCommit(ctx context.Context, of Awaited, level Ack) (*AwaitResult, error) {
	if of.set == nil {
		token := c.session.get()
		if token.IsZero() {
			return nil, invalid("the session has neither written nor read anything")
		}
		of = AwaitToken(token)
	}
	request := &candorv1.AwaitCommitRequest{Ack: candorv1.AckLevel(level)}
	of.set(request)
	var response candorv1.AwaitCommitResponse
	done, err := c.run(ctx, &call{
		method: kvMethod("AwaitCommit"), request: request, response: &response,
		group: transport.Alone, atPrimary: true, namesClient: true, aside: true,
		check:   func(Reason) error { return of.check(&response, level) },
		reached: func() Ack { return ackOf(response.Ack) },
	})
	if err != nil {
		return nil, err
	}
	return &AwaitResult{done.Answer, posOf(response.Pos), ackOf(response.Ack)}, nil
}

// check: a node is not believed that tells of something else, or of less than was asked for.
func (a *Awaited) check(response *candorv1.AwaitCommitResponse, level Ack) error {
	pos, ack := posOf(response.Pos), ackOf(response.Ack)
	if pos.Seq != a.pos.Seq || a.pos.Epoch != (Epoch{}) && pos != a.pos {
		return misfit("it tells of %v, not of %v", pos, a.pos)
	}
	if ack < max(level, Majority) {
		return misfit("it has reached %v, less than was asked for", ack)
	}
	return nil
}
