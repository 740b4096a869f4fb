//go:build amd64 || arm64

package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// traceOptions make the kernel kill the process if the launcher dies, report
// its execve, trace the threads and processes that it starts, and tell stops at
// system calls from others.
const traceOptions = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEEXEC |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK

// A tracee is a process on its way to its entry point. All methods run on the
// thread that traces it.
type tracee struct {
	pid     int
	threads map[int]*thread
	loading *policy.Policy
	reads   func(path string) bool    // bridge.Confinement.Reads
	refuse  func(*policy.Data) action // what becomes of a violation
	ruleset int                       // the descriptor of a Landlock ruleset, or -1
	entry   patch                     // the breakpoint at the entry point
	pinned  *unix.CPUSet              // where the process may run, while it shares a processor with its tracer
	blocked uint64                    // the signals that were blocked at the execve

	status unix.WaitStatus // how it ended, with errEnded
}

// A thread of the process.
type thread struct {
	stopped bool
	signal  unix.Signal // what it stopped for and is to get when it goes on
}

// An action is what becomes of a violation.
type action int

const (
	die  action = iota
	fail        // with ENOSYS
	deny        // with EACCES
	pass
)

var (
	// errEnded means that the process has ended; tracee.status says how.
	errEnded = errors.New("pledge: the process has ended")
	// errViolation means that it is to end for a violation.
	errViolation = errors.New("pledge: the process broke its promises")
)

// A patch is machine code that stands in a process in place of other.
type patch struct {
	addr uint64
	old  []byte
}

func setPatch(tid int, addr uint64, code []byte) (patch, error) {
	p := patch{addr, make([]byte, len(code))}
	if err := kernel.Peek(tid, addr, p.old); err != nil {
		return p, err
	}
	return p, kernel.Poke(tid, addr, code)
}

func (p patch) undo(tid int) error { return kernel.Poke(tid, p.addr, p.old) }

// toExec waits for the process to execute its program, and prepares it for
// being traced up to its entry point.
func (t *tracee) toExec() error {
	for {
		tid, ws, err := t.wait()
		if err != nil {
			return err
		}
		if event(ws) == unix.PTRACE_EVENT_EXEC {
			break
		}
		if err := t.resume(tid, ws); err != nil {
			return err
		}
	}
	t.threads[t.pid].stopped = true
	entry, entryErr := entryPoint(t.pid)
	stop, err := kernel.GetStop(t.pid)
	if err != nil {
		return err
	}
	if errors.Is(entryErr, fs.ErrPermission) {
		return fmt.Errorf("a program whose file is not readable cannot be stopped at its entry point, try --at-exec: %w", entryErr)
	}
	if entryErr != nil || stop.Call.Arch != kernel.NativeArch {
		return &Error{Status: StatusNotExecutable, Msg: "it is not a 64-bit program of this machine's own architecture, whose system calls would be violations"}
	}
	if t.blocked, err = kernel.SignalMask(t.pid); err != nil {
		return err
	}
	if t.entry, err = setPatch(t.pid, entry, kernel.Breakpoint); err != nil {
		return &Error{Status: StatusNotExecutable, Msg: "there is nothing at its entry point", Err: err}
	}
	return t.goOn(t.pid, 0)
}

// pin keeps this thread, and the child that it is about to make, on one
// processor. They take turns, tens of times, and to wake each other there takes
// a fraction of the time that it takes on two. It returns where they may run
// otherwise.
func pin() *unix.CPUSet {
	var may, here unix.CPUSet
	cpu, err := kernel.CPU()
	if err != nil || unix.SchedGetaffinity(0, &may) != nil || may.Count() < 2 {
		return nil
	}
	here.Set(cpu)
	if unix.SchedSetaffinity(0, &here) != nil {
		return nil
	}
	return &may
}

// unpin takes that back. Threads that have been started meanwhile have it from
// the others.
func (t *tracee) unpin() {
	if t.pinned == nil {
		return
	}
	for tid := range t.threads {
		unix.SchedSetaffinity(tid, t.pinned)
	}
	unix.SchedSetaffinity(0, t.pinned)
	t.pinned = nil
}

