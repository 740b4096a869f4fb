package bridge

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
)

// A Target is a program that another process is about to hold to promises.
type Target struct {
	Promises  uint64         // a pledge.Set
	Unveil    []Path         // what it may see; none: everything
	Violation policy.Verdict // what becomes of a call that no promise allows
	Lax       bool           // violations are only reported: promises' own files are not told from others
	AtExec    bool           // the filter is there before the program, and has to allow what loading takes
}

// A Confinement is what holds it to them.
type Confinement struct {
	// What is to be put in force in front of the filter, if it is not empty: the
	// fence before the program is loaded, the ruleset when it is. The fence takes
	// nothing that loading needs. To be in any domain of Landlock's keeps a
	// process from the memory and the descriptors of others, which are files in
	// /proc: with those of the launcher it would let itself free.
	Fence, Ruleset *landlock.Ruleset

	// Compile makes the filter. The process id is the target's, which "its own
	// pid" is in conditions.
	Compile func(pid int) ([]bpf.Insn, error)

	// Loading returns what holds the target before its entry point, while the
	// dynamic loader and the constructors of libraries run: what it is promised,
	// and what loading takes, but nothing that would get it out of the hands of
	// who is to install the filter.
	Loading func(pid int) *policy.Policy

	// Reads reports whether the program may read a path, absolute and clean and
	// without symbolic links. Until Landlock knows, the launcher looks at what the
	// target opens to read: this, and what loading takes. It is nil if it may read
	// everything.
	Reads func(path string) bool

	// Open decides of an open of a path that the program asked the supervisor
	// about: Allow lets it take place, since Landlock refuses it for any other
	// file than one that the promises mean; an errno is the answer; all else is
	// a violation. The path is absolute and clean.
	Open func(call *policy.Data, path string) policy.Verdict

	close []func()
}

// OnClose has f called by Close.
func (c *Confinement) OnClose(f func()) { c.close = append(c.close, f) }

// Close releases the descriptors of the ruleset's paths.
func (c *Confinement) Close() {
	for _, f := range c.close {
		f()
	}
	c.close = nil
}

// Confine makes the confinement of a target. Nothing is installed. Its errors
// are those of the library.
var Confine func(Target) (*Confinement, error)

// Needs returns the sets of promises under which a launched program's call is
// allowed, the smallest first; none if no promise allows it. The process id is
// what "its own pid" is in conditions; the path is the one that the call opens,
// absolute and clean, or "" if it opens none.
var Needs func(pid int, call *policy.Data, path string) []uint64

// A Refusal says that a call fails with an errno under a set of promises, if
// nothing in the set allows it.
type Refusal struct {
	Promises uint64 // a pledge.Set; 0: whatever is promised
	Errno    syscall.Errno
}

// Refusals returns how a launched program's call is refused softly. Of those
// whose promises are held, the first one decides.
var Refusals func(pid int, call *policy.Data) []Refusal

// Withheld are the numbers of calls that nothing allows before a target's entry
// point, as little as what needs the promises proc and exec: they would keep the
// filter out.
var Withheld = []uint32{unix.SYS_SECCOMP, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF}
