// Package kernel is where this project talks to the kernel in ways that x/sys
// has no wrappers for. All its unsafe code is here.
package kernel

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
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
// The two calls must be made by one thread, as the kernel wants to see
// no_new_privs where it is asked for the filter; TSYNC then gives both to the
// others. If the second call fails, no_new_privs stays behind where the first
// one set it, so the thread is thrown away.
func InstallFilter(prog []bpf.Insn, log bool) error {
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
	if log {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	return onThrowawayThread(func() error { return install(prog, flags) })
}

// onThrowawayThread runs f on one thread, which ends if f fails: what f did to
// the thread until then is lost with it. A goroutine that ends locked takes its
// thread with it. The main thread cannot end, nor can the runtime's first one,
// which is another thread in a library that a C program is linked to: it is never
// one of these.
func onThrowawayThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if tid := unix.Gettid(); tid == unix.Getpid() || tid == firstThread {
			defer runtime.UnlockOSThread()
			done <- onThrowawayThread(f) // on another thread, since this one is held
			return
		}
		err := f()
		if err == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// firstThread is the runtime's first thread, on which packages are initialized.
var firstThread = unix.Gettid()

// TryFilter puts a filter in force on one thread, which is gone when it returns:
// what can be known to fail does so before something else is in force.
func TryFilter(prog []bpf.Insn) error {
	return onDyingThread(func() error { return install(prog, 0) })
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

// CheckThreads looks for a thread with a seccomp filter that others do not have,
// which would make InstallFilter fail, and, with broadcast, for one that blocks
// the signal of libc.RestrictAllThreads, which would wait for it for ever. It
// reads /proc; where that does not tell, there is no error.
func CheckThreads(broadcast bool) error {
	here := threadStatus("/proc/thread-self")
	tasks, _ := os.ReadDir(taskDir)
	for _, t := range tasks {
		tid, _ := strconv.Atoi(t.Name())
		there := threadStatus(taskDir + "/" + t.Name())
		if there.filters != "" && here.filters != "" && there.filters != here.filters {
			return &InstallError{Op: "seccomp(SECCOMP_SET_MODE_FILTER)", TID: tid, Err: unix.EBUSY}
		}
		// Libraries block it, too, but only for a moment; the thread that starts a
		// program as long as execve(2) takes.
		const signal33 = 1 << 32
		for patience := 2000; broadcast && there.blocked&signal33 != 0; patience-- {
			if patience == 0 {
				return &LandlockError{Op: "landlock_restrict_self", Path: fmt.Sprintf("thread %d blocks signal 33", tid), Err: unix.EBUSY}
			}
			time.Sleep(time.Millisecond)
			there = threadStatus(taskDir + "/" + t.Name())
		}
	}
	return nil
}

// threadStatus reads what there is to know of a thread.
func threadStatus(task string) (s struct {
	filters string // how many, since Linux 5.9
	blocked uint64 // the signals; bit 0 is signal 1
}) {
	status, _ := os.ReadFile(task + "/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "Seccomp_filters":
			s.filters = value
		case "SigBlk":
			s.blocked, _ = strconv.ParseUint(value, 16, 64)
		}
	}
	return s
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
