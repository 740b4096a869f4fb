//go:build !openbsd

package pledgetest

import "syscall"

// violation is the signal that ends a process for a violation: SIGSYS of Linux,
// by number, since not every system has a name for it.
const violation = syscall.Signal(31)
