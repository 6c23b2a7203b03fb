package candor

import (
	"syscall"
	"time"
	"unsafe"
)

const clockBoottime = 7

// now is the client's own clock: it goes on while the machine sleeps, and is never set.
func now() time.Duration {
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime,
		uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		panic("candor: clock_gettime: " + errno.Error())
	}
	return time.Duration(t.Nano())
}
