//go:build !cgo || purego

package libc

import "syscall"

// Broadcasts says that RestrictAllThreads is the way to reach all threads; it
// is not, the Go runtime knows them all.
const Broadcasts = false

// RestrictAllThreads is not of this build.
func RestrictAllThreads(ruleset, tasks int) syscall.Errno { return syscall.ENOSYS }
