//go:build !linux

package candor

import "time"

var started = time.Now()

// now is the client's own clock, which is never set. Where the machine sleeps it may stand still.
func now() time.Duration { return time.Since(started) }
