// Package kernel is where this project talks to the kernel in ways that x/sys
// has no wrappers for. All its unsafe code is here.
package kernel

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
)

// An InstallError says which step of installing a filter failed.
type InstallError struct {
	Op  string
	TID int // the thread that would not follow, or 0
	Err syscall.Errno
}

func (e *InstallError) Error() string { return fmt.Sprintf("%s: %v (thread %d)", e.Op, e.Err, e.TID) }

// InstallFilter puts a seccomp program in force on all threads of the process,
// with no_new_privs: on all of them, or on none.
//
// It runs in a goroutine with a thread of its own, for two reasons. The two
// calls must be made by one thread, as the kernel wants to see no_new_privs
// where it is asked for the filter; TSYNC then gives both to the others. And if
// the second call fails, no_new_privs stays behind where the first one set it,
// so the thread is thrown away: a goroutine that ends locked takes its thread
// with it. The main thread cannot be thrown away, so it must be another.
func InstallFilter(prog []bpf.Insn, log bool) error {
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
	if log {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onAnotherThread(prog, flags) // this one is held meanwhile
			return
		}
		done <- installAndKeep(prog, flags)
	}()
	return <-done
}

// onAnotherThread installs from a goroutine that cannot be on the caller's
// thread, to which the caller is locked.
func onAnotherThread(prog []bpf.Insn, flags uintptr) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- installAndKeep(prog, flags)
	}()
	return <-done
}

// installAndKeep installs from a goroutine that is locked to its thread, which
// is kept if all went well.
func installAndKeep(prog []bpf.Insn, flags uintptr) error {
	err := install(prog, flags)
	if err == nil {
		runtime.UnlockOSThread()
	}
	return err
}

func install(prog []bpf.Insn, flags uintptr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return &InstallError{Op: "prctl(PR_SET_NO_NEW_PRIVS)", Err: errno(err)}
	}
	// bpf.Insn has the layout of struct sock_filter.
	fprog := unix.SockFprog{
		Len:    uint16(len(prog)),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(prog))),
	}
	r, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	switch {
	case e != 0:
		return &InstallError{Op: "seccomp(SECCOMP_SET_MODE_FILTER)", Err: e}
	case r != 0:
		// Not an errno: the id of a thread that has a filter which is not an
		// ancestor of the caller's, and so could not be given this one.
		return &InstallError{Op: "seccomp(SECCOMP_SET_MODE_FILTER)", TID: int(r), Err: unix.EBUSY}
	}
	return nil
}

func errno(err error) syscall.Errno {
	e, _ := err.(syscall.Errno)
	return e
}

// ActionAvailable reports whether the kernel knows a seccomp action. The error
// is that of a kernel without seccomp(2), or of whatever refuses the call.
func ActionAvailable(action uint32) (bool, error) {
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	switch e {
	case 0:
		return true, nil
	case unix.EOPNOTSUPP:
		return false, nil
	}
	return false, e
}

// FlagAvailable returns nil if seccomp(SECCOMP_SET_MODE_FILTER) is there and
// knows a flag. Nothing is installed: there is no program.
func FlagAvailable(flag uintptr) error {
	switch _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flag, 0); e {
	case unix.EFAULT:
		return nil
	case 0:
		return unix.EINVAL // what takes a null pointer is not the kernel
	default:
		return e
	}
}

// LandlockABI returns the version of Landlock's interface, 0 without Landlock.
func LandlockABI() int {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	r, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version)
	if e != 0 {
		return 0
	}
	return int(r)
}
