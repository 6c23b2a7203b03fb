package candor

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/internal/transport"
)

// call is one operation: what is asked, and how its answer is checked.
type call struct {
	method   string
	request  proto.Message
	response proto.Message // the body of the answer, when the operation has ended well
	// check tells why a body that decodes is no answer to this request; nil: any is one. It is called
	// again where an attempt is.
	check func(reason Reason) error
	group transport.Group

	write     bool
	atPrimary bool   // begins with it, where it is known
	only      string // this endpoint once, and nobody else
	aside     bool   // the answer is nothing that the session has seen
	asked     Token  // the session's, where the request brings it
	bring     func(Token)
	// Is told which writes of this client were lost.
	namesClient  bool
	maxStaleness time.Duration // of a Bounded read
	also         []Reason      // errors that are an answer
	number       func() int64  // of the response beside OUT_OF_RANGE
	reached      func() Ack    // of the response beside NO_MAJORITY
	effect       func() effect // of a write's response
}

// effect is what a write did.
type effect struct {
	pos      Pos
	wrote    bool
	replayed bool
}

// told is the end of an operation, beside its response.
type told struct {
	Answer
	reason  Reason // OK, or one of call.also
	request RequestID
	loss    *SessionLoss
}

// misfit: the body decodes, and is no answer to this request.
func misfit(format string, arguments ...any) error {
	return fmt.Errorf(format, arguments...)
}
