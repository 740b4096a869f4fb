// Package launch starts a program under promises that the program knows nothing
// of, and supervises it.
//
// The program is traced with ptrace(2) from its execve(2) to its ELF entry
// point, AT_ENTRY, where the kernel and the dynamic loader are done and nothing
// of the program itself has run. There it is made to put the filter in force on
// itself, by system calls that the launcher injects; then it is let go. So the
// promises need not cover what it takes to execute and load a program, whatever
// its libc, static or not.
//
// Loading is not free of charge: the ELF interpreter, preloaded libraries and
// constructors are code that somebody else may have chosen. Every call they make
// is judged before it happens, by the same rules as later, with what loading
// takes added; see bridge.Loading.
//
// The filter's verdict on a violation is to notify a supervisor:
// seccomp_unotify(2). It says what was tried and which promise would allow it,
// and kills. When the supervisor is gone, the kernel fails these calls with
// ENOSYS: a violation never takes effect for want of a supervisor.
package launch

import (
	"io"
	"syscall"

	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/policy"
)

// A Violation is what becomes of a program that breaks its promises.
type Violation string

const (
	Kill  Violation = "kill"  // it is killed
	Errno Violation = "errno" // the call fails with ENOSYS
	Log   Violation = "log"   // the call is let through, which protects nothing
)

// A Command is a program to start, and what holds it.
type Command struct {
	Path      string        // its file
	Args      []string      // its arguments, with the name in front
	Env       []string      // its environment
	Promises  uint64        // a pledge.Set
	Unveil    []bridge.Path // what it may see; none: everything
	Violation Violation
	AtExec    bool // filter before execve(2) instead of tracing up to the entry point

	// Reports has one line for each violation, in one write.
	Reports io.Writer
	// Names puts a set of promises into words.
	Names func(promises uint64) string
	// Describe puts a call into words, as openat("/etc/shadow", O_RDONLY). The
	// process waits meanwhile, but its memory can change.
	Describe func(pid int, call policy.Data) string
}

// An Outcome is how a program ended.
type Outcome struct {
	Status   int            // its exit status, if nothing else is set
	Signal   syscall.Signal // the signal that it died of
	Violated bool           // it was killed for a violation
}

// An Error says why a program was not started, or not let go on.
type Error struct {
	Status int // 125: the launcher failed; 126: the program cannot be executed; 127: there is none
	Msg    string
	Err    error
}

// The exit statuses of a launcher: those of env(1) and nohup(1), and what a
// shell makes of SIGSYS.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
	StatusViolation     = 159
)

func (e *Error) Error() string {
	if e.Err == nil {
		return "pledge: " + e.Msg
	}
	return "pledge: " + e.Msg + ": " + e.Err.Error()
}

// Unwrap returns the error of the system call that failed, if one did.
func (e *Error) Unwrap() error { return e.Err }
