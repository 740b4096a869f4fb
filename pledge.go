package pledge

import (
	"fmt"
	"syscall"
)

// Pledge restricts the process, every thread of it, to the given promises. A
// later call can only give promises up. Exec promises stay as they are. It is
// short for Config{}.Pledge(promises).
func Pledge(promises string) error { return Config{}.Pledge(promises) }

// PledgeExec sets the promises that executed programs start with. It is short
// for Config{}.PledgeExec(execpromises).
func PledgeExec(execpromises string) error { return Config{}.PledgeExec(execpromises) }

// PledgeBoth sets both at once. It is short for
// Config{}.PledgeBoth(promises, execpromises).
func PledgeBoth(promises, execpromises string) error {
	return Config{}.PledgeBoth(promises, execpromises)
}

// A Violation says what happens to a call that no promise allows.
type Violation uint8

const (
	// Kill ends the whole process with SIGSYS, uncatchably, as OpenBSD does
	// with SIGABRT. It is the default.
	Kill Violation = iota
	// Trap sends SIGSYS to the thread that made the call: the Go runtime prints
	// the call, the goroutine and its source line, and exits with status 2. It
	// is meant for development: C code can catch the signal, and a Go program
	// dies without a word where the signal is blocked.
	Trap
	// Errno makes the call fail with Config.Errno.
	Errno
	// Log lets the call happen and has the kernel's audit log say so. It
	// protects nothing; it finds the promises that a program needs.
	Log
)

var violationNames = [...]string{"kill", "trap", "errno", "log"}

// String returns the name in lower case.
func (v Violation) String() string {
	if int(v) < len(violationNames) {
		return violationNames[v]
	}
	return fmt.Sprintf("violation(%d)", uint8(v))
}

// A Config says how promises are enforced. The zero value is OpenBSD's
// behaviour and what the package-level functions use.
type Config struct {
	// Violation is what happens to a call that no promise allows. The promise
	// "error" overrules it: violations then return ENOSYS. A call that an earlier
	// Pledge refused is still answered as that one said.
	Violation Violation
	// Errno is what a violation returns when Violation is Errno; zero means
	// ENOSYS. It counts when a set of promises comes into force: pledging the
	// same set again with another errno changes nothing. The largest is 4094;
	// with another Violation it must be zero.
	Errno syscall.Errno
	// BestEffort makes do without a mechanism that the kernel lacks instead of
	// failing with an *UnsupportedError. What is in force then, [Status] says. It
	// accepts also promises whose files Landlock cannot tell apart, which then
	// cannot be opened (EACCES), and an unveil together with "unix" before Linux
	// 7.1, which then hides no local sockets. On systems without pledge it does
	// nothing.
	BestEffort bool
}

// maxErrno is the largest errno that the kernel and Go have the same idea of:
// Go takes the next one, 4095, for a result.
const maxErrno = 4094

// validate reports a Config that means nothing.
func (c Config) validate() error {
	switch {
	case int(c.Violation) >= len(violationNames):
		return fmt.Errorf("pledge: Config.Violation %d is none of Kill, Trap, Errno and Log: %w", uint8(c.Violation), syscall.EINVAL)
	case c.Errno != 0 && c.Violation != Errno:
		return fmt.Errorf("pledge: Config.Errno goes with Violation: Errno, not %v: %w", c.Violation, syscall.EINVAL)
	case c.Errno > maxErrno:
		return fmt.Errorf("pledge: Config.Errno %d is no errno; the largest is %d: %w", uint(c.Errno), uint(maxErrno), syscall.EINVAL)
	}
	return nil
}

// Pledge restricts the process, every thread of it, to the given promises; see
// [Parse] for the form of the string. From the first call on, promises can
// only be given up: naming one that is not held is a [*WidenError], unless
// "error" is held, in which case it is left out silently. Naming the promises
// that are in force already changes nothing.
//
// When Pledge returns nil, all threads are restricted, and so is what they
// start from then on; other processes and open descriptors stay as they were.
// When it returns an error, no thread is restricted and nothing has changed, but
// for what [InstallError] says. It may be called from any goroutine, from init
// functions, and concurrently. It prints nothing, unless, in a cgo build before
// Linux 7.0, Landlock has restricted some threads and another one refuses: there
// is no way back from there, so that the process says so and ends by SIGKILL.
//
// The errors are [*PromiseError], [*WidenError], [*UnsupportedError] and
// [*InstallError]; [*fs.PathError] if it puts an unveil in force, as
// [Config.UnveilBlock] does; and EINVAL for a Config that means nothing.
func (c Config) Pledge(promises string) error { return c.pledge(&promises, nil) }

// PledgeExec sets the promises that programs started with execve(2) are to
// have. On Linux a filter outlives execve and can only grow stricter, so an
// executed program has at most the promises of the process that starts it:
//
//   - a process without "exec" cannot start programs: the exec promises are
//     remembered and have no effect;
//   - exec promises that include all the promises of the process are
//     remembered, and children have the promises of the process;
//   - fewer exec promises than that cannot be enforced and are an
//     [*UnsupportedError], and so are any before the first Pledge: use
//     [Config.PledgeBoth] there.
//
// Like promises, exec promises can only be given up once they are set. The errors
// are those of [Config.Pledge].
func (c Config) PledgeExec(execpromises string) error { return c.pledge(nil, &execpromises) }

// PledgeBoth does what [Config.Pledge] and [Config.PledgeExec] do, both or
// neither. PledgeBoth(promises, "") with no "exec" among the promises is what
// programs on OpenBSD write as pledge(promises, "").
func (c Config) PledgeBoth(promises, execpromises string) error {
	return c.pledge(&promises, &execpromises)
}

// A State is what [Status] reports.
type State struct {
	Pledged      bool // a Pledge or PledgeBoth has succeeded; Seccomp says whether a filter enforces it
	Promises     Set  // the promises in force, if Pledged
	ExecPledged  bool // exec promises have been set
	ExecPromises Set  // the exec promises, if ExecPledged

	Violation Violation     // what happens to a violation, if Pledged
	Errno     syscall.Errno // what a violation returns, with Violation Errno

	Unveil   UnveilState    // how far the process is with unveil
	Unveiled []UnveiledPath // what has been unveiled, sorted by path

	Seccomp  bool   // a filter holds all threads to Promises; false where BestEffort did without
	Compiler string // what made it: "libseccomp 2.5.4" or "bpf"; "" when there is none
	Landlock int    // the ABI by which paths, ports or signals are restricted; 0 if nothing needed it

	hidden bool // an unveil has been enforced
}

// Status returns what this package has put in force in this process. What the
// process inherited from the program that started it is not known and not
// part of it.
func Status() State { return status() }

// Features says what the kernel, and the container that the process may live
// in, offers.
type Features struct {
	Seccomp     bool // seccomp(2) filters
	ThreadSync  bool // one filter for all threads at once (Linux 3.17)
	KillProcess bool // SECCOMP_RET_KILL_PROCESS (Linux 4.14)
	Log         bool // SECCOMP_RET_LOG (Linux 4.14)
	UserNotify  bool // SECCOMP_RET_USER_NOTIF (Linux 5.0)
	Landlock    int  // the ABI of Landlock (Linux 5.13 has 1), 0 without it
}

// Supported probes what Linux offers, without installing anything; see
// seccomp(2) and landlock(7). Elsewhere the answer is the zero Features, on
// OpenBSD too, where Pledge works nevertheless: look at its error, not at this,
// to know whether it did.
func Supported() Features { return supported() }
