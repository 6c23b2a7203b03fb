package main

import (
	"encoding/hex"
	"errors"
	"time"

	"candor.example/candor"
)

type object map[string]any

// told is the answer to a command that gives nothing.
func told(err error) any {
	if err != nil {
		return errorJSON(err)
	}
	return object{"ok": true}
}

func with(o object, more object) object {
	for name, value := range more {
		o[name] = value
	}
	return o
}

// orNull: null stands for what is not there.
func orNull(there bool, value any) any {
	if !there {
		return nil
	}
	return value
}

func ms(d time.Duration) any {
	return orNull(d != candor.Forever, (d+time.Millisecond-1)/time.Millisecond)
}

func sessionJSON(token candor.Token) object {
	return object{"ok": true, "token": orNull(!token.IsZero(), token.String()),
		"seq": orNull(!token.IsZero(), token.Pos.Seq)}
}

func freshnessJSON(f *candor.Freshness) any {
	if f == nil {
		return nil
	}
	return object{
		"node": f.Node, "role": f.Role.String(), "state": f.State.String(), "term": f.Epoch.Term,
		"heartbeat_age_ms": ms(f.HeartbeatAge), "stale": f.Stale,
		"staleness_bound_ms": ms(f.StalenessBound), "applied_seq": f.AppliedSeq,
		"primary_seq": f.PrimarySeq, "commit_seq": f.CommitSeq,
	}
}

func answerJSON(a *candor.Answer) object {
	return object{
		"ok": true, "freshness": freshnessJSON(&a.Freshness), "attempts": a.Attempts,
		"redirects": a.Redirects, "violation": orNull(a.Violation != "", a.Violation),
	}
}

// ---- Reads --------------------------------------------------------------------------------------

func itemJSON(i *candor.Item) object {
	return object{
		"key": i.Key, "value": orNull(i.Value != nil, string(i.Value)), "found": i.Found,
		"mod_seq": i.ModSeq, "version": i.Version, "ttl_ms": orNull(i.TTL != candor.NotTold, ms(i.TTL)),
	}
}

func maybeItemJSON(i *candor.Item) any {
	if i == nil {
		return nil
	}
	return itemJSON(i)
}

func getJSON(r *candor.GetResult) object { return with(answerJSON(&r.Answer), itemJSON(&r.Item)) }

func multiGetJSON(r *candor.MultiGetResult) object {
	items := make([]object, len(r.Items))
	for i := range r.Items {
		items[i] = itemJSON(&r.Items[i])
	}
	return with(answerJSON(&r.Answer), object{"items": items})
}

func txnStatusJSON(r *candor.TxnStatusResult) object {
	return with(answerJSON(&r.Answer), object{"state": r.State.String(),
		"seq": orNull(r.Pos.Seq != 0, r.Pos.Seq), "parts": r.Parts})
}

// ---- Writes -------------------------------------------------------------------------------------

func requestJSON(r candor.RequestID) any {
	return orNull(r.Number != 0, object{"client_id": hex.EncodeToString(r.ClientID[:]),
		"number": r.Number})
}

func lossJSON(l *candor.SessionLoss) any {
	if l == nil {
		return nil
	}
	writes := []object{}
	for _, w := range l.Writes {
		writes = append(writes, object{"number": w.Number, "seq": w.Pos.Seq})
	}
	return object{"archive_id": l.ArchiveID, "writes": writes, "more": l.More,
		"token": orNull(!l.Token.IsZero(), l.Token.String())}
}

func writeJSON(r *candor.WriteResult) object {
	return with(answerJSON(&r.Answer), object{
		"request": requestJSON(r.Request), "seq": r.Pos.Seq, "ack": r.Ack.String(),
		"replayed": r.Replayed, "session_loss": lossJSON(r.SessionLoss),
	})
}

func deleteJSON(r *candor.DeleteResult) object {
	return with(writeJSON(&r.WriteResult), object{"found": r.Found})
}

func batchJSON(r *candor.BatchResult) object {
	return with(writeJSON(&r.WriteResult), object{"first_seq": r.First.Seq, "found": r.Found})
}

func casJSON(r *candor.CASResult) object {
	return with(writeJSON(&r.WriteResult),
		object{"succeeded": r.Succeeded, "item": maybeItemJSON(r.Present)})
}

func expireJSON(r *candor.ExpireResult) object {
	return with(writeJSON(&r.WriteResult),
		object{"succeeded": r.Succeeded, "item": maybeItemJSON(r.Present)})
}

func incrementJSON(r *candor.IncrementResult) object {
	return with(writeJSON(&r.WriteResult), object{"number": r.Number})
}

func txnJSON(r *candor.TxnResult) object {
	results := []object{}
	for _, one := range r.Results {
		results = append(results, object{"found": one.Found, "item": maybeItemJSON(one.Item)})
	}
	return with(writeJSON(&r.WriteResult), object{"succeeded": r.Succeeded, "results": results})
}

func awaitJSON(r *candor.AwaitResult) object {
	return with(answerJSON(&r.Answer), object{"seq": r.Pos.Seq, "term": r.Pos.Epoch.Term,
		"ack": r.Ack.String()})
}

// ---- Watches and errors -------------------------------------------------------------------------

func changesJSON(c *candor.Changes) object {
	events := []object{}
	for _, e := range c.Events {
		events = append(events, object{
			"type": e.Type.String(), "seq": e.Pos.Seq, "key": e.Key,
			"value": orNull(e.Type == candor.EventPut || e.Type == candor.EventState, string(e.Value)),
			"more":  e.More, "taken_back": e.TakenBack, "expired": e.Expired, "ttl_ms": ms(e.TTL),
		})
	}
	return object{"ok": true, "events": events, "seen_seq": c.SeenSeq,
		"freshness": freshnessJSON(&c.Freshness),
		"cursor":    orNull(!c.Cursor.IsZero(), c.Cursor.String())}
}

func hintJSON(h *candor.Hint) any {
	if h == nil {
		return nil
	}
	return object{"primary": h.Primary, "endpoint": h.Endpoint,
		"retry_after_ms": h.RetryAfter.Milliseconds()}
}

func errorJSON(err error) object {
	var e *candor.Error
	if !errors.As(err, &e) {
		return object{"ok": false, "code": "", "message": err.Error()}
	}
	return object{
		"ok": false, "code": e.Code.String(), "reason": e.Reason.String(), "message": e.Message,
		"freshness": freshnessJSON(e.Freshness), "hint": hintJSON(e.Hint),
		"outcome_unknown": e.OutcomeUnknown, "attempts": e.Attempts, "redirects": e.Redirects,
		"violation": orNull(e.Violation != "", e.Violation), "request": requestJSON(e.Request),
		"number": numberJSON(e.Number), "session_loss": lossJSON(e.Loss),
		"reached": reachedJSON(e.Reached),
	}
}

func reachedJSON(a *candor.Ack) any {
	if a == nil {
		return nil
	}
	return a.String()
}

func numberJSON(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}
