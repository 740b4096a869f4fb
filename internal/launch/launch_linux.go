//go:build amd64 || arm64

package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
)

// Run runs the program to its end. It returns an *Error, or one of the
// library's, if the program was not started or not let go on; nothing of it is
// left then.
//
// Run is for a process that does nothing else: it changes the handling of
// signals, and the thread that it runs on stays with it.
func (c *Command) Run() (Outcome, error) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		// What it says of a process would be of another one.
		return Outcome{}, failed("/proc must be mounted, as of this process's own pid namespace (mount -t proc proc /proc)", err)
	}
	conf, err := bridge.Confine(bridge.Target{
		Promises: c.Promises, Unveil: c.Unveil, Violation: policy.Notify, Lax: c.Violation == Log, AtExec: c.AtExec,
	})
	if err != nil {
		return Outcome{}, err
	}
	defer conf.Close()
	// The program's process is the child of this thread, and traced by it; it is
	// killed when this thread ends.
	runtime.LockOSThread()
	kernel.RestoreLimit()
	kernel.NoSIGCHLD()
	if !conf.Ruleset.Empty() {
		for _, fd := range kernel.Pin(conf.Ruleset, unix.O_PATH) {
			defer unix.Close(fd)
		}
	}
	ruleset, err := inheritableRuleset(conf.Ruleset)
	if err != nil {
		return Outcome{}, failed("landlock", err)
	}
	// no_new_privs is inherited. Set here, it holds before the program is
	// executed: no set-user-ID bit counts.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return Outcome{}, failed("prctl(PR_SET_NO_NEW_PRIVS)", err)
	}
	var pinned *unix.CPUSet
	start := func() (*kernel.Process, error) {
		fence := -1
		if !conf.Fence.Empty() {
			var err error
			if fence, err = kernel.CreateRuleset(conf.Fence, unix.O_PATH); err != nil {
				return nil, err
			}
			defer unix.Close(fence)
		}
		pinned = pin()
		return kernel.Fork(c.Path, c.Args, c.Env, fence)
	}
	supervise := func(p *kernel.Process) (Outcome, error) { return c.trace(p, conf, ruleset, pinned) }
	if c.AtExec {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return Outcome{}, failed("socketpair", err)
		}
		theirs, err := inheritable(pair[1])
		if err != nil {
			return Outcome{}, failed("fcntl", err)
		}
		start = func() (*kernel.Process, error) {
			defer unix.Close(theirs)
			return c.startStage(theirs, ruleset)
		}
		supervise = func(p *kernel.Process) (Outcome, error) { return c.atExec(p, conf, pair[0]) }
	}
	p, err := start()
	if err != nil {
		return Outcome{}, failed("starting a process", err)
	}
	defer p.Close()
	if ruleset >= 0 {
		unix.Close(ruleset) // the child has it
	}
	return supervise(p)
}

func failed(what string, err error) error {
	return &Error{Status: StatusFailed, Msg: what, Err: err}
}

// inheritableRuleset makes a descriptor of a ruleset that the program is
// executed with; -1 if the ruleset is empty.
func inheritableRuleset(r *landlock.Ruleset) (int, error) {
	if r.Empty() {
		return -1, nil
	}
	fd, err := kernel.CreateRuleset(r, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	return inheritable(fd)
}

// inheritable replaces a descriptor by one that outlives execve, out of the way
// of those that the program has and will open.
func inheritable(fd int) (int, error) {
	defer unix.Close(fd)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return -1, err
	}
	// A table of descriptors begins with 64: making it larger takes milliseconds.
	const high = 50
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD, int(min(high, limit.Cur/2)))
}

