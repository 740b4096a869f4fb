//go:build amd64 || arm64

package launch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// A supervisor answers the notifications of a filter: the violations of a
// program and of all its descendants.
type supervisor struct {
	listener  int
	main      int // the process that was launched
	violation Violation
	open      func(call *policy.Data, path string) policy.Verdict // decides of opens
	report    *reporter
	starts    atomic.Bool // the main process has yet to execute its program

	telling  sync.Mutex // held from killing to having told
	violated bool       // the main process was killed for a violation
}

// run answers until nobody is left to ask.
func (s *supervisor) run() {
	for {
		n, err := kernel.ReceiveNotification(s.listener)
		switch err {
		case nil:
			s.decide(n)
		case unix.EINTR:
		case unix.ENOENT:
			// A thread is gone, or all are (Linux 6.11).
			fds := []unix.PollFd{{Fd: int32(s.listener)}}
			if unix.Poll(fds, 0); fds[0].Revents&unix.POLLHUP != 0 {
				return
			}
		default:
			unix.Close(s.listener) // those who would have asked get ENOSYS
			return
		}
	}
}

// decide decides on one call: a violation, or an open of a file that the
// promises may mean. What was read of the process may have been changed while it
// was read, and may change before the kernel looks again. So nothing that it
// says lets a violation through: an open that goes on is subject to Landlock,
// which knows the file.
func (s *supervisor) decide(n *kernel.Notification) {
	pid := processOf(int(n.TID))
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(pidfd)
	}
	if pid == s.main && sysnum.Name(n.Call.Nr) == "execve" && s.starts.Load() {
		// Before Linux 5.19 a signal interrupts it: then it comes again.
		if kernel.ContinueNotification(s.listener, n.ID) == nil {
			s.starts.Store(false)
		}
		return
	}
	path := openedPath(int(n.TID), &n.Call)
	verdict := policy.KillProcess
	if path != "" && s.violation != Log {
		verdict = s.open(&n.Call, path)
	}
	if errno, ok := verdict.Errno(); ok {
		kernel.FailNotification(s.listener, n.ID, unix.Errno(errno))
		return
	}
	if verdict == policy.Allow {
		kernel.ContinueNotification(s.listener, n.ID)
		return
	}

	line := s.report.describe(pid, &n.Call, path)
	if kernel.NotificationValid(s.listener, n.ID) != nil {
		return // the process may be another by now
	}
	switch {
	case s.violation == Log:
		s.report.print(line)
		kernel.ContinueNotification(s.listener, n.ID)
		return
	case s.violation == Kill && err == nil && s.kill(pid, pidfd, line):
		awaitEnd(pidfd)
		return
	}
	s.report.print(line)
	kernel.FailNotification(s.listener, n.ID, unix.ENOSYS)
}

// kill kills a process for a violation, and tells of it: the other way round, it
// would live for as long as nobody reads what is told.
func (s *supervisor) kill(pid, pidfd int, line string) bool {
	s.telling.Lock()
	defer s.telling.Unlock()
	if unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) != nil {
		return false
	}
	s.violated = s.violated || pid == s.main
	s.report.print(line)
	return true
}

// refuse decides on a violation of the main process before there is a filter:
// Landlock is not in force either, and no open can be let through.
func (s *supervisor) refuse(call *policy.Data) action {
	path := openedPath(s.main, call)
	if path != "" && s.violation != Log && s.open(call, path) != policy.KillProcess {
		return deny
	}
	s.report.print(s.report.describe(s.main, call, path))
	switch s.violation {
	case Errno:
		return fail
	case Log:
		return pass
	}
	return die
}

// openedPath returns the path that a thread is about to open, or to look at,
// absolute and clean; "" if the call does neither or it cannot be read.
func openedPath(tid int, call *policy.Data) string {
	dir, arg := "cwd", call.Args[0]
	switch sysnum.Name(call.Nr) {
	case "open", "creat", "stat":
	case "openat", "newfstatat":
		arg = call.Args[1]
		if fd := int32(call.Args[0]); fd != unix.AT_FDCWD {
			dir = fmt.Sprintf("fd/%d", fd)
		}
	default:
		return ""
	}
	path, err := kernel.ReadString(tid, arg)
	if err != nil || path == "" {
		return ""
	}
	if !filepath.IsAbs(path) {
		base, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", tid, dir))
		if err != nil {
			return ""
		}
		path = filepath.Join(base, path)
	}
	return filepath.Clean(path)
}

// awaitEnd waits for a killed process to end, so that the other threads of one
// that has many are not heard. It does not take long, and if it does, others
// wait for their answers no longer.
func awaitEnd(pidfd int) {
	const milliseconds = 100
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, milliseconds); err != unix.EINTR {
			return
		}
	}
}

// processOf returns the process that a thread belongs to; the thread itself if
// that cannot be found out.
func processOf(tid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	_, rest, _ := bytes.Cut(status, []byte("\nTgid:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if pid, err := strconv.Atoi(string(line)); err == nil {
		return pid
	}
	return tid
}
