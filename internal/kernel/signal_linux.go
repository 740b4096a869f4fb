package kernel

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HideMemory keeps this process's memory from others of the same user, but for
// those with CAP_SYS_PTRACE. It is inherited until execve(2), and a process that
// has it cannot be traced.
func HideMemory() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// DieOf ends the process by a signal as if nobody handled it, and without a core
// file. It returns if the signal does not end processes.
func DieOf(sig unix.Signal) {
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	defaultAction(sig)
	mask := uint64(1) << (sig - 1)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
	unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}

// NoSIGCHLD rids this process of a signal for each stop of a process that it
// traces, which the Go runtime would handle and throw away.
func NoSIGCHLD() { defaultAction(unix.SIGCHLD) }

// defaultAction is SIG_DFL. Go's os/signal would leave some of the runtime's own
// handlers in place.
func defaultAction(sig unix.Signal) {
	var action [4]uint64 // struct sigaction: SIG_DFL is zero, and so are the flags and the mask
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
