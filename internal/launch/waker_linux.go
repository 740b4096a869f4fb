//go:build amd64 || arm64

package launch

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A waker is a process that continues the launcher when the child that it has
// stopped along with goes on: a process that is stopped itself hears of nothing.
type waker struct {
	pid int
	out *os.File
}

// wakerStage is how Stage is told what a waker waits for.
const wakerStage = "waker,%d"

// startWaker starts one. If that is not possible, the launcher waits for a
// SIGCONT of its own.
func startWaker(child int) waker {
	out, in, err := os.Pipe()
	if err != nil {
		return waker{}
	}
	defer in.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"pledge", "run", "--stage", fmt.Sprintf(wakerStage, child), "-p", "", "--", "waker"}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{in.Fd(), in.Fd(), in.Fd()},
		// In a group of its own, it is not stopped with the launcher's.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		out.Close()
		return waker{}
	}
	return waker{pid, out}
}

// end ends it and reports whether it was it that continued the launcher.
func (w waker) end() bool {
	if w.pid == 0 {
		return false
	}
	defer w.out.Close()
	unix.Kill(w.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(w.pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	said := make([]byte, len(woken))
	n, _ := w.out.Read(said)
	return string(said[:n]) == woken
}

const woken = "woken"

// wake is the waker: it continues its parent as soon as a process is not stopped
// any more, and until it is ended.
func wake(pid int) {
	const first, last = 10 * time.Millisecond, 640 * time.Millisecond
	for delay := first; ; delay = min(2*delay, last) {
		time.Sleep(delay)
		if !stopped(pid) {
			break
		}
	}
	os.Stdout.WriteString(woken)
	for {
		unix.Kill(os.Getppid(), unix.SIGCONT) // at first, it may not have stopped yet
		time.Sleep(first)
	}
}

// stopped reports whether a process is stopped and not about to go on: one that
// is traced does not before its tracer has seen to it.
func stopped(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	field := func(name string) string {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":\t"))
		value, _, _ := bytes.Cut(rest, []byte("\n"))
		return string(value)
	}
	for _, name := range []string{"SigPnd", "ShdPnd"} {
		if set, _ := strconv.ParseUint(field(name), 16, 64); set&(1<<(unix.SIGCONT-1)) != 0 {
			return false
		}
	}
	state := field("State")
	return strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t")
}
