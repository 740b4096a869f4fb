//go:build amd64 || arm64

package launch

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
)

// A supervisor answers the notifications of a filter: the violations of a
// program and of all its descendants.
type supervisor struct {
	listener  int
	main      int // the process that was launched
	violation Violation
	report    *reporter
	violated  atomic.Bool // the main process was killed for a violation
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
			return
		}
	}
}

// decide decides on one violation. What it says of it is as true as what it
// could read: the process can change its memory meanwhile. What it does depends
// on nothing that it read.
func (s *supervisor) decide(n *kernel.Notification) {
	pid := processOf(int(n.TID))
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(pidfd)
	}
	line := s.report.describe(pid, n.Call)
	if kernel.NotificationValid(s.listener, n.ID) != nil {
		return // pid may be another's by now
	}
	switch {
	case s.violation == Log:
		s.report.print(line)
		kernel.ContinueNotification(s.listener, n.ID)
		return
	case s.violation == Kill && err == nil:
		if pid == s.main {
			s.violated.Store(true)
		}
		s.report.print(line)
		if unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) == nil {
			awaitEnd(pidfd)
			return
		}
	default:
		s.report.print(line)
	}
	kernel.FailNotification(s.listener, n.ID, unix.ENOSYS)
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
