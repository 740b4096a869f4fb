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
	"github.com/gopledge/pledge/internal/sysnum"
)

func init() {
	bridge.Confine = confine
	bridge.Needs = func(pid int, call *policy.Data) []uint64 {
		pr := thisProcess()
		pr.pid, pr.libc = pid, true
		var out []uint64
		for _, s := range pr.needs(call) {
			out = append(out, uint64(s))
		}
		return out
	}
	bridge.Refusals = func(pid int, call *policy.Data) []bridge.Refusal {
		pr := thisProcess()
		pr.pid, pr.libc = pid, true
		return pr.refusals(call)
	}
}

// confine makes what holds a launched program to promises. It is of C code, for
// all that is known of it.
func confine(t bridge.Target) (*bridge.Confinement, error) {
	s := Set(t.Promises)
	if err := (Config{}).checkFiles(s); err != nil {
		return nil, err
	}
	pr := thisProcess()
	pr.pid, pr.libc = t.PID, true
	violation := t.Violation
	if s.Has(Error) {
		violation = Config{}.violation(s)
	}
	prog, err := bpf.Compile(pr.policy(s, violation).Simplify())
	if err != nil {
		return nil, fmt.Errorf("pledge: compiling %q: %w", s, err)
	}
	return &bridge.Confinement{Programs: [][]bpf.Insn{prog}}, nil
}

// floors are what every launched program has.
const floors = Set(1<<goFloor | 1<<cFloor)

// refusals returns the rows that refuse a call, in the table's order.
func (pr process) refusals(call *policy.Data) []bridge.Refusal {
	var out []bridge.Refusal
	for _, r := range table {
		if r.errno == 0 || !slices.Contains(r.calls, call.Nr) || !pr.meets(r.when, call) {
			continue
		}
		for _, needs := range r.needs {
			out = append(out, bridge.Refusal{Promises: uint64(needs &^ floors), Errno: r.errno})
		}
	}
	if call.Nr >= sysnum.Limit {
		out = append(out, bridge.Refusal{Errno: unix.ENOSYS})
	}
	return out
}

// needs returns the smallest sets of promises that allow a call, the fewest
// promises first.
func (pr process) needs(call *policy.Data) []Set {
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
