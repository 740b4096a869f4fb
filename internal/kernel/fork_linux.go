//go:build amd64 || arm64

package kernel

import (
	"os"
	"runtime"
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
	bytes               [2]byte
	action              [4]uint64 // struct sigaction

	// The functions that it runs do not look at their stack's end. The linker
	// makes sure that they need less than a thousand bytes.
	stack [8192]byte
}

// fork makes a process that shares the memory of this one, with a stack of its
// own: until it executes its program, it makes system calls and nothing else,
// and no signal handler runs in it. To copy the memory, as fork(2) does, takes
// longer than all else.
func fork(c *child) (pid int, e syscall.Errno) {
	all, old := ^uint64(0), uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	end := uintptr(unsafe.Pointer(&c.stack)) + unsafe.Sizeof(c.stack)
	r := clone(unix.CLONE_VM|unix.CLONE_PIDFD|uintptr(syscall.SIGCHLD), end&^15, &c.pidfd, c)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	if r < 0 {
		return 0, syscall.Errno(-r)
	}
	return r, 0
}

// clone is clone(2), which returns in the parent only: the child calls run.
//
//go:noescape
func clone(flags, stack uintptr, pidfd *int32, c *child) int

//go:norace
//go:nosplit
func run(c *child) {
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
			c.resetSignals()
			afterForkInChild()
			c.bytes[1] = 1
			_, _, e = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(c.path), uintptr(c.argv), uintptr(c.envv))
		}
		c.bytes[0] = byte(e)
		syscall.RawSyscall(syscall.SYS_WRITE, c.fail, uintptr(unsafe.Pointer(&c.bytes)), 2)
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT, 253, 0, 0)
	}
}

// resetSignals gives all signals that are not ignored their default
// dispositions. What the runtime remembers of the parent's may be of later.
//
//go:norace
//go:nosplit
func (c *child) resetSignals() {
	const sigIgn = 1
	for sig := uintptr(1); sig <= 64; sig++ {
		action := uintptr(unsafe.Pointer(&c.action))
		_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, 0, action, 8, 0, 0)
		if handler := c.action[0]; e == 0 && handler > sigIgn {
			c.action = [4]uint64{}
			syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, action, 0, 8, 0, 0)
		}
	}
}

// RestoreLimit gives this process the soft limit of descriptors back that it
// was started with, which package syscall raises in its init. Package syscall
// alone knows the old one, and restores it when it executes a program: it is
// made to execute one that cannot exist.
func RestoreLimit() {
	syscall.Exec("", []string{""}, nil)
}