// entryPoint returns the address at which a program begins once it is loaded:
// AT_ENTRY of getauxval(3).
func entryPoint(pid int) (uint64, error) {
	const atEntry = 9
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	for pair := range slices.Chunk(auxv, 16) {
		if len(pair) == 16 && binary.NativeEndian.Uint64(pair) == atEntry {
			return binary.NativeEndian.Uint64(pair[8:]), nil
		}
	}
	return 0, unix.ENOEXEC
}

// toEntry lets the process run up to its entry point, judging every call, and
// returns the thread that stopped there. Its registers say that it is there.
func (t *tracee) toEntry() (int, error) {
	for {
		tid, ws, err := t.wait()
		if err != nil {
			return 0, err
		}
		if at, err := t.atEntry(tid, ws); at || err != nil {
			return tid, err
		}
		if ws.StopSignal() == syscallStop {
			if err := t.judge(tid); err != nil {
				return 0, err
			}
		}
		if err := t.resume(tid, ws); err != nil {
			return 0, err
		}
	}
}

// syscallStop is the signal of stops at system calls: PTRACE_O_TRACESYSGOOD.
const syscallStop = unix.SIGTRAP | 0x80

// event returns the PTRACE_EVENT_* of a stop, 0 if it is none.
func event(ws unix.WaitStatus) int { return int(ws >> 16) }

// wait waits for a thread to stop.
func (t *tracee) wait() (int, unix.WaitStatus, error) {
	for {
		if tid, ws, err := t.next(); err != nil || ws.Stopped() {
			return tid, ws, err
		}
	}
}

// next waits for a thread to stop, or to end, which is then forgotten.
func (t *tracee) next() (int, unix.WaitStatus, error) {
	var ws unix.WaitStatus
	tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
	for err == unix.EINTR {
		tid, err = unix.Wait4(-1, &ws, unix.WALL, nil)
	}
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("waiting for the program: %w", err)
	case ws.Stopped():
		if t.threads[tid] == nil {
			t.threads[tid] = new(thread) // it may stop before its parent's stop tells of it
		}
		t.threads[tid].stopped = true
	case tid == t.pid:
		delete(t.threads, tid)
		t.status = ws
		return 0, 0, errEnded
	default:
		delete(t.threads, tid)
	}
	return tid, ws, nil
}

// atEntry reports whether a thread has come to the entry point, and if so makes
// its registers say so.
func (t *tracee) atEntry(tid int, ws unix.WaitStatus) (bool, error) {
	if ws.StopSignal() != unix.SIGTRAP || event(ws) != 0 {
		return false, nil
	}
	code, err := kernel.SignalCode(tid)
	if err != nil {
		return false, ended(err)
	}
	regs, err := kernel.GetRegs(tid)
	if err != nil {
		return false, ended(err)
	}
	if code != kernel.BreakpointCode || regs.PC() != t.entry.addr+kernel.BreakpointLen {
		return false, nil
	}
	return true, ended(regs.At(t.entry.addr).Set(tid))
}

// judge decides what becomes of the call that a thread stopped at, before it
// happens.
func (t *tracee) judge(tid int) error {
	stop, err := kernel.GetStop(tid)
	if err != nil || !stop.Entry {
		return ended(err)
	}
	switch sysnum.Name(stop.Call.Nr) {
	case "sched_getaffinity", "sched_setaffinity", // it is not to be noticed
		"clone": // and a new thread has it, unknown to unpin at first
		t.unpin()
	}
	if t.ruleset >= 0 && replaces(&stop.Call, uint64(t.ruleset)) {
		return ended(kernel.CancelCall(tid, unix.EBADF))
	}
	verdict := t.loading.Evaluate(&stop.Call)
	if errno, ok := verdict.Errno(); ok {
		return ended(kernel.CancelCall(tid, unix.Errno(errno)))
	}
	if verdict == policy.Allow {
		if tid == t.pid && sysnum.Name(stop.Call.Nr) == "exit" {
			if err := t.findThreads(); err != nil {
				return err
			}
			if len(t.threads) > 1 { // it would not be heard of before they have ended
				return &Error{Status: StatusFailed, Msg: "a library ends the main thread before the program begins"}
			}
		}
		if t.reads == nil || !opensToRead(&stop.Call) {
			return nil
		}
		if e := t.refuseToRead(tid, &stop.Call); e != 0 {
			return ended(kernel.CancelCall(tid, e))
		}
		return nil
	}
	switch a := t.refuse(&stop.Call); {
	case a == die || verdict == policy.KillProcess:
		return errViolation
	case a == deny:
		return ended(kernel.CancelCall(tid, unix.EACCES))
	case a == fail || escapes(stop.Call.Nr):
		return ended(kernel.CancelCall(tid, unix.ENOSYS))
	}
	return nil
}