// trace takes the process to the entry point of its program, puts the filter in
// force there, and supervises it to its end.
func (c *Command) trace(p *kernel.Process, conf *bridge.Confinement, ruleset int, pinned *unix.CPUSet) (Outcome, error) {
	if err := kernel.Seize(p.PID, traceOptions); err != nil {
		p.Abandon()
		var ws unix.WaitStatus
		unix.Wait4(p.PID, &ws, 0, nil)
		if ws.Signaled() {
			return Outcome{Signal: ws.Signal()}, nil // somebody killed it
		}
		return Outcome{}, failed("cannot trace the program, as where another program traces or a container forbids it; try --at-exec", err)
	}
	kernel.HideMemory()
	p.Release()

	// What this thread need not do is done by others, while the program is
	// executed and loaded. It does not wait for them, which is slow where a thread
	// is locked, before it has to.
	signals := make(chan signals, 1)
	go func() { signals <- forwardSignals(p) }()
	type compiled struct {
		prog []bpf.Insn
		err  error
	}
	filter := make(chan compiled, 1)
	go func() {
		prog, err := conf.Compile(p.PID)
		filter <- compiled{prog, err}
	}()
	s := c.supervisor(p, conf)
	defer s.report.close()
	t := &tracee{
		pid: p.PID, threads: map[int]*thread{p.PID: {}},
		loading: conf.Loading(p.PID), reads: conf.Reads, refuse: s.refuse, ruleset: ruleset, pinned: pinned,
	}
	defer t.unpin()
	err := t.confine(func(in *injector) error {
		if ruleset >= 0 {
			if err := in.restrict(ruleset); err != nil {
				return err
			}
		}
		f := <-filter
		if f.err != nil {
			return f.err
		}
		var err error
		s.listener, err = in.installFilter(p.PIDFD, f.prog)
		return err
	})
	if err == nil {
		go s.run()
		go (<-signals).further()
		err = t.release()
	}
	if err == nil {
		return c.wait(p, s)
	}

	// Whatever failed, failed for no other reason if the process has been killed.
	if _, gone := kernel.GetStop(p.PID); gone == unix.ESRCH && err != errViolation && err != errEnded {
		err = gone
	}
	if err != errEnded {
		t.kill()
	}
	switch errno, executing := p.Failure(); {
	case errno != 0 && executing:
		return Outcome{}, c.notExecuted(errno)
	case errno != 0:
		return Outcome{}, failed("landlock_restrict_self", errno)
	case err == errViolation:
		return Outcome{Violated: true}, nil
	case errors.Is(err, errEnded), errors.Is(err, unix.ESRCH): // it exited, or somebody killed it
		return c.outcome(t.status, s), nil
	}
	var e *Error
	if errors.As(err, &e) {
		return Outcome{}, err
	}
	return Outcome{}, failed("cannot confine the program", err)
}

// supervisor makes one that has no listener yet.
func (c *Command) supervisor(p *kernel.Process, conf *bridge.Confinement) *supervisor {
	s := &supervisor{
		listener: -1, main: p.PID, violation: c.Violation, open: conf.Open,
		report: &reporter{out: c.Reports, promises: c.Promises, call: c.Describe, name: c.Names},
	}
	if s.report.call == nil {
		s.report.call = numeric
	}
	return s
}

// confine takes the process to the entry point of its program, and has it make
// the calls that confine it. All its threads are stopped then.
func (t *tracee) confine(calls func(*injector) error) error {
	if err := t.toExec(); err != nil {
		return err
	}
	tid, err := t.toEntry()
	if err != nil {
		return err
	}
	if err := t.hold(); err != nil {
		return err
	}
	return t.inject(tid, calls)
}

// wait waits for the end of the program. As init of a container or a pid
// namespace, it has the program's orphans to wait for, too.
func (c *Command) wait(p *kernel.Process, s *supervisor) (Outcome, error) {
	which := p.PID
	if os.Getpid() == 1 {
		which = -1
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(which, &ws, unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR:
		case err == nil && pid != p.PID:
		case err != nil:
			return Outcome{}, failed("waiting for the program", err)
		case ws.Stopped():
			stopAlong(p.PID)
		default:
			return c.outcome(ws, s), nil
		}
	}
}

func (c *Command) outcome(ws unix.WaitStatus, s *supervisor) Outcome {
	s.telling.Lock()
	defer s.telling.Unlock()
	switch {
	case ws.Exited():
		return Outcome{Status: ws.ExitStatus()}
	case s.violated && ws.Signal() == unix.SIGKILL:
		return Outcome{Violated: true}
	case ws.Signal() == unix.SIGSYS:
		// The kernel killed it without asking.
		s.report.print(fmt.Sprintf("pledge: %s: died of SIGSYS, which is what a system call of another architecture ends in, as of 32-bit code: no promise allows it\n", printable(filepath.Base(c.Path))))
		return Outcome{Violated: true}
	}
	return Outcome{Signal: ws.Signal()}
}

// notExecuted says why execve failed.
func (c *Command) notExecuted(e unix.Errno) error {
	err := &Error{Status: StatusNotExecutable, Msg: "cannot execute " + printable(c.Path), Err: e}
	switch e {
	case unix.ENOENT:
		if unix.Access(c.Path, unix.F_OK) == nil {
			return &Error{Status: StatusNotExecutable, Msg: err.Msg + ": its interpreter does not exist"}
		}
		err.Status = StatusNotFound
	case unix.ENOTDIR:
		err.Status = StatusNotFound
	case unix.ENOEXEC:
		return &Error{Status: StatusNotExecutable, Msg: err.Msg + ": it is no program of this machine, and no script with #! in its first line"}
	}
	return err
}
