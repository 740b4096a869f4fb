//go:build amd64 || arm64

package launch

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
)

// Run runs the program to its end. It returns an *Error, or one of the
// library's, if the program was not started or not let go on; nothing of it is
// left then.
//
// Run is for a process that does nothing else: it changes the handling of
// signals, and the thread that it runs on stays with it.
func (c *Command) Run() (Outcome, error) {
	if err := bridge.Check(c.target(0)); err != nil {
		return Outcome{}, err
	}
	signals := catchSignals() // slow on a locked thread
	// The program's process is the child of this thread, and traced by it; it is
	// killed when this thread ends.
	runtime.LockOSThread()
	kernel.RestoreLimit()
	// no_new_privs is inherited. Set here, it holds before the program is
	// executed: no set-user-ID bit counts.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return Outcome{}, failed("prctl(PR_SET_NO_NEW_PRIVS)", err)
	}
	p, err := kernel.Fork(c.Path, c.Args, c.Env)
	if err != nil {
		return Outcome{}, failed("fork", err)
	}
	defer unix.Close(p.PIDFD)
	signals.forwardTo(p)
	return c.trace(p)
}

func failed(what string, err error) error {
	return &Error{Status: StatusFailed, Msg: what, Err: err}
}

func (c *Command) target(pid int) bridge.Target {
	return bridge.Target{PID: pid, Promises: c.Promises, Unveil: c.Unveil, Violation: policy.Notify}
}

// trace takes the process to the entry point of its program, puts the filter in
// force there, and supervises it to its end.
func (c *Command) trace(p *kernel.Process) (Outcome, error) {
	if err := kernel.Seize(p.PID, traceOptions); err != nil {
		p.Abandon()
		unix.Wait4(p.PID, nil, 0, nil)
		return Outcome{}, failed("cannot trace the program, as where another program traces or a container forbids it; try --at-exec", err)
	}
	p.Release()

	report := c.reporter()
	defer report.close()
	t := &tracee{pid: p.PID, threads: map[int]*thread{p.PID: {}}}
	t.refuse = func(call policy.Data) action {
		report.print(report.describe(t.pid, call))
		switch c.Violation {
		case Errno:
			return fail
		case Log:
			return pass
		}
		return die
	}
	// The filter is compiled while the program is loaded.
	type compiled struct {
		*bridge.Confinement
		err error
	}
	confinement := make(chan compiled, 1)
	go func() {
		conf, err := bridge.Confine(c.target(p.PID))
		confinement <- compiled{conf, err}
	}()
	t.loading = bridge.Loading(c.target(p.PID))

	listener, err := t.confine(p.PIDFD, func() ([][]bpf.Insn, error) {
		conf := <-confinement
		if conf.err != nil {
			return nil, conf.err
		}
		return conf.Programs, nil
	})
	if err == nil {
		return c.supervise(p, listener, report)
	}
	if err != errEnded {
		t.kill()
	}
	switch errno := p.Failure(); {
	case errno != 0:
		return Outcome{}, c.notExecuted(errno)
	case err == errViolation:
		return Outcome{Violated: true}, nil
	case err == errEnded, errors.Is(err, unix.ESRCH): // it exited, or somebody killed it
		return c.outcome(t.status, false, report), nil
	}
	var e *Error
	if errors.As(err, &e) {
		return Outcome{}, err
	}
	return Outcome{}, failed("cannot confine the program", err)
}

// confine takes the process up to the point where it is confined and let go.
func (t *tracee) confine(pidfd int, programs func() ([][]bpf.Insn, error)) (listener int, err error) {
	if err := t.toExec(); err != nil {
		return -1, err
	}
	tid, err := t.toEntry()
	if err != nil {
		return -1, err
	}
	if err := t.hold(); err != nil {
		return -1, err
	}
	progs, err := programs()
	if err != nil {
		return -1, err
	}
	err = t.inject(tid, func(in *injector) error {
		for _, prog := range progs {
			if listener, err = in.installFilter(pidfd, prog); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return -1, err
	}
	return listener, t.release()
}

func (c *Command) reporter() *reporter {
	r := &reporter{out: c.Reports, promises: c.Promises, call: c.Describe, name: c.Names}
	if r.call == nil {
		r.call = numeric
	}
	return r
}

// supervise waits for the end of the program, which is confined.
func (c *Command) supervise(p *kernel.Process, listener int, report *reporter) (Outcome, error) {
	s := &supervisor{listener: listener, main: p.PID, violation: c.Violation, report: report}
	go s.run()
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(p.PID, &ws, unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return Outcome{}, failed("waiting for the program", err)
		case ws.Stopped():
			stopSelf()
			continueStopped(p)
		default:
			return c.outcome(ws, s.violated.Load(), report), nil
		}
	}
}

func (c *Command) outcome(ws unix.WaitStatus, violated bool, report *reporter) Outcome {
	switch {
	case ws.Exited():
		return Outcome{Status: ws.ExitStatus()}
	case violated && ws.Signal() == unix.SIGKILL:
		return Outcome{Violated: true}
	case ws.Signal() == unix.SIGSYS:
		// The kernel killed it without asking.
		report.print(fmt.Sprintf("pledge: %s: died of SIGSYS: a system call of another architecture, as of 32-bit code, is a violation\n", printable(filepath.Base(c.Path))))
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
