//go:build linux && cgo && !purego

package libc

/*
#include "threads.h"
*/
import "C"

import (
	"runtime"
	"syscall"
)

// Broadcasts says that RestrictAllThreads is the way to reach all threads: some
// may be C's, of which the Go runtime knows nothing.
const Broadcasts = true

// RestrictAllThreads has every thread of the process set no_new_privs and put a
// Landlock ruleset in force on itself. The descriptor tasks is of the directory
// /proc/self/task, which must not have been read yet or is read from its
// beginning again. If it fails on the calling thread, nothing has happened to
// the others; if it fails on another one, the process is killed, since there is
// no way back.
//
// Only calls are made that every filter of this module allows.
func RestrictAllThreads(ruleset, tasks int) syscall.Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return syscall.Errno(C.pledge_restrict_all_threads(C.int(ruleset), C.int(tasks)))
}
