//go:build amd64 || arm64

package launch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/kernel"
)

// An injector makes a thread, which has stopped at the entry point, make system
// calls. All other threads must be held: they could change the memory that the
// calls are given, and close or use the descriptors that they return.
type injector struct {
	t     *tracee
	tid   int
	regs  kernel.Regs // at the entry point
	stops bool        // the process was told to stop meanwhile
}

// inject runs do, which makes calls, and leaves the thread as it was.
func (t *tracee) inject(tid int, do func(*injector) error) error {
	if err := t.entry.undo(tid); err != nil {
		return err
	}
	regs, err := kernel.GetRegs(tid)
	if err != nil {
		return err
	}
	mask, err := kernel.SignalMask(tid)
	if err != nil {
		return err
	}
	if err := kernel.SetSignalMask(tid, ^uint64(0)); err != nil {
		return err
	}
	mask |= t.blocked & (1 << (unix.SIGTRAP - 1)) // which the breakpoint cleared
	code, err := setPatch(tid, t.entry.addr, kernel.CallInstruction)
	if err != nil {
		return err
	}
	in := &injector{t: t, tid: tid, regs: regs}
	if err := do(in); err != nil {
		return err
	}
	if err := code.undo(tid); err != nil {
		return err
	}
	if err := kernel.SetSignalMask(tid, mask); err != nil {
		return err
	}
	if in.stops {
		if err := unix.Kill(t.pid, unix.SIGSTOP); err != nil {
			return err
		}
	}
	return regs.Set(tid)
}

// call makes one system call, and no other: what the thread does when it is let
// go on is not for its registers alone to say. Restartable sequences (rseq(2))
// make the kernel move it, and its code can be in memory that others write to.
// So it is stopped before the call happens, and behind it.
func (in *injector) call(name string, nr uintptr, args ...uint64) (uint64, error) {
	var all [6]uint64
	copy(all[:], args)
	if err := in.regs.Calling(nr, all).Set(in.tid); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	for entered := false; ; {
		if err := unix.PtraceSyscall(in.tid, 0); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		tid, ws, err := in.t.wait()
		if err != nil {
			return 0, err
		}
		if tid != in.tid {
			return 0, fmt.Errorf("%s: thread %d does not stay stopped", name, tid)
		}
		// All signals are blocked but SIGSTOP, which cannot be: later, unless
		// SIGCONT follows, which shows in a stop of its own. Another is a fault.
		switch sig := ws.StopSignal(); {
		case sig == syscallStop && entered:
			regs, err := kernel.GetRegs(tid)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			result, err := regs.Result()
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			return result, nil
		case sig == syscallStop:
			stop, err := kernel.GetStop(tid)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			if c := stop.Call; !stop.Entry || c.Arch != kernel.NativeArch || c.Nr != uint32(nr) || c.Args != all {
				return 0, fmt.Errorf("%s: the program makes another call instead", name)
			}
			entered = true
		case sig == unix.SIGSTOP, event(ws) == unix.PTRACE_EVENT_STOP && sig != unix.SIGTRAP:
			in.stops = true
		case event(ws) == unix.PTRACE_EVENT_STOP:
			in.stops = false
		default:
			return 0, fmt.Errorf("%s: the program gets %v instead", name, sig)
		}
	}
}

// restrict puts a Landlock ruleset in force, which the process has a descriptor
// of, and closes that.
func (in *injector) restrict(ruleset int) error {
	// The threads that are held cannot follow: each would have to restrict itself,
	// and with LANDLOCK_RESTRICT_SELF_TSYNC the call waits until they have.
	if n := len(in.t.threads); n > 1 {
		return &Error{Status: StatusFailed, Msg: fmt.Sprintf(
			"a library has started threads before the program begins, and Landlock would restrict only one of the %d; promises that mean any file, as rpath and wpath together, do without it, and so does --at-exec", n)}
	}
	if _, err := in.call("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, uint64(ruleset), 0); err != nil {
		return err
	}
	_, err := in.call("close", unix.SYS_CLOSE, uint64(ruleset))
	return err
}

// installFilter puts a program in force on all threads of the process, and
// returns the descriptor on which its notifications arrive. The process does
// not keep it: who holds it could let calls through.
func (in *injector) installFilter(pidfd int, prog []bpf.Insn) (listener int, err error) {
	size := uint64(len(kernel.ProgramImage(prog, 0)))
	addr, err := in.call("mmap", unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uint64(0), 0)
	if err != nil {
		return -1, err
	}
	image := kernel.ProgramImage(prog, addr)
	if err := kernel.WriteMemory(in.t.pid, addr, image); err != nil {
		return -1, fmt.Errorf("process_vm_writev: %w", err)
	}
	fd, err := in.call("seccomp", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, filterFlags(), addr)
	if err != nil {
		return -1, err
	}
	listener, err = unix.PidfdGetfd(pidfd, int(fd), 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd, which containers may forbid; try --at-exec: %w", err)
	}
	if _, err = in.call("close", unix.SYS_CLOSE, fd); err == nil {
		_, err = in.call("munmap", unix.SYS_MUNMAP, addr, size)
	}
	if err == nil && kernel.NotificationValid(listener, 0) != unix.ENOENT {
		err = fmt.Errorf("seccomp: descriptor %d is no listener", fd)
	}
	if err != nil {
		unix.Close(listener)
		return -1, err
	}
	return listener, nil
}

// filterFlags are for a filter that notifies, on all threads or on none.
func filterFlags() uint64 {
	return unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | killableFlag()
}

// killableFlag is the flag, if the kernel knows it (Linux 5.19), with which
// signals do not interrupt a thread that the supervisor has heard of, unless
// they kill it. Without it, such a thread tries again.
func killableFlag() uint64 {
	const flag = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	if kernel.FlagAvailable(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flag) == nil {
		return flag
	}
	return 0
}
