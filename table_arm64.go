//go:build linux

package pledge

import "golang.org/x/sys/unix"

// auditArch marks the system calls of arm64 for a filter.
const auditArch = unix.AUDIT_ARCH_AARCH64

// x32 is an ABI of amd64.
const x32 = false

var archPathAttributes []uint32

// openOf returns the rows of open(2), which arm64 does not have.
func openOf([]row) []row { return nil }

// archRows are the rows that only arm64 has: none. It began with the *at()
// forms.
var archRows []row

// launchArchRows are the launchRows that only arm64 has.
var launchArchRows []row