// resume lets a thread go on from a stop that needs nothing else.
func (t *tracee) resume(tid int, ws unix.WaitStatus) error {
	sig := ws.StopSignal()
	switch {
	case sig == syscallStop:
		sig = 0
	case event(ws) == unix.PTRACE_EVENT_STOP && sig != unix.SIGTRAP: // the process was stopped by a signal
		if tid == t.pid {
			stopAlong(t.pid)
		}
		t.threads[tid].stopped = false
		return ended(kernel.Listen(tid))
	case event(ws) != 0:
		sig = 0
	}
	return t.goOn(tid, sig)
}

// goOn lets a stopped thread run to its next system call.
func (t *tracee) goOn(tid int, sig unix.Signal) error {
	t.threads[tid].stopped = false
	return ended(unix.PtraceSyscall(tid, int(sig)))
}

// ended forgives an error that means that a thread has been killed: that it has
// ended is still to be waited for.
func ended(err error) error {
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// hold stops all threads, wherever they are.
func (t *tracee) hold() error {
	for {
		if err := t.findThreads(); err != nil {
			return err
		}
		if !t.running() {
			return nil // and none of them can start another
		}
		for tid, th := range t.threads {
			if !th.stopped {
				if err := ended(unix.PtraceInterrupt(tid)); err != nil {
					return err
				}
			}
		}
		for t.running() {
			tid, ws, err := t.next()
			if err != nil {
				return err
			}
			if !ws.Stopped() {
				continue // it may have been the last that ran
			}
			at, err := t.atEntry(tid, ws)
			if err != nil {
				return err
			}
			switch {
			case ws.StopSignal() == syscallStop:
				// The kernel has decided already that there is no filter that it
				// has to ask about this call.
				if err := t.judge(tid); err != nil {
					return err
				}
			case !at && event(ws) == 0:
				t.threads[tid].signal = ws.StopSignal()
			}
		}
	}
}

// findThreads makes known those that have been started and have not stopped
// for the first time yet.
func (t *tracee) findThreads() error {
	tids, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", t.pid))
	if err != nil {
		return fmt.Errorf("looking for threads: %w", err)
	}
	for _, e := range tids {
		if tid, err := strconv.Atoi(e.Name()); err == nil && t.threads[tid] == nil {
			t.threads[tid] = new(thread)
		}
	}
	return nil
}

func (t *tracee) running() bool {
	for _, th := range t.threads {
		if !th.stopped {
			return true
		}
	}
	return false
}

// release lets all threads go. The first of them can end the process, and the
// others with it: they are waited for, as the process has not ended before its
// tracer knows of them.
func (t *tracee) release() error {
	t.unpin()
	for tid, th := range t.threads {
		err := kernel.Detach(tid, th.signal)
		if err == unix.ESRCH && tid != t.pid {
			_, err = unix.Wait4(tid, nil, unix.WALL, nil)
		}
		if err := ended(err); err != nil {
			return err
		}
	}
	return nil
}

// kill kills the process and waits for its end.
func (t *tracee) kill() {
	unix.Kill(t.pid, unix.SIGKILL)
	for {
		if _, _, err := t.wait(); err != nil {
			return
		}
	}
}

// replaces reports whether a call can close a descriptor or put another in its
// place.
func replaces(call *policy.Data, fd uint64) bool {
	arg := func(i int) uint64 { return uint64(uint32(call.Args[i])) }
	switch sysnum.Name(call.Nr) {
	case "close":
		return arg(0) == fd
	case "dup2", "dup3":
		return arg(1) == fd
	case "close_range":
		return arg(0) <= fd && fd <= arg(1)
	}
	return false
}

// opensToRead reports whether a call opens a file to read.
func opensToRead(call *policy.Data) bool {
	switch sysnum.Name(call.Nr) {
	case "open":
		return call.Args[1]&unix.O_ACCMODE != unix.O_WRONLY
	case "openat":
		return call.Args[2]&unix.O_ACCMODE != unix.O_WRONLY
	}
	return false
}

// consulted are files that the dynamic loader reads, and that libraries do which
// want to know what machine they are on.
var consulted = []string{
	"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path",
	"/proc/cpuinfo", "/proc/meminfo", "/proc/filesystems", "/proc/stat", "/proc/sys/vm/overcommit_memory", "/proc/sys/crypto/fips_enabled",
	"/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible", "/sys/kernel/mm/transparent_hugepage/enabled",
	"/dev/urandom",
}

// consultedOwn are such files about the process itself, as it names them.
var consultedOwn = []string{"/proc/self/maps", "/proc/self/auxv", "/proc/self/status", "/proc/self/cmdline"}

// refuseToRead returns the errno for a thread that opens a file to read before
// its program begins, or 0 if it may. Beside what it may read later, that is ELF
// files, which are code, and what is consulted.
func (t *tracee) refuseToRead(tid int, call *policy.Data) unix.Errno {
	// One that has not stopped for the first time yet runs before the call happens.
	if t.findThreads() != nil || len(t.threads) > 1 {
		return unix.EACCES // others could change the path
	}
	dir, arg := int32(unix.AT_FDCWD), call.Args[0]
	if sysnum.Name(call.Nr) == "openat" {
		dir, arg = int32(call.Args[0]), call.Args[1]
	}
	path, err := kernel.ReadString(tid, arg)
	if err != nil {
		return unix.EFAULT
	}
	if slices.Contains(consultedOwn, path) {
		return 0
	}
	fd, err := openAs(tid, dir, path)
	if err == unix.ENOENT {
		return unix.ENOENT
	}
	if err != nil {
		return unix.EACCES
	}
	defer unix.Close(fd)
	own := fmt.Sprintf("/proc/self/fd/%d", fd)
	real, err := os.Readlink(own)
	if err == nil && (slices.Contains(consulted, real) || t.reads(real) || isELF(fd, own)) {
		return 0
	}
	return unix.EACCES
}

// openAs opens a path with O_PATH as a thread would, but does not follow links
// in /proc: they lead the thread elsewhere than the launcher.
func openAs(tid int, dir int32, path string) (int, error) {
	at := fmt.Sprintf("/proc/%d/cwd", tid)
	if dir != unix.AT_FDCWD {
		at = fmt.Sprintf("/proc/%d/fd/%d", tid, dir)
	}
	base := unix.AT_FDCWD
	if !filepath.IsAbs(path) {
		var err error
		if base, err = unix.Open(at, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return -1, err
		}
		defer unix.Close(base)
	}
	return unix.Openat2(base, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
}

// isELF reports whether an open file is an ELF file with code. Core dumps, and
// /proc/kcore, are what was in memory.
func isELF(fd int, path string) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	header := make([]byte, 18)
	if _, err := f.ReadAt(header, 0); err != nil || string(header[:4]) != "\x7fELF" {
		return false
	}
	kind := binary.NativeEndian.Uint16(header[16:])
	return kind == unix.ET_EXEC || kind == unix.ET_DYN
}

// escapes reports whether a call makes a process or executes a program, which
// cannot be let through before there is a filter, not even where violations
// are.
func escapes(nr uint32) bool {
	switch sysnum.Name(nr) {
	case "clone", "fork", "vfork", "execve", "execveat":
		return true
	}
	return false
}
