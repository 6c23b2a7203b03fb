package candor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What an Error is, by what is to be done about it: for errors.Is.
var (
	// ErrUnavailable: nobody could answer before the deadline; later.
	ErrUnavailable = errors.New("candor: nobody could answer in time")
	// ErrOverloaded: likewise, since the node had too much to do.
	ErrOverloaded = errors.New("candor: overloaded")
	// ErrOutcomeUnknown: the write may or may not have been executed; Client.TxnStatus of
	// Error.Request tells later.
	ErrOutcomeUnknown = errors.New("candor: the outcome of the write is not known")
	// ErrSessionLost: what the session had seen was rolled back. Error.Loss tells what;
	// Client.RestartSession(Error.Loss.Token) goes on.
	ErrSessionLost = errors.New("candor: what the session saw was rolled back")
	// ErrRolledBack: another history is committed in place of the write that AwaitCommit asked for.
	ErrRolledBack = errors.New("candor: the write was rolled back")
	// ErrOutOfRange: Increment would leave its bounds; *Error.Number is the present number.
	ErrOutOfRange = errors.New("candor: out of range")
	// ErrFailedPrecondition: the node may not answer this, and Error.Hint names who may, where that is
	// known; of Increment without a reason: the key holds no number.
	ErrFailedPrecondition = errors.New("candor: failed precondition")
	// ErrInvalidRequest: the request can never succeed as it is.
	ErrInvalidRequest = errors.New("candor: invalid request")
	// ErrRequestIDReused: likewise, since somebody else uses this client's id: a copied machine. This
	// write was not executed; the client goes on under a new id, and it is for you to say whether to
	// write again.
	ErrRequestIDReused = errors.New("candor: the request id was used by somebody else")
	// ErrTooLarge: a key, value or message is over its limit; the message names it.
	ErrTooLarge = errors.New("candor: too large")
	// ErrNoRoom: disk or state is full; deletes are taken, and nothing else that writes.
	ErrNoRoom = errors.New("candor: no room")
	// ErrDataLoss: what the node has stored is damaged, and no other node answered.
	ErrDataLoss = errors.New("candor: data loss")
	// ErrProtocol: the answer breaks the protocol; the connection was closed.
	ErrProtocol = errors.New("candor: the answer breaks the protocol")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("candor: the client is closed")
)

var kindByReason = map[Reason]error{
	ReasonSessionLost:     ErrSessionLost,
	ReasonRolledBack:      ErrRolledBack,
	ReasonOutcomeUnknown:  ErrOutcomeUnknown,
	ReasonRequestTooOld:   ErrOutcomeUnknown,
	ReasonRequestIDReused: ErrRequestIDReused,
	ReasonTooLarge:        ErrTooLarge,
	ReasonOverloaded:      ErrOverloaded,
	ReasonDiskFull:        ErrNoRoom,
	ReasonStateFull:       ErrNoRoom,
}

var kindByCode = map[Code]error{
	CodeInvalidArgument:    ErrInvalidRequest,
	CodeUnimplemented:      ErrInvalidRequest,
	CodeFailedPrecondition: ErrFailedPrecondition,
	CodeUnavailable:        ErrUnavailable,
	CodeDeadlineExceeded:   ErrUnavailable,
	CodeOutOfRange:         ErrOutOfRange,
	CodeInternal:           ErrProtocol,
	CodeDataLoss:           ErrDataLoss,
}

// Some are one of a wider kind, too.
var widerKind = map[error]error{
	ErrOverloaded:      ErrUnavailable,
	ErrRequestIDReused: ErrInvalidRequest,
}

// Hint is what the node that refused says of the primary.
type Hint struct {
	Primary    string // node id; "": it knows none
	Endpoint   string
	RetryAfter time.Duration
}

// Error is why a call failed. Code and Reason are the protocol's.
type Error struct {
	Code      Code
	Reason    Reason
	Message   string     // for people
	Freshness *Freshness // of the node that refused; nil: none answered
	Hint      *Hint
	Request   RequestID // of a write
	// Of a write: an attempt may have been executed. Always so with ErrOutcomeUnknown.
	OutcomeUnknown bool
	Attempts       int
	Redirects      int
	Violation      string
	Loss           *SessionLoss
	Number         *int64 // Increment's present number, beside ErrOutOfRange
	Reached        *Ack   // AwaitCommit: how far the write had come at the deadline
	cause          error  // of the caller's context, or ErrClosed
}

func (e *Error) Error() string {
	if e.Reason == ReasonNone {
		return fmt.Sprintf("candor: %v: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("candor: %v/%v: %s", e.Code, e.Reason, e.Message)
}

// Is is for errors.Is.
func (e *Error) Is(target error) bool {
	if target == context.DeadlineExceeded {
		return e.Code == CodeDeadlineExceeded
	}
	kind, ok := kindByReason[e.Reason]
	if !ok {
		kind = kindByCode[e.Code]
	}
	return kind != nil && (target == kind || target == widerKind[kind])
}

// Unwrap gives the error of the context that ended the call, or ErrClosed.
func (e *Error) Unwrap() error { return e.cause }

// invalid is an error of the caller: nobody was asked.
func invalid(format string, arguments ...any) *Error {
	return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf(format, arguments...)}
}
