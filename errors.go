package pledge

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gopledge/pledge/internal/nearest"
)

// A PromiseError says that a promise string cannot be read. It is
// syscall.EINVAL to [errors.Is], or syscall.ENAMETOOLONG when the string has
// 1024 bytes or more, as on OpenBSD.
type PromiseError struct {
	Promises string // the whole string
	Name     string // the word that is no promise; "" for a leading blank

	tooLong bool
}

func (e *PromiseError) Error() string {
	switch {
	case e.tooLong:
		return fmt.Sprintf("pledge: the promise string has %d bytes; at most %d are allowed", len(e.Promises), maxLen-1)
	case e.Name == "":
		return fmt.Sprintf("pledge: promises %q begin with a blank; remove it", e.Promises)
	}
	msg := fmt.Sprintf("pledge: unknown promise %q in %q", e.Name, e.Promises)
	if strings.ContainsAny(e.Name, "\t\n\r,;|") {
		return msg + "; names are separated by blanks only"
	}
	if near := nearest.Word(e.Name, promiseNames[:]); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return msg
}

// Is reports whether target is the errno that pledge(2) sets for this error.
func (e *PromiseError) Is(target error) bool {
	if e.tooLong {
		return target == syscall.ENAMETOOLONG
	}
	return target == syscall.EINVAL
}

// A WidenError says that a process asked for more than it has: promises can
// only ever be given up. It is syscall.EPERM to [errors.Is], as on OpenBSD.
// Nothing was changed.
type WidenError struct {
	Have  Set  // the promises in force
	Want  Set  // the promises asked for
	Extra Set  // those of Want that are not in Have
	Exec  bool // it is about exec promises
}

func (e *WidenError) Error() string {
	kind := "promises"
	if e.Exec {
		kind = "exec promises"
	}
	return fmt.Sprintf("pledge: %s can only be given up: %q was not kept by an earlier call, which left %q", kind, e.Extra, e.Have)
}

// Is reports whether target is syscall.EPERM.
func (e *WidenError) Is(target error) bool {
	return target == syscall.EPERM || target == fs.ErrPermission
}

// An UnsupportedError says that this system cannot hold a process to what was
// asked, and what would. It is [errors.ErrUnsupported] to [errors.Is]. Nothing
// was changed.
type UnsupportedError struct {
	Missing string // what is missing, as "seccomp(2)"
	Remedy  string // what would provide it, or what to do instead
	Err     error  // the error that told so, if there was one
}

func (e *UnsupportedError) Error() string {
	msg := "pledge: " + e.Missing
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		msg += "; " + e.Remedy
	}
	return msg
}

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// Unwrap returns the error that told that something is missing, if any.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// An InstallError says that the kernel refused the filter or the Landlock
// ruleset. No thread has it. (Should it be a thread with a filter of its own that
// makes the kernel refuse, which cannot be seen beforehand without reading /proc,
// then the ruleset that goes with the filter is in force, and stays.)
type InstallError struct {
	Op   string        // the step that failed, as "seccomp(SECCOMP_SET_MODE_FILTER)"
	TID  int           // the thread that would not follow, or 0
	Path string        // what the step was about, as a path or "port 53", or ""
	Err  syscall.Errno // what the kernel said; EBUSY with a TID
}

func (e *InstallError) Error() string {
	if e.TID != 0 {
		return fmt.Sprintf("pledge: %s: thread %d has a seccomp filter of its own and would not follow; call Pledge before anything else installs a filter", e.Op, e.TID)
	}
	msg := "pledge: " + e.Op
	if e.Path != "" {
		msg += ": " + e.Path
	}
	msg += ": " + e.Err.Error()
	switch {
	case e.Err == syscall.ENOMEM && strings.HasPrefix(e.Op, "seccomp("):
		msg += "; a process can have filters of 32768 instructions in all, those it inherited included: pledge in fewer steps"
	case e.Op == "landlock_restrict_self" && e.Err == syscall.E2BIG:
		msg += "; a process can have 16 Landlock rulesets, those it inherited included: pledge and unveil in fewer steps"
	}
	return msg
}

// Unwrap returns the errno.
func (e *InstallError) Unwrap() error { return e.Err }
