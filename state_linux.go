//go:build amd64 || arm64

package pledge

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
)

// inForce is what this process has pledged.
var inForce struct {
	sync.Mutex
	state State

	// What the newest filter holds the process to, which is not what state
	// says where BestEffort did without a filter.
	filtered  bool
	promises  Set
	violation policy.Verdict
}

func status() State {
	inForce.Lock()
	defer inForce.Unlock()
	return inForce.state
}

// pledge brings the process to the given promises and exec promises. It first
// decides, then makes sure that what it needs is there, and only then acts;
// installing the filter is the one act that can fail, and it fails as a whole.
func (c Config) pledge(promises, execpromises *string) error {
	if err := c.validate(); err != nil {
		return err
	}
	p, err := parse(promises)
	if err != nil {
		return err
	}
	e, err := parse(execpromises)
	if err != nil {
		return err
	}

	inForce.Lock()
	defer inForce.Unlock()
	next, err := inForce.state.next(p, e)
	if err != nil {
		return err
	}
	if p == nil {
		inForce.state = next
		return nil
	}

	if err := c.checkFiles(next.Promises); err != nil {
		return err
	}
	violation := c.violation(next.Promises)
	if inForce.filtered && next.Promises == inForce.promises && !stricter(violation, inForce.violation) {
		next.Seccomp = true
		inForce.state = next // all of it is in force already
		return nil
	}
	f, err := c.Compile(next.Promises)
	if err != nil {
		return err
	}
	next.Violation, next.Errno = c.Violation, 0
	if n, ok := violation.Errno(); ok {
		next.Violation, next.Errno = Errno, syscall.Errno(n)
	}
	switch err := checkSeccomp(violation); {
	case err == nil:
		prime(next.Promises)
		if err := kernel.InstallFilter(f.prog, wantsLog(violation)); err != nil {
			return installError(err)
		}
		next.Seccomp, next.Compiler = true, f.compiler
		inForce.filtered, inForce.promises, inForce.violation = true, next.Promises, violation
	case !c.BestEffort:
		return err
	default:
		next.Seccomp, next.Compiler = false, "" // not for these promises
	}
	inForce.state = next
	return nil
}

// stricter reports whether the kernel lets verdict a win over b, when two
// filters have different opinions (seccomp_run_filters: the lower action as a
// signed number).
func stricter(a, b policy.Verdict) bool {
	const action = 0xffff0000
	return int32(a&action) < int32(b&action)
}

// wantsLog reports whether the filter is to have the kernel's audit log report
// what it refuses. A kill and RET_LOG are reported without that flag; errnos
// would be with it, also soft refusals, one of which every new thread of a cgo
// process meets (clone3).
func wantsLog(violation policy.Verdict) bool {
	if cgoEnabled {
		return false
	}
	_, isErrno := violation.Errno()
	return isErrno || violation == policy.Trap
}

// checkSeccomp reports what the kernel lacks to enforce a filter with the given
// verdict for violations.
func checkSeccomp(violation policy.Verdict) error {
	const remedy = "Linux 4.14 or later is needed, with CONFIG_SECCOMP_FILTER, and a container that does not refuse seccomp(2)"
	for _, action := range []policy.Verdict{policy.KillProcess, violation} {
		switch ok, err := kernel.ActionAvailable(uint32(action) & unix.SECCOMP_RET_ACTION_FULL); {
		case err != nil:
			return &UnsupportedError{Missing: "seccomp(2) is not available", Remedy: remedy, Err: err}
		case !ok:
			return &UnsupportedError{Missing: "the kernel does not know the seccomp action " + Verdict(action).String(), Remedy: remedy}
		}
	}
	if err := kernel.FlagAvailable(unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
		return &UnsupportedError{Missing: "a seccomp filter cannot be installed on all threads", Remedy: remedy, Err: err}
	}
	return nil
}

func installError(err error) error {
	var e *kernel.InstallError
	if errors.As(err, &e) {
		return &InstallError{Op: e.Op, TID: e.TID, Err: e.Err}
	}
	return err
}

func supported() Features {
	has := func(action uint32) bool {
		ok, _ := kernel.ActionAvailable(action)
		return ok
	}
	tsync := kernel.FlagAvailable(unix.SECCOMP_FILTER_FLAG_TSYNC) == nil
	return Features{
		Seccomp:     kernel.FlagAvailable(0) == nil,
		ThreadSync:  tsync,
		KillProcess: has(unix.SECCOMP_RET_KILL_PROCESS),
		Log:         has(unix.SECCOMP_RET_LOG),
		UserNotify:  has(unix.SECCOMP_RET_USER_NOTIF),
		Landlock:    kernel.LandlockABI(),
	}
}
