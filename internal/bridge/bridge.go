// Package bridge lets the launcher use what the promise table knows, without
// making it part of the library's face. The root package fills it in.
package bridge

import (
	"syscall"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
)

// A Target is a program that another process is about to hold to promises.
type Target struct {
	PID       int            // its process, which "its own pid" is in conditions
	Promises  uint64         // a pledge.Set
	Unveil    []Path         // what it may see; none: everything
	Violation policy.Verdict // what becomes of a call that no promise allows
}

// A Path is a path and its permissions, as for unveil(2).
type Path struct{ Path, Permissions string }

// A Confinement is what holds it to them.
type Confinement struct {
	Programs [][]bpf.Insn      // seccomp programs, to be installed in this order; only the last asks a supervisor
	Ruleset  *landlock.Ruleset // to be put in force before them, if it is not empty
}

// Confine makes the confinement of a target. Nothing is installed. Its errors
// are those of the library.
var Confine func(Target) (*Confinement, error)

// Needs returns the sets of promises under which a launched program's call is
// allowed, the smallest first; none if no promise allows it. The process id is
// what "its own pid" is in conditions.
var Needs func(pid int, call *policy.Data) []uint64

// A Refusal says that a call fails with an errno under a set of promises, if
// nothing in the set allows it.
type Refusal struct {
	Promises uint64 // a pledge.Set; 0: whatever is promised
	Errno    syscall.Errno
}

// Refusals returns how a launched program's call is refused softly. Of those
// whose promises are held, the first one decides.
var Refusals func(pid int, call *policy.Data) []Refusal
