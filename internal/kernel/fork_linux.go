//go:build amd64 || arm64

package kernel

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What package syscall does in the child of a fork(2), and lets gVisor do: the
// signals that the runtime handles get their default dispositions, and the
// thread the signal mask that this process was started with. That it is this
// mask takes that runtime_BeforeFork was not called, which remembers another.
//
//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// A Process is a child that waits to execute a program.
type Process struct {
	PID   int
	PIDFD int

	release  int // closing it ends the child; a byte lets it go
	failures int // the errno of what failed, and whether it was execve

	child *child // what it runs on
}

// Fork makes a child that executes a program as soon as it is told to. It is
// what syscall.StartProcess does, but for the waiting, in which the child can
// be traced with PTRACE_SEIZE: PTRACE_TRACEME would miss the stop behind execve
// where SIGTRAP is blocked, and leave a gap before options can be set.
//
// A ruleset of Landlock, unless it is -1, is put in force on the child before,
// which must have no_new_privs then.
//
// The child is killed when the calling thread ends, before execve and after. It
// has the descriptors that are not close-on-exec, and the soft limit of
// descriptors that this process has now: see [RestoreLimit].
func Fork(path string, args, env []string, ruleset int) (*Process, error) {
	argv0, err := syscall.BytePtrFromString(path)
	if err != nil {
		return nil, err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return nil, err
	}
	envv, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return nil, err
	}
	var wait, fail [2]int
	if err := unix.Pipe2(wait[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	defer unix.Close(wait[0])
	if err := unix.Pipe2(fail[:], unix.O_CLOEXEC); err != nil {
		unix.Close(wait[1])
		return nil, err
	}
	defer unix.Close(fail[1])

	c := &child{
		parent: uintptr(os.Getpid()),
		wait:   uintptr(wait[0]), release: uintptr(wait[1]), fail: uintptr(fail[1]), ruleset: ruleset,
		path: unsafe.Pointer(argv0), argv: unsafe.Pointer(&argv[0]), envv: unsafe.Pointer(&envv[0]),
	}
	syscall.ForkLock.Lock()
	pid, e := fork(c)
	syscall.ForkLock.Unlock()
	if e != 0 {
		unix.Close(wait[1])
		unix.Close(fail[0])
		return nil, e
	}
	return &Process{PID: pid, PIDFD: int(c.pidfd), release: wait[1], failures: fail[0], child: c}, nil
}

// Release lets the child execute its program, which shows in its being traced.
func (p *Process) Release() error {
	defer unix.Close(p.release)
	_, err := unix.Write(p.release, []byte{1})
	return err
}

// Abandon ends the child instead.
func (p *Process) Abandon() { unix.Close(p.release) }

// Close closes PIDFD. The child must have executed its program, or have ended:
// before, it needs memory of this process.
func (p *Process) Close() {
	unix.Close(p.PIDFD)
	runtime.KeepAlive(p.child)
}

// Failure returns the errno of what the child failed in, once the child has
// ended or executed its program, and whether that was its execve; 0 if nothing
// failed.
func (p *Process) Failure() (e syscall.Errno, executing bool) {
	defer unix.Close(p.failures)
	var failure [2]byte
	unix.Read(p.failures, failure[:])
	return syscall.Errno(failure[0]), failure[1] != 0
}

// A child is what the child needs, made before it is there: it must not
// allocate.
type child struct {
	parent              uintptr
	wait, release, fail uintptr
	ruleset             int
	path, argv, envv    unsafe.Pointer
	pidfd               int32
	busy                uint32 // 1 until the child does without the runtime
	mask                uint64 // of signals, for the program
	bytes               [2]byte

	// The functions that it runs do not look at their stack's end. The linker
	// makes sure that they need less than a thousand bytes.
	stack [8192]byte
}

// fork makes a process that shares the memory of this one, with a stack of its
// own: until it executes its program, it makes system calls and nothing else,
// and no signal handler runs in it. To copy the memory, as fork(2) does, takes
// longer than all else.
func fork(c *child) (pid int, e syscall.Errno) {
	c.busy = 1
	all, old := ^uint64(0), uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	end := uintptr(unsafe.Pointer(&c.stack)) + unsafe.Sizeof(c.stack)
	r := clone(unix.CLONE_VM|unix.CLONE_PIDFD|unix.CLONE_CHILD_CLEARTID|uintptr(syscall.SIGCHLD), end&^15, &c.pidfd, &c.busy, c)
	// The child asks the runtime about the goroutine that made it and about
	// signals, which must stay as they are so long. The kernel clears the word if
	// the child dies.
	for r > 0 && atomic.LoadUint32(&c.busy) != 0 {
		syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&c.busy)), futexWait, 1, 0, 0, 0)
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	if r < 0 {
		return 0, syscall.Errno(-r)
	}
	return r, 0
}

// clone is clone(2), which returns in the parent only: the child calls run.
//
//go:noescape
func clone(flags, stack uintptr, pidfd *int32, busy *uint32, c *child) int

const futexWait, futexWake = 0, 1

// run is what the child does.
//
//lint:ignore U1000 clone calls it
//go:norace
//go:nosplit
func run(c *child) {
	afterForkInChild()
	all := ^uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&c.mask)), 8, 0, 0)
	c.busy = 0 // not by package atomic, which the race detector looks into
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&c.busy)), futexWake, 1, 0, 0, 0)

	// The end of the parent is the end of the pipe, too.
	syscall.RawSyscall(syscall.SYS_CLOSE, c.release, 0, 0)
	syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	n, _, _ := syscall.RawSyscall(syscall.SYS_READ, c.wait, uintptr(unsafe.Pointer(&c.bytes)), 1)
	if ppid, _, _ := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0); n == 1 && ppid == c.parent {
		var e syscall.Errno
		if c.ruleset >= 0 {
			_, _, e = syscall.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(c.ruleset), 0, 0)
		}
		if e == 0 {
			c.bytes[1] = 1
			syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&c.mask)), 0, 8, 0, 0)
			_, _, e = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(c.path), uintptr(c.argv), uintptr(c.envv))
		}
		c.bytes[0] = byte(e)
		syscall.RawSyscall(syscall.SYS_WRITE, c.fail, uintptr(unsafe.Pointer(&c.bytes)), 2)
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT, 253, 0, 0)
	}
}

// RestoreLimit gives this process the soft limit of descriptors back that it
// was started with, which package syscall raises in its init. Package syscall
// alone knows the old one, and restores it when it executes a program: it is
// made to execute one that cannot exist.
func RestoreLimit() {
	syscall.Exec("", []string{""}, nil)
}
