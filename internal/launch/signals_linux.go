//go:build amd64 || arm64

package launch

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
)

// What the launcher does with signals is to be out of the way: what is sent to
// it, it sends on, and what a terminal sends to the process group, the program
// got too.

// signals are caught to be sent on.
type signals chan os.Signal

// forwardSignals begins with those that would end the launcher. From now on it
// stops and continues with its program only, and a report to a closed pipe does
// not end it. What ends it before ends the child, too.
//
// The program is not affected: caught signals are at their default again after
// execve(2), and those that are ignored are not caught.
func forwardSignals(p *kernel.Process) signals {
	s := make(signals, 64)
	s.notify(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	signal.Ignore(unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE)
	go func() {
		for sig := range s {
			switch sig {
			case unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGWINCH:
				if inForeground() {
					continue // the terminal's, which the program got as well
				}
			}
			if unix.PidfdSendSignal(p.PIDFD, sig.(unix.Signal), nil, 0) == unix.ESRCH {
				// The program has ended, and what this process still has to say is
				// not read.
				kernel.DieOf(sig.(unix.Signal))
			}
		}
	}()
	return s
}

// further adds the other signals, each of which takes its time. Go ignores them
// meanwhile.
func (s signals) further() {
	s.notify(unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGWINCH, unix.SIGVTALRM, unix.SIGIO, unix.SIGPWR, unix.SIGXCPU, unix.SIGXFSZ)
	for sig := unix.Signal(34); sig <= 64; sig++ { // SIGRTMIN to SIGRTMAX
		s.notify(sig)
	}
}

func (s signals) notify(sigs ...unix.Signal) {
	for _, sig := range sigs {
		if !signal.Ignored(sig) {
			signal.Notify(s, sig)
		}
	}
}

// inForeground reports whether the controlling terminal sends its signals to
// this process's group.
func inForeground() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// stopAlong stops the launcher, as its child has been, for a shell to see. When
// the launcher is continued it sees to it that the child is too, and when the
// child alone is, a waker continues the launcher.
func stopAlong(child int) {
	if continued(child) || os.Getpid() == 1 {
		return // meanwhile; or no signal stops this process
	}
	w := startWaker(child)
	// A signal to the thread, unlike one to the process, stops it before it gets
	// further.
	unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	if !w.end() && !continued(child) {
		unix.Kill(child, unix.SIGCONT)
	}
}

// continued reports whether a child that was stopped has been continued since it
// was last asked.
func continued(child int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, child, &info, unix.WCONTINUED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}
