// Package bridge lets the launcher use what the promise table knows, without
// making it part of the library's face. The root package fills it in.
package bridge

import (
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

// Check returns the error that Confine would return for a target, before
// there is one.
var Check func(Target) error

// Confine makes the confinement of a target. Nothing is installed. Its errors
// are those of the library.
var Confine func(Target) (*Confinement, error)

// Loading returns what holds a target before its entry point, while the dynamic
// loader and the constructors of libraries run in it: what it is promised, and
// what loading takes. It says nothing of programs and processes that are
// started there, nor of other filters: they are violations or refused.
var Loading func(Target) *policy.Policy

// Needs returns the sets of promises under which a launched program's call is
// allowed, the smallest first; none if no promise allows it. The process id is
// what "its own pid" is in conditions.
var Needs func(pid int, call *policy.Data) []uint64
