package pledge

import (
	"fmt"
	"strings"
	"syscall"
)

// A Call is a system call as a filter sees it.
type Call struct {
	Nr   uint32    // the number, SYS_* of the architecture
	Args [6]uint64 // the arguments as the registers hold them
	Arch uint32    // AUDIT_ARCH_*; zero means the architecture of this program
}

// A Verdict is what becomes of a call: a return value of a seccomp program,
// SECCOMP_RET_* of linux/seccomp.h.
type Verdict uint32

// Allowed reports whether the call takes place: it is allowed, or only logged.
func (v Verdict) Allowed() bool { return v == retAllow || v == retLog }

// Killed reports whether the call ends the process at once.
func (v Verdict) Killed() bool { return v == retKill }

// Errno returns the error that the call fails with, or 0 if it does not fail.
func (v Verdict) Errno() syscall.Errno {
	if v&0xffff0000 == retErrno {
		return syscall.Errno(v & 0xffff)
	}
	return 0
}

const (
	retKill  Verdict = 0x80000000
	retTrap  Verdict = 0x00030000
	retErrno Verdict = 0x00050000
	retLog   Verdict = 0x7ffc0000
	retAllow Verdict = 0x7fff0000
)

// String says what becomes of the call: "allow", "log", "trap", "kill", or
// "errno ENOSYS".
func (v Verdict) String() string {
	switch v {
	case retKill:
		return "kill"
	case retTrap:
		return "trap"
	case retLog:
		return "log"
	case retAllow:
		return "allow"
	}
	if v&0xffff0000 == retErrno {
		return "errno " + errnoName(syscall.Errno(v&0xffff))
	}
	return fmt.Sprintf("verdict %#x", uint32(v))
}

// A Grant is one way in which a system call is allowed, or refused with an
// errno instead of being a violation.
type Grant struct {
	Needs Set           // all of these promises; none: whatever is promised
	LibC  bool          // and only where C code runs: with cgo, with exec, in a launched program
	When  []string      // and only if all of these hold of the arguments
	Errno syscall.Errno // what the call fails with; 0: it is allowed
	Note  string        // what it is for
}

// String puts the grant into one line.
func (g Grant) String() string {
	var b strings.Builder
	switch {
	case g.Needs != 0:
		b.WriteString(strings.ReplaceAll(g.Needs.String(), " ", "+"))
	default:
		b.WriteString("always")
	}
	if g.LibC {
		b.WriteString(" (libc)")
	}
	if len(g.When) > 0 {
		b.WriteString(" if " + strings.Join(g.When, " and "))
	}
	if g.Errno != 0 {
		b.WriteString(" fails with " + errnoName(g.Errno))
	}
	return b.String() + ": " + g.Note
}
