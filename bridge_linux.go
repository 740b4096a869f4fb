//go:build amd64 || arm64

package pledge

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/policy"
)

func init() {
	bridge.Check = checkTarget
	bridge.Confine = confine
	bridge.Loading = loading
	bridge.Needs = func(pid int, call *policy.Data) []uint64 {
		pr := launched(pid)
		var out []uint64
		for _, s := range pr.needs(call) {
			out = append(out, uint64(s))
		}
		return out
	}
}

// launched is what is known of a launched program: it may be of C code.
func launched(pid int) process {
	pr := thisProcess()
	pr.pid, pr.libc, pr.launched = pid, true, true
	return pr
}

// violationOf returns what becomes of a target's violations.
func violationOf(t bridge.Target) policy.Verdict {
	if s := Set(t.Promises); s.Has(Error) {
		return Config{}.violation(s)
	}
	return t.Violation
}

// loading makes the policy of a target before its entry point. What would keep
// the filter out, or get processes away from whoever is to install it, is not
// part of it: a filter, a Landlock domain, another program, another process.
func loading(t bridge.Target) *policy.Policy {
	s := Set(t.Promises).With(Stdio, Rpath, ProtExec).Without(Proc, Exec, UnveilPromise)
	p := launched(t.PID).policy(s, violationOf(t))
	p.Grants = slices.DeleteFunc(p.Grants, func(r policy.Rule) bool { return r.Nr == unix.SYS_SECCOMP })
	return p
}

// launchRows are what every program does when it starts, which a launched one
// has to do under its promises. They are not part of the table, as a program
// that calls Pledge has that behind it.
var launchRows = slices.Concat(launchArchRows, []row{
	{needs: always, calls: []uint32{unix.SYS_PRLIMIT64}, when: when(is(0, 0), is(1, unix.RLIMIT_NOFILE)),
		note: "Go raises its own limit of descriptors at start"},
	{needs: always, errno: unix.EACCES, calls: []uint32{unix.SYS_READLINKAT},
		note: "static programs ask for their own path, /proc/self/exe, and can do without"},
})

// checkTarget reports a target whose promises cannot be kept to.
func checkTarget(t bridge.Target) error { return Config{}.checkFiles(Set(t.Promises)) }

// confine makes what holds a launched program to promises.
func confine(t bridge.Target) (*bridge.Confinement, error) {
	if err := checkTarget(t); err != nil {
		return nil, err
	}
	s := Set(t.Promises)
	prog, err := bpf.Compile(launched(t.PID).policy(s, violationOf(t)).Simplify())
	if err != nil {
		return nil, fmt.Errorf("pledge: compiling %q: %w", s, err)
	}
	return &bridge.Confinement{Programs: [][]bpf.Insn{prog}}, nil
}

// needs returns the smallest sets of promises that allow a call, the fewest
// promises first.
func (pr process) needs(call *policy.Data) []Set {
	const floors = Set(1<<goFloor | 1<<cFloor)
	var out []Set
	for _, r := range table {
		if r.errno != 0 || !slices.Contains(r.calls, call.Nr) || !pr.meets(r.when, call) {
			continue
		}
		for _, needs := range r.needs {
			if needs &^= floors; !slices.ContainsFunc(out, func(s Set) bool { return s.SubsetOf(needs) }) {
				out = slices.DeleteFunc(out, needs.SubsetOf)
				out = append(out, needs)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Set) int {
		return cmp.Compare(bits.OnesCount64(uint64(a)), bits.OnesCount64(uint64(b)))
	})
	return out
}

// meets reports whether the arguments of a call meet all conditions.
func (pr process) meets(when []cond, call *policy.Data) bool {
	for _, c := range when {
		if !slices.Contains(pr.values(c), call.Args[c.arg]&c.mask) {
			return false
		}
	}
	return true
}
