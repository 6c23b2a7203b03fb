// Package candor is a client of Candor, a replicated key-value store whose answers say how old they
// are.
//
//	client, err := candor.Open([]string{"tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000"})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	if _, err := client.Put(ctx, "greeting", []byte("hello"), candor.Majority); err != nil {
//		return err
//	}
//	answer, err := client.Get(ctx, "greeting", candor.Linearizable)
//	if err != nil {
//		return err
//	}
//	fmt.Printf("%s, %v\n", answer.Value, answer.Freshness)
//
// # What a client does by itself
//
// Until the deadline of the call's context (5 seconds where it has none) a client looks for the
// primary, follows redirects, goes on at another node when one is gone, and repeats what failed. A
// write carries a request id: however often it is sent, it is executed once. Calls of many
// goroutines share one connection to a node, and messages where that pays.
//
// Every result has the Freshness of the answer, and so has the Error of a node that refused. The
// client adds to the bound of staleness what passed since it sent the request, and holds nodes to
// what they said before: a broken promise is logged (or told to Options.OnViolation), counted, and
// named in the result.
//
// # Keys and values
//
// A key is a string of 1 to 511 bytes, which need not be UTF-8; a value is bytes.
//
// # Sessions
//
// A client keeps the newest position that it wrote or read, and hands it back with Session reads
// and with writes. Client.WithSession gives another session over the same connections, so that one
// client serves many users; a Token as text goes into a header or a cookie.
//
// # Errors
//
// All errors are *Error, found by errors.As; errors.Is compares them with what is to be done about
// them (ErrUnavailable, ErrOutcomeUnknown, ErrSessionLost and so on), with context.Canceled and
// with context.DeadlineExceeded.
//
// There is no authentication yet, and no TLS but what Options.Dial makes.
package candor
