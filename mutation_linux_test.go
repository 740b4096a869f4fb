//go:build amd64 || arm64

package pledge

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// TestProofCatchesBrokenRules shows that the proof can fail: every rule of a
// policy is broken in every way there is, compiled, and must be told from the
// right one by some call. With -short it is one rule in five, by call.
func TestProofCatchesBrokenRules(t *testing.T) {
	pr := testProcess
	pr.libc = true
	right := pr.policy(setOf(Stdio, Rpath, Wpath, Cpath, Fattr, Inet, Proc, TTY), policy.KillProcess).Simplify()
	probes := newProbes(rand.New(rand.NewPCG(11, 12)))
	broken, caught := 0, 0
	var oracle policy.Policy // the rules of one number: the others only cost time
	try := func(what string, nr uint32, p policy.Policy) {
		broken++
		prog, err := bpf.Compile(&p)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i := range probes[nr] {
			d := &probes[nr][i]
			if bpf.Run(prog, d) != oracle.Evaluate(d) {
				caught++
				return
			}
		}
		t.Errorf("not caught: %s: %s %+v", sysnum.Name(nr), what, p)
	}
	only := func(nr uint32) policy.Policy {
		p := *right
		p.Grants = slices.Clone(slices.DeleteFunc(slices.Clone(p.Grants), func(r policy.Rule) bool { return r.Nr != nr }))
		p.Refusals = slices.DeleteFunc(slices.Clone(p.Refusals), func(r policy.Refusal) bool { return r.Nr != nr })
		return p
	}
	for nr := range uint32(sysnum.Limit) {
		if testing.Short() && nr%5 != 0 {
			continue
		}
		p := only(nr)
		oracle = p
		for i, g := range p.Grants {
			m := p
			m.Grants = slices.Delete(slices.Clone(p.Grants), i, i+1)
			try(fmt.Sprintf("grant %d dropped", i), nr, m)
			for j, c := range g.When {
				with := func(c policy.Cond) policy.Policy {
					m := p
					m.Grants = slices.Clone(p.Grants)
					m.Grants[i].When = slices.Clone(g.When)
					m.Grants[i].When[j] = c
					return m
				}
				low := uint64(1) << bits.TrailingZeros64(c.Mask)
				high := uint64(1) << (63 - bits.LeadingZeros64(c.Mask))
				for _, bit := range []uint64{low, high} {
					try(fmt.Sprintf("grant %d condition %d: bit %#x of the value flipped", i, j, bit), nr, with(policy.Cond{Arg: c.Arg, Mask: c.Mask, Value: c.Value ^ bit}))
					wider := policy.Cond{Arg: c.Arg, Mask: c.Mask &^ bit, Value: c.Value &^ bit}
					if wider.Mask != 0 && !grantsBoth(p.Grants, g, j, bit) {
						try(fmt.Sprintf("grant %d condition %d: bit %#x of the mask lost", i, j, bit), nr, with(wider))
					}
				}
				if wrong := c.Mask | 1<<32; wrong != c.Mask {
					try(fmt.Sprintf("grant %d condition %d: the upper half looked at", i, j), nr, with(policy.Cond{Arg: c.Arg, Mask: wrong, Value: c.Value}))
				}
				if wrong := (c.Arg + 1) % 6; !slices.ContainsFunc(g.When, func(o policy.Cond) bool { return o.Arg == wrong }) {
					try(fmt.Sprintf("grant %d condition %d: on the next argument", i, j), nr, with(policy.Cond{Arg: wrong, Mask: c.Mask, Value: c.Value}))
				}
			}
		}
		for i, r := range p.Refusals {
			if len(p.Grants) > 0 {
				continue // these may allow all that is refused here
			}
			m := p
			m.Refusals = slices.Clone(p.Refusals)
			m.Refusals[i].Errno = r.Errno + 1
			try(fmt.Sprintf("refusal %d: another errno", i), nr, m)
			m.Refusals = slices.Delete(slices.Clone(p.Refusals), i, i+1)
			try(fmt.Sprintf("refusal %d dropped", i), nr, m)
		}
	}
	t.Logf("%d broken policies, %d caught", broken, caught)
}

// grantsBoth reports whether there is a grant like g but for one bit of a
// condition: then it makes no difference that g does not look at that bit.
func grantsBoth(grants []policy.Rule, g policy.Rule, cond int, bit uint64) bool {
	other := policy.Rule{Nr: g.Nr, When: slices.Clone(g.When)}
	other.When[cond].Value ^= bit
	return slices.ContainsFunc(grants, func(r policy.Rule) bool {
		return len(r.When) <= len(other.When) && !slices.ContainsFunc(r.When, func(c policy.Cond) bool {
			return !slices.ContainsFunc(other.When, func(o policy.Cond) bool {
				return o.Arg == c.Arg && c.Mask&^o.Mask == 0 && o.Value&c.Mask == c.Value
			})
		})
	})
}

// TestProofCatchesBrokenPrograms breaks each instruction of a program in turn.
func TestProofCatchesBrokenPrograms(t *testing.T) {
	pr := testProcess
	pr.libc = true
	p := pr.policy(setOf(Stdio, Rpath, Inet), policy.KillProcess).Simplify()
	prog, err := bpf.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	var calls []policy.Data
	for _, c := range newProbes(rand.New(rand.NewPCG(13, 14))) {
		calls = append(calls, c...)
	}
	// What the right program says, and which calls go through an instruction:
	// only these can tell.
	want := make([]policy.Verdict, len(calls))
	through := make([][]int, len(prog))
	for i := range calls {
		want[i], _ = bpf.Trace(prog, &calls[i], func(pc int) { through[pc] = append(through[pc], i) })
	}
	broken, caught := 0, 0
	try := func(pc int, what string, in bpf.Insn) {
		m := slices.Clone(prog)
		m[pc] = in
		if bpf.Validate(m) != nil {
			return // the kernel would not take it
		}
		broken++
		for _, i := range through[pc] {
			if bpf.Run(m, &calls[i]) != want[i] {
				caught++
				return
			}
		}
		t.Errorf("not caught: l%d: %s: %v instead of %v (%d calls go there)", pc, what, in, prog[pc], len(through[pc]))
	}
	for pc, in := range prog {
		const retK, jeq, jset = 0x06, 0x15, 0x45
		if in.Code == retK {
			try(pc, "another verdict", bpf.Insn{Code: retK, K: in.K ^ 1<<31})
			continue
		}
		if in.Jt == in.Jf {
			continue
		}
		m := in
		m.Jt, m.Jf = in.Jf, in.Jt
		try(pc, "a jump turned round", m)
		switch m = in; in.Code {
		case jeq:
			m.K++
			try(pc, "the next value", m)
		case jset:
			m.K &= m.K - 1
			if m.K != 0 {
				try(pc, "a bit not looked at", m)
			}
		}
		// Another boundary of the binary search can be as good as the one that
		// was chosen, where the same happens on both sides of it.
	}
	t.Logf("%d broken programs, %d caught", broken, caught)
}
