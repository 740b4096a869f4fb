//go:build amd64 || arm64

package kernel

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
)

// ListenThread puts a filter in force on the calling thread alone, whose
// notifications arrive on the descriptor that it returns. The thread must have
// no_new_privs.
func ListenThread(prog []bpf.Insn, flags uintptr) (int, error) {
	fprog := unix.SockFprog{
		Len:    uint16(len(prog)),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(prog))),
	}
	r, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return -1, e
	}
	return int(r), nil
}

// RestrictThread puts a Landlock ruleset in force on the calling thread alone,
// which must have no_new_privs.
func RestrictThread(ruleset int) error { return restrictSelf(ruleset, 0) }

// DefaultSignals gives all signals that the Go runtime handles their default
// dispositions, and returns when no handler runs any more. The runtime ends a
// process by a signal, as the signal itself would, from its handler, in any of
// the threads: if another one executed a program meanwhile, the signal would be
// lost. It waits for half a second or a little more: a library that was
// preloaded may have threads that block signals for good.
func DefaultSignals() error {
	afterForkInChild()
	for range 5000 {
		handles, err := threadHandles()
		if err != nil || !handles {
			return err
		}
		time.Sleep(100 * time.Microsecond) // it is about to end the process
	}
	return nil
}

// threadHandles reports whether a thread blocks more signals than this one, as
// while a handler runs, and for a moment when it starts another thread.
func threadHandles() (bool, error) {
	here := threadStatus("/proc/thread-self").blocked
	tasks, err := os.ReadDir(taskDir)
	for _, t := range tasks {
		if threadStatus(taskDir+"/"+t.Name()).blocked&^here != 0 {
			return true, err
		}
	}
	return false, err
}

// Exec executes a program with the dispositions of signals and the signal mask
// that this process was started with. It is syscall.Exec but for these, and
// returns if it fails: the process has no signal handlers then.
func Exec(path string, args, env []string) error {
	argv0, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	afterForkInChild()
	_, _, e := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(argv0)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])))
	runtime.KeepAlive(argv0)
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envv)
	return e
}
