//go:build linux && cgo && !purego

package scmp

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
)

// TestMaskedEqualityIsCompiledRight is a regression test for libseccomp itself,
// which has bugs in rules with other comparisons: random rules of the one form
// that we use, against the oracle.
func TestMaskedEqualityIsCompiledRight(t *testing.T) {
	arch, ok := map[string]uint32{"amd64": 0xc000003e, "arm64": 0xc00000b7}[runtime.GOARCH]
	if !ok {
		t.Skip("libseccomp compiles for the machine it runs on, and this test does not know its number")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	masks := []uint64{1, 3, 0xf0, 0xffffffff, 0xffffffffffffffff, 1 << 31, 1 << 32, 0xff00000000, 0xffff0000ffff}
	value := func() uint64 {
		v := uint64(rng.IntN(5))
		switch rng.IntN(5) {
		case 0:
			v |= v << 32
		case 1:
			v = -v
		case 2:
			v |= 1 << 31
		}
		return v
	}
	for round := range 400 {
		p := &policy.Policy{Arch: arch, X32: runtime.GOARCH == "amd64", Limit: 400, NoSys: 38, Default: policy.KillProcess}
		for range 1 + rng.IntN(30) {
			r := policy.Rule{Nr: uint32(rng.IntN(6))}
			for range rng.IntN(4) {
				m := masks[rng.IntN(len(masks))]
				r.When = append(r.When, policy.Cond{Arg: uint8(rng.IntN(3)), Mask: m, Value: value() & m})
			}
			p.Grants = append(p.Grants, r)
		}
		p.Refusals = []policy.Refusal{{Rule: policy.Rule{Nr: uint32(rng.IntN(6))}, Errno: 13}}
		p = p.Simplify()
		prog, err := Compile(p, Options{Linear: round%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			d := &policy.Data{Nr: uint32(rng.IntN(7)), Arch: arch, Args: [6]uint64{value(), value(), value()}}
			if got, want := bpf.Run(prog, d), p.Evaluate(d); got != want {
				t.Fatalf("round %d: %+v: program %v, oracle %v\n%+v", round, d, got, want, p)
			}
		}
	}
}
